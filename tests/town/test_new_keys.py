"""A key has one use for ever, so nobody takes another's: new keys sign too, keys in waiting acts are reserved."""

import json

import pytest

from chain.codec.canonical import encode_canonical
from chain.crypto import jws
from chain.town import city
from chain.town.accounts import KidRecord, get_account, get_key_use, key_at, role_of
from chain.town.envelope import TX_TYP, encode_payload
from chain.town.schemas import (
    AccountRotate,
    ActBodyAdd,
    ActRoleGrant,
    ActValidatorSet,
    EarnRule,
    IdBatchAttest,
    LoyaltyProgramme,
    LoyaltyShop,
    LoyaltyTill,
)
from tests.town.identity.kit import attest
from tests.town.town_kit import BODIES, DAY_S, Town, jwk, key, make_town, name_of

SHOP = "shop:baker"
DELAY_S = 7 * DAY_S
OWNER, WANTED, PHONE = key("owner"), key("wanted"), key("phone")
PROGRAMME = LoyaltyProgramme("fair", 1, "active", EarnRule(1, 100, 0), 30)


@pytest.fixture
def town() -> Town:
    """Acts wait seven days; the baker's shop and one phone are there."""
    town = make_town(params={"council_delay_s": DELAY_S})
    operator = town.role("loyalty_operator")
    shop = LoyaltyShop("baker", "Au bon pain", jwk(OWNER))
    assert name_of(town.do(shop, "body:commerces", operator, OWNER)) == "ok"
    town.open_account(PHONE)
    return town


def act(town, *acts):
    return town.run(town.council_tx(*acts, seats=BODIES))[0]


def grant(town, signer=WANTED) -> ActRoleGrant:
    return ActRoleGrant("loyalty_operator", "commerces", jwk(signer), town.now_s + 30 * DAY_S)


def till_of(town, signer) -> LoyaltyTill:
    return LoyaltyTill(jwk(signer), town.now_s + DAY_S, 10, 100)


def let_the_delay_pass(town) -> None:
    town.advance(DELAY_S)
    town.idle(2)


def records(town) -> list:
    """Everything of the town but its bookkeeping of transactions."""
    return [(ns, *row) for ns in ("account", "city", "loyalty") for row in town.reader.scan(ns)]


def use_of(town, signer) -> KidRecord | None:
    return get_key_use(town.reader, signer.kid)


# --- nobody registers a key that is not theirs ---------------------------------------------


def test_a_shop_owner_cannot_kill_a_waiting_act_by_taking_its_key(town):
    """The act is public for seven days; its key, registered as a till, would make it fail on its day."""
    assert name_of(act(town, grant(town))) == "ok"
    before = records(town)
    assert name_of(town.do(till_of(town, WANTED), SHOP, OWNER)) == "tx_missing_signature"
    assert records(town) == before
    let_the_delay_pass(town)
    assert role_of(town.reader, WANTED.kid).role == "loyalty_operator"
    assert name_of(town.do(PROGRAMME, "body:commerces", WANTED)) == "ok"


def test_a_shop_owner_cannot_burn_the_key_a_citizen_is_about_to_open_an_account_with(town):
    citizen = key("citizen")
    opening = town.open_tx(citizen)  # seen by the thief before it is in a block
    before = records(town)
    assert name_of(town.do(till_of(town, citizen), SHOP, OWNER)) == "tx_missing_signature"
    assert records(town) == before
    assert name_of(town.run(opening)[0]) == "ok"


def test_an_operator_cannot_burn_a_citizens_key_as_a_shop_owners(town):
    citizen = key("citizen")
    before = records(town)
    shop = LoyaltyShop("spy", "Spy", jwk(citizen))
    result = town.do(shop, "body:commerces", town.role("loyalty_operator"))
    assert name_of(result) == "tx_missing_signature"
    assert records(town) == before
    town.open_account(citizen)


def test_a_registration_without_the_new_keys_signature_burns_no_payload(town):
    """Whoever strips the till's signature from a copy does not stop the whole one."""
    payload = encode_payload(
        town.town, SHOP, till_of(town, WANTED), nonce16=b"n" * 16, exp=town.now_s + 60
    )
    stripped = jws.sign_compact(payload, TX_TYP, OWNER)
    whole = jws.sign_general(payload, TX_TYP, [OWNER, WANTED])
    results = town.run(stripped, whole)
    assert [name_of(r) for r in results] == ["tx_missing_signature", "ok"]
    assert results[0].events == ()


def test_the_new_key_alone_registers_nothing(town):
    assert name_of(town.do(till_of(town, WANTED), SHOP, WANTED)) == "tx_not_entitled"
    assert use_of(town, WANTED) is None


def test_the_new_keys_signature_cannot_be_made_up(town):
    whole = json.loads(town.tx(till_of(town, WANTED), SHOP, OWNER, WANTED))
    first, second = whole["signatures"]
    first["signature"], second["signature"] = second["signature"], first["signature"]
    assert name_of(town.run(encode_canonical(whole))[0]) == "tx_bad_signature"
    assert use_of(town, WANTED) is None


def test_nobody_signs_beside_owner_and_till(town):
    result = town.do(till_of(town, WANTED), SHOP, OWNER, WANTED, town.role("clerk"))
    assert name_of(result) == "tx_not_entitled"
    assert use_of(town, WANTED) is None


# --- keys of waiting acts ------------------------------------------------------------------


def take_as_till(town):
    return town.do(till_of(town, WANTED), SHOP, OWNER, WANTED)


def take_as_shop_owner(town):
    shop = LoyaltyShop("florist", "Florist", jwk(WANTED))
    return town.do(shop, "body:commerces", town.role("loyalty_operator"), WANTED)


def take_as_account(town):
    return town.run(town.open_tx(WANTED))[0]


def take_by_rotation(town):
    return town.do(AccountRotate(jwk(WANTED)), PHONE.kid, PHONE, WANTED)


def take_as_identity(town):
    batch = IdBatchAttest((attest(town, "ada", key=jwk(WANTED)),))
    return town.do(batch, "body:mairie", town.role("clerk"))


def take_by_another_act(town):
    return act(town, ActBodyAdd("lycee", "Lycée", jwk(WANTED)))


def take_by_the_same_act_again(town):
    return act(town, grant(town))


def take_as_validator(town):
    return act(town, ActValidatorSet("mairie", jwk(WANTED).x, 10))


TAKERS = [
    take_as_till,
    take_as_shop_owner,
    take_as_account,
    take_by_rotation,
    take_as_identity,
    take_by_another_act,
    take_by_the_same_act_again,
]


@pytest.mark.parametrize("take", [*TAKERS, take_as_validator])
def test_a_reserved_key_is_taken_by_nobody_not_even_with_its_own_signature(town, take):
    assert name_of(act(town, grant(town))) == "ok"
    before = records(town)
    assert name_of(take(town)) == "city_key_in_use"
    assert records(town) == before
    let_the_delay_pass(town)
    assert use_of(town, WANTED) == KidRecord("role", "body:commerces")
    assert role_of(town.reader, WANTED.kid).is_live(town.now_s)


@pytest.mark.parametrize("take", TAKERS)
def test_an_act_that_names_a_key_in_use_is_refused_when_it_comes_not_on_its_day(town, take):
    assert name_of(take(town)) == "ok"
    waiting = list(city.PENDING.scan(town.reader))
    assert name_of(act(town, grant(town, key("fresh")), grant(town))) == "city_key_in_use"
    assert list(city.PENDING.scan(town.reader)) == waiting
    assert use_of(town, key("fresh")) is None


def test_a_reserved_key_signs_nothing_before_its_day_and_works_from_then_on(town):
    assert name_of(act(town, grant(town))) == "ok"
    assert use_of(town, WANTED).use == "reserved"
    assert name_of(town.do(PROGRAMME, "body:commerces", WANTED)) == "tx_unknown_key"
    town.advance(DELAY_S - 5)
    town.idle()
    assert use_of(town, WANTED).use == "reserved"
    let_the_delay_pass(town)
    assert use_of(town, WANTED) == KidRecord("role", "body:commerces")
    assert name_of(town.do(PROGRAMME, "body:commerces", WANTED)) == "ok"


def test_the_keys_of_an_act_that_fails_on_its_day_are_free_again(town):
    """Two acts add the same body; the second fails whole, and gives back both its keys."""
    assert name_of(act(town, ActBodyAdd("lycee", "Lycée", jwk(key("seat"))))) == "ok"
    late = ActBodyAdd("lycee", "Lycée bis", jwk(key("other seat")))
    assert name_of(act(town, grant(town), late)) == "ok"
    let_the_delay_pass(town)
    assert use_of(town, key("seat")) == KidRecord("seat", "lycee")
    assert (use_of(town, WANTED), use_of(town, key("other seat"))) == (None, None)
    town.open_account(WANTED)
    assert get_account(town.reader, WANTED.kid).status == "open"


def test_every_kind_of_key_in_an_act_is_reserved_and_then_live(town):
    """A validator may be named twice in a list, and a known one needs no reservation."""
    validator = key("validator")
    acts = (
        ActBodyAdd("lycee", "Lycée", jwk(key("seat"))),
        ActValidatorSet("lycee", jwk(validator).x, 9),
        ActValidatorSet("lycee", jwk(validator).x, 10),
        grant(town),
    )
    assert name_of(act(town, *acts)) == "ok"
    new = (key("seat"), validator, WANTED)
    (name,) = [pending_id.decode() for pending_id, _ in city.PENDING.scan(town.reader)]
    assert [use_of(town, signer) for signer in new] == [KidRecord("reserved", name)] * 3
    let_the_delay_pass(town)
    assert [use_of(town, signer).use for signer in new] == ["seat", "validator", "role"]
    assert name_of(act(town, ActValidatorSet("lycee", jwk(validator).x, 11))) == "ok"
    assert use_of(town, validator) == KidRecord("validator", "lycee")


def test_reservations_survive_a_restart(town):
    assert name_of(act(town, grant(town))) == "ok"
    town.restart()
    assert name_of(take_as_account(town)) == "city_key_in_use"
    let_the_delay_pass(town)
    assert use_of(town, WANTED).use == "role"


def test_a_key_held_for_part_of_a_block_does_not_pass_for_the_one_before(town):
    """Whatever the thumbprints' order: the key of all blocks before is the first that the block retired."""
    held, before = PHONE, town.height
    for number in range(4):
        middle, last = key(f"middle {number}"), key(f"last {number}")
        first = town.tx(AccountRotate(jwk(middle)), PHONE.kid, held, middle)
        second = town.tx(AccountRotate(jwk(last)), PHONE.kid, middle, last)
        assert [name_of(result) for result in town.run(first, second)] == ["ok", "ok"]
        account = get_account(town.reader, PHONE.kid)
        assert key_at(town.reader, account, before) == jwk(held)
        assert key_at(town.reader, account, town.height) == jwk(last)
        held, before = last, town.height
