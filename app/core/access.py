"""Who may call a route: every route says a scope and an object rule, and both are in `openapi.yaml`.

`@access("till", objects="signed", rule="…")` goes above every other decorator except the route. Scopes are
what the logged-in key is on the chain now (see `app.auth.service.find_standing`), narrowed by what the token
was issued for, so a revoked key is refused within one request. `objects` is the kind of object rule (OBJECTS),
`rule` the same in words; `tests/api/auth/matrix_rows.py` shows each rule kept.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import wraps
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from flask import g, request

from app.core.codes import AUTH_SCOPE_MISSING, AUTH_TOKEN_INVALID, AUTH_TOKEN_REQUIRED
from app.core.context import Actor, get_services
from app.core.problems import Problem

PUBLIC: Final = "public"
DEVICE: Final = "device"
"""Any key that logged in, also a new one that the chain does not know yet."""
SCOPES: Final = {
    PUBLIC: "no token",
    DEVICE: "any key that proved itself, known to the chain or not",
    "citizen:identity": "current key of an identity",
    "citizen:loyalty": "current key of a loyalty account",
    "citizen:sel": "current key of a SEL account",
    "citizen:energy": "current key of an energy account",
    "clerk": "live role key of a clerk or agent supervisor",
    "supervisor": "live role key of an agent supervisor",
    "operator": "live role key of a loyalty operator",
    "shop_owner": "key of a shop's owner",
    "till": "live key of a shop's till",
    "council": "seat key of a body",
    "auditor": "live role key of an auditor",
}
OBJECTS: Final = {
    "none": "nothing of anybody's: the same answer for all who may ask",
    "self": "only what belongs to the key that logged in; the request can name nothing else",
    "named": "the request names the object; somebody else's answers 404 as if it did not exist",
    "signed": "what the signers of the transaction may act for; the chain refuses anything else",
    "capability": "whoever knows a random name of at least 128 bits",
    "role": "everything the role is there for",
}
"""The kinds of object rules: whose objects a request reaches (OWASP API1:2023)."""
P = ParamSpec("P")
T = TypeVar("T")


class Standing(Protocol):
    """What one key is on the chain now."""

    def __call__(self, kid: str) -> Actor: ...


_standing: list[Standing] = []


def register_standing(find: Standing) -> None:
    """Told once by `app.wiring` how to look a key up (core knows no domain)."""
    _standing[:] = [find]


def access(
    *scopes: str, rule: str, objects: str = ""
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let through keys that hold one of `scopes`.

    `objects` is a kind of OBJECTS, and `rule` says in words whose objects the caller reaches. A route without
    `objects` still runs, and `tests/house` refuses it.
    """
    unknown = set(scopes) - set(SCOPES)
    assert scopes, "a route names its scopes"
    assert rule, "a route names its object rule"
    assert objects in ("", *OBJECTS), f"objects is one of {', '.join(OBJECTS)}"
    assert not unknown, f"unknown scope {unknown}"

    def decorate(view: Callable[P, T]) -> Callable[P, T]:
        @wraps(view)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            g.actor = None if PUBLIC in scopes else _admit(frozenset(scopes))
            return view(*args, **kwargs)

        wrapper._apidoc = _document(view, scopes, objects, rule)  # type: ignore[attr-defined]
        return wrapper

    return decorate


def _admit(wanted: frozenset[str]) -> Actor:
    services = get_services()
    claims = services.tokens.verify(_read_bearer(), now_s=services.clock.now_s())
    actor = _standing[0](claims.kid)
    if actor.subject != claims.subject:
        raise Problem(AUTH_TOKEN_INVALID, "the key's standing changed; log in again")
    held = (actor.scopes & claims.scopes) | {DEVICE}
    if not held & wanted:
        raise Problem(AUTH_SCOPE_MISSING, "needs one of: " + ", ".join(sorted(wanted)))
    return Actor(actor.kid, actor.subject, held, actor.account, actor.domain, actor.bodies)


def _read_bearer() -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Problem(AUTH_TOKEN_REQUIRED, headers={"WWW-Authenticate": "Bearer"})
    return token.strip()


def _document(view: Any, scopes: tuple[str, ...], objects: str, rule: str) -> dict[str, Any]:
    apidoc = deepcopy(getattr(view, "_apidoc", {}))
    manual = apidoc.setdefault("manual_doc", {})
    manual["x-scope"] = list(scopes)
    manual["x-objects"] = objects
    manual["x-object-rule"] = rule
    manual["security"] = [] if PUBLIC in scopes else [{"bearer": list(scopes)}]
    return apidoc
