"""A passkey in software (WebAuthn level 2): what an agent's browser and security key do, for sample towns and tests.

The key pair comes from the agent's throw-away key, so that a sample town knows it beforehand. A real agent's
passkey lives in hardware and asks for a finger or a PIN before it signs.

Reads: nothing.  Writes: nothing.  Never: belongs to a real town's agent.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import cbor2
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto.jws import SigningKey

LABEL: Final = b"beffroi-sample-passkey-1"
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
AAGUID: Final = bytes(16)


@dataclass(slots=True)
class SoftPasskey:
    """One credential; `flags` are those of an authenticator that asked for a PIN.

    `is_counting`: counts its uses, as security keys do; passkeys that phones keep in step always say 0.
    """

    key: SigningKey = field(repr=False)
    is_counting: bool = False
    counter: int = 0
    flags: int = PRESENT | VERIFIED

    @classmethod
    def of_agent(cls, signer: SigningKey) -> "SoftPasskey":
        """The passkey that goes with a throw-away agent's key."""
        seed = hashlib.sha256(LABEL + signer.sign(LABEL)).digest()
        return cls(SigningKey("ES256", seed))

    @property
    def credential_id(self) -> bytes:
        """32 bytes that name the credential."""
        return hashlib.sha256(b"credential " + self.key.kid.encode()).digest()

    @property
    def cose_key(self) -> bytes:
        """The public key as COSE_Key: EC2, ES256, P-256 (RFC 9053 §7.1.1)."""
        raw = self.key.public_key.raw
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: raw[:32], -3: raw[32:]})

    def create(self, options: dict[str, Any], origin: str) -> dict[str, Any]:
        """Answer to registration options, without attestation."""
        rp_id = options["rp"]["id"]
        size = len(self.credential_id).to_bytes(2, "big")
        attested = AAGUID + size + self.credential_id + self.cose_key
        data = self._authenticator_data(rp_id, ATTESTED) + attested
        response = {
            "clientDataJSON": _client_data("webauthn.create", options["challenge"], origin),
            "attestationObject": b64url_encode(
                cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
            ),
        }
        return self._credential(response)

    def get(self, options: dict[str, Any], origin: str) -> dict[str, Any]:
        """Answer to assertion options."""
        self.counter += self.is_counting
        data = self._authenticator_data(options["rpId"])
        client_data = _client_data("webauthn.get", options["challenge"], origin)
        raw = self.key.sign(data + hashlib.sha256(b64url_decode(client_data)).digest())
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        response = {
            "clientDataJSON": client_data,
            "authenticatorData": b64url_encode(data),
            "signature": b64url_encode(encode_dss_signature(r, s)),
        }
        return self._credential(response)

    def _authenticator_data(self, rp_id: str, more_flags: int = 0) -> bytes:
        """WebAuthn §6.1: hash of the relying party's name, flags, counter."""
        name = hashlib.sha256(rp_id.encode()).digest()
        return name + bytes([self.flags | more_flags]) + self.counter.to_bytes(4, "big")

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        name = b64url_encode(self.credential_id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response}


def _client_data(kind: str, challenge: str, origin: str) -> str:
    parts = urlsplit(origin)
    data = {"type": kind, "challenge": challenge, "origin": f"{parts.scheme}://{parts.netloc}"}
    return b64url_encode(json.dumps(data).encode())
