"""Proofs against a phone: they stand by themselves, anybody may hand them in, and they freeze the account."""

import pytest

from chain.town.accounts import get_account, rotate_account_key, set_account_status
from chain.town.context import Accepted
from chain.town.loyalty.offline.frauds import find_fraud
from chain.town.loyalty.offline.records import FRAUDS
from chain.town.loyalty_offline_schemas import LoyaltyEquivocation
from tests.town.loyalty.kit import jwk_struct, make_key, open_town
from tests.town.loyalty.offline.kit import (
    claim,
    close,
    dump,
    lock,
    name,
    name_of,
    open_purse,
    pay,
    switch_on,
)


@pytest.fixture
def sale():
    town, tills = open_town("baker", "florist")
    ada = town.open_phone("ada")
    town.earn("baker", tills["baker"], ada.account, 3_000)
    switch_on(town)
    return town, tills, ada, open_purse(town, ada)


def accuse(town, *texts, sender="", signer=None):
    """By default a stranger with an account of another service."""
    stranger = town.open_phone(f"stranger {town.serial}", "sel")
    body = LoyaltyEquivocation(texts)
    return town.run(sender or stranger.account, body, signer or stranger.key)


def status(town, ada) -> str:
    return get_account(town.state, ada.account).status


def test_two_payments_of_one_counter_freeze_the_account_whoever_shows_them(sale) -> None:
    town, _, ada, purse = sale
    outcome = accuse(town, pay(purse, ada, 5), pay(purse, ada, 5, shop="florist"))
    assert isinstance(outcome, Accepted)
    assert outcome.data["fraud"] == "counter"
    assert status(town, ada) == "frozen"
    record = FRAUDS.get(town.state, name_of(purse).encode())
    assert record is not None
    assert (record.kind, record.at_s) == ("counter", town.time_s)


def test_payments_of_more_than_was_allowed_are_a_proof_too(sale) -> None:
    town, _, ada, purse = sale
    codes = [pay(purse, ada, 7, counter=counter) for counter in (1, 2, 3)]
    assert name(accuse(town, *codes[:2])) == "loyalty_no_fraud"
    outcome = accuse(town, *codes)
    assert isinstance(outcome, Accepted)
    assert outcome.data["fraud"] == "sum"
    assert status(town, ada) == "frozen"


@pytest.mark.parametrize(
    ("sender", "signer"), [("shop:baker", "till"), ("body:traders", "operator")]
)
def test_shops_and_bodies_may_accuse(sale, sender: str, signer: str) -> None:
    town, tills, ada, purse = sale
    key = tills["baker"] if signer == "till" else make_key(signer)
    codes = (pay(purse, ada, 5), pay(purse, ada, 4))
    assert name(accuse(town, *codes, sender=sender, signer=key)) == "ok"


def test_what_an_honest_phone_signs_proves_nothing(sale) -> None:
    town, _, ada, purse = sale
    first, second = (pay(purse, ada, 10, counter=counter) for counter in (1, 2))
    before = dump(town)
    stranger = town.open_phone("stranger", "sel")
    quiet = dump(town)
    for codes in ((first,), (first, first), (first, second), (first, second, first)):
        outcome = town.run(stranger.account, LoyaltyEquivocation(codes), stranger.key)
        assert name(outcome) == "loyalty_no_fraud"
    assert dump(town) == quiet != before
    assert status(town, ada) == "open"


def test_nobody_is_accused_with_forged_codes(sale) -> None:
    town, _, ada, purse = sale
    thief = town.open_phone("thief")
    genuine, forged = pay(purse, ada, 5), pay(purse, thief, 4)
    assert name(accuse(town, genuine, forged)) == "qr_bad_signature"
    assert name(accuse(town, genuine, ada.pay_code(town.time_s, shop=None))) == "qr_malformed"
    assert status(town, ada) == "open"


def test_codes_of_two_allowances_prove_nothing_together(sale) -> None:
    town, _, ada, purse = sale
    bob = town.open_phone("bob")
    town.earn("baker", sale[1]["baker"], bob.account, 3_000)
    other = open_purse(town, bob)
    assert name(accuse(town, pay(purse, ada, 10), pay(other, bob, 10))) == "loyalty_no_fraud"


def test_one_code_is_enough_against_what_a_shop_has_claimed(sale) -> None:
    town, tills, ada, purse = sale
    assert name(claim(town, tills["baker"], pay(purse, ada, 5))) == "ok"
    assert name(accuse(town, pay(purse, ada, 5))) == "loyalty_no_fraud"
    assert name(accuse(town, pay(purse, ada, 5, shop="florist"))) == "ok"


def test_claims_that_contradict_each_other_are_noticed_by_themselves(sale) -> None:
    """Two shops took one counter: both are paid out of the lock, and the phone is caught."""
    town, tills, ada, purse = sale
    first = claim(town, tills["baker"], pay(purse, ada, 8))
    second = claim(town, tills["florist"], pay(purse, ada, 7, shop="florist"), shop="florist")
    assert (first.data["frauds"], second.data["frauds"]) == ([], [[name_of(purse), "counter"]])
    assert status(town, ada) == "frozen"
    note = close(town)
    assert [line["points"] for line in note["paid"]] == [8, 7]
    assert note["unfunded"] == 0


def test_claims_of_more_than_was_allowed_are_noticed_by_themselves(sale) -> None:
    town, tills, ada, purse = sale
    claim(town, tills["baker"], pay(purse, ada, 10, counter=1))
    claim(town, tills["florist"], pay(purse, ada, 10, counter=2, shop="florist"), shop="florist")
    assert status(town, ada) == "open"
    grocer_till = _open_grocer(town)
    more = claim(town, grocer_till, pay(purse, ada, 1, counter=3, shop="grocer"), shop="grocer")
    assert more.data["frauds"] == [[name_of(purse), "sum"]]
    assert status(town, ada) == "frozen"


def _open_grocer(town):
    town.add_shop("grocer")
    return town.add_till("grocer", "1")


def test_a_fraud_is_on_record_once_and_a_closed_account_stays_closed(sale) -> None:
    town, _, ada, purse = sale
    codes = (pay(purse, ada, 5), pay(purse, ada, 4))
    set_account_status(town.state, get_account(town.state, ada.account), "closed")
    assert name(accuse(town, *codes)) == "ok"
    assert status(town, ada) == "closed"
    assert name(accuse(town, *codes)) == "loyalty_fraud_known"


def test_a_proof_stands_after_the_allowance_is_over(sale) -> None:
    town, _, ada, purse = sale
    codes = (pay(purse, ada, 5), pay(purse, ada, 4))
    close(town)
    outcome = accuse(town, *codes)
    assert isinstance(outcome, Accepted)
    assert outcome.data["frozen"] is True
    assert status(town, ada) == "frozen"


def test_a_phone_sold_long_ago_is_on_record_and_freezes_nobody(sale) -> None:
    """Whoever finds an old key signs what he likes of an old allowance; the holder has another key since."""
    town, _, ada, purse = sale
    codes = (pay(purse, ada, 5), pay(purse, ada, 4))
    close(town)
    move_to_a_new_phone(town, ada)
    outcome = accuse(town, *codes)
    assert isinstance(outcome, Accepted)
    assert outcome.data["frozen"] is False
    assert FRAUDS.get(town.state, name_of(purse).encode()) is not None
    assert status(town, ada) == "open"


def test_a_new_key_protects_nobody_while_the_allowance_is_open(sale) -> None:
    """Else a cheat takes a new key each day, before the shops come home."""
    town, _, ada, purse = sale
    codes = (pay(purse, ada, 5), pay(purse, ada, 4))
    move_to_a_new_phone(town, ada)
    outcome = accuse(town, *codes)
    assert isinstance(outcome, Accepted)
    assert outcome.data["frozen"] is True
    assert status(town, ada) == "frozen"


def move_to_a_new_phone(town, ada) -> None:
    account = get_account(town.state, ada.account)
    rotate_account_key(town.state, account, jwk_struct(make_key("new phone")), 9)


def test_the_desk_opens_the_account_again_and_points_were_never_lost(sale) -> None:
    town, _, ada, purse = sale
    accuse(town, pay(purse, ada, 5), pay(purse, ada, 4))
    close(town)
    assert sum(lot.left for lot in town.wallet(ada.account).lots) == 30
    set_account_status(town.state, get_account(town.state, ada.account), "open")
    assert name(lock(town, ada)) == "ok"


@pytest.mark.parametrize(
    ("payments", "kind"),
    [
        ({}, ""),
        ({(1, "a"): 10, (2, "b"): 10}, ""),
        ({(1, "a"): 10, (2, "b"): 11}, "sum"),
        ({(1, "a"): 1, (1, "b"): 1}, "counter"),
        ({(1, "a"): 20, (1, "b"): 20}, "counter"),
    ],
)
def test_what_counts_as_fraud(payments, kind: str) -> None:
    assert find_fraud(payments, allowed=20) == kind
