"""Benaloh audit: did the phone encrypt what its owner chose? A second device finds out, without the town.

    1  the phone makes a ballot and shows its tracker (`tracker_text`): now it cannot choose another any more
    2  the voter casts it, or says "audit": only then does the phone learn which
    3  to audit, it spoils the ballot on the chain and shows an opening (`encode_opening`) as a QR code
    4  the second device makes the whole ballot again out of the election's record and the opening; the same tracker
       means: this ballot holds the choices of the opening and nothing else

All chance of a ballot's answers comes out of one 32-byte seed, so an opening is small whatever the number of
questions. The signature's chance is not among it: two signatures with one seed would give the credential away.
An opening shows how the voter would have voted, and which credential is theirs: it is for their own second device, and
people should audit with choices other than their real ones (docs/votes.md).

Text: `BV1:` and base45 of group 1 | uuid length 1, uuid | fingerprint 32 | credential 32 or 256 | challenge 32 |
response 32 | seed 32 | choices 2 | one bit per choice, the first in the highest bit, zeros after the last.
Reads: nothing.  Writes: nothing.  Never: keeps a seed.
Source: J. Benaloh, "Ballot casting assurance via voter-initiated poll station auditing", EVT 2007.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import base45

from chain.codec.errors import DecodeError
from chain.crypto.randomness import RandomBytes
from chain.votes import formats
from chain.votes.ballot import InvalidVote, Votes, fill_ballot, sign_ballot, tracker
from chain.votes.election import Election, choices_count
from chain.votes.formats import Proof, Question, Signature
from chain.votes.voter.keys import stream_of

PREFIX: Final = "BV1:"
TRACKER_PREFIX: Final = "BVT1:"
STREAM_LABEL: Final = "beffroi-ballot-1"
SEED_BYTES: Final = 32
OPENING_MAX_CHARS: Final = 1_200
"""64 questions of 128 answers need 900 bytes of bits alone: such an election is audited question by question on paper
or not at all; everything usual stays below 700 characters, a code that a phone's camera reads at once."""

_HASH_BYTES: Final = 32
_SCALAR_BYTES: Final = 32
_GROUPS: Final = {"BELENIOS-2048": (0, 256), "Ed25519": (1, 32)}
"""Number of a group in the text, bytes of one of its elements."""


@dataclass(frozen=True, slots=True)
class Auditable:
    """A ballot that is still the voter's: cast `body`, or open it with `opening`, never both."""

    body: bytes
    opening: "Opening" = field(repr=False)

    @property
    def tracker(self) -> str:
        """What the phone shows before it knows which of the two will happen."""
        return tracker(self.body)

    @property
    def hash(self) -> str:
        """SHA-256 of the body in hexadecimal, as spoils and transactions name it."""
        return sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Opening:
    """Everything needed to make a ballot again."""

    uuid: str
    group: str
    fingerprint: str
    credential: str
    signature: Proof
    seed: bytes = field(repr=False)
    choices: tuple[int, ...]
    """0 or 1 per choice, question after question."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a second device says. `flaw` is empty when the ballot holds exactly `votes`."""

    flaw: str
    votes: tuple[tuple[int, ...], ...] = ()


def make_auditable(election: Election, secret: int, votes: Votes, draw: RandomBytes) -> Auditable:
    """A ballot and its opening; raises InvalidVote when the choices do not answer the questions."""
    seed = draw(SEED_BYTES)
    credential = election.group.encode(election.g_power(secret))
    filled = fill_ballot(election, credential, votes, stream_of(seed, STREAM_LABEL))
    body = sign_ballot(election, filled, secret, draw)
    signature = formats.decode(formats.Ballot, body).signature
    assert isinstance(signature, Signature), "it was just signed"
    opening = Opening(
        election.uuid,
        election.group.name,
        election.fingerprint,
        credential,
        signature.proof,
        seed,
        tuple(choice for vote in votes for choice in vote),
    )
    return Auditable(body, opening)


def check_opening(election: Election, opening: Opening, shown_tracker: str) -> Finding:
    """Make the ballot again and compare it with the tracker that the phone showed first."""
    if (opening.uuid, opening.group) != (election.uuid, election.group.name):
        return Finding("the opening is of another election")
    if opening.fingerprint != election.fingerprint:
        return Finding(
            "the phone used another record of this election: other questions or another key"
        )
    try:
        votes = split_choices(election.questions, opening.choices)
        draw = stream_of(opening.seed, STREAM_LABEL)
        filled = fill_ballot(election, opening.credential, votes, draw)
    except (DecodeError, InvalidVote) as error:
        return Finding(f"the choices do not answer the questions: {error}")
    bare = formats.encode(filled)
    digest = b64encode(sha256(bare).digest()).rstrip(b"=").decode("ascii")
    signature = Signature(hash=digest, proof=opening.signature)
    body = formats.encode(formats.replace(filled, signature=signature))
    if tracker(body) != shown_tracker:
        return Finding("the ballot shown before is not one with these choices")
    return Finding("", votes)


def split_choices(
    questions: Sequence[Question], choices: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    """Choices by question; raises DecodeError when there are more or fewer than the questions have."""
    votes: list[tuple[int, ...]] = []
    start = 0
    for question in questions:
        end = start + choices_count(question)
        votes.append(tuple(choices[start:end]))
        start = end
    if start != len(choices):
        raise DecodeError(f"{len(choices)} choices, the questions have {start}")
    return tuple(votes)


# --- pictures ------------------------------------------------------------------------------------


def tracker_text(uuid: str, tracker_: str) -> str:
    """What the first picture says: alphanumeric mode, election and tracker."""
    body = bytes([len(uuid)]) + uuid.encode("ascii") + _unbase64(tracker_)
    return _write(TRACKER_PREFIX, body)


def read_tracker(text: str) -> tuple[str, str]:
    """(uuid, tracker) of the first picture; raises DecodeError."""
    body = _Reader(text, TRACKER_PREFIX)
    uuid, digest = body.take_text(), body.take(_HASH_BYTES)
    body.end()
    return uuid, _base64(digest)


def encode_opening(opening: Opening) -> str:
    """What the second picture says; raises ValueError for a group or a size beyond the format."""
    number, element_bytes = _GROUPS[opening.group]
    base = 16 if opening.group == "Ed25519" else 10
    credential = int(opening.credential, base).to_bytes(element_bytes, "big")
    body = b"".join(
        (
            bytes([number, len(opening.uuid)]),
            opening.uuid.encode("ascii"),
            _unbase64(opening.fingerprint),
            credential,
            int(opening.signature.challenge).to_bytes(_SCALAR_BYTES, "big"),
            int(opening.signature.response).to_bytes(_SCALAR_BYTES, "big"),
            opening.seed,
            len(opening.choices).to_bytes(2, "big"),
            _pack_bits(opening.choices),
        )
    )
    text = _write(PREFIX, body)
    if len(text) > OPENING_MAX_CHARS:
        raise ValueError(f"an opening of {len(text)} characters fits no picture")
    return text


def read_opening(text: str) -> Opening:
    """An opening out of its picture; raises DecodeError unless `text` is its one spelling."""
    body = _Reader(text, PREFIX)
    number = body.take(1)[0]
    name = next((name for name, (code, _) in _GROUPS.items() if code == number), "")
    if not name:
        raise DecodeError(f"group {number} is unknown")
    uuid, fingerprint = body.take_text(), _base64(body.take(_HASH_BYTES))
    credential = int.from_bytes(body.take(_GROUPS[name][1]), "big")
    challenge, response = (int.from_bytes(body.take(_SCALAR_BYTES), "big") for _ in range(2))
    seed, count = body.take(SEED_BYTES), int.from_bytes(body.take(2), "big")
    choices = _unpack_bits(body.take(-(-count // 8)), count)
    body.end()
    opening = Opening(
        uuid,
        name,
        fingerprint,
        f"{credential:064x}" if name == "Ed25519" else str(credential),
        Proof(challenge=str(challenge), response=str(response)),
        seed,
        choices,
    )
    if encode_opening(opening) != text:
        raise DecodeError("not the one spelling of this opening")
    return opening


class _Reader:
    """Takes bytes of a base45 text from the front; every shortage is a DecodeError."""

    def __init__(self, text: str, prefix: str) -> None:
        if len(text) > OPENING_MAX_CHARS or not text.startswith(prefix):
            raise DecodeError(f"not a {prefix} picture")
        try:
            self._rest: bytes = base45.b45decode(text[len(prefix) :])
        except ValueError as exc:
            raise DecodeError("not base45") from exc

    def take(self, size_bytes: int) -> bytes:
        taken, self._rest = self._rest[:size_bytes], self._rest[size_bytes:]
        if len(taken) != size_bytes:
            raise DecodeError("cut short")
        return taken

    def take_text(self) -> str:
        try:
            return self.take(self.take(1)[0]).decode("ascii")
        except UnicodeDecodeError as exc:
            raise DecodeError("an election's name is ASCII") from exc

    def end(self) -> None:
        if self._rest:
            raise DecodeError("bytes after the end")


def _write(prefix: str, body: bytes) -> str:
    letters: bytes = base45.b45encode(body)
    return prefix + letters.decode("ascii")


def _pack_bits(choices: Sequence[int]) -> bytes:
    bits = "".join(str(choice) for choice in choices).ljust(-(-len(choices) // 8) * 8, "0")
    return int(bits or "0", 2).to_bytes(len(bits) // 8, "big")


def _unpack_bits(packed: bytes, count: int) -> tuple[int, ...]:
    return tuple(packed[place // 8] >> (7 - place % 8) & 1 for place in range(count))


def _base64(digest: bytes) -> str:
    return b64encode(digest).rstrip(b"=").decode("ascii")


def _unbase64(text: str) -> bytes:
    digest = b64decode(text + "=", validate=True)
    if len(digest) != _HASH_BYTES:
        raise ValueError(f"a hash of {len(digest)} bytes")
    return digest
