"""A neighbourhood's days through the API: files in whole or not at all, days out, own rows proved."""

import json

import msgspec
import pytest

from app.cli.demo.client import expect
from app.cli.demo.http import new_key
from app.cli.demo.neighbours import MeterPoint, settle
from app.core.database import connected
from app.energy import audit, days
from app.energy.models import DayVersion
from chain.town.energy_schemas import (
    EnergyJoin,
    ReadingStep,
)
from tests.api.conftest import close_database
from tests.api.energy.kit import OP, Neighbourhood, prm


@pytest.fixture(scope="module")
def hood(tmp_path_factory):
    """One neighbourhood; each test has days of its own."""
    yield Neighbourhood(tmp_path_factory.mktemp("hood"))
    close_database()


def test_a_day_goes_from_file_to_own_proved_rows(hood) -> None:
    day = hood.day(-3)
    hood.publish(day)
    shown = expect("day", hood.street.api.get(f"/v1/energy/operations/{OP}/days/{day}"))
    assert (shown["state"], shown["version"], shown["count"]) == ("allocated", 1, 8)
    assert shown["witnesses"] == ["body:mairie"]
    produced, consumed, shared, surplus = shown["totals"]
    assert produced == shared + surplus
    assert 0 < shared <= consumed
    total = 0
    for home in hood.homes:
        received = home.check_day(OP, day)
        total += received
        curve = home.get(f"/curves/me?operation={OP}&first={day}&last={day}&by=day")
        assert [row["shared_wh"] for row in curve["rows"]] == [received]
    assert total == shared


# --- bad input -------------------------------------------------------------------------------------


def bad(table: str, change) -> str:
    lines = table.split("\n")
    change(lines)
    return "\n".join(lines)


def swap(lines):
    lines[3], lines[4] = lines[4], lines[3]


def negative(lines):
    cells = lines[5].split(",")
    lines[5] = ",".join([cells[0], "-1", *cells[2:]])


def absurd(lines):
    cells = lines[5].split(",")
    lines[5] = ",".join([cells[0], "5000001", *cells[2:]])


def watts(lines):
    lines[0] = lines[0].replace("_Wh", "_kW", 1)


def stranger(lines):
    lines[0] = lines[0].replace(prm(0), prm(999), 1)


def twice(lines):
    lines[0] = lines[0].replace(prm(0), prm(1), 1)


BAD = [
    (lambda lines: lines.pop(7), "energy_time_gap", "line 8"),
    (lambda lines: lines.insert(7, lines[6]), "energy_time_repeated", "line 8"),
    (swap, "energy_time_gap", "line 4"),
    (negative, "energy_reading_negative", "line 6"),
    (absurd, "energy_reading_absurd", "line 6"),
    (watts, "energy_unit_mismatch", "line 1"),
    (stranger, "energy_point_unknown", "file 2"),
    (twice, "energy_point_repeated", "line 1"),
    (lambda lines: lines.__delitem__(slice(50, 97)), "energy_day_part", "not whole"),
]


@pytest.mark.parametrize(("change", "code", "said"), BAD)
def test_a_wrong_file_is_refused_whole_with_its_line_and_its_neighbour_with_it(
    hood, change, code, said
) -> None:
    place = 2 * [case[0] for case in BAD].index(change)
    good, wrong = hood.upload(hood.day(-10 - place)), hood.upload(hood.day(-11 - place))
    wrong["content"] = bad(wrong["content"], change)
    answer = hood.adapter.import_files(OP, [good, wrong])
    assert answer.code == code, answer.body
    assert said in answer.body["detail"], answer.body
    assert "09123456" not in answer.body["detail"]
    expect("the good one alone", hood.adapter.import_files(OP, [good]))


def test_two_files_of_one_request_may_not_say_the_same_twice(hood) -> None:
    day = hood.day(-40)
    first, second = hood.upload(day), hood.upload(day, seed=1)
    assert hood.adapter.import_files(OP, [first, second]).code == "energy_point_repeated"
    assert hood.adapter.import_files(OP, [first, first]).code == "energy_file_repeated"
    expect("one of them", hood.adapter.import_files(OP, [second]))


def test_a_file_is_taken_once(hood) -> None:
    upload = hood.upload(hood.day(-5))
    expect("import", hood.adapter.import_files(OP, [upload]))
    answer = hood.adapter.import_files(OP, [upload], is_correction=True)
    assert answer.code == "energy_file_repeated"


def test_a_day_without_readings_is_refused_or_completed_as_the_convention_says(hood) -> None:
    day = hood.day(-6)
    shown = hood.adapter.publish(OP, day)
    assert shown.is_ok  # the convention of this operation takes absent readings as 0 Wh
    body = expect("day", hood.street.api.get(f"/v1/energy/operations/{OP}/days/{day}"))
    assert body["state"] == "metered"


def test_a_wrong_opening_is_refused_and_nothing_is_kept(hood) -> None:
    new = hood.neighbour("stranger", MeterPoint(prm(300), "consumer", 48_600_000, 500_000))
    settle(new, [new.consent(OP, "allocation")], "consent")
    lied = MeterPoint(prm(301), "consumer", 48_600_000, 500_000, salt=new.points[0].salt)
    body = EnergyJoin(OP, 1, (new.points[0].claim(),))
    asked = {
        "transaction": new.sign(body, sender=new.account),
        "name": "Foyer",
        "points": [lied.opening()],
    }
    answer = new.api.post("/v1/energy/memberships", asked, token=new.token, key=new_key(), wait_s=5)
    assert answer.code == "energy_opening_differs"
    assert new.get("/memberships/me")["memberships"] == []


def test_a_second_request_with_the_own_meter_takes_no_file_from_the_point_that_counts(hood) -> None:
    """Else one member could make the import of everybody's day fail, for ever."""
    day, home = hood.day(-9), hood.homes[3]
    (first,) = home.points
    again = MeterPoint(first.prm, "consumer", first.lat_microdeg, first.lon_microdeg)
    home.points = [again]
    answer = home.ask_to_join(OP)
    home.points = [first]
    assert answer.code == "energy_point_taken", answer.body
    (mine,) = home.get("/memberships/me")["memberships"]
    assert (mine["asked"], len(mine["points"])) == ([], 1)
    hood.meter(day)


def test_a_stranger_s_question_computes_no_day(hood, monkeypatch) -> None:
    """A day of a large operation takes seconds; who has no row in it is told so before."""
    day = hood.day(-8)
    hood.publish(day)
    new = hood.neighbour("passer-by", MeterPoint(prm(310), "consumer", 48_600_000, 500_000))
    monkeypatch.setattr(days, "read_input", lambda *_: pytest.fail("the whole day was read"))
    answer = new.api.get(f"/v1/energy/days/me?operation={OP}&day={day}", token=new.token)
    assert answer.status == 404


def test_a_forged_row_or_path_is_noticed_by_its_member(hood) -> None:
    day = hood.day(-7)
    hood.publish(day)
    opened = hood.homes[0].get(f"/days/me?operation={OP}&day={day}")
    assert not isinstance(audit.check_own_day(opened), str)
    forged = json.loads(json.dumps(opened))
    line = forged["steps"][50]["allocation"][0]
    line["row"] = line["row"].replace('"shared_wh":', '"shared_wh":1')
    assert isinstance(audit.check_own_day(forged), str)
    moved = json.loads(json.dumps(opened))
    moved["steps"][3]["readings"], moved["steps"][4]["readings"] = (
        moved["steps"][4]["readings"],
        moved["steps"][3]["readings"],
    )
    with connected():
        row = DayVersion.get((DayVersion.day == day) & (DayVersion.kind == "readings"))
    steps = msgspec.json.decode(row.roots, type=tuple[ReadingStep, ...])
    assert not isinstance(audit.check_own_day(opened, readings=steps), str)
    assert audit.check_own_day(moved, readings=steps) == "step 3: the path leads to another root"
