"""One POST to somebody else's server: only over TLS, only to public addresses, never following a redirect.

The name is resolved once and the connection goes to an address that was looked at, so that no second look-up leads
into the town's own network (server-side request forgery, OWASP API7:2023).
Reads: DNS.  Writes: one request.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

TIMEOUT_S: Final = 10.0
"""For the connection, and for each wait of it."""
WHOLE_S: Final = 20.0
"""For all of it: one dispatcher serves every shop, and an answer may come a byte at a time."""
ANSWER_BYTES_MAX: Final = 4_096
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""What IANA gives out as the IPv6 internet; other forms are reserved or lead inside (RFC 8215, RFC 4291 §2.5.5)."""
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
    if parts.username or parts.password or parts.fragment or port == 0:
        return False
    if not _is_name(parts.hostname or ""):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL_NAMES)


def _is_name(host: str) -> bool:
    """Whether a host can be looked up and stand in a certificate: labels of 1 to 63 characters (RFC 1035 §2.3.4)."""
    try:
        return bool(host.encode("idna")) and not host.startswith(".")
    except UnicodeError:
        return False


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends within `whole_s`; `allow_private` lets it reach this machine and the local network, for trials only."""

    allow_private: bool = False
    whole_s: float = WHOLE_S

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The HTTP status of the answer; raises NotDelivered."""
        parts = urlsplit(url)
        address = self._resolve(parts)
        try:
            plain = socket.create_connection((address, _port_of(parts)), TIMEOUT_S)
            with _cut_after(plain, self.whole_s), closing(_wrap(parts, plain)) as connection:
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("POST", target, body, dict(headers))
                answer = connection.getresponse()
                answer.read(ANSWER_BYTES_MAX)
                return answer.status
        except (OSError, ValueError, http.client.HTTPException) as error:
            # ValueError: what the libraries think of a name or an address is one shop's trouble, not all shops'
            raise NotDelivered(type(error).__name__) from error

    def _resolve(self, parts: SplitResult) -> str:
        try:
            found = socket.getaddrinfo(parts.hostname, _port_of(parts), type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NotDelivered("name not found") from error
        addresses = [str(line[4][0]) for line in found]
        is_public = all(map(_is_public, addresses))
        if (not is_public or parts.scheme != "https") and not self.allow_private:
            raise NotDelivered("not a public https address")
        return addresses[0]


def _is_public(text: str) -> bool:
    """Whether an address is the internet's, and the IPv4 address inside it too (RFC 3056, RFC 6052)."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return _is_public(str(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)))
        inner = address.sixtofour
        if address not in UNICAST or (inner is not None and not inner.is_global):
            return False
    return address.is_global and not address.is_multicast


def _port_of(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _wrap(parts: SplitResult, plain: socket.socket) -> http.client.HTTPConnection:
    """HTTP over this very connection, whose certificate must be the name's."""
    host = parts.hostname or ""
    connection = http.client.HTTPConnection(host, _port_of(parts), timeout=TIMEOUT_S)
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


@contextmanager
def _cut_after(plain: socket.socket, seconds: float) -> Iterator[None]:
    """End the connection after so long, handshake included, whatever trickles in meanwhile."""
    with plain.dup() as line:
        timer = threading.Timer(seconds, _cut, (line,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join(TIMEOUT_S)


def _cut(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
