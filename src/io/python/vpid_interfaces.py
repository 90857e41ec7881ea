"""An owner's `vpi_interfaces.py`, with its `vpi_config.py` or with what stands in for one.

Its functions are all that begin with VPI_. They are given what the game has sent as upstream gives
it, and where they take a second argument, the pool of the database.
"""

import asyncio
import importlib
import inspect
import logging
import os
import sys
from time import monotonic
from types import ModuleType

import game
import vpid_database
from vpid_process import IntoLog
from vpid_script import compiled, positional, signature_of

FUNCTION = "VPI_"

# How long opening the database may take, and how soon it is tried again. In between, functions
# that need it fail at once.
OPEN_S = 10
OPEN_AGAIN_S = 2

AIOMYSQL_MISSING = (
    "aiomysql is missing, by which functions in Python speak with MySQL:"
    " apt install python3-aiomysql, or in a virtual environment: pip install aiomysql"
)


class Interfaces:
    # Connections of the database live in the event loop.
    needs_loop = True

    def __init__(self, start):
        self.path = start["path"]
        self.hooks = {}
        self.unfit_hooks = []
        self._start = start
        self._module = None
        self._functions = {}
        self._config = None
        self._opening = None
        self._open_again = 0
        self._trouble = None

    def load(self):
        # An owner's vpi_config looks at the options that vpi.py was started with.
        sys.argv = [self.path, *self._start["options"]]
        if not os.path.exists(os.path.join(self._start["folder"], "vpi_config.py")):
            sys.modules["vpi_config"] = stand_in(self._start)
        self._config = importlib.import_module("vpi_config")
        _leave_console_to_vpid(getattr(self._config, "LOGGER", None))
        self._load()

    def _load(self):
        """Loads the file into a module of its own, which takes the old one's place if that works."""
        module = ModuleType("vpi_interfaces")
        module.__file__ = self.path
        before = sys.modules.get("vpi_interfaces")
        sys.modules["vpi_interfaces"] = module
        try:
            exec(compiled(self.path), module.__dict__)
        except BaseException:
            if before is not None:
                sys.modules["vpi_interfaces"] = before
            raise
        self._functions = {
            name: (value, _takes_pool(value))
            for name, value in vars(module).items()
            if name.startswith(FUNCTION) and callable(value)
        }

    def reload(self):
        self._load()

    def function_names(self):
        return sorted(self._functions)

    def register(self, name, function):
        raise ValueError(f"{self.path} cannot register functions: name them {FUNCTION}...")

    def unregister(self, name):
        return False

    async def call(self, name, args, kwargs, caller):
        if name not in self._functions:
            raise LookupError(f"{self.path} has no function {name}")
        if args and kwargs is None:
            kwargs, *args = args
        if args:
            raise TypeError(f"{name} takes values by name only")
        function, takes_pool = self._functions[name]
        await self._have_database(takes_pool or hasattr(function, "__WrapDB__"))
        info = {
            "token": caller.get("token"),
            "func": name,
            "kwargs": kwargs,
            "callback": caller.get("callback"),
            "script": caller.get("script"),
        }
        result = function(info, getattr(self._config, "DB", None)) if takes_pool else function(info)
        return await result if inspect.isawaitable(result) else result

    async def _have_database(self, is_needed):
        """Opens the database before the first call, and after failures now and then again."""
        config = self._config
        if not getattr(config, "DB_SUPPORT", False) or getattr(config, "DB", None) is not None:
            return
        if self._opening is None and monotonic() >= self._open_again:
            self._opening = asyncio.ensure_future(self._open())
        # The first call waits in any case: it may use the database in its own way.
        if self._opening is not None and (is_needed or self._trouble is None):
            # Another call waits for the same, so the end of this one does not end it.
            await asyncio.shield(self._opening)
        if is_needed and getattr(config, "DB", None) is None:
            raise ConnectionError(f"the database cannot be opened: {self._trouble}")

    async def _open(self):
        try:
            self._config.DB = await asyncio.wait_for(open_database(self._config), OPEN_S)
            self._trouble = None
        except Exception as error:
            self._trouble = str(error) or type(error).__name__
            self._open_again = monotonic() + OPEN_AGAIN_S
            logging.error("the database cannot be opened: %s", self._trouble)
        finally:
            self._opening = None


async def open_database(config):
    """Opens it as upstream does, by what stands in vpi_config."""
    if config.DB_TYPE == "sqlite":
        return await getattr(config, "aiosqlite", vpid_database).connect(config.DB_LITE)
    try:
        aiomysql = getattr(config, "aiomysql", None) or importlib.import_module("aiomysql")
    except ImportError:
        raise RuntimeError(AIOMYSQL_MISSING) from None
    return await aiomysql.create_pool(
        host=config.DB_HOST,
        port=config.DB_PORT,
        user=config.DB_USER,
        password=config.DB_PASSWORD,
        db=config.DB_DATABASE,
        unix_socket=getattr(config, "DB_SOCKET", None),
        autocommit=False,
    )


def stand_in(start):
    """A `vpi_config` with the values of vpid's configuration."""
    config = ModuleType("vpi_config")
    database = start["database"]
    config.os, config.sys, config.logging = os, sys, logging
    config.genv = os.environ.get
    config.LOGGER = logging.getLogger("vpi_config")
    config.SECRET = start["secret"]
    config.SCRIPTDATA_DIR = start["scriptdata"]
    config.DB_SUPPORT = database is not None
    config.DB_TYPE = database["type"] if database else None
    config.DB = None
    if config.DB_TYPE == "sqlite":
        config.DB_LITE = database["path"]
        config.aiosqlite = vpid_database
    elif config.DB_TYPE == "mysql":
        config.DB_HOST = database["host"]
        config.DB_PORT = database["port"]
        config.DB_USER = database["user"]
        config.DB_PASSWORD = database["password"]
        config.DB_DATABASE = database["database"]
        config.DB_SOCKET = database["socket"]

    async def connection():
        if config.DB is None:
            raise ConnectionError("there is no connection to a database")
        return await config.DB.acquire()

    async def answers():
        """Whether the database answers."""
        try:
            lent = await connection()
        except Exception:
            return False
        try:
            cursor = await lent.cursor()
            await cursor.execute("SELECT 1")
            await cursor.close()
            return True
        except Exception:
            return False
        finally:
            config.DB.release(lent)

    config._GetDBConnection = connection
    config.PingDB = answers
    return config


def _takes_pool(function):
    """Whether a function takes the pool as its second argument, as those of a fork do."""
    # Of a decorated function, what the decorator takes.
    signature = signature_of(function, follow_wrapped=False)
    taken = positional(signature) if signature is not None else []
    return len(taken) >= 2 and (taken[1].default is taken[1].empty or taken[1].name == "pool")


def _leave_console_to_vpid(logger):
    """What vpi_config's LOGGER would show on the console goes into vpid's log, with its level."""
    for handler in list(getattr(logger, "handlers", ())):
        if getattr(handler, "stream", None) in (sys.stdout, sys.stderr):
            instead = IntoLog(game.log)
            instead.setLevel(handler.level)
            instead.filters = handler.filters
            logger.removeHandler(handler)
            logger.addHandler(instead)
            logger.propagate = False
