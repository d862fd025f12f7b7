"""ECDSA on P-256 with SHA-256 in JOSE form (RFC 7518 §3.4): r ‖ s, low s only.

(r, n-s) is as good a signature as (r, s), so anybody could respell a transaction; requiring s <= n/2 leaves
one spelling. Clients whose platform signs with either s halve it before sending.
"""

from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

N: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of P-256 (SEC 2 §2.4.2)."""
SIGNATURE_BYTES: Final = 64
KEY_BYTES: Final = 64
SECRET_BYTES: Final = 32

_SHA256: Final = hashes.SHA256()
_VERIFY: Final = ec.ECDSA(_SHA256)


def verify(raw: bytes, message: bytes, signature: bytes) -> bool:
    """True for a low-s signature by the key x ‖ y; wrong lengths and points off the curve are not valid."""
    if len(raw) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not 0 < r < N or not 0 < s <= N // 2:
        return False
    key = _load(raw)
    if key is None:
        return False
    try:
        key.verify(encode_dss_signature(r, s), message, _VERIFY)
    except InvalidSignature:
        return False
    return True


def sign(secret: bytes, message: bytes) -> bytes:
    """Low-s signature, 64 bytes, deterministic (RFC 6979), by a 32-byte big-endian secret scalar."""
    algorithm = ec.ECDSA(_SHA256, deterministic_signing=True)
    r, s = decode_dss_signature(_private(secret).sign(message, algorithm))
    return r.to_bytes(32, "big") + min(s, N - s).to_bytes(32, "big")


def derive_public(secret: bytes) -> bytes:
    """Public key x ‖ y of a secret scalar; raises ValueError when it is not in 1..n-1."""
    numbers = _private(secret).public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def _private(secret: bytes) -> ec.EllipticCurvePrivateKey:
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"P-256 secret of {len(secret)} bytes, not {SECRET_BYTES}")
    return ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())


@lru_cache(maxsize=4_096)
def _load(raw: bytes) -> ec.EllipticCurvePublicKey | None:
    """The library's key object; None off the curve. Cached: tills and agents sign again and again."""
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + raw)
    except ValueError:
        return None
