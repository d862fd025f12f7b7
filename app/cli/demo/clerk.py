"""The desk clerk: compares the number on the phone, reads the title, signs the attestation and the batch.

Reads: the public API.  Writes: attestations and batches signed by the agent's own key.
Never: signs an attestation whose key is not the one on the citizen's phone.
"""

from dataclasses import dataclass
from typing import Any, Final

from app.cli.demo.client import Client, expect
from app.cli.demo.http import Answer, new_key
from app.identity.comparison import QR_PREFIX, compute_comparison_number
from chain.codec.canonical import encode_canonical
from chain.crypto.jws import sign_compact
from chain.crypto.keys import public_key_from_jwk, thumbprint
from chain.town.schemas import Attestation, IdBatchAttest, Jwk

ATTESTATION_TYPE: Final = "beffroi-attestation"


class NumberDiffers(Exception):
    """The phone in front of the clerk is not the phone on the clerk's screen."""


@dataclass(slots=True)
class Clerk(Client):
    """An agent of city hall at the desk."""

    body: str = "mairie"

    def scan_enrolment(self, qr: str) -> dict[str, Any]:
        """Open the enrolment whose QR the citizen shows."""
        enrolment = qr.removeprefix(QR_PREFIX)
        return dict(
            expect("desk", self.api.get(f"/v1/desk/enrolments/{enrolment}", token=self.token))
        )

    def check_number(self, enrolment: dict[str, Any], shown_on_phone: str) -> None:
        """Compare what the phone shows with what this desk computes; raises NumberDiffers."""
        kid = thumbprint(public_key_from_jwk(enrolment["key"]))
        if compute_comparison_number(enrolment["id"], kid) != shown_on_phone:
            raise NumberDiffers(enrolment["id"])

    def attest(
        self, enrolment: dict[str, Any], civil: dict[str, Any], shown_on_phone: str
    ) -> dict[str, Any]:
        """Draft, check that the draft names the right key, sign, hand in."""
        path = f"/v1/desk/enrolments/{enrolment['id']}"
        draft = expect(
            "draft",
            self.api.post(
                f"{path}/draft",
                {
                    "number": shown_on_phone,
                    "civil": civil,
                    "level_identity": 3,
                    "level_residence": 3,
                    "title_seen": "national_identity_card",
                },
                token=self.token,
                key=new_key(),
            ),
        )
        attestation = read_attestation(draft["attestation"])
        if attestation.key != Jwk(**enrolment["key"]) or attestation.town != self.town.town:
            raise NumberDiffers(enrolment["id"])
        signed = sign_compact(encode_canonical(attestation), ATTESTATION_TYPE, self.key)
        handed_in = self.api.post(
            f"{path}/attestation",
            {"attestation": signed.decode("ascii")},
            token=self.token,
            key=new_key(),
        )
        return dict(expect("attestation", handed_in))

    def read_batch(self) -> dict[str, Any]:
        """Attestations that wait, and whether they may be written now."""
        return dict(expect("batch", self.api.get("/v1/desk/batch", token=self.token)))

    def sign_batch(self, attestations: list[str]) -> str:
        """The transaction that writes a batch."""
        return self.sign(IdBatchAttest(tuple(attestations)), sender=f"body:{self.body}")

    def write_batch(self, attestations: list[str]) -> Answer:
        """Send a batch and wait for its block."""
        return self.send("/v1/identity/batches", self.sign_batch(attestations))


def read_attestation(fields: dict[str, Any]) -> Attestation:
    """The attestation of a draft, as the agent's device understands it."""
    return Attestation(**{**fields, "key": Jwk(**fields["key"])})
