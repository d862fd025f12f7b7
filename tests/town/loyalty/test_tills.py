"""Programmes, shops and tills: who may open what, and what a revoked till leaves behind."""

import pytest

from chain.limits import LOYALTY_SWEEP_EARNS
from chain.town.accounts import role_of
from chain.town.context import Accepted, Outcome, Refused
from chain.town.due import QUEUE
from chain.town.loyalty import records
from chain.town.loyalty.sweeping import SWEEP_KIND
from chain.town.schemas import LoyaltyTill
from tests.town.loyalty.kit import DAY_S, jwk_struct, make_key, open_town, owner_key


def name(outcome: Outcome) -> str:
    return outcome.code.name if isinstance(outcome, Refused) else "ok"


def test_versions_follow_one_another() -> None:
    town, _ = open_town()
    assert name(town.add_programme("town")) == "loyalty_programme_exists"
    assert name(town.add_programme("town", version=3)) == "tx_body_invalid"
    assert name(town.add_programme("town", version=2, points=2)) == "ok"
    assert name(town.add_programme("other", version=2)) == "tx_body_invalid"
    assert name(town.add_programme("other", status="closed")) == "loyalty_unknown_programme"


def test_closing_names_the_version_in_force_and_its_rule_and_is_for_good() -> None:
    town, _ = open_town()
    assert name(town.add_programme("town", status="closed", points=9)) == "tx_body_invalid"
    assert name(town.add_programme("town", status="closed", version=2)) == "tx_body_invalid"
    assert name(town.add_programme("town", status="closed")) == "ok"
    assert name(town.add_programme("town", version=2)) == "loyalty_programme_inactive"


def test_only_the_body_that_opened_a_programme_changes_it() -> None:
    town, _ = open_town()
    outcome = town.add_programme("town", version=2, operator="body:rival")
    assert name(outcome) == "tx_not_entitled"


def test_a_shop_is_registered_once_with_a_fresh_key() -> None:
    town, _ = open_town("baker")
    assert name(town.add_shop("baker")) == "loyalty_shop_exists"
    owner = role_of(town.state, owner_key("baker").kid)
    assert (owner.role, owner.body) == ("shop_owner", "shop:baker")


def test_a_key_has_one_use_in_the_town() -> None:
    town, tills = open_town("baker", "florist")
    again = LoyaltyTill(jwk_struct(tills["baker"]), town.time_s + DAY_S, 10, 10)
    signers = (owner_key("florist"), tills["baker"])
    assert name(town.run("shop:florist", again, *signers)) == "city_key_in_use"


@pytest.mark.parametrize(
    ("days", "per_tx", "per_day", "refusal"),
    [
        (30, 10, 10, "ok"),
        (31, 10, 10, "city_param_out_of_range"),
        (0, 10, 10, "city_param_out_of_range"),
        (30, 11, 10, "tx_body_invalid"),
    ],
)
def test_a_till_lives_thirty_days_with_caps_that_fit(days, per_tx, per_day, refusal) -> None:
    town, _ = open_town("baker")
    key = make_key("till")
    till = LoyaltyTill(jwk_struct(key), town.time_s + days * DAY_S, per_tx, per_day)
    assert name(town.run("shop:baker", till, owner_key("baker"), key)) == refusal


def test_a_till_of_a_shop_that_is_not_in_the_coalition_is_refused() -> None:
    town, _ = open_town("baker")
    key = make_key("till")
    till = LoyaltyTill(jwk_struct(key), town.time_s + DAY_S, 10, 10)
    outcome = town.run("shop:ghost", till, owner_key("baker"), key)
    assert name(outcome) == "loyalty_unknown_shop"


def test_revoking_a_till_takes_back_what_is_unspent_since_the_given_second() -> None:
    town, tills = open_town("baker", "florist")
    till, phone = tills["baker"], town.open_phone("ada")
    town.earn("baker", till, phone.account, 1_000)  # before: kept
    town.next_block(seconds=100)
    since = town.time_s
    town.earn("baker", till, phone.account, 2_000)
    first = town.last_ref
    town.next_block(seconds=100)
    town.earn("baker", till, phone.account, 3_000)
    town.redeem("florist", tills["florist"], 15, phone.pay_code(town.time_s, shop="florist"))
    outcome = town.revoke("baker", till, since)
    assert isinstance(outcome, Accepted)
    assert [(r["points"], r["account"]) for r in outcome.data["reversed"]] == [
        (30, phone.account),
        (15, phone.account),  # 5 of it were spent after the 10 that were given before
    ]
    assert outcome.data["reversed"][1]["ref"] == first
    assert town.wallet(phone.account).lots == ()
    assert town.wallet(phone.account).debts == ()
    record = records.TILLS.get(town.state, till.kid.encode())
    assert (record.revoked_s, record.revoked_since_s) == (town.time_s, since)


def test_a_second_revocation_may_reach_further_back() -> None:
    town, tills = open_town("baker")
    till, phone = tills["baker"], town.open_phone("ada")
    town.earn("baker", till, phone.account, 1_000)
    town.next_block(seconds=100)
    assert town.revoke("baker", till, town.time_s).data["reversed"] == []
    assert len(town.revoke("baker", till, 0).data["reversed"]) == 1
    assert town.revoke("baker", till, 0).data["reversed"] == []


def test_a_long_sweep_goes_on_at_block_end_and_is_bounded_there_too() -> None:
    town, tills = open_town("baker")
    till, phone = tills["baker"], town.open_phone("ada")
    count = 3 * LOYALTY_SWEEP_EARNS + 1
    for _ in range(count):
        town.earn("baker", till, phone.account, 100)
    outcome = town.revoke("baker", till, 0)
    assert len(outcome.data["reversed"]) == LOYALTY_SWEEP_EARNS
    assert outcome.data["unfinished"]
    done = [len(town.wallet(phone.account).lots)]
    while done[-1]:
        town.next_block(seconds=1, due_max=1)
        done.append(len(town.wallet(phone.account).lots))
    assert done == [65, 33, 1, 0]
    swept = [note for note in town.journal if note["kind"] == "loyalty.till_sweep"]
    assert sum(len(note["reversed"]) for note in swept) == count - LOYALTY_SWEEP_EARNS


def test_revoking_a_till_again_and_again_keeps_one_sweep_in_the_queue() -> None:
    town, tills = open_town("baker")
    till, phone = tills["baker"], town.open_phone("ada")
    for _ in range(3 * LOYALTY_SWEEP_EARNS):
        town.earn("baker", till, phone.account, 100)
    town.next_block(seconds=1_000)
    half = town.time_s - 500
    for _ in range(3):
        town.earn("baker", till, phone.account, 100)
    assert town.revoke("baker", till, half).data["unfinished"] is False
    for since in (7, 3, 5, half, 0):  # the first of these starts a sweep, the others do not
        assert town.revoke("baker", till, since).data["unfinished"]
    waiting = [item for _, item in QUEUE.scan(town.state) if item.kind == SWEEP_KIND]
    assert len(waiting) == 1
    while town.wallet(phone.account).lots:
        before = len(town.wallet(phone.account).lots)
        town.next_block(seconds=1)
        assert before - len(town.wallet(phone.account).lots) <= LOYALTY_SWEEP_EARNS
    assert records.TILLS.get(town.state, till.kid.encode()).revoked_since_s == 0


def test_a_sweep_takes_nothing_that_was_already_turned_into_a_debt() -> None:
    town, tills = open_town("baker")
    till, phone = tills["baker"], town.open_phone("ada")
    town.earn("baker", till, phone.account, 10_000)
    earned = town.last_ref
    town.redeem("baker", till, 100, phone.pay_code(town.time_s, shop="baker"))
    spent = town.last_ref
    town.reverse("baker", owner_key("baker"), earned, 70)  # spent already: a debt of 70
    town.reverse("baker", owner_key("baker"), spent, 100)  # all 100 points come back
    swept = town.revoke("baker", till, 0).data["reversed"]
    assert [line["points"] for line in swept] == [30]
    assert [lot.left for lot in town.wallet(phone.account).lots] == [70]
    assert [debt.points for debt in town.wallet(phone.account).debts] == [70]
    assert records.EARNS.get(town.state, earned.encode()).reversed == 100


def test_only_its_own_shop_revokes_a_till_and_not_for_the_future() -> None:
    town, tills = open_town("baker", "florist")
    assert name(town.revoke("florist", tills["baker"], 0)) == "loyalty_till_unknown"
    assert name(town.revoke("baker", tills["baker"], town.time_s + 1)) == "tx_body_invalid"
    assert name(town.revoke("baker", make_key("x"), 0)) == "loyalty_till_unknown"
