"""A town moves from the embedded engine to CometBFT and back: nothing of it is lost, nothing can be done twice.

On the way CometBFT's chain is followed by our light client, replayed by our executor, and its state proved by
@confio/ics23.
"""

import json
import sys
import time
from base64 import b64decode, b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli.main import main
from chain.codec.canonical import b64url_encode
from chain.codec.cmtjson import from_json
from chain.codec.hashing import hash_header, hash_tx, result_leaf
from chain.codec.merkle import merkle_proofs
from chain.crypto.commits import verify_commit_full
from chain.execution.genesis import make_init_chain_request
from chain.execution.updating import finalize_request
from chain.light.bundle import (
    Bundle,
    checkpoint_of,
    transaction_bundle,
    verify_bundle,
    with_history,
)
from chain.light.state_proof import state_key
from chain.light.verifier import TrustedBlock, TrustOptions, Verdict, verify_step
from chain.node.cometbft import EngineHome, application_command, read_rpc_port
from chain.node.home import Home, load_genesis
from chain.store.app import LmdbStateStore
from chain.store.kv import LmdbStore, MemoryStore
from chain.town.application import TownApplication
from chain.town.engine import HISTORY
from chain.types import codes
from chain.types.abci import ExecTxResult, ProofOp
from chain.types.block import Block, SignedHeader
from chain.types.evidence import LightBlock
from chain.types.timestamp import Timestamp
from chain.types.validator import Validator, ValidatorSet
from tests.cometbft.net import EngineNode
from tests.oracles import install as oracles
from tests.oracles.town import LiveTown, NodeProcess, run_script
from tests.town import town_kit

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.usefixtures("cometbft")]


def command(*arguments: str) -> str:
    done = CliRunner().invoke(main, ["node", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def account_id(name: str) -> bytes:
    return b"account/" + town_kit.key(name).kid.encode()


def record(node: Any, namespace: str, record_id: bytes, **more: str) -> bytes | None:
    asked = {"path": f"/record/{namespace}", "data": record_id.hex(), **more}
    value = node.call("abci_query", **asked)["response"]["value"]
    return None if value is None else b64decode(value)


def send(node: Any, tx: bytes) -> str:
    """Stable name of CheckTx's answer, `ok` for one that was taken."""
    answer = node.call("broadcast_tx_sync", tx=b64encode(tx).decode())
    code = codes.get_code(answer["code"])
    return "ok" if answer["code"] == 0 else "unknown" if code is None else code.name


def wait(condition: Any, what: str, seconds: float = 60) -> None:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(what)


class MovedNode(EngineNode):
    """The moved validator: one CometBFT, one application, started as `beffroi node start` does."""

    def __init__(self, home: Path) -> None:
        engine = EngineHome(home)
        arguments = [sys.executable, "-m", "chain.node.abci", *application_command(engine)]
        super().__init__(engine, read_rpc_port(home), arguments)

    def run(self) -> None:
        self.start_app()
        wait(self.app_listens, "the application does not listen")
        self.start_engine()
        wait(lambda: self.height() > 0, "CometBFT does not answer")

    def end_both(self) -> None:
        self.end()
        assert self.app is not None
        self.app.terminate()
        assert self.app.wait(30) == 0


def light_block(node: Any, height: int) -> LightBlock:
    signed = from_json(SignedHeader, node.call("commit", height=str(height))["signed_header"])
    shown = node.call("validators", height=str(height))["validators"]
    return LightBlock(signed, ValidatorSet(tuple(from_json(Validator, v) for v in shown)))


def check_light_client(node: Any, first: int, last: int) -> None:
    """From the first block to the last one in one step, and each commit in full."""
    blocks = [light_block(node, height) for height in range(first, last + 1)]
    for block in blocks:
        header, commit = block.signed_header.header, block.signed_header.commit
        assert hash_header(header) == commit.block_id.hash
        refused = verify_commit_full(
            header.chain_id, block.validator_set, commit.block_id, header.height, commit
        )
        assert refused is None, refused
    trusted = TrustedBlock(blocks[0].signed_header.header, blocks[1].validator_set)
    now = Timestamp.from_ns(time.time_ns())
    assert verify_step(blocks[-1], trusted, TrustOptions(), now).is_success()
    forged = replace(
        blocks[-1],
        signed_header=replace(
            blocks[-1].signed_header,
            header=replace(blocks[-1].signed_header.header, app_hash=bytes(32)),
        ),
    )
    assert verify_step(forged, trusted, TrustOptions(), now).verdict is Verdict.INVALID


def check_replay(node: Any, home: Path, last: int) -> None:
    """A fresh application of ours executes CometBFT's blocks to the app hashes in CometBFT's headers."""
    genesis = load_genesis(Home(home))
    app = TownApplication(LmdbStateStore(MemoryStore(), shared=False), lambda: Timestamp(0))
    begun = app.init_chain(make_init_chain_request(genesis.doc, genesis.app_state_bytes))
    app_hash, signers = begun.app_hash, ValidatorSet(())
    for height in range(genesis.doc.initial_height, last + 1):
        shown = node.call("block", height=str(height))
        block = from_json(Block, shown["block"])
        assert block.header.app_hash == app_hash, height
        block_hash = bytes.fromhex(shown["block_id"]["hash"])
        app_hash = app.finalize_block(finalize_request(block, block_hash, signers, ())).app_hash
        app.commit()
        signers = light_block(node, height).validator_set


def check_proofs(node: Any, names: list[str]) -> None:
    """@confio/ics23 believes the town's records under CometBFT's header, and no changed one."""
    if oracles.missing() is not None:
        return
    height = node.height() - 1
    header = node.call("header", height=str(height + 1))["header"]
    lines = []
    for record_id in [account_id(name) for name in names] + [b"account/nobody"]:
        asked = {"path": "/record/account", "data": record_id.hex(), "height": str(height)}
        answer = node.call("abci_query", prove=True, **asked)["response"]
        value = answer["value"]
        lines.append(
            {
                "appHash": header["app_hash"].lower(),
                "namespace": "account",
                "key": state_key("account", record_id).hex(),
                "record": None if value is None else b64decode(value).hex(),
                "ops": [
                    {"type": op["type"], "data": b64decode(op["data"]).hex()}
                    for op in answer["proofOps"]["ops"]
                ],
            }
        )
    assert [line["record"] is None for line in lines] == [False] * len(names) + [True]
    for line, verdict in zip(lines, run_script("ics23.mjs", lines), strict=True):
        assert verdict["accepted"], line
        assert verdict["deceived"] == []


def bundle_of(node: Any, height: int, tx: bytes) -> Bundle:
    """A holder's proof of one transaction, as the API hands it out: the only one of its block."""
    shown = node.call("block_results", height=str(height))["txs_results"]
    assert len(shown) == 1
    result = from_json(ExecTxResult, shown[0])
    _, tx_proofs = merkle_proofs([hash_tx(tx)])
    _, result_proofs = merkle_proofs([result_leaf(result)])
    return transaction_bundle(
        light_block(node, height),
        tx,
        tx_proofs[0],
        light_block(node, height + 1),
        result,
        result_proofs[0],
    )


def check_old_bundle(node: Any, bundle: Bundle, first: int) -> None:
    """A proof from the old chain holds under a checkpoint of the new one, by the history it brought along."""
    height = node.height() - 1
    newer = light_block(node, height + 1)
    checkpoint = checkpoint_of(newer.signed_header.header)
    assert not verify_bundle(bundle, checkpoint).valid
    record_id = b"blocks/" + first.to_bytes(8, "big")
    asked = {"path": "/record/history", "data": record_id.hex(), "height": str(height)}
    answer = node.call("abci_query", prove=True, **asked)["response"]
    ops = [
        ProofOp(op["type"], b64decode(op["key"]), b64decode(op["data"]))
        for op in answer["proofOps"]["ops"]
    ]
    whole = with_history(bundle, newer, record_id, b64decode(answer["value"]), ops)
    verdict = verify_bundle(whole, checkpoint)
    assert verdict.valid, (verdict.flaw, verdict.detail)
    assert verdict.facts is not None
    assert verdict.facts.result is not None
    assert verdict.facts.result.code == 0


def history_of(home: Home) -> set[str]:
    """Hashes of old headers that a stopped application's `history` records hold."""
    kv = LmdbStore(home.data / "app.lmdb")
    try:
        store = LmdbStateStore(kv, shared=False)
        return {name for _, found in HISTORY.scan(store) for name in found.hashes}
    finally:
        kv.close()


def test_a_town_moves_to_cometbft_and_back_and_nothing_is_lost_or_done_twice(tmp_path):
    # on the embedded engine
    (tmp_path / "one").mkdir()
    town = LiveTown(tmp_path / "one").start()
    done, waiting, later = (town.open_tx(name) for name in ("done", "waiting", "later"))
    at_height = int(town.call("broadcast_tx_commit", tx=b64encode(done).decode())["height"])
    town.wait_height(at_height + 1)
    old_bundle = bundle_of(town, at_height, done)
    last = town.height()
    old_hash = bytes.fromhex(town.call("block", height="2")["block_id"]["hash"])
    kept = record(town, "account", account_id("done"))
    assert kept is not None
    town.stop()

    # to CometBFT
    genesis = tmp_path / "to-comet.json"
    command("export", "--home", str(tmp_path / "one"), "--output", str(genesis))
    at = json.loads(genesis.read_text())
    assert int(at["initial_height"]) > last
    moved = ["move", "--home", str(tmp_path / "one"), "--genesis", str(genesis)]
    command(*moved, "--engine", "cometbft", "--o", str(tmp_path / "two"))
    comet = MovedNode(tmp_path / "two")
    try:
        comet.run()
        first = int(at["initial_height"])
        shown = comet.call("block", height=str(first))["block"]["header"]
        assert shown["app_hash"] == at["app_hash"]
        assert shown["chain_id"] == "beffroi-test-2"
        assert record(comet, "account", account_id("done")) == kept
        assert send(comet, done) == "tx_replayed"
        assert send(comet, waiting) == "ok"
        wait(lambda: record(comet, "account", account_id("waiting")), "the old signature is taken")
        reached = comet.height()
        wait(lambda: comet.height() > reached - 1 and comet.height() >= first + 2, "proof block")
        check_light_client(comet, first, comet.height())
        check_replay(comet, tmp_path / "two", comet.height())
        check_proofs(comet, ["done", "waiting"])
        check_old_bundle(comet, old_bundle, first)
        comet.end_both()
    finally:
        comet.stop()
    assert b64url_encode(old_hash) in history_of(comet.engine.app)

    # and back
    genesis = tmp_path / "to-embedded.json"
    command("export", "--home", str(tmp_path / "two"), "--output", str(genesis))
    moved = ["move", "--home", str(tmp_path / "two"), "--genesis", str(genesis)]
    command(*moved, "--engine", "embedded", "--o", str(tmp_path / "three"))
    (tmp_path / "three" / "port").write_text((tmp_path / "one" / "port").read_text())
    back = NodeProcess("chain.node", tmp_path / "three")
    try:
        back.wait_height(int(json.loads(genesis.read_text())["initial_height"]))
        assert back.call("status")["node_info"]["network"] == "beffroi-test-3"
        assert record(back, "account", account_id("done")) == kept
        for tx in (done, waiting):
            assert send(back, tx) == "tx_replayed"
        answer = back.call("broadcast_tx_commit", tx=b64encode(later).decode())
        assert answer["tx_result"]["code"] == 0
        lineages = [
            record(back, "history", b"lineage/" + int(found["initial_height"]).to_bytes(8, "big"))
            for found in (at, json.loads(genesis.read_text()))
        ]
        assert [json.loads(found or b"{}")["chain_id"] for found in lineages] == [
            "beffroi-test-1",
            "beffroi-test-2",
        ]
    finally:
        back.stop()


def test_only_the_newest_height_is_exported_from_behind_cometbft(tmp_path):
    home = tmp_path / "n" / "app" / "data"
    home.mkdir(parents=True)
    arguments = [
        "export",
        "--home",
        str(tmp_path / "n"),
        "--output",
        str(tmp_path / "g"),
        "--height",
        "3",
    ]
    done = CliRunner().invoke(main, ["node", *arguments])
    assert done.exit_code == 1
    assert "export_height" in done.output
