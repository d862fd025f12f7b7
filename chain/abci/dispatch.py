"""One request of the socket to the method of the application that answers it."""

from typing import assert_never

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
            return ResponseListSnapshots()
        case RequestOfferSnapshot():
            return ResponseOfferSnapshot(OfferSnapshotResult.REJECT)
        case RequestLoadSnapshotChunk():
            return ResponseLoadSnapshotChunk()
        case RequestApplySnapshotChunk():
            return ResponseApplySnapshotChunk(ApplySnapshotChunkResult.ABORT)
        case _:
            assert_never(request)
