"""Requirement 43: the server's own requests leave for named, public, encrypted addresses, or not at all."""

import socket
import threading
from contextlib import contextmanager, suppress

import pytest

from app.identity.federation import fetch
from app.identity.federation.fetch import (
    ANSWER_BYTES_MAX,
    Fetcher,
    FetchRefused,
    Unreachable,
    origin_of,
)


@contextmanager
def server(*parts: bytes, holds: bool = False, drips: int = 0):
    """One connection that gets these bytes; with `holds` it then stays open and silent.

    With `drips` that many bytes more come first, one every twentieth of a second.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(65_536)
            for part in parts:
                peer.sendall(part)
            with suppress(ConnectionError):  # the asker may leave first
                for _ in range(drips):
                    if done.wait(0.05):
                        break
                    peer.sendall(b"x")
            if holds:
                done.wait(10)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    done.set()
    thread.join(10)
    listener.close()


def ask(url: str, *, loopback: bool = True, timeout_s: float = 5.0):
    return Fetcher(frozenset({origin_of(url)}), loopback, timeout_s).request("GET", url, headers={})


def head(status: str = "200 OK", *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def test_an_answer_is_read_whole():
    with server(
        head("200 OK", "Content-Type: Application/JWT; charset=utf-8"), b"abc", b"def"
    ) as url:
        answer = ask(url + "/x")
    assert (answer.status, answer.media_type, answer.body) == (200, "application/jwt", b"abcdef")


def test_43_an_origin_outside_the_list_is_not_asked():
    fetcher = Fetcher(frozenset({"https://fc.test"}))
    for url in (
        "https://evil.test/",
        "http://fc.test/",
        "https://fc.test:8443/",
        "https://fc.test@evil.test/",
        "file:///etc/passwd",
    ):
        with pytest.raises(FetchRefused, match="outside the list"):
            fetcher.request("GET", url, headers={})


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "0.0.0.0",
        "::ffff:10.0.0.1",
    ],
)
def test_43_a_name_that_resolves_inside_is_not_asked(monkeypatch, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    answer = [(family, socket.SOCK_STREAM, 6, "", (address, 443))]
    public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))
    monkeypatch.setattr(fetch.socket, "getaddrinfo", lambda *_a, **_k: [public, *answer])
    with pytest.raises(FetchRefused, match="not public"):
        ask("https://fc.test/jwks", loopback=False)


def test_43_plain_http_is_for_this_machine_only(monkeypatch):
    public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))
    monkeypatch.setattr(fetch.socket, "getaddrinfo", lambda *_a, **_k: [public])
    with pytest.raises(FetchRefused, match="without TLS"):
        ask("http://fc.test/jwks")


def test_43_a_redirect_is_not_followed():
    with (
        server(head("302 Found", "Location: http://169.254.169.254/")) as url,
        pytest.raises(FetchRefused, match="redirect"),
    ):
        ask(url)


def test_43_an_answer_of_too_many_bytes_is_cut_off():
    with (
        server(head(), b"x" * (ANSWER_BYTES_MAX + 1)) as url,
        pytest.raises(FetchRefused, match="too many bytes"),
    ):
        ask(url)


def test_43_a_silent_server_is_left():
    with (
        server(head("200 OK", "Content-Length: 10"), b"abc", holds=True) as url,
        pytest.raises(Unreachable),
    ):
        ask(url, timeout_s=0.2)


@pytest.mark.parametrize("line", ["Connection: close", "Content-Length: 60"])
def test_43_a_server_that_drips_is_left(line: str):
    """Each byte comes in time, the last one long after."""
    with (
        server(head("200 OK", line), drips=60) as url,
        pytest.raises(Unreachable),
    ):
        ask(url, timeout_s=0.2)


def test_43_a_server_without_a_valid_certificate_is_left(monkeypatch):
    """What answers on that port speaks no TLS at all."""
    with server(head()) as url:
        port = int(url.rpartition(":")[2])
        secure = f"https://127.0.0.1:{port}"
        with pytest.raises(Unreachable):
            ask(secure)
