"""Takes and gives values of every kind: for the tests of vpid."""

import datetime
from collections import namedtuple
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

# Nobody may call what was imported, nor a class, nor what begins with _.
from json import dumps

Point = namedtuple("Point", "x y")


class Colour(Enum):
    RED = 2


@dataclass
class Score:
    name: str
    wins: int


def echo(value):
    return value


def seen(value):
    """What it looks like here."""
    return [type(value).__name__, repr(value)]


def measured(value):
    return [len(value), dumps(value, sort_keys=True)[:20]]


def many(count):
    return list(range(count))


def deep(levels):
    value = "the bottom"
    for level in range(levels):
        value = {"d": value} if level % 2 else [value]
    return value


def long(size):
    return "x" * size


def kinds():
    day = datetime.datetime(2026, 11, 20, 8, 30, 5)
    return {
        "times": [day, day.date(), day.time(), datetime.timedelta(hours=30)],
        "bytes": [b"\x00", b"\x01", bytearray(b"abc"), b"\xfftext"],
        "numbers": [2**63 - 1, -(2**63), 2**64, -0.5, 1e300, Decimal("12.50"), True],
        "others": [(1, 2), {3}, Point(1, 2), Score("Ann", 3), Colour.RED],
        "texts": ["\x07red \x1b[0m", "half of a pair: \ud83d", 'ends in "\\'],
        "keys": {1: "one", None: "none", 2.5: "float"},
    }


def cyclic():
    value = {"list": [1]}
    value["list"].append(value)
    return value


def unfit(kind):
    return {
        "object": {"rows": [1, {"who": object()}]},
        "nan": [0.5, float("nan")],
        "function": {"f": echo},
        "key": {"a": {(1, 2): 3}},
        "too deep": deep(102),
        "too large": "x" * 4_000_001,
    }[kind]


# Arguments by name


def optional(first, second=2):
    return [first, second]


def one(data):
    return data


def named(**values):
    return values


def anything(*args, **values):
    return [args, values]


def only_by_position(value, /):
    return value


def nothing():
    return "nothing"


def _private():
    return "nobody may see this"


def generator():
    yield 1


async def later(value):
    return value


def OnTimer():
    return "a hook is no function"
