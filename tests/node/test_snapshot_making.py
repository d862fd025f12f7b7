"""A node makes snapshots in small turns, and survives a disk that has no room for them."""

import itertools

from chain.node.state_syncing import SnapshotMaking
from chain.store.files import MemoryFolder
from chain.store.snapshots import FolderSnapshots
from chain.town.snapshot_desk import SnapshotPolicy
from chain.types.messages import RequestListSnapshots
from tests.node.virtual import VirtualTime
from tests.town.town_kit import key, make_town


class FullFolder(MemoryFolder):
    """No room for a chunk while `is_full`."""

    is_full = True

    def replace(self, name: str, data: bytes) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")
        super().replace(name, data)


def test_a_full_disk_ends_the_snapshot_and_not_the_node_and_the_next_one_is_made():
    town, time, folder = make_town(), VirtualTime(), FullFolder()
    town.app.keep_snapshots(FolderSnapshots(folder), SnapshotPolicy(2, is_daily=False))
    making = SnapshotMaking(town.app, time, time)
    for number in range(4):
        town.run(town.open_tx(key(f"phone {number}")))
        making.on_committed()
        time.run(1)
        folder.is_full = number < 2
    heights = [s.height for s in town.app.list_snapshots(RequestListSnapshots()).snapshots]
    assert heights == [4]


def test_a_snapshot_has_pauses_in_which_others_have_their_turn():
    town, time = make_town(), VirtualTime()
    town.app.keep_snapshots(FolderSnapshots(MemoryFolder()), SnapshotPolicy(1, is_daily=False))
    steps: list[float] = []
    real = town.app.snapshot_step

    def slow_step() -> bool:
        steps.append(time.now_s)
        time.now_s += 0.006
        return real()

    town.app.snapshot_step = slow_step
    making = SnapshotMaking(town.app, time, time)
    town.run(town.open_tx(key("phone")))
    making.on_committed()
    time.run(10)
    assert len(steps) > 1
    pauses = [later - earlier for earlier, later in itertools.pairwise(steps)]
    assert min(pauses) > 0.02
    making.stop()
