"""Tests of message_filter.py without a game and without vpid.

    cd examples/scripts && python3 -m unittest discover tests
"""

import sys
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

# Stands in for the module that scripts find in vpid.
game = sys.modules["game"] = MagicMock(config={"words": ["Spam"], "warnings": 1})
sys.path.insert(0, str(Path(__file__).parent.parent))
import message_filter


class Lines(unittest.TestCase):
    def setUp(self):
        game.reset_mock()
        self.ann = SimpleNamespace(userid=3, name="Ann")
        message_filter.OnPlayerDisconnect(self.ann)

    def test_a_good_line_passes(self):
        self.assertEqual(message_filter.OnPlayerChat(self.ann, "hello"), 1)
        game.tell.assert_not_called()

    def test_who_goes_on_is_kicked(self):
        self.assertEqual(message_filter.OnPlayerChat(self.ann, "SPAM"), 0)
        game.kick.assert_not_called()
        message_filter.OnPlayerChat(self.ann, "more spam")
        game.kick.assert_called_once_with(self.ann, "no spam here")
