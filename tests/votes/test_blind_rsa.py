"""RFC 9474: vectors, an independent verifier, a faulty signer, and what the signer cannot see."""

from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from chain.crypto import blind_rsa
from chain.crypto.blind_rsa import (
    DETERMINISTIC_PSS,
    RANDOMIZED_PSS,
    VARIANTS,
    BlindSignatureError,
    SignerKey,
    SignerPublicKey,
    Variant,
)
from tests.vectors import blindrsa as suite
from tests.vectors.runner import shared_folder
from tests.votes.kit import seeded

FOLDER = shared_folder() / "vectors" / "blindrsa"
MESSAGE = b"68cdtCgcBHmHAb|bureau 3|1|" + b"\x07" * 32


@pytest.fixture(scope="module")
def key() -> SignerKey:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_numbers()
    public = SignerPublicKey(made.public_numbers.n, made.public_numbers.e)
    return SignerKey(public, made.p, made.q)


def obtain(key: SignerKey, variant: Variant, seed: str = "s") -> tuple[bytes, bytes]:
    """(prepared message, signature) after a whole protocol run."""
    draw = seeded(seed)
    prepared = blind_rsa.prepare(variant, MESSAGE, draw)
    blinded = blind_rsa.blind(key.public, variant, prepared, draw)
    signed = blind_rsa.blind_sign(key, blinded.message, draw)
    return prepared, blind_rsa.finalize(key.public, variant, prepared, signed, blinded.inverse)


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no RFC 9474 vectors in {FOLDER}")
def test_every_rfc_9474_vector_passes() -> None:
    assert sum(suite.replay(path) or 0 for path in sorted(FOLDER.iterdir())) == 4


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda variant: variant.name)
def test_a_signature_verifies_with_another_library(key: SignerKey, variant: Variant) -> None:
    prepared, signature = obtain(key, variant)
    public = rsa.RSAPublicNumbers(key.public.e, key.public.n).public_key()
    scheme = padding.PSS(padding.MGF1(hashes.SHA384()), salt_length=variant.salt_bytes)
    public.verify(signature, prepared, scheme, hashes.SHA384())
    with pytest.raises(InvalidSignature):
        public.verify(signature, prepared + b"x", scheme, hashes.SHA384())


def test_a_signature_of_another_library_verifies_here() -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2049)
    scheme = padding.PSS(padding.MGF1(hashes.SHA384()), salt_length=48)
    signature = private.sign(MESSAGE, scheme, hashes.SHA384())
    numbers = private.public_key().public_numbers()
    public = SignerPublicKey(numbers.n, numbers.e)
    assert blind_rsa.verify(public, DETERMINISTIC_PSS, MESSAGE, signature)
    assert not blind_rsa.verify(public, DETERMINISTIC_PSS, MESSAGE, b"\x00" + signature)
    assert not blind_rsa.verify(public, DETERMINISTIC_PSS, MESSAGE, signature[:-1])


def test_a_fault_in_one_half_of_the_computation_is_not_given_out(
    key: SignerKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The classic attack: s right modulo p and wrong modulo q gives gcd(s^e - m, n) = p."""
    right = SignerKey.raise_to_d
    monkeypatch.setattr(
        SignerKey,
        "raise_to_d",
        lambda self, value, draw: (right(self, value, draw) + self.p) % self.public.n,
    )
    with pytest.raises(BlindSignatureError, match="signing failure"):
        obtain(key, RANDOMIZED_PSS)


def test_the_signer_refuses_what_is_not_a_residue_of_its_size(key: SignerKey) -> None:
    size_bytes = key.public.size_bytes
    for message in (b"", b"\x01" * (size_bytes - 1), b"\x01" * (size_bytes + 1)):
        with pytest.raises(BlindSignatureError, match="unexpected input size"):
            blind_rsa.blind_sign(key, message, seeded("s"))
    too_large = key.public.n.to_bytes(size_bytes, "big")
    with pytest.raises(BlindSignatureError, match="out of range"):
        blind_rsa.blind_sign(key, too_large, seeded("s"))


def test_the_signer_does_not_touch_what_shares_a_factor_with_its_key(key: SignerKey) -> None:
    for value in (0, key.p, 5 * key.q):
        message = value.to_bytes(key.public.size_bytes, "big")
        with pytest.raises(BlindSignatureError, match="invalid input"):
            blind_rsa.blind_sign(key, message, seeded("s"))


def test_no_two_signings_of_one_value_raise_to_the_same_exponents(
    key: SignerKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []

    def watched(base: int, exponent: int, modulus: int) -> int:
        if modulus in (key.p, key.q) and exponent > 0:
            seen.append((base, exponent))
        return pow(base, exponent, modulus)

    monkeypatch.setattr(blind_rsa, "pow", watched, raising=False)
    message = (12345).to_bytes(key.public.size_bytes, "big")
    draw = seeded("s")
    answers = {blind_rsa.blind_sign(key, message, draw) for _ in range(3)}
    assert len(answers) == 1
    assert len({base for base, _ in seen}) == 3
    assert len({power for _, power in seen}) == len(seen) == 6


def test_no_secret_stands_in_what_a_log_would_show(key: SignerKey) -> None:
    blinded = blind_rsa.blind(key.public, RANDOMIZED_PSS, b"m" * 40, seeded("s"))
    shown = repr(key) + repr(blinded)
    assert not any(str(secret) in shown for secret in (key.p, key.q, blinded.inverse))


def test_only_one_spelling_of_a_unit_is_a_blinded_message(key: SignerKey) -> None:
    public = key.public
    good = blind_rsa.blind(public, RANDOMIZED_PSS, b"m" * 40, seeded("s")).message
    assert blind_rsa.is_blinded_message(public, good)
    size_bytes = public.size_bytes
    for value in (0, 1, public.n - 1, key.p, public.n, 2 ** (8 * size_bytes) - 1):
        assert not blind_rsa.is_blinded_message(public, value.to_bytes(size_bytes, "big"))
    assert not blind_rsa.is_blinded_message(public, b"\x00" + good)
    assert not blind_rsa.is_blinded_message(public, good[:-1])
    assert not blind_rsa.is_blinded_message(public, b"")


def test_anybody_can_tell_a_right_answer_from_a_wrong_one(key: SignerKey) -> None:
    public, draw = key.public, seeded("s")
    asked = blind_rsa.blind(public, RANDOMIZED_PSS, b"m" * 40, draw).message
    other = blind_rsa.blind(public, RANDOMIZED_PSS, b"m" * 40, draw).message
    answer = blind_rsa.blind_sign(key, asked, draw)
    assert blind_rsa.is_blind_signature(public, asked, answer)
    assert not blind_rsa.is_blind_signature(public, other, answer)
    second = int.from_bytes(answer, "big") + public.n
    if second < 2 ** (8 * public.size_bytes):
        again = second.to_bytes(public.size_bytes, "big")
        assert not blind_rsa.is_blind_signature(public, asked, again)
    assert not blind_rsa.is_blind_signature(public, asked, b"\x00" + answer)
    assert not blind_rsa.is_blind_signature(public, asked, answer[:-1])
    flipped = answer[:-1] + bytes([answer[-1] ^ 1])
    assert not blind_rsa.is_blind_signature(public, asked, flipped)


def test_a_signer_that_answers_something_else_is_found_out(key: SignerKey) -> None:
    draw = seeded("s")
    prepared = blind_rsa.prepare(RANDOMIZED_PSS, MESSAGE, draw)
    blinded = blind_rsa.blind(key.public, RANDOMIZED_PSS, prepared, draw)
    other = blind_rsa.blind_sign(key, (12345).to_bytes(key.public.size_bytes, "big"), draw)
    with pytest.raises(BlindSignatureError, match="invalid signature"):
        blind_rsa.finalize(key.public, RANDOMIZED_PSS, prepared, other, blinded.inverse)


def test_every_signing_could_have_been_any_signature(key: SignerKey) -> None:
    """Unlinkable: for each (request, signature) pair there is a blind that joins them."""
    public = key.public
    draw = seeded("crowd")
    requests = []
    signatures = []
    for number in range(3):
        prepared = blind_rsa.prepare(RANDOMIZED_PSS, b"voter %d" % number, draw)
        blinded = blind_rsa.blind(public, RANDOMIZED_PSS, prepared, draw)
        signed = blind_rsa.blind_sign(key, blinded.message, draw)
        requests.append(int.from_bytes(signed, "big"))
        signature = blind_rsa.finalize(public, RANDOMIZED_PSS, prepared, signed, blinded.inverse)
        signatures.append(int.from_bytes(signature, "big"))
    for blind_signature in requests:
        for signature in signatures:
            blind = blind_signature * pow(signature, -1, public.n) % public.n
            assert pow(signature, public.e, public.n) * pow(
                blind, public.e, public.n
            ) % public.n == (pow(blind_signature, public.e, public.n))


def test_randomized_messages_and_salts_differ_each_time(key: SignerKey) -> None:
    first, second = obtain(key, RANDOMIZED_PSS, "a"), obtain(key, RANDOMIZED_PSS, "b")
    assert first[0] != second[0]
    assert first[0].endswith(MESSAGE)
    assert first[1] != second[1]


@pytest.mark.parametrize(
    ("n", "e"), [(2**2047 + 2, 65537), (2**1023 + 1, 65537), (2**2047 + 1, 2), (2**2047 + 1, 1)]
)
def test_weak_public_keys_are_refused(n: int, e: int) -> None:
    with pytest.raises(ValueError, match="RSA"):
        SignerPublicKey(n, e)


def test_primes_that_do_not_belong_to_the_modulus_are_refused(key: SignerKey) -> None:
    for p, q in ((key.p, key.p), (key.p, key.q + 2), (1, key.public.n - 1)):
        with pytest.raises(ValueError, match="primes"):
            SignerKey(key.public, p, q)


def test_a_broken_vector_fails_the_suite(tmp_path: Path) -> None:
    source = next(iter(FOLDER.glob("*.json")), None)
    if source is None:
        pytest.skip(f"no RFC 9474 vectors in {FOLDER}")
    text = source.read_text()
    place = text.index('"sig"') + 12
    other = "0" if text[place] != "0" else "1"
    broken = tmp_path / "any-name.json"
    broken.write_text(text[:place] + other + text[place + 1 :])
    with pytest.raises(AssertionError):
        suite.replay(broken)
