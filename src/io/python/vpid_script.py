"""One script: its file, its hooks, and which of its functions others may call."""

import importlib.util
import inspect
import re
import sys
from time import time
from types import FunctionType, ModuleType

import vpid_commands as commands
from game import Player
from vpid_process import words_of

REGISTERED_MAX = 1_000

HOOK = re.compile("On[A-Z]")

# Seconds since 1970; in the tests of a script, the test's.
clock = time

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

# Which arguments of hooks are players.
PLAYERS = {
    "OnPlayerConnect": [0],
    "OnPlayerActive": [0],
    "OnPlayerSpawn": [0],
    "OnPlayerDeath": [0, 1, 2],
    "OnPlayerTeam": [0],
    "OnPlayerClass": [0],
    "OnPlayerName": [0],
    "OnPlayerChat": [0],
    "OnPlayerDisconnect": [0],
}


def compiled(path):
    with open(path, "rb") as file:
        return compile(file.read(), path, "exec", dont_inherit=True)


def where(error, path):
    """An error at loading as one sentence, with file and line."""
    line = None
    if isinstance(error, SyntaxError):
        path, line = error.filename or path, error.lineno
        words = error.msg
    else:
        words = f"{type(error).__name__}: {words_of(error)}"
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == path:
                line = trace.tb_lineno
            trace = trace.tb_next
    place = path if line is None else f"{path}, line {line}"
    return f"{place}: {words}"


class Script:
    """A script with hooks and functions."""

    needs_loop = False

    def __init__(self, start):
        self.path = start["path"]
        self._name = start["name"]
        self._folders = [start["folder"], start["shared"]]
        self._functions = {}
        self._registered = {}
        self._signatures = {}
        self.hooks = {}
        # Sentences about functions that are named like hooks and cannot be called.
        self.unfit_hooks = []
        self.version = ""

    def load(self):
        sys.argv = [self.path]
        module = ModuleType(_module_name(self._name, self._folders))
        module.__file__ = self.path
        sys.modules[module.__name__] = module
        exec(compiled(self.path), module.__dict__)
        # The script may have put something else there.
        self._find(vars(module), module.__name__)
        self.version = str(vars(module).get("__version__") or "")
        commands.take_over(self.hooks)
        return module

    def _find(self, found, module_name):
        listed = _listed(found)
        for name, value in found.items():
            if HOOK.match(name):
                if _is_generator(value):
                    self.unfit_hooks.append(
                        f"{name} is a generator and is never called; a hook is a function without yield, plain or async"
                    )
                elif callable(value) and not inspect.isclass(value):
                    self.hooks[name] = _hook(name, value)
            elif (
                isinstance(value, FunctionType)
                and value.__module__ == module_name
                and not name.startswith("_")
                and (listed is None or name in listed)
                and not _is_generator(value)
            ):
                self._functions[name] = value

    def function_names(self):
        # While it was loaded, it may have registered some.
        return sorted({*self._functions, *self._registered})

    def register(self, name, function):
        if len(self._registered) >= REGISTERED_MAX:
            raise ValueError(f"{REGISTERED_MAX} functions are registered already")
        self._registered[name] = function
        self._signatures.pop(name, None)

    def unregister(self, name):
        self._signatures.pop(name, None)
        return self._registered.pop(name, None) is not None

    def call(self, name, args, kwargs, caller):
        function = self._registered.get(name)
        if function is None:
            function = self._functions.get(name)
        if function is None:
            raise LookupError(f"{self._name} has no function {name}")
        if kwargs is not None and not isinstance(kwargs, dict):
            # A script of the game gave one value without a name.
            return function(kwargs)
        if not kwargs:
            return function(*args)
        if args or self._takes(name, function, kwargs):
            return function(*args, **kwargs)
        return function(kwargs)

    def _takes(self, name, function, kwargs):
        """Whether the names fit. If not, the only parameter is given all of them as a dictionary."""
        if name not in self._signatures:
            self._signatures[name] = signature_of(function)
        signature = self._signatures[name]
        if signature is None:
            return True
        try:
            signature.bind(**kwargs)
            return True
        except TypeError:
            return len(positional(signature)) != 1

    def reload(self):
        raise TypeError("a script is reloaded by starting it again")


def _listed(found):
    """What the file has as `__all__`; None if it has none."""
    listed = found.get("__all__")
    if listed is None or isinstance(listed, (list, tuple, set, frozenset)):
        return listed
    kind = type(listed).__name__
    raise TypeError(f'__all__ is of the type {kind}; it must be a list of names, such as __all__ = ["top"]')


def _is_generator(value):
    return inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value)


def _module_name(name, folders):
    """The script's name, unless a module that it may want to import has it."""
    if not name.isidentifier() or name in sys.modules:
        return "script_" + name
    before = list(sys.path)
    sys.path[:] = [each for each in before if each not in folders]
    try:
        taken = importlib.util.find_spec(name) is not None
    finally:
        sys.path[:] = before
    return "script_" + name if taken else name


def positional(signature):
    """The parameters that take arguments without names."""
    return [each for each in signature.parameters.values() if each.kind in POSITIONAL]


def signature_of(function, follow_wrapped=True):
    """None for what has none that can be known."""
    try:
        return inspect.signature(function, follow_wrapped=follow_wrapped)
    except (ValueError, TypeError):
        return None


def _hook(name, function):
    """What is called with the list of arguments: the function may take fewer, and players are made."""
    count = None
    signature = signature_of(function)
    if signature is not None:
        kinds = [each.kind for each in signature.parameters.values()]
        if inspect.Parameter.VAR_POSITIONAL not in kinds:
            count = len(positional(signature))
    players = PLAYERS.get(name, ())

    def with_players(args):
        args = args[:count]
        for each in players:
            if each < len(args) and args[each] is not None:
                args[each] = Player(args[each])
        return function(*args)

    def with_list_of_players(args):
        return function(*[[Player(each) for each in args[0]]][:count])

    def as_given(args):
        return function(*args[:count])

    # Verlihub gives these an argument: the time in milliseconds, and an error code.
    if name == "OnTimer":
        return lambda args: function(*[int(clock() * 1000)][:count])
    if name == "OnUnLoad":
        return lambda args: function(*[0][:count])
    if name == "OnHeartbeat":
        return with_list_of_players
    return with_players if players else as_given
