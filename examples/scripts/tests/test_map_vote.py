"""Tests of map_vote.py: vpid script test examples/scripts"""

import unittest

from game_testing import Stage, load

CONFIG = {"maps": ["cp_first", "cp_badlands", "pl_upward", "pl_badwater"], "choices": 2, "vote_s": 30, "delay_s": 60}


class Votes(unittest.TestCase):
    stage: Stage

    def setUp(self) -> None:
        self.stage = load("../map_vote.py", config=CONFIG)
        self.addCleanup(self.stage.close)
        self.stage.hook("OnMapStart", "cp_first")
        self.ann, self.bob, self.eve = (self.stage.join(name) for name in ("Ann", "Bob", "Eve"))

    def read(self) -> list[str]:
        return self.stage.read(self.ann)

    def test_enough_players_and_their_votes_change_the_map(self) -> None:
        self.stage.chat(self.ann, "!rtv")
        self.assertEqual(self.read(), ["It is too early for a vote; play this map a little."])
        self.stage.pass_time(60)
        self.stage.chat(self.bob, "!nominate upw")
        self.stage.chat(self.ann, "!rtv")
        self.stage.chat(self.ann, "!rtv")
        wants = "Ann wants another map (1 of 2). Write !rtv for a vote."
        self.assertEqual(self.read(), ["Bob nominates pl_upward.", wants, "You have asked already."])
        self.stage.chat(self.eve, "!rtv")
        self.assertIn("1: pl_upward, 2: ", self.read()[-1])
        self.stage.chat(self.ann, "!vote 2")
        self.stage.chat(self.ann, "!vote 1")
        self.stage.chat(self.bob, "!vote 1")
        self.stage.chat(self.eve, "!vote 2")
        self.stage.chat(self.eve, "!vote 3")
        self.stage.pass_time(30)
        self.assertEqual(self.read()[-1], "pl_upward has won with 2 votes, and begins in 5 seconds.")
        self.assertEqual(self.stage.commands, [])
        self.stage.pass_time(5)
        self.assertEqual(self.stage.commands, ["changelevel pl_upward"])

    def test_a_map_that_changes_meanwhile_ends_the_vote(self) -> None:
        self.stage.pass_time(60)
        for player in (self.ann, self.bob):
            self.stage.chat(player, "!rtv")
        self.stage.chat(self.ann, "!vote 1")
        self.stage.change_map("pl_badwater")
        self.read()
        self.stage.pass_time(60)
        self.assertEqual((self.stage.commands, self.read()), ([], []))

    def test_without_votes_the_map_stays_and_a_new_vote_needs_time(self) -> None:
        self.stage.pass_time(60)
        for player in (self.ann, self.bob):
            self.stage.chat(player, "!rtv")
        self.stage.pass_time(30)
        self.assertEqual(self.read()[-1], "Nobody has voted; the map stays.")
        self.stage.chat(self.ann, "!rtv")
        self.assertEqual(self.read()[-1], "It is too early for a vote; play this map a little.")

    def test_who_leaves_is_not_counted_and_the_rest_may_be_enough(self) -> None:
        self.stage.pass_time(60)
        self.stage.chat(self.ann, "!rtv")
        self.stage.leave(self.bob)
        self.stage.leave(self.eve)
        self.assertIn("Vote for the next map", self.read()[-1])

    def test_unclear_names_of_maps_are_asked_for(self) -> None:
        for line, part in [("!nominate bad", "Which one?"), ("!nominate", "Maps: "), ("!nominate first", "is played")]:
            self.stage.chat(self.ann, line)
            self.assertIn(part, self.read()[-1])
