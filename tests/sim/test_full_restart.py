"""A killed process leaves records that only the kernel has: the next life makes them durable before it acts on them."""

import random

from chain.node.recovery import end_height_payload
from chain.node.signer import STATE_FILE, decode_state
from chain.store.wal import Wal
from chain.types.timestamp import Timestamp
from tests.node.virtual import Disk as VirtualDisk
from tests.node.virtual import VirtualNode, VirtualTime, genesis_doc
from tests.sim.full.disk import Disk, FaultyFolder
from tests.sim.full.loop import Process


def start(disk):
    """A new process on a disk."""
    disk.owner = Process("n0", lambda failure: None)
    folder = FaultyFolder(disk, disk.owner, "cs.wal")
    return Wal(folder, first_payload=end_height_payload(Timestamp(0), 0))


def test_records_that_a_killed_process_left_survive_a_power_cut_after_the_next_start():
    disk = Disk(random.Random(0), lambda: 0.0)
    start(disk).append(b"our vote")  # killed before the sync
    assert start(disk).payloads[-1] == b"our vote", "the kernel still has it"
    disk.files["cs.wal", "wal"].content[disk.files["cs.wal", "wal"].durable :] = b""  # power cut
    assert start(disk).payloads[-1] == b"our vote", "the second life may have sent it again"


def test_after_replay_the_signer_remembers_our_logged_votes_for_good_before_anything_is_sent():
    disk = VirtualDisk()
    time = VirtualTime()
    doc = genesis_doc(4)
    first = VirtualNode(time, disk, doc, 0)
    time.call_later(0, first.host.start)
    first.signer.flush = lambda: None  # killed between the log's sync and the signer's
    time.run(20)
    voted = first.signer.last
    assert voted.height == 1
    assert decode_state(disk.data.read(STATE_FILE)).height == 0
    second = VirtualNode(VirtualTime(), disk, doc, 0)
    second.host.start()
    assert decode_state(disk.data.read(STATE_FILE)).position() >= voted.position()
