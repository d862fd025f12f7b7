"""Who is told of what: endpoints of shops, deliveries with back-off, dead letters, replay.

Deliveries are made from the lines of a shop's list, which only proved blocks write; an endpoint's cursor moves with
them in one SQL transaction, so a line is queued once. A receiver may hear of one twice and knows it by `webhook-id`.
Reads and writes: this domain's tables; reads loyalty's list.  Never: tells a shop who the customer was.
"""

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, Final, cast

from peewee import fn

from app.core.codes import NOT_FOUND, WEBHOOK_LIMIT, WEBHOOK_URL_REFUSED, WEBHOOKS_UNAVAILABLE
from app.core.database import insert_row, lock_until_commit, write
from app.core.problems import Problem
from app.loyalty.models import Operation
from app.loyalty.service import describe_operation
from app.webhooks.models import Delivery, Webhook
from app.webhooks.sending import NotDelivered, Sender, is_acceptable_url
from app.webhooks.signing import Scheme, derive_seed, show_key, sign

BACKOFF_S: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Wait after each failed attempt (Standard Webhooks' schedule, research/loyalty-sel.md §6); then the letter is dead."""
WEBHOOKS_MAX: Final = 10
"""Living endpoints of one shop."""
QUEUE_BATCH: Final = 200
SEND_BATCH: Final = 20
KEPT_S: Final = 30 * 86_400
GONE: Final = 410


# --- endpoints -------------------------------------------------------------------------------


def create_webhook(
    shop: str,
    *,
    url: str,
    scheme: Scheme,
    kinds: Iterable[str],
    master_key: bytes | None,
    now_s: int,
) -> dict[str, Any]:
    """Register an endpoint of a shop; its key is shown now and derived ever after. Raises Problem."""
    if master_key is None:
        raise Problem(WEBHOOKS_UNAVAILABLE)
    if not is_acceptable_url(url):
        raise Problem(WEBHOOK_URL_REFUSED)
    with write():
        lock_until_commit(f"webhooks {shop}")
        if len(list_webhooks(shop)) >= WEBHOOKS_MAX:
            raise Problem(WEBHOOK_LIMIT, f"{WEBHOOKS_MAX} endpoints")
        row = {
            "id": secrets.token_urlsafe(16),
            "shop": shop,
            "url": url,
            "scheme": scheme,
            "kinds": ",".join(sorted(set(kinds))),
            "cursor": Operation.select(fn.MAX(Operation.position)).scalar() or 0,
            "created_at": now_s,
        }
        insert_row(Webhook, row)
    seed = derive_seed(master_key, str(row["id"]), scheme)
    return {**describe(Webhook.get_by_id(row["id"])), "key": show_key(seed, scheme)}


def describe(row: Webhook) -> dict[str, Any]:
    """An endpoint as its owner sees it, without the key."""
    names = ("id", "shop", "url", "scheme", "created_at", "ended_at", "end_reason")
    kinds = row.kinds.split(",") if row.kinds else []
    return {**{name: getattr(row, name) for name in names}, "kinds": kinds}


def list_webhooks(shop: str) -> list[dict[str, Any]]:
    """Living endpoints of a shop, oldest first."""
    rows = Webhook.select().where((Webhook.shop == shop) & (Webhook.ended_at == 0))
    return [describe(row) for row in rows.order_by(Webhook.created_at, Webhook.id)]


def find_own(webhook: str, bodies: Iterable[str]) -> Webhook:
    """An endpoint of one of the caller's shops; somebody else's is not found."""
    row = Webhook.get_or_none(Webhook.id == webhook)
    if row is None or f"shop:{row.shop}" not in bodies:
        raise Problem(NOT_FOUND)
    return cast(Webhook, row)


def end_webhook(webhook: str, *, reason: str, now_s: int) -> None:
    """Tell an endpoint nothing more; what waited for it is dead."""
    with write():
        Webhook.update(ended_at=now_s, end_reason=reason).where(
            (Webhook.id == webhook) & (Webhook.ended_at == 0)
        ).execute()
        waiting = (Delivery.webhook == webhook) & (Delivery.status == "pending")
        Delivery.update(status="dead").where(waiting).execute()


def list_deliveries(webhook: str, status: str) -> list[Delivery]:
    """The newest deliveries of an endpoint, of one status or ("") all."""
    rows = Delivery.select().where(Delivery.webhook == webhook)
    if status:
        rows = rows.where(Delivery.status == status)
    return list(rows.order_by(Delivery.position.desc()).limit(QUEUE_BATCH))


def replay(webhook: str, *, since_s: int, now_s: int) -> int:
    """Queue again what happened at or after `since_s`, delivered or dead; returns how many."""
    with write():
        mine = (Delivery.webhook == webhook) & (Delivery.occurred_at >= since_s)
        changed = Delivery.update(status="pending", attempts=0, next_at=now_s)
        return int(changed.where(mine & (Delivery.status != "pending")).execute())


# --- the dispatcher --------------------------------------------------------------------------


def queue_lines(*, now_s: int) -> int:
    """Make deliveries of lines that living endpoints were not told of; returns how many."""
    made = 0
    for row in list(Webhook.select().where(Webhook.ended_at == 0)):
        with write():
            made += _queue_for(row, now_s)
    return made


def _queue_for(row: Webhook, now_s: int) -> int:
    lines = list(
        Operation.select()
        .where((Operation.shop == row.shop) & (Operation.position > row.cursor))
        .order_by(Operation.position)
        .limit(QUEUE_BATCH)
    )
    wanted = [line for line in lines if not row.kinds or line.kind in row.kinds.split(",")]
    for line in wanted:
        delivery = {
            "id": "msg_" + secrets.token_urlsafe(16),
            "webhook": row.id,
            "position": line.position,
            "occurred_at": line.time,
            "status": "pending",
            "next_at": now_s,
        }
        insert_row(Delivery, delivery, is_new=False)
    if lines:
        Webhook.update(cursor=lines[-1].position).where(Webhook.id == row.id).execute()
    return len(wanted)


@dataclass(slots=True)
class Turn:
    """The endpoint that was served last: the next round begins behind it."""

    webhook: str = ""


def send_due(sender: Sender, turn: Turn, *, master_key: bytes, now_s: int) -> int:
    """Send what is due, a bounded number, in turn over endpoints; returns how many were heard."""
    heard = 0
    for row in pick_due(turn, now_s=now_s):
        turn.webhook = row.webhook
        heard += _send(row, sender, master_key=master_key, now_s=now_s)
    return heard


def pick_due(turn: Turn, *, now_s: int) -> list[Delivery]:
    """The next deliveries, an equal share for every endpoint that waits, each one's oldest first.

    So an endpoint that replays a month, or answers slowly, delays its own messages and nobody else's.
    """
    due = (Delivery.status == "pending") & (Delivery.next_at <= now_s)
    waiting = Delivery.select(Delivery.webhook).where(due).distinct()
    names = sorted(row.webhook for row in waiting)
    names = [name for name in names if name > turn.webhook] + [
        name for name in names if name <= turn.webhook
    ]
    names = names[:SEND_BATCH]
    share = -(-SEND_BATCH // len(names)) if names else 0
    order = (Delivery.next_at, Delivery.position)
    queues = [
        list(
            Delivery.select().where(due & (Delivery.webhook == name)).order_by(*order).limit(share)
        )
        for name in names
    ]
    rounds = [row for one in zip_longest(*queues) for row in one if row is not None]
    return rounds[:SEND_BATCH]


def _send(row: Delivery, sender: Sender, *, master_key: bytes, now_s: int) -> bool:
    endpoint = Webhook.get_by_id(row.webhook)
    line = Operation.get_or_none(Operation.position == row.position)
    if endpoint.ended_at or line is None:  # a rebuild may be under way: the line comes back
        _note(row, status="dead" if endpoint.ended_at else "pending", answer=0, next_at=now_s + 60)
        return False
    body = build_event(line)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "beffroi-webhooks",
        "webhook-id": row.id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": sign(
            derive_seed(master_key, endpoint.id, endpoint.scheme),
            endpoint.scheme,
            message_id=row.id,
            timestamp_s=now_s,
            body=body,
        ),
    }
    try:
        status = sender.post(endpoint.url, headers, body)
    except NotDelivered:
        status = 0
    return _judge(row, status, now_s=now_s)


def _judge(row: Delivery, status: int, *, now_s: int) -> bool:
    """2xx: heard. 410: the endpoint wants no more. Anything else: again later, until the letter is dead."""
    if 200 <= status < 300:
        _note(row, status="done", answer=status, next_at=now_s)
        return True
    is_last = row.attempts >= len(BACKOFF_S)
    wait_s = 0 if is_last else BACKOFF_S[row.attempts]
    _note(row, status="dead" if is_last else "pending", answer=status, next_at=now_s + wait_s)
    if status == GONE:
        end_webhook(row.webhook, reason="gone", now_s=now_s)
    return False


def _note(row: Delivery, *, status: str, answer: int, next_at: int) -> None:
    with write():
        Delivery.update(
            status=status, answer=answer, next_at=next_at, attempts=Delivery.attempts + 1
        ).where(Delivery.id == row.id).execute()


def build_event(line: Operation) -> bytes:
    """The payload: type, time, the line as the shop's list shows it, and where its proof is."""
    data = describe_operation(line, is_own=False)
    proof = f"/v1/transactions/{line.payload_hash}?proof=1" if line.payload_hash else ""
    event = {
        "type": f"loyalty.{line.kind}",
        "timestamp": datetime.fromtimestamp(line.time, UTC).isoformat().replace("+00:00", "Z"),
        "data": {**data, "proof": proof},
    }
    return json.dumps(event, separators=(",", ":"), sort_keys=True).encode()


def purge(*, now_s: int) -> None:
    """Forget deliveries that ended long ago."""
    with write():
        old = (Delivery.status != "pending") & (Delivery.next_at < now_s - KEPT_S)
        Delivery.delete().where(old).execute()
