"""The second half of what the interpreter is given: `boot.py` has read the first line of the channel.

It has left `line`'s content as `start`, and what came behind it as `rest`.
"""

import fcntl
import json
import os
import sys
from importlib.machinery import ModuleSpec

# The script finds nothing on its standard input, and cannot close the channel by closing that.
channel = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 64)
nothing = os.open(os.devnull, os.O_RDWR)
os.dup2(nothing, 0)
os.close(nothing)

if sys.version_info < (3, 9):
    text = "Python 3.9 or later is needed; %s is %s" % (sys.executable, sys.version.split()[0])
    os.write(channel, json.dumps([["failed", text]]).encode() + b"\n")
    sys.exit(1)


class OwnModules:
    """Imports the modules whose source came with the first line."""

    sources = start.pop("modules")

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return ModuleSpec(name, cls) if name in cls.sources else None

    @staticmethod
    def create_module(spec):
        return None

    @classmethod
    def exec_module(cls, module):
        code = compile(cls.sources[module.__name__], f"(vpid)/{module.__name__}.py", "exec")
        exec(code, module.__dict__)

    @classmethod
    def get_source(cls, name):
        return cls.sources[name]


sys.meta_path.insert(0, OwnModules)

import vpid_host

vpid_host.main(channel, rest, start)
