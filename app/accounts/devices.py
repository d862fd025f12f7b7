"""What a second key of an account would be able to do, said before anybody signs.

Reads: `accounts`, `account_keys`.  Writes: nothing.
"""

from typing import Any, Final

from app.accounts.keys import DEVICE, list_live_keys
from app.accounts.service import find_account
from app.accounts.texts import DEVICE_TEXTS, WHAT
from chain.limits import ACCOUNT_DEVICES_MAX
from chain.types import codes
from chain.types.codes import Code

SCOPES_OF: Final = {
    "identity": {"veto"},
    "loyalty": {"pay", "veto"},
    "sel": {"trade", "veto"},
    "energy": {"contract", "veto"},
}
"""As the chain's own table; a test compares them."""


def preview_device(
    account_id: str,
    *,
    scopes: list[str],
    expires_at: int,
    longest_s: int,
    now_s: int,
    language: str,
) -> dict[str, Any]:
    """Whether the chain would take this second key now, and what it means in words."""
    code = _why_not(account_id, set(scopes), expires_at, longest_s, now_s)
    is_french = language == "fr"
    if code is not None:
        text = code.fr if is_french else code.en
    else:
        what = ", ".join(WHAT[scope][is_french] for scope in sorted(set(scopes)))
        text = DEVICE_TEXTS[is_french].format(what=what)
    return {
        "allowed": code is None,
        "code": code.name if code is not None else "",
        "latest_expiry": now_s + longest_s,
        "text": text,
    }


def _why_not(
    account_id: str, scopes: set[str], expires_at: int, longest_s: int, now_s: int
) -> Code | None:
    account = find_account(account_id)
    if account is None:
        return codes.ACCOUNT_UNKNOWN
    if account.status != "open":
        return codes.ACCOUNT_FROZEN
    if not SCOPES_OF[account.domain] >= scopes:
        return codes.ACCOUNT_DEVICE_SCOPE
    if not now_s < expires_at <= now_s + longest_s:
        return codes.TX_BODY_INVALID
    live = [key for key in list_live_keys(account_id, now_s) if key.kind == DEVICE]
    return codes.ACCOUNT_DEVICES_FULL if len(live) >= ACCOUNT_DEVICES_MAX else None
