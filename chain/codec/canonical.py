"""Canonical JSON (RFC 8785 for a subset without floats) and unpadded base64url, both with one spelling per value.

Signed things must have exactly one byte form, or two copies of one transaction get two hashes. The decoder
therefore decodes, encodes again and compares: blanks, other key order, duplicate keys, needless escapes,
explicit defaults and unused bits are all refused by that one comparison.

Subset: objects with ASCII keys, arrays, strings, true, false, null, integers of at most 2^53-1 in size.
Keys are ASCII because RFC 8785 sorts by UTF-16 code unit and we sort by UTF-8 byte: equal for ASCII.
"""

import binascii
import re
from collections.abc import Hashable, Iterable
from functools import cache
from typing import Any, Final, NoReturn, TypeVar, cast

import msgspec

from chain.codec.errors import DecodeError
from chain.limits import CANONICAL_DEPTH_MAX

T = TypeVar("T")

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""RFC 7493 §2.2: beyond it a JavaScript client would round."""

_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_LONG_INTEGER: Final = re.compile(rb"[0-9]{16}")
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A string, closed or not: possessive and never failing, so that hostile quotes cost linear time."""
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_+/", b"+/??")
"""The two letters of the other alphabet become junk, so that they never decode."""


def encode_canonical(value: Any) -> bytes:
    """The one byte form of a JSON value or msgspec Struct.

    Raises ValueError for what the subset cannot say: floats, larger integers, keys that are not ASCII strings.
    """
    _check_subset(_plain(value), 0)
    return _ENCODER.encode(value)


def decode_canonical(type_: type[T], data: bytes) -> T:
    """Read `data` as `type_`; raises DecodeError unless it is exactly the canonical form of the result."""
    _check_depth(data)
    try:
        decoder: msgspec.json.Decoder[T] = _decoder(type_)  # type: ignore[arg-type] # it is hashable
        value = decoder.decode(data)
        spelled = _ENCODER.encode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise DecodeError(f"not the expected JSON: {exc}") from exc
    if spelled != data:
        raise DecodeError("JSON is not in canonical form")
    if not data.isascii() or _LONG_INTEGER.search(data):
        _check_decoded(value)
    return value


def b64url_encode(data: bytes) -> str:
    """RFC 4648 §5 without padding."""
    encoded = binascii.b2a_base64(data, newline=False).translate(_TO_URL)
    return encoded.rstrip(b"=").decode("ascii")


def b64url_decode(text: str | bytes) -> bytes:
    """Read unpadded base64url; raises DecodeError on padding, foreign letters or spare bits that are not zero."""
    try:
        raw = text.encode("ascii") if isinstance(text, str) else text
        padded = raw.translate(_FROM_URL) + b"=" * (-len(raw) % 4)
        decoded = binascii.a2b_base64(padded)
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise DecodeError("not base64url") from exc
    # a2b_base64 skips foreign letters and ignores spare bits: spelling it again catches both.
    if binascii.b2a_base64(decoded, newline=False).translate(_TO_URL).rstrip(b"=") != raw:
        raise DecodeError("not canonical base64url")
    return decoded


@cache
def _decoder(type_: Hashable) -> msgspec.json.Decoder[Any]:
    """One compiled decoder per type; floats in untyped places are refused while reading."""
    return msgspec.json.Decoder(cast(Any, type_), float_hook=_refuse_float)


def _refuse_float(literal: str) -> NoReturn:
    raise ValueError(f"{literal[:20]} is not an integer")


def _check_depth(data: bytes) -> None:
    """Cheap bound first: so few brackets cannot nest deeply; else count them outside strings."""
    if data.count(b"[") + data.count(b"{") <= CANONICAL_DEPTH_MAX:
        return
    depth = 0
    for byte in _STRING.sub(b"", data).translate(None, _NOT_BRACKETS):
        depth += 1 if byte in b"[{" else -1
        if depth > CANONICAL_DEPTH_MAX:
            raise DecodeError(f"JSON nests deeper than {CANONICAL_DEPTH_MAX}")


def _check_decoded(value: Any) -> None:
    try:
        _check_subset(_plain(value), 0)
    except ValueError as exc:
        raise DecodeError(str(exc)) from exc


def _plain(value: Any) -> Any:
    """Structs as dicts; bytes stay bytes, to be refused: their alphabet is the caller's decision."""
    return msgspec.to_builtins(value, builtin_types=(bytes, bytearray, memoryview))


def _check_subset(value: Any, depth: int) -> None:
    """Walk plain values; only reached when encoding, or for texts that may hold a large integer or odd key."""
    if depth >= CANONICAL_DEPTH_MAX and isinstance(value, dict | list | tuple):
        raise ValueError(f"JSON nests deeper than {CANONICAL_DEPTH_MAX}")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or not key.isascii():
                raise ValueError("object keys must be ASCII strings")
        _check_items(value.values(), depth + 1)
    elif isinstance(value, list | tuple):
        _check_items(value, depth + 1)
    elif isinstance(value, int) and not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        raise ValueError("integers beyond 2^53-1 travel as strings")
    elif not isinstance(value, str | int | None):
        raise ValueError(f"{type(value).__name__} has no canonical form here")


def _check_items(items: Iterable[Any], depth: int) -> None:
    """Every item; strings and small integers, which are nearly all, without a call of their own."""
    for item in items:
        kind = type(item)
        if kind is str or (kind is int and -MAX_SAFE_INTEGER <= item <= MAX_SAFE_INTEGER):
            continue
        _check_subset(item, depth)
