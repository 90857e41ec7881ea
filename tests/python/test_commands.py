"""Commands in chat, without vpid: `python3 test_commands.py FOLDER_OF_THE_MODULES`."""

import sys
import unittest

sys.path.insert(0, sys.argv.pop(1))

import game  # noqa: E402
import vpid_commands  # noqa: E402

BOB = game.Player(userid=4, name="Bob", steam="76561197960265732", id="[U:1:4]", bot=False, admin=False, groups=["VIP"])
EVE = game.Player(userid=5, name="Bobby", steam="76561197960265733", id="[U:1:5]", bot=False, admin=True, groups=[])


class Commands(unittest.TestCase):
    def setUp(self):
        self.told, self.ran = [], []
        game.tell = lambda player, text: self.told.append((player["userid"], text))
        game.players = lambda: [BOB, EVE]
        game.player = lambda given: game._found([BOB, EVE], given)
        vpid_commands._handlers.clear()
        self.hooks = {"OnPlayerChat": lambda args: "own"}

    def says(self, userid, text):
        vpid_commands.take_over(self.hooks)
        player = {"userid": userid, "name": "n", "steam": None, "bot": False, "team": 2}
        return self.hooks["OnPlayerChat"]([player, text])

    def hears(self, userid, text):
        self.assertEqual(self.told.pop(), (userid, text))
        self.assertEqual(self.told, [])

    def test_words_become_arguments(self):
        @game.command_handler("!give")
        def give(player, to: game.Player, amount: float, count: int = 3, *why):
            """gives"""
            self.ran.append((player.userid, to.name, amount, count, why))
            return 0

        self.assertEqual(self.says(4, '!GIVE "#5" 3.5 7 "for fun" now'), 0)
        self.assertEqual(self.ran, [(4, "Bobby", 3.5, 7, ("for fun", "now"))])
        for name in ("bobb", "STEAM_0:1:2", "[U:1:5]", "76561197960265733", "Bobby"):
            self.says(4, f"!give {name} 1")
            self.assertEqual(self.ran.pop()[1:], ("Bobby", 1.0, 3, ()))
        usage = "Usage: !give <to> <amount> [count] [why ...]"
        for words, problem in (
            ("", ""),
            (" Bob", ""),
            (" Bob x", "x is no number. "),
            (" Bob nan", "nan is no number. "),
            (" Bob 1 1.5", "1.5 is no number. "),
            (" bo 1", "bo may be any of: #4 Bob, #5 Bobby. "),
            (" #99 1", "No player is called #99. "),
        ):
            self.assertIsNone(self.says(4, "!give" + words))
            self.hears(4, problem + usage)
        self.says(4, "!give ?")
        self.hears(4, "!give <to> <amount> [count] [why ...] - gives")
        self.assertEqual(len(self.ran), 1)

    def test_other_lines_are_the_own_hooks(self):
        @game.command_handler("!top")
        def top(player):
            self.ran.append(player.userid)

        for text in ("hello", "", "   ", "!topp", "say !top"):
            self.assertEqual(self.says(4, text), "own")
        self.hooks.pop("OnPlayerChat")
        self.assertIsNone(self.says(4, "hello"))
        self.says(4, "!top")
        self.assertEqual(self.ran, [4])

    def test_rights(self):
        @game.command_handler("!a", rights="admin")
        @game.command_handler("!v", rights=["VIP", "x"])
        @game.command_handler("!f", rights=lambda player: player.userid == 4)
        def act(player):
            self.ran.append(player.userid)

        for command, who in (("!a", 5), ("!v", 4), ("!f", 4)):
            other = 9 - who
            self.says(other, command)
            self.hears(other, f"You may not use {command}.")
            self.says(other, f"{command} ?")
            self.hears(other, f"You may not use {command}.")
            self.says(who, command)
            self.assertEqual(self.ran.pop(), who)
            self.says(99, command)
            self.assertEqual(self.ran, [])

    def test_a_cooldown_is_each_players_own(self):
        @game.command_handler("!top", cooldown=60)
        def top(player, count: int = 1):
            self.ran.append(player.userid)

        # What is refused is no use.
        self.says(4, "!top x")
        self.told.clear()
        for userid in (4, 5):
            self.says(userid, "!top")
            self.says(userid, "!top")
            self.hears(userid, "Wait 60 s before the next !top.")
        self.assertEqual(self.ran, [4, 5])
        command = vpid_commands._handlers["!top"]
        command._used = {n: -1.0 for n in range(vpid_commands.REMEMBERED_MAX)}
        self.says(6, "!top")
        self.assertEqual(len(command._used), 1)

    def test_what_cannot_be_a_command_is_refused(self):
        for name in ("", "two words", " !x", None):
            with self.assertRaises(ValueError):
                game.command_handler(name)
        with self.assertRaises(ValueError):
            game.command_handler("!x")(lambda: None)
        game.command_handler("!x")(lambda player: None)
        with self.assertRaises(ValueError):
            game.command_handler("!X")(lambda player: None)


unittest.main()
