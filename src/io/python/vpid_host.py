"""Runs one script: takes what vpid says, and says what comes of it.

There is one thread. While nothing of the script is waiting (no task, no open connection), it waits
in the channel itself, which is quicker than an event loop; else the event loop waits for both.

Events and calls are counted: vpid keeps few under way, and is told with `ack` how many are finished.
A plain function is finished when it returns, an `async` one when it waits for the first time.
"""

import asyncio
import json
import os
import select
import signal
import sys
import threading
from collections import deque
from math import ceil
from time import monotonic
from types import CoroutineType

import game
from vpid_channel import Channel
from vpid_loop import Selector, Steps, Timers, Watch, make_loop
from vpid_process import error_line, error_text, prepare, take_logging
from vpid_script import Script, compiled, where, with_players
from vpid_values import encode

# During a long batch vpid hears so often what is finished.
ACK_S = 0.1

# What the script logs while it runs is not kept back for longer.
LOG_S = 0.02

# How long what the script left behind may take to end: first its tasks, then its threads.
TASKS_END_S = 0.5
EXIT_S = 2

LOG_CHARACTERS_MAX = 8_000
REGISTERED_MAX = 1_000

EVENT, VERDICT, CALL = "e", "g", "c"
TIMER, UNLOAD = "timer", "unload"
COUNTED = frozenset([EVENT, VERDICT, CALL])

# These are for somebody who waits, maybe in the middle of another message.
EARLY = frozenset(["a", "n", "cancel"])


class Answer:
    """Where a function that blocks finds its answer."""

    message = None

    def done(self):
        return self.message is not None

    def set_result(self, message):
        self.message = message


class Host:
    def __init__(self, channel, start):
        self.channel = channel
        self.servers = {each["id"]: each["name"] for each in start["servers"]}
        self.timers = Timers()
        self.watch = Watch(start["call_ms"], self.flush)
        self.tasks = 0
        self._tasks_max = start["tasks_max"]
        self._selector = Selector(self)
        self._loop = make_loop(self, self._selector)
        self._loop.add_reader(channel, self._read_in_loop)
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)
        self._main_thread = threading.get_ident()
        self._queue = deque()
        # Who waits for the answer to an ask, and the tasks of calls, by their ids.
        self._waiting = {}
        self._asks = 0
        self._calls = {}
        # Of the counted messages: taken, of these told as finished, tasks that have not begun,
        # and whether one is running just now.
        self._taken = self._acked = self._not_begun = self._running = 0
        self._flushed = monotonic()
        self._script = _script_of(start)
        self._handlers = {
            EVENT: self._event,
            VERDICT: self._verdict,
            CALL: self._call,
            UNLOAD: self._unload,
            "check": self._check,
            "reload": self._reload,
            "names": self._names,
        }

    # Life

    def load(self):
        """Loads the script, and says so. Ends this process if it cannot be."""
        try:
            self.watch.since = monotonic()
            self._script.load()
            self.watch.since = 0
        except BaseException as error:
            self._post("failed", error_text(error))
            self.flush()
            os._exit(1)
        hooks = self._script.hooks
        if "OnTimer" in hooks:
            self.timers.add(1, hooks["OnTimer"][0], True)
        version = ".".join(str(part) for part in sys.version_info[:3])
        functions = self._script.function_names()
        self._post("ready", {"hooks": sorted(hooks), "functions": functions, "python": version})

    def run(self):
        self._receive(self.channel.rest())
        while True:
            try:
                self._work()
                if self.tasks or self._script.needs_loop or self._selector.has_others():
                    self._loop.run_forever()
                else:
                    self._wait()
            except game.Interrupted as error:
                # It came just when a function had ended.
                self._running = 0
                self.log(1, error_text(error))

    def finish(self):
        """Before this process ends: lets tasks clean up, and says what is to be said."""
        if not self.channel.is_open():
            return
        # Threads of the script that do not end shall not keep this process.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(EXIT_S)
        self._queue.clear()
        self._loop.remove_reader(self.channel)
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=TASKS_END_S))
        self.flush()

    # Waiting

    def _wait(self):
        self.flush()
        wait_s = self.timers.wait_s()
        if wait_s is not None:
            is_ready = self._poll.poll(ceil(wait_s * 1000))
            self._run_timers()
            if not is_ready:
                return
        self._receive(self.channel.read())

    def wait_in_loop(self, timeout, select):
        """How the event loop waits. `timeout` is what the loop itself wants."""
        self.watch.since = 0
        if not self.channel.is_open():
            os._exit(0)
        is_idle = timeout is None and not self.tasks and not self._queue
        if is_idle and not self._script.needs_loop and not self._selector.has_others():
            self._loop.stop()
            return []
        if self._may_work():
            self._loop.call_soon(self._work)
            timeout = 0
        timer_s = self.timers.wait_s()
        if timer_s is not None and (timeout is None or timer_s < timeout):
            timeout = timer_s
        if timeout != 0 or monotonic() - self._flushed >= ACK_S:
            self.flush()
        ready = select(timeout)
        self.watch.since = monotonic()
        if timer_s is not None:
            self._loop.call_soon(self._run_timers)
        return ready

    def _read_in_loop(self):
        # A function that blocks may have read what was there.
        self._receive(self.channel.read_ready())
        self._work()

    def _receive(self, messages):
        early = [message for message in messages if message[0] in EARLY]
        if early:
            messages = [message for message in messages if message[0] not in EARLY]
        self._queue.extend(messages)
        for message in early:
            if message[0] == "cancel":
                self._cancel(message[1])
                continue
            waiter = self._waiting.pop(message[1], None)
            if waiter is not None and not waiter.done():
                waiter.set_result(message)

    # Saying

    def _post(self, *message):
        self.channel.post(json.dumps(message, ensure_ascii=False))

    def flush(self):
        """Writes what is to be said, with what is finished."""
        with self.watch:
            finished = self._taken - self._not_begun - self._running - self._acked
            if finished:
                self._acked += finished
                self.channel.post(f'["ack",{finished}]')
            self.channel.write()
            self._flushed = monotonic()

    def log(self, level, text):
        level = min(5, max(0, int(level)))
        self._post("log", level, str(text)[:LOG_CHARACTERS_MAX])
        if threading.get_ident() != self._main_thread:
            self.channel.write()
        elif monotonic() - self._flushed >= LOG_S:
            self.flush()

    # Asking

    def ask(self, what, arguments, server):
        if threading.get_ident() != self._main_thread:
            raise RuntimeError(
                f"{what} was asked in another thread; functions of game that ask work in the main"
                " thread only, so leave the asking to a function that vpid calls, or to a timer"
            )
        if not self.channel.is_open():
            raise RuntimeError("a forked process cannot speak with the game")
        answer = Answer()
        self._post_ask(what, arguments, server, answer)
        self.flush()
        while answer.message is None:
            # Only here may an interrupt end this: what was read must not be lost.
            self._poll.poll()
            with self.watch:
                self._receive(self.channel.read())
        return _outcome(answer.message)

    async def ask_without_blocking(self, what, arguments, server):
        if asyncio.get_running_loop() is not self._loop:
            # The script runs a loop of its own, in which nobody else waits.
            return self.ask(what, arguments, server)
        answer = self._loop.create_future()
        number = self._post_ask(what, arguments, server, answer)
        try:
            return _outcome(await answer)
        finally:
            self._waiting.pop(number, None)

    def _post_ask(self, what, arguments, server, answer):
        text = encode(arguments, what)
        self._asks += 1
        self._waiting[self._asks] = answer
        self.channel.post(f'["ask",{self._asks},"{what}",{text},{json.dumps(server)}]')
        return self._asks

    def register(self, name, function):
        if self._script.registered_count() >= REGISTERED_MAX:
            raise ValueError(f"{REGISTERED_MAX} functions are registered already")
        self._script.register(name, function)
        self._post("register", name)

    def unregister(self, name):
        if not self._script.unregister(name):
            return False
        self._post("unregister", name)
        return True

    # Working

    def _may_work(self):
        queue = self._queue
        return queue and (self.tasks < self._tasks_max or queue[0][0] not in COUNTED)

    def _work(self):
        """Takes what waits in the queue, as far as there is room for tasks."""
        while self._may_work():
            message = self._queue.popleft()
            kind = message[0]
            if kind not in COUNTED:
                self._handlers[kind](message)
                continue
            if monotonic() - self._flushed >= ACK_S:
                self.flush()
            self._taken += 1
            self._running = 1
            self._handlers[kind](message)
            self._running = 0

    def _event(self, message):
        _, name, server, args = message
        if name in self._script.hooks:
            self._run_hook(message, name, server, args)

    def _verdict(self, message):
        _, number, name, server, args = message
        if name in self._script.hooks:
            self._run_hook(message, name, server, args)
        else:
            self._conclude(message, None)

    def _run_hook(self, message, name, server, args):
        function, count, players = self._script.hooks[name]
        if players or name == "OnHeartbeat":
            args = with_players(name, args, players)
        if count is not None:
            args = args[:count]
        game._server.set(server)
        self._run(message, function, args)

    def _call(self, message):
        _, number, name, args, kwargs, caller = message
        game._server.set(caller.get("server"))
        token = game._caller.set(caller)
        self._run(message, self._script.call, (name, args, kwargs, caller))
        game._caller.reset(token)

    def _run(self, message, function, args):
        """Runs a function of the script for a message."""
        self.watch.since = monotonic()
        try:
            result = function(*args)
            if type(result) is CoroutineType or hasattr(result, "__await__"):
                self._begin(message, result)
            else:
                self._conclude(message, result)
        except BaseException as error:
            self.watch.since = 0
            self._failed(message, error)
        self.watch.since = 0

    def _begin(self, message, awaitable):
        self._not_begun += 1
        task = self._loop.create_task(Steps(self._carry(message, awaitable), self))
        if message[0] == CALL:
            self._calls[message[1]] = task

    def task_begun(self):
        self._not_begun -= 1
        if monotonic() - self._flushed >= ACK_S:
            self.flush()

    async def _carry(self, message, awaitable):
        try:
            self._conclude(message, await awaitable)
        except BaseException as error:
            self.watch.since = 0
            self._failed(message, error)
        finally:
            if message[0] == CALL:
                self._calls.pop(message[1], None)

    def _conclude(self, message, result):
        kind = message[0]
        if kind == CALL:
            self.channel.post(f'["r",{message[1]},{encode(result, "result")}]')
        elif kind == VERDICT:
            stops = result is False or (type(result) is int and result == 0)
            self.channel.post(f'["v",{message[1]},{0 if stops else 1}]')
        elif kind == UNLOAD:
            raise SystemExit(0)

    def _failed(self, message, error):
        kind = message[0]
        if kind == CALL:
            name = "Timeout" if isinstance(error, game.Interrupted) else type(error).__name__
            self._post("x", message[1], name, error_line(error))
        elif kind == VERDICT:
            self._post("v", message[1], 1)
        if not isinstance(error, (SystemExit, asyncio.CancelledError)):
            self.log(1, f"{_title(message)}: {error_text(error)}")
        if kind == UNLOAD:
            self._post("unloaded")
            raise SystemExit(0)
        if isinstance(error, SystemExit):
            raise error

    def _run_timers(self):
        for timer in self.timers.take_due():
            timer.context.run(self._run, (TIMER,), timer.function, ())

    # What else vpid says

    def _cancel(self, number):
        task = self._calls.get(number)
        if task is not None:
            task.cancel()
            return
        for message in self._queue:
            if message[0] == CALL and message[1] == number:
                self._queue.remove(message)
                self._taken += 1
                return

    def _unload(self, message):
        if "OnUnLoad" in self._script.hooks:
            self._run_hook(message, "OnUnLoad", None, [])
        else:
            self._post("unloaded")
            raise SystemExit(0)

    def _check(self, message):
        path = self._script.path
        try:
            compiled(path)
            self._post("r", message[1], None)
        except Exception as error:
            self._post("x", message[1], type(error).__name__, where(error, path))

    def _reload(self, message):
        try:
            self._script.reload()
            self._post("r", message[1], self._script.function_names())
        except BaseException as error:
            self._post("x", message[1], type(error).__name__, where(error, self._script.path))

    def _names(self, message):
        self.servers = {each["id"]: each["name"] for each in message[1]}


def _outcome(message):
    if message[0] == "a":
        return message[2]
    raise game.Error(message[2], message[3])


def _title(message):
    if message[0] == TIMER:
        return "timer"
    if message[0] == UNLOAD:
        return "OnUnLoad"
    return message[1] if message[0] == EVENT else message[2]


def _script_of(start):
    if start["kind"] == "script":
        return Script(start)
    from vpid_interfaces import Interfaces

    return Interfaces(start)


def main(descriptor, rest, start):
    prepare(start["folder"], start["memory_bytes"])
    host = Host(Channel(descriptor, rest), start)
    game._host = host
    game.config.update(start["config"] or {})
    vars(game.script).update(name=start["name"], path=start["path"], id=start["id"])
    take_logging(host.log)
    host.load()
    try:
        host.run()
    except SystemExit:
        host.finish()
        raise
