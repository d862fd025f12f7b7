"""What happens around every request: a trace id, a database connection, limits, and headers on the way out.

Reads: request headers.  Writes: one log line per request, without tokens, bodies or query strings.
"""

import re
import secrets
import time
from typing import Any, Final

import structlog
from flask import Flask, Request, Response, g, request
from werkzeug.http import http_date

from app.core.codes import PLAIN_HTTP, REQUEST_TOO_LARGE
from app.core.context import get_config, get_services
from app.core.database import database
from app.core.problems import Problem

BODY_BYTES_MAX: Final = 65_536
_REQUEST_ID = re.compile(r"[0-9a-fA-F-]{16,64}")
"""A UUID or other hexadecimal: it is written to logs, and to the audit log for ever, where no word of a person may."""
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_log = structlog.get_logger("app.http")


class TownRequest(Request):
    """A request whose body is whole or refused.

    Of a body that does not say how long it is (chunked), Werkzeug 3.1 hands on the piece up to the limit.
    """

    def get_data(self, *args: Any, **kwargs: Any) -> Any:
        """The body; raises Problem(request_too_large) when its end was not reached."""
        raw = super().get_data(*args, **kwargs)
        limit = self.max_content_length
        if self.content_length is None and limit is not None and len(raw) >= limit:
            raise Problem(REQUEST_TOO_LARGE)
        return raw


def install_hooks(app: Flask) -> None:
    """Register the hooks on `app`."""
    app.request_class = TownRequest
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.before_request(_begin)
    app.after_request(_add_headers)
    app.teardown_request(_end)


def _begin() -> None:
    g.started = time.perf_counter()
    g.trace_id = _choose_trace_id()
    if get_config().public_url.startswith("https:") and not request.is_secure:
        raise Problem(PLAIN_HTTP)  # a redirect would have sent the token in clear already
    g.has_connected = database.connect(reuse_if_open=True)


def _choose_trace_id() -> str:
    """The caller's X-Request-Id or traceparent when well formed, else a fresh one."""
    offered = request.headers.get("X-Request-Id", "")
    if _REQUEST_ID.fullmatch(offered):
        return offered
    parent = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    return parent[1] if parent else secrets.token_hex(16)


def _add_headers(response: Response) -> Response:
    now_s = get_services().clock.now_s()
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Vary"] = "Authorization, Accept-Language"
    response.headers["X-Request-Id"] = g.get("trace_id", "")
    response.headers["Beffroi-Time"] = str(now_s)
    if "gunicorn" not in request.environ.get("SERVER_SOFTWARE", ""):
        response.headers["Date"] = http_date(now_s)  # gunicorn always writes its own
    _log.info(
        "request",
        method=request.method,
        route=str(request.url_rule or "-"),
        status=response.status_code,
        ms=round((time.perf_counter() - g.get("started", time.perf_counter())) * 1_000, 1),
        trace_id=g.get("trace_id", ""),
    )
    return response


def _end(_error: BaseException | None) -> None:
    if g.get("has_connected") and not database.is_closed():
        database.close()
