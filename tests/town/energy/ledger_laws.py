"""What must hold of the chain's side over generated cases: credits, rosters, publications, commitments.

As `laws`: a check takes a `Random` and how many cases to try. A case is one act,
roster change, step or PRM.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from hashlib import sha256
from random import Random

from chain.town.context import NO_RECORDS, Accepted, Overlay, TxContext
from chain.town.energy import batches, calendar, commitments, days, records
from chain.town.energy.conventions import ProRata
from chain.town.energy.onchain import crediting, rosters
from chain.town.energy.onchain.rosters import Columns, change_roster, roster_on
from chain.town.energy.steps import Roster
from chain.town.energy_schemas import (
    CreditEntry,
    EnergyCredit,
    EnergyRetire,
    EnergyTransfer,
    LotPart,
)
from tests.town.energy.chain_kit import digest
from tests.town.energy.machine import base

Law = Callable[[Random, int], None]
LEDGER_LAWS: dict[str, Law] = {}
OP = "les-tilleuls"
MONTHS = ("2026-07", "2026-08")
FOURTEEN = re.compile(r"[0-9]{14}")
SHARED_WH = 9_000


def law(function: Law) -> Law:
    LEDGER_LAWS[function.__name__] = function
    return function


def _context(state: Overlay, sender: str, serial: int) -> TxContext:
    key = sha256(b"%d" % serial).digest()
    return TxContext(state, 1, 1_790_000_000, "chain", "town", sender, (), key)


@law
def of_no_lot_is_more_retired_than_was_shared_and_nothing_is_lost(
    random: Random, count: int
) -> None:
    """Histories of 40 acts over two lots; after each, held + retired = credited <= shared, per lot."""
    village = base()
    accounts = [member.kid for member in village.members]
    accepted = 0
    for start in range(0, count, 40):
        state = Overlay(village.town.reader)
        for month in MONTHS:
            lot = records.LotRecord(random.choice((0, SHARED_WH, SHARED_WH)))
            records.LOTS.put(state, records.lot_id(OP, month), lot)
        for serial in range(start, min(count, start + 40)):
            layer = Overlay(state)
            if isinstance(_random_act(layer, random, accounts, serial), Accepted):
                accepted += 1
                state.absorb(layer)
            _check_lots(state)
    assert accepted * 8 > count, "nearly all acts would be refused"


def _random_act(layer: Overlay, random: Random, accounts: list[str], serial: int) -> object:
    month, wh = random.choice(MONTHS), random.randint(1, 3_000)
    sender = random.choice(accounts)
    act = random.randrange(4)
    if act == 0:
        chosen = sorted(random.sample(accounts, random.randint(1, 3)))
        body = EnergyCredit(OP, month, tuple(CreditEntry(account, wh) for account in chosen))
        return crediting.apply_credit(_context(layer, "body:coop", serial), body)
    if act == 1:
        claim = digest(f"claim {random.randrange(serial + 2)}")
        body = EnergyRetire(OP, month, wh // 16 + 1, claim)
        return crediting.apply_retire(_context(layer, sender, serial), body)
    months = sorted(random.sample(MONTHS, random.randint(1, 2)))
    parts = tuple(LotPart(OP, name, wh // 16 + 1) for name in months)
    body = EnergyTransfer(random.choice(accounts), parts, "")
    return crediting.apply_transfer(_context(layer, sender, serial), body)


def _check_lots(state: Overlay) -> None:
    held: defaultdict[str, int] = defaultdict(int)
    for rid, found in records.HOLDINGS.scan(state):
        assert found.held_wh >= 0
        held[rid.decode().split("/")[2]] += found.held_wh
    for month in MONTHS:
        lot = records.LOTS.get(state, records.lot_id(OP, month))
        assert lot is not None
        assert held[month] + lot.retired_wh == lot.credited_wh <= lot.shared_wh
        assert lot.retired_wh <= lot.shared_wh


@law
def a_roster_counts_who_is_active_on_any_day(random: Random, count: int) -> None:
    """Members come and go, told in any order; on every day the count is that of a plain list."""
    for _ in range(max(1, count // 25)):
        state = Overlay(NO_RECORDS)
        listed: list[tuple[int, int, Columns]] = []
        for _ in range(25):
            first = random.randrange(20)
            columns = Columns(*(random.randint(0, 2) for _ in range(4)))
            change_roster(state, OP, ((first, columns),), sign=1)
            last = random.choice((first, first + random.randrange(9), 99))
            if last < 99:
                change_roster(state, OP, ((last, columns),), sign=-1)
            listed.append((first, last, columns))
        for day in range(-1, 31):
            active = [columns for first, last, columns in listed if first <= day < last]
            found = roster_on(state, OP, day)
            assert found.consumers == sum(columns.consumers for columns in active)
            assert found.producers == sum(columns.producers for columns in active)
            assert found.households == sum(columns.households for columns in active)
            later = [roster_on(state, OP, n).peak_w for n in range(day, 40)]
            assert rosters.peak_from(state, OP, day) == max(later)


@law
def what_is_published_of_a_day_passes_the_chains_own_check(random: Random, count: int) -> None:
    """Days of random members, stores and silences: sums add up, hide five households, and are the witness's too."""
    done = 0
    while done < count:
        given = _random_day(random)
        result = days.compute_day(given)
        assert isinstance(result, days.DayResult)
        body = days.build_allocation(result)
        flaw = batches.check_sums(
            body.steps, body.totals, households=given.households, households_min=5
        )
        assert flaw is None, flaw
        _check_hiding(given, body.steps)
        again = days.compute_day(given)
        assert isinstance(again, days.DayResult)
        assert days.check_day(again, days.build_readings(result), body) is None
        done += len(given.steps)


def _random_day(random: Random) -> days.DayInput:
    households, plants, stores = random.randint(1, 8), random.randint(1, 3), random.randint(0, 1)
    consumers = (*(f"cons_{n}" for n in range(households)), *("charge_s",)[:stores])
    producers = (*(f"prod_{n}" for n in range(plants)), *("discharge_s",)[:stores])
    roster = Roster(
        consumers,
        producers,
        tuple(range(households, len(consumers))),
        tuple(range(plants, len(producers))),
    )
    day, zone = random.choice(
        (
            ("2026-03-29", calendar.EUROPE_PARIS),
            ("2026-10-25", calendar.EUROPE_PARIS),
            ("2026-07-01", calendar.UTC),
        )
    )
    number = calendar.parse_day(day)
    assert number is not None
    quiet = random.choice((0, 0, 1, 5))
    steps = tuple(
        days.StepReadings(
            tuple(random.choice((0,) * quiet + (3, 41, 977)) for _ in consumers),
            tuple(random.choice((0, 0, 1_204)) for _ in producers),
        )
        for _ in calendar.steps_of_day(zone, number, 1_800)
    )
    keys = {name: sha256(name.encode()).digest() for name in (*consumers, *producers)}
    return days.DayInput(OP, day, zone, 1_800, roster, ProRata(), steps, keys)


def _check_hiding(given: days.DayInput, steps: tuple) -> None:
    hidden = []
    for index, step in enumerate(steps):
        metered = given.steps[index]
        if step.sums is None:
            hidden.append(metered)
            continue
        assert sum(wh > 0 for wh in metered.cons_wh[: given.households]) >= 5
        assert sum(wh > 0 for wh in metered.prod_wh) != 1
    if hidden and len(hidden) < len(steps):
        columns = [sum(column) for column in zip(*(m.cons_wh for m in hidden), strict=True)]
        assert len(hidden) > 1
        assert sum(wh > 0 for wh in columns[: given.households]) >= 5


@law
def a_commitment_shows_nothing_of_its_prm(random: Random, count: int) -> None:
    for _ in range(count):
        prm = f"{random.randrange(10**14):014d}"
        salts = random.randbytes(32), random.randbytes(32)
        told = {
            commitments.commit_point(prm, salts[0]),
            commitments.commit_point(prm, salts[1]),
            commitments.tag_point(prm, salts[0]),
            commitments.tag_point(prm, salts[1]),
            commitments.commit_text(prm.encode(), salts[0]),
        }
        assert len(told) == 5
        assert all(len(text) == 43 and not FOURTEEN.search(text) for text in told)
