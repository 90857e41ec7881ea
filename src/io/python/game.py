"""The game, for scripts: `import game`.

Functions that request something wait for the answer. In an `async def`, write `await game.aio.say(...)`
instead, so that others go on meanwhile; every function that requests something is there. What fails raises `game.Error`.

`server` is the name or the number of a server. Without it, it is the server of the event or the
call that the script is handling, or else the only one there is.

A player is given as an object of `players()` or of an event, as a userid, or as a SteamID in any form.
"""

import contextvars
import functools
import inspect
import re
from types import SimpleNamespace

CENTER = "center"
QUOTED_CHARACTERS_MAX = 200

# The host that runs this script; set before the script is loaded.
_host = None

# The number of the server of what is being handled, and who calls.
_server = contextvars.ContextVar("server", default=None)
_caller = contextvars.ContextVar("caller", default=None)

# Who this script is: `script.name`, `script.path`, `script.id`.
script = SimpleNamespace(name="", path="", id=0)

# What stands under `config` of this script in vpid's configuration.
config = {}

# Every function here that requests something, as a coroutine.
aio = SimpleNamespace()


class Error(Exception):
    """A request failed: `reason` is a word for programs, `detail` a sentence."""

    def __init__(self, reason, detail):
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class Interrupted(BaseException):
    """A function has run for too long. It is no `Exception`, so that `except Exception` lets it pass."""


class Player(dict):
    """A player: `player.name` is `player["name"]`. In events it has userid, name, steam, bot and team.

    Those of `players()` also have id, score, deaths, ping, alive, seconds, admin, user_id and groups.
    """

    __slots__ = ()

    def __getattr__(self, name):
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
def say(text, server=None):
    """A line in everybody's chat."""
    return "say", {"text": str(text), "place": "chat"}, server


@_request
def tell(player, text, server=None):
    """A line in one player's chat."""
    return "tell", {"player": _present(player), "text": str(text), "place": "chat"}, server


@_request
def tell_admins(text, server=None):
    """A line in the chat of each admin who is on; answers how many there are."""
    return "tell_admins", {"text": str(text)}, server


@_request
def center(*player_and_text, server=None):
    """`center(text)`: in the middle of everybody's screen. `center(player, text)`: of one player's."""
    if len(player_and_text) == 1:
        return "say", {"text": str(player_and_text[0]), "place": CENTER}, server
    player, text = player_and_text
    return "tell", {"player": _present(player), "text": str(text), "place": CENTER}, server


@_request
def hint(*player_and_text, server=None):
    """The same as `center`: Team Fortress 2 has no hints for scripts."""
    return center.__wrapped__(*player_and_text, server=server)


# Players


@_request
def players(server=None):
    """Everybody who is on, bots too."""
    return "players", {}, server, _as_players


@_request
def player(id, server=None):
    """Who has this userid, SteamID (`7656...` or `[U:1:7]`) or exact name; None if nobody has it.

    Where another one's name looks the same, `game.Error` PlayerAmbiguous names them.
    """
    return "players", {}, server, lambda answer: _found(_as_players(answer), id)


@_request
def admins(server=None):
    """The admins who are on."""
    return "players", {}, server, lambda answer: [p for p in _as_players(answer) if p.admin]


@_request
def bots(server=None):
    """The bots."""
    return "players", {}, server, lambda answer: [p for p in _as_players(answer) if p.bot]


@_request
def count(server=None):
    """How many are on, without bots."""
    return "players", {}, server, lambda answer: sum(1 for p in answer if not p["bot"])


# What can be done to players


@_request
def kick(player, reason="", server=None):
    """Out of the game; they may come back."""
    return "kick", {"player": _present(player), "reason": str(reason)}, server


@_request
def ban(player, minutes=None, reason="", issuer=None, server=None):
    """Banned in VyHub and here, for good if no minutes are given. `issuer`: in whose name."""
    kwargs = {"player": _account(player), "minutes": minutes, "reason": str(reason)}
    return _called("VYHUB_Ban", kwargs, issuer, server)


@_request
def unban(player, issuer=None, server=None):
    """Lifts all bans of a player in VyHub and here."""
    return _called("VYHUB_Unban", {"player": _account(player)}, issuer, server)


@_request
def warn(player, reason, issuer=None, server=None):
    """A warning in VyHub."""
    kwargs = {"player": _account(player), "reason": str(reason)}
    return _called("VYHUB_Warn", kwargs, issuer, server)


@_request
def set_group(player, group, minutes=None, issuer=None, server=None):
    """In this group of VyHub, for good if no minutes are given; None: in none."""
    kwargs = {"player": _account(player), "group": group, "minutes": minutes}
    return _called("VYHUB_SetGroup", kwargs, issuer, server)


@_request
def remove_group(player, group=None, issuer=None, server=None):
    """In this group of VyHub no longer; None: in none at all."""
    kwargs = {"player": _account(player), "group": group}
    return _called("VYHUB_RemoveGroup", kwargs, issuer, server)


@_request
def user(player, server=None):
    """The player's user in VyHub, who is made if there is none."""
    return _called("VYHUB_GetUser", {"player": _account(player)}, None, server)


@_request
def playtime(player, server=None):
    """How long they have played: hours, and how many of them VyHub does not have yet."""
    return _called("VYHUB_GetPlaytime", {"player": _account(player)}, None, server)


@_request
def vyhub_server(server=None):
    """The server in VyHub: its ids, names and options."""
    return _called("VYHUB_GetServer", {}, None, server)


# The server


@_request
def command(line, server=None):
    """Runs a line in the server's console; answers what it printed, or None where that is not known.

    Texts of players belong into `quote`.
    """
    return "command", {"line": str(line)}, server


@_request
def cvar(name, server=None):
    """The value of a console variable, as text."""
    return "cvar", {"name": str(name)}, server


@_request
def set_cvar(name, value, server=None):
    """Sets a console variable."""
    value = int(value) if isinstance(value, bool) else value
    return "set_cvar", {"name": str(name), "value": str(value)}, server


@_request
def change_map(map, server=None):
    """Another map, at once."""
    return "change_map", {"map": str(map)}, server


def _fact(name):
    return lambda server: server[name]


@_request
def map(server=None):
    """The name of the map."""
    return "server", {}, server, _fact("map")


@_request
def hostname(server=None):
    """The name under which the game's script speaks, made of its hostname; None without one."""
    return "server", {}, server, _fact("host")


@_request
def max_players(server=None):
    """How many may be on."""
    return "server", {}, server, _fact("max_players")


@_request
def uptime(server=None):
    """For how many seconds the server has been seen running."""
    return "server", {}, server, _fact("uptime_s")


@_request
def servers():
    """All servers, a dictionary each: id, name, host, map, max_players, players, bots, ..."""
    return "servers", {}, None


# Databases, and calls by name


@_request
def sql(query, params=None, server=None):
    """Runs SQL with a value for each `%s`; answers the rows, or what VPI_DB_RawExecute answers else."""
    kwargs = {"query": str(query)}
    if params is not None:
        kwargs["format"] = list(params)
    return "call", {"name": "VPI_DB_RawExecute", "args": [], "kwargs": kwargs}, server


@_request
def query(name, /, server=None, **params):
    """Runs a query of vpid's configuration by its name."""
    return "call", {"name": "VPI_SQL_" + name, "args": [], "kwargs": params}, server


@_request
def call(name, /, *args, server=None, **kwargs):
    """Calls a function by name: `other_script.function`, `VPI_...`, or one that the game has registered."""
    return "call", {"name": str(name), "args": list(args), "kwargs": kwargs or None}, server


@_request
def send(to, name, data=None):
    """A message to another script, or to all others if `to` is None; answers how many it reached."""
    return "send", {"to": to, "name": str(name), "data": data}, None


@_request
def message(name, data=None, server=None):
    """A message to the functions that were given to `VPI.On` in the game."""
    return "message", {"name": str(name), "data": data}, server


@_request
def hook(name, data=None, server=None):
    """Raises a script hook in the game: `OnScriptHook_name(data)`."""
    return "hook", {"name": str(name), "data": {} if data is None else data}, server


# What needs no answer


def log(text, level=3):
    """A line of the log. Levels: 0 critical, 1 error, 2 warning, 3 information, 4 debug, 5 trace."""
    _host.log(level, text)


def timer(seconds, function, repeat=False):
    """Calls the function in so many seconds, or every so many; `cancel()` of what it returns ends that."""
    _host.expect_main_thread("timer")
    return _host.timers.add(float(seconds), function, bool(repeat))


def register(name, function):
    """Lets others call the function as `script.name`, until `unregister`."""
    _host.expect_main_thread("register")
    if not (isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_.]{1,64}", name)):
        raise ValueError(f"{name!r} is no name: at most 64 letters, digits, _ and .")
    kind = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if not callable(function) or kind:
        raise ValueError(f"{name} cannot be registered: it is no function")
    _host.script.register(name, function)
    _host.post("register", name)


def unregister(name):
    """Ends what `register` began; answers whether there was such a name."""
    _host.expect_main_thread("unregister")
    was_there = _host.script.unregister(name)
    # The function of the file that has this name can be called again.
    if was_there and name not in _host.script.function_names():
        _host.post("unregister", name)
    return was_there


def quote(text):
    """A text as one word of a console line: in quotes, with what would end it replaced or cut off."""
    one_line = re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", str(text)[:QUOTED_CHARACTERS_MAX])
    return '"' + one_line.replace('"', "'") + '"'


# What they are made of


def _called(name, kwargs, issuer, server):
    if issuer is not None:
        kwargs["issuer"] = _account(issuer)
    return "call", {"name": name, "args": [], "kwargs": kwargs}, server


def _present(player):
    """A player who is on: best by userid, which bots have, too."""
    return player["userid"] if isinstance(player, dict) else player


def _account(player):
    """A player who may have left: best by SteamID."""
    if isinstance(player, dict):
        return player["steam"] if player.get("steam") else player["userid"]
    return player


def _as_players(answer):
    return [Player(each) for each in answer]


def _found(those, wanted):
    wanted = _account(wanted)
    if isinstance(wanted, int) and wanted >= 1 << 32:
        wanted = str(wanted)
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
