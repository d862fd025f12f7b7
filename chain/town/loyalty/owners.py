"""A shop owner's next key: renewed with the old one at once, or replaced by an operator when it is lost.

A replacement waits while the old key still lives: its owner, who sees it in the journal, stops it by renewing. Once
the old key ended or ran out there is nobody to ask, and the replacement takes effect at once, in place of one that
waited.

Whoever stole the owner's key can renew it too, and nobody can tell them from the owner by a key. So a renewal stops a
replacement once: within a month of it, the operator's next one waits as long again and is not stopped by a key. An
operator who abuses this is stopped by the council, which ends the operator's role: a replacement is dropped when the
key that asked for it no longer lives on its day.
Reads and writes: shops, role keys, the due queue.  Never: touches the shop's tills, whose keys go on.
"""

from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from chain.town import params
from chain.town.accounts import (
    free_reserved_key,
    grant_role,
    jwk_members,
    live_role,
    register_key,
    revoke_role,
    role_of,
)
from chain.town.context import (
    Accepted,
    BlockContext,
    Outcome,
    Overlay,
    Reader,
    Refused,
    Table,
    TxContext,
)
from chain.town.due import cancel_due, schedule_due
from chain.town.loyalty.records import NAMESPACE, SHOPS, MarkRecord, ShopRecord
from chain.town.loyalty.tills import SHOP_PREFIX
from chain.town.schemas import Jwk, LoyaltyOwnerKey
from chain.types import codes

OWNER_KIND: Final = "loyalty.owner_key"


class OwnerChangeRecord(Struct, frozen=True):
    """A key that an operator asked for and that waits until `effective_s`; reserved meanwhile.

    `asked_kid` is the operator's key. `is_final` when a renewal stopped an earlier one: none stops this one.
    """

    key: Jwk
    effective_s: int
    asked_by: str
    asked_kid: str = ""
    is_final: bool = False


OWNER_STOPS: Final = Table(NAMESPACE, "owner_stop", MarkRecord)
"""When a shop's owner last stopped a replacement."""
OWNER_CHANGES: Final = Table(NAMESPACE, "owner_change", OwnerChangeRecord)


def apply_owner_key(ctx: TxContext, body: LoyaltyOwnerKey) -> Outcome:
    """Renew the own shop's key, or ask for a replacement as an operator."""
    shop = SHOPS.get(ctx.state, body.shop.encode())
    if shop is None:
        return Refused(codes.LOYALTY_UNKNOWN_SHOP)
    is_owner = ctx.sender == SHOP_PREFIX + body.shop
    if not is_owner and ctx.sender.startswith(SHOP_PREFIX):
        return Refused(codes.TX_NOT_ENTITLED, "another shop")
    if is_owner:
        _stop_waiting(ctx, body.shop)
    elif live_role(ctx.state, shop.owner_kid, ctx.time_s) is not None:
        return _ask(ctx, body)
    else:
        _drop_waiting(ctx.state, body.shop)
    done = _change(ctx.state, shop, body.new_key, granted_by=ctx.sender, time_s=ctx.time_s)
    return done if isinstance(done, Refused) else Accepted(done)


def _ask(ctx: TxContext, body: LoyaltyOwnerKey) -> Outcome:
    """Reserve the key until its day."""
    if OWNER_CHANGES.get(ctx.state, body.shop.encode()) is not None:
        return Refused(codes.LOYALTY_OWNER_KEY_WAITS)
    kid = register_key(ctx.state, body.new_key, use="reserved", ref=_reservation(body.shop))
    if isinstance(kid, Refused):
        return kid
    effective_s = ctx.time_s + params.get_param(ctx.state, params.SHOP_OWNER_WAIT_S)
    stopped = OWNER_STOPS.get(ctx.state, body.shop.encode())
    window_s = params.get_param(ctx.state, params.SHOP_OWNER_STOP_S)
    is_final = stopped is not None and ctx.time_s < stopped.at_s + window_s
    record = OwnerChangeRecord(body.new_key, effective_s, ctx.sender, ctx.signers[0].kid, is_final)
    OWNER_CHANGES.put(ctx.state, body.shop.encode(), record)
    schedule_due(ctx.state, effective_s, OWNER_KIND, body.shop)
    told = {"shop": body.shop, "status": "waits", "effective": effective_s, "is_final": is_final}
    return Accepted(told)


def _stop_waiting(ctx: TxContext, shop: str) -> None:
    """A renewal stops what an operator asked for, unless one stopped it before."""
    waiting = OWNER_CHANGES.get(ctx.state, shop.encode())
    if waiting is None or waiting.is_final:
        return
    _drop_waiting(ctx.state, shop)
    OWNER_STOPS.put(ctx.state, shop.encode(), MarkRecord(ctx.time_s))


def replace_owner(ctx: BlockContext, shop_slug: str) -> None:
    """Due work: the waiting key's day has come and nobody stopped it, nor ended the role of who asked for it."""
    waiting = OWNER_CHANGES.get(ctx.state, shop_slug.encode())
    shop = SHOPS.get(ctx.state, shop_slug.encode())
    assert waiting is not None, "only waiting changes are due"
    assert shop is not None, "a shop is never forgotten"
    _drop_waiting(ctx.state, shop_slug)
    asked_kid = waiting.asked_kid
    if asked_kid and not _may_still_ask(ctx.state, asked_kid):
        ctx.note(OWNER_KIND, shop=shop_slug, status="dropped")
        return
    done = _change(ctx.state, shop, waiting.key, granted_by=waiting.asked_by, time_s=ctx.time_s)
    assert not isinstance(done, Refused), "a reserved key is free for what it waits for"
    ctx.note(OWNER_KIND, **done, key=jwk_members(waiting.key))


def _may_still_ask(state: Reader, kid: str) -> bool:
    """Whether an operator's role was not taken away since; that it ran out by itself says nothing against it."""
    role = role_of(state, kid)
    return role is None or role.revoked_since == 0


def _drop_waiting(state: Overlay, shop: str) -> None:
    waiting = OWNER_CHANGES.get(state, shop.encode())
    if waiting is None:
        return
    OWNER_CHANGES.delete(state, shop.encode())
    free_reserved_key(state, waiting.key, _reservation(shop))
    cancel_due(state, waiting.effective_s, OWNER_KIND, shop)


def _change(
    state: Overlay, shop: ShopRecord, new_key: Jwk, *, granted_by: str, time_s: int
) -> dict[str, Any] | Refused:
    """Grant the new key the owner's role and end the old one's."""
    expires = time_s + params.get_param(state, params.AGENT_ROLE_MAX_S)
    role = grant_role(
        state,
        role="shop_owner",
        holder=SHOP_PREFIX + shop.shop,
        jwk=new_key,
        granted_by=granted_by,
        expires=expires,
        now_s=time_s,
    )
    if isinstance(role, Refused):
        return role
    ended = revoke_role(state, shop.owner_kid, time_s)
    assert not isinstance(ended, Refused), "an owner's key has its role"
    SHOPS.put(state, shop.shop.encode(), replace(shop, owner_kid=role.kid))
    return {
        "shop": shop.shop,
        "status": "done",
        "owner_kid": role.kid,
        "owner_expires": expires,
        "ended_kid": shop.owner_kid,
        "ended_since": max(time_s, 1),
    }


def _reservation(shop: str) -> str:
    return f"owner of {shop}"
