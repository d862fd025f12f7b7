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
        SignerKey, "raise_to_d", lambda self, value: (right(self, value) + self.p) % self.public.n
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
