"""Every refusal of the API as one document (RFC 9457), in the reader's language, with a stable code.

    Problem, NodeUnavailable    raised anywhere below a route; see `app.core.refusals`

Reads: the request's languages and trace id.  Never: shows a stack trace, a token or a person.
"""

from collections.abc import Mapping
from typing import Any, Final

import structlog
from flask import Flask, Response, g, json, request
from werkzeug.exceptions import HTTPException

from app.core.codes import (
    INTERNAL,
    MEDIA_TYPE_UNSUPPORTED,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    REQUEST_INVALID,
    REQUEST_MALFORMED,
    REQUEST_TOO_LARGE,
    is_retryable,
    status_of,
)
from app.core.fieldtexts import translate
from app.core.refusals import RETRY_AFTER_S, NodeUnavailable, Problem

__all__ = [
    "NodeUnavailable",
    "Problem",
    "build_problem_response",
    "choose_language",
    "flatten_errors",
    "handle_http_exception",
    "register_problem_handlers",
]

LANGUAGES: Final = ("en", "fr")
TYPE_PREFIX: Final = "urn:beffroi:problem:"
DETAIL_CHARS_MAX: Final = 400
_BY_STATUS: Final = {
    404: NOT_FOUND,
    405: METHOD_NOT_ALLOWED,
    413: REQUEST_TOO_LARGE,
    415: MEDIA_TYPE_UNSUPPORTED,
    422: REQUEST_INVALID,
}
_log = structlog.get_logger("app.problems")


def choose_language() -> str:
    """`fr` or `en`, from Accept-Language; English when the client names neither."""
    return request.accept_languages.best_match(LANGUAGES, default="en") or "en"


def build_problem_response(problem: Problem) -> Response:
    """The problem document, with its headers."""
    code, language = problem.code, choose_language()
    title = code.fr if language == "fr" else code.en
    document = {
        "type": TYPE_PREFIX + code.name,
        "title": title,
        "status": status_of(code),
        "detail": problem.detail[:DETAIL_CHARS_MAX] or title,
        "instance": request.path,
        "code": code.name,
        "errors": [_in_language(error, language) for error in problem.errors],
        "trace_id": g.get("trace_id", ""),
        "retryable": is_retryable(code),
        **problem.extra,
    }
    response = Response(
        json.dumps(document, ensure_ascii=False),
        status=status_of(code),
        content_type="application/problem+json",
    )
    response.headers["Content-Language"] = language
    if is_retryable(code) or status_of(code) in (429, 503):
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    response.headers.update(problem.headers)
    return response


def _in_language(error: Mapping[str, str], language: str) -> dict[str, str]:
    if language != "fr" or "message" not in error:
        return dict(error)
    return {**error, "message": translate(error["message"])}


def flatten_errors(messages: Any, path: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """Marshmallow's tree of messages as `{"field": "json.key.x", "message": "…"}` lines."""
    if isinstance(messages, Mapping):
        return [
            line
            for key, value in messages.items()
            for line in flatten_errors(value, (*path, str(key)))
        ]
    texts = messages if isinstance(messages, list) else [messages]
    return [{"field": ".".join(path)[:120], "message": str(text)[:200]} for text in texts]


def handle_http_exception(error: HTTPException) -> Response:
    """Werkzeug's and webargs's errors; `Allow`, `WWW-Authenticate` and `Retry-After` survive."""
    if error.response is not None and isinstance(error.response, Response):
        return error.response
    status = error.code or 500
    code = _BY_STATUS.get(status, REQUEST_MALFORMED if status < 500 else INTERNAL)
    messages = getattr(error, "data", {}).get("messages")
    kept = {
        name: value
        for name, value in error.get_headers()
        if name.lower() in ("allow", "www-authenticate", "retry-after")
    }
    errors = flatten_errors(messages) if messages else []
    return build_problem_response(Problem(code, errors=errors, headers=kept))


def _handle_unexpected(error: Exception) -> Response:
    _log.error("unexpected", trace_id=g.get("trace_id", ""), path=request.path, exc_info=error)
    return build_problem_response(Problem(INTERNAL))


def register_problem_handlers(app: Flask) -> None:
    """Answer every error of `app` with a problem document."""
    app.register_error_handler(Problem, build_problem_response)
    app.register_error_handler(HTTPException, handle_http_exception)
    app.register_error_handler(Exception, _handle_unexpected)
