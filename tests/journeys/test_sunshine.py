"""The demo's week of sun, told over a chain in memory: every step of it is checked as in `make demo`."""

from types import SimpleNamespace

import pytest

from app.cli.demo.report import Report
from app.cli.demo.sunshine import WEEK_DAYS, Sunshine, choose_days, read_week
from app.cli.demo.verify import Verifier
from app.energy.month import format_day, month_of_day
from chain.crypto.jws import SigningKey
from chain.town.energy.calendar import days_of_date
from tests.api.conftest import Town, close_database
from tests.api.energy.kit import ROLES_OF_ENERGY
from tests.api.lab import Lab
from tests.journeys.kit import Street
from tests.town.town_kit import key

ROLES = {
    "pmo": ("pmo", "coop"),
    "meter-adapter": ("meter_adapter", "dehors"),
    "energy-witness": ("energy_witness", "mairie"),
    "seat-mairie": ("seat", "mairie"),
    "seat-commercants": ("seat", "commerces"),
    "seat-energie": ("seat", "coop"),
}


@pytest.fixture
def sun(tmp_path):
    town = Town(tmp_path, lab=Lab(roles=ROLES_OF_ENERGY))
    street = Street(town)
    drawn = [0]

    def make(kind, signer, **more):
        town.give_passkey(signer)
        return kind(street.api, street.facts, street.clock, signer, **more)

    def read_role(name):
        role, body = ROLES[name]
        signer = key(f"{role}@{body}")
        return SimpleNamespace(signer=signer, body=body, seed=signer._secret)

    def new_key():
        drawn[0] += 1
        return SigningKey("EdDSA", bytes([drawn[0]]) * 32)

    def shift(seconds):
        town.lab.now_s += seconds
        town.lab.produce()
        town.lab.produce()
        town.follow()

    def refused(answer, code, text):
        assert answer.code == code, (text, answer.body)
        report.refusal(text, code=code, status=answer.status, title=answer.body["title"])

    report = Report(as_json=True)
    first = street.phone("somebody")  # a block to pin a checkpoint on
    assert first.account
    verifier = Verifier.pin(street.api, street.clock)
    yield Sunshine(make, read_role, new_key, street.clock, shift, verifier, report, refused)
    close_database()


def test_a_week_of_sun_is_shared_audited_stated_and_corrected(sun) -> None:
    for name, act in (
        ("sun", sun.open),
        ("week", sun.publish),
        ("audit", sun.audit_own),
        ("statements", sun.state),
        ("correction", sun.correct),
    ):
        with sun.report.step(name, name):
            act()
    lines = [line for step in sun.report.steps for line in step.lines]
    assert [line["code"] for line in lines if "code" in line] == [
        "energy_unit_mismatch",
        "energy_file_repeated",
        "auth_scope_missing",
        "energy_challenge_open",
    ]
    assert sum("proof" in line for line in lines) >= 6


def test_the_extract_is_the_week_it_says() -> None:
    week = read_week()
    assert len(week.rows) == WEEK_DAYS * 96
    assert sum(name.startswith("cons") for name in week.names) == 12
    totals = [sum(column) for column in zip(*week.rows, strict=True)]
    assert sum(totals[:12]) == 550_842
    assert sum(totals[12:]) == 280_896
    assert 0 < week.shared_wh < 280_896


@pytest.mark.parametrize(
    ("today", "first", "last"),
    [
        ((2026, 11, 23), "2026-11-24", "2026-11-30"),
        ((2026, 9, 21), "2026-08-25", "2026-08-31"),
        ((2026, 10, 2), "2026-09-24", "2026-09-30"),
        ((2027, 1, 1), "2026-12-25", "2026-12-31"),
        ((2027, 4, 30), "2027-04-24", "2027-04-30"),
    ],
)
def test_the_week_is_the_last_of_a_month_without_a_clock_change(today, first, last) -> None:
    days = choose_days(days_of_date(*today) * 86_400 + 43_200)
    assert (format_day(days[0]), format_day(days[-1])) == (first, last)
    assert len(days) == WEEK_DAYS
    assert month_of_day(days[0])[5:] not in ("03", "10")
