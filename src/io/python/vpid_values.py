"""Values of scripts as JSON. What cannot be sent is an error that names the way to it.

None, bool, text, lists, tuples and dictionaries are what they are in JSON. Also:

- whole numbers that 64 bits cannot hold travel as text, and NaN and infinities are errors;
- sets are lists; data classes and what has `_asdict` (named tuples) are objects; of enumerations, the value;
- dates and times are ISO 8601, spans of time as `str` shows them;
- bytes are as for upstream's functions: of a BIT column, 0 and 1 are false and true; else they are text;
- a Decimal, as sums and averages of databases are, is a number where a number is exact, else text.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite

# Deeper ones are not sent; what reads them on the other side has its limit not far above.
DEPTH_MAX = 100

# A line may be twice as long.
VALUE_BYTES_MAX = 4_000_000

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1

_CONSTANTS = {None: "null", True: "true", False: "false"}

_PLAIN = frozenset([str, bool, type(None), float])

_encoder = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
)


def encode(value, name):
    """The value as JSON. `name` is what it is called where an error names it."""
    kind = type(value)
    if kind is int and INTEGER_MIN <= value <= INTEGER_MAX:
        return repr(value)
    if value is None or kind is bool:
        return _CONSTANTS[value]
    text = _encoded(value) if _is_plain([value], 0) else None
    if text is None:
        text = _encoder.encode(_made_plain(value, name, {}))
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    if size > VALUE_BYTES_MAX:
        raise ValueError(f"{name} is too large to be sent: {size} bytes; at most {VALUE_BYTES_MAX}")
    return text


def _encoded(value):
    """None for what has a NaN, or a key that JSON does not know: where, the long way finds out."""
    try:
        return _encoder.encode(value)
    except (ValueError, TypeError):
        return None


def _is_plain(values, depth):
    """Whether all of it can be sent as it is. Quick, since nearly every value is plain."""
    for value in values:
        kind = type(value)
        if kind in _PLAIN:
            continue
        if kind is int:
            if INTEGER_MIN <= value <= INTEGER_MAX:
                continue
            return False
        if depth == DEPTH_MAX:
            return False
        if kind is list or kind is tuple:
            if _is_plain(value, depth + 1):
                continue
        elif kind is dict:
            if _is_plain(value.values(), depth + 1):
                continue
        return False
    return True


def _made_plain(value, path, above):
    """A copy of JSON's own kinds. `above` has the containers that this is in, and their paths."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _made_plain(value.value, path, above)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value) if INTEGER_MIN <= value <= INTEGER_MAX else str(int(value))
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"{path} is {float(value)}, which cannot be sent")
        return float(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _of_bytes(bytes(value))
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, Decimal):
        return _of_decimal(value, path)
    return _container_made_plain(value, path, above)


def _container_made_plain(value, path, above):
    if id(value) in above:
        raise ValueError(f"{path} refers back to {above[id(value)]}")
    if len(above) == DEPTH_MAX:
        raise ValueError(f"{_shortened(path)} is too deep: at most {DEPTH_MAX} levels can be sent")
    above[id(value)] = path
    try:
        if isinstance(value, Mapping):
            return _of_items(value.items(), path, above)
        if hasattr(value, "_asdict"):
            return _of_items(value._asdict().items(), path, above)
        if is_dataclass(value) and not isinstance(value, type):
            items = [(field.name, getattr(value, field.name)) for field in fields(value)]
            return _of_items(items, path, above)
        if isinstance(value, (list, tuple, set, frozenset)):
            return [
                _made_plain(each, f"{path}[{number}]", above) for number, each in enumerate(value)
            ]
    finally:
        del above[id(value)]
    raise ValueError(f"{path} is {_what(value)}, which cannot be sent")


def _of_items(items, path, above):
    made = {}
    for key, value in items:
        if not isinstance(key, (str, int, float, type(None))):
            raise ValueError(f"a key of {path} is {_what(key)}; keys are texts or numbers")
        if isinstance(key, float) and not isfinite(key):
            raise ValueError(f"a key of {path} is {key}, which cannot be sent")
        made[key] = _made_plain(value, path + _step(key), above)
    return made


def _of_bytes(value):
    if value == b"\x00":
        return False
    if value == b"\x01":
        return True
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _of_decimal(value, path):
    if not value.is_finite():
        raise ValueError(f"{path} is {value}, which cannot be sent")
    if INTEGER_MIN <= value <= INTEGER_MAX and value == int(value):
        return int(value)
    number = float(value)
    exact = isfinite(number) and Decimal(repr(number)) == value
    return number if exact else str(value)


def _step(key):
    """How a path goes on with a key."""
    if isinstance(key, str) and key.isidentifier():
        return "." + key
    return f"[{_shortened(repr(key))}]"


def _shortened(text):
    # An error for the game has 200 characters or so, and more to say than where it is.
    return text if len(text) <= 90 else text[:45] + "..." + text[-42:]


def _what(value):
    name = type(value).__name__
    article = "an" if name[:1].lower() in "aeiou" else "a"
    return f"{article} {name}"
