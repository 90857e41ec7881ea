"""The game, for scripts: `import game`.

Functions that request something wait for the answer. In an `async def`, write `await game.aio.say(...)`
instead, so that others go on meanwhile; every function that requests something is there. What fails raises `game.Error`.

`server` is the name or the number of a server. Without it, it is the server of the event or the
call that the script is handling, or else the only one there is.

A player is given as an object of `players()` or of an event, as a userid, or as a SteamID in any form.
"""

# The annotations are for type checkers: `vpid script stubs` writes game.pyi, which is made of this file. That of the
# result of a function which requests something is the answer's.
from __future__ import annotations

import contextvars
import functools
import inspect
import re
from types import SimpleNamespace

_CENTER = "center"
_QUOTED_CHARACTERS_MAX = 200

_FOR_TYPE_CHECKERS = False
if _FOR_TYPE_CHECKERS:
    # Never run; it stands in game.pyi as it is.
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Protocol, TypeVar, Union, overload

    # A player of a hook or of `players()`, a userid (7 or "#7"), or a SteamID in any form.
    _PlayerLike = Union["Player", Mapping[str, Any], int, str]

    # The name or the number of a server.
    _Server = Union[str, int, None]

    _F = TypeVar("_F", bound=Callable[..., object])
    _Rights = Union[str, Iterable[str], Callable[["Player"], object], None]

    class _Script:
        name: str
        path: str
        id: int

    class _Caller:
        script: str | None
        server: str | None
        host: str | None

    class _Timer(Protocol):
        def cancel(self) -> None: ...

    # The name of the server of the present hook or call, and who calls the function: None in hooks.
    server: str | None
    caller: _Caller | None

# The host that runs this script; set before the script is loaded.
_host = None

# The number of the server of what is being handled, and who calls.
_server = contextvars.ContextVar("server", default=None)
_caller = contextvars.ContextVar("caller", default=None)

# Who this script is: `script.name`, `script.path`, `script.id`.
script: _Script = SimpleNamespace(name="", path="", id=0)

# What stands under `config` of this script in vpid's configuration.
config: dict[str, Any] = {}

# Every function here that requests something, as a coroutine.
aio: _Aio = SimpleNamespace()


class Error(Exception):
    """A request failed: `reason` is a word for programs, `detail` a sentence."""

    reason: str
    detail: str

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class Interrupted(BaseException):
    """A function has run for too long. It is no `Exception`, so that `except Exception` lets it pass."""


class Player(dict):
    """A player: `player.name` is `player["name"]`. In events it has userid, name, steam, bot and team.

    Those of `players()` and of `OnHeartbeat` also have what stands below `team`; others raise `AttributeError`.
    """

    __slots__ = ()

    userid: int
    name: str
    # 17 digits; None of bots.
    steam: str | None
    bot: bool
    # 0 unknown, 1 spectator, 2 RED, 3 BLU
    team: int
    # [U:1:7]
    id: str | None
    score: int | None
    deaths: int | None
    # Milliseconds.
    ping: int | None
    # With its port.
    address: str | None
    alive: bool | None
    # On the server.
    seconds: float | None
    admin: bool
    # Of the community, such as VyHub.
    user_id: str | None
    groups: list[str]

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            pass
        raise AttributeError(f"this player has no {name}; game.player(player) may know it")


def __getattr__(name):
    """`game.server` is the name of the present server, `game.caller` who calls; each may be None."""
    if name == "server":
        return _name_of_server(_server.get())
    if name == "caller":
        return _caller_seen(_caller.get())
    raise AttributeError(f"game has no {name}")


def _request(describe):
    """Makes a function of what it requests: `what`, its arguments, the server, what to make of the answer."""

    @functools.wraps(describe)
    def request(*args, **kwargs):
        what, arguments, server, *made = describe(*args, **kwargs)
        answer = _host.requests.request(what, arguments, _number_of_server(server))
        return made[0](answer) if made else answer

    @functools.wraps(describe)
    async def request_without_blocking(*args, **kwargs):
        what, arguments, server, *made = describe(*args, **kwargs)
        answer = await _host.requests.request_without_blocking(what, arguments, _number_of_server(server))
        return made[0](answer) if made else answer

    setattr(aio, describe.__name__, request_without_blocking)
    return request


# Messages to players


@_request
def say(text: object, server: _Server = None) -> None:
    """A line in everybody's chat.

    Raises `game.Error` ServerUnavailable if no way leads to the game.
    """
    return "say", {"text": str(text), "place": "chat"}, server


@_request
def tell(player: _PlayerLike, text: object, server: _Server = None) -> None:
    """A line in one player's chat.

    Raises `game.Error` PlayerUnknown if the player is not on the server, ServerUnavailable if no way leads to the game.
    """
    return "tell", {"player": _present(player), "text": str(text), "place": "chat"}, server


@_request
def tell_admins(text: object, server: _Server = None) -> int:
    """A line in the chat of each admin who is on; answers how many there are."""
    return "tell_admins", {"text": str(text)}, server


@_request
def tell_all(
    text: object,
    team: int | None = None,
    group: str | None = None,
    admins: bool | None = None,
    players: Iterable[_PlayerLike] | None = None,
    server: _Server = None,
) -> int:
    """A line in the chat of each player of this team, of this group of VyHub, of the admins (or of all others, with
    `admins=False`), or of these players; answers how many there are."""
    chosen = {"team": team, "group": group, "admins": admins}
    if players is not None:
        # What is no list is left to vpid, which refuses it; a text would be a list of letters.
        is_list = hasattr(players, "__iter__") and not isinstance(players, (str, bytes, dict))
        chosen["players"] = [_present(each) for each in players] if is_list else players
    return "tell_all", {"text": str(text), "place": "chat", **chosen}, server


@_request
def center(*player_and_text: Any, server: _Server = None) -> None:
    """`center(text)`: in the middle of everybody's screen. `center(player, text)`: of one player's."""
    if len(player_and_text) == 1:
        return "say", {"text": str(player_and_text[0]), "place": _CENTER}, server
    player, text = player_and_text
    return "tell", {"player": _present(player), "text": str(text), "place": _CENTER}, server


@_request
def hint(*player_and_text: Any, server: _Server = None) -> None:
    """The same as `center`: Team Fortress 2 has no hints for scripts."""
    return center.__wrapped__(*player_and_text, server=server)


# Players


@_request
def players(server: _Server = None) -> list[Player]:
    """Everybody who is on, bots too, with all attributes."""
    return "players", {}, server, _as_players


@_request
def player(id: _PlayerLike, server: _Server = None) -> Player | None:
    """Who has this userid (7 or "#7"), SteamID (`7656...` or `[U:1:7]`) or exact name; None if nobody has it.

    Where another one's name looks the same, `game.Error` PlayerAmbiguous names them.
    """
    return "players", {}, server, lambda answer: _found(_as_players(answer), id)


@_request
def admins(server: _Server = None) -> list[Player]:
    """The admins who are on."""
    return "players", {}, server, lambda answer: [p for p in _as_players(answer) if p.admin]


@_request
def bots(server: _Server = None) -> list[Player]:
    """The bots."""
    return "players", {}, server, lambda answer: [p for p in _as_players(answer) if p.bot]


@_request
def count(server: _Server = None) -> int:
    """How many are on, without bots."""
    return "players", {}, server, lambda answer: sum(1 for p in answer if not p["bot"])


@_request
def country(player: _PlayerLike, server: _Server = None) -> str | None:
    """The country that a player or an address comes from, by its two letters ("AT"); None if that is unknown.

    The databases are those of `[geoip]` in vpid's configuration; without them, `game.Error` GeoipUnavailable.
    """
    return "country", {"of": _present(player)}, server


@_request
def geoip(player: _PlayerLike, server: _Server = None) -> dict[str, Any] | None:
    """Where a player or an address ("203.0.113.7") comes from; None if no database knows that.

    A dictionary with address, country ("AT"), country_name, continent ("EU"), region, city, postal, latitude and
    longitude (degrees), time_zone ("Europe/Vienna"), asn (the number of the network) and network (whose it is), each of
    which may be None.
    """
    return "geoip", {"of": _present(player)}, server


# What can be done to players


@_request
def kick(player: _PlayerLike, reason: object = "", server: _Server = None) -> None:
    """Out of the game; they may come back.

    Raises `game.Error` PlayerUnknown, or ServerUnavailable if the game runs no commands of vpid.
    """
    return "kick", {"player": _present(player), "reason": str(reason)}, server


@_request
def ban(
    player: _PlayerLike,
    minutes: int | None = None,
    reason: object = "",
    issuer: _PlayerLike | None = None,
    server: _Server = None,
) -> dict[str, Any]:
    """Banned in VyHub and here, for good if no minutes are given. `issuer`: in whose name.

    Answers `{"queued": 12, "player": "7656..."}`, the number of the change: the ban is in force here and on disk.
    Raises `game.Error` VyHubUnavailable (CommunityUnavailable) where there is none.
    """
    kwargs = {"player": _account(player), "minutes": minutes, "reason": str(reason)}
    return _called("VYHUB_Ban", kwargs, issuer, server)


@_request
def unban(player: _PlayerLike, issuer: _PlayerLike | None = None, server: _Server = None) -> dict[str, Any]:
    """Lifts all bans of a player in VyHub and here; answers the same as `ban`."""
    return _called("VYHUB_Unban", {"player": _account(player)}, issuer, server)


@_request
def ban_address(
    address: _PlayerLike,
    minutes: int | None = None,
    reason: object = "",
    issuer: _PlayerLike | None = None,
    server: _Server = None,
) -> dict[str, Any]:
    """All who come from an address ("203.0.113.7") or a range ("203.0.113.0/24") are banned; a player stands for the
    address from which they come. Answers `{"queued": 12, "address": "203.0.113.0/24"}`.
    """
    is_address = isinstance(address, str) and ("." in address or "/" in address)
    who = {"address": address} if is_address else {"player": _account(address)}
    kwargs = {**who, "minutes": minutes, "reason": str(reason)}
    return _called("VYHUB_BanAddress", kwargs, issuer, server)


@_request
def unban_address(address: str, issuer: _PlayerLike | None = None, server: _Server = None) -> dict[str, Any]:
    """Lifts all bans of exactly this address or range."""
    return _called("VYHUB_UnbanAddress", {"address": str(address)}, issuer, server)


@_request
def warn(
    player: _PlayerLike, reason: object, issuer: _PlayerLike | None = None, server: _Server = None
) -> dict[str, Any]:
    """A warning in VyHub; answers the same as `ban`."""
    kwargs = {"player": _account(player), "reason": str(reason)}
    return _called("VYHUB_Warn", kwargs, issuer, server)


@_request
def set_group(
    player: _PlayerLike,
    group: str | None,
    minutes: int | None = None,
    issuer: _PlayerLike | None = None,
    server: _Server = None,
) -> dict[str, Any]:
    """In this group of VyHub (its name or id), for good if no minutes are given; None: in none.

    Answers the same as `ban`.
    """
    kwargs = {"player": _account(player), "group": group, "minutes": minutes}
    return _called("VYHUB_SetGroup", kwargs, issuer, server)


@_request
def remove_group(
    player: _PlayerLike, group: str | None = None, issuer: _PlayerLike | None = None, server: _Server = None
) -> dict[str, Any]:
    """In this group of VyHub no longer; None: in none at all."""
    kwargs = {"player": _account(player), "group": group}
    return _called("VYHUB_RemoveGroup", kwargs, issuer, server)


@_request
def user(player: _PlayerLike, server: _Server = None) -> dict[str, Any]:
    """The player's user in VyHub, who is made if there is none: id, player, username, admin, groups."""
    return _called("VYHUB_GetUser", {"player": _account(player)}, None, server)


@_request
def playtime(player: _PlayerLike, server: _Server = None) -> dict[str, Any]:
    """How long they have played: player, hours, and unsent_hours, which VyHub does not have yet."""
    return _called("VYHUB_GetPlaytime", {"player": _account(player)}, None, server)


@_request
def vyhub_server(server: _Server = None) -> dict[str, Any]:
    """The server in VyHub: server, name, bundle, bundle_name, and extra, its options."""
    return _called("VYHUB_GetServer", {}, None, server)


@_request
def community_server(server: _Server = None) -> dict[str, Any]:
    """The same, by the name for every kind of community."""
    return _called("COMMUNITY_GetServer", {}, None, server)


# The server


@_request
def command(line: object, server: _Server = None) -> str | None:
    """Runs a line in the server's console; answers what it printed, or None where that is not known (without RCON).

    Texts of players belong into `quote`.
    """
    return "command", {"line": str(line)}, server


@_request
def cvar(name: str, server: _Server = None) -> str:
    """The value of a console variable, as text.

    Raises `game.Error` ServerUnavailable without RCON, GameError if there is no such variable.
    """
    return "cvar", {"name": str(name)}, server


@_request
def set_cvar(name: str, value: object, server: _Server = None) -> None:
    """Sets a console variable."""
    value = int(value) if isinstance(value, bool) else value
    return "set_cvar", {"name": str(name), "value": str(value)}, server


@_request
def change_map(map: str, server: _Server = None) -> None:
    """Another map, at once."""
    return "change_map", {"map": str(map)}, server


def _fact(name):
    return lambda server: server[name]


@_request
def map(server: _Server = None) -> str | None:
    """The name of the map; None while it is unknown."""
    return "server", {}, server, _fact("map")


@_request
def hostname(server: _Server = None) -> str | None:
    """The name under which the game's script speaks, made of its hostname; None without one."""
    return "server", {}, server, _fact("host")


@_request
def max_players(server: _Server = None) -> int | None:
    """How many may be on; None while that is unknown."""
    return "server", {}, server, _fact("max_players")


@_request
def uptime(server: _Server = None) -> int | None:
    """For how many seconds the server has been seen running; None before."""
    return "server", {}, server, _fact("uptime_s")


@_request
def servers() -> list[dict[str, Any]]:
    """All servers, a dictionary each: id, name, host, map, max_players, players, bots, uptime_s, connected, rcon."""
    return "servers", {}, None


# Databases, and calls by name


@_request
def sql(query: object, params: Iterable[Any] | None = None, server: _Server = None) -> Any:
    """Runs SQL with a value for each `%s`; answers the rows, a list each, or what VPI_DB_RawExecute answers else.

    Raises `game.Error` with the reason that the database gives.
    """
    kwargs = {"query": str(query)}
    if params is not None:
        kwargs["format"] = list(params)
    return "call", {"name": "VPI_DB_RawExecute", "args": [], "kwargs": kwargs}, server


@_request
def query(name: str, /, server: _Server = None, **params: Any) -> Any:
    """Runs a query of vpid's configuration by its name."""
    return "call", {"name": "VPI_SQL_" + name, "args": [], "kwargs": params}, server


@_request
def call(name: str, /, *args: Any, server: _Server = None, **kwargs: Any) -> Any:
    """Calls a function by name: `other_script.function`, `VPI_...`, or one that the game has registered.

    Raises `game.Error` UnknownFunction, Timeout, Deadlock, PermissionError, or with the type of what it raised.
    """
    return "call", {"name": str(name), "args": list(args), "kwargs": kwargs or None}, server


@_request
def send(to: str | None, name: str, data: Any = None) -> int:
    """A message to another script, or to all others if `to` is None; answers how many it reached."""
    return "send", {"to": to, "name": str(name), "data": data}, None


@_request
def message(name: str, data: Any = None, server: _Server = None) -> None:
    """A message to the functions that were given to `VPI.On` in the game."""
    return "message", {"name": str(name), "data": data}, server


@_request
def hook(name: str, data: Mapping[str, Any] | None = None, server: _Server = None) -> None:
    """Raises a script hook in the game: `OnScriptHook_name(data)`."""
    return "hook", {"name": str(name), "data": {} if data is None else data}, server


# What needs no answer


def log(text: object, level: int = 3) -> None:
    """A line of the log. Levels: 0 critical, 1 error, 2 warning, 3 information, 4 debug, 5 trace."""
    _host.log(level, text)


def timer(seconds: float, function: Callable[[], object], repeat: bool = False) -> _Timer:
    """Calls the function in so many seconds, or every so many; `cancel()` of what it returns ends that.

    Raises `ValueError` for a time below 0, and beyond 10,000 timers.
    """
    _host.expect_main_thread("timer")
    return _host.timers.add(float(seconds), function, bool(repeat))


def command_handler(
    name: str, rights: _Rights = None, usage: str | None = None, cooldown: float = 0
) -> Callable[[_F], _F]:
    """Marks a function that handles a command in chat: it gets the player, and the words behind the command.

    `rights`: who may use it: "admin", a group of VyHub, a list of these, or a function of the player; None: everybody.
    """
    import vpid_commands

    return vpid_commands.handler(name, rights, usage, cooldown)


def register(name: str, function: Callable[..., object]) -> None:
    """Lets others call the function as `script.name`, until `unregister`."""
    _host.expect_main_thread("register")
    if not (isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_.]{1,64}", name)):
        raise ValueError(f"{name!r} is no name: at most 64 letters, digits, _ and .")
    kind = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if not callable(function) or kind:
        raise ValueError(f"{name} cannot be registered: it is no function")
    _host.script.register(name, function)
    _host.post("register", name)


def unregister(name: str) -> bool:
    """Ends what `register` began; answers whether there was such a name."""
    _host.expect_main_thread("unregister")
    was_there = _host.script.unregister(name)
    # The function of the file that has this name can be called again.
    if was_there and name not in _host.script.function_names():
        _host.post("unregister", name)
    return was_there


def quote(text: object) -> str:
    """A text as one word of a console line: in quotes, with what would end it replaced or cut off."""
    one_line = re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", str(text)[:_QUOTED_CHARACTERS_MAX])
    return '"' + one_line.replace('"', "'") + '"'


# What they are made of


def _called(name, kwargs, issuer, server):
    if issuer is not None:
        kwargs["issuer"] = _account(issuer)
    return "call", {"name": name, "args": [], "kwargs": kwargs}, server


def _present(player):
    """A player who is on: best by userid, which bots have, too."""
    return player["userid"] if isinstance(player, dict) else _steam64(player)


def _account(player):
    """A player who may have left: best by SteamID."""
    if isinstance(player, dict):
        return player["steam"] if player.get("steam") else player["userid"]
    return player


def _as_players(answer):
    return [Player(each) for each in answer]


def _steam64(wanted):
    """A SteamID in the form that players have it, of whichever form; what is none as it is."""
    if isinstance(wanted, int) and wanted >= 1 << 32:
        return str(wanted)
    if isinstance(wanted, str):
        account = re.fullmatch(r"\[?U:1:([0-9]{1,10})\]?", wanted.strip(), re.IGNORECASE)
        halves = re.fullmatch(r"STEAM_[0-5]:([01]):([0-9]{1,10})", wanted.strip(), re.IGNORECASE)
        if account:
            return str((0x0110_0001 << 32) + int(account[1]))
        if halves:
            return str((0x0110_0001 << 32) + 2 * int(halves[2]) + int(halves[1]))
    return wanted


def _found(those, wanted):
    wanted = _steam64(_account(wanted))
    if isinstance(wanted, str) and re.fullmatch("#[0-9]{1,9}", wanted):
        wanted = int(wanted[1:])
    for key in ("userid", "steam", "id"):
        for each in those:
            if wanted and each.get(key) == wanted:
                return each
    named = [each for each in those if wanted and each.get("name") == wanted]
    if named:
        alike = [each for each in those if _folded(each.get("name") or "") == _folded(wanted)]
        if len(alike) > 1:
            names = ", ".join(f"#{each['userid']} {each['name']}" for each in alike)
            raise Error("PlayerAmbiguous", f"{wanted} may be any of these: {names}")
        return named[0]
    return None


def _folded(name):
    """A name without what is invisible, for comparing; as vpid compares names in commands."""
    import unicodedata

    def seen(c):
        fillers = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
        varies = "\ufe00" <= c <= "\ufe0f" or "\U000e0100" <= c <= "\U000e01ef" or "\u180b" <= c <= "\u180f"
        hidden = c in fillers or varies or unicodedata.category(c) in ("Cc", "Cf")
        return c.isspace() or not hidden

    composed = unicodedata.normalize("NFKC", "".join(c for c in name if seen(c)))
    return " ".join("".join(c for c in composed if seen(c)).lower().split())


def _number_of_server(server):
    if server is None:
        return _server.get()
    for number, name in _host.servers.items():
        if server == name or (server == number and not isinstance(server, bool)):
            return number
    names = ", ".join(_host.servers.values())
    raise ValueError(f"no server is called {server!r}; there are: {names}")


def _name_of_server(number):
    return None if number is None else _host.servers.get(number)


def _caller_seen(caller):
    if caller is None:
        return None
    server = _name_of_server(caller.get("server"))
    return SimpleNamespace(script=caller.get("script"), server=server, host=caller.get("host"))
