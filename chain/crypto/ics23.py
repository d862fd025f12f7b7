"""ICS-23 commitment proofs: does a key hold a value, or nothing, under a Merkle root?

A proof brings its own hashing steps; a `ProofSpec` says which steps a tree of that kind can have, so that a
proof cannot reinterpret one tree as another. Absence is proved by the two neighbours of the missing key (or
one, at an end) and by the shape of their paths, which must leave no room between them.

`verify_*` answer True or False; whatever is wrong with a proof, it is not valid.
Source: cosmos/ics23 `proto/cosmos/ics23/v1/proofs.proto`, and its Go verifier for the rules.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from typing import Final, TypeAlias

from chain.codec import schema, wire
from chain.codec.errors import DecodeError
from chain.limits import ICS23_BATCH_ENTRIES_MAX, ICS23_DEPTH_MAX


class HashOp(IntEnum):
    """How bytes are hashed; KECCAK256 and BLAKE3 are named but not supported, as in the Go verifier."""

    NO_HASH = 0
    SHA256 = 1
    SHA512 = 2
    KECCAK256 = 3
    RIPEMD160 = 4
    BITCOIN = 5
    SHA512_256 = 6
    BLAKE2B_512 = 7
    BLAKE2S_256 = 8
    BLAKE3 = 9


class LengthOp(IntEnum):
    """What goes before key and value in a leaf; VAR_RLP is named but not supported."""

    NO_PREFIX = 0
    VAR_PROTO = 1
    VAR_RLP = 2
    FIXED32_BIG = 3
    FIXED32_LITTLE = 4
    FIXED64_BIG = 5
    FIXED64_LITTLE = 6
    REQUIRE_32_BYTES = 7
    REQUIRE_64_BYTES = 8


class InvalidProof(ValueError):
    """A proof that cannot be calculated or does not fit its spec; the message says where."""


@dataclass(frozen=True, slots=True)
class LeafOp:
    """hash(prefix ‖ length(key') ‖ key' ‖ length(value') ‖ value'), ' meaning prehashed."""

    hash: HashOp = HashOp.NO_HASH
    prehash_key: HashOp = HashOp.NO_HASH
    prehash_value: HashOp = HashOp.NO_HASH
    length: LengthOp = LengthOp.NO_PREFIX
    prefix: bytes = b""


@dataclass(frozen=True, slots=True)
class InnerOp:
    """hash(prefix ‖ child ‖ suffix); siblings lie in the prefix and suffix."""

    hash: HashOp = HashOp.NO_HASH
    prefix: bytes = b""
    suffix: bytes = b""


@dataclass(frozen=True, slots=True)
class ExistenceProof:
    """`key` holds `value`; `path` goes from the leaf to the root."""

    key: bytes
    value: bytes
    leaf: LeafOp | None
    path: tuple[InnerOp, ...] = ()


@dataclass(frozen=True, slots=True)
class NonExistenceProof:
    """Nothing lies at `key`: its neighbours, one of them None at an end of the tree."""

    key: bytes
    left: ExistenceProof | None
    right: ExistenceProof | None


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """One proof of a batch."""

    value: ExistenceProof | NonExistenceProof


@dataclass(frozen=True, slots=True)
class BatchProof:
    """Several proofs under one root."""

    entries: tuple[BatchEntry, ...]


@dataclass(frozen=True, slots=True)
class CompressedExistenceProof:
    """An existence proof whose path is indices into the batch's common steps."""

    key: bytes
    value: bytes
    leaf: LeafOp | None
    path: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CompressedNonExistenceProof:
    """A non-existence proof whose paths are indices into the batch's common steps."""

    key: bytes
    left: CompressedExistenceProof | None
    right: CompressedExistenceProof | None


@dataclass(frozen=True, slots=True)
class CompressedBatchEntry:
    """One proof of a compressed batch."""

    value: CompressedExistenceProof | CompressedNonExistenceProof


@dataclass(frozen=True, slots=True)
class CompressedBatchProof:
    """Several proofs that share their inner steps."""

    entries: tuple[CompressedBatchEntry, ...]
    lookup_inners: tuple[InnerOp, ...]


@dataclass(frozen=True, slots=True)
class CommitmentProof:
    """Any proof as it travels."""

    value: ExistenceProof | NonExistenceProof | BatchProof | CompressedBatchProof


@dataclass(frozen=True, slots=True)
class InnerSpec:
    """Shape of an inner node: children in `child_order`, each `child_size` bytes, after a short prefix."""

    child_order: tuple[int, ...] = ()
    child_size: int = 0
    min_prefix_length: int = 0
    max_prefix_length: int = 0
    empty_child: bytes = b""
    hash: HashOp = HashOp.NO_HASH


@dataclass(frozen=True, slots=True)
class ProofSpec:
    """What the proofs of one kind of tree may look like; depths of 0 mean the default."""

    leaf_spec: LeafOp = field(default_factory=LeafOp)
    inner_spec: InnerSpec = field(default_factory=InnerSpec)
    max_depth: int = 0
    min_depth: int = 0
    prehash_key_before_comparison: bool = False


TENDERMINT_SPEC: Final = ProofSpec(
    LeafOp(HashOp.SHA256, HashOp.NO_HASH, HashOp.SHA256, LengthOp.VAR_PROTO, b"\x00"),
    InnerSpec((0, 1), 32, 1, 1, b"", HashOp.SHA256),
)
"""Any key-ordered binary tree hashed as CometBFT `crypto/merkle`: Beffroi's state trees and root map."""
IAVL_SPEC: Final = ProofSpec(
    LeafOp(HashOp.SHA256, HashOp.NO_HASH, HashOp.SHA256, LengthOp.VAR_PROTO, b"\x00"),
    InnerSpec((0, 1), 33, 4, 12, b"", HashOp.SHA256),
)
"""Cosmos IAVL+ trees; 33 = a length byte and a hash."""
SMT_SPEC: Final = ProofSpec(
    LeafOp(HashOp.SHA256, HashOp.SHA256, HashOp.SHA256, LengthOp.NO_PREFIX, b"\x00"),
    InnerSpec((0, 1), 32, 1, 1, bytes(32), HashOp.SHA256),
    max_depth=256,
    prehash_key_before_comparison=True,
)
"""Sparse Merkle trees with 32 zero bytes for an empty subtree."""


# --- verdicts --------------------------------------------------------------------------------


def verify_membership(
    spec: ProofSpec, root: bytes, proof: CommitmentProof, key: bytes, value: bytes
) -> bool:
    """True when the proof (or an entry of a batch) shows `key` holding `value` under `root`."""
    try:
        candidates = [
            entry
            for entry in _entries(proof)
            if isinstance(entry, ExistenceProof) and entry.key == key and entry.value == value
        ]
        for candidate in candidates[:1]:
            check_existence(spec, root, candidate)
    except InvalidProof:
        return False
    return bool(candidates)


def verify_non_membership(spec: ProofSpec, root: bytes, proof: CommitmentProof, key: bytes) -> bool:
    """True when the proof (or an entry of a batch) shows that nothing lies at `key` under `root`."""
    try:
        candidates = [
            entry
            for entry in _entries(proof)
            if isinstance(entry, NonExistenceProof) and _is_between(spec, entry, key)
        ]
        for candidate in candidates[:1]:
            check_non_existence(spec, root, candidate, key)
    except InvalidProof:
        return False
    return bool(candidates)


def check_existence(spec: ProofSpec, root: bytes, proof: ExistenceProof) -> None:
    """Raise InvalidProof unless `proof` fits `spec` and leads to `root`."""
    check_against_spec(proof, spec)
    if calculate_root(proof, spec) != root:
        raise InvalidProof("calculated root doesn't match provided root")


def check_non_existence(spec: ProofSpec, root: bytes, proof: NonExistenceProof, key: bytes) -> None:
    """Raise InvalidProof unless the neighbours are proved, surround `key`, and touch each other."""
    for neighbour in (proof.left, proof.right):
        if neighbour is not None:
            check_existence(spec, root, neighbour)
    if not _is_between(spec, proof, key):
        raise InvalidProof("the neighbours do not surround the key")
    left = proof.left.path if proof.left is not None else None
    right = proof.right.path if proof.right is not None else None
    if not _are_adjacent(spec.inner_spec, left, right):
        raise InvalidProof("there is room between the neighbours")


def calculate_root(proof: ExistenceProof, spec: ProofSpec | None = None) -> bytes:
    """The root a proof leads to; raises InvalidProof when it cannot be calculated."""
    if proof.leaf is None:
        raise InvalidProof("existence proof needs a leaf op")
    node = apply_leaf(proof.leaf, proof.key, proof.value)
    for step in proof.path:
        node = apply_inner(step, node)
        if spec is not None and len(node) > spec.inner_spec.child_size >= 32:
            raise InvalidProof("a hash is longer than a child of this tree")
    return node


def apply_leaf(op: LeafOp, key: bytes, value: bytes) -> bytes:
    """Hash of a leaf; raises InvalidProof on an empty key or value."""
    if not key or not value:
        raise InvalidProof("leaf op needs key and value")
    content = _prepared(op.prehash_key, op.length, key) + _prepared(
        op.prehash_value, op.length, value
    )
    return do_hash(op.hash, op.prefix + content)


def apply_inner(op: InnerOp, child: bytes) -> bytes:
    """Hash of an inner node above `child`; raises InvalidProof on an empty child."""
    if not child:
        raise InvalidProof("inner op needs a child")
    return do_hash(op.hash, op.prefix + child + op.suffix)


# --- conformity with a spec ------------------------------------------------------------------


def check_against_spec(proof: ExistenceProof, spec: ProofSpec) -> None:
    """Raise InvalidProof unless leaf, depth and every inner step are ones the spec allows."""
    if proof.leaf is None:
        raise InvalidProof("existence proof needs a leaf op")
    check_leaf(proof.leaf, spec)
    depth = len(proof.path)
    if depth < spec.min_depth:
        raise InvalidProof(f"path too short: {depth}")
    if depth > (spec.max_depth or ICS23_DEPTH_MAX):
        raise InvalidProof(f"path too long: {depth}")
    for layer, step in enumerate(proof.path, start=1):
        check_inner(step, spec, layer)


def check_leaf(op: LeafOp, spec: ProofSpec) -> None:
    """Raise InvalidProof unless the leaf is hashed as the spec says and starts with its prefix."""
    if _is_same_kind(spec, IAVL_SPEC):
        _check_iavl_prefix(op.prefix, 0)
    wanted = spec.leaf_spec
    shape = (op.hash, op.prehash_key, op.prehash_value, op.length)
    if shape != (wanted.hash, wanted.prehash_key, wanted.prehash_value, wanted.length):
        raise InvalidProof("leaf is not hashed as its spec says")
    if not op.prefix.startswith(wanted.prefix):
        raise InvalidProof(f"leaf prefix does not start with {wanted.prefix.hex()}")


def check_inner(op: InnerOp, spec: ProofSpec, layer: int) -> None:
    """Raise InvalidProof unless the step, `layer` levels above the leaf, fits the spec."""
    inner = spec.inner_spec
    if op.hash != inner.hash:
        raise InvalidProof("inner node is not hashed as its spec says")
    if _is_same_kind(spec, IAVL_SPEC):
        _check_iavl_prefix(op.prefix, layer)
        if op.hash is not HashOp.SHA256:
            raise InvalidProof("IAVL nodes are hashed with SHA-256")
    if _is_same_kind(spec, TENDERMINT_SPEC) and (
        op.prefix != b"\x01" if op.suffix else not op.prefix.startswith(b"\x01")
    ):
        raise InvalidProof("Tendermint inner nodes start with 01")
    if op.prefix.startswith(spec.leaf_spec.prefix):
        raise InvalidProof("an inner prefix starts as a leaf's")
    _check_inner_sizes(op, inner)


def _check_inner_sizes(op: InnerOp, inner: InnerSpec) -> None:
    if inner.child_size <= 0:
        raise InvalidProof("child size of a spec is at least 1")
    # Else a sibling could hide in the spare room of the prefix.
    if inner.max_prefix_length >= inner.min_prefix_length + inner.child_size:
        raise InvalidProof("prefix range of a spec is wider than a child")
    longest = inner.max_prefix_length + (len(inner.child_order) - 1) * inner.child_size
    if not inner.min_prefix_length <= len(op.prefix) <= longest:
        raise InvalidProof(f"inner prefix of {len(op.prefix)} bytes")
    if len(op.suffix) % inner.child_size:
        raise InvalidProof("inner suffix is not made of whole children")


def _check_iavl_prefix(prefix: bytes, layer: int) -> None:
    """Height, size and version as zig-zag varints, then what a leaf or an inner node may have after them."""
    try:
        height, pos = _read_zigzag(prefix, 0)
        size, pos = _read_zigzag(prefix, pos)
        version, pos = _read_zigzag(prefix, pos)
    except DecodeError as exc:
        raise InvalidProof(f"IAVL prefix: {exc}") from exc
    rest = len(prefix) - pos
    if height < layer or size < 0 or version < 0:
        raise InvalidProof("IAVL height below its layer, or negative size or version")
    if layer == 0 and (rest, height, size) != (0, 0, 1):
        raise InvalidProof("an IAVL leaf has height 0, size 1 and nothing more")
    # One length byte before our child; or length, left hash, length.
    if layer and rest not in (1, 34):
        raise InvalidProof(f"{rest} bytes after the figures of an IAVL node")


def _read_zigzag(data: bytes, pos: int) -> tuple[int, int]:
    value, pos = wire.decode_uvarint(data, pos, len(data))
    return value >> 1 ^ -(value & 1), pos


def _is_same_kind(spec: ProofSpec, known: ProofSpec) -> bool:
    """Equal in everything but prefixes, empty child and depths: the Go verifier's test for its extra rules."""
    return _shape_of(spec) == _shape_of(known)


def _shape_of(spec: ProofSpec) -> tuple[int, ...]:
    leaf, inner = spec.leaf_spec, spec.inner_spec
    lengths = (inner.min_prefix_length, inner.max_prefix_length, inner.child_size)
    hashes = (leaf.hash, leaf.prehash_key, leaf.prehash_value, leaf.length, inner.hash)
    return (*hashes, *lengths, len(inner.child_order))


# --- neighbours ------------------------------------------------------------------------------


def _is_between(spec: ProofSpec, proof: NonExistenceProof, key: bytes) -> bool:
    """left < key < right in the order of the tree, with at least one neighbour there."""
    wanted = _comparable(spec, key)
    left, right = proof.left, proof.right
    if left is None and right is None:
        return False
    if right is not None and wanted >= _comparable(spec, right.key):
        return False
    return left is None or wanted > _comparable(spec, left.key)


def _comparable(spec: ProofSpec, key: bytes) -> bytes:
    """Trees that store hashed keys are ordered by the hash."""
    if not spec.prehash_key_before_comparison or spec.leaf_spec.prehash_key is HashOp.NO_HASH:
        return key
    return do_hash(spec.leaf_spec.prehash_key, key)


def _are_adjacent(
    spec: InnerSpec, left: Sequence[InnerOp] | None, right: Sequence[InnerOp] | None
) -> bool:
    if left is None:
        return right is not None and is_left_most(spec, right)
    if right is None:
        return is_right_most(spec, left)
    return is_left_neighbour(spec, left, right)


def is_left_most(spec: InnerSpec, path: Iterable[InnerOp]) -> bool:
    """True when nothing but empty children lies left of the path."""
    return all(_is_at(spec, step, 0) or left_branches_are_empty(spec, step) for step in path)


def is_right_most(spec: InnerSpec, path: Iterable[InnerOp]) -> bool:
    """True when nothing but empty children lies right of the path."""
    last = len(spec.child_order) - 1
    return all(_is_at(spec, step, last) or right_branches_are_empty(spec, step) for step in path)


def is_left_neighbour(spec: InnerSpec, left: Sequence[InnerOp], right: Sequence[InnerOp]) -> bool:
    """True when `right` is the very next leaf after `left`: siblings where the paths part, ends below it."""
    shared = 0
    for a, b in zip(reversed(left), reversed(right), strict=False):
        if (a.prefix, a.suffix) != (b.prefix, b.suffix):
            break
        shared += 1
    left, right = left[: len(left) - shared], right[: len(right) - shared]
    if not left or not right:
        return False
    left_branch, right_branch = _branch_of(spec, left[-1]), _branch_of(spec, right[-1])
    if left_branch is None or right_branch is None or right_branch != left_branch + 1:
        return False
    return is_right_most(spec, left[:-1]) and is_left_most(spec, right[:-1])


def left_branches_are_empty(spec: InnerSpec, op: InnerOp) -> bool:
    """True when the step has children on its left and all of them are the empty child."""
    branch = _branch_of(spec, op)
    if not branch:
        return False
    start = len(op.prefix) - branch * spec.child_size
    return start >= 0 and _are_empty(spec, op.prefix[start:], branch)


def right_branches_are_empty(spec: InnerSpec, op: InnerOp) -> bool:
    """True when the step has children on its right and all of them are the empty child."""
    branch = _branch_of(spec, op)
    count = 0 if branch is None else len(spec.child_order) - 1 - branch
    return count > 0 and _are_empty(spec, op.suffix, count)


def _are_empty(spec: InnerSpec, siblings: bytes, count: int) -> bool:
    """True when `siblings` is the empty child `count` times; trees without one have no empty branches."""
    return len(spec.empty_child) == spec.child_size and siblings == spec.empty_child * count


def _branch_of(spec: InnerSpec, op: InnerOp) -> int | None:
    """Which child of its node the path comes from, told by how much lies before and after it."""
    for branch in range(len(spec.child_order)):
        if _is_at(spec, op, branch):
            return branch
    return None


def _is_at(spec: InnerSpec, op: InnerOp, branch: int) -> bool:
    if branch not in spec.child_order:
        return False
    place = spec.child_order.index(branch)
    before = place * spec.child_size
    after = (len(spec.child_order) - 1 - place) * spec.child_size
    fits = before + spec.min_prefix_length <= len(op.prefix) <= before + spec.max_prefix_length
    return fits and len(op.suffix) == after


# --- hashes ----------------------------------------------------------------------------------


def do_hash(op: HashOp, data: bytes) -> bytes:
    """Hash `data`; raises InvalidProof for NO_HASH and for what is not supported here."""
    function = _HASHES.get(op)
    if function is None:
        raise InvalidProof(f"unsupported hash {op.name}")
    return function(data)


def _by_openssl(name: str) -> Callable[[bytes], bytes]:
    """A hash that Python leaves to its OpenSSL, which may be built without it."""

    def digest(data: bytes) -> bytes:
        try:
            return hashlib.new(name, data).digest()
        except ValueError as exc:
            raise InvalidProof(f"this machine has no {name}") from exc

    return digest


_ripemd160: Final = _by_openssl("ripemd160")
_HASHES: Final[dict[HashOp, Callable[[bytes], bytes]]] = {
    HashOp.SHA256: lambda data: sha256(data).digest(),
    HashOp.SHA512: lambda data: hashlib.sha512(data).digest(),
    HashOp.RIPEMD160: _ripemd160,
    HashOp.BITCOIN: lambda data: _ripemd160(sha256(data).digest()),
    HashOp.SHA512_256: _by_openssl("sha512_256"),
    HashOp.BLAKE2B_512: lambda data: hashlib.blake2b(data).digest(),
    HashOp.BLAKE2S_256: lambda data: hashlib.blake2s(data).digest(),
}
_FIXED: Final[dict[LengthOp, Callable[[int], bytes]]] = {
    LengthOp.NO_PREFIX: lambda length: b"",
    LengthOp.VAR_PROTO: wire.encode_uvarint,
    LengthOp.FIXED32_BIG: lambda length: length.to_bytes(4, "big"),
    LengthOp.FIXED32_LITTLE: lambda length: length.to_bytes(4, "little"),
    LengthOp.FIXED64_BIG: lambda length: length.to_bytes(8, "big"),
    LengthOp.FIXED64_LITTLE: lambda length: length.to_bytes(8, "little"),
}
_REQUIRED: Final = {LengthOp.REQUIRE_32_BYTES: 32, LengthOp.REQUIRE_64_BYTES: 64}


def _prepared(prehash: HashOp, length: LengthOp, data: bytes) -> bytes:
    """Key or value as it enters the leaf: hashed if asked, then with its length."""
    hashed = data if prehash is HashOp.NO_HASH else do_hash(prehash, data)
    required = _REQUIRED.get(length)
    if required is not None:
        if len(hashed) != required:
            raise InvalidProof(f"{len(hashed)} bytes in a leaf, not {required}")
        return hashed
    prefix = _FIXED.get(length)
    if prefix is None:
        raise InvalidProof(f"unsupported length {length.name}")
    return prefix(len(hashed)) + hashed


# --- batches ---------------------------------------------------------------------------------


def _entries(proof: CommitmentProof) -> tuple[ExistenceProof | NonExistenceProof, ...]:
    """All single proofs inside; raises InvalidProof on a step index out of range or too many entries."""
    value = proof.value
    if isinstance(value, ExistenceProof | NonExistenceProof):
        return (value,)
    if len(value.entries) > ICS23_BATCH_ENTRIES_MAX:
        raise InvalidProof(f"{len(value.entries)} entries in one batch")
    if isinstance(value, BatchProof):
        return tuple(entry.value for entry in value.entries)
    return tuple(_expanded(entry.value, value.lookup_inners) for entry in value.entries)


def _expanded(
    entry: CompressedExistenceProof | CompressedNonExistenceProof, inners: Sequence[InnerOp]
) -> ExistenceProof | NonExistenceProof:
    if isinstance(entry, CompressedExistenceProof):
        return _expanded_existence(entry, inners)
    left = None if entry.left is None else _expanded_existence(entry.left, inners)
    right = None if entry.right is None else _expanded_existence(entry.right, inners)
    return NonExistenceProof(entry.key, left, right)


def _expanded_existence(
    entry: CompressedExistenceProof, inners: Sequence[InnerOp]
) -> ExistenceProof:
    if any(index >= len(inners) for index in entry.path):
        raise InvalidProof("a compressed path names a step that is not there")
    path = tuple(inners[index] for index in entry.path)
    return ExistenceProof(entry.key, entry.value, entry.leaf, path)


# --- bytes -----------------------------------------------------------------------------------


def encode_proof(proof: CommitmentProof) -> bytes:
    """Protobuf of a CommitmentProof."""
    return schema.body_of(CommitmentProof).encode(proof)


def decode_proof(data: bytes) -> CommitmentProof:
    """Read a CommitmentProof; raises DecodeError unless `data` is its one encoding."""
    decoded = schema.body_of(CommitmentProof).decode(data, 0, len(data))
    assert isinstance(decoded, CommitmentProof)
    return decoded


schema.define(
    LeafOp,
    schema.enum(1, "hash", HashOp),
    schema.enum(2, "prehash_key", HashOp),
    schema.enum(3, "prehash_value", HashOp),
    schema.enum(4, "length", LengthOp),
    schema.octets(5, "prefix"),
)
schema.define(
    InnerOp,
    schema.enum(1, "hash", HashOp),
    schema.octets(2, "prefix"),
    schema.octets(3, "suffix"),
)
schema.define(
    ExistenceProof,
    schema.octets(1, "key"),
    schema.octets(2, "value"),
    schema.optional(3, "leaf", LeafOp),
    schema.repeated(4, "path", InnerOp),
)
schema.define(
    NonExistenceProof,
    schema.octets(1, "key"),
    schema.optional(2, "left", ExistenceProof),
    schema.optional(3, "right", ExistenceProof),
)
schema.define_envelope(BatchEntry, {1: ExistenceProof, 2: NonExistenceProof})
schema.define(BatchProof, schema.repeated(1, "entries", BatchEntry))
schema.define(
    CompressedExistenceProof,
    schema.octets(1, "key"),
    schema.octets(2, "value"),
    schema.optional(3, "leaf", LeafOp),
    schema.packed_uint(4, "path", 31),
)
schema.define(
    CompressedNonExistenceProof,
    schema.octets(1, "key"),
    schema.optional(2, "left", CompressedExistenceProof),
    schema.optional(3, "right", CompressedExistenceProof),
)
schema.define_envelope(
    CompressedBatchEntry, {1: CompressedExistenceProof, 2: CompressedNonExistenceProof}
)
schema.define(
    CompressedBatchProof,
    schema.repeated(1, "entries", CompressedBatchEntry),
    schema.repeated(2, "lookup_inners", InnerOp),
)
schema.define_envelope(
    CommitmentProof,
    {1: ExistenceProof, 2: NonExistenceProof, 3: BatchProof, 4: CompressedBatchProof},
)


# --- builders for the Tendermint spec --------------------------------------------------------

Sibling: TypeAlias = tuple[bytes, bool]
"""Hash of the other child of a node on the path, and whether it is the left one."""

_TENDERMINT_LEAF: Final = TENDERMINT_SPEC.leaf_spec


def tendermint_leaf_hash(key: bytes, value: bytes) -> bytes:
    """SHA-256(00 ‖ len(key) ‖ key ‖ 20 ‖ SHA-256(value)) with a varint length."""
    head = b"\x00" + wire.encode_uvarint(len(key)) + key
    return sha256(head + b"\x20" + sha256(value).digest()).digest()


def existence_of(key: bytes, value: bytes, siblings: Iterable[Sibling]) -> ExistenceProof:
    """Existence proof of the Tendermint spec; `siblings` from the leaf to the root."""
    path = tuple(
        InnerOp(HashOp.SHA256, b"\x01" + sibling)
        if is_left
        else InnerOp(HashOp.SHA256, b"\x01", sibling)
        for sibling, is_left in siblings
    )
    return ExistenceProof(key, value, _TENDERMINT_LEAF, path)


def membership_bytes(proof: ExistenceProof) -> bytes:
    """CommitmentProof bytes of one existence proof: the `data` of a proof op."""
    return encode_proof(CommitmentProof(proof))


def non_membership_bytes(
    key: bytes, left: ExistenceProof | None, right: ExistenceProof | None
) -> bytes:
    """CommitmentProof bytes for the absence of `key` between its neighbours (None at an end)."""
    return encode_proof(CommitmentProof(NonExistenceProof(key, left, right)))
