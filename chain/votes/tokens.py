"""What registrars sign without seeing it, and what an anonymous registration shows.

A token is one prepared message (a random prefix, then election, station, weight and the voter's public credential),
signed by each registrar of the station's signer set with its key for that election, station and weight. The client
blinds the same prepared message once per registrar; a registration shows prefix, credential, signatures, and that
whoever registers knows the credential's secret.

    prepared = prefix (32 bytes) ‖ "beffroi-credential|" uuid "|" station "|" weight "|" credential

Source: research/voting.md §7.3; RFC 9474 §4 for `prepare`; the proof is the Schnorr proof of the Belenios specification
§4.4 under a prefix of our own.
"""

from hashlib import sha256
from typing import Final

from chain.crypto import blind_rsa
from chain.crypto.blind_rsa import PREFIX_BYTES, RANDOMIZED_PSS, Blinded, SignerPublicKey
from chain.crypto.randomness import RandomBytes
from chain.votes.formats import Proof
from chain.votes.group import Element, Group
from chain.votes.proofs import prove_knowledge, verify_knowledge

_LABEL: Final = "beffroi-credential"
_PROOF_LABEL: Final = "beffroi-register"


def token_text(uuid: str, station: str, weight: int, credential: str) -> str:
    """What a token is about; no part may hold the separator, or two tokens would read the same."""
    assert "|" not in uuid + station + credential, "the separator stands between parts only"
    return f"{_LABEL}|{uuid}|{station}|{weight}|{credential}"


def prepare_token(prefix: bytes, text: str) -> bytes:
    """The prepared message (RFC 9474 §4.1) that every registrar of the station signs."""
    assert len(prefix) == PREFIX_BYTES, "a prefix has 32 bytes"
    return prefix + text.encode()


def token_nullifier(text: str) -> bytes:
    """The name under which a token is spent, once: of what it is about, not of prefix or signatures."""
    return sha256(text.encode()).digest()


def blind_token(key: SignerPublicKey, prepared: bytes, draw: RandomBytes) -> Blinded:
    """What one registrar is asked to sign; raises BlindSignatureError (draw again)."""
    return blind_rsa.blind(key, RANDOMIZED_PSS, prepared, draw)


def open_token(key: SignerPublicKey, prepared: bytes, answer: bytes, inverse: int) -> bytes:
    """One registrar's signature out of its answer; raises BlindSignatureError when it does not verify."""
    return blind_rsa.finalize(key, RANDOMIZED_PSS, prepared, answer, inverse)


def is_token_signature(key: SignerPublicKey, prepared: bytes, signature: bytes) -> bool:
    """Whether that registrar signed that prepared message."""
    return blind_rsa.verify(key, RANDOMIZED_PSS, prepared, signature)


def prove_registration(group: Group, text: str, secret: int, draw: RandomBytes) -> Proof:
    """Proof that whoever registers knows the logarithm of the credential the token is about."""
    return prove_knowledge(group, _proof_prefix(group, text), secret, draw)


def is_registration_proof(group: Group, text: str, credential: Element, proof: Proof) -> bool:
    """Whether `proof` was made for this token by somebody who knows the secret of `credential`, a group member."""
    return verify_knowledge(group, _proof_prefix(group, text), credential, proof)


def _proof_prefix(group: Group, text: str) -> str:
    return f"{_PROOF_LABEL}|{group.name}|{text}|"
