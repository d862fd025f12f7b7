"""JSON Web Signature (RFC 7515) with one spelling: compact for one signer, general JSON for two or more.

The protected header is exactly {"alg","kid","typ"} in canonical JSON; `kid` is the RFC 7638 thumbprint of
the signing key, `typ` says what is signed so that a signature for one purpose never serves another.
Parsing proves form only; `verify_signature` proves one signature under a key the caller has looked up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Final

from msgspec import Meta, Struct

from chain.codec.canonical import b64url_decode, b64url_encode, decode_canonical, encode_canonical
from chain.codec.errors import DecodeError
from chain.crypto import ed25519, es256
from chain.crypto.keys import Alg, PublicKey, thumbprint
from chain.limits import JWS_SIGNERS_MAX

SIGNATURE_BYTES: Final = 64

_Thumbprint = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")]
_B64url = Annotated[str, Meta(min_length=1)]


class Header(Struct, frozen=True, forbid_unknown_fields=True):
    """Protected header of every signature in this project."""

    alg: Alg
    kid: _Thumbprint
    typ: str


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    protected: _B64url
    signature: _B64url


class _General(Struct, frozen=True, forbid_unknown_fields=True):
    payload: _B64url
    signatures: Annotated[tuple[_Line, ...], Meta(min_length=2, max_length=JWS_SIGNERS_MAX)]


@dataclass(frozen=True, slots=True)
class SignatureEntry:
    """One signature of a parsed JWS; `signing_input` is the ASCII text it covers (RFC 7515 §5.1)."""

    header: Header
    kid: str
    alg: Alg
    signing_input: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ParsedJws:
    """Payload bytes and the signatures, sorted by kid, none verified yet."""

    payload: bytes
    signatures: tuple[SignatureEntry, ...]


class SigningKey:
    """A private key able to sign JWS: an Ed25519 seed or a P-256 scalar, 32 bytes either way."""

    __slots__ = ("_secret", "kid", "public_key")

    def __init__(self, alg: Alg, secret: bytes) -> None:
        derive = ed25519.derive_public if alg == "EdDSA" else es256.derive_public
        self._secret = secret
        self.public_key = PublicKey(alg, derive(secret))
        self.kid = thumbprint(self.public_key)

    @property
    def alg(self) -> Alg:
        """JWS algorithm of this key."""
        return self.public_key.alg

    def sign(self, message: bytes) -> bytes:
        """Raw signature of 64 bytes over any message; callers keep the domains apart."""
        if self.alg == "EdDSA":
            return ed25519.sign(self._secret, message)
        return es256.sign(self._secret, message)

    def __repr__(self) -> str:
        return f"SigningKey({self.alg}, kid={self.kid})"  # never the secret


def sign_compact(payload: bytes, typ: str, signer: SigningKey) -> bytes:
    """`header.payload.signature` by one signer."""
    signing_input = _protected(typ, signer) + b"." + b64url_encode(payload).encode("ascii")
    signature = signer.sign(signing_input)
    return signing_input + b"." + b64url_encode(signature).encode("ascii")


def sign_general(payload: bytes, typ: str, signers: Sequence[SigningKey]) -> bytes:
    """General JSON form by two or more different signers, written sorted by kid; raises ValueError otherwise."""
    ordered = sorted(signers, key=lambda signer: signer.kid)
    if not 2 <= len({signer.kid for signer in ordered}) == len(ordered) <= JWS_SIGNERS_MAX:
        raise ValueError(f"general form needs 2 to {JWS_SIGNERS_MAX} different signers")
    encoded = b64url_encode(payload)
    lines = tuple(_line(encoded, typ, signer) for signer in ordered)
    return encode_canonical(_General(encoded, lines))


def add_signature(data: bytes, typ: str, signer: SigningKey, max_bytes: int) -> bytes:
    """The same payload with one signature more: signers who never meet sign one after the other.

    Raises DecodeError for what is no such JWS, ValueError when that key has signed it or no room is left.
    """
    parsed = parse(data, typ, max_bytes)
    encoded = b64url_encode(parsed.payload)
    lines = {entry.kid: _line_of(entry) for entry in parsed.signatures}
    if signer.kid in lines or len(lines) >= JWS_SIGNERS_MAX:
        raise ValueError(f"signed by that key already, or by {JWS_SIGNERS_MAX} keys")
    lines[signer.kid] = _line(encoded, typ, signer)
    return encode_canonical(_General(encoded, tuple(lines[kid] for kid in sorted(lines))))


def merge_signatures(held: bytes, more: bytes, typ: str, max_bytes: int) -> bytes:
    """Both signatures of one payload in one general JWS, for signers who never meet; those in both count once.

    Raises DecodeError for what is no such JWS, ValueError when the payloads differ, too many signed or both together
    are longer than `max_bytes`. Verifies nothing: of two signatures of one key the held one stays.
    """
    first, second = parse(held, typ, max_bytes), parse(more, typ, max_bytes)
    if first.payload != second.payload:
        raise ValueError("signed over another payload")
    entries = {entry.kid: entry for entry in (*second.signatures, *first.signatures)}
    if len(entries) > JWS_SIGNERS_MAX:
        raise ValueError(f"signed by more than {JWS_SIGNERS_MAX} keys")
    if len(entries) == 1:
        return held
    lines = tuple(_line_of(entries[kid]) for kid in sorted(entries))
    merged = encode_canonical(_General(b64url_encode(first.payload), lines))
    if len(merged) > max_bytes:
        raise ValueError(f"{len(merged)} bytes with all signatures, at most {max_bytes}")
    return merged


def parse(data: bytes, typ: str, max_bytes: int) -> ParsedJws:
    """Read either form; raises DecodeError unless `data` is the only spelling of what it says.

    `max_bytes` bounds the whole text. A single signature in general form, unsorted or repeated signers, another
    `typ`, foreign header members, padding and blanks are refused.
    """
    if len(data) > max_bytes:
        raise DecodeError(f"JWS of {len(data)} bytes, at most {max_bytes}")
    if data[:1] == b"{":
        return _parse_general(data, typ)
    return _parse_compact(data, typ)


def verify_signature(entry: SignatureEntry, public_key: PublicKey) -> bool:
    """True when `public_key` is the key the entry names and made its signature."""
    if entry.alg != public_key.alg or entry.kid != thumbprint(public_key):
        return False
    if entry.alg == "EdDSA":
        return ed25519.verify_strict(public_key.raw, entry.signing_input, entry.signature)
    return es256.verify(public_key.raw, entry.signing_input, entry.signature)


def _protected(typ: str, signer: SigningKey) -> bytes:
    header = encode_canonical(Header(signer.alg, signer.kid, typ))
    return b64url_encode(header).encode("ascii")


def _line(payload: str, typ: str, signer: SigningKey) -> _Line:
    protected = _protected(typ, signer)
    signature = signer.sign(protected + b"." + payload.encode("ascii"))
    return _Line(protected.decode("ascii"), b64url_encode(signature))


def _line_of(entry: SignatureEntry) -> _Line:
    protected = entry.signing_input.partition(b".")[0].decode("ascii")
    return _Line(protected, b64url_encode(entry.signature))


def _parse_compact(data: bytes, typ: str) -> ParsedJws:
    parts = data.split(b".")
    if len(parts) != 3 or not parts[1]:
        raise DecodeError("a compact JWS has three parts")
    protected, payload, signature = parts
    entry = _entry(protected, protected + b"." + payload, signature, typ)
    return ParsedJws(b64url_decode(payload), (entry,))


def _parse_general(data: bytes, typ: str) -> ParsedJws:
    general = decode_canonical(_General, data)
    payload = general.payload.encode()
    entries = []
    for line in general.signatures:
        protected = line.protected.encode()
        entries.append(_entry(protected, protected + b"." + payload, line.signature.encode(), typ))
    kids = [entry.kid for entry in entries]
    if any(first >= second for first, second in pairwise(kids)):
        raise DecodeError("signatures are not sorted by kid, or one kid signs twice")
    return ParsedJws(b64url_decode(payload), tuple(entries))


def _entry(protected: bytes, signing_input: bytes, signature: bytes, typ: str) -> SignatureEntry:
    header = decode_canonical(Header, b64url_decode(protected))
    if header.typ != typ:
        raise DecodeError(f"JWS of type {header.typ[:40]!r}, expected {typ!r}")
    raw = b64url_decode(signature)
    if len(raw) != SIGNATURE_BYTES:
        raise DecodeError(f"signature of {len(raw)} bytes, not {SIGNATURE_BYTES}")
    return SignatureEntry(header, header.kid, header.alg, signing_input, raw)
