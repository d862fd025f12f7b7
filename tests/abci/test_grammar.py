"""The grammar: what CometBFT does is allowed, what it never does is refused by a code."""

import asyncio

import pytest

from chain.abci import errors
from chain.abci.errors import AbciRefusal
from chain.abci.grammar import CheckedApplication, Grammar, Phase
from chain.node.node import Node
from chain.types.abci import (
    ExecTxResult,
    ProposalStatus,
    RequestCheckTx,
    RequestExtendVote,
    RequestInfo,
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
    Snapshot,
)
from chain.types.messages import (
    ApplySnapshotChunkResult,
    OfferSnapshotResult,
    RequestApplySnapshotChunk,
    RequestCommit,
    RequestOfferSnapshot,
    ResponseApplySnapshotChunk,
    ResponseOfferSnapshot,
)
from tests.abci.calls import INFO, finalize, init_chain, prepare, process
from tests.node.kvstore_app import KvStoreApp
from tests.node.live import first_block, make_home
from tests.waiting import run_within

ACCEPT = ResponseProcessProposal(ProposalStatus.ACCEPT)
OFFER = RequestOfferSnapshot(Snapshot(5, 1, 1, b"h"), b"a" * 32)
OFFERED = ResponseOfferSnapshot(OfferSnapshotResult.ACCEPT)
CHUNK = RequestApplySnapshotChunk(0, b"c", "peer")
TAKEN = ResponseApplySnapshotChunk(ApplySnapshotChunkResult.ACCEPT)


def at_height(height: int) -> list:
    return [(INFO, ResponseInfo(last_block_height=height))]


def played(*calls) -> Grammar:
    grammar = Grammar()
    for request, response in calls:
        grammar.check(request)
        grammar.note(request, response)
    return grammar


FRESH = [*at_height(0), (init_chain(), ResponseInitChain())]
BLOCK_1 = [(finalize(1), ResponseFinalizeBlock()), (RequestCommit(), ResponseCommit())]


@pytest.mark.parametrize(
    ("calls", "phase", "height", "next_height"),
    [
        ([*FRESH, *BLOCK_1], Phase.HEIGHT, 1, 2),
        ([(init_chain(), ResponseInitChain()), *BLOCK_1], Phase.HEIGHT, 1, 2),
        (
            [*FRESH, (prepare(1), ResponsePrepareProposal()), (process(1), ACCEPT), *BLOCK_1],
            Phase.HEIGHT,
            1,
            2,
        ),
        ([*FRESH, (process(1), ACCEPT), (process(1), ACCEPT), *BLOCK_1], Phase.HEIGHT, 1, 2),
        ([*FRESH, (prepare(1), ResponsePrepareProposal()), *BLOCK_1], Phase.HEIGHT, 1, 2),
        (
            [
                *at_height(7),
                (finalize(8), ResponseFinalizeBlock()),
                (RequestCommit(), ResponseCommit()),
                (process(9), ACCEPT),
            ],
            Phase.HEIGHT,
            8,
            9,
        ),
        (
            [
                *at_height(0),
                (init_chain(initial_height=91), ResponseInitChain()),
                (finalize(91), ResponseFinalizeBlock()),
            ],
            Phase.DECIDED,
            0,
            91,
        ),
        (
            [
                *at_height(0),
                (OFFER, ResponseOfferSnapshot(OfferSnapshotResult.REJECT)),
                (OFFER, OFFERED),
                (CHUNK, TAKEN),
                (CHUNK, TAKEN),
                (INFO, ResponseInfo(last_block_height=5)),
                (finalize(6), ResponseFinalizeBlock()),
            ],
            Phase.DECIDED,
            5,
            6,
        ),
        (
            [
                *FRESH,
                (finalize(1), ResponseFinalizeBlock()),
                (RequestCheckTx(b"x=1"), ResponseCheckTx()),
                (RequestQuery(), ResponseQuery()),
                (INFO, ResponseInfo(last_block_height=0)),
                (RequestCommit(), ResponseCommit()),
            ],
            Phase.HEIGHT,
            1,
            2,
        ),
    ],
    ids=[
        "clean start",
        "clean start without info",
        "proposer",
        "two rounds",
        "own proposal not judged",
        "recovery",
        "a chain that goes on at 91",
        "state sync",
        "free calls at any time",
    ],
)
def test_what_cometbft_does_is_allowed_and_followed(calls, phase, height, next_height):
    grammar = played(*calls)
    assert (grammar.phase, grammar.height, grammar.next_height) == (phase, height, next_height)


@pytest.mark.parametrize(
    ("before", "request_", "code"),
    [
        ([], finalize(1), errors.ORDER),
        ([], RequestCommit(), errors.ORDER),
        ([], prepare(1), errors.ORDER),
        (at_height(0), process(1), errors.ORDER),
        (at_height(3), init_chain(), errors.CHAIN_EXISTS),
        (at_height(0), init_chain(initial_height=0), errors.HEIGHT),
        (at_height(3), finalize(5), errors.HEIGHT),
        (at_height(3), finalize(3), errors.HEIGHT),
        (at_height(3), process(3), errors.HEIGHT),
        (at_height(3), RequestCommit(), errors.ORDER),
        (FRESH, init_chain(), errors.ORDER),
        (FRESH, finalize(2), errors.HEIGHT),
        ([*FRESH, BLOCK_1[0]], finalize(1), errors.ORDER),
        ([*FRESH, BLOCK_1[0]], finalize(2), errors.ORDER),
        ([*FRESH, BLOCK_1[0]], prepare(2), errors.ORDER),
        ([*FRESH, BLOCK_1[0]], OFFER, errors.ORDER),
        ([*FRESH, *BLOCK_1], RequestCommit(), errors.ORDER),
        ([*FRESH, *BLOCK_1], OFFER, errors.ORDER),
        (at_height(0), CHUNK, errors.ORDER),
        ([*at_height(0), (OFFER, OFFERED)], finalize(6), errors.ORDER),
        ([*at_height(0), (OFFER, OFFERED), (CHUNK, TAKEN)], prepare(6), errors.ORDER),
        (FRESH, RequestExtendVote(b"h", 1), errors.EXTENSIONS_OFF),
        (FRESH, RequestVerifyVoteExtension(b"h", b"a", 1), errors.EXTENSIONS_OFF),
        ([], RequestInfo("1.0.1", 11, 9, "2.1.0"), errors.VERSION),
        ([], RequestInfo("0.37.2", 11, 8, "1.0.0"), errors.VERSION),
        ([], RequestInfo("0.34.9", 11, 8, ""), errors.VERSION),
        ([], RequestInfo("0.38.26", 12, 8, "2.0.0"), errors.VERSION),
    ],
)
def test_a_call_that_must_not_come_now_is_refused_and_changes_nothing(before, request_, code):
    grammar = played(*before)
    kept = (grammar.phase, grammar.height, grammar.next_height)
    with pytest.raises(AbciRefusal) as refused:
        grammar.check(request_)
    assert refused.value.code == code
    assert (grammar.phase, grammar.height, grammar.next_height) == kept


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (finalize(1, b"a=1"), ResponseFinalizeBlock()),
        (finalize(1), ResponseFinalizeBlock(tx_results=(ExecTxResult(),))),
        (prepare(1, room=5), ResponsePrepareProposal((b"1234",))),
        (process(1), ResponseProcessProposal()),
        (finalize(1), ResponseCommit()),
    ],
)
def test_an_answer_that_is_none_is_noticed(request_, response):
    grammar = played(*FRESH)
    with pytest.raises(AbciRefusal):
        grammar.note(request_, response)


def test_the_room_of_a_proposal_counts_each_transactions_tag_and_length():
    grammar, four_bytes = played(*FRESH), ResponsePrepareProposal((b"1234",))
    with pytest.raises(AbciRefusal, match="6 bytes of transactions, 5 are allowed"):
        grammar.note(prepare(1, room=5), four_bytes)
    grammar.note(prepare(1, room=6), four_bytes)
    assert grammar.calls[-1] == "PrepareProposal"


def test_an_engine_that_is_gone_must_introduce_itself_again():
    grammar = played(*FRESH, *BLOCK_1, (finalize(2), ResponseFinalizeBlock()))
    grammar.restart()
    with pytest.raises(AbciRefusal):
        grammar.check(RequestCommit())
    with pytest.raises(AbciRefusal):
        grammar.check(finalize(2))
    for request, response in [*at_height(1), (finalize(2), ResponseFinalizeBlock())]:
        grammar.check(request)
        grammar.note(request, response)


def test_the_embedded_engine_keeps_the_grammar(tmp_path):
    """Start, blocks, a stop, a start that recovers: the in-process calls of the node itself."""
    home = make_home(tmp_path)
    calls: list[str] = []

    async def run(expected_first: str) -> None:
        checked: list[CheckedApplication] = []

        def factory(store, clock):
            checked.append(CheckedApplication(KvStoreApp(store, clock.now)))
            return checked[0]

        node = Node(home, app_factory=factory, has_own_store=True)
        loop = asyncio.get_running_loop()
        escaped = []
        loop.set_exception_handler(lambda _loop, context: escaped.append(context))
        await node.start(loop)
        try:
            await first_block(node)
            height = node.stores.blocks.height()
            node.submit_tx(b"n%d=1" % height)
            for _ in range(400):
                if node.stores.blocks.height() >= height + 2:
                    break
                await asyncio.sleep(0.005)
        finally:
            await node.stop()
        assert not escaped
        grammar = checked[0].grammar
        assert grammar.height == node.stores.blocks.height()
        calls.extend(grammar.calls)

    run_within(run("InitChain"))
    assert calls[0] == "InitChain"
    assert {"PrepareProposal", "ProcessProposal", "FinalizeBlock", "Commit"} <= set(calls)
    calls.clear()
    run_within(run("FinalizeBlock"))
    assert "InitChain" not in calls


def test_an_engine_in_process_that_forgets_commit_is_stopped():
    app = CheckedApplication(kvstore_in_memory())
    app.info(INFO)
    app.init_chain(init_chain())
    app.finalize_block(finalize(1))
    with pytest.raises(AbciRefusal, match="abci_order"):
        app.finalize_block(finalize(2))


def kvstore_in_memory() -> KvStoreApp:
    from tests.abci.calls import kvstore

    return kvstore()
