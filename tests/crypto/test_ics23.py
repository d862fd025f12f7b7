"""ICS-23: every vector, every tampering refused, and our own builders accepted."""

from dataclasses import replace
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.codec.errors import DecodeError
from chain.crypto import ics23
from chain.crypto.ics23 import (
    IAVL_SPEC,
    SMT_SPEC,
    TENDERMINT_SPEC,
    BatchEntry,
    BatchProof,
    CommitmentProof,
    CompressedBatchEntry,
    CompressedBatchProof,
    CompressedExistenceProof,
    ExistenceProof,
    HashOp,
    InnerOp,
    LengthOp,
)
from tests.vectors import ics23 as suite
from tests.vectors.runner import shared_folder

FOLDER = shared_folder() / "vectors" / "cometbft" / "ics23"
FILES = sorted(FOLDER.rglob("*.json"))


@pytest.mark.skipif(not FILES, reason=f"no ICS-23 vectors in {FOLDER}")
def test_every_vector_file_passes() -> None:
    assert all(suite.replay(path) for path in FILES)


def _leaves(count: int) -> list[tuple[bytes, bytes]]:
    keys = sorted(sha256(b"k%d" % i).digest() for i in range(count))
    return [(key, b"value of " + key) for key in keys]


def _prove(leaves: list[tuple[bytes, bytes]]) -> tuple[bytes, list[ExistenceProof]]:
    """Root and proofs of a lop-sided key-ordered tree: the spec fixes order, not shape."""
    root, siblings = _grow([ics23.tendermint_leaf_hash(k, v) for k, v in leaves])
    proofs = [
        ics23.existence_of(key, value, path)
        for (key, value), path in zip(leaves, siblings, strict=True)
    ]
    return root, proofs


def _grow(hashes: list[bytes]) -> tuple[bytes, list[list[ics23.Sibling]]]:
    if len(hashes) == 1:
        return hashes[0], [[]]
    cut = max(1, len(hashes) // 3)
    left, left_paths = _grow(hashes[:cut])
    right, right_paths = _grow(hashes[cut:])
    paths = [[*path, (right, False)] for path in left_paths]
    paths += [[*path, (left, True)] for path in right_paths]
    return sha256(b"\x01" + left + right).digest(), paths


LEAVES = _leaves(23)
ROOT, PROOFS = _prove(LEAVES)


def _member(proof: CommitmentProof, index: int, root: bytes = ROOT) -> bool:
    return ics23.verify_membership(TENDERMINT_SPEC, root, proof, *LEAVES[index])


def _absent(
    left: ExistenceProof | None, right: ExistenceProof | None, key: bytes, root: bytes = ROOT
) -> bool:
    proof = ics23.decode_proof(ics23.non_membership_bytes(key, left, right))
    return ics23.verify_non_membership(TENDERMINT_SPEC, root, proof, key)


def test_every_leaf_of_a_tree_is_proved_and_only_under_its_root() -> None:
    for index, proof in enumerate(PROOFS):
        travelled = ics23.decode_proof(ics23.membership_bytes(proof))
        assert travelled == CommitmentProof(proof)
        assert _member(travelled, index)
        assert not _member(travelled, index, root=sha256(ROOT).digest())
        assert not _member(travelled, (index + 1) % len(LEAVES))


def test_absence_is_proved_between_neighbours_and_at_both_ends() -> None:
    for left, right in pairwise(PROOFS):
        assert _absent(left, right, left.key + b"\x00")
    assert _absent(None, PROOFS[0], b"\x00")
    assert _absent(PROOFS[-1], None, b"\xff" * 33)


def test_absence_is_refused_when_a_leaf_lies_between() -> None:
    for left, hidden, right in zip(PROOFS, PROOFS[1:], PROOFS[2:], strict=False):
        assert not _absent(left, right, hidden.key)
        assert not _absent(left, right, left.key + b"\x00")


def test_absence_is_refused_at_an_end_that_is_none() -> None:
    assert not _absent(None, PROOFS[1], b"\x00")
    assert not _absent(PROOFS[-2], None, b"\xff" * 33)
    assert not _absent(None, None, b"\x00")


def test_absence_of_a_present_key_is_refused() -> None:
    for left, right in pairwise(PROOFS):
        assert not _absent(left, right, left.key)
        assert not _absent(left, right, right.key)
        assert not _absent(right, left, left.key + b"\x00")
        assert not _absent(left, left, left.key + b"\x00")


def test_a_neighbour_of_another_tree_is_refused() -> None:
    _, others = _prove(LEAVES[:7])
    assert not _absent(PROOFS[0], others[1], PROOFS[0].key + b"\x00")


def test_a_tree_of_one_leaf_proves_absence_on_both_sides_and_presence() -> None:
    root, (only,) = _prove(LEAVES[:1])
    assert _absent(None, only, b"\x00", root)
    assert _absent(only, None, b"\xff" * 33, root)
    assert not _absent(only, only, b"\x00", root)


@settings(max_examples=300)
@given(st.data())
def test_any_flipped_bit_of_a_proof_is_refused(data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(PROOFS) - 2))
    gap = PROOFS[index].key + b"\x00"
    for raw, key, value in (
        (ics23.membership_bytes(PROOFS[index]), *LEAVES[index]),
        (ics23.non_membership_bytes(gap, PROOFS[index], PROOFS[index + 1]), gap, None),
    ):
        bit = data.draw(st.integers(0, len(raw) * 8 - 1))
        bad = bytearray(raw)
        bad[bit // 8] ^= 1 << bit % 8
        try:
            proof = ics23.decode_proof(bytes(bad))
        except DecodeError:
            continue
        if value is not None:
            assert not ics23.verify_membership(TENDERMINT_SPEC, ROOT, proof, key, value)
        elif not _only_the_repeated_key_changed(proof, index):
            assert not ics23.verify_non_membership(TENDERMINT_SPEC, ROOT, proof, key)


def _only_the_repeated_key_changed(proof: CommitmentProof, index: int) -> bool:
    """A non-existence proof repeats the key for readers; no verifier trusts that copy."""
    value = proof.value
    return isinstance(value, ics23.NonExistenceProof) and (value.left, value.right) == (
        PROOFS[index],
        PROOFS[index + 1],
    )


@pytest.mark.parametrize("spec", [IAVL_SPEC, SMT_SPEC])
def test_a_proof_of_one_kind_of_tree_proves_nothing_in_another(spec: ics23.ProofSpec) -> None:
    assert not ics23.verify_membership(spec, ROOT, CommitmentProof(PROOFS[3]), *LEAVES[3])


def test_a_leaf_cannot_be_passed_off_as_an_inner_node_nor_the_reverse() -> None:
    proof = PROOFS[5]
    longer = replace(proof, path=(InnerOp(HashOp.SHA256, b"\x00", bytes(32)), *proof.path))
    with pytest.raises(ics23.InvalidProof, match="01"):
        ics23.check_against_spec(longer, TENDERMINT_SPEC)
    leaf = replace(ics23.TENDERMINT_SPEC.leaf_spec, prefix=b"\x01")
    with pytest.raises(ics23.InvalidProof, match="leaf prefix"):
        ics23.check_against_spec(replace(proof, leaf=leaf), TENDERMINT_SPEC)


def test_depth_is_bounded_below_and_above() -> None:
    step = InnerOp(HashOp.SHA256, b"\x01", bytes(32))
    deep = replace(PROOFS[0], path=(step,) * 129)
    with pytest.raises(ics23.InvalidProof, match="too long"):
        ics23.check_against_spec(deep, TENDERMINT_SPEC)
    ics23.check_against_spec(deep, replace(TENDERMINT_SPEC, max_depth=129))
    with pytest.raises(ics23.InvalidProof, match="too short"):
        ics23.check_against_spec(PROOFS[0], replace(TENDERMINT_SPEC, min_depth=99))


@pytest.mark.parametrize(
    ("prefix", "layer"),
    [
        (b"\x00\x02\x02\x00", 0),  # a leaf with something after
        (b"\x02\x02\x02", 0),  # a leaf of height 1
        (b"\x00\x04\x02", 0),  # a leaf of size 2
        (b"\x02\x04\x02\x20", 2),  # height below its layer
        (b"\x04\x03\x02\x20", 1),  # negative size
        (b"\x04\x04\x01\x20", 1),  # negative version
        (b"\x04\x04\x02\x20\x20", 1),  # neither one child nor two
        (b"\x04\x04", 1),  # cut
        (b"", 0),
    ],
)
def test_an_iavl_prefix_out_of_its_rules_is_refused(prefix: bytes, layer: int) -> None:
    with pytest.raises(ics23.InvalidProof):
        ics23._check_iavl_prefix(prefix, layer)


def test_batches_plain_and_compressed_prove_their_entries_and_nothing_else() -> None:
    absent = ics23.NonExistenceProof(b"", PROOFS[4], PROOFS[5])
    plain = CommitmentProof(
        BatchProof((BatchEntry(PROOFS[1]), BatchEntry(PROOFS[2]), BatchEntry(absent)))
    )
    inners = tuple(dict.fromkeys(step for proof in PROOFS for step in proof.path))
    packed = CommitmentProof(
        CompressedBatchProof(
            tuple(CompressedBatchEntry(_compressed(PROOFS[i], inners)) for i in (1, 2)), inners
        )
    )
    for proof in (plain, packed):
        assert ics23.decode_proof(ics23.encode_proof(proof)) == proof
        assert _member(proof, 1)
        assert _member(proof, 2)
        assert not _member(proof, 3)
    gap = PROOFS[4].key + b"\x00"
    assert ics23.verify_non_membership(TENDERMINT_SPEC, ROOT, plain, gap)
    assert not ics23.verify_non_membership(TENDERMINT_SPEC, ROOT, packed, gap)


def test_a_compressed_path_out_of_its_table_is_refused() -> None:
    inners = PROOFS[1].path
    entry = replace(_compressed(PROOFS[1], inners), path=(len(inners),))
    packed = CommitmentProof(CompressedBatchProof((CompressedBatchEntry(entry),), inners))
    assert not _member(packed, 1)


def _compressed(proof: ExistenceProof, inners: tuple[InnerOp, ...]) -> CompressedExistenceProof:
    path = tuple(inners.index(step) for step in proof.path)
    return CompressedExistenceProof(proof.key, proof.value, proof.leaf, path)


@pytest.mark.parametrize("op", [HashOp.NO_HASH, HashOp.KECCAK256, HashOp.BLAKE3])
def test_hashes_that_are_only_named_are_refused(op: HashOp) -> None:
    with pytest.raises(ics23.InvalidProof, match="unsupported hash"):
        ics23.do_hash(op, b"x")


def test_lengths_that_are_required_or_only_named_are_checked() -> None:
    leaf = ics23.LeafOp(HashOp.SHA256, length=LengthOp.REQUIRE_32_BYTES)
    assert ics23.apply_leaf(leaf, bytes(32), bytes(32)) == sha256(bytes(64)).digest()
    with pytest.raises(ics23.InvalidProof, match="not 32"):
        ics23.apply_leaf(leaf, bytes(31), bytes(32))
    with pytest.raises(ics23.InvalidProof, match="VAR_RLP"):
        ics23.apply_leaf(replace(leaf, length=LengthOp.VAR_RLP), b"k", b"v")
