"""What moving an identity would do, said before anybody signs: how many agents, until when it can be undone.

Reads: `identity`, `recovery`.  Writes: nothing.
"""

from typing import Final

from app.core.codes import NOT_FOUND
from app.core.problems import Problem
from app.identity.lifecycle.models import RecoveryRow
from app.identity.lifecycle.recoveries import Preview
from app.identity.lifecycle.texts import STATUSES
from app.identity.models import IdentityRow
from chain.types import codes as chain_codes

TERMINAL: Final = frozenset({"moved_out", "ended", "merged", "revoked", "erased"})
MOVED_OUT_S: Final = 183 * 86_400
"""Loyalty and SEL balances stay usable for six months after a move (research: moving out)."""
_NEXT: Final = {
    "active": frozenset(STATUSES) - {"active"},
    "suspended": frozenset(STATUSES) - {"suspended"},
    "expired": frozenset(STATUSES) - {"expired"},
    "ended": frozenset({"active", "expired", "erased"}),
}


def preview_status(
    cid: str, status: str, *, params: dict[str, int], now_s: int, language: str
) -> Preview:
    """Moving this identity to that status now; raises Problem when there is no such identity."""
    row = IdentityRow.get_or_none(IdentityRow.cid == cid)
    if row is None:
        raise Problem(NOT_FOUND)
    code = _why_not(row, status)
    is_grave = status in TERMINAL or row.status == "ended"
    until_s = now_s + params["identity_reversal_s"] if status == "ended" else 0
    if status == "moved_out":
        until_s = now_s + MOVED_OUT_S
    english, french = STATUSES[status]
    if code is not None:
        english, french = code.en, code.fr
    text = french if language == "fr" else english
    name = code.name if code is not None else ""
    return Preview(code is None, name, 2 if is_grave else 1, 1, now_s, until_s, text)


def _why_not(row: IdentityRow, status: str) -> chain_codes.Code | None:
    if status not in _NEXT.get(row.status, frozenset({"erased"}) - {row.status}):
        return chain_codes.IDENTITY_BAD_TRANSITION
    is_recovering = RecoveryRow.get_or_none(RecoveryRow.account == row.account) is not None
    if is_recovering and status not in TERMINAL:
        return chain_codes.IDENTITY_RECOVERY_PENDING
    return None
