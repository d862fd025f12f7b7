"""Certificates written from key and signature are those that pyca/cryptography builds and OpenSSL trusts."""

import ssl
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chain.crypto.ed25519 import derive_public
from chain.crypto.node_certificate import (
    certificate_body,
    certificate_der,
    is_certified,
    node_id_of,
    sign_certificate,
)
from chain.p2p.certificates import key_of_pem, make_certificate, pem_of

SEEDS = [bytes([n]) * 32 for n in (0, 7, 255)]


def built(seed: bytes) -> bytes:
    """The certificate as a library makes it from its parts (RFC 5280)."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    common_name = node_id_of(key.public_key().public_bytes_raw())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    return builder.sign(key, None).public_bytes(Encoding.DER)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_bytes_are_those_a_library_builds(seed):
    public = derive_public(seed)
    der = certificate_der(public, sign_certificate(seed, public))
    assert der == built(seed)
    assert make_certificate(seed) == ssl.DER_cert_to_PEM_cert(der).encode()
    assert key_of_pem(make_certificate(seed)) == public


@pytest.mark.parametrize("seed", SEEDS)
def test_openssl_takes_it_as_its_own_trust_anchor(seed):
    public = derive_public(seed)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem_of(public, sign_certificate(seed, public)).decode())
    assert context.cert_store_stats()["x509"] == 1


def test_only_the_holder_of_a_key_certifies_it():
    (a, key_a), (b, key_b) = [(seed, derive_public(seed)) for seed in SEEDS[:2]]
    good = sign_certificate(a, key_a)
    assert is_certified(key_a, good)
    assert not is_certified(key_b, good)
    assert not is_certified(key_a, sign_certificate(b, key_b))
    assert not is_certified(key_a, sign_certificate(b, key_a))
    for place in range(0, 64, 7):
        changed = bytearray(good)
        changed[place] ^= 1
        assert not is_certified(key_a, bytes(changed))
    for wrong in (b"", good[:-1], good + b"\0"):
        assert not is_certified(key_a, wrong)
    assert not is_certified(key_a[:-1], good)
    assert len(certificate_body(key_a)) == 220
