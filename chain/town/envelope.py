"""The signed envelope: bytes to a typed transaction and back, and the signatures on it.

    JWS compact (one signer) or general JSON (several), header typ `beffroi-tx`
    payload {"town","type","from","nonce","exp","body"}, canonical; the replay key is SHA-256(payload)

Anonymous transactions have none of it: {"body","town","type"}, canonical, signed by nobody. What they hold proves
itself, and their rule names their key (a ballot's hash, a credential).

Reads: nothing.  Writes: nothing.  Never: looks at state or at a clock; only form and signatures are judged.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, get_args

import msgspec

from chain.codec.canonical import b64url_encode, decode_canonical, encode_canonical
from chain.codec.errors import DecodeError
from chain.crypto import jws
from chain.crypto.jws import ParsedJws, SignatureEntry, SigningKey
from chain.crypto.keys import PublicKey, public_key_from_jwk
from chain.town import (
    energy_schemas,
    loyalty_offline_schemas,
    loyalty_schemas,
    schemas,
    votes_schemas,
)
from chain.town.context import Refused
from chain.town.schemas import AnonymousPayload, Jwk, Payload
from chain.types import codes

TX_TYP: Final = "beffroi-tx"
TICKET_TYP: Final = "beffroi-ticket"
ATTESTATION_TYP: Final = "beffroi-attestation"
TX_MAX_BYTES: Final = 256 * 1_024
"""Room for a batch of 256 attestations; everything else stays below 8 KiB."""
NONCE_BYTES: Final = 16
CACHED_BYTES_MAX: Final = 16 * 1_024 * 1_024
"""Raw bytes of decoded transactions kept from CheckTx to decision: some 20 000 usual ones."""

_ENCODER: Final = msgspec.json.Encoder(order="sorted")
BODY_TYPES: Final[dict[str, type[msgspec.Struct]]] = {
    body.TYPE: body
    for body in (
        *get_args(schemas.Body),
        *get_args(loyalty_schemas.LoyaltyBody),
        *get_args(votes_schemas.VotesBody),
        *get_args(loyalty_offline_schemas.OfflineBody),
        *get_args(energy_schemas.EnergyBody),
    )
}
ANONYMOUS_TYPES: Final[dict[str, type[msgspec.Struct]]] = {
    body.TYPE: body for body in votes_schemas.ANONYMOUS
}
_ANONYMOUS_START: Final = b'{"body":'
"""No signed envelope begins so: a compact one begins with base64url, a general one with its payload."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A well-formed transaction; no signature was verified yet."""

    payload: Payload
    body: msgspec.Struct
    signatures: tuple[SignatureEntry, ...]
    tx_key: bytes
    """SHA-256 of the payload bytes."""
    raw_hash: bytes
    """SHA-256 of the whole transaction, which the mempool and blocks name it by."""


@dataclass(frozen=True, slots=True)
class AnonymousEnvelope:
    """A well-formed anonymous transaction; nothing in it was verified yet."""

    type: str
    body: msgspec.Struct
    raw_hash: bytes


def payload_hash(payload: bytes) -> bytes:
    """The replay key of a transaction, by which clients follow it."""
    return sha256(payload).digest()


def encode_payload(
    town: str, sender: str, body: msgspec.Struct, *, nonce16: bytes, exp: int
) -> bytes:
    """Canonical payload bytes, ready to be signed."""
    if len(nonce16) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
    name: str = body.TYPE  # type: ignore[attr-defined]  # every body class names its type
    members = msgspec.to_builtins(body)
    return encode_canonical(
        Payload(
            town=town, type=name, sender=sender, nonce=b64url_encode(nonce16), exp=exp, body=members
        )
    )


def sign_payload(payload: bytes, signers: Sequence[SigningKey]) -> bytes:
    """The transaction: compact for one signer, general for several."""
    if len(signers) == 1:
        return jws.sign_compact(payload, TX_TYP, signers[0])
    return jws.sign_general(payload, TX_TYP, signers)


def build_transaction(
    town: str,
    sender: str,
    body: msgspec.Struct,
    signers: Sequence[SigningKey],
    nonce16: bytes,
    exp: int,
) -> bytes:
    """Build and sign in one step; raises ValueError for a bad nonce or signer list."""
    return sign_payload(encode_payload(town, sender, body, nonce16=nonce16, exp=exp), signers)


def decode_transaction(raw: bytes, town: str) -> Envelope | Refused:
    """Read one transaction of this town: size, canonical form, town, type, body, in that order."""
    if len(raw) > TX_MAX_BYTES:
        return Refused(codes.TX_TOO_LARGE, f"{len(raw)} bytes, at most {TX_MAX_BYTES}")
    try:
        parsed = jws.parse(raw, TX_TYP, TX_MAX_BYTES)
        payload = decode_canonical(Payload, parsed.payload)
    except DecodeError as error:
        return Refused(codes.TX_MALFORMED, str(error))
    if payload.town != town:
        return Refused(codes.TX_WRONG_TOWN)
    body_type = BODY_TYPES.get(payload.type)
    if body_type is None:
        return Refused(codes.TX_UNKNOWN_TYPE, payload.type)
    return _with_body(raw, parsed, payload, body_type)


def is_anonymous(raw: bytes) -> bool:
    """Whether these bytes can only be an anonymous transaction."""
    return raw.startswith(_ANONYMOUS_START)


def build_anonymous(town: str, body: msgspec.Struct) -> bytes:
    """The transaction of an anonymous body."""
    name: str = body.TYPE  # type: ignore[attr-defined]  # every body class names its type
    return encode_canonical(AnonymousPayload(msgspec.to_builtins(body), town, name))


def decode_anonymous(raw: bytes, town: str) -> AnonymousEnvelope | Refused:
    """Read one anonymous transaction of this town: size, canonical form, town, type, body, in that order."""
    if len(raw) > TX_MAX_BYTES:
        return Refused(codes.TX_TOO_LARGE, f"{len(raw)} bytes, at most {TX_MAX_BYTES}")
    try:
        payload = decode_canonical(AnonymousPayload, raw)
    except DecodeError as error:
        return Refused(codes.TX_MALFORMED, str(error))
    if payload.town != town:
        return Refused(codes.TX_WRONG_TOWN)
    body_type = ANONYMOUS_TYPES.get(payload.type)
    if body_type is None:
        return Refused(codes.TX_UNKNOWN_TYPE, payload.type)
    body = _typed_body(payload.body, body_type)
    if isinstance(body, Refused):
        return body
    return AnonymousEnvelope(payload.type, body, sha256(raw).digest())


def _typed_body(members: dict[str, Any], body_type: type[msgspec.Struct]) -> Any:
    """The body in its type, or Refused; it must be spelled as its own encoding spells it (no explicit defaults)."""
    try:
        body: Any = msgspec.convert(members, body_type)
    except (msgspec.ValidationError, RecursionError) as error:
        return Refused(codes.TX_BODY_INVALID, str(error))
    if _ENCODER.encode(body) != _ENCODER.encode(members):
        return Refused(codes.TX_BODY_INVALID, "not the canonical form")
    return body


def _with_body(
    raw: bytes, parsed: ParsedJws, payload: Payload, body_type: type[msgspec.Struct]
) -> Envelope | Refused:
    body = _typed_body(payload.body, body_type)
    if isinstance(body, Refused):
        return body
    raw_hash = sha256(raw).digest()
    return Envelope(payload, body, parsed.signatures, payload_hash(parsed.payload), raw_hash)


@lru_cache(maxsize=4_096)
def public_key(jwk: Jwk) -> PublicKey:
    """The key of a registered JWK; checking the point costs more than the rest of the decoding."""
    return public_key_from_jwk(jwk)


class EnvelopeCache:
    """Decoded transactions and verified signatures, so that each is done once per node.

    Both depend on the bytes alone (a thumbprint names one key for ever), so the cache can change the cost of
    an answer, never the answer. Oldest entries leave first.
    """

    def __init__(self, town: str, bytes_max: int = CACHED_BYTES_MAX) -> None:
        self._town = town
        self._bytes_left = bytes_max
        self._known: OrderedDict[bytes, tuple[Envelope, int]] = OrderedDict()
        self._verified: dict[bytes, set[str]] = {}

    def decode(self, raw: bytes) -> Envelope | Refused:
        """`decode_transaction`, remembered when it succeeds."""
        raw_hash = sha256(raw).digest()
        known = self._known.get(raw_hash)
        if known is not None:
            return known[0]
        decoded = decode_transaction(raw, self._town)
        if isinstance(decoded, Envelope):
            self._remember(decoded, len(raw))
        return decoded

    def is_signed(self, envelope: Envelope, entry: SignatureEntry, jwk: Jwk) -> bool:
        """Whether `jwk` made this signature; success is remembered."""
        verified = self._verified.get(envelope.raw_hash)
        if verified is not None and entry.kid in verified:
            return True
        if not jws.verify_signature(entry, public_key(jwk)):
            return False
        if verified is not None:
            verified.add(entry.kid)
        return True

    def _remember(self, envelope: Envelope, size_bytes: int) -> None:
        self._known[envelope.raw_hash] = (envelope, size_bytes)
        self._verified[envelope.raw_hash] = set()
        self._bytes_left -= size_bytes
        while self._bytes_left < 0:
            oldest, (_, freed_bytes) = self._known.popitem(last=False)
            self._bytes_left += freed_bytes
            del self._verified[oldest]
