"""Tills and phones without a network, for ledger tests."""

from typing import Any

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto.jws import SigningKey
from chain.town.context import Outcome, Refused
from chain.town.loyalty.offline.till import sign_note
from chain.town.loyalty_offline_schemas import EarnNote, LoyaltyEarnBatch
from tests.town.loyalty.kit import TOWN, LedgerTown, fill


def name(outcome: Outcome) -> str:
    """`ok`, or the refusal's stable name."""
    return outcome.code.name if isinstance(outcome, Refused) else "ok"


def make_note(
    till: SigningKey,
    account: str,
    *,
    made: int,
    cents: int = 1_000,
    receipt: str = "1",
    shop: str = "baker",
    programme: str = "town",
    town: str = TOWN,
    **more: Any,
) -> str:
    """A purchase as the till writes it down."""
    ref = b64url_encode(b64url_decode(account)[:16])
    note = EarnNote(town, shop, programme, ref, cents, fill(receipt, 16), made, **more)
    return sign_note(note, till)


def send_notes(town: LedgerTown, signer: SigningKey, *notes: str, shop: str = "baker") -> Outcome:
    """One upload."""
    return town.run(f"shop:{shop}", LoyaltyEarnBatch(notes), signer)


def dump(town: LedgerTown) -> tuple[Any, ...]:
    """The whole state, to see that nothing changed."""
    return town.state.changes()
