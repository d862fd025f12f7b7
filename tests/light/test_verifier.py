"""Commits and light-client steps: every vector, every rule with the refusal it gives."""

from dataclasses import replace

import pytest

from chain.crypto.commits import (
    CommitFlaw,
    TrustLevel,
    commit_form,
    validator_set_form,
    verify_commit_full,
    verify_commit_light,
    verify_commit_trusting,
)
from chain.light.verifier import (
    TrustedBlock,
    TrustOptions,
    Verdict,
    verify_adjacent,
    verify_backwards,
    verify_step,
)
from chain.types.block import BlockID, CommitSig, SignedHeader
from chain.types.evidence import LightBlock
from chain.types.primitives import BlockIDFlag
from chain.types.timestamp import Timestamp
from chain.types.validator import ValidatorSet
from tests.light.chains import CHAIN_ID, START_S, header_at, signed, validators_of
from tests.vectors import light_client as suite
from tests.vectors.runner import shared_folder

FOLDER = shared_folder() / "vectors" / "cometbft" / "tendermint-rs" / "light_client"
FILES = sorted(FOLDER.rglob("*.json"))

COMMIT, NIL, ABSENT = BlockIDFlag.COMMIT, BlockIDFlag.NIL, BlockIDFlag.ABSENT
FOUR = validators_of(1, 2, 3, 4)
HEADER = header_at(5, FOUR)
NOW = Timestamp(START_S + 100)
TRUSTED = TrustedBlock(header_at(1, FOUR), FOUR)
OPTIONS = TrustOptions()


@pytest.mark.skipif(not FILES, reason=f"no light-client vectors in {FOLDER}")
def test_every_vector_file_passes() -> None:
    assert all(suite.replay(path) for path in FILES)


# --- commits ---------------------------------------------------------------------------------


def _flaws(block: SignedHeader, validators: ValidatorSet = FOUR) -> tuple[object, object]:
    commit = block.commit
    args = (CHAIN_ID, validators, commit.block_id, block.header.height, commit)
    return tuple(
        None if refusal is None else refusal.flaw
        for refusal in (verify_commit_full(*args), verify_commit_light(*args))
    )


def _with_line(block: SignedHeader, index: int, **changes: object) -> SignedHeader:
    lines = list(block.commit.signatures)
    lines[index] = replace(lines[index], **changes)
    return replace(block, commit=replace(block.commit, signatures=tuple(lines)))


def test_three_of_four_are_enough_and_two_are_not() -> None:
    assert _flaws(signed(HEADER, FOUR, [COMMIT, ABSENT, COMMIT, COMMIT])) == (None, None)
    short = signed(HEADER, FOUR, [COMMIT, ABSENT, COMMIT, NIL])
    assert _flaws(short) == (CommitFlaw.NOT_ENOUGH_POWER, CommitFlaw.NOT_ENOUGH_POWER)


def test_exactly_two_thirds_are_not_enough() -> None:
    three = validators_of(1, 2, 3)
    block = signed(header_at(5, three), three, [COMMIT, COMMIT, ABSENT])
    assert _flaws(block, three) == (CommitFlaw.NOT_ENOUGH_POWER, CommitFlaw.NOT_ENOUGH_POWER)


def test_a_bad_last_signature_is_seen_by_the_full_check_only() -> None:
    block = _with_line(signed(HEADER, FOUR), 3, signature=bytes(64))
    assert _flaws(block) == (CommitFlaw.BAD_SIGNATURE, None)


def test_a_bad_nil_signature_is_seen_by_the_full_check_only() -> None:
    block = _with_line(signed(HEADER, FOUR, [NIL, COMMIT, COMMIT, COMMIT]), 0, signature=bytes(64))
    assert _flaws(block) == (CommitFlaw.BAD_SIGNATURE, None)


def test_a_nil_vote_dressed_as_a_vote_for_the_block_is_refused() -> None:
    block = signed(HEADER, FOUR, [NIL, COMMIT, COMMIT, COMMIT])
    assert _flaws(_with_line(block, 0, block_id_flag=COMMIT))[1] is CommitFlaw.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({"height": 6}, CommitFlaw.WRONG_HEIGHT),
        ({"round": 1}, CommitFlaw.BAD_SIGNATURE),
        ({"round": -1}, CommitFlaw.MALFORMED),
        ({"block_id": BlockID()}, CommitFlaw.MALFORMED),
        ({"signatures": ()}, CommitFlaw.MALFORMED),
    ],
)
def test_a_changed_commit_is_refused(change: dict, flaw: CommitFlaw) -> None:
    block = signed(HEADER, FOUR)
    changed = replace(block.commit, **change)
    refusal = verify_commit_light(CHAIN_ID, FOUR, block.commit.block_id, 5, changed)
    if "block_id" in change:
        refusal = commit_form(changed)
    assert refusal is not None
    assert refusal.flaw is flaw


def test_lines_must_be_as_many_as_validators_and_in_their_order() -> None:
    block = signed(HEADER, FOUR)
    lines = block.commit.signatures
    shorter = replace(block, commit=replace(block.commit, signatures=lines[:3]))
    swapped = replace(
        block, commit=replace(block.commit, signatures=(lines[1], lines[0], *lines[2:]))
    )
    assert _flaws(shorter)[1] is CommitFlaw.WRONG_SIZE
    assert _flaws(swapped)[1] is CommitFlaw.WRONG_ADDRESS


@pytest.mark.parametrize(
    "line",
    [
        CommitSig(ABSENT, bytes(20)),
        CommitSig(ABSENT, timestamp=Timestamp(0)),
        CommitSig(ABSENT, signature=b"\x01"),
        CommitSig(COMMIT, bytes(20), Timestamp(0), b""),
        CommitSig(COMMIT, bytes(19), Timestamp(0), bytes(64)),
        CommitSig(COMMIT, bytes(20), Timestamp(0), bytes(65)),
        CommitSig(BlockIDFlag.UNKNOWN),
    ],
)
def test_a_line_of_another_form_is_refused(line: CommitSig) -> None:
    commit = replace(signed(HEADER, FOUR).commit, signatures=(line,))
    refusal = commit_form(commit)
    assert refusal is not None
    assert refusal.flaw is CommitFlaw.MALFORMED


def test_a_signature_for_another_chain_is_refused() -> None:
    commit = signed(HEADER, FOUR).commit
    refusal = verify_commit_full("other-chain", FOUR, commit.block_id, 5, commit)
    assert refusal is not None
    assert refusal.flaw is CommitFlaw.BAD_SIGNATURE


def test_trusting_needs_more_than_a_third_of_the_trusted_power() -> None:
    new = validators_of(3, 4, 5, 6, 7, 8)
    commit = signed(header_at(9, new), new).commit
    assert verify_commit_trusting(CHAIN_ID, FOUR, commit) is None
    refusal = verify_commit_trusting(CHAIN_ID, validators_of(1, 2, 3), commit)
    assert refusal is not None
    assert refusal.flaw is CommitFlaw.NOT_ENOUGH_POWER
    assert verify_commit_trusting(CHAIN_ID, FOUR, commit, TrustLevel(1, 2)) is not None


def test_trusting_refuses_one_validator_signing_twice() -> None:
    new = validators_of(3, 9)
    commit = signed(header_at(9, new), new).commit
    mine = next(
        s
        for s in commit.signatures
        if s.validator_address == validators_of(3).validators[0].address
    )
    doubled = replace(commit, signatures=(mine, mine))
    refusal = verify_commit_trusting(CHAIN_ID, FOUR, doubled)
    assert refusal is not None
    assert refusal.flaw in (CommitFlaw.DOUBLE_SIGNATURE, CommitFlaw.BAD_SIGNATURE)


@pytest.mark.parametrize("level", [(1, 4), (4, 3), (0, 1), (1, 0)])
def test_a_trust_level_outside_a_third_to_one_cannot_be_made(level: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="trust level"):
        TrustLevel(*level)


def test_a_set_with_a_false_address_a_repetition_or_no_power_is_refused() -> None:
    first, *rest = FOUR.validators
    for members in (
        (replace(first, address=bytes(20)), *rest),
        (first, first, *rest),
        (replace(first, voting_power=0), *rest),
        (replace(first, voting_power=2**62), *rest),
        (),
    ):
        assert validator_set_form(ValidatorSet(tuple(members))) is not None
    assert validator_set_form(FOUR) is None


# --- steps -----------------------------------------------------------------------------------


def _block(height: int = 5, validators: ValidatorSet = FOUR, **changes: object) -> LightBlock:
    return LightBlock(signed(header_at(height, validators, **changes), validators), validators)


def test_adjacent_and_later_blocks_of_the_trusted_set_are_accepted() -> None:
    for height in (2, 5):
        assert verify_step(_block(height), TRUSTED, OPTIONS, NOW, FOUR).is_success()


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (_block(5, chain_id="other"), "another chain"),
        (_block(1), "not later"),
        (_block(5, time=Timestamp(START_S)), "not later"),
        (_block(5, time=Timestamp(START_S + 110)), "future"),
        (_block(5, validators_hash=b"\x09" * 32), "validators are not"),
        (_block(5, next_validators_hash=b"\x09" * 32), "next validators"),
        (_block(5, app_hash=b"", data_hash=b"\x01"), "another length"),
        (_block(5, proposer_address=b""), "proposer"),
        (_block(2, validators_of(1, 2, 3, 5)), "announced"),
    ],
)
def test_a_block_that_breaks_a_rule_is_invalid_and_says_which(
    block: LightBlock, reason: str
) -> None:
    given = FOUR if block.validator_set is FOUR else block.validator_set
    judged = verify_step(block, TRUSTED, OPTIONS, NOW, given)
    assert judged.verdict is Verdict.INVALID
    assert reason in judged.reason


def test_an_expired_trusted_block_lends_no_trust() -> None:
    period_s = OPTIONS.trusting_period_ns // 10**9
    last = Timestamp(TRUSTED.header.time.seconds + period_s)
    assert verify_step(_block(), TRUSTED, OPTIONS, last).reason == "the trusted header has expired"
    before = Timestamp(last.seconds - 1)
    assert verify_step(_block(), TRUSTED, OPTIONS, before).is_success()


def test_a_later_block_of_strangers_is_not_invalid_but_not_trusted_enough() -> None:
    strangers = validators_of(11, 12, 13)
    judged = verify_step(_block(9, strangers), TRUSTED, OPTIONS, NOW)
    assert judged.verdict is Verdict.NOT_ENOUGH_TRUST


def test_a_commit_for_another_header_is_invalid() -> None:
    block = _block()
    other = replace(block.signed_header.header, app_hash=b"\x09" * 32)
    forged = LightBlock(replace(block.signed_header, header=other), FOUR)
    assert "another header" in verify_step(forged, TRUSTED, OPTIONS, NOW).reason


def test_a_signer_outside_the_own_set_is_invalid() -> None:
    block = _block()
    stranger = validators_of(20).validators[0].address
    forged = LightBlock(_with_line(block.signed_header, 3, validator_address=stranger), FOUR)
    assert "unknown_signer" in verify_step(forged, TRUSTED, OPTIONS, NOW).reason


def test_the_adjacent_rule_refuses_a_gap() -> None:
    assert not verify_adjacent(_block(3), TRUSTED, OPTIONS, NOW).is_success()


def test_a_parent_is_trusted_by_the_hash_its_child_carries() -> None:
    older = header_at(4, FOUR)
    parent_id = signed(older, FOUR).commit.block_id
    newer = header_at(5, FOUR, last_block_id=parent_id)
    assert verify_backwards(older, newer).is_success()
    for wrong in (
        replace(older, app_hash=b"\x09" * 32),
        replace(older, chain_id="other"),
        replace(older, height=3),
        replace(older, time=newer.time),
        replace(older, proposer_address=b""),
    ):
        assert not verify_backwards(wrong, newer).is_success()
