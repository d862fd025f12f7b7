"""Registrar keys for tests, made once per process: 3 072-bit primes take a second."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from chain.crypto.blind_rsa import SignerKey, SignerPublicKey

BITS = 2_048
"""The smallest modulus the signer takes: four times quicker to make than an election's 3 072."""


@cache
def signer_key(number: int) -> SignerKey:
    """A key of its own for every number."""
    made = generate_private_key(65_537, BITS).private_numbers()
    return SignerKey(SignerPublicKey(made.public_numbers.n, 65_537), made.p, made.q)


def signer_keys(count: int) -> list[SignerKey]:
    """The first `count` of them."""
    return [signer_key(number) for number in range(count)]
