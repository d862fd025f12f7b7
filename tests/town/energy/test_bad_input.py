"""Every line of bad input has a code: in the importer, which then returns nothing, or on the chain, twice."""

from collections.abc import Callable

import pytest
from msgspec import Struct
from msgspec.structs import replace

from chain.crypto.jws import SigningKey
from chain.town.energy import enedis, tables
from chain.town.energy.calendar import EUROPE_PARIS
from chain.town.energy.coefficients import check_reconciled, compare_with_dso
from chain.town.energy.refusals import Refused
from chain.town.energy_schemas import EnergyOrder, EnergyReconcile, EnergyReport, Perimeter
from tests.town.energy.chain_kit import OP, Village, contract_key, digest, make_village, ok
from tests.town.town_kit import key, name_of

PRM = "01234567890123"
SPEC = enedis.CurveSpec(PRM, "cons", 1_800, "start", max_wh=6_000)
DAY_ROWS = tuple(f"05/10/2026 {h:02}:{m:02};250" for h in range(24) for m in (0, 30))


def curve(*rows: str, spec: enedis.CurveSpec = SPEC) -> enedis.Curve | Refused:
    return enedis.parse_load_curve("\n".join(("Horodate;value", *rows)), spec)


def changed(place: int, row: str) -> tuple[str, ...]:
    return (*DAY_ROWS[:place], row, *DAY_ROWS[place + 1 :])


def table(*lines: str) -> tables.Readings | Refused:
    return tables.parse_readings("\n".join(lines), step_s=900, zone=EUROPE_PARIS)


def test_the_good_file_beside_every_bad_one_is_read() -> None:
    read = curve(*DAY_ROWS)
    assert isinstance(read, enedis.Curve)
    assert sum(read.energy_wh) == 48 * 125


FILES: dict[str, tuple[Callable[[], object], str, str]] = {
    "a gap": (lambda: curve(*DAY_ROWS[:9], *DAY_ROWS[10:]), "energy_time_gap", "line 11"),
    "an overlap": (
        lambda: curve(*changed(9, "05/10/2026 04:15;250")),
        "energy_time_overlap",
        "line 11",
    ),
    "a repeated timestamp": (
        lambda: curve(*changed(9, DAY_ROWS[8])),
        "energy_time_repeated",
        "line 11",
    ),
    "an out-of-order timestamp": (
        lambda: curve(*changed(9, DAY_ROWS[2])),
        "energy_time_disorder",
        "line 11",
    ),
    "a negative reading": (
        lambda: curve(*changed(9, "05/10/2026 04:30;-250")),
        "energy_reading_negative",
        "line 11",
    ),
    "an absurd reading": (
        lambda: curve(*changed(9, "05/10/2026 04:30;12001")),
        "energy_reading_absurd",
        "line 11",
    ),
    "an absent reading": (
        lambda: curve(*changed(9, "05/10/2026 04:30;")),
        "energy_reading_missing",
        "line 11",
    ),
    "an unknown PRM": (
        lambda: tables.check_members(
            tables.Readings(900, 0, (tables.Column("cons", f"cons_{PRM}"),), ((1,),)), ["other"]
        ),
        "energy_point_unknown",
        "line 1",
    ),
    "a duplicate PRM": (
        lambda: table(f"start_utc,cons_{PRM}_Wh,cons_{PRM}_Wh", "2026-10-05T00:00:00Z,1,2"),
        "energy_point_repeated",
        "line 1",
    ),
    "a PRM that is none": (
        lambda: curve(*DAY_ROWS, spec=enedis.CurveSpec("123", "cons", 1_800, "start")),
        "energy_point_malformed",
        "123",
    ),
    "kW for kWh by the total": (
        lambda: curve(
            *DAY_ROWS, spec=enedis.CurveSpec(PRM, "cons", 1_800, "start", expected_wh=12_000)
        ),
        "energy_unit_mismatch",
        "6000 Wh",
    ),
    "kWh in the header": (
        lambda: table(f"start_utc,cons_{PRM}_kWh", "2026-10-05T00:00:00Z,1"),
        "energy_unit_mismatch",
        "line 1",
    ),
    "a DST ambiguity": (
        lambda: curve("25/10/2026 02:00;250", "25/10/2026 02:30;250"),
        "energy_time_ambiguous",
        "line 2",
    ),
    "an hour that does not exist": (
        lambda: curve("29/03/2026 02:00;250"),
        "energy_time_absent",
        "line 2",
    ),
    "the same file again": (
        lambda: enedis.check_fresh(b"file", [enedis.sha256(b"file").digest()]),
        "energy_file_repeated",
        "",
    ),
}


@pytest.mark.parametrize("line", FILES)
def test_a_bad_file_is_refused_whole_with_its_line(line: str) -> None:
    read, code, where = FILES[line]
    refused = read()
    assert isinstance(refused, Refused), "nothing half-imported"
    assert refused.code.name == code
    assert where in refused.detail


# --- on the chain --------------------------------------------------------------------------

Act = tuple[Struct, str, SigningKey]


def late_order(village: Village) -> Act:
    start = -(-village.town.now_s // 900) * 900 + 900
    member = village.members[0]
    return EnergyOrder(OP, start, digest("order")), member.kid, member


def outside(village: Village) -> Act:
    return _admission(village, Perimeter(2_001, digest("places"), ()), 3_000)


def above_the_cap(village: Village) -> Act:
    return _admission(village, Perimeter(900, digest("places"), ()), 5_000_000)


def _admission(village: Village, perimeter: Perimeter, peak_w: int) -> Act:
    from chain.town.energy_schemas import EnergyAdmit

    index = village.open_member("late")
    ok(village.consent(index, "allocation"))
    ok(village.join(index, village.claim(index, "producer", peak_w)))
    account = village.members[index].kid
    body = EnergyAdmit(OP, account, "admitted", village.day(0), (digest("tag"),), perimeter)
    return body, "body:coop", key("pmo@coop")


def unlinked_correction(village: Village) -> Act:
    village.read(village.day(-2))
    village.publish(village.day(-2))
    body = replace(village.correction(village.day(-2)), previous=digest("another root"))
    return body, "body:coop", key("pmo@coop")


def operator_disagrees(village: Village) -> Act:
    day = village.day(-2)
    village.read(day)
    village.publish(day)
    ok(village.pmo(EnergyReport(OP, day, day, digest("coefficients"))))
    off_wh = 96 * village.columns(day) + 1
    return (
        EnergyReconcile(OP, day, day, digest("dso"), off_wh),
        "body:coop",
        key("pmo@coop"),
    )


def invented_meter(village: Village) -> Act:
    body = village.readings(village.day(-2))
    return replace(body, count=body.count + 1), "body:dehors", key("meter_adapter@dehors")


ACTS: dict[str, tuple[Callable[[Village], Act], str]] = {
    "an order after gate closure": (late_order, "energy_order_late"),
    "a member outside the perimeter": (outside, "energy_outside_perimeter"),
    "a plant above the cap": (above_the_cap, "energy_power_exceeds"),
    "a correction that does not name the last root": (unlinked_correction, "energy_version_stale"),
    "an operator's file that disagrees": (operator_disagrees, "energy_dso_disagrees"),
    "a meter that is not registered": (invented_meter, "energy_readings_invalid"),
}


@pytest.mark.parametrize("line", ACTS)
def test_bad_input_is_refused_before_the_block_and_in_it_and_leaves_nothing(line: str) -> None:
    make, code = ACTS[line]
    village = make_village(back_days=5, key_kind="contract", key_hash=contract_key())
    body, sender, signer = make(village)
    tx = village.town.tx(body, sender, signer)
    before = dict(village.town.store.scan("energy"))
    assert name_of(village.town.check(tx)) == code
    assert name_of(village.town.run(tx)[0]) == code
    assert dict(village.town.store.scan("energy")) == before


def test_an_operators_figures_beyond_the_tolerance_are_refused_and_a_strange_point_too() -> None:
    own = {"cons_a": 500, "cons_b": 7}
    near = compare_with_dso(own, own | {"cons_a": 504}, steps_count=5)
    assert not isinstance(near, Refused)
    assert check_reconciled(near) is None
    far = compare_with_dso(own, own | {"cons_a": 506}, steps_count=5)
    assert not isinstance(far, Refused)
    refused = check_reconciled(far)
    assert refused is not None
    assert refused.code.name == "energy_dso_disagrees"
    strange = compare_with_dso(own, own | {"cons_c": 1}, steps_count=5)
    assert isinstance(strange, Refused)
    assert strange.code.name == "energy_point_unknown"
