"""The desk's route: a clerk lays an invoice under the scanner."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.conftest import Town, close_database
from tests.api.identity.twoddoc import kit
from tests.api.identity.twoddoc.kit import draw, issue
from tests.journeys.kit import Street

PATH = "/v1/desk/residence-proofs"
WHO = {"family_names": ["Lefèvre"], "given_names": ["Ana", "Marie"]}


@pytest.fixture
def desk(tmp_path):
    """(town, clerk) of a town with the test authority's list."""
    folder = kit.folder(tmp_path / "2ddoc")
    town = Town(tmp_path, twoddoc_folder=folder, postcodes=frozenset({"59000"}))
    yield town, Street(town).clerk
    close_database()


def fresh(town, **how):
    day = datetime.fromtimestamp(town.clock.now_s(), UTC).date() - timedelta(days=10)
    return issue(issued=day, signed=day, **how)


def ask(clerk, **body):
    return clerk.api.post(PATH, WHO | body, token=clerk.token)


def test_a_clerk_verifies_an_invoice_by_its_picture(desk):
    town, clerk = desk
    text = fresh(town)
    answer = ask(clerk, picture=base64.b64encode(draw(text)).decode())
    assert answer.status == 201, answer.body
    assert (answer.body["kind"], answer.body["postcode"]) == ("invoice", "59000")
    assert (answer.body["name_matches"], answer.body["level_residence"]) == (True, 2)
    assert ask(clerk, text=text).body == answer.body


def test_another_name_is_left_to_the_agent(desk):
    town, clerk = desk
    answer = ask(clerk, text=fresh(town), family_names=["Martin"])
    assert (answer.body["name_matches"], answer.body["level_residence"]) == (False, 0)


def test_an_expired_document_has_its_own_code_in_both_languages(desk):
    town, clerk = desk
    old = datetime.fromtimestamp(town.clock.now_s(), UTC).date() - timedelta(days=200)
    clerk.api.language = "fr"
    french = ask(clerk, text=issue(issued=old, signed=old))
    assert (french.status, french.code) == (422, "twoddoc_expired")
    assert "trois mois" in french.body["title"]
    clerk.api.language = "en"
    assert "three months" in ask(clerk, text=issue(issued=old, signed=old)).body["title"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"picture": base64.b64encode(b"no picture").decode()}, "twoddoc_unreadable"),
        ({"text": "DC04"}, "twoddoc_malformed"),
        ({}, "request_invalid"),
        ({"text": "DC04", "picture": "AAAA"}, "request_invalid"),
    ],
)
def test_what_cannot_be_read_is_refused(desk, body, code):
    _, clerk = desk
    answer = ask(clerk, **body)
    assert (answer.status, answer.code) == (422, code)


def test_the_route_is_for_clerks_and_for_towns_with_a_list(desk, tmp_path):
    _, clerk = desk
    assert clerk.api.post(PATH, {**WHO, "text": "DC04"}).code == "auth_token_required"
    del tmp_path


def test_a_town_without_a_list_says_so(town):
    clerk = Street(town).clerk
    answer = ask(clerk, text="DC04")
    assert (answer.status, answer.code) == (404, "twoddoc_absent")
