"""Heads of logs kept outside the chain, written here so that nobody can rewrite those logs unseen.

A body's gateway anchors how many entries its log has and the hash of the last one. Counts only grow, and one
count has one head for ever: a log that was cut or rewritten before its last anchor no longer fits.
Reads and writes: namespace audit, table anchor (one record per body: the newest).
Never: holds an entry, or anything about a person.
"""

from typing import Final

from msgspec import Struct

from chain.town import params
from chain.town.context import Accepted, Outcome, Refused, Table, TxContext
from chain.town.rules import BODY, Rule, Rules
from chain.town.schemas import AuditAnchor, Bytes32, Count, UnixSeconds
from chain.types import codes

NAMESPACES: Final = ("audit",)


class AnchorRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The newest anchor of a body's log: entries, hash of the last, header time and height."""

    count: Count
    head: Bytes32
    time: UnixSeconds
    height: int


ANCHORS: Final = Table("audit", "anchor", AnchorRecord)


def apply_anchor(ctx: TxContext, body: AuditAnchor) -> Outcome:
    """Note the head of the sender's log; refuses a log that shrank or changed its past."""
    record_id = ctx.sender.encode()
    before = ANCHORS.get(ctx.state, record_id)
    if before is not None and body.count < before.count:
        return Refused(codes.AUDIT_ANCHOR_BACKWARDS, f"{body.count} after {before.count}")
    if before is not None and body.count == before.count and body.head != before.head:
        return Refused(codes.AUDIT_ANCHOR_BACKWARDS, "another head of the same count")
    ANCHORS.put(ctx.state, record_id, AnchorRecord(body.count, body.head, ctx.time_s, ctx.height))
    return Accepted({"count": body.count, "head": body.head})


RULES: Final[Rules] = {
    AuditAnchor: Rule(
        apply_anchor,
        gas_us=600,
        senders=BODY,
        roles=frozenset({"gateway"}),
        quota=params.QUOTA_GATEWAY_PER_MINUTE,
    ),
}
