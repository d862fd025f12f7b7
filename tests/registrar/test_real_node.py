"""`beffroi registrar` as a process of its own against a real node: keys, publication, answers, all over RPC."""

import json
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from app.core.chain_client import ChainClient
from chain.codec.canonical import b64url_encode
from chain.crypto import ed25519
from chain.crypto.jws import SigningKey
from chain.town.envelope import build_transaction
from chain.town.votes_schemas import VoteCalendar
from chain.types.abci import ExecTxResult
from tests.node.four import Cluster
from tests.registrar.lab_desk import prepare_files
from tests.town.town_kit import ROLES, key, make_genesis
from tests.town.votes.issuing import Issuance
from tests.town.votes.kit import BODIES, LAX, UUID, VOTE_ROLES

pytestmark = [pytest.mark.process, pytest.mark.slow]
PATIENCE_S = 120.0
SOON_S = 5
"""Between the publication and the opening of issuance; keys and rolls may come later than that."""


class RealTown:
    """`tests.town.town_kit.Town`, as far as issuance needs it, on a node of its own process."""

    def __init__(self, cluster: Cluster) -> None:
        self.node = cluster.nodes[0]
        self.rpc = ChainClient([f"http://127.0.0.1:{self.node.rpc_port}"])
        self._nonces = count(1)
        self.town: str = self.status()["town"]

    def status(self) -> dict[str, Any]:
        return json.loads(self.rpc.query("/status", b"").value)

    @property
    def now_s(self) -> int:
        return int(time.time())

    @now_s.setter
    def now_s(self, value: int) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while time.time() < value:
            assert time.monotonic() < end_s, "the hour does not come"
            time.sleep(0.1)

    @property
    def height(self) -> int:
        return self.node.height()

    @property
    def reader(self) -> "RealTown":
        return self

    def get(self, namespace: str, record_id: bytes) -> bytes | None:
        return self.rpc.query(f"/record/{namespace}", record_id).value or None

    def role(self, role: str) -> SigningKey:
        return next(key(f"{name}@{body}") for name, body in ROLES if name == role)

    def tx(self, body: Struct, sender: str, *signers: SigningKey) -> bytes:
        nonce16 = next(self._nonces).to_bytes(16, "big")
        return build_transaction(self.town, sender, body, signers, nonce16, self.now_s + 600)

    def do(self, body: Struct, sender: str, *signers: SigningKey) -> ExecTxResult:
        return self.run(self.tx(body, sender, *signers))[0]

    def run(self, *txs: bytes) -> list[ExecTxResult]:
        results = []
        for tx in txs:
            shown = self.node.call("broadcast_tx_commit", tx=b64encode(tx).decode())
            result = (
                shown["tx_result"] if int(shown["check_tx"]["code"]) == 0 else shown["check_tx"]
            )
            results.append(
                ExecTxResult(code=int(result["code"]), log=result["log"], info=result["info"])
            )
        return results


@pytest.fixture
def town(tmp_path: Path) -> Iterator[RealTown]:
    root = tmp_path / "town"
    seed = sha256(f"validator 0 of {root}".encode()).digest()
    genesis = make_genesis(
        bodies=BODIES, roles=VOTE_ROLES, params=LAX, validators=1, genesis_s=int(time.time()) - 60
    )
    state = json.loads(genesis.app_state_bytes)
    state["validators"][0]["pub_key"] = b64url_encode(ed25519.derive_public(seed))
    cluster = Cluster(root, 1, module="chain.node", app_state=state)
    try:
        cluster.start()
        made = RealTown(cluster)
        try:
            yield made
        finally:
            made.rpc.close()
    finally:
        cluster.stop()


def run_registrar(town: RealTown, tmp_path: Path, action: str, *options: str) -> tuple[int, Any]:
    """The command in a process of its own, trusting the genesis file."""
    genesis = next((tmp_path / "town").glob("*/config/genesis.json"))
    outcome = subprocess.run(
        [
            *(sys.executable, "-m", "app.cli", "registrar", action, UUID),
            *prepare_files(tmp_path / "desk1", "reg1"),
            *("--node", f"http://127.0.0.1:{town.node.rpc_port}", "--genesis", str(genesis)),
            *("--json", *options),
        ],
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert outcome.stdout, outcome.stderr.decode()
    return outcome.returncode, json.loads(outcome.stdout)


def test_a_registrar_issues_over_a_real_node(town: RealTown, tmp_path: Path) -> None:
    now_s = town.now_s
    calendar = VoteCalendar(*(now_s + SOON_S + more for more in (0, 600, 700, 800, 900, 1_000)))
    issuance = Issuance.sealed(2, town=town, calendar=calendar)
    assert run_registrar(town, tmp_path, "keygen")[0] == 0
    code, said = run_registrar(town, tmp_path, "publish")
    assert (code, said["verdict"]) == (0, "done")
    for rank in (2, 3, 4):
        issuance.must(issuance.publish_keys(rank))
    issuance.fix_rolls()
    town.now_s = calendar.issuance_opens + 1
    for name in issuance.citizens:
        issuance.must(issuance.request(name))
    code, said = run_registrar(town, tmp_path, "sign")
    assert (code, said["verdict"], said["signed"], said["unseen"]) == (0, "done", 2, 0), said
    for name in issuance.citizens:
        assert issuance.open_signature(1, name).registrar == 1
    code, said = run_registrar(town, tmp_path, "status")
    assert (code, said["answered"], said["signed_here"]) == (0, 2, 2)
