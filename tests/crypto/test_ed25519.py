"""Ed25519: our own acceptance rules, whatever the library does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.crypto import ed25519
from tests.vectors import ed25519 as suite
from tests.vectors.runner import shared_folder

seeds = st.binary(min_size=32, max_size=32)
POINTS = sorted(ed25519.SMALL_ORDER_ENCODINGS)


def test_rfc_8032_vector_3_is_reproduced() -> None:
    seed = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
    public = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
    signature = (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert ed25519.derive_public(seed).hex() == public
    assert ed25519.sign(seed, b"\xaf\x82").hex() == signature


def test_the_small_order_list_is_exactly_the_encodings_that_vanish_under_the_cofactor() -> None:
    assert len(POINTS) == 14
    for encoded in POINTS:
        point = ed25519._decode_point(encoded)
        assert point is not None
        for _ in range(3):
            point = ed25519._add(point, point)
        assert ed25519._is_neutral(point)


@pytest.mark.parametrize("a", POINTS)
def test_zip_215_accepts_and_strict_refuses_every_small_order_pair(a: bytes) -> None:
    for r in POINTS:
        signature = r + bytes(32)
        assert ed25519.verify_zip215(a, b"Zcash", signature)
        assert not ed25519.verify_strict(a, b"Zcash", signature)


@settings(max_examples=40)
@given(seeds, st.binary(max_size=80))
def test_honest_signatures_pass_both_rules_in_the_library_and_in_python(
    seed: bytes, message: bytes
) -> None:
    public, signature = ed25519.derive_public(seed), ed25519.sign(seed, message)
    assert ed25519.verify_strict(public, message, signature)
    assert ed25519.verify_zip215(public, message, signature)
    assert ed25519._python_strict(public, message, signature)
    assert ed25519._python_zip215(public, message, signature)


@settings(max_examples=60)
@given(st.integers(0, 64 * 8 - 1), st.integers(0, 32 * 8 - 1))
def test_any_flipped_bit_is_refused_by_both_rules(signature_bit: int, key_bit: int) -> None:
    seed, message = bytes(31) + b"\x07", b"une voix"
    public, signature = ed25519.derive_public(seed), ed25519.sign(seed, message)
    bad = _flip(signature, signature_bit)
    assert not ed25519.verify_strict(public, message, bad)
    assert not ed25519.verify_zip215(public, message, bad)
    assert not ed25519.verify_strict(_flip(public, key_bit), message, signature)


def test_adding_the_group_order_to_s_is_refused_by_both_rules() -> None:
    seed = bytes(32)
    public, signature = ed25519.derive_public(seed), ed25519.sign(seed, b"m")
    s = int.from_bytes(signature[32:], "little") + ed25519.L
    respelled = signature[:32] + s.to_bytes(32, "little")
    assert not ed25519.verify_strict(public, b"m", respelled)
    assert not ed25519.verify_zip215(public, b"m", respelled)


def test_a_torsion_part_in_r_is_accepted_by_zip_215_and_refused_by_strict() -> None:
    secret = 0x1234567890ABCDEF
    public = _encode(ed25519._double_multiply(secret, ed25519._BASE, 0, ed25519._BASE))
    torsion = ed25519._known_point(ed25519._ORDER_8_Y.to_bytes(32, "little"))
    r = _encode(ed25519._add(ed25519._double_multiply(99, ed25519._BASE, 0, torsion), torsion))
    h = int.from_bytes(ed25519.sha512(r + public + b"m").digest(), "little") % ed25519.L
    signature = r + ((99 + h * secret) % ed25519.L).to_bytes(32, "little")
    assert ed25519.verify_zip215(public, b"m", signature)
    assert not ed25519.verify_strict(public, b"m", signature)
    assert not ed25519._python_strict(public, b"m", signature)


def test_the_verdict_does_not_change_when_the_library_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ed25519._LIBRARY_IS_COFACTORLESS
    cases = [
        (ed25519._PROBE_KEY, *ed25519._PROBE_VALID),
        (ed25519._PROBE_KEY, *ed25519._PROBE_INVALID),
    ]
    with_library = [ed25519.verify_strict(*case) for case in cases]
    monkeypatch.setattr(ed25519, "_LIBRARY_IS_COFACTORLESS", False)
    assert [ed25519.verify_strict(*case) for case in cases] == with_library == [True, False]


@pytest.mark.parametrize(
    ("key_bytes", "signature_bytes"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)]
)
def test_wrong_lengths_are_not_valid_rather_than_read_beyond(
    key_bytes: int, signature_bytes: int
) -> None:
    key, signature = b"\x09" * key_bytes, b"\x05" * signature_bytes
    assert not ed25519.verify_strict(key, b"", signature)
    assert not ed25519.verify_zip215(key, b"", signature)


def _flip(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "little") ^ 1 << bit).to_bytes(len(data), "little")


def _encode(point: tuple[int, int, int, int]) -> bytes:
    inverse = pow(point[2], -1, ed25519.P)
    x, y = point[0] * inverse % ed25519.P, point[1] * inverse % ed25519.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


FOLDER = shared_folder() / "vectors" / "cometbft" / "cometbft"
FILES = [path for path in sorted(FOLDER.glob("*.json")) if "ed25519" in path.name]


@pytest.mark.skipif(not FILES, reason=f"no Ed25519 vectors in {FOLDER}")
def test_every_vector_file_passes() -> None:
    assert all(suite.replay(path) for path in FILES)


def test_a_vote_that_comes_again_in_a_commit_is_not_checked_again(monkeypatch):
    asked = []
    real = ed25519._library_accepts
    monkeypatch.setattr(ed25519, "_library_accepts", lambda *a: asked.append(a) or real(*a))
    seed, message = b"\x2a" * 32, b"a precommit nobody else signs"
    public, signature = ed25519.derive_public(seed), ed25519.sign(seed, message)
    other = bytes([signature[0] ^ 1]) + signature[1:]
    for _ in range(2):
        assert ed25519.is_accepted_quickly(public, message, signature)
        assert ed25519.verify_zip215(public, message, signature)
        assert not ed25519.is_accepted_quickly(public, message, other)
    assert len(asked) == 2
