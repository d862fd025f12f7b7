"""Real validator processes: one that missed hundreds of blocks rejoins by block sync and votes again."""

import re
import time

import pytest

from chain.node.config import NodeConfig, Timeouts
from tests.node.four import Cluster, Validator

SWIFT = Timeouts(
    propose_s=0.1,
    propose_delta_s=0.1,
    prevote_s=0.05,
    precommit_s=0.05,
    commit_s=0.0,
)
"""A missing proposer costs little, so that hundreds of blocks pass while one validator is away."""


@pytest.mark.process
@pytest.mark.slow
def test_a_validator_that_missed_three_hundred_blocks_rejoins_by_block_sync_and_votes_again(
    tmp_path,
):
    town = Cluster(tmp_path, config=NodeConfig(timeouts=SWIFT))
    try:
        town.start(wait=False)
        town.wait_height(1, seconds=60)
        town.nodes[3].end(9)
        left_at = town.nodes[0].height()
        missed = make_blocks(town, left_at + 300)
        started_s = time.monotonic()
        town.nodes[3].start()
        town.wait(lambda: town.nodes[3].height() >= missed, 60)
        took_s = time.monotonic() - started_s
        town.wait(lambda: len(synced_blocks(town.nodes[3])) == 2)
        synced = synced_blocks(town.nodes[3])
        assert sum(synced) >= 290, f"caught up in {took_s:.1f} s, but not by block sync: {synced}"
        print(f"{missed - left_at} heights in {took_s:.2f} s from exec to tip")
        assert town.nodes[3].call("status")["sync_info"]["catching_up"] is False
        town.check_agreement()
        town.nodes[0].end(9)  # now the other two need its votes
        tx = b"after=sync"
        height = town.nodes[1].commit(tx)
        town.wait(lambda: town.nodes[3].has(tx))
        assert height > missed
    finally:
        town.stop()


def synced_blocks(node: Validator) -> list[int]:
    """For each time consensus began in this node: blocks applied by block sync before."""
    return [int(count) for count in re.findall(r"synced_blocks=(\d+)", node.log.read_text())]


def make_blocks(town: Cluster, until: int) -> int:
    """Transactions one by one on nodes 0 to 2 until their chain is this high."""
    number, end_s = 0, time.monotonic() + 120
    while (height := town.nodes[0].height()) < until:
        assert time.monotonic() < end_s, f"only at {height}"
        town.nodes[number % 3].send(b"k%d=v" % number)
        number += 1
    return height
