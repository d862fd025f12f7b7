"""Clock offsets only in insecure towns; configuration reads back and refuses what it does not know."""

import os

import pytest

from chain.consensus import TimeoutKind
from chain.limits import TIMEOUT_MAX_MS
from chain.node.clock import OffsetClock, SystemClock
from chain.node.config import (
    NodeConfig,
    StateSyncConfig,
    Timeouts,
    load_config,
    parse_config,
    render_config,
)
from chain.node.errors import ConfigError
from chain.node.home import init_home, load_genesis, load_node_id, load_signing_seed
from chain.node.pacing import Followers, Pacing, PacingFacts, compute_start_at_s
from chain.types.timestamp import Timestamp


def shift_s(clock) -> float:
    return (clock.now().to_ns() - SystemClock().now().to_ns()) / 1e9


def write(path, text, tick):
    path.write_text(text)
    os.utime(path, ns=(tick, tick))


def test_the_offset_follows_the_file_and_waits_are_not_shifted(tmp_path):
    path = tmp_path / "offset"
    clock = OffsetClock(path, lambda: True)
    assert abs(shift_s(clock)) < 1
    write(path, "36000\n", 10**18)
    assert abs(shift_s(clock) - 36_000) < 1
    write(path, "half written", 10**18 + 1)
    assert abs(shift_s(clock) - 36_000) < 1
    write(path, "-5", 10**18 + 2)
    assert abs(shift_s(clock) + 5) < 1
    path.unlink()
    assert abs(shift_s(clock)) < 1
    assert abs(clock.monotonic_s() - SystemClock().monotonic_s()) < 1


def test_a_secure_town_keeps_the_machines_time(tmp_path):
    path = tmp_path / "offset"
    write(path, "36000", 10**18)
    assert abs(shift_s(OffsetClock(path, lambda: False))) < 1


def test_a_rendered_configuration_reads_back(tmp_path):
    config = NodeConfig(
        moniker="m",
        rpc_port=1_234,
        timeouts=Timeouts(propose_s=0.25),
        pacing=Pacing(empty_interval_s=1.5, proof_delay_s=0.1),
        clock_offset_file="offset",
        statesync=StateSyncConfig(
            is_enabled=True,
            trust_height=7,
            trust_hash=bytes(range(32)),
            trust_period_s=3_600.0,
            snapshot_interval=0,
        ),
    )
    path = tmp_path / "config.toml"
    path.write_text(render_config(config))
    assert load_config(path) == config
    assert load_config(tmp_path / "absent.toml") == NodeConfig()


@pytest.mark.parametrize(
    ("tree", "code"),
    [
        ({"rpc": {"port": 1}}, "config_unknown_key"),
        ({"consensus": {"timeout_propose": 3}}, "config_duration"),
        ({"consensus": {"timeout_propose": "3 s"}}, "config_duration"),
        ({"consensus": {"proof_block_delay": "2s"}}, "config_range"),
        ({"mempool": {"size": 0}}, "config_range"),
        ({"rpc": {"laddr": "tcp://127.0.0.1:99999"}}, "config_laddr"),
        ({"statesync": {"enable": 1}}, "config_statesync"),
        ({"statesync": {"trust_height": 5}}, "config_statesync"),
        ({"statesync": {"trust_height": 5, "trust_hash": "AB"}}, "config_statesync"),
        ({"statesync": {"snapshot_interval": -1}}, "config_statesync"),
        ({"statesync": {"rpc_servers": "a,b"}}, "config_unknown_key"),
    ],
)
def test_a_wrong_setting_is_refused_with_a_code(tree, code):
    with pytest.raises(ConfigError) as refused:
        parse_config(tree)
    assert refused.value.code == code


def test_timeouts_grow_with_the_round_up_to_a_cap():
    timeouts = Timeouts()
    waits = [timeouts.wait_s(TimeoutKind.PROPOSE, r) for r in (0, 1, 2, 10_000)]
    assert waits == [3.0, 3.5, 4.0, TIMEOUT_MAX_MS / 1_000]


def test_a_home_holds_its_keys_and_genesis_and_is_never_overwritten(tmp_path):
    make = {"chain_id": "c", "app_state": {"é": 1}, "genesis_time": Timestamp(5)}
    home = init_home(tmp_path, **make, validator_seed=b"\x01" * 32, node_seed=b"\x02" * 32)
    genesis = load_genesis(home)
    assert genesis.doc.app_state == {"é": 1}
    assert genesis.app_state_bytes == '{"é":1}'.encode()
    assert load_signing_seed(home) == b"\x01" * 32
    assert len(load_node_id(home)) == 40
    assert (tmp_path / "config/priv_validator_key.json").stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="config_home_taken"):
        init_home(tmp_path, **make)


def facts(**changes):
    values = {
        "now_s": 100.0,
        "decided_at_s": 99.0,
        "tx_block_started_at_s": 98.9,
        "tx_block_txs": 1,
        "waiting_txs": 0,
        "is_proof_due": False,
        "due_at_s": None,
        "is_summoned": False,
        "barren_blocks": 0,
    }
    return PacingFacts(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 159.0),
        ({"is_summoned": True}, 100.0),
        ({"is_proof_due": True}, 99.005),
        ({"is_proof_due": True, "block_s": 0.04, "follower_s": 0.021}, 99.005),
        ({"is_proof_due": True, "block_s": 0.04, "follower_s": 0.019}, 99.02),
        ({"is_proof_due": True, "block_s": 0.008, "follower_s": 0.001}, 99.005),
        ({"is_proof_due": True, "block_s": 9.0, "follower_s": 0.2}, 99.25),
        ({"waiting_txs": 1}, 98.925),
        ({"waiting_txs": 1, "tx_block_started_at_s": 99.98}, 100.005),
        ({"waiting_txs": 1, "tx_block_txs": 63, "tx_block_started_at_s": 99.98}, 100.005),
        ({"waiting_txs": 1, "tx_block_txs": 64}, 99.15),
        ({"waiting_txs": 1, "tx_block_txs": 64, "is_proof_due": True}, 99.15),
        ({"waiting_txs": 1, "barren_blocks": 1}, 98.925),
        ({"waiting_txs": 1, "barren_blocks": 2}, 100.0),
        ({"waiting_txs": 1, "barren_blocks": 2, "decided_at_s": 99.9}, 100.9),
        ({"due_at_s": 130.0}, 130.0),
        ({"due_at_s": 5.0}, 100.0),
        ({"due_at_s": 200.0}, 159.0),
    ],
)
def test_the_next_height_starts_by_the_first_reason_there_is(changes, expected):
    assert compute_start_at_s(facts(**changes), Pacing()) == pytest.approx(expected)


def test_a_transaction_is_expected_once_most_of_the_last_three_blocks_were_followed_by_one():
    followers = Followers()
    for at_s, gap_s in ((10.0, 0.01), (20.0, 0.03)):
        followers.on_block(at_s, is_changed=True, waiting_txs=0)
        followers.on_tx(at_s + gap_s)
        followers.on_tx(at_s + 5)  # not the first one
        assert followers.expected_s() == float("inf")
    followers.on_block(30.0, is_changed=True, waiting_txs=0)
    followers.on_block(30.1, is_changed=False, waiting_txs=0)  # the proof block: nobody followed
    assert followers.expected_s() == pytest.approx(0.03)
    followers.on_block(40.0, is_changed=True, waiting_txs=0)
    followers.on_block(40.1, is_changed=False, waiting_txs=0)
    assert followers.expected_s() == float("inf")
    for at_s in (50.0, 60.0):
        followers.on_block(at_s, is_changed=True, waiting_txs=2)
    assert followers.expected_s() == 0.0


def test_a_transaction_after_a_proof_block_says_nothing_about_the_next_one():
    followers = Followers()
    for at_s in (1.0, 2.0, 3.0):
        followers.on_block(at_s, is_changed=True, waiting_txs=0)
        followers.on_block(at_s + 0.1, is_changed=False, waiting_txs=0)
        followers.on_tx(at_s + 0.101)
    assert followers.expected_s() == float("inf")
