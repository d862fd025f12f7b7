"""Transactions of an election, from its publication to its archive; docs/votes.md tells the story in order.

As `chain.town.schemas`, whose types these use; who signs is said in each docstring. Three are *anonymous*
(`ANONYMOUS`): registration, ballot and spoil carry no account, no signer, no nonce and no expiry, and travel as

    {"body": {…}, "town": "…", "type": "ballot.cast"}            canonical JSON, see `chain.town.envelope`

Group elements, scalars and records of Belenios are its own texts (decimal or hexadecimal digits, JSON), so that what
lies in a block is what lies in the archive. RSA values are 3 072 bits: 512 base64url characters.
Reads: nothing.  Writes: nothing.  Never: looks at state.
"""

from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from msgspec import Meta

from chain.limits import (
    VOTES_ANSWERS_MAX,
    VOTES_BALLOT_MAX_BYTES,
    VOTES_CEREMONY_TRUSTEES_MAX,
    VOTES_QUESTIONS_MAX,
    VOTES_REGISTRARS_MAX,
    VOTES_SIGNED_PER_TX_MAX,
    VOTES_STATIONS_MAX,
)
from chain.town.schemas import Bytes16, Bytes32, Count, Positive, Slug, Station, Strict, UnixSeconds

ElectionId: TypeAlias = Annotated[str, Meta(pattern=r"^[1-9A-HJ-NP-Za-km-z]{14,22}\Z")]
"""Belenios uuid: Base58."""
Text: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+\Z")
]
"""Words shown to voters; no control characters, which programs write in different ways."""
Scalar: TypeAlias = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,99})\Z")]
"""A number below the group's order, decimal."""
Element: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{1,620}\Z")]
"""A group element: 64 hexadecimal digits (Ed25519) or up to 617 decimal ones (BELENIOS-2048)."""
Hash: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""SHA-256 in lower-case hexadecimal: how an archive names its records."""
RsaValue: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{512}\Z")]
"""384 bytes, big-endian: a modulus, a blinded value or a signature of 3 072 bits."""
WeightClass: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9]{1,8}\Z")]
"""Voters of one weight at one station; `one` where everybody weighs the same."""
Rank: TypeAlias = Annotated[int, Meta(ge=1, le=64)]
"""Place of a registrar or trustee in the election's list, from 1."""

GroupName: TypeAlias = Literal["BELENIOS-2048", "Ed25519"]
LegalKind: TypeAlias = Literal[
    "consultation_citoyenne",
    "consultation_electeurs",
    "budget_participatif",
    "vote_interne",
    "referendum_local",
]
"""What the vote is in law. `referendum_local` is refused: it is held on paper (CGCT, art. LO 1112-1 and following)."""
VoteKind: TypeAlias = Literal[
    "yes_no", "single", "approval", "majority_judgment", "score", "budget"
]
VotePolicy: TypeAlias = Literal["budget", "consultation", "sel"]
"""Which policy of `chain.town.policies` a voter meets when asking for a credential."""
CeremonyKind: TypeAlias = Literal["single", "threshold"]


class VoteProof(Strict, frozen=True):
    """Fiat-Shamir proof of Belenios: two scalars."""

    challenge: Scalar
    response: Scalar


class VoteSigned(Strict, frozen=True):
    """`signed_msg` of Belenios: a JSON text and a Schnorr signature over it."""

    message: Annotated[str, Meta(min_length=2, max_length=16_384)]
    signature: VoteProof


# --- the election, by city hall ----------------------------------------------------------------


class VoteQuestion(Strict, frozen=True, omit_defaults=True):
    """A homomorphic question of Belenios: each answer 0 or 1, their sum within [min, max], or a blank vote."""

    question: Text
    answers: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=VOTES_ANSWERS_MAX)]
    min: Annotated[int, Meta(ge=0, le=VOTES_ANSWERS_MAX)]
    max: Annotated[int, Meta(ge=1, le=VOTES_ANSWERS_MAX)]
    blank: bool = False


class VoteContest(Strict, frozen=True, omit_defaults=True):
    """How `questions` questions, from the place after the contest before, are counted together.

    `rule` names the published counting rule, ties included. A budget gives each answer's cost in `costs_cents` and
    what there is in `budget_cents`; majority judgment and score take one question per candidate, grades as answers.
    """

    kind: VoteKind
    questions: Annotated[int, Meta(ge=1, le=VOTES_QUESTIONS_MAX)]
    rule: Slug
    winners: Annotated[int, Meta(ge=1, le=VOTES_ANSWERS_MAX)] = 1
    budget_cents: Count = 0
    costs_cents: tuple[Positive, ...] = ()


class VoteCalendar(Strict, frozen=True):
    """Header times, each after the one before: the chain opens and closes by them.

    Credentials are asked for from `issuance_opens` to `issuance_closes`, registered from then to
    `registration_closes`, used from `voting_opens` to `voting_closes`; ballots are kept until `appeals_close`.
    """

    issuance_opens: UnixSeconds
    issuance_closes: UnixSeconds
    registration_closes: UnixSeconds
    voting_opens: UnixSeconds
    voting_closes: UnixSeconds
    appeals_close: UnixSeconds


class VoteStation(Strict, frozen=True):
    """A polling station, or one weight class of it: voters who share a set of registrars' keys."""

    station: Station
    weight_class: WeightClass
    weight: Annotated[int, Meta(ge=1, le=1_000)]


class ElectionCreate(Strict, frozen=True):
    """Publish an election; signed by an agent supervisor, whose body keeps it.

    `registrars` are n = 3f+1 places (a body may hold up to f), `registrars_threshold` t = 2f+1; no body is both
    registrar and trustee. `stations` are sorted. `regulation` is the SHA-256 of the regulation document. The record
    of Belenios is sealed by the application when the trustees' key is made.
    """

    TYPE: ClassVar[str] = "election.create"
    election: ElectionId
    name: Text
    description: Text
    group: GroupName
    legal_kind: LegalKind
    policy: VotePolicy
    regulation: Bytes32
    questions: Annotated[
        tuple[VoteQuestion, ...], Meta(min_length=1, max_length=VOTES_QUESTIONS_MAX)
    ]
    contests: Annotated[tuple[VoteContest, ...], Meta(min_length=1, max_length=VOTES_QUESTIONS_MAX)]
    calendar: VoteCalendar
    stations: Annotated[tuple[VoteStation, ...], Meta(min_length=1, max_length=VOTES_STATIONS_MAX)]
    registrars: Annotated[tuple[Slug, ...], Meta(min_length=1, max_length=VOTES_REGISTRARS_MAX)]
    registrars_threshold: Rank
    ceremony: CeremonyKind
    trustees: Annotated[
        tuple[Slug, ...], Meta(min_length=1, max_length=VOTES_CEREMONY_TRUSTEES_MAX)
    ]
    trustees_threshold: Rank


class StationRoll(Strict, frozen=True):
    """Who may ask at one station: RFC 6962 root over `chain.votes.messages.roll_leaf` of each, and how many."""

    station: Station
    weight_class: WeightClass
    electors: Positive
    root: Bytes32


class ElectionOpenIssuance(Strict, frozen=True):
    """Fix the rolls and let citizens ask for credentials; signed by the election's body (agent supervisor) and by an
    electoral commission of another body. `rolls` are in the order of the election's stations."""

    TYPE: ClassVar[str] = "election.open_issuance"
    election: ElectionId
    rolls: Annotated[tuple[StationRoll, ...], Meta(min_length=1, max_length=VOTES_STATIONS_MAX)]


class ElectionRestart(Strict, frozen=True):
    """Begin the trustees' ceremony again, with these trustees, before the election is sealed; its body signs."""

    TYPE: ClassVar[str] = "election.restart"
    election: ElectionId
    ceremony: CeremonyKind
    trustees: Annotated[
        tuple[Slug, ...], Meta(min_length=1, max_length=VOTES_CEREMONY_TRUSTEES_MAX)
    ]
    trustees_threshold: Rank


class ElectionPostpone(Strict, frozen=True):
    """Move the dates that are still to come; signed by the council. `reason` is the SHA-256 of what it publishes."""

    TYPE: ClassVar[str] = "election.postpone"
    election: ElectionId
    calendar: VoteCalendar
    reason: Bytes32


class ElectionCancel(Strict, frozen=True):
    """Give the vote up, for good, before its result; signed by the council."""

    TYPE: ClassVar[str] = "election.cancel"
    election: ElectionId
    reason: Bytes32


class ElectionArchive(Strict, frozen=True):
    """A body holds the archive file: its hash and size; signed by an auditor or a commission, once each body."""

    TYPE: ClassVar[str] = "election.archive"
    election: ElectionId
    file: Hash
    size_bytes: Positive
    events: Positive


class ElectionPurge(Strict, frozen=True):
    """Appeals are over: drop ballots, requests and blind values from the state; the election's body signs."""

    TYPE: ClassVar[str] = "election.purge"
    election: ElectionId


class ElectionComplaint(Strict, frozen=True):
    """Note the hash of a complaint so that it cannot be lost; signed by a gateway or an electoral commission."""

    TYPE: ClassVar[str] = "election.complaint"
    election: ElectionId
    complaint: Bytes32


# --- trustees ----------------------------------------------------------------------------------


class TrusteeKeyGiven(Strict, frozen=True):
    """Ceremony `single`: a mandatory trustee's public key with the proof of knowing the private one."""

    TYPE: ClassVar[str] = "trustee.key"
    election: ElectionId
    trustee: Rank
    public_key: Element
    pok: VoteProof


class TrusteeCert(Strict, frozen=True):
    """Ceremony `threshold`, step 1: the certificate of `chain.votes.ceremony.make_certificate`."""

    TYPE: ClassVar[str] = "trustee.cert"
    election: ElectionId
    trustee: Rank
    cert: VoteSigned


class TrusteeCommit(Strict, frozen=True):
    """Step 2, when all certificates are in: the hash of the coefficients (`chain.votes.ceremony.commit`)."""

    TYPE: ClassVar[str] = "trustee.commit"
    election: ElectionId
    trustee: Rank
    commitment: Hash


class TrusteeReveal(Strict, frozen=True):
    """Step 3, when all have committed: the coefficients, and a sealed share for every trustee in order."""

    TYPE: ClassVar[str] = "trustee.reveal"
    election: ElectionId
    trustee: Rank
    coefexps: VoteSigned
    secrets: Annotated[
        tuple[Annotated[str, Meta(min_length=2, max_length=8_192)], ...],
        Meta(min_length=1, max_length=VOTES_CEREMONY_TRUSTEES_MAX),
    ]


class TrusteeVerify(Strict, frozen=True):
    """Step 4, when all have revealed: the verification key; the last one seals the election."""

    TYPE: ClassVar[str] = "trustee.verify"
    election: ElectionId
    trustee: Rank
    public_key: Element
    pok: VoteProof


class TallyShare(Strict, frozen=True):
    """A trustee's partial decryption of the encrypted tally: Belenios' canonical JSON text, and the proof that binds
    its factors to the tally (`chain.votes.binding`), which Belenios' own proofs do not."""

    TYPE: ClassVar[str] = "tally.share"
    election: ElectionId
    trustee: Rank
    share: Annotated[str, Meta(min_length=2, max_length=VOTES_BALLOT_MAX_BYTES)]
    bound: VoteProof


# --- registrars and citizens: issuance -----------------------------------------------------------


class StationKey(Strict, frozen=True):
    """One registrar's RSA modulus for one station and weight class; the exponent is 65 537."""

    station: Station
    weight_class: WeightClass
    n: RsaValue


class RegistrarKeys(Strict, frozen=True):
    """A registrar publishes its keys, one for every station, in the order of the election's stations."""

    TYPE: ClassVar[str] = "registrar.keys"
    election: ElectionId
    registrar: Rank
    keys: Annotated[tuple[StationKey, ...], Meta(min_length=1, max_length=VOTES_STATIONS_MAX)]


class IssueRequest(Strict, frozen=True):
    """A citizen asks for a credential; signed by the identity account's own key, once per election.

    `salt`, `index` and `aunts` show that `cid` is on the station's roll. `blinded` holds one value per registrar, in
    order: the same hidden message, blinded for each registrar's key (RFC 9474).
    """

    TYPE: ClassVar[str] = "issue.request"
    election: ElectionId
    cid: Bytes32
    station: Station
    weight_class: WeightClass
    salt: Bytes16
    index: Count
    aunts: Annotated[tuple[Bytes32, ...], Meta(max_length=32)]
    blinded: Annotated[tuple[RsaValue, ...], Meta(min_length=1, max_length=VOTES_REGISTRARS_MAX)]


class IssuedSignature(Strict, frozen=True):
    """A blind signature for one request."""

    cid: Bytes32
    signature: RsaValue


class IssueSign(Strict, frozen=True):
    """A registrar answers requests, sorted by cid: blind signatures over exactly the values on the chain."""

    TYPE: ClassVar[str] = "issue.sign"
    election: ElectionId
    registrar: Rank
    signatures: Annotated[
        tuple[IssuedSignature, ...], Meta(min_length=1, max_length=VOTES_SIGNED_PER_TX_MAX)
    ]


class TokenSignature(Strict, frozen=True):
    """One registrar's unblinded signature, over `prefix` and the message of `chain.votes.messages`."""

    registrar: Rank
    prefix: Bytes32
    signature: RsaValue


class CredRegister(Strict, frozen=True):
    """ANONYMOUS. A credential enters the list: signatures of the station's signer set, and proof of its secret."""

    TYPE: ClassVar[str] = "cred.register"
    election: ElectionId
    station: Station
    weight_class: WeightClass
    credential: Element
    signatures: Annotated[
        tuple[TokenSignature, ...], Meta(min_length=1, max_length=VOTES_REGISTRARS_MAX)
    ]
    proof: VoteProof


class RollFreeze(Strict, frozen=True):
    """Close the list of credentials; signed by an electoral commission, which names the counts it has seen."""

    TYPE: ClassVar[str] = "roll.freeze"
    election: ElectionId
    requests: Count
    registrations: Count


# --- ballots -------------------------------------------------------------------------------------


class BallotCast(Strict, frozen=True):
    """ANONYMOUS. A ballot as Belenios writes it, canonical; the last one of a credential counts."""

    TYPE: ClassVar[str] = "ballot.cast"
    election: ElectionId
    ballot: Annotated[str, Meta(min_length=2, max_length=VOTES_BALLOT_MAX_BYTES)]


class BallotSpoil(Strict, frozen=True):
    """ANONYMOUS. The ballot of this hash was opened to check the device: it may never be cast.

    `proof` is the credential's signature under `chain.votes.messages.spoil_prefix`.
    """

    TYPE: ClassVar[str] = "ballot.spoil"
    election: ElectionId
    credential: Element
    ballot: Hash
    proof: VoteProof


VotesBody: TypeAlias = (
    ElectionCreate
    | ElectionOpenIssuance
    | ElectionRestart
    | ElectionPostpone
    | ElectionCancel
    | ElectionArchive
    | ElectionPurge
    | ElectionComplaint
    | TrusteeKeyGiven
    | TrusteeCert
    | TrusteeCommit
    | TrusteeReveal
    | TrusteeVerify
    | TallyShare
    | RegistrarKeys
    | IssueRequest
    | IssueSign
    | RollFreeze
)
"""What somebody signs."""
AnonymousBody: TypeAlias = CredRegister | BallotCast | BallotSpoil
"""What nobody signs."""
ANONYMOUS: Final = (CredRegister, BallotCast, BallotSpoil)
