"""Statements in three forms that say the same and prove it; statistics that point at nobody."""

import csv
import json
import re
import zlib
from io import StringIO

import pytest

from app.cli.demo.client import expect
from app.loyalty.statements import format_csv
from chain.light.bundle import checkpoint_of, verify_bundle
from tests.journeys.kit import PROGRAMME
from tests.town.town_kit import DAY_S

STATEMENT = "/v1/loyalty/statements/me"


@pytest.fixture
def scene(street):
    """Ana with a purchase today and, four days on, a redemption."""
    till = street.open_shop("boulangerie")
    ana = street.phone("Ana", 5_000, till)
    start = street.clock()
    street.town.lab.now_s += 4 * DAY_S
    street.town.clock.seconds = street.town.lab.now_s
    till.login()
    ana.login()
    expect("redeem", till.redeem(ana.make_code(50), 20))
    return street, ana, start


def ask(street, phone, query: str):
    return street.town.http.get(f"{STATEMENT}?{query}", headers=street.town.login(phone.key))


def test_a_statement_adds_up_and_carries_a_proof_that_verifies_offline(scene):
    street, ana, start = scene
    end = street.clock() + 1
    shown = ask(street, ana, f"start={start + DAY_S}&end={end}").json
    assert shown["balances"] == [{"programme": PROGRAMME, "opening": 50, "closing": 30}]
    assert [line["points"] for line in shown["lines"]] == [-20]
    assert sum(lot["left"] for lot in shown["lots"]) == 30
    header = street.town.lab.blocks[shown["height"]].header
    verdict = verify_bundle(json.dumps(shown["proof"]).encode(), checkpoint_of(header))
    assert verdict.valid
    positions = json.loads(verdict.facts.record)["positions"]
    assert sum(position[2] for position in positions) == 30


def test_the_csv_has_the_lines_of_the_json(scene):
    street, ana, start = scene
    query = f"start={start - 60}&end={street.clock() + 1}"
    lines = ask(street, ana, query).json["lines"]
    answer = ask(street, ana, query + "&format=csv")
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(StringIO(answer.data.decode("utf-8-sig"))))
    assert [(r["kind"], int(r["points"]), r["transaction"]) for r in rows] == [
        (line["kind"], line["points"], line["transaction"]) for line in lines
    ]


def test_a_spreadsheet_runs_nothing_out_of_a_statement():
    line = dict.fromkeys(("kind", "programme", "of", "ref", "transaction"), "")
    line |= {"time": 0, "points": -5, "pool_points": 0, "pending": 0, "purchase_cents": 0}
    text = format_csv({"lines": [{**line, "shop": "=HYPERLINK(1)"}]}).decode()
    assert ",'=HYPERLINK(1),-5," in text


def streams(pdf: bytes) -> list[bytes]:
    """What lies in a PDF's streams."""
    found = re.findall(rb"stream\n(.*?)\nendstream", pdf, re.DOTALL)
    return [zlib.decompress(one) if one[:1] == b"\x78" else one for one in found]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_pdf_is_in_the_readers_language_and_holds_the_proof(scene, language):
    street, ana, start = scene
    headers = street.town.login(ana.key) | {"Accept-Language": language}
    query = f"start={start - 60}&end={street.clock() + 1}&format=pdf"
    answer = street.town.http.get(f"{STATEMENT}?{query}", headers=headers)
    assert answer.mimetype == "application/pdf"
    assert answer.data.startswith(b"%PDF-")
    assert f"/Lang ({language})".encode() in answer.data
    (attached,) = [json.loads(one) for one in streams(answer.data) if one.startswith(b"{")]
    header = street.town.lab.blocks[attached["height"]].header
    assert verify_bundle(json.dumps(attached["proof"]).encode(), checkpoint_of(header)).valid
    assert [line["points"] for line in attached["lines"]] == [50, -20]


@pytest.mark.parametrize("query", ["start=10&end=10", "start=20&end=10", "start=0&end=100000000"])
def test_a_period_that_is_none_or_too_long_is_refused(scene, query):
    street, ana, _ = scene
    answer = ask(street, ana, query)
    assert (answer.status_code, answer.json["code"]) == (422, "request_invalid")


def test_a_till_gets_no_statement(scene):
    street, _, start = scene
    till = street._client(type(street.owner("boulangerie")), street.owner("boulangerie").key)
    answer = street.api.get(f"{STATEMENT}?start={start}&end={start + 9}", token=till.token)
    assert (answer.status, answer.code) == (403, "auth_scope_missing")


def test_a_figure_is_shown_from_five_accounts_and_three_shops_on_and_only_of_days_that_are_over(
    street,
):
    tills = [street.open_shop(shop) for shop in ("boulangerie", "librairie", "cafe")]
    street.town.lab.now_s = street.clock() // DAY_S * DAY_S + DAY_S
    street.town.clock.seconds = street.town.lab.now_s
    for till in tills:
        till.login()
    day = street.clock() // DAY_S
    phones = [street.phone(f"P{i}") for i in range(5)]
    for index, phone in enumerate(phones[:4]):
        expect("earn", tills[index % 3].earn(phone.account, 1_000))
    text = _date(day)
    query = f"/v1/loyalty/statistics?first={text}&last={text}"
    street.town.clock.seconds = (day + 1) * DAY_S + 5
    assert street.api.get(query).body["cells"] == []
    assert street.api.get(query).body["hidden"] == 1
    street.town.clock.seconds = street.clock()
    expect("earn", tills[0].earn(phones[4].account, 1_000))
    assert street.api.get(query).body == {
        "cells": [],
        "hidden": 0,
        "k_accounts": 5,
        "k_shops": 3,
    }
    street.town.clock.seconds = (day + 1) * DAY_S + 5
    (cell,) = street.api.get(query).body["cells"]
    assert (cell["day"], cell["points"], cell["accounts"]) == (text, 50, 5)
    owner = street.owner("boulangerie")
    own = f"/v1/loyalty/shops/boulangerie/statistics?first={text}&last={text}"
    assert street.api.get(own, token=owner.token).body["cells"] == []
    other = own.replace("boulangerie", "librairie")
    assert street.api.get(other, token=owner.token).code == "not_found"


def _date(day: int) -> str:
    from app.loyalty.pictures import day_text

    return day_text(day)
