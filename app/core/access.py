"""Who may call a route: every route says a scope and an object rule, and both are in `openapi.yaml`.

`@access("till", objects="signed", rule="…")` goes above every other decorator except the route. Scopes are
what the logged-in key is on the chain now (see `app.auth.service.find_standing`), narrowed by what the token
was issued for, so a revoked key is refused within one request. `objects` is the kind of object rule (OBJECTS),
`rule` the same in words; `tests/api/auth/matrix_rows.py` shows each rule kept.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import wraps
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from flask import g, request

from app.core.codes import (
    AUTH_PROOF_INVALID,
    AUTH_SCOPE_MISSING,
    AUTH_STEP_UP,
    AUTH_TOKEN_INVALID,
    AUTH_TOKEN_REQUIRED,
)
from app.core.context import Actor, get_services
from app.core.dpop import ProvenRequest
from app.core.problems import Problem
from app.core.tokens import Claims

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
    "electoral": "live role key of an electoral commission",
    "pmo": "live role key of an energy operation's manager",
    "meter_adapter": "live role key of a meter adapter",
    "energy_witness": "live role key of an energy witness",
}
FACTOR_SCOPES: Final = frozenset(
    scope
    for scope in SCOPES
    if scope not in (PUBLIC, DEVICE, "shop_owner", "till") and not scope.startswith("citizen:")
)
"""Agents' scopes, new ones too: a key alone does not get them, only with a second factor (ASVS V6.3.3)."""
STEP_UP_S: Final = 300
"""How long a second factor counts as just shown."""
OBJECTS: Final = {
    "none": "nothing of anybody's: the same answer for all who may ask",
    "self": "only what belongs to the key that logged in; the request can name nothing else",
    "named": "the request names the object; somebody else's answers 404 as if it did not exist",
    "signed": "what the signers of the transaction may act for; the chain refuses anything else",
    "capability": "whoever knows a random name of at least 128 bits",
    "role": "everything the role is there for",
}
"""The kinds of object rules: whose objects a request reaches (OWASP API1:2023)."""
_ASK: Final = {"WWW-Authenticate": 'DPoP algs="EdDSA ES256"'}
P = ParamSpec("P")
T = TypeVar("T")


class Admission(Protocol):
    """Who a good token speaks for: raises Problem when its session ended or its key's standing changed."""

    def __call__(self, claims: Claims) -> Actor: ...


_admission: list[Admission] = []


def register_admission(find: Admission) -> None:
    """Told once by `app.wiring` how to look a session and its key up (core knows no domain)."""
    _admission[:] = [find]


class TillGate(Protocol):
    """Raises Problem when nobody has opened a till that must be opened; told the time in unix seconds."""

    def __call__(self, actor: Actor, now_s: int) -> None: ...


class SignerGate(Protocol):
    """The same for every till among the keys that signed a transaction."""

    def __call__(self, kids: frozenset[str], now_s: int) -> None: ...


_till_gate: list[TillGate] = []
_signer_gate: list[SignerGate] = []


def register_till_gate(check: TillGate, check_signers: SignerGate) -> None:
    """Told once by `app.wiring` how to see whether a till is open; before idempotency, which keeps answers."""
    _till_gate[:] = [check]
    _signer_gate[:] = [check_signers]


def check_signers(kids: frozenset[str]) -> None:
    """Stop what a closed till signed, whoever's session brings it; raises Problem."""
    others = kids - {g.actor.kid} if g.get("actor") else kids
    if others:  # the key that logged in passed its gate before the route
        _signer_gate[0](others, get_services().clock.now_s())


def access(
    *scopes: str, rule: str, objects: str = "", step_up: bool = False, closed_till: bool = False
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let through keys that hold one of `scopes`.

    `objects` is a kind of OBJECTS, and `rule` says in words whose objects the caller reaches. A route without
    `objects` still runs, and `tests/house` refuses it. `step_up` asks for a second factor shown within the last
    STEP_UP_S seconds. A till passes only while somebody has it open, unless the route is for `closed_till` too.
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
            if step_up:
                check_fresh(g.actor)
            if "till" in scopes and not closed_till and "till" in g.actor.scopes:
                _till_gate[0](g.actor, get_services().clock.now_s())
            return view(*args, **kwargs)

        wrapper._apidoc = _document(view, scopes, objects, rule, step_up)  # type: ignore[attr-defined]
        return wrapper

    return decorate


def _admit(wanted: frozenset[str]) -> Actor:
    """Token, then proof, then session, then scope: each is cheaper or says less than the next."""
    services = get_services()
    now_s = services.clock.now_s()
    token = _read_token()
    claims = services.tokens.verify(token, now_s=now_s)
    if check_proof(token) != claims.jkt:
        raise Problem(AUTH_PROOF_INVALID, "made by another key than the token's", headers=_ASK)
    actor = _admission[0](claims)
    if actor.subject != claims.subject:
        raise Problem(AUTH_TOKEN_INVALID, "the key's standing changed; log in again")
    services.limits.check_actor(actor)
    held = (actor.scopes & claims.scopes) | {DEVICE}
    if not held & wanted:
        raise Problem(AUTH_SCOPE_MISSING, "needs one of: " + ", ".join(sorted(wanted)))
    return replace(actor, scopes=held)


def check_fresh(actor: Actor) -> None:
    """Ask for the second factor unless it was shown within the last STEP_UP_S seconds; raises Problem."""
    if get_services().clock.now_s() - actor.proven_at >= STEP_UP_S:
        raise Problem(AUTH_STEP_UP, headers=_ASK)


def check_proof(token: str = "", *, nonce: str = "") -> str:
    """Thumbprint of the key that proved this request (and this token); raises Problem."""
    services = get_services()
    proofs = request.headers.getlist("DPoP")
    if len(proofs) != 1 or not proofs[0]:
        raise Problem(AUTH_PROOF_INVALID, "send one DPoP header", headers=_ASK)
    wanted = ProvenRequest(request.method, services.config.public_url + request.path, token)
    return services.proofs.check(proofs[0], wanted, now_s=services.clock.now_s(), nonce=nonce)


def _read_token() -> str:
    """The one token of the request; one that comes as a bare `Bearer` is refused (RFC 9449 §7.2)."""
    sent = request.headers.getlist("Authorization")
    kind, _, token = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    if kind.lower() != "dpop" or not token:
        raise Problem(AUTH_TOKEN_REQUIRED, headers=_ASK)
    return token.strip()


def _document(
    view: Any, scopes: tuple[str, ...], objects: str, rule: str, step_up: bool
) -> dict[str, Any]:
    apidoc = deepcopy(getattr(view, "_apidoc", {}))
    manual = apidoc.setdefault("manual_doc", {})
    manual["x-scope"] = list(scopes)
    manual["x-objects"] = objects
    manual["x-object-rule"] = rule
    if step_up:
        manual["x-step-up-seconds"] = STEP_UP_S
    manual["security"] = [] if PUBLIC in scopes else [{"dpop": list(scopes)}]
    return apidoc
