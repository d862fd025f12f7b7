"""Our signer behind CometBFT's `priv_validator_laddr`: same rules, durable first, one chain only."""

import asyncio
from dataclasses import replace

import pytest

from chain.codec.errors import DecodeError
from chain.codec.proto import decode_delimited, encode_delimited
from chain.codec.signbytes import proposal_sign_bytes, vote_sign_bytes
from chain.crypto.ed25519 import verify_zip215
from chain.node.remote_signer import MESSAGE_MAX_BYTES, RemoteSigner
from chain.node.signer import STATE_FILE, FileSigner, LastSigned, decode_state, encode_state
from chain.store.files import MemoryFolder
from chain.types.block import BlockID, PartSetHeader, Proposal, Vote
from chain.types.messages import (
    PingRequest,
    PingResponse,
    PrivvalMessage,
    PubKeyRequest,
    SignProposalRequest,
    SignVoteRequest,
)
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import Timestamp
from tests.node.virtual import VirtualTime
from tests.waiting import run_within

CHAIN = "signed-1"
BLOCK = BlockID(b"h" * 32, PartSetHeader(1, b"p" * 32))
TIME = Timestamp(1_790_000_000)


def signer(folder: MemoryFolder | None = None, **options) -> tuple[RemoteSigner, MemoryFolder]:
    folder = folder or MemoryFolder()
    if folder.read(STATE_FILE) is None:
        folder.replace(STATE_FILE, encode_state(LastSigned()))
    return RemoteSigner(FileSigner(b"s" * 32, folder), CHAIN, **options), folder


def vote(height: int = 5, **changes) -> Vote:
    made = Vote(SignedMsgType.PRECOMMIT, height, 0, BLOCK, TIME, b"a" * 20, 0)
    return replace(made, **changes)


def ask(remote: RemoteSigner, value):
    return remote.answer(PrivvalMessage(value)).value


def public_key(remote: RemoteSigner) -> bytes:
    return ask(remote, PubKeyRequest(CHAIN)).pub_key


def test_a_vote_is_signed_and_its_place_is_durable_before_the_answer():
    remote, folder = signer()
    signed = ask(remote, SignVoteRequest(vote(), CHAIN)).vote
    assert verify_zip215(public_key(remote), vote_sign_bytes(CHAIN, signed), signed.signature)
    assert decode_state(folder.read(STATE_FILE)).height == 5


def test_a_proposal_is_signed_as_it_is_whatever_the_clock_says():
    clock = VirtualTime()
    remote, _ = signer(clock=clock)
    proposal = Proposal(5, 0, -1, BLOCK, TIME)
    signed = ask(remote, SignProposalRequest(proposal, CHAIN)).proposal
    assert signed.timestamp == TIME
    assert verify_zip215(public_key(remote), proposal_sign_bytes(CHAIN, proposal), signed.signature)


def test_a_vote_takes_the_time_of_a_clock_that_is_ahead_and_never_an_earlier_one():
    clock = VirtualTime()
    remote, _ = signer(clock=clock)
    signed = ask(remote, SignVoteRequest(vote(timestamp=Timestamp(5)), CHAIN)).vote
    assert signed.timestamp == clock.now()
    assert verify_zip215(public_key(remote), vote_sign_bytes(CHAIN, signed), signed.signature)
    late = clock.now().plus_ns(1)
    assert ask(remote, SignVoteRequest(vote(6, timestamp=late), CHAIN)).vote.timestamp == late


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (vote(4), "signer_regression"),
        (vote(block_id=BlockID()), "signer_conflict"),
        (vote(type=SignedMsgType.PREVOTE), "signer_regression"),
    ],
)
def test_nothing_is_signed_twice(second, code):
    remote, folder = signer()
    ask(remote, SignVoteRequest(vote(), CHAIN))
    for again in (remote, signer(folder)[0]):
        refused = ask(again, SignVoteRequest(second, CHAIN))
        assert refused.error.description.startswith(code)
        assert not refused.vote.signature


def test_the_same_vote_at_another_time_gets_the_first_time_and_signature():
    remote, _ = signer()
    first = ask(remote, SignVoteRequest(vote(), CHAIN)).vote
    assert ask(remote, SignVoteRequest(vote(timestamp=TIME.plus_ns(9)), CHAIN)).vote == first


@pytest.mark.parametrize(
    "request_",
    [
        PubKeyRequest("another-1"),
        SignVoteRequest(vote(), "another-1"),
        SignProposalRequest(Proposal(5, 0, -1, BLOCK, TIME), "another-1"),
    ],
)
def test_another_chain_gets_neither_key_nor_signature(request_):
    remote, folder = signer()
    answer = ask(remote, request_)
    assert answer.error.description.startswith("signer_chain")
    assert decode_state(folder.read(STATE_FILE)).height == 0
    assert not getattr(answer, "pub_key", b"")


def test_an_answer_is_no_question():
    remote, _ = signer()
    with pytest.raises(DecodeError):
        remote.answer(PrivvalMessage(PingResponse()))


def test_it_dials_until_the_engine_is_there_and_again_when_it_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr("chain.node.remote_signer.SIGNER_DIAL_MS", 1)
    path = tmp_path / "signer.sock"

    async def play() -> None:
        remote, _ = signer()
        task = asyncio.get_running_loop().create_task(remote.serve(path))
        for data in (b"", b"\xff\xff\xff\x7f"):  # the second engine announces too much and is left
            answered = asyncio.get_running_loop().create_future()

            async def engine(reader, writer, data=data, answered=answered):
                writer.write(encode_delimited(PrivvalMessage(PingRequest())) + data)
                received = await reader.read(MESSAGE_MAX_BYTES)
                answered.set_result(received)
                if data:
                    assert await reader.read() == b""
                writer.close()

            server = await asyncio.start_unix_server(engine, str(path))
            received = await asyncio.wait_for(answered, 5)
            found = decode_delimited(PrivvalMessage, received, 0, MESSAGE_MAX_BYTES)
            assert found is not None
            assert found[0].value == PingResponse()
            server.close()
            await server.wait_closed()
            path.unlink()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_within(play())


def test_who_drops_the_connection_at_once_does_not_keep_the_application_busy(tmp_path, monkeypatch):
    monkeypatch.setattr("chain.node.remote_signer.SIGNER_DIAL_MS", 3_600_000)
    path = tmp_path / "signer.sock"
    taken = []

    async def play() -> None:
        first = asyncio.Event()

        async def drop(_reader, writer):
            taken.append(writer)
            writer.close()
            first.set()

        server = await asyncio.start_unix_server(drop, str(path))
        remote, _ = signer()
        task = asyncio.get_running_loop().create_task(remote.serve(path))
        await asyncio.wait_for(first.wait(), 5)
        for _ in range(200):  # turns of the loop, in which it would dial again and again
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()
        await server.wait_closed()

    run_within(play())
    assert len(taken) == 1
