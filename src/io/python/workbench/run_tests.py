# What `vpid script test` runs: its arguments are a file with vpid's modules, what runs the tests, and their files.
import sys

sys.path = [folder for folder in sys.path if folder]
if sys.version_info < (3, 9):
    sys.exit("Python 3.9 or later is needed; %s is %s" % (sys.executable, sys.version.split()[0]))

import importlib.util, json, os, unittest
from importlib.machinery import ModuleSpec

with open(sys.argv[1], encoding="utf-8") as file:
    sources = json.load(file)
runner, paths = sys.argv[2], sys.argv[3:]
# So a script finds no more of vpid than it does in vpid.
sys.argv = ["vpid script test"]
sys.dont_write_bytecode = True


class OwnModules:
    """Imports vpid's modules, which no file has."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return ModuleSpec(name, cls) if name in sources else None

    @staticmethod
    def create_module(spec):
        return None

    @classmethod
    def exec_module(cls, module):
        code = compile(sources[module.__name__], "(vpid)/%s.py" % module.__name__, "exec")
        exec(code, module.__dict__)

    @classmethod
    def get_source(cls, name):
        return sources[name]


sys.meta_path.insert(0, OwnModules)


def is_left_out(folder):
    name = os.path.basename(folder)
    is_environment = os.path.exists(os.path.join(folder, "pyvenv.cfg"))
    return name.startswith((".", "_")) or name == "node_modules" or is_environment


def files_of_tests():
    """All test_*.py below the folders, and the files themselves. Environments and hidden folders are left out."""
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        for folder, inner, names in os.walk(path):
            inner[:] = sorted(each for each in inner if not is_left_out(os.path.join(folder, each)))
            tests = [name for name in sorted(names) if name.startswith("test_") and name.endswith(".py")]
            yield from (os.path.join(folder, name) for name in tests)


def broken(path, error):
    """A test that fails as its file did when it was loaded. So the tests of other files run."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next

    class Broken(unittest.TestCase):
        def runTest(self):
            raise error.with_traceback(trace)

        def __str__(self):
            return path

    return Broken()


def load(path):
    path = os.path.abspath(path)
    if os.path.dirname(path) not in sys.path:
        sys.path.insert(0, os.path.dirname(path))
    # Several may have the same name, in folders of their own.
    name = "tests_%d_%s" % (len(loaded), os.path.basename(path)[: -len(".py")])
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        return broken(path, error)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


if runner == "pytest":
    if importlib.util.find_spec("pytest") is None:
        sys.exit("%s has no pytest; run: %s -m pip install pytest" % (sys.executable, sys.executable))
    import pytest

    sys.exit(pytest.main(["-p", "no:cacheprovider", "--rootdir", os.getcwd(), "--import-mode=importlib", *paths]))

loaded = []
for path in files_of_tests():
    loaded.append(load(path))
suite = unittest.TestSuite(loaded)
if suite.countTestCases() == 0:
    sys.exit("no tests: they are functions test_... of a unittest.TestCase, in files test_*.py")
result = unittest.TextTestRunner().run(suite)
sys.exit(0 if result.wasSuccessful() else 1)
