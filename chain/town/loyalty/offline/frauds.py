"""Proofs that a phone cheated: two payments of one counter, or payments of more than was allowed in all.

A proof needs nothing but the codes, so anybody may hand it in: another shop, an auditor, a stranger who was shown two.
The account freezes at once and is opened again at the desk alone; shops go on being paid out of the lock. Once the
allowance is closed, a key that the account no longer has freezes nothing: whoever finds a phone that was sold long ago
signs what he likes of every allowance it ever had.
Reads: allowances.  Writes: frauds, the account's status.  Never: believes a word that is not signed by the phone.
"""

from typing import Literal

from chain.town.accounts import get_account, set_account_status
from chain.town.context import Accepted, Outcome, Reader, Refused, TxContext
from chain.town.loyalty.offline.allowances import find_payment
from chain.town.loyalty.offline.codes import ShownCode
from chain.town.loyalty.offline.records import (
    CLAIMS,
    FRAUDS,
    AllowanceRecord,
    FraudRecord,
)
from chain.town.loyalty_offline_schemas import LoyaltyEquivocation
from chain.types import codes

Caught = Literal["known", "recorded", "frozen"]


def catch(ctx: TxContext, name: str, record: AllowanceRecord, *, kind: str) -> Caught:
    """Put a fraud on record, unless it is there already, and freeze the account if the proof reaches it."""
    if FRAUDS.get(ctx.state, name.encode()) is not None:
        return "known"
    FRAUDS.put(ctx.state, name.encode(), FraudRecord(kind, ctx.time_s, ctx.sender))
    account = get_account(ctx.state, record.account)
    assert account is not None, "an allowance has an account"
    if record.status != "open" and account.jwk.x != record.device_key:
        return "recorded"
    if account.status == "open":
        set_account_status(ctx.state, account, "frozen")
    return "frozen"


def apply_equivocation(ctx: TxContext, body: LoyaltyEquivocation) -> Outcome:
    """Judge the codes together with what shops have claimed of the same allowance."""
    shown: list[ShownCode] = []
    names: dict[str, AllowanceRecord] = {}
    for text in body.codes:
        found = find_payment(ctx.state, text, chain_id=ctx.chain_id)
        if isinstance(found, Refused):
            return found
        code, name, record = found
        shown.append(code)
        names[name] = record
    if len(names) != 1:
        return Refused(codes.LOYALTY_NO_FRAUD, "codes of several allowances")
    ((name, record),) = names.items()
    kind = find_fraud(_payments(ctx.state, name, shown), allowed=record.points)
    if not kind:
        return Refused(codes.LOYALTY_NO_FRAUD)
    caught = catch(ctx, name, record, kind=kind)
    if caught == "known":
        return Refused(codes.LOYALTY_FRAUD_KNOWN)
    return Accepted(
        {
            "allowance": name,
            "programme": record.programme,
            "fraud": kind,
            "frozen": caught == "frozen",
        }
    )


def find_fraud(payments: dict[tuple[int, str], int], *, allowed: int) -> str:
    """`counter` when a counter names two payments, `sum` when they exceed what was allowed, else empty.

    `payments` are points by (counter, digest), each truly signed by the phone.
    """
    if len({counter for counter, _ in payments}) < len(payments):
        return "counter"
    return "sum" if sum(payments.values()) > allowed else ""


def _payments(state: Reader, name: str, shown: list[ShownCode]) -> dict[tuple[int, str], int]:
    """Payments shown here and payments on record, each once."""
    payments = {(code.spend.ctr, code.digest): code.spend.amount for code in shown}
    start = f"{name}/".encode()
    for record_id, claim in CLAIMS.scan(state, start, start + b"\x7f"):
        _, counter, digest = record_id.decode().split("/")
        payments[int(counter), digest] = claim.points
    return payments
