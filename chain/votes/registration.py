"""What registrars sign blindly, and how a voter shows that the credential in it is theirs.

A registrar has one key per election, station and weight class. Its signature, once unblinded, is on
`credential_message`: it says that *somebody* of that station may vote with this credential. Presented on the
chain with signatures of enough registrars and a proof of knowing the secret, the credential is registered.
The proof binds uuid, station, class and credential, so that nobody registers a key to which they have no secret
(such as the product of two others').
Reads: nothing.  Writes: nothing.
"""

from dataclasses import dataclass
from typing import Final

from chain.codec.errors import DecodeError
from chain.votes.formats import Proof
from chain.votes.group import Element, Group, is_proper_member
from chain.votes.proofs import prove_knowledge, verify_knowledge
from chain.votes.randomness import RandomBytes

MESSAGE_LABEL: Final = "beffroi-credential-1"
PROOF_LABEL: Final = "beffroi-register-1"


@dataclass(frozen=True, slots=True)
class CredentialClaim:
    """A credential with where and how it counts; none of the texts contains `|`."""

    uuid: str
    station: str
    weight: int
    """Votes it stands for: the weight class, 1 for almost every vote."""
    credential: str
    """g^s as the group writes it."""

    def __post_init__(self) -> None:
        if any("|" in text for text in (self.uuid, self.station, self.credential)):
            raise ValueError("a field of a credential's claim contains the separator")


def credential_message(claim: CredentialClaim) -> bytes:
    """The message of the blind signatures, before each voter's random prefix."""
    return _join(MESSAGE_LABEL, claim).encode()


def prove_credential(group: Group, claim: CredentialClaim, secret: int, draw: RandomBytes) -> Proof:
    """Show knowledge of the secret of `claim.credential`, for this registration only."""
    return prove_knowledge(group, f"{_join(PROOF_LABEL, claim)}|", secret, draw)


def check_credential(group: Group, claim: CredentialClaim, proof: Proof) -> Element | None:
    """The credential as group element, None unless it is a proper member whose secret is shown to be known."""
    try:
        credential = group.decode(claim.credential)
    except DecodeError:
        return None
    if not is_proper_member(group, credential):
        return None
    prefix = f"{_join(PROOF_LABEL, claim)}|"
    return credential if verify_knowledge(group, prefix, credential, proof) else None


def _join(label: str, claim: CredentialClaim) -> str:
    return f"{label}|{claim.uuid}|{claim.station}|{claim.weight}|{claim.credential}"
