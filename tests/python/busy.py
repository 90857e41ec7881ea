"""Calls, is called, and speaks with others: for the tests of vpid."""

import asyncio

import game

gate = asyncio.Event()
heard = []
ticks = []


def ask(name, args=(), kwargs=None):
    """Calls the function of this name, and gives the result."""
    try:
        return {"value": game.call(name, *args, **(kwargs or {}))}
    except game.Error as error:
        return {"reason": error.reason, "detail": error.detail}


async def ask_later(name, kwargs=None):
    return await game.aio.call(name, **(kwargs or {}))


def big(size):
    return "x" * size


def measure(name, size):
    """The size of what another script gave, which no file of the game could hold."""
    return len(game.call(name, size=size))


def whoami():
    return [game.script.name, game.config, game.caller and game.caller.script, game.server]


def fine():
    return "fine"


def shout(text):
    return {"text": text.upper(), "of": (1, 2)}


def fails():
    return {}["nothing"]


def gives_a_module():
    return asyncio


# Beside each other


async def wait():
    await gate.wait()
    return "opened"


def open_gate():
    gate.set()


async def together(name, count):
    """The same call many times, all under way at once."""
    calls = [game.aio.call(name, value=number) for number in range(count)]
    return await asyncio.gather(*calls)


async def twice(value):
    await asyncio.sleep(0)
    return value * 2


# Timers


def begin_timers():
    every = game.timer(0.01, lambda: ticks.append("every") or len(ticks) >= 3 and every.cancel(), True)
    never = game.timer(0.01, lambda: ticks.append("cancelled"))
    never.cancel()

    async def in_a_task():
        await asyncio.sleep(0)
        ticks.append("async")

    game.timer(0.05, in_a_task)


def get_ticks():
    return ticks


# Messages


def OnMessage(sender, name, data):
    heard.append([sender, name, data])


def tell(to, data):
    return game.send(to, "greeting", data)


def get_heard():
    return heard


# Functions at run time


def begin(name, value):
    game.register(name, lambda **named: [value, named])


def end(name):
    return game.unregister(name)


def begin_badly(name):
    try:
        game.register(name, lambda: None)
    except ValueError as error:
        return str(error)


# Databases


def sql(query, params=None):
    try:
        return game.sql(query, params)
    except game.Error as error:
        return [error.reason, error.detail]


def query(name, **params):
    return game.query(name, **params)


def logs():
    for level in range(6):
        game.log(f"of level {level}", level)
