"""What Landlock keeps from a script, in folders of every kind; and what the host says of memory.

Run with vpid's modules in PYTHONPATH. Each script is a child process of its own.
"""

import os
import sqlite3
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import vpid_confine
import vpid_process
import vpid_stats

USER = 65534


@unittest.skipIf(vpid_confine.version() < vpid_confine.VERSION_MIN, "the kernel has no Landlock")
class Confined(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(os.path.realpath(folder.name))
        os.chmod(self.root, 0o777)
        for name in ("vpid", "vpid/state", "vpid/scripts", "vpid/scripts/own", "vpid/scripts/other", "data", "config"):
            self.folder(name)
        for name in ("vpid/vpid.toml", "vpid/scripts/other/main.py", "vpid/scripts/_shared.py", "config/vpid.toml"):
            self.file(name)

    def folder(self, name):
        (self.root / name).mkdir()
        os.chmod(self.root / name, 0o777)

    def file(self, name):
        (self.root / name).write_text("text")
        os.chmod(self.root / name, 0o666)

    def confined(self, does, hidden=("vpid/vpid.toml", "vpid/state"), own="vpid/scripts/own", shared="vpid/scripts"):
        """What `does` gives, or the name of its error, in a confined process without the rights of root."""
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                if os.getuid() == 0:
                    os.setgroups([])
                    os.setuid(USER)
                vpid_confine.confine(
                    [str(self.root / each) for each in hidden], str(self.root / own), shared and str(self.root / shared)
                )
                said = str(does())
            except vpid_confine.CannotConfine as error:
                said = f"CannotConfine: {error}"
            except OSError as error:
                said = type(error).__name__
            except BaseException as error:
                said = f"{type(error).__name__}: {error}"
            os.write(writer, said.encode())
            os._exit(0)
        os.close(writer)
        with open(reader) as file:
            said = file.read()
        os.waitpid(child, 0)
        return said

    def reads(self, name, **how):
        return self.confined((self.root / name).read_text, **how)

    def writes(self, name, **how):
        return self.confined(lambda: (self.root / name).write_text("x"), **how)

    def test_what_is_hidden_is_out_of_reach_and_the_rest_is_not(self):
        for name in ("vpid/vpid.toml", "vpid/scripts/other/main.py"):
            self.assertEqual(self.reads(name), "PermissionError", name)
        self.assertEqual(self.reads("vpid/scripts/_shared.py"), "text")
        for name in ("vpid/scripts/own/new", "data/new"):
            self.assertEqual(self.writes(name), "1", name)

    def test_a_folder_of_scripts_with_vpid_s_own_files_cannot_be_confined(self):
        for own, shared, hidden in (
            ("vpid", None, ("vpid/vpid.toml",)),
            ("vpid", None, ("vpid/state",)),
            ("vpid/state", None, ("vpid/state",)),
            ("vpid/scripts/own", "vpid/scripts", ("vpid/scripts/own/key",)),
        ):
            said = self.reads("vpid/vpid.toml", own=own, shared=shared, hidden=hidden)
            self.assertIn("CannotConfine: vpid's own files are in the script's folder", said, own)
        # Of a script with a folder of its own, the folder of all scripts is on the way.
        said = self.reads("vpid/vpid.toml", hidden=("vpid/vpid.toml", "vpid/scripts/keys"))
        self.assertEqual(said, "PermissionError")
        # A folder of scripts in the state folder is reached, and the rest of that is not.
        self.folder("vpid/state/scripts")
        self.file("vpid/state/begun")
        how = {"own": "vpid/state/scripts", "shared": None}
        self.assertEqual(self.reads("vpid/state/begun", **how), "PermissionError")
        self.assertEqual(self.writes("vpid/state/scripts/new", **how), "1")

    def test_a_folder_on_the_way_that_cannot_be_listed_is_no_silent_end(self):
        os.chmod(self.root, 0o711)
        if os.getuid() != 0:
            self.skipTest("this user owns the folder, and would be confined after a chmod")
        said = self.reads("data/new")
        self.assertIn(f"CannotConfine: {self.root}, a folder on the way", said)
        # What this user cannot reach anyway needs no rule.
        os.chmod(self.root, 0o777)
        self.folder("closed")
        self.folder("closed/state")
        os.chmod(self.root / "closed", 0o700)
        self.file("data/there")
        self.assertEqual(self.reads("data/there", hidden=("vpid/vpid.toml", "closed/state")), "text")

    def test_links_to_what_is_hidden_cannot_be_replaced(self):
        self.folder("elsewhere")
        self.file("elsewhere/vpid.toml")
        self.folder("elsewhere/state")
        self.folder("links")
        os.symlink("../elsewhere/vpid.toml", self.root / "config/second")
        os.symlink("second", self.root / "config/first")
        os.symlink(self.root / "elsewhere", self.root / "links/folder")
        hidden = ("config/first", "links/folder/state")
        for link in ("config/first", "config/second", "links/folder"):
            remove = lambda link=link: os.unlink(self.root / link)  # noqa: E731
            self.assertEqual(self.confined(remove, hidden=hidden), "PermissionError", link)
            move = lambda link=link: os.rename(self.root / link, self.root / "data/moved")  # noqa: E731
            self.assertIn(self.confined(move, hidden=hidden), ("PermissionError", "OSError"), link)
        self.assertEqual(self.reads("config/first", hidden=hidden), "PermissionError")
        self.assertEqual(self.writes("elsewhere/state/new", hidden=hidden), "PermissionError")
        self.assertEqual(self.reads("config/vpid.toml", hidden=hidden), "text")
        os.symlink("loop", self.root / "data/loop")
        self.assertIn("CannotConfine", self.reads("config/vpid.toml", hidden=("data/loop",)))

    def test_what_is_hidden_in_a_folder_for_imports_is_hidden(self):
        for name in ("_keys", ".keys"):
            self.folder(f"vpid/scripts/{name}")
            self.file(f"vpid/scripts/{name}/secret")
            self.file(f"vpid/scripts/{name}/module.py")
            hidden = (f"vpid/scripts/{name}/secret",)
            self.assertEqual(self.reads(f"vpid/scripts/{name}/secret", hidden=hidden), "PermissionError")
            self.assertEqual(self.reads(f"vpid/scripts/{name}/module.py", hidden=hidden), "text")
            self.assertEqual(self.writes(f"vpid/scripts/{name}/module.py", hidden=hidden), "PermissionError")

    def test_a_database_that_cannot_be_opened_is_said_to_be_confined(self):
        def opens(name):
            try:
                with sqlite3.connect(self.root / name) as database:
                    database.execute("create table new (n)")
                return "written"
            except sqlite3.OperationalError as error:
                return f"{vpid_process.error_line(error)}\n{vpid_process.error_text(error)}"

        self.assertEqual(self.confined(lambda: opens("data/own.db")), "written")
        for name in ("vpid/new.db", "vpid/vpid.toml"):
            self.assertEqual(self.confined(lambda: opens(name)).count("this script is confined"), 2, name)


class Memory(unittest.TestCase):
    def test_memory_is_never_zero_for_want_of_fields(self):
        self.assertGreater(vpid_stats.memory_bytes(), 1 << 20)
        for rollup in ("Rss: 10 kB\nPss: 5 kB\nSwapPss: 0 kB\n", None):
            with mock.patch("builtins.open", self.opening(rollup, None)):
                self.assertGreater(vpid_stats.memory_bytes(), 1 << 20)
            with mock.patch("builtins.open", self.opening(rollup, "Name: python\n")):
                self.assertIsNone(vpid_stats.memory_bytes())

    @staticmethod
    def opening(rollup, status):
        """`open`, on another kernel. None: for a rollup, that it is missing; for a status, the real one."""
        real = open

        def opened(path, *arguments, **named):
            if str(path).endswith("smaps_rollup"):
                if rollup is None:
                    raise FileNotFoundError(path)
                return mock.mock_open(read_data=rollup)()
            if str(path).endswith("/status") and status is not None:
                return mock.mock_open(read_data=status)()
            return real(path, *arguments, **named)

        return opened
