"""Routes of what is offered and of what waits: campaigns, rewards, vouchers, holds, transfers, households, referrals.

A route that takes a transaction is one line of `TRANSACTIONS`; the chain judges who may act for whom.
"""

from dataclasses import dataclass
from typing import Any, Final

from app.core.access import PUBLIC, access
from app.core.blueprint import TownBlueprint
from app.core.codes import TRANSACTION_WRONG_ROUTE
from app.core.context import get_clock, get_services, require_actor
from app.core.idempotency import idempotent
from app.core.problems import Problem
from app.core.submission import SubmissionSchema, TransactionSchema, submit
from app.core.town_status import read_town_status
from app.core.transactions import read_transaction
from app.loyalty import previews, service
from app.loyalty.api import OWN_SHOP, read_chain_id
from app.loyalty.value_schemas import (
    CampaignsSchema,
    ChangesSchema,
    HoldsSchema,
    PoolSchema,
    RewardPreviewRequestSchema,
    RewardPreviewSchema,
    RewardsSchema,
    SeriesListSchema,
    VersionsSchema,
    VoucherPreviewRequestSchema,
    VoucherPreviewSchema,
)

blp = TownBlueprint(
    "loyalty-value", __name__, url_prefix="/v1/loyalty", description="Offers, holds, households"
)

SIGNERS_SHOP: Final = "the shop of the signer"
OWN_ACCOUNT: Final = "the account of the signing key"


@dataclass(frozen=True, slots=True)
class TransactionRoute:
    """A POST that relays one type of transaction: who may call it, for whose objects, and what it does."""

    path: str
    type: str
    scopes: tuple[str, ...]
    rule: str
    does: str


_TILL: Final = ("till",)
_OWNER: Final = ("shop_owner",)
_EITHER: Final = ("till", "shop_owner")
_OFFERS: Final = ("operator", "shop_owner")
_CITIZEN: Final = ("citizen:loyalty",)
_OFFERED: Final = "the signing operator's programme, or the signing owner's shop"
TRANSACTIONS: Final = (
    TransactionRoute(
        "/campaigns", "loyalty.campaign", _OFFERS, _OFFERED, "Open, change or end a campaign."
    ),
    TransactionRoute(
        "/rewards",
        "loyalty.reward",
        _OFFERS,
        _OFFERED,
        "Put a reward into the catalogue, change or end it.",
    ),
    TransactionRoute(
        "/voucher-series",
        "loyalty.voucher_series",
        _OWNER,
        SIGNERS_SHOP,
        "Open a series of vouchers, allow more, or end it.",
    ),
    TransactionRoute(
        "/staff",
        "loyalty.staff",
        _OWNER,
        SIGNERS_SHOP,
        "Name or drop an account as staff: the shop's tills serve none of them.",
    ),
    TransactionRoute(
        "/activations", "loyalty.activate", _OWNER, SIGNERS_SHOP, "End a gift's cool-off early."
    ),
    TransactionRoute("/events", "loyalty.event", _TILL, SIGNERS_SHOP, "Give points for an event."),
    TransactionRoute(
        "/holds",
        "loyalty.hold",
        _TILL,
        SIGNERS_SHOP,
        "Set points aside by the code on the customer's phone.",
    ),
    TransactionRoute(
        "/rewards/takings",
        "loyalty.reward_take",
        _TILL,
        SIGNERS_SHOP,
        "Hand over a reward for its price.",
    ),
    TransactionRoute(
        "/vouchers/redemptions",
        "loyalty.voucher_redeem",
        _TILL,
        SIGNERS_SHOP,
        "Take points off a signed voucher.",
    ),
    TransactionRoute(
        "/transfers",
        "loyalty.transfer",
        _CITIZEN,
        OWN_ACCOUNT,
        "Give points to another account or to the own household.",
    ),
    TransactionRoute(
        "/pools", "loyalty.pool_open", _CITIZEN, OWN_ACCOUNT, "Found a household pool."
    ),
    TransactionRoute(
        "/pools/invitations",
        "loyalty.pool_invite",
        _CITIZEN,
        OWN_ACCOUNT,
        "Invite an account into the own household.",
    ),
    TransactionRoute(
        "/pools/memberships", "loyalty.pool_join", _CITIZEN, OWN_ACCOUNT, "Accept an invitation."
    ),
    TransactionRoute(
        "/pools/departures",
        "loyalty.pool_leave",
        _CITIZEN,
        OWN_ACCOUNT,
        "Leave the household, or send a member away.",
    ),
    TransactionRoute(
        "/pools/withdrawals",
        "loyalty.pool_withdraw",
        _CITIZEN,
        OWN_ACCOUNT,
        "Take points out of the household into the own wallet.",
    ),
    TransactionRoute(
        "/referrals", "loyalty.referral", _CITIZEN, OWN_ACCOUNT, "Spend a welcome token."
    ),
)


def add_route(target: TownBlueprint, route: TransactionRoute) -> None:
    """Put a route that relays one type of transaction on a blueprint."""

    def view(args: dict[str, Any]) -> Any:
        return submit(args["transaction"], types=(route.type,))

    view.__name__, view.__doc__ = "create_" + route.type.replace(".", "_"), route.does
    decorated = target.alt_response(202, schema=SubmissionSchema, success=True)(view)
    decorated = target.response(201, SubmissionSchema)(decorated)
    decorated = idempotent(target.arguments(TransactionSchema)(decorated))
    decorated = access(*route.scopes, objects="signed", rule=route.rule)(decorated)
    target.post(route.path)(decorated)


for _route in TRANSACTIONS:
    add_route(blp, _route)


@blp.post("/holds/<key:hold>/capture")
@access(*_EITHER, objects="signed", rule="holds of the signer's shop")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_capture(args: dict[str, Any], hold: str) -> Any:
    """Spend up to what is held, once; the rest goes back."""
    return _submit_for_hold(hold, args["transaction"], "loyalty.capture")


@blp.post("/holds/<key:hold>/release")
@access(*_EITHER, objects="signed", rule="holds of the signer's shop")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_release(args: dict[str, Any], hold: str) -> Any:
    """Give back all that is held."""
    return _submit_for_hold(hold, args["transaction"], "loyalty.release")


def _submit_for_hold(hold: str, text: str, kind: str) -> Any:
    if read_transaction(text).payload.body.get("hold") != hold:
        raise Problem(TRANSACTION_WRONG_ROUTE, f"hold must be {hold}")
    return submit(text, types=(kind,))


# --- looking ---------------------------------------------------------------------------------


@blp.get("/holds")
@access(
    "citizen:loyalty", "till", "shop_owner", objects="self", rule="the own account, or the own shop"
)
@blp.response(200, HoldsSchema)
def get_holds() -> dict[str, Any]:
    """List open holds."""
    actor = require_actor()
    return {"holds": service.list_holds(account=actor.account, bodies=actor.bodies)}


@blp.get("/pools/me")
@access("citizen:loyalty", objects="self", rule="the household of the key that logged in")
@blp.response(200, PoolSchema)
def get_own_pool() -> dict[str, Any]:
    """Show the own household, what lies in it, and invitations."""
    return service.describe_pool(require_actor().account, now_s=get_clock().now_s())


@blp.get("/programmes/<slug:programme>/versions")
@access(PUBLIC, objects="none", rule="rules are public")
@blp.response(200, VersionsSchema)
def get_versions(programme: str) -> dict[str, Any]:
    """List the versions of a programme, the draft waiting included."""
    return {"versions": service.list_versions(programme)}


@blp.get("/programmes/<slug:programme>/changes")
@access(PUBLIC, objects="none", rule="rules are public")
@blp.response(200, ChangesSchema)
def get_changes(programme: str) -> dict[str, Any]:
    """Show what each version changed."""
    return {"versions": service.diff_versions(programme)}


@blp.get("/programmes/<slug:programme>/campaigns")
@access(PUBLIC, objects="none", rule="campaigns are public")
@blp.response(200, CampaignsSchema)
def get_campaigns(programme: str) -> dict[str, Any]:
    """List the campaigns that are not over."""
    return {"campaigns": service.list_campaigns(programme, now_s=get_clock().now_s())}


@blp.get("/programmes/<slug:programme>/rewards")
@access(PUBLIC, objects="none", rule="the catalogue is public")
@blp.response(200, RewardsSchema)
def get_rewards(programme: str) -> dict[str, Any]:
    """List the catalogue."""
    return {"rewards": service.list_rewards(programme, now_s=get_clock().now_s())}


@blp.get("/shops/<slug:shop>/voucher-series")
@access("shop_owner", objects="named", rule=OWN_SHOP)
@blp.response(200, SeriesListSchema)
def get_series(shop: str) -> dict[str, Any]:
    """List the voucher series of the own shop."""
    return {"series": service.list_series(shop, bodies=require_actor().bodies)}


@blp.post("/rewards/preview")
@access("till", objects="named", rule=OWN_SHOP)
@blp.arguments(RewardPreviewRequestSchema)
@blp.response(200, RewardPreviewSchema)
def preview_reward(args: dict[str, Any]) -> dict[str, Any]:
    """See whether a code would pay for a reward, without using it."""
    service.check_own_shop(args["shop"], require_actor().bodies)
    return previews.preview_reward(
        args,
        chain_id=read_chain_id(),
        limits=read_town_status(get_services().chain).params,
        now_s=get_clock().now_s(),
    )


@blp.post("/vouchers/preview")
@access("till", objects="named", rule=OWN_SHOP)
@blp.arguments(VoucherPreviewRequestSchema)
@blp.response(200, VoucherPreviewSchema)
def preview_voucher(args: dict[str, Any]) -> dict[str, Any]:
    """See what a voucher is still worth here, without using it."""
    service.check_own_shop(args["shop"], require_actor().bodies)
    return previews.preview_voucher(
        args["voucher"],
        shop=args["shop"],
        chain_id=read_chain_id(),
        now_s=get_clock().now_s(),
    )
