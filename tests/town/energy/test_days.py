"""A local day from readings to what is published: the same bytes for whoever has the openings, nobody shown alone."""

from dataclasses import replace
from hashlib import sha256
from random import Random

import pytest
from msgspec import structs

from chain.codec.canonical import b64url_decode, encode_canonical
from chain.codec.merkle import verify_merkle_proof
from chain.town.energy import batches, calendar, days
from chain.town.energy.conventions import Cascade, Contract, ProRata
from chain.town.energy.market import Order
from chain.town.energy.refusals import Refused
from chain.town.energy.roots import Root, check_opening
from chain.town.energy.steps import Roster
from chain.town.energy_schemas import AllocationStep, Sums
from tests.town.energy.chain_kit import digest

DAY = "2026-10-25"
"""Clocks go back: 100 quarter hours."""


def make_day(random: Random, *, consumers: int = 7, producers: int = 3, **changes) -> days.DayInput:
    names = [f"cons_{n}" for n in range(consumers)], [f"prod_{n}" for n in range(producers)]
    roster = Roster(tuple(names[0]), tuple(names[1]))
    number = calendar.parse_day(DAY)
    count = len(calendar.steps_of_day(calendar.EUROPE_PARIS, number, 900))
    steps = tuple(
        days.StepReadings(
            tuple(random.choice((0, 3, 170, 912)) for _ in names[0]),
            tuple(random.choice((0, 0, 250, 1_301)) for _ in names[1]),
        )
        for _ in range(count)
    )
    keys = {name: sha256(name.encode()).digest() for name in (*names[0], *names[1])}
    given = days.DayInput(
        "les-tilleuls", DAY, calendar.EUROPE_PARIS, 900, roster, ProRata(), steps, keys
    )
    return replace(given, **changes)


def compute(given: days.DayInput) -> days.DayResult:
    result = days.compute_day(given)
    assert not isinstance(result, Refused), result
    return result


def test_pmo_and_witness_get_the_same_bytes_from_the_same_openings() -> None:
    given = make_day(Random("same"))
    first, second = compute(given), compute(make_day(Random("same")))
    assert days.build_readings(first) == days.build_readings(second)
    assert days.build_allocation(first) == days.build_allocation(second)
    readings, published = days.build_readings(first), days.build_allocation(first)
    assert days.check_day(second, readings, published) is None


@pytest.mark.parametrize("side", ["readings", "allocation"])
def test_one_watt_hour_more_is_found_with_its_step(side: str) -> None:
    given = make_day(Random("more"))
    honest = compute(given)
    steps = list(given.steps)
    index = next(i for i, step in enumerate(steps) if sum(step.cons_wh) > sum(step.prod_wh) > 0)
    cons = list(steps[index].cons_wh)
    cons[0] += 1
    steps[index] = replace(steps[index], cons_wh=tuple(cons))
    forged = compute(replace(given, steps=tuple(steps)))
    readings = days.build_readings(forged if side == "readings" else honest)
    flaw = days.check_day(honest, readings, days.build_allocation(forged))
    assert flaw is not None
    assert flaw.detail == f"{side}: step {index}"


def test_a_member_opens_the_own_row_under_the_day_that_was_published() -> None:
    given = make_day(Random("open"))
    result = compute(given)
    published = days.build_allocation(result)
    assert result.root == batches.compute_day_root(published.steps)
    _, rows = result.open_step(40)
    mine = rows[2]
    assert (mine.row.point, mine.row.side) == ("2", "consumer")
    assert mine.row.shared_wh == result.allocations[40].autocons_wh[2]
    root = Root(b64url_decode(published.steps[40].root), given.count)
    assert check_opening(mine, root) is None
    other = Root(b64url_decode(published.steps[41].root), given.count)
    assert check_opening(mine, other) is not None


def test_the_same_reading_has_another_leaf_at_every_step_and_version() -> None:
    flat = days.StepReadings((5,) * 7, (35, 0, 0))
    given = make_day(Random("flat"))
    given = replace(given, steps=(flat,) * len(given.steps))
    first = compute(given)
    again = compute(replace(given, version=2, readings_version=2))
    roots = [step.root for result in (first, again) for step in result.reading_steps]
    roots += [step.root for result in (first, again) for step in result.allocation_steps]
    assert len(set(roots)) == len(roots)


def test_whoever_lacks_a_members_key_cannot_try_readings_until_the_root_fits() -> None:
    given = make_day(Random("guess"))
    guessed = replace(given, member_keys=dict.fromkeys(given.member_keys, bytes(32)))
    for honest, tried in zip(
        (compute(given).readings_root, compute(given).root),
        (compute(guessed).readings_root, compute(guessed).root),
        strict=True,
    ):
        assert honest != tried


def test_a_day_short_of_steps_or_long_is_not_computed() -> None:
    given = make_day(Random("short"))
    short = days.compute_day(replace(given, steps=given.steps[:96]))
    assert isinstance(short, Refused)
    assert short.code.name == "energy_time_gap"
    long = days.compute_day(replace(given, day="2026-10-24"))
    assert isinstance(long, Refused)
    assert long.code.name == "energy_time_overlap"


def test_sums_of_few_households_are_not_published_at_all() -> None:
    result = compute(make_day(Random("few"), consumers=4))
    assert result.totals is None
    assert all(step.sums is None for step in result.allocation_steps)
    assert result.month_totals.prod_wh == sum(sum(s.prod_wh) for s in result.given.steps)


@pytest.mark.parametrize(
    ("at_home", "plants", "is_public"), [(4, 2, False), (5, 2, True), (5, 1, False), (6, 0, True)]
)
def test_a_day_of_few_at_home_or_of_one_plant_publishes_no_sums(
    at_home: int, plants: int, is_public: bool
) -> None:
    """Six households in the roster, of whom some are away all day; two roofs, of which some stand still."""
    given = make_day(Random("holidays"), consumers=6, producers=2)
    cons = (90,) * at_home + (0,) * (6 - at_home)
    prod = (40,) * plants + (0,) * (2 - plants)
    quiet = days.StepReadings(cons, prod)
    result = compute(replace(given, steps=(quiet,) * len(given.steps)))
    body = days.build_allocation(result)
    assert (body.totals is not None) is is_public
    assert any(step.sums is not None for step in body.steps) is is_public
    flaw = batches.check_sums(body.steps, body.totals, households=6, households_min=5)
    assert flaw is None


def test_whatever_is_published_and_whatever_can_be_subtracted_hides_five_households() -> None:
    random = Random("hidden")
    for _ in range(400):
        count = random.randrange(2, 12)
        cons = [[random.choice((0, 0, 0, 7, 90)) for _ in range(6)] for _ in range(count)]
        prod = [[random.choice((0, 0, 40)) for _ in range(3)] for _ in range(count)]
        shown = batches.choose_published(cons, prod, households_min=5)
        hidden = [i for i in range(count) if not shown[i]]
        for i in range(count):
            if shown[i]:
                assert sum(wh > 0 for wh in cons[i]) >= 5
                assert sum(wh > 0 for wh in prod[i]) != 1
        if hidden and len(hidden) < count:
            rest_cons = [sum(cons[i][c] for i in hidden) for c in range(6)]
            rest_prod = [sum(prod[i][p] for i in hidden) for p in range(3)]
            assert len(hidden) > 1
            assert sum(wh > 0 for wh in rest_cons) >= 5
            assert sum(wh > 0 for wh in rest_prod) != 1


def steps_with(*sums: Sums | None) -> tuple[AllocationStep, ...]:
    return tuple(AllocationStep(digest(f"step {i}"), item) for i, item in enumerate(sums))


GOOD = Sums(100, 300, 80, 20)


@pytest.mark.parametrize(
    ("steps", "totals", "households", "code"),
    [
        (steps_with(GOOD, GOOD), Sums(200, 600, 160, 40), 5, ""),
        (steps_with(GOOD, GOOD), Sums(200, 600, 160, 40), 4, "energy_sums_private"),
        (steps_with(None, None), None, 4, ""),
        (steps_with(None, None), Sums(1, 1, 1, 0), 4, "energy_sums_private"),
        (steps_with(GOOD, GOOD), None, 5, "energy_sums_wrong"),
        (steps_with(None, GOOD, None), None, 5, "energy_sums_wrong"),
        (steps_with(None, None), None, 5, ""),
        (steps_with(GOOD, GOOD), Sums(201, 600, 160, 41), 5, "energy_sums_wrong"),
        (steps_with(GOOD, None), Sums(200, 600, 160, 40), 5, "energy_sums_private"),
        (steps_with(GOOD, None, None), Sums(200, 600, 160, 40), 5, ""),
        (steps_with(GOOD, None, None), Sums(200, 600, 70, 130), 5, "energy_sums_wrong"),
        (steps_with(GOOD, None, None), Sums(200, 300, 160, 40), 5, "energy_sums_wrong"),
        (steps_with(Sums(100, 70, 80, 20)), Sums(100, 70, 80, 20), 5, "energy_sums_wrong"),
        (steps_with(Sums(100, 300, 80, 19)), Sums(100, 300, 80, 19), 5, "energy_sums_wrong"),
    ],
)
def test_sums_that_do_not_add_up_or_show_somebody_are_refused(
    steps: tuple[AllocationStep, ...], totals: Sums | None, households: int, code: str
) -> None:
    flaw = batches.check_sums(steps, totals, households=households, households_min=5)
    assert ("" if flaw is None else flaw.code.name) == code


def test_steps_are_proved_under_their_day() -> None:
    result = compute(make_day(Random("proofs")))
    root, proofs = batches.compute_step_proofs(result.allocation_steps)
    assert root == result.root
    assert max(len(proof.aunts) for proof in proofs) == 7
    for step, proof in zip(result.allocation_steps, proofs, strict=True):
        assert verify_merkle_proof(proof, b64url_decode(root), encode_canonical(step))


def test_stores_are_counted_on_both_sides_and_are_no_household() -> None:
    given = make_day(Random("store"), consumers=5, producers=2)
    roster = Roster(
        (*given.roster.consumers, "charge_s"), (*given.roster.producers, "discharge_s"), (5,), (2,)
    )
    steps = tuple(
        replace(s, cons_wh=(*s.cons_wh, 50), prod_wh=(*s.prod_wh, 10)) for s in given.steps
    )
    keys = {**given.member_keys, "charge_s": b"c" * 32, "discharge_s": b"d" * 32}
    given = replace(given, roster=roster, steps=steps, member_keys=keys)
    assert (given.count, given.households) == (9, 5)
    assert compute(given).totals is not None
    four = (7, 7, 7, 7, 0, 50)
    quiet = replace(given, steps=(replace(steps[0], cons_wh=four), *steps[1:]))
    assert compute(quiet).allocation_steps[0].sums is None


def test_orders_that_were_opened_are_counted_and_decide_the_step() -> None:
    given = make_day(Random("orders"), key=Contract())
    start = given.starts[50]
    steps = list(given.steps)
    steps[50] = days.StepReadings((500,) * 7, (600, 0, 0))
    orders = (
        Order("bid", "bid", "a", 200_000, 500, 0, "cons_3"),
        Order("offer", "offer", "b", 100_000, 600, 1, "prod_0"),
    )
    result = compute(replace(given, steps=tuple(steps), orders={start: orders}))
    assert result.allocation_steps[50].orders == 2
    assert result.allocations[50].autocons_wh[3] == 500


def test_a_key_that_does_not_fit_the_members_is_refused_before_anything() -> None:
    given = make_day(Random("key"), key=Cascade((("cons_0",),)))
    refused = days.compute_day(given)
    assert isinstance(refused, Refused)
    assert refused.code.name == "energy_key_invalid"


def test_a_correction_names_version_root_and_evidence() -> None:
    given = make_day(Random("correct"))
    first = compute(given)
    second = compute(replace(given, version=2, readings_version=2))
    readings = days.build_readings(second, previous=first.readings_root)
    body = days.build_correction(second, previous=first.root, evidence=digest("why"))
    assert days.check_day(second, readings, body) is None
    assert any(step.sums is not None for step in first.allocation_steps)
    assert all(step.sums is None for step in body.steps)
    assert body.totals == first.totals
    stale = structs.replace(body, key_hash=digest("another key"))
    assert days.check_day(second, readings, stale).detail.startswith("allocation: key")
