"""The book-keeping of requests and claims, without network and clock."""

import pytest

from chain.limits import SYNC_BUFFER_BYTES
from chain.sync.pool import Ask, BlockPool, Expel, Standing
from chain.sync.proof import FetchedBlock, name_fetched
from chain.types.messages import StatusResponse
from tests.sync.kit import chain_of


def pool_with(*peers, next_height=1):
    pool = BlockPool(next_height)
    for name, height in peers:
        pool.add_peer(name, 0.0)
        assert pool.take_status(name, StatusResponse(height, 1)) is None
    return pool


def block(height):
    return name_fetched(chain_of(60).node.stores.blocks.load(height).block)


def asks(steps):
    return [(step.peer, step.height) for step in steps if isinstance(step, Ask)]


def test_requests_are_spread_evenly_and_asked_once():
    pool = pool_with(("a", 60), ("b", 60))
    first = asks(pool.plan(0.0, 6))
    assert first == [("a", 1), ("b", 2), ("a", 3), ("b", 4), ("a", 5), ("b", 6)]
    assert asks(pool.plan(1.0, 6)) == []


def test_only_peers_that_have_a_block_are_asked_for_it():
    pool = BlockPool(10)
    pool.add_peer("pruned", 0.0)
    pool.take_status("pruned", StatusResponse(60, 12))
    pool.add_peer("short", 0.0)
    pool.take_status("short", StatusResponse(11, 1))
    assert asks(pool.plan(0.0, 4)) == [("short", 10), ("short", 11), ("pruned", 12), ("pruned", 13)]


def test_who_can_not_serve_our_next_block_does_not_make_us_wait():
    pool = BlockPool(10)
    pool.add_peer("pruned", 0.0)
    pool.take_status("pruned", StatusResponse(60, 12))
    assert pool.standing(0.0) is Standing.LEVEL


def test_it_is_noticed_when_everybody_has_pruned_what_comes_next():
    pool = BlockPool(10)
    assert pool.lowest_out_of_reach(0.0) is None
    for name, base in (("a", 30), ("b", 12)):
        pool.add_peer(name, 0.0)
        pool.take_status(name, StatusResponse(60, base))
    assert pool.lowest_out_of_reach(0.0) == 12
    pool.add_peer("archive", 0.0)
    assert pool.lowest_out_of_reach(0.0) == 12, "it has not answered yet"
    pool.take_status("archive", StatusResponse(60, 1))
    assert pool.lowest_out_of_reach(0.0) is None
    level = BlockPool(10)
    level.add_peer("level", 0.0)
    level.take_status("level", StatusResponse(9, 1))
    assert level.lowest_out_of_reach(0.0) is None


def test_an_overdue_next_block_is_asked_of_one_more_peer_and_far_ones_are_not():
    pool = pool_with(("a", 60), ("b", 60), ("c", 60))
    pool.plan(0.0, 4)
    assert asks(pool.plan(1.0, 4)) == []
    assert asks(pool.plan(1.6, 4)) == [("b", 1), ("c", 2)]
    assert asks(pool.plan(1.7, 4)) == []


def test_the_silent_are_asked_again_when_nobody_else_is_left_and_liars_are_not():
    """Lines that were all bad for a while must not cost a validator its minute of rest three times over."""
    pool = pool_with(("a", 60), ("b", 60))
    pool.expel(Expel("a", "no block for 5 s", is_lie=False), 0.0)
    pool.take_status("a", StatusResponse(60, 1))
    assert asks(pool.plan(0.1, 1)) == [("b", 1)], "b is there: a rests"
    pool.expel(Expel("b", "no block for 5 s", is_lie=False), 5.0)
    pool.take_status("b", StatusResponse(60, 1))
    assert pool.standing(5.1) is Standing.BEHIND
    assert asks(pool.plan(5.1, 2)) == [("a", 1), ("b", 2)], "nobody else is left"
    for liar in ("a", "b"):
        pool.expel(Expel(liar, "another block", is_lie=True), 6.0)
        pool.take_status(liar, StatusResponse(60, 1))
    assert asks(pool.plan(6.1, 2)) == []
    assert pool.standing(6.1) is Standing.UNKNOWN


def test_a_line_that_broke_gives_its_requests_to_others():
    pool = pool_with(("a", 60), ("b", 60))
    pool.plan(0.0, 4)
    pool.remove_peer("a")
    assert asks(pool.plan(0.1, 4)) == [("b", 1), ("b", 3)]


def test_late_and_second_answers_are_no_fault_and_change_nothing():
    pool = pool_with(("a", 60), ("b", 60))
    pool.plan(0.0, 1)
    pool.plan(2.0, 1)  # also asked of b
    assert pool.take_block("b", block(1), None, 2.1) is None
    assert pool.take_block("a", block(1), None, 4.0) is None
    pool.advance(2)
    assert pool.take_block("a", block(1), None, 4.1) is None, (
        "an unasked one is counted, not punished"
    )


def test_a_refused_block_voids_the_claim_until_the_next_status_and_a_third_refusal_convicts():
    pool = pool_with(("a", 60))
    for refusal in range(3):
        assert asks(pool.plan(0.0, 1)) == [("a", 1)]
        broken = pool.take_no_block("a", 1)
        assert (broken is not None) == (refusal == 2)
        assert asks(pool.plan(0.0, 1)) == [], "not asked again on the old claim"
        pool.take_status("a", StatusResponse(60, 1))
    assert broken == Expel("a", "has no block 1 that it claimed", is_lie=True)


def test_refusals_are_forgiven_to_a_peer_whose_block_was_applied():
    pool = pool_with(("a", 60))
    for _ in range(5):
        pool.plan(0.0, 1)
        assert pool.take_no_block("a", pool.next_height) is None
        pool.take_status("a", StatusResponse(60, 1))
        pool.plan(0.0, 1)
        pool.take_block("a", block(pool.next_height), None, 0.0)
        pool.advance(pool.next_height + 1)


def test_a_block_without_its_own_commit_tells_that_the_peer_has_the_next_one():
    """It made a block since its status: no need to wait for the next status."""
    pool = pool_with(("a", 5), next_height=5)
    assert asks(pool.plan(0.0, 8)) == [("a", 5)]
    pool.take_block("a", block(5), None, 0.0)
    assert asks(pool.plan(0.0, 8)) == [("a", 6)]


def test_the_commit_in_the_next_block_is_preferred_and_each_names_its_sender():
    pool = pool_with(("a", 60), ("b", 60))
    pool.plan(0.0, 2)
    tip_commit = block(2).block.last_commit
    pool.take_block("a", block(1), tip_commit, 0.0)
    assert pool.candidate().commit_sender == "a"
    pool.take_block("b", block(2), None, 0.0)
    assert (pool.candidate().sender, pool.candidate().commit_sender) == ("a", "b")


def test_a_liars_other_blocks_go_with_it_and_a_silent_peers_stay():
    pool = pool_with(("a", 60), ("b", 60))
    pool.plan(0.0, 4)
    for peer, height in (("a", 1), ("b", 2), ("a", 3)):
        pool.take_block(peer, block(height), None, 0.0)
    pool.expel(Expel("b", "slow", is_lie=False), 0.0)
    assert pool.candidate() is not None
    pool.expel(Expel("a", "lie", is_lie=True), 0.0)
    assert pool.candidate() is None
    pool.add_peer("c", 0.0)
    pool.take_status("c", StatusResponse(60, 1))
    assert [height for _, height in asks(pool.plan(0.0, 4))] == [1, 3, 4]


def test_a_slow_peer_that_brings_blocks_is_kept_but_not_with_one_block_overdue():
    pool = pool_with(("a", 60))
    pool.plan(0.0, 16)
    for second in range(1, 15):
        assert not [s for s in pool.plan(float(second), 0) if isinstance(s, Expel)]
        pool.take_block("a", block(17 - second), None, float(second))
    assert [s.is_lie for s in pool.plan(16.0, 0) if isinstance(s, Expel)] == [False]


def test_what_is_held_is_bounded_but_for_the_two_blocks_everything_waits_for():
    pool = pool_with(("a", 60))
    pool.plan(0.0, 16)
    huge = SYNC_BUFFER_BYTES // 2 + 1

    def swollen(height):
        whole = block(height)
        return FetchedBlock(whole.block, whole.block_id, whole.parts, bytes(huge))

    for height in (5, 6, 2, 1):
        pool.take_block("a", swollen(height), None, 0.0)
    assert pool.candidate() is not None
    held = {height for height in range(1, 17) if height in pool._held}
    assert held == {1, 2, 5}
    assert [h for _, h in asks(pool.plan(0.0, 16))] == [], "no room: nothing further is asked"
    pool.advance(3)
    assert 6 in [h for _, h in asks(pool.plan(0.0, 16))]


@pytest.mark.parametrize(
    "status", [StatusResponse(-1, 0), StatusResponse(5, 6), StatusResponse(5, -1)]
)
def test_impossible_ranges_are_lies(status):
    pool = BlockPool(1)
    pool.add_peer("a", 0.0)
    assert pool.take_status("a", status).is_lie
