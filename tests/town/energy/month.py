"""A full month of an operation on the chain, everybody acting, with every byte kept: October, clocks going back.

    month = play_month(Random("seed"))
    month.transactions, month.results, month.records   # all bytes that validators hold
    month.days[day]                                    # what was computed, hence every personal figure

Readings lie in ranges apart from sums of many, so that a personal figure would be recognised wherever it stood.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from random import Random
from typing import Any

import msgspec

from chain.codec.canonical import b64url_encode
from chain.crypto import jws
from chain.town.energy import calendar, commitments, records
from chain.town.energy.conventions import Contract, hash_key
from chain.town.energy.days import (
    DayInput,
    DayResult,
    StepReadings,
    build_allocation,
    build_correction,
    build_readings,
    compute_day,
)
from chain.town.energy.steps import Roster
from chain.town.energy_schemas import (
    ContractTerms,
    CreditEntry,
    EnergyAdmit,
    EnergyApprove,
    EnergyChallenge,
    EnergyConsent,
    EnergyContract,
    EnergyCredit,
    EnergyJoin,
    EnergyOperation,
    EnergyOrder,
    EnergyReconcile,
    EnergyReport,
    EnergyRetire,
    EnergyTransfer,
    EnergyVerdict,
    LotPart,
    Plant,
    PointClaim,
)
from tests.town.energy.chain_kit import (
    ENERGY_ROLES,
    OP,
    PARAMS,
    PERIMETER,
    Village,
    digest,
    ok,
    terms,
)
from tests.town.town_kit import key, make_town

MONTH = "2026-10"
CONSUMERS = 9
PRODUCERS = 3
ADAPTER_KEY = b"adapter key adapter key adapter!"
CONS_WH = range(1_300_000, 1_400_000)
"""A household's reading; sums of five are above 6.5 million, of two above 2.6."""
PROD_WH = range(1_500_000, 4_900_000)


@dataclass
class Month:
    village: Village
    transactions: list[bytes] = field(default_factory=list)
    results: list[bytes] = field(default_factory=list)
    blocks: list[tuple[int, tuple[bytes, ...]]] = field(default_factory=list)
    """Header time and transactions of each."""
    days: dict[str, DayResult] = field(default_factory=dict)
    prms: list[str] = field(default_factory=list)
    orders: list[commitments.SealedOrder] = field(default_factory=list)

    @property
    def records(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Every record of the state: namespace, id, bytes."""
        store = self.village.town.store
        for namespace in store.namespaces():
            for record_id, raw in store.scan(namespace):
                yield namespace, record_id, raw

    def payloads(self) -> Iterator[dict[str, Any]]:
        """What was signed, decoded."""
        for raw in self.transactions:
            parsed = jws.parse(raw, "beffroi-tx", len(raw))
            yield msgspec.json.decode(parsed.payload)


def play_month(random: Random) -> Month:
    """From registration to retirement: members, contract, orders, 31 days, a correction, a challenge, KWHC."""
    town = make_town(roles=ENERGY_ROLES, params=PARAMS | {"energy_challenge_s": 86_400})
    convention = Contract()
    key_hash = b64url_encode(hash_key(convention))
    village = Village(town, terms(key_kind="contract", key_hash=key_hash, gate_s=0))
    month = Month(village)
    _keep_bytes(month)
    ok(village.pmo(EnergyOperation(OP, 1, "2026-10-01", village.terms)))
    ok(
        village.council(
            EnergyApprove(OP, 1, records.hash_terms(OP, 1, "2026-10-01", village.terms))
        )
    )
    for n in range(CONSUMERS + PRODUCERS):
        _settle_in(month, n, random)
    _sign_contract(month)
    places = _place_orders(month, random)
    _until(village, "2026-11-02")
    for number in calendar.days_of_month(MONTH):
        _play_day(month, calendar.format_day(number), convention, places, random)
    _dispute(month)
    village.town.advance(2 * 86_400)
    _report(month)
    _settle(month)
    return month


def _keep_bytes(month: Month) -> None:
    town = month.village.town
    finalize = town.finalize

    def kept(*txs: bytes, **more: Any) -> Any:
        month.blocks.append((town.now_s, txs))
        results = finalize(*txs, **more)
        month.transactions += txs
        for result in results:
            month.results.append(msgspec.json.encode([result.log, result.info]))
            month.results.append(result.data)
        return results

    town.finalize = kept  # type: ignore[method-assign] # the town under test, listened to


def _settle_in(month: Month, n: int, random: Random) -> None:
    village = month.village
    index = village.open_member(f"member {n}")
    prm = f"{random.randrange(10**14):014d}"
    month.prms.append(prm)
    point = commitments.commit_point(prm, random.randbytes(32))
    tag = commitments.tag_point(prm, ADAPTER_KEY)
    assert isinstance(point, str)
    assert isinstance(tag, str)
    is_plant = n >= CONSUMERS
    plant = Plant("photovoltaic", 9_000, "2024-05-01") if is_plant else None
    claim = PointClaim(point, "producer" if is_plant else "consumer", plant)
    for purpose in ("allocation", "credits"):
        text = commitments.commit_text(f"I consent to {purpose}".encode(), random.randbytes(32))
        ok(village.member(index, EnergyConsent(OP, purpose, "given", text)))
    ok(village.member(index, EnergyJoin(OP, 1, (claim,))))
    account = village.members[index].kid
    village.points[account] = [point]
    admit = EnergyAdmit(OP, account, "admitted", "2026-10-01", (tag,), PERIMETER)
    ok(village.pmo(admit))


def _sign_contract(month: Month) -> None:
    village = month.village
    seller, buyer = village.members[CONSUMERS].kid, village.members[0].kid
    points = village.points
    told = ContractTerms(
        seller, buyer, points[seller][0], points[buyer][0], "2026-10-01", "", 0, "contract"
    )
    name = digest("contract")

    def last() -> str:
        return village.record(records.CONTRACTS, records.contract_id(name)).last

    ok(village.member(CONSUMERS, EnergyContract(OP, name, "offer", "", told)))
    ok(village.member(0, EnergyContract(OP, name, "accept", last())))
    ok(village.pmo(EnergyContract(OP, name, "countersign", last())))


def _place_orders(month: Month, random: Random) -> dict[int, tuple]:
    """One step's book, sealed before its gate; what was said is opened to the manager only."""
    village = month.village
    _until(village, "2026-10-04")
    start = village.starts("2026-10-05")[48]
    book = []
    for index, side in ((1, "bid"), (2, "bid"), (CONSUMERS + 1, "offer")):
        column = f"cons_{index}" if side == "bid" else f"prod_{index - CONSUMERS}"
        price = 90_001 if side == "offer" else 170_003 + index
        said = commitments.SealedOrder(OP, start, column, side, price, 1_222_001 + index)
        sealed = commitments.commit_order(said, random.randbytes(32))
        data = village.town.result_data(ok(village.member(index, EnergyOrder(OP, start, sealed))))
        month.orders.append(said)
        book.append(commitments.open_order(said, village.members[index].kid, data["seq"], sealed))
    return {start: tuple(book)}


def _play_day(
    month: Month, day: str, convention: Contract, places: dict[int, tuple], random: Random
) -> None:
    village = month.village
    steps = tuple(_make_step(random, index) for index, _ in enumerate(village.starts(day)))
    names = [f"cons_{n}" for n in range(CONSUMERS)], [f"prod_{n}" for n in range(PRODUCERS)]
    given = DayInput(
        operation=OP,
        day=day,
        zone=calendar.EUROPE_PARIS,
        step_s=900,
        roster=Roster(tuple(names[0]), tuple(names[1])),
        key=convention,
        steps=steps,
        member_keys={
            name: sha256(f"key {name}".encode()).digest() for name in (*names[0], *names[1])
        },
        orders={start: book for start, book in places.items() if start in village.starts(day)},
    )
    result = compute_day(given)
    assert isinstance(result, DayResult), result
    month.days[day] = result
    ok(village.adapter(build_readings(result)))
    ok(village.pmo(build_allocation(result), key("energy_witness@mairie")))


def _make_step(random: Random, index: int) -> StepReadings:
    """Daylight in the middle of the day; at night some households are away, so that few would be seen."""
    is_day = 30 <= index < 70
    active = CONSUMERS if is_day or index % 3 else 3
    cons = tuple(random.choice(CONS_WH) if n < active else 0 for n in range(CONSUMERS))
    plants = 0 if not is_day else 1 if index in (30, 69) else PRODUCERS
    prod = tuple(random.choice(PROD_WH) if n < plants else 0 for n in range(PRODUCERS))
    return StepReadings(cons, prod)


def _dispute(month: Month) -> None:
    """A challenge that is upheld, and the correction it asks for."""
    village, day = month.village, "2026-10-12"
    claim = commitments.commit_text(b"my curve of that day", b"s" * 32)
    data = village.town.result_data(ok(village.member(3, EnergyChallenge(OP, day, 1, claim))))
    ok(village.witness(EnergyVerdict(OP, day, data["challenge"], "upheld", digest("evidence"))))
    before = month.days[day]
    steps = list(before.given.steps)
    cons = list(steps[40].cons_wh)
    cons[3] += 1_001
    steps[40] = StepReadings(tuple(cons), steps[40].prod_wh)
    given = replace(before.given, steps=tuple(steps), readings_version=2, version=2)
    result = compute_day(given)
    assert isinstance(result, DayResult)
    month.days[f"{day} corrected"] = result
    ok(village.adapter(build_readings(result, previous=before.readings_root)))
    body = build_correction(result, previous=before.root, evidence=digest("evidence"))
    ok(village.pmo(body, key("energy_witness@mairie")))


def _report(month: Month) -> None:
    village = month.village
    span = ("2026-10-01", "2026-10-31")
    ok(village.pmo(EnergyReport(OP, *span, digest("coefficients"))))
    ok(village.pmo(EnergyReconcile(OP, *span, digest("dso"), 12)))


def _settle(month: Month) -> None:
    village = month.village
    statement = village.statement(MONTH)
    ok(village.pmo(statement))
    credited = [CreditEntry(m.kid, 100_000_003 + n) for n, m in enumerate(village.members[:4])]
    entries = sorted(credited, key=lambda entry: entry.account)
    ok(village.pmo(EnergyCredit(OP, MONTH, tuple(entries))))
    part = LotPart(OP, MONTH, 50_000_001)
    ok(village.member(0, EnergyTransfer(village.members[5].kid, (part,), digest("invoice"))))
    ok(village.member(5, EnergyRetire(OP, MONTH, 50_000_001, digest("origin claim"))))


def _until(village: Village, day: str) -> None:
    """Let time pass to the morning of a local day."""
    number = calendar.parse_day(day)
    assert number is not None
    village.town.now_s = max(village.town.now_s, number * 86_400 + 6 * 3_600)
