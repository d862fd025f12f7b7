"""`make bench NAME=town`: final redemptions against the bare server, and what a transaction costs by step.

`redeem_vs_health`: 16 clients redeem points on a real town (node, projector, gunicorn) until each answer is
final, and the same 16 clients ask GET /v1/health of the same server; both in turn, median of ROUNDS. Signing
is done before the clock starts: phones and tills do it, not the town. The load generator runs on the same machine.
"""

import argparse
import http.client
import json
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

from app.cli.demo.association import Association
from app.cli.demo.client import Town, expect
from app.cli.demo.http import Api, new_key
from app.cli.demo.phone import Phone
from app.cli.demo.stage import RealTown
from app.cli.demo.till import Owner, Till
from app.cli.demo.wallet import Wallet, new_words
from app.core.keyfiles import read_key_file
from bench.report import Metric, write_results
from bench.town_steps import measure_steps, measure_tree
from chain.crypto.jws import SigningKey

CLIENTS = 16
ROUNDS = 5
REDEMPTIONS_PER_CLIENT = 40
HEALTHS_PER_CLIENT = 150
POINTS = 1
PLENTY = 1_000_000
TILL_LIFE_S = 86_400
PARAMS = {
    "identity_batch_hour_utc": -1,
    "quota_till_per_minute": PLENTY,
    "quota_gateway_per_minute": PLENTY,
    "loyalty_gifts_per_shop_day": PLENTY,
    "loyalty_points_per_account_day": 10**9,
    "loyalty_points_per_shop_day": 10**12,
    "loyalty_spends_per_hour": PLENTY,
}
"""One till and sixteen phones stand for a whole street, so what bounds one of each is lifted; nothing else is."""
AIM_REDEEM = 0.15
AIM_TREE_US = 40.0


@dataclass(frozen=True, slots=True)
class Work:
    """One request of a client, ready to be sent."""

    method: str
    path: str
    body: bytes | None
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Round:
    """Rate of each kind per second, and the redemptions' latencies in ms."""

    healths_per_s: float
    redemptions_per_s: float
    latencies_ms: tuple[float, ...]


def measure_redeem() -> list[Round]:
    """ROUNDS rounds on a town founded for it."""
    with (
        tempfile.TemporaryDirectory(prefix="beffroi-bench-") as folder,
        RealTown(Path(folder) / "town", PARAMS) as town,
    ):
        till, phones = _furnish(town)
        _run_redemptions(town, till, phones, count=4)  # warm connections, caches and workers
        return [_measure_round(town, till, phones) for _ in range(ROUNDS)]


def _furnish(town: RealTown) -> tuple[Till, list[Phone]]:
    """A shop with one till, and a phone with plenty of points for each client."""
    api = Api(town.base_url, "en")
    facts = Town.read(api)
    operator = read_key_file(town.keys_dir / "operator.json")
    association = Association(api, facts, town.now_s, operator.signer, body=operator.body)
    association.login()
    owner_key, till_key = (SigningKey("EdDSA", secrets.token_bytes(32)) for _ in range(2))
    expect("programme", association.open_programme("bench"))
    expect("shop", association.admit_shop("shop", "Shop", owner_key))
    owner = Owner(api, facts, town.now_s, owner_key, shop="shop")
    owner.login()
    expect("till", owner.register_till(till_key, PLENTY, 100 * PLENTY))
    till = Till(api, facts, town.now_s, till_key, shop="shop", programme="bench")
    till.login()
    return till, [_open_phone(api, facts, town, till) for _ in range(CLIENTS)]


def _open_phone(api: Api, facts: Town, town: RealTown, till: Till) -> Phone:
    wallet = Wallet(new_words())
    phone = Phone(api, facts, town.now_s, wallet.derive_key("loyalty"), wallet=wallet)
    expect("account", phone.open_loyalty_account())
    expect("earn", till.earn(phone.account, 10_000_000))
    return phone


def _measure_round(town: RealTown, till: Till, phones: Sequence[Phone]) -> Round:
    till.login()
    health = Work("GET", "/v1/health", None, {})
    asked = [[health] * HEALTHS_PER_CLIENT for _ in phones]
    health_s, _ = _run(town.base_url, asked, _check_health)
    redeem_s, latencies = _run_redemptions(town, till, phones, count=REDEMPTIONS_PER_CLIENT)
    return Round(
        CLIENTS * HEALTHS_PER_CLIENT / health_s,
        CLIENTS * REDEMPTIONS_PER_CLIENT / redeem_s,
        tuple(latencies),
    )


def _run_redemptions(
    town: RealTown, till: Till, phones: Sequence[Phone], *, count: int
) -> tuple[float, list[float]]:
    before = [_points(phone) for phone in phones]
    works = [[_sign_redemption(till, phone) for _ in range(count)] for phone in phones]
    elapsed_s, latencies = _run(town.base_url, works, _check_final)
    for phone, points in zip(phones, before, strict=True):
        assert _points(phone) == points - count * POINTS, "a redemption was lost or doubled"
    return elapsed_s, latencies


def _points(phone: Phone) -> int:
    phone.login()
    return int(phone.read_balance()["balances"][0]["points"])


def _sign_redemption(till: Till, phone: Phone) -> Work:
    transaction = till.sign_redeem(phone.make_code(50), POINTS)
    return Work(
        "POST",
        "/v1/loyalty/redemptions",
        json.dumps({"transaction": transaction}).encode(),
        {
            **till.api.authorize("POST", "/v1/loyalty/redemptions", till.token),
            "Content-Type": "application/json",
            "Idempotency-Key": new_key(),
            "Prefer": "wait=10",
        },
    )


def _check_final(status: int, body: bytes) -> None:
    assert status == 201, (status, body)
    assert b'"final"' in body, body


def _check_health(status: int, body: bytes) -> None:
    assert status == 200, (status, body)


def _run(
    base_url: str, works: Sequence[Sequence[Work]], check: Callable[[int, bytes], None]
) -> tuple[float, list[float]]:
    """Seconds for all clients to do their work, starting together, and each request's ms."""
    gate = threading.Barrier(len(works) + 1)
    latencies: list[float] = []
    failures: list[BaseException] = []

    def client(mine: Sequence[Work]) -> None:
        address = urlsplit(base_url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        gate.wait()
        try:
            for work in mine:
                started = time.perf_counter()
                connection.request(work.method, work.path, work.body, work.headers)
                response = connection.getresponse()
                check(response.status, response.read())
                latencies.append((time.perf_counter() - started) * 1_000)
        except (AssertionError, OSError, http.client.HTTPException) as error:
            failures.append(error)
        finally:
            connection.close()

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
    return elapsed_s, latencies


def build_metrics(rounds: Sequence[Round], *, tree_us: float) -> list[Metric]:
    """The family's metrics; `redeem_vs_health` is the median of the rounds' own ratios."""
    ratio = median(r.redemptions_per_s / r.healths_per_s for r in rounds)
    redeemed = median(r.redemptions_per_s for r in rounds)
    latencies = quantiles([ms for r in rounds for ms in r.latencies_ms], n=20)
    steps = measure_steps("redeem")
    return [
        Metric(
            "redeem_vs_health",
            ratio,
            "ratio",
            median(r.healths_per_s for r in rounds),
            ratio,
            AIM_REDEEM,
            ratio >= AIM_REDEEM,
        ),
        Metric("redemptions_per_s", redeemed, "1/s"),
        Metric("redeem_p50_ms", latencies[9], "ms"),
        Metric("redeem_p95_ms", latencies[18], "ms"),
        Metric(
            "tree_update_us_per_key_100k",
            tree_us,
            "us/key",
            None,
            None,
            AIM_TREE_US,
            tree_us <= AIM_TREE_US,
        ),
        Metric("decode_us_per_tx", steps.decode_us, "us/tx"),
        Metric("verify_us_per_tx", steps.verify_us, "us/tx"),
        Metric("execute_us_per_tx", steps.execute_us, "us/tx"),
        Metric("tree_us_per_tx", steps.tree_us, "us/tx"),
        Metric("keys_per_tx", steps.keys_per_tx, "keys"),
        Metric("total_us_per_tx", steps.total_us, "us/tx"),
    ]


def main() -> None:
    """Measure, print, write; exits 0 whatever the figures say (the file tells)."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    rounds = measure_redeem()
    write_results("town", build_metrics(rounds, tree_us=measure_tree()))


if __name__ == "__main__":
    main()
