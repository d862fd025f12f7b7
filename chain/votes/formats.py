"""The JSON records of Belenios 2.0: shapes, field order, the one canonical form of each.

A record is canonical when writing what was read gives the same bytes: no blanks, fields in the order below,
optional fields absent, raw UTF-8. That single comparison refuses blanks, other orders, duplicate and unknown
fields. Group elements and scalars stay text here: only a group can read them.

Source: glondu/belenios tag 2.0, src/lib/core/serializable{,_core}.atd, question_h.atd, v1/serializable.atd.
"""

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET as UNSET
from msgspec import Raw as Raw
from msgspec import Struct, UnsetType

from chain.codec.errors import DecodeError

T = TypeVar("T")
R = TypeVar("R", bound=Struct)

_COUNT: Final = re.compile("[1-9][0-9]{0,99}", re.ASCII)
_ENCODER: Final = msgspec.json.Encoder()


class Ciphertext(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ElGamal: alpha = g^r, beta = y^r * g^m."""

    alpha: str
    beta: str


class Proof(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fiat-Shamir: two scalars in decimal."""

    challenge: str
    response: str


class SignedMessage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text and a Schnorr signature over it (§4.6, `signed_msg`)."""

    message: str
    signature: Proof


# --- setup -----------------------------------------------------------------------------------


class Question(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A homomorphic question: each answer 0 or 1, their sum within [min, max], or a blank vote."""

    answers: tuple[str, ...]
    blank: bool | UnsetType = UNSET
    min: int
    max: int
    question: str


class TypedQuestion(Struct, frozen=True):
    """Enough of a non-homomorphic question to name its type."""

    type: str


class Election(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The election record; its SHA-256 is the fingerprint every proof hashes."""

    version: int
    description: str
    name: str
    group: str
    public_key: str
    questions: tuple[Raw, ...]
    uuid: str
    administrator: str | UnsetType = UNSET
    credential_authority: str | UnsetType = UNSET


class TrusteeKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A public key and the proof that its owner knows the private one."""

    pok: Proof
    public_key: str
    name: str | UnsetType = UNSET


class ThresholdKeys(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Public part of a Pedersen ceremony."""

    threshold: int
    certs: tuple[SignedMessage, ...]
    coefexps: tuple[SignedMessage, ...]
    verification_keys: tuple[TrusteeKey, ...]


TrusteesRecord = tuple[tuple[Literal["Single", "Pedersen"], Raw], ...]
"""The trustees record, each block still to be read by its kind."""


class CertificateKeys(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Message of a certificate: the keys a trustee signs and receives with."""

    verification: str
    encryption: str


class Coefficients(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Message of `coefexps`: g^a_0 … g^a_(t-1)."""

    coefexps: tuple[str, ...]


class SetupData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the Setup event commits to."""

    election: str
    trustees: str
    credentials: str


# --- ballots ---------------------------------------------------------------------------------


class Answer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Encrypted choices of one question with their proofs."""

    choices: tuple[Ciphertext, ...]
    individual_proofs: tuple[tuple[Proof, ...], ...]
    overall_proof: tuple[Proof, ...]
    blank_proof: tuple[Proof, ...] | UnsetType = UNSET


class Signature(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hash of the ballot without this field, and the credential's signature of it."""

    hash: str
    proof: Proof


class Ballot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ballot as cast."""

    election_uuid: str
    election_hash: str
    credential: str
    answers: tuple[Answer, ...]
    signature: Signature | UnsetType = UNSET


# --- tally -----------------------------------------------------------------------------------

EncryptedTally = tuple[tuple[Ciphertext, ...], ...]
"""One ciphertext per question and choice."""


class SizedTally(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Payload of EncryptedTally: who was counted, and the hash of the ciphertexts."""

    num_tallied: int
    total_weight: int | str
    encrypted_tally: str


class PartialDecryption(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trustee's factors alpha^x with the proofs that x is the key's."""

    decryption_factors: tuple[tuple[str, ...], ...]
    decryption_proofs: tuple[tuple[Proof, ...], ...]


class Owned(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose partial decryption it is: index over all trustees, from 1."""

    owner: int
    payload: str


class Result(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Votes (weighed) per question and choice."""

    result: tuple[tuple[int | str, ...], ...]


# --- archive ---------------------------------------------------------------------------------

EventType = Literal[
    "Setup",
    "Ballot",
    "EndBallots",
    "EncryptedTally",
    "Shuffle",
    "EndShuffles",
    "PartialDecryption",
    "Result",
]


class Event(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of the election; `parent` is the hash of the step before."""

    parent: str | UnsetType = UNSET
    height: int
    type: EventType
    payload: str | UnsetType = UNSET


class ArchiveHeader(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """First record of an archive; the time is a decimal string, whatever the specification says."""

    version: int
    timestamp: str


# --- ceremony (private traffic; never in an archive) -------------------------------------------


class EncryptedMessage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hybrid encryption to a trustee: ElGamal of a key, then AES-CCM in hexadecimal."""

    alpha: str
    beta: str
    data: str


class ChannelMessage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a trustee signs before encrypting: the recipient's key binds it."""

    recipient: str
    message: str


class RawPolynomial(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """a_0 … a_(t-1), decimal."""

    polynomial: tuple[str, ...]


class Secret(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Value of a polynomial at the recipient's index."""

    secret: str


class Polynomial(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Step 3: own polynomial and everybody's secret, each encrypted, and the public coefficients."""

    polynomial: str
    secrets: tuple[str, ...]
    coefexps: SignedMessage


class VInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Step 4: what one trustee receives from all."""

    polynomial: str
    secrets: tuple[str, ...]
    coefexps: tuple[SignedMessage, ...]


class DecryptionKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sum of the secrets received, not reduced modulo q."""

    decryption_key: str


class VOutput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Step 5: the decryption key encrypted to its owner, and the verification key."""

    private_key: str
    public_key: TrusteeKey


# --- reading and writing -----------------------------------------------------------------------


def replace(record: R, **changes: Any) -> R:
    """A copy with other values in some fields."""
    return msgspec.structs.replace(record, **changes)


def as_raw(record: Struct) -> Raw:
    """A record written, to stand inside another."""
    return Raw(encode(record))


def encode(record: Any) -> bytes:
    """The canonical bytes of a record."""
    return _ENCODER.encode(record)


def decode(type_: type[T], data: bytes | str) -> T:
    """Read a record in any spelling; raises DecodeError."""
    try:
        decoder: msgspec.json.Decoder[T] = _decoder(type_)  # type: ignore[arg-type] # it is hashable
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise DecodeError(f"not the expected JSON: {exc}") from exc


def decode_exactly(type_: type[T], data: bytes) -> T:
    """Read a record; raises DecodeError unless `data` is its canonical form."""
    record = decode(type_, data)
    if encode(record) != data:
        raise DecodeError("JSON is not in canonical form")
    return record


def refuse_duplicate_keys(data: bytes) -> None:
    """Raise DecodeError when an object names a field twice: two readers could see two elections."""
    try:
        json.loads(data, object_pairs_hook=_check_pairs)
    except (ValueError, RecursionError) as exc:
        raise DecodeError(f"not the expected JSON: {exc}") from exc


def _check_pairs(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise DecodeError("a field is named twice")
    return fields


@cache
def _decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(type_)


# --- weights and counts --------------------------------------------------------------------------

JSON_NUMBER_MAX: Final = 2**30 - 1
"""Larger weights and counts are written as strings (OCaml's portable integer)."""

WEIGHT_MAX: Final = 100_000_000_000
"""Bound of one credential's weight (`max_expanded_weight`)."""


def encode_count(count: int) -> int | str:
    """A weight or a result cell as JSON value."""
    return count if count <= JSON_NUMBER_MAX else str(count)


def decode_count(value: int | str) -> int:
    """Read what `encode_count` writes; raises DecodeError on another spelling or a negative count."""
    if isinstance(value, str) and not _COUNT.fullmatch(value):
        raise DecodeError("not a count")
    count = int(value)
    if count < 0 or encode_count(count) != value:
        raise DecodeError("not the canonical form of a count")
    return count
