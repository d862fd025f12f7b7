"""Curves of one point through the import route, as the grid operator writes them; a wrong one refused whole."""

import json

import pytest

from app.cli.demo.client import expect
from app.energy.month import format_day, parse_day, starts_of_days
from chain.town.energy.calendar import EUROPE_PARIS, local_of_utc
from tests.api.conftest import close_database
from tests.api.energy.kit import OP, Neighbourhood, prm

STEP_S = 900
WATTS = 402
"""For a quarter of an hour, 100.5 Wh: a day is 9 648 Wh exactly, which rounding each step alone would miss by 48."""


@pytest.fixture(scope="module")
def hood(tmp_path_factory):
    """One neighbourhood; each form has a day of its own."""
    yield Neighbourhood(tmp_path_factory.mktemp("forms"))
    close_database()


def stamps(day: str, label: str) -> list[str]:
    """Local times of a day's steps, of their starts or their ends, as `2026-06-01 00:15:00`."""
    number, late = parse_day(day), STEP_S if label == "end" else 0
    found = []
    for start_s in starts_of_days(range(number, number + 1), STEP_S):
        clock = local_of_utc(EUROPE_PARIS, start_s + late)
        hour, minute = clock % 86_400 // 3_600, clock % 3_600 // 60
        found.append(f"{format_day(clock // 86_400)} {hour:02}:{minute:02}:00")
    return found


def curve(times: list[str], values: list[str]) -> str:
    rows = [f"{time};{value}" for time, value in zip(times, values, strict=True)]
    return "\n".join(("Horodate;Valeur", *rows, ""))


def dataconnect(times: list[str], values: list[str]) -> str:
    readings = [
        {"value": value, "date": time, "interval_length": "PT15M", "measure_type": "B"}
        for time, value in zip(times, values, strict=True)
    ]
    meter = {
        "usage_point_id": prm(0),
        "reading_type": {"unit": "W", "measurement_kind": "power"},
        "interval_reading": readings,
    }
    return json.dumps({"meter_reading": meter})


def sge(times: list[str], values: list[str]) -> str:
    measured = [
        {"v": value, "d": time, "p": "PT15M"} for time, value in zip(times, values, strict=True)
    ]
    quantity = {
        "grandeurMetier": "CONS",
        "grandeurPhysique": "PA",
        "unite": "W",
        "mesure": measured,
    }
    return json.dumps({"pointId": prm(0), "grandeur": [quantity]})


def sge_csv(times: list[str], values: list[str]) -> str:
    header = "Identifiant PRM;Grandeur physique;Grandeur métier;Unité;Horodate;Valeur;Nature;Pas"
    rows = [
        f"{prm(0)};PA;CONS;W;{time};{value};B;PT15M"
        for time, value in zip(times, values, strict=True)
    ]
    return "\n".join((header, *rows, ""))


FORMS = {"curve": curve, "dataconnect": dataconnect, "sge": sge, "sge_csv": sge_csv}


def upload(form: str, label: str, times: list[str], values: list[str], **declared):
    content = FORMS[form](times, values)
    usual = {"form": form, "label": label, "prm": prm(0), "side": "cons", "unit": "W"}
    return {**usual, "content": content, **declared}


@pytest.mark.parametrize(
    ("form", "label", "back", "word"),
    [
        ("curve", "end", 3, "line 6"),
        ("dataconnect", "start", 5, "reading 5"),
        ("sge", "end", 7, "reading 5"),
        ("sge_csv", "end", 9, "line 6"),
    ],
)
def test_watts_of_a_day_become_its_exact_wh_and_a_wrong_line_refuses_it_whole(
    hood, form, label, back, word
) -> None:
    day = hood.day(-back)
    times, values = stamps(day, label), [str(WATTS)] * 96
    bad_values = [*values[:4], "-1", *values[5:]]
    wrong = hood.adapter.import_files(OP, [upload(form, label, times, bad_values)])
    assert wrong.code == "energy_reading_negative", wrong.body
    assert f"file 1: {word}" in wrong.body["detail"]
    gap = upload(form, label, times[:4] + times[5:], values[1:])
    answer = hood.adapter.import_files(OP, [gap])
    assert (answer.code, word in answer.body["detail"]) == ("energy_time_gap", True), answer.body
    other = upload(form, label, times, values, unit="kW")
    if form != "curve":  # whose two columns say no unit
        assert hood.adapter.import_files(OP, [other]).code == "energy_unit_mismatch"
    turned = upload(form, "start" if label == "end" else "end", times, values)
    assert hood.adapter.import_files(OP, [turned]).code == "energy_day_part"
    good = expect("import", hood.adapter.import_files(OP, [upload(form, label, times, values)]))
    assert (good["first_day"], good["last_day"], good["missing"]) == (day, day, 0)
    assert list(good["total_wh"].values()) == [WATTS * 24]
    expect("the others' readings are absent, 0 Wh", hood.adapter.publish(OP, day))
