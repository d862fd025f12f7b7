"""The validator's key for CometBFT: our signer behind its `priv_validator_laddr`, on a Unix socket.

CometBFT listens, we dial, again and again; frames as in `privval/signer_endpoint.go` (uvarint length, at most
10 KiB). The position is durable before a signature leaves, by the very `FileSigner` of the embedded engine.
With a clock, a vote carries that clock's time when it is later than CometBFT's: the town's time is the median
of the votes' times, so a sample town whose clock is shifted shifts with its signers. A proposal is signed as
it is, because CometBFT takes only the signature back from us (`consensus/state.go`, `types/vote.go`).
Reads / Writes: the signer's files, the socket.
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from chain.codec import wire
from chain.codec.errors import DecodeError
from chain.codec.proto import decode, encode_delimited
from chain.limits import KIB, SIGNER_DIAL_MS
from chain.node.clock import Clock
from chain.node.signer import FileSigner, SignRefused
from chain.types.block import Vote
from chain.types.messages import (
    PingRequest,
    PingResponse,
    PrivvalMessage,
    PubKeyRequest,
    PubKeyResponse,
    RemoteSignerError,
    SignedProposalResponse,
    SignedVoteResponse,
    SignProposalRequest,
    SignVoteRequest,
)

log = structlog.get_logger("signer")

MESSAGE_MAX_BYTES: Final = 10 * KIB
"""`privval.maxRemoteSignerMsgSize`."""
REFUSED: Final = 1
"""Code of a RemoteSignerError: CometBFT logs it, goes on without this signature, and does not ask again."""


class RemoteSigner:
    """Signs for one CometBFT process at a time."""

    def __init__(self, signer: FileSigner, chain_id: str, *, clock: Clock | None = None) -> None:
        self._signer = signer
        self._chain_id = chain_id
        self._clock = clock

    async def serve(self, path: Path) -> None:
        """Dial the engine's socket for ever; returns only by cancellation. OSError of our own files comes through."""
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(path))
            except OSError:
                await asyncio.sleep(SIGNER_DIAL_MS / 1_000)
                continue
            log.info("signer connected")
            try:
                await self._serve_one(reader, writer)
            finally:
                writer.close()
            log.info("signer disconnected")
            # Who takes a connection and drops it at once must not keep the application's one thread busy.
            await asyncio.sleep(SIGNER_DIAL_MS / 1_000)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        buffer = bytearray()
        while data := await _read(reader):
            buffer += data
            try:
                while (frame := wire.take_frame(buffer, 0, MESSAGE_MAX_BYTES)) is not None:
                    del buffer[: frame[1]]
                    answer = self.answer(decode(PrivvalMessage, frame[0]))
                    writer.write(encode_delimited(answer))
            except DecodeError as error:
                log.error("signer message malformed", detail=str(error))
                return

    def answer(self, message: PrivvalMessage) -> PrivvalMessage:
        """The answer to one message; raises OSError when a position cannot be made durable."""
        match message.value:
            case PubKeyRequest(chain_id):
                refused = self._refuse_chain(chain_id)
                key = b"" if refused is not None else self._signer.public_key
                return PrivvalMessage(PubKeyResponse(key, refused))
            case SignVoteRequest(vote, chain_id):
                return PrivvalMessage(self._sign_vote(vote, chain_id))
            case SignProposalRequest() as request:
                return PrivvalMessage(self._sign_proposal(request))
            case PingRequest():
                return PrivvalMessage(PingResponse())
            case _:
                raise DecodeError(f"{type(message.value).__name__} asks nothing")

    def _refuse_chain(self, chain_id: str) -> RemoteSignerError | None:
        if chain_id == self._chain_id:
            return None
        log.error("signer asked for another chain", chain_id=chain_id[:50])
        return RemoteSignerError(REFUSED, f"signer_chain: this key signs for {self._chain_id}")

    def _sign_vote(self, vote: Vote, chain_id: str) -> SignedVoteResponse:
        refused = self._refuse_chain(chain_id)
        if refused is not None:
            return SignedVoteResponse(vote, refused)
        if self._clock is not None:
            vote = replace(vote, timestamp=max(vote.timestamp, self._clock.now()))
        try:
            signed = self._signer.sign_vote(self._chain_id, vote)
        except SignRefused as refusal:
            return SignedVoteResponse(vote, _explain(refusal))
        self._signer.flush()
        return SignedVoteResponse(signed)

    def _sign_proposal(self, request: SignProposalRequest) -> SignedProposalResponse:
        refused = self._refuse_chain(request.chain_id)
        if refused is not None:
            return SignedProposalResponse(request.proposal, refused)
        try:
            signed = self._signer.sign_proposal(self._chain_id, request.proposal)
        except SignRefused as refusal:
            return SignedProposalResponse(request.proposal, _explain(refusal))
        self._signer.flush()
        return SignedProposalResponse(signed)


def _explain(refusal: SignRefused) -> RemoteSignerError:
    log.warning("not signed", code=refusal.code)
    return RemoteSignerError(REFUSED, str(refusal))


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(MESSAGE_MAX_BYTES)
    except OSError:
        return b""
