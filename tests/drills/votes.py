"""An election of 2 000 voters on four real validators, every part played by its own program.

Everybody's ballot must be counted once: the result equals the plain count, the archive fetched with the chain's proof
satisfies the verifier, and what was fetched during the vote is its beginning. One registrar of four is silent, one
trustee of three absent, one validator is killed while people vote and comes back.
"""

import json
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner
from msgspec import Struct

from app.cli.main import main
from app.core.chain_client import ChainClient, RpcError
from app.core.trusted_chain import TrustedChain
from chain.codec.canonical import b64url_encode
from chain.codec.cmtjson import from_json
from chain.crypto import ed25519
from chain.crypto.jws import SigningKey
from chain.limits import RPC_BATCH_MAX
from chain.node.config import NodeConfig, Pacing
from chain.town.envelope import build_transaction
from chain.town.votes.records import get_box, get_document
from chain.town.votes_schemas import VoteCalendar
from chain.types.abci import ExecTxResult
from chain.types.codes import get_code
from chain.types.timestamp import Timestamp
from tests.drills.report import Drill, drill
from tests.drills.town import NODE
from tests.journeys.election import Poll, Voter, choices_of
from tests.node.four import Cluster
from tests.town.town_kit import key, make_genesis
from tests.town.votes.kit import BODIES, LAX, TRUSTEE_BODIES, VOTE_ROLES
from tests.trustees.lab_vote import prepare_desk

VOTERS = 2_000
QUICK_VOTERS = 24
REVOTES = 10
"""One voter in so many votes twice."""
SILENT, DECRYPTING = 3, (1, 3)
HOUR_S = 3_600
BATCH = 200
PATIENCE_S = 600
PACING = Pacing(empty_interval_s=2.0)
"""A node that waits looks at its clock, which was moved, with the next block at the latest."""
PARAMS = LAX | {"quota_agent_per_minute": 1_000_000}


class RemoteTown:
    """What `tests.town.votes.kit.Vote` asks of a town, over the RPC of real nodes whose clock can be moved."""

    def __init__(self, folder: Path, urls: Sequence[str]) -> None:
        self.rpc = ChainClient(urls, timeout_s=60)
        self.clock_file = folder / "clock_offset"
        self._nonces = count(1)
        self.town: str = self.status()["town"]

    # --- time ---

    @property
    def now_s(self) -> int:
        return int(time.time()) + self._offset_s()

    @now_s.setter
    def now_s(self, value: int) -> None:
        offset = max(self._offset_s(), value - int(time.time()))
        fresh = self.clock_file.with_suffix(".new")
        fresh.write_text(str(offset), encoding="ascii")
        fresh.replace(self.clock_file)

    def _offset_s(self) -> int:
        return int(self.clock_file.read_text()) if self.clock_file.exists() else 0

    def clock(self) -> Timestamp:
        return Timestamp(self.now_s)

    # --- reading ---

    @property
    def reader(self) -> "RemoteTown":
        return self

    @property
    def height(self) -> int:
        return int(self.rpc.call("status")["sync_info"]["latest_block_height"])

    def get(self, namespace: str, record_id: bytes) -> bytes | None:
        return self.rpc.query(f"/record/{namespace}", record_id).value or None

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.rpc.query("/status", b"").value))

    # --- transactions ---

    def role(self, role: str) -> SigningKey:
        return next(key(f"{name}@{body}") for name, body in VOTE_ROLES if name == role)

    def tx(self, body: Struct, sender: str, *signers: SigningKey) -> bytes:
        nonce16 = next(self._nonces).to_bytes(16, "big")
        return build_transaction(self.town, sender, body, signers, nonce16, self.now_s + 600)

    def do(self, body: Struct, sender: str, *signers: SigningKey) -> ExecTxResult:
        return self.run(self.tx(body, sender, *signers))[0]

    def run(self, *txs: bytes) -> list[ExecTxResult]:
        """Hand these in and wait until each is in a block, or was refused; with none, wait for a block."""
        if not txs:
            self._wait_block()
            return []
        refused = {tx: answer for tx in txs if (answer := self.send(tx)) is not None}
        waiting = [tx for tx in txs if tx not in refused]
        final: dict[bytes, ExecTxResult] = dict(refused)
        end_s = time.monotonic() + PATIENCE_S
        while waiting:
            assert time.monotonic() < end_s, f"{len(waiting)} transactions not final"
            final |= self.find(waiting)
            waiting = [tx for tx in waiting if tx not in final]
            time.sleep(0.1)
        return [final[tx] for tx in txs]

    def send(self, tx: bytes) -> ExecTxResult | None:
        """None when a node took it; how it was refused otherwise."""
        answer = self.rpc.broadcast(tx)
        if not answer.code:
            return None
        code = get_code(answer.code)
        return ExecTxResult(code=answer.code, log=answer.log, info=code.name if code else "unknown")

    def find(self, txs: Sequence[bytes]) -> dict[bytes, ExecTxResult]:
        """Results of those that are in a block; the oldest are asked first, until one is not there."""
        found: dict[bytes, ExecTxResult] = {}
        for first in range(0, len(txs), RPC_BATCH_MAX):
            part = txs[first : first + RPC_BATCH_MAX]
            calls = [("tx", {"hash": b64encode(sha256(tx).digest()).decode()}) for tx in part]
            answers = self.rpc.try_many(calls)
            for tx, answer in zip(part, answers, strict=True):
                if not isinstance(answer, RpcError):
                    found[tx] = from_json(ExecTxResult, answer["tx_result"])
            if any(isinstance(answer, RpcError) for answer in answers):
                break
        return found

    def _wait_block(self) -> None:
        """A block with the newest clock: an empty one comes when nothing is due, due work brings its own."""
        end_s, first = time.monotonic() + PATIENCE_S, self.height
        while self.height <= first and time.monotonic() < end_s:
            due = self.status()["next_due"]
            if due is None or due > self.now_s:
                return
            time.sleep(0.2)


@contextmanager
def four_validators(
    folder: Path, size: int = 4, params: Mapping[str, int] = PARAMS
) -> Iterator[tuple[Cluster, RemoteTown]]:
    """Real processes of a town with all bodies of an election."""
    seeds = [sha256(f"validator {i} of {folder}".encode()).digest() for i in range(size)]
    genesis = make_genesis(
        bodies=BODIES,
        roles=VOTE_ROLES,
        params=dict(params),
        validators=size,
        genesis_s=int(time.time()),
    )
    state = json.loads(genesis.app_state_bytes)
    for line, seed in zip(state["validators"], seeds, strict=True):
        line["pub_key"] = b64url_encode(ed25519.derive_public(seed))
    config = NodeConfig(clock_offset_file="../clock_offset", pacing=PACING)
    cluster = Cluster(folder, size, module=NODE, config=config, app_state=state)
    try:
        cluster.start(wait=False)
        cluster.wait_height(1, seconds=120)
        town = RemoteTown(folder, [f"http://127.0.0.1:{node.rpc_port}" for node in cluster.nodes])
        moved = partial(TrustedChain, clock=town.clock)
        with patch("app.cli.trust.TrustedChain", moved):
            yield cluster, town
        town.rpc.close()
    finally:
        cluster.stop()


def calendar_of(now_s: int) -> VoteCalendar:
    """Windows of three hours; the clock is moved from one to the next."""
    return VoteCalendar(*(now_s + hours * HOUR_S for hours in (1, 4, 7, 8, 20, 30)))


def beffroi(*arguments: str) -> tuple[int, dict[str, Any]]:
    """A command; exit code and JSON answer."""
    outcome = CliRunner().invoke(main, [*arguments, "--json"])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome.exit_code, json.loads(outcome.stdout or "{}")


@drill
def votes(run: Drill) -> None:
    """Hold the election and have strangers verify it."""
    size = QUICK_VOTERS if run.is_quick else VOTERS
    folder = run.folder / "town"
    folder.mkdir()
    with four_validators(folder) as (cluster, town):
        chain = [
            *(option for url in town.rpc.urls for option in ("--node", url)),
            *("--genesis", str(cluster.homes[0].root / "config" / "genesis.json")),
        ]

        def act(action: str, rank: int) -> tuple[int, dict[str, Any]]:
            desk = prepare_desk(run.folder / f"desk{rank}", TRUSTEE_BODIES[rank - 1])
            return beffroi("trustee", action, poll.uuid, *desk, *chain)

        people = [Voter(f"v{number}") for number in range(size)]
        poll = Poll.of(town, act, people, calendar=calendar_of(town.now_s))
        poll.batch = BATCH
        _prepare(run, poll)
        _vote(run, poll, cluster, lambda name: fetch(poll, chain, run.folder / name))
        started_s = time.monotonic()
        poll.count(DECRYPTING)
        run.measure("closing_and_decrypting_s", round(time.monotonic() - started_s, 1))
        _judge(run, poll, lambda name: fetch(poll, chain, run.folder / name))


def _prepare(run: Drill, poll: Poll) -> None:
    started_s = time.monotonic()
    poll.prepare()
    poll.issue(silent=SILENT)
    run.did(f"{len(poll.voters)} credentials issued by three of four registrars and registered")
    run.measure("issuing_s", round(time.monotonic() - started_s, 1))


def _vote(run: Drill, poll: Poll, cluster: Cluster, snapshot: Any) -> None:
    ballots = []
    for number, voter in enumerate(poll.voters):
        choices = choices_of(number + (number % REVOTES == 0))
        ballots.append(poll.cast_tx(voter, poll.prepare_ballot(voter, choices), choices))
    half = len(ballots) // 2
    started_s = time.monotonic()
    poll.must_run(ballots[:half])
    snapshot("during.bel")
    cluster.nodes[3].end(9)
    poll.must_run(ballots[half:])
    cluster.nodes[3].start()
    again = []
    for number in range(0, len(poll.voters), REVOTES):
        voter, choices = poll.voters[number], choices_of(number)
        ballot = poll.prepare_ballot(voter, choices, "again")
        again.append(poll.cast_tx(voter, ballot, choices))
    poll.must_run(again)
    took_s = time.monotonic() - started_s
    cast = len(ballots) + len(again)
    run.did(f"{cast} ballots cast, {len(again)} of them revotes, one validator killed meanwhile")
    run.measure("ballots_final_per_s", round(cast / took_s, 1))
    box = get_box(poll.town.reader, poll.uuid)
    counted = (box.ballots, box.voters, box.revotes)
    run.check(
        "every ballot is in the box, once", counted == (cast, len(ballots), len(again)), counted
    )


def _judge(run: Drill, poll: Poll, snapshot: Any) -> None:
    result = json.loads(get_document(poll.town.reader, poll.uuid, "result"))["result"]
    run.check("the result equals the plain count", result == poll.plain_count(), result)
    final = snapshot("final.bel")
    started_s = time.monotonic()
    code, said = beffroi("votes", "verify", str(final))
    run.measure("verifying_s", round(time.monotonic() - started_s, 1))
    is_green = code == 0 and said["stage"] == "finished" and said["result"] == result
    run.check("the verifier is green", is_green, said.get("reason", said.get("stage")))
    during = str(final.with_name("during.bel"))
    code, said = beffroi("votes", "verify-diff", during, str(final))
    run.check("what was fetched during the vote is the beginning", code == 0, said["verdict"])


def fetch(poll: Poll, chain: Sequence[str], out: Path) -> Path:
    """The archive as an auditor gets it."""
    code, said = beffroi("votes", "fetch", poll.uuid, *chain, "--out", str(out))
    assert code == 0, said
    return out
