"""Too much asked, through HTTP: a refund, a capture, a campaign's bonus, a reward out of date."""

import pytest

from app.cli.demo.client import expect
from chain.codec.canonical import b64url_encode
from chain.town.loyalty_schemas import (
    LoyaltyCampaign,
    LoyaltyCapture,
    LoyaltyHold,
    LoyaltyReward,
    LoyaltyRewardTake,
)
from chain.town.schemas import LoyaltyEarn, LoyaltyReverse
from tests.journeys.kit import PROGRAMME
from tests.town.town_kit import DAY_S, blind


@pytest.fixture
def shop(street):
    """(till, owner, Ana with 100 points)."""
    till = street.open_shop("boulangerie")
    return till, street.owner("boulangerie"), street.phone("Ana", 10_000, till)


def ref_of(sent) -> str:
    return b64url_encode(bytes.fromhex(sent["transaction"]))


def by_owner(owner, path: str, body):
    return owner.send(f"/v1/loyalty/{path}", owner.sign(body, sender="shop:boulangerie"))


def by_till(till, path: str, body):
    return till.send(f"/v1/loyalty/{path}", till.sign(body, sender=till.actor))


def test_no_more_is_refunded_than_was_spent(street, shop):
    till, owner, ana = shop
    code = ana.make_code(60, shop="boulangerie")
    ref = ref_of(expect("spend", till.redeem(code, 60)))
    assert by_owner(owner, "reversals", LoyaltyReverse(ref, 61)).code == "loyalty_reversal_exceeds"
    assert street.balance(ana) == 40
    expect("refund", by_owner(owner, "reversals", LoyaltyReverse(ref, 45)))
    assert by_owner(owner, "reversals", LoyaltyReverse(ref, 16)).code == "loyalty_reversal_exceeds"
    expect("refund", by_owner(owner, "reversals", LoyaltyReverse(ref, 15)))
    assert by_owner(owner, "reversals", LoyaltyReverse(ref, 1)).code == "loyalty_reversal_exceeds"
    assert street.balance(ana) == 100


def test_no_more_is_captured_than_is_held_and_never_twice(street, shop):
    till, _, ana = shop
    code = ana.make_code(30, shop="boulangerie")
    hold = LoyaltyHold(PROGRAMME, 30, code, street.clock() + 600)
    ref = ref_of(expect("hold", by_till(till, "holds", hold)))
    assert street.balance(ana) == 70
    path = f"holds/{ref}/capture"
    assert by_till(till, path, LoyaltyCapture(ref, 31)).code == "loyalty_capture_exceeds"
    expect("capture", by_till(till, path, LoyaltyCapture(ref, 20)))
    assert by_till(till, path, LoyaltyCapture(ref, 10)).code == "loyalty_hold_ended"
    assert street.balance(ana) == 80


def test_a_campaign_gives_no_more_than_its_budget_whatever_the_till_promised(street, shop):
    till, owner, ana = shop
    now_s = street.clock()
    terms = LoyaltyCampaign(
        "double", PROGRAMME, "boulangerie", 200, now_s - 1, now_s + DAY_S, 15, "active"
    )
    expect("campaign", by_owner(owner, "campaigns", terms))

    def promise(points: int, number: str):
        body = LoyaltyEarn(PROGRAMME, ana.account, 1_000, blind(number), points_shown=points)
        return by_till(till, "earn", body)

    expect("first", promise(20, "first"))
    assert promise(20, "second").code == "loyalty_campaign_spent"
    expect("what is left of it", promise(15, "third"))
    assert street.balance(ana) == 135


def test_a_reward_out_of_its_dates_is_not_taken_and_costs_nothing(street, shop):
    till, owner, ana = shop
    now_s = street.clock()
    terms = LoyaltyReward(
        "mug", PROGRAMME, "boulangerie", "Un mug", 20, 5, 2, now_s - DAY_S, now_s + 60, "active"
    )
    expect("reward", by_owner(owner, "rewards", terms))
    street.town.lab.now_s += 61
    street.town.clock.seconds = street.town.lab.now_s
    for client in (till, ana):
        client.login()
    code = ana.make_code(20, shop="boulangerie")
    asked = {"reward": "mug", "shop": "boulangerie", "qr": code}
    shown = till.api.post("/v1/loyalty/rewards/preview", asked, token=till.token)
    taken = by_till(till, "rewards/takings", LoyaltyRewardTake("mug", 20, code))
    assert shown.code == taken.code == "loyalty_reward_expired"
    assert street.balance(ana) == 100
