"""Signer state, log and store that do not belong together: silence or a coded refusal, never a second signature."""

from contextlib import suppress
from dataclasses import replace

import pytest

from chain.codec.proto import decode
from chain.node.errors import SignerRefused
from chain.node.recovery import covers, open_log
from chain.node.signer import (
    STATE_FILE,
    FileSigner,
    InvalidSignerFile,
    LastSigned,
    SignStep,
    decode_state,
    encode_state,
)
from chain.store.errors import WalBroken, WalDamaged
from chain.store.files import MemoryFile, MemoryFolder
from chain.store.wal import HEAD, Wal, frame, scan
from chain.types.block import BlockID, PartSetHeader, Proposal, Vote
from chain.types.messages import MsgInfo, TimedWALMessage, VoteMessage
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import Timestamp
from tests.node.test_host import copy_of
from tests.node.virtual import (
    Disk,
    VirtualNode,
    VirtualTime,
    genesis_doc,
    seed_of,
    start_cluster,
    start_one,
)

SEED = b"\x05" * 32
BLOCK = BlockID(b"\x01" * 32, PartSetHeader(1, b"\x02" * 32))
AT = Timestamp(1_790_000_000, 123_000_000)


def signed_states() -> list[bytes]:
    """State files after a proposal, a prevote for a block and a precommit for nil."""
    states = []
    for step in range(3):
        folder = MemoryFolder()
        signer = FileSigner(SEED, folder)
        if step == 0:
            signer.sign_proposal("c", Proposal(7, 1, -1, BLOCK, AT))
        else:
            kind = SignedMsgType.PREVOTE if step == 1 else SignedMsgType.PRECOMMIT
            block_id = BLOCK if step == 1 else BlockID()
            signer.sign_vote("c", Vote(kind, 7, 1, block_id, AT, signer.address, 0))
        signer.flush()
        states.append(bytes(folder.content[STATE_FILE]))
    return states


@pytest.mark.parametrize("state", signed_states(), ids=["proposal", "prevote", "precommit"])
def test_no_flipped_bit_of_a_signer_state_is_taken_for_another_position(state):
    whole = decode_state(state)
    for byte in range(len(state)):
        for bit in (byte % 8,):
            damaged = bytearray(state)
            damaged[byte] ^= 1 << bit
            folder = MemoryFolder()
            folder.replace(STATE_FILE, bytes(damaged))
            with suppress(InvalidSignerFile):
                assert FileSigner(SEED, folder).last == whole


def test_a_state_signed_by_another_key_is_refused():
    folder = MemoryFolder()
    folder.replace(STATE_FILE, signed_states()[0])
    with pytest.raises(InvalidSignerFile, match="this key did not make"):
        FileSigner(b"\x06" * 32, folder)


def test_a_mute_signer_that_only_learned_leaves_no_file_that_passes_for_a_memory():
    teacher = FileSigner(SEED, MemoryFolder())
    vote = teacher.sign_vote("c", Vote(SignedMsgType.PREVOTE, 7, 0, BLOCK, AT, teacher.address, 0))
    folder = MemoryFolder()
    signer = FileSigner(SEED, folder, muted_below=9)
    signer.observe("c", vote)
    assert signer.last.height == 7
    signer.flush()
    assert folder.names() == ()
    signer.sign_vote("c", replace(vote, height=9))
    signer.flush()
    assert decode_state(folder.read(STATE_FILE)).height == 9


def test_what_was_signed_before_the_silence_is_still_written_before_it_leaves():
    folder = MemoryFolder()
    signer = FileSigner(SEED, folder)
    signer.sign_vote("c", Vote(SignedMsgType.PREVOTE, 7, 0, BLOCK, AT, signer.address, 0))
    signer.mute_below(10)
    signer.flush()
    assert decode_state(folder.read(STATE_FILE)).height == 7


def test_messages_of_another_chain_or_key_in_the_log_teach_the_signer_nothing():
    other = FileSigner(b"\x06" * 32, MemoryFolder())
    vote = Vote(SignedMsgType.PREVOTE, 7, 0, BLOCK, AT, other.address, 0)
    signer = FileSigner(SEED, MemoryFolder())
    signer.observe("c", other.sign_vote("c", vote))
    signer.observe("other", FileSigner(SEED, MemoryFolder()).sign_vote("c", vote))
    assert signer.last == LastSigned()


# ── log and signer ───────────────────────────────────────────────────────────────────────────────────


def own_positions(log: bytes) -> list[tuple[int, bytes]]:
    """(Offset, payload) of our own votes."""
    found, offset = [], 0
    for payload in scan(log).payloads:
        body = decode(TimedWALMessage, payload).msg.value
        if (
            isinstance(body, MsgInfo)
            and isinstance(body.msg.value, VoteMessage)
            and not body.peer_id
        ):
            found.append((offset, payload))
        offset += len(frame(payload))
    return found


def test_sectors_written_out_of_order_after_the_last_signature_are_cut_and_before_it_refuse():
    """An unsynced sector is lost and a later one is there: only the signer knows which side it is on."""
    time, node = start_one()
    time.run(1)
    log = bytes(node.disk.wal.content[HEAD])
    last_vote_at, last_vote = own_positions(log)[-1]
    unsynced = frame(b"\x01" * 600) + frame(b"\x02" * 600) + frame(b"\x03" * 40)
    hole = b"\0" * 512 + unsynced[512:]
    after = copy_of(node.disk)
    after.wal.content[HEAD] = bytearray(log + hole)
    again_time, again = start_one(after)
    assert bytes(after.wal.content[HEAD]) == log
    again_time.now_s = time.now_s
    again_time.run(70)
    assert again.height > node.height
    before = copy_of(node.disk)
    before.wal.content[HEAD] = bytearray(log)
    before.wal.content[HEAD][last_vote_at + len(last_vote) // 2] ^= 1
    with pytest.raises(WalDamaged):
        start_one(before)


def test_a_log_covers_a_signature_by_its_record_or_by_the_end_of_its_height():
    time, node = start_one()
    time.run(1)
    payloads = scan(bytes(node.disk.wal.content[HEAD])).payloads
    last = node.signer.last
    assert last.step is SignStep.PRECOMMIT
    assert covers(payloads, last)
    own = payloads.index(own_positions(bytes(node.disk.wal.content[HEAD]))[-1][1])
    assert covers(payloads[: own + 1], last)
    assert not covers(payloads[:own], last)
    assert covers(payloads[own + 1 :], last), "the end of the height alone"
    assert not covers(payloads, replace(last, height=last.height + 1))


def restarted(disk: Disk, index: int = 3) -> VirtualNode:
    return VirtualNode(VirtualTime(), disk, genesis_doc(4), index)


def cluster_in_a_height() -> Disk:
    """Disk of validator 3 of four, which voted at height 2 and did not see it decided."""
    time, network = start_cluster(4)
    time.run(1)
    network.drop = lambda _src, _dst, body: (
        isinstance(body, VoteMessage) and body.vote.type == SignedMsgType.PRECOMMIT
    )
    for node in network.nodes.values():
        node.pool.add(b"a=1")
    time.run(0.5)
    node = network.nodes[3]
    assert node.signer.last.position()[0] == node.height + 1 == 2
    return node.disk


@pytest.mark.parametrize("loss", ["tail", "file"])
def test_one_of_four_whose_log_lost_its_votes_is_mute_for_that_height(loss):
    disk = cluster_in_a_height()
    if loss == "file":
        del disk.wal.content[HEAD]
    else:
        log = bytes(disk.wal.content[HEAD])
        del disk.wal.content[HEAD][own_positions(log)[-1][0] :]
    again = restarted(disk)
    assert again.signer.muted_below == 3


def test_one_of_four_with_all_its_records_is_not_mute():
    assert restarted(cluster_in_a_height()).signer.muted_below == 0


def test_the_log_of_another_chain_changes_nothing_of_the_signer_and_silences_it():
    disk = cluster_in_a_height()
    time, network = start_cluster(4, chain_id="virtual-2")
    time.run(1)
    disk.wal.content = network.nodes[3].disk.wal.content
    signed = decode_state(disk.data.read(STATE_FILE))
    again = restarted(disk)
    assert again.signer.last == signed
    assert again.signer.muted_below == 3


def test_the_signer_state_of_another_chain_is_refused_while_it_could_matter():
    disk = cluster_in_a_height()
    signer = FileSigner(seed_of(3), MemoryFolder())
    signer.sign_vote("virtual-2", Vote(SignedMsgType.PREVOTE, 40, 0, BLOCK, AT, signer.address, 3))
    disk.data.replace(STATE_FILE, encode_state(signer.last))
    with pytest.raises(SignerRefused) as refused:
        restarted(disk)
    assert refused.value.code == "signer_other_chain"


def test_a_new_chain_of_the_same_key_begins_although_the_old_one_was_further():
    """An exported town goes on at the height that the old chain had begun: its votes there bind nothing here."""
    signer = FileSigner(seed_of(0), MemoryFolder())
    signer.sign_vote("virtual-0", Vote(SignedMsgType.PRECOMMIT, 1, 0, BLOCK, AT, signer.address, 0))
    disk = Disk()
    disk.data.replace(STATE_FILE, encode_state(signer.last))
    time, node = start_one(disk)
    time.run(2)
    assert node.height == 1
    assert decode_state(disk.data.read(STATE_FILE)) == node.signer.last


def test_a_lone_validator_without_signer_state_or_log_refuses_with_a_code():
    """Nobody else could ever decide a height for it: silence would be for ever, and unseen."""
    time, node = start_one()
    time.run(1)
    disk = copy_of(node.disk)
    del disk.data.content[STATE_FILE]
    with pytest.raises(SignerRefused) as refused:
        start_one(disk)
    assert refused.value.code == "signer_state_missing"


def test_a_lone_validator_whose_signer_state_is_of_yesterday_learns_from_its_own_store():
    time, node = start_one()
    yesterday = bytes(node.disk.data.content[STATE_FILE])
    time.run(1)
    disk = copy_of(node.disk)
    disk.data.replace(STATE_FILE, yesterday)
    _, again = start_one(disk)
    assert again.signer.last.position() == node.signer.last.position()


def test_one_of_four_whose_signer_state_is_of_yesterday_is_mute_for_a_full_height():
    time, network = start_cluster(4)
    node = network.nodes[3]
    yesterday = bytes(node.disk.data.content[STATE_FILE])
    time.run(1)
    disk = copy_of(node.disk)
    disk.data.replace(STATE_FILE, yesterday)
    again = restarted(disk)
    assert again.signer.muted_below == node.height + 3
    again.signer.flush()
    assert disk.data.read(STATE_FILE) == yesterday, "the next start must see it again"


# ── failing disks ────────────────────────────────────────────────────────────────────────────────────


class FailingFile(MemoryFile):
    fails = ""

    def append(self, data: bytes) -> None:
        if self.fails == "append":
            self._content += data[: len(data) // 2]
            raise OSError(28, "No space left on device")
        super().append(data)

    def sync(self) -> None:
        if self.fails == "sync":
            self.fails = ""  # as kernels do: the pages are dropped and the next sync succeeds
            raise OSError(5, "Input/output error")
        super().sync()


class FailingFolder(MemoryFolder):
    def open_append(self, name: str) -> FailingFile:
        return FailingFile(self.content.setdefault(name, bytearray()))


def write_one(log: Wal) -> None:
    log.append(b"one")
    log.sync()


@pytest.mark.parametrize("fails", ["append", "sync"])
def test_after_a_failed_write_or_sync_the_log_takes_nothing_more(fails):
    folder = FailingFolder()
    log = Wal(folder, first_payload=b"end 0")
    file = log._file
    assert isinstance(file, FailingFile)
    file.fails = fails
    with pytest.raises(OSError, match=r"space|output"):
        write_one(log)
    file.fails = ""
    with pytest.raises(WalBroken):
        log.append(b"two")
    with pytest.raises(WalBroken):
        log.sync()
    log.close()
    assert Wal(folder, first_payload=b"end 0").payloads[0] == b"end 0"


def test_the_log_opens_again_once_there_is_room():
    disk = Disk()
    disk.wal = FailingFolder()
    time, node = start_one(disk)
    time.run(1)
    assert isinstance(node.wal._file, FailingFile)
    node.wal._file.fails = "append"
    node.pool.add(b"a=1")
    with pytest.raises(OSError, match="space"):
        time.run(1)
    assert node.height == 1
    again_time, again = start_one(disk)
    again_time.now_s = time.now_s
    again.pool.add(b"a=1")
    again_time.run(5)
    assert again.stores.kv.get(b"Akv\0a") == b"1"


def test_a_host_that_failed_neither_signs_nor_sends_nor_writes_again():
    """The loop still calls timers and handlers for a moment before the process ends."""
    time, network = start_cluster(4)
    time.run(1)
    node = network.nodes[3]

    def fails() -> None:
        raise OSError(5, "Input/output error")

    node.wal.sync = fails  # type: ignore[method-assign]
    network.nodes[0].pool.add(b"a=1")
    with pytest.raises(OSError, match="output"):
        time.run(5)
    said, log = len([s for s, _ in network.wire if s == 3]), bytes(node.disk.wal.content[HEAD])
    del node.wal.sync  # the disk works again; it must not matter
    time.run(30)
    assert network.nodes[0].height > node.height, "the others go on"
    assert len([s for s, _ in network.wire if s == 3]) == said
    assert bytes(node.disk.wal.content[HEAD]) == log


def test_opening_a_log_twice_repairs_it_once():
    time, node = start_one()
    time.run(1)
    disk = copy_of(node.disk)
    disk.wal.content[HEAD] += frame(b"torn" * 9)[:-2]
    signer, state = node.signer, node.host.state
    assert open_log(disk.wal, signer, state, AT).repaired_bytes == 42
    assert open_log(disk.wal, signer, state, AT).repaired_bytes == 0
