"""What a copied phone can cost: at most max(0, m * min(c, A) - A), whatever it does and whoever claims first."""

from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain.town.context import Accepted
from chain.town.loyalty.offline.till import Memory, Policy, Taken, take_payment
from tests.town.loyalty.kit import CHAIN_ID, START_S, open_town
from tests.town.loyalty.offline.kit import ISSUER, claim, close, open_purse, pay, switch_on

SHOPS = tuple(f"shop{n}" for n in range(5))
NONCE = bytes(16)

attempts = st.lists(
    st.tuples(st.integers(0, len(SHOPS) - 1), st.integers(1, 3), st.integers(1, 12)),
    max_size=24,
)
"""A clone shows `points` under a counter of its choice at a shop of its choice, again and again."""


def compute_bound(shops: int, cap: int, allowed: int) -> int:
    """Points that shops may lose to one copied allowance."""
    return max(0, shops * min(cap, allowed) - allowed)


def play(shops: int, cap: int, allowed: int, shown, order) -> tuple[int, int, int]:
    """Tills judge what a cheating phone shows, their shops claim in some order; (taken, paid, lost) points."""
    town, tills = open_town(*SHOPS[:shops])
    ada = town.open_phone("ada")
    town.earn(SHOPS[0], tills[SHOPS[0]], ada.account, allowed * 100)
    switch_on(town, points=allowed, per_tx=max(cap, allowed), per_shop=cap)
    purse = open_purse(town, ada, allowed)
    memories = dict.fromkeys(SHOPS[:shops], Memory())
    kept = []
    for index, counter, points in shown:
        shop = SHOPS[index % shops]
        policy = Policy(CHAIN_ID, shop, "town", ISSUER.public_key.raw, allowed, cap)
        text = pay(purse, ada, points, shop=shop, counter=counter * 100 + len(kept) % 2)
        outcome = take_payment(
            policy, memories[shop], text, points=points, nonce=NONCE, now_s=START_S
        )
        memories[shop] = outcome.memory
        if isinstance(outcome, Taken):
            kept.append((shop, text, points))
    for index in sorted(range(len(kept)), key=lambda i: order[i % len(order)]):
        shop, text, _ = kept[index]
        assert isinstance(claim(town, tills[shop], text, shop=shop), Accepted)
    note = close(town)
    taken: defaultdict[str, int] = defaultdict(int)
    for shop, _, points in kept:
        taken[shop] += points
    paid = {line["shop"]: line["points"] for line in note["paid"]}
    for shop, points in taken.items():
        assert paid[shop] <= points
    assert note["unfunded"] == sum(taken.values()) - sum(paid.values())
    return sum(taken.values()), sum(paid.values()), note["unfunded"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    shops=st.integers(1, len(SHOPS)),
    cap=st.integers(1, 30),
    allowed=st.integers(1, 30),
    shown=attempts,
    order=st.lists(st.integers(0, 1_000), min_size=1, max_size=24),
)
def test_no_copied_phone_costs_shops_more_than_the_bound(shops, cap, allowed, shown, order) -> None:
    taken, paid, lost = play(shops, cap, allowed, shown, order)
    assert paid == min(taken, allowed)  # I18: never more than was locked, never less than can be
    assert lost <= compute_bound(shops, cap, allowed)


@pytest.mark.parametrize(
    ("shops", "cap", "allowed"), [(3, 10, 20), (5, 10, 20), (2, 10, 20), (5, 30, 20), (1, 30, 20)]
)
def test_the_bound_is_reached_by_a_phone_that_empties_every_shop(shops, cap, allowed) -> None:
    """Not a loose bound: m clones at m shops, each to its cap."""
    shown = [(shop, 1, min(cap, allowed)) for shop in range(shops)]
    _, _, lost = play(shops, cap, allowed, shown, [0])
    assert lost == compute_bound(shops, cap, allowed)


def test_the_bound_is_the_one_of_the_design() -> None:
    """A = 20, c = 10: three shops lose 10, ten shops 80 (research page, §0.8)."""
    assert (compute_bound(3, 10, 20), compute_bound(10, 10, 20)) == (10, 80)
    assert compute_bound(2, 10, 20) == 0


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(shown=attempts, one=st.permutations(range(24)), other=st.permutations(range(24)))
def test_no_order_of_claims_pays_anybody_more(shown, one, other) -> None:
    assert play(4, 9, 20, shown, one) == play(4, 9, 20, shown, other)
