"""Purchases a till wrote down without a network: they count once, in time, and only while the till was trusted."""

import pytest

from chain.codec.canonical import encode_canonical
from chain.crypto.jws import sign_compact
from chain.limits import LOYALTY_OFFLINE_BATCH
from chain.town import params
from chain.town.accounts import revoke_role
from chain.town.context import Accepted, Refused
from chain.town.loyalty import records
from chain.town.loyalty.offline.till import Item, Outbox
from chain.town.loyalty_schemas import LoyaltyCampaign, LoyaltyStaff
from chain.town.settlement.records import STANDINGS, StandingRecord
from tests.town.loyalty.kit import DAY_S, OPERATOR, fill, make_key, open_town, owner_key
from tests.town.loyalty.offline.kit import dump, make_note, name, send_notes

AGE_MAX_S = 3 * DAY_S
CLOCK_S = 600


@pytest.fixture
def shop():
    town, tills = open_town("baker", "florist")
    return town, tills["baker"], town.open_phone("ada").account


def points_of(town, account) -> int:
    return sum(lot.left for lot in town.wallet(account).lots)


def test_a_days_purchases_come_in_together_and_each_gives_a_lot_of_its_own(shop) -> None:
    town, till, ada = shop
    bob = town.open_phone("bob").account
    notes = [
        make_note(till, account, made=town.time_s - age, cents=cents, receipt=f"{age}")
        for account, age, cents in ((ada, 7_200, 1_250), (bob, 3_600, 800), (ada, 60, 300))
    ]
    outcome = send_notes(town, till, *notes)
    assert isinstance(outcome, Accepted), outcome
    earned = outcome.data["earned"]
    assert [(line["index"], line["points"]) for line in earned] == [(0, 12), (1, 8), (2, 3)]
    assert outcome.data["refused"] == []
    assert (points_of(town, ada), points_of(town, bob)) == (15, 8)
    for line in earned:
        record = records.EARNS.get(town.state, line["ref"].encode())
        assert record is not None
        assert (record.shop, record.till) == ("baker", till.kid)
    assert len({line["ref"] for line in earned}) == 3
    reversed_ = town.reverse("baker", owner_key("baker"), earned[0]["ref"], 12)
    assert name(reversed_) == "ok"
    assert points_of(town, ada) == 3


def test_one_receipt_gives_points_once_however_it_comes_in(shop) -> None:
    """Twice in one batch, in two batches, online before, online after."""
    town, till, ada = shop
    note = make_note(till, ada, made=town.time_s)
    outcome = send_notes(town, till, note, note)
    assert isinstance(outcome, Accepted)
    ref = outcome.data["earned"][0]["ref"]
    assert outcome.data["refused"] == [[1, "loyalty_receipt_used", ref]]
    before = dump(town)
    assert name(send_notes(town, till, note)) == "loyalty_receipt_used"
    online = town.earn("baker", till, ada, 1_000, receipt=fill("1", 16))
    assert name(online) == "loyalty_receipt_used"
    assert dump(town) == before
    town.earn("baker", till, ada, 1_000, receipt=fill("2", 16))
    late = make_note(till, ada, made=town.time_s, receipt="2")
    assert name(send_notes(town, till, late)) == "loyalty_receipt_used"
    assert points_of(town, ada) == 20


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (0, "ok"),
        (-CLOCK_S, "ok"),
        (-CLOCK_S - 1, "loyalty_note_early"),
        (CLOCK_S, "ok"),
        (AGE_MAX_S, "ok"),
        (AGE_MAX_S + 1, "loyalty_note_old"),
    ],
)
def test_a_note_counts_for_three_days_and_a_clock_may_be_ten_minutes_off(
    shop, age_s: int, expected: str
) -> None:
    town, till, ada = shop
    before = dump(town)
    outcome = send_notes(town, till, make_note(till, ada, made=town.time_s - age_s))
    assert name(outcome) == expected
    assert (dump(town) == before) is (expected != "ok")


def test_a_council_may_take_no_late_earns_at_all(shop) -> None:
    town, till, ada = shop
    params.put_param(town.state, params.LOYALTY_OFFLINE_EARN_S, 0)
    assert name(send_notes(town, till, make_note(till, ada, made=town.time_s - 1))) == (
        "loyalty_note_old"
    )


def forged(town, till, ada) -> str:
    """Signed by a key that is no till's."""
    return make_note(make_key("thief"), ada, made=town.time_s)


def altered(town, till, ada) -> str:
    """Somebody else's signature under the same till's name."""
    first = make_note(till, ada, made=town.time_s)
    second = make_note(till, ada, made=town.time_s, cents=99_999)
    return ".".join((*second.split(".")[:2], first.split(".")[2]))


def of_another_town(town, till, ada) -> str:
    return make_note(till, ada, made=town.time_s, town=fill("elsewhere", 32))


def of_another_shop(town, till, ada) -> str:
    """The baker's till writes that the florist sold something."""
    return make_note(till, ada, made=town.time_s, shop="florist")


def of_another_kind(town, till, ada) -> str:
    """A till's signature under something that is no purchase."""
    return sign_compact(encode_canonical({"a": 1}), "beffroi-ticket", till).decode()


def without_fields(town, till, ada) -> str:
    return sign_compact(encode_canonical({"a": 1}), "beffroi-earn", till).decode()


def for_nobody(town, till, ada) -> str:
    return make_note(till, fill("nobody", 32), made=town.time_s)


def under_no_programme(town, till, ada) -> str:
    return make_note(till, ada, made=town.time_s, programme="other")


def of_too_little(town, till, ada) -> str:
    return make_note(till, ada, made=town.time_s, cents=99)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (forged, "loyalty_till_unknown"),
        (altered, "loyalty_note_invalid"),
        (of_another_town, "loyalty_note_invalid"),
        (of_another_shop, "loyalty_note_invalid"),
        (of_another_kind, "loyalty_note_invalid"),
        (without_fields, "loyalty_note_invalid"),
        (for_nobody, "account_unknown"),
        (under_no_programme, "loyalty_unknown_programme"),
        (of_too_little, "loyalty_nothing_earned"),
    ],
)
def test_a_bad_note_is_refused_by_name_beside_good_ones(shop, make, code: str) -> None:
    town, till, ada = shop
    bad, good = make(town, till, ada), make_note(till, ada, made=town.time_s, receipt="good")
    before = dump(town)
    assert name(send_notes(town, till, bad)) == code
    assert dump(town) == before
    outcome = send_notes(town, till, bad, good)
    assert isinstance(outcome, Accepted)
    assert [line["index"] for line in outcome.data["earned"]] == [1]
    assert [line[:2] for line in outcome.data["refused"]] == [[0, code]]
    assert points_of(town, ada) == 10


def test_a_batch_of_which_nothing_counts_is_refused_whole_and_says_each_reason(shop) -> None:
    town, till, ada = shop
    old = make_note(till, ada, made=town.time_s - 4 * DAY_S)
    early = make_note(till, ada, made=town.time_s + DAY_S)
    before = dump(town)
    outcome = send_notes(town, till, old, early)
    assert (outcome.code.name, outcome.detail) == (
        "loyalty_note_old",
        "0:loyalty_note_old 1:loyalty_note_early",
    )
    assert dump(town) == before


# --- tills that are no longer trusted ----------------------------------------------------------


def test_after_a_revocation_the_owner_alone_sends_what_was_noted_before_since(shop) -> None:
    town, till, ada = shop
    other = town.add_till("baker", "2")
    since = town.time_s - 3_600
    early = make_note(till, ada, made=since - 1, receipt="before")
    late = make_note(till, ada, made=since, receipt="after")
    assert name(town.revoke("baker", till, since)) == "ok"
    for signer in (other, owner_key("baker")):
        assert name(send_notes(town, signer, late)) == "loyalty_till_revoked"
    assert name(send_notes(town, other, early)) == "loyalty_till_revoked"
    assert name(send_notes(town, owner_key("baker"), early)) == "ok"
    assert points_of(town, ada) == 10


def test_a_till_whose_role_the_council_ended_is_revoked_like_any_other(shop) -> None:
    town, till, ada = shop
    other = town.add_till("baker", "2")
    assert not isinstance(revoke_role(town.state, till.kid, town.time_s), Refused)
    early = make_note(till, ada, made=town.time_s - 1, receipt="before")
    late = make_note(till, ada, made=town.time_s, receipt="after")
    for signer in (other, owner_key("baker")):
        assert name(send_notes(town, signer, late)) == "loyalty_till_revoked"
    assert name(send_notes(town, other, early)) == "loyalty_till_revoked"
    assert name(send_notes(town, owner_key("baker"), early)) == "ok"
    town.next_block(seconds=1)
    swept = town.revoke("baker", till, town.time_s - 3_600)
    assert isinstance(swept, Accepted)
    assert swept.data["reversed"] == []


def test_what_came_in_after_since_is_swept_whatever_its_date_says(shop) -> None:
    """A thief dates notes before the theft; so what counts is when the chain saw them."""
    town, till, ada = shop
    since = town.time_s - 60
    backdated = make_note(till, ada, made=since - DAY_S)
    assert name(send_notes(town, till, backdated)) == "ok"
    swept = town.revoke("baker", till, since)
    assert isinstance(swept, Accepted)
    assert [line["points"] for line in swept.data["reversed"]] == [10]
    assert points_of(town, ada) == 0


def test_what_the_owner_vouched_for_stays_when_the_till_is_revoked_again(shop) -> None:
    town, till, ada = shop
    since = town.time_s - 3_600
    town.earn("baker", till, ada, 500)
    assert name(town.revoke("baker", till, since)) == "ok"
    town.next_block(seconds=1)
    note = make_note(till, ada, made=since - 1)
    assert name(send_notes(town, owner_key("baker"), note)) == "ok"
    again = town.revoke("baker", till, since)
    assert isinstance(again, Accepted)
    assert again.data["reversed"] == []
    assert points_of(town, ada) == 10


def test_a_till_out_of_date_when_it_wrote_gives_nothing_but_may_be_sent_after_its_end(shop) -> None:
    town, till, ada = shop
    end = records.TILLS.get(town.state, till.kid.encode()).expires_s
    town.next_block(seconds=end - town.time_s + 3_600)
    other = town.add_till("baker", "2")
    notes = [make_note(till, ada, made=end - 1), make_note(till, ada, made=end, receipt="2")]
    outcome = send_notes(town, other, *notes)
    assert isinstance(outcome, Accepted)
    assert [line[:2] for line in outcome.data["refused"]] == [[1, "tx_key_expired"]]


def test_a_clock_that_is_ahead_does_not_end_a_till_before_its_time(shop) -> None:
    """Found by the machine: ten minutes before its end a till dates its notes behind it."""
    town, till, ada = shop
    end = records.TILLS.get(town.state, till.kid.encode()).expires_s
    town.next_block(seconds=end - town.time_s - 1)
    assert name(send_notes(town, till, make_note(till, ada, made=end + CLOCK_S - 1))) == "ok"


def test_staff_caps_and_suspensions_hold_for_late_purchases_too(shop) -> None:
    town, till, ada = shop
    small = town.add_till("baker", "small", per_tx=5, per_day=5)
    assert name(send_notes(town, till, make_note(small, ada, made=town.time_s))) == (
        "loyalty_till_cap"
    )
    STANDINGS.put(town.state, b"baker", StandingRecord(overdue=1))
    note = make_note(till, ada, made=town.time_s)
    assert name(send_notes(town, till, note)) == "settlement_shop_suspended"
    STANDINGS.put(town.state, b"baker", StandingRecord())
    town.run("shop:baker", LoyaltyStaff(ada, True), owner_key("baker"))
    assert name(send_notes(town, till, note)) == "loyalty_self_dealing"


# --- the rule of the day it was made -----------------------------------------------------------


def test_the_rule_in_force_when_the_purchase_was_made_counts(shop) -> None:
    """Customers get what the shop's window promised, whatever was published while the till was alone."""
    town, till, ada = shop
    made = town.time_s
    town.next_block(seconds=3_600)
    assert isinstance(town.add_programme("town", points=5, version=2), Accepted)
    old, new = (make_note(till, ada, made=at, receipt=f"{at}") for at in (made, town.time_s))
    outcome = send_notes(town, till, old, new)
    assert isinstance(outcome, Accepted)
    assert [(e["version"], e["points"]) for e in outcome.data["earned"]] == [(1, 10), (2, 50)]


def test_a_campaign_counts_at_the_time_of_the_purchase_and_never_beyond_its_budget(shop) -> None:
    town, till, ada = shop
    starts, ends = town.time_s, town.time_s + 3_600
    campaign = LoyaltyCampaign(
        "double", "town", "baker", 200, starts, ends, budget_points=15, status="active"
    )
    assert name(town.run(OPERATOR, campaign, make_key("operator"))) == "ok"
    made = town.time_s + 60
    town.next_block(seconds=7_200)
    notes = [make_note(till, ada, made=made, receipt=f"{n}") for n in range(2)]
    promised = make_note(till, ada, made=made, receipt="promised", points_shown=20)
    after = make_note(till, ada, made=town.time_s, receipt="after")
    outcome = send_notes(town, till, *notes, promised, after)
    assert isinstance(outcome, Accepted)
    assert [line["points"] for line in outcome.data["earned"]] == [20, 15, 10]
    assert [line[:2] for line in outcome.data["refused"]] == [[2, "loyalty_campaign_spent"]]


# --- the till's outbox -------------------------------------------------------------------------


def test_an_outbox_forgets_what_counted_keeps_what_may_count_later_and_shows_the_rest(shop) -> None:
    town, till, ada = shop
    good = make_note(till, ada, made=town.time_s, receipt="good")
    early = make_note(till, ada, made=town.time_s + DAY_S, receipt="early")
    old = make_note(till, ada, made=town.time_s - 9 * DAY_S, receipt="old")
    box = Outbox()
    for text in (good, early, old, good):
        box = box.add("note", text)
    batch = box.next_batch("note")
    assert [item.text for item in batch] == [good, early, old]
    data = send_notes(town, till, *(item.text for item in batch)).data
    counted = [line["index"] for line in data["earned"]]
    box = box.settle(batch, data["refused"], counted=counted)
    assert box.waiting == (Item("note", early),)
    assert [(line.item.text, line.code) for line in box.rejected] == [(old, "loyalty_note_old")]


def test_an_outbox_whose_answer_was_lost_ends_empty_when_it_is_sent_again(shop) -> None:
    town, till, ada = shop
    box = Outbox()
    for index in range(LOYALTY_OFFLINE_BATCH + 1):
        box = box.add("note", make_note(till, ada, made=town.time_s, receipt=f"{index}"))
    batch = box.next_batch("note")
    assert len(batch) == LOYALTY_OFFLINE_BATCH
    assert name(send_notes(town, till, *(item.text for item in batch))) == "ok"
    while box.waiting:
        batch = box.next_batch("note")
        outcome = send_notes(town, till, *(item.text for item in batch))
        if isinstance(outcome, Accepted):
            counted = [line["index"] for line in outcome.data["earned"]]
            box = box.settle(batch, outcome.data["refused"], counted=counted)
        else:
            # as results show it: cut to 200 characters
            box = box.settle_refused(batch, outcome.code.name, outcome.detail[:200])
    assert box.rejected == ()
    assert points_of(town, ada) == 10 * (LOYALTY_OFFLINE_BATCH + 1)
