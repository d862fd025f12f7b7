"""A voter asks every registrar to sign the hidden credential, and makes a registration of the answers.

    n registrars    each gets its own blinded value of the same token; the vector is one `issue.request`
    answers         unblinded and checked one by one: a registrar that signs something else is found out at once
    registration    signatures of the signer set that the application fixed for the station, all voters alike

The chance of blinding comes out of the vote key: a new phone with the words makes the very same request, which the
chain takes as a repetition, and uncovers the answers given to the lost one.
Reads: nothing.  Writes: nothing.  Never: sends anything; never asks before the words were typed again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from chain.crypto import blind_rsa
from chain.crypto.blind_rsa import (
    PREFIX_BYTES,
    RANDOMIZED_PSS,
    BlindSignatureError,
    SignerPublicKey,
)
from chain.crypto.randomness import RandomBytes
from chain.votes.formats import Proof
from chain.votes.group import Group
from chain.votes.messages import prove_registration, token_message
from chain.votes.voter.kit import ConfirmedKit

PREFIX_LABEL: Final = "beffroi-prefix-1"
BLINDING_LABEL: Final = "beffroi-blinding-1"


class BadAnswer(ValueError):
    """A registrar's answer is no signature on what was asked; `registrar` is its index, from 1."""

    def __init__(self, registrar: int, detail: str) -> None:
        super().__init__(f"registrar {registrar}: {detail}")
        self.registrar = registrar


class MissingSigner(ValueError):
    """The fixed signer set has a registrar without a good answer for this voter, who then votes on paper."""


@dataclass(frozen=True, slots=True)
class Place:
    """One voting list: an election, a station, a weight class, and the registrars' keys for it."""

    uuid: str
    group: Group
    station: str
    weight_class: str
    registrars: tuple[SignerPublicKey, ...]
    """In the order of the election's record; indexes count from 1."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request made: `blinded` goes out, in the order of the registrars; the rest stays on the phone."""

    credential: str
    """g^s as the group writes it: seen by nobody before the registration."""
    prepared: bytes = field(repr=False)
    """Random prefix and `chain.votes.messages.token_message`: what each signature will be on."""
    blinded: tuple[bytes, ...]
    inverses: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Signature:
    """A registrar's signature, uncovered."""

    registrar: int
    """Index from 1."""
    value: bytes


@dataclass(frozen=True, slots=True)
class Registration:
    """What goes to the anonymous route: nothing in it was ever seen by a registrar."""

    credential: str
    prefix: bytes
    """The 32 random bytes before the message (RFC 9474 §4.1)."""
    signatures: tuple[Signature, ...]
    proof: Proof


def make_request(kit: ConfirmedKit, place: Place) -> Request:
    """Blind the credential once for every registrar; the same each time, also on another phone."""
    key = kit.vote_key()
    credential = key.credential(place.uuid, place.group)
    message = token_message(place.uuid, place.station, place.weight_class, credential)
    label = f"{PREFIX_LABEL}|{message.decode()}"
    prepared = key.stream(label)(PREFIX_BYTES) + message
    blinded: list[bytes] = []
    inverses: list[int] = []
    for signer in place.registrars:
        draw = key.stream(_blinding_label(message, signer))
        made = blind_rsa.blind(signer, RANDOMIZED_PSS, prepared, draw)
        blinded.append(made.message)
        inverses.append(made.inverse)
    return Request(credential, prepared, tuple(blinded), tuple(inverses))


def _blinding_label(message: bytes, signer: SignerPublicKey) -> str:
    """Bound to the key and to the message: no chance is used for two of either."""
    key_hash = sha256(f"{signer.n}|{signer.e}".encode()).hexdigest()
    return f"{BLINDING_LABEL}|{message.decode()}|{key_hash}"


def open_answer(place: Place, request: Request, registrar: int, answer: bytes) -> Signature:
    """Uncover one registrar's blind signature; raises BadAnswer unless it signs what was asked."""
    if not 1 <= registrar <= len(place.registrars):
        raise BadAnswer(registrar, "no such registrar")
    signer, inverse = place.registrars[registrar - 1], request.inverses[registrar - 1]
    try:
        opened = blind_rsa.finalize(signer, RANDOMIZED_PSS, request.prepared, answer, inverse)
    except BlindSignatureError as error:
        raise BadAnswer(registrar, str(error)) from error
    return Signature(registrar, opened)


def make_registration(
    kit: ConfirmedKit,
    place: Place,
    request: Request,
    answers: Mapping[int, bytes],
    signers: Sequence[int],
    draw: RandomBytes,
) -> Registration:
    """The registration with the signatures of exactly `signers`, the set fixed for the station, in its order.

    `answers` are the blind signatures by registrar index; those outside the set are not looked at. Raises
    MissingSigner when one of the set did not answer, BadAnswer when it answered wrongly.
    """
    missing = [registrar for registrar in signers if registrar not in answers]
    if missing:
        raise MissingSigner(f"no answer of registrars {missing}")
    opened = tuple(open_answer(place, request, index, answers[index]) for index in signers)
    secret = kit.vote_key().secret(place.uuid, place.group)
    proof = prove_registration(
        place.group, place.uuid, place.station, place.weight_class, secret, draw
    )
    return Registration(request.credential, request.prepared[:PREFIX_BYTES], opened, proof)
