"""Answering readers: in rotation, within each one's allowance, never beyond a full line."""

import pytest

from chain.limits import (
    SYNC_SERVE_BYTES_PER_S,
    SYNC_SERVE_QUEUE,
    SYNC_SERVE_REQUESTS_PER_S,
    SYNC_SERVED_PER_TURN,
)
from chain.sync.proof import extend, strip
from chain.sync.serving import BlockServer
from chain.types.messages import (
    BlockRequest,
    BlockResponse,
    NoBlockResponse,
    StatusRequest,
    StatusResponse,
)
from tests.sync.kit import chain_of


class Line:
    def __init__(self):
        self.sent = []
        self.is_full = False

    def __call__(self, peer, message):
        if self.is_full:
            return False
        self.sent.append((peer, message.value))
        return True


@pytest.fixture
def line():
    return Line()


def server_of(line):
    return BlockServer(chain_of(60).node.stores.blocks, line)


def serve_all(server, now_s=0.0):
    while server.serve(now_s):
        pass


def test_a_stored_block_goes_out_bare_the_newest_with_its_commit_others_are_refused(line):
    server = server_of(line)
    for height in (59, 60, 61, 0, -3, 2**62):
        server.take("a", BlockRequest(height), 0.0)
    serve_all(server)
    bare, newest, *refused = [answer for _, answer in line.sent]
    store = chain_of(60).node.stores.blocks
    assert bare == BlockResponse(store.load(59).block)
    assert newest.block == store.load(60).block
    assert strip(newest.ext_commit) == store.load_seen_commit(60)
    assert refused == [NoBlockResponse(h) for h in (61, 0, -3, 2**62)]


def test_a_commit_survives_its_travelling_clothes():
    commit = chain_of(60).node.stores.blocks.load_seen_commit(60)
    assert strip(extend(commit)) == commit


def test_a_status_tells_the_range(line):
    server = server_of(line)
    server.take("a", StatusRequest(), 0.0)
    serve_all(server)
    assert line.sent == [("a", StatusResponse(60, 1))]


def test_questions_beyond_the_queue_are_dropped(line):
    server = server_of(line)
    for _ in range(SYNC_SERVE_QUEUE + 5):
        server.take("a", BlockRequest(1), 0.0)
    serve_all(server)
    assert len(line.sent) == SYNC_SERVE_QUEUE
    assert server.dropped == 5


def test_a_greedy_reader_does_not_delay_a_modest_one(line):
    server = server_of(line)
    for _ in range(SYNC_SERVE_QUEUE):
        server.take("greedy", BlockRequest(1), 0.0)
    server.take("modest", BlockRequest(2), 0.0)
    assert server.serve(0.0)
    assert "modest" in [peer for peer, _ in line.sent[:2]]


def test_one_turn_answers_a_few_and_lets_the_loop_breathe(line):
    server = server_of(line)
    for _ in range(SYNC_SERVE_QUEUE):
        server.take("a", BlockRequest(1), 0.0)
    server.serve(0.0)
    assert len(line.sent) == SYNC_SERVED_PER_TURN


def test_answers_per_second_are_limited_for_each_reader(line):
    server = server_of(line)
    for step in range(400):  # two seconds, as many questions as the queue takes
        now_s = step / 200
        for _ in range(SYNC_SERVE_QUEUE):
            server.take("a", BlockRequest(100), now_s)
        while server.serve(now_s):
            pass
    first_second_and_refill = 3 * SYNC_SERVE_REQUESTS_PER_S
    assert first_second_and_refill * 0.9 < len(line.sent) <= first_second_and_refill


def test_bytes_per_second_are_limited_and_large_blocks_still_go_out(line):
    stored = chain_of(60).node.stores.blocks.load(1)

    class Store:
        def height(self):
            return 60

        def base(self):
            return 1

        def load(self, height):
            return type("Big", (), {"block": stored.block, "size_bytes": SYNC_SERVE_BYTES_PER_S})

        def load_seen_commit(self, height):
            return None

    server = BlockServer(Store(), line)
    for _ in range(10):
        server.take("a", BlockRequest(1), 0.0)
    serve_all(server, 0.0)
    assert len(line.sent) == 1
    serve_all(server, 0.5)
    assert len(line.sent) == 2, "half a second refills half: enough to owe one more"
    serve_all(server, 0.6)
    assert len(line.sent) == 2


def test_a_full_line_keeps_the_question_for_later(line):
    server = server_of(line)
    server.take("a", BlockRequest(1), 0.0)
    line.is_full = True
    assert not server.serve(0.0)
    assert server.is_waiting()
    line.is_full = False
    serve_all(server, 0.02)
    assert len(line.sent) == 1


def test_a_broken_line_forgets_its_questions_and_gives_no_fresh_allowance(line):
    server = server_of(line)
    for _ in range(3):
        server.take("a", BlockRequest(1), 0.0)
    server.forget("a")
    serve_all(server)
    assert line.sent == []
