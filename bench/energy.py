"""Energy: clearing, allocating, a village's week, and whether an interval of 100 000 members costs more per member.

Medians of `REPEATS` runs in processor time, which a busy machine disturbs little. The one ratio to a peer needs the
Python package `assume-framework` in an environment of its own, whose interpreter is named by ASSUME_PYTHON; both
sides then run here, one after the other, on the same book. Without it that figure is skipped, saying so.
"""

import gc
import json
import os
import subprocess
from collections.abc import Callable
from hashlib import sha256
from random import Random
from statistics import median
from time import process_time_ns
from typing import Final

from app.energy.convention import Carbon, Convention, Taxes
from app.energy.month import sum_steps
from app.energy.statements import MonthInputs, build_lines, build_statements
from bench.report import Metric, write_results
from chain.crypto import ed25519
from chain.town.energy import roots
from chain.town.energy.calendar import EUROPE_PARIS
from chain.town.energy.conventions import Cascade, ProRata, StaticRedistributed
from chain.town.energy.keys import allocate, prepare
from chain.town.energy.market import clear
from chain.town.energy.steps import Allocation, Roster, Step, make_roster
from chain.town.energy.tables import Readings, parse_readings, roster_of, steps_of
from tests.town.energy.cases import reference_book
from tests.vectors.runner import shared_folder

REPEATS: Final = 7
WEEK: Final = shared_folder() / "data" / "energy" / "b_simbench_lv_15min.csv"
AIM_VS_ASSUME: Final = 50
AIM_GROWTH: Final = 1.3

CONVENTION: Final = Convention(
    schema=1,
    operation="bench",
    step_s=900,
    key=ProRata(),
    pool_price_micro_eur=120_000,
    outside_price_micro_eur=160_000,
    surplus_price_micro_eur=60_000,
    taxes=Taxes("standard", 200_000, "standard", 33_700),
    carbon=Carbon(30_000, "figure of this benchmark"),
    missing="refuse",
    tolerance_wh_per_step=1,
    decimals=3,
)

ASSUME_SCRIPT: Final = """
import json, sys, time
from datetime import datetime
from dateutil import rrule, relativedelta
from assume.common.market_objects import MarketConfig, MarketProduct
from assume.markets.clearing_algorithms.simple import PayAsClearRole
orders = json.load(sys.stdin)
start, hour = datetime(2026, 1, 1), relativedelta.relativedelta(hours=1)
config = MarketConfig(
    market_id="m", opening_duration=hour,
    opening_hours=rrule.rrule(rrule.HOURLY, dtstart=start, until=start + 9 * hour),
    market_mechanism="pay_as_clear", market_products=[MarketProduct(hour, 1, hour)],
)
product = (start, start + hour, None)
role, times, volume = PayAsClearRole(config), [], 0
for _ in range(3):
    book = [
        {"start_time": product[0], "end_time": product[1], "only_hours": None, "price": price,
         "volume": volume, "agent_addr": name, "bid_id": name, "node": "n"}
        for name, price, volume in orders
    ]
    began = time.process_time()
    accepted = role.clear(book, [product])[0]
    times.append((time.process_time() - began) * 1e3)
print(json.dumps([sorted(times)[1], sum(o["accepted_volume"] for o in accepted if o["accepted_volume"] > 0)]))
"""


def measure_ms(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median processor time of `work` after one run to warm up."""
    work()
    timings = []
    for _ in range(repeats):
        gc.collect()
        start_ns = process_time_ns()
        work()
        timings.append((process_time_ns() - start_ns) / 1e6)
    return median(timings)


def measure() -> list[Metric]:
    """All metrics of the family."""
    book = reference_book(10_000, 1)
    clear_ms = measure_ms(lambda: clear(book, k_halves=1))
    return [
        Metric("clear_10k_ms", clear_ms, "ms"),
        _versus_assume(clear_ms),
        Metric("allocate_10k_ms", _allocate_ms(ProRata(), 10_000), "ms"),
        Metric("allocate_10k_cascade_ms", _allocate_ms(_cascade(10_000), 10_000), "ms"),
        Metric("allocate_10k_redistributed_ms", _allocate_ms(_static(10_000), 10_000), "ms"),
        Metric("leaves_and_root_10k_ms", _roots_ms(10_000), "ms"),
        _week(),
        Metric("interval_10k_ms", _interval_ms(10_000), "ms"),
        *_statements(),
        *_sizes(),
        _growth(),
    ]


def _names(count: int) -> list[str]:
    return [f"c{i}" for i in range(count)]


def _cascade(count: int) -> Cascade:
    names = _names(count)
    return Cascade(tuple(tuple(names[i::5]) for i in range(5)))


def _static(count: int) -> StaticRedistributed:
    return StaticRedistributed(dict.fromkeys(_names(count), 1_000_000 // count))


def _interval(count: int) -> tuple[Roster, Step]:
    """A scarce step: half of what is consumed is produced, by one plant for each thousand consumers."""
    random = Random(count)
    plants = max(1, count // 1_000)
    roster = make_roster(_names(count), [f"p{i}" for i in range(plants)])
    assert isinstance(roster, Roster)
    cons = [random.randrange(0, 800) for _ in range(count)]
    return roster, Step("bench", 900, cons, [sum(cons) // 2 // plants] * plants)


def _allocate_ms(key: ProRata | Cascade | StaticRedistributed, count: int) -> float:
    roster, step = _interval(count)
    plan = prepare(key, roster)
    return measure_ms(lambda: allocate(plan, step))


def _commit(roster: Roster, step: Step, result: Allocation, keys: list[bytes]) -> roots.Root:
    """Rows, salts and root of one allocated step."""
    rows = (
        roots.AllocationRow("bench", step.start_s, 1, name, "consumer", cons, auto, cons - auto)
        for name, cons, auto in zip(roster.consumers, step.cons_wh, result.autocons_wh, strict=True)
    )
    return roots.compute_root(
        (r, roots.compute_salt(k, r)) for k, r in zip(keys, rows, strict=True)
    )


def _member_keys(roster: Roster) -> list[bytes]:
    return [sha256(name.encode()).digest() for name in roster.consumers]


def _roots_ms(count: int) -> float:
    roster, step = _interval(count)
    result, keys = allocate(prepare(ProRata(), roster), step), _member_keys(roster)
    return measure_ms(lambda: _commit(roster, step, result, keys))


def _growth() -> Metric:
    """Whole interval (allocation, leaves, root) per member at 100 000 over that at 1 000, in one run."""
    per_member = {}
    for count, batch in ((1_000, 20), (100_000, 1)):
        roster, step = _interval(count)
        plan, keys = prepare(ProRata(), roster), _member_keys(roster)

        def work(plan=plan, step=step, keys=keys, batch=batch) -> None:
            for _ in range(batch):
                _commit(plan.roster, step, allocate(plan, step), keys)

        per_member[count] = measure_ms(work, 5) * 1_000 / count / batch
    large, small = per_member[100_000], per_member[1_000]
    ratio = large / small
    name = "interval_1e5_vs_1e3_per_participant"
    return Metric(name, large, "us/member", small, ratio, AIM_GROWTH, ratio <= AIM_GROWTH)


def _interval_ms(count: int) -> float:
    """A whole interval: allocation, leaves and root, one signature of the batch."""
    roster, step = _interval(count)
    plan, keys, seed = prepare(ProRata(), roster), _member_keys(roster), bytes(32)

    def work() -> None:
        root = _commit(plan.roster, step, allocate(plan, step), keys)
        ed25519.sign(seed, root.root)

    return measure_ms(work, 5)


def _sizes() -> list[Metric]:
    """The interval from 10^2 to 10^5 members, per member: information beside the ratio below."""
    found = []
    for count in (100, 1_000, 10_000, 100_000):
        roster, step = _interval(count)
        plan, keys = prepare(ProRata(), roster), _member_keys(roster)
        batch = max(1, 10_000 // count)

        def work(plan=plan, step=step, keys=keys, batch=batch) -> None:
            for _ in range(batch):
                _commit(plan.roster, step, allocate(plan, step), keys)

        per_member = measure_ms(work, 3) * 1_000 / count / batch
        found.append(Metric(f"interval_{count}_us_per_member", per_member, "us/member"))
    return found


def _statements() -> list[Metric]:
    """A month of 1 000 members and one plant: adding up one day (96 steps), and drawing all statements."""
    roster, step = _interval(1_000)
    plan = prepare(ProRata(), roster)
    pairs = [
        (s, allocate(plan, s))
        for s in (Step("bench", at * 900, step.cons_wh, step.prod_wh) for at in range(96))
    ]
    month = sum_steps(roster, pairs, pool_price_micro_eur=120_000)
    names = (*roster.consumers, *roster.producers)
    inputs = MonthInputs(CONVENTION, "2026-06", month, {name: name for name in names})

    def draw() -> None:
        lines = build_lines(inputs)
        build_statements(inputs, lines, "h")

    summed = measure_ms(lambda: sum_steps(roster, pairs, pool_price_micro_eur=120_000), 3)
    return [
        Metric("sum_day_1k_ms", summed, "ms"),
        Metric("statements_1k_ms", measure_ms(draw, 3), "ms"),
    ]


def _week() -> Metric:
    if not WEEK.is_file():
        return _skipped("week_b_ms", "ms", f"no {WEEK.name} in the shared folder")
    table = parse_readings(WEEK.read_bytes(), step_s=900, zone=EUROPE_PARIS)
    assert isinstance(table, Readings)
    plan, steps = prepare(ProRata(), roster_of(table)), list(steps_of(table, "village", {}))
    shared = sum(sum(allocate(plan, step).autocons_wh) for step in steps)
    assert shared == 1_908_357, "a fast week that loses energy is no result"
    return Metric("week_b_ms", measure_ms(lambda: [allocate(plan, step) for step in steps]), "ms")


def _versus_assume(clear_ms: float) -> Metric:
    """ASSUME's pay-as-clear over ours, on the same book; the volumes must agree."""
    name, python = "clear_10k_vs_assume", os.environ.get("ASSUME_PYTHON", "")
    if not python:
        return _skipped(name, "ms", "ASSUME_PYTHON names no interpreter with assume-framework")
    book = [
        (o.order_id, o.price_micro_eur, -o.energy_wh if o.side == "bid" else o.energy_wh)
        for o in reference_book(10_000, 1)
    ]
    script = [python, "-c", ASSUME_SCRIPT]
    done = subprocess.run(
        script, input=json.dumps(book), capture_output=True, text=True, check=False
    )
    if done.returncode:
        return _skipped(name, "ms", f"assume did not run: {done.stderr.strip()[-300:]}")
    assume_ms, volume = json.loads(done.stdout.splitlines()[-1])
    assert round(volume) == 3_820_341, f"assume cleared {volume} Wh"
    ratio = assume_ms / clear_ms
    return Metric(name, clear_ms, "ms", assume_ms, ratio, AIM_VS_ASSUME, ratio >= AIM_VS_ASSUME)


def _skipped(name: str, unit: str, why: str) -> Metric:
    """A figure that was not measured: null in the file, the reason on screen."""
    print(f"{name} skipped: {why}")
    return Metric(name, None, unit)


def main() -> None:
    """Print the table, write bench/results/energy.json."""
    write_results("energy", measure())


if __name__ == "__main__":
    main()
