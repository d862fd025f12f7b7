"""Batches: who vouches, how many hide together, when they are written, and that a batch is all or nothing."""

import datetime

import pytest

from chain.codec.canonical import encode_canonical
from chain.crypto import jws
from chain.town.accounts import get_account
from chain.town.identity.records import BATCHES, LAST_BATCH_ID, get_counts, get_identity, month_of
from chain.town.schemas import ActRoleRevoke, IdBatchAttest
from tests.town.identity.kit import CLERK, attest, batch, cid_of, open_identity, send
from tests.town.town_kit import DAY_S, GENESIS_S, jwk, key, make_town

HOUR_S = 3_600
PEOPLE = [f"citizen {n}" for n in range(8)]


def test_a_batch_creates_identities_with_their_accounts() -> None:
    town = make_town()
    result = batch(town, "ada", "bob")
    assert result.info == "ok"
    first, second = sorted(("ada", "bob"), key=cid_of)
    data = town.result_data(result)
    assert (data["batch"], data["count"]) == (1, 2)
    assert [entry["cid"] for entry in data["identities"]] == [cid_of(first), cid_of(second)]
    record = get_identity(town.reader, cid_of("ada"))
    assert (record.account, record.status) == (key("ada").kid, "active")
    assert (record.level_identity, record.level_residence) == (3, 2)
    account = get_account(town.reader, key("ada").kid)
    assert (account.domain, account.status, account.jwk) == ("identity", "open", jwk(key("ada")))
    counts = get_counts(town.reader)
    assert (counts.enrolled, counts.by_status) == (2, {"active": 2})


def test_a_production_town_wants_eight_entries_to_hide_in() -> None:
    town = make_town(params={"identity_batch_min_entries": 8, "identity_batch_max_wait_s": 259_200})
    assert batch(town, *PEOPLE[:7]).info == "identity_batch_too_small"
    assert batch(town, *PEOPLE).info == "ok"
    assert get_counts(town.reader).enrolled == 8


def test_after_72_hours_without_a_batch_fewer_may_enter() -> None:
    """The first batch waits from the town's birth, every other from the one before."""
    town = make_town(params={"identity_batch_min_entries": 8, "identity_batch_max_wait_s": 259_200})
    town.advance(259_200 - 1 - (town.now_s - GENESIS_S))
    assert batch(town, "ada").info == "identity_batch_too_small"
    assert batch(town, "ada").info == "ok"
    assert batch(town, "bob").info == "identity_batch_too_small"
    town.advance(259_200)
    assert batch(town, "bob").info == "ok"
    assert BATCHES.get(town.reader, LAST_BATCH_ID).batches == 2


def test_batches_are_written_in_one_hour_of_the_day() -> None:
    town = make_town(params={"identity_batch_hour_utc": 3})
    until_three = (3 * HOUR_S - town.now_s) % DAY_S
    town.advance(until_three - 1)
    assert batch(town, "ada").info == "identity_outside_hour"
    assert batch(town, "ada").info == "ok"
    town.advance((4 * HOUR_S - town.now_s) % DAY_S)
    assert batch(town, "bob").info == "identity_outside_hour"


def test_entries_are_sorted_by_cid() -> None:
    town = make_town()
    ada, bob = sorted(("ada", "bob"), key=cid_of)
    assert send(town, attest(town, bob), attest(town, ada)).info == "identity_batch_unsorted"
    assert get_counts(town.reader).enrolled == 0


def test_each_cid_comes_once() -> None:
    town = make_town()
    twice = attest(town, "ada"), attest(town, "ada", key=jwk(key("bob")))
    assert send(town, *twice).info == "identity_batch_unsorted"
    assert batch(town, "ada").info == "ok"
    result = send(town, attest(town, "ada", key=jwk(key("new"))))
    assert (result.info, "entry 0" in result.log) == ("identity_exists", True)


def test_a_key_with_another_use_cannot_become_an_identity() -> None:
    town = make_town()
    town.open_account(key("shopper"), "loyalty")
    assert batch(town, "shopper").info == "account_exists"
    clerk_key = jwk(town.role("agent_supervisor"))
    assert send(town, attest(town, "ada", key=clerk_key)).info == "city_key_in_use"


def test_one_bad_entry_keeps_the_whole_batch_out() -> None:
    town = make_town()
    good = [attest(town, name) for name in sorted(PEOPLE, key=cid_of)]
    last = max(PEOPLE, key=cid_of)
    bad = attest(town, last, by=key("nobody"))
    result = send(town, *good[:-1], bad)
    assert result.info == "identity_bad_attestation"
    assert "entry 7" in result.log
    assert get_counts(town.reader).enrolled == 0
    assert get_account(town.reader, key(PEOPLE[0]).kid) is None


@pytest.mark.parametrize(
    "how",
    [
        {"typ": "beffroi-ticket"},
        {"by": key("nobody")},
        {"by": key("gateway@mairie")},
        {"by": key("electoral_commission@dehors")},
        {"town": key("another town").kid},
        {"expires_month": "2026-08"},
        {"expires_month": "2031-10"},
        {"key": jwk(key("phone", "ES256"))},
    ],
    ids=["type", "stranger", "gateway", "commission", "town", "past", "too far", "curve"],
)
def test_an_attestation_that_is_not_an_agents_word_is_refused(how) -> None:
    """Header time lies in 2026-09: an identity lasts from that month to 60 months on."""
    town = make_town()
    assert month_of(town.now_s) == "2026-09"
    assert send(town, attest(town, "ada", **how)).info == "identity_bad_attestation"


@pytest.mark.parametrize("month", ["2026-09", "2031-09"])
def test_an_identity_lasts_from_this_month_to_five_years(month: str) -> None:
    town = make_town()
    assert send(town, attest(town, "ada", expires_month=month)).info == "ok"


def test_a_tampered_attestation_is_refused() -> None:
    town = make_town()
    header, _, signature = attest(town, "ada").split(".")
    _, payload, _ = attest(town, "ada", level_identity=2).split(".")
    assert send(town, f"{header}.{payload}.{signature}").info == "identity_bad_attestation"


def test_an_attestation_with_more_than_its_fields_is_refused() -> None:
    """Nothing civil can be smuggled in, signed or not."""
    town = make_town()
    payload = encode_canonical({"town": town.town, "cid": cid_of("ada"), "name": "Ada"})
    text = jws.sign_compact(payload, "beffroi-attestation", town.role("clerk")).decode()
    assert send(town, text).info == "identity_bad_attestation"


def test_another_bodys_agent_may_attest_and_a_revoked_one_may_not() -> None:
    town = make_town()
    supervisor = town.role("agent_supervisor")
    assert batch(town, "ada", by=supervisor).info == "ok"
    assert town.run(town.council_tx(ActRoleRevoke(supervisor.kid)))[0].info == "ok"
    town.idle(2)
    assert batch(town, "bob", by=supervisor).info == "identity_bad_attestation"


def test_only_agents_write_batches() -> None:
    town = make_town()
    body = IdBatchAttest((attest(town, "ada"),))
    assert town.do(body, CLERK, town.role("gateway")).info == "tx_wrong_role"
    assert town.do(body, "body:coop", town.role("clerk")).info == "tx_not_entitled"


def test_nothing_civil_and_no_exact_date_is_in_the_record() -> None:
    record = get_identity(open_identity().reader, cid_of("ada"))
    assert set(record.__struct_fields__) == {
        "cid",
        "account",
        "key",
        "commitment",
        "blind",
        "level_identity",
        "level_residence",
        "expires_month",
        "status",
    }


def test_months_are_those_of_the_calendar() -> None:
    for days in range(0, 60_000, 13):
        expected = datetime.datetime.fromtimestamp(days * DAY_S + days % DAY_S, datetime.UTC)
        assert month_of(days * DAY_S + days % DAY_S) == expected.strftime("%Y-%m")
