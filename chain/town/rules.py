"""What a domain module exports for each kind of transaction, and the table the engine routes by.

    RULES: Final = {LoyaltyEarn: Rule(apply_earn, gas_us=350, senders=SHOP, roles=frozenset({"till"}),
                                      quota=params.QUOTA_TILL_PER_MINUTE), ...}
    DUE: Final = {"loyalty.expire": expire_lot}          # see chain.town.due

The engine has checked, before `apply` runs: size, canonical form, town, type, body schema, expiry, replay,
every signature, that every signer may act for `sender` in one of `roles`, and the quota.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from msgspec import Struct

from chain.town import params
from chain.town.context import Outcome, Overlay, Reader, Refused, TxContext
from chain.town.due import DueHandlers
from chain.town.params import Parameter
from chain.town.schemas import Jwk

ACCOUNT: Final = frozenset({"account"})
BODY: Final = frozenset({"body"})
SHOP: Final = frozenset({"shop"})
COUNCIL: Final = frozenset({"council"})


def no_new_keys(_body: Any) -> tuple[Jwk, ...]:
    """The common case: only registered keys sign."""
    return ()


@dataclass(frozen=True, slots=True)
class Rule:
    """How one type of transaction is admitted and applied."""

    apply: Callable[[TxContext, Any], Outcome]
    gas_us: int
    """Fixed gas: the worst measured cost of decode, verify, execute and tree update, in µs."""
    senders: frozenset[str]
    """Kinds of `from` allowed: account, body, shop, council."""
    quota: Parameter
    """Transactions an account, or else each signer, may have included per minute of header time."""
    roles: frozenset[str] = frozenset()
    """For body and shop senders: the signer holds one of these roles of that body or shop."""
    cosigner_roles: frozenset[str] = frozenset()
    """Further signers may hold one of these roles of any body (two-agent acts)."""
    domain: str = ""
    """For account senders: the account's domain; empty for any."""
    signatures_max: int = 1
    expiry: Parameter = params.TX_EXPIRY_MAX_S
    """How far ahead `exp` may lie."""
    new_keys: Callable[[Any], tuple[Jwk, ...]] = no_new_keys
    """Keys named in the body that must sign, although they are not registered yet: proof of possession."""
    device_scope: str = ""
    """For account senders: second keys with this scope may sign too; empty for the account's own key alone."""
    is_by_any_device: bool = False
    """For account senders: any second key may sign, whatever its scopes; `admit` must say what each may do."""
    is_for_frozen: bool = False
    """For account senders: a frozen account may send it; a closed one never."""
    by_reserved_key: bool = False
    """For account senders: the one new key signs alone; `admit` refuses any but the key reserved for the account."""
    opens_account: bool = False
    """The sender may be an account not open yet, named by the one new key that signs."""
    admit: Callable[[TxContext, Any], "Refused | tuple[str, ...]"] | None = None
    """A last check before the replay key is recorded; returns thumbprints whose quota is charged too."""


Rules: TypeAlias = Mapping[type[Struct], Rule]


@dataclass(frozen=True, slots=True)
class AnonymousRule:
    """How one type of anonymous transaction is applied.

    There is no account to charge: whatever it refuses is never in a block, so `apply` judges what costs least first,
    and only what it accepts is recorded.
    """

    apply: Callable[[TxContext, Any], Outcome]
    gas_us: Callable[[Reader, Any], int]
    """Worst cost in µs, as state and body tell it: a ballot's depends on the election's questions."""
    key: Callable[[Any], bytes]
    """The transaction's name for ever, 32 bytes: clients follow it by that (a ballot's hash, a credential's)."""
    why_over: Callable[[Reader, Any, int], Refused | None]
    """Why one that waits in the mempool will never be taken (state, body, header time); must cost next to nothing."""


AnonymousRules: TypeAlias = Mapping[type[Struct], AnonymousRule]


Start: TypeAlias = Callable[[Overlay, int], None]
"""A domain's first records, written by InitChain; told the genesis time in unix seconds."""


@dataclass(frozen=True, slots=True)
class Route:
    """A transaction type's name, body class and rule."""

    name: str
    body: type[Struct]
    rule: Rule


@dataclass(frozen=True, slots=True)
class Router:
    """All rules by type name, all due-work handlers by kind, all namespaces of the tree."""

    routes: Mapping[str, Route]
    due: DueHandlers
    namespaces: tuple[str, ...]
    starts: tuple[Start, ...] = ()
    anonymous: Mapping[str, AnonymousRule] = field(default_factory=dict)
    """Rules of transactions that nobody signs, by type name."""


def build_router(
    rules: Iterable[Rules],
    due: Iterable[DueHandlers],
    namespaces: Iterable[str],
    starts: Iterable[Start] = (),
    anonymous: AnonymousRules | None = None,
) -> Router:
    """Join the domains' tables; raises ValueError when two domains claim one name."""
    routes: dict[str, Route] = {}
    for table in rules:
        for body, rule in table.items():
            name: str = body.TYPE  # type: ignore[attr-defined]  # every body class names its type
            if name in routes:
                raise ValueError(f"two rules for {name}")
            routes[name] = Route(name, body, rule)
    handlers: dict[str, Any] = {}
    for part in due:
        if clash := handlers.keys() & part.keys():
            raise ValueError(f"two handlers for {sorted(clash)}")
        handlers.update(part)
    unsigned = {body.TYPE: rule for body, rule in (anonymous or {}).items()}  # type: ignore[attr-defined]
    if clash := routes.keys() & unsigned.keys():
        raise ValueError(f"both signed and anonymous: {sorted(clash)}")
    return Router(routes, handlers, tuple(sorted(namespaces)), tuple(starts), unsigned)
