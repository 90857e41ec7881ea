"""Tests of words.py: vpid script test examples/scripts"""

import unittest
from typing import Any
from unittest.mock import patch

import game
from game_testing import Stage, load


class Words(unittest.TestCase):
    def load(self, **config: Any) -> Stage:
        stage = load("../words.py", config={"words": ["badword", "ass", "free skins"], "warnings": 2, **config})
        self.addCleanup(stage.close)
        return stage

    def test_words_are_found_in_every_disguise_and_not_in_other_words(self) -> None:
        stage = self.load()
        plain = ["BADWORD", "badword!", "free  skins here", "baaadwoooord", "ASS"]
        alike = ["you bаdwοrd!", "b4dw0rd", "b@dword", "bâdwörd", "bad\u200bword", "ｂａｄｗｏｒｄ", "FREE-SKlNS"]
        bad = [*plain, *alike, "b a d w o r d", "x b.a.d.w.o.r.d"]
        good = ["class", "assist", "badwords", "bad word", "free the skins", "", "hello!", "a s", "passed", "I a m", "as you like"]
        self.assertEqual([text for text in bad if not stage.call("found", text)], [])
        self.assertEqual([text for text in good if stage.call("found", text)], [])

    def test_who_goes_on_is_kicked_and_admins_are_not_warned(self) -> None:
        stage = self.load()
        ann, admin = stage.join("Ann"), stage.join("Ida", admin=True)
        self.assertEqual(stage.chat(ann, "hello"), 1)
        self.assertEqual([stage.chat(ann, "badword") for _ in range(2)], [0, 0])
        lines = stage.read(ann)
        self.assertEqual([line.split(". ")[1].split(" ")[0] for line in lines], ["1", "0"])
        self.assertEqual(stage.kicks, [])
        stage.chat(ann, "badword")
        self.assertEqual(stage.kicks, [(ann.userid, "warned 2 times for words")])
        for _ in range(5):
            self.assertEqual(stage.chat(admin, "badword"), 1)
        self.assertEqual((stage.read(admin), len(stage.kicks)), ([], 1))

    def test_warnings_are_forgotten_after_a_while(self) -> None:
        stage = self.load(forget_s=100)
        ann = stage.join("Ann")
        with patch.object(stage.module, "time") as now:
            for second in (0, 10, 105, 111):
                now.return_value = second
                stage.chat(ann, "badword")
            self.assertEqual(stage.kicks, [])
            now.return_value = 112
            stage.chat(ann, "badword")
        self.assertEqual(len(stage.kicks), 1)

    def test_the_community_gets_warnings_if_it_should_and_is_not_needed(self) -> None:
        stage = self.load(community=True)
        ann = stage.join("Ann")
        stage.chat(ann, "badword")
        self.assertEqual(stage.calls, [("VYHUB_Warn", [], {"player": ann.steam, "reason": "word: badword"})])

        def unavailable(**named: Any) -> None:
            raise game.Error("CommunityUnavailable", "it is unreachable")

        stage.functions["VYHUB_Warn"] = unavailable
        self.assertEqual(stage.chat(ann, "badword"), 0)
        self.assertIn("has no warning in the community", stage.logs[-1][1])
