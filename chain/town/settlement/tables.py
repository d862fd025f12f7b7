"""Which rule answers which settlement transaction, and which handler which due work."""

from typing import Final

from chain.town import params
from chain.town.due import DueHandlers
from chain.town.rules import BODY, SHOP, Rule, Rules
from chain.town.schemas import (
    SettlementAck,
    SettlementCover,
    SettlementDispute,
    SettlementMissing,
    SettlementPaid,
    SettlementReserve,
    SettlementResolve,
    SettlementStanding,
)
from chain.town.settlement.closing import (
    DROP_KIND,
    OVERDUE_KIND,
    WATCH_KIND,
    WRITE_KIND,
    close_epoch,
    drop_epoch,
    write_legs,
)
from chain.town.settlement.marks import (
    apply_ack,
    apply_cover,
    apply_dispute,
    apply_missing,
    apply_paid,
    apply_resolve,
)
from chain.town.settlement.members import apply_reserve, apply_standing
from chain.town.settlement.obligations import CLOSE_KIND, OPEN_KIND, open_epoch
from chain.town.settlement.overdue import judge_overdue
from chain.town.settlement.records import NAMESPACE
from chain.town.settlement.watch import count_circulation

_OPERATOR: Final = frozenset({"loyalty_operator"})
_OWNER: Final = frozenset({"shop_owner"})
_QUOTA: Final = params.QUOTA_AGENT_PER_MINUTE

NAMESPACES: Final = (NAMESPACE,)

# Gas: worst case measured from bytes to tree update; a decision with 32 corrections moves 32 pairs.
RULES: Final[Rules] = {
    SettlementAck: Rule(apply_ack, gas_us=900, senders=SHOP, roles=_OWNER, quota=_QUOTA),
    SettlementDispute: Rule(apply_dispute, gas_us=900, senders=SHOP, roles=_OWNER, quota=_QUOTA),
    SettlementResolve: Rule(
        apply_resolve, gas_us=8_000, senders=BODY, roles=_OPERATOR, quota=_QUOTA
    ),
    SettlementPaid: Rule(
        apply_paid, gas_us=1_000, senders=SHOP | BODY, roles=_OWNER | _OPERATOR, quota=_QUOTA
    ),
    SettlementMissing: Rule(
        apply_missing, gas_us=1_000, senders=SHOP | BODY, roles=_OWNER | _OPERATOR, quota=_QUOTA
    ),
    SettlementCover: Rule(apply_cover, gas_us=1_000, senders=BODY, roles=_OPERATOR, quota=_QUOTA),
    SettlementReserve: Rule(apply_reserve, gas_us=900, senders=BODY, roles=_OPERATOR, quota=_QUOTA),
    SettlementStanding: Rule(
        apply_standing, gas_us=900, senders=SHOP | BODY, roles=_OWNER | _OPERATOR, quota=_QUOTA
    ),
}

DUE: Final[DueHandlers] = {
    OPEN_KIND: open_epoch,
    CLOSE_KIND: close_epoch,
    WRITE_KIND: write_legs,
    OVERDUE_KIND: judge_overdue,
    WATCH_KIND: count_circulation,
    DROP_KIND: drop_epoch,
}
