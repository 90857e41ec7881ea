"""Commands in chat: the functions that `game.command_handler` was given, as a part of the hook of chat lines."""

import inspect
import re
import types
import typing
from time import monotonic

import game

# So many players are remembered for one command's cooldown before those who may use it again are forgotten.
REMEMBERED_MAX = 256

HOOK = "OnPlayerChat"

# A word, or several in quotation marks.
WORD = re.compile(r'"([^"]*)"|(\S+)')

# What a word for a parameter of type `bool` may be.
TRUTHS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}

# What a parameter can be, with what is not said of a type: texts.
KINDS = {
    **{kind: kind for kind in (str, int, float, bool, game.Player)},
    inspect.Parameter.empty: str,
    typing.Any: str,
    object: str,
}

_handlers = {}

# The hooks of the script, once it is loaded.
_hooks = None

# Seconds; in the tests of a script, the test's.
clock = monotonic


class Misused(Exception):
    """The arguments do not fit; the text says why, or is empty."""


class Handler:
    """One command."""

    def __init__(self, name, function, rights, usage, cooldown):
        self.name = name
        self.function = function
        self.rights = rights
        self.cooldown = cooldown
        self.parameters = _parameters(name, function)
        self.usage = usage if usage is not None else self._usage()
        self._used = {}

    def _usage(self):
        shown = [self.name]
        for each, _ in self.parameters:
            if each.kind == inspect.Parameter.VAR_POSITIONAL:
                shown.append(f"[{each.name} ...]")
            else:
                shown.append(f"<{each.name}>" if each.default is each.empty else f"[{each.name}]")
        return " ".join(shown)

    def permits(self, player):
        if self.rights is None:
            return True
        if callable(self.rights):
            return bool(self.rights(player))
        wanted = [self.rights] if isinstance(self.rights, str) else self.rights
        groups = player.get("groups") or []
        return any(player.get("admin") if each == "admin" else each in groups for each in wanted)

    def wait_s(self, player):
        """For how many seconds this player must wait yet; 0 counts as a use."""
        if not self.cooldown:
            return 0
        now, key = clock(), player.get("steam") or player["userid"]
        left = self._used.get(key, now) - now
        if left > 0:
            return left
        if len(self._used) >= REMEMBERED_MAX:
            self._used = {known: until for known, until in self._used.items() if until > now}
        self._used[key] = now + self.cooldown
        return 0

    def arguments(self, words):
        found, words = [], list(words)
        for each, kind in self.parameters:
            if each.kind == inspect.Parameter.VAR_POSITIONAL:
                found += [_converted(word, kind) for word in words]
                words = []
            elif words:
                found.append(_converted(words.pop(0), kind))
            elif each.default is each.empty:
                raise Misused("")
            else:
                found.append(each.default)
        if words:
            raise Misused("")
        return found


def handler(name, rights, usage, cooldown):
    """The decorator of a function that handles this command."""
    if not (isinstance(name, str) and name.split() == [name]):
        raise ValueError(f"{name!r} is no command: it is one word, such as !top")

    def mark(function):
        if name.lower() in _handlers:
            raise ValueError(f"there are two handlers of {name}")
        if _hooks is not None and HOOK not in _hooks:
            # vpid sends no chat lines to this script.
            raise RuntimeError(
                f"{name} comes too late: commands are declared while the script is loaded, unless it has {HOOK} or"
                " another command by then"
            )
        _handlers[name.lower()] = Handler(name, function, rights, usage, float(cooldown))
        if _hooks is not None:
            _stand_in_front(_hooks)
        return function

    return mark


def reset():
    """Forgets all: another script is loaded, in tests."""
    global _hooks
    _handlers.clear()
    _hooks = None


def take_over(hooks):
    """The script is loaded: puts its commands in front of its own hook of chat lines."""
    global _hooks
    _hooks = hooks
    if _handlers:
        _stand_in_front(hooks)


def _stand_in_front(hooks):
    own = hooks.get(HOOK)
    if getattr(own, "runs_commands", False):
        return

    def on_chat(args):
        player, text = args
        words = [quoted or bare for quoted, bare in WORD.findall(text)]
        command = _handlers.get(words[0].lower()) if words else None
        if command is not None:
            return _run(command, game.Player(player), words[1:])
        return own(args) if own is not None else None

    on_chat.runs_commands = True
    hooks[HOOK] = on_chat


def _run(command, player, words):
    if command.rights is not None:
        # What a chat line has of its player does not say what they may do.
        player = game.player(player)
        if player is None:
            return None
        if not command.permits(player):
            game.tell(player, f"You may not use {command.name}.")
            return None
    if words == ["?"]:
        about = (inspect.getdoc(command.function) or "").partition("\n")[0]
        game.tell(player, f"{command.usage} - {about}" if about else command.usage)
        return None
    try:
        arguments = command.arguments(words)
    except Misused as error:
        game.tell(player, f"{error} " * bool(str(error)) + f"Usage: {command.usage}")
        return None
    wait_s = command.wait_s(player)
    if wait_s:
        game.tell(player, f"Wait {max(1, round(wait_s))} s before the next {command.name}.")
        return None
    return command.function(player, *arguments)


def _parameters(command, function):
    """The parameters behind the player, each with what its words are made into."""
    positional = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    all_of_them = [each for each in _signature(function).parameters.values() if each.kind in positional]
    if not all_of_them:
        raise ValueError(f"{function.__name__} handles a command, and must take the player")
    names = getattr(inspect.unwrap(function), "__globals__", {})
    found = []
    for each in all_of_them[1:]:
        kind = _kind(each.annotation, names)
        if kind is None:
            game.log(
                f"{command}: {each.name} gets a text, since its annotation {_shown(each.annotation)} is unknown; known"
                " are str, int, float, bool and game.Player, also with None",
                2,
            )
        found.append((each, kind or str))
    return found


def _signature(function):
    try:
        return inspect.signature(function)
    except NameError:
        # Since Python 3.14, where an annotation names what is not there.
        import annotationlib

        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)


def _kind(annotation, names):
    """What words become for an annotation, such as `int` or `Optional[int]`; None if that is unknown."""
    # With `from __future__ import annotations`, all of them are texts.
    if isinstance(annotation, str) and "|" in annotation and "[" not in annotation:
        return _kind_of_one([_kind(part.strip(), names) for part in annotation.split("|") if part.strip() != "None"])
    holder = lambda: None  # noqa: E731
    holder.__annotations__ = {"kind": annotation}
    try:
        found = typing.get_type_hints(holder, names, names)["kind"]
    except Exception:
        return None
    if typing.get_origin(found) in (typing.Union, getattr(types, "UnionType", typing.Union)):
        return _kind_of_one([_kind(part, names) for part in typing.get_args(found) if part is not type(None)])
    try:
        return KINDS.get(found)
    except TypeError:
        return None


def _kind_of_one(kinds):
    return kinds[0] if len(kinds) == 1 else None


def _shown(annotation):
    return annotation if isinstance(annotation, (str, typing.ForwardRef)) else inspect.formatannotation(annotation)


def _converted(word, kind):
    if kind in (int, float):
        try:
            number = kind(word)
        except ValueError:
            raise Misused(f"{word} is no number.") from None
        if number != number or number in (float("inf"), float("-inf")):
            raise Misused(f"{word} is no number.")
        return number
    if kind is bool:
        if word.lower() not in TRUTHS:
            raise Misused(f"{word} is neither yes nor no.")
        return TRUTHS[word.lower()]
    if kind is game.Player:
        return _player(word)
    return word


def _player(word):
    """`#12`, a SteamID, a name, or a part of one that only one player has."""
    try:
        found = game.player(int(word[1:]) if re.fullmatch("#[0-9]{1,9}", word) else word)
    except game.Error as error:
        raise Misused(f"{error.detail}.") from None
    if found is not None:
        return found
    like = [each for each in game.players() if word.lower() in (each.name or "").lower()]
    if len(like) == 1:
        return like[0]
    if like:
        raise Misused(f"{word} may be any of: " + ", ".join(f"#{each.userid} {each.name}" for each in like[:5]) + ".")
    raise Misused(f"No player is called {word}.")
