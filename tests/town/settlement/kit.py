"""A street of shops whose customers spend anywhere; weeks pass when told."""

from hashlib import sha256
from typing import Any

from chain.codec.canonical import b64url_encode
from chain.crypto.jws import SigningKey
from chain.town.accounts import grant_role
from chain.town.context import Outcome, Refused
from chain.town.settlement import records
from tests.town.loyalty.kit import (
    DAY_S,
    OPERATOR,
    LedgerTown,
    Phone,
    jwk_struct,
    make_key,
    open_town,
    owner_key,
)

WEEK_S = 7 * DAY_S
OPERATOR_KEY = make_key("operator of the association")


def open_street(*shops: str) -> tuple[LedgerTown, dict[str, SigningKey]]:
    """Shops with a till each, and a loyalty operator whose role is on record."""
    town, tills = open_town(*shops)
    granted = grant_role(
        town.state,
        role="loyalty_operator",
        holder=OPERATOR,
        jwk=jwk_struct(OPERATOR_KEY),
        granted_by="genesis",
        expires=town.time_s + 300 * DAY_S,
        now_s=town.time_s,
    )
    assert not isinstance(granted, Refused)
    return town, tills


def spend(
    town: LedgerTown,
    tills: dict[str, SigningKey],
    phone: Phone,
    giver: str,
    taker: str,
    points: int,
) -> str:
    """Earn at one shop, spend as much at another; returns the reference of the redemption."""
    assert name(town.earn(giver, tills[giver], phone.account, points * 100)) == "ok"
    code = phone.pay_code(town.time_s, shop=taker)
    assert name(town.redeem(taker, tills[taker], points, code)) == "ok"
    return town.last_ref


def name(outcome: Outcome) -> str:
    """`ok`, or the stable name of the refusal."""
    return outcome.code.name if isinstance(outcome, Refused) else "ok"


def by_owner(town: LedgerTown, shop: str, body: Any) -> str:
    """A transaction of a shop's owner."""
    return name(town.run(f"shop:{shop}", body, owner_key(shop)))


def by_operator(town: LedgerTown, body: Any) -> str:
    """A transaction of the association."""
    return name(town.run(OPERATOR, body, OPERATOR_KEY))


def batch(town: LedgerTown, epoch: int = 1) -> records.BatchRecord:
    found = records.BATCHES.get(town.state, records.epoch_id(epoch))
    assert found is not None
    return found


def legs(town: LedgerTown, epoch: int = 1) -> list[tuple[str, str, int]]:
    found = records.LEGS.scan(town.state, *records.epoch_range(epoch))
    return [(leg.payer, leg.payee, leg.cents) for _, leg in found]


def leg(town: LedgerTown, index: int, epoch: int = 1) -> records.LegRecord:
    found = records.LEGS.get(town.state, records.leg_id(epoch, index))
    assert found is not None
    return found


def standing(town: LedgerTown, shop: str) -> records.StandingRecord:
    return records.STANDINGS.get(town.state, shop.encode()) or records.StandingRecord()


def notes(town: LedgerTown, kind: str) -> list[dict]:
    return [line for line in town.journal if line["kind"] == kind]


def digest(text: str) -> str:
    """A hash as references and statements are."""
    return b64url_encode(sha256(text.encode()).digest())
