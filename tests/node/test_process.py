"""Real processes: killed under load, told to stop, started on damaged files."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from itertools import count, islice
from pathlib import Path

import pytest
import structlog

from chain.node.main import _failed
from chain.store.wal import HEAD, frame
from tests.node.live import make_home

pytestmark = pytest.mark.process
ROOT = Path(__file__).resolve().parents[2]


class Running:
    def __init__(self, root: Path, port: int) -> None:
        self.port = port
        self.log = root / "log.txt"
        command = [sys.executable, "-m", "tests.node.kvstore_node", "--home", str(root)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=log)

    def call(self, method, **params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", body)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def wait_ready(self):
        for _ in range(3000):
            assert self.process.poll() is None, self.log.read_text()
            try:
                if int(self.height()):
                    return self
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError("not ready within a minute")

    def height(self):
        return int(self.call("status")["result"]["sync_info"]["latest_block_height"])

    def send(self, tx: bytes):
        return self.call("broadcast_tx_sync", tx=b64encode(tx).decode())

    def app(self):
        return self.call("abci_info")["result"]["response"]

    def end(self, number) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def start(tmp_path):
    port = free_port()
    make_home(tmp_path, rpc_port=port)
    started: list[Running] = []

    def run() -> Running:
        started.append(Running(tmp_path, port))
        return started[-1]

    yield run
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait(30)


def committed_keys(node: Running) -> dict[str, str]:
    found = {}
    page = 1
    while True:
        answer = node.call("tx_search", query="app.key EXISTS", per_page="100", page=str(page))[
            "result"
        ]
        found.update({tx["hash"]: tx["height"] for tx in answer["txs"]})
        if len(found) >= int(answer["total_count"]):
            return found
        page += 1


def test_killed_under_load_it_loses_no_committed_transaction(start):
    """Three times: load, kill -9 at a random moment, restart; everything seen committed is still there."""
    known: dict[str, str] = {}
    app_hashes: dict[int, str] = {}
    for cycle in range(3):
        node = start().wait_ready()
        now = committed_keys(node)
        assert known.items() <= now.items()
        for height, app_hash in app_hashes.items():
            header = node.call("header", height=str(height))["result"]["header"]
            assert header["app_hash"] == app_hash
        sent, end_s = count(), time.monotonic() + 60
        while len(known := committed_keys(node)) < 40 * (cycle + 1):
            assert time.monotonic() < end_s, (
                f"only {len(known)} committed: {node.log.read_text()[-2_000:]}"
            )
            for n in islice(sent, 20):
                node.send(b"c%d-%d=v" % (cycle, n))
        height = node.height()
        header = node.call("header", height=str(height))["result"]["header"]
        app_hashes[height] = header["app_hash"]
        node.send(b"late%d=v" % cycle)
        assert node.end(signal.SIGKILL) == -signal.SIGKILL
    node = start().wait_ready()
    assert known.items() <= committed_keys(node).items()
    assert len(known) >= 120
    assert node.end(signal.SIGTERM) == 0


def test_sigterm_stops_with_zero_and_the_same_state_comes_back(start):
    node = start().wait_ready()
    for n in range(20):
        node.send(b"k%d=v" % n)
    time.sleep(0.3)
    before = node.app()
    assert node.end(signal.SIGTERM) == 0
    again = start().wait_ready()
    after = again.app()
    assert after["last_block_app_hash"] == before["last_block_app_hash"]
    assert int(after["last_block_height"]) >= int(before["last_block_height"])
    assert again.end(signal.SIGINT) == 0


def test_damage_in_the_middle_of_the_log_refuses_to_start_with_a_code(start, tmp_path):
    node = start().wait_ready()
    node.send(b"k=v")
    time.sleep(0.2)
    node.end(signal.SIGTERM)
    path = tmp_path / "data" / "cs.wal" / HEAD
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    refused = start()
    assert refused.process.wait(30) == 2
    assert "wal_damaged" in refused.log.read_text()


def test_a_torn_end_of_the_log_starts_by_itself(start, tmp_path):
    node = start().wait_ready()
    node.end(signal.SIGKILL)
    with (tmp_path / "data" / "cs.wal" / HEAD).open("ab") as raw:
        raw.write(frame(b"torn" * 20)[:-3])
    node = start().wait_ready()
    assert "log repaired" in node.log.read_text()
    assert node.end(signal.SIGTERM) == 0


def test_a_consensus_failure_ends_the_process_with_a_bundle(start, tmp_path):
    """A log that ends heights nobody stored is found by consensus itself, after the start."""
    from chain.node.recovery import end_height_payload
    from chain.types.timestamp import Timestamp

    node = start().wait_ready()
    node.end(signal.SIGTERM)
    with (tmp_path / "data" / "cs.wal" / HEAD).open("ab") as raw:
        raw.write(frame(end_height_payload(Timestamp(0), 99)))
    failed = start()
    assert failed.process.wait(30) == 1
    assert "consensus_wal_ahead" in failed.log.read_text()
    bundle = next((tmp_path / "data" / "failures").iterdir())
    assert {entry.name for entry in bundle.iterdir()} == {
        "reason.txt",
        "state.json",
        "wal_tail.txt",
    }
    assert "consensus_wal_ahead" in (bundle / "reason.txt").read_text()


@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        (lambda root: (root / "config/genesis.json").unlink(), "config_genesis_missing"),
        (lambda root: (root / "config/genesis.json").write_text("{"), "config_genesis_invalid"),
        (lambda root: (root / "config/priv_validator_key.json").unlink(), "config_key_missing"),
        (
            lambda root: (root / "config/config.toml").write_text("nonsense = 1"),
            "config_unknown_key",
        ),
        (lambda root: (root / "config/config.toml").write_text('[rpc]\nladdr="x"'), "config_laddr"),
    ],
)
def test_a_home_with_a_wrong_file_is_refused_with_a_code(start, tmp_path, break_it, code):
    break_it(tmp_path)
    refused = start()
    assert refused.process.wait(30) == 2
    assert code in refused.log.read_text()


def test_a_disk_that_takes_no_bundle_either_still_leaves_a_code(tmp_path, capsys):
    """The failed sync and the bundle meet the same full disk: the exit says why all the same."""

    class FullDisk:
        def fail(self, _failure):
            pass

        def write_failure_bundle(self, _reason):
            raise OSError(28, "No space left on device")

    structlog.reset_defaults()
    assert _failed(FullDisk(), OSError(5, "Input/output error")) == 1
    told = capsys.readouterr()
    assert "disk_failed" in told.out + told.err
    assert "Input/output error" in told.err
