"""Tokens: what several registrars sign unseen, and what a registration proves."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from chain.crypto import blind_rsa
from chain.crypto.blind_rsa import BlindSignatureError, SignerKey, SignerPublicKey
from chain.votes.tokens import (
    blind_token,
    is_registration_proof,
    is_token_signature,
    open_token,
    prepare_token,
    prove_registration,
    token_nullifier,
    token_text,
)
from tests.votes.kit import GROUPS, UUID, seeded

PREFIX = bytes(range(32))


@pytest.fixture(scope="module")
def registrars() -> list[SignerKey]:
    made = [rsa.generate_private_key(65537, 2048).private_numbers() for _ in range(2)]
    return [SignerKey(SignerPublicKey(m.p * m.q, 65537), m.p, m.q) for m in made]


def test_one_prepared_message_is_signed_by_each_registrar_unseen(
    registrars: list[SignerKey],
) -> None:
    draw = seeded("token")
    text = token_text(UUID, "0004", 1, "1234")
    prepared = prepare_token(PREFIX, text)
    for key in registrars:
        asked = blind_token(key.public, prepared, draw)
        assert text.encode() not in asked.message
        answer = blind_rsa.blind_sign(key, asked.message, draw)
        signature = open_token(key.public, prepared, answer, asked.inverse)
        assert is_token_signature(key.public, prepared, signature)
        for other in (
            prepare_token(PREFIX, token_text(UUID, "0005", 1, "1234")),
            prepare_token(PREFIX, token_text(UUID, "0004", 2, "1234")),
            prepare_token(PREFIX, token_text(UUID, "0004", 1, "1235")),
            prepare_token(PREFIX[::-1], text),
        ):
            assert not is_token_signature(key.public, other, signature)
        wrong = blind_rsa.blind_sign(key, b"\x07" * key.public.size_bytes, draw)
        with pytest.raises(BlindSignatureError):
            open_token(key.public, prepared, wrong, asked.inverse)


def test_a_token_has_one_name_whatever_its_prefix() -> None:
    names = {
        token_nullifier(token_text(UUID, station, weight, credential))
        for station in ("0004", "0005")
        for weight in (1, 2)
        for credential in ("12", "121")
    }
    assert len(names) == 8
    with pytest.raises(AssertionError):
        token_text(UUID, "4|1", 1, "12")


@pytest.mark.parametrize("name", GROUPS)
def test_only_who_knows_the_secret_registers_a_credential(name: str) -> None:
    group, draw = GROUPS[name], seeded("proof")
    secret = 123_456_789
    credential = group.generator_power(secret)
    text = token_text(UUID, "0004", 1, group.encode(credential))
    proof = prove_registration(group, text, secret, draw)
    assert is_registration_proof(group, text, credential, proof)
    elsewhere = token_text(UUID, "0005", 1, group.encode(credential))
    assert not is_registration_proof(group, elsewhere, credential, proof)
    wrong = prove_registration(group, text, secret + 1, draw)
    assert not is_registration_proof(group, text, credential, wrong)
