"""One POST to somebody else's server: only over TLS, only to public addresses, never following a redirect.

The name is resolved once and the connection goes to an address that was looked at, so that no second look-up leads
into the town's own network (server-side request forgery, OWASP API7:2023).
Reads: DNS.  Writes: one request.
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

TIMEOUT_S: Final = 10.0
ANSWER_BYTES_MAX: Final = 4_096
LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class NotDelivered(Exception):
    """No answer: refused address, no connection, no TLS, out of time."""


def is_acceptable_url(url: str) -> bool:
    """Whether an endpoint may be registered: https, or this machine itself (for trials; see `Sender`)."""
    if any(not "!" <= letter <= "~" for letter in url):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.username or parts.password or parts.fragment or not parts.hostname or port == 0:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL_NAMES)


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends; `allow_private` lets it reach this machine and the local network, for trials only."""

    allow_private: bool = False

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The HTTP status of the answer; raises NotDelivered."""
        parts = urlsplit(url)
        address = self._resolve(parts)
        try:
            connection = _connect(parts, address)
            try:
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("POST", target, body, dict(headers))
                answer = connection.getresponse()
                answer.read(ANSWER_BYTES_MAX)
                return answer.status
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise NotDelivered(type(error).__name__) from error

    def _resolve(self, parts: SplitResult) -> str:
        try:
            found = socket.getaddrinfo(parts.hostname, _port_of(parts), type=socket.SOCK_STREAM)
        except OSError as error:
            raise NotDelivered("name not found") from error
        addresses = [str(line[4][0]) for line in found]
        is_private = any(not ipaddress.ip_address(address).is_global for address in addresses)
        if (is_private or parts.scheme != "https") and not self.allow_private:
            raise NotDelivered("not a public https address")
        return addresses[0]


def _port_of(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _connect(parts: SplitResult, address: str) -> http.client.HTTPConnection:
    """A connection to exactly this address, whose certificate must be the name's."""
    host, port = parts.hostname or "", _port_of(parts)
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    plain = socket.create_connection((address, port), TIMEOUT_S)
    try:
        connection.sock = (
            ssl.create_default_context().wrap_socket(plain, server_hostname=host)
            if parts.scheme == "https"
            else plain
        )
    except OSError:
        plain.close()
        raise
    return connection
