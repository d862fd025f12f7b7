"""Chance as an argument: pure packages draw none themselves.

`RandomBytes` is `secrets.token_bytes` at the edge, and a seeded or scripted stream in tests.
"""

from collections.abc import Callable
from typing import Final

RandomBytes = Callable[[int], bytes]
"""Gives that many bytes nobody can guess."""

_SURPLUS_BYTES: Final = 16
"""Extra bytes before reduction: the bias of the remainder is below 2^-128."""


def draw_below(bound: int, draw: RandomBytes) -> int:
    """An integer of [0, bound), uniform up to 2^-128."""
    size_bytes = (bound.bit_length() + 7) // 8 + _SURPLUS_BYTES
    return int.from_bytes(draw(size_bytes), "big") % bound
