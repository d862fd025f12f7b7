"""Blocks after a state: each field that is not as it must be is refused by name; times are medians."""

from dataclasses import replace

import pytest

from chain.codec.hashing import (
    hash_commit,
    hash_data,
    hash_evidence_list,
    hash_results,
    hash_validators,
)
from chain.crypto.keys import address
from chain.execution.building import compute_median_time, make_block, max_data_bytes
from chain.execution.evidence import is_expired, make_duplicate_vote, verify_duplicate_vote
from chain.execution.genesis import (
    InvalidGenesis,
    apply_init_chain,
    check_genesis,
    make_genesis_state,
)
from chain.execution.updating import InvalidResponse, commit_info_of, misbehavior_of, update_state
from chain.execution.validation import validate_block
from chain.types.abci import (
    ExecTxResult,
    MisbehaviorType,
    ResponseFinalizeBlock,
    ResponseInitChain,
    ValidatorUpdate,
)
from chain.types.block import BlockID, Commit, CommitSig, ConsensusVersion, Data, EvidenceList
from chain.types.params import BlockParams, ConsensusParams, EvidenceParams
from chain.types.primitives import BlockIDFlag
from chain.types.timestamp import Timestamp
from chain.types.validator import Validator, ValidatorSet
from tests.node.test_host import forge_conflicts
from tests.node.virtual import derive_public, genesis_doc, seed_of, start_cluster


@pytest.fixture(scope="module")
def next_block():
    """A running chain of four: the state after its tip, and a good block that follows it."""
    time, network = start_cluster(4)
    time.run(1)
    network.nodes[0].pool.add(b"a=1")
    time.run(20)
    node = network.nodes[0]
    built = node.executor.propose(
        node.host.state, node.host._last_commit(), node.host.state.validators.get_proposer().address
    )
    return node.host.state, built.block


def test_a_good_block_is_valid(next_block):
    state, block = next_block
    assert validate_block(state, block) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", ConsensusVersion(11, 9)),
        ("version", ConsensusVersion(10, 1)),
        ("chain_id", "other"),
        ("height", 77),
        ("last_block_id", BlockID()),
        ("app_hash", b"\x01" * 32),
        ("consensus_hash", b"\x01" * 32),
        ("last_results_hash", b"\x01" * 32),
        ("validators_hash", b"\x01" * 32),
        ("next_validators_hash", b"\x01" * 32),
        ("last_commit_hash", b"\x01" * 32),
        ("data_hash", b"\x01" * 32),
        ("evidence_hash", b"\x01" * 32),
        ("proposer_address", b"\x01" * 20),
        ("proposer_address", b"\x01"),
        ("time", Timestamp(1)),
    ],
)
def test_each_wrong_header_field_is_refused_by_its_name(next_block, field, value):
    state, block = next_block
    forged = replace(block, header=replace(block.header, **{field: value}))
    assert validate_block(state, forged).reason == field


def test_a_time_that_is_not_the_median_is_refused(next_block):
    state, block = next_block
    forged = replace(block, header=replace(block.header, time=block.header.time.plus_ns(1)))
    assert validate_block(state, forged).reason == "time"


def test_a_time_that_does_not_advance_is_refused_even_when_it_is_the_median(next_block):
    """More than a third of liars could make such a median; time still goes on."""
    state, block = next_block
    later = replace(state, last_block_time=block.header.time)
    assert validate_block(later, block).reason == "time"


def with_commit(block, **changes):
    commit = replace(block.last_commit, **changes)
    header = replace(block.header, last_commit_hash=hash_commit(commit))
    return replace(block, last_commit=commit, header=header)


def test_a_last_commit_must_be_complete_signed_and_for_the_last_block(next_block):
    state, block = next_block
    lines = block.last_commit.signatures
    absent = CommitSig()
    flipped = replace(lines[0], signature=bytes(64))
    for changes in (
        {"signatures": (absent, absent, *lines[2:])},
        {"signatures": (flipped, *lines[1:])},
        {"signatures": lines[:-1]},
        {"signatures": lines[::-1]},
        {"height": block.last_commit.height - 1},
        {"round": block.last_commit.round + 1},
        {"block_id": BlockID()},
    ):
        assert validate_block(state, with_commit(block, **changes)).reason == "last_commit", changes
    assert validate_block(state, replace(block, last_commit=None)).reason == "last_commit"


def test_one_bad_signature_refuses_even_when_the_others_suffice(next_block):
    """Full verification: a light one would let a proposer smuggle a forged line into the commit."""
    state, block = next_block
    lines = list(block.last_commit.signatures)
    last = max(i for i, line in enumerate(lines) if line.block_id_flag is BlockIDFlag.COMMIT)
    lines[last] = replace(lines[last], signature=bytes(64))
    assert (
        validate_block(state, with_commit(block, signatures=tuple(lines))).reason == "last_commit"
    )


def test_transactions_and_evidence_must_fit_their_hashes(next_block):
    state, block = next_block
    forged = replace(block, data=Data((b"smuggled=1",)))
    assert validate_block(state, forged).reason == "data_hash"
    header = replace(block.header, data_hash=hash_data((b"smuggled=1",)))
    assert validate_block(state, replace(forged, header=header)) is None, "hashed as it should be"


def test_evidence_beyond_its_room_is_refused(next_block):
    state, block = next_block
    item = conflict_evidence()
    header = replace(block.header, evidence_hash=hash_evidence_list((item,)))
    forged = replace(block, evidence=EvidenceList((item,)), header=header)
    params = replace(state.consensus_params, evidence=EvidenceParams(max_bytes=100))
    assert validate_block(replace(state, consensus_params=params), forged).reason == "evidence"


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────


def commit_at(*lines):
    """(seconds, power, flag) per validator."""
    validators = ValidatorSet(
        tuple(
            Validator(bytes([i]) * 20, bytes([i]) * 32, power)
            for i, (_, power, _) in enumerate(lines)
        )
    )
    sigs = tuple(
        CommitSig(flag, bytes([i]) * 20, Timestamp(seconds), b"s")
        if flag is not BlockIDFlag.ABSENT
        else CommitSig()
        for i, (seconds, _, flag) in enumerate(lines)
    )
    return Commit(1, 0, BlockID(), sigs), validators


C, N, A = BlockIDFlag.COMMIT, BlockIDFlag.NIL, BlockIDFlag.ABSENT


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([(10, 1, C)], 10),
        ([(10, 1, C), (20, 1, C), (30, 1, C), (99, 1, C)], 20),
        ([(10, 33, C), (20, 40, N), (30, 27, C), (0, 90, A)], 20),
        ([(10, 5, C), (20, 1, C), (30, 1, C)], 10),
        ([(10, 1, C), (20, 1, C), (30, 5, C)], 30),
        ([(30, 27, C), (10, 33, C), (20, 40, C)], 20),
        ([(30, 1, C), (10, 1, C), (20, 1, C)], 10),
    ],
)
def test_block_time_is_the_weighted_median_of_those_who_signed(lines, expected):
    """CometBFT 0.38 `WeightedMedian`: nil votes count, absent ones do not."""
    assert compute_median_time(*commit_at(*lines)) == Timestamp(expected)


def test_a_commit_nobody_signed_has_no_time():
    with pytest.raises(ValueError, match="no time"):
        compute_median_time(*commit_at((10, 1, A)))


def test_the_room_for_transactions_is_cometbfts():
    """`TestBlockMaxDataBytes` of CometBFT 0.38."""
    assert max_data_bytes(842, 0, 1) == 0
    assert max_data_bytes(843, 0, 1) == 1
    assert max_data_bytes(954, 100, 1) == 12
    with pytest.raises(ValueError, match="no room"):
        max_data_bytes(841, 0, 1)


# ── genesis and updates ──────────────────────────────────────────────────────────────────────────────


def test_the_genesis_state_hashes_no_results_and_rotates_the_next_set():
    state = apply_init_chain(
        make_genesis_state(genesis_doc(4)), ResponseInitChain(app_hash=b"\x01" * 32)
    )
    assert state.last_results_hash == hash_results(())
    assert state.app_hash == b"\x01" * 32
    assert state.validators.proposer != state.next_validators.proposer
    assert hash_validators(state.validators.validators) == hash_validators(
        state.next_validators.validators
    )


def test_the_application_may_name_validators_and_parameters_at_the_start():
    params = ConsensusParams(block=BlockParams(max_bytes=5_000))
    key = derive_public(seed_of(8))
    answer = ResponseInitChain(params, (ValidatorUpdate(key, 3),), b"")
    state = apply_init_chain(make_genesis_state(genesis_doc(4)), answer)
    assert [v.pub_key for v in state.validators.validators] == [key]
    assert state.consensus_params == params
    with pytest.raises(InvalidGenesis):
        apply_init_chain(make_genesis_state(genesis_doc(0)), ResponseInitChain())


@pytest.mark.parametrize(
    "changes", [{"chain_id": ""}, {"chain_id": "x" * 51}, {"initial_height": 0}]
)
def test_a_genesis_that_cannot_start_a_chain_is_refused(changes):
    with pytest.raises(InvalidGenesis):
        check_genesis(genesis_doc(**changes))


def test_a_chain_can_begin_at_a_later_height():
    time, network = start_cluster(4, initial_height=1_000)
    time.run(5)
    network.nodes[0].pool.add(b"a=1")
    time.run(20)
    heights = {node.height for node in network.nodes.values()}
    assert min(heights) >= 1_001
    assert network.nodes[0].stores.blocks.base() == 1_000


def test_updates_take_effect_at_the_height_after_the_next(next_block):
    state, block = next_block
    key = derive_public(seed_of(7))
    response = ResponseFinalizeBlock(validator_updates=(ValidatorUpdate(key, 5),), app_hash=b"h")
    after = update_state(state, BlockID(), block, response)
    assert after.validators == state.next_validators
    assert after.next_validators.index_of(address(key)) is not None
    assert after.last_height_validators_changed == block.header.height + 2
    assert after.app_hash == b"h"


@pytest.mark.parametrize(
    "response",
    [
        ResponseFinalizeBlock(tx_results=(ExecTxResult(),)),
        ResponseFinalizeBlock(validator_updates=(ValidatorUpdate(b"short", 1),)),
        ResponseFinalizeBlock(validator_updates=(ValidatorUpdate(b"k" * 32, -1),)),
        ResponseFinalizeBlock(validator_updates=(ValidatorUpdate(b"k" * 32, 0),)),
        ResponseFinalizeBlock(
            consensus_param_updates=ConsensusParams(block=BlockParams(max_bytes=0))
        ),
    ],
)
def test_an_answer_out_of_the_protocol_stops_loudly(next_block, response):
    state, block = next_block
    with pytest.raises(InvalidResponse):
        update_state(state, BlockID(), replace(block, data=Data(())), response)


def test_the_application_is_told_who_signed(next_block):
    state, block = next_block
    told = commit_info_of(block.last_commit, state.last_validators)
    assert [v.validator.address for v in told.votes] == [
        v.address for v in state.last_validators.validators
    ]
    assert sum(v.block_id_flag is BlockIDFlag.COMMIT for v in told.votes) >= 3


# ── evidence ─────────────────────────────────────────────────────────────────────────────────────────


def conflict_evidence():
    _, network = start_cluster(4)
    guilty = network.nodes[3]
    a, b = (body.vote for body in forge_conflicts(guilty, 2))
    return make_duplicate_vote(b, a, Timestamp(5), guilty.host.state.validators)


def check(evidence, validators, **changes):
    facts = {"chain_id": "virtual-1", "validators": validators, "block_time": Timestamp(5)}
    return verify_duplicate_vote(evidence, **(facts | changes))


def test_true_evidence_is_accepted_and_each_lie_in_it_refused():
    evidence = conflict_evidence()
    validators = make_genesis_state(genesis_doc(4)).validators
    assert check(evidence, validators) is None
    a, b = evidence.vote_a, evidence.vote_b
    lies = {
        "evidence_time": [replace(evidence, timestamp=Timestamp(6))],
        "evidence_votes": [
            replace(evidence, vote_a=b, vote_b=a),
            replace(evidence, vote_b=a),
            replace(evidence, vote_b=replace(b, round=1)),
            replace(evidence, vote_b=replace(b, validator_address=b"\x01" * 20)),
        ],
        "evidence_power": [
            replace(evidence, validator_power=11),
            replace(evidence, total_voting_power=41),
        ],
        "evidence_signature": [replace(evidence, vote_b=replace(b, signature=bytes(64)))],
    }
    for reason, forged in lies.items():
        for lie in forged:
            assert check(lie, validators).reason == reason
    assert check(evidence, validators, chain_id="other").reason == "evidence_signature"
    assert check(evidence, ValidatorSet(validators.validators[:0])).reason == "evidence_validator"


def test_a_conflict_of_a_stranger_is_no_evidence():
    evidence = conflict_evidence()
    strangers = make_genesis_state(genesis_doc(1)).validators
    if strangers.index_of(evidence.vote_a.validator_address) is None:
        assert (
            make_duplicate_vote(evidence.vote_a, evidence.vote_b, Timestamp(5), strangers) is None
        )


def test_evidence_expires_only_when_old_in_blocks_and_in_time():
    params = EvidenceParams(max_age_num_blocks=10, max_age_duration_ns=5 * 10**9)
    facts = {"height": 1, "time": Timestamp(0)}
    assert not is_expired(params, **facts, now_height=12, now=Timestamp(5))
    assert not is_expired(params, **facts, now_height=11, now=Timestamp(6))
    assert is_expired(params, **facts, now_height=12, now=Timestamp(6))


def test_misbehaviour_is_told_with_its_power_and_height():
    evidence = conflict_evidence()
    (told,) = misbehavior_of((evidence,))
    assert told.type is MisbehaviorType.DUPLICATE_VOTE
    assert told.validator.address == evidence.vote_a.validator_address
    assert (told.height, told.total_voting_power) == (2, 40)


def test_make_block_names_the_state_it_follows(next_block):
    state, block = next_block
    assert (
        make_block(
            state,
            height=block.header.height,
            time=block.header.time,
            txs=block.data.txs,
            last_commit=block.last_commit,
            evidence=(),
            proposer=block.header.proposer_address,
        )
        == block
    )
