"""One citizen of a running town of four validators is erased: nothing that any process holds tells of the person.

The list of places is that of the field's erasure drills: the database with its log, the key store, the stores and logs
of all nodes, what waits in their mempools, every program's log. The chain must still prove that the erasure happened.
"""

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

from app.cli.demo.clerk import Clerk
from app.cli.demo.client import Town, expect
from app.cli.demo.http import Api
from app.cli.demo.stage import RealTown
from app.cli.demo.verify import Verifier
from app.core.keyfiles import read_key_file
from app.identity.keystore import PersonKeyGone, PersonKeys
from chain.codec.canonical import b64url_decode
from chain.node.config import load_config
from chain.town.schemas import IdStatus
from tests.drills.report import Drill, drill
from tests.drills.town import wait_for
from tests.journeys.citizens import CANARY, CANARY_STRINGS, enrol_eight
from tests.journeys.search import find_traces

VALIDATORS = 4
AIM_S = 24 * 3600
TOLD = ("unconfirmed_txs", "dump_consensus_state", "net_info", "status")
"""What a node says of its memory: the mempool, the round in progress, peers."""


@drill
def erasure(run: Drill) -> None:
    """Enrol eight, use the file, erase one, run the daily job, and search everything that is left."""
    folder = run.folder / "town"
    with RealTown(folder, validators=VALIDATORS) as town, Api(town.base_url, "en") as api:
        facts = Town.read(api)
        clerks = [_clerk(town, api, facts, number) for number in (1, 2)]
        phone, cid = enrol_eight(town, api, facts, clerks[0])
        verifier = Verifier.pin(api, town.now_s)
        read = phone.read_identity(proof=True)
        run.did("eight citizens enrolled at the desk and written on the chain in one batch")
        told = read["opening"]["civil"]["family_name"] == CANARY["family_name"]
        run.check("before: the canary reads its own file", told)
        hits = find_traces(folder, CANARY_STRINGS)
        run.check("before: no civil string in any file in clear", hits == [], hits[:3])
        started_s = time.monotonic()
        text = clerks[0].sign(
            IdStatus(cid, "erased"), sender="body:mairie", signers=[c.key for c in clerks]
        )
        expect("erase", clerks[0].send("/v1/identity/statuses", text))
        job = town.run_job("register", "purge")
        run.check("the daily job runs", job.returncode == 0, job.stderr[-200:])
        _search(run, town, folder)
        run.measure("erased_and_searched_s", round(time.monotonic() - started_s, 1))
        took_s = time.monotonic() - started_s
        run.check("nothing is found within a day", took_s < AIM_S, f"{took_s:.0f} s")
        run.check("the citizen's file is closed", phone.read_identity()["opening"] is None)
        run.check("the person's key is gone", _is_key_gone(town, folder, cid))
        proved = verifier.check_transaction(api, text)
        run.check("the chain still proves the erasure", proved.data["status"] == "erased")


def _clerk(town: RealTown, api: Api, facts: Town, number: int) -> Clerk:
    signer = read_key_file(town.keys_dir / f"clerk-{number}.json").signer
    clerk = Clerk(api, facts, town.now_s, signer)
    clerk.login()
    return clerk


def _search(run: Drill, town: RealTown, folder: Path) -> None:
    """All four nodes at one height, what they say of their memory beside their files, and no hit in any of it."""
    ports = [load_config(path).rpc_port for path in sorted(folder.glob("node*/config/config.toml"))]
    run.check("four nodes run", len(ports) == VALIDATORS, ports)
    tip = max(_height(port) for port in ports)
    wait_for(lambda: min(_height(port) for port in ports) >= tip, 60, f"four nodes at {tip}")
    memories = folder / "memories"
    memories.mkdir()
    for port in ports:
        for method in TOLD:
            said = json.dumps(_ask(port, method), ensure_ascii=False)
            (memories / f"{port}-{method}.json").write_text(said)
    places = sum(1 for path in folder.rglob("*") if path.is_file())
    hits = find_traces(folder, CANARY_STRINGS)
    run.did(f"{places} files searched: database, key store, stores and logs of all nodes, mempools")
    run.check("after: nobody is found, in no form of any string", hits == [], hits[:3])


def _is_key_gone(town: RealTown, folder: Path, cid: str) -> bool:
    master = b64url_decode((town.keys_dir / "master.key").read_text().strip())
    try:
        PersonKeys(folder / "person-keys", master).load(cid)
    except PersonKeyGone:
        return True
    return False


def _height(port: int) -> int:
    return int(_ask(port, "status")["sync_info"]["latest_block_height"])


def _ask(port: int, method: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{method}", timeout=15) as answer:
        return json.load(answer)["result"]
