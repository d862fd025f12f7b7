"""Requests this server makes to identity providers: named origins, public addresses, little and soon, or nothing.

No redirect is followed, no proxy is used, no cookie is kept. The address a name resolves to is judged and then
dialled itself, so that a second answer of the resolver cannot lead inside (DNS rebinding).
Reads and writes: sockets.  Never: an address outside its list; never more than ANSWER_BYTES_MAX or TIMEOUT_S.
Source: OWASP API Security Top 10 2023, API7; requirement 43 of docs/identity-requirements.md.
"""

import http.client
import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

ANSWER_BYTES_MAX: Final = 65_536
"""A key set or a user's claims take a few kilobytes."""
TIMEOUT_S: Final = 5.0
"""From the first packet to the last: the citizen waits for it."""
_PORTS: Final = {"https": 443, "http": 80}


class FetchRefused(Exception):
    """The address may not be asked, or its answer is not one to work with; the message says why, without data."""


class Unreachable(FetchRefused):
    """Nobody answered, or not in time: trying again may help."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Status, media type (lower case, without parameters) and body of one answer."""

    status: int
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Asks the origins of its list only; `allow_loopback` admits http to 127.0.0.0/8 and ::1, for tests."""

    origins: frozenset[str]
    allow_loopback: bool = False
    timeout_s: float = TIMEOUT_S

    def request(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes | None = None
    ) -> Fetched:
        """One request; raises FetchRefused for what must not be asked, Unreachable for silence."""
        parts = urlsplit(url)
        if origin_of(url) not in self.origins:
            raise FetchRefused("an origin outside the list")
        deadline = time.monotonic() + self.timeout_s
        host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
        connection = self._connect(parts.scheme, host, port, deadline)
        sock = connection.sock  # an answer that ends with its connection takes it from there
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(method, target or "/", body, {"Connection": "close", **headers})
            answer = connection.getresponse()
            if 300 <= answer.status < 400:
                raise FetchRefused("a redirect")
            media_type = answer.headers.get_content_type()
            return Fetched(answer.status, media_type, _read_all(sock, answer, deadline))
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(type(error).__name__) from error
        finally:
            connection.close()

    def _connect(
        self, scheme: str, host: str, port: int, deadline: float
    ) -> http.client.HTTPConnection:
        address = self._choose_address(scheme, host, port)
        try:
            raw = socket.create_connection((address, port), timeout=_left(deadline))
        except OSError as error:
            raise Unreachable(type(error).__name__) from error
        if scheme == "https":
            try:
                raw = ssl.create_default_context().wrap_socket(raw, server_hostname=host)
            except OSError as error:
                raw.close()
                raise Unreachable(type(error).__name__) from error
        connection = http.client.HTTPConnection(host, port, timeout=_left(deadline))
        connection.sock = raw
        return connection

    def _choose_address(self, scheme: str, host: str, port: int) -> str:
        """The first address of `host`, provided that every one of them is public; raises FetchRefused."""
        try:
            found = [
                str(entry[4][0])
                for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            ]
        except OSError as error:
            raise Unreachable("name not resolved") from error
        for text in found:
            address = ipaddress.ip_address(text.partition("%")[0])
            is_own_machine = self.allow_loopback and address.is_loopback
            if not is_own_machine and (scheme != "https" or not address.is_global):
                raise FetchRefused("an address that is not public, or without TLS")
        return found[0]


def origin_of(url: str) -> str:
    """`scheme://host[:port]` of an http(s) address; empty for anything else, also with user names in it."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None:
        return ""
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"


def _read_all(sock: socket.socket, answer: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body within size and time; raises FetchRefused or Unreachable."""
    parts: list[bytes] = []
    size = 0
    while chunk := answer.read1(ANSWER_BYTES_MAX + 1 - size):
        parts.append(chunk)
        size += len(chunk)
        if size > ANSWER_BYTES_MAX:
            raise FetchRefused("an answer of too many bytes")
        if not answer.isclosed():
            sock.settimeout(_left(deadline))
    return b"".join(parts)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise Unreachable("too slow")
    return left
