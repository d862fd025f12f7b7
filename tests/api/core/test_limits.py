"""Limits of requests: per address, account and key, fewer at the login; and what happens when nobody can count."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from limits import RateLimitItemPerMinute

from app.core.addresses import name_network
from app.core.limits import ALL_FACTOR
from app.factory import create_app
from tests.api.conftest import Town, close_database
from tests.node.four import free_ports
from tests.town.town_kit import key

ALICE = key("alice")


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Town]:
    yield Town(tmp_path, requests_per_minute=100)
    close_database()


def from_address(town: Town, path: str, address: str, **more: object) -> int:
    answer = town.http.get(path, environ_overrides={"REMOTE_ADDR": address}, **more)
    return int(answer.status_code)


def test_an_address_has_its_share_and_another_has_its_own(narrow: Town) -> None:
    statuses = [from_address(narrow, "/v1/health", "192.0.2.1") for _ in range(101)]
    assert statuses == [200] * 100 + [429]
    assert from_address(narrow, "/v1/health", "192.0.2.2") == 200
    answer = narrow.http.get("/v1/health", environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert answer.json["code"] == "rate_exceeded"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json["trace_id"]


def test_a_household_of_ipv6_is_one_caller_however_many_addresses_it_takes(narrow: Town) -> None:
    statuses = [from_address(narrow, "/v1/health", f"2001:db8:0:7::{n:x}") for n in range(101)]
    assert statuses == [200] * 100 + [429]
    assert from_address(narrow, "/v1/health", "2001:db8:0:8::1") == 200


def test_callers_are_counted_by_network() -> None:
    assert name_network("192.0.2.1") == name_network("::ffff:192.0.2.1") == "192.0.2.1"
    assert name_network("2001:db8::ffff:1") == name_network("2001:db8::2") == "2001:db8::/64"
    assert name_network("") == ""


def test_logging_in_has_a_smaller_share_and_reading_goes_on(narrow: Town) -> None:
    statuses = [
        narrow.http.post("/v1/auth/challenges", json={"key": {}}).status_code for _ in range(6)
    ]
    assert statuses == [422] * 5 + [429]
    assert narrow.http.get("/v1/auth/jwks").status_code == 200


def test_an_account_has_its_share_from_however_many_addresses(narrow: Town) -> None:
    headers = narrow.login(ALICE)
    statuses = [
        from_address(narrow, "/v1/auth/sessions", f"192.0.2.{number}", headers=headers)
        for number in range(11)
    ]
    assert statuses == [200] * 10 + [429]


def test_all_addresses_together_have_a_share_too(narrow: Town) -> None:
    """Requirement 44: in all."""
    storage = narrow.app.extensions["beffroi"].limits._limiter.limiter
    everything = RateLimitItemPerMinute(100 * ALL_FACTOR)
    assert storage.hit(everything, "all", "", cost=100 * ALL_FACTOR - 1)
    statuses = [from_address(narrow, "/v1/health", f"192.0.2.{number}") for number in (1, 2)]
    assert statuses == [200, 429]


def test_what_one_address_is_refused_is_not_taken_from_everybody_s_share(narrow: Town) -> None:
    storage = narrow.app.extensions["beffroi"].limits._limiter.limiter
    everything = RateLimitItemPerMinute(100 * ALL_FACTOR)
    for _ in range(130):
        from_address(narrow, "/v1/health", "192.0.2.1")
    assert storage.get_window_stats(everything, "all", "").remaining == 100 * ALL_FACTOR - 100


def test_a_forged_forwarding_header_changes_no_address(narrow: Town) -> None:
    """Requirement 40: X-Forwarded-* counts only when a proxy is configured to set it."""
    for number in range(100):
        headers = {"X-Forwarded-For": f"198.51.100.{number}"}
        assert from_address(narrow, "/v1/health", "192.0.2.1", headers=headers) == 200
    assert (
        from_address(narrow, "/v1/health", "192.0.2.1", headers={"X-Forwarded-For": "::1"}) == 429
    )


@pytest.fixture
def storage() -> Iterator[str]:
    """A redis of our own on loopback, without a file."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    (port,) = free_ports(1)
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            until_open(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()


def until_open(port: int) -> None:
    end_s = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end_s, "redis-server does not listen"
        else:
            return


def test_two_processes_count_in_one_storage(tmp_path: Path, storage: str) -> None:
    """Workers of one server, or two servers, give an address one share and not one each."""
    first = Town(tmp_path / "one", requests_per_minute=100, limits_storage=storage)
    second = create_app(first.config, clock=first.clock, chain=first.chain).test_client()
    statuses = [from_address(first, "/v1/health", "192.0.2.1") for _ in range(60)]
    elsewhere = {"REMOTE_ADDR": "192.0.2.1"}
    statuses += [
        second.get("/v1/health", environ_overrides=elsewhere).status_code for _ in range(41)
    ]
    close_database()
    assert statuses == [200] * 100 + [429]


def test_when_nobody_can_count_logins_close_and_reads_stay_open(tmp_path: Path) -> None:
    """Requirement 44: the storage is a port where nobody listens."""
    (port,) = free_ports(1)
    town = Town(tmp_path, limits_storage=f"redis://127.0.0.1:{port}/0")
    assert town.http.get("/v1/health").status_code == 200
    assert town.http.get("/v1/status").status_code == 200
    closed = town.http.post("/v1/auth/challenges", json={"key": {}})
    close_database()
    assert (closed.status_code, closed.json["code"]) == (503, "limiter_down")
    assert int(closed.headers["Retry-After"]) > 0


def test_who_is_logged_in_goes_on_while_nobody_can_count(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.open_account(ALICE)
    headers = town.login(ALICE)
    storage = town.app.extensions["beffroi"].limits._limiter.limiter

    def dead(*_: object, **__: object) -> bool:
        raise ConnectionError("the storage is away")

    monkeypatch.setattr(storage, "hit", dead)
    assert town.http.get("/v1/accounts/me", headers=headers).status_code == 200
    assert town.http.post("/v1/auth/challenges", json={"key": {}}).status_code == 503
