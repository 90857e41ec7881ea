"""Commands in chat, without vpid: `python3 test_commands.py FOLDER_OF_THE_MODULES`."""

import sys
import typing
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
        self.logged = []
        game.log = lambda text, level=3: self.logged.append((level, text))
        game.player = lambda given: game._found([BOB, EVE], given)
        vpid_commands.reset()
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

    def test_annotations_are_understood_one_by_one(self):
        def give(player, to: "game.Player", count: typing.Optional[int], sure: bool, best, *more: typing.Any):
            self.ran.append((to.name, count, sure, best, more))

        give.__annotations__["best"] = "Nowhere"
        game.command_handler("!give")(give)
        unknown = "!give: best gets a text, since its annotation Nowhere is unknown; known are str, int"
        self.assertEqual([(level, text[: len(unknown)]) for level, text in self.logged], [(2, unknown)])
        for words, sure in (("YES", True), ("no", False), ("on", True), ("off", False), ("true", True), ("0", False)):
            self.says(4, f"!give Bob 7 {words} 8 x 9")
            self.assertEqual(self.ran.pop(), ("Bob", 7, sure, "8", ("x", "9")))
        usage = "Usage: !give <to> <count> <sure> <best> [more ...]"
        self.says(4, "!give Bob x yes 8")
        self.hears(4, "x is no number. " + usage)
        self.says(4, "!give Bob 7 maybe 8")
        self.hears(4, "maybe is neither yes nor no. " + usage)

        def counts(player, one: "None | int", two: "typing.Optional[float]", *those: "int"):
            self.ran.append((one, two, those))

        game.command_handler("!counts")(counts)
        self.says(4, "!counts 1 2.5 3 4")
        self.assertEqual((self.ran.pop(), len(self.logged)), ((1, 2.5, (3, 4)), 1))

        def odd(player, one: typing.Union[int, float], two: typing.List[int], three: 5):
            self.ran.append((one, two, three))

        game.command_handler("!odd")(odd)
        self.says(4, "!odd 1 2 3")
        self.assertEqual((self.ran.pop(), len(self.logged)), (("1", "2", "3"), 4))

    def test_commands_are_declared_at_loading_unless_chat_lines_come_anyway(self):
        hooks = {}
        vpid_commands.take_over(hooks)
        with self.assertRaises(RuntimeError):
            game.command_handler("!late")(lambda player: None)
        hooks["OnPlayerChat"] = lambda args: "own"
        for name in ("!late", "!later"):
            game.command_handler(name)(lambda player: "late")
        player = {"userid": 4, "name": "n", "steam": None, "bot": False, "team": 2}
        lines = ("!late", "!later", "hello")
        self.assertEqual([hooks["OnPlayerChat"]([player, text]) for text in lines], ["late", "late", "own"])

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
