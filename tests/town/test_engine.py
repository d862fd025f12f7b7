"""Admission of transactions: who may act, once, how often, until when; and what a broken rule may cost."""

from dataclasses import replace

import pytest

from chain.codec.canonical import b64url_decode
from chain.crypto import jws
from chain.town import rolling
from chain.town.accounts import find_account_by_ref, get_account
from chain.town.context import Accepted, Refused
from chain.town.envelope import TX_TYP, encode_payload, sign_payload
from chain.town.router import town_router
from chain.town.rules import Router
from chain.town.schemas import (
    AccountOpen,
    AccountRotate,
    ActParamSet,
    CouncilActs,
    EarnRule,
    LoyaltyProgramme,
)
from chain.types import codes
from tests.town.town_kit import DAY_S, blind, jwk, key, make_town, name_of

PHONE, OTHER = key("phone"), key("other phone")
PROGRAMME = LoyaltyProgramme("bons-points", 1, "active", EarnRule(1, 100, 0), 365)


def with_rule(body_type, apply=None, **changes) -> Router:
    """The town's router with one rule changed."""
    router = town_router()
    route = router.routes[body_type.TYPE]
    if apply is not None:
        changes["apply"] = apply
    changed = replace(route, rule=replace(route.rule, **changes))
    return replace(router, routes={**router.routes, route.name: changed})


def rotation(town, new="new", **how) -> bytes:
    return town.tx(AccountRotate(jwk(key(new))), PHONE.kid, PHONE, key(new), **how)


def town_with_phone(**how):
    town = make_town(**how)
    town.open_account(PHONE)
    return town


def side(town, namespace) -> list:
    return list(town.reader.scan(namespace))


# --- replay, expiry ---


def test_a_transaction_counts_once():
    town = town_with_phone()
    tx = rotation(town)
    assert [name_of(r) for r in town.run(tx, tx)] == ["ok", "tx_replayed"]
    assert name_of(town.run(tx)[0]) == "tx_replayed"
    assert name_of(town.check(tx)) == "tx_replayed"


def test_the_replay_record_lives_until_the_expiry_minute_is_over_and_then_goes():
    town = town_with_phone()
    tx = rotation(town, exp=town.now_s + 300)
    town.run(tx)
    town.advance(298)
    assert name_of(town.run(tx)[0]) == "tx_replayed"
    town.advance(70)
    assert name_of(town.run(tx)[0]) == "tx_expired"
    town.advance(700)
    town.run(b"anything: a block with a transaction sweeps")
    assert side(town, "~replay") == []
    assert list(rolling.REPLAYS.scan(town.reader)) == []
    assert list(rolling.QUOTAS.scan(town.reader)) == []


def test_one_leaf_per_expiry_minute_whatever_the_number_of_entries():
    town = make_town()
    phones = [key(f"phone {n}") for n in range(5)]
    town.run(*[town.open_tx(phone) for phone in phones])
    ((minute, leaf),) = rolling.REPLAYS.scan(town.reader)
    assert leaf.count == 5
    assert len(side(town, "~replay")) == 5
    assert {rid[:8] for rid, _ in side(town, "~replay")} == {minute}


@pytest.mark.parametrize(
    ("ahead_s", "code"),
    [
        (0, "tx_expired"),
        (-1, "tx_expired"),
        (1, "ok"),
        (DAY_S, "ok"),
        (DAY_S + 1, "tx_expiry_too_far"),
    ],
)
def test_expiry_is_judged_by_header_time(ahead_s, code):
    town = town_with_phone()
    assert name_of(town.run(rotation(town, exp=town.now_s + ahead_s))[0]) == code


def test_council_acts_may_expire_fourteen_days_ahead():
    town = make_town()
    body = CouncilActs((ActParamSet("council_delay_s", 5),))
    seats = [town.seat(b) for b in ("mairie", "commerces", "coop")]
    for ahead_s, code in ((14 * DAY_S, "ok"), (14 * DAY_S + 1, "tx_expiry_too_far")):
        result = town.do(body, "council", *seats, exp=town.now_s + ahead_s)
        assert name_of(result) == code


# --- who may act ---


def test_an_unknown_key_may_not_act():
    town = town_with_phone()
    result = town.do(AccountRotate(jwk(key("n"))), PHONE.kid, key("stranger"), key("n"))
    assert name_of(result) == "tx_unknown_key"


def test_a_registered_key_may_not_act_for_another_account():
    town = town_with_phone()
    town.open_account(OTHER)
    result = town.do(AccountRotate(jwk(key("n"))), PHONE.kid, OTHER, key("n"))
    assert name_of(result) == "tx_not_entitled"


def test_a_forged_signature_is_refused():
    town = town_with_phone()
    good = town.tx(PROGRAMME, "body:commerces", town.role("loyalty_operator"))
    other = town.tx(PROGRAMME, "body:commerces", town.role("loyalty_operator"))
    mixed = good.rpartition(b".")[0] + b"." + other.rpartition(b".")[2]
    assert name_of(town.run(mixed)[0]) == "tx_bad_signature"


class Liar(jws.SigningKey):
    """A key that signs under another's thumbprint."""

    __slots__ = ()

    def __init__(self, kid: str) -> None:
        super().__init__("EdDSA", b"\x07" * 32)
        self.kid = kid


def test_a_key_cannot_sign_under_the_name_of_another():
    town = town_with_phone()
    result = town.do(AccountRotate(jwk(key("n"))), PHONE.kid, Liar(PHONE.kid), key("n"))
    assert name_of(result) == "tx_bad_signature"


def test_both_keys_sign_a_rotation():
    town = town_with_phone()
    for signers in ([PHONE], [key("n")]):
        result = town.do(AccountRotate(jwk(key("n"))), PHONE.kid, *signers)
        assert name_of(result) == "tx_missing_signature"


def test_the_role_decides_what_a_body_may_do():
    town = make_town()
    as_clerk = town.do(PROGRAMME, "body:mairie", town.role("clerk"))
    for_other = town.do(PROGRAMME, "body:commerces", town.role("clerk"))
    assert (name_of(as_clerk), name_of(for_other)) == ("tx_wrong_role", "tx_not_entitled")
    right = town.do(PROGRAMME, "body:commerces", town.role("loyalty_operator"))
    assert name_of(right) == "ok"
    as_account = town.do(PROGRAMME, PHONE.kid, town.role("loyalty_operator"))
    assert name_of(as_account) == "tx_not_entitled"


def test_a_role_ends_on_its_day():
    town = make_town()
    town.advance(300 * DAY_S)
    late = town.do(PROGRAMME, "body:commerces", town.role("loyalty_operator"))
    assert name_of(late) == "tx_key_expired"


def test_a_frozen_account_cannot_act():
    from chain.town.accounts import set_account_status

    def freeze(ctx, body):
        set_account_status(ctx.state, get_account(ctx.state, PHONE.kid), "frozen")
        return Accepted()

    town = make_town(router=with_rule(LoyaltyProgramme, freeze))
    town.open_account(PHONE)
    town.do(PROGRAMME, "body:commerces", town.role("loyalty_operator"))
    assert name_of(town.run(rotation(town))[0]) == "account_frozen"


# --- two accounts, one payload ---


def copied(town, owner_tx_payload: bytes, thief) -> bytes:
    return sign_payload(owner_tx_payload, [thief])


def test_the_owner_of_a_payload_wins_and_the_copier_is_refused_and_burns_nothing():
    town = make_town()
    operator, thief = town.role("loyalty_operator"), town.role("clerk")
    payload = encode_payload(
        town.town, "body:commerces", PROGRAMME, nonce16=b"n" * 16, exp=town.now_s + 60
    )
    mine, copy = sign_payload(payload, [operator]), sign_payload(payload, [thief])
    assert name_of(town.check(copy)) == "tx_not_entitled"
    assert name_of(town.check(mine)) == "ok"
    assert town.propose(copy, mine) == (mine,)
    assert not town.is_acceptable(copy, mine)
    assert [name_of(r) for r in town.finalize(copy, mine)] == ["tx_not_entitled", "ok"]
    quota = rolling.get_count(town.reader, town.now_s - 1, thief.kid)
    assert quota == 0
    assert len(side(town, "~replay")) == 1
    assert town.last.tx_results[0].events == ()


@pytest.mark.parametrize("signatures_max", [2, 3])
def test_adding_a_signature_to_a_payload_does_not_steal_it(signatures_max):
    town = town_with_phone(router=with_rule(AccountRotate, signatures_max=signatures_max))
    payload = encode_payload(
        town.town,
        PHONE.kid,
        AccountRotate(jwk(key("new"))),
        nonce16=b"n" * 16,
        exp=town.now_s + 60,
    )
    greedy = jws.sign_general(payload, TX_TYP, [PHONE, key("new"), town.role("clerk")])
    honest = jws.sign_general(payload, TX_TYP, [PHONE, key("new")])
    assert [name_of(r) for r in town.run(greedy, honest)] == ["tx_not_entitled", "ok"]


# --- failures ---


def test_a_failed_transaction_burns_its_nonce_and_quota_and_nothing_else():
    town = make_town()
    operator = town.role("loyalty_operator")
    town.do(PROGRAMME, "body:commerces", operator)
    again = town.tx(PROGRAMME, "body:commerces", operator)
    before = side(town, "loyalty")
    (result,) = town.run(again)
    assert name_of(result) == "loyalty_programme_exists"
    assert result.gas_used > 0
    assert result.events[0].type == "tx"
    assert side(town, "loyalty") == before
    assert name_of(town.run(again)[0]) == "tx_replayed"
    assert rolling.get_count(town.reader, town.now_s - 1, operator.kid) == 2


def test_a_refused_transaction_keeps_nothing_of_what_its_rule_wrote():
    def write_then_refuse(ctx, body):
        ctx.state.put("loyalty", b"junk/1", b"{}")
        return Refused(codes.LOYALTY_OVERDRAW)

    town = make_town(router=with_rule(LoyaltyProgramme, write_then_refuse))
    result = town.do(PROGRAMME, "body:commerces", town.role("loyalty_operator"))
    assert (name_of(result), town.reader.get("loyalty", b"junk/1")) == ("loyalty_overdraw", None)


# --- poison ---


def poison(ctx, body):
    ctx.state.put("loyalty", b"junk/1", b"{}")
    raise ZeroDivisionError("a bug in a rule")


def float_result(ctx, body):
    return Accepted({"points": 0.5})


def undeclared(ctx, body):
    ctx.state.put("nowhere", b"junk/1", b"{}")
    return Accepted()


@pytest.mark.parametrize("rule", [poison, float_result, undeclared])
def test_a_poison_transaction_stops_no_node(rule):
    town = make_town(router=with_rule(LoyaltyProgramme, rule))
    bad = town.tx(PROGRAMME, "body:commerces", town.role("loyalty_operator"))
    good = town.open_tx(PHONE)
    assert name_of(town.check(bad)) == "tx_internal"
    assert town.propose(bad, good) == (good,)
    assert not town.is_acceptable(bad, good)
    results = town.finalize(bad, good)  # as if more than a third of the others had let it in
    assert [name_of(r) for r in results] == ["tx_internal", "ok"]
    assert town.reader.get("loyalty", b"junk/1") is None
    assert "nowhere" not in town.store.namespaces()
    assert name_of(town.run(bad)[0]) == "tx_replayed"


def test_a_failing_store_stops_the_node_instead_of_blaming_the_transaction():
    from chain.town.engine import StateUnavailable

    town = town_with_phone()
    tx = rotation(town)

    def broken(namespace, record_id):
        raise OSError("disk")

    town.store.get = broken
    with pytest.raises(StateUnavailable):
        town.check(tx)
    with pytest.raises(StateUnavailable):
        town.finalize(tx)


# --- quotas ---


def test_a_key_over_its_quota_is_refused_everywhere_and_recovers_with_the_minute():
    town = make_town(params={"quota_agent_per_minute": 2})
    town.advance(60 - town.now_s % 60)
    operator = town.role("loyalty_operator")
    first, second, third = (
        town.tx(programme_named(f"programme-{n}"), "body:commerces", operator) for n in range(3)
    )
    assert name_of(town.run(first)[0]) == "ok"
    assert name_of(town.check(second)) == "ok"  # pending, and counted
    assert name_of(town.check(third)) == "tx_quota_exceeded"
    assert town.propose(second, third) == (second,)
    assert not town.is_acceptable(second, third)
    assert [name_of(r) for r in town.finalize(second, third)] == ["ok", "tx_quota_exceeded"]
    town.advance(60)
    assert name_of(town.run(third)[0]) == "ok"  # being over quota had burned nothing


def programme_named(slug):
    return LoyaltyProgramme(slug, 1, "active", EarnRule(1, 100, 0), 365)


def test_probing_with_failing_transactions_is_counted_by_the_mempool():
    town = make_town(params={"quota_agent_per_minute": 4})
    town.advance(60 - town.now_s % 60)
    operator = town.role("loyalty_operator")
    town.do(PROGRAMME, "body:commerces", operator)
    probes = [town.tx(PROGRAMME, "body:commerces", operator) for _ in range(4)]
    names = [name_of(town.check(probe)) for probe in probes]
    assert names == ["loyalty_programme_exists"] * 3 + ["tx_quota_exceeded"]


def test_tickets_are_charged_to_the_gateway_that_signed_them():
    town = make_town(params={"quota_gateway_per_minute": 3})
    town.advance(60 - town.now_s % 60)
    results = town.run(*[town.open_tx(key(f"phone {n}")) for n in range(5)])
    assert [name_of(r) for r in results] == ["ok"] * 3 + ["tx_quota_exceeded"] * 2


# --- opening accounts ---


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({}, "ok"),
        ({"by": key("stranger")}, "account_bad_ticket"),
        ({"by": key("clerk@mairie")}, "account_bad_ticket"),
        ({"by": Liar(key("gateway@mairie").kid)}, "account_bad_ticket"),
        ({"exp": 1_790_000_000}, "account_bad_ticket"),
        ({"exp": 1_790_000_000 + 2 * DAY_S}, "account_bad_ticket"),
    ],
)
def test_an_account_opens_only_with_a_ticket_in_date_from_a_gateway(how, code):
    town = make_town()
    tx = town.open_tx(PHONE, **how)
    assert name_of(town.run(tx)[0]) == code
    if code != "ok":
        assert side(town, "~replay") == []  # without a ticket nobody makes the chain work


def test_a_ticket_opens_no_other_key_town_or_service():
    town = make_town()
    ticket = town.ticket(PHONE, "loyalty")
    for domain, signer in (("sel", PHONE), ("loyalty", OTHER)):
        body = AccountOpen(domain, jwk(signer), blind("x"), ticket)
        assert name_of(town.do(body, signer.kid, signer)) == "account_bad_ticket"


def test_an_account_is_opened_once_and_found_by_its_short_reference():
    town = town_with_phone()
    assert name_of(town.run(town.open_tx(PHONE))[0]) == "account_exists"
    found = find_account_by_ref(town.reader, b64url_decode(PHONE.kid)[:16])
    assert found == get_account(town.reader, PHONE.kid)
    assert find_account_by_ref(town.reader, bytes(16)) is None


def test_a_citizens_key_is_ed25519_and_identities_come_from_the_desk():
    town = make_town()
    assert name_of(town.run(town.open_tx(key("card", "ES256")))[0]) == "tx_body_invalid"
    assert name_of(town.run(town.open_tx(PHONE, "identity"))[0]) == "account_wrong_domain"


def test_a_key_never_gets_a_second_use():
    town = town_with_phone()
    town.run(rotation(town, "new"))
    assert name_of(town.run(town.open_tx(PHONE))[0]) == "account_exists"
    assert name_of(town.run(town.open_tx(key("new")))[0]) == "city_key_in_use"
    taken = town.tx(
        AccountRotate(jwk(town.role("clerk"))), PHONE.kid, key("new"), town.role("clerk")
    )
    assert name_of(town.run(taken)[0]) == "city_key_in_use"
