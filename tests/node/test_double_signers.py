"""Six real processes: two validators sign twice, one after the other; the town proves it and goes on without them."""

import json
import sys
from pathlib import Path
from secrets import token_bytes
from time import time_ns
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from app.cli.main import main
from app.cli.town import write_testnet
from app.core.keyfiles import read_key_file
from chain.codec.canonical import b64url_encode
from chain.crypto import ed25519
from chain.crypto.keys import address
from chain.node.config import NodeConfig, load_config
from chain.node.home import Home, load_genesis, load_node_id, load_node_seed, load_signing_seed
from chain.node.testnet import registry_entry
from chain.town.envelope import build_transaction
from chain.town.genesis import compute_town, decode_genesis_state
from chain.town.schemas import CouncilAct, CouncilActs
from tests.node.double_signer import TRIGGER
from tests.node.four import QUICK, Cluster, Validator, free_ports
from tests.node.test_members import LAX

BODIES = ("mairie", "commercants", "energie", "temoin", "corps-5")
HONEST = [sys.executable, "-m", "chain.node"]
CHEAT = [sys.executable, "-m", "tests.node.double_signer"]


class Town(Cluster):
    """Five validators, the last two of which can be told to sign twice."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(12)
        self.folder, self.spare = folder, ports[10:]
        self.chain_id, roots = write_testnet(
            folder,
            hosts=["127.0.0.1"] * 5,
            rpc_ports=ports[:5],
            p2p_ports=ports[5:10],
            params=LAX,
            config=NodeConfig(timeouts=QUICK),
        )
        self.homes = tuple(Home(root) for root in roots)
        commands = [HONEST] * 3 + [CHEAT] * 2
        self.nodes = [
            Validator(root, ports[i], command)
            for i, (root, command) in enumerate(zip(roots, commands, strict=True))
        ]
        made = load_genesis(self.homes[0])
        state = decode_genesis_state(made.app_state_bytes)
        self.town = compute_town(made.doc.chain_id, made.doc.genesis_time, state)

    def act(self, *acts: dict[str, Any]) -> int:
        """A council act of all seats; returns the height that committed it."""
        seats = [read_key_file(self.folder / "keys" / f"seat-{b}.json").signer for b in BODIES]
        body = CouncilActs(tuple(msgspec.convert(act, CouncilAct) for act in acts))
        exp = time_ns() // 10**9 + 600
        raw = build_transaction(self.town, "council", body, seats, token_bytes(16), exp)
        return self.nodes[0].commit(raw)

    def tick(self) -> int:
        """A block: an act that changes nothing."""
        host = f"127.0.0.1:{p2p_port(self.homes[0])}"
        entry = registry_entry("mairie", load_node_seed(self.homes[0]), host)
        return self.act({"act": "node.set", **entry})

    def proof_of(self, index: int) -> int | None:
        """Height of the block that proves a validator's double vote, or None."""
        name = voter(self.homes[index]).hex().upper()
        for at in range(1, self.nodes[0].height() + 1):
            block = self.nodes[0].call("block", height=str(at))["block"]
            for item in block["evidence"]["evidence"]:
                vote = item["value"]["vote_a"]
                if vote["validator_address"] == name:
                    assert int(vote["height"]) < at
                    return at
        return None

    def sign_twice(self, index: int) -> int:
        """Let a validator cheat until it is proved, then stop; the height of the proof."""
        trigger = self.homes[index].root / TRIGGER
        trigger.touch()
        for _ in range(12):
            self.tick()
            found = self.proof_of(index)
            if found is not None:
                trigger.unlink()
                return found
        raise AssertionError("never proved")

    def set_at(self, height: int) -> set[str]:
        """Addresses of the set that decides a height."""
        for _ in range(50):
            if self.nodes[0].height() >= height:
                break
            self.tick()
        assert self.nodes[0].height() >= height, "ticks make no blocks"
        listed = self.nodes[0].call("validators", height=str(height), per_page="100")
        return {v["address"] for v in listed["validators"]}

    def name(self, index: int) -> str:
        return voter(self.homes[index]).hex().upper()


def p2p_port(home: Home) -> int:
    return load_config(home.config / "config.toml").p2p.listen_port


def voter(home: Home) -> bytes:
    return address(ed25519.derive_public(load_signing_seed(home)))


@pytest.mark.process
@pytest.mark.slow
def test_cheats_lose_their_power_are_replaced_and_the_town_goes_on(tmp_path):
    town = Town(tmp_path)
    try:
        town.start(wait=False)
        town.wait_height(1, seconds=60)
        # Five: the cheat's power is gone two heights after the proof, and four remain.
        # How soon a proof follows is for the simulation (E1) and the drills: here processes share a machine.
        proved = town.sign_twice(4)
        assert town.name(4) in town.set_at(proved + 1)
        assert town.set_at(proved + 2) == {town.name(i) for i in range(4)}

        # Four: the next one is marked and works on, for three could not bear a fault.
        proved = town.sign_twice(3)
        assert town.name(3) in town.set_at(proved + 2)

        # The council replaces it in one act by a validator that joins with the genesis and its own keys.
        newcomer = join(town)
        acts = json.loads((newcomer.root / "config" / "join-act.json").read_text())["acts"]
        gone = b64url_encode(ed25519.derive_public(load_signing_seed(town.homes[3])))
        at = town.act(
            {"act": "validator.set", "body": "temoin", "pub_key": gone, "power": 0},
            {"act": "node.remove", "node": load_node_id(town.homes[3])},
            *acts,
        )
        newcomer.start()
        town.nodes.append(newcomer)
        new_name = voter(Home(newcomer.root)).hex().upper()
        assert town.set_at(at + 2) == {*(town.name(i) for i in range(3)), new_name}
        town.wait(lambda: newcomer.height() >= at + 2, 40)
        town.wait(lambda: signs(town, new_name), 40)
        town.check_agreement([0, 1, 2, 5])
        peers = {p["node_info"]["id"] for p in town.nodes[0].call("net_info")["peers"]}
        assert load_node_id(town.homes[3]) not in peers
    finally:
        town.stop()


def join(town: Town) -> Validator:
    root, (rpc, p2p) = town.folder / "newcomer", town.spare
    answer = CliRunner().invoke(
        main,
        [
            *("node", "init", "--home", str(root), "--join", str(town.homes[0].genesis_file)),
            *("--body", "corps-5", "--address", f"127.0.0.1:{p2p}", "--listen", "127.0.0.1"),
            *("--rpc-port", str(rpc)),
        ],
    )
    assert answer.exit_code == 0, answer.output
    return Validator(root, rpc, HONEST)


def signs(town: Town, name: str) -> bool:
    """Whether the commit of a fresh block holds this validator's signature."""
    at = town.tick()
    town.tick()
    commit = town.nodes[0].call("commit", height=str(at))["signed_header"]["commit"]
    return any(s["validator_address"] == name and s["signature"] for s in commit["signatures"])
