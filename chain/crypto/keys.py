"""Public keys as values, as JWKs (RFC 7517, 7518 §6.2, 8037), and the names derived from them.

A key that could never make a good signature is refused here, when it enters, not later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError
from chain.crypto.ed25519 import is_strict_point

Alg = Literal["EdDSA", "ES256"]
"""JWS algorithm names (RFC 7518 §3.1, RFC 8037 §3.1)."""

ED25519_KEY_BYTES: Final = 32
P256_KEY_BYTES: Final = 64
P256_P: Final = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
P256_B: Final = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


@dataclass(frozen=True, slots=True)
class PublicKey:
    """`EdDSA` with the 32 raw bytes of RFC 8032, or `ES256` with x ‖ y, 32 bytes each, big-endian."""

    alg: Alg
    raw: bytes

    def __post_init__(self) -> None:
        expected = ED25519_KEY_BYTES if self.alg == "EdDSA" else P256_KEY_BYTES
        if len(self.raw) != expected:
            raise ValueError(f"{self.alg} public key of {len(self.raw)} bytes, not {expected}")


def public_key_from_jwk(jwk: Any) -> PublicKey:
    """Read a JWK given as a mapping, or as an object with members crv, kty, x, y (`""` or absent for no y).

    Raises DecodeError for another curve, extra members, coordinates off the curve, and Ed25519 keys that
    strict verification would never accept (non-canonical or of small order).
    """
    members = dict(jwk) if isinstance(jwk, Mapping) else _members_of(jwk)
    kind = (members.pop("kty", None), members.pop("crv", None))
    x, y = members.pop("x", None), members.pop("y", "")
    if members:
        raise DecodeError(f"unexpected member of a public key: {sorted(map(str, members))[0][:20]}")
    if not isinstance(x, str) or not isinstance(y, str):
        raise DecodeError("coordinates of a key are base64url strings")
    if kind == ("OKP", "Ed25519") and not y:
        return _ed25519_key(b64url_decode(x))
    if kind == ("EC", "P-256") and y:
        return _p256_key(b64url_decode(x), b64url_decode(y))
    raise DecodeError("a public key is OKP/Ed25519 with x, or EC/P-256 with x and y")


def jwk_of(public_key: PublicKey) -> dict[str, str]:
    """The JWK with its required members only, in the order RFC 7638 hashes them."""
    if public_key.alg == "EdDSA":
        return {"crv": "Ed25519", "kty": "OKP", "x": b64url_encode(public_key.raw)}
    x, y = b64url_encode(public_key.raw[:32]), b64url_encode(public_key.raw[32:])
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def thumbprint(public_key: PublicKey) -> str:
    """RFC 7638 SHA-256 thumbprint, 43 characters of base64url: the `kid` of every signature."""
    raw = public_key.raw
    if public_key.alg == "EdDSA":
        text = f'{{"crv":"Ed25519","kty":"OKP","x":"{b64url_encode(raw)}"}}'
    else:
        x, y = b64url_encode(raw[:32]), b64url_encode(raw[32:])
        text = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
    return b64url_encode(sha256(text.encode("ascii")).digest())


def address(public_key: bytes) -> bytes:
    """Validator or node address: first 20 bytes of SHA-256 of the raw Ed25519 key (CometBFT `crypto/tmhash`)."""
    if len(public_key) != ED25519_KEY_BYTES:
        raise ValueError(f"Ed25519 public key of {len(public_key)} bytes, not 32")
    return sha256(public_key).digest()[:20]


def _members_of(jwk: object) -> dict[str, Any]:
    names = ("kty", "crv", "x", "y")
    return {name: getattr(jwk, name) for name in names if hasattr(jwk, name)}


def _ed25519_key(raw: bytes) -> PublicKey:
    if len(raw) != ED25519_KEY_BYTES or not is_strict_point(raw):
        raise DecodeError("not a usable Ed25519 public key")
    return PublicKey("EdDSA", raw)


def _p256_key(x: bytes, y: bytes) -> PublicKey:
    """SEC 1 §3.2.2.1: coordinates below p, on the curve; the cofactor is 1, so no subgroup to check."""
    if len(x) != 32 or len(y) != 32:
        raise DecodeError("P-256 coordinates have 32 bytes each")
    point_x, point_y = int.from_bytes(x, "big"), int.from_bytes(y, "big")
    off = (point_y * point_y - point_x * point_x * point_x + 3 * point_x - P256_B) % P256_P
    if point_x >= P256_P or point_y >= P256_P or off:
        raise DecodeError("not a point of P-256")
    return PublicKey("ES256", x + y)
