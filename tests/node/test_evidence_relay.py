"""The evidence channel: who hears what when, and what a peer is dropped for."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from chain.limits import EVIDENCE_EARLY_MAX, EVIDENCE_PIECES_BURST, EVIDENCE_PIECES_PER_S
from chain.node.relay import EvidenceRelay
from chain.p2p.errors import PeerFault
from chain.types.block import EvidenceList
from tests.node.test_evidence_pool import duplicate, duplicate_once, fresh_pool, grown, lunatic_once
from tests.node.virtual import VirtualTime


class Peers:
    """The switch of one relay, with peers that only listen."""

    def __init__(self) -> None:
        self.heights: dict[str, int | None] = {}
        self.heard: list[tuple[str, Any]] = []
        self.on_peer_up: list[Any] = []
        self.on_peer_down: list[Any] = []
        self.receive: Any = None
        self.is_slow = False
        self.counts: Counter[str] = Counter()
        self.punished: list[tuple[str, str]] = []

    def punish(self, peer: str, code: str, _detail: str) -> None:
        self.punished.append((peer, code))

    def handle(self, _channel: Any, handler: Any) -> None:
        self.receive = handler

    def peers(self) -> tuple[str, ...]:
        return tuple(sorted(self.heights))

    def send(self, peer: str, _channel: Any, message: EvidenceList) -> bool:
        if not self.is_slow:
            self.heard += [(peer, item) for item in message.evidence]
        return not self.is_slow

    def take(self) -> list[tuple[str, Any]]:
        heard, self.heard = self.heard, []
        return heard


def make_relay(state: Any = None) -> tuple[Peers, EvidenceRelay, Any, VirtualTime]:
    node, peers, time = grown(), Peers(), VirtualTime()
    pool, now = fresh_pool(node), state or node.host.state
    relay = EvidenceRelay(
        peers,  # type: ignore[arg-type]
        pool,
        time,
        lambda item: pool.submit(now, item),
        lambda peer: peers.heights[peer],
        time,
    )
    relay.start()
    return peers, relay, pool, time


def test_a_peer_hears_a_piece_once_it_can_judge_it_and_then_no_more():
    peers, relay, pool, time = make_relay()
    item = duplicate_once()  # of height 3
    peers.heights = {"ahead": 9, "at it": 3, "behind": 2, "silent": None}
    assert pool.submit(grown().host.state, item) is None
    relay.say_news()
    assert peers.take() == [("ahead", item), ("at it", item)]
    relay.say_news()
    assert peers.take() == [("at it", item)], "it may have been too early there"
    peers.heights |= {"at it": 4, "behind": 4}
    relay.on_peer_step("behind")
    relay.on_peer_step("at it")
    assert peers.take() == [("behind", item), ("at it", item)]
    relay.say_news()
    assert peers.take() == []
    time.run(60)
    assert ("ahead", item) in peers.take(), "said again from time to time: a peer may have lost it"


def test_a_peer_that_comes_back_hears_everything_again():
    peers, relay, pool, _ = make_relay()
    assert pool.submit(grown().host.state, duplicate_once()) is None
    peers.heights = {"a": 9}
    relay.say_news()
    peers.take()
    for gone in peers.on_peer_down:
        gone("a")
    for back in peers.on_peer_up:
        back("a")
    assert peers.take() == [("a", duplicate_once())]


def test_what_a_peer_brings_is_passed_on_but_not_back():
    peers, _, pool, _ = make_relay()
    peers.heights = {"a": 9, "b": 9}
    peers.receive("a", EvidenceList((lunatic_once(),)))
    assert pool.has_pending()
    assert peers.take() == [("b", lunatic_once())]


def test_a_message_that_brings_nothing_new_is_answered_with_nothing():
    """Two nodes that each believe the other a height back would else answer each other for ever."""
    peers, relay, pool, _ = make_relay(replace(grown().host.state, last_block_height=4))
    assert pool.submit(grown().host.state, duplicate_once()) is None
    peers.heights = {"a": 3, "b": 3}  # at the piece's own height: it is said again at every news
    relay.say_news()
    assert peers.take() == [("a", duplicate_once()), ("b", duplicate_once())]
    for known_or_early in (duplicate_once(), duplicate(grown(), 5)):
        peers.receive("a", EvidenceList((known_or_early,)))
        assert peers.take() == []


def test_a_peer_that_could_not_take_it_hears_it_later():
    peers, relay, pool, _ = make_relay()
    peers.heights, peers.is_slow = {"a": 9}, True
    assert pool.submit(grown().host.state, duplicate_once()) is None
    relay.say_news()
    peers.is_slow = False
    relay.say_news()
    assert peers.take() == [("a", duplicate_once())]


def by_a_stranger(vote: str):
    return replace(getattr(duplicate_once(), vote), validator_address=bytes(20))


@pytest.mark.parametrize(
    ("change", "is_fault"),
    [
        ({"validator_power": 11}, True),
        ({"vote_a": by_a_stranger("vote_a"), "vote_b": by_a_stranger("vote_b")}, True),
        ({"vote_b": replace(duplicate_once().vote_b, signature=bytes(64))}, True),
        ({"vote_b": duplicate_once().vote_a}, True),
        ({"timestamp": duplicate_once().timestamp.plus_ns(1)}, False),
    ],
)
def test_a_false_piece_ends_the_connection_unless_another_view_may_explain_it(change, is_fault):
    peers, _, pool, _ = make_relay()
    peers.heights = {"a": 9}
    message = EvidenceList((replace(duplicate_once(), **change),))
    if is_fault:
        with pytest.raises(PeerFault, match="p2p_bad_evidence"):
            peers.receive("a", message)
    else:
        peers.receive("a", message)
    assert not pool.has_pending()


def test_a_false_attack_ends_the_connection():
    peers, _, pool, _ = make_relay()
    peers.heights = {"a": 9}
    with pytest.raises(PeerFault, match="evidence_power"):
        peers.receive("a", EvidenceList((replace(lunatic_once(), total_voting_power=41),)))
    assert not pool.has_pending()


def test_a_piece_that_comes_a_moment_early_is_judged_when_its_height_ends():
    node = grown()
    item = duplicate(node, 5)
    earlier = replace(node.host.state, last_block_height=4)
    peers, relay, pool, _ = make_relay(earlier)
    peers.heights = {"a": 9, "b": 9}
    peers.receive("a", EvidenceList((item,)))
    assert not pool.has_pending()
    assert len(relay._early) == 1
    relay._submit = lambda piece: pool.submit(node.host.state, piece)
    relay.on_committed()
    assert pool.has_pending()
    assert ("b", item) in peers.take()
    assert not relay._early


def test_who_brings_a_lie_a_moment_early_is_dropped_when_it_is_judged():
    node = grown()
    true = duplicate(node, 5)
    false = replace(true, vote_b=replace(true.vote_b, signature=bytes(64)))
    peers, relay, pool, _ = make_relay(replace(node.host.state, last_block_height=4))
    judged = []
    for n in range(3):
        peers.receive("liar", EvidenceList((replace(false, validator_power=11 + n),)))
    peers.receive("honest", EvidenceList((true,)))
    relay._submit = lambda piece: judged.append(piece) or pool.submit(node.host.state, piece)
    relay.on_committed()
    assert peers.punished == [("liar", "p2p_bad_evidence")]
    assert len(judged) == 2, "a liar's other pieces are not worth a look"
    assert pool.has_pending()


def test_one_peer_cannot_keep_us_judging_and_another_is_heard():
    peers, relay, pool, time = make_relay()
    peers.heights = {"a": 9, "b": 9}
    judged = []
    relay._submit = lambda item: judged.append(item) or pool.submit(grown().host.state, item)
    stale = replace(duplicate_once(), timestamp=duplicate_once().timestamp.plus_ns(1))
    peers.receive("a", EvidenceList((stale,) * 200))
    assert len(judged) == EVIDENCE_PIECES_BURST
    assert peers.counts["p2p_evidence_dropped"] == 200 - EVIDENCE_PIECES_BURST
    peers.receive("b", EvidenceList((duplicate_once(),)))
    assert pool.has_pending()
    time.run(1)
    peers.receive("a", EvidenceList((stale,) * 200))
    assert len(judged) == EVIDENCE_PIECES_BURST + 1 + EVIDENCE_PIECES_PER_S


def test_pieces_that_come_early_are_bounded():
    peers, relay, _, _ = make_relay(replace(grown().host.state, last_block_height=1))
    peers.heights = {"a": 9}
    base = duplicate(grown(), 5)
    for n in range(EVIDENCE_PIECES_BURST):
        peers.receive("a", EvidenceList((replace(base, timestamp=base.timestamp.plus_ns(n)),)))
    assert len(relay._early) == EVIDENCE_EARLY_MAX
