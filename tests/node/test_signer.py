"""The signer: forward only, the same message again gives the same signature, durable before it leaves."""

from dataclasses import replace

import pytest

from chain.codec.signbytes import proposal_sign_bytes, vote_sign_bytes
from chain.crypto.ed25519 import derive_public, verify_zip215
from chain.node.signer import (
    STATE_FILE,
    FileSigner,
    InvalidSignerFile,
    LastSigned,
    SignRefused,
    decode_key,
    decode_state,
    encode_key,
    encode_state,
    timestamp_in,
)
from chain.store.files import MemoryFolder
from chain.types.block import BlockID, PartSetHeader, Proposal, Vote
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import Timestamp

SEED = b"\x05" * 32
BLOCK = BlockID(b"\x01" * 32, PartSetHeader(1, b"\x02" * 32))
OTHER = BlockID(b"\x03" * 32, PartSetHeader(1, b"\x04" * 32))
AT = Timestamp(1_790_000_000, 123_000_000)


def vote(height=5, round_=0, kind=SignedMsgType.PREVOTE, block_id=BLOCK, at=AT):
    return Vote(kind, height, round_, block_id, at, b"\x09" * 20, 0)


def proposal(height=5, round_=0, block_id=BLOCK, at=AT):
    return Proposal(height, round_, -1, block_id, at)


def new_signer():
    folder = MemoryFolder()
    folder.replace(STATE_FILE, encode_state(LastSigned()))
    return FileSigner(SEED, folder), folder


def test_signatures_verify_over_the_canonical_bytes():
    signer, _ = new_signer()
    signed = signer.sign_proposal("c", proposal())
    assert verify_zip215(derive_public(SEED), proposal_sign_bytes("c", signed), signed.signature)
    signed = signer.sign_vote("c", vote())
    assert verify_zip215(derive_public(SEED), vote_sign_bytes("c", signed), signed.signature)


@pytest.mark.parametrize(
    "later",
    [
        vote(height=4),
        vote(round_=0, kind=SignedMsgType.PREVOTE),
        vote(round_=1, kind=SignedMsgType.PREVOTE),
    ],
)
def test_going_back_in_height_round_or_step_is_refused(later):
    signer, _ = new_signer()
    signer.sign_vote("c", vote(round_=1, kind=SignedMsgType.PRECOMMIT))
    with pytest.raises(SignRefused) as refused:
        signer.sign_vote("c", later)
    assert refused.value.code == "signer_regression"


def test_the_same_message_at_another_time_gets_the_first_time_and_signature():
    signer, _ = new_signer()
    first = signer.sign_vote("c", vote())
    again = signer.sign_vote("c", vote(at=AT.plus_ns(10**9)))
    assert again == first
    first = signer.sign_proposal("c", proposal(height=6))
    assert signer.sign_proposal("c", proposal(height=6, at=AT.plus_ns(5))) == first


@pytest.mark.parametrize("block_id", [OTHER, BlockID()])
def test_another_block_at_the_same_place_is_refused(block_id):
    signer, _ = new_signer()
    signer.sign_vote("c", vote())
    with pytest.raises(SignRefused) as refused:
        signer.sign_vote("c", vote(block_id=block_id))
    assert refused.value.code == "signer_conflict"


def test_another_chain_at_the_same_place_is_refused():
    signer, _ = new_signer()
    signer.sign_vote("c", vote())
    with pytest.raises(SignRefused):
        signer.sign_vote("other", vote())


def test_the_position_survives_a_restart_once_flushed():
    signer, folder = new_signer()
    first = signer.sign_vote("c", vote())
    signer.flush()
    again = FileSigner(SEED, folder)
    assert again.last == signer.last
    assert again.sign_vote("c", vote(at=AT.plus_ns(7))) == first
    with pytest.raises(SignRefused):
        again.sign_vote("c", vote(block_id=OTHER))


def test_a_flush_without_news_writes_nothing():
    signer, _ = new_signer()
    signer.sign_vote("c", vote())
    signer.flush()
    count = signer.sync_count
    signer.flush()
    assert signer.sync_count == count


def test_messages_found_in_the_log_move_the_position_forward_only():
    signer, _ = new_signer()
    old = signer.sign_vote("c", vote())
    newer = FileSigner(SEED, MemoryFolder()).sign_vote("c", vote(height=7, block_id=OTHER))
    signer.observe("c", newer)
    assert signer.last.height == 7
    signer.observe("c", old)
    assert signer.last.height == 7
    assert signer.sign_vote("c", vote(height=7, block_id=OTHER, at=AT.plus_ns(3))) == newer


def test_a_muted_signer_signs_nothing_below_its_height():
    signer = FileSigner(SEED, MemoryFolder(), muted_below=8)
    with pytest.raises(SignRefused) as refused:
        signer.sign_vote("c", vote(height=7))
    assert refused.value.code == "signer_muted"
    assert signer.sign_vote("c", vote(height=8)).signature


def test_files_read_back_and_damaged_ones_are_refused():
    assert decode_key(encode_key(SEED)) == SEED
    signer, folder = new_signer()
    signer.sign_vote("c", vote())
    signer.flush()
    assert decode_state(folder.read(STATE_FILE)) == signer.last
    for damaged in (b"", b"{}", folder.read(STATE_FILE)[:-9], b'{"height":"x","round":0,"step":0}'):
        with pytest.raises(InvalidSignerFile):
            decode_state(damaged)
    with pytest.raises(InvalidSignerFile):
        decode_key(encode_key(SEED).replace(b"BQUFBQ", b"CQUFBQ"))


def test_the_time_is_found_in_sign_bytes_of_votes_and_proposals():
    assert timestamp_in(vote_sign_bytes("c", vote())) == AT
    assert timestamp_in(vote_sign_bytes("c", vote(block_id=BlockID()))) == AT
    assert timestamp_in(proposal_sign_bytes("c", replace(proposal(), round=3))) == AT
