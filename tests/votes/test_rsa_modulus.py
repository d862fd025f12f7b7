"""Registrars' keys: good ones pass, each way of making one badly that shows from outside is named."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from chain.crypto.rsa_modulus import (
    EXPONENT,
    REGISTRAR_MODULUS_BITS,
    REGISTRAR_MODULUS_BYTES,
    encode_modulus,
    read_registrar_key,
    shares_factor,
    why_unfit,
    why_unfit_slowly,
)


@pytest.fixture(scope="module")
def primes() -> tuple[int, int]:
    made = rsa.generate_private_key(EXPONENT, REGISTRAR_MODULUS_BITS).private_numbers()
    return made.p, made.q


OAKLEY_2 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
    16,
)
"""A prime of 1024 bits that everybody knows (RFC 2409 §6.2)."""


def test_a_fresh_modulus_is_fit_and_has_one_spelling(primes: tuple[int, int]) -> None:
    n = primes[0] * primes[1]
    assert why_unfit(n) == why_unfit_slowly(n) == ""
    raw = n.to_bytes(REGISTRAR_MODULUS_BYTES, "big")
    key = read_registrar_key(raw)
    assert (key.n, key.e) == (n, EXPONENT)
    assert encode_modulus(key) == raw
    for other in (raw[1:], b"\x00" + raw, raw + b"\x00", b""):
        with pytest.raises(ValueError, match="384 bytes"):
            read_registrar_key(other)


@pytest.mark.parametrize(
    ("n", "reason"),
    [
        (2**3070 + 1, "size"),
        (2**3072 + 1, "size"),
        (0, "size"),
        (2**3071 + 2, "even"),
        (751 * (2**3062 + 1), "small factor"),
        (3 * (2**3070 + 1), "small factor"),
    ],
)
def test_numbers_that_are_plainly_no_key_are_refused(n: int, reason: str) -> None:
    assert why_unfit(n) == reason
    raw = (n % 2**3072).to_bytes(REGISTRAR_MODULUS_BYTES, "big")
    with pytest.raises(ValueError, match="modulus"):
        read_registrar_key(raw)


def test_a_square_is_refused(primes: tuple[int, int]) -> None:
    assert why_unfit(primes[0] ** 2) == "square"


def test_a_prime_and_the_power_of_a_prime_are_found_by_one_more_power() -> None:
    assert why_unfit(OAKLEY_2**3) == ""
    assert why_unfit_slowly(OAKLEY_2**3) == "prime power"


def test_two_factors_beside_each_other_are_found() -> None:
    factor = 2**1535 + 2**1534 + 1
    while why_unfit(factor * (factor + 2)):
        factor += 2
    assert why_unfit_slowly(factor * (factor + 2)) == "close factors"


def test_a_key_that_shares_a_factor_with_another_is_found(primes: tuple[int, int]) -> None:
    p, q = primes
    r = 2**2203 - 1
    assert shares_factor(p * q, [77, p * r])
    assert shares_factor(p * q, [77, p * q])
    assert not shares_factor(p * q, [15, 77])
    assert not shares_factor(p * q, [])
