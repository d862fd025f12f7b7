"""May these signers act for this sender? One answer for accounts, bodies, shops and the council.

Reads: namespaces account and city.  Writes: nothing.  Never: applies a domain's rule.
"""

from msgspec import Struct

from chain.town.accounts import SEATS, find_device, get_account, get_key_use, kid_of, role_of
from chain.town.context import Reader, Refused
from chain.town.rules import Rule
from chain.town.schemas import Jwk
from chain.types import codes


def sender_kind(sender: str) -> str:
    """`council`, `body`, `shop` or `account`."""
    if sender == "council":
        return "council"
    kind, colon, _ = sender.partition(":")
    return kind if colon else "account"


def named_keys(rule: Rule, body: Struct) -> dict[str, Jwk] | Refused:
    """Keys in the body that may sign without being registered, by thumbprint."""
    try:
        return {kid_of(jwk): jwk for jwk in rule.new_keys(body)}
    except ValueError:
        return Refused(codes.TX_BODY_INVALID, "not a public key")


def refusal_of_unknown_key(state: Reader, kid: str) -> Refused:
    """A retired key says so; any other, a reserved one too, is simply not known here."""
    use = get_key_use(state, kid)
    if use is None or use.use == "reserved":
        return Refused(codes.TX_UNKNOWN_KEY)
    return Refused(codes.TX_KEY_EXPIRED)


def check_entitled(
    state: Reader,
    rule: Rule,
    sender: str,
    kids: tuple[str, ...],
    new_kids: frozenset[str],
    now_s: int,
) -> Refused | None:
    """None when every signer may act for `sender` and none is missing."""
    kind = sender_kind(sender)
    if kind not in rule.senders:
        return Refused(codes.TX_NOT_ENTITLED, "from")
    if not new_kids.issubset(kids):
        return Refused(codes.TX_MISSING_SIGNATURE, "the new key signs too")
    if kind == "council":
        return _check_council(state, kids)
    old_kids = tuple(kid for kid in kids if kid not in new_kids)
    if kind == "account":
        return _check_account(state, rule, sender, old_kids, new_kids, now_s)
    return _check_roles(state, rule, sender, old_kids, now_s)


def _check_account(
    state: Reader,
    rule: Rule,
    sender: str,
    old_kids: tuple[str, ...],
    new_kids: frozenset[str],
    now_s: int,
) -> Refused | None:
    """The account's own key signs; or, for an account to be opened, the key that names it."""
    if rule.opens_account:
        is_own = new_kids == {sender} and not old_kids
        return None if is_own else Refused(codes.TX_NOT_ENTITLED)
    account = get_account(state, sender)
    if account is None:
        return Refused(codes.ACCOUNT_UNKNOWN)
    if account.status != "open" and not (rule.is_for_frozen and account.status == "frozen"):
        return Refused(codes.ACCOUNT_FROZEN)
    if rule.domain and account.domain != rule.domain:
        return Refused(codes.ACCOUNT_WRONG_DOMAIN, account.domain)
    if rule.by_reserved_key:
        return Refused(codes.TX_NOT_ENTITLED) if old_kids else None
    if not old_kids:
        return Refused(codes.TX_MISSING_SIGNATURE, "the account's key signs")
    return (
        None if old_kids == (account.kid,) else _check_device(state, rule, sender, old_kids, now_s)
    )


def _check_device(
    state: Reader, rule: Rule, sender: str, kids: tuple[str, ...], now_s: int
) -> Refused | None:
    """A second key of this account, in date, with the rule's scope, and no other signer."""
    device = find_device(state, kids[0])
    if device is None or device.account != sender or len(kids) != 1:
        return Refused(codes.TX_NOT_ENTITLED)
    if now_s >= device.expires:
        return Refused(codes.TX_KEY_EXPIRED)
    if rule.is_by_any_device:
        return None
    if not rule.device_scope or not device.may_sign(rule.device_scope, now_s):
        return Refused(codes.ACCOUNT_DEVICE_SCOPE)
    return None


def _check_roles(
    state: Reader, rule: Rule, sender: str, kids: tuple[str, ...], now_s: int
) -> Refused | None:
    """Every signer holds a fitting live role, at least one of them for `sender` itself."""
    has_own = False
    for kid in kids:
        record = role_of(state, kid)
        if record is None:
            return Refused(codes.TX_NOT_ENTITLED)
        if not record.is_live(now_s):
            return Refused(codes.TX_KEY_EXPIRED)
        is_own = record.body == sender and record.role in rule.roles
        has_own = has_own or is_own
        if is_own or record.role in rule.cosigner_roles:
            continue
        is_inside = record.body == sender
        return Refused(codes.TX_WRONG_ROLE if is_inside else codes.TX_NOT_ENTITLED, record.role)
    return None if has_own else Refused(codes.TX_NOT_ENTITLED, "nobody signs for the sender")


def _check_council(state: Reader, kids: tuple[str, ...]) -> Refused | None:
    """More than two thirds of all seats sign, and nobody else."""
    seats = {kid.decode() for kid, _ in SEATS.scan(state)}
    if not seats.issuperset(kids):
        return Refused(codes.TX_NOT_ENTITLED, "not a seat of the council")
    if 3 * len(kids) <= 2 * len(seats):
        return Refused(codes.CITY_NO_QUORUM, f"{len(kids)} of {len(seats)} seats")
    return None
