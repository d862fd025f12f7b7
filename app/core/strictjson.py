"""Request bodies as JSON without surprises: RFC 8259 narrowed to what means the same to every reader.

Refused: duplicate keys, fractions and exponents, integers beyond 2^53-1, NaN and Infinity, lone
surrogates, NUL, a byte order mark, deep nesting.  Reads: bytes.  Writes: nothing.
"""

import json
import re
from typing import Any, Final, NoReturn

from app.core.codes import (
    JSON_BAD_NUMBER,
    JSON_BAD_TEXT,
    JSON_DUPLICATE_KEY,
    JSON_MALFORMED,
    JSON_TOO_DEEP,
)
from app.core.problems import Problem

DEPTH_MAX: Final = 16
"""Objects and arrays within each other; our deepest body has five."""
MAX_SAFE_INTEGER: Final = 2**53 - 1
_INTEGER_CHARS_MAX: Final = 17
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A string, closed or not: possessive and never failing. Otherwise each quote of 64 KiB of them scans to the end."""
_BAD_TEXT = re.compile("[\x00\ud800-\udfff]")


def parse_strict(raw: bytes) -> Any:
    """Decode one JSON document; raises Problem with one of the five `json_*` codes."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(JSON_MALFORMED, "not UTF-8") from error
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_build_object,
            parse_float=_refuse_number,
            parse_int=_parse_integer,
            parse_constant=_refuse_number,
        )
    except json.JSONDecodeError as error:
        raise Problem(JSON_MALFORMED, f"line {error.lineno}, column {error.colno}") from error
    _check_text(value)
    return value


def _check_depth(text: str) -> None:
    """Count brackets outside strings, before any parser recurses on them."""
    depth = 0
    for char in re.sub(r"[^\[\]{}]", "", _STRING.sub("", text)):
        depth += 1 if char in "[{" else -1
        if depth > DEPTH_MAX:
            raise Problem(JSON_TOO_DEEP, f"more than {DEPTH_MAX} levels")


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise Problem(JSON_DUPLICATE_KEY)
    return built


def _refuse_number(text: str) -> NoReturn:
    raise Problem(JSON_BAD_NUMBER, text[:40])


def _parse_integer(text: str) -> int:
    if len(text) > _INTEGER_CHARS_MAX or abs(int(text)) > MAX_SAFE_INTEGER or text == "-0":
        _refuse_number(text)
    return int(text)


def _check_text(value: Any) -> None:
    if isinstance(value, str):
        if _BAD_TEXT.search(value):
            raise Problem(JSON_BAD_TEXT)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)
