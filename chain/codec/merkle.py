"""RFC 6962 Merkle trees over SHA-256, as CometBFT 0.38 `crypto/merkle` builds them.

The tree splits at the largest power of two below the number of leaves, which is the same as pairing
neighbours level by level and carrying an odd last node up unchanged.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from chain.types.block import Proof
from chain.types.primitives import Hash

EMPTY_ROOT: Final[Hash] = sha256(b"").digest()
MAX_AUNTS: Final = 100
"""CometBFT `merkle.MaxAunts`: no honest tree is deeper."""
HASH_BYTES: Final = 32


def hash_leaf(leaf: bytes) -> Hash:
    """SHA-256(0x00 ‖ leaf)."""
    return sha256(b"\x00" + leaf).digest()


def hash_inner(left: Hash, right: Hash) -> Hash:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


def merkle_root(leaves: Sequence[bytes]) -> Hash:
    """Root over leaves of any length; the root of none is SHA-256 of nothing."""
    if not leaves:
        return EMPTY_ROOT
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        level = _next_level(level)
    return level[0]


def merkle_proofs(leaves: Sequence[bytes]) -> tuple[Hash, tuple[Proof, ...]]:
    """Root and one inclusion proof per leaf, aunts from the leaf upwards."""
    if not leaves:
        return EMPTY_ROOT, ()
    hashes = [hash_leaf(leaf) for leaf in leaves]
    levels = [hashes]
    while len(levels[-1]) > 1:
        levels.append(_next_level(levels[-1]))
    total = len(leaves)
    proofs = tuple(
        Proof(total, index, hashes[index], _aunts_of(levels, index)) for index in range(total)
    )
    return levels[-1][0], proofs


def verify_merkle_proof(proof: Proof, root: Hash, leaf: bytes) -> bool:
    """Does `proof` show that `leaf` is the content at its index under `root`?"""
    return hash_leaf(leaf) == proof.leaf_hash and root_of_proof(proof) == root


def root_of_proof(proof: Proof) -> Hash | None:
    """Root that a proof leads to, or None when its shape is not that of its total and index."""
    if not 0 <= proof.index < proof.total or len(proof.aunts) > MAX_AUNTS:
        return None
    if any(len(part) != HASH_BYTES for part in (proof.leaf_hash, *proof.aunts)):
        return None
    node, index, last, taken = proof.leaf_hash, proof.index, proof.total - 1, 0
    while last:
        if index == last and not index & 1:
            index, last = index >> 1, last >> 1  # carried up without a neighbour
            continue
        if taken == len(proof.aunts):
            return None
        aunt = proof.aunts[taken]
        node = hash_inner(aunt, node) if index & 1 else hash_inner(node, aunt)
        index, last, taken = index >> 1, last >> 1, taken + 1
    return node if taken == len(proof.aunts) else None


def _next_level(level: list[Hash]) -> list[Hash]:
    pairs = iter(level)
    upper = [sha256(b"\x01" + a + b).digest() for a, b in zip(pairs, pairs, strict=False)]
    if len(level) & 1:
        upper.append(level[-1])
    return upper


def _aunts_of(levels: list[list[Hash]], index: int) -> tuple[Hash, ...]:
    aunts = []
    for level in levels[:-1]:
        neighbour = index ^ 1
        if neighbour < len(level):
            aunts.append(level[neighbour])
        index >>= 1
    return tuple(aunts)
