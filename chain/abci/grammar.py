"""Which ABCI call may come when, and what answers it: one machine for server, client and in-process calls.

The grammar of `spec/abci/abci++_comet_expected_behavior.md` at v0.38, as CometBFT 0.38 keeps it:

    start            = clean-start / recovery
    clean-start      = (init-chain / state-sync) consensus-exec      Info may come before, at any time
    state-sync       = 1*(offer-snapshot *apply-chunk) info          without InitChain since 0.37: `node/node.go`
    recovery         = info consensus-exec
    consensus-exec   = *consensus-height
    consensus-height = *(prepare-proposal / process-proposal) finalize-block commit

CheckTx, Query, Echo, Flush and Info are free. Heights are checked too: each call of consensus names the one
height that comes next. Pure: reads nothing but what it is told.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from chain.abci import errors
from chain.abci.errors import AbciRefusal
from chain.codec.wire import encode_uvarint
from chain.types.abci import (
    Application,
    ProposalStatus,
    RequestCheckTx,
    RequestExtendVote,
    RequestFinalizeBlock,
    RequestInfo,
    RequestInitChain,
    RequestPrepareProposal,
    RequestProcessProposal,
    RequestQuery,
    RequestVerifyVoteExtension,
    ResponseCheckTx,
    ResponseCommit,
    ResponseFinalizeBlock,
    ResponseInfo,
    ResponseInitChain,
    ResponsePrepareProposal,
    ResponseProcessProposal,
    ResponseQuery,
)
from chain.types.block import ABCI_VERSION, BLOCK_PROTOCOL
from chain.types.messages import (
    OfferSnapshotResult,
    RequestApplySnapshotChunk,
    RequestBody,
    RequestCommit,
    RequestOfferSnapshot,
    ResponseBody,
    ResponseOfferSnapshot,
)
from chain.types.primitives import Height

_InHeight: TypeAlias = RequestPrepareProposal | RequestProcessProposal | RequestFinalizeBlock
_Consensus: TypeAlias = (
    RequestInitChain
    | RequestPrepareProposal
    | RequestProcessProposal
    | RequestExtendVote
    | RequestVerifyVoteExtension
    | RequestFinalizeBlock
    | RequestCommit
)
CONSENSUS_CALLS: Final[tuple[type, ...]] = (
    RequestInitChain,
    RequestPrepareProposal,
    RequestProcessProposal,
    RequestExtendVote,
    RequestVerifyVoteExtension,
    RequestFinalizeBlock,
    RequestCommit,
)
"""Calls that only the consensus connection makes."""


class Phase(Enum):
    """Where a client stands."""

    START = "nothing was asked yet"
    KNOWN = "Info told the height"
    OFFERED = "a snapshot was accepted, chunks follow"
    HEIGHT = "a height is in progress"
    DECIDED = "FinalizeBlock was answered, Commit follows"


@dataclass(slots=True)
class Grammar:
    """One engine's calls; `check` before each, `note` after its answer."""

    phase: Phase = Phase.START
    height: Height = 0
    """Last committed height that the application told or that was committed since."""
    next_height: Height = 0
    """The height in progress or the one that comes next; 0 while no chain was begun."""
    _decided: Height = 0
    calls: list[str] = field(default_factory=list)
    """Names of the calls of the grammar so far, for messages of tests; only the last few are kept."""

    def restart(self) -> None:
        """The engine is gone: another one begins with Info; a block not committed never was."""
        self.phase = Phase.START
        self.next_height = self._decided = 0

    # ── before a call ────────────────────────────────────────────────────────────────────────────────

    def check(self, request: RequestBody) -> None:
        """Raise AbciRefusal when this call must not come now; changes nothing."""
        match request:
            case RequestInfo():
                _check_version(request)
            case RequestInitChain():
                self._check_init_chain(request)
            case RequestPrepareProposal() | RequestProcessProposal() | RequestFinalizeBlock():
                self._check_height(request)
            case RequestCommit():
                self._require(self.phase is Phase.DECIDED, "Commit follows FinalizeBlock")
            case RequestExtendVote() | RequestVerifyVoteExtension():
                raise AbciRefusal(errors.EXTENSIONS_OFF, "vote extensions are not used")
            case RequestOfferSnapshot():
                is_new = self.height == 0 and self.phase is not Phase.DECIDED
                self._require(is_new, "a snapshot is offered to an application without blocks")
            case RequestApplySnapshotChunk():
                self._require(self.phase is Phase.OFFERED, "a chunk follows an accepted snapshot")
            case _:
                pass

    def _check_init_chain(self, request: RequestInitChain) -> None:
        if self.height:
            raise AbciRefusal(errors.CHAIN_EXISTS, f"the application is at height {self.height}")
        is_new = self.phase in (Phase.START, Phase.KNOWN)
        self._require(is_new, "InitChain comes once, before everything else")
        if request.initial_height < 1:
            raise AbciRefusal(errors.HEIGHT, f"initial height {request.initial_height}")

    def _check_height(self, request: _InHeight) -> None:
        name = type(request).__name__.removeprefix("Request")
        self._require(self.phase is not Phase.DECIDED, f"Commit comes before {name}")
        self._require(self.phase is not Phase.OFFERED, f"chunks and Info come before {name}")
        self._require(self.phase is not Phase.START, f"Info or InitChain comes before {name}")
        self._require(self.next_height > 0, f"InitChain comes before {name}")
        if request.height != self.next_height:
            raise AbciRefusal(
                errors.HEIGHT, f"{name} of height {request.height}, {self.next_height} comes next"
            )

    def _require(self, is_allowed: bool, rule: str) -> None:
        if not is_allowed:
            raise AbciRefusal(errors.ORDER, f"{rule} ({self.phase.value})")

    # ── after a call ─────────────────────────────────────────────────────────────────────────────────

    def note(self, request: RequestBody, response: ResponseBody) -> None:
        """Move on after an answer; raises AbciRefusal when the answer is none for this request."""
        check_answer(request, response)
        self._remember(request)
        match request, response:
            case RequestInfo(), ResponseInfo():
                self._note_info(response)
            case RequestInitChain(), _:
                self.phase, self.next_height = Phase.HEIGHT, request.initial_height
            case RequestFinalizeBlock(), _:
                self.phase, self._decided = Phase.DECIDED, request.height
            case RequestCommit(), _:
                self.height, self.next_height = self._decided, self._decided + 1
                self.phase = Phase.HEIGHT
            case RequestOfferSnapshot(), ResponseOfferSnapshot(OfferSnapshotResult.ACCEPT):
                self.phase = Phase.OFFERED
            case _:
                pass

    def _note_info(self, response: ResponseInfo) -> None:
        """Info tells the height to who begins; later it is only a question."""
        if self.phase not in (Phase.START, Phase.OFFERED):
            return
        self.phase, self.height = Phase.KNOWN, response.last_block_height
        self.next_height = self.height + 1 if self.height else 0

    def _remember(self, request: RequestBody) -> None:
        if isinstance(request, CONSENSUS_CALLS):
            self.calls = [*self.calls[-15:], type(request).__name__.removeprefix("Request")]


def _check_version(request: RequestInfo) -> None:
    """CometBFT 0.38 says 2.0.0 and block protocol 11; a tool that says nothing may ask."""
    said = (request.abci_version, request.block_version)
    if said not in (("", 0), (ABCI_VERSION, BLOCK_PROTOCOL)):
        raise AbciRefusal(
            errors.VERSION,
            f"ABCI {request.abci_version or 'unknown'} with block protocol {request.block_version}, "
            f"this application speaks {ABCI_VERSION} with {BLOCK_PROTOCOL}",
        )


def check_answer(request: RequestBody, response: ResponseBody) -> None:
    """Whether an answer is one for the request (`spec/abci/abci++_app_requirements.md`); raises AbciRefusal."""
    asked = type(request).__name__.removeprefix("Request")
    if type(response).__name__ != f"Response{asked}":
        raise AbciRefusal(errors.ORDER, f"{type(response).__name__} does not answer {asked}")
    flaw = None
    match request, response:
        case RequestFinalizeBlock(), ResponseFinalizeBlock():
            if len(response.tx_results) != len(request.txs):
                flaw = f"{len(response.tx_results)} results for {len(request.txs)} transactions"
        case RequestPrepareProposal(), ResponsePrepareProposal():
            size = sum(1 + len(encode_uvarint(len(tx))) + len(tx) for tx in response.txs)
            if size > request.max_tx_bytes:
                flaw = f"{size} bytes of transactions, {request.max_tx_bytes} are allowed"
        case RequestProcessProposal(), ResponseProcessProposal(ProposalStatus.UNKNOWN):
            flaw = "ProcessProposal neither accepts nor rejects"
        case _:
            pass
    if flaw is not None:
        raise AbciRefusal(errors.ORDER, flaw)


class CheckedApplication:
    """An application whose every call and answer goes through a grammar: for engines that call in process."""

    def __init__(self, app: Application, grammar: Grammar | None = None) -> None:
        self._app = app
        self.grammar = grammar or Grammar()

    def info(self, request: RequestInfo) -> ResponseInfo:
        """As the application's; AbciRefusal for a call out of order, here and below."""
        self.grammar.check(request)
        response = self._app.info(request)
        self.grammar.note(request, response)
        return response

    def init_chain(self, request: RequestInitChain) -> ResponseInitChain:
        self.grammar.check(request)
        response = self._app.init_chain(request)
        self.grammar.note(request, response)
        return response

    def query(self, request: RequestQuery) -> ResponseQuery:
        return self._app.query(request)

    def check_tx(self, request: RequestCheckTx) -> ResponseCheckTx:
        return self._app.check_tx(request)

    def prepare_proposal(self, request: RequestPrepareProposal) -> ResponsePrepareProposal:
        self.grammar.check(request)
        response = self._app.prepare_proposal(request)
        self.grammar.note(request, response)
        return response

    def process_proposal(self, request: RequestProcessProposal) -> ResponseProcessProposal:
        self.grammar.check(request)
        response = self._app.process_proposal(request)
        self.grammar.note(request, response)
        return response

    def finalize_block(self, request: RequestFinalizeBlock) -> ResponseFinalizeBlock:
        self.grammar.check(request)
        response = self._app.finalize_block(request)
        self.grammar.note(request, response)
        return response

    def commit(self) -> ResponseCommit:
        request = RequestCommit()
        self.grammar.check(request)
        response = self._app.commit()
        self.grammar.note(request, response)
        return response
