"""Byzantine validators: a real node inside, and a mouth that says what the puppet wants, signed with the node's key.

Each trick is a small rule on what leaves the node; a puppet has one to three of them. It knows everything that was
said on the wire (`hear`), as an adversary that owns the network would.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chain.codec.hashing import PartSet, hash_data, make_block_id
from chain.codec.signbytes import proposal_sign_bytes, vote_sign_bytes
from chain.crypto.ed25519 import sign
from chain.p2p.channels import ChannelId, channel_of
from chain.types.block import NIL_BLOCK_ID, Block, BlockID, Proposal, Vote
from chain.types.messages import (
    BlockPart,
    BlockResponse,
    BlocksyncMessage,
    ConsensusMessage,
    NoBlockResponse,
    ProposalMessage,
    StatusResponse,
    VoteMessage,
)
from chain.types.primitives import SignedMsgType
from tests.sim.full.machine import Machine
from tests.sim.full.watch import Marks

TRICKS = (
    "equivocate votes",
    "equivocate proposals",
    "amnesia",
    "withhold parts",
    "lie about the lock's round",
    "flood nil",
    "invalid blocks",
    "lie in block sync",
    "selective",
    "repeat the past",
)
POISON = b"poison=1"
"""A transaction that the key-value application rejects in a proposal."""

Said = list[tuple[ChannelId, Any]]


class Puppet:
    """The mouth of one machine."""

    def __init__(
        self,
        machine: Machine,
        chain_id: str,
        tricks: tuple[str, ...],
        chance: random.Random,
        marks: Marks,
        peers: list[int],
    ) -> None:
        self.machine, self.chain_id, self.tricks = machine, chain_id, tricks
        self.chance, self.marks = chance, marks
        self.others = frozenset(chance.sample(peers, max(1, len(peers) // 2)))
        """Peers that are told the other story."""
        self._proposals: dict[tuple[int, int], list[BlockID]] = {}
        self._twins: dict[BlockID, tuple[BlockID, PartSet]] = {}
        """Second blocks, by the id of the block they stand in for."""
        self._past: list[tuple[ChannelId, Any]] = []
        self._rules: list[Callable[[int, ChannelId, Any], Said | None]] = [
            getattr(self, "_" + trick.replace(" ", "_").replace("'", "")) for trick in tricks
        ]

    # ── ears and mouth ───────────────────────────────────────────────────────────────────────────────

    def hear(self, message: Any) -> None:
        if isinstance(message, ConsensusMessage) and isinstance(message.value, ProposalMessage):
            proposal = message.value.proposal
            known = self._proposals.setdefault((proposal.height, proposal.round), [])
            if proposal.block_id not in known:
                known.append(proposal.block_id)

    def say(self, target: int, channel: ChannelId, message: Any) -> Said:
        """What goes to `target` in place of a message: the first trick that has an answer wins."""
        for rule in self._rules:
            said = rule(target, channel, message)
            if said is not None:
                return said
        return [(channel, message)]

    def _count(self, what: str) -> None:
        self.marks[f"puppet: {what}"] += 1

    # ── forging ──────────────────────────────────────────────────────────────────────────────────────

    def _own_vote(self, message: Any) -> Vote | None:
        if not isinstance(message, ConsensusMessage) or not isinstance(message.value, VoteMessage):
            return None
        vote = message.value.vote
        return vote if vote.validator_address == self.machine.address else None

    def _vote(self, vote: Vote, **changes: Any) -> tuple[ChannelId, Any]:
        changed = replace(vote, **changes)
        signature = sign(self.machine.seed, vote_sign_bytes(self.chain_id, changed))
        body = VoteMessage(replace(changed, signature=signature))
        return channel_of(body), ConsensusMessage(body)

    def _own_proposal(self, message: Any) -> Proposal | None:
        if not isinstance(message, ConsensusMessage):
            return None
        if not isinstance(message.value, ProposalMessage):
            return None
        proposal = message.value.proposal
        return proposal if self._is_own_block(proposal.block_id) else None

    def _proposal(self, proposal: Proposal, **changes: Any) -> tuple[ChannelId, Any]:
        changed = replace(proposal, **changes)
        signature = sign(self.machine.seed, proposal_sign_bytes(self.chain_id, changed))
        body = ProposalMessage(replace(changed, signature=signature))
        return channel_of(body), ConsensusMessage(body)

    def _blocks(self) -> dict[BlockID, Any]:
        node = self.machine.node
        return {} if node is None or node.host is None else node.host._work.parts.blocks

    def _is_own_block(self, block_id: BlockID) -> bool:
        built = self._blocks().get(block_id)
        return built is not None and built.block.header.proposer_address == self.machine.address

    def _twin_of(self, block_id: BlockID, change: Callable[[Block], Block]) -> Any:
        """Another block in place of ours; None while ours is not known whole."""
        if block_id not in self._twins:
            built = self._blocks().get(block_id)
            if built is None or built.block.header.proposer_address != self.machine.address:
                return None
            self._twins[block_id] = make_block_id(change(built.block))
        return self._twins[block_id]

    def _original_of_part(self, part: Any) -> BlockID | None:
        for block_id, built in self._blocks().items():
            own = built.block.header.proposer_address == self.machine.address
            if own and part in built.parts.parts:
                return block_id
        return None

    def _swap(self, message: Any, change: Callable[[Block], Block]) -> Said | None:
        """Our proposal, its parts and our votes for it, told of its twin."""
        if not isinstance(message, ConsensusMessage):
            return None
        match message.value:
            case BlockPart(height, round_, part):
                original = self._original_of_part(part)
                twin = None if original is None else self._twin_of(original, change)
                if twin is None:
                    return None
                bodies = [BlockPart(height, round_, p) for p in twin[1].parts]
                return [(channel_of(body), ConsensusMessage(body)) for body in bodies]
            case ProposalMessage(proposal):
                twin = self._twin_of(proposal.block_id, change)
                return None if twin is None else [self._proposal(proposal, block_id=twin[0])]
            case _:
                vote = self._own_vote(message)
                if vote is None or vote.block_id not in self._twins:
                    return None
                return [self._vote(vote, block_id=self._twins[vote.block_id][0])]

    # ── tricks ───────────────────────────────────────────────────────────────────────────────────────

    def _equivocate_votes(self, target: int, channel: ChannelId, message: Any) -> Said | None:
        """Some peers hear the vote, others its opposite, a few both."""
        vote = self._own_vote(message)
        if vote is None or target not in self.others:
            return None
        known = self._proposals.get((vote.height, vote.round), [])
        other = NIL_BLOCK_ID if not vote.block_id.is_nil() else (known or [NIL_BLOCK_ID])[0]
        if other == vote.block_id:
            return None
        self._count("equivocated")
        said = [self._vote(vote, block_id=other)]
        return [*said, (channel, message)] if self.chance.random() < 0.3 else said

    def _equivocate_proposals(self, target: int, channel: ChannelId, message: Any) -> Said | None:
        """Two valid blocks for one round, to disjoint peers."""
        if target not in self.others:
            return None
        said = self._swap(message, _without_last_tx)
        if said is not None:
            self._count("two proposals")
        return said

    def _amnesia(self, target: int, channel: ChannelId, message: Any) -> Said | None:
        """No lock is remembered: every nil vote becomes one for what is proposed in that round."""
        vote = self._own_vote(message)
        known = [] if vote is None else self._proposals.get((vote.height, vote.round), [])
        if vote is None or not vote.block_id.is_nil() or not known:
            return None
        self._count("forgot its lock")
        return [self._vote(vote, block_id=known[0])]

    def _withhold_parts(self, target: int, channel: ChannelId, message: Any) -> Said | None:
        is_part = isinstance(message, ConsensusMessage) and isinstance(message.value, BlockPart)
        if not is_part or target not in self.others:
            return None
        self._count("withheld a part")
        return []

    def _lie_about_the_locks_round(
        self, target: int, channel: ChannelId, message: Any
    ) -> Said | None:
        proposal = self._own_proposal(message)
        if proposal is None:
            return None
        rounds = [r for r in (-1, 0, proposal.round - 1, proposal.round) if r != proposal.pol_round]
        self._count("lied about a round")
        return [self._proposal(proposal, pol_round=max(-1, self.chance.choice(rounds)))]

    def _flood_nil(self, target: int, channel: ChannelId, message: Any) -> Said | None:
        """Nil for this round and many to come."""
        vote = self._own_vote(message)
        if vote is None:
            return None
        self._count("flooded nil")
        rounds = [vote.round, *range(vote.round + 1, vote.round + 4), vote.round + 40]
        return [
            self._vote(vote, type=kind, round=round_, block_id=NIL_BLOCK_ID)
            for round_ in rounds
            for kind in (SignedMsgType.PREVOTE, SignedMsgType.PRECOMMIT)
        ]

    def _invalid_blocks(self, target: int, channel: ChannelId, message: Any) -> Said | None:
        change = self.chance.choice((_bad_time, _bad_app_hash, _bad_tx, _bad_validators))
        said = self._swap(message, change)
        if said is not None:
            self._count("invalid block")
        return said

    def _lie_in_block_sync(self, target: int, channel: ChannelId, message: Any) -> Said | None:
        if not isinstance(message, BlocksyncMessage):
            return None
        self._count("lied in block sync")
        match message.value:
            case StatusResponse(height, base):
                return [(channel, BlocksyncMessage(StatusResponse(height + 50, base)))]
            case BlockResponse(block) as response:
                draw = self.chance.random()
                if draw < 0.3:
                    refusal = NoBlockResponse(block.header.height)
                    return [(channel, BlocksyncMessage(refusal))]
                if draw < 0.5:
                    return []
                change = self.chance.choice((_bad_time, _bad_app_hash, _bad_tx))
                return [(channel, BlocksyncMessage(replace(response, block=change(block))))]
            case _:
                return None

    def _selective(self, target: int, channel: ChannelId, message: Any) -> Said | None:
        """Speaks of consensus with some peers only."""
        if not isinstance(message, ConsensusMessage) or target not in self.others:
            return None
        self._count("kept silent")
        return []

    def _repeat_the_past(self, target: int, channel: ChannelId, message: Any) -> Said | None:
        if len(self._past) < 400:
            self._past.append((channel, message))
        if self.chance.random() > 0.2:
            return None
        self._count("repeated the past")
        return [(channel, message), self.chance.choice(self._past)]


def _rehashed(block: Block, txs: tuple[bytes, ...]) -> Block:
    header = replace(block.header, data_hash=hash_data(txs))
    return replace(block, header=header, data=replace(block.data, txs=txs))


def _without_last_tx(block: Block) -> Block:
    """Another valid block when there is something to leave out."""
    if block.data.txs:
        return _rehashed(block, block.data.txs[:-1])
    return _rehashed(block, (b"twin%d=1" % block.header.height,))


def _bad_time(block: Block) -> Block:
    return replace(block, header=replace(block.header, time=block.header.time.plus_ns(10**9)))


def _bad_app_hash(block: Block) -> Block:
    return replace(block, header=replace(block.header, app_hash=b"\x77" * 32))


def _bad_tx(block: Block) -> Block:
    return _rehashed(block, (*block.data.txs, POISON))


def _bad_validators(block: Block) -> Block:
    return replace(block, header=replace(block.header, validators_hash=b"\x66" * 32))
