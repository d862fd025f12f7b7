"""What one transaction costs the town, step by step, on a real till's redemptions and earns.

`measure_steps()` prepares a town with a shop, a till and one phone per transaction, then times batches of
`batch` transactions through decode, verify, execute (rules over an overlay, signatures known) and tree
update (the block's real changes on a forest of real records). `measure_tree()` times the bare tree at a given
size. Medians of `repeats` runs, µs; nothing here sleeps or touches a disk.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from statistics import median
from time import perf_counter_ns

from chain.codec import bf1
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto import jws
from chain.crypto.jws import SigningKey
from chain.town.engine import BlockInput, BlockRun, TownFacts, Verdict
from chain.town.envelope import Envelope, EnvelopeCache, decode_transaction, public_key
from chain.town.forest import compute_app_hash, update_forest
from chain.town.router import town_router
from chain.town.schemas import (
    EarnRule,
    LoyaltyEarn,
    LoyaltyProgramme,
    LoyaltyRedeem,
    LoyaltyShop,
    LoyaltyTill,
)
from chain.town.tree import update_tree
from tests.town.town_kit import DAY_S, Town, jwk, key, make_town, name_of

SHOP = "boulangerie"
PROGRAMME = "bons-points"
PLENTY = 1_000_000
ASSET_POINT = 1


@dataclass(frozen=True, slots=True)
class Steps:
    """Cost of one transaction in µs per step, and how many tree keys it changes."""

    decode_us: float
    verify_us: float
    execute_us: float
    tree_us: float
    keys_per_tx: float

    @property
    def total_us(self) -> float:
        """All steps together."""
        return self.decode_us + self.verify_us + self.execute_us + self.tree_us


def measure_steps(kind: str = "redeem", *, batch: int = 1_000, repeats: int = 5) -> Steps:
    """Medians over `repeats` fresh batches of `batch` transactions; `kind` is redeem or earn."""
    town, till, phones = shop_town(batch)
    rows = [_time_batch(town, make_batch(town, kind, till, phones)) for _ in range(repeats)]
    decode, verify, execute, tree, keys = (median(column) for column in zip(*rows, strict=True))
    return Steps(decode, verify, execute, tree, keys)


def measure_tree(*, keys: int = 100_000, batch: int = 1_000, repeats: int = 9) -> float:
    """µs per key of one batch update in memory, half of the batch new keys, at `keys` keys."""
    random = Random(20_261_123)
    held = [random.randbytes(32) for _ in range(keys)]
    root = update_tree(None, {name: sha256(name).digest() for name in held})
    timings = []
    for _ in range(repeats):
        names = random.sample(held, batch // 2) + [random.randbytes(32) for _ in range(batch // 2)]
        changes = {name: random.randbytes(32) for name in names}
        timings.append(_us_per_item(lambda c=changes: update_tree(root, c), len(changes)))
    return median(timings)


def shop_town(phones: int, *, validators: int = 4) -> tuple[Town, SigningKey, list[SigningKey]]:
    """A town with a programme, a shop, a till, and this many phones with 1 000 points each."""
    limits = {
        "quota_till_per_minute": PLENTY,
        "quota_gateway_per_minute": PLENTY,
        "loyalty_gifts_per_shop_day": PLENTY,
        "loyalty_spends_per_hour": PLENTY,
        "loyalty_points_per_account_day": PLENTY * 100,
        "loyalty_points_per_shop_day": PLENTY * 1_000,
    }
    town = make_town(params=limits, validators=validators)
    operator, owner, till = town.role("loyalty_operator"), key("owner"), key("till")
    programme = LoyaltyProgramme(PROGRAMME, 1, "active", EarnRule(1, 100, 0), 365)
    _must(town, town.tx(programme, "body:commerces", operator))
    shop = LoyaltyShop(SHOP, "Boulangerie", jwk(owner))
    _must(town, town.tx(shop, "body:commerces", operator, owner))
    register = LoyaltyTill(jwk(till), town.now_s + 29 * DAY_S, PLENTY, 100 * PLENTY)
    _must(town, town.tx(register, f"shop:{SHOP}", owner, till))
    holders = [key(f"phone {n}") for n in range(phones)]
    _must(town, *[town.open_tx(phone) for phone in holders])
    _must(town, *make_batch(town, "earn", till, holders))
    return town, till, holders


def make_batch(
    town: Town, kind: str, till: SigningKey, phones: Sequence[SigningKey]
) -> list[bytes]:
    """One transaction per phone, each for another account."""
    make = {"redeem": redeem_tx, "earn": earn_tx}[kind]
    return [make(town, till, phone) for phone in phones]


def earn_tx(town: Town, till: SigningKey, phone: SigningKey) -> bytes:
    """1 000 points for a purchase of 1 000 euros."""
    receipt = b64url_encode(sha256(f"{phone.kid} {town.now_s}".encode()).digest()[:16])
    return town.tx(LoyaltyEarn(PROGRAMME, phone.kid, 100_000, receipt), f"shop:{SHOP}", till)


def redeem_tx(town: Town, till: SigningKey, phone: SigningKey) -> bytes:
    """One point by a pay code of the phone; header time serves as its counter."""
    code = bf1.PayCode(
        alg=bf1.CodeAlg.ED25519,
        kind=bf1.Kind.PAY,
        key_ref=b64url_decode(phone.kid)[:16],
        ctr=town.height,
        iat=town.now_s,
        ttl_s=60,
        asset=ASSET_POINT,
        max_amount=PLENTY,
        shop_ref=bf1.shop_ref(SHOP),
    )
    body = bf1.encode_body(code)
    text = bf1.to_text(body, phone.sign(bf1.signed_bytes(town.genesis.chain_id, body)))
    return town.tx(LoyaltyRedeem(PROGRAMME, 1, text), f"shop:{SHOP}", till)


def _time_batch(town: Town, txs: Sequence[bytes]) -> tuple[float, float, float, float, float]:
    """Decode, verify, execute, tree in µs per transaction, and tree keys per transaction."""
    decoded: list[Envelope] = []
    decode_us = _us_per_item(lambda: decoded.extend(_decoded(raw, town) for raw in txs), len(txs))
    verify_us = _us_per_item(lambda: _verify_all(decoded), len(txs))
    cache = EnvelopeCache(town.town)
    for raw in txs:
        envelope = cache.decode(raw)
        assert isinstance(envelope, Envelope)
        assert cache.is_signed(envelope, envelope.signatures[0], jwk(key("till")))
    facts = TownFacts(town.genesis.chain_id, town.town)
    block = BlockInput(town.height + 1, town.now_s)
    run = BlockRun(town.reader, town_router(), facts, block, cache)
    execute_us = _us_per_item(lambda: _execute_all(run, txs), len(txs))
    changes = run.finish().changes
    forest = town.app._versions[town.height]
    tree_us = _us_per_item(lambda: compute_app_hash(update_forest(forest, changes)), len(txs))
    town.run(*txs)
    in_tree = sum(not namespace.startswith("~") for namespace, _, _ in changes)
    return decode_us, verify_us, execute_us, tree_us, in_tree / len(txs)


def _decoded(raw: bytes, town: Town) -> Envelope:
    envelope = decode_transaction(raw, town.town)
    assert isinstance(envelope, Envelope)
    return envelope


def _verify_all(envelopes: Sequence[Envelope]) -> None:
    till = public_key(jwk(key("till")))
    for envelope in envelopes:
        assert jws.verify_signature(envelope.signatures[0], till)


def _execute_all(run: BlockRun, txs: Sequence[bytes]) -> None:
    for raw in txs:
        tx = run.execute(raw)
        assert tx.verdict is Verdict.ACCEPTED, tx.result.log
        run.keep(tx)


def _must(town: Town, *txs: bytes) -> None:
    for result in town.run(*txs):
        assert name_of(result) == "ok", result.log


def _us_per_item(work: Callable[[], object], count: int) -> float:
    start_ns = perf_counter_ns()
    work()
    return (perf_counter_ns() - start_ns) / 1_000 / count


if __name__ == "__main__":
    for name in ("earn", "redeem"):
        print(name, measure_steps(name))
    print("tree_update_us_per_key_100k", round(measure_tree(), 1))
