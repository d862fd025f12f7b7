"""A step's Merkle tree kept as chunks of node hashes, so that one path is read without the other rows.

Level 0 holds the hashes of the leaves, level k the roots of runs of 256 nodes of the level below; each level is cut
into chunks of 256. A path needs one chunk of each level and 255 hashes in each: two chunks up to 65 536 leaves, and
32 bytes a leaf are kept, not 32 a leaf and level. Leaves are salted, so that the chunks say nothing of any row: a
member's path outlives the rows and keys of all others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from chain.codec.merkle import HASH_BYTES, hash_inner, hash_leaf
from chain.types.block import Proof

FAN: Final = 256
"""Nodes of a chunk: a power of two, so that every chunk is a subtree of RFC 6962."""
_Level: TypeAlias = list[bytes]


@dataclass(frozen=True, slots=True)
class Layers:
    """The root, and by level the chunks below it: each up to 256 node hashes one after the other."""

    root: bytes
    chunks: tuple[tuple[bytes, ...], ...]


def cut_layers(leaves: Sequence[bytes]) -> Layers:
    """Chunks of the tree over leaves, one at least, in the order of the tree; its root is `merkle_root` of them."""
    assert leaves, "a step has rows"
    nodes = [hash_leaf(leaf) for leaf in leaves]
    chunks: list[tuple[bytes, ...]] = []
    while True:
        runs = [nodes[at : at + FAN] for at in range(0, len(nodes), FAN)]
        chunks.append(tuple(map(b"".join, runs)))
        nodes = [_pair_up(run)[-1][0] for run in runs]
        if len(nodes) == 1:
            return Layers(nodes[0], tuple(chunks))


def name_chunks(total: int, index: int) -> tuple[tuple[int, int], ...]:
    """(level, chunk) of each chunk that the path of leaf number `index` of `total` goes through, from below."""
    assert 0 <= index < total, "a leaf of the tree"
    found = []
    level = 0
    while True:
        found.append((level, index // FAN))
        total = -(-total // FAN)
        if total == 1:
            return tuple(found)
        level, index = level + 1, index // FAN


def read_path(
    total: int, index: int, read: Callable[[int, int], bytes]
) -> tuple[bytes, Proof] | None:
    """The root and the path of a leaf out of the chunks `read(level, chunk)`; None when one is not whole."""
    aunts: list[bytes] = []
    root = leaf = b""
    place, nodes_left = index, total
    for level, chunk in name_chunks(total, index):
        raw = read(level, chunk)
        size = min(FAN, nodes_left - chunk * FAN)
        if len(raw) != size * HASH_BYTES:
            return None
        nodes = [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)]
        levels = _pair_up(nodes)
        within = place % FAN
        leaf = leaf or nodes[within]
        for nodes in levels[:-1]:
            if within ^ 1 < len(nodes):
                aunts.append(nodes[within ^ 1])
            within >>= 1
        root = levels[-1][0]
        place, nodes_left = place // FAN, -(-nodes_left // FAN)
    return root, Proof(total, index, leaf, tuple(aunts))


def _pair_up(nodes: _Level) -> list[_Level]:
    """All levels from these nodes to their root; an odd last node is carried up unchanged."""
    levels = [nodes]
    while len(nodes) > 1:
        upper = [hash_inner(a, b) for a, b in zip(nodes[::2], nodes[1::2], strict=False)]
        nodes = upper + nodes[-1:] if len(nodes) & 1 else upper
        levels.append(nodes)
    return levels
