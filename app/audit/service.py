"""Anchoring the audit log on the town's chain once a day, and checking the log against what was anchored.

Reads: the audit log, the projected anchors, and the newest anchor's record with its proof.
Writes: one small transaction of the gateway. Never: changes an entry.
"""

import secrets
from dataclasses import asdict, dataclass
from typing import Any, Final

from app.audit.models import AnchorRow
from app.core.audit_log import Break, read_head, verify_entries
from app.core.chain_client import ChainClient
from app.core.config import Config
from app.core.projection import ProjectedTx, get_projector_state
from app.core.proofs import build_record_proof
from app.core.relay import Relay, Submission
from chain.town.envelope import build_transaction
from chain.town.schemas import AuditAnchor

ANCHOR_EVERY_S: Final = 24 * 3_600
ANCHOR_LIFE_S: Final = 600


@dataclass(frozen=True, slots=True)
class LogVerdict:
    """What `beffroi audit log` found; `broken_at` is 0 and `what` empty when the log is whole."""

    is_whole: bool
    entries: int
    anchored: int
    """Entries under the newest anchor that the chain proves."""
    broken_at: int = 0
    what: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain members."""
        return asdict(self)


def anchor_if_due(config: Config, relay: Relay, now_s: int) -> Submission | None:
    """Anchor the log's head when the last anchor is a day old and entries came since; None when not due."""
    if config.gateway_key is None:
        return None
    last = _last_anchor(f"body:{config.gateway_key.body}")
    head = read_head()
    is_new = head.count > (last.count if last is not None else 0)
    if not is_new or (last is not None and now_s - last.time_s < ANCHOR_EVERY_S):
        return None
    return anchor(config, relay, now_s)


def anchor(config: Config, relay: Relay, now_s: int) -> Submission | None:
    """Anchor the log's head now; None when the log is empty or the town not read yet."""
    state, head, key = get_projector_state(), read_head(), config.gateway_key
    if state is None or key is None or not head.count:
        return None
    text = build_transaction(
        state.town,
        f"body:{key.body}",
        AuditAnchor(head.count, head.hash),
        [key.signer],
        secrets.token_bytes(16),
        now_s + ANCHOR_LIFE_S,
    )
    return relay.submit(text.decode("ascii"), types=("audit.anchor",))


def verify_log(chain: ChainClient, body: str) -> LogVerdict:
    """Recompute the log and hold it against every anchor of `body`, the newest one as the chain proves it.

    Raises Problem when the node does not answer or proves nothing.
    """
    head = read_head()
    heads = {row.count: row.head for row in AnchorRow.select().where(AnchorRow.body == body)}
    proved, _ = build_record_proof(chain, "audit", b"anchor/" + body.encode())
    anchored = 0
    if proved is not None:
        anchored = int(proved["count"])
        if heads.setdefault(anchored, proved["head"]) != proved["head"]:
            what = "the projected anchors differ from the chain; rebuild them"
            return LogVerdict(False, head.count, anchored, anchored, what)
    broken = verify_entries(heads)
    if isinstance(broken, Break):
        return LogVerdict(False, head.count, anchored, broken.seq, broken.what)
    return LogVerdict(True, head.count, anchored)


def list_anchors(count_max: int) -> list[AnchorRow]:
    """The newest anchors."""
    return list(AnchorRow.select().order_by(AnchorRow.height.desc()).limit(count_max))


def _last_anchor(body: str) -> AnchorRow | None:
    rows = AnchorRow.select().where(AnchorRow.body == body).order_by(AnchorRow.height.desc())
    found: AnchorRow | None = rows.first()
    return found


def project_anchor(tx: ProjectedTx) -> None:
    """An accepted anchor."""
    AnchorRow.insert(
        body=tx.payload.sender,
        count=tx.body.count,
        head=tx.body.head,
        time_s=tx.time_s,
        height=tx.height,
        payload_hash=tx.payload_hash,
    ).execute()


PROJECTIONS: Final = {"audit.anchor": project_anchor}
