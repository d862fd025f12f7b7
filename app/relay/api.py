"""The relay's own little application: two routes and a health check, no database of the town, no session, no log line.

A request that says who sends it (Authorization, Cookie) is refused, so that no client gets used to it. Answers ask
for the connection to be closed: two requests on one connection would be one voter's.
"""

import time
from typing import Any, Final

from flask import Flask, Response, jsonify, request
from werkzeug.middleware.proxy_fix import ProxyFix

from app.core.addresses import read_network
from app.core.codes import (
    ANONYMOUS_IDENTIFIED,
    MEDIA_TYPE_UNSUPPORTED,
    RATE_EXCEEDED,
    REQUEST_INVALID,
)
from app.core.http import SECURITY_HEADERS, TownRequest
from app.core.problems import Problem, register_problem_handlers
from app.relay.limits import WINDOW_S, Crowd
from app.relay.messages import TRANSACTION_MAX_BYTES
from app.relay.service import RelayService

PATH: Final = "/v1/anonymous/transactions"
REFUSALS_PATH: Final = "/v1/anonymous/refusals"
IDENTIFYING: Final = ("Authorization", "Cookie", "DPoP", "Proxy-Authorization")
_SECONDS_MAX: Final = 2**53
_ANYBODY: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Max-Age": "600",
    "Connection": "close",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def create_relay_app(service: RelayService, *, trusted_proxies: int = 0) -> Flask:
    """The application around one relay."""
    app = Flask("beffroi-relay", static_folder=None)
    app.request_class = TownRequest
    app.config["MAX_CONTENT_LENGTH"] = TRANSACTION_MAX_BYTES
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    crowd = Crowd(time.monotonic)

    @app.before_request
    def check_visit() -> Response | None:
        if request.method == "OPTIONS":
            return Response(status=204)
        if any(name in request.headers for name in IDENTIFYING):
            raise Problem(ANONYMOUS_IDENTIFIED)
        if request.method == "POST" and not crowd.lets_in(read_network()):
            raise Problem(RATE_EXCEEDED, headers={"Retry-After": str(WINDOW_S)})
        return None

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(SECURITY_HEADERS | _ANYBODY)
        return response

    @app.get("/health")
    def health() -> tuple[Response, int]:
        if service.is_stuck:
            return jsonify(status="stuck"), 503
        return jsonify(status="ok"), 200

    @app.post(PATH)
    def accept() -> tuple[Response, int]:
        if request.mimetype != "application/json" or request.headers.get("Content-Encoding"):
            raise Problem(MEDIA_TYPE_UNSUPPORTED)
        key, leaves_s = service.accept(request.get_data(), release_s=_read_release_s())
        return jsonify(transaction=key, state="held", leaves_at=leaves_s), 202

    @app.get(REFUSALS_PATH)
    def refusals() -> Response:
        listed: list[dict[str, Any]] = [
            {"transaction": key, "code": code} for key, code in service.list_refused().items()
        ]
        return jsonify(refusals=listed)

    register_problem_handlers(app)
    if trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=trusted_proxies)  # type: ignore[method-assign]
    return app


def _read_release_s() -> int:
    text = request.args.get("release_at", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 16 or int(text) > _SECONDS_MAX:
        raise Problem(REQUEST_INVALID, "release_at is unix seconds")
    return int(text)
