"""The end of a till: revoked at once, and what is left of its gifts since some time taken back, step by step.

Reads: tills, role keys.  Writes: the same, earns, wallets, totals, the due queue.  Never: points that were spent.
"""

from typing import Any, Final

from msgspec.structs import replace

from chain.limits import LOYALTY_SWEEP_EARNS
from chain.town.accounts import revoke_role
from chain.town.context import Accepted, BlockContext, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.due import cancel_due, schedule_due
from chain.town.loyalty.books import Entry, move_legs, post_entries
from chain.town.loyalty.giving import ACTIVATE_KIND
from chain.town.loyalty.records import EARNS, TILLS, TillRecord, describe_leg
from chain.town.loyalty.reversing import count_reversal, own_lots, take_own_lots
from chain.town.loyalty.tills import shop_of
from chain.town.loyalty.wallet import Wallet
from chain.town.schemas import LoyaltyTillRevoke
from chain.types import codes

SWEEP_KIND: Final = "loyalty.till_sweep"


def apply_till_revoke(ctx: TxContext, body: LoyaltyTillRevoke) -> Outcome:
    """End a till at once and take back what is left of the lots it gave at or after `since`.

    The first earns, newest first, are swept here; the rest at the end of this and the next blocks.
    """
    till = TILLS.get(ctx.state, body.kid.encode())
    if till is None or till.shop != shop_of(ctx):
        return Refused(codes.LOYALTY_TILL_UNKNOWN)
    if body.since > ctx.time_s:
        return Refused(codes.TX_BODY_INVALID, "since: in the future")
    revoked = revoke_role(ctx.state, body.kid, body.since)
    assert not isinstance(revoked, Refused), "every till has its role"
    since = min(body.since, till.revoked_since_s) if till.revoked_s else body.since
    record = replace(till, revoked_s=till.revoked_s or ctx.time_s, revoked_since_s=since)
    if till.sweep:  # a sweep is on its way already; it will go as far back as the record now says
        swept: list[dict[str, Any]] = []
        TILLS.put(ctx.state, body.kid.encode(), record)
    else:
        swept, record = _sweep_on(ctx.state, ctx.time_s, replace(record, sweep=till.last_earn))
    return Accepted(
        {
            "shop": till.shop,
            "kid": body.kid,
            "since": body.since,
            "reversed": swept,
            "unfinished": bool(record.sweep),
        }
    )


def continue_sweep(ctx: BlockContext, kid: str) -> None:
    """Due work: sweep the next earns of a revoked till; at most one such item waits per till."""
    till = TILLS.get(ctx.state, kid.encode())
    assert till is not None, "only known tills are swept"
    swept, _ = _sweep_on(ctx.state, ctx.time_s, till)
    if swept:
        ctx.note(SWEEP_KIND, reversed=swept)


def _sweep_on(
    state: Overlay, time_s: int, till: TillRecord
) -> tuple[list[dict[str, Any]], TillRecord]:
    """One bounded step of a till's sweep; the till remembers where it stands, the due queue when to go on."""
    swept, cursor = _sweep(state, time_s, cursor=till.sweep, since_s=till.revoked_since_s)
    record = replace(till, sweep=cursor)
    TILLS.put(state, till.kid.encode(), record)
    if cursor:
        schedule_due(state, time_s, SWEEP_KIND, till.kid)
    return swept, record


def _sweep(
    state: Overlay, time_s: int, *, cursor: str, since_s: int
) -> tuple[list[dict[str, Any]], str]:
    """Walk a till's earns from `cursor` back to `since_s`, a bounded number; returns the cursor to go on from."""
    swept: list[dict[str, Any]] = []
    for _ in range(LOYALTY_SWEEP_EARNS):
        if not cursor:
            break
        earn = EARNS.get(state, cursor.encode())
        assert earn is not None, "a till's chain of earns has no gap"
        if earn.earned_s < since_s:
            return swept, ""
        taken, is_done = _take_back_unspent(state, time_s, cursor)
        swept += taken
        if not is_done:
            break
        cursor = earn.previous
    return swept, cursor if _reaches(state, cursor, since_s) else ""


def _reaches(state: Reader, ref: str, since_s: int) -> bool:
    earn = EARNS.get(state, ref.encode()) if ref else None
    return earn is not None and earn.earned_s >= since_s


def _take_back_unspent(state: Overlay, time_s: int, ref: str) -> tuple[list[dict[str, Any]], bool]:
    """Reverse what is left of one earn; spent points stay spent, because their holder did no wrong.

    What was reversed before, though it was spent then, is a debt: a refund since must not make it paid twice.
    Returns what was taken back, and whether that was all there is (an earn may have very many lots of grace).
    """
    earn = EARNS.get(state, ref.encode())
    assert earn is not None, "only known earns are swept"
    wallets = _wallets_of(state, earn.account, time_s)
    wanted = earn.points - earn.reversed
    cooled = min(wanted, earn.pending)
    legs = take_own_lots(state, wallets, earn, ref, wanted - cooled)
    points = cooled + sum(leg.points for leg in legs)
    if not points:
        return [], True
    position = wallets[0].get_position(earn.programme, earn.shop)
    wallets[0].set_position(replace(position, pending=position.pending - cooled))
    for wallet in wallets:
        wallet.save()
    if cooled and cooled == earn.pending:
        cancel_due(state, earn.due_s, ACTIVATE_KIND, ref)
    earn = replace(earn, reversed=earn.reversed + points, pending=earn.pending - cooled)
    EARNS.put(state, ref.encode(), earn)
    count_reversal(state, earn, points, time_s)
    moves = move_legs(legs, "USR", "REV")
    moves += [Entry(earn.shop, "PND", "", -cooled), Entry(earn.shop, "REV", "", cooled)]
    swept = {
        "ref": ref,
        "account": earn.account,
        "programme": earn.programme,
        "shop": earn.shop,
        "points": points,
        "taken": [describe_leg(leg, earn.account) for leg in legs],
        "entries": post_entries(state, earn.programme, moves),
    }
    is_left = any(lot.expires_s > time_s for _, lot in own_lots(state, wallets, earn, ref))
    return [swept], points == wanted or not is_left


def _wallets_of(state: Overlay, account: str, time_s: int) -> list[Wallet]:
    """The account's wallet, then its household's."""
    own = Wallet(state, account, time_s)
    return [own, Wallet(state, own.head.pool, time_s)] if own.head.pool else [own]
