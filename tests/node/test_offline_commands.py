"""`beffroi node export|rollback|reset` on homes that real nodes left."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from time import sleep, time, time_ns

import aiohttp
import pytest
from click.testing import CliRunner, Result

from app.cli.node import node as node_command
from chain.light.bundle import checkpoint_of, state_bundle, verify_bundle, with_history
from chain.node.config import NodeConfig, render_config
from chain.node.exporting import next_chain_id
from chain.node.home import Home, init_home, load_genesis, load_signing_seed
from chain.node.lock import HomeLock
from chain.node.node import Node
from chain.node.offline import open_offline
from chain.node.signer import (
    FileSigner,
    LastSigned,
    decode_state,
    encode_key,
    encode_state,
)
from chain.node.testnet import Member, init_testnet
from chain.store.files import DiskFolder, MemoryFolder
from chain.types import codes
from chain.types.abci import ProofOp
from chain.types.block import BlockID, SignedHeader, Vote
from chain.types.evidence import LightBlock
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import Timestamp
from tests.node.four import QUICK, ROOT, Validator, free_ports
from tests.node.kvstore_app import KvStoreApp
from tests.node.live import Client, with_node
from tests.town import town_kit
from tests.waiting import run_within, until

CHAIN = "beffroi-test-1"


def beffroi(*arguments: object, typed: str = "") -> Result:
    return CliRunner().invoke(node_command, [str(a) for a in arguments], input=typed)


def run_town(home: Home, work):
    return run_within(with_node(home, work))


def run_kv(home: Home, *txs: bytes):
    async def work(node: Node, rpc: Client):
        for tx in txs:
            await rpc.commit(tx)
        return node.host.state

    def factory(store, clock):
        return KvStoreApp(store, clock.now)

    return run_within(with_node(home, work, app_factory=factory))


def kv_home(root: Path) -> Home:
    return init_home(
        root,
        chain_id="kv-1",
        app_state={},
        genesis_time=Timestamp.from_ns(time_ns()),
        config=NodeConfig(rpc_port=0),
    )


def signer_of(home: Home) -> LastSigned:
    return decode_state((home.data / "priv_validator_state.json").read_bytes())


def as_full_node(home: Home, root: Path) -> Home:
    """A copy of the home that has another key, which never signed anything."""
    shutil.copytree(home.root, root)
    copy = Home(root)
    DiskFolder(copy.config).replace("priv_validator_key.json", encode_key(b"\x07" * 32))
    DiskFolder(copy.data).replace("priv_validator_state.json", encode_state(LastSigned()))
    shutil.rmtree(copy.data / "cs.wal")
    return copy


# --- export and import ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def old_town(tmp_path_factory):
    """A one-validator town with two accounts, stopped; its kit, and what was asked of it while it ran."""
    genesis_s = int(time())
    genesis = town_kit.make_genesis(validators=1, genesis_s=genesis_s)
    home = init_home(
        tmp_path_factory.mktemp("old"),
        chain_id=CHAIN,
        app_state=json.loads(genesis.app_state_bytes),
        genesis_time=Timestamp.from_ns(time_ns()),
        config=NodeConfig(rpc_port=0),
        validator_seed=town_kit.validator_seed(0),
    )
    kit = town_kit.make_town(validators=1, genesis_s=genesis_s)
    kept = {}

    async def live(node, rpc):
        await learn_town(kit, rpc)
        for name in ("shopper", "baker"):
            kept[name] = kit.open_tx(town_kit.key(name))
            done = await rpc.commit(kept[name])
            assert done["tx_result"]["info"] == "ok", done
        await another_block(node)
        height = node.stores.blocks.height()
        kept["bundle"] = await bundle_of(node, rpc, "shopper", height - 1)
        kept["offline"] = kit.open_tx(town_kit.key("traveller"))

    run_town(home, live)
    return home, kit, kept


async def learn_town(kit, rpc):
    status = (await rpc("abci_query", path="/status"))["response"]["value"]
    kit.town = json.loads(b64decode(status))["town"]


async def another_block(node):
    height = node.stores.blocks.height()
    for _ in range(400):
        if node.stores.blocks.height() > height:
            return
        await asyncio.sleep(0.005)


def account_id(name: str) -> bytes:
    return b"account/" + town_kit.key(name).kid.encode()


async def bundle_of(node, rpc, name, height):
    """A proof bundle of an account after `height`, as the API makes it."""
    answer = await rpc(
        "abci_query",
        path="/record/account",
        data=account_id(name).hex(),
        height=str(height),
        prove=True,
    )
    record, ops = b64decode(answer["response"]["value"]), ops_of(answer)
    return state_bundle(light_block(node, height + 1), "account", account_id(name), record, ops)


def ops_of(answer):
    return tuple(
        ProofOp(op["type"], b64decode(op["key"]), b64decode(op["data"]))
        for op in answer["response"]["proofOps"]["ops"]
    )


def light_block(node, height):
    stored = node.stores.blocks.load(height)
    commit, _ = node.stores.blocks.load_commit(height)
    validators = node.stores.states.load_validators(height)
    return LightBlock(SignedHeader(stored.block.header, commit), validators)


def move(old: Home, root: Path) -> tuple[Home, Path]:
    """Export a home, then start over on a copy of it with the exported genesis, as an operator does."""
    shutil.copytree(old.root, root)
    file = root / "exported.json"
    done = beffroi("export", "--home", root, "--output", file)
    assert done.exit_code == 0, done.output
    done = beffroi("reset", "--home", root, "--genesis", file)
    assert done.exit_code == 0, done.output
    return Home(root), file


def test_a_town_moves_to_a_new_chain_with_its_accounts_replay_window_and_waiting_transactions(
    old_town, tmp_path
):
    old, _, kept = old_town
    home, file = move(old, tmp_path / "new")
    doc = load_genesis(home).doc
    assert doc.chain_id == "beffroi-test-2"

    async def live(node, rpc):
        state = node.host.state
        assert state.initial_height == doc.initial_height
        first = node.stores.blocks.load(doc.initial_height)
        assert first.block.header.app_hash == doc.app_hash
        again = await rpc("broadcast_tx_sync", tx=b64encode(kept["shopper"]).decode())
        assert again["code"] == codes.TX_REPLAYED.number, again
        late = await rpc.commit(kept["offline"])
        assert late["tx_result"]["info"] == "ok", late
        found = await rpc(
            "abci_query", path="/record/account", data=account_id("baker").hex(), prove=True
        )
        assert json.loads(b64decode(found["response"]["value"]))["status"] == "open"
        return int(late["height"])

    height = run_town(home, live)
    assert height >= doc.initial_height
    assert file.read_bytes() != old.genesis_file.read_bytes()


def test_old_proof_bundles_verify_from_a_checkpoint_of_the_new_chain_through_exported_history(
    old_town, tmp_path
):
    old, _, kept = old_town
    home, _ = move(old, tmp_path / "new")
    bundle = kept["bundle"]

    async def prove(node, rpc):
        await rpc.commit(kept["offline"])
        await another_block(node)
        height = node.stores.blocks.height()
        initial = node.host.state.initial_height
        record_id = b"blocks/" + initial.to_bytes(8, "big")
        answer = await rpc(
            "abci_query",
            path="/record/history",
            data=record_id.hex(),
            height=str(height - 1),
            prove=True,
        )
        newer = light_block(node, height)
        record = b64decode(answer["response"]["value"])
        extended = with_history(bundle, newer, record_id, record, ops_of(answer))
        return extended, checkpoint_of(newer.signed_header.header)

    extended, checkpoint = run_town(home, prove)
    verdict = verify_bundle(extended, checkpoint)
    assert verdict.valid, verdict
    assert verdict.facts.chain_id == CHAIN
    assert verdict.facts.record_id == account_id("shopper")
    assert not verify_bundle(bundle, checkpoint).valid


def test_every_node_exports_the_same_bytes_and_an_older_version_can_be_exported(old_town, tmp_path):
    old, _, _ = old_town
    files = []
    for name in ("a", "b"):
        shutil.copytree(old.root, tmp_path / name)
        files.append(tmp_path / f"{name}.json")
        done = beffroi("export", "--home", tmp_path / name, "--output", files[-1])
        assert done.exit_code == 0, done.output
    assert files[0].read_bytes() == files[1].read_bytes()
    doc = json.loads(files[0].read_bytes())
    older = tmp_path / "older.json"
    height = 2
    done = beffroi("export", "--home", tmp_path / "a", "--height", height, "--output", older)
    assert done.exit_code == 0, done.output
    earlier = json.loads(older.read_bytes())
    assert earlier["initial_height"] == str(height + 1)
    assert earlier["genesis_time"] <= doc["genesis_time"]
    assert earlier["app_state"]["lineage"]["height"] == height
    accounts = [len(each["app_state"]["records"]["account"]) for each in (earlier, doc)]
    assert accounts[0] < accounts[1], "the second account was opened later"


def test_export_refuses_what_it_cannot_give(old_town, tmp_path):
    old, _, _ = old_town
    root = tmp_path / "copy"
    shutil.copytree(old.root, root)
    out = tmp_path / "x.json"
    beyond = beffroi("export", "--home", root, "--height", 9_999, "--output", out)
    assert beyond.exit_code == 1
    assert "export_height: height 9999 is not available" in beyond.output
    same = beffroi("export", "--home", root, "--chain-id", CHAIN, "--output", out)
    assert "export_chain_id" in same.output
    long = beffroi("export", "--home", root, "--chain-id", "x" * 51, "--output", out)
    assert "export_chain_id" in long.output
    out.write_text("mine")
    taken = beffroi("export", "--home", root, "--output", out)
    assert "never overwritten" in taken.output
    assert out.read_text() == "mine"
    unwritten = beffroi("export", "--home", root, "--output", "/proc/genesis.json")
    assert unwritten.output.startswith("Error: os_error: ")


def test_a_chain_id_is_counted_up():
    assert next_chain_id("exemple-1") == "exemple-2"
    assert next_chain_id("exemple-09") == "exemple-10"
    assert next_chain_id("exemple-ab12cd") == "exemple-ab12cd-2"
    assert next_chain_id("exemple") == "exemple-2"


def test_every_command_refuses_while_the_node_runs(old_town, tmp_path):
    old, _, _ = old_town
    root = tmp_path / "copy"
    shutil.copytree(old.root, root)
    lock = HomeLock(root / "data")
    try:
        for command in (
            ("export", "--home", root, "--output", tmp_path / "x.json"),
            ("rollback", "--home", root),
            ("reset", "--home", root),
        ):
            done = beffroi(*command)
            assert done.exit_code == 1
            assert "config_home_in_use" in done.output, done.output
    finally:
        lock.release()
    assert beffroi("rollback", "--home", root).exit_code == 0


# --- rollback ------------------------------------------------------------------------------


def test_a_soft_rollback_executes_the_last_block_again_and_comes_to_the_same_state(
    old_town, tmp_path
):
    old, _, _ = old_town
    root = tmp_path / "copy"
    shutil.copytree(old.root, root)
    home = Home(root)
    before = signer_of(home)
    done = beffroi("rollback", "--home", root)
    assert done.exit_code == 0, done.output
    assert "executes the last block again" in done.output
    assert signer_of(home) == before

    async def look(node, rpc):
        tip = node.host.state
        account = await rpc("abci_query", path="/record/account", data=account_id("baker").hex())
        assert account["response"]["value"]
        return tip, node.stores.blocks.load(before.height).block_id

    _, block_id = run_town(home, look)
    untouched = tmp_path / "untouched"
    shutil.copytree(old.root, untouched)

    async def same(node, _rpc):
        return node.stores.blocks.load(before.height).block_id

    assert run_town(Home(untouched), same) == block_id


def test_rollback_restores_records_that_the_last_block_changed(tmp_path):
    home = kv_home(tmp_path / "home")
    run_kv(home, b"a=1", b"b=2")
    # the last block with `a` again; its proof block would hide it
    state = run_kv(home, b"a=9")
    heights = []
    for _ in range(2):  # back over the proof block, if there is one, and over a=9 itself
        done = beffroi("rollback", "--home", home.root)
        assert done.exit_code == 0, done.output
        heights.append(int(done.output.split("height ")[1].split(",")[0]))
    assert heights[0] == state.last_block_height - 1
    # a soft rollback twice changes nothing more: block H is still there to be executed
    assert heights[1] == heights[0]
    again = run_kv(home)
    assert again.last_block_height >= state.last_block_height
    assert again.app_hash == state.app_hash


def sets_after(home: Home, height: int) -> list[int]:
    """Heights above this one for which a validator set is stored."""
    with open_offline(home) as left:
        keys = [key for key, _ in left.stores.kv.scan(b"V", b"W")]
    return [h for key in keys if (h := int.from_bytes(key[1:], "big")) > height]


def test_a_set_that_the_last_block_changed_is_forgotten_with_its_outcome(tmp_path):
    home = kv_home(tmp_path / "home")
    state = run_kv(home, b"a=1", b"val:%s=1" % (b"07" * 32))
    tip = state.last_block_height
    changed = state.last_height_validators_changed
    assert changed == tip + 2, "the change is in the newest block"
    assert sets_after(home, tip + 1) == [changed]
    assert beffroi("rollback", "--home", home.root).exit_code == 0
    assert sets_after(home, tip + 1) == []
    again = run_kv(home)
    assert again.last_height_validators_changed == changed
    assert sets_after(home, tip + 1)[0] == changed


def test_a_hard_rollback_removes_block_results_index_and_log(tmp_path):
    home = kv_home(tmp_path / "home")
    run_kv(home, b"a=1")
    run_kv(home, b"b=2")
    copy = as_full_node(home, tmp_path / "copy")
    seen = []
    for _ in range(3):
        done = beffroi("rollback", "--home", copy.root, "--hard")
        assert done.exit_code == 0, done.output
        seen.append(int(done.output.split("height ")[1].split(",")[0]))
    assert seen == [seen[0], seen[0] - 1, seen[0] - 2]
    node = Node(copy, app_factory=lambda store, clock: KvStoreApp(store, clock.now))
    try:
        assert node.stores.blocks.height() == seen[-1]
        assert node.stores.blocks.load(seen[0]) is None
        assert node.stores.blocks.load_responses(seen[0]) is None
        rows = list(node.stores.index.tx_event_rows("app.key"))
        assert all(height <= seen[-1] for _, height, _ in rows)
        state = node._handshake()
        assert state.last_block_height == seen[-1]
        assert node.stores.app.load_version()[0] == seen[-1]
    finally:
        node.close()


def test_a_validator_that_signed_the_last_height_may_not_remove_its_block(tmp_path):
    home = kv_home(tmp_path / "home")
    run_kv(home, b"a=1")
    done = beffroi("rollback", "--home", home.root, "--hard")
    assert done.exit_code == 1
    assert "rollback_signed" in done.output
    # also when only the log remembers
    DiskFolder(home.data).replace("priv_validator_state.json", encode_state(LastSigned()))
    done = beffroi("rollback", "--home", home.root, "--hard")
    assert "rollback_signed" in done.output


def test_there_is_nothing_before_the_first_block_to_roll_back_to(tmp_path):
    home = kv_home(tmp_path / "home")
    run_kv(home)
    copy = as_full_node(home, tmp_path / "copy")
    while (done := beffroi("rollback", "--home", copy.root, "--hard")).exit_code == 0:
        pass
    assert "rollback_too_far" in done.output
    assert beffroi("rollback", "--home", tmp_path).exit_code == 1


# --- reset ---------------------------------------------------------------------------------


def test_reset_keeps_keys_and_what_was_signed_and_the_chain_can_start_over(tmp_path):
    home = kv_home(tmp_path / "home")
    state = run_kv(home, b"a=1")
    key = (home.config / "priv_validator_key.json").read_bytes()
    before = signer_of(home)
    (home.data / "failures").mkdir()
    done = beffroi("reset", "--home", home.root)
    assert done.exit_code == 0, done.output
    assert f"at or before height {before.height}" in done.output
    assert (home.config / "priv_validator_key.json").read_bytes() == key
    assert signer_of(home) == before
    assert sorted(p.name for p in home.data.iterdir()) == [
        "failures",
        "node.lock",
        "priv_validator_state.json",
    ]
    assert state.last_block_height <= before.height


def test_on_a_new_chain_the_signer_begins_anew_and_back_on_the_old_one_it_remembers(tmp_path):
    """A vote is bound to its chain: a position of the old one would refuse to start, or stall the new one."""
    home = kv_home(tmp_path / "home")
    run_kv(home, b"a=1")
    before, first = signer_of(home), home.genesis_file.read_bytes()
    tree = json.loads(first)
    tree["chain_id"] = "kv-2"
    second = tmp_path / "second.json"
    second.write_text(json.dumps(tree))
    assert beffroi("reset", "--home", home.root, "--genesis", second).exit_code == 0
    assert signer_of(home) == LastSigned()
    run_kv(home, b"b=1")
    there = signer_of(home)
    assert there.height > 0
    back = tmp_path / "first.json"
    back.write_bytes(first)
    assert beffroi("reset", "--home", home.root, "--genesis", back).exit_code == 0
    assert signer_of(home) == before
    assert beffroi("reset", "--home", home.root, "--genesis", second).exit_code == 0
    assert signer_of(home) == there


def test_reset_raises_the_signer_to_what_only_the_log_shows(tmp_path):
    home = kv_home(tmp_path / "home")
    run_kv(home, b"a=1")
    before = signer_of(home)
    earlier = FileSigner(load_signing_seed(home), MemoryFolder())
    vote = Vote(SignedMsgType.PREVOTE, 1, 0, BlockID(), Timestamp(1), earlier.address, 0)
    earlier.sign_vote("kv-1", vote)
    stale = earlier.last
    DiskFolder(home.data).replace("priv_validator_state.json", encode_state(stale))
    assert beffroi("reset", "--home", home.root).exit_code == 0
    assert signer_of(home) == before


def test_forgetting_what_was_signed_needs_the_chains_name_typed(tmp_path):
    home = kv_home(tmp_path / "home")
    run_kv(home, b"a=1")
    before = signer_of(home)
    asked = ("reset", "--home", home.root, "--unsafe-forget-signer")
    refused = beffroi(*asked, typed="kv-2\n")
    assert refused.exit_code == 1
    assert "nothing was changed" in refused.output
    assert signer_of(home) == before
    assert (home.data / "chain.lmdb").is_dir()
    assert beffroi(*asked, typed="kv-1\n").exit_code == 0
    assert signer_of(home) == LastSigned()


def test_reset_leaves_a_folder_that_is_no_nodes_and_a_genesis_no_chain_can_start_from(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("years of work")
    assert beffroi("reset", "--home", tmp_path).exit_code == 1
    assert (tmp_path / "data" / "thesis.txt").exists()
    home = kv_home(tmp_path / "home")
    run_kv(home, b"a=1")
    before = home.genesis_file.read_bytes(), home.genesis_file.stat().st_mtime_ns
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    done = beffroi("reset", "--home", home.root, "--genesis", broken)
    assert done.exit_code == 1
    found = home.genesis_file.read_bytes(), home.genesis_file.stat().st_mtime_ns
    assert found == before, "not even for a moment"
    assert (home.data / "chain.lmdb").is_dir()


@pytest.mark.parametrize("command", ["start", "reset", "doctor", "rollback"])
def test_a_folder_that_is_no_home_stays_as_it_is(tmp_path, command):
    done = beffroi(command, "--home", tmp_path)
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, SystemExit)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_cannot_be_written_is_said_before_the_work(tmp_path):
    done = beffroi("export", "--home", tmp_path, "--output", tmp_path / "no" / "genesis.json")
    assert done.exit_code == 1
    assert "is no folder" in done.output


def test_a_damaged_store_and_an_unreadable_file_are_one_line_with_a_code(tmp_path):
    home = kv_home(tmp_path / "home")
    run_kv(home, b"a=1")
    file = home.data / "chain.lmdb" / "data.mdb"
    file.write_bytes(file.read_bytes()[:8_192] + b"Z" * 65_536)  # the pages after LMDB's own two
    for command in ("doctor", "rollback"):
        done = beffroi(command, "--home", home.root)
        assert (done.exit_code, done.output.count("\n")) == (1, 1)
        assert done.output.startswith("Error: store_corrupted: ")
    home.genesis_file.unlink()
    home.genesis_file.mkdir()
    done = beffroi("doctor", "--home", home.root)
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert done.output.startswith("Error: os_error: ")


def test_a_home_that_cannot_be_made_there_is_said_in_one_line(tmp_path):
    state = tmp_path / "state.json"
    state.write_text("{}")
    made = ["--home", state / "home", "--chain-id", "x-1", "--app-state", state]
    done = beffroi("init", *made)
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "Not a directory" in done.output


def test_a_testnet_is_never_made_over_another_ones_keys(tmp_path):
    assert beffroi("testnet", "--v", 1, "--o", tmp_path).exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = beffroi("testnet", "--v", 1, "--o", tmp_path)
    assert again.exit_code == 1
    assert "never overwritten" in again.output
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    (tmp_path / "file").touch()
    refused = beffroi("testnet", "--v", 1, "--o", tmp_path / "file")
    assert refused.exit_code == 1
    assert "Error: " in refused.output


# --- several nodes, real processes ---------------------------------------------------------


def town_testnet(root: Path) -> tuple[list[Home], town_kit.Town]:
    """Two validators of one town that know each other."""
    genesis_s = int(time())
    genesis = town_kit.make_genesis(validators=2, genesis_s=genesis_s)
    ports = free_ports(2)
    members = [
        Member(
            root / f"n{i}",
            town_kit.validator_seed(i),
            ports[i],
            NodeConfig(rpc_port=0, timeouts=QUICK),
        )
        for i in range(2)
    ]
    homes = init_testnet(
        members,
        chain_id=CHAIN,
        app_state=json.loads(genesis.app_state_bytes),
        genesis_time=Timestamp.from_ns(time_ns()),
    )
    return list(homes), town_kit.make_town(validators=2, genesis_s=genesis_s)


async def together(homes, work):
    nodes = [Node(home) for home in homes]
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session:
        try:
            for node in nodes:
                await node.start(loop)
            clients = [Client(session, f"http://127.0.0.1:{n.rpc.port}/") for n in nodes]
            for node in nodes:
                await until(lambda n=node: n.stores.blocks.height() > n_first(n))
            await work(nodes, clients)
        finally:
            for node in nodes:
                await node.stop()
    return [node.host.state.last_block_height for node in nodes]


def n_first(node) -> int:
    return node.host.state.initial_height - 1


def test_two_validators_export_equal_files_and_go_on_together_on_the_new_chain(tmp_path):
    homes, kit = town_testnet(tmp_path)

    async def before(nodes, clients):
        await learn_town(kit, clients[0])
        done = await clients[0].commit(kit.open_tx(town_kit.key("settler")))
        assert done["tx_result"]["info"] == "ok", done
        height = int(done["height"])
        await until(lambda: all(node.stores.blocks.height() > height for node in nodes))

    last = min(run_within(together(homes, before))) - 1
    files = []
    for home in homes:
        files.append(home.root.parent / f"{home.root.name}.json")
        done = beffroi("export", "--home", home.root, "--height", last, "--output", files[-1])
        assert done.exit_code == 0, done.output
    assert files[0].read_bytes() == files[1].read_bytes()
    for home, file in zip(homes, files, strict=True):
        done = beffroi("reset", "--home", home.root, "--genesis", file)
        assert done.exit_code == 0, done.output

    async def after(nodes, clients):
        done = await clients[1].commit(kit.open_tx(town_kit.key("newcomer")))
        assert done["tx_result"]["info"] == "ok", done
        assert int(done["height"]) > last
        height = int(done["height"])
        await until(lambda: nodes[0].stores.blocks.height() >= height)
        blocks = [node.stores.blocks.load(height).block for node in nodes]
        assert blocks[0] == blocks[1]
        assert blocks[0].header.chain_id == "beffroi-test-2"
        for name in ("settler", "newcomer"):
            found = await clients[0](
                "abci_query", path="/record/account", data=account_id(name).hex()
            )
            assert found["response"]["value"], name

    run_within(together(homes, after))


@pytest.mark.process
def test_a_running_process_holds_its_home_and_a_killed_one_does_not(tmp_path):
    home = kv_home(tmp_path / "home")
    port = free_ports(1)[0]
    DiskFolder(home.config).replace(
        "config.toml", render_config(NodeConfig(rpc_port=port)).encode()
    )
    command = [sys.executable, "-m", "tests.node.kvstore_node"]
    process = Validator(home.root, port, command)
    process.start()
    try:
        for _ in range(600):
            if process.height() >= 1:
                break
            sleep(0.05)
        assert process.height() >= 1
        refused = beffroi("rollback", "--home", home.root)
        assert "config_home_in_use" in refused.output
        second = subprocess.run(
            [*command, "--home", str(home.root)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,  # not refused, it would run for ever
        )
        assert second.returncode == 2
        assert "config_home_in_use" in second.stderr
        assert process.height() >= 1
    finally:
        process.end(signal.SIGKILL)
    done = beffroi("reset", "--home", home.root)
    assert done.exit_code == 0, done.output
