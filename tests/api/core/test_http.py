"""What every answer carries and every request must keep to."""

import json
from io import BytesIO
from typing import Any

import pytest

from app.core.codes import all_app_codes, has_status, status_of
from chain.crypto.keys import jwk_of
from chain.types.codes import all_codes
from tests.api.conftest import Town
from tests.town.town_kit import key

PROBLEM_MEMBERS = {
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "code",
    "errors",
    "trace_id",
    "retryable",
}


def test_health_answers_without_a_token(town: Town) -> None:
    answer = town.http.get("/v1/health")
    assert (answer.status_code, answer.json["status"]) == (200, "ok")


def test_every_answer_carries_security_headers_and_the_town_s_time(town: Town) -> None:
    for path in ("/v1/health", "/nowhere"):
        headers = town.http.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Cache-Control"] == "no-store"
        assert "Accept-Language" in headers["Vary"]
        assert int(headers["Beffroi-Time"]) == town.clock.seconds
        assert headers["Date"].endswith("GMT")


def test_a_refusal_is_a_problem_document_in_the_reader_s_language(town: Town) -> None:
    answer = town.http.get("/nowhere", headers={"Accept-Language": "de, fr;q=0.8, en;q=0.1"})
    assert answer.content_type == "application/problem+json"
    assert set(answer.json) == PROBLEM_MEMBERS
    assert answer.json["code"] == "not_found"
    assert answer.json["type"] == "urn:beffroi:problem:not_found"
    assert answer.json["title"].startswith("Il n'y a rien")
    assert answer.headers["Content-Language"] == "fr"
    assert town.http.get("/nowhere").json["title"].startswith("There is nothing")


@pytest.mark.parametrize("method", ["delete", "put", "patch", "options", "trace"])
def test_an_unknown_method_is_405_and_keeps_allow(town: Town, method: str) -> None:
    answer = town.http.open("/v1/health", method=method.upper())
    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}


def test_the_caller_s_request_id_is_echoed_and_a_bad_one_replaced(town: Town) -> None:
    good = town.http.get(
        "/v1/health", headers={"X-Request-Id": "7f3c0a5e-9b1d-4e02-8c77-1a2b3c4d5e6f"}
    )
    assert good.headers["X-Request-Id"] == "7f3c0a5e-9b1d-4e02-8c77-1a2b3c4d5e6f"
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    traced = town.http.get("/nowhere", headers={"traceparent": parent})
    assert traced.json["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    bad = town.http.get("/nowhere", headers={"X-Request-Id": 'x" onload="'})
    assert len(bad.json["trace_id"]) == 32


def post(town: Town, data: Any, **headers: str) -> Any:
    content_type = headers.pop("content_type", "application/json")
    return town.http.post(
        "/v1/auth/challenges", data=data, content_type=content_type, headers=headers
    )


def test_a_body_over_64_kib_is_413_before_it_is_read(town: Town) -> None:
    assert post(town, b" " * 65_537).json["code"] == "request_too_large"
    assert post(town, b" " * 65_000).json["code"] == "json_malformed"


def test_a_body_that_does_not_tell_its_length_is_whole_or_413(town: Town) -> None:
    """Its first 64 KiB are a document of their own: what comes behind must not be cut off in silence."""
    body = json.dumps({"key": jwk_of(key("alice").public_key)}).encode()
    for size, status in (
        (len(body), 201),
        (65_535, 201),
        (65_536, 413),
        (65_537, 413),
        (10**6, 413),
    ):
        chunked = {"wsgi.input_terminated": True, "wsgi.input": BytesIO(body.ljust(size))}
        answer = town.http.open(
            "/v1/auth/challenges",
            method="POST",
            content_type="application/json",
            environ_overrides=chunked,
        )
        assert answer.status_code == status, size


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""]
)
def test_a_body_that_is_not_json_is_415(town: Town, content_type: str) -> None:
    answer = post(town, b"{}", content_type=content_type)
    assert (answer.status_code, answer.json["code"]) == (415, "media_type_unsupported")


def test_a_compressed_body_is_415(town: Town) -> None:
    answer = post(town, b"{}", **{"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json["code"]) == (415, "media_type_unsupported")


def test_unknown_and_missing_fields_are_named(town: Town) -> None:
    answer = post(town, b'{"key": {"kty": "OKP", "crv": "Ed25519", "x": 5}, "more": 1}')
    assert (answer.status_code, answer.json["code"]) == (422, "request_invalid")
    named = {line["field"] for line in answer.json["errors"]}
    assert named == {"json.key.x", "json.more"}


def test_unknown_query_parameters_are_refused(town: Town) -> None:
    answer = town.http.get("/v1/city/roles?limit=5&offset=3")
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "query.offset")


def test_a_defect_is_500_without_a_stack_trace(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a secret figure")

    monkeypatch.setattr("app.core.api.read_town_status", broken)
    answer = town.http.get("/v1/status")
    assert (answer.status_code, answer.json["code"]) == (500, "internal")
    for told in ("secret figure", "ZeroDivision", "Traceback", "line "):
        assert told not in answer.text


def test_every_code_of_the_chain_has_its_http_status() -> None:
    assert [code.name for code in all_codes() if not has_status(code)] == []


def test_every_code_speaks_both_languages_and_says_what_to_do() -> None:
    for code in (*all_app_codes(), *all_codes()):
        assert 400 <= status_of(code) < 600, code.name
        assert code.en.endswith("."), code.name
        assert code.fr.endswith("."), code.name
        assert code.en != code.fr, code.name


def test_status_shows_the_town_and_says_when_the_node_is_down(town: Town) -> None:
    shown = town.http.get("/v1/status").json
    assert shown["town"] == town.lab.town
    assert shown["chain_id"] == town.lab.genesis.chain_id
    assert shown["insecure"] is True
    assert shown["params"]["council_delay_s"] == 0
    assert (shown["node"], shown["node_height"]) == ("up", town.lab.height)
    town.lab.is_down = True
    dead = town.http.get("/v1/status").json
    assert (dead["node"], dead["node_height"], dead["height"]) == ("down", 0, shown["height"])


def test_reads_are_served_and_writes_are_503_while_the_node_is_down(town: Town) -> None:
    alice = key("alice")
    town.open_account(alice)
    tx = town.open_tx(key("bob"))
    town.lab.is_down = True
    assert town.http.get("/v1/accounts/me", headers=town.login(alice)).status_code == 200
    assert town.http.get("/v1/audit/roots").json["roots"]
    answer = town.post_tx("/v1/accounts", tx, key("bob"))
    assert (answer.status_code, answer.json["code"]) == (503, "node_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json["retryable"] is True
