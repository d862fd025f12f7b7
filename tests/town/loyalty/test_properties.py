"""What must hold of whole histories: order of strangers, replays, equal machines, one evaluator, no other asset."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.town import loyalty
from chain.town.context import Accepted, Overlay, Table
from chain.town.loyalty import records
from chain.town.loyalty_rules import (
    CampaignState,
    Purchase,
    compute_campaign_bonus,
    compute_earned,
    compute_rule_hash,
)
from chain.town.loyalty_schemas import LoyaltyCampaign, LoyaltyTransfer
from chain.town.schemas import EarnRule, ItemCount, ItemRule, Terms, TierRule
from tests.town.loyalty.kit import DAY_S, START_S, LedgerTown, open_town, owner_key

STEPS = st.sampled_from(("earn", "redeem", "reverse", "give", "wait"))


def state_of(town: LedgerTown) -> dict[tuple[str, bytes], bytes | None]:
    """Everything the ledger holds; a deletion is nothing."""
    return {(ns, rid): rec for ns, rid, rec in town.state.changes() if rec is not None}


def two_streets() -> tuple[LedgerTown, dict[str, Any]]:
    """Two shops, tills and customers that have nothing to do with each other."""
    town, tills = open_town("baker", "florist")
    town.add_programme("gift", terms=Terms(transfers="anyone"))
    phones = {shop: town.open_phone(f"customer of {shop}") for shop in tills}
    friends = {shop: town.open_phone(f"friend of {shop}") for shop in tills}
    return town, {"tills": tills, "phones": phones, "friends": friends, "refs": {}}


def do(town: LedgerTown, street: dict[str, Any], shop: str, step: str, points: int) -> None:
    """One operation of one street; its transaction is named after the street, whatever came between."""
    phone, till = street["phones"][shop], street["tills"][shop]
    serial = street.setdefault("serials", {}).setdefault(shop, 1_000 if shop == "baker" else 2_000)
    street["serials"][shop] = town.serial = serial + 1
    if step == "earn":
        done = town.earn(shop, till, phone.account, points * 100, programme="gift")
        if isinstance(done, Accepted):
            street["refs"][shop] = (town.last_ref, points)
    elif step == "redeem":
        town.redeem(shop, till, points, phone.pay_code(town.time_s, shop=shop), "gift")
    elif step == "reverse" and shop in street["refs"]:
        ref, given_points = street["refs"][shop]
        town.reverse(shop, owner_key(shop), ref, min(points, given_points))
    elif step == "give":
        body = LoyaltyTransfer(street["friends"][shop].account, "gift", points)
        town.run(phone.account, body, phone.key)


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(
    st.lists(st.tuples(STEPS, st.integers(1, 30)), max_size=8),
    st.lists(st.tuples(STEPS, st.integers(1, 30)), max_size=8),
    st.randoms(use_true_random=False),
)
def test_the_order_of_strangers_transactions_changes_nothing(baker, florist, random) -> None:
    """I14: whatever is between them, accounts and shops that share nothing end in one state."""
    ends = []
    for _ in range(3):
        town, street = two_streets()
        left = [("baker", step) for step in baker], [("florist", step) for step in florist]
        while any(left):
            shop, (step, points) = random.choice([queue for queue in left if queue]).pop(0)
            do(town, street, shop, step, points)
        ends.append(state_of(town))
    assert ends[0] == ends[1] == ends[2]


class Frozen:
    """A store as another machine has it: bytes only, none of this process's decoded records."""

    def __init__(self, rows: dict[tuple[str, bytes], bytes | None]) -> None:
        self._rows = rows

    def get(self, namespace: str, record_id: bytes) -> bytes | None:
        return self._rows.get((namespace, record_id))

    def scan(
        self, namespace: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        rows = sorted(
            (rid, rec)
            for (ns, rid), rec in self._rows.items()
            if ns == namespace and rid >= start and (stop is None or rid < stop)
        )
        return iter(rows)


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from(("baker", "florist")), STEPS, st.integers(1, 30)), max_size=14
    ),
    st.integers(0, 14),
)
def test_a_machine_that_starts_from_a_snapshot_ends_like_one_that_lived_through(steps, cut) -> None:
    """I19 for the ledger: equal bytes after equal transactions, restored on the way or not."""
    lived, street = two_streets()
    joined, other = two_streets()
    frozen: dict[tuple[str, bytes], bytes | None] = {}
    for number, (shop, step, points) in enumerate(steps):
        if number == cut:
            for value in vars(records).values():
                if isinstance(value, Table):
                    value._decoded.clear()
            frozen = state_of(joined)
            joined.state = Overlay(Frozen(frozen))
        for town, side in ((lived, street), (joined, other)):
            if step == "wait":
                town.next_block(seconds=points * DAY_S)
            else:
                do(town, side, shop, step, points)
    names = {*state_of(lived), *state_of(joined), *frozen}
    assert {name: lived.state.get(*name) for name in names} == {
        name: joined.state.get(*name) for name in names
    }


def test_a_refused_operation_changes_nothing() -> None:
    """I5, I6: a rule that refuses has written nothing that stays."""
    town, street = two_streets()
    do(town, street, "baker", "earn", 20)
    before = state_of(town)
    for step, points in (("redeem", 21), ("give", 21), ("reverse", 0)):
        do(town, street, "baker", step, points)
    assert state_of(town) == before


def test_no_operation_of_points_names_another_asset() -> None:
    """I24: a ledger rule writes in its own namespaces (the kit looks), and its entries are points of shops."""
    assert loyalty.NAMESPACES == ("loyalty",)
    town, street = two_streets()
    tills, phone = street["tills"], street["phones"]["baker"]
    town.earn("baker", tills["baker"], phone.account, 1_000)
    code = phone.pay_code(town.time_s, shop="baker", asset=records.POINT_ASSET + 1)
    refused = town.redeem("baker", tills["baker"], 1, code)
    assert refused.code.name == "qr_malformed"


# --- the evaluator -------------------------------------------------------------------------

campaigns = st.builds(
    LoyaltyCampaign,
    campaign=st.sampled_from(("a-one", "b-two", "c-three")),
    programme=st.just("town"),
    shop=st.sampled_from(("", "baker", "florist")),
    multiplier_percent=st.integers(101, 500),
    starts=st.just(START_S - DAY_S),
    ends=st.sampled_from((START_S, START_S + DAY_S)),
    budget_points=st.integers(0, 500),
    status=st.sampled_from(("active", "ended")),
    account_max_points=st.integers(0, 100),
    weekdays=st.integers(1, 127),
)
rules = st.builds(
    EarnRule,
    points=st.integers(0, 5),
    per_cents=st.integers(1, 300),
    min_purchase_cents=st.integers(0, 500),
    visit_points=st.integers(0, 9),
    items=st.lists(
        st.builds(
            ItemRule,
            item=st.sampled_from(("bread", "cake")),
            points=st.integers(1, 9),
            count_max=st.integers(1, 4),
        ),
        max_size=1,
    ).map(tuple),
    tiers=st.just((TierRule("silver", 10, 5), TierRule("gold", 100, 50))),
    tier_days=st.just(30),
)
purchases = st.builds(
    Purchase,
    cents=st.integers(1, 10_000),
    shop=st.sampled_from(("baker", "florist")),
    time_s=st.just(START_S),
    items=st.lists(
        st.builds(ItemCount, item=st.sampled_from(("bread", "cake")), count=st.integers(1, 5)),
        max_size=4,
    ),
    is_first_visit=st.booleans(),
    tier_points=st.integers(0, 200),
)


@settings(max_examples=300, deadline=None, database=None)
@given(rules, purchases, st.lists(campaigns, max_size=4, unique_by=lambda c: c.campaign), st.data())
def test_an_evaluation_is_whole_never_negative_and_within_every_budget(
    rule, purchase, terms, data
) -> None:
    """I16: what a campaign adds is at most what is left of it, in all and for the account."""
    states = [
        CampaignState(
            one,
            data.draw(st.integers(0, one.budget_points)),
            data.draw(st.integers(0, one.account_max_points)),
        )
        for one in terms
    ]
    earned = compute_earned(rule, purchase, states)
    shuffled = compute_earned(rule, purchase, data.draw(st.permutations(states)))
    assert earned == shuffled
    assert min(earned.base, earned.tier_bonus, earned.campaign_bonus) >= 0
    if purchase.cents < rule.min_purchase_cents:
        assert earned.points == 0
    for state in states:
        bonus, _ = compute_campaign_bonus(state, earned.base)
        assert state.given + bonus <= max(state.terms.budget_points, state.given)
        if state.terms.campaign == earned.campaign:
            assert earned.campaign_bonus == bonus
            assert state.given + earned.campaign_bonus <= state.terms.budget_points
            if state.terms.account_max_points:
                given_now = state.given_to_account + earned.campaign_bonus
                assert given_now <= state.terms.account_max_points


@given(rules, purchases, st.integers(1, 5_000))
def test_a_larger_purchase_never_earns_less(rule, purchase, more) -> None:
    larger = Purchase(
        purchase.cents + more,
        purchase.shop,
        purchase.time_s,
        purchase.items,
        purchase.is_first_visit,
        purchase.tier_points,
    )
    assert compute_earned(rule, larger).points >= compute_earned(rule, purchase).points


def test_a_rule_of_an_older_release_keeps_its_hash() -> None:
    """The rule on record before events, tiers and terms existed; SHA-256 of its canonical JSON."""
    rule = EarnRule(1, 100, 0)
    assert compute_rule_hash(rule, 365) == compute_rule_hash(rule, 365, Terms())
    assert compute_rule_hash(rule, 365) == "WUn8ePq25JjZ0WfaxRCSrJT2syTAh64YikULrCr7jpk"


@pytest.mark.parametrize(("weekday_mask", "expected"), [(1 << day, day == 2) for day in range(7)])
def test_the_weekday_is_the_one_of_the_calendar(weekday_mask, expected) -> None:
    """18 November 2026 at 11:06:40 UTC is a Wednesday."""
    terms = LoyaltyCampaign("x-mas", "town", "", 200, 0, 2**31, 10, "active", weekdays=weekday_mask)
    purchase = Purchase(cents=100, shop="baker", time_s=START_S)
    earned = compute_earned(EarnRule(1, 100, 0), purchase, [CampaignState(terms, 0)])
    assert (earned.campaign_bonus == 1) is expected
