"""The reference till and phone, which need nobody while they are alone."""

from dataclasses import replace

import pytest

from chain.codec.bf1_offline import parse_offline
from chain.codec.canonical import b64url_decode
from chain.town.context import Refused
from chain.town.loyalty.offline.till import Memory, Policy, Taken, Turned, take_payment
from tests.town.loyalty.kit import CHAIN_ID, START_S, make_key, open_town
from tests.town.loyalty.offline.kit import (
    ISSUER,
    LIFE_S,
    open_purse,
    pay,
    switch_on,
)
from tests.town.loyalty.offline.test_claims import BAD, resigned

NONCE = b"n" * 16
POLICY = Policy(CHAIN_ID, "baker", "town", ISSUER.public_key.raw, 20, 10)


@pytest.fixture
def alone():
    """(town, ada, her purse): both sides have fetched what they need, and now neither has a network."""
    town, tills = open_town("baker", "florist")
    ada = town.open_phone("ada")
    town.earn("baker", tills["baker"], ada.account, 3_000)
    switch_on(town)
    return town, ada, open_purse(town, ada)


def take(text, *, memory=Memory(), points=5, policy=POLICY, now_s=START_S, nonce=NONCE):  # noqa: B008  # frozen
    return take_payment(policy, memory, text, points=points, nonce=nonce, now_s=now_s)


def code_of(outcome) -> str:
    return outcome.refused.code.name if isinstance(outcome, Turned) else "ok"


def test_a_phone_pays_and_a_till_takes_it_without_asking_anybody(alone) -> None:
    _, ada, purse = alone
    text, after = purse.sign(ada.key, 5, shop="baker", nonce=NONCE, now_s=START_S)
    outcome = take(text)
    assert isinstance(outcome, Taken)
    assert outcome.payment.points == 5
    assert outcome.memory.payments == (outcome.payment,)
    assert (after.counter, after.signed_points) == (1, 5)


@pytest.mark.parametrize(
    ("make", "expected"),
    [(make, code) for make, code in BAD if make.__name__ not in ("from_the_future",)],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_what_the_chain_refuses_the_till_refuses_first(alone, make, expected: str) -> None:
    """The till has no record of locks: a changed allowance fails by the town's signature."""
    town, ada, purse = alone
    text = make(town, ada, purse)
    points = 11 if expected == "qr_over_max" else 5
    outcome = take(text, points=points, nonce=bytes(16))
    stolen_key = make.__name__ in ("a_longer_allowance", "an_allowance_of_nobody")
    if stolen_key:  # the town's own key signed it: only the chain knows that nothing is locked
        assert code_of(outcome) == "ok"
    elif expected == "loyalty_offline_unknown":
        assert code_of(outcome) in ("qr_bad_signature", "qr_over_max")
    else:
        assert code_of(outcome) == expected


@pytest.mark.parametrize(
    ("off_s", "code"),
    [(-30, "ok"), (-31, "qr_expired"), (120, "ok"), (121, "qr_expired"), (600, "qr_expired")],
)
def test_a_till_whose_clock_is_off_refuses_by_name(alone, off_s: int, code: str) -> None:
    _, ada, purse = alone
    text = pay(purse, ada, 5, nonce=NONCE)
    assert code_of(take(text, now_s=START_S + off_s)) == code


def test_an_allowance_that_ended_pays_nothing_even_for_a_phone_that_dates_back(alone) -> None:
    _, ada, purse = alone
    end_s = START_S + LIFE_S
    text = pay(purse, ada, 5, nonce=NONCE, now_s=end_s - 1)
    assert code_of(take(text, now_s=end_s - 1)) == "ok"
    assert code_of(take(text, now_s=end_s)) == "qr_expired"


def test_a_code_is_for_the_amount_and_the_nonce_the_till_has_just_shown(alone) -> None:
    _, ada, purse = alone
    text = pay(purse, ada, 5, nonce=NONCE)
    assert code_of(take(text, points=6)) == "qr_over_max"
    assert code_of(take(text, points=4)) == "qr_over_max"
    assert code_of(take(text, nonce=bytes(16))) == "qr_replayed"


def test_a_code_shown_twice_is_taken_once(alone) -> None:
    _, ada, purse = alone
    text = pay(purse, ada, 5, nonce=NONCE)
    first = take(text)
    again = take(text, memory=first.memory)
    assert code_of(again) == "qr_replayed"
    assert again.memory.proofs == ()


def test_a_counter_used_twice_at_one_till_is_refused_and_the_proof_is_kept(alone) -> None:
    _, ada, purse = alone
    first, second = (pay(purse, ada, points, nonce=NONCE) for points in (5, 4))
    taken = take(first)
    outcome = take(second, points=4, memory=taken.memory)
    assert code_of(outcome) == "qr_replayed"
    assert outcome.memory.proofs == ((first, second),)


def test_a_till_takes_no_more_of_one_allowance_than_its_cap(alone) -> None:
    _, ada, purse = alone
    memory = Memory()
    for counter, (points, code) in enumerate(
        ((6, "ok"), (5, "loyalty_offline_shop_cap"), (4, "ok"), (1, "loyalty_offline_shop_cap")), 1
    ):
        text = pay(purse, ada, points, counter=counter, nonce=NONCE)
        outcome = take(text, points=points, memory=memory)
        memory = outcome.memory
        assert code_of(outcome) == code
    assert sum(payment.points for payment in memory.payments) == 10
    assert memory.forget(START_S + LIFE_S - 1) == memory
    assert memory.forget(START_S + LIFE_S).payments == ()


def test_revoked_accounts_of_todays_list_and_staff_are_not_served(alone) -> None:
    _, ada, purse = alone
    listed = replace(POLICY, refused_refs=frozenset({b64url_decode(ada.account)[:16]}))
    assert code_of(take(pay(purse, ada, 5, nonce=NONCE), policy=listed)) == "qr_revoked"


def test_an_allowance_larger_than_the_town_allows_is_refused_whoever_signed_it(alone) -> None:
    """A stolen programme key makes allowances out of nothing: the till's own figure bounds each of them."""
    _, ada, purse = alone
    text = resigned(pay(purse, ada, 5, nonce=NONCE), ada, cap_total=21)
    assert code_of(take(text)) == "qr_over_max"
    other = replace(POLICY, issuer_key=make_key("next issuer").public_key.raw)
    assert code_of(take(pay(purse, ada, 5, nonce=NONCE), policy=other)) == "qr_bad_signature"


# --- the phone ---------------------------------------------------------------------------------


def test_an_honest_phone_counts_every_payment_it_signed_and_stops_in_time(alone) -> None:
    _, ada, purse = alone
    counters = []
    for _ in range(2):
        text, purse = purse.sign(ada.key, 10, shop="baker", nonce=NONCE, now_s=START_S)
        counters.append(parse_offline(text)[0].spend.ctr)
    assert counters == [1, 2]
    refused = purse.sign(ada.key, 1, shop="baker", nonce=NONCE, now_s=START_S)
    assert isinstance(refused, Refused)
    assert refused.code.name == "loyalty_offline_limit"


@pytest.mark.parametrize(
    ("points", "now_s", "code"),
    [(11, START_S, "qr_over_max"), (5, START_S + LIFE_S, "qr_expired")],
)
def test_an_honest_phone_signs_nothing_that_would_be_refused(
    alone, points: int, now_s: int, code: str
) -> None:
    _, ada, purse = alone
    refused = purse.sign(ada.key, points, shop="baker", nonce=NONCE, now_s=now_s)
    assert isinstance(refused, Refused)
    assert refused.code.name == code


def test_the_pictures_are_those_that_were_measured(alone) -> None:
    """361 characters: a version 11-M symbol (research page, §5.1)."""
    _, ada, purse = alone
    text, _ = purse.sign(ada.key, 5, shop="baker", nonce=NONCE, now_s=START_S)
    assert len(text) == 361
    assert len(purse.certificate) == 199
