"""What scripts find in their tests is what they find in vpid: `vpid script test test_game_testing.py`."""

import asyncio
import sys
import tempfile
import threading
import unittest
from pathlib import Path

import game
from game_testing import load


class Double(unittest.TestCase):
    def script(self, text, **options):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "sample.py"
        path.write_text(text)
        self.folder = Path(folder.name)
        stage = load(path, **options)
        self.addCleanup(stage.close)
        return stage

    def refuses(self, reason, function, *arguments, **named):
        with self.assertRaises(game.Error) as caught:
            function(*arguments, **named)
        self.assertEqual(caught.exception.reason, reason)

    def test_names_that_vpid_does_not_have_are_errors(self):
        stage = self.script("def OnPlayerChat(player): return player.name")
        self.assertRaises(AttributeError, lambda: game.sya)
        self.assertRaises(NameError, stage.hook, "OnPlayerJoined", {})
        self.assertRaises(NameError, self.script, "def OnPlayerJoined(player): pass")
        self.assertRaises(TypeError, self.script, "def OnPlayerChat(player, text): yield text")
        self.script("x = 1").join("Ann")
        self.assertRaises(AttributeError, lambda: game.players()[0].nmae)
        self.refuses("UnknownFunction", game.call, "other.function")
        self.assertRaises(LookupError, self.script("").call, "nothing")

    def test_places_are_those_of_the_test(self):
        stage = self.script("import game")
        ann = stage.join("Ann", address="203.0.113.7:27005")
        bob = stage.join("Bob")
        self.assertIsNone(game.geoip(ann))
        stage.places["203.0.113.7"] = {"country": "AT", "city": "Vienna"}
        self.assertEqual(game.country(ann), "AT")
        place = game.geoip("203.0.113.7")
        self.assertEqual((place["city"], place["asn"], place["address"]), ("Vienna", None, "203.0.113.7"))
        self.assertIsNone(game.geoip(bob))
        self.assertIsNone(game.country("198.51.100.1"))
        self.refuses("PlayerUnknown", game.country, "[U:1:9]")
        for nowhere in ("10.1.2.3", "192.168.0.1:27005", "169.254.3.4", "::1", "[fd00::1]:27005", "::ffff:127.0.0.1"):
            stage.places[nowhere] = stage.places[nowhere.partition(":")[0]] = {"country": "AT"}
            self.assertIsNone(game.country(nowhere), nowhere)
        stage.places["127.0.0.1"] = {"country": "AT"}
        self.assertIsNone(game.country(stage.join("Cat", address="127.0.0.1:27005")))
        self.assertEqual(game.country("::ffff:203.0.113.7"), "AT")

    def test_with_several_servers_a_player_s_place_needs_one(self):
        stage = self.script("import game", servers=["one", "two"])
        ann = stage.join("Ann", address="203.0.113.7:27005", server="two")
        stage.places["203.0.113.7"] = {"country": "AT"}
        self.refuses("ValueError", game.country, ann.userid)
        self.refuses("ValueError", game.geoip, "[U:1:9]")
        self.assertEqual(game.country("203.0.113.7"), "AT")
        self.assertEqual(game.country(ann.userid, server="two"), "AT")
        self.refuses("PlayerUnknown", lambda: game.country(ann.userid, server="one"))

    def test_what_vpid_refuses_is_refused(self):
        stage = self.script("import game")
        self.refuses("PlayerUnknown", game.tell, 7, "text")
        self.refuses("PlayerUnknown", game.kick, "#7")
        self.refuses("PlayerUnknown", game.ban, 7)
        self.refuses("GameError", game.cvar, "mp_timelimit")
        self.refuses("ValueError", game.hook, "name", [1])
        self.refuses("ValueError", game.send, 5, "name")
        self.assertRaises(ValueError, game.say, "text", server="other")
        self.assertRaises(ValueError, game.send, None, "name", {"cell": print})
        self.assertRaises(ValueError, game.timer, -1, print)
        problems = []

        def in_thread():
            try:
                game.say("text")
            except RuntimeError as error:
                problems.append(str(error))

        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()
        self.assertIn("another thread", problems[0])
        self.assertEqual(stage.kicks, [])
        self.script("", servers=["one", "two"])
        self.refuses("ValueError", game.say, "which?")

    def test_players_are_found_in_every_way_and_read_what_is_for_them(self):
        stage = self.script("")
        ann = stage.join("Ann", steam="76561197960265735", team=2, groups=["VIP"], admin=True)
        bob = stage.join("Bob", team=3)
        for given in (ann, ann.userid, f"#{ann.userid}", "[U:1:7]", "STEAM_0:1:3", "76561197960265735"):
            game.tell(given, "hi")
        self.assertEqual((stage.read(ann), stage.read(bob)), (["hi"] * 6, []))
        game.say("all")
        game.center(bob, "middle")
        those = ({"team": 3}, {"group": "VIP"}, {"admins": False})
        self.assertEqual([game.tell_all("t", **each) for each in those], [1, 1, 1])
        self.assertEqual(game.tell_admins("a"), 1)
        self.assertEqual((stage.read(ann), stage.read(bob)), (["all", "t", "a"], ["all", "t", "t"]))
        self.assertEqual((stage.read(bob, "center"), stage.read(bob)), (["middle"], []))
        self.assertEqual((game.count(), game.player("Bob").id, game.admins()[0].name), (2, bob.id, "Ann"))
        self.assertEqual(game.ban(ann, 5, "x"), {"queued": 1, "player": ann.steam})
        self.assertEqual(stage.calls, [("VYHUB_Ban", [], {"player": ann.steam, "minutes": 5, "reason": "x"})])

    def test_a_filter_of_another_type_reaches_nobody(self):
        stage = self.script("")
        ann = stage.join("Ann", team=2)
        for wrong in (
            *({"team": team} for team in ("red", "2", 2.5, True, [2])),
            *({"group": group} for group in (7, ["VIP"])),
            *({"admins": admins} for admins in (0, "yes")),
            *({"players": players} for players in ("Ann", ann, 7, {})),
        ):
            self.refuses("ValueError", lambda: game.tell_all("t", **wrong))
        self.assertEqual(stage.read(ann), [])
        self.assertEqual([game.tell_all("t", team=team) for team in (2, 2.0, None)], [1, 1, 1])
        self.assertEqual([game.tell_all("t", players=those) for those in ([ann], (1,), iter(["#1"]))], [1, 1, 1])

    def test_game_player_knows_the_same_forms_as_vpid(self):
        stage = self.script("")
        ann = stage.join("Ann", steam="76561197960265828")
        for given in ("#1", 1, "[U:1:100]", "[u:1:100]", "steam_0:0:50", "STEAM_1:0:50", 76561197960265828, "Ann"):
            self.assertEqual(game.player(given), ann, given)
        for given in ("[u:1:100]", "steam_0:0:50"):
            game.tell(given, "hi")
        self.assertEqual(stage.read(ann), ["hi", "hi"])
        self.assertEqual([game.player(given) for given in ("#2", "#", "# 1", "[u:1:101]")], [None] * 4)

    def test_plain_functions_find_the_loop_running(self):
        stage = self.script(
            "import asyncio, game\n"
            "async def _later(text): game.log(text)\n"
            "def begin(text):\n"
            "    begun = asyncio.create_task(_later(text))\n"
            "    own = _later(text)\n"
            "    try:\n"
            "        asyncio.run(own)\n"
            "    except RuntimeError:\n"
            "        own.close()\n"
            "        return game.call('test.echo')\n"
            "def OnPlayerChat(player, text): begin(text)\n"
            "game.timer(5, lambda: begin('timer'))\n"
        )
        stage.functions["test.echo"] = lambda: stage.hook("OnHeartbeat", []) or "echo"
        self.assertEqual(stage.call("begin", "call"), "echo")
        stage.chat(stage.join("Ann"), "chat")
        stage.pass_time(5)
        self.assertEqual([text for _, text in stage.logs], ["call", "chat", "timer"])

    def test_timers_have_the_bound_of_vpid(self):
        stage = self.script("")
        for _ in range(10_001):
            game.timer(3600, print).cancel()
        game.timer(1, len, False)
        those = [game.timer(3600, print) for _ in range(9_999)]
        self.assertRaises(ValueError, game.timer, 3600, print)
        those.pop().cancel()
        game.timer(3600, print)

    def test_time_passes_for_timers_tasks_and_hooks_and_only_there(self):
        stage = self.script(
            "import asyncio, game\n"
            "seen = []\n"
            "def OnTimer(msec): seen.append(msec)\n"
            "async def later():\n"
            "    await asyncio.sleep(30)\n"
            "    game.log('task')\n"
            "async def OnPlayerChat(player, text):\n"
            "    asyncio.get_running_loop().create_task(later())\n"
            "    await game.aio.say('begun')\n"
            "    await asyncio.sleep(3)\n"
            "    await game.aio.say(game.server)\n"
            "timer = game.timer(2, lambda: game.log('timer'), repeat=True)\n"
        )
        ann = stage.join("Ann")
        stage.chat(ann, "x")
        self.assertEqual(stage.read(ann), ["begun"])
        stage.pass_time(2.9)
        self.assertEqual((stage.read(ann), stage.logs), ([], [(3, "timer")]))
        stage.pass_time(0.2)
        self.assertEqual(stage.read(ann), ["server"])
        seen = sys.modules["sample"].seen
        self.assertEqual([each - seen[0] for each in seen], [0, 1000, 2000])
        sys.modules["sample"].timer.cancel()
        stage.pass_time(60)
        self.assertEqual(stage.logs, [(3, "timer"), (3, "task")])

    def test_an_error_of_the_script_is_one_of_the_test(self):
        stage = self.script(
            "import asyncio, game\n"
            "def OnPlayerChat(player, text): raise KeyError(text)\n"
            "game.timer(1, lambda: 1 / 0)\n"
            "async def OnRoundStart():\n"
            "    await asyncio.sleep(5)\n"
            "    raise OSError('late')\n"
        )
        self.assertRaises(KeyError, stage.chat, stage.join("Ann"), "x")
        stage.hook("OnRoundStart", True)
        self.assertRaises(ZeroDivisionError, stage.pass_time, 2)
        self.assertRaises(OSError, stage.pass_time, 9)

    def test_scripts_do_not_see_each_other(self):
        text = "import game, _own\n@game.command_handler('!x')\ndef x(player):\n"
        text += "    _own.seen.append(1)\n    return len(_own.seen)\n"
        for _ in range(2):
            folder = tempfile.TemporaryDirectory()
            self.addCleanup(folder.cleanup)
            (Path(folder.name) / "_own.py").write_text("seen = []")
            (Path(folder.name) / "main_one.py").write_text(text)
            with load(Path(folder.name) / "main_one.py") as stage:
                self.assertEqual(stage.chat(stage.join("Ann"), "!x"), 1)
            self.assertNotIn("_own", sys.modules)

    def test_sql_functions_of_others_and_its_own_functions_answer(self):
        stage = self.script(
            "import game\n"
            "def own(value): return [value, game.caller.script]\n"
            "def ask(): return game.call('sample.own', 5)\n"
            "async def wait(): return await game.aio.call('sample.own', {'a': (1, 2)})\n",
            functions={"arena.score": lambda team: team * 2},
        )
        game.sql("CREATE TABLE t (a, b)")
        game.sql("INSERT INTO t VALUES (%s, '100%%')", ["O'Hara"])
        self.assertEqual(game.sql("SELECT a, b FROM t WHERE a = %s", ["O'Hara"]), [["O'Hara", "100%"]])
        self.refuses("DatabaseError", game.sql, "SELECT FROM")
        self.assertEqual(game.call("arena.score", team=4), 8)
        self.assertEqual(stage.call("ask"), [5, "sample.py"])
        self.assertEqual(stage.call("wait"), [{"a": [1, 2]}, "sample.py"])

    def test_threads_are_waited_for(self):
        stage = self.script(
            "import asyncio, game, time\n"
            "async def OnRoundStart():\n"
            "    game.log(await asyncio.get_running_loop().run_in_executor(None, lambda: 'from a thread'))\n"
        )
        stage.hook("OnRoundStart", True)
        stage.wait_for(lambda: stage.logs)
        self.assertEqual(stage.logs, [(3, "from a thread")])
        self.assertRaises(TimeoutError, stage.wait_for, lambda: False, 0.05)

    def test_the_loop_of_a_stage_ends_with_it(self):
        with self.script("import asyncio\nasync def OnUnLoad(): await asyncio.sleep(0)") as stage:
            loop = stage._loop
        self.assertTrue(loop.is_closed())
        self.assertRaises(RuntimeError, asyncio.get_running_loop)
