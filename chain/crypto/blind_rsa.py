"""RSA blind signatures (RFC 9474): a registrar signs a voter's key without seeing it.

The voter prepares a message, blinds it, has it signed, and unblinds: what comes out is an ordinary
RSASSA-PSS signature that any library verifies and that nobody, the signer included, can link to the signing.
Elections use `RANDOMIZED_PSS`: a random prefix protects messages of low entropy, and the random salt messages
signed by a signer whose key was made with bad intent.

The signer works on a value blinded again (a timing of its powers says nothing about the value asked), with
exponents that a random multiple of p-1 and q-1 hides each time, by the Chinese remainder theorem, and looks at its
own answer before giving it out: one wrong half would factor the key. Python's integers are not constant-time; a
registrar signs few values, on a machine of its own. Every refusal depends on public values alone, except the one
that says the machine failed.

What a stranger publishes as its key is judged by `chain.crypto.rsa_modulus`.

Source: RFC 9474 §4 and §5; EMSA-PSS from RFC 8017 §9.1 with SHA-384 and MGF1-SHA-384.
"""

from dataclasses import dataclass, field
from hashlib import sha384
from math import gcd
from typing import Final

from chain.crypto.randomness import RandomBytes, draw_below

PREFIX_BYTES: Final = 32
MODULUS_MIN_BITS: Final = 2_048

_EXPONENT_MASK_BYTES: Final = 16
"""Random multiple of p-1 added to an exponent: 128 bits, so that no two signings walk the same bits."""
_HASH_BYTES: Final = 48
_TRAILER: Final = 0xBC


class BlindSignatureError(ValueError):
    """A step of the protocol refused its input; the message is the RFC's."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the four named variants of RFC 9474 §5."""

    name: str
    salt_bytes: int
    is_randomized: bool
    """Whether `prepare` puts a random prefix before the message."""


RANDOMIZED_PSS: Final = Variant("RSABSSA-SHA384-PSS-Randomized", 48, True)
RANDOMIZED_PSSZERO: Final = Variant("RSABSSA-SHA384-PSSZERO-Randomized", 0, True)
DETERMINISTIC_PSS: Final = Variant("RSABSSA-SHA384-PSS-Deterministic", 48, False)
DETERMINISTIC_PSSZERO: Final = Variant("RSABSSA-SHA384-PSSZERO-Deterministic", 0, False)
VARIANTS: Final = {
    variant.name: variant
    for variant in (
        RANDOMIZED_PSS,
        RANDOMIZED_PSSZERO,
        DETERMINISTIC_PSS,
        DETERMINISTIC_PSSZERO,
    )
}


@dataclass(frozen=True, slots=True)
class SignerPublicKey:
    """(n, e) of RFC 8017."""

    n: int
    e: int

    def __post_init__(self) -> None:
        if self.n.bit_length() < MODULUS_MIN_BITS or self.n % 2 == 0:
            raise ValueError(f"RSA modulus is even or below {MODULUS_MIN_BITS} bits")
        if self.e < 3 or self.e % 2 == 0:
            raise ValueError("RSA exponent is even or too small")

    @property
    def size_bytes(self) -> int:
        """Length of blinded messages and signatures."""
        return (self.n.bit_length() + 7) // 8


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A registrar's private key by its primes; the exponents are those of RFC 8017 §3.2, second form."""

    public: SignerPublicKey
    p: int = field(repr=False)
    q: int = field(repr=False)

    def __post_init__(self) -> None:
        if self.p * self.q != self.public.n or self.p == self.q:
            raise ValueError("the primes are not those of the modulus")
        if gcd(self.public.e, (self.p - 1) * (self.q - 1)) != 1:
            raise ValueError("the exponent has no inverse for these primes")

    def raise_to_d(self, value: int, draw: RandomBytes) -> int:
        """value^d mod n, from the two halves (RFC 8017 §5.1.2), the exponents hidden by a random multiple."""
        d_p = pow(self.public.e, -1, self.p - 1) + _draw_mask(draw) * (self.p - 1)
        d_q = pow(self.public.e, -1, self.q - 1) + _draw_mask(draw) * (self.q - 1)
        half_p, half_q = pow(value, d_p, self.p), pow(value, d_q, self.q)
        difference = (half_p - half_q) * pow(self.q, -1, self.p) % self.p
        return half_q + difference * self.q


@dataclass(frozen=True, slots=True)
class Blinded:
    """What the voter sends, and what it keeps."""

    message: bytes
    """blinded_msg: goes to the signer."""
    inverse: int = field(repr=False)
    """inv: stays secret until `finalize`, then is forgotten."""


def prepare(variant: Variant, message: bytes, draw: RandomBytes) -> bytes:
    """input_msg of the RFC: the message, after a random prefix in the randomized variants (§4.1)."""
    return draw(PREFIX_BYTES) + message if variant.is_randomized else message


def blind(key: SignerPublicKey, variant: Variant, prepared: bytes, draw: RandomBytes) -> Blinded:
    """Hide a prepared message from the signer (§4.2); raises BlindSignatureError on one in a billion keys' luck."""
    encoded = _encode_pss(prepared, key.n.bit_length() - 1, draw(variant.salt_bytes))
    m = int.from_bytes(encoded, "big")
    if gcd(m, key.n) != 1:
        raise BlindSignatureError("invalid input")
    r = 1 + draw_below(key.n - 1, draw)
    if gcd(r, key.n) != 1:
        raise BlindSignatureError("blinding error")
    z = m * pow(r, key.e, key.n) % key.n
    return Blinded(z.to_bytes(key.size_bytes, "big"), pow(r, -1, key.n))


def blind_sign(key: SignerKey, blinded_message: bytes, draw: RandomBytes) -> bytes:
    """Sign what is hidden (§4.3); raises BlindSignatureError on a wrong size, and on a computation gone wrong."""
    public = key.public
    if len(blinded_message) != public.size_bytes:
        raise BlindSignatureError("unexpected input size")
    m = int.from_bytes(blinded_message, "big")
    if m >= public.n:
        raise BlindSignatureError("message representative out of range")
    if gcd(m, public.n) != 1:
        raise BlindSignatureError("invalid input")
    mask = 1 + draw_below(public.n - 1, draw)
    if gcd(mask, public.n) != 1:
        raise BlindSignatureError("blinding error")
    masked = m * pow(mask, public.e, public.n) % public.n
    s = key.raise_to_d(masked, draw) * pow(mask, -1, public.n) % public.n
    if pow(s, public.e, public.n) != m:
        raise BlindSignatureError("signing failure")
    return s.to_bytes(public.size_bytes, "big")


def is_blinded_message(key: SignerPublicKey, blinded_message: bytes) -> bool:
    """Whether bytes are the one spelling of something `blind` may give: a unit of the ring, and neither 1 nor -1.

    0, 1 and n-1 are their own signatures, and what shares a factor with n gives the key away: no honest voter
    sends any of them.
    """
    m = int.from_bytes(blinded_message, "big")
    return len(blinded_message) == key.size_bytes and 1 < m < key.n - 1 and gcd(m, key.n) == 1


def is_blind_signature(
    key: SignerPublicKey, blinded_message: bytes, blind_signature: bytes
) -> bool:
    """Whether a signer's answer is right, which anybody can tell from what was asked: s^e = m, in its one spelling.

    It says nothing of what is hidden in the request.
    """
    s = int.from_bytes(blind_signature, "big")
    if len(blind_signature) != key.size_bytes or s >= key.n:
        return False
    return pow(s, key.e, key.n) == int.from_bytes(blinded_message, "big")


def finalize(
    key: SignerPublicKey, variant: Variant, prepared: bytes, blind_signature: bytes, inverse: int
) -> bytes:
    """Uncover the signature (§4.4); raises BlindSignatureError unless it verifies."""
    if len(blind_signature) != key.size_bytes:
        raise BlindSignatureError("unexpected input size")
    s = int.from_bytes(blind_signature, "big") * inverse % key.n
    signature = s.to_bytes(key.size_bytes, "big")
    if not verify(key, variant, prepared, signature):
        raise BlindSignatureError("invalid signature")
    return signature


def verify(key: SignerPublicKey, variant: Variant, prepared: bytes, signature: bytes) -> bool:
    """RSASSA-PSS verification of a prepared message (RFC 8017 §8.1.2)."""
    s = int.from_bytes(signature, "big")
    if len(signature) != key.size_bytes or s >= key.n:
        return False
    bits = key.n.bit_length() - 1
    m = pow(s, key.e, key.n)
    size_bytes = (bits + 7) // 8
    if m.bit_length() > size_bytes * 8:
        return False
    return _is_pss(prepared, m.to_bytes(size_bytes, "big"), bits, variant.salt_bytes)


# --- EMSA-PSS (RFC 8017 §9.1) --------------------------------------------------------------------


def _encode_pss(message: bytes, bits: int, salt: bytes) -> bytes:
    """EMSA-PSS-ENCODE into `bits` bits."""
    size_bytes = (bits + 7) // 8
    padding_bytes = size_bytes - len(salt) - _HASH_BYTES - 2
    assert padding_bytes >= 0, "the smallest modulus allowed has room"
    digest = _salted_hash(message, salt)
    block = bytes(padding_bytes) + b"\x01" + salt
    masked = bytearray(_xor(block, _mgf1(digest, len(block))))
    masked[0] &= 0xFF >> (8 * size_bytes - bits)
    return bytes(masked) + digest + bytes([_TRAILER])


def _is_pss(message: bytes, encoded: bytes, bits: int, salt_bytes: int) -> bool:
    """EMSA-PSS-VERIFY."""
    size_bytes = len(encoded)
    if encoded[-1] != _TRAILER:
        return False
    masked, digest = encoded[: -_HASH_BYTES - 1], encoded[-_HASH_BYTES - 1 : -1]
    unused_bits = 8 * size_bytes - bits
    if masked[0] >> (8 - unused_bits):
        return False
    block = bytearray(_xor(masked, _mgf1(digest, len(masked))))
    block[0] &= 0xFF >> unused_bits
    start = len(block) - salt_bytes
    if any(block[: start - 1]) or block[start - 1] != 1:
        return False
    return _salted_hash(message, bytes(block[start:])) == digest


def _draw_mask(draw: RandomBytes) -> int:
    return int.from_bytes(draw(_EXPONENT_MASK_BYTES), "big")


def _salted_hash(message: bytes, salt: bytes) -> bytes:
    return sha384(bytes(8) + sha384(message).digest() + salt).digest()


def _mgf1(seed: bytes, size_bytes: int) -> bytes:
    """MGF1 with SHA-384 (RFC 8017 §B.2.1)."""
    blocks = range((size_bytes + _HASH_BYTES - 1) // _HASH_BYTES)
    stream = b"".join(sha384(seed + counter.to_bytes(4, "big")).digest() for counter in blocks)
    return stream[:size_bytes]


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))
