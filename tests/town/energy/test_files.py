"""Files as they come: each form read to the Wh, and every way to be wrong refused whole, with its code and line."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest

from chain.town.energy.calendar import EUROPE_PARIS, UTC
from chain.town.energy.coefficients import (
    CoefficientFile,
    CoefficientRow,
    check_export,
    check_reconciled,
    compare_with_dso,
    format_coefficients,
    format_percent,
    parse_coefficients,
    parse_percent,
)
from chain.town.energy.enedis import (
    Curve,
    CurveSpec,
    check_fresh,
    join_curves,
    parse_dataconnect,
    parse_load_curve,
    parse_sge,
)
from chain.town.energy.enedis_sge import parse_sge_csv
from chain.town.energy.refusals import Refused
from chain.town.energy.tables import (
    Readings,
    check_members,
    parse_orders,
    parse_readings,
    roster_of,
)

PRM = "01234567890123"
SPEC = CurveSpec(PRM, "cons", 1_800, "start")
JUNE_UTC = 1_780_264_800
"""2026-06-01 00:00 in Paris."""


def refused(value, code: str, start: str = "") -> None:
    assert isinstance(value, Refused), value
    assert (value.code.name, value.detail[: len(start)]) == (code, start), value.detail


def curve_text(*rows: str) -> str:
    return "\n".join(("Horodate;Valeur", *rows, ""))


# --- load curves -----------------------------------------------------------------------------------


def test_a_load_curve_of_watts_becomes_wh() -> None:
    text = curve_text("01/06/2026 00:00;101", "01/06/2026 00:30;101,5", "01/06/2026 01:00;0.5")
    curve = parse_load_curve(text, SPEC)
    assert isinstance(curve, Curve), curve
    assert (curve.start_s, curve.column.name) == (JUNE_UTC, f"cons_{PRM}")
    assert curve.energy_wh == (51, 50, 1)  # 50,5 then 101,25 then 101,5 in all, rounded half up


def test_a_mailed_curve_with_its_description_and_offsets_is_read() -> None:
    text = (
        "Identifiant PRM;Type de donnees;Date de debut;Date de fin;Grandeur physique;"
        "Grandeur metier;Etape metier;Unite;Pas en minutes\r\n"
        f"{PRM};Courbe de charge;01/06/2026;02/06/2026;Energie active;Consommation;Comptage Brut;W;\r\n"
        "\r\nHorodate;Valeur\r\n2026-06-01T00:10:00+02:00;60\r\n2026-06-01T00:20:00+02:00;120\r\n"
        "2026-06-01T00:30:00+02:00;180\r\n"
    )
    spec = replace(SPEC, label="end", source_step_s=600)
    curve = parse_load_curve(text.encode(), spec)
    assert isinstance(curve, Curve), curve
    assert (curve.start_s, curve.energy_wh) == (JUNE_UTC, (60,))
    refused(parse_load_curve(text, replace(spec, side="prod")), "energy_file_malformed", "line 2")
    refused(parse_load_curve(text, replace(spec, unit="kW")), "energy_unit_mismatch", "line 2")
    refused(parse_load_curve(text, replace(spec, point="1" * 14)), "energy_point_unknown", "line 2")


def test_years_left_out_run_on_from_december_to_january() -> None:
    text = curve_text("31.12. 23:00;2", "31.12. 23:30;4", "01.01. 00:00;6")
    curve = parse_load_curve(text, replace(SPEC, year=2026))
    assert isinstance(curve, Curve), curve
    assert curve.energy_wh == (1, 2, 3)
    refused(parse_load_curve(text, SPEC), "energy_file_malformed", "line 2")


def test_the_autumn_hour_is_read_twice_and_the_spring_hour_not_at_all() -> None:
    autumn = [
        f"25/10/2026 {clock};10" for clock in ("01:30", "02:00", "02:30", "02:00", "02:30", "03:00")
    ]
    curve = parse_load_curve(curve_text(*autumn), SPEC)
    assert isinstance(curve, Curve), curve
    assert len(curve.energy_wh) == 6
    refused(parse_load_curve(curve_text(*autumn[:3], autumn[5]), SPEC), "energy_time_gap", "line 5")
    refused(parse_load_curve(curve_text(*autumn[1:]), SPEC), "energy_time_ambiguous", "line 2")
    spring = [f"29/03/2026 {clock};10" for clock in ("01:30", "03:00")]
    assert isinstance(parse_load_curve(curve_text(*spring), SPEC), Curve)
    skipped = curve_text(spring[0], "29/03/2026 02:00;10")
    refused(parse_load_curve(skipped, SPEC), "energy_time_absent", "line 3")


GOOD = ("01/06/2026 00:00;10", "01/06/2026 00:30;10")


@pytest.mark.parametrize(
    ("rows", "code", "where"),
    [
        ((*GOOD, "01/06/2026 01:30;10"), "energy_time_gap", "line 4"),
        ((*GOOD, "01/06/2026 00:30;10"), "energy_time_repeated", "line 4"),
        ((*GOOD, "01/06/2026 00:45;10"), "energy_time_overlap", "line 4"),
        ((*GOOD, "01/06/2026 00:00;10"), "energy_time_disorder", "line 4"),
        ((*GOOD, "01/06/2026 01:40;10"), "energy_time_off_grid", "line 4"),
        (("01/06/2026 00:10;10",), "energy_time_off_grid", "line 2"),
        ((*GOOD, "31/06/2026 01:00;10"), "energy_file_malformed", "line 4"),
        ((*GOOD, "01/06/2026 24:00;10"), "energy_file_malformed", "line 4"),
        ((*GOOD, "yesterday;10"), "energy_file_malformed", "line 4"),
        ((*GOOD, "01/06/2026 01:00;-1"), "energy_reading_negative", "line 4"),
        ((*GOOD, "01/06/2026 01:00;"), "energy_reading_missing", "line 4"),
        ((*GOOD, "01/06/2026 01:00;1e3"), "energy_file_malformed", "line 4"),
        ((*GOOD, "01/06/2026 01:00;10;3"), "energy_file_malformed", "line 4"),
        ((*GOOD, "01/06/2026 01:00;99999999"), "energy_reading_absurd", "line 4"),
        ((*GOOD, "01/06/2026 01:00;١٢"), "energy_file_malformed", "line 4"),
        ((), "energy_file_malformed", ""),
    ],
)
def test_one_wrong_row_refuses_the_whole_curve(rows, code: str, where: str) -> None:
    refused(parse_load_curve(curve_text(*rows), SPEC), code, where)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"point": "123"}, "energy_point_malformed"),
        ({"step_s": 3_600}, "energy_step_unknown"),
        ({"step_s": 900, "source_step_s": 600}, "energy_step_unknown"),
        ({"step_s": 900, "source_step_s": 1_800}, "energy_step_unknown"),
        ({"max_wh": 4}, "energy_reading_absurd"),
        ({"expected_wh": 20}, "energy_unit_mismatch"),
    ],
)
def test_a_curve_that_is_not_what_was_declared_is_refused(change, code: str) -> None:
    refused(parse_load_curve(curve_text(*GOOD), replace(SPEC, **change)), code)


def test_units_that_are_confused_are_noticed() -> None:
    kilowatts = curve_text("01/06/2026 00:00;0.25", "01/06/2026 00:30;0.5")
    refused(parse_load_curve(kilowatts, replace(SPEC, unit="Wh")), "energy_unit_mismatch", "line 2")
    right = parse_load_curve(kilowatts, replace(SPEC, unit="kW", expected_wh=375))
    assert isinstance(right, Curve)
    assert right.energy_wh == (125, 250)
    # kW taken for kWh per half hour: twice the energy of the bill, as in a published year of a real home
    refused(
        parse_load_curve(kilowatts, replace(SPEC, unit="kWh", expected_wh=375)),
        "energy_unit_mismatch",
    )


def test_missing_values_are_zero_only_when_the_convention_says_so_and_are_listed() -> None:
    text = curve_text(*GOOD, "01/06/2026 01:00;")
    curve = parse_load_curve(text, replace(SPEC, is_missing_zero=True))
    assert isinstance(curve, Curve)
    assert (curve.energy_wh, curve.missing) == ((5, 5, 0), (2,))


def test_a_file_is_imported_once() -> None:
    raw = curve_text(*GOOD).encode()
    assert check_fresh(raw, ()) is None
    refused(check_fresh(raw, {sha256(raw).digest()}), "energy_file_repeated")


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"", b"\n\n", b"a;b\n1;2\n", b"Horodate;v\n\xe9;1\n"])
def test_bytes_that_are_no_curve_are_refused(raw: bytes) -> None:
    assert isinstance(parse_load_curve(raw, SPEC), Refused)


# --- JSON ------------------------------------------------------------------------------------------


def connect(**changes) -> dict:
    readings = [
        {
            "value": "540",
            "date": f"2026-06-01 {t}:00",
            "interval_length": "PT30M",
            "measure_type": "B",
        }
        for t in ("00:30", "01:00")
    ]
    meter = {
        "usage_point_id": PRM,
        "start": "2026-06-01",
        "quality": "BRUT",
        "reading_type": {"measurement_kind": "power", "unit": "W", "aggregate": "average"},
        "interval_reading": readings,
    }
    return {"meter_reading": meter | changes}


def test_dataconnect_labels_the_end_and_gives_watts_as_text() -> None:
    spec = replace(SPEC, label="end")
    curve = parse_dataconnect(json.dumps(connect()), spec)
    assert isinstance(curve, Curve), curve
    assert (curve.start_s, curve.energy_wh) == (JUNE_UTC, (270, 270))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"usage_point_id": "9" * 14}, "energy_point_unknown"),
        ({"reading_type": {"unit": "Wh"}}, "energy_unit_mismatch"),
        ({"interval_reading": []}, "energy_file_malformed"),
        ({"interval_reading": 3}, "energy_file_malformed"),
        (
            {
                "interval_reading": [
                    {"value": "1", "date": "2026-06-01 00:30:00", "interval_length": "PT10M"}
                ]
            },
            "energy_step_unknown",
        ),
        (
            {"interval_reading": [{"value": None, "date": "2026-06-01 00:30:00"}]},
            "energy_reading_missing",
        ),
        (
            {"interval_reading": [{"value": "-4", "date": "2026-06-01 00:30:00"}]},
            "energy_reading_negative",
        ),
    ],
)
def test_a_dataconnect_answer_that_is_wrong_is_refused(changes, code: str) -> None:
    refused(parse_dataconnect(json.dumps(connect(**changes)), replace(SPEC, label="end")), code)


def test_sge_measures_of_the_declared_side_are_read() -> None:
    def quantity(metier: str, physique: str, value: int) -> dict:
        points = [
            {"v": value, "d": f"2026-06-01T00:{m}:00+02:00", "p": "PT10M", "n": "B"}
            for m in ("00", "10", "20")
        ]
        return {
            "grandeurMetier": metier,
            "grandeurPhysique": physique,
            "unite": "W",
            "mesure": points,
        }

    answer = {
        "pointId": PRM,
        "mesuresCorrigees": "BRUT",
        "grandeur": [
            quantity("CONS", "PA", 60),
            quantity("PROD", "PA", 6),
            quantity("CONS", "PRI", 9),
        ],
    }
    spec = replace(SPEC, source_step_s=600)
    curve = parse_sge(json.dumps(answer), spec)
    assert isinstance(curve, Curve), curve
    assert curve.energy_wh == (30,)
    made = parse_sge(json.dumps(answer), replace(spec, side="prod"))
    assert isinstance(made, Curve)
    assert made.energy_wh == (3,)
    answer["grandeur"] = answer["grandeur"][1:]
    refused(parse_sge(json.dumps(answer), spec), "energy_file_malformed")
    refused(parse_sge("[]", spec), "energy_file_malformed")


R63 = (
    "Identifiant PRM;Date de début;Date de fin;Grandeur physique;Grandeur métier;Etape métier;Unité;"
    "Horodate;Valeur;Nature;Pas;Indice de vraisemblance;Etat complémentaire"
)
PORTAL = (
    "Date de la mesure;Heure de la mesure;Valeur;Statut de la mesure;PRM;Type de données;Date de début;"
    "Date de fin;Grandeur métier;Grandeur physique;Statut demandé;Unité;Pas en minutes"
)


def r63(*times: str, value: str = "101", **changes: str) -> str:
    """An R63 export; `changes` go to its second row."""
    usual = {"prm": PRM, "physique": "PA", "metier": "CONS", "unite": "W", "pas": "PT30M"}
    lines = [R63]
    for number, time in enumerate(times):
        said = usual | (changes if number == 1 else {})
        head = f"{said['prm']};2026-06-01;2026-06-02;{said['physique']};{said['metier']};BRUT"
        lines.append(f"{head};{said['unite']};{time};{value};B;{said['pas']};0;0")
    return "\r\n".join((*lines, ""))


SGE_TIMES = ("2026-06-01 00:30:00", "2026-06-01 01:00:00", "2026-06-01 01:30:00")


def test_an_sge_export_names_every_row_and_is_read_by_its_columns() -> None:
    spec = replace(SPEC, label="end")
    curve = parse_sge_csv(r63(*SGE_TIMES), spec)
    assert isinstance(curve, Curve), curve
    assert (curve.start_s, curve.energy_wh) == (JUNE_UTC, (51, 50, 51))
    plain = r63(*SGE_TIMES).replace("é", "e").encode()
    assert parse_sge_csv(plain, spec) == curve
    assert parse_sge_csv(r63(*SGE_TIMES).encode("iso-8859-1"), spec) == curve
    assert parse_sge_csv(b"\xef\xbb\xbf" + r63(*SGE_TIMES).encode(), spec) == curve
    offsets = [time.replace(" ", "T") + "+02:00" for time in SGE_TIMES]
    assert parse_sge_csv(r63(*offsets), spec) == curve


def test_the_portal_s_history_splits_date_and_hour_and_may_hold_wh() -> None:
    rows = (
        f"01/06/2026;{hour};{value};Mesure;{PRM};Courbe de charge;01/06/2026;02/06/2026;Production;"
        "Energie active;Brut;Wh;30"
        for hour, value in (("00:00", "7"), ("00:30", "8"))
    )
    curve = parse_sge_csv("\n".join((PORTAL, *rows)), replace(SPEC, side="prod", unit="Wh"))
    assert isinstance(curve, Curve), curve
    assert (curve.start_s, curve.energy_wh) == (JUNE_UTC, (7, 8))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"prm": "9" * 14}, "energy_point_unknown"),
        ({"metier": "PROD"}, "energy_file_malformed"),
        ({"metier": ""}, "energy_file_malformed"),
        ({"physique": "PRI"}, "energy_file_malformed"),
        ({"unite": "kW"}, "energy_unit_mismatch"),
        ({"unite": "Wh"}, "energy_unit_mismatch"),
        ({"pas": "PT60M"}, "energy_step_unknown"),
        ({"pas": "half"}, "energy_step_unknown"),
        ({"pas": "PT30M;more"}, "energy_file_malformed"),
    ],
)
def test_one_row_of_another_thing_refuses_the_sge_export_with_its_line(changes, code: str) -> None:
    refused(parse_sge_csv(r63(*SGE_TIMES, **changes), replace(SPEC, label="end")), code, "line 3")


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("", "energy_file_malformed", "line 1"),
        (R63, "energy_file_malformed", "no reading"),
        (R63.replace("Unité", "Devise"), "energy_file_malformed", "line 1: no column of the unit"),
        (R63.replace("Horodate", "Jour"), "energy_file_malformed", "line 1: no column of the time"),
        (R63 + ";Valeur", "energy_file_malformed", "line 1: Valeur stands twice"),
        (r63(SGE_TIMES[0], SGE_TIMES[2]), "energy_time_gap", "line 3"),
        (r63(SGE_TIMES[0], SGE_TIMES[0]), "energy_time_repeated", "line 3"),
        (r63(SGE_TIMES[1], SGE_TIMES[0]), "energy_time_disorder", "line 3"),
        (r63(*SGE_TIMES, value=""), "energy_reading_missing", "line 2"),
        (r63(*SGE_TIMES, value="-1"), "energy_reading_negative", "line 2"),
    ],
)
def test_a_wrong_sge_export_is_refused_whole(text: str, code: str, where: str) -> None:
    refused(parse_sge_csv(text, replace(SPEC, label="end")), code, where)


def test_curves_join_only_when_they_cover_the_same_time() -> None:
    first = parse_load_curve(curve_text(*GOOD), SPEC)
    second = parse_load_curve(curve_text(*GOOD), replace(SPEC, side="prod"))
    joined = join_curves((first, second))
    assert isinstance(joined, Readings)
    assert joined.rows == ((5, 5), (5, 5))
    refused(join_curves((first, first)), "energy_point_repeated")
    refused(join_curves((first, replace(second, start_s=0))), "energy_time_gap")
    refused(join_curves((first, replace(second, step_s=900))), "energy_step_unknown")
    refused(join_curves(()), "energy_file_malformed")


# --- tables ----------------------------------------------------------------------------------------

HEADER = "start_local,cons_a_Wh,prod_p_Wh"
ROWS = ("2026-06-01T00:00:00,1,2", "2026-06-01T00:15:00,3,4")


@pytest.mark.parametrize(
    ("lines", "code", "where"),
    [
        ((HEADER,), "energy_file_malformed", "line 2"),
        ((), "energy_file_malformed", "line 1"),
        (("time,cons_a_Wh", *ROWS), "energy_file_malformed", "line 1"),
        (("start_local,a_Wh", *ROWS), "energy_file_malformed", "line 1"),
        (("start_local,cons_a_kWh,prod_p_Wh", *ROWS), "energy_unit_mismatch", "line 1"),
        (("start_local,cons_a_Wh,cons_a_Wh", *ROWS), "energy_point_repeated", "line 1"),
        ((HEADER, *ROWS, "2026-06-01T00:30:00,1"), "energy_file_malformed", "line 4"),
        ((HEADER, *ROWS, "2026-06-01T00:30:00,1,"), "energy_reading_missing", "line 4"),
        ((HEADER, *ROWS, "2026-06-01T00:30:00,1,-2"), "energy_reading_negative", "line 4"),
        ((HEADER, *ROWS, "2026-06-01T00:30:00,1,-0"), "energy_reading_negative", "line 4"),
        (
            (HEADER, *ROWS, f"2026-06-01T00:30:00,1,{'9' * 5_000}"),
            "energy_file_malformed",
            "line 4",
        ),
        ((HEADER, *ROWS, "2026-06-01T00:30:\u0660\u0660,1,2"), "energy_file_malformed", "line 4"),
        ((HEADER, *ROWS, "2026-06-01T00:30:00,1,\u0662"), "energy_file_malformed", "line 4"),
        ((HEADER, *ROWS, "2026-06-01T00:30:00,1,0.2"), "energy_unit_mismatch", "line 4"),
        ((HEADER, *ROWS, "2026-06-01T00:30:00,1,5000001"), "energy_reading_absurd", "line 4"),
        ((HEADER, *ROWS, "2026-06-01T00:30:00,1,x"), "energy_file_malformed", "line 4"),
        ((HEADER, *ROWS, "2026-06-01T00:30:00,1,1_0"), "energy_file_malformed", "line 4"),
        ((HEADER, *ROWS, "2026-06-01T00:45:00,1,1"), "energy_time_gap", "line 4"),
        ((HEADER, *ROWS, ROWS[1]), "energy_time_repeated", "line 4"),
    ],
)
def test_one_wrong_line_refuses_the_whole_table(lines, code: str, where: str) -> None:
    refused(parse_readings("\n".join(lines), step_s=900, zone=EUROPE_PARIS), code, where)


def test_a_table_without_consumer_or_with_two_columns_of_a_point_makes_no_members() -> None:
    def read(header: str) -> Readings:
        table = parse_readings(f"{header}\n2026-06-01T00:00:00Z,1,2,3", step_s=900)
        assert isinstance(table, Readings), table
        return table

    refused(roster_of(read("start_utc,cons_a_Wh,cons_b_Wh,cons_c_Wh")), "energy_file_malformed")
    refused(roster_of(read("start_utc,cons_a_Wh,charge_a_Wh,prod_p_Wh")), "energy_point_repeated")
    stores = read("start_utc,charge_s_Wh,cons_a_Wh,prod_p_Wh")
    assert roster_of(stores).consumers == ("cons_a", "charge_s")
    assert check_members(stores, ["a", "s", "p"]) is None
    refused(check_members(stores, ["a", "p"]), "energy_point_unknown", "line 1")


def test_a_step_that_no_operation_has_is_refused() -> None:
    refused(parse_readings(f"{HEADER}\n{ROWS[0]}", step_s=3_600), "energy_step_unknown")


ORDERS = "order_id,side,participant,price_micro_eur,energy_wh,seq"


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("", "energy_file_malformed", "line 1"),
        ("id,side", "energy_file_malformed", "line 1"),
        (f"{ORDERS}\na,bid,w,1,2", "energy_file_malformed", "line 2"),
        (f"{ORDERS}\na,buy,w,1,2,3", "energy_order_invalid", "line 2"),
        (f"{ORDERS}\na,bid,w,1.5,2,3", "energy_order_invalid", "line 2"),
    ],
)
def test_an_order_book_with_a_wrong_line_is_refused(text: str, code: str, where: str) -> None:
    refused(parse_orders(text), code, where)


# --- coefficients ----------------------------------------------------------------------------------


def test_a_coefficient_file_looks_as_the_operator_expects() -> None:
    file = CoefficientFile(("0" * 14, "1" * 14), 1, (CoefficientRow(JUNE_UTC, (123, 877)),))
    text = format_coefficients(file, zone=EUROPE_PARIS, step_s=900)
    assert text == f"Horodate;{'0' * 14};{'1' * 14}\n01/06/2026 00:00;12,3;87,7\n"
    end = format_coefficients(file, zone=EUROPE_PARIS, step_s=900, label="end")
    assert "01/06/2026 00:15;" in end


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("01/06/2026 00:00;50,0;50,1", "energy_law_broken"),
        ("01/06/2026 00:00;50,0", "energy_file_malformed"),
        ("01/06/2026 00:00;50.0;50,0", "energy_file_malformed"),
        ("01/06/2026 00:00;50;50,0", "energy_file_malformed"),
        ("01/06/2026 00:00;-5,0;50,0", "energy_file_malformed"),
        ("01/06/2026 00:07;5,0;50,0", "energy_time_off_grid"),
    ],
)
def test_a_coefficient_file_that_is_wrong_is_refused(row: str, code: str) -> None:
    text = f"Horodate;{'0' * 14};{'1' * 14}\n{row}\n"
    refused(parse_coefficients(text, decimals=1, zone=EUROPE_PARIS, step_s=900), code, "line 2")


def test_percentages_keep_their_zeros() -> None:
    assert format_percent(5, 3) == "0,005"
    assert format_percent(100, 0) == "100"
    assert parse_percent("0,005", 3) == 5
    assert parse_percent("0,05", 3) is None
    assert parse_percent("1,", 0) is None


def test_an_export_needs_prms_each_once_and_a_possible_number_of_decimals() -> None:
    assert check_export(("0" * 14,), ("0" * 14,), 3) is None
    refused(check_export(("cons_001",), (), 3), "energy_point_malformed")
    refused(check_export(("0" * 14,) * 2, (), 3), "energy_point_repeated")
    refused(check_export((), (), 10), "energy_key_invalid")


def test_a_result_of_the_operator_within_a_wh_per_step_is_reconciled_and_beyond_it_is_not() -> None:
    own = {"a": 1_000, "b": 500}
    near = compare_with_dso(own, {"a": 1_004, "b": 496}, steps_count=4)
    assert check_reconciled(near) is None
    assert near.differences_wh == (("a", 4), ("b", -4))
    far = compare_with_dso(own, {"a": 1_005, "b": 500}, steps_count=4)
    assert far.beyond == ("a",)
    refused(check_reconciled(far), "energy_dso_disagrees")
    refused(compare_with_dso(own, {"a": 1_000}, steps_count=4), "energy_point_unknown")


def test_utc_needs_no_zone() -> None:
    table = parse_readings(
        "start_utc,cons_a_Wh\n2026-10-25T00:00:00Z,1\n2026-10-25T00:15:00Z,1",
        step_s=900,
        zone=EUROPE_PARIS,
    )
    assert isinstance(table, Readings)
    assert table == parse_readings(
        "start_local,cons_a_Wh\n2026-10-25T00:00:00,1\n2026-10-25T00:15:00,1", step_s=900, zone=UTC
    )
