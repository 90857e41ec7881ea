"""Tests of message_filter.py without a game: vpid script test examples/scripts"""

import unittest

from game_testing import Stage, load


class Lines(unittest.TestCase):
    stage: Stage

    def setUp(self) -> None:
        self.stage = load("../message_filter.py", config={"words": ["Spam"], "warnings": 1})
        self.addCleanup(self.stage.close)
        self.ann = self.stage.join("Ann")

    def test_a_good_line_passes(self) -> None:
        self.assertEqual(self.stage.chat(self.ann, "hello"), 1)
        self.assertEqual(self.stage.read(self.ann), [])

    def test_who_goes_on_is_kicked(self) -> None:
        self.assertEqual(self.stage.chat(self.ann, "SPAM"), 0)
        self.assertEqual(self.stage.read(self.ann), ["Please no spam here."])
        self.assertEqual(self.stage.kicks, [])
        self.stage.chat(self.ann, "more spam")
        self.assertEqual(self.stage.kicks, [(self.ann.userid, "no spam here")])
