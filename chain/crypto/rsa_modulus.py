"""Is this number fit to be a blind signer's modulus? What can be told without its factors.

A stranger's key is believed to be hard to factor only if its owner made it well; these checks find the ways of
making it badly that show from outside. `why_unfit` costs microseconds and is what the chain asks of every key;
`why_unfit_slowly` adds one power (some 60 ms at 3 072 bits) and is for whoever is about to rely on the key: a
voter's client before it blinds, an auditor, the registrar itself before it publishes.
A key that passes may still be known to somebody else: that is why more than f registrars have to sign.

Source: NIST SP 800-89 §5.3.3, partial public key validation (odd, exponent, composite, no power of a prime, no factor
below 752); Heninger and others, "Mining your Ps and Qs" (2012), for factors that two keys share.
"""

from collections.abc import Iterable
from math import gcd, isqrt, prod
from typing import Final

from chain.crypto.blind_rsa import SignerPublicKey

EXPONENT: Final = 65_537
"""The only exponent of this house: between the bounds of SP 800-89, and cheap to verify with."""
REGISTRAR_MODULUS_BITS: Final = 3_072
"""128 bits of strength (SP 800-57 part 1, table 2): a signature of 384 bytes."""
REGISTRAR_MODULUS_BYTES: Final = REGISTRAR_MODULUS_BITS // 8
SMALL_FACTOR_BELOW: Final = 752

_SMALL_PRIMES: Final = tuple(
    n for n in range(3, SMALL_FACTOR_BELOW) if all(n % d for d in range(2, n) if d * d <= n)
)
_SMALL_PRODUCT: Final = prod(_SMALL_PRIMES)


def read_registrar_key(modulus: bytes) -> SignerPublicKey:
    """A registrar's key from its one spelling, 384 bytes big-endian; raises ValueError, saying why it is none."""
    if len(modulus) != REGISTRAR_MODULUS_BYTES:
        raise ValueError(f"a registrar's modulus has {REGISTRAR_MODULUS_BYTES} bytes")
    n = int.from_bytes(modulus, "big")
    reason = why_unfit(n)
    if reason:
        raise ValueError(f"not a registrar's modulus: {reason}")
    return SignerPublicKey(n, EXPONENT)


def encode_modulus(key: SignerPublicKey) -> bytes:
    """The one spelling of a key, whose exponent everybody knows."""
    assert key.e == EXPONENT, "keys of this house have one exponent"
    return key.n.to_bytes(key.size_bytes, "big")


def why_unfit(n: int) -> str:
    """Empty for a modulus that may be a registrar's, else `size`, `even`, `small factor` or `square`."""
    if n.bit_length() != REGISTRAR_MODULUS_BITS:
        return "size"
    if n % 2 == 0:
        return "even"
    if gcd(n, _SMALL_PRODUCT) != 1:
        return "small factor"
    return "square" if isqrt(n) ** 2 == n else ""


def why_unfit_slowly(n: int) -> str:
    """`why_unfit`, and `close factors` or `prime power`, which need more work.

    For n = p^k every base gives a^n = a modulo p, so that n and 2^n - 2 share p; for a product of two primes made
    at random they share nothing.
    """
    reason = why_unfit(n)
    if reason:
        return reason
    if _has_close_factors(n):
        return "close factors"
    return "prime power" if gcd(pow(2, n, n) - 2, n) != 1 else ""


def shares_factor(n: int, others: Iterable[int]) -> bool:
    """Whether a modulus shares a factor with one of others, or is one of them; some 20 us for each.

    Anybody can factor both of two such keys; and one key under two names would let one registrar sign as two.
    """
    return any(gcd(n, other) != 1 for other in others)


def _has_close_factors(n: int, steps: int = 100) -> bool:
    """Fermat's method finds p and q at once when they are close; random primes never are."""
    a = isqrt(n) + 1
    for _ in range(steps):
        rest = a * a - n
        if isqrt(rest) ** 2 == rest:
            return True
        a += 1
    return False
