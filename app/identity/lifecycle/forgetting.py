"""Erasure and purge of what an identity's life left: mandates, the sealed list of accounts, letters.

Reads and writes: this room's tables.  Never: the person's key, which the register has destroyed first.
"""

from app.core.database import write
from app.identity.lifecycle.models import Mandate, PendingAct, PersonLinks, RecoveryLetter
from app.identity.models import IdentityRow

MANDATE_KEPT_S = 365 * 86_400
"""An ended mandate answers complaints for a year."""
LETTER_KEPT_S = 90 * 86_400


def forget_life(cid: str) -> None:
    """Everything here of one person: mandates given and held, linked accounts, letters."""
    with write():
        Mandate.delete().where((Mandate.subject == cid) | (Mandate.holder == cid)).execute()
        PersonLinks.delete().where(PersonLinks.cid == cid).execute()
        row = IdentityRow.get_or_none(IdentityRow.cid == cid)
        if row is not None:
            RecoveryLetter.delete().where(RecoveryLetter.account == row.account).execute()


def purge_life(now_s: int) -> int:
    """What its time is over for; returns how many rows went."""
    is_over = (Mandate.expires_at < now_s - MANDATE_KEPT_S) | (
        (Mandate.ended_at > 0) & (Mandate.ended_at < now_s - MANDATE_KEPT_S)
    )
    with write():
        gone = Mandate.delete().where(is_over).execute()
        gone += PendingAct.delete().where(PendingAct.expires_at < now_s).execute()
        old = RecoveryLetter.printed_at < now_s - LETTER_KEPT_S
        return int(gone + RecoveryLetter.delete().where(old).execute())
