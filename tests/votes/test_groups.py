"""The groups: laws, the identity, and one text per element."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_core_ed25519_is_valid_point

from chain.codec.errors import DecodeError
from chain.crypto.ed25519 import SMALL_ORDER_ENCODINGS, derive_public
from chain.votes.edwards import ED25519
from chain.votes.finite_field import (
    BELENIOS_2048,
    GMP,
    P_2048,
    PLAIN,
    Q_2048,
    belenios_2048,
)
from chain.votes.group import Element, Group, NotMember, hash_to_scalar, is_proper_member
from chain.votes.groups import get_group

PLAIN_2048 = belenios_2048(PLAIN)
ALL: list[Group] = [ED25519, BELENIOS_2048, PLAIN_2048]
groups = pytest.mark.parametrize("group", ALL, ids=["ed25519", "2048", "2048-plain"])


@groups
@settings(max_examples=20, deadline=None)
@given(a=st.integers(0, 2**300), b=st.integers(0, 2**300))
def test_exponents_add_and_multiply(group: Group, a: int, b: int) -> None:
    g_a, g_b = group.generator_power(a), group.generator_power(b)
    assert group.multiply(g_a, g_b) == group.generator_power(a + b)
    assert group.power(g_a, b) == group.generator_power(a * b)
    assert group.fix_base(g_a)(b) == group.power(g_a, b)
    assert group.multiply(g_a, group.invert(g_a)) == group.identity


@groups
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_powers_taken_together_are_those_taken_one_by_one(
    group: Group, data: st.DataObject
) -> None:
    base = group.generator_power(data.draw(st.integers(0, group.order - 1)))
    edges = st.sampled_from([0, 1, 15, 16, 2**252, group.order - 1])
    scalars = st.integers(0, group.order - 1) | edges
    exponents = data.draw(st.lists(scalars, min_size=1, max_size=4))
    expected = tuple(group.power(base, exponent) for exponent in exponents)
    assert group.powers(base, exponents) == expected
    assert group.member_powers(base, exponents) == expected


@groups
@pytest.mark.parametrize("exponents", [(), (0,), (0, 0), (3,), (3, 0)])
def test_member_powers_refuse_a_foreign_base_whatever_the_exponents(
    group: Group, exponents: tuple[int, ...]
) -> None:
    """An exponent of zero hides the base from the product, not from the check."""
    foreign = ["02".rjust(64, "0"), "0".rjust(64, "0")] if group is ED25519 else ["2", "0"]
    for text in foreign:
        with pytest.raises(NotMember):
            group.member_powers(group.decode(text), exponents)


@groups
def test_the_identity_behaves_like_one(group: Group) -> None:
    one, element = group.identity, group.generator_power(7)
    assert group.generator_power(0) == group.generator_power(group.order) == one
    assert group.power(element, 0) == group.power(element, group.order) == one
    assert group.power(one, 5) == group.invert(one) == group.multiply(one, one) == one
    assert group.multiply(one, element) == element
    assert group.multiply(element, group.power(element, group.order - 1)) == one
    assert group.is_member(one)
    assert not is_proper_member(group, one)
    assert group.decode(group.encode(one)) == one


@groups
def test_an_element_has_one_text(group: Group) -> None:
    text = group.encode(group.generator_power(12345))
    assert group.encode(group.decode(text)) == text
    for other in (f"0{text}", f" {text}", f"{text} ", f"+{text}", text[:-1] + "_", "", "-1", "1_0"):
        with pytest.raises(DecodeError):
            group.decode(other)


def test_the_order_is_prime_to_the_cofactor_and_generates() -> None:
    assert (P_2048 - 1) % Q_2048 == 0
    assert (P_2048 - 1) // Q_2048 % Q_2048 != 0
    for group in ALL:
        assert group.power(group.generator, group.order - 1) == group.invert(group.generator)


@pytest.mark.skipif(GMP is None, reason="gmpy2 is not installed")
def test_gmpy2_and_plain_integers_agree() -> None:
    for exponent in (1, 2, 255, 256, Q_2048 - 1, Q_2048 + 5, 2**256 - 1):
        fast, plain = BELENIOS_2048.generator_power(exponent), PLAIN_2048.generator_power(exponent)
        assert BELENIOS_2048.encode(fast) == PLAIN_2048.encode(plain)
    elements = [BELENIOS_2048.generator, BELENIOS_2048.identity]
    plain_elements = [PLAIN_2048.generator, PLAIN_2048.identity]
    assert hash_to_scalar(BELENIOS_2048, "x|", elements) == hash_to_scalar(
        PLAIN_2048, "x|", plain_elements
    )


@pytest.mark.parametrize("group", [BELENIOS_2048, PLAIN_2048], ids=["gmp", "plain"])
def test_integers_outside_the_subgroup_are_no_members(group: Group) -> None:
    for text in ("0", "2", str(P_2048 - 1)):
        assert not group.is_member(group.decode(text))
    with pytest.raises(DecodeError):
        group.decode(str(P_2048))


def test_ed25519_texts_are_rfc_8032_bytes_reversed() -> None:
    """The clamped scalar of an RFC 8032 seed gives its public key."""
    from hashlib import sha512

    seed = bytes(range(32))
    scalar = int.from_bytes(sha512(seed).digest()[:32], "little")
    scalar = scalar & ((1 << 254) - 8) | 1 << 254
    point = ED25519.generator_power(scalar)
    assert ED25519.encode(point) == derive_public(seed)[::-1].hex()
    assert ED25519.encode(ED25519.identity) == "1".rjust(64, "0")


def test_ed25519_small_order_and_foreign_points_are_no_members() -> None:
    for encoded in SMALL_ORDER_ENCODINGS:
        is_one = encoded == ED25519.identity
        assert ED25519.is_member(Element(encoded)) == is_one
    torsion = next(e for e in sorted(SMALL_ORDER_ENCODINGS) if e[0] == 0xC7)
    mixed = ED25519.multiply(ED25519.generator_power(9), Element(torsion))
    assert not ED25519.is_member(mixed)
    assert not crypto_core_ed25519_is_valid_point(mixed)
    with pytest.raises(ValueError, match="not a member"):
        ED25519.power(mixed, 3)


def test_only_known_groups_have_a_name() -> None:
    assert get_group("BELENIOS-2048") is BELENIOS_2048
    assert get_group("Ed25519") is ED25519
    assert get_group("ed25519") is None
