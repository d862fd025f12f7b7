"""Answering peers that join by snapshot: offers, chunks, light blocks, parameters; rationed as blocks are."""

from collections.abc import Callable
from typing import TypeAlias

from chain.codec.proto import encode
from chain.limits import STATESYNC_OFFERS_PER_PEER, STATESYNC_SERVE_QUEUE
from chain.sync.light_source import HeaderSource, ValidatorSource, load_light_block
from chain.sync.ports import ParamsSource, PeerId, SnapshotApplication
from chain.sync.serving import RationedServer
from chain.types.messages import (
    ChunkRequest,
    ChunkResponse,
    LightBlockRequest,
    LightBlockResponse,
    ParamsRequest,
    ParamsResponse,
    RequestListSnapshots,
    RequestLoadSnapshotChunk,
    SnapshotsRequest,
    SnapshotsResponse,
    StatesyncMessage,
)

StateQuestion: TypeAlias = SnapshotsRequest | ChunkRequest | LightBlockRequest | ParamsRequest
Send: TypeAlias = Callable[[PeerId, StatesyncMessage], bool]
_SMALL_BYTES = 64


class StateServer(RationedServer[StateQuestion]):
    """One node's snapshots and proofs; without an application that makes snapshots it offers none."""

    def __init__(
        self,
        app: SnapshotApplication | None,
        headers: HeaderSource,
        states: ValidatorSource,
        params: ParamsSource,
        send: Send,
    ) -> None:
        super().__init__(self._answer_to, STATESYNC_SERVE_QUEUE)
        self._app = app
        self._headers = headers
        self._states = states
        self._params = params
        self._send = send

    def _answer_to(self, peer: PeerId, question: StateQuestion) -> int | None:
        match question:
            case SnapshotsRequest():
                return self._offer(peer)
            case ChunkRequest():
                answer = self._chunk(question)
                sent = self._send(peer, StatesyncMessage(answer))
                return len(answer.chunk) + _SMALL_BYTES if sent else None
            case LightBlockRequest(height):
                block = load_light_block(self._headers, self._states, height)
                message = StatesyncMessage(LightBlockResponse(block))
                return len(encode(message)) if self._send(peer, message) else None
            case ParamsRequest(height):
                return self._tell_params(peer, height)

    def _offer(self, peer: PeerId) -> int | None:
        if self._app is None:
            return 0
        size = 0
        offered = self._app.list_snapshots(RequestListSnapshots()).snapshots
        for snapshot in offered[:STATESYNC_OFFERS_PER_PEER]:
            response = SnapshotsResponse(
                snapshot.height,
                snapshot.format,
                snapshot.chunks,
                snapshot.hash,
                snapshot.metadata,
            )
            self._send(peer, StatesyncMessage(response))
            size += len(snapshot.metadata) + _SMALL_BYTES
        return size

    def _chunk(self, question: ChunkRequest) -> ChunkResponse:
        chunk = b""
        if self._app is not None:
            wanted = RequestLoadSnapshotChunk(question.height, question.format, question.index)
            chunk = self._app.load_snapshot_chunk(wanted).chunk
        return ChunkResponse(
            question.height, question.format, question.index, chunk, missing=not chunk
        )

    def _tell_params(self, peer: PeerId, height: int) -> int | None:
        known = 0 < height <= self._headers.height() + 1
        params = self._params.load_params(height) if known else None
        if params is None:
            return 0
        sent = self._send(peer, StatesyncMessage(ParamsResponse(height, params)))
        return _SMALL_BYTES if sent else None
