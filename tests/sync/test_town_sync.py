"""The real town application reaches the same state by block sync as by consensus."""

import json
import time
from base64 import b64decode

import pytest

from chain.node.config import NodeConfig
from chain.node.pacing import Pacing
from chain.node.testnet import Member, init_testnet
from chain.types.timestamp import Timestamp
from tests.node.four import QUICK, Cluster, Validator
from tests.sync.test_processes import synced_blocks
from tests.town import town_kit


class Town(Cluster):
    """Four processes of the real node, of which the test starts three first."""

    def __init__(self, root):
        super().__init__(root / "unused")
        genesis = town_kit.make_genesis(validators=4, genesis_s=int(time.time()))
        ports = [node.rpc_port for node in self.nodes]
        pacing = Pacing(empty_interval_s=0.5)
        members = [
            Member(
                root / f"town{i}",
                town_kit.validator_seed(i),
                self.p2p_ports[i],
                NodeConfig(
                    timeouts=QUICK,
                    pacing=pacing,
                    moniker=f"town{i}",
                    rpc_port=ports[i],
                    is_key_locked=False,  # other tests run towns of the same keys at the same time
                ),
            )
            for i in range(4)
        ]
        self.homes = init_testnet(
            members,
            chain_id="beffroi-test-1",
            app_state=json.loads(genesis.app_state_bytes),
            genesis_time=Timestamp.from_ns(time.time_ns()),
        )
        command = [self.nodes[0]._command[0], "-m", "chain.node"]
        self.nodes = [Validator(home.root, ports[i], command) for i, home in enumerate(self.homes)]


@pytest.mark.process
@pytest.mark.slow
def test_a_late_town_node_has_the_accounts_and_the_state_of_the_others(tmp_path):
    town = Town(tmp_path)
    kit = town_kit.make_town(validators=4, genesis_s=int(time.time()))
    try:
        for node in town.nodes[:3]:
            node.start()
        town.wait_height(1, [0, 1, 2], seconds=60)
        status = town.nodes[0].call("abci_query", path="/status")["response"]["value"]
        kit.town = json.loads(b64decode(status))["town"]
        kit.now_s = int(time.time())
        people = [town_kit.key(name) for name in ("anna", "bruno", "chloe")]
        for number, person in enumerate(people):
            town.nodes[number].commit(kit.open_tx(person))
        missed = town.nodes[0].height()
        town.nodes[3].start()
        town.wait(lambda: synced_blocks(town.nodes[3]), 60)
        assert synced_blocks(town.nodes[3])[0] >= missed
        for person in people:
            record = (b"account/" + person.kid.encode()).hex()
            answers = [
                node.call("abci_query", path="/record/account", data=record)["response"]["value"]
                for node in (town.nodes[0], town.nodes[3])
            ]
            assert answers[0] == answers[1]
            assert json.loads(b64decode(answers[1]))["status"] == "open"
        assert town.check_agreement() >= missed
    finally:
        town.stop()
