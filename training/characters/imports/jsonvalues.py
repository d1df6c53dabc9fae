"""Values of a JSON document of doubtful origin, checked as they are taken out."""

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.characters.imports.errors import fail

Table = dict[str, Any]


def parse_json(data: bytes) -> Table:
    """A JSON object; CharacterFileError for anything else, however deep or broken."""
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise fail("a JSON document", f"something else ({error})"[:300]) from error
    if not isinstance(document, dict):
        raise fail("a JSON object", type(document).__name__)
    return document


def table(value: Any, what: str) -> Table:
    """An object; absent (None) is empty."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise fail(f"an object for {what}", type(value).__name__)
    return value


def rows(value: Any, what: str, limit: int) -> list[Table]:
    """A list of objects, of at most `limit`; absent is empty."""
    items = values(value, what, limit)
    for item in items:
        if not isinstance(item, dict):
            raise fail(f"objects in {what}", type(item).__name__)
    return items


def values(value: Any, what: str, limit: int) -> list[Any]:
    """A list of at most `limit` things; absent is empty."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise fail(f"a list for {what}", type(value).__name__)
    if len(value) > limit:
        raise fail(f"at most {limit} {what}", str(len(value)))
    return value


def index(value: Any, what: str, count: int) -> int:
    """An index into `count` things."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        raise fail(f"an index of {what} in 0..{count - 1}", repr(value)[:80])
    return value


def whole(value: Any, what: str, default: int | None = None, limit: int = 1 << 40) -> int:
    """A number in 0..limit."""
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= limit:
        raise fail(f"a whole number in 0..{limit} for {what}", repr(value)[:80])
    return value


def number(value: Any, what: str, default: float) -> float:
    """A finite number; absent is the default."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise fail(f"a number for {what}", repr(value)[:80])
    try:
        result = float(value)
    except OverflowError as error:
        raise fail(f"a finite number for {what}", "a huge one") from error
    if not math.isfinite(result):
        raise fail(f"a finite number for {what}", repr(value)[:80])
    return result


def vector(value: Any, what: str, default: tuple[float, ...]) -> NDArray[np.float64]:
    """As many finite numbers as the default has."""
    if value is None:
        return np.array(default, np.float64)
    if not isinstance(value, list) or len(value) < len(default):
        raise fail(f"{len(default)} numbers for {what}", repr(value)[:80])
    return np.array([number(v, what, 0.0) for v in value[: len(default)]], np.float64)


def text(value: Any, what: str, default: str = "") -> str:
    """A string of sane length."""
    if value is None:
        return default
    if not isinstance(value, str):
        raise fail(f"a text for {what}", repr(value)[:80])
    return value[:1000] if what != "uri" else value
