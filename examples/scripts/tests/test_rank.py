"""Tests of rank.py: vpid script test examples/scripts"""

import sqlite3
import unittest
from typing import Any

import game
from game_testing import Stage, load


class Rank(unittest.TestCase):
    stage: Stage

    def setUp(self) -> None:
        self.stage = load("../rank.py")
        self.addCleanup(self.stage.close)
        self.ann, self.bob, self.eve = (self.stage.join(name) for name in ("Ann", "Bob", "Eve"))

    def test_points_are_saved_and_ranked(self) -> None:
        for _ in range(3):
            self.stage.kill(self.ann, self.bob, self.eve)
        self.stage.kill(self.bob, self.ann)
        self.stage.kill(self.ann, self.ann)
        self.stage.kill(None, self.ann)
        self.stage.chat(self.bob, "!rank")
        self.assertEqual(self.stage.read(self.bob), ["You have -1 points: place 3 of 3."])
        self.stage.chat(self.eve, "!top")
        self.assertEqual(self.stage.read(self.eve), ["1. Ann: 5", "2. Eve: 3", "3. Bob: -1"])
        self.assertEqual(self.stage.call("best", 1), [{"steam": self.ann.steam, "name": "Ann", "points": 5}])

    def test_bots_give_no_points(self) -> None:
        bot = self.stage.join("Robot", bot=True)
        self.stage.kill(self.ann, bot)
        self.stage.kill(bot, self.ann)
        self.stage.chat(self.ann, "!rank")
        self.assertEqual(self.stage.read(self.ann), ["You have no points yet."])

    def test_points_are_saved_after_a_while_and_at_the_end(self) -> None:
        saved: list[tuple[Any, ...]] = []

        def points() -> Any:
            return self.stage.database.execute("SELECT points FROM ranks WHERE name = 'Ann'").fetchone()

        self.stage.kill(self.ann, self.bob)
        self.stage.pass_time(10)
        self.assertEqual(points(), (2,))
        self.stage.kill(self.ann, self.bob)

        def note(points: int) -> None:
            saved.append((points,))

        self.stage.database.create_function("note", 1, note)
        self.stage.database.execute("CREATE TRIGGER t AFTER UPDATE ON ranks BEGIN SELECT note(new.points); END")
        self.stage.close()
        self.assertIn((4,), saved)

    def test_a_database_that_is_unreachable_loses_no_points(self) -> None:
        def unreachable(**named: Any) -> None:
            raise game.Error("DatabaseUnavailable", "it is unreachable")

        self.stage.kill(self.ann, self.bob)
        self.stage.functions["VPI_DB_RawExecute"] = unreachable
        with self.assertRaises(game.Error):
            self.stage.pass_time(10)
        del self.stage.functions["VPI_DB_RawExecute"]
        self.stage.pass_time(10)
        self.stage.chat(self.ann, "!rank")
        self.assertEqual(self.stage.read(self.ann), ["You have 2 points: place 1 of 2."])
        self.assertIsInstance(self.stage.database, sqlite3.Connection)
