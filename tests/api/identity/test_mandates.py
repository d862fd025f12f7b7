"""Mandates and the sealed list of a person's accounts, through the public API."""

import sqlite3

import pytest

from app.cli.demo.client import expect
from app.cli.demo.http import new_key
from app.identity.lifecycle.links import encode_proof
from app.identity.lifecycle.mandates import GUARDIAN_MAX_S, HELPER_MAX_S
from chain.codec.canonical import b64url_encode
from chain.town.schemas import IdStatus
from tests.journeys.kit import Street
from tests.town.town_kit import key

DAY_S = 86_400


class Family:
    """Ana, her helper Ben and her child Zoé, all written on the chain; tokens of their identity keys."""

    def __init__(self, street: Street) -> None:
        self.street, self.api = street, street.api
        self.phones = {name: street.new_phone(name) for name in ("ana", "ben", "zoe")}
        births = {"ana": "1950-03-03", "ben": "1984-02-29", "zoe": "2014-00-00"}
        for name, phone in self.phones.items():
            street.enrol(phone, birthdate=births[name])
        clerk = street.clerk
        expect("batch", clerk.write_batch(clerk.read_batch()["attestations"]))
        self.cids = {name: p.read_identity()["cid"] for name, p in self.phones.items()}

    def token(self, name: str) -> str:
        phone = self.phones[name]
        return phone.login(phone.identity_key)

    def post(self, name: str, path: str, body=None):
        token = self.street.clerk.token if name == "clerk" else self.token(name)
        return self.api.post(path, body, token=token, key=new_key())

    def offer(self, scopes=("sel",), *, days: int = 30):
        body = {
            "holder": self.cids["ben"],
            "scopes": list(scopes),
            "expires_at": self.street.clock() + days * DAY_S,
        }
        return self.post("ana", "/v1/identity/me/mandates", body)

    def record(self, kind: str, subject: str, *, seconds: int, scopes=("loyalty", "sel")):
        body = {
            "kind": kind,
            "subject": self.cids[subject],
            "holder": self.cids["ben"],
            "scopes": list(scopes),
            "expires_at": self.street.clock() + seconds,
        }
        return self.post("clerk", "/v1/desk/mandates", body)


@pytest.fixture
def family(street) -> Family:
    return Family(street)


# --- a helper ------------------------------------------------------------------------------


def test_a_helper_is_asked_and_agrees_and_either_ends_it(family) -> None:
    mandate = expect("offer", family.offer())
    assert (mandate["status"], mandate["kind"]) == ("offered", "helper")
    path = f"/v1/mandates/{mandate['id']}"
    assert family.post("ana", f"{path}/acceptance").code == "not_found", "not the giver's to accept"
    assert expect("accept", family.post("ben", f"{path}/acceptance"))["status"] == "active"
    assert family.post("ben", f"{path}/acceptance").code == "mandate_wrong_state"
    assert expect("end", family.post("ana", f"{path}/end"))["status"] == "ended"
    second = expect("offer", family.offer())
    assert (
        expect("end", family.post("ben", f"/v1/mandates/{second['id']}/end"))["status"] == "ended"
    )


def test_no_mandate_covers_a_ballot(family) -> None:
    assert family.offer(("sel", "votes")).code == "mandate_no_ballot"
    assert family.record("guardian", "ana", seconds=DAY_S, scopes=("votes",)).code == (
        "mandate_no_ballot"
    )


def test_a_helper_is_chosen_for_a_year_at_most(family) -> None:
    assert family.offer(days=HELPER_MAX_S // DAY_S + 1).code == "mandate_too_long"
    assert family.offer(days=0).code == "mandate_too_long"
    assert family.offer(days=365).status == 201


def test_nobody_helps_themselves_or_a_stranger(family) -> None:
    body = {
        "holder": family.cids["ana"],
        "scopes": ["sel"],
        "expires_at": family.street.clock() + 9,
    }
    assert family.post("ana", "/v1/identity/me/mandates", body).code == "mandate_self"
    body["holder"] = key("nobody").kid
    assert family.post("ana", "/v1/identity/me/mandates", body).code == "not_found"


def test_r33_whatever_a_holder_reads_is_logged_with_both_ids(family) -> None:
    mandate = expect("offer", family.offer(("identity",)))
    path = f"/v1/mandates/{mandate['id']}"
    token = family.token("ben")
    assert family.api.get(f"{path}/subject", token=token).code == "mandate_wrong_state"
    expect("accept", family.post("ben", f"{path}/acceptance"))
    shown = expect("subject", family.api.get(f"{path}/subject", token=token))
    assert (shown["status"], shown["level_identity"]) == ("active", 3)
    assert "Personne" in shown["name"]
    log = family.api.get("/v1/identity/me/access-log", token=family.token("ana")).body["entries"]
    line = log[-1]
    assert (line["agent"], line["action"]) == (family.phones["ben"].identity_key.kid, "mandate")
    assert line["reason"] == mandate["id"]


def test_a_name_is_shown_with_the_scope_identity_only(family) -> None:
    mandate = expect("offer", family.offer(("sel",)))
    path = f"/v1/mandates/{mandate['id']}"
    expect("accept", family.post("ben", f"{path}/acceptance"))
    shown = expect("subject", family.api.get(f"{path}/subject", token=family.token("ben")))
    assert shown["name"] == ""


def test_r30_a_mandate_of_others_does_not_exist(family) -> None:
    mandate = expect("offer", family.offer())
    path = f"/v1/mandates/{mandate['id']}"
    assert family.post("zoe", f"{path}/end").code == "not_found"
    assert family.api.get(f"{path}/subject", token=family.token("zoe")).code == "not_found"
    assert family.api.get("/v1/identity/me/mandates", token=family.token("zoe")).body == {
        "mandates": []
    }


# --- parents and guardians -----------------------------------------------------------------


def test_a_parents_mandate_ends_with_the_childs_majority(family) -> None:
    """Born in 2014, the day unknown: taken as 31 December, so until the last day of 2032."""
    years_s = 366 * DAY_S
    assert family.record("parent", "zoe", seconds=8 * years_s).code == "mandate_too_long"
    made = expect("parent", family.record("parent", "zoe", seconds=6 * 365 * DAY_S))
    assert (made["status"], made["kind"]) == ("active", "parent")
    assert family.record("parent", "ana", seconds=DAY_S).code == "age_not_a_minor"


def test_a_guardian_stays_five_years_at_most_and_the_subject_cannot_end_it(family) -> None:
    assert family.record("guardian", "ana", seconds=GUARDIAN_MAX_S + DAY_S).code == (
        "mandate_too_long"
    )
    made = expect("guardian", family.record("guardian", "ana", seconds=GUARDIAN_MAX_S))
    assert family.post("ana", f"/v1/mandates/{made['id']}/end").code == "mandate_wrong_state"
    path = f"/v1/desk/mandates/{made['id']}/end"
    ended = expect("end", family.post("clerk", path, {"reason": "court_decision"}))
    assert ended["status"] == "ended"
    log = family.api.get("/v1/identity/me/access-log", token=family.token("ana")).body["entries"]
    lines = [(line["action"], line["reason"]) for line in log]
    assert lines[-2:] == [("mandate", "recorded"), ("mandate_end", "court_decision")]


def test_sql_does_not_tell_a_guardian_from_a_helper(family) -> None:
    expect("guardian", family.record("guardian", "ana", seconds=DAY_S))
    expect("helper", family.record("helper", "zoe", seconds=DAY_S))
    rows = _sql(family, "SELECT * FROM mandate")
    assert len(rows) == 2
    assert len({len(value) for row in rows for value in row if isinstance(value, bytes)}) == 1
    assert not any(word in repr(rows) for word in ("guardian", "helper", "loyalty"))


def test_the_own_age_shows_as_what_it_allows_and_not_as_a_number(family) -> None:
    shown = family.api.get("/v1/identity/me/allowed", token=family.token("zoe")).body
    assert (shown["band"], shown["own_key"], shown["domains"]) == (
        "under_15",
        False,
        ["loyalty", "sel"],
    )
    assert (
        family.api.get("/v1/identity/me/allowed", token=family.token("ben")).body["votes"] is True
    )


# --- the sealed list of accounts -----------------------------------------------------------


def _sql(family: Family, query: str) -> list[tuple]:
    path = family.street.town.config.database_url.removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def link(family: Family, account: str, signer, *, cid: str = "ana", by: str = "ana"):
    town, asked = family.street.facts.town, family.cids[cid]
    signature = b64url_encode(signer.sign(encode_proof(town, asked, account)))
    body = {"account": account, "signature": signature}
    return family.api.call("PUT", "/v1/identity/me/accounts", body, token=family.token(by))


def test_under_15_a_guardian_holds_loyalty_and_sel_and_nothing_else(family) -> None:
    sel, roof = key("zoe's sel"), key("zoe's roof")
    family.street.town.open_account(sel, "sel")
    family.street.town.open_account(roof, "energy")
    assert link(family, roof.kid, roof, cid="zoe", by="zoe").code == "age_not_yet"
    assert link(family, sel.kid, sel, cid="zoe", by="zoe").code == "age_guardian_needed"
    asked = {
        "holder": family.cids["ben"],
        "scopes": ["sel"],
        "expires_at": family.street.clock() + DAY_S,
    }
    answer = family.post("zoe", "/v1/identity/me/mandates", asked)
    assert answer.code == "age_guardian_needed", "a child chooses no helper"
    expect("parent", family.record("parent", "zoe", seconds=30 * DAY_S))
    expect("link", link(family, sel.kid, sel, cid="zoe", by="zoe"))
    assert link(family, roof.kid, roof, cid="zoe", by="zoe").code == "age_not_yet"


def test_a_helpers_mandate_does_not_make_a_guardian(family) -> None:
    sel = key("zoe's sel")
    family.street.town.open_account(sel, "sel")
    expect("helper", family.record("helper", "zoe", seconds=30 * DAY_S))
    assert link(family, sel.kid, sel, cid="zoe", by="zoe").code == "age_guardian_needed"


def test_an_account_is_listed_by_its_own_keys_word(family) -> None:
    expect("account", family.phones["ana"].open_loyalty_account())
    own, thief = family.phones["ana"].key, key("thief")
    assert link(family, own.kid, thief).code == "link_proof_invalid"
    assert link(family, own.kid, own, cid="ben").code == "link_proof_invalid"
    assert link(family, key("nobody").kid, thief).code == "account_unknown"
    assert expect("link", link(family, own.kid, own)) == {"count": 1}
    assert expect("again", link(family, own.kid, own)) == {"count": 1}
    shown = family.api.get("/v1/identity/me/accounts", token=family.token("ana")).body
    assert shown == {"accounts": [{"account": own.kid, "domain": "loyalty"}]}
    gone = family.api.call(
        "DELETE", "/v1/identity/me/accounts", {"account": own.kid}, token=family.token("ana")
    )
    assert gone.body == {"count": 0}


def test_the_desk_opens_the_list_with_a_reason_that_the_citizen_reads(family) -> None:
    expect("account", family.phones["ana"].open_loyalty_account())
    own = family.phones["ana"].key
    expect("link", link(family, own.kid, own))
    body = {"cid": family.cids["ana"], "reason": "estate"}
    opened = family.api.post("/v1/desk/persons/accounts", body, token=family.street.clerk.token)
    assert opened.body["accounts"][0]["account"] == own.kid
    log = family.api.get("/v1/identity/me/access-log", token=family.token("ana")).body["entries"]
    assert (log[-1]["action"], log[-1]["reason"]) == ("accounts", "estate")


def test_no_row_holds_two_accounts_of_one_person(family) -> None:
    """Canary: every row of every table is searched for both ids together, and the sealed list for either."""
    expect("account", family.phones["ana"].open_loyalty_account())
    own, identity = family.phones["ana"].key, family.phones["ana"].identity_key
    expect("link", link(family, own.kid, own))
    tables = [name for (name,) in _sql(family, "SELECT name FROM sqlite_master WHERE type='table'")]
    assert "idempotency" in tables
    one_side = {identity.kid, family.cids["ana"]}
    joined = [
        (table, row)
        for table in tables
        for row in _sql(family, f'SELECT * FROM "{table}"')
        if own.kid in repr(row) and any(name in repr(row) for name in one_side)
    ]
    assert joined == []
    (sealed,) = _sql(family, "SELECT sealed FROM person_links")[0]
    assert own.kid.encode() not in sealed


def test_the_sealed_list_has_one_size_however_many_accounts(family) -> None:
    expect("account", family.phones["ana"].open_loyalty_account())
    sizes = set()
    for signer in (family.phones["ana"].key, key("ana's sel")):
        if signer.kid != family.phones["ana"].account:
            family.street.town.open_account(signer, "sel")
        expect("link", link(family, signer.kid, signer))
        sizes |= {len(sealed) for (sealed,) in _sql(family, "SELECT sealed FROM person_links")}
    assert len(sizes) == 1


def test_an_erased_persons_list_and_mandates_are_gone(family) -> None:
    expect("account", family.phones["ana"].open_loyalty_account())
    expect("link", link(family, family.phones["ana"].key.kid, family.phones["ana"].key))
    expect("offer", family.offer())
    clerk, supervisor = family.street.clerk, family.street.supervisor
    body = IdStatus(family.cids["ana"], "erased")
    text = clerk.sign(body, sender="body:mairie", signers=[clerk.key, supervisor.key])
    expect("erase", clerk.send("/v1/identity/statuses", text))
    assert _sql(family, "SELECT * FROM person_links") == []
    assert _sql(family, "SELECT * FROM mandate") == []
