"""Ed25519 (RFC 8032) with two explicit acceptance rules, neither of which depends on a library's version.

- Votes, evidence, light blocks: **ZIP-215**, as CometBFT does (ADR-079): any encoding of A and R, S below L,
  cofactored equation. libsodium's accepted set lies inside it, so libsodium answers first and only a
  refusal costs the pure Python check (a few milliseconds: callers limit it per peer).
- Transactions, QR codes, tokens: **strict**: canonical A and R, neither of small order, S below L, and the
  **cofactorless** equation [S]B = R + [h]A. Cofactorless because it is what libsodium, OpenSSL and browsers
  compute, so a till or phone gives the verdict of the chain; a key with a torsion part only harms its owner.
  The byte checks are ours; the library is asked for the equation alone, after a probe at import that it
  answers the two cases which tell cofactorless from cofactored or stricter libraries. When the probe fails
  the Python equation is used: slower, same verdicts.

Source: RFC 8032 §5.1; zips.z.cash/zip-0215; Chalkias et al., "Taming the many EdDSAs" (2020).
"""

from functools import lru_cache
from hashlib import sha512
from typing import Final, TypeAlias

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

SEED_BYTES: Final = 32
PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

P: Final = 2**255 - 19
L: Final = 2**252 + 27742317777372353535851937790883648493
D: Final = -121665 * pow(121666, -1, P) % P
SQRT_M1: Final = pow(2, (P - 1) // 4, P)
_SIGN_BIT: Final = 1 << 255

_ORDER_8_Y: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER_ENCODINGS: Final = frozenset(
    (y | sign).to_bytes(32, "little")
    for y in (0, 1, P - 1, _ORDER_8_Y, P - _ORDER_8_Y, P, P + 1)
    for sign in (0, _SIGN_BIT)
)
"""All 14 encodings, canonical or not, of the eight points whose order divides 8."""

_Point: TypeAlias = tuple[int, int, int, int]
"""Extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z (RFC 8032 §5.1.4)."""


def sign(seed: bytes, message: bytes) -> bytes:
    """RFC 8032 signature, 64 bytes, by the key of a 32-byte seed."""
    return crypto_sign(message, _secret_key(seed))[:SIGNATURE_BYTES]


def derive_public(seed: bytes) -> bytes:
    """Public key, 32 bytes, of a 32-byte seed."""
    return _secret_key(seed)[SEED_BYTES:]


def verify_strict(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Strict rule of the module docstring; wrong lengths are simply not valid."""
    if not _has_strict_form(public_key, signature):
        return False
    if _LIBRARY_IS_COFACTORLESS:
        return _library_accepts(public_key, message, signature)
    return _python_strict(public_key, message, signature)


def verify_zip215(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """ZIP-215 rule of the module docstring; wrong lengths are simply not valid."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    if _library_accepts_vote(public_key, message, signature):
        return True
    return _python_zip215(public_key, message, signature)


def is_accepted_quickly(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """The library's verdict alone: True implies `verify_zip215`, False leaves the slow check to do (3 ms)."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    return _library_accepts_vote(public_key, message, signature)


def is_strict_point(encoded: bytes) -> bool:
    """True for 32 bytes that are canonical and not of small order; whether on the curve is not checked."""
    # A sign bit on x = 0 is the other non-canonical form; both such y are of small order.
    y = int.from_bytes(encoded, "little") & (_SIGN_BIT - 1)
    return len(encoded) == PUBLIC_KEY_BYTES and y < P and encoded not in SMALL_ORDER_ENCODINGS


def _has_strict_form(public_key: bytes, signature: bytes) -> bool:
    """Every condition of the strict rule except the equation."""
    return (
        len(signature) == SIGNATURE_BYTES
        and int.from_bytes(signature[32:], "little") < L
        and is_strict_point(public_key)
        and is_strict_point(signature[:32])
    )


@lru_cache(maxsize=2_048)
def _library_accepts_vote(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """The same, remembered: a precommit comes as a vote, and again in the commit of the next block.

    About a megabyte; a town of a hundred validators brings two hundred votes a height.
    """
    return _library_accepts(public_key, message, signature)


def _library_accepts(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """libsodium's own verdict. The caller has checked lengths: the binding does not."""
    try:
        crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def _secret_key(seed: bytes) -> bytes:
    if len(seed) != SEED_BYTES:
        raise ValueError(f"Ed25519 seed of {len(seed)} bytes, not {SEED_BYTES}")
    return crypto_sign_seed_keypair(seed)[1]


# --- the equation in Python: the slow path, and the reference the library is compared with ---------


def _python_strict(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """The cofactorless equation for inputs of strict form."""
    difference = _equation_difference(public_key, message, signature)
    return difference is not None and _is_neutral(difference)


def _python_zip215(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """The cofactored equation for any encodings."""
    difference = _equation_difference(public_key, message, signature)
    if difference is None:
        return False
    for _ in range(3):
        difference = _add(difference, difference)
    return _is_neutral(difference)


def _equation_difference(public_key: bytes, message: bytes, signature: bytes) -> _Point | None:
    """[S]B - [h]A - R, or None when S is not reduced or A or R is no point. h hashes bytes as received."""
    s = int.from_bytes(signature[32:], "little")
    point_a, point_r = _decode_point(public_key), _decode_point(signature[:32])
    if s >= L or point_a is None or point_r is None:
        return None
    h = int.from_bytes(sha512(signature[:32] + public_key + message).digest(), "little") % L
    return _add(_double_multiply(s, _BASE, h, _negate(point_a)), _negate(point_r))


@lru_cache(maxsize=1_024)
def _decode_point(encoded: bytes) -> _Point | None:
    """ZIP-215 decoding: y may exceed p, x = 0 may carry a sign. Cached: validators' keys come back."""
    number = int.from_bytes(encoded, "little")
    y, sign = (number & (_SIGN_BIT - 1)) % P, number >> 255
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P  # RFC 8032 §5.1.3
    residue = v * x * x % P
    if residue == P - u % P and u:
        x = x * SQRT_M1 % P
    elif residue != u:
        return None
    if x & 1 != sign:
        x = -x % P
    return (x, y, 1, x * y % P)


def _add(p: _Point, q: _Point) -> _Point:
    """Unified addition (RFC 8032 §5.1.4), complete on this curve."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _negate(p: _Point) -> _Point:
    return (-p[0] % P, p[1], p[2], -p[3] % P)


def _is_neutral(p: _Point) -> bool:
    return p[0] % P == 0 and (p[1] - p[2]) % P == 0


def _double_multiply(s: int, p: _Point, h: int, q: _Point) -> _Point:
    """[s]p + [h]q in one pass over the bits (Straus); not constant-time, inputs are public."""
    both = _add(p, q)
    total = _NEUTRAL
    for bit in range(max(s.bit_length(), h.bit_length()) - 1, -1, -1):
        total = _add(total, total)
        pick = (s >> bit & 1) | (h >> bit & 1) << 1
        if pick:
            total = _add(total, (p, q, both)[pick - 1])
    return total


def _known_point(encoded: bytes) -> _Point:
    point = _decode_point(encoded)
    if point is None:
        raise ArithmeticError("a curve constant does not decode")
    return point


_NEUTRAL: Final[_Point] = (0, 1, 1, 0)
_BASE: Final = _known_point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))

# "Taming the many EdDSAs" cases 3 and 4: A has a torsion part; both satisfy the cofactored equation, only
# the first the cofactorless one.
_PROBE_KEY: Final = bytes.fromhex(
    "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d"
)
_PROBE_VALID: Final = (
    bytes.fromhex("9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79"),
    bytes.fromhex(
        "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f"
        "87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009"
    ),
)
_PROBE_INVALID: Final = (
    bytes.fromhex("e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c"),
    bytes.fromhex(
        "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed512"
        "5ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09"
    ),
)
_LIBRARY_IS_COFACTORLESS: Final = _library_accepts(_PROBE_KEY, *_PROBE_VALID) and not (
    _library_accepts(_PROBE_KEY, *_PROBE_INVALID)
)
