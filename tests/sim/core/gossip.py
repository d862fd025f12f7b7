"""Saying things again: what PROTOCOL §5 asks of a node's timer, as `chain.node.gossip` does it."""

from typing import TYPE_CHECKING

from chain.consensus import (
    Input,
    MajorityClaimed,
    ProposalReceived,
    VoteReceived,
    held_majorities,
    held_votes,
)
from chain.types.block import BlockID
from chain.types.primitives import SignedMsgType
from tests.sim.core.town import process_of

if TYPE_CHECKING:
    from tests.sim.core.world import Process, World

TICK_MS = 150
KINDS = {SignedMsgType.PREVOTE: "prevote", SignedMsgType.PRECOMMIT: "precommit"}
Held = tuple[str, int, Input, int]
"""(kind, round, message, process that signed it)"""


def tick(world: "World", process: "Process") -> None:
    """PROTOCOL §5: on its timer a process at rest says again what it holds, as `chain.node.gossip` does."""
    world.push(TICK_MS, process.index, -1, "tick", None)
    position = (process.working_height(), process.state.round)
    if process.position != position:
        process.position, process.still_ticks = position, 0
        return
    process.still_ticks += 1
    if process.still_ticks not in (1, 2) and process.still_ticks % 4:
        return
    if process.liar is not None and not process.liar.resends():
        return
    _request_missing(world, process)
    held: list[Held] | None = None
    for other in world.processes:
        behind = other.working_height()
        if other is process or behind > process.working_height():
            continue
        if behind < process.working_height():
            _serve_decision(world, process, other.index, behind)
            continue
        held = _holdings(world, process) if held is None else held
        for kind, round_, message, author in held:
            world.send(process.index, other.index, kind, behind, round_, message, author)


def _request_missing(world: "World", process: "Process") -> None:
    process.asked += 1
    for place, block_id in enumerate(process.wanted):
        target = (process.asked + place) % world.plan.count
        if target != process.index:
            asked = (process.state.height, process.state.round, block_id)
            world.send(process.index, target, "want", *asked[:2], asked)


def serve(
    world: "World", process: "Process", source: int, height: int, round_: int, block_id: BlockID
) -> None:
    is_willing = process.liar is None or process.liar.serves()
    if is_willing and block_id in process.blocks:
        world.send(process.index, source, "block", height, round_, block_id)


def _serve_decision(world: "World", process: "Process", target: int, height: int) -> None:
    decision = process.decided[height]
    claim = MajorityClaimed(
        SignedMsgType.PRECOMMIT,
        height,
        decision.round,
        decision.block_id,
        bytes([process.index]),
    )
    world.marks["catch_up"] += 1
    world.send(process.index, target, "claim", height, decision.round, claim)
    for vote in decision.precommits:
        if vote.block_id == decision.block_id:
            world.send(process.index, target, "precommit", height, vote.round, VoteReceived(vote))


def _holdings(world: "World", process: "Process") -> list[Held]:
    """Proposals of this round, majorities, votes of the rounds somebody may need."""
    state, source = process.state, bytes([process.index])
    held: list[Held] = [
        ("proposal", p.round, ProposalReceived(p), world.proposers[p])
        for p in state.proposals.get(state.round, ())
    ]
    for round_, type_, block_id in held_majorities(state.votes):
        claim = MajorityClaimed(type_, state.height, round_, block_id, source)
        held.append(("claim", round_, claim, process.index))
    return held + [
        (KINDS[v.type], v.round, VoteReceived(v), process_of(v.validator_address))
        for v in held_votes(state.votes)
    ]
