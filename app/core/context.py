"""What a request can reach: the application's services, the clock, and who is asking.

Services are built once per application by `app.factory`; `get_actor` is filled by `app.core.access`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from flask import current_app, g

if TYPE_CHECKING:
    from app.core.chain_client import ChainClient
    from app.core.clock import Clock
    from app.core.config import Config
    from app.core.dpop import ProofReader
    from app.core.limits import RequestLimits
    from app.core.relay import Relay
    from app.core.tokens import TokenIssuer

EXTENSION: Final = "beffroi"


@dataclass(frozen=True, slots=True)
class Services:
    """Everything an application owns; tests replace the clock and the chain client."""

    config: "Config"
    clock: "Clock"
    chain: "ChainClient"
    relay: "Relay"
    tokens: "TokenIssuer"
    proofs: "ProofReader"
    limits: "RequestLimits"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking: the key that logged in, and what that key is on the chain now.

    `account` is the account id the key currently signs for, or empty; `bodies` are the bodies and shops
    (`body:<slug>`, `shop:<slug>`) it holds a live role of; `scopes` are both the token's and live.
    `session` is the login's, `proven_at` when its holder last showed more than the token (unix seconds).
    """

    kid: str
    subject: str
    scopes: frozenset[str]
    account: str = ""
    domain: str = ""
    bodies: tuple[str, ...] = ()
    session: str = ""
    proven_at: int = 0


def get_services() -> Services:
    """Services of the running application."""
    return cast(Services, current_app.extensions[EXTENSION])


def get_config() -> "Config":
    """Configuration of the running application."""
    return get_services().config


def get_clock() -> "Clock":
    """The API's clock; never decides a deadline of the chain."""
    return get_services().clock


def get_actor() -> Actor | None:
    """Who is asking, or None on a public route."""
    return cast("Actor | None", g.get("actor"))


def require_actor() -> Actor:
    """Who is asking, on a route that `access` protects."""
    actor = get_actor()
    assert actor is not None, "the route declares no scope"
    return actor
