"""Signed transactions as the API sees them: enough is read to name, route and project them.

The chain judges them; here only the form is read, with the chain's own strict codecs.
Reads: bytes.  Writes: nothing.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec

from app.core.codes import TRANSACTION_WRONG_ROUTE
from app.core.problems import Problem
from chain.codec.canonical import decode_canonical
from chain.codec.errors import DecodeError
from chain.crypto.jws import ParsedJws, parse
from chain.town import schemas
from chain.town.envelope import ANONYMOUS_TYPES, BODY_TYPES, TX_TYP, is_anonymous
from chain.types.codes import TX_MALFORMED, TX_TOO_LARGE

TRANSACTION_CHARS_MAX: Final = 60_000
"""Within the 64 KiB of a request body."""


@dataclass(frozen=True, slots=True)
class ReadTransaction:
    """One transaction by its envelope; `payload_hash` (hex) is its name for ever, `kids` say whose keys signed."""

    raw: bytes
    payload: schemas.Payload
    payload_hash: str
    kids: frozenset[str]


def read_transaction(text: str | bytes) -> ReadTransaction:
    """Read an envelope; raises Problem(tx_malformed) or (tx_too_large)."""
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
    if len(raw) > TRANSACTION_CHARS_MAX:
        raise Problem(TX_TOO_LARGE, f"{len(raw)} bytes")
    try:
        parsed = parse(raw, TX_TYP, TRANSACTION_CHARS_MAX)
        payload = decode_canonical(schemas.Payload, parsed.payload)
    except DecodeError as error:
        raise Problem(TX_MALFORMED, str(error)) from error
    return _of(raw, payload, parsed)


def _of(raw: bytes, payload: schemas.Payload, parsed: ParsedJws) -> ReadTransaction:
    kids = frozenset(signature.kid for signature in parsed.signatures)
    return ReadTransaction(raw, payload, sha256(parsed.payload).hexdigest(), kids)


def check_type(transaction: ReadTransaction, types: tuple[str, ...]) -> None:
    """Raise Problem(transaction_wrong_route) unless the route takes this kind."""
    if transaction.payload.type not in types:
        raise Problem(TRANSACTION_WRONG_ROUTE, "takes " + ", ".join(types))


def read_body(payload: schemas.Payload) -> Any:
    """The typed body of a payload the chain accepted; raises KeyError or msgspec.ValidationError otherwise."""
    body: Any = msgspec.convert(payload.body, BODY_TYPES[payload.type], strict=True)
    return body


@dataclass(frozen=True, slots=True)
class ReadAnonymous:
    """A transaction that nobody signed."""

    type: str
    body: Any


def read_committed(raw: bytes) -> ReadTransaction | ReadAnonymous | None:
    """A transaction out of a block; None when it has no readable envelope (then it had no effect)."""
    if is_anonymous(raw):
        return _read_anonymous(raw)
    try:
        parsed = parse(raw, TX_TYP, len(raw))
        payload = decode_canonical(schemas.Payload, parsed.payload)
    except DecodeError:
        return None
    return _of(raw, payload, parsed)


def _read_anonymous(raw: bytes) -> ReadAnonymous | None:
    try:
        payload = decode_canonical(schemas.AnonymousPayload, raw)
        body = msgspec.convert(payload.body, ANONYMOUS_TYPES[payload.type], strict=True)
    except (DecodeError, KeyError, msgspec.ValidationError):
        return None
    return ReadAnonymous(payload.type, body)
