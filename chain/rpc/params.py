"""Parameters of a call from JSON members or from a query string, each to the type the method wants.

JSON: integers as strings or numbers, bytes as base64. Query string: text in double quotes, bytes as 0x hex or in
quotes, integers bare or quoted (CometBFT 0.38 `rpc/jsonrpc/server/http_uri_handler.go`).
"""

import binascii
import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from chain.rpc.errors import InvalidParams

MISSING = object()


class Params:
    """Named parameters of one call."""

    def __init__(self, values: Mapping[str, Any], *, from_uri: bool = False) -> None:
        self._values = values
        self._from_uri = from_uri

    def _get(self, name: str) -> Any:
        value = self._values.get(name)
        if value is None or (self._from_uri and value == ""):
            return MISSING
        return value

    def has(self, name: str) -> bool:
        """Whether the caller gave the parameter."""
        return self._get(name) is not MISSING

    def integer(self, name: str) -> int | None:
        """An integer, or None when absent; raises InvalidParams."""
        value = self._get(name)
        if value is MISSING:
            return None
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise InvalidParams(f"{name} must be an integer")
        text = str(value).strip('"') if self._from_uri else str(value)
        if not text.removeprefix("-").isdecimal() or len(text) > 20:
            raise InvalidParams(f"{name} must be an integer, got {text[:24]!r}")
        return int(text)

    def boolean(self, name: str) -> bool:
        """A boolean, False when absent; raises InvalidParams."""
        value = self._get(name)
        if value is MISSING:
            return False
        if isinstance(value, bool):
            return value
        if self._from_uri and value in {"true", "false"}:
            return bool(value == "true")
        raise InvalidParams(f"{name} must be true or false")

    def text(self, name: str, default: str = "") -> str:
        """Text; raises InvalidParams."""
        value = self._get(name)
        if value is MISSING:
            return default
        if not isinstance(value, str):
            raise InvalidParams(f"{name} must be a string")
        return _unquoted(name, value) if self._from_uri else value

    def document(self, name: str) -> Any:
        """A JSON value (JSON text in a query string), None when absent; raises InvalidParams."""
        value = self._get(name)
        if value is MISSING:
            return None
        if not self._from_uri:
            return value
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise InvalidParams(f"{name} is not JSON") from error

    def octets(self, name: str) -> bytes:
        """Bytes (base64 in JSON), empty when absent; raises InvalidParams."""
        value = self._get(name)
        if value is MISSING:
            return b""
        if not isinstance(value, str):
            raise InvalidParams(f"{name} must be a string")
        if self._from_uri:
            if value.startswith("0x"):
                return _from_hex(name, value[2:])
            return _unquoted(name, value).encode()
        try:
            return b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidParams(f"{name} is not base64") from error

    def hexadecimal(self, name: str) -> bytes:
        """Bytes written as hex whatever the transport (`HexBytes`), empty when absent; raises InvalidParams."""
        value = self._get(name)
        if value is MISSING:
            return b""
        if not isinstance(value, str):
            raise InvalidParams(f"{name} must be a string")
        text = value
        if self._from_uri and not value.startswith("0x"):
            text = _unquoted(name, value)
            return text.encode() if value.startswith('"') else _from_hex(name, text)
        return _from_hex(name, text.removeprefix("0x"))


def by_position(values: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
    """Parameters given as a list, by name; raises InvalidParams when there are more or fewer than names."""
    if len(values) != len(names):
        wanted = ", ".join(names)
        raise InvalidParams(f"expected {len(names)} parameters ({wanted}), got {len(values)}")
    return dict(zip(names, values, strict=True))


def _unquoted(name: str, value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        text = json.loads(value)
    except json.JSONDecodeError as error:
        raise InvalidParams(f"{name} is not a quoted string") from error
    return str(text)


def _from_hex(name: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise InvalidParams(f"{name} is not hexadecimal") from error
