"""Programmes, shops and their tills: who may give and take points, under which rule, up to what cap.

Reads and writes: programmes, versions, shops, tills, role keys; for a revoked till also what it gave.
Never: touches a lot of an older programme version.
"""

from typing import Any, Final

from msgspec.structs import asdict, replace

from chain.limits import LOYALTY_SWEEP_EARNS
from chain.town import params
from chain.town.accounts import grant_role, revoke_role, role_of
from chain.town.context import Accepted, BlockContext, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.due import schedule_due
from chain.town.loyalty.books import Entry, post_entries
from chain.town.loyalty.expiry import load_wallet, save_wallet
from chain.town.loyalty.records import (
    EARNS,
    PROGRAMMES,
    SHOPS,
    TILLS,
    VERSIONS,
    ProgrammeRecord,
    ShopRecord,
    TillRecord,
    VersionRecord,
    describe_leg,
    version_id,
)
from chain.town.loyalty.wallet import take
from chain.town.loyalty_rules import SECONDS_PER_DAY, compute_rule_hash
from chain.town.schemas import LoyaltyProgramme, LoyaltyShop, LoyaltyTill, LoyaltyTillRevoke
from chain.types import codes

SWEEP_KIND: Final = "loyalty.till_sweep"
SHOP_PREFIX: Final = "shop:"


def apply_programme(ctx: TxContext, body: LoyaltyProgramme) -> Outcome:
    """Open a programme (version 1), put its next version in force, or close it at its present version."""
    current = PROGRAMMES.get(ctx.state, body.programme.encode())
    rule_hash = compute_rule_hash(body.earn, body.lot_life_days)
    refused = _check_version(ctx, body, current, rule_hash)
    if body.status == "draft":
        return Refused(codes.LOYALTY_PROGRAMME_INACTIVE, "drafts come with the next release")
    if refused is not None:
        return refused
    record = ProgrammeRecord(body.programme, body.version, body.status, rule_hash, ctx.sender)
    PROGRAMMES.put(ctx.state, body.programme.encode(), record)
    if body.status == "active":
        version = VersionRecord(
            body.programme, body.version, body.earn, body.lot_life_days, rule_hash, ctx.time_s
        )
        VERSIONS.put(ctx.state, version_id(body.programme, body.version), version)
    earn, days = asdict(body.earn), body.lot_life_days
    return Accepted({**asdict(record), "earn": earn, "lot_life_days": days})


def _check_version(
    ctx: TxContext, body: LoyaltyProgramme, current: ProgrammeRecord | None, rule_hash: str
) -> Refused | None:
    if current is None:
        if body.status != "active":
            return Refused(codes.LOYALTY_UNKNOWN_PROGRAMME)
        return None if body.version == 1 else Refused(codes.TX_BODY_INVALID, "version: 1 is first")
    if current.operator != ctx.sender:
        return Refused(codes.TX_NOT_ENTITLED, f"programme of {current.operator}")
    if current.status == "closed":
        return Refused(codes.LOYALTY_PROGRAMME_INACTIVE, "closed for good")
    if body.status == "closed":
        same = (body.version, rule_hash) == (current.version, current.rule_hash)
        wrong = Refused(codes.TX_BODY_INVALID, f"version: close {current.version}, with its rule")
        return None if same else wrong
    if body.version <= current.version:
        return Refused(codes.LOYALTY_PROGRAMME_EXISTS, f"version {current.version} is in force")
    if body.version > current.version + 1:
        return Refused(codes.TX_BODY_INVALID, f"version: {current.version + 1} is next")
    return None


def apply_shop(ctx: TxContext, body: LoyaltyShop) -> Outcome:
    """Take a shop into the coalition and give its owner's key, which signed too, the owner's role."""
    if SHOPS.get(ctx.state, body.shop.encode()) is not None:
        return Refused(codes.LOYALTY_SHOP_EXISTS)
    expires = ctx.time_s + params.get_param(ctx.state, params.AGENT_ROLE_MAX_S)
    owner = grant_role(
        ctx.state,
        role="shop_owner",
        holder=SHOP_PREFIX + body.shop,
        jwk=body.owner_key,
        granted_by=ctx.sender,
        expires=expires,
        now_s=ctx.time_s,
    )
    if isinstance(owner, Refused):
        return owner
    record = ShopRecord(body.shop, body.name, owner.kid, ctx.time_s)
    SHOPS.put(ctx.state, body.shop.encode(), record)
    return Accepted({**asdict(record), "owner_expires": expires})


def apply_till(ctx: TxContext, body: LoyaltyTill) -> Outcome:
    """Register a till key of the acting shop, which signed too, with its caps."""
    shop = shop_of(ctx)
    if SHOPS.get(ctx.state, shop.encode()) is None:
        return Refused(codes.LOYALTY_UNKNOWN_SHOP)
    if body.cap_per_tx_points > body.cap_per_day_points:
        return Refused(codes.TX_BODY_INVALID, "cap_per_tx_points: above cap_per_day_points")
    role = grant_role(
        ctx.state,
        role="till",
        holder=ctx.sender,
        jwk=body.key,
        granted_by=ctx.sender,
        expires=body.expires,
        now_s=ctx.time_s,
    )
    if isinstance(role, Refused):
        return role
    record = TillRecord(
        shop, role.kid, body.expires, body.cap_per_tx_points, body.cap_per_day_points
    )
    TILLS.put(ctx.state, role.kid.encode(), record)
    return Accepted(
        {
            "shop": shop,
            "kid": role.kid,
            "expires": body.expires,
            "cap_per_tx_points": body.cap_per_tx_points,
            "cap_per_day_points": body.cap_per_day_points,
        }
    )


def shop_of(ctx: TxContext) -> str:
    """Slug of the acting shop; the engine has checked that the signer may act for it."""
    return ctx.sender.removeprefix(SHOP_PREFIX)


def get_acting_till(ctx: TxContext) -> TillRecord | Refused:
    """The live till that signed, or why it may not act for the shop."""
    till = TILLS.get(ctx.state, ctx.signers[0].kid.encode())
    if till is None or till.shop != shop_of(ctx):
        return Refused(codes.LOYALTY_TILL_UNKNOWN)
    role = role_of(ctx.state, till.kid)
    if role is None or not role.is_live(ctx.time_s):
        return Refused(codes.TX_KEY_EXPIRED, "till revoked or out of date")
    return till


def charge_till(till: TillRecord, *, points: int, time_s: int) -> TillRecord | Refused:
    """Count points given or taken against the till's caps; a later undo does not give them back."""
    if points > till.cap_per_tx_points:
        return Refused(codes.LOYALTY_TILL_CAP, f"{till.cap_per_tx_points} points at once")
    today = time_s // SECONDS_PER_DAY
    used = (till.day_points if till.day == today else 0) + points
    if used > till.cap_per_day_points:
        return Refused(codes.LOYALTY_TILL_CAP, f"{till.cap_per_day_points} points a day")
    return replace(till, day=today, day_points=used)


# --- revocation ----------------------------------------------------------------------------


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
        swept += _take_back_unspent(state, time_s, cursor)
        cursor = earn.previous
    return swept, cursor if _reaches(state, cursor, since_s) else ""


def _reaches(state: Reader, ref: str, since_s: int) -> bool:
    earn = EARNS.get(state, ref.encode()) if ref else None
    return earn is not None and earn.earned_s >= since_s


def _take_back_unspent(state: Overlay, time_s: int, ref: str) -> list[dict[str, Any]]:
    """Reverse what is left of one earn; spent points stay spent, because their holder did no wrong.

    What was reversed before, though it was spent then, is a debt: a refund since must not make it paid twice.
    """
    earn = EARNS.get(state, ref.encode())
    assert earn is not None, "only known earns are swept"
    left = earn.points - earn.reversed
    wallet, legs, missing = take(
        load_wallet(state, earn.account),
        left,
        lambda lot: lot.ref == ref and lot.expires_s > time_s,
    )
    points = left - missing
    if not points:
        return []
    save_wallet(state, earn.account, wallet)
    EARNS.put(state, ref.encode(), replace(earn, reversed=earn.reversed + points))
    moves = [
        Entry(earn.shop, "USR", earn.account, -points),
        Entry(earn.shop, "REV", "", points),
    ]
    entries = post_entries(state, earn.programme, moves)
    return [
        {
            "ref": ref,
            "account": earn.account,
            "programme": earn.programme,
            "points": points,
            "taken": [describe_leg(leg) for leg in legs],
            "entries": entries,
        }
    ]
