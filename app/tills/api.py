"""Routes of a shop's staff: the owner says who may open tills, employees open and hand over theirs by PIN."""

from typing import Any, Final

from app.core.access import access
from app.core.blueprint import TownBlueprint
from app.core.context import get_clock, get_config, require_actor
from app.loyalty.service import check_own_shop
from app.tills import service
from app.tills.schemas import (
    EmployeeRequestSchema,
    EmployeeSchema,
    PinSchema,
    ShiftRequestSchema,
    ShiftSchema,
    StaffSchema,
    TillSchema,
    UnlockedSchema,
)

blp = TownBlueprint("tills", __name__, url_prefix="/v1/tills", description="Staff at tills")
OWN_SHOP: Final = "staff of the own shop"
OWN_TILL: Final = "the till that logged in"


def _pepper() -> bytes:
    return get_config().derive_key(service.PEPPER_LABEL)


@blp.get("/shops/<slug:shop>/staff")
@access("shop_owner", objects="named", rule=OWN_SHOP)
@blp.response(200, StaffSchema)
def get_staff(shop: str) -> dict[str, Any]:
    """List who may open the shop's tills, and who had which one when."""
    return service.describe_staff(shop, require_actor().bodies)


@blp.post("/shops/<slug:shop>/employees")
@access("shop_owner", objects="named", rule=OWN_SHOP)
@blp.arguments(EmployeeRequestSchema)
@blp.response(201, EmployeeSchema)
def create_employee(args: dict[str, Any], shop: str) -> dict[str, Any]:
    """Let somebody open the shop's tills; from the first one on, tills ask for a PIN every day."""
    check_own_shop(shop, require_actor().bodies)
    now_s = get_clock().now_s()
    return service.add_employee(
        shop, name=args["name"], pin=args["pin"], pepper=_pepper(), now_s=now_s
    )


@blp.post("/employees/<token:employee>/pin")
@access("shop_owner", objects="named", rule=OWN_SHOP)
@blp.arguments(PinSchema)
@blp.response(200, EmployeeSchema)
def change_pin(args: dict[str, Any], employee: str) -> dict[str, Any]:
    """Give an employee another PIN."""
    return service.change_pin(employee, require_actor().bodies, pin=args["pin"], pepper=_pepper())


@blp.post("/employees/<token:employee>/end")
@access("shop_owner", objects="named", rule=OWN_SHOP)
@blp.response(200, EmployeeSchema)
def end_employee(employee: str) -> dict[str, Any]:
    """An employee left: what they have open closes now."""
    return service.end_employee(employee, require_actor().bodies, now_s=get_clock().now_s())


@blp.post("/shops/<slug:shop>/terminals/<key:kid>/unlock")
@access("shop_owner", objects="named", rule=OWN_SHOP)
@blp.response(200, UnlockedSchema)
def unlock_till(shop: str, kid: str) -> dict[str, Any]:
    """Let a till that saw too many wrong PINs try again."""
    return service.unlock_till(shop, kid, require_actor().bodies)


@blp.get("/me")
@access("till", objects="self", rule=OWN_TILL, closed_till=True)
@blp.response(200, TillSchema)
def get_own_till() -> dict[str, Any]:
    """Show whether the till is open, and who may open it."""
    return service.describe_till(require_actor(), now_s=get_clock().now_s())


@blp.post("/shifts")
@access("till", objects="self", rule=OWN_TILL, closed_till=True)
@blp.arguments(ShiftRequestSchema)
@blp.response(201, ShiftSchema)
def open_shift(args: dict[str, Any]) -> dict[str, Any]:
    """Open the till for the day, or take it over from a colleague."""
    return service.open_shift(
        require_actor(),
        employee=args["employee"],
        pin=args["pin"],
        pepper=_pepper(),
        now_s=get_clock().now_s(),
    )


@blp.post("/shifts/end")
@access("till", objects="self", rule=OWN_TILL, closed_till=True)
@blp.response(200, TillSchema)
def end_shift() -> dict[str, Any]:
    """Close the till until somebody opens it."""
    return service.end_shift(require_actor(), now_s=get_clock().now_s())
