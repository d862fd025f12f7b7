"""Where an ABCI socket listens: `tcp://127.0.0.1:26658` or `unix:///path/of/the.sock`, as CometBFT's `proxy_app`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TCP: Final = re.compile(r"tcp://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.\-]+):(\d{1,5})")
UNIX_PATH_MAX_BYTES: Final = 107
"""Linux `sockaddr_un.sun_path` holds 108 bytes with the closing zero."""


class InvalidAddress(ValueError):
    """Not an address of a socket; the message says what one looks like."""


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """A TCP host and port, or the path of a Unix socket (`path` is then set)."""

    host: str = ""
    port: int = 0
    path: Path | None = None

    def __str__(self) -> str:
        return f"tcp://{self.host}:{self.port}" if self.path is None else f"unix://{self.path}"


def parse_address(text: str) -> SocketAddress:
    """Read an address; raises InvalidAddress."""
    if text.startswith("unix://"):
        path = Path(text.removeprefix("unix://"))
        if not path.name or len(bytes(path)) > UNIX_PATH_MAX_BYTES:
            raise InvalidAddress(
                f"{text!r}: the path of a Unix socket has 1 to {UNIX_PATH_MAX_BYTES} bytes"
            )
        return SocketAddress(path=path)
    match = _TCP.fullmatch(text)
    if match is None or int(match[2]) > 65_535:
        raise InvalidAddress(f"{text!r} is not tcp://host:port or unix:///path")
    return SocketAddress(match[1].strip("[]"), int(match[2]))
