"""The authenticated state: one crit-bit Merkle tree per namespace, and the map of their roots.

A crit-bit tree branches only where two keys differ, so its shape is a function of the key set alone: the
same records give the same root whatever the order of writes, and a test can recompute it from a dict. Hashes
follow the Tendermint ICS-23 spec, which fixes the order of leaves but not the shape of the tree:

    key   = SHA-256(namespace ‖ 0x00 ‖ record id)           value = SHA-256(record)
    leaf  = SHA-256(00 ‖ 20 ‖ key ‖ 20 ‖ SHA-256(value))    inner = SHA-256(01 ‖ left ‖ right)

Nodes are immutable: an update returns a new root that shares what did not change, so old versions stay
readable for the price of their differences.
Reads: nothing.  Writes: nothing.  Never: holds a record, only its hash.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from operator import itemgetter
from typing import Final, TypeAlias

from msgspec import Struct

KEY_BYTES: Final = 32
KEY_BITS: Final = 8 * KEY_BYTES
_LEAF_PREFIX: Final = b"\x00\x20"
_VALUE_LENGTH: Final = b"\x20"
_INNER_PREFIX: Final = b"\x01"


class Leaf(Struct, frozen=True, gc=False):
    """One key with its value; `key` is the 32 key bytes as a big-endian integer."""

    hash: bytes
    key: int
    value: bytes


class Inner(Struct, frozen=True, gc=False):
    """A branch at bit `shift` (0 = last bit of the key); `key` is any key below it.

    All keys below agree on the bits above `shift`; those with that bit clear are on the left.
    `gc=False` keeps the cyclic collector from walking millions of nodes, which cannot form a cycle.
    """

    hash: bytes
    key: int
    shift: int
    left: "Node"
    right: "Node"


Node: TypeAlias = Leaf | Inner
Change: TypeAlias = tuple[int, bytes | None]
"""A key and its new value (32 bytes), or None to delete it."""


def tree_key(namespace: str, record_id: bytes) -> bytes:
    """Where a record lies: fixed length, hence prefix-free, and silent about the id."""
    return sha256(namespace.encode() + b"\x00" + record_id).digest()


def value_hash(record: bytes) -> bytes:
    """What the tree holds of a record."""
    return sha256(record).digest()


def update_tree(root: Node | None, changes: Mapping[bytes, bytes | None]) -> Node | None:
    """Apply a batch {key: value or None}; deleting an absent key changes nothing."""
    if not changes:
        return root
    batch: list[Change] = [(int.from_bytes(key, "big"), value) for key, value in changes.items()]
    batch.sort(key=itemgetter(0))
    return _apply(root, batch, 0, len(batch))


def join_subtrees(subtrees: Sequence[tuple[int, bytes]]) -> bytes:
    """Root hash of a tree given as whole subtrees side by side: (any key below, hash), ascending, at least one.

    The shape above them follows from the keys alone, as everywhere in a crit-bit tree.
    """
    if len(subtrees) == 1:
        return subtrees[0][1]
    first = subtrees[0][0]
    shift = (first ^ subtrees[-1][0]).bit_length() - 1
    boundary = (first >> shift | 1) << shift
    middle = bisect_left(subtrees, boundary, key=itemgetter(0))
    sides = join_subtrees(subtrees[:middle]) + join_subtrees(subtrees[middle:])
    return sha256(_INNER_PREFIX + sides).digest()


def get_value(root: Node | None, key: bytes) -> bytes | None:
    """The value under a key, or None."""
    leaf = _descend(root, int.from_bytes(key, "big"))
    return leaf.value if leaf is not None and leaf.key == int.from_bytes(key, "big") else None


def iterate_leaves(root: Node | None) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) in key order."""
    waiting: list[Node] = [] if root is None else [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Leaf):
            yield node.key.to_bytes(KEY_BYTES, "big"), node.value
        else:
            waiting += (node.right, node.left)


def _leaf(key: int, value: bytes) -> Leaf:
    content = key.to_bytes(KEY_BYTES, "big") + _VALUE_LENGTH + sha256(value).digest()
    return Leaf(sha256(_LEAF_PREFIX + content).digest(), key, value)


def _inner(shift: int, left: Node, right: Node) -> Inner:
    return Inner(
        sha256(_INNER_PREFIX + left.hash + right.hash).digest(), left.key, shift, left, right
    )


def _joined(shift: int, left: Node | None, right: Node | None) -> Node | None:
    """A branch, or what is left of it when one side is empty."""
    if left is None:
        return right
    return left if right is None else _inner(shift, left, right)


def _apply(node: Node | None, batch: Sequence[Change], low: int, high: int) -> Node | None:
    """The subtree after batch[low:high], all of which belong below `node`'s place.

    Recursion is bounded by the 256 bits of a key.
    """
    if low == high:
        return node
    if node is None:
        return _build(batch, low, high)
    if high - low == 1:
        key, value = batch[low]
        return _apply_one(node, key, value)
    if type(node) is Leaf:
        return _apply_to_leaf(node, batch, low, high)
    assert type(node) is Inner
    here, shift = node.key, node.shift
    outside = ((batch[low][0] ^ here) | (batch[high - 1][0] ^ here)).bit_length() - 1
    if outside <= shift:
        middle = _split(batch, low, high, here, shift)
        left = _apply(node.left, batch, low, middle)
        right = _apply(node.right, batch, middle, high)
        if left is node.left and right is node.right:
            return node
        return _joined(shift, left, right)
    middle = _split(batch, low, high, here, outside)
    if here >> outside & 1:
        return _joined(outside, _build(batch, low, middle), _apply(node, batch, middle, high))
    return _joined(outside, _apply(node, batch, low, middle), _build(batch, middle, high))


def _apply_one(node: Node, key: int, value: bytes | None) -> Node | None:
    """One change below `node`: walk down, change the end, hash the way back up."""
    path: list[tuple[Inner, int]] = []
    while type(node) is Inner and (key ^ node.key) >> node.shift <= 1:
        side = key >> node.shift & 1
        path.append((node, side))
        node = node.right if side else node.left
    changed = _replaced(node, key, value)
    if changed is node:
        return path[0][0] if path else node
    result = changed
    for parent, side in reversed(path):
        if result is None:
            result = parent.left if side else parent.right
        elif side:
            result = _inner(parent.shift, parent.left, result)
        else:
            result = _inner(parent.shift, result, parent.right)
    return result


def _replaced(node: Node, key: int, value: bytes | None) -> Node | None:
    """What stands at the end of the walk: another value, nothing, or a new branch beside it."""
    if node.key == key and type(node) is Leaf:
        if value is None:
            return None
        return node if node.value == value else _leaf(key, value)
    if value is None:
        return node
    shift = (key ^ node.key).bit_length() - 1
    leaf = _leaf(key, value)
    return _inner(shift, node, leaf) if key >> shift & 1 else _inner(shift, leaf, node)


def _apply_to_leaf(leaf: Leaf, batch: Sequence[Change], low: int, high: int) -> Node | None:
    """Build the batch with the old leaf among it, unless the batch names its key."""
    place = bisect_left(batch, leaf.key, low, high, key=itemgetter(0))
    rest = _build(batch, low, high)
    if place < high and batch[place][0] == leaf.key:
        return rest
    return leaf if rest is None else _apply_one(rest, leaf.key, leaf.value)


def _build(batch: Sequence[Change], low: int, high: int) -> Node | None:
    """A fresh subtree of batch[low:high]; deletions of absent keys vanish."""
    if low == high:
        return None
    first, value = batch[low]
    if high - low == 1:
        return None if value is None else _leaf(first, value)
    shift = (first ^ batch[high - 1][0]).bit_length() - 1
    middle = _split(batch, low, high, first, shift)
    return _joined(shift, _build(batch, low, middle), _build(batch, middle, high))


def _split(batch: Sequence[Change], low: int, high: int, key: int, shift: int) -> int:
    """Where the keys with bit `shift` set begin; all agree with `key` on the bits above."""
    boundary = (key >> shift | 1) << shift
    return bisect_left(batch, boundary, low, high, key=itemgetter(0))


def _descend(node: Node | None, key: int) -> Leaf | None:
    """The only leaf that may hold the key."""
    while isinstance(node, Inner):
        node = node.right if key >> node.shift & 1 else node.left
    return node
