"""Hashes and sign bytes: what they cover, what they leave out."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.codec import hashing, merkle, signbytes, wire
from chain.codec.proto import decode, encode
from chain.types.abci import Event, ExecTxResult
from chain.types.block import (
    NIL_BLOCK_ID,
    PART_SIZE_BYTES,
    Block,
    BlockID,
    Commit,
    CommitSig,
    Header,
    Part,
    PartSetHeader,
    Proof,
    Proposal,
    SignedHeader,
    Vote,
)
from chain.types.evidence import DuplicateVoteEvidence, LightBlock, LightClientAttackEvidence
from chain.types.params import BlockParams, ConsensusParams, EvidenceParams
from chain.types.primitives import BlockIDFlag, SignedMsgType
from chain.types.timestamp import Timestamp
from chain.types.validator import Validator, ValidatorSet
from tests.codec.strategies import KEY, minimal, values

TIME = Timestamp(1_700_000_000, 5)
SOME_ID = BlockID(b"h" * 32, PartSetHeader(2, b"p" * 32))
HEADER = replace(minimal(Header), chain_id="town", height=7, validators_hash=b"v" * 32)


def by_recursion(leaves):
    """RFC 6962 word for word: split at the largest power of two below the count."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + by_recursion(leaves[:split]) + by_recursion(leaves[split:])).digest()


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_roots_and_proofs_are_those_of_the_recursive_definition(leaves):
    root, proofs = merkle.merkle_proofs(leaves)
    assert root == merkle.merkle_root(leaves) == by_recursion(leaves)
    for leaf, proof in zip(leaves, proofs, strict=True):
        assert merkle.verify_merkle_proof(proof, root, leaf)


@settings(max_examples=200)
@given(st.integers(1, 30), st.data())
def test_an_altered_proof_does_not_verify(count, data):
    leaves = [bytes([index]) for index in range(count)]
    root, proofs = merkle.merkle_proofs(leaves)
    proof = data.draw(st.sampled_from(proofs))
    leaf = leaves[proof.index]
    other = data.draw(
        st.sampled_from(
            [
                replace(proof, aunts=(*proof.aunts, root)),
                replace(proof, index=-1),
                replace(proof, total=0),
                replace(proof, total=proof.index),
                replace(proof, leaf_hash=root),
                replace(proof, leaf_hash=b""),
                replace(proof, aunts=(b"short",) * len(proof.aunts) or (b"",)),
                replace(proof, aunts=proof.aunts * 101 or (root,) * 101),
            ]
        )
    )
    assert other == proof or not merkle.verify_merkle_proof(other, root, leaf)


def test_a_proof_of_one_index_does_not_verify_at_another():
    leaves = [b"same"] * 6
    root, proofs = merkle.merkle_proofs(leaves)
    moved = replace(proofs[0], index=5)
    assert not merkle.verify_merkle_proof(moved, root, b"same")


def test_the_data_hash_covers_hashes_of_transactions_in_order():
    assert hashing.hash_data([b"a", b"b"]) == by_recursion(
        [sha256(b"a").digest(), sha256(b"b").digest()]
    )
    assert hashing.hash_data([b"a", b"b"]) != hashing.hash_data([b"b", b"a"])
    assert hashing.hash_data([]) == merkle.EMPTY_ROOT


@given(values(Header))
def test_a_header_hashes_by_its_fields_only_when_its_validators_are_known(header):
    hashed = hashing.hash_header(header)
    assert (hashed == b"") == (header.validators_hash == b"")
    assert hashed == hashing.hash_header(decode(Header, encode(header)))


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": "tower"},
        {"height": 8},
        {"time": TIME},
        {"last_block_id": SOME_ID},
        {"last_commit_hash": b"x"},
        {"data_hash": b"x"},
        {"validators_hash": b"x"},
        {"next_validators_hash": b"x"},
        {"consensus_hash": b"x"},
        {"app_hash": b"x"},
        {"last_results_hash": b"x"},
        {"evidence_hash": b"x"},
        {"proposer_address": b"x"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_of_a_header_is_hashed(change):
    assert hashing.hash_header(replace(HEADER, **change)) != hashing.hash_header(HEADER)


def test_the_commit_hash_tells_no_commit_from_an_empty_one():
    assert hashing.hash_commit(None) == b""
    assert hashing.hash_commit(Commit(0, 0, NIL_BLOCK_ID, ())) == merkle.EMPTY_ROOT
    absent = CommitSig()
    assert hashing.hash_commit(Commit(1, 0, SOME_ID, (absent,))) == by_recursion(
        [bytes.fromhex("08011a0b088092b8c398feffffff01")]
    )


def test_results_are_hashed_by_code_data_and_gas_alone():
    result = ExecTxResult(code=0, data=b"d", gas_wanted=5, gas_used=300)
    talkative = replace(result, log="l", info="i", codespace="c", events=(Event("e"),))
    assert hashing.result_leaf(talkative) == bytes.fromhex("120164" + "2805" + "30ac02")
    assert hashing.hash_results([result]) == hashing.hash_results([talkative])
    for change in ({"code": 1}, {"data": b""}, {"gas_wanted": 6}, {"gas_used": 0}):
        assert hashing.hash_results([replace(result, **change)]) != hashing.hash_results([result])


@given(values(ExecTxResult))
def test_a_result_leaf_is_the_message_without_what_is_not_agreed_on(result):
    agreed = ExecTxResult(
        result.code, result.data, gas_wanted=result.gas_wanted, gas_used=result.gas_used
    )
    assert hashing.result_leaf(result) == encode(agreed)


def test_consensus_params_are_hashed_by_the_two_block_limits():
    params = ConsensusParams()
    other_evidence = replace(params, evidence=EvidenceParams(1, 1, 1))
    other_limit = replace(params, block=BlockParams(max_gas=7))
    assert hashing.hash_consensus_params(params).hex().upper() == (
        "048091BC7DDC283F77BFBF91D73C44DA58C3DF8A9CBC867405D8B7F3DAADA22F"
    )
    assert hashing.hash_consensus_params(params) == hashing.hash_consensus_params(other_evidence)
    assert hashing.hash_consensus_params(params) != hashing.hash_consensus_params(other_limit)


def test_validators_are_hashed_by_key_and_power_in_order():
    first, second = Validator(b"a" * 20, KEY, 5, 1), Validator(b"b" * 20, KEY[::-1], 4, 2)
    hashed = hashing.hash_validators((first, second))
    assert hashed == hashing.hash_validators((replace(first, proposer_priority=9), second))
    assert hashed != hashing.hash_validators((second, first))
    assert hashed != hashing.hash_validators((replace(first, voting_power=6), second))


def test_evidence_is_hashed_bare_and_light_attacks_with_the_upstream_zero_byte():
    vote = minimal(Vote)
    double = DuplicateVoteEvidence(vote, replace(vote, height=1), 3, 1, TIME)
    assert hashing.hash_evidence(double) == sha256(encode(double)).digest()
    assert hashing.hash_evidence_list([double]) == by_recursion([encode(double)])
    signed = SignedHeader(HEADER, Commit(7, 0, SOME_ID, ()))
    attack = LightClientAttackEvidence(
        LightBlock(signed, ValidatorSet(())),
        common_height=64,
        byzantine_validators=(),
        total_voting_power=3,
        timestamp=TIME,
    )
    named = hashing.hash_header(HEADER)[:31] + b"\x00" + wire.encode_zigzag(64)
    assert hashing.hash_evidence(attack) == sha256(named).digest()


@given(st.integers(1, 3), st.integers(-1, 1))
def test_a_block_cut_in_parts_joins_again_and_every_part_belongs(parts, more):
    data = (b"0123456789abcdef" * (PART_SIZE_BYTES // 16)) * parts + b"x" * more
    data = data[:-1] if more < 0 else data
    cut = hashing.make_part_set(data)
    assert b"".join(part.bytes for part in cut.parts) == data
    assert cut.header.total == len(cut.parts) == -(-len(data) // PART_SIZE_BYTES)
    assert all(hashing.part_belongs(cut.header, part) for part in cut.parts)


def test_a_part_of_another_place_content_or_set_does_not_belong():
    cut = hashing.make_part_set(b"x" * PART_SIZE_BYTES + b"y")
    first, last = cut.parts
    assert not hashing.part_belongs(cut.header, replace(first, index=1))
    assert not hashing.part_belongs(cut.header, replace(last, bytes=b"z"))
    assert not hashing.part_belongs(replace(cut.header, hash=b"o" * 32), first)
    assert not hashing.part_belongs(replace(cut.header, total=3), last)


def test_a_short_part_in_the_middle_does_not_belong_even_with_a_good_proof():
    root, proofs = merkle.merkle_proofs([b"short", b"last"])
    part = Part(0, b"short", proofs[0])
    assert not hashing.part_belongs(PartSetHeader(2, root), part)


def test_no_bytes_cannot_be_cut():
    with pytest.raises(ValueError, match="without bytes"):
        hashing.make_part_set(b"")


def test_a_block_id_names_header_and_parts():
    block = replace(minimal(Block), header=HEADER)
    block_id, parts = hashing.make_block_id(block)
    assert block_id == BlockID(hashing.hash_header(HEADER), parts.header)
    assert decode(Block, b"".join(part.bytes for part in parts.parts)) == block
    assert parts.parts[0].proof == Proof(1, 0, parts.header.hash)


VOTE = Vote(SignedMsgType.PRECOMMIT, 3, 1, SOME_ID, TIME, b"a" * 20, 4, b"s" * 64, b"ext", b"e")


def test_vote_sign_bytes_leave_out_who_signs_the_signature_and_the_extension():
    signed = signbytes.vote_sign_bytes("town", VOTE)
    for change in (
        {"validator_address": b"b" * 20},
        {"validator_index": 0},
        {"signature": b""},
        {"extension": b""},
        {"extension_signature": b""},
    ):
        assert signbytes.vote_sign_bytes("town", replace(VOTE, **change)) == signed


@pytest.mark.parametrize(
    "change",
    [
        {"type": SignedMsgType.PREVOTE},
        {"height": 4},
        {"round": 0},
        {"block_id": NIL_BLOCK_ID},
        {"block_id": replace(SOME_ID, part_set_header=PartSetHeader(3, b"p" * 32))},
        {"timestamp": Timestamp(1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_vote_sign_bytes_cover_everything_else(change):
    signed = signbytes.vote_sign_bytes("town", VOTE)
    assert signbytes.vote_sign_bytes("town", replace(VOTE, **change)) != signed
    assert signbytes.vote_sign_bytes("tower", VOTE) != signed


def test_a_commit_line_signs_the_precommit_it_was_made_from():
    lines = (
        CommitSig(BlockIDFlag.COMMIT, b"a" * 20, TIME, b"s"),
        CommitSig(BlockIDFlag.NIL, b"b" * 20, TIME, b"s"),
        CommitSig(),
    )
    commit = Commit(3, 1, SOME_ID, lines)
    assert signbytes.commit_sign_bytes("town", commit, 0) == signbytes.vote_sign_bytes("town", VOTE)
    nil = replace(VOTE, block_id=NIL_BLOCK_ID)
    assert signbytes.commit_sign_bytes("town", commit, 1) == signbytes.vote_sign_bytes("town", nil)
    with pytest.raises(ValueError, match="signed nothing"):
        signbytes.commit_sign_bytes("town", commit, 2)


def test_proposal_sign_bytes_are_the_canonical_message():
    proposal = Proposal(3, 0, -1, SOME_ID, Timestamp(1, 2), b"s")
    block_id = "0a20" + "68" * 32 + "1224" + "0802" + "1220" + "70" * 32
    body = (
        "0820"
        "110300000000000000"
        "20ffffffffffffffffff01"
        "2a48" + block_id + "3204" + "08011002" + "3a04" + b"town".hex()
    )
    expected = wire.encode_delimited(bytes.fromhex(body))
    assert signbytes.proposal_sign_bytes("town", proposal) == expected


def test_extension_sign_bytes_are_the_canonical_message():
    expected = bytes.fromhex(
        "1d" + "0a03657874" + "110300000000000000" + "190100000000000000" + "2204" + b"town".hex()
    )
    assert signbytes.extension_sign_bytes("town", VOTE) == expected
