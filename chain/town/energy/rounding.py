"""Sharing whole units without losing one: the largest-remainder method, ties broken by hash.

Floors lose up to one unit a member and nearest-rounding invents some; both break the law's sums. Largest
remainder keeps the total and stays within one unit of the exact share (the quota rule). Equal remainders go to
the smaller SHA-256 of (operation, step, name): fair over the steps, and independent of the order of the list.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from heapq import nlargest
from typing import Final, TypeAlias

_DOMAIN: Final = b"beffroi-energy-tie"
_STEP_BYTES: Final = 8
_FEW: Final = 8
"""Below 1/8 of the list a heap finds the cut faster than a sort."""

Rank: TypeAlias = Callable[[int], bytes]
"""Order of a member among equals, by its index; the smaller bytes come first."""


def rank_by_hash(operation: str, start_s: int, names: Sequence[str]) -> Rank:
    """Rank of `names[index]` in the step that starts at `start_s` (UTC seconds).

    SHA-256(domain ‖ 00 ‖ operation ‖ 00 ‖ step as 8 bytes ‖ name); names and operations hold no NUL.
    """

    def rank(index: int) -> bytes:
        step = start_s.to_bytes(_STEP_BYTES, "big", signed=True)
        prefix = b"\x00".join((_DOMAIN, operation.encode(), step))
        return sha256(prefix + names[index].encode()).digest()

    return rank


def apportion(total: int, weights: Sequence[int], rank: Rank) -> list[int]:
    """Share `total` >= 0 in proportion to `weights` >= 0; the parts sum to `total`.

    Each part is the exact share rounded down or up. All weights zero: nobody gets anything.
    """
    whole = sum(weights)
    if not whole or not total:
        return [0] * len(weights)
    parts = [total * weight // whole for weight in weights]
    spare = total - sum(parts)
    if spare:
        remainders = [total * weight % whole for weight in weights]
        for index in pick_largest(remainders, spare, rank):
            parts[index] += 1
    return parts


def pick_largest(remainders: Sequence[int], count: int, rank: Rank) -> list[int]:
    """Indices of the `count` largest remainders, equals by rank; `count` is at most their number."""
    if count <= 0:
        return []
    cut = _cut(remainders, count)
    chosen = [index for index, remainder in enumerate(remainders) if remainder > cut]
    tied = [index for index, remainder in enumerate(remainders) if remainder == cut]
    missing = count - len(chosen)
    if missing < len(tied):
        tied = sorted(tied, key=rank)[:missing]
    return chosen + tied


def _cut(remainders: Sequence[int], count: int) -> int:
    """The smallest of the `count` largest values."""
    if count * _FEW < len(remainders):
        return nlargest(count, remainders)[-1]
    return sorted(remainders, reverse=True)[count - 1]
