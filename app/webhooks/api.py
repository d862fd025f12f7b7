"""Routes of webhooks: a shop's owner registers endpoints, looks at deliveries and replays them."""

from typing import Any

from app.core.access import access
from app.core.blueprint import TownBlueprint
from app.core.context import get_clock, get_config, require_actor
from app.loyalty.service import check_own_shop
from app.webhooks import service
from app.webhooks.schemas import (
    DeliveriesQuerySchema,
    DeliveriesSchema,
    ReplayRequestSchema,
    ReplaySchema,
    WebhookRequestSchema,
    WebhookSchema,
    WebhooksSchema,
)

blp = TownBlueprint("webhooks", __name__, url_prefix="/v1/webhooks", description="Webhooks")
OWN = "endpoints of the own shop"


@blp.post("")
@access("shop_owner", objects="named", rule=OWN)
@blp.arguments(WebhookRequestSchema)
@blp.response(201, WebhookSchema)
def create_webhook(args: dict[str, Any]) -> dict[str, Any]:
    """Register an endpoint; the answer holds its key, so it is not kept for a repetition as others are."""
    check_own_shop(args["shop"], require_actor().bodies)
    return service.create_webhook(
        args["shop"],
        url=args["url"],
        scheme=args["scheme"],
        kinds=args["kinds"],
        master_key=get_config().master_key,
        now_s=get_clock().now_s(),
    )


@blp.get("")
@access("shop_owner", objects="self", rule=OWN)
@blp.response(200, WebhooksSchema)
def get_webhooks() -> dict[str, Any]:
    """List the living endpoints."""
    shops = [body.removeprefix("shop:") for body in require_actor().bodies]
    return {"webhooks": [line for shop in shops for line in service.list_webhooks(shop)]}


@blp.get("/<token:webhook>/deliveries")
@access("shop_owner", objects="named", rule=OWN)
@blp.arguments(DeliveriesQuerySchema, location="query")
@blp.response(200, DeliveriesSchema)
def get_deliveries(args: dict[str, Any], webhook: str) -> dict[str, Any]:
    """List the newest deliveries, dead letters among them."""
    service.find_own(webhook, require_actor().bodies)
    return {"deliveries": service.list_deliveries(webhook, args["status"])}


@blp.post("/<token:webhook>/replays")
@access("shop_owner", objects="named", rule=OWN)
@blp.arguments(ReplayRequestSchema)
@blp.response(200, ReplaySchema)
def create_replay(args: dict[str, Any], webhook: str) -> dict[str, Any]:
    """Tell again what happened since."""
    service.find_own(webhook, require_actor().bodies)
    queued = service.replay(webhook, since_s=args["since"], now_s=get_clock().now_s())
    return {"queued": queued}


@blp.post("/<token:webhook>/end")
@access("shop_owner", objects="named", rule=OWN)
@blp.response(200, WebhookSchema)
def end_webhook(webhook: str) -> dict[str, Any]:
    """Tell an endpoint nothing more."""
    service.find_own(webhook, require_actor().bodies)
    service.end_webhook(webhook, reason="owner", now_s=get_clock().now_s())
    return service.describe(service.find_own(webhook, require_actor().bodies))
