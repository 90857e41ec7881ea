# Made of game_testing.py by tests/python/make_stub.py.
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

import sqlite3

from collections.abc import Callable, Mapping, Sequence

from os import PathLike

from types import TracebackType

from typing import Any, Union

from game import Player

_Server = Union[str, int, None]

def load(path: str | PathLike[str], config: Mapping[str, Any] | None=None, servers: Sequence[str]=('server',), functions: Mapping[str, Callable[..., object]] | None=None) -> Stage:
    """Loads a script. A relative path begins at the folder of the file that calls this. `config`: what it finds in
    `game.config`. `servers`: the names of the game servers. `functions`: those of others that it may call, by their
    names. One script is loaded at a time: a stage that was not closed is closed.
    """

class Stage:
    """A script that is loaded, and what is around it. Players are given as those of `join`, or by their userid."""
    commands: list[str]
    calls: list[tuple[str, list[Any], dict[str, Any]]]
    logs: list[tuple[int, str]]
    kicks: list[tuple[int, str]]
    sent: list[tuple[str | None, str, Any]]
    messages: list[tuple[str, Any]]
    hooks: list[tuple[str, Any]]
    functions: dict[str, Callable[..., object]]
    cvars: dict[str, str]
    replies: dict[str, str]
    places: dict[str, dict[str, Any]]
    map: str
    max_players: int
    database: sqlite3.Connection
    module: Any
    def __init__(self, path: str | PathLike[str], config: Mapping[str, Any] | None=None, servers: Sequence[str]=('server',), functions: Mapping[str, Callable[..., object]] | None=None) -> None: ...
    def close(self) -> None:
        """Ends the script, after its `OnUnLoad`. What it has imported from its folder is imported anew by the next."""
    def __enter__(self) -> Stage: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
    def join(self, name: str, steam: str | None=None, bot: bool=False, team: int=0, admin: bool=False, groups: Sequence[str]=(), address: str | None=None, server: _Server=None) -> Player:
        """A player comes: `OnPlayerConnect`, then `OnPlayerActive`. Without `steam` (17 digits), they get one."""
    def leave(self, player: Player | int, reason: str='Disconnect by user.') -> None:
        """A player goes: `OnPlayerDisconnect`."""
    def chat(self, player: Player | int, text: str) -> Any:
        """A player writes a line. Returns what the hook or the command returned; 0 keeps it from later scripts."""
    def kill(self, attacker: Player | int | None, victim: Player | int, assister: Player | int | None=None, weapon: str='') -> None:
        """A player dies: `OnPlayerDeath`."""
    def set_team(self, player: Player | int, team: int) -> None:
        """A player changes the team: `OnPlayerTeam`."""
    def change_map(self, map: str, server: _Server=None) -> None:
        """Another map begins: `OnMapEnd`, `OnMapStart`, and `OnPlayerActive` of each player."""
    def hook(self, name: str, *args: Any, server: _Server=None) -> Any:
        """Calls any hook, with its arguments as docs/scripts.md has them. Returns what it returned."""
    def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        """Calls a function of the script, as another script would: `stage.call("top", count=3)`."""
    def pass_time(self, seconds: float) -> None:
        """Lets time pass for the script: its timers, `OnTimer`, `asyncio.sleep`, and cooldowns of commands."""
    def wait_for(self, is_so: Callable[[], object], seconds: float=10) -> None:
        """Waits in real time for what threads or connections of the script do. Fails after so many seconds."""
    def read(self, player: Player | int, place: str='chat') -> list[str]:
        """What a player has read since the last time: lines for them and for everybody. `place`: chat or center."""
    def players(self) -> list[Player]:
        """All who are on."""
