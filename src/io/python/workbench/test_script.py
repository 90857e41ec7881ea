"""Tests of NAME.py, without a game: vpid script test FOLDER"""

import unittest

from game_testing import Stage, load


class Tests(unittest.TestCase):
    stage: Stage

    def setUp(self) -> None:
        self.stage = load("../NAME.py", config={"greeting": "Welcome"})
        self.addCleanup(self.stage.close)

    def test_players_are_greeted_and_bots_are_not(self) -> None:
        ann = self.stage.join("Ann")
        self.stage.join("Robot", bot=True)
        self.assertEqual(self.stage.read(ann), ["Welcome, Ann!"])

    def test_the_command_says_how_many_lines_there_were(self) -> None:
        ann = self.stage.join("Ann")
        self.stage.chat(ann, "hello")
        self.stage.read(ann)
        self.stage.chat(ann, "!NAME 2")
        self.assertEqual(self.stage.read(ann), ["There were 1 lines."] * 2)
        self.stage.chat(ann, "!NAME")
        self.assertEqual(self.stage.read(ann), ["Wait 5 s before the next !NAME."])

    def test_the_timer_reports(self) -> None:
        self.stage.join("Ann")
        self.stage.pass_time(600)
        self.assertEqual(self.stage.logs, [(3, "1 players, 0 lines")])
        self.assertEqual(self.stage.call("count"), 0)


if __name__ == "__main__":
    unittest.main()
