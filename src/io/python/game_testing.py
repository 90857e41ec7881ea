"""Tests of scripts without a game and without vpid: `vpid script test` runs them, with unittest or pytest.

    import unittest
    from game_testing import load

    class Greeting(unittest.TestCase):
        def test_players_are_greeted(self):
            with load("greet.py") as stage:
                ann = stage.join("Ann")
                self.assertEqual(stage.read(ann), ["Hello, Ann!"])

The script runs in this process, with vpid's own module `game`; a stage stands in for what is behind it: servers,
players, the console, functions of others, and time, which passes only by `pass_time`. What vpid would refuse is an
error here, too. An error of the script is one of the test.

SQL runs in an empty SQLite database in memory, `stage.database`.
"""

# The annotations are for type checkers: game_testing.pyi is made of this file.
from __future__ import annotations

import asyncio
import contextvars
import ipaddress
import json
import os
import re
import sqlite3
import sys
import threading
from time import monotonic
from types import SimpleNamespace

import game
import vpid_commands
import vpid_script
from vpid_loop import TIMERS_MAX
from vpid_values import encode

_FOR_TYPE_CHECKERS = False
if _FOR_TYPE_CHECKERS:
    # Never run; it stands in game_testing.pyi as it is.
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence
    from os import PathLike
    from types import TracebackType
    from typing import Any, Union

    from game import Player

    _Server = Union[str, int, None]

# 2026-01-01: the time at which a stage begins, in seconds since 1970.
_START_S = 1_767_225_600

_STEAM64 = 0x0110_0001 << 32

# Every hook that vpid calls. `OnCommunity...` are the same as `OnVyHub...`.
_HOOKS = frozenset(
    """
    OnServerStart OnServerStop OnMapStart OnMapEnd OnPlayerConnect OnPlayerActive OnPlayerSpawn OnPlayerDeath
    OnPlayerTeam OnPlayerClass OnPlayerName OnPlayerChat OnPlayerDisconnect OnRoundStart OnRoundWin OnHeartbeat OnEvent
    OnMessage OnTimer OnUnLoad OnVyHubLoadingStart OnVyHubLoadingFinish OnVyHubApiReady OnVyHubApiFailed OnVyHubReady
    OnVyHubPlayerConnected OnVyHubPlayerInitialized OnVyHubPlayerBanned OnVyHubPlayerUnbanned OnVyHubPlayerWarned
    OnVyHubPlayerGroupChanged OnVyHubPlayerGroupsChanged OnVyHubRewardExecuted OnVyHubAddressBanned
    OnVyHubAddressUnbanned
    """.split()
)

# What `game.geoip` knows of a place.
_PLACE = (
    "address", "country", "country_name", "continent", "region", "city", "postal", "latitude", "longitude", "time_zone",
    "asn", "network",
)  # fmt: skip
_BRIEF = ("userid", "name", "steam", "bot", "team")

# Functions of the community that are only recorded, in `stage.calls`, and what they answer besides `queued`.
_CHANGES = {
    "VYHUB_Ban": "player",
    "VYHUB_Unban": "player",
    "VYHUB_Warn": "player",
    "VYHUB_SetGroup": "player",
    "VYHUB_RemoveGroup": "player",
    "VYHUB_BanAddress": "address",
    "VYHUB_UnbanAddress": "address",
}


def load(
    path: str | PathLike[str],
    config: Mapping[str, Any] | None = None,
    servers: Sequence[str] = ("server",),
    functions: Mapping[str, Callable[..., object]] | None = None,
) -> Stage:
    """Loads a script. A relative path begins at the folder of the file that calls this. `config`: what it finds in
    `game.config`. `servers`: the names of the game servers. `functions`: those of others that it may call, by their
    names. One script is loaded at a time: a stage that was not closed is closed.
    """
    folder = os.path.dirname(os.path.abspath(sys._getframe(1).f_code.co_filename))
    return Stage(os.path.join(folder, path), config, servers, functions)


class Stage:
    """A script that is loaded, and what is around it. Players are given as those of `join`, or by their userid."""

    # What it did: console lines; calls, each a name, arguments, named arguments; lines of the log, each a level and a
    # text; kicks, each a userid and a reason; what `game.send`, `game.message` and `game.hook` were given.
    commands: list[str]
    calls: list[tuple[str, list[Any], dict[str, Any]]]
    logs: list[tuple[int, str]]
    kicks: list[tuple[int, str]]
    sent: list[tuple[str | None, str, Any]]
    messages: list[tuple[str, Any]]
    hooks: list[tuple[str, Any]]
    # What it finds, for the test to change: functions of others; console variables; what the console replies to lines;
    # what `game.geoip` knows of addresses: {"203.0.113.7": {"country": "AT"}}.
    functions: dict[str, Callable[..., object]]
    cvars: dict[str, str]
    replies: dict[str, str]
    places: dict[str, dict[str, Any]]
    # Of all servers.
    map: str
    max_players: int
    # For `game.sql`.
    database: sqlite3.Connection
    # The script itself, with its variables.
    module: Any

    _present = None

    def __init__(
        self,
        path: str | PathLike[str],
        config: Mapping[str, Any] | None = None,
        servers: Sequence[str] = ("server",),
        functions: Mapping[str, Callable[..., object]] | None = None,
    ) -> None:
        if Stage._present is not None:
            Stage._present.close()
        path = os.path.abspath(path)
        self.commands, self.calls, self.logs, self.kicks = [], [], [], []
        self.sent, self.messages, self.hooks = [], [], []
        self.functions = dict(functions or {})
        self.cvars, self.replies = {}, {}
        self.places = {}
        self.map, self.max_players = "cp_first", 24
        self.database = sqlite3.connect(":memory:", isolation_level=None)
        self._now = 0.0
        self._until = 0.0
        self._problems, self._tasks = [], []
        self._shown = []
        self._people = []
        self._last_userid = self._last_change = 0
        folder, base = os.path.split(path)
        name = os.path.basename(folder) if base == "main.py" else base[: -len(".py")]
        shared = os.path.dirname(folder) if base == "main.py" else folder
        self._host = _Host(self, dict(enumerate(servers, 1)))
        self._begin(path, name, folder, shared, config)

    # Life

    def _begin(self, path, name, folder, shared, config):
        self._loop = _Loop(self)
        asyncio.set_event_loop(self._loop)
        self._modules, self._path = dict(sys.modules), list(sys.path)
        self._argv, self._folders = list(sys.argv), (folder, shared)
        sys.path[:0] = [folder, shared]
        game._host = self._host
        game.config.clear()
        game.config.update(json.loads(encode(dict(config or {}), "config")))
        vars(game.script).update(name=name, path=path, id=1)
        vpid_commands.reset()
        vpid_commands.clock = lambda: self._now
        vpid_script.clock = lambda: _START_S + self._now
        self._name = name
        Stage._present = self
        self._host.script = vpid_script.Script({"path": path, "name": name, "folder": folder, "shared": shared})
        try:
            self.module = self._host.script.load()
            unknown = [hook for hook in self._host.script.hooks if not _is_hook(hook)]
            if unknown:
                raise NameError(f"vpid calls no function {unknown[0]}; docs/scripts.md has the names of hooks")
            if self._host.script.unfit_hooks:
                raise TypeError(self._host.script.unfit_hooks[0])
        except BaseException:
            self.close()
            raise
        if "OnTimer" in self._host.script.hooks:
            self._host.timers.add(1, lambda: self._raise("OnTimer", []), True)

    def close(self) -> None:
        """Ends the script, after its `OnUnLoad`. What it has imported from its folder is imported anew by the next."""
        if Stage._present is not self:
            return
        try:
            if "OnUnLoad" in self._host.script.hooks:
                self._raise("OnUnLoad", [])
                # It may wait for a thread. As in vpid, it has three seconds.
                if self._tasks:
                    last = self._tasks[-1]
                    self.wait_for(last.done, 3)
        finally:
            Stage._present = None
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()
            self._loop.close()
            asyncio.set_event_loop(None)
            self.database.close()
            self._forget_modules()

    def _forget_modules(self):
        sys.path[:], sys.argv[:] = self._path, self._argv
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None) or ""
            if name not in self._modules and file.startswith(tuple(each + os.sep for each in self._folders)):
                del sys.modules[name]

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Players, and what they do

    def join(
        self,
        name: str,
        steam: str | None = None,
        bot: bool = False,
        team: int = 0,
        admin: bool = False,
        groups: Sequence[str] = (),
        address: str | None = None,
        server: _Server = None,
    ) -> Player:
        """A player comes: `OnPlayerConnect`, then `OnPlayerActive`. Without `steam` (17 digits), they get one."""
        number = self._server(server)
        self._last_userid += 1
        userid = self._last_userid
        if steam is None and not bot:
            steam = str(_STEAM64 + userid)
        if steam is not None and not re.fullmatch("[0-9]{17}", steam):
            raise ValueError(f"{steam!r} is no SteamID of 17 digits")
        player = game.Player(userid=userid, name=name, steam=None if bot else steam, bot=bot, team=team)
        player.update(
            id=None if bot else f"[U:1:{int(steam) - _STEAM64}]",
            score=0, deaths=0, ping=None if bot else 50, address=address, alive=False,
            seconds=0, admin=admin, user_id=None, groups=list(groups),
        )  # fmt: skip
        self._people.append(SimpleNamespace(server=number, player=player, since=self._now))
        self._raise("OnPlayerConnect", [_brief(player)], number)
        if self._known(userid) is not None:
            self._raise("OnPlayerActive", [_brief(player)], number)
        return player

    def leave(self, player: Player | int, reason: str = "Disconnect by user.") -> None:
        """A player goes: `OnPlayerDisconnect`."""
        person = self._person(player)
        self._people.remove(person)
        self._raise("OnPlayerDisconnect", [_brief(person.player), reason], person.server)

    def chat(self, player: Player | int, text: str) -> Any:
        """A player writes a line. Returns what the hook or the command returned; 0 keeps it from later scripts."""
        person = self._person(player)
        return self._raise("OnPlayerChat", [_brief(person.player), text], person.server)

    def kill(
        self,
        attacker: Player | int | None,
        victim: Player | int,
        assister: Player | int | None = None,
        weapon: str = "",
    ) -> None:
        """A player dies: `OnPlayerDeath`."""
        person = self._person(victim)
        person.player["deaths"] += 1
        those = [_brief(self._person(each).player) if each is not None else None for each in (attacker, assister)]
        self._raise("OnPlayerDeath", [_brief(person.player), *those, weapon], person.server)

    def set_team(self, player: Player | int, team: int) -> None:
        """A player changes the team: `OnPlayerTeam`."""
        person = self._person(player)
        before, person.player["team"] = person.player["team"], team
        self._raise("OnPlayerTeam", [_brief(person.player), team, before], person.server)

    def change_map(self, map: str, server: _Server = None) -> None:
        """Another map begins: `OnMapEnd`, `OnMapStart`, and `OnPlayerActive` of each player."""
        number = self._server(server)
        before, self.map = self.map, map
        self._raise("OnMapEnd", [before, map], number)
        self._raise("OnMapStart", [map], number)
        for person in [each for each in self._people if each.server == number]:
            self._raise("OnPlayerActive", [_brief(person.player)], number)

    def hook(self, name: str, *args: Any, server: _Server = None) -> Any:
        """Calls any hook, with its arguments as docs/scripts.md has them. Returns what it returned."""
        if not _is_hook(name):
            raise NameError(f"vpid calls no function {name}")
        return self._raise(name, list(args), self._server(server))

    def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        """Calls a function of the script, as another script would: `stage.call("top", count=3)`."""
        args, kwargs = json.loads(encode([list(args), kwargs], "arguments"))
        caller = {"script": "test.py", "server": self._host.only_server()}
        run = lambda: self._host.script.call(function, args, kwargs, caller)  # noqa: E731
        result = self._finish(self._in_context(run, self._host.only_server(), caller), must_end=True)
        return json.loads(encode(result, "result"))

    def pass_time(self, seconds: float) -> None:
        """Lets time pass for the script: its timers, `OnTimer`, `asyncio.sleep`, and cooldowns of commands."""
        self._until = self._now + seconds
        self._run()
        self._now = self._until

    def wait_for(self, is_so: Callable[[], object], seconds: float = 10) -> None:
        """Waits in real time for what threads or connections of the script do. Fails after so many seconds."""
        end = monotonic() + seconds
        while not is_so():
            if monotonic() > end:
                raise TimeoutError(f"waited for {seconds} seconds in vain")
            self._until = self._now
            self._loop.real_wait_s = 0.01
            self._run()
        self._loop.real_wait_s = 0

    # What players see

    def read(self, player: Player | int, place: str = "chat") -> list[str]:
        """What a player has read since the last time: lines for them and for everybody. `place`: chat or center."""
        person = self._person(player)
        mine = [each for each in self._shown if each.to == person.player["userid"] and each.place == place]
        self._shown = [each for each in self._shown if each not in mine]
        return [each.text for each in mine]

    def players(self) -> list[Player]:
        """All who are on."""
        return [each.player for each in self._people]

    def _show(self, number, to, text, place):
        if place not in ("chat", "center"):
            raise game.Error("ValueError", "`place` is chat, center or console")
        for person in self._people:
            userid = person.player["userid"]
            if person.server == number and to in (None, userid):
                self._shown.append(_Line(userid, place, text))

    # What runs the script

    def _raise(self, name, args, server=None):
        hooks = self._host.script.hooks
        # Hooks of the community have two names.
        names = (name, name.replace("OnVyHub", "OnCommunity"), name.replace("OnCommunity", "OnVyHub"))
        hook = next((hooks[each] for each in names if each in hooks), None)
        if hook is None:
            return None
        args = json.loads(encode(args, name))
        return self._finish(self._in_context(lambda: hook(args), server, None))

    def _in_context(self, run, server, caller):
        context = contextvars.copy_context()

        def prepared():
            game._server.set(server)
            game._caller.set(caller)
            # As in vpid, plain functions find the loop running.
            before = asyncio._get_running_loop()
            asyncio._set_running_loop(self._loop)
            try:
                return self._finish(run(), keep=True)
            finally:
                asyncio._set_running_loop(before)

        return context.run(prepared)

    def _finish(self, result, keep=False, must_end=False):
        """Runs what is `async` until it waits for time or for what is outside. `keep`: makes it a task only."""
        if asyncio.iscoroutine(result) or hasattr(result, "__await__") and not asyncio.isfuture(result):
            result = self._loop.create_task(_awaited(result))
        if keep:
            return result
        if not asyncio.isfuture(result):
            # What a plain function has left to the loop, such as a task.
            if self._loop._ready and not self._loop.is_running():
                self._until = self._now
                self._run()
            return result
        self._until = self._now
        self._run()
        if result.done():
            return result.result()
        if must_end:
            raise TimeoutError("the function waits for something; let its time pass, or use wait_for")
        self._tasks.append(result)
        return None

    def _run(self):
        """Runs the loop up to `_until`, and raises the first error of what ran there."""
        if not self._loop.is_running():
            self._run_loop()
        ended = [task for task in self._tasks if task.done()]
        self._tasks = [task for task in self._tasks if not task.done()]
        for task in ended:
            if not task.cancelled():
                task.result()
        if self._problems:
            problems, self._problems = self._problems, []
            raise problems[0]

    def _run_loop(self):
        # A plain function of the script may have called what a test stands in for, and that the stage.
        running = asyncio._get_running_loop()
        if running is self._loop:
            asyncio._set_running_loop(None)
        try:
            self._loop.run_forever()
        finally:
            asyncio._set_running_loop(running)

    # What is known

    def _server(self, server):
        return self._host.only_server() if server is None else game._number_of_server(server)

    def _known(self, player):
        """The person whom a value means, as vpid finds them: a userid (7 or "#7"), or a SteamID in any form."""
        wanted = game._present(player)
        if isinstance(wanted, str) and re.fullmatch("#[0-9]+", wanted):
            wanted = int(wanted[1:])
        steam = game._steam64(wanted)
        for person in self._people:
            if wanted == person.player["userid"] or steam == person.player["steam"] is not None:
                return person
        return None

    def _person(self, player):
        person = self._known(player)
        if person is None:
            raise ValueError(f"{player!r} is not on the server")
        return person

    def _called(self, name, args, kwargs):
        """What a function of others answers."""
        self.calls.append((name, args, kwargs))
        if name in self.functions:
            return self.functions[name](*args, **kwargs)
        if name == "VPI_DB_RawExecute":
            return self._sql(**kwargs)
        if name in _CHANGES:
            self._last_change += 1
            key = _CHANGES[name]
            of = kwargs.get(key, kwargs.get("player"))
            person = self._known(of)
            steam = person.player["steam"] if person is not None else game._steam64(of)
            if key == "player" and not re.fullmatch("[0-9]{17}", str(steam)):
                raise game.Error("PlayerUnknown", "this player is not on the server")
            return {"queued": self._last_change, key: steam if key == "player" else of}
        detail = f"neither vpid, a script nor the game has a function {name}; a test puts it into stage.functions"
        raise game.Error("UnknownFunction", detail)

    def _sql(self, query, format=None):
        values = format
        if values is not None:
            query = re.sub("%[s%]", lambda found: "?" if found[0] == "%s" else "%", query)
        try:
            return [list(row) for row in self.database.execute(query, values or [])]
        except sqlite3.Error as error:
            raise game.Error("DatabaseError", str(error)) from None


class _Line:
    def __init__(self, to, place, text):
        self.to, self.place, self.text = to, place, text


async def _awaited(awaitable):
    return await awaitable


def _expect(value, kind, name, words):
    """Refuses what vpid refuses; None stands for what is not given."""
    if value is not None and not isinstance(value, kind):
        raise game.Error("ValueError", f"`{name}` must be {words}")


def _is_hook(name):
    return name.replace("OnCommunity", "OnVyHub", 1) in _HOOKS


def _address(text):
    """An address without its port; None for what is none."""
    if not isinstance(text, str) or "%" in text:
        return None
    found = re.fullmatch(r"\[(.+)\](?::[0-9]+)?|([0-9.]+)(?::[0-9]+)?|(.+)", text.strip())
    try:
        address = found and ipaddress.ip_address(next(filter(None, found.groups())))
    except ValueError:
        return None
    return address and str(getattr(address, "ipv4_mapped", None) or address)


# As vpid has them: of the machine itself, of private networks and providers, and those that the engine makes up.
_NOWHERE = [
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 224.0.0.0/3"
        " ::/128 ::1/128 fc00::/7 fe80::/10 ff00::/8"
    ).split()
]


def _is_nowhere(address):
    return any(address in network for network in _NOWHERE)


def _brief(player):
    return {key: player[key] for key in _BRIEF}


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose time is that of the stage: where it would wait, time goes on, or the loop ends."""

    def __init__(self, stage):
        self._stage = stage
        self.real_wait_s = 0
        super().__init__()
        self.set_exception_handler(self._on_problem)
        self._real_select = self._selector.select
        self._selector.select = self._select

    def time(self):
        return self._stage._now

    def _on_problem(self, loop, context):
        error = context.get("exception") or RuntimeError(context["message"])
        self._stage._problems.append(error)

    def _select(self, timeout=None):
        stage = self._stage
        found = self._real_select(self.real_wait_s if timeout != 0 else 0)
        if found or timeout == 0:
            return found
        # What is due a little later than it should be, by rounding, is due.
        if timeout is None or stage._now + timeout > stage._until + 1e-6:
            self.call_soon(self.stop)
        else:
            stage._now += timeout
        return found


class _Host:
    """What `game` speaks with in place of vpid."""

    def __init__(self, stage, servers):
        self.servers = servers
        self.script = SimpleNamespace(hooks={})
        self.requests = _Requests(stage)
        self.timers = _Timers(stage)
        self._stage = stage
        self._thread = threading.get_ident()

    def only_server(self):
        return next(iter(self.servers)) if len(self.servers) == 1 else None

    def expect_main_thread(self, what):
        if threading.get_ident() != self._thread:
            raise RuntimeError(f"game.{what} was called in another thread; it works in the main thread only")

    def log(self, level, text):
        self._stage.logs.append((level, str(text)))

    def post(self, *message):
        """The names of functions at run time are not kept anywhere else."""


class _Timers:
    def __init__(self, stage):
        self._stage = stage
        self._live = set()

    def add(self, seconds, function, repeat):
        if not callable(function):
            raise TypeError("a timer needs a function")
        if not 0 <= seconds < 1e9:
            raise ValueError(f"a timer cannot be {seconds} seconds long")
        if len(self._live) >= TIMERS_MAX:
            raise ValueError(f"there are {TIMERS_MAX} timers already")
        return _Timer(self._stage, max(seconds, 0.001) if repeat else seconds, function, repeat, self._live)


class _Timer:
    def __init__(self, stage, seconds, function, repeat, live):
        self._stage, self._seconds, self._function, self._repeat = stage, seconds, function, repeat
        # The timers that are neither cancelled nor over.
        self._live = live
        live.add(self)
        self._cancelled = False
        self._handle = stage._loop.call_later(seconds, self._due)

    def _due(self):
        if self._repeat and not self._cancelled:
            self._handle = self._stage._loop.call_later(self._seconds, self._due)
        else:
            self._live.discard(self)
        result = self._stage._finish(self._function(), keep=True)
        if asyncio.isfuture(result):
            self._stage._tasks.append(result)

    def cancel(self):
        self._cancelled = True
        self._live.discard(self)
        self._handle.cancel()


class _Requests:
    """Answers what the functions of `game` request: each `_on_` is one of what vpid knows."""

    def __init__(self, stage):
        self._stage = stage

    def request(self, what, arguments, server):
        stage = self._stage
        stage._host.expect_main_thread(what)
        arguments = json.loads(encode(arguments, what))
        answer = getattr(self, "_on_" + what)
        if what not in ("call", "send", "servers", "geoip", "country"):
            server = self._one_server(server)
        return json.loads(encode(answer(server, **arguments), "result"))

    def _one_server(self, server):
        host = self._stage._host
        server = server or host.only_server()
        if server is None:
            raise game.Error("ValueError", f"there are several servers; say which: {', '.join(host.servers.values())}")
        return server

    async def request_without_blocking(self, what, arguments, server):
        name = arguments.get("name", "") if what == "call" else ""
        if name.startswith(self._stage._name + "."):
            result = self._own(name, json.loads(encode(arguments, what)), server)
            return json.loads(encode(await result if hasattr(result, "__await__") else result, "result"))
        # Others go on meanwhile, as they do in vpid.
        await asyncio.sleep(0)
        return self.request(what, arguments, server)

    def _own(self, name, arguments, server):
        stage = self._stage
        caller = {"script": f"{stage._name}.py", "server": server}
        function = name.partition(".")[2]

        def run():
            game._server.set(server)
            game._caller.set(caller)
            return stage._host.script.call(function, arguments["args"], arguments["kwargs"], caller)

        return contextvars.copy_context().run(run)

    def _on_call(self, server, name, args, kwargs):
        if name.startswith(self._stage._name + "."):
            result = self._own(name, {"args": args, "kwargs": kwargs}, server)
            if hasattr(result, "__await__"):
                result.close()
                raise game.Error("Deadlock", f"{name} is async, and cannot run while this call waits")
            return result
        return self._stage._called(name, args, kwargs or {})

    def _on_send(self, server, to, name, data):
        _expect(to, str, "to", "a text")
        self._stage.sent.append((to, name, data))
        return 1

    def _on_servers(self, server):
        return [self._on_server(number) for number in self._stage._host.servers]

    def _on_server(self, server):
        stage = self._stage
        people = [each.player for each in stage._people if each.server == server]
        bots = sum(1 for each in people if each["bot"])
        name = stage._host.servers[server]
        return {
            "id": server, "name": name, "host": name, "map": stage.map, "max_players": stage.max_players,
            "players": len(people) - bots, "bots": bots, "uptime_s": int(stage._now), "connected": True, "rcon": True,
        }  # fmt: skip

    def _on_players(self, server):
        stage = self._stage
        for each in stage._people:
            each.player["seconds"] = stage._now - each.since
        return [dict(each.player) for each in stage._people if each.server == server]

    def _on_country(self, server, of):
        place = self._on_geoip(server, of)
        return place and place["country"]

    def _on_geoip(self, server, of):
        address = _address(of)
        if address is None:
            server = self._one_server(server)
            person = self._stage._known(of)
            if person is None or server != person.server:
                raise game.Error("PlayerUnknown", "this is neither an address nor a player who is on the server")
            address = _address(person.player["address"])
        if address is None or _is_nowhere(ipaddress.ip_address(address)):
            return None
        place = self._stage.places.get(address)
        return place and {**dict.fromkeys(_PLACE), "address": address, **place}

    def _on_say(self, server, text, place):
        self._stage._show(server, None, text, place)

    def _on_tell(self, server, player, text, place):
        self._stage._show(server, self._there(server, player)["userid"], text, place)

    def _on_tell_admins(self, server, text):
        return self._on_tell_all(server, text, "chat", None, None, True)

    def _on_tell_all(self, server, text, place, team, group, admins, players=None):
        if isinstance(team, bool) or isinstance(team, float) and not team.is_integer():
            team = str(team)
        _expect(team, (int, float), "team", "a whole number: 1 spectator, 2 RED, 3 BLU")
        _expect(group, str, "group", "a text")
        _expect(admins, bool, "admins", "true or false")
        _expect(players, list, "players", "a list of players")
        among = None if players is None else [self._stage._known(each) for each in players]
        meant = [
            each.player
            for each in self._stage._people
            if each.server == server
            and not each.player["bot"]
            and team in (None, each.player["team"])
            and admins in (None, each.player["admin"])
            and (group is None or group in each.player["groups"])
            and (among is None or each in among)
        ]
        for each in meant:
            self._stage._show(server, each["userid"], text, place)
        return len(meant)

    def _on_kick(self, server, player, reason):
        found = self._there(server, player)
        self._stage.kicks.append((found["userid"], reason))

    def _on_command(self, server, line):
        self._stage.commands.append(line)
        return self._stage.replies.get(line, "")

    def _on_cvar(self, server, name):
        if name not in self._stage.cvars:
            raise game.Error("GameError", f"the game knows no such variable; a test puts {name} into stage.cvars")
        return str(self._stage.cvars[name])

    def _on_set_cvar(self, server, name, value):
        self._stage.cvars[name] = value
        self._stage.commands.append(f'{name} "{value}"')

    def _on_change_map(self, server, map):
        self._stage.commands.append(f"changelevel {map}")

    def _on_message(self, server, name, data):
        self._stage.messages.append((name, data))

    def _on_hook(self, server, name, data):
        if not isinstance(data, dict):
            raise game.Error("ValueError", "a hook takes an object")
        self._stage.hooks.append((name, data))

    def _there(self, server, player):
        person = self._stage._known(player)
        if person is None or person.server != server:
            raise game.Error("PlayerUnknown", "this player is not on the server")
        return person.player
