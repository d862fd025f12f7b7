"""Notices: what every device of an account is told when its keys or its standing change (requirement 17).

A phone asks for them whenever it wakes; a notice is a projected fact, so a server that hides one can be caught by
anybody who follows the chain. Post and desk tell the rest: see the letter of a recovery.
Reads and writes: `notices`.  Never: e-mail or SMS, which are no factor here.
"""

from typing import Any, Final

from app.accounts.keys import PAST, find_key
from app.accounts.models import NoticeRow
from app.accounts.texts import NOTICES
from app.core.projection import ProjectedJournal, ProjectedTx

JOURNAL_POSITION: Final = 1_000_000
"""Block-end effects come after the block's transactions; a block holds fewer than this."""
PAGE_MAX: Final = 50


def list_notices(kid: str, *, after_height: int, language: str) -> list[dict[str, Any]]:
    """What a key may know, oldest first: whoever was put out learns of that, and of nothing later."""
    key = find_key(kid)
    if key is None:
        return []
    told = (NoticeRow.account == key.account) & (NoticeRow.height > after_height)
    if key.kind == PAST:
        told &= NoticeRow.height <= key.until_height
    rows = NoticeRow.select().where(told).order_by(NoticeRow.height, NoticeRow.position)
    return [_describe(row, language) for row in rows.limit(PAGE_MAX)]


def _describe(row: NoticeRow, language: str) -> dict[str, Any]:
    english, french = NOTICES[row.kind]
    text = french if language == "fr" else english
    return {"height": row.height, "at": row.at, "kind": row.kind, "kid": row.kid, "text": text}


def put_notice(tx: ProjectedTx, account: str, kind: str, kid: str = "") -> None:
    """From a transaction."""
    assert kind in NOTICES, kind
    NoticeRow.insert(
        height=tx.height, position=tx.index, account=account, kind=kind, kid=kid, at=tx.time_s
    ).execute()


def put_journal_notice(line: ProjectedJournal, account: str, kind: str) -> None:
    """From an effect at a block's end."""
    assert kind in NOTICES, kind
    position = JOURNAL_POSITION + line.position
    NoticeRow.insert(
        height=line.height, position=position, account=account, kind=kind, at=line.time_s
    ).execute()
