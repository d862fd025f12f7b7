"""Real processes: a node joins a town of four validators by snapshot, follows, and becomes the fifth validator."""

import json
import re
import time
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest

from chain.codec.canonical import b64url_encode
from chain.crypto.ed25519 import derive_public
from chain.crypto.keys import address
from chain.node.config import NodeConfig, StateSyncConfig, load_config, render_config
from chain.node.home import Home
from chain.node.pacing import Pacing
from chain.node.testnet import Member, init_testnet
from chain.town.schemas import ActValidatorSet
from chain.types.timestamp import Timestamp
from tests.node.four import QUICK, Cluster, Validator
from tests.town import town_kit

EVERY = 10
BODIES = (*town_kit.BODIES, "lycee")


class Town(Cluster):
    """Four validators of a town that make a snapshot every ten blocks, and a fifth home that is no validator's."""

    def __init__(self, root: Path) -> None:
        super().__init__(root / "unused", 5)
        now_s = int(time.time())
        genesis = town_kit.make_genesis(bodies=BODIES, validators=4, genesis_s=now_s)
        ports = [node.rpc_port for node in self.nodes]
        base = NodeConfig(
            timeouts=QUICK,
            pacing=Pacing(empty_interval_s=0.3),
            statesync=StateSyncConfig(snapshot_interval=EVERY),
            is_key_locked=False,  # other tests run towns of the same keys at the same time
        )
        members = [
            Member(
                root / f"town{i}",
                town_kit.validator_seed(i),
                self.p2p_ports[i],
                replace(base, moniker=f"town{i}", rpc_port=ports[i]),
            )
            for i in range(5)
        ]
        self.homes = init_testnet(
            members,
            chain_id="beffroi-test-1",
            app_state=json.loads(genesis.app_state_bytes),
            genesis_time=Timestamp.from_ns(now_s * 10**9),
        )
        for home in self.homes:
            self.leave_four(home)
        command = [self.nodes[0]._command[0], "-m", "chain.node"]
        self.nodes = [Validator(home.root, ports[i], command) for i, home in enumerate(self.homes)]

    def leave_four(self, home: Home) -> None:
        """The fifth is a full node: its key is not in the genesis document."""
        path = home.config / "genesis.json"
        document = json.loads(path.read_text())
        document["validators"] = document["validators"][:4]
        path.write_text(json.dumps(document))

    def set_statesync(self, index: int, **values: object) -> None:
        path = self.homes[index].config / "config.toml"
        config = load_config(path)
        path.write_text(
            render_config(replace(config, statesync=replace(config.statesync, **values)))  # type: ignore[arg-type]
        )

    def header_hash(self, height: int) -> bytes:
        return bytes.fromhex(self.nodes[0].block_id(height))


def signs(node: Validator, key: bytes) -> bool:
    """Whether the newest commit holds a signature of this key."""
    commit = node.call("commit")["signed_header"]["commit"]
    name = address(key).hex().upper()
    return any(s["validator_address"] == name and s["signature"] for s in commit["signatures"])


@pytest.mark.process
@pytest.mark.slow
def test_a_node_joins_four_validators_by_snapshot_follows_and_becomes_the_fifth(tmp_path):
    town = Town(tmp_path)
    kit = town_kit.make_town(bodies=BODIES, validators=4, genesis_s=int(time.time()))
    try:
        for node in town.nodes[:4]:
            node.start()
        town.wait_height(1, [0, 1, 2, 3], seconds=90)
        status = town.nodes[0].call("abci_query", path="/status")["response"]["value"]
        kit.town = json.loads(b64decode(status))["town"]
        kit.now_s = int(time.time())
        people = [town_kit.key(name) for name in ("anna", "bruno")]
        for person in people:
            town.nodes[0].commit(kit.open_tx(person))
        above = (town.nodes[0].height() // EVERY + 1) * EVERY
        town.wait_height(above + 3, [0], seconds=90)
        town.set_statesync(
            4,
            is_enabled=True,
            trust_height=2,
            trust_hash=town.header_hash(2),
            discovery_s=2.0,
        )
        began_s = time.monotonic()
        town.nodes[4].start()
        town.wait_height(above + 4, [4], seconds=90)
        print(f"joined in {time.monotonic() - began_s:.1f} s from exec")
        sync_info = town.nodes[4].call("status")["sync_info"]
        joined = re.search(r"joined by snapshot.*height=(\d+)", town.nodes[4].log.read_text())
        assert joined is not None
        base = int(joined[1])
        assert base >= above
        assert base % EVERY == 0
        assert int(sync_info["earliest_block_height"]) == base
        for person in people:
            record = (b"account/" + person.kid.encode()).hex()
            answers = [
                node.call("abci_query", path="/record/account", data=record)["response"]["value"]
                for node in (town.nodes[0], town.nodes[4])
            ]
            assert answers[0] == answers[1]
            assert json.loads(b64decode(answers[1]))["status"] == "open"
        town.nodes[4].commit(kit.open_tx(town_kit.key("chloe")))  # through the new node
        tip = town.nodes[4].height()
        town.wait_height(tip, [0])
        for height in range(base, tip + 1):
            assert town.nodes[4].block_id(height) == town.nodes[0].block_id(height)
        assert town.nodes[4].end() == 0
        town.nodes[4].start()  # a restart goes on from what is there
        town.wait_height(tip + 1, [4], seconds=60)
        restarted = town.nodes[4].log.read_text().split("joined by snapshot")
        assert len(restarted) == 2
        # The council gives it a vote: it signs what it never ran from the genesis on.
        kit.now_s = int(time.time())
        fifth = derive_public(town_kit.validator_seed(4))
        act = ActValidatorSet("lycee", b64url_encode(fifth), 10)
        town.nodes[0].commit(kit.council_tx(act, seats=BODIES))
        town.wait(lambda: signs(town.nodes[0], fifth), 60)
    finally:
        town.stop()


@pytest.mark.process
@pytest.mark.slow
def test_a_node_that_finds_no_snapshot_stops_when_told_and_leaves_nothing(tmp_path):
    town = Town(tmp_path)
    try:
        town.set_statesync(4, is_enabled=True, discovery_s=0.5)
        town.nodes[4].start()
        town.wait(lambda: "looking for snapshots" in town.nodes[4].log.read_text(), 60)
        assert town.nodes[4].end() == 0
    finally:
        town.stop()
