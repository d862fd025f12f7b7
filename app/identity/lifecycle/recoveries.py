"""Lost phones as citizen and desk see them: where a recovery stands, what comes next, what opening one would do.

Reads: `recovery`, `identity`, `accounts`, `account_keys`, the desk's log.  Writes: the log and `recovery_letter`.
Never: decides; the chain does.
"""

import time
from dataclasses import dataclass
from typing import Any, Final

from app.accounts import keys
from app.accounts.models import AccountRow
from app.core.codes import NOT_FOUND, AnyCode
from app.core.context import Actor
from app.core.database import write
from app.core.problems import Problem
from app.identity.duplicates import log_desk
from app.identity.lifecycle.models import RecoveryLetter, RecoveryMonthRow, RecoveryRow
from app.identity.lifecycle.texts import LETTER, NEXT, OPENING
from app.identity.models import IdentityRow
from app.identity.register import Register
from chain.types import codes as chain_codes

STEPS: Final = ("opened", "vetoed", "overridden", "cancelled", "finished", "lapsed", "dropped")
# --- the citizen -----------------------------------------------------------------------------


def describe_for_key(kid: str, *, now_s: int, language: str) -> dict[str, Any]:
    """The recovery that concerns a key: of its account, or waiting for it; raises Problem when there is none."""
    key = keys.find_key(kid)
    row = RecoveryRow.get_or_none(RecoveryRow.account == key.account) if key is not None else None
    if key is None or row is None or key.kind == keys.PAST:
        raise Problem(NOT_FOUND)
    side = "new" if key.kind == keys.RESERVED else "old"
    step = step_of(row, now_s=now_s)
    shown = "waiting" if side == "old" and step == "ready" else step
    shown = "ready" if side == "new" and step == "overridden" else shown
    can = _what_it_can(
        row, side, step, scopes=key.scopes.split(), is_device=key.kind == keys.DEVICE
    )
    return {
        **describe(row, now_s=now_s),
        "side": side,
        "can": can,
        "next": _in_language(NEXT[f"{side}_{shown}"], language),
    }


def step_of(row: RecoveryRow, *, now_s: int) -> str:
    """`waiting`, `ready`, `vetoed` or `overridden` by the API's clock, which decides nothing."""
    if row.vetoed_at and not row.overridden_at:
        return "vetoed"
    if row.overridden_at:
        return "overridden"
    return "ready" if now_s >= row.ready_at else "waiting"


def _what_it_can(
    row: RecoveryRow, side: str, step: str, *, scopes: list[str], is_device: bool
) -> list[str]:
    if side == "new":
        return ["finish"] if step in ("ready", "overridden") else []
    may_veto = not is_device or "veto" in scopes
    return ["veto"] if may_veto and not row.vetoed_at else []


def describe(row: RecoveryRow, *, now_s: int) -> dict[str, Any]:
    """What is public of a recovery."""
    return {
        "account": row.account,
        "cid": row.cid,
        "new_kid": row.new_kid,
        "step": step_of(row, now_s=now_s),
        "opened_at": row.opened_at,
        "ready_at": row.ready_at,
        "lapses_at": row.lapses_at,
        "vetoed_at": row.vetoed_at,
        "override_from": row.override_from,
        "overridden_at": row.overridden_at,
    }


def _in_language(texts: tuple[str, ...], language: str) -> str:
    return texts[1] if language == "fr" else texts[0]


def list_months() -> list[dict[str, Any]]:
    """Counts of every month, the newest first: published, so that misuse of the desk shows."""
    rows = RecoveryMonthRow.select().order_by(RecoveryMonthRow.month.desc())
    return [{"month": r.month, **{step: getattr(r, step) for step in STEPS}} for r in rows]


# --- the desk --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Preview:
    """What an act would do, before anybody signs it."""

    allowed: bool
    code: str
    agents: int
    bodies: int
    from_s: int
    until_s: int
    text: str


def preview_opening(
    account_id: str, *, params: dict[str, int], now_s: int, language: str
) -> Preview:
    """Opening a recovery of this account now."""
    account = AccountRow.get_or_none(AccountRow.id == account_id)
    refusal = _why_no_opening(account_id, account)
    ready_s = now_s + params["identity_recovery_delay_s"]
    lapses_s = ready_s + params["identity_recovery_lapse_s"]
    hours, days = (
        params["identity_recovery_delay_s"] // 3_600,
        params["identity_vote_bar_s"] // 86_400,
    )
    texts = tuple(text.format(hours=hours, days=days) for text in OPENING)
    text = _in_language(texts, language) if refusal is None else _message(refusal, language)
    name = refusal.name if refusal is not None else ""
    return Preview(refusal is None, name, 2, 2, ready_s, lapses_s, text)


def _why_no_opening(account_id: str, account: AccountRow | None) -> AnyCode | None:
    if account is None:
        return chain_codes.ACCOUNT_UNKNOWN
    if RecoveryRow.get_or_none(RecoveryRow.account == account_id) is not None:
        return chain_codes.IDENTITY_RECOVERY_PENDING
    if account.status == "closed":
        return chain_codes.ACCOUNT_CLOSED
    row = IdentityRow.get_or_none(IdentityRow.account == account_id)
    if row is not None and row.status not in ("active", "suspended", "expired"):
        return chain_codes.IDENTITY_NOT_ACTIVE
    return None


def _message(code: AnyCode, language: str) -> str:
    return code.fr if language == "fr" else code.en


def list_open(*, now_s: int) -> list[dict[str, Any]]:
    """Recoveries under way, oldest first, and whether the letter of each was printed."""
    printed = {letter.account: letter.opened_at for letter in RecoveryLetter.select()}
    rows = RecoveryRow.select().order_by(RecoveryRow.opened_at, RecoveryRow.account)
    return [
        {
            **describe(row, now_s=now_s),
            "letter_printed": printed.get(row.account) == row.opened_at,
        }
        for row in rows
    ]


def print_letter(
    register: Register, account_id: str, *, clerk: Actor, now_s: int
) -> dict[str, Any]:
    """The letter that tells of a recovery, to the address in the sealed file; the reading is logged.

    Raises Problem when no recovery of an identity runs there, or its file was erased.
    """
    row = RecoveryRow.get_or_none(RecoveryRow.account == account_id)
    sealed = register.read_file(row.cid) if row is not None and row.cid else None
    if row is None or sealed is None:
        raise Problem(NOT_FOUND)
    register.check_not_own(clerk.kid, row.cid)
    with write():
        RecoveryLetter.delete().where(RecoveryLetter.account == account_id).execute()
        RecoveryLetter.insert(
            account=account_id, opened_at=row.opened_at, printed_at=now_s, clerk=clerk.kid
        ).execute()
        log_desk(clerk, "letter", row.cid, "recovery", now_s)
    name = f"{sealed.civil.given_names[0]} {sealed.civil.family_name}"
    return {"to": name, "address": sealed.civil.address, **_letter_texts(row)}


def _letter_texts(row: RecoveryRow) -> dict[str, str]:
    english, french = (text.format(day=_day(row.ready_at)) for text in LETTER)
    return {"text_en": english, "text_fr": french}


def _day(at_s: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at_s))
