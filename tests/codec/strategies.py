"""Random values of every class the codec knows, from their annotations and from what the encoder takes."""

import types
import typing
from dataclasses import fields, is_dataclass
from enum import IntEnum
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from chain.codec.proto import encodable_classes, encode
from chain.types.evidence import Evidence
from chain.types.timestamp import (
    NANOS_PER_SECOND,
    SECONDS_YEAR_1,
    SECONDS_YEAR_9999_END,
    Timestamp,
)

PROBES = (-(2**63), -(2**31), -1, 0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1)
KEY = bytes(range(32))

TIMES = st.builds(
    Timestamp,
    st.integers(SECONDS_YEAR_1, SECONDS_YEAR_9999_END),
    st.integers(0, NANOS_PER_SECOND - 1),
)
_CACHE: dict[type[Any], st.SearchStrategy[Any]] = {}


def values(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Strategy of a dataclass: every attribute over the whole range that can be encoded."""
    if cls not in _CACHE:
        hints = hints_of(cls)
        arguments = {
            line.name: _attribute(cls, line.name, hints[line.name]) for line in fields(cls)
        }
        _CACHE[cls] = st.builds(cls, **arguments)
    return _CACHE[cls]


def hints_of(cls: type[Any]) -> dict[str, Any]:
    """Annotations, with the one name that is only imported for type checkers."""
    return get_type_hints(cls, localns={"Evidence": Evidence})


def minimal(cls: type[Any]) -> Any:
    """The value that says least."""
    hints = hints_of(cls)
    return cls(**{line.name: _least(line.name, hints[line.name]) for line in fields(cls)})


def _attribute(cls: type[Any], name: str, hint: Any) -> st.SearchStrategy[Any]:
    if hint is int and cls in encodable_classes():
        low, high = int_range(cls, name)
        edges = [probe for probe in PROBES if low <= probe <= high]
        return st.sampled_from(edges) | st.integers(low, high)
    if name == "pub_key":
        return st.binary(min_size=32, max_size=32)
    return _of_hint(hint)


def _of_hint(hint: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([st.none() if a is type(None) else _of_hint(a) for a in arguments])
    if origin is tuple:
        return st.lists(_element(arguments[0]), max_size=3).map(tuple)
    if hint is Timestamp:
        return TIMES
    if is_dataclass(hint):
        return st.deferred(lambda: values(hint))
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return st.sampled_from(list(hint))
    return {
        bool: st.booleans(),
        bytes: st.binary(max_size=40),
        str: st.text(max_size=20),
        int: st.integers(0, 2**31 - 1),
        Any: st.none() | st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
    }[hint]


def _element(hint: Any) -> st.SearchStrategy[Any]:
    return st.integers(0, 2**31 - 1) if hint is int else _of_hint(hint)


def int_range(cls: type[Any], name: str) -> tuple[int, int]:
    """Lowest and highest probe that the encoder takes for one integer."""
    hints, taken = hints_of(cls), []
    for probe in PROBES:
        arguments = {line.name: _least(line.name, hints[line.name]) for line in fields(cls)}
        try:
            encode(cls(**{**arguments, name: probe}))
        except ValueError:
            continue
        taken.append(probe)
    return min(taken), max(taken)


def _least(name: str, hint: Any) -> Any:
    if name == "pub_key":
        return KEY
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return None if type(None) in arguments else minimal(arguments[0])
    if origin is tuple:
        return ()
    if hint is Timestamp:
        return Timestamp(0)
    if is_dataclass(hint):
        return minimal(hint)
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return hint(0)
    return None if hint is Any else hint()
