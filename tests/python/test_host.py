"""The process of a script, with this in place of vpid: `python3 test_host.py FOLDER_OF_THE_MODULES`."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

MODULES = os.path.abspath(sys.argv.pop(1))
PATIENCE_S = 20


class Script:
    """A script that runs, and what it has sent."""

    def __init__(self, text, folder):
        path = os.path.join(folder, "sample.py")
        with open(path, "w") as file:
            file.write(text)
        ours, its = socket.socketpair()
        self.channel, self.unread, self.messages = ours, b"", []
        ours.settimeout(PATIENCE_S)
        self.calls = self.acknowledged = 0
        program = "import vpid_host; vpid_host.main()"
        environment = {**os.environ, "PYTHONPATH": MODULES, "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", program],
            stdin=its,
            stdout=subprocess.DEVNULL,
            env=environment,
            cwd=folder,
        )
        its.close()
        start = {
            "kind": "script", "name": "sample", "path": path, "folder": folder, "shared": None, "id": 1, "config": {},
            "servers": [{"id": 0, "name": "tf2"}], "call_ms": 10_000, "tasks_max": 1_000, "memory_bytes": 0,
            "stack_bytes": 2 << 20,
        }  # fmt: skip
        ours.sendall(json.dumps(start).encode() + b"\n")

    def send(self, *messages):
        self.channel.sendall(json.dumps(messages).encode() + b"\n")

    def until(self, is_meant):
        """Waits for a message, and gives it."""
        seen = 0
        while True:
            for message in self.messages[seen:]:
                if is_meant(message):
                    return message
            seen = len(self.messages)
            data = self.channel.recv(1 << 16)
            if not data:
                raise EOFError(f"it has ended; it sent {self.messages}")
            *lines, self.unread = (self.unread + data).split(b"\n")
            self.messages += [message for line in lines for message in json.loads(line)]

    def until_logged(self, text):
        return self.until(lambda message: message[0] == "log" and text in message[2])[2]

    def ask(self, function, *args):
        """The result of a function, or the kind and the words of its error."""
        self.calls += 1
        number = self.calls
        self.send(["c", number, function, list(args), None, {"script": "test.nut", "server": 0}])
        kind, _, *result = self.until(lambda message: message[0] in ("r", "x") and message[1] == number)
        return result[0] if kind == "r" else result

    def spent_s(self):
        """The processor time that it has used."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        self.channel.close()
        self.process.kill()
        self.process.wait()


class Host(unittest.TestCase):
    def script(self, text):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        script = Script(text, folder.name)
        self.addCleanup(script.end)
        return script

    def loaded(self, text):
        script = self.script(text)
        self.ready = script.until(lambda message: message[0] == "ready")[1]
        return script

    def failure(self, text):
        return self.script(text).until(lambda message: message[0] == "failed")[1:]

    def test_callbacks_run_while_nothing_else_waits(self):
        script = self.loaded(
            "import asyncio, game, threading\n"
            "def soon(): asyncio.get_running_loop().call_soon(game.log, 'soon has run')\n"
            "def later(): asyncio.get_running_loop().call_later(0.05, game.log, 'later has run')\n"
            "def worker():\n"
            "    future = asyncio.get_running_loop().run_in_executor(None, lambda: 'worker')\n"
            "    future.add_done_callback(lambda done: game.log(done.result() + ' has run'))\n"
            "def task(): asyncio.create_task(_task('task'))\n"
            "async def _task(name):\n"
            "    await asyncio.sleep(0)\n"
            "    game.log(name + ' has run')\n"
            "def thread():\n"
            "    loop = asyncio.get_running_loop()\n"
            "    def run():\n"
            "        for n in range(3):\n"
            "            asyncio.run_coroutine_threadsafe(_task(f'thread {n}'), loop).result()\n"
            "    threading.Thread(target=run).start()\n"
            "def fails(): asyncio.get_running_loop().call_soon(lambda: 1 / 0)\n"
            "asyncio.get_event_loop().call_soon(game.log, 'load has run')\n"
        )
        for name in ("load", "soon", "later", "worker", "task", "thread"):
            if name != "load":
                self.assertIsNone(script.ask(name))
            script.until_logged(f"{name} 2 has run" if name == "thread" else f"{name} has run")
        script.ask("fails")
        script.until_logged("ZeroDivisionError")
        # What has woken the loop is taken out of it: the script sleeps.
        before = script.spent_s()
        time.sleep(0.5)
        self.assertLess(script.spent_s() - before, 0.2)

    def test_it_sleeps_until_a_callback_is_due(self):
        script = self.loaded(
            "import asyncio, game\n"
            "def begin():\n"
            "    loop = asyncio.get_running_loop()\n"
            "    loop.call_later(3600, print).cancel()\n"
            "    loop.call_later(3600, print)\n"
            "    loop.call_later(0.6, game.log, 'due')\n"
            "def echo(value): return value\n"
        )
        script.ask("begin")
        before = script.spent_s()
        self.assertEqual(script.ask("echo", 5), 5)
        script.until_logged("due")
        self.assertLess(script.spent_s() - before, 0.3)
        self.assertEqual(script.ask("echo", 6), 6)

    def test_plain_functions_find_the_loop_running_in_every_state(self):
        script = self.loaded(
            "import asyncio, game\n"
            "async def _five(): return 5\n"
            "at_load = asyncio.run(_five())\n"
            "kept = []\n"
            "def state():\n"
            "    kept.append(asyncio.create_task(_five()))\n"
            "    running = _five()\n"
            "    try:\n"
            "        asyncio.run(running)\n"
            "    except RuntimeError as error:\n"
            "        running.close()\n"
            "        return [at_load, str(error)]\n"
            "def rings(): game.timer(0, lambda: game.log(f'timer {state()}'))\n"
            "async def sleeps():\n"
            "    await asyncio.sleep(3600)\n"
        )
        refused = script.ask("state")
        self.assertEqual(refused[0], 5)
        self.assertIn("asyncio.run() cannot be called from a running event loop", refused[1])
        script.ask("rings")
        script.until_logged(f"timer {refused}")
        script.send(["c", 1000, "sleeps", [], None, {"script": "test.nut", "server": 0}])
        for _ in range(2):
            self.assertEqual(script.ask("state"), refused)

    def test_cancelled_timers_do_not_count(self):
        script = self.loaded(
            "import game\n"
            "game.timer(60, print)\n"
            "def cancels(count):\n"
            "    for _ in range(count): game.timer(3600, print).cancel()\n"
            "def keeps(count):\n"
            "    for _ in range(count): game.timer(3600, print)\n"
            "def over():\n"
            "    for _ in range(100): game.timer(0, print)\n"
            "def inside(): return len(game._host.timers._due)\n"
        )
        self.assertIsNone(script.ask("cancels", 25_000))
        self.assertLess(script.ask("inside"), 200)
        script.ask("over")
        self.assertIsNone(script.ask("keeps", 9_899))
        # Those that are over have their turn before the next message.
        self.assertIsNone(script.ask("keeps", 100))
        self.assertEqual(script.ask("keeps", 1), ["ValueError", "there are 10000 timers already"])

    def test_what_is_wrong_at_loading_is_a_sentence(self):
        trouble, problem = self.failure(
            "class Mute(Exception):\n    def __str__(self): raise ValueError\n\nraise Mute\n"
        )
        self.assertIn("sample.py, line 4: Mute: ", problem)
        self.assertIn("Mute", trouble)
        self.assertIn("__all__ is of the type int; it must be a list of names", self.failure("__all__ = 5\n")[1])
        self.assertIn("__all__ is of the type str", self.failure("__all__ = 'top'\n")[1])

    def test_hooks_that_are_generators_are_named(self):
        script = self.loaded(
            "def OnPlayerChat(player, text):\n    yield text\n"
            "async def OnRoundStart(is_full):\n    yield is_full\n"
            "def OnTimer(): pass\n"
        )
        self.assertEqual(self.ready["hooks"], ["OnTimer"])
        for name in ("OnPlayerChat", "OnRoundStart"):
            script.until_logged(f"{name} is a generator and is never called")

    def test_a_registered_function_may_be_false(self):
        script = self.loaded(
            "import game\n"
            "class Empty:\n"
            "    def __len__(self): return 0\n"
            "    def __call__(self): return 'called'\n"
            "game.register('empty', Empty())\n"
        )
        self.assertEqual(script.ask("empty"), "called")

    def test_an_error_of_a_signal_handler_is_logged_and_the_script_goes_on(self):
        for error in ("TimeoutError('x')", "ValueError('x')", "OSError('x')"):
            for waits in ("", "import asyncio\nasyncio.get_event_loop().create_task(asyncio.sleep(3600))\n"):
                script = self.loaded(
                    "import signal\n"
                    f"def _handle(number, frame): raise {error}\n"
                    "signal.signal(signal.SIGUSR1, _handle)\n"
                    "def echo(value): return value\n" + waits
                )
                self.assertEqual(script.ask("echo", 0), 0)
                for n in range(1, 4):
                    time.sleep(0.05)
                    script.process.send_signal(signal.SIGUSR1)
                    script.until(lambda _: sum("in _handle" in str(each) for each in script.messages) >= n)
                    self.assertEqual(script.ask("echo", n), n)

    def test_a_call_that_ends_with_the_script_says_so(self):
        script = self.loaded("import asyncio\nasync def waits(): await asyncio.sleep(3600)\n")
        script.send(["c", 1, "waits", [], None, {"script": "test.nut", "server": 0}])
        script.until(lambda message: message == ["ack", 1])
        script.send(["unload"])
        answer = script.until(lambda message: message[0] == "x")
        self.assertEqual(answer, ["x", 1, "CancelledError", "the script was reloaded, unloaded or ended"])

    def test_a_command_that_is_declared_later_works_or_is_refused(self):
        declares = (
            "import game\n"
            "def late():\n"
            "    game.command_handler('!late')(lambda player: game.log('late has run'))\n"
        )
        script = self.loaded(declares)
        kind, words = script.ask("late")
        self.assertEqual(kind, "RuntimeError")
        self.assertIn("!late comes too late: commands are declared while the script is loaded", words)
        script = self.loaded(declares + "def OnPlayerChat(player, text): game.log('own ' + text)\n")
        self.assertIsNone(script.ask("late"))
        player = {"userid": 2, "name": "Ann", "steam": None, "bot": False, "team": 2}
        for text, logged in (("!late", "late has run"), ("hello", "own hello")):
            script.send(["g", 7, "OnPlayerChat", 0, [player, text]])
            script.until_logged(logged)


unittest.main()
