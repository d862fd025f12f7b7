"""Measured data and measured peers: the figures of the village week, of one home's year, of six generated books."""

import pytest

from chain.town.energy.calendar import EUROPE_PARIS, UTC
from chain.town.energy.coefficients import compute_step_units, predict_dso
from chain.town.energy.conventions import Cascade, ProRata, StaticRedistributed
from chain.town.energy.keys import allocate, prepare
from chain.town.energy.market import clear
from chain.town.energy.rounding import rank_by_hash
from chain.town.energy.steps import Allocation, check_law
from chain.town.energy.tables import Readings, parse_readings, roster_of, steps_of
from tests.town.energy.cases import reference_book
from tests.vectors.runner import shared_folder

FOLDER = shared_folder() / "data" / "energy"
needs_data = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"measured curves are read in place, and there is no {FOLDER}"
)


def load(name: str, *, step_s: int, zone) -> Readings:
    readings = parse_readings((FOLDER / name).read_bytes(), step_s=step_s, zone=zone)
    assert isinstance(readings, Readings), readings
    return readings


def run_all(readings: Readings, key):
    roster = roster_of(readings)
    plan = prepare(key, roster)
    pairs = [(step, allocate(plan, step)) for step in steps_of(readings, "village", {})]
    for step, result in pairs:
        assert isinstance(result, Allocation), result
        assert check_law(roster, step, result) is None
    return roster, pairs


@pytest.fixture(scope="module")
def village() -> Readings:
    return load("b_simbench_lv_15min.csv", step_s=900, zone=EUROPE_PARIS)


@needs_data
def test_a_village_week_pro_rata_shares_all_that_the_law_lets_be_shared(village: Readings) -> None:
    _, pairs = run_all(village, ProRata())
    assert len(pairs) == 672
    assert sum(sum(result.autocons_wh) for _, result in pairs) == 1_908_357
    assert sum(sum(step.prod_wh) - sum(result.autoprod_wh) for step, result in pairs) == 627_249
    assert sum(0 < sum(step.prod_wh) < sum(step.cons_wh) for step, _ in pairs) == 229


@needs_data
@pytest.mark.parametrize("kind", ["static_redistributed", "cascade"])
def test_a_village_week_loses_nothing_under_the_other_redistributing_keys(
    village: Readings, kind: str
) -> None:
    names = [column.name for column in village.columns if column.side == "cons"]
    key = {
        "static_redistributed": StaticRedistributed(dict.fromkeys(names, 10_000)),
        "cascade": Cascade((tuple(names[:40]), tuple(names[40:])), "equal"),
    }[kind]
    _, pairs = run_all(village, key)
    assert sum(sum(result.autocons_wh) for _, result in pairs) == 1_908_357


@needs_data
def test_coefficients_of_the_village_lose_less_than_floors_and_little_with_more_decimals(
    village: Readings,
) -> None:
    """A tool that floors to 0.1 % loses 6.75 % of this week; what is left is consumers whose need is no whole unit."""
    roster, pairs = run_all(village, ProRata())
    lost, floors = {1: 0, 2: 0, 4: 0}, 0
    for step, result in pairs[::4]:
        rank = rank_by_hash("village", step.start_s, roster.consumers)
        for decimals in lost:
            units = compute_step_units(step, result, decimals, rank)
            predicted = predict_dso(units, step.cons_wh, step.prod_wh, decimals)
            lost[decimals] += sum(result.autocons_wh) - sum(predicted)
        prod = sum(step.prod_wh)
        floors += sum(
            wh - (wh * 1_000 // prod) * prod // 1_000 for wh in result.autocons_wh if prod
        )
    allocated = sum(sum(result.autocons_wh) for _, result in pairs[::4])
    assert floors > allocated * 6 // 100
    assert lost[1] < floors * 3 // 4
    assert lost[2] < allocated // 100
    assert abs(lost[4]) < allocated // 10_000


@needs_data
def test_one_homes_year_sums_to_its_totals() -> None:
    readings = load("c_ausgrid_c12_30min.csv", step_s=1_800, zone=UTC)
    assert len(readings.rows) == 17_568
    assert sum(row[0] for row in readings.rows) == 5_938_369
    assert sum(row[1] for row in readings.rows) == 1_296_404
    _, pairs = run_all(readings, ProRata())
    shared = sum(sum(result.autocons_wh) for _, result in pairs)
    assert shared == sum(min(row) for row in readings.rows)


@needs_data
def test_naive_southern_time_is_refused_where_paris_skips_an_hour() -> None:
    """Both sets label naive local time: read with the wrong clock, a year cannot pass unnoticed."""
    raw = (FOLDER / "c_ausgrid_c12_30min.csv").read_bytes()
    refusal = parse_readings(raw, step_s=1_800, zone=EUROPE_PARIS)
    assert not isinstance(refusal, Readings)
    assert refusal.code.name in {"energy_time_absent", "energy_time_gap"}
    assert refusal.detail.startswith("line ")


REFERENCE = {
    (100, 1): (37_534, 14_644, 14_498, 51),
    (1_000, 1): (383_469, 14_644, 14_624, 504),
    (10_000, 1): (3_820_341, 14_072, 14_071, 4_984),
    (100, 100): (41_980, 13_800, 13_500, None),
    (1_000, 100): (369_260, 13_700, 13_700, None),
    (10_000, 100): (3_832_846, 13_800, 13_800, None),
}


@pytest.mark.parametrize("k_halves", [0, 1, 2])
@pytest.mark.parametrize(("count", "tick"), REFERENCE)
def test_generated_books_clear_as_lemlab_and_assume_cleared_them(
    count: int, tick: int, k_halves: int
) -> None:
    volume, last_bid, last_offer, trades = REFERENCE[count, tick]
    outcome = clear(reference_book(count, tick), k_halves=k_halves)
    assert outcome.volume_wh == volume
    assert (outcome.last_bid_micro_eur, outcome.last_offer_micro_eur) == (last_bid, last_offer)
    assert outcome.price_micro_eur == (last_offer, (last_bid + last_offer) // 2, last_bid)[k_halves]
    assert trades is None or len(outcome.trades) == trades


@pytest.mark.parametrize(("count", "tick"), REFERENCE)
def test_pay_as_bid_trades_the_same_volume_on_the_generated_books(count: int, tick: int) -> None:
    outcome = clear(reference_book(count, tick), k_halves=2, pricing="pay_as_bid")
    assert outcome.volume_wh == REFERENCE[count, tick][0]
    assert outcome.price_micro_eur is None
