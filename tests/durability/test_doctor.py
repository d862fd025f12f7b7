"""`beffroi node doctor`: what a home holds and what a start would do, by the functions of a start, changing nothing."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli.node import node as node_command
from chain.node.home import Home
from chain.node.lock import HomeLock
from chain.node.node import Node
from chain.node.signer import STATE_FILE
from chain.store.files import DiskFolder
from chain.store.wal import HEAD, frame
from tests.node.kvstore_app import KvStoreApp
from tests.node.live import first_block, make_home
from tests.waiting import run_within


@pytest.fixture
def home(tmp_path) -> Home:
    """A lone validator's home after its first blocks."""
    made = make_home(tmp_path / "home")

    async def run() -> None:
        node = Node(made, app_factory=lambda store, clock: KvStoreApp(store, clock.now))
        await node.start(asyncio.get_running_loop())
        await first_block(node)
        node.submit_tx(b"secret=ine-madeleine")
        for _ in range(200):
            if node.stores.blocks.height() >= 2:
                break
            await asyncio.sleep(0.01)
        await node.stop()

    run_within(run())
    return made


def doctor(home: Home, *options: str) -> tuple[int, dict]:
    done = CliRunner().invoke(
        node_command, ["doctor", "--home", str(home.root), "--json", *options]
    )
    return done.exit_code, json.loads(done.output)


def contents(home: Home) -> dict[str, bytes]:
    """Every byte but LMDB's table of readers."""
    return {
        str(path): path.read_bytes()
        for path in sorted(Path(home.root).rglob("*"))
        if path.is_file() and path.name != "lock.mdb"
    }


def test_a_sound_home_would_start_and_nothing_of_it_changes(home):
    before = contents(home)
    code, found = doctor(home, "--full")
    assert code == 0
    assert found["store_height"] == found["state_height"] == found["app_height"] >= 2
    assert found["is_app_hash_same"]
    assert found["damaged_rows"] == 0
    assert found["would"][-1] == f"go on at height {found['store_height'] + 1}"
    assert any("precommit" in line for line in found["log_tail"])
    assert "madeleine" not in json.dumps(found)
    assert contents(home) == before


def test_a_torn_log_would_be_cut_and_a_damaged_one_refuse(home):
    path = home.data / "cs.wal" / HEAD
    whole = path.read_bytes()
    path.write_bytes(whole + frame(b"torn" * 20)[:-3])
    code, found = doctor(home)
    assert code == 0
    assert found["would"][0] == "cut 85 torn bytes off the log"
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    code, found = doctor(home)
    assert code == 1
    assert found["refusal"] == "wal_damaged"


def test_a_lost_signer_state_of_a_lone_validator_would_refuse(home):
    (home.data / STATE_FILE).unlink()
    code, found = doctor(home)
    assert code == 1
    assert found["refusal"] == "signer_state_missing"
    assert found["signer"] == "file missing"


def test_a_damaged_signer_state_would_refuse(home):
    raw = (home.data / STATE_FILE).read_bytes()
    DiskFolder(home.data).replace(STATE_FILE, raw.replace(b'"step": 3', b'"step": 2'))
    code, found = doctor(home)
    assert code == 1
    assert found["refusal"] == "signer_file"


def test_it_says_when_a_node_runs_and_reads_beside_it(home):
    lock = HomeLock(home.data)
    try:
        assert doctor(home)[1]["is_running"]
    finally:
        lock.release()
    assert not doctor(home)[1]["is_running"]


def test_people_get_the_same_in_words(home):
    done = CliRunner().invoke(node_command, ["doctor", "--home", str(home.root), "--tail", "3"])
    assert done.exit_code == 0
    for expected in ("chain state", "last signed", "a start would", "go on at height"):
        assert expected in done.output


def test_a_home_that_never_ran_is_refused(tmp_path):
    made = make_home(tmp_path / "fresh")
    done = CliRunner().invoke(node_command, ["doctor", "--home", str(made.root)])
    assert done.exit_code == 1
    assert "config_no_data" in done.output
