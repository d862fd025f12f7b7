"""The certificate of a node key, as bytes: self-signed, without expiry, a pure function of key and signature.

OpenSSL trusts certificates, not keys, and only the key's holder can sign one. Everything else in it is fixed
(serial 1, name = node id, 2020-01-01 to 9999-12-31, not an authority), so 64 bytes of signature beside the key are
enough to write it again anywhere; they prove, too, that somebody holds the key.
Source: RFC 5280 §4.1, RFC 8410 (Ed25519), X.690 DER; equal to what pyca/cryptography builds (tested).
"""

from typing import Final

from chain.crypto.ed25519 import sign, verify_strict
from chain.crypto.keys import address

_NAME: Final = bytes.fromhex("30333131302f06035504030c28")
"""A distinguished name of one common name of 40 characters."""
_ED25519: Final = bytes.fromhex("300506032b6570")
_TBS_HEAD: Final = bytes.fromhex("3081d9a003020102020101") + _ED25519 + _NAME
_VALIDITY: Final = b"\x30\x20\x17\x0d200101000000Z\x18\x0f99991231235959Z"
_KEY_HEAD: Final = bytes.fromhex("302a") + _ED25519 + bytes.fromhex("032100")
_NO_AUTHORITY: Final = bytes.fromhex("a310300e300c0603551d130101ff04023000")
_HEAD: Final = bytes.fromhex("30820126")
_SIGNATURE_HEAD: Final = _ED25519 + bytes.fromhex("034100")


def node_id_of(public_key: bytes) -> str:
    """Lower-case hex of the address of a node key (CometBFT `p2p/key.go`)."""
    return address(public_key).hex()


def certificate_body(public_key: bytes) -> bytes:
    """What the node key signs: the TBSCertificate, 220 bytes."""
    assert len(public_key) == 32, "a node has an Ed25519 key"
    name = node_id_of(public_key).encode()
    head = _TBS_HEAD + name + _VALIDITY + _NAME + name
    return head + _KEY_HEAD + public_key + _NO_AUTHORITY


def sign_certificate(seed: bytes, public_key: bytes) -> bytes:
    """The signature that makes the certificate of a node key, 64 bytes."""
    return sign(seed, certificate_body(public_key))


def certificate_der(public_key: bytes, signature: bytes) -> bytes:
    """The whole certificate, 298 bytes of DER."""
    assert len(signature) == 64, "an Ed25519 signature"
    return _HEAD + certificate_body(public_key) + _SIGNATURE_HEAD + signature


def is_certified(public_key: bytes, signature: bytes) -> bool:
    """Whether the key's holder signed its certificate (strict rule; wrong lengths are simply not valid)."""
    if len(public_key) != 32:
        return False
    return verify_strict(public_key, certificate_body(public_key), signature)
