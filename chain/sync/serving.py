"""Answering peers that are behind, each within its allowance, so that consensus never waits for a reader.

A peer's newest block goes out with the commit this node saw for it: the receiver needs no successor to prove
it, and a node rejoining an idle town is at the tip without waiting for the next block.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from chain.limits import (
    SYNC_SERVE_BYTES_PER_S,
    SYNC_SERVE_QUEUE,
    SYNC_SERVE_REQUESTS_PER_S,
    SYNC_SERVED_PER_TURN,
)
from chain.sync.ports import BlockSource, PeerId
from chain.sync.proof import extend
from chain.types.messages import (
    BlockRequest,
    BlockResponse,
    BlocksyncMessage,
    NoBlockResponse,
    StatusRequest,
    StatusResponse,
)
from chain.types.primitives import Height

Question: TypeAlias = BlockRequest | StatusRequest
Send: TypeAlias = Callable[[PeerId, BlocksyncMessage], bool]
QuestionT = TypeVar("QuestionT")


@dataclass(slots=True)
class _Reader(Generic[QuestionT]):
    """One peer's open questions and what it may still get; both allowances refill up to one second's worth."""

    refilled_at_s: float
    questions: deque[QuestionT] = field(default_factory=deque)
    requests: float = SYNC_SERVE_REQUESTS_PER_S
    bytes: float = SYNC_SERVE_BYTES_PER_S

    def refill(self, now_s: float) -> None:
        passed_s = max(0.0, now_s - self.refilled_at_s)
        self.refilled_at_s = now_s
        self.requests = min(
            SYNC_SERVE_REQUESTS_PER_S, self.requests + passed_s * SYNC_SERVE_REQUESTS_PER_S
        )
        self.bytes = min(SYNC_SERVE_BYTES_PER_S, self.bytes + passed_s * SYNC_SERVE_BYTES_PER_S)

    def may_get(self) -> bool:
        """Debts are allowed, so that a block larger than a second's worth goes out at all."""
        return self.requests >= 1 and self.bytes > 0


class RationedServer(Generic[QuestionT]):
    """Questions of all peers, answered in rotation."""

    def __init__(
        self, give: Callable[[PeerId, QuestionT], int | None], queue_max: int = SYNC_SERVE_QUEUE
    ) -> None:
        """`give` answers one question and says about how many bytes it took; None when the line is full."""
        self._give = give
        self._queue_max = queue_max
        self._readers: dict[PeerId, _Reader[QuestionT]] = {}
        self.dropped = 0
        """Questions beyond a peer's queue, not answered."""

    def take(self, peer: PeerId, question: QuestionT, now_s: float) -> None:
        """Queue a question; beyond the limit it is dropped: a correct peer never has so many open."""
        reader = self._readers.setdefault(peer, _Reader(now_s))
        if len(reader.questions) >= self._queue_max:
            self.dropped += 1
            return
        reader.questions.append(question)

    def forget(self, peer: PeerId) -> None:
        """A connection is gone; its allowance comes back only by time."""
        reader = self._readers.get(peer)
        if reader is not None:
            reader.questions.clear()

    def serve(self, now_s: float) -> bool:
        """Answer a few questions, one per peer in rotation; True when some could be answered right after.

        What stays because an allowance or a line is full waits for a later call.
        """
        answered = 0
        is_moving = True
        while is_moving and answered < SYNC_SERVED_PER_TURN:
            is_moving = False
            for peer in tuple(self._readers):
                if self._serve_one(peer, now_s):
                    is_moving = True
                    answered += 1
        return is_moving and self.is_waiting()

    def is_waiting(self) -> bool:
        """Whether any question is open."""
        return any(reader.questions for reader in self._readers.values())

    def _serve_one(self, peer: PeerId, now_s: float) -> bool:
        reader = self._readers[peer]
        reader.refill(now_s)
        if not reader.questions or not reader.may_get():
            return False
        size = self._give(peer, reader.questions[0])
        if size is None:
            return False
        reader.questions.popleft()
        reader.requests -= 1
        reader.bytes -= size
        return True


class BlockServer(RationedServer[Question]):
    """Blocks of this node's store."""

    def __init__(self, source: BlockSource, send: Send) -> None:
        super().__init__(self._answer_to)
        self._source = source
        self._send = send

    def status(self) -> StatusResponse:
        """What this node has."""
        return StatusResponse(self._source.height(), self._source.base())

    def _answer_to(self, peer: PeerId, question: Question) -> int | None:
        answer, size = self._answer(question)
        return size if self._send(peer, BlocksyncMessage(answer)) else None

    def _answer(
        self, question: Question
    ) -> tuple[BlockResponse | NoBlockResponse | StatusResponse, int]:
        """The answer and about how many bytes of block it carries."""
        if isinstance(question, StatusRequest):
            return self.status(), 0
        return self._block(question.height)

    def _block(self, height: Height) -> tuple[BlockResponse | NoBlockResponse, int]:
        stored = self._source.load(height) if 0 < height <= self._source.height() else None
        if stored is None:
            return NoBlockResponse(height), 0
        if height < self._source.height():
            return BlockResponse(stored.block), stored.size_bytes
        commit = self._source.load_seen_commit(height)
        return BlockResponse(
            stored.block, None if commit is None else extend(commit)
        ), stored.size_bytes
