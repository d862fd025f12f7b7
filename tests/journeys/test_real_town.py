"""Real processes on a temporary home: races, a canary citizen, and the demo itself."""

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from app.cli.demo.association import Association
from app.cli.demo.clerk import Clerk
from app.cli.demo.client import Town, expect
from app.cli.demo.http import Api, new_key
from app.cli.demo.phone import Phone
from app.cli.demo.stage import RealTown
from app.cli.demo.till import Owner, Till
from app.cli.demo.verify import Verifier
from app.cli.demo.wallet import Wallet, new_words
from app.core.database import connected, database
from app.core.keyfiles import read_key_file
from app.identity.keystore import PersonKeyGone, PersonKeys
from app.wiring import all_tables
from chain.town.schemas import IdStatus
from tests.journeys.citizens import CANARY, CANARY_STRINGS, enrol_eight
from tests.journeys.search import find_traces
from tests.town.town_kit import key

pytestmark = [pytest.mark.process, pytest.mark.slow]

PROGRAMME, SHOP = "fidelite", "boulangerie"


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A running town with a shop, a till, and a phone with 1 000 points."""
    handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    folder = tmp_path_factory.mktemp("real") / "town"
    try:
        with RealTown(folder) as town, ExitStack() as opened:
            yield _furnish(town, folder, opened)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if not database.is_closed():
            database.close()
        database.obj.close_idle()


def _furnish(town: RealTown, folder, opened: ExitStack) -> SimpleNamespace:
    api = opened.enter_context(Api(town.base_url, "en"))
    facts = Town.read(api)

    def client(kind, signer, **more):
        own = opened.enter_context(Api(town.base_url, "en"))
        made = kind(own, facts, town.now_s, signer, **more)
        made.login()
        return made

    operator = read_key_file(town.keys_dir / "operator.json")
    association = client(Association, operator.signer, body=operator.body)
    expect("programme", association.open_programme(PROGRAMME))
    expect("shop", association.admit_shop(SHOP, "Boulangerie", key("owner")))
    owner = client(Owner, key("owner"), shop=SHOP)
    expect("till", owner.register_till(key("till")))
    till = client(Till, key("till"), shop=SHOP, programme=PROGRAMME)
    wallet = Wallet(new_words())
    phone = Phone(api, facts, town.now_s, wallet.derive_key("loyalty"), wallet=wallet, name="Ana")
    expect("account", phone.open_loyalty_account())
    expect("earn", till.earn(phone.account, 100_000))
    return SimpleNamespace(
        town=town, api=api, facts=facts, client=client, till=till, phone=phone, folder=folder
    )


def _at_once(count, act):
    """Results of `act(i)` run by `count` threads that start together."""
    gate, results = threading.Barrier(count, timeout=60), [None] * count

    def run(index):
        gate.wait()
        results[index] = act(index)

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "no answer in two minutes"
    return results


def _post(real, text: str, sent: str):
    with real.till.api.twin() as api:
        body = {"transaction": text}
        return api.post("/v1/loyalty/redemptions", body, token=real.till.token, key=sent, wait_s=10)


def _points(real) -> int:
    return sum(line["points"] for line in real.phone.read_balance()["balances"])


def test_twenty_tills_with_one_code_are_paid_once(real):
    before, code = _points(real), real.phone.make_code(50)
    texts = [real.till.sign_redeem(code, 5) for _ in range(20)]

    def redeem(index):
        return _post(real, texts[index], new_key())

    answers = _at_once(20, redeem)
    counted = Counter(answer.code for answer in answers)
    assert counted == {"ok": 1, "qr_replayed": 19}, counted
    assert _points(real) == before - 5


def test_twenty_copies_of_one_request_move_points_once(real):
    before = _points(real)
    text, sent = real.till.sign_redeem(real.phone.make_code(50), 5), new_key()

    def redeem(_):
        return _post(real, text, sent)

    answers = _at_once(20, redeem)
    assert {a.code for a in answers} <= {"ok", "idempotency_in_progress"}
    assert any(a.status == 201 for a in answers)
    assert _points(real) == before - 5
    again = redeem(0)
    assert (again.status, again.headers["idempotent-replayed"]) == (201, "true")


def test_a_receipt_and_a_wallet_verify_from_a_pinned_checkpoint(real):
    verifier = Verifier.pin(real.api, real.town.now_s)
    text = real.till.sign_earn(real.phone.account, 700)
    expect("earn", real.till.send("/v1/loyalty/earn", text))
    proved = verifier.check_transaction(real.api, text)
    assert proved.data["points"] == 7
    shown = real.phone.read_balance(proof=True)
    _, wallet = verifier.check_record(
        shown["proof"], namespace="loyalty", record_id=f"wallet/{real.phone.account}"
    )
    assert sum(position[2] for position in wallet["positions"]) == _points(real)


def test_a_rebuild_on_the_real_files_gives_identical_rows(real):
    """But for the headers of blocks that the town made meanwhile: it goes on, a block every two seconds."""
    supervisor = real.town._supervisor
    supervisor.stop_one("projector")
    before = _snapshot()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "projector", "rebuild"],
            env=supervisor.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        after = _snapshot()
    finally:
        supervisor.start_one("projector")
    assert done.returncode == 0, done.stderr
    for follows in ("headers", "validator_sets"):
        assert set(before.pop(follows)) <= set(after.pop(follows)), follows
    assert before.pop("projector")
    assert after.pop("projector")
    assert after == before


def _snapshot() -> dict[str, list]:
    with connected():
        return {
            table._meta.table_name: sorted(map(repr, table.select().tuples()))
            for table in all_tables()
            if not table._meta.table_name.startswith(("auth_", "idempotency", "outbox"))
        }


def test_a_canary_citizen_leaves_no_trace_anywhere_and_none_after_erasure(real):
    """Enrolled, attested, written, looked at, moved on, erased: no civil string in any byte of the home."""
    clerks = [
        real.client(Clerk, read_key_file(real.town.keys_dir / f"clerk-{n}.json").signer)
        for n in (1, 2)
    ]
    canary, cid = enrol_eight(real.town, real.api, real.facts, clerks[0])
    own = canary.read_identity(proof=True)
    assert own["opening"]["civil"]["family_name"] == CANARY["family_name"]
    assert find_traces(real.folder, CANARY_STRINGS) == []
    text = clerks[0].sign(
        IdStatus(cid, "erased"), sender="body:mairie", signers=[c.key for c in clerks]
    )
    expect("erase", clerks[0].send("/v1/identity/statuses", text))
    assert canary.read_identity()["opening"] is None
    master = (real.town.keys_dir / "master.key").read_text().strip()
    from chain.codec.canonical import b64url_decode

    keys = PersonKeys(real.folder / "person-keys", b64url_decode(master))
    with pytest.raises(PersonKeyGone):
        keys.load(cid)
    assert find_traces(real.folder, CANARY_STRINGS) == []


def test_the_demo_plays_every_step_and_says_so(tmp_path):
    picture = tmp_path / "qr.png"
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "demo", "--json", "--qr", str(picture)],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] is True
    assert [step["name"] for step in told["steps"]] == [
        "town",
        "shops",
        "enrolment",
        "batch",
        "earn",
        "redeem",
        "refusals",
        "undo",
        "restart",
        "idle",
        "lost",
        "poll",
        "offices",
        "material",
        "keys",
        "ballots",
        "count",
        "sun",
        "week",
        "audit",
        "statements",
        "correction",
    ]
    assert all(step["ok"] for step in told["steps"])
    codes = {line.get("code") for step in told["steps"] for line in step["lines"]}
    assert {"qr_replayed", "qr_expired", "qr_wrong_shop", "auth_proof_invalid"} <= codes
    assert {"tx_bad_signature", "node_unavailable"} <= codes
    assert {"energy_file_repeated", "energy_challenge_open"} <= codes
    assert picture.read_bytes().startswith(b"\x89PNG")
