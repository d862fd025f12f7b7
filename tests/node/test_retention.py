"""Old heights go, a few with every block, together with everything that hangs on them; what is needed stays."""

from base64 import b64encode
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from time import time_ns

import pytest

from chain import limits
from chain.codec.hashing import hash_evidence
from chain.codec.signbytes import vote_sign_bytes
from chain.crypto.ed25519 import sign
from chain.execution.evidence import make_duplicate_vote
from chain.execution.genesis import make_genesis_state
from chain.node.config import NodeConfig, load_config, render_config
from chain.node.errors import ConfigError
from chain.node.home import TOWN_CONSENSUS_PARAMS, Home, init_home
from chain.node.pacing import Pacing
from chain.node.retention import RetentionPolicy, Storage
from chain.node.signer import STATE_FILE, LastSigned, encode_state
from chain.store import pruning
from chain.store.keys import COMMITTED_EVIDENCE
from chain.store.kv import Batch, LmdbStore
from chain.types.abci import ResponseCommit
from chain.types.block import BlockID, PartSetHeader, Vote
from chain.types.evidence import DuplicateVoteEvidence
from chain.types.params import ConsensusParams, EvidenceParams
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import NANOS_PER_SECOND, Timestamp
from tests.node.live import running
from tests.node.virtual import Disk, VirtualNode, VirtualTime, genesis_doc, seed_of
from tests.waiting import run_within, until

KEPT = 10
"""Blocks below the newest that the test towns keep."""
DAY_S = 86_400


def params(blocks: int = KEPT, seconds: int = 1) -> ConsensusParams:
    return ConsensusParams(evidence=EvidenceParams(blocks, seconds * NANOS_PER_SECOND))


@dataclass
class Lab:
    """A lone validator on virtual time that prunes."""

    disk: Disk
    consensus: ConsensusParams
    storage: Storage = field(default_factory=Storage)
    is_production: bool = False
    tick_s: float = 60.0
    split: bool = False

    def __post_init__(self) -> None:
        self.time = VirtualTime()
        self.node: VirtualNode = None
        self.restart()

    def restart(self) -> None:
        if self.node is not None:
            self.node.host.stop()
        self.node = VirtualNode(
            self.time,
            self.disk,
            genesis_doc(consensus_params=self.consensus),
            split=self.split,
            pacing=Pacing(empty_interval_s=self.tick_s),
        )
        self.node.executor.retention = RetentionPolicy(self.storage, self.is_production)
        self.time.call_later(0, self.node.host.start)
        self.time.run(0.5)

    def to_height(self, height: int) -> None:
        self.time.run(1e9, until=lambda: self.node.height >= height)
        assert self.node.height == height

    def commit(self, *txs: bytes) -> int:
        """Offer transactions, wait until all are in a block; the height of the last."""
        for tx in txs:
            assert self.node.pool.add(tx).is_ok()
        self.time.run(1e6, until=lambda: self.node.pool.count() == 0)
        return self.node.height

    @property
    def stores(self):
        return self.node.stores

    def heights_with_rows(self) -> set[int]:
        """Heights that any row of the store still belongs to, application records and sparse sets apart."""
        found = set()
        for key, value in self.disk.kv.scan(b"", None):
            if key[:1] in b"BKR":
                found.add(int.from_bytes(key[1:9], "big"))
            elif key[:1] in b"bQ" or key[:1] == b"X":
                found.add(int.from_bytes(value[:8], "big"))
            elif key[:1] in b"EF":
                found.add(int.from_bytes(key[-12:-4], "big"))
        return found


def lab(**options) -> Lab:
    return Lab(Disk(), options.pop("consensus", params()), **options)


# --- what goes -----------------------------------------------------------------------------


def test_only_the_newest_blocks_stay_and_nothing_of_an_older_height_is_left():
    town = lab()
    for n in range(20):
        town.commit(b"key%d=%d" % (n % 3, n))
    town.to_height(town.node.height + 5)
    tip, blocks = town.node.height, town.stores.blocks
    assert (blocks.base(), blocks.height()) == (tip - KEPT, tip)
    assert town.heights_with_rows() == set(range(tip - KEPT, tip + 1))
    assert blocks.load(tip - KEPT - 1) is None
    assert blocks.load_responses(tip - KEPT - 1) is None
    rows = [height for _, height, _ in town.stores.index.tx_event_rows("app.key")]
    assert rows
    assert min(rows) >= tip - KEPT


def test_validators_and_parameters_of_kept_heights_are_known_after_pruning():
    town = lab()
    town.to_height(60)
    for height in range(town.stores.blocks.base() - 1, town.node.height + 2):
        assert town.stores.states.load_validators(height) is not None
        assert town.stores.states.load_params(height) is not None
    keys = [key for key, _ in town.disk.kv.scan(b"V", b"W")]
    assert len(keys) == 1


def test_a_transaction_committed_again_later_is_still_found_when_its_first_block_goes():
    town = lab()
    first = town.commit(b"k=refuse")
    town.time.run(1)
    second = town.commit(b"k=refuse")
    assert second > first
    town.to_height(first + KEPT + 1)
    assert town.stores.blocks.base() == second
    place = town.stores.index.load_tx(sha256(b"k=refuse").digest())
    assert place == (second, 0)


def test_a_transaction_that_comes_again_in_the_very_block_that_prunes_it_is_found():
    town = lab()
    first = town.commit(b"k=refuse")
    town.to_height(first + KEPT)
    again = town.commit(b"k=refuse")
    assert town.stores.blocks.base() > first
    assert town.stores.index.load_tx(sha256(b"k=refuse").digest()) == (again, 0)


def double_vote(town: Lab, height: int) -> DuplicateVoteEvidence:
    """Two conflicting prevotes of the lone validator, really signed."""
    state, seed = town.node.host.state, seed_of(0)
    votes = []
    for digit in (b"\x01", b"\x03"):
        block_id = BlockID(digit * 32, PartSetHeader(1, b"\x04" * 32))
        vote = Vote(
            SignedMsgType.PREVOTE, height, 0, block_id, Timestamp(1), town.node.signer.address, 0
        )
        votes.append(replace(vote, signature=sign(seed, vote_sign_bytes(state.chain_id, vote))))
    time = town.stores.blocks.load(height).block.header.time
    evidence = make_duplicate_vote(*votes, time, state.validators)
    assert evidence is not None
    return evidence


def test_markers_of_committed_evidence_go_with_their_block():
    town = lab()
    town.to_height(3)
    evidence = double_vote(town, 2)
    assert town.node.evidence.submit(town.node.host.state, evidence) is None
    town.node.host.on_evidence()
    town.time.run(1.0)
    carrying = town.node.height
    assert town.stores.blocks.load(carrying).block.evidence.evidence == (evidence,)
    key = COMMITTED_EVIDENCE + hash_evidence(evidence)
    assert town.disk.kv.get(key) is not None
    town.to_height(carrying + KEPT)
    assert town.disk.kv.get(key) is not None, "its block is still kept"
    town.to_height(carrying + KEPT + 1)
    assert town.disk.kv.get(key) is None
    assert town.node.evidence.submit(town.node.host.state, evidence) is not None, "too old"


def test_headers_from_before_a_snapshot_go_when_evidence_of_their_time_is_over():
    town = lab(consensus=params(blocks=KEPT, seconds=60))
    town.to_height(12)
    donor = town.stores.blocks.load_signed_header(5)
    batch = Batch()
    for height in (5, 6):
        header = replace(donor.header, height=height)
        town.stores.blocks.stage_header(batch, replace(donor, header=header))
    young = replace(donor.header, height=7, time=Timestamp(donor.header.time.seconds + 10**6))
    town.stores.blocks.stage_header(batch, replace(donor, header=young))
    town.disk.kv.write(batch)
    town.to_height(30)
    assert [key[1:].hex()[-1] for key, _ in town.disk.kv.scan(b"H", b"I")] == ["7"]


# --- what stays ----------------------------------------------------------------------------


def test_a_block_stays_while_either_age_is_within_the_evidence_window():
    by_time = lab(consensus=params(blocks=3, seconds=600))
    by_time.to_height(40)
    assert by_time.stores.blocks.base() == 40 - 10, "ten ticks of a minute"
    by_count = lab(consensus=params(blocks=30, seconds=60))
    by_count.to_height(40)
    assert by_count.stores.blocks.base() == 40 - 30


def test_a_production_town_keeps_the_floors_whatever_its_parameters_say():
    policy = RetentionPolicy(Storage(), is_production=True)
    state = replace(
        make_genesis_state(genesis_doc(consensus_params=params(1, 1))), last_block_height=100_000
    )
    assert policy.least_blocks(state) == limits.RETAIN_MIN_BLOCKS == 20_000
    assert policy.least_ns(state) == 21 * DAY_S * NANOS_PER_SECOND
    now_s = state.last_block_time.seconds
    old, young = Timestamp(now_s - 22 * DAY_S), Timestamp(now_s - 20 * DAY_S)
    assert policy.is_over(state, 79_999, old, 0)
    assert not policy.is_over(state, 79_999, young, 0)
    assert not policy.is_over(state, 80_000, old, 0)
    town = lab(is_production=True)
    town.to_height(40)
    assert town.stores.blocks.base() == 1


def test_the_operator_may_keep_more_but_not_less():
    more = lab(storage=Storage(retain_blocks=25))
    more.to_height(40)
    assert more.stores.blocks.base() == 15
    longer = lab(storage=Storage(retain_s=20 * 60.0))
    longer.to_height(40)
    assert longer.stores.blocks.base() == 20
    less = lab(storage=Storage(retain_blocks=2))
    less.to_height(40)
    assert less.stores.blocks.base() == 40 - KEPT


def test_an_archive_keeps_everything():
    town = lab(storage=Storage(is_archive=True))
    town.to_height(50)
    assert town.stores.blocks.base() == 1


def test_the_application_may_ask_that_blocks_be_kept():
    town = lab()
    commit = town.node.app.commit
    town.node.app.commit = lambda: (commit(), ResponseCommit(retain_height=7))[1]
    town.to_height(40)
    assert town.stores.blocks.base() == 7


# --- how it goes ---------------------------------------------------------------------------


def test_pruning_switched_on_late_catches_up_in_bounded_steps():
    town = lab(storage=Storage(is_archive=True))
    town.to_height(100)
    town.storage = Storage()
    town.node.executor.retention = RetentionPolicy(town.storage, is_production=False)
    bases = []
    for height in range(101, 125):
        town.to_height(height)
        bases.append(town.stores.blocks.base())
    steps = [b - a for a, b in zip([1, *bases], bases, strict=False)]
    assert max(steps) == limits.PRUNE_HEIGHTS_PER_BLOCK
    assert bases[-1] == 124 - KEPT
    assert town.heights_with_rows() == set(range(bases[-1], 125))


def test_rows_of_a_full_block_go_over_several_blocks_and_nobody_is_served_half_of_it(monkeypatch):
    monkeypatch.setattr(pruning, "PRUNE_ROWS_PER_BLOCK", 20)
    town = lab()
    full = town.commit(*(b"many%02d=1" % n for n in range(30)))
    assert len(town.stores.blocks.load(full).block.data.txs) == 30
    town.to_height(full + KEPT + 1)
    assert town.stores.blocks.base() == full + 1
    assert full in town.heights_with_rows(), "not all rows went at once"
    assert town.stores.blocks.load(full) is None
    assert town.stores.blocks.load_encoded(full) is None
    town.restart()
    assert town.stores.blocks.base() > full
    assert town.stores.blocks.load(full) is None
    town.to_height(full + KEPT + 12)
    assert full not in town.heights_with_rows()
    assert town.stores.pruner.lag() < limits.PRUNE_HEIGHTS_PER_BLOCK


@pytest.mark.parametrize("split", [False, True])
def test_a_restart_goes_on_where_pruning_was(split):
    town = lab(split=split)
    town.to_height(30)
    base = town.stores.blocks.base()
    town.restart()
    assert town.stores.blocks.base() >= base
    town.to_height(50)
    assert town.stores.blocks.base() == 50 - KEPT
    assert town.heights_with_rows() == set(range(50 - KEPT, 51))


def test_idle_hours_leave_a_file_that_does_not_grow(tmp_path):
    """Ticks only, a minute apart: after a while every page is one that was used before.

    Ten days, and the town on four validators, are measured by `make bench NAME=storage`.
    """
    disk = Disk(kv=LmdbStore(tmp_path / "chain.lmdb"))
    disk.data.replace(STATE_FILE, encode_state(LastSigned()))
    try:
        town = Lab(disk, params(blocks=30, seconds=1_800))
        sizes = []
        for hours in range(1, 7):
            town.time.run(3_600)
            sizes.append(disk.kv.size_bytes())
            assert town.node.height >= hours * 60 - 2
        assert len(town.heights_with_rows()) == 30 + 1
        assert len(set(sizes[-3:])) == 1, sizes
        assert sizes[-1] < limits.MIB
    finally:
        disk.kv.close()


# --- what the operator and the world see ---------------------------------------------------


def test_the_configuration_reads_back_and_refuses_nonsense(tmp_path):
    path = tmp_path / "config.toml"
    wanted = replace(NodeConfig(), storage=Storage(True, 500, 7_200.0))
    path.write_text(render_config(wanted))
    assert load_config(path) == wanted
    for text in (
        '[storage]\nretain = "all"',
        "[storage]\nretain_blocks = -1",
        "[storage]\nretain_blocks = true",
        '[storage]\nretain_duration = "21d"',
        "[storage]\nkeep = 1",
    ):
        path.write_text(text)
        with pytest.raises(ConfigError):
            load_config(path)


def test_a_new_towns_genesis_has_the_evidence_ages_of_the_protocol():
    evidence = TOWN_CONSENSUS_PARAMS.evidence
    assert evidence.max_age_num_blocks == 20_000
    assert evidence.max_age_duration_ns == 21 * DAY_S * NANOS_PER_SECOND


def pruned_home(root: Path, *, is_archive: bool = False) -> Home:
    return init_home(
        root,
        chain_id="live-1",
        app_state={},
        genesis_time=Timestamp.from_ns(time_ns()),
        consensus_params=ConsensusParams(evidence=EvidenceParams(KEPT, 1_000_000)),
        config=replace(
            NodeConfig(rpc_port=0),
            storage=Storage(is_archive),
            pacing=Pacing(empty_interval_s=0.01),
        ),
    )


HEIGHT_METHODS = (
    "block",
    "header",
    "commit",
    "block_results",
    "validators",
    "consensus_params",
)


def test_every_method_says_clearly_that_a_height_was_pruned(tmp_path):
    async def check() -> None:
        async with running(pruned_home(tmp_path)) as (node, rpc):
            old = await rpc.commit(b"old=1")
            old_block = await rpc("block", height=old["height"])
            await until(lambda: node.stores.blocks.base() > int(old["height"]) + 2)
            for method in HEIGHT_METHODS:
                answer = await rpc.full(method, height=old["height"])
                assert answer["error"]["code"] == -32603
                text = answer["error"]["data"]
                assert text.startswith(
                    f"height {old['height']} is not available, lowest height is "
                ), (method, text)
            gone = await rpc.full("tx", hash=b64encode(sha256(b"old=1").digest()).decode())
            assert "not found" in gone["error"]["data"]
            by_hash = b64encode(bytes.fromhex(old_block["block_id"]["hash"])).decode()
            assert (await rpc("block_by_hash", hash=by_hash))["block"] is None
            status = await rpc("status")
            earliest = int(status["sync_info"]["earliest_block_height"])
            assert earliest > int(old["height"])
            assert status["storage_info"]["retain"] == "pruned"
            metas = (await rpc("blockchain", minHeight="1"))["block_metas"]
            assert int(metas[-1]["header"]["height"]) >= earliest
            for query in (f"tx.height = {old['height']}", "tx.height < 2", "tx.height <= 1"):
                refused = await rpc.full("tx_search", query=query)
                assert "is not available, lowest height is" in refused["error"]["data"]
            refused = await rpc.full("block_search", query="block.height = 1")
            assert "is not available, lowest height is" in refused["error"]["data"]

    run_within(check())


def test_an_archive_says_so(tmp_path):
    async def check() -> None:
        async with running(pruned_home(tmp_path, is_archive=True)) as (node, rpc):
            await until(lambda: node.stores.blocks.height() >= KEPT * 3)
            status = await rpc("status")
            assert status["storage_info"] == {"retain": "archive", "base_height": "1"}
            assert (await rpc("block", height="1"))["block"]["header"]["height"] == "1"

    run_within(check())
