"""Standard Webhooks signatures: HMAC-SHA-256 (`v1`) and Ed25519 (`v1a`) over `id.timestamp.body`.

An endpoint's secret or key pair is derived from the town's master key and the endpoint's id.
Reads: values.  Writes: values.  Source: standardwebhooks.com specification 1.0; HKDF is RFC 5869.
"""

import hmac
from base64 import b64encode
from hashlib import sha256
from typing import Final, Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chain.crypto import ed25519

Scheme = Literal["hmac", "ed25519"]
SECRET_BYTES: Final = 32


def derive_seed(master_key: bytes, webhook: str, scheme: Scheme) -> bytes:
    """32 bytes of one endpoint's own."""
    info = f"beffroi webhook {scheme} {webhook}".encode()
    return HKDF(SHA256(), SECRET_BYTES, None, info).derive(master_key)


def show_key(seed: bytes, scheme: Scheme) -> str:
    """What the endpoint verifies with: `whsec_…` (keep it secret) or `whpk_…`."""
    if scheme == "hmac":
        return "whsec_" + b64encode(seed).decode()
    return "whpk_" + b64encode(ed25519.derive_public(seed)).decode()


def sign(seed: bytes, scheme: Scheme, *, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Value of the `webhook-signature` header."""
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    if scheme == "hmac":
        return "v1," + b64encode(hmac.new(seed, signed, sha256).digest()).decode()
    return "v1a," + b64encode(ed25519.sign(seed, signed)).decode()
