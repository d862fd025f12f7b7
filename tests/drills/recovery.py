"""More than a third of the power lost for good: export, the council's signatures, new validators, the town goes on."""

import json
import shutil
import signal
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from pathlib import Path

from app.core.chain_client import ChainClient
from app.core.keyfiles import new_role_key
from app.core.proofs import fetch_light_block
from chain.light.bundle import checkpoint_of, state_bundle, verify_bundle
from chain.light.bundle_format import Bundle, Checkpoint
from chain.node.config import load_config
from chain.node.home import Home
from chain.types.abci import ProofOp
from tests.drills.report import Drill, drill
from tests.drills.town import Town, TownNode, find_tx, query, wait_for
from tests.node.four import ROOT, free_ports

LOST = (2, 3)


def beffroi(*arguments: object) -> str:
    """One command of an operator; raises AssertionError with what it said when it refuses."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *(str(a) for a in arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def refused(*arguments: object) -> str:
    """What a command said when it refused; raises AssertionError when it did not."""
    try:
        said = beffroi(*arguments)
    except AssertionError as error:
        return str(error)
    raise AssertionError(f"not refused: {arguments}: {said}")


@drill
def social_recovery(run: Drill) -> None:
    """Two of four validators burn with their disks; the two left export, the council signs, two new ones come."""
    town = Town(run.folder / "town", 4)
    run.closers.append(town.stop)
    town.start()
    owner = new_role_key("phone").signer
    opening = town.tx(owner)
    town.nodes[0].commit(opening)
    for n in range(5):
        town.nodes[n % 4].commit(town.tx())
    town.wait_level()
    time.sleep(1.0)
    record_id = b"account/" + owner.kid.encode()
    record = query(town.nodes[0], "/record/account", record_id)
    bundle, checkpoint = proof_of(town, record_id)
    for index in LOST:
        town.nodes[index].end(signal.SIGKILL)
        shutil.rmtree(town.homes[index].root)
    before = max(town.tips([0, 1]))
    town.nodes[0].send(town.tx())
    time.sleep(3.0)
    run.check("nothing is decided without a quorum", max(town.tips([0, 1])) <= before + 1)
    run.did(
        "two of four validators killed, their homes deleted: more than a third of the power is gone"
    )
    for index in (0, 1):
        town.nodes[index].end(signal.SIGTERM)

    started_s = time.monotonic()
    replace_lost(run, town)
    above = before
    wait_for(lambda: min(town.tips()) > above, 90, "blocks of the new chain on all four")
    run.measure("recovery_s", round(time.monotonic() - started_s, 1))
    town.nodes[0].commit(town.tx())
    town.wait_level()
    names = {n.call("status")["node_info"]["network"] for n in town.nodes}
    run.check("all four run one new chain", len(names) == 1 and town.chain_id not in names, names)
    split = town.find_split(first=above + 2)
    run.check("one block per height", not split, split)
    run.check(
        "the account is the same on all four",
        all(query(node, "/record/account", record_id) == record for node in town.nodes),
    )
    again = town.nodes[1].call("broadcast_tx_sync", tx=b64encode(opening).decode())
    run.check("an old transaction is not taken again", int(again["code"]) != 0, again.get("log"))
    verdict = verify_bundle(bundle, checkpoint)
    run.check("a proof of the old chain still verifies", verdict.valid, verdict.detail)
    run.check("an old transaction is not in the new index", find_tx(town.nodes[0], opening) == 0)


def proof_of(town: Town, record_id: bytes) -> tuple[Bundle, Checkpoint]:
    """A proof bundle of a record from the old chain, and the checkpoint that a citizen kept."""
    chain = ChainClient([f"http://127.0.0.1:{town.nodes[0].rpc_port}"])
    height = town.nodes[0].height() - 1
    answer = chain.query("/record/account", record_id, height=height, prove=True)
    block = fetch_light_block(chain, height + 1)
    chain.close()
    ops = tuple(
        ProofOp(str(op["type"]), b64decode(op["key"]), b64decode(op["data"]))
        for op in answer.proof_ops
    )
    bundle = state_bundle(block, "account", record_id, answer.value, ops)
    return bundle, checkpoint_of(block.signed_header.header)


def replace_lost(run: Drill, town: Town) -> None:
    """The steps of docs/fault-model.md, by the operators' own commands."""
    root, keys = town.root, town.root / "keys"
    bodies = [load_config(home.config / "config.toml").moniker for home in town.homes[:2]]
    run.did(f"left: {', '.join(bodies)}")
    genesis = Path(town.homes[0].genesis_file)
    members = json.loads(genesis.read_text())["app_state"]["validators"]
    nodes = json.loads(genesis.read_text())["app_state"].get("nodes", [])
    acts: list[dict[str, object]] = []
    fresh: list[Home] = []
    ports = free_ports(4)
    for n, index in enumerate(LOST):
        body = members[index]["body"]
        home = Home(root / f"fresh{index}")
        beffroi(
            *("node", "init", "--home", home.root, "--join", genesis, "--body", body),
            *("--rpc-port", ports[2 * n], "--address", f"127.0.0.1:{ports[2 * n + 1]}"),
        )
        acts += json.loads((home.config / "join-act.json").read_text())["acts"]
        acts.append(
            {"act": "validator.set", "body": body, "pub_key": members[index]["pub_key"], "power": 0}
        )
        fresh.append(home)
        town.homes = (*town.homes[:index], home, *town.homes[index + 1 :])
        town.nodes[index] = TownNode(home.root, ports[2 * n], host="127.0.0.1")
    acts.sort(key=lambda act: act.get("power") == 0)
    run.measure("registered_nodes_before", len(nodes))
    (root / "acts.json").write_text(json.dumps({"acts": acts}))
    exported = [root / f"genesis-{i}.json" for i in (0, 1)]
    for index, file in enumerate(exported):
        beffroi(
            *("node", "export", "--home", town.homes[index].root, "--output", file),
            *("--acts", root / "acts.json"),
        )
    same = exported[0].read_bytes() == exported[1].read_bytes()
    run.check("both nodes left export the same bytes", same)
    run.did(
        "each of the two left exports, with acts that put two new validators in the place of the lost"
    )
    seats = sorted(keys.glob("seat-*.json"))
    for seat in seats[:2]:
        beffroi("node", "sign-genesis", exported[0], "--seat", seat)
    few = refused("node", "reset", "--home", town.homes[0].root, "--genesis", exported[0])
    run.check("two of four seats are not enough", "genesis_not_approved" in few)
    beffroi("node", "sign-genesis", exported[0], "--seat", seats[2])
    signatures = exported[0].with_suffix(".signatures.json")
    run.did("three of four seats sign the SHA-256 of the new genesis")
    for index in (0, 1):
        said = beffroi("node", "reset", "--home", town.homes[index].root, "--genesis", exported[0])
        run.check(f"node{index} judged the signatures by its own state", "own last state" in said)
    for home in fresh:
        shutil.copy(exported[0], home.genesis_file)
        shutil.copy(signatures, home.config / "genesis.signatures.json")
    start_all(run, town, fresh[0])


def start_all(run: Drill, town: Town, tampered: Home) -> None:
    """One byte changed in one genesis is refused first; then all start, each insisting on the signatures."""
    good = tampered.genesis_file.read_bytes()
    tampered.genesis_file.write_bytes(good.replace(b'"power":"10"', b'"power":"11"', 1))
    said = refused("node", "start", "--recovery", "--home", tampered.root)
    run.check(
        "a genesis changed after it was signed does not start", "genesis_not_approved" in said
    )
    tampered.genesis_file.write_bytes(good)
    for node in town.nodes:
        node._command = [*node._command, "--recovery"]
        node.start()
    run.did("all four started with --recovery on the signed genesis")
