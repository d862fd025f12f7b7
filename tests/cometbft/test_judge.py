"""Votes, commits, evidence and validator sets: judged by us and by CometBFT's own code, alike."""

import json
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from random import Random

import pytest

from chain.codec.hashing import hash_evidence, hash_header, hash_validators
from chain.codec.proto import decode
from chain.codec.signbytes import vote_sign_bytes
from chain.codec.tables import EVIDENCE as EVIDENCE_FORM
from chain.crypto import ed25519
from chain.crypto.commits import verify_commit_full
from chain.crypto.keys import address
from chain.execution.evidence import make_duplicate_vote, verify_duplicate_vote
from chain.types.block import BlockID, Commit, CommitSig, PartSetHeader, Vote
from chain.types.evidence import DuplicateVoteEvidence
from chain.types.primitives import BlockIDFlag, SignedMsgType
from chain.types.timestamp import ZERO_TIME, Timestamp
from chain.types.validator import (
    Validator,
    ValidatorSet,
    increment_proposer_priority,
    new_validator_set,
)
from tests.cometbft.judge import Judge
from tests.light.chains import CHAIN_ID, header_at, seed_of, signed, validators_of
from tests.vectors.runner import shared_folder

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("cometbft")]
EDGE_CASES = shared_folder() / "vectors/cometbft/cometbft/ed25519_edge_cases.json"
BLOCK = BlockID(b"h" * 32, PartSetHeader(1, b"p" * 32))
OTHER = BlockID(b"k" * 32, PartSetHeader(1, b"p" * 32))
TIME = Timestamp(1_790_000_000, 7)
SMALL_ORDER = [
    bytes.fromhex(text)
    for text in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    )
]
"""Every encoding, canonical or not, of the eight points of small order."""


@pytest.fixture(scope="module")
def judge(cometbft) -> Iterator[Judge]:
    with Judge() as asked:
        yield asked


def vote(number: int = 1, **changes) -> Vote:
    """A vote of validator `number`, signed over what it says; `signature` may be replaced."""
    seed = seed_of(number)
    who = address(ed25519.derive_public(seed))
    made = Vote(SignedMsgType.PRECOMMIT, 5, 0, BLOCK, TIME, who, 0)
    made = replace(made, **{k: v for k, v in changes.items() if k != "signature"})
    signature = changes.get("signature", ed25519.sign(seed, vote_sign_bytes(CHAIN_ID, made)))
    return replace(made, signature=signature)


def test_every_signature_at_the_edge_is_judged_alike(judge):
    accepted = 0
    for key in SMALL_ORDER:
        for point in SMALL_ORDER:
            signature = point + bytes(32)
            ours = ed25519.verify_zip215(key, b"Zcash", signature)
            theirs = judge.ask("signature", pub_key=key, message=b"Zcash", signature=signature)
            assert ours == theirs.ok, (key.hex(), point.hex())
            accepted += ours
    assert accepted == len(SMALL_ORDER) ** 2


def test_the_published_edge_cases_are_judged_alike(judge):
    if not EDGE_CASES.exists():
        pytest.skip("the published cases are not beside the checkout")
    verdicts = []
    for case in json.loads(EDGE_CASES.read_text())["cases"]:
        parts = [bytes.fromhex(case[name]) for name in ("pub_key", "message", "signature")]
        ours = ed25519.verify_zip215(*parts)
        theirs = judge.ask("signature", pub_key=parts[0], message=parts[1], signature=parts[2])
        assert ours == theirs.ok, case["n"]
        verdicts.append(ours)
    assert (verdicts.count(True), verdicts.count(False)) == (9, 3)


def test_changed_signatures_are_refused_by_both(judge):
    random = Random(1)
    for n in range(60):
        seed, message = seed_of(n + 1), random.randbytes(n)
        key, signature = ed25519.derive_public(seed), ed25519.sign(seed_of(n + 1), message)
        changed = bytearray(signature)
        changed[n % 64] ^= 1 << n % 8
        for given in (signature, bytes(changed), signature[:-1], signature + b"\x00"):
            theirs = judge.ask("signature", pub_key=key, message=message, signature=given)
            assert ed25519.verify_zip215(key, message, given) == theirs.ok == (given == signature)


VOTES = {
    "a precommit": vote(),
    "a prevote": vote(type=SignedMsgType.PREVOTE),
    "for nil": vote(block_id=BlockID()),
    "round 7": vote(round=7),
    "the first height": vote(height=1),
    "the largest height": vote(height=2**63 - 1),
    "at no time": vote(timestamp=ZERO_TIME),
    "before 1970": vote(timestamp=Timestamp(-5, 999_999_999)),
    "another's signature": vote(signature=vote(2).signature),
    "a signature of another vote": vote(signature=vote(round=1).signature),
    "a signature of another chain": vote(
        signature=ed25519.sign(seed_of(1), vote_sign_bytes("other-1", vote()))
    ),
    "unsigned": vote(signature=b""),
    "a long signature": vote(signature=bytes(65)),
}


@pytest.mark.parametrize("name", VOTES)
def test_a_vote_is_judged_alike(judge, name):
    given = VOTES[name]
    key = ed25519.derive_public(seed_of(1))
    ours = ed25519.verify_zip215(key, vote_sign_bytes(CHAIN_ID, given), given.signature)
    theirs = judge.ask("vote", chain_id=CHAIN_ID, pub_key=key, vote=given)
    assert ours == theirs.ok, theirs.why
    assert ours == (("signature" not in name) and name != "unsigned")


def test_a_vote_signed_by_cometbft_is_ours_too(judge):
    for given in (vote(), vote(block_id=BlockID(), round=3), vote(type=SignedMsgType.PREVOTE)):
        theirs = judge.ask("sign_vote", chain_id=CHAIN_ID, secret=b"somebody", vote=given)
        made = decode(Vote, theirs.data)
        key = key_of(judge, b"somebody")
        assert made.validator_address == address(key)
        assert ed25519.verify_zip215(key, vote_sign_bytes(CHAIN_ID, made), made.signature)
        assert replace(made, validator_address=given.validator_address) == replace(
            given, signature=made.signature
        )


def key_of(judge: Judge, secret: bytes) -> bytes:
    """`ed25519.GenPrivKeyFromSecret`: the seed is the secret's hash."""
    return ed25519.derive_public(sha256(secret).digest())


def test_a_vote_whose_signature_only_zip_215_takes_is_a_vote_for_both(judge):
    """A validator with a key of small order can sign anything with a point and a zero."""
    key = SMALL_ORDER[12]
    given = vote(validator_address=address(key), signature=SMALL_ORDER[13] + bytes(32))
    assert not ed25519.verify_strict(key, vote_sign_bytes(CHAIN_ID, given), given.signature)
    assert ed25519.verify_zip215(key, vote_sign_bytes(CHAIN_ID, given), given.signature)
    assert judge.ask("vote", chain_id=CHAIN_ID, pub_key=key, vote=given).ok


SET = validators_of(1, 2, 3, 4)
GOOD = make_duplicate_vote(vote(), vote(block_id=OTHER), TIME, SET)
assert GOOD is not None
EVIDENCE = {
    "true": GOOD,
    "nil and a block": make_duplicate_vote(vote(block_id=BlockID()), vote(), TIME, SET),
    "prevotes": make_duplicate_vote(
        vote(type=SignedMsgType.PREVOTE),
        vote(type=SignedMsgType.PREVOTE, block_id=OTHER),
        TIME,
        SET,
    ),
    "the wrong order": replace(GOOD, vote_a=GOOD.vote_b, vote_b=GOOD.vote_a),
    "the same vote twice": replace(GOOD, vote_b=GOOD.vote_a),
    "differing in time only": replace(GOOD, vote_b=vote(timestamp=Timestamp(5))),
    "two heights": replace(GOOD, vote_b=vote(block_id=OTHER, height=6)),
    "two rounds": replace(GOOD, vote_b=vote(block_id=OTHER, round=1)),
    "two types": replace(GOOD, vote_b=vote(block_id=OTHER, type=SignedMsgType.PREVOTE)),
    "two validators": replace(GOOD, vote_b=vote(2, block_id=OTHER)),
    "a stranger": replace(GOOD, vote_a=vote(9), vote_b=vote(9, block_id=OTHER)),
    "another's power": replace(GOOD, validator_power=11),
    "another total": replace(GOOD, total_voting_power=41),
    "one bad signature": replace(GOOD, vote_b=replace(GOOD.vote_b, signature=bytes(64))),
}
TRUE_EVIDENCE = {"true", "nil and a block", "prevotes"}


@pytest.mark.parametrize("name", EVIDENCE)
def test_evidence_is_judged_alike(judge, name):
    given = EVIDENCE[name]
    assert isinstance(given, DuplicateVoteEvidence)
    ours = verify_duplicate_vote(given, chain_id=CHAIN_ID, validators=SET, block_time=TIME)
    theirs = judge.ask(
        "evidence", chain_id=CHAIN_ID, evidence=EVIDENCE_FORM.encode(given), validators=SET
    )
    assert (ours is None) == theirs.ok == (name in TRUE_EVIDENCE), (ours, theirs.why)
    if theirs.ok:
        assert theirs.data == hash_evidence(given)


def commit(*flags: BlockIDFlag, validators: ValidatorSet = SET, spoil: int = -1) -> Commit:
    made = signed(header_at(5, validators), validators, flags).commit
    lines = list(made.signatures)
    if spoil >= 0:
        lines[spoil] = replace(lines[spoil], signature=bytes(64))
    return replace(made, signatures=tuple(lines))


YES, NIL, NO = BlockIDFlag.COMMIT, BlockIDFlag.NIL, BlockIDFlag.ABSENT
COMMITS = {
    "all": commit(YES, YES, YES, YES),
    "three of four": commit(YES, YES, YES, NO),
    "three and a nil": commit(YES, NIL, YES, YES),
    "two of four": commit(YES, YES, NO, NO),
    "two and two nil": commit(YES, YES, NIL, NIL),
    "nobody": commit(NO, NO, NO, NO),
    "a bad signature beyond two thirds": commit(YES, YES, YES, YES, spoil=3),
    "a bad signature for nil": commit(YES, YES, YES, NIL, spoil=3),
    "a line too few": replace(
        commit(YES, YES, YES, YES), signatures=commit(YES, YES, YES, YES).signatures[:3]
    ),
    "another height": replace(commit(YES, YES, YES, YES), height=6),
    "another round": replace(commit(YES, YES, YES, YES), round=1),
    "another block": replace(commit(YES, YES, YES, YES), block_id=OTHER),
}
GOOD_COMMITS = {"all", "three of four", "three and a nil"}


@pytest.mark.parametrize("name", COMMITS)
def test_a_commit_is_judged_alike(judge, name):
    given = COMMITS[name]
    block_id = COMMITS["all"].block_id
    ours = verify_commit_full(CHAIN_ID, SET, block_id, 5, given)
    theirs = judge.ask(
        "commit", chain_id=CHAIN_ID, validators=SET, block_id=block_id, height=5, commit=given
    )
    assert (ours is None) == theirs.ok == (name in GOOD_COMMITS), (str(ours), theirs.why)


def test_headers_have_one_hash(judge):
    for height in (1, 2, 2**20):
        for changes in ({}, {"app_hash": b""}, {"last_block_id": BlockID()}, {"time": ZERO_TIME}):
            header = header_at(height, SET, **changes)
            assert judge.ask("header_hash", header=header).data == hash_header(header)


def test_sets_have_one_hash_and_the_same_proposers(judge):
    random = Random(7)
    for size in (1, 2, 4, 7, 20):
        keys = [ed25519.derive_public(random.randbytes(32)) for _ in range(size)]
        powers = [random.choice((1, 10, 10, 1_000, 10**12)) for _ in keys]
        ours = new_validator_set(
            tuple(
                Validator(address(key), key, power) for key, power in zip(keys, powers, strict=True)
            )
        )
        asked = judge.ask("validators_hash", validators=ours)
        assert asked.data == hash_validators(ours.validators)
        theirs = judge.ask("proposers", validators=ours, times=50).data
        for turn in range(50):
            assert ours.get_proposer().address == theirs[20 * turn : 20 * turn + 20]
            ours = increment_proposer_priority(ours, 1)


def test_a_line_nobody_signed_is_read_alike(judge):
    odd = replace(
        COMMITS["all"],
        signatures=(*COMMITS["all"].signatures[:3], CommitSig(NO, b"a" * 20, TIME, b"")),
    )
    block_id = COMMITS["all"].block_id
    ours = verify_commit_full(CHAIN_ID, SET, block_id, 5, odd)
    theirs = judge.ask(
        "commit", chain_id=CHAIN_ID, validators=SET, block_id=block_id, height=5, commit=odd
    )
    assert (ours is None) == theirs.ok, (str(ours), theirs.why)
