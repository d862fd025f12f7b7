"""What a key is on the chain now: an account's present key, a live role, a seat, or just a device.

Reads: the read model.  Writes: nothing.
"""

from typing import Final

from app.accounts.service import find_account_by_kid
from app.accounts.standing import find_second_key
from app.city.service import find_live_role, find_seat
from app.core.context import Actor, get_clock

_ROLE_SCOPES: Final = {
    "clerk": ("clerk",),
    "agent_supervisor": ("clerk", "supervisor"),
    "loyalty_operator": ("operator",),
    "shop_owner": ("shop_owner",),
    "till": ("till",),
    "auditor": ("auditor",),
    "electoral_commission": ("electoral",),
    "pmo": ("pmo",),
    "meter_adapter": ("meter_adapter",),
    "energy_witness": ("energy_witness",),
}


def find_standing(kid: str) -> Actor:
    """What a key is on the chain now: an account's present key, a live role, a seat, or just a device.

    `subject` is the account id for accounts, else the kid, so that a rotation changes it for roles only.
    """
    account = find_account_by_kid(kid)
    if account is not None:
        scopes = {f"citizen:{account.domain}"} if account.status == "open" else set()
        return Actor(kid, account.id, frozenset(scopes | {"device"}), account.id, account.domain)
    second = find_second_key(kid, get_clock().now_s())
    if second is not None:
        return second
    role = find_live_role(kid, get_clock().now_s())
    if role is not None:
        scopes = {"device", *_ROLE_SCOPES.get(role.role, ())}
        return Actor(kid, kid, frozenset(scopes), bodies=(role.holder,))
    seat = find_seat(kid)
    if seat is not None:
        return Actor(kid, kid, frozenset({"device", "council"}), bodies=(f"body:{seat.body}",))
    return Actor(kid, kid, frozenset({"device"}))
