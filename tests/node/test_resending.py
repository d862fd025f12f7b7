"""What gossip says again and to whom (PROTOCOL §5): one node, its peers' lines written down, no sockets, no waiting."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chain.consensus import CoreState, ProposalReceived, TimeoutKind
from chain.node.gossip import ConsensusGossip
from chain.node.host_parts import CutBlock
from chain.p2p.channels import ChannelId
from chain.store.blocks import BlockStore
from chain.types.block import BlockID
from chain.types.messages import (
    ConsensusBody,
    ConsensusMessage,
    NewRoundStep,
    NewValidBlock,
    ProposalMessage,
    VoteMessage,
    VoteSetMaj23,
)
from tests.consensus.lone import HEIGHT, NIL, PRECOMMIT, PREVOTE, Lone, block, proposal
from tests.node.virtual import VirtualTime
from tests.sync.kit import new_chain


class Lines:
    """`Switch` by shape: what each peer was sent, and the way to say something as a peer."""

    def __init__(self, *peers: str) -> None:
        self._peers = peers
        self.sent: list[tuple[str, ConsensusBody]] = []
        self.on_peer_up: list[Callable[[str], None]] = []
        self.on_peer_down: list[Callable[[str], None]] = []
        self._handlers: dict[ChannelId, Callable[[str, ConsensusMessage], None]] = {}

    def peers(self) -> tuple[str, ...]:
        return self._peers

    def handle(self, channel: ChannelId, handler: Callable[[str, ConsensusMessage], None]) -> None:
        self._handlers[channel] = handler

    def send(self, peer: str, _channel: ChannelId, message: ConsensusMessage) -> bool:
        self.sent.append((peer, message.value))
        return True

    def broadcast(
        self, channel: ChannelId, message: ConsensusMessage, *, besides: frozenset[str]
    ) -> None:
        for peer in self._peers:
            if peer not in besides:
                self.send(peer, channel, message)

    def say(self, peer: str, channel: ChannelId, body: ConsensusBody) -> None:
        self._handlers[channel](peer, ConsensusMessage(body))

    def heard(self, peer: str) -> set[tuple[Any, ...]]:
        """Votes (type, round, block, voter) and claims (type, round, block) that a peer was sent."""
        found: set[tuple[Any, ...]] = set()
        for to, body in self.sent:
            match body:
                case VoteMessage(vote) if to == peer and vote is not None:
                    found.add((vote.type, vote.round, vote.block_id, vote.validator_index))
                case VoteSetMaj23(_, round_, type_, block_id) if to == peer:
                    found.add((type_, round_, block_id))
        return found


class Working:
    """The questions gossip asks a host, answered by a core that works at `HEIGHT`."""

    def __init__(self, lone: Lone, *missing: BlockID) -> None:
        self._lone = lone
        self.missing = tuple(CutBlock(block_id, (False,)) for block_id in missing)

    def running_core(self) -> CoreState:
        return self._lone.state

    def working_height(self) -> int:
        return HEIGHT

    def missing_blocks(self) -> tuple[CutBlock, ...]:
        return self.missing


def start_gossip(lines: Lines, blocks: BlockStore, host: Any) -> VirtualTime:
    time = VirtualTime()
    gossip = ConsensusGossip(lines, blocks, time, time)  # type: ignore[arg-type]
    gossip.attach(host)
    gossip.start()
    return time


def polka(round_: int, name: str, *voters: int) -> set[tuple[Any, ...]]:
    """The claim and the prevotes that prove a block in a round."""
    votes = {(PREVOTE, round_, block(name), voter) for voter in voters}
    return {(PREVOTE, round_, block(name)), *votes}


def locked_in_the_first_round() -> Lone:
    lone = Lone()
    lone.lock(0, "a")
    return lone


def shown_a_polka_after_its_nil_precommit() -> Lone:
    """It holds no lock, yet must offer the block with this polka when its turn comes (L16)."""
    lone = Lone()
    lone.timeout(TimeoutKind.PROPOSE, 0)
    lone.prevotes(0, "a", 0, 1, 2)
    lone.timeout(TimeoutKind.PREVOTE, 0)
    lone.propose(0, "a")
    return lone


def proposed_with_a_polka_of_a_block_we_do_not_have() -> Lone:
    """It holds neither lock nor valid value; the proposal of its round names the polka (L28)."""
    lone = Lone()
    lone.timeout(TimeoutKind.PROPOSE, 0)
    lone.prevotes(0, "a", 0, 1, 2)
    lone.timeout(TimeoutKind.PREVOTE, 0)
    return lone


def pass_rounds(lone: Lone, rounds: range) -> None:
    for round_ in rounds:
        lone.pass_round(round_)


def come(lines: Lines, peer: str) -> None:
    for callback in lines.on_peer_up:
        callback(peer)


def test_the_polka_that_locked_us_goes_to_whoever_comes_however_many_rounds_ago_it_was():
    lone = locked_in_the_first_round()
    pass_rounds(lone, range(4))
    assert (lone.locked, lone.state.round) == ((0, "a"), 4)
    lines = Lines("late")
    start_gossip(lines, new_chain().node.stores.blocks, Working(lone))
    come(lines, "late")
    assert lines.heard("late") >= polka(0, "a", 0, 1, 2, 3)


def test_the_polka_that_locked_us_is_said_again_by_the_timer_with_its_claim():
    lone = locked_in_the_first_round()
    pass_rounds(lone, range(4))
    lines = Lines("a", "b")
    time = start_gossip(lines, new_chain().node.stores.blocks, Working(lone))
    time.run(1)
    for peer in ("a", "b"):
        assert lines.heard(peer) >= polka(0, "a", 0, 1, 2, 3)


def test_the_polka_of_our_valid_value_is_said_again_although_we_hold_no_lock():
    lone = shown_a_polka_after_its_nil_precommit()
    pass_rounds(lone, range(4))
    assert (lone.locked, lone.valid) == ((-1, NIL), (0, "a"))
    lines = Lines("late")
    start_gossip(lines, new_chain().node.stores.blocks, Working(lone))
    come(lines, "late")
    assert lines.heard("late") >= polka(0, "a", 0, 1, 2)


def test_lock_and_valid_value_of_different_rounds_are_both_said_again():
    lone = locked_in_the_first_round()
    lone.pass_round(0)
    lone.timeout(TimeoutKind.PROPOSE, 1)
    lone.prevotes(1, "b", 0, 1, 2)
    lone.timeout(TimeoutKind.PREVOTE, 1)
    lone.propose(1, "b")
    assert (lone.locked, lone.valid) == ((0, "a"), (1, "b"))
    pass_rounds(lone, range(1, 4))
    lines = Lines("late")
    start_gossip(lines, new_chain().node.stores.blocks, Working(lone))
    come(lines, "late")
    assert lines.heard("late") >= polka(0, "a", 0, 1, 2, 3) | polka(1, "b", 0, 1, 2)


def test_the_polka_that_a_proposal_names_is_said_again_although_it_gave_us_nothing():
    lone = proposed_with_a_polka_of_a_block_we_do_not_have()
    pass_rounds(lone, range(4))
    lone.feed(ProposalReceived(proposal(4, "a", 0)))
    assert (lone.locked, lone.valid) == ((-1, NIL), (-1, NIL))
    lines = Lines("late")
    start_gossip(lines, new_chain().node.stores.blocks, Working(lone))
    come(lines, "late")
    assert lines.heard("late") >= polka(0, "a", 0, 1, 2)


def test_rounds_that_prove_nothing_wait_for_their_turn():
    """Else a long halt sends thousands of votes to everybody every second."""
    lone = locked_in_the_first_round()
    pass_rounds(lone, range(4))
    lines = Lines("late")
    start_gossip(lines, new_chain().node.stores.blocks, Working(lone))
    come(lines, "late")
    assert {heard[1] for heard in lines.heard("late")} == {0, 3}


@pytest.mark.parametrize("height", [1, 2, 3])
def test_who_stands_at_a_height_that_is_over_is_sent_its_claim_and_every_precommit(height):
    chain = new_chain()
    chain.grow(3)
    commit = chain.node.stores.blocks.load_seen_commit(height)
    lines = Lines("behind", "level")
    start_gossip(lines, chain.node.stores.blocks, chain.node.host)
    lines.say("level", ChannelId.STATE, NewRoundStep(4, 0, 1, 0, 0))
    lines.say("behind", ChannelId.STATE, NewRoundStep(height, 0, 1, 0, -1))
    signed = {
        (PRECOMMIT, 0, commit.block_id, i) for i, s in enumerate(commit.signatures) if s.signature
    }
    assert len(signed) == 3
    assert lines.heard("behind") == {(PRECOMMIT, 0, commit.block_id), *signed}
    assert lines.heard("level") == set()


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_each_missing_block_is_asked_of_every_peer_in_turn_however_many_are_missing(count):
    """One of three peers gives nothing; with three blocks missing it must not be the only one asked for one of them."""
    wanted = [block(name) for name in "abcdef"[:count]]
    lines = Lines("p", "q", "r")
    time = start_gossip(lines, new_chain().node.stores.blocks, Working(Lone(), *wanted))
    time.run(30)
    asked = {
        (peer, body.block_part_set_header)
        for peer, body in lines.sent
        if isinstance(body, NewValidBlock)
    }
    headers = {block_id.part_set_header for block_id in wanted}
    assert asked == {(peer, header) for peer in ("p", "q", "r") for header in headers}


class Moving(Working):
    """A host whose height the test moves."""

    height = HEIGHT

    def working_height(self) -> int:
        return self.height


def steps_said(lines: Lines) -> list[int]:
    return [body.height for peer, body in lines.sent if isinstance(body, NewRoundStep)]


def start_moving(lines: Lines) -> tuple[VirtualTime, ConsensusGossip, Moving]:
    time, host = VirtualTime(), Moving(Lone())
    blocks = new_chain().node.stores.blocks
    gossip = ConsensusGossip(lines, blocks, time, time)  # type: ignore[arg-type]
    gossip.attach(host)  # type: ignore[arg-type]
    gossip.start()
    return time, gossip, host


def test_of_many_heights_that_end_within_a_moment_the_first_and_the_last_are_said():
    lines = Lines("a")
    time, gossip, host = start_moving(lines)
    for ended in range(5):
        host.height = HEIGHT + ended
        gossip.on_committed()
        time.run(0.01)
    assert steps_said(lines) == [HEIGHT]
    time.run(0.1)
    assert steps_said(lines) == [HEIGHT, HEIGHT + 4]


def test_who_lags_says_at_once_that_another_height_ended_so_that_the_next_one_is_served():
    lines = Lines("ahead")
    _, gossip, host = start_moving(lines)
    lines.say("ahead", ChannelId.STATE, NewRoundStep(HEIGHT + 9, 0, 1, 0, 0))
    for ended in range(5):
        host.height = HEIGHT + ended
        gossip.on_committed()
    assert steps_said(lines) == [HEIGHT + n for n in range(5)]


def test_a_proposal_tells_where_its_sender_works_and_no_older_message_takes_that_back():
    lines = Lines("a")
    _, gossip, host = start_moving(lines)
    taken: list[object] = []
    host.deliver = lambda body, peer: taken.append(body)  # type: ignore[attr-defined]
    told: list[str] = []
    gossip.on_peer_step = told.append
    lines.say("a", ChannelId.STATE, NewRoundStep(HEIGHT, 0, 1, 0, 0))
    for ahead in (3, 1):
        signed = replace(proposal(0, "a"), height=HEIGHT + ahead)
        lines.say("a", ChannelId.DATA, ProposalMessage(signed))
        assert gossip.peer_height("a") == HEIGHT + 3
    assert told == ["a", "a"]
    assert len(taken) == 2
