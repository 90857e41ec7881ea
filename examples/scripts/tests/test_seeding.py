"""Tests of seeding.py: vpid script test examples/scripts"""

import unittest

from game_testing import load

CONFIG = {"wanted": 4, "every_s": 60, "filling": "{server}: {missing} missing", "full": "full: {count}"}


class Seeding(unittest.TestCase):
    def test_a_server_that_fills_is_announced_and_one_that_is_full_is_thanked_once(self) -> None:
        with load("../seeding.py", config=CONFIG, servers=["red", "blu"]) as stage:
            stage.pass_time(60)
            ann = stage.join("Ann", server="red")
            eve = stage.join("Eve", server="blu")
            stage.join("Robot", bot=True, server="red")
            stage.pass_time(60)
            self.assertEqual((stage.read(ann), stage.read(eve)), (["red: 3 missing"], ["blu: 3 missing"]))
            others = [stage.join(name, server="red") for name in ("Bob", "Cid", "Dan")]
            self.assertEqual(stage.read(ann), ["full: 4"])
            stage.leave(others[0])
            stage.pass_time(60)
            self.assertEqual((stage.read(ann), stage.read(eve)), ([], ["blu: 3 missing"]))

    def test_a_server_that_has_emptied_is_announced_again(self) -> None:
        with load("../seeding.py", config=CONFIG) as stage:
            ann, *others = [stage.join(name) for name in ("Ann", "Bob", "Cid", "Dan")]
            for each in others:
                stage.leave(each)
            stage.read(ann)
            stage.pass_time(60)
            self.assertEqual(stage.read(ann), ["server: 3 missing"])
