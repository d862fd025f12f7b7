"""All namespaces together: their trees, the app hash over them, and proofs a light client checks.

    app_hash = RFC 6962 root over the namespaces, sorted, each a leaf
               varint(len name) ‖ name ‖ 20 ‖ SHA-256(subtree root)          (ICS-23 "simple map")

A proof has two operations, both `ics23:simple` with the Tendermint spec: the key in its namespace's tree
(or its absence), then the namespace in the app hash.
Reads: nothing.  Writes: nothing.  Never: mutates a forest; an update gives a new one that shares nodes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final, TypeAlias

from chain.codec.merkle import merkle_proofs, merkle_root
from chain.codec.wire import encode_uvarint
from chain.crypto.ics23 import (
    ExistenceProof,
    Sibling,
    existence_of,
    membership_bytes,
    non_membership_bytes,
)
from chain.town.rolling import SIDE_PREFIX
from chain.town.tree import (
    KEY_BYTES,
    Inner,
    Leaf,
    Node,
    tree_key,
    update_tree,
    value_hash,
)
from chain.types.abci import ProofOp
from chain.types.block import Proof

PROOF_OP_TYPE: Final = "ics23:simple"

Forest: TypeAlias = Mapping[str, Node]
"""Root node of every namespace that holds a record."""
RecordChange: TypeAlias = tuple[str, bytes, bytes | None]


def update_forest(forest: Forest, changes: Iterable[RecordChange]) -> Forest:
    """The forest after (namespace, id, record or None) changes; side namespaces are left out."""
    batches: dict[str, dict[bytes, bytes | None]] = {}
    for namespace, record_id, record in changes:
        if not namespace.startswith(SIDE_PREFIX):
            hashed = None if record is None else value_hash(record)
            batches.setdefault(namespace, {})[tree_key(namespace, record_id)] = hashed
    updated = dict(forest)
    for namespace, batch in sorted(batches.items()):
        root = update_tree(updated.pop(namespace, None), batch)
        if root is not None:
            updated[namespace] = root
    return updated


def compute_app_hash(forest: Forest) -> bytes:
    """The root over all namespaces."""
    return app_hash_of({name: root.hash for name, root in forest.items()})


def app_hash_of(roots: Mapping[str, bytes]) -> bytes:
    """The same from the namespaces' root hashes alone."""
    return merkle_root(_namespace_leaves(roots))


def prove(forest: Forest, namespace: str, record_id: bytes) -> tuple[ProofOp, ...]:
    """Both operations from a record's hash, or its absence, to the app hash; the namespace must exist."""
    key = tree_key(namespace, record_id)
    names = sorted(forest)
    roots = {name: root.hash for name, root in forest.items()}
    _, proofs = merkle_proofs(_namespace_leaves(roots))
    siblings = _sides(proofs[names.index(namespace)])
    outer = existence_of(namespace.encode(), forest[namespace].hash, siblings)
    return (
        ProofOp(PROOF_OP_TYPE, key, prove_key(forest[namespace], key)),
        ProofOp(PROOF_OP_TYPE, namespace.encode(), membership_bytes(outer)),
    )


def prove_key(root: Node, key: bytes) -> bytes:
    """CommitmentProof bytes: the key's existence in one tree, or its two neighbours."""
    wanted = int.from_bytes(key, "big")
    path, end = _walk(root, wanted)
    if isinstance(end, Leaf) and end.key == wanted:
        return membership_bytes(_existence(path, end))
    return non_membership_bytes(key, *_neighbours(root, path, end, wanted))


_Path: TypeAlias = list[tuple[Inner, bool]]
"""Branches from the root downwards, and whether the way goes right."""


def _walk(root: Node, key: int) -> tuple[_Path, Node]:
    """Follow the key until a leaf, or a branch whose keys all lie on one side of it."""
    path: _Path = []
    node = root
    while isinstance(node, Inner) and (key ^ node.key) >> node.shift <= 1:
        goes_right = bool(key >> node.shift & 1)
        path.append((node, goes_right))
        node = node.right if goes_right else node.left
    return path, node


def _neighbours(
    root: Node, path: _Path, end: Node, key: int
) -> tuple[ExistenceProof | None, ExistenceProof | None]:
    """Existence of the last leaf before the key and of the first after it, None at an end."""
    turn = [place for place, (_, goes_right) in enumerate(path) if goes_right == (end.key > key)]
    other = None
    if turn:
        parent, goes_right = path[turn[-1]]
        sibling = parent.left if goes_right else parent.right
        other = _edge([*path[: turn[-1]], (parent, not goes_right)], sibling, last=goes_right)
    near = _edge(path, end, last=end.key < key)
    return (near, other) if end.key < key else (other, near)


def _edge(path: _Path, node: Node, *, last: bool) -> ExistenceProof:
    """Existence of the first or last leaf below a node that lies at the end of `path`."""
    steps = list(path)
    while isinstance(node, Inner):
        steps.append((node, last))
        node = node.right if last else node.left
    return _existence(steps, node)


def _existence(path: _Path, leaf: Leaf) -> ExistenceProof:
    siblings: list[Sibling] = [
        (node.left.hash if goes_right else node.right.hash, goes_right)
        for node, goes_right in reversed(path)
    ]
    return existence_of(leaf.key.to_bytes(KEY_BYTES, "big"), leaf.value, siblings)


def _namespace_leaves(roots: Mapping[str, bytes]) -> Sequence[bytes]:
    return [
        encode_uvarint(len(name.encode())) + name.encode() + b"\x20" + sha256(roots[name]).digest()
        for name in sorted(roots)
    ]


def _sides(proof: Proof) -> Iterator[Sibling]:
    """Aunts with the side they lie on; an odd last node rises without one (RFC 6962 shape)."""
    index, last = proof.index, proof.total - 1
    aunts = iter(proof.aunts)
    while last:
        if index & 1 or index != last:
            yield next(aunts), bool(index & 1)
        index, last = index >> 1, last >> 1
