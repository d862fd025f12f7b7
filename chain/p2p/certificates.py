"""TLS identities: a self-signed certificate of the node key, and contexts that trust a fixed list of such certificates.

A certificate is a pure function of the node key (`chain.crypto.node_certificate`), so it can be written again at
any time; it has no expiry (RFC 5280 §4.1.2.5): a key is trusted because it is on the list and distrusted by leaving it.
The validator's consensus key is never used here.
Reads / Writes: the key and certificate file it is pointed at (OpenSSL wants a path).
"""

import ssl
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chain.crypto.ed25519 import derive_public
from chain.crypto.node_certificate import certificate_der, sign_certificate
from chain.p2p.errors import PeerFault


def make_certificate(seed: bytes) -> bytes:
    """PEM of the certificate of a node key; the same seed always gives the same bytes."""
    public = derive_public(seed)
    return pem_of(public, sign_certificate(seed, public))


def pem_of(public_key: bytes, signature: bytes) -> bytes:
    """PEM of the certificate that a node key signed, for OpenSSL."""
    return ssl.DER_cert_to_PEM_cert(certificate_der(public_key, signature)).encode()


def make_key_pem(seed: bytes) -> bytes:
    """PKCS #8 PEM of a node key, for OpenSSL."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_of_pem(pem: bytes) -> bytes:
    """Raw Ed25519 key of a PEM certificate; raises PeerFault."""
    try:
        return _key_of(x509.load_pem_x509_certificate(pem))
    except ValueError as error:
        raise PeerFault("p2p_certificate", f"not a PEM certificate: {error}") from error


def key_of_der(der: bytes | None) -> bytes:
    """Raw Ed25519 key of the certificate a peer showed; raises PeerFault."""
    if der is None:
        raise PeerFault("p2p_certificate", "none shown")
    try:
        return _key_of(x509.load_der_x509_certificate(der))
    except ValueError as error:
        raise PeerFault("p2p_certificate", f"unreadable: {error}") from error


def _key_of(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise PeerFault("p2p_certificate", "not an Ed25519 key")
    return key.public_bytes_raw()


def make_contexts(own: Path, trusted: Mapping[str, bytes]) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(server, client) contexts for TLS 1.3 alone, both sides' certificates required and pinned.

    `own` is a file with our key and certificate in PEM, `trusted` the PEM certificates of peers by node id.
    """
    pinned = "".join(trusted[name].decode() for name in sorted(trusted))
    contexts = []
    for protocol in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT):
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # names mean nothing here: keys are compared
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(own)
        if pinned:
            context.load_verify_locations(cadata=pinned)
        contexts.append(context)
    server, client = contexts
    server.num_tickets = 0  # a resumed session would show no certificate
    return server, client
