"""Four real validators over loopback TLS: they agree, outlive one, halt without a quorum, and take back who returns."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.node.four import Cluster

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    made.stop()


def test_four_agree_one_dies_and_comes_back_two_halt_and_resume(cluster):
    """One life of a cluster, told in one test because four interpreters take seconds to start."""
    cluster.start()
    nodes = cluster.nodes

    # A transaction given to any node is committed by all, and by the same block.
    for n, node in enumerate(nodes):
        node.commit(b"first%d=v" % n)
    tip = cluster.check_agreement()
    cluster.wait(lambda: all(node.has(b"first%d=v" % n) for node in nodes for n in range(4)))
    assert tip >= 4

    # One is killed: three go on, whoever proposes.
    assert nodes[3].end(signal.SIGKILL) == -signal.SIGKILL
    for n in range(5):
        nodes[n % 3].commit(b"second%d=v" % n)
    left_behind = nodes[0].height()

    # It comes back, learns what it missed, and is needed again at once.
    started_s = time.monotonic()
    nodes[3].start()
    cluster.wait(lambda: nodes[3].height() >= left_behind)
    print(f"rejoined {time.monotonic() - started_s:.2f} s after exec")
    assert all(nodes[3].has(b"second%d=v" % n) for n in range(5))

    # Two are gone: nothing is committed any more.
    for node in nodes[1:3]:
        node.end(signal.SIGKILL)
    halted_at = nodes[0].height()
    nodes[0].send(b"third=v")
    time.sleep(1.5)
    assert nodes[0].height() <= halted_at + 1, "a height that had its votes may still end"
    assert not nodes[0].has(b"third=v")

    # They come back: the same transaction goes through without being sent again.
    for node in nodes[1:3]:
        node.start()
    cluster.wait(lambda: all(node.has(b"third=v") for node in nodes))
    cluster.check_agreement()

    # All four die at once: nothing committed is lost, and they go on by themselves.
    tip = max(node.height() for node in nodes)
    for node in nodes:
        node.end(signal.SIGKILL)
    started_s = time.monotonic()
    for node in nodes:
        node.start()
    cluster.wait(lambda: min(node.height() for node in nodes) >= tip)
    nodes[2].commit(b"fourth=v")
    print(f"next block {time.monotonic() - started_s:.2f} s after the exec of all four")
    assert all(node.has(b"third=v") for node in nodes)
    cluster.wait(lambda: all(node.has(b"fourth=v") for node in nodes))
    cluster.check_agreement()

    # SIGTERM is clean on all.
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda node: node.end(), nodes)) == [0] * 4
