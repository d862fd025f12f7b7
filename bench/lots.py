"""`make bench NAME=lots`: what a sale costs when a wallet holds a thousand lots, and when it holds a million.

One wallet of LOTS lots of one point each lies in a real store with its tree; every redemption uses up one lot and
every earn adds one, so each finds, writes and deletes lots among all the others. Measured per operation: the rule
with its reads (signatures known) and the tree update, in processor time. `lots_1e6_vs_1e3` compares the two sizes,
each in a process of its own.
"""

import argparse
import gc
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import process_time_ns

from bench.big_town import Change, _change, _write
from bench.report import Metric, write_results
from bench.town_steps import ASSET_POINT, PLENTY, PROGRAMME, SHOP, earn_tx, shop_town
from chain.codec import bf1
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto.jws import SigningKey
from chain.store.app import LmdbStateStore
from chain.store.kv import LmdbStore
from chain.town.application import TownApplication
from chain.town.engine import BlockInput, BlockRun, TownFacts, Verdict
from chain.town.envelope import EnvelopeCache
from chain.town.forest import Forest, compute_app_hash, update_forest
from chain.town.loyalty.records import (
    LOTS,
    WALLETS,
    Lot,
    Position,
    WalletRecord,
    lot_id,
    position_tag,
)
from chain.town.router import town_router
from chain.town.schemas import LoyaltyRedeem
from chain.types.timestamp import NANOS_PER_SECOND
from tests.town.town_kit import DAY_S, Town, jwk, key

FEW, MANY = 1_000, 1_000_000
BATCH = 200
ROUNDS = 7
WRITE_RECORDS = 50_000
LIMIT = 1.5


def measure(lots: int) -> tuple[float, float]:
    """µs per redemption and per earn on a wallet of `lots` lots, in this process."""
    with tempfile.TemporaryDirectory(prefix="beffroi-bench-") as folder:
        town, till, phones = shop_town(1)
        store = LmdbStateStore(LmdbStore(Path(folder) / "state.lmdb"), shared=False)
        _fill(store, town, phones[0].kid, lots)
        town.store = store
        town.app = TownApplication(store, town.clock)
        version = store.load_version()
        assert version is not None
        town.height = version[0]
        gc.freeze()
        redeem, earn = [], []
        for number in range(ROUNDS):
            redeem.append(_time(town, _redeems(town, till, phones[0], number * BATCH)))
            earn.append(_time(town, [earn_tx(town, till, phones[0]) for _ in _minutes(town)]))
        return median(redeem), median(earn)


def _minutes(town: Town) -> Iterator[None]:
    """A batch's worth of moments: receipts are named by the second."""
    for _ in range(BATCH):
        town.advance(1)
        yield


def _redeems(town: Town, till: SigningKey, phone: SigningKey, first: int) -> list[bytes]:
    town.advance(3_600)
    return [_redeem(town, till, phone, first + number + 1) for number in range(BATCH)]


def _redeem(town: Town, till: SigningKey, phone: SigningKey, counter: int) -> bytes:
    code = bf1.PayCode(
        alg=bf1.CodeAlg.ED25519,
        kind=bf1.Kind.PAY,
        key_ref=b64url_decode(phone.kid)[:16],
        ctr=counter,
        iat=town.now_s,
        ttl_s=60,
        asset=ASSET_POINT,
        max_amount=PLENTY,
        shop_ref=bf1.shop_ref(SHOP),
    )
    body = bf1.encode_body(code)
    text = bf1.to_text(body, phone.sign(bf1.signed_bytes(town.genesis.chain_id, body)))
    return town.tx(LoyaltyRedeem(PROGRAMME, 1, text), f"shop:{SHOP}", till)


def _time(town: Town, txs: Sequence[bytes]) -> float:
    cache = EnvelopeCache(town.town)
    for raw in txs:
        envelope = cache.decode(raw)
        assert cache.is_signed(envelope, envelope.signatures[0], jwk(key("till")))
    facts = TownFacts(town.genesis.chain_id, town.town)
    block = BlockInput(town.height + 1, town.now_s)
    run = BlockRun(town.reader, town_router(), facts, block, cache)
    forest = town.app._versions[town.height]
    started_ns = process_time_ns()
    for raw in txs:
        tx = run.execute(raw)
        assert tx.verdict is Verdict.ACCEPTED, tx.result.log
        run.keep(tx)
    compute_app_hash(update_forest(forest, run.finish().changes))
    spent_ns = process_time_ns() - started_ns
    assert all(result.is_ok() for result in town.run(*txs))
    return spent_ns / 1_000 / len(txs)


def _fill(store: LmdbStateStore, town: Town, wallet: str, lots: int) -> None:
    """The town's records, and so many lots for one wallet instead of its own."""
    meta = {"time_ns": str(town.now_s * NANOS_PER_SECOND).encode()}
    held = WALLETS.get(town.reader, wallet.encode())
    assert held is not None, "the phone was given points"
    forest: Forest = {}
    height = town.height
    batch: list[Change] = [
        (ns, rid, rec)
        for ns in town.store.namespaces()
        for rid, rec in town.store.scan(ns)
        if not rid.startswith((b"lot/", b"wallet/"))
    ]
    first = ""
    for lot in _lots(town, lots):
        first = first or lot.key
        tag = position_tag(PROGRAMME, SHOP)
        batch.append(_change(LOTS, lot_id(wallet, tag, lot.key), lot))
        if len(batch) >= WRITE_RECORDS:
            forest, height = _write(store, forest, batch, height, meta), height + 1
            batch = []
    position = Position(PROGRAMME, SHOP, points=lots, lots=lots, first=first)
    head = WalletRecord(positions=(position,), wake_s=held.wake_s)
    batch.append(_change(WALLETS, wallet.encode(), head))
    _write(store, forest, batch, height, meta)


def _lots(town: Town, count: int) -> Iterator[Lot]:
    """Lots of one point in the order they are spent; they expire over a year, from 400 days on."""
    for number in range(count):
        name = sha256(b"lot %d" % number).digest()
        yield Lot(
            expires_s=town.now_s + 400 * DAY_S + number * 30,
            earned_s=town.now_s,
            lot=b64url_encode(name[:16]),
            programme=PROGRAMME,
            issuer=SHOP,
            version=1,
            points=1,
            left=1,
            ref=b64url_encode(name),
        )


def measure_apart(lots: int) -> tuple[float, float]:
    """As `measure`, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.lots", str(lots)],
        capture_output=True,
        text=True,
        check=True,
        timeout=1_200,
    )
    redeem, earn = done.stdout.split()
    return float(redeem), float(earn)


def lots_metrics() -> list[Metric]:
    """The ratio, and the costs behind it; what `bench.loyalty` prints too."""
    few, many = measure_apart(FEW), measure_apart(MANY)
    ratio = sum(many) / sum(few)
    return [
        Metric(
            "lots_1e6_vs_1e3",
            sum(many) / 2,
            "us per operation",
            baseline=sum(few) / 2,
            ratio=ratio,
            aim=LIMIT,
            ok=ratio <= LIMIT,
        ),
        Metric("redeem_us_1e6_lots", many[0], "us", baseline=few[0], ratio=many[0] / few[0]),
        Metric("earn_us_1e6_lots", many[1], "us", baseline=few[1], ratio=many[1] / few[1]),
        Metric("ledger_ops_per_s", 2e6 / sum(few), "1/s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lots", type=int, nargs="?", default=0)
    chosen = parser.parse_args()
    if chosen.lots:
        print(*measure(chosen.lots))
    else:
        write_results("lots", lots_metrics())


if __name__ == "__main__":
    main()
