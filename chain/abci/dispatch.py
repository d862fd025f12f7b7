"""One request of the socket to the method of the application that answers it."""

from typing import Protocol, TypeGuard, assert_never, runtime_checkable

from chain.abci import errors
from chain.abci.errors import AbciRefusal
from chain.types.abci import (
    Application,
    RequestCheckTx,
    RequestExtendVote,
    RequestFinalizeBlock,
    RequestInfo,
    RequestInitChain,
    RequestPrepareProposal,
    RequestProcessProposal,
    RequestQuery,
    RequestVerifyVoteExtension,
)
from chain.types.messages import (
    ApplySnapshotChunkResult,
    OfferSnapshotResult,
    RequestApplySnapshotChunk,
    RequestBody,
    RequestCommit,
    RequestEcho,
    RequestFlush,
    RequestListSnapshots,
    RequestLoadSnapshotChunk,
    RequestOfferSnapshot,
    ResponseApplySnapshotChunk,
    ResponseBody,
    ResponseEcho,
    ResponseFlush,
    ResponseListSnapshots,
    ResponseLoadSnapshotChunk,
    ResponseOfferSnapshot,
)


@runtime_checkable
class SnapshotApplication(Protocol):
    """The snapshot connection; an application without these methods offers and restores nothing."""

    def list_snapshots(self, request: RequestListSnapshots) -> ResponseListSnapshots: ...

    def load_snapshot_chunk(
        self, request: RequestLoadSnapshotChunk
    ) -> ResponseLoadSnapshotChunk: ...

    def offer_snapshot(self, request: RequestOfferSnapshot) -> ResponseOfferSnapshot: ...

    def apply_snapshot_chunk(
        self, request: RequestApplySnapshotChunk
    ) -> ResponseApplySnapshotChunk: ...


def _has_snapshots(app: object) -> TypeGuard[SnapshotApplication]:
    return isinstance(app, SnapshotApplication)


def dispatch(app: Application, request: RequestBody) -> ResponseBody:
    """The answer; whatever the application raises comes through. Raises AbciRefusal for vote extensions."""
    match request:
        case RequestEcho(message):
            return ResponseEcho(message)
        case RequestFlush():
            return ResponseFlush()
        case RequestInfo():
            return app.info(request)
        case RequestInitChain():
            return app.init_chain(request)
        case RequestQuery():
            return app.query(request)
        case RequestCheckTx():
            return app.check_tx(request)
        case RequestPrepareProposal():
            return app.prepare_proposal(request)
        case RequestProcessProposal():
            return app.process_proposal(request)
        case RequestFinalizeBlock():
            return app.finalize_block(request)
        case RequestCommit():
            return app.commit()
        case RequestExtendVote() | RequestVerifyVoteExtension():
            raise AbciRefusal(errors.EXTENSIONS_OFF, "vote extensions are not used")
        case RequestListSnapshots():
            return app.list_snapshots(request) if _has_snapshots(app) else ResponseListSnapshots()
        case RequestOfferSnapshot():
            if _has_snapshots(app):
                return app.offer_snapshot(request)
            return ResponseOfferSnapshot(OfferSnapshotResult.REJECT)
        case RequestLoadSnapshotChunk():
            if _has_snapshots(app):
                return app.load_snapshot_chunk(request)
            return ResponseLoadSnapshotChunk()
        case RequestApplySnapshotChunk():
            if _has_snapshots(app):
                return app.apply_snapshot_chunk(request)
            return ResponseApplySnapshotChunk(ApplySnapshotChunkResult.ABORT)
        case _:
            assert_never(request)
