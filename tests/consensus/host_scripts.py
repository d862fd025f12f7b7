"""Scripted attacks on whole hosts: real signatures, blocks, application, log and store, on virtual time.

The fourth validator is Byzantine: it runs the production host with one thing changed, or speaks through its key.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chain.codec.signbytes import proposal_sign_bytes, vote_sign_bytes
from chain.consensus import ProposalReceived
from chain.crypto.ed25519 import sign
from chain.execution.building import make_block
from chain.node.executor import BuiltBlock, name_block
from chain.types.block import Block, BlockID, Commit, CommitSig, PartSetHeader, Proposal, Vote
from chain.types.messages import BlockPart, ProposalMessage, VoteMessage
from chain.types.primitives import BlockIDFlag, SignedMsgType
from chain.types.timestamp import Timestamp
from tests.consensus.catalogue import attack
from tests.node.virtual import VirtualNetwork, VirtualNode, VirtualTime, seed_of, start_cluster

CHAIN = "virtual-1"
LIAR = 3
HONEST = (0, 1, 2)
Forge = Callable[[VirtualNode, Block], Block]


class Four:
    """Four validators, the last one a liar; `carry` gives a transaction to one node and sees it decided."""

    def __init__(self) -> None:
        self.time: VirtualTime
        self.network: VirtualNetwork
        self.time, self.network = start_cluster(4)
        self.time.run(1)
        self.nodes = [self.network.nodes[i] for i in range(4)]
        self.liar = self.nodes[LIAR]

    def carry(self, tx: bytes, within: int, node: int = 0) -> int:
        """Heights until every correct node has the transaction; AssertionError after `within` of them."""
        began = max(self.nodes[i].height for i in HONEST)
        self.nodes[node].pool.add(tx)
        self.time.run(90, until=lambda: all(self.has(i, tx) for i in HONEST))
        found = self.height_of(tx)
        assert found is not None, f"not decided within {self.nodes[0].height - began} heights"
        assert found - began <= within, f"decided after {found - began} heights"
        return found - began

    def has(self, index: int, tx: bytes) -> bool:
        return any(tx in c.built.block.data.txs for c in self.nodes[index].committed)

    def height_of(self, tx: bytes) -> int | None:
        for committed in self.nodes[0].committed:
            if tx in committed.built.block.data.txs:
                return committed.built.block.header.height
        return None

    def forge_blocks(self, forge: Forge) -> list[BuiltBlock]:
        """Let the liar's blocks be what `forge` makes of them; returns those it built, as it goes on."""
        real, made = self.liar.executor.propose, []

        def propose(*arguments: Any) -> BuiltBlock:
            made.append(name_block(forge(self.liar, real(*arguments).block)))
            return made[-1]

        self.liar.executor.propose = propose  # type: ignore[method-assign]
        return made

    def check(self) -> None:
        """One chain, and times that are the median of what the commit's signers said."""
        lowest = min(self.nodes[i].height for i in HONEST)
        for height in range(1, lowest + 1):
            stored = [self.nodes[i].stores.blocks.load(height) for i in HONEST]
            assert len({s.block_id for s in stored if s is not None}) == 1
            if height > 1 and stored[0] is not None:
                check_time(stored[0].block)

    def refuses_all(self, forge: Forge) -> None:
        """Eight transactions go through while the liar builds such blocks, and none of them is decided."""
        made = self.forge_blocks(forge)
        for number in range(8):
            self.carry(b"k%d=v" % number, within=4)
        decided = {c.built.block_id for c in self.nodes[0].committed}
        assert made, "the liar never proposed"
        assert not [b for b in made if b.block_id in decided], "a forged block was decided"
        assert any(c.built.block.last_commit.round > 0 for c in self.nodes[0].committed)
        self.check()


def check_time(block: Block) -> None:
    """BFT time by a count of its own: equal powers, so the middle line, the lower one of two."""
    assert block.last_commit is not None
    lines = [s for s in block.last_commit.signatures if s.block_id_flag is not BlockIDFlag.ABSENT]
    times = sorted(line.timestamp for line in lines)
    assert block.header.time == times[(len(times) - 1) // 2]


def retimed(block: Block, time: Timestamp) -> Block:
    return replace(block, header=replace(block.header, time=time))


# --- proposers -----------------------------------------------------------------------------------


@attack("L3 (liveness), proposer(h, r)", "a proposer that censors keeps a transaction out for ever")
def censoring_proposer_delays_a_transaction_by_its_own_turn_only() -> None:
    four = Four()
    four.liar.executor._reap = lambda _bytes, _gas: ()
    barren = 0
    for number in range(8):
        heights = four.carry(b"k%d=v" % number, within=4, node=number % 3)
        barren += heights > 1
    assert barren, "the censor's turn came while a transaction waited"
    four.check()


@attack("L23, BFT time", "a proposer sets the town's clock back")
def stale_time_proposer_is_refused() -> None:
    Four().refuses_all(
        lambda node, block: retimed(block, node.host.state.last_block_time.plus_ns(1))
    )


@attack("L23, BFT time", "a proposer lets codes expire by a time to come")
def proposer_of_a_time_to_come_is_refused() -> None:
    Four().refuses_all(lambda _node, block: retimed(block, block.header.time.plus_ns(600 * 10**9)))


@attack("L23, valid(v)", "a proposer builds on a state that nobody has")
def proposer_of_another_state_is_refused() -> None:
    Four().refuses_all(
        lambda _node, block: replace(block, header=replace(block.header, app_hash=b"\x09" * 32))
    )


@attack("L23, VerifyCommit", "a block proves its parent by too few signatures")
def proposer_of_a_thin_commit_is_refused() -> None:
    def thin(node: VirtualNode, block: Block) -> Block:
        commit = block.last_commit
        assert commit is not None
        lines = (*commit.signatures[:2], *(CommitSig() for _ in commit.signatures[2:]))
        return rebuilt(node, block, replace(commit, signatures=lines))

    Four().refuses_all(thin)


@attack("L23, VerifyCommit", "a block proves its parent by signatures that nobody made")
def proposer_of_a_forged_commit_is_refused() -> None:
    def forged(node: VirtualNode, block: Block) -> Block:
        commit = block.last_commit
        assert commit is not None
        lines = tuple(
            replace(line, signature=b"\x01" * 64) if line.signature else line
            for line in commit.signatures
        )
        return rebuilt(node, block, replace(commit, signatures=lines))

    Four().refuses_all(forged)


@attack("L23, validators_hash", "a header names a validator set of the proposer's making")
def proposer_of_another_validator_set_is_refused() -> None:
    Four().refuses_all(
        lambda _node, block: replace(
            block, header=replace(block.header, next_validators_hash=b"\x05" * 32)
        )
    )


@attack("L23, proposer", "somebody proposes in the name of a stranger")
def proposer_in_the_name_of_a_stranger_is_refused() -> None:
    Four().refuses_all(
        lambda _node, block: replace(
            block, header=replace(block.header, proposer_address=b"\x07" * 20)
        )
    )


def rebuilt(node: VirtualNode, block: Block, commit: Commit) -> Block:
    """The same block around another last commit, every hash right."""
    header = block.header
    return make_block(
        node.host.state,
        height=header.height,
        time=header.time,
        txs=block.data.txs,
        last_commit=commit,
        evidence=(),
        proposer=header.proposer_address,
    )


@attack("proposer(h, r)", "a validator proposes when it is not its turn")
def proposal_out_of_turn_is_not_even_kept() -> None:
    four = Four()
    target = four.nodes[1].host
    for round_ in range(4):
        proposal = signed_proposal(four, target.working_height(), round_, total=1)
        target.deliver(ProposalMessage(proposal), "3")
    assert len(kept_forgeries(four)) == 1, "its own turn, of four rounds"


@attack("bounds, CometBFT 0.38.25", "a proposal announces a million parts")
def proposal_of_a_million_parts_is_dropped() -> None:
    four = Four()
    target = four.nodes[1].host
    for round_ in range(4):
        for total in (0, 10**6, 2**31 - 1):
            proposal = signed_proposal(four, target.working_height(), round_, total=total)
            target.deliver(ProposalMessage(proposal), "3")
    assert kept_forgeries(four) == []
    four.carry(b"a=1", within=4)


def kept_forgeries(four: Four) -> list[Proposal]:
    """The liar's proposals that the second node holds, for this height or the next."""
    core = four.nodes[1].host.core
    assert core is not None
    held = [proposal for of_round in core.proposals.values() for proposal in of_round]
    early = [p.proposal for p in core.postponed if isinstance(p, ProposalReceived)]
    return [p for p in (*held, *early) if p.block_id.hash == b"\x03" * 32]


def signed_proposal(four: Four, height: int, round_: int, *, total: int) -> Proposal:
    block_id = BlockID(b"\x03" * 32, PartSetHeader(total, b"\x04" * 32))
    proposal = Proposal(height, round_, -1, block_id, four.time.now())
    message = proposal_sign_bytes(CHAIN, proposal)
    return replace(proposal, signature=sign(seed_of(LIAR), message))


# --- voters --------------------------------------------------------------------------------------


def _retime_votes(four: Four, shift_s: int) -> None:
    """The liar's votes carry a time that is off by so much."""
    four.liar.host._vote_time = lambda _block_id: four.time.now().plus_ns(shift_s * 10**9)  # type: ignore[method-assign]


@attack("BFT time", "one validator's clock moves the town's time into the future")
def vote_of_an_hour_ahead_does_not_move_the_time() -> None:
    four = Four()
    _retime_votes(four, 3_600)
    for number in range(6):
        four.carry(b"k%d=v" % number, within=4)
        assert four.nodes[0].host.state.last_block_time <= four.time.now()
    four.check()


@attack("BFT time", "one validator's clock holds the town's time back")
def vote_of_an_hour_ago_does_not_hold_the_time() -> None:
    four = Four()
    _retime_votes(four, -3_600)
    for number in range(6):
        four.carry(b"k%d=v" % number, within=4)
        behind_ns = four.time.now().to_ns() - four.nodes[0].host.state.last_block_time.to_ns()
        assert behind_ns < 60 * 10**9
    four.check()


@attack(
    "vote time",
    "clocks are set back, votes are older than their block, and no block is valid any more",
)
def clocks_that_are_set_back_do_not_stop_the_town() -> None:
    four = Four()
    four.carry(b"a=1", within=4)
    real = four.time.now
    four.time.now = lambda: real().plus_ns(-3_600 * 10**9)  # type: ignore[method-assign]
    for node in four.nodes:
        node.app.clock = four.time.now
    for number in range(4):
        four.carry(b"k%d=v" % number, within=4)
    four.check()


def signed_vote(four: Four, fill: bytes, **changes: Any) -> Vote:
    """A prevote of the liar for a block that does not exist, at the height to come."""
    state = four.nodes[0].host.state
    index = state.validators.index_of(four.liar.signer.address)
    assert index is not None
    vote = Vote(
        SignedMsgType.PREVOTE,
        state.last_block_height + 1,
        0,
        BlockID(fill * 32, PartSetHeader(1, fill * 32)),
        four.time.now(),
        four.liar.signer.address,
        index,
    )
    chain = changes.pop("chain", CHAIN)
    vote = replace(vote, **changes)
    return replace(vote, signature=sign(seed_of(LIAR), vote_sign_bytes(chain, vote)))


def _is_taken(four: Four, vote: Vote) -> bool:
    host = four.nodes[0].host
    before = host.core
    host.deliver(VoteMessage(vote), "3")
    return host.core is not before


@attack("signatures", "a liar votes in the name of another validator")
def vote_in_the_name_of_another_is_dropped() -> None:
    four = Four()
    state = four.nodes[0].host.state
    for index, member in enumerate(state.validators.validators):
        if member.address != four.liar.signer.address:
            forged = signed_vote(
                four, b"\x01", validator_address=member.address, validator_index=index
            )
            assert not _is_taken(four, forged)
    assert _is_taken(four, signed_vote(four, b"\x01")), "its own vote counts"


@attack("signatures, chain id", "votes of another chain with the same keys are played in")
def vote_of_another_chain_is_dropped() -> None:
    four = Four()
    assert not _is_taken(four, signed_vote(four, b"\x01", chain="virtual-2"))


@attack("signatures", "a vote carries what its signature does not cover")
def vote_with_an_unsigned_extension_is_dropped() -> None:
    four = Four()
    assert not _is_taken(four, replace(signed_vote(four, b"\x01"), extension=b"x"))


@attack("evidence", "an equivocator keeps its power")
def equivocation_is_told_to_the_application_within_two_heights() -> None:
    four = Four()
    told: list[Any] = []
    real = four.nodes[1].app.finalize_block
    four.nodes[1].app.finalize_block = (  # type: ignore[method-assign]
        lambda request: told.extend(request.misbehavior) or real(request)
    )
    began = four.nodes[0].height
    for fill in (b"\x01", b"\x02"):
        four.nodes[0].host.deliver(VoteMessage(signed_vote(four, fill)), "3")
    four.carry(b"a=1", within=2)
    four.time.run(90, until=lambda: bool(told))
    assert [m.validator.address for m in told] == [four.liar.signer.address]
    assert four.nodes[0].height - began <= 3, "decided, then two heights at most"


@attack("parts, Merkle proof", "a wrong part keeps a block from ever being whole")
def wrong_part_does_not_spoil_the_block() -> None:
    four = Four()
    real = four.network.send

    def poison(source: int, body: object) -> None:
        if isinstance(body, BlockPart) and source != LIAR:
            wrong = replace(body, part=replace(body.part, bytes=b"\x00" * len(body.part.bytes)))
            for target in HONEST:
                four.nodes[target].host.deliver(wrong, "3")
        real(source, body)  # type: ignore[arg-type]

    four.network.send = poison  # type: ignore[method-assign,assignment]
    for number in range(4):
        four.carry(b"k%d=v" % number, within=4)
    assert all(c.built.block.last_commit.round == 0 for c in four.nodes[0].committed)
    four.check()
