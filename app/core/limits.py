"""How many requests a minute the API answers: in all, per address, per account and per key, fewer at the login.

Counted by Flask-Limiter's storage (memory of each process, or redis when BEFFROI_LIMITS_STORAGE says so), by the
machine's clock. When the storage fails, logins are refused, because guessing would be free, and everything else
goes on, because the chain has quotas of its own and a citizen who only reads does no harm.

Reads: the request's address and actor.  Writes: counts.
"""

from dataclasses import dataclass
from typing import Any, Final

import structlog
from flask import Flask, request
from flask_limiter import Limiter
from limits import RateLimitItem, RateLimitItemPerMinute
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.core.addresses import read_network
from app.core.codes import LIMITER_DOWN, RATE_EXCEEDED
from app.core.config import Config
from app.core.context import Actor
from app.core.problems import Problem

LOGIN_PREFIX: Final = "/v1/auth/"
RETRY_AFTER_S: Final = 60
ALL_FACTOR: Final = 50
"""The town's whole allowance, in allowances of one address."""
ACCOUNT_SHARE: Final = 10
"""One account, or one key, gets a tenth of what an address gets: a shop has many customers."""
LOGIN_SHARE: Final = 20
STORAGE_TIMEOUT_S: Final = 0.5
_log = structlog.get_logger("app.limits")


@dataclass(frozen=True, slots=True)
class _Allowances:
    everything: RateLimitItem
    address: RateLimitItem
    login: RateLimitItem
    account: RateLimitItem


def _options_of(storage: str) -> dict[str, Any]:
    """No request waits for a storage that is away: half a second, and no second try (the client's own are seconds)."""
    if not storage.startswith(("redis://", "rediss://")):
        return {}
    return {
        "socket_connect_timeout": STORAGE_TIMEOUT_S,
        "socket_timeout": STORAGE_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
    }


class RequestLimits:
    """The limits of one application."""

    def __init__(self, app: Flask, config: Config) -> None:
        most = config.requests_per_minute
        self._allowed = _Allowances(
            everything=RateLimitItemPerMinute(most * ALL_FACTOR),
            address=RateLimitItemPerMinute(most),
            login=RateLimitItemPerMinute(max(most // LOGIN_SHARE, 1)),
            account=RateLimitItemPerMinute(max(most // ACCOUNT_SHARE, 1)),
        )
        self._limiter = Limiter(
            read_network,
            app=app,
            storage_uri=config.limits_storage,
            storage_options=_options_of(config.limits_storage),
            strategy="fixed-window",
        )
        app.before_request(self._check_request)

    def _check_request(self) -> None:
        address = read_network()
        counted = [(self._allowed.address, "address", address)]
        if request.path.startswith(LOGIN_PREFIX) and request.method != "GET":
            counted.append((self._allowed.login, "login", address))
        # Last: what one address is refused must not use up what the town has for everybody.
        self._count([*counted, (self._allowed.everything, "all", "")])

    def check_actor(self, actor: Actor) -> None:
        """Count a request of a logged-in key and of its account; raises Problem(rate_exceeded)."""
        names = [(self._allowed.account, "key", actor.kid)]
        if actor.account and actor.account != actor.kid:
            names.append((self._allowed.account, "account", actor.account))
        self._count(names)

    def _count(self, counted: list[tuple[RateLimitItem, str, str]]) -> None:
        try:
            passed = all(
                self._limiter.limiter.hit(item, kind, name) for item, kind, name in counted
            )
        except Exception as error:
            _log.error("limits_storage", error=type(error).__name__)
            if request.path.startswith(LOGIN_PREFIX) and request.method != "GET":
                raise Problem(LIMITER_DOWN, headers={"Retry-After": str(RETRY_AFTER_S)}) from error
            return
        if not passed:
            raise Problem(RATE_EXCEEDED, headers={"Retry-After": str(RETRY_AFTER_S)})
