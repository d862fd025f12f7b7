"""`make bench NAME=identity`: desk enrolments and logins against the bare server, and duplicates among a million.

`enrol_vs_health`: CLIENTS desks enrol people on a real town (node, projector, gunicorn): the phone's start, the draft
with its search for duplicates, the agent's signature; and the same clients ask GET /v1/health. Both in turn, median of
ROUNDS. Between rounds the town's clock moves an hour, for an agent searches thirty times an hour.
`login_vs_health`: challenge and answer of citizens' keys, each with its proof of possession.
`nullifier_1e6_vs_1e3`: one search for duplicates with a million digests in the table, against a thousand.
The load generator runs on the same machine; what phones compute beforehand is done before the clock starts.
"""

import argparse
import hashlib
import secrets
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from app.cli.demo.clerk import ATTESTATION_TYPE, Clerk, read_attestation
from app.cli.demo.client import Town, expect, login
from app.cli.demo.http import Api, new_key
from app.cli.demo.stage import RealTown
from app.core.database import connected, database, migrate, open_database
from app.core.keyfiles import read_key_file
from app.identity.civil import Civil, list_digests
from app.identity.comparison import compute_comparison_number, encode_possession
from app.identity.duplicates import find_candidates
from app.identity.indexkeys import IndexKey
from bench.report import Metric, write_results
from chain.codec.canonical import b64url_encode, encode_canonical
from chain.crypto.jws import SigningKey, sign_compact
from chain.crypto.keys import jwk_of

CLIENTS = 16
ROUNDS = 5
ENROLMENTS_PER_CLIENT = 3
"""Forty-eight a round: two agents search at most sixty times an hour."""
LOGINS_PER_CLIENT = 6
HEALTHS_PER_CLIENT = 100
SEARCHES = 400
SMALL, LARGE = 1_000, 1_000_000
HOUR_S = 3_700
PARAMS = {"identity_batch_hour_utc": -1}
AIM_ENROL = 0.05
AIM_NULLIFIER = 1.5
AGENTS = ("clerk-1", "clerk-2")


@dataclass(frozen=True, slots=True)
class Round:
    """Rates per second of each kind of act."""

    healths_per_s: float
    enrolments_per_s: float
    logins_per_s: float


def measure_desk() -> list[Round]:
    """ROUNDS rounds on a town founded for it."""
    with (
        tempfile.TemporaryDirectory(prefix="beffroi-bench-") as folder,
        RealTown(Path(folder) / "town", PARAMS) as town,
    ):
        facts = Town.read(Api(town.base_url, "en"))
        _measure_round(town, facts, 0)  # warm connections, caches and workers
        return [_measure_round(town, facts, number) for number in range(1, ROUNDS + 1)]


def _measure_round(town: RealTown, facts: Town, number: int) -> Round:
    town.shift_clock(number * HOUR_S)
    clerks = [_log_clerk_in(town, facts, index) for index in range(CLIENTS)]
    healths = [[_ask_health(Api(town.base_url, "en"))] * HEALTHS_PER_CLIENT for _ in clerks]
    enrolments = [
        [_enrol(clerk, town.now_s(), f"{number} {index} {n}") for n in range(ENROLMENTS_PER_CLIENT)]
        for index, clerk in enumerate(clerks)
    ]
    logins = [[_log_in(Api(town.base_url, "en")) for _ in range(LOGINS_PER_CLIENT)] for _ in clerks]
    return Round(
        CLIENTS * HEALTHS_PER_CLIENT / _run(healths),
        CLIENTS * ENROLMENTS_PER_CLIENT / _run(enrolments),
        CLIENTS * LOGINS_PER_CLIENT / _run(logins),
    )


def _log_clerk_in(town: RealTown, facts: Town, index: int) -> Clerk:
    agent = read_key_file(town.keys_dir / f"{AGENTS[index % len(AGENTS)]}.json")
    clerk = Clerk(Api(town.base_url, "en"), facts, town.now_s, agent.signer, body=agent.body)
    clerk.login()
    return clerk


def _ask_health(api: Api) -> Callable[[], None]:
    def act() -> None:
        expect("health", api.get("/v1/health"))

    return act


def _log_in(api: Api) -> Callable[[], None]:
    key = SigningKey("EdDSA", secrets.token_bytes(32))

    def act() -> None:
        login(api, key)

    return act


def _enrol(clerk: Clerk, now_s: int, name: str) -> Callable[[], None]:
    """One whole enrolment; the phone's key and proof are ready."""
    key = SigningKey("EdDSA", secrets.token_bytes(32))
    proof = key.sign(encode_possession(clerk.town.town, key.kid, now_s))
    start = {
        "key": jwk_of(key.public_key),
        "issued_at": now_s,
        "signature": b64url_encode(proof),
    }
    facts = {
        "civil": _civil(name),
        "level_identity": 2,
        "level_residence": 2,
        "title_seen": "passport",
    }

    def act() -> None:
        api = clerk.api
        opened = expect("start", api.post("/v1/enrolments", start, key=new_key()))
        path = f"/v1/desk/enrolments/{opened['id']}"
        number = compute_comparison_number(opened["id"], key.kid)
        sent = {"number": number, **facts}
        draft = expect("draft", api.post(f"{path}/draft", sent, token=clerk.token, key=new_key()))
        attestation = encode_canonical(read_attestation(draft["attestation"]))
        signed = {"attestation": sign_compact(attestation, ATTESTATION_TYPE, clerk.key).decode()}
        done = api.post(f"{path}/attestation", signed, token=clerk.token, key=new_key())
        expect("attestation", done)

    return act


def _civil(name: str) -> dict[str, object]:
    letters = "".join(chr(ord("A") + int(c)) if c.isdigit() else "X" for c in name)
    return {
        "family_name": f"Mesure {letters}",
        "given_names": ["Ana", "Marie"],
        "birthdate": "1984-02-29",
        "birthplace": "59350",
        "address": "3 rue du Beffroi",
    }


def _run(works: Sequence[Sequence[Callable[[], None]]]) -> float:
    """Seconds for all clients to do their acts, starting together; raises the first failure."""
    gate = threading.Barrier(len(works) + 1)
    failures: list[BaseException] = []

    def client(mine: Sequence[Callable[[], None]]) -> None:
        gate.wait()
        try:
            for act in mine:
                act()
        except Exception as error:  # noqa: BLE001  # whatever a client meets ends the measurement
            failures.append(error)

    threads = [threading.Thread(target=client, args=(mine,)) for mine in works]
    for thread in threads:
        thread.start()
    gate.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    elapsed_s = time.perf_counter() - started
    if failures:
        raise failures[0]
    return elapsed_s


# --- duplicates ----------------------------------------------------------------------------------


def measure_search(rows: int) -> float:
    """Median microseconds of one search for duplicates among so many digests, half of them met."""
    with tempfile.TemporaryDirectory(prefix="beffroi-bench-") as folder:
        path = Path(folder) / "town.db"
        open_database(f"sqlite:///{path}")
        migrate()
        key = IndexKey(1, bytes(32))
        met = [_person(index) for index in range(SEARCHES)]
        _fill(path, rows, key, met[::2])
        with connected():
            times = [_time_search(key, person) for person in met]
        database.obj.close_all()
    return median(times)


def _time_search(key: IndexKey, person: Civil) -> float:
    started = time.perf_counter()
    find_candidates((key,), person)
    return (time.perf_counter() - started) * 1e6


def _person(index: int) -> Civil:
    letters = "".join(chr(ord("A") + int(digit)) for digit in str(index))
    return Civil(f"Cherche {letters}", ("Ana", "Marie"), "1984-02-29", "59350")


def _fill(path: Path, rows: int, key: IndexKey, met: Sequence[Civil]) -> None:
    """Digests of strangers up to `rows`, and of those who will be met."""
    known = [
        (f"{number:043d}", kind, digest, key.version)
        for number, person in enumerate(met)
        for kind, digest in list_digests(key.key, person)
    ]
    kinds = ("strict", "loose", "swap")
    strangers = (
        (f"s{n // 3:042d}", kinds[n % 3], hashlib.sha256(b"%d" % n).hexdigest(), 1)
        for n in range(rows - len(known))
    )
    insert = "INSERT INTO duplicate_index (cid, kind, digest, version) VALUES (?, ?, ?, ?)"
    with closing(sqlite3.connect(path)) as filled:
        filled.executemany(insert, known)
        filled.executemany(insert, strangers)
        filled.commit()


# --- metrics -------------------------------------------------------------------------------------


def build_metrics(rounds: Sequence[Round], *, small_us: float, large_us: float) -> list[Metric]:
    """The family's metrics; ratios are the medians of the rounds' own ratios."""
    health = median(r.healths_per_s for r in rounds)
    enrol = median(r.enrolments_per_s / r.healths_per_s for r in rounds)
    logged_in = median(r.logins_per_s / r.healths_per_s for r in rounds)
    searched = large_us / small_us
    return [
        Metric("enrol_vs_health", enrol, "ratio", health, enrol, AIM_ENROL, enrol >= AIM_ENROL),
        Metric("enrolments_per_s", median(r.enrolments_per_s for r in rounds), "1/s"),
        Metric("login_vs_health", logged_in, "ratio", health, logged_in),
        Metric("logins_per_s", median(r.logins_per_s for r in rounds), "1/s"),
        Metric(
            "nullifier_1e6_vs_1e3",
            searched,
            "ratio",
            small_us,
            searched,
            AIM_NULLIFIER,
            searched <= AIM_NULLIFIER,
        ),
        Metric("search_us_1e6", large_us, "us"),
    ]


def main() -> None:
    """Measure, print, write; exits 0 whatever the figures say (the file tells)."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    rounds = measure_desk()
    small_us, large_us = measure_search(SMALL), measure_search(LARGE)
    write_results("identity", build_metrics(rounds, small_us=small_us, large_us=large_us))


if __name__ == "__main__":
    main()
