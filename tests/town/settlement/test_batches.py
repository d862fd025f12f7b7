"""From spends to a weekly batch, and what is said of it afterwards."""

import pytest

from chain.town import params
from chain.town.due import QUEUE
from chain.town.schemas import (
    SettlementAck,
    SettlementCorrection,
    SettlementCover,
    SettlementDispute,
    SettlementMissing,
    SettlementPaid,
    SettlementReserve,
    SettlementResolve,
)
from chain.town.settlement import closing, records
from chain.town.settlement.netting import compute_batch_root, compute_payments
from chain.town.settlement.obligations import book_spent, compute_close
from tests.town.loyalty.kit import owner_key
from tests.town.settlement.kit import (
    DAY_S,
    WEEK_S,
    batch,
    by_operator,
    by_owner,
    digest,
    leg,
    legs,
    name,
    notes,
    open_street,
    spend,
    standing,
)
from tests.town.settlement.month import generate_month

SHOPS = ("baker", "florist", "grocer")


@pytest.fixture
def street():
    """The worked example of research/loyalty-sel.md §4.3, spent and refunded within one week."""
    town, tills = open_street(*SHOPS)
    phone = town.open_phone("ada")
    for giver, taker, points in (
        ("grocer", "baker", 300),
        ("florist", "baker", 100),
        ("baker", "grocer", 250),
        ("grocer", "florist", 200),
        ("baker", "baker", 70),
    ):
        spend(town, tills, phone, giver, taker, points)
        town.next_block(seconds=60)
    return town, tills, phone


def close(town) -> None:
    town.next_block(seconds=1)
    town.next_block(seconds=WEEK_S)


def test_a_week_ends_on_monday_at_midnight() -> None:
    wednesday = 1_795_000_000  # 2026-11-18 09:06:40 UTC
    monday = compute_close(wednesday, WEEK_S)
    assert monday == 1_795_392_000  # 2026-11-23 00:00:00 UTC
    assert compute_close(monday, WEEK_S) == monday + WEEK_S


def test_spends_of_a_week_become_two_payments(street) -> None:
    town, *_ = street
    close(town)
    assert legs(town) == [("grocer", "baker", 150), ("grocer", "florist", 100)]
    closed = batch(town)
    assert (closed.legs, closed.legs_cents, closed.pairs) == (2, 250, 4)
    assert closed.gross_millicents == 850_000
    assert closed.redeemed_millicents == 920_000
    cents = {"baker": 150, "florist": 100, "grocer": -250}
    assert closed.root == compute_batch_root(1, cents, compute_payments(cents))


def test_the_journal_says_all_that_is_needed_to_follow_without_state(street) -> None:
    town, *_ = street
    close(town)
    (closed,) = notes(town, closing.CLOSE_KIND)
    assert closed["positions"] == [
        ["baker", 150_000, 150],
        ["florist", 100_000, 100],
        ["grocer", -250_000, -250],
    ]
    assert closed["from_height"] == 2  # this kit does a block's due work under the next height
    assert closed["to_height"] == town.height
    (written,) = notes(town, closing.WRITE_KIND)
    assert written["legs"] == [["grocer", "baker", 150], ["grocer", "florist", 100]]


def test_nobody_owes_anything_for_points_spent_where_they_were_given() -> None:
    town, tills = open_street("baker")
    spend(town, tills, town.open_phone("ada"), "baker", "baker", 40)
    close(town)
    assert legs(town) == []
    assert batch(town).redeemed_millicents == 40_000


def test_an_idle_week_makes_no_batch(street) -> None:
    town, *_ = street
    close(town)
    close(town)
    close(town)
    assert records.BATCHES.get(town.state, records.epoch_id(2)) is None
    assert records.EPOCHS.get(town.state, records.CURRENT) == records.EpochRecord(2)


def test_a_refund_in_the_same_week_takes_the_debt_back() -> None:
    town, tills = open_street("baker", "grocer")
    ref = spend(town, tills, town.open_phone("ada"), "grocer", "baker", 300)
    assert name(town.reverse("baker", tills["baker"], ref, 120)) == "ok"
    close(town)
    assert legs(town) == [("grocer", "baker", 180)]
    assert batch(town).gross_millicents == 180_000


def test_a_refund_after_the_close_turns_the_debt_round_in_the_next_week() -> None:
    town, tills = open_street("baker", "grocer")
    ref = spend(town, tills, town.open_phone("ada"), "grocer", "baker", 300)
    close(town)
    assert by_owner_refund(town, "baker", ref, 300) == "ok"
    close(town)
    assert legs(town, 1) == [("grocer", "baker", 300)]
    assert legs(town, 2) == [("baker", "grocer", 300)]


def by_owner_refund(town, shop: str, ref: str, points: int) -> str:
    return name(town.reverse(shop, owner_key(shop), ref, points))


def test_less_than_a_cent_is_carried_to_the_next_batch() -> None:
    town, _ = open_street("baker", "grocer")
    for _ in range(2):
        book_spent(town.state, issuer="grocer", redeemer="baker", millicents=600)
        town.next_block(seconds=60)
        close(town)
    assert legs(town, 1) + legs(town, 2) in (
        [("grocer", "baker", 1)],  # 600 rounds up to a cent once, the rest waits for the next batch
        [("grocer", "baker", 1), ("grocer", "baker", 1)],
    )
    carried = {rid.decode(): c.millicents for rid, c in records.CARRIES.scan(town.state)}
    paid = 1_000 * sum(cents for _, _, cents in legs(town, 1) + legs(town, 2))
    assert carried.get("baker", 0) == 1_200 - paid
    assert sum(carried.values()) == 0


def test_a_large_batch_is_written_in_bounded_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "SETTLEMENT_LEGS_PER_STEP", 10)
    town, _ = open_street("baker")
    for spent in generate_month(redemptions=500):
        value = spent.points * 1_000
        book_spent(town.state, issuer=spent.issuer, redeemer=spent.redeemer, millicents=value)
    town.next_block(seconds=60)
    close(town)
    total = batch(town).legs
    assert batch(town).written == len(legs(town)) == 10 < total
    for _ in range(10):
        town.next_block(seconds=1)
    assert batch(town).written == len(legs(town)) == total
    cents = {
        rid.decode().partition("/")[2]: p.cents
        for rid, p in records.POSITIONS.scan(town.state, *records.epoch_range(1))
    }
    assert [(p.payer, p.payee, p.cents) for p in compute_payments(cents)] == legs(town)


def test_a_generated_month_settles_in_at_most_79_payments() -> None:
    """80 shops, 11 000 redemptions: sum of positions zero, compression at least nine tenths."""
    town, _ = open_street("baker")
    params.put_param(town.state, params.SETTLEMENT_PERIOD_S, 31 * DAY_S)
    for spent in generate_month():
        value = spent.points * 1_000
        book_spent(town.state, issuer=spent.issuer, redeemer=spent.redeemer, millicents=value)
    town.next_block(seconds=60)
    town.next_block(seconds=31 * DAY_S)
    closed = batch(town)
    (note,) = notes(town, closing.CLOSE_KIND)
    assert sum(net for _, net, _ in note["positions"]) == 0
    assert sum(cents for *_, cents in note["positions"]) == 0
    assert closed.shops == 80
    assert closed.legs == len(legs(town)) <= 79
    assert closed.legs_cents * 1_000 * 10 <= closed.gross_millicents


# --- marks ---------------------------------------------------------------------------------


def test_a_leg_is_settled_by_the_payees_word_and_each_side_speaks_once(street) -> None:
    town, *_ = street
    close(town)
    assert by_owner(town, "grocer", SettlementPaid(1, 0, digest("sent"))) == "ok"
    assert by_owner(town, "grocer", SettlementPaid(1, 0, digest("again"))) == (
        "settlement_already_said"
    )
    assert by_owner(town, "florist", SettlementPaid(1, 0, digest("x"))) == "settlement_not_party"
    assert by_owner(town, "baker", SettlementPaid(1, 0, digest("came"))) == "ok"
    assert (leg(town, 0).paid, leg(town, 0).received) == (digest("sent"), digest("came"))
    assert by_owner(town, "baker", SettlementPaid(1, 9, digest("x"))) == "settlement_unknown_leg"


def test_an_unpaid_leg_stops_gifts_not_redemptions_until_the_payee_has_its_money(street) -> None:
    town, tills, phone = street
    close(town)
    assert by_owner(town, "grocer", SettlementPaid(1, 1, digest("florist"))) == "ok"
    town.next_block(seconds=14 * DAY_S - 1)
    assert standing(town, "grocer").overdue == 0
    town.next_block(seconds=1)
    assert standing(town, "grocer").overdue == 1  # leg 1 was marked as paid and nobody objected
    assert notes(town, closing.OVERDUE_KIND)[0]["legs"] == [[0, "grocer", "baker", 150]]
    tills["grocer"] = town.add_till("grocer", "new")
    refused = town.earn("grocer", tills["grocer"], phone.account, 5_000)
    assert name(refused) == "settlement_shop_suspended"
    tills["baker"] = town.add_till("baker", "new")
    spend(town, tills, phone, "baker", "grocer", 5)
    assert by_owner(town, "baker", SettlementPaid(1, 0, digest("late"))) == "ok"
    assert standing(town, "grocer").overdue == 0
    assert name(town.earn("grocer", tills["grocer"], phone.account, 5_000)) == "ok"


def test_money_that_did_not_come_makes_a_leg_overdue_although_its_payer_marked_it(street) -> None:
    town, *_ = street
    close(town)
    missing = SettlementMissing(1, 0)
    assert by_owner(town, "baker", missing) == "settlement_too_early"
    assert by_owner(town, "grocer", SettlementPaid(1, 0, digest("sent"))) == "ok"
    assert by_owner(town, "grocer", SettlementPaid(1, 1, digest("sent"))) == "ok"
    assert by_owner(town, "grocer", missing) == "settlement_not_party"
    assert by_owner(town, "baker", missing) == "ok"
    town.next_block(seconds=14 * DAY_S)
    assert standing(town, "grocer").overdue == 1
    assert by_owner(town, "florist", SettlementMissing(1, 1)) == "ok"
    assert standing(town, "grocer").overdue == 2
    assert by_owner(town, "baker", missing) == "settlement_already_said"


def test_the_reserve_covers_an_overdue_leg_and_the_payer_then_owes_the_association(street) -> None:
    town, *_ = street
    assert by_operator(town, SettlementReserve("grocer", 10_000, digest("bank"))) == "ok"
    close(town)
    cover = SettlementCover(1, 0, digest("from the reserve"))
    assert by_operator(town, cover) == "settlement_too_early"
    town.next_block(seconds=14 * DAY_S)
    assert by_operator(town, cover) == "ok"
    assert by_operator(town, cover) == "settlement_already_said"
    assert standing(town, "grocer").used_millicents == 150_000
    assert by_owner(town, "baker", SettlementPaid(1, 0, digest("x"))) == "settlement_not_party"
    assert by_owner(town, "grocer", SettlementPaid(1, 0, digest("repaid"))) == "ok"
    assert standing(town, "grocer").overdue == 2
    assert by_operator(town, SettlementPaid(1, 0, digest("repaid, seen"))) == "ok"
    assert standing(town, "grocer").overdue == 1  # the florist's leg is still open


# --- disputes ------------------------------------------------------------------------------


def test_a_shop_may_dispute_for_72_hours_unless_it_agreed(street) -> None:
    town, *_ = street
    close(town)
    dispute = SettlementDispute(1, digest("why"))
    assert by_owner(town, "baker", SettlementAck(1)) == "ok"
    assert by_owner(town, "baker", dispute) == "settlement_already_said"
    assert by_owner(town, "grocer", SettlementDispute(2, digest("x"))) == "settlement_unknown_batch"
    town.next_block(seconds=72 * 3_600 - 1)
    assert by_owner(town, "grocer", dispute) == "ok"
    town.next_block(seconds=1)
    assert by_owner(town, "florist", dispute) == "settlement_window_closed"


def test_an_upheld_dispute_is_put_right_in_the_open_epoch_and_never_beyond_what_was_counted(
    street,
) -> None:
    town, *_ = street
    close(town)
    before = batch(town)
    assert by_owner(town, "grocer", SettlementDispute(1, digest("why"))) == "ok"
    too_much = SettlementCorrection("grocer", "baker", 300_001)
    strangers = SettlementCorrection("florist", "baker", 1)
    fair = SettlementCorrection("grocer", "baker", 200_000)
    for corrections, expected in (
        ((too_much,), "settlement_correction_exceeds"),
        ((fair, fair), "settlement_correction_exceeds"),
        ((strangers,), "settlement_not_party"),
        ((), "tx_body_invalid"),
        ((fair,), "ok"),
        ((fair,), "settlement_no_dispute"),
    ):
        assert by_operator(town, SettlementResolve(1, "grocer", "upheld", corrections)) == expected
    town.next_block(seconds=60)
    close(town)
    assert batch(town, 1) == before
    assert legs(town, 2) == [("baker", "grocer", 200)]


def test_an_open_dispute_stops_the_clock_for_the_payer_until_it_is_decided(street) -> None:
    town, *_ = street
    close(town)
    assert by_owner(town, "grocer", SettlementDispute(1, digest("why"))) == "ok"
    town.next_block(seconds=20 * DAY_S)
    assert standing(town, "grocer").overdue == 0
    assert by_operator(town, SettlementResolve(1, "grocer", "rejected", ())) == "ok"
    town.next_block(seconds=1)
    assert standing(town, "grocer").overdue == 2


def test_no_leg_is_overdue_while_it_may_still_be_disputed(street) -> None:
    """Both figures are within what a production town may choose, the window longer than the time to pay."""
    town, *_ = street
    for figure, days in ((params.SETTLEMENT_DISPUTE_S, 14), (params.SETTLEMENT_PAY_S, 7)):
        assert figure.is_safe(days * DAY_S)
        params.put_param(town.state, figure, days * DAY_S)
    close(town)
    town.next_block(seconds=14 * DAY_S - 1)
    assert standing(town, "grocer").overdue == 0
    assert by_owner(town, "grocer", SettlementDispute(1, digest("why"))) == "ok"
    town.next_block(seconds=1)
    assert standing(town, "grocer").overdue == 0
    assert by_operator(town, SettlementResolve(1, "grocer", "rejected", ())) == "ok"
    town.next_block(seconds=1)
    assert standing(town, "grocer").overdue == 2


# --- afterwards ----------------------------------------------------------------------------


def test_pairs_and_positions_are_dropped_after_their_time_and_the_batch_stays(
    street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "SETTLEMENT_DROPPED_PER_STEP", 3)
    town, *_ = street
    close(town)
    town.next_block(seconds=14 * DAY_S + closing.SETTLEMENT_KEPT_S)
    for _ in range(4):
        town.next_block(seconds=1)
    assert not list(records.DEBTS.scan(town.state, *records.epoch_range(1)))
    assert not list(records.POSITIONS.scan(town.state, *records.epoch_range(1)))
    assert batch(town).legs == len(legs(town)) == 2
    waiting = [item.kind for _, item in QUEUE.scan(town.state)]
    assert not [kind for kind in waiting if kind.startswith("settlement.")]
