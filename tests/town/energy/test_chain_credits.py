"""KWHC: credited once for a settled month, to who consented, never above what was shared; given on and used up once."""

import pytest
from msgspec.structs import replace

from chain.town.energy import records
from chain.town.energy_schemas import (
    CreditEntry,
    EnergyCredit,
    EnergyPaid,
    EnergyRetire,
    EnergyTransfer,
    LotPart,
)
from tests.town.energy.chain_kit import OP, Village, digest, make_village, ok
from tests.town.energy.test_chain_days import MONTH, play_month
from tests.town.town_kit import key, name_of

SHARED_WH = 3 * 96 * 400


@pytest.fixture
def village() -> Village:
    made = make_village(back_days=23)
    play_month(made)
    return made


@pytest.fixture
def settled(village: Village) -> Village:
    ok(village.pmo(village.statement(MONTH)))
    return village


def credit(village: Village, *amounts: tuple[int, int], month: str = MONTH):
    entries = sorted((village.members[index].kid, wh) for index, wh in amounts)
    return village.pmo(EnergyCredit(OP, month, tuple(CreditEntry(*entry) for entry in entries)))


def held(village: Village, index: int) -> int:
    account = village.members[index].kid
    found = village.record(records.HOLDINGS, records.holding_id(account, OP, MONTH))
    return 0 if found is None else found.held_wh


def lot(village: Village) -> records.LotRecord:
    return village.record(records.LOTS, records.lot_id(OP, MONTH))


def test_members_are_credited_once_and_entries_sum_to_zero(settled: Village) -> None:
    data = settled.town.result_data(ok(credit(settled, (0, 1_000), (1, 2_000))))
    assert sum(entry[2] for entry in data["entries"]) == 0
    assert (held(settled, 0), held(settled, 1), lot(settled).credited_wh) == (1_000, 2_000, 3_000)
    assert name_of(credit(settled, (1, 5), (2, 5))) == "energy_credited_already"
    assert held(settled, 2) == 0


def test_no_more_is_credited_than_was_shared(settled: Village) -> None:
    assert name_of(credit(settled, (0, SHARED_WH), (1, 1))) == "energy_lot_exhausted"
    ok(credit(settled, (0, SHARED_WH)))
    assert name_of(credit(settled, (1, 1))) == "energy_lot_exhausted"


def test_a_month_without_statements_credits_nobody(village: Village) -> None:
    assert name_of(credit(village, (0, 1))) == "energy_statement_stale"


def test_who_did_not_consent_or_is_no_member_is_not_credited(settled: Village) -> None:
    ok(settled.consent(0, "credits", "withdrawn"))
    assert name_of(credit(settled, (0, 1))) == "energy_consent_missing"
    stranger = settled.open_member("stranger")
    assert name_of(credit(settled, (stranger, 1))) == "energy_not_member"


def test_entries_are_sorted_and_of_the_manager(settled: Village) -> None:
    entries = sorted(
        (CreditEntry(settled.members[i].kid, 5) for i in (0, 1)), key=lambda e: e.account
    )
    backwards = EnergyCredit(OP, MONTH, tuple(reversed(entries)))
    assert name_of(settled.pmo(backwards)) == "tx_body_invalid"
    twice = EnergyCredit(OP, MONTH, (entries[0], entries[0]))
    assert name_of(settled.pmo(twice)) == "tx_body_invalid"
    good = EnergyCredit(OP, MONTH, tuple(entries))
    assert name_of(settled.pmo(good, of="commerces")) == "tx_not_entitled"


def transfer(village: Village, source: int, target: str, energy_wh: int):
    part = LotPart(OP, MONTH, energy_wh)
    return village.member(source, EnergyTransfer(target, (part,), ""))


def test_credits_are_given_to_another_energy_account(settled: Village) -> None:
    ok(credit(settled, (0, 1_000)))
    receiver = settled.members[1].kid
    assert name_of(transfer(settled, 0, receiver, 1_001)) == "energy_insufficient"
    assert name_of(transfer(settled, 0, settled.members[0].kid, 1)) == "tx_body_invalid"
    assert name_of(transfer(settled, 0, digest("nobody"), 1)) == "account_unknown"
    shopper = settled.town.open_account(key("shopper"), "loyalty")
    assert name_of(transfer(settled, 0, shopper, 1)) == "account_wrong_domain"
    data = settled.town.result_data(ok(transfer(settled, 0, receiver, 400)))
    assert sum(entry[2] for entry in data["entries"]) == 0
    assert (held(settled, 0), held(settled, 1)) == (600, 400)
    ok(credit(settled, (1, 7)))
    assert held(settled, 1) == 407


def test_a_transfer_of_two_lots_moves_both_or_none(settled: Village) -> None:
    ok(credit(settled, (0, 1_000)))
    parts = (LotPart(OP, MONTH, 10), LotPart(OP, "2026-09", 1))
    body = EnergyTransfer(settled.members[1].kid, parts, "")
    assert name_of(settled.member(0, body)) == "energy_insufficient"
    assert held(settled, 0) == 1_000
    unsorted = replace(body, parts=tuple(reversed(parts)))
    assert name_of(settled.member(0, unsorted)) == "tx_body_invalid"


def test_a_watt_hour_is_retired_once_and_a_claim_made_once(settled: Village) -> None:
    ok(credit(settled, (0, 1_000), (1, 500)))
    body = EnergyRetire(OP, MONTH, 800, digest("claim"))
    ok(settled.member(0, body))
    assert (held(settled, 0), lot(settled).retired_wh) == (200, 800)
    assert name_of(settled.member(1, replace(body, energy_wh=1))) == "energy_claim_repeated"
    again = replace(body, claim=digest("again"))
    assert name_of(settled.member(0, again)) == "energy_insufficient"


def test_a_correction_below_what_was_credited_stops_retirement_at_what_was_shared(
    village: Village,
) -> None:
    first = village.statement(MONTH)
    ok(village.pmo(first))
    ok(credit(village, (0, SHARED_WH)))
    day = "2026-08-29"
    fixed = village.correction(day)
    totals = replace(fixed.totals, autocons_wh=9_600, surplus_wh=28_800)
    ok(village.pmo(replace(fixed, totals=totals), key("energy_witness@mairie")))
    village.reconcile(day, day)
    second = village.statement(MONTH, number=2, previous=first.root, root=digest("issue 2"))
    ok(village.pmo(second))
    left = second.totals.autocons_wh
    assert left == SHARED_WH - 96 * 300
    too_much = EnergyRetire(OP, MONTH, left + 1, digest("claim"))
    assert name_of(village.member(0, too_much)) == "energy_lot_exhausted"
    ok(village.member(0, replace(too_much, energy_wh=left)))
    assert name_of(credit(village, (1, 1))) == "energy_lot_exhausted"


def test_each_side_says_once_that_a_line_was_paid_and_nobody_says_it_for_another(
    settled: Village,
) -> None:
    body = EnergyPaid(OP, MONTH, digest("line"), digest("reference"), "paid")
    meddler = replace(body, word="received", reference=digest("nothing came"))
    ok(settled.member(2, meddler))
    ok(settled.member(0, body))
    assert name_of(settled.member(0, body)) == "energy_word_given"
    assert name_of(settled.member(0, meddler)) == "energy_word_given"
    data = settled.town.result_data(ok(settled.member(1, replace(body, word="received"))))
    seller = settled.members[1].kid
    said = {name: data[name] for name in ("account", "word", "reference")}
    assert said == {"account": seller, "word": "received", "reference": body.reference}
    assert name_of(settled.member(0, replace(body, month="2026-09"))) == "energy_statement_stale"
    stranger = settled.open_member("stranger")
    assert name_of(settled.member(stranger, body)) == "energy_not_member"
