"""Each planted bug is caught by the ledger machine: the five public failures of loyalty engines among them.

A mutant replaces one function or table of the rules for the length of one run; settings are small and
derandomised, so that a mutant that survives does so on every machine.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec.structs import replace

from chain.town.loyalty import books, earning, expiry, paycode, reversing, spending, tills, wallet
from tests.town.loyalty.machine import LedgerMachine

SMALL = settings(
    max_examples=150,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # finding it is enough; shrinking is for people
    suppress_health_check=list(HealthCheck),
)

Plant = Callable[[pytest.MonkeyPatch], None]
MUTANTS: dict[str, Plant] = {}


def mutant(plant: Plant) -> Plant:
    MUTANTS[plant.__name__] = plant
    return plant


def no_op(*_: Any, **__: Any) -> None:
    """Forget to do it."""


def forgetful(table: Any) -> SimpleNamespace:
    """A table that reads but never writes."""
    return SimpleNamespace(get=table.get, put=no_op)


# --- spending ------------------------------------------------------------------------------


@mutant
def a_code_is_accepted_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(spending, "WINDOWS", forgetful(spending.WINDOWS))


@mutant
def the_counter_window_forgets_what_lies_below_the_highest(patch: pytest.MonkeyPatch) -> None:
    def use(window: Any, counter: int) -> Any:
        if window is not None and counter == window.highest:
            return None
        return paycode.WindowRecord(counter, "0000000000000001")

    patch.setattr(paycode, "use_counter", use)


@mutant
def expired_lots_are_spent(patch: pytest.MonkeyPatch) -> None:
    def take(purse: Any, points: int, is_eligible: Any) -> Any:
        return wallet.take(purse, points, lambda lot: is_eligible(replace(lot, expires_s=2**40)))

    patch.setattr(spending, "take", take)


@mutant
def lots_that_expire_last_are_spent_first(patch: pytest.MonkeyPatch) -> None:
    def take(purse: Any, points: int, is_eligible: Any) -> Any:
        backwards = replace(purse, lots=purse.lots[::-1])
        left, legs, missing = wallet.take(backwards, points, is_eligible)
        return replace(left, lots=left.lots[::-1]), legs, missing

    patch.setattr(spending, "take", take)


@mutant
def points_of_another_programme_are_spent(patch: pytest.MonkeyPatch) -> None:
    def take(purse: Any, points: int, _: Any) -> Any:
        return wallet.take(purse, points, lambda lot: True)

    patch.setattr(spending, "take", take)


@mutant
def an_overdraw_takes_what_is_there(patch: pytest.MonkeyPatch) -> None:
    def take(*args: Any) -> Any:
        left, legs, _ = wallet.take(*args)
        return left, legs, 0

    patch.setattr(spending, "take", take)


@mutant
def the_till_is_not_charged_for_redemptions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(spending, "TILLS", forgetful(spending.TILLS))


# --- earning -------------------------------------------------------------------------------


@mutant
def a_receipt_gives_points_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(earning, "RECEIPTS", forgetful(earning.RECEIPTS))


@mutant
def a_repaid_debt_is_a_smaller_mint(patch: pytest.MonkeyPatch) -> None:
    def post(state: Any, programme: str, entries: Any) -> Any:
        repaid = sum(entry.points for entry in entries if entry.kind == "REV")
        kept = [entry for entry in entries if entry.kind != "REV"]
        smaller = [
            books.Entry(e.issuer, e.kind, e.name, e.points + repaid) if e.kind == "ISS" else e
            for e in kept
        ]
        return books.post_entries(state, programme, smaller)

    patch.setattr(earning, "post_entries", post)


@mutant
def any_shops_earn_repays_a_debt(patch: pytest.MonkeyPatch) -> None:
    def get_debt(purse: Any, *, programme: str, issuer: str) -> int:
        return sum(debt.points for debt in purse.debts)

    patch.setattr(earning, "get_debt", get_debt)


@mutant
def debts_are_never_repaid(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(earning, "get_debt", lambda *_, **__: 0)


@mutant
def the_daily_cap_counts_only_the_last_operation(patch: pytest.MonkeyPatch) -> None:
    def charge(till: Any, *, points: int, time_s: int) -> Any:
        return tills.charge_till(replace(till, day_points=0), points=points, time_s=time_s)

    patch.setattr(earning, "charge_till", charge)


# --- reversing -----------------------------------------------------------------------------


@mutant
def a_refund_goes_to_the_first_lots_taken(patch: pytest.MonkeyPatch) -> None:
    def cut(legs: Any, *, skip: int, points: int) -> Any:
        return wallet.cut_refund(legs[::-1], skip=skip, points=points)

    patch.setattr(reversing, "cut_refund", cut)


@mutant
def partial_refunds_all_start_from_the_end(patch: pytest.MonkeyPatch) -> None:
    def cut(legs: Any, *, skip: int, points: int) -> Any:
        return wallet.cut_refund(legs, skip=0, points=points)

    patch.setattr(reversing, "cut_refund", cut)


@mutant
def a_refund_may_exceed_its_spend(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reversing, "_check_reversal", no_op)


@mutant
def any_till_of_the_shop_may_undo_at_any_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reversing, "_may_reverse", lambda *_: True)


@mutant
def a_refund_after_expiry_revives_the_dead_lot(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reversing, "_grace_lot", lambda _, part, __: replace(part.lot, left=part.points))


@mutant
def a_lot_of_grace_is_owed_by_the_wrong_shop(patch: pytest.MonkeyPatch) -> None:
    made = reversing._grace_lot
    patch.setattr(reversing, "_grace_lot", lambda *args: replace(made(*args), issuer="florist"))


@mutant
def lots_of_grace_share_a_name(patch: pytest.MonkeyPatch) -> None:
    made = reversing._grace_lot
    patch.setattr(reversing, "_grace_lot", lambda ctx, part, _: made(ctx, part, 0))


@mutant
def buy_earn_return_and_keep_the_points(patch: pytest.MonkeyPatch) -> None:
    """The exploit of Odoo: what was spent meanwhile is not owed."""
    patch.setattr(reversing, "with_debt", lambda purse, **_: purse)
    patch.setattr(reversing, "add_owed", no_op)


@mutant
def a_reversed_earn_takes_other_shops_points(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        reversing,
        "_is_issuers",
        lambda earn, now_s: lambda lot: lot.expires_s > now_s and lot.programme == earn.programme,
    )


@mutant
def a_reversed_earn_asks_for_points_that_expired(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(expiry, "count_expired", no_op)


@mutant
def points_that_expired_are_forgiven_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        reversing,
        "replace",
        lambda record, **changes: replace(
            record, **{name: new for name, new in changes.items() if name != "forgiven"}
        ),
    )


# --- books, expiry, tills ------------------------------------------------------------------


@mutant
def a_shop_owes_itself(patch: pytest.MonkeyPatch) -> None:
    real = books._add_to_totals

    def add(state: Any, programme: str, issuer: str, entries: Any) -> None:
        real(state, programme, issuer, entries)
        for entry in entries:
            if entry.kind == "RED" and entry.name == issuer:
                record_id = books.joined_id(programme, issuer, issuer)
                books._add_obligation(state, record_id, entry.points)

    patch.setattr(books, "_add_to_totals", add)


@mutant
def refunds_leave_the_obligation(patch: pytest.MonkeyPatch) -> None:
    real = books._add_obligation
    patch.setattr(
        books,
        "_add_obligation",
        lambda state, record_id, points: real(state, record_id, max(points, 0)),
    )


@mutant
def lots_expire_a_day_early(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        expiry,
        "drop_expired",
        lambda purse, now_s, **how: wallet.drop_expired(purse, now_s + 86_400, **how),
    )


@mutant
def expired_points_vanish_from_the_books(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(expiry, "post_entries", lambda *_: [])


@mutant
def a_wallet_is_looked_at_once_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(expiry, "schedule_due", no_op)


@mutant
def a_revoked_till_keeps_its_gifts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tills, "_take_back_unspent", lambda *_: [])


@mutant
def a_revocation_takes_back_everything_ever_given(patch: pytest.MonkeyPatch) -> None:
    real = tills._sweep
    patch.setattr(
        tills,
        "_sweep",
        lambda state, time_s, *, cursor, since_s: real(state, time_s, cursor=cursor, since_s=0),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_the_machine_kills(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(LedgerMachine, settings=SMALL)


@pytest.mark.slow
def test_the_rules_as_they_are_survive_the_same_runs() -> None:
    run_state_machine_as_test(LedgerMachine, settings=SMALL)
