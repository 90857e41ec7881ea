# Made of game.py by tests/python/make_stub.py.
"""The game, for scripts: `import game`.

Functions that request something wait for the answer. In an `async def`, write `await game.aio.say(...)`
instead, so that others go on meanwhile; every function that requests something is there. What fails raises `game.Error`.

`server` is the name or the number of a server. Without it, it is the server of the event or the
call that the script is handling, or else the only one there is.

A player is given as an object of `players()` or of an event, as a userid, or as a SteamID in any form.
"""

from collections.abc import Callable, Iterable, Mapping

from typing import Any, Protocol, TypeVar, Union, overload

_PlayerLike = Union['Player', Mapping[str, Any], int, str]

_Server = Union[str, int, None]

_F = TypeVar('_F', bound=Callable[..., object])

_Rights = Union[str, Iterable[str], Callable[['Player'], object], None]

class _Script:
    name: str
    path: str
    id: int

class _Caller:
    script: str | None
    server: str | None
    host: str | None

class _Timer(Protocol):

    def cancel(self) -> None:
        ...

server: str | None

caller: _Caller | None

script: _Script

config: dict[str, Any]

aio: _Aio

class Error(Exception):
    """A request failed: `reason` is a word for programs, `detail` a sentence."""
    reason: str
    detail: str
    def __init__(self, reason: str, detail: str) -> None: ...

class Interrupted(BaseException):
    """A function has run for too long. It is no `Exception`, so that `except Exception` lets it pass."""

class Player(dict[str, Any]):
    """A player: `player.name` is `player["name"]`. In events it has userid, name, steam, bot and team.

    Those of `players()` and of `OnHeartbeat` also have what stands below `team`; others raise `AttributeError`.
    """
    userid: int
    name: str
    steam: str | None
    bot: bool
    team: int
    id: str | None
    score: int | None
    deaths: int | None
    ping: int | None
    address: str | None
    alive: bool | None
    seconds: float | None
    admin: bool
    user_id: str | None
    groups: list[str]

def say(text: object, server: _Server=None) -> None:
    """A line in everybody's chat.

    Raises `game.Error` ServerUnavailable if no way leads to the game.
    """

def tell(player: _PlayerLike, text: object, server: _Server=None) -> None:
    """A line in one player's chat.

    Raises `game.Error` PlayerUnknown if the player is not on the server, ServerUnavailable if no way leads to the game.
    """

def tell_admins(text: object, server: _Server=None) -> int:
    """A line in the chat of each admin who is on; answers how many there are."""

def tell_all(text: object, team: int | None=None, group: str | None=None, admins: bool | None=None, players: Iterable[_PlayerLike] | None=None, server: _Server=None) -> int:
    """A line in the chat of each player of this team, of this group of VyHub, of the admins (or of all others, with
    `admins=False`), or of these players; answers how many there are.
    """

@overload
def center(text: object, /, *, server: _Server=None) -> None:
    """`center(text)`: in the middle of everybody's screen. `center(player, text)`: of one player's."""
@overload
def center(player: _PlayerLike, text: object, /, *, server: _Server=None) -> None:
    """`center(text)`: in the middle of everybody's screen. `center(player, text)`: of one player's."""

@overload
def hint(text: object, /, *, server: _Server=None) -> None:
    """The same as `center`: Team Fortress 2 has no hints for scripts."""
@overload
def hint(player: _PlayerLike, text: object, /, *, server: _Server=None) -> None:
    """The same as `center`: Team Fortress 2 has no hints for scripts."""

def players(server: _Server=None) -> list[Player]:
    """Everybody who is on, bots too, with all attributes."""

def player(id: _PlayerLike, server: _Server=None) -> Player | None:
    """Who has this userid (7 or "#7"), SteamID (`7656...` or `[U:1:7]`) or exact name; None if nobody has it.

    Where another one's name looks the same, `game.Error` PlayerAmbiguous names them.
    """

def admins(server: _Server=None) -> list[Player]:
    """The admins who are on."""

def bots(server: _Server=None) -> list[Player]:
    """The bots."""

def count(server: _Server=None) -> int:
    """How many are on, without bots."""

def country(player: _PlayerLike, server: _Server=None) -> str | None:
    """The country that a player or an address comes from, by its two letters ("AT"); None if that is unknown.

    The databases are those of `[geoip]` in vpid's configuration; without them, `game.Error` GeoipUnavailable.
    """

def geoip(player: _PlayerLike, server: _Server=None) -> dict[str, Any] | None:
    """Where a player or an address ("203.0.113.7") comes from; None if no database knows that.

    A dictionary with address, country ("AT"), country_name, continent ("EU"), region, city, postal, latitude and
    longitude (degrees), time_zone ("Europe/Vienna"), asn (the number of the network) and network (whose it is), each of
    which may be None.
    """

def kick(player: _PlayerLike, reason: object='', server: _Server=None) -> None:
    """Out of the game; they may come back.

    Raises `game.Error` PlayerUnknown, or ServerUnavailable if the game runs no commands of vpid.
    """

def ban(player: _PlayerLike, minutes: int | None=None, reason: object='', issuer: _PlayerLike | None=None, server: _Server=None) -> dict[str, Any]:
    """Banned in VyHub and here, for good if no minutes are given. `issuer`: in whose name.

    Answers `{"queued": 12, "player": "7656..."}`, the number of the change: the ban is in force here and on disk.
    Raises `game.Error` VyHubUnavailable (CommunityUnavailable) where there is none.
    """

def unban(player: _PlayerLike, issuer: _PlayerLike | None=None, server: _Server=None) -> dict[str, Any]:
    """Lifts all bans of a player in VyHub and here; answers the same as `ban`."""

def ban_address(address: _PlayerLike, minutes: int | None=None, reason: object='', issuer: _PlayerLike | None=None, server: _Server=None) -> dict[str, Any]:
    """All who come from an address ("203.0.113.7") or a range ("203.0.113.0/24") are banned; a player stands for the
    address from which they come. Answers `{"queued": 12, "address": "203.0.113.0/24"}`.
    """

def unban_address(address: str, issuer: _PlayerLike | None=None, server: _Server=None) -> dict[str, Any]:
    """Lifts all bans of exactly this address or range."""

def warn(player: _PlayerLike, reason: object, issuer: _PlayerLike | None=None, server: _Server=None) -> dict[str, Any]:
    """A warning in VyHub; answers the same as `ban`."""

def set_group(player: _PlayerLike, group: str | None, minutes: int | None=None, issuer: _PlayerLike | None=None, server: _Server=None) -> dict[str, Any]:
    """In this group of VyHub (its name or id), for good if no minutes are given; None: in none.

    Answers the same as `ban`.
    """

def remove_group(player: _PlayerLike, group: str | None=None, issuer: _PlayerLike | None=None, server: _Server=None) -> dict[str, Any]:
    """In this group of VyHub no longer; None: in none at all."""

def user(player: _PlayerLike, server: _Server=None) -> dict[str, Any]:
    """The player's user in VyHub, who is made if there is none: id, player, username, admin, groups."""

def playtime(player: _PlayerLike, server: _Server=None) -> dict[str, Any]:
    """How long they have played: player, hours, and unsent_hours, which VyHub does not have yet."""

def vyhub_server(server: _Server=None) -> dict[str, Any]:
    """The server in VyHub: server, name, bundle, bundle_name, and extra, its options."""

def community_server(server: _Server=None) -> dict[str, Any]:
    """The same, by the name for every kind of community."""

def command(line: object, server: _Server=None) -> str | None:
    """Runs a line in the server's console; answers what it printed, or None where that is not known (without RCON).

    Texts of players belong into `quote`.
    """

def cvar(name: str, server: _Server=None) -> str:
    """The value of a console variable, as text.

    Raises `game.Error` ServerUnavailable without RCON, GameError if there is no such variable.
    """

def set_cvar(name: str, value: object, server: _Server=None) -> None:
    """Sets a console variable."""

def change_map(map: str, server: _Server=None) -> None:
    """Another map, at once."""

def map(server: _Server=None) -> str | None:
    """The name of the map; None while it is unknown."""

def hostname(server: _Server=None) -> str | None:
    """The name under which the game's script speaks, made of its hostname; None without one."""

def max_players(server: _Server=None) -> int | None:
    """How many may be on; None while that is unknown."""

def uptime(server: _Server=None) -> int | None:
    """For how many seconds the server has been seen running; None before."""

def servers() -> list[dict[str, Any]]:
    """All servers, a dictionary each: id, name, host, map, max_players, players, bots, uptime_s, connected, rcon."""

def sql(query: object, params: Iterable[Any] | None=None, server: _Server=None) -> Any:
    """Runs SQL with a value for each `%s`; answers the rows, a list each, or what VPI_DB_RawExecute answers else.

    Raises `game.Error` with the reason that the database gives.
    """

def query(name: str, /, server: _Server=None, **params: Any) -> Any:
    """Runs a query of vpid's configuration by its name."""

def call(name: str, /, *args: Any, server: _Server=None, **kwargs: Any) -> Any:
    """Calls a function by name: `other_script.function`, `VPI_...`, or one that the game has registered.

    Raises `game.Error` UnknownFunction, Timeout, Deadlock, PermissionError, or with the type of what it raised.
    """

def send(to: str | None, name: str, data: Any=None) -> int:
    """A message to another script, or to all others if `to` is None; answers how many it reached."""

def message(name: str, data: Any=None, server: _Server=None) -> None:
    """A message to the functions that were given to `VPI.On` in the game."""

def hook(name: str, data: Mapping[str, Any] | None=None, server: _Server=None) -> None:
    """Raises a script hook in the game: `OnScriptHook_name(data)`."""

def log(text: object, level: int=3) -> None:
    """A line of the log. Levels: 0 critical, 1 error, 2 warning, 3 information, 4 debug, 5 trace."""

def timer(seconds: float, function: Callable[[], object], repeat: bool=False) -> _Timer:
    """Calls the function in so many seconds, or every so many; `cancel()` of what it returns ends that.

    Raises `ValueError` for a time below 0, and beyond 10,000 timers.
    """

def command_handler(name: str, rights: _Rights=None, usage: str | None=None, cooldown: float=0) -> Callable[[_F], _F]:
    """Marks a function that handles a command in chat: it gets the player, and the words behind the command.

    `rights`: who may use it: "admin", a group of VyHub, a list of these, or a function of the player; None: everybody.
    """

def register(name: str, function: Callable[..., object]) -> None:
    """Lets others call the function as `script.name`, until `unregister`."""

def unregister(name: str) -> bool:
    """Ends what `register` began; answers whether there was such a name."""

def quote(text: object) -> str:
    """A text as one word of a console line: in quotes, with what would end it replaced or cut off."""

class _Aio:
    async def say(self, text: object, server: _Server=None) -> None:
        """A line in everybody's chat.

        Raises `game.Error` ServerUnavailable if no way leads to the game.
        """
    async def tell(self, player: _PlayerLike, text: object, server: _Server=None) -> None:
        """A line in one player's chat.

        Raises `game.Error` PlayerUnknown if the player is not on the server, ServerUnavailable if no way leads to the game.
        """
    async def tell_admins(self, text: object, server: _Server=None) -> int:
        """A line in the chat of each admin who is on; answers how many there are."""
    async def tell_all(self, text: object, team: int | None=None, group: str | None=None, admins: bool | None=None, players: Iterable[_PlayerLike] | None=None, server: _Server=None) -> int:
        """A line in the chat of each player of this team, of this group of VyHub, of the admins (or of all others, with
        `admins=False`), or of these players; answers how many there are.
        """
    @overload
    async def center(self, text: object, /, *, server: _Server=None) -> None:
        """`center(text)`: in the middle of everybody's screen. `center(player, text)`: of one player's."""
    @overload
    async def center(self, player: _PlayerLike, text: object, /, *, server: _Server=None) -> None:
        """`center(text)`: in the middle of everybody's screen. `center(player, text)`: of one player's."""
    @overload
    async def hint(self, text: object, /, *, server: _Server=None) -> None:
        """The same as `center`: Team Fortress 2 has no hints for scripts."""
    @overload
    async def hint(self, player: _PlayerLike, text: object, /, *, server: _Server=None) -> None:
        """The same as `center`: Team Fortress 2 has no hints for scripts."""
    async def players(self, server: _Server=None) -> list[Player]:
        """Everybody who is on, bots too, with all attributes."""
    async def player(self, id: _PlayerLike, server: _Server=None) -> Player | None:
        """Who has this userid (7 or "#7"), SteamID (`7656...` or `[U:1:7]`) or exact name; None if nobody has it.

        Where another one's name looks the same, `game.Error` PlayerAmbiguous names them.
        """
    async def admins(self, server: _Server=None) -> list[Player]:
        """The admins who are on."""
    async def bots(self, server: _Server=None) -> list[Player]:
        """The bots."""
    async def count(self, server: _Server=None) -> int:
        """How many are on, without bots."""
    async def country(self, player: _PlayerLike, server: _Server=None) -> str | None:
        """The country that a player or an address comes from, by its two letters ("AT"); None if that is unknown.

        The databases are those of `[geoip]` in vpid's configuration; without them, `game.Error` GeoipUnavailable.
        """
    async def geoip(self, player: _PlayerLike, server: _Server=None) -> dict[str, Any] | None:
        """Where a player or an address ("203.0.113.7") comes from; None if no database knows that.

        A dictionary with address, country ("AT"), country_name, continent ("EU"), region, city, postal, latitude and
        longitude (degrees), time_zone ("Europe/Vienna"), asn (the number of the network) and network (whose it is), each of
        which may be None.
        """
    async def kick(self, player: _PlayerLike, reason: object='', server: _Server=None) -> None:
        """Out of the game; they may come back.

        Raises `game.Error` PlayerUnknown, or ServerUnavailable if the game runs no commands of vpid.
        """
    async def ban(self, player: _PlayerLike, minutes: int | None=None, reason: object='', issuer: _PlayerLike | None=None, server: _Server=None) -> dict[str, Any]:
        """Banned in VyHub and here, for good if no minutes are given. `issuer`: in whose name.

        Answers `{"queued": 12, "player": "7656..."}`, the number of the change: the ban is in force here and on disk.
        Raises `game.Error` VyHubUnavailable (CommunityUnavailable) where there is none.
        """
    async def unban(self, player: _PlayerLike, issuer: _PlayerLike | None=None, server: _Server=None) -> dict[str, Any]:
        """Lifts all bans of a player in VyHub and here; answers the same as `ban`."""
    async def ban_address(self, address: _PlayerLike, minutes: int | None=None, reason: object='', issuer: _PlayerLike | None=None, server: _Server=None) -> dict[str, Any]:
        """All who come from an address ("203.0.113.7") or a range ("203.0.113.0/24") are banned; a player stands for the
        address from which they come. Answers `{"queued": 12, "address": "203.0.113.0/24"}`.
        """
    async def unban_address(self, address: str, issuer: _PlayerLike | None=None, server: _Server=None) -> dict[str, Any]:
        """Lifts all bans of exactly this address or range."""
    async def warn(self, player: _PlayerLike, reason: object, issuer: _PlayerLike | None=None, server: _Server=None) -> dict[str, Any]:
        """A warning in VyHub; answers the same as `ban`."""
    async def set_group(self, player: _PlayerLike, group: str | None, minutes: int | None=None, issuer: _PlayerLike | None=None, server: _Server=None) -> dict[str, Any]:
        """In this group of VyHub (its name or id), for good if no minutes are given; None: in none.

        Answers the same as `ban`.
        """
    async def remove_group(self, player: _PlayerLike, group: str | None=None, issuer: _PlayerLike | None=None, server: _Server=None) -> dict[str, Any]:
        """In this group of VyHub no longer; None: in none at all."""
    async def user(self, player: _PlayerLike, server: _Server=None) -> dict[str, Any]:
        """The player's user in VyHub, who is made if there is none: id, player, username, admin, groups."""
    async def playtime(self, player: _PlayerLike, server: _Server=None) -> dict[str, Any]:
        """How long they have played: player, hours, and unsent_hours, which VyHub does not have yet."""
    async def vyhub_server(self, server: _Server=None) -> dict[str, Any]:
        """The server in VyHub: server, name, bundle, bundle_name, and extra, its options."""
    async def community_server(self, server: _Server=None) -> dict[str, Any]:
        """The same, by the name for every kind of community."""
    async def command(self, line: object, server: _Server=None) -> str | None:
        """Runs a line in the server's console; answers what it printed, or None where that is not known (without RCON).

        Texts of players belong into `quote`.
        """
    async def cvar(self, name: str, server: _Server=None) -> str:
        """The value of a console variable, as text.

        Raises `game.Error` ServerUnavailable without RCON, GameError if there is no such variable.
        """
    async def set_cvar(self, name: str, value: object, server: _Server=None) -> None:
        """Sets a console variable."""
    async def change_map(self, map: str, server: _Server=None) -> None:
        """Another map, at once."""
    async def map(self, server: _Server=None) -> str | None:
        """The name of the map; None while it is unknown."""
    async def hostname(self, server: _Server=None) -> str | None:
        """The name under which the game's script speaks, made of its hostname; None without one."""
    async def max_players(self, server: _Server=None) -> int | None:
        """How many may be on; None while that is unknown."""
    async def uptime(self, server: _Server=None) -> int | None:
        """For how many seconds the server has been seen running; None before."""
    async def servers(self) -> list[dict[str, Any]]:
        """All servers, a dictionary each: id, name, host, map, max_players, players, bots, uptime_s, connected, rcon."""
    async def sql(self, query: object, params: Iterable[Any] | None=None, server: _Server=None) -> Any:
        """Runs SQL with a value for each `%s`; answers the rows, a list each, or what VPI_DB_RawExecute answers else.

        Raises `game.Error` with the reason that the database gives.
        """
    async def query(self, name: str, /, server: _Server=None, **params: Any) -> Any:
        """Runs a query of vpid's configuration by its name."""
    async def call(self, name: str, /, *args: Any, server: _Server=None, **kwargs: Any) -> Any:
        """Calls a function by name: `other_script.function`, `VPI_...`, or one that the game has registered.

        Raises `game.Error` UnknownFunction, Timeout, Deadlock, PermissionError, or with the type of what it raised.
        """
    async def send(self, to: str | None, name: str, data: Any=None) -> int:
        """A message to another script, or to all others if `to` is None; answers how many it reached."""
    async def message(self, name: str, data: Any=None, server: _Server=None) -> None:
        """A message to the functions that were given to `VPI.On` in the game."""
    async def hook(self, name: str, data: Mapping[str, Any] | None=None, server: _Server=None) -> None:
        """Raises a script hook in the game: `OnScriptHook_name(data)`."""
