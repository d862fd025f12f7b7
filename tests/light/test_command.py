"""`beffroi light verify` against RPC servers over a real chain, honest and not."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli.main import main
from chain.codec.cmtjson import to_json
from chain.codec.hashing import hash_header
from chain.light.bundle import parse_checkpoint
from chain.light.sources import Answer, Missing
from chain.types.evidence import LightBlock
from tests.light.sources import forged, honest, resigned
from tests.sync.kit import Chain, chain_of

TIP = 40
YEARS = ["--trusting-hours", "1000000"]
JUNK = [
    b"",
    b"[]",
    b'{"result":5}',
    b'{"result":{}}',
    b"x" * 100,
    b'{"error":"x"}',
    b"[" * 100_000,
    b'{"result":{"signed_header":"x","total":Infinity}}',
]


class RpcNode:
    """`commit`, `validators` and `broadcast_evidence` over a source of light blocks."""

    def __init__(self, source: Any) -> None:
        self.source, self.evidence = source, []
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = node.answer(call)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, call: dict[str, Any]) -> bytes:
        params = call["params"]
        if call["method"] == "broadcast_evidence":
            self.evidence.append(params["evidence"])
            return json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"hash": ""}}).encode()
        block: Answer = self.source(int(params.get("height", 0)))
        if not isinstance(block, LightBlock):
            data = "height 9 must be less than or equal to the current blockchain height 8"
            text = data if block is Missing.TOO_HIGH else "could not find"
            error = {"code": -32603, "message": "Internal error", "data": text}
            return json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode()
        members = block.validator_set.validators
        if call["method"] == "commit":
            result = {"signed_header": to_json(block.signed_header), "canonical": True}
        else:
            shown = [to_json(member) for member in members]
            result = {"validators": shown, "count": str(len(shown)), "total": str(len(shown))}
        return json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def town() -> Chain:
    return chain_of(TIP)


@pytest.fixture
def nodes(town: Chain) -> Iterator[list[RpcNode]]:
    made = [RpcNode(honest(town)) for _ in range(2)]
    yield made
    for node in made:
        node.stop()


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(main, ["light", "verify", *arguments, "--json"])
    lines = [line for line in done.output.splitlines() if line.startswith("{")]
    return done.exit_code, json.loads(lines[-1]) if lines else {"error": done.output}


def between(nodes: list[RpcNode]) -> list[str]:
    return ["--primary", nodes[0].url, "--witness", nodes[1].url, *YEARS]


def trusted(town: Chain, height: int = 1) -> list[str]:
    block = honest(town)(height)
    assert isinstance(block, LightBlock)
    digest = hash_header(block.signed_header.header).hex()
    return ["--trust-height", str(height), "--trust-hash", digest]


def test_a_height_is_verified_from_a_hash_and_goes_on_from_the_store(town, nodes, tmp_path: Path):
    store, checkpoint = tmp_path / "trusted.json", tmp_path / "checkpoint.json"
    files = ["--store", str(store), "--checkpoint", str(checkpoint)]
    code, shown = run(*between(nodes), *trusted(town), "--height", "30", *files)
    assert (code, shown["verdict"], shown["height"]) == (0, "verified", 30)
    block = honest(town)(30)
    assert isinstance(block, LightBlock)
    assert shown["header_hash"] == hash_header(block.signed_header.header).hex()
    assert parse_checkpoint(checkpoint.read_bytes()).height == 30
    code, shown = run(*between(nodes), "--store", str(store))
    assert (code, shown["height"], shown["steps"]) == (0, TIP, 1)
    code, shown = run(*between(nodes), "--store", str(store), "--height", "20")
    assert (code, shown["height"]) == (0, 20)


def test_the_genesis_file_is_enough(town, nodes, tmp_path: Path):
    genesis = tmp_path / "genesis.json"
    genesis.write_text(json.dumps(to_json(town.doc)))
    code, shown = run(*between(nodes), "--genesis", str(genesis))
    assert (code, shown["verdict"], shown["height"]) == (0, "verified", TIP)


def test_an_attack_ends_with_evidence_at_both_nodes(town, nodes):
    def lunatic(block: LightBlock) -> LightBlock:
        header = replace(block.signed_header.header, app_hash=b"\7" * 32)
        return resigned(header, block.validator_set)

    nodes[0].source = forged(honest(town), lunatic, 20)
    code, shown = run(*between(nodes), *trusted(town), "--height", "30")
    assert (code, shown["verdict"]) == (1, "attack")
    assert len(nodes[0].evidence) == len(nodes[1].evidence) == 1
    assert nodes[1].evidence[0]["type"] == "tendermint/LightClientAttackEvidence"


@pytest.mark.parametrize("junk", JUNK)
def test_an_attacker_that_answers_junk_to_evidence_hides_nothing(town, nodes, junk):
    def lunatic(block: LightBlock) -> LightBlock:
        header = replace(block.signed_header.header, app_hash=b"\7" * 32)
        return resigned(header, block.validator_set)

    nodes[0].source = forged(honest(town), lunatic, 20)
    honestly = nodes[0].answer
    nodes[0].answer = lambda call: (
        junk if call["method"] == "broadcast_evidence" else honestly(call)
    )
    code, shown = run(*between(nodes), *trusted(town), "--height", "30")
    assert (code, shown["verdict"]) == (1, "attack")
    assert len(nodes[1].evidence) == 1


def test_a_wrong_hash_is_refused(nodes):
    code, shown = run(*between(nodes), "--trust-height", "5", "--trust-hash", "11" * 32)
    assert (code, shown["verdict"]) == (1, "refused")


def test_an_expired_trust_is_refused(town, nodes):
    arguments = [a for a in between(nodes) if a not in YEARS]
    code, shown = run(*arguments, *trusted(town), "--trusting-hours", "1", "--height", "30")
    assert (code, shown["reason"]) == (1, "the trusted header has expired")


def test_without_a_witness_it_says_so(town, nodes):
    code, shown = run("--primary", nodes[0].url, *YEARS, *trusted(town), "--height", "30")
    assert code == 0
    assert "no witness" in shown["warning"]


@pytest.mark.parametrize("junk", JUNK)
def test_a_node_that_answers_junk_is_not_believed(town, nodes, junk):
    nodes[0].answer = lambda _call: junk  # type: ignore[method-assign]
    code, shown = run(*between(nodes), *trusted(town), "--height", "30")
    assert code == 1
    assert shown["verdict"] == "refused"


def test_no_node_and_nothing_to_trust_are_told_apart(town, nodes):
    code, _ = run("--primary", "http://127.0.0.1:1", *trusted(town), "--height", "3")
    assert code == 2
    code, shown = run(*between(nodes))
    assert code == 2
    assert "trust" in shown["error"]
    code, _ = run("--primary", "ftp://x", *trusted(town))
    assert code == 2


@pytest.mark.parametrize("flag", ["--store", "--checkpoint"])
def test_a_file_that_cannot_be_written_is_said_in_one_line(town, nodes, tmp_path: Path, flag):
    asked = [*between(nodes), *trusted(town), "--height", "3", flag, str(tmp_path / "no" / "x")]
    code, shown = run(*asked)
    assert code == 2
    assert "Error: " in shown["error"]


def test_a_store_that_is_nested_without_end_is_nothing_to_trust(nodes, tmp_path: Path):
    (tmp_path / "store").write_text("[" * 100_000)
    code, shown = run(*between(nodes), "--store", str(tmp_path / "store"))
    assert code == 2
    assert "nothing to trust" in shown["error"]
