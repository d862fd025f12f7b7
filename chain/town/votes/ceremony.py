"""The trustees' key on the chain: each step checked as it comes, the election sealed by the last.

`single`: every trustee gives a key with proof. `threshold`: certificates, then commitments to the coefficients, then
the coefficients with a sealed share for every other trustee, then verification keys (Pedersen). No step of a trustee
comes before all have done the one before, so that nobody chooses last; each is given once.
Sealing makes Belenios' trustees and election records out of what was published: nobody submits them.
Reads and writes: namespace votes, tables ceremony, document, election.
Source: Belenios specification 2.0, §4.7; research/voting.md §1.7.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from chain.codec.errors import DecodeError
from chain.town.context import Accepted, Outcome, Reader, Refused, TxContext
from chain.town.votes.create import belenios_question
from chain.town.votes.records import (
    CEREMONIES,
    DRAFTS,
    ELECTIONS,
    CeremonyRecord,
    ElectionRecord,
    get_election,
    group_of,
    in_phase,
    put_document,
    rank_id,
    scan_election,
)
from chain.town.votes_schemas import (
    TrusteeCert,
    TrusteeCommit,
    TrusteeKeyGiven,
    TrusteeReveal,
    TrusteeVerify,
    VoteProof,
    VoteSigned,
)
from chain.types import codes
from chain.votes import ceremony, formats
from chain.votes.checks import Flaw
from chain.votes.election import fingerprint, make_election
from chain.votes.formats import Coefficients, Proof, SignedMessage, ThresholdKeys, TrusteeKey
from chain.votes.group import Element, Group
from chain.votes.trustees import (
    check_trustee_key,
    compute_share_image,
    encode_trustees,
    read_certificate,
    read_coefficients,
    read_trustees,
)

Lines = Sequence[CeremonyRecord]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a trustee's step falls."""

    record: ElectionRecord
    group: Group
    lines: tuple[CeremonyRecord, ...]
    line: CeremonyRecord


def apply_key(ctx: TxContext, body: TrusteeKeyGiven) -> Outcome:
    """A mandatory trustee's key."""
    place = _find_place(ctx, body.election, body.trustee, "single")
    if isinstance(place, Refused):
        return place
    refused = _check_turn(place, lambda line: line.public_key, lambda _: True)
    if refused is not None:
        return refused
    if any(line.public_key == body.public_key for line in place.lines):
        return Refused(codes.VOTES_CEREMONY_PROOF, "another trustee's key")
    key = _check_key(place.group, trustee_key(body.public_key, body.pok))
    if isinstance(key, Refused):
        return key
    return _write(ctx, place, "key", replace(place.line, public_key=body.public_key, pok=body.pok))


def apply_cert(ctx: TxContext, body: TrusteeCert) -> Outcome:
    """Step 1: the keys a trustee signs and receives with."""
    place = _find_place(ctx, body.election, body.trustee, "threshold")
    if isinstance(place, Refused):
        return place
    refused = _check_turn(place, lambda line: line.cert, lambda _: True)
    if refused is not None:
        return refused
    if any(
        line.cert is not None and line.cert.message == body.cert.message for line in place.lines
    ):
        return Refused(codes.VOTES_CEREMONY_PROOF, "another trustee's certificate")
    if isinstance(_open_cert(place.group, body.cert), Refused):
        return Refused(codes.VOTES_CEREMONY_PROOF, "certificate")
    return _write(ctx, place, "cert", replace(place.line, cert=body.cert))


def apply_commit(ctx: TxContext, body: TrusteeCommit) -> Outcome:
    """Step 2: the hash of coefficients nobody has seen."""
    place = _find_place(ctx, body.election, body.trustee, "threshold")
    if isinstance(place, Refused):
        return place
    refused = _check_turn(place, lambda line: line.commitment, lambda line: line.cert is not None)
    if refused is not None:
        return refused
    if any(line.commitment == body.commitment for line in place.lines):
        return Refused(codes.VOTES_CEREMONY_COMMITMENT, "another trustee's commitment")
    return _write(ctx, place, "commit", replace(place.line, commitment=body.commitment))


def apply_reveal(ctx: TxContext, body: TrusteeReveal) -> Outcome:
    """Step 3: the coefficients committed to, and everybody's sealed share."""
    place = _find_place(ctx, body.election, body.trustee, "threshold")
    if isinstance(place, Refused):
        return place
    refused = _check_turn(place, lambda line: line.coefexps, lambda line: bool(line.commitment))
    if refused is not None:
        return refused
    signed = signed_message(body.coefexps)
    if ceremony.commit(signed) != place.line.commitment:
        return Refused(codes.VOTES_CEREMONY_COMMITMENT)
    if len(body.secrets) != len(place.lines):
        return Refused(codes.VOTES_CEREMONY_PROOF, "one share for every trustee")
    row = _open_coefficients(place, place.line, signed)
    if isinstance(row, Refused):
        return row
    changed = replace(place.line, coefexps=body.coefexps, secrets=body.secrets)
    return _write(ctx, place, "reveal", changed)


def apply_verify(ctx: TxContext, body: TrusteeVerify) -> Outcome:
    """Step 4: the key that partial decryptions will be checked against; it must be that of the coefficients."""
    place = _find_place(ctx, body.election, body.trustee, "threshold")
    if isinstance(place, Refused):
        return place
    refused = _check_turn(
        place, lambda line: line.public_key, lambda line: line.coefexps is not None
    )
    if refused is not None:
        return refused
    key = _check_key(place.group, trustee_key(body.public_key, body.pok))
    if isinstance(key, Refused):
        return key
    rows = [_revealed(place.group, line) for line in place.lines]
    if key != compute_share_image(place.group, rows, body.trustee):
        return Refused(codes.VOTES_CEREMONY_PROOF, "not the key of the coefficients")
    changed = replace(place.line, public_key=body.public_key, pok=body.pok)
    return _write(ctx, place, "verify", changed)


# --- parts ---------------------------------------------------------------------------------------


def trustee_key(public_key: str, pok: VoteProof) -> TrusteeKey:
    """As Belenios writes it."""
    return TrusteeKey(pok=_proof(pok), public_key=public_key)


def signed_message(signed: VoteSigned) -> SignedMessage:
    """As Belenios writes it."""
    return SignedMessage(message=signed.message, signature=_proof(signed.signature))


def _proof(proof: VoteProof) -> Proof:
    return Proof(challenge=proof.challenge, response=proof.response)


def _find_place(ctx: TxContext, election: str, trustee: int, kind: str) -> _Place | Refused:
    """The election in its ceremony, and the signer's place in it."""
    record = get_election(ctx.state, election)
    if isinstance(record, Refused):
        return record
    refused = in_phase(record, "ceremony") or check_trustee(ctx, record, trustee)
    if refused is not None:
        return refused
    if record.ceremony != kind:
        return Refused(codes.VOTES_CEREMONY_STEP, f"the ceremony is {record.ceremony}")
    lines = tuple(line for _, line in scan_election(CEREMONIES, ctx.state, election))
    return _Place(record, group_of(record), lines, lines[trustee - 1])


def check_trustee(ctx: TxContext, record: ElectionRecord, trustee: int) -> Refused | None:
    """Whether the sender holds that trustee's place."""
    held = record.trustees[trustee - 1 : trustee]
    if held and ctx.sender == f"body:{held[0]}":
        return None
    return Refused(codes.VOTES_TRUSTEE_UNKNOWN, f"trustee {trustee}")


def _check_turn(
    place: _Place,
    given: Callable[[CeremonyRecord], object],
    is_ready: Callable[[CeremonyRecord], bool],
) -> Refused | None:
    """Each step once, and after everybody's step before."""
    if given(place.line):
        return Refused(codes.VOTES_CEREMONY_STEP, "given already")
    waiting = [line.trustee for line in place.lines if not is_ready(line)]
    if waiting:
        return Refused(codes.VOTES_CEREMONY_STEP, f"waits for trustees {waiting}")
    return None


def _check_key(group: Group, key: TrusteeKey) -> Element | Refused:
    try:
        checked = check_trustee_key(group, key)
    except DecodeError as error:
        return Refused(codes.VOTES_CEREMONY_PROOF, str(error))
    if isinstance(checked, Flaw):
        return Refused(codes.VOTES_CEREMONY_PROOF, checked.detail)
    return checked


def _open_cert(group: Group, cert: VoteSigned) -> tuple[Element, Element] | Refused:
    try:
        keys = read_certificate(group, signed_message(cert))
    except DecodeError as error:
        return Refused(codes.VOTES_CEREMONY_PROOF, str(error))
    if isinstance(keys, Flaw):
        return Refused(codes.VOTES_CEREMONY_PROOF, keys.detail)
    return keys


def _open_coefficients(
    place: _Place, line: CeremonyRecord, signed: SignedMessage
) -> tuple[Element, ...] | Refused:
    assert line.cert is not None, "all certificates are in"
    keys = _open_cert(place.group, line.cert)
    assert not isinstance(keys, Refused), "certificates were checked"
    try:
        row = read_coefficients(place.group, keys[0], signed, place.record.trustees_threshold)
    except DecodeError as error:
        return Refused(codes.VOTES_CEREMONY_PROOF, str(error))
    if isinstance(row, Flaw):
        return Refused(codes.VOTES_CEREMONY_PROOF, row.detail)
    return row


def _revealed(group: Group, line: CeremonyRecord) -> tuple[Element, ...]:
    """Coefficients that were checked when they were revealed."""
    assert line.coefexps is not None, "all have revealed"
    texts = formats.decode(Coefficients, line.coefexps.message).coefexps
    return tuple(group.decode(text) for text in texts)


def _write(ctx: TxContext, place: _Place, step: str, changed: CeremonyRecord) -> Outcome:
    election = place.record.election
    CEREMONIES.put(ctx.state, rank_id(election, changed.trustee), changed)
    lines = tuple(changed if line.trustee == changed.trustee else line for line in place.lines)
    data: dict[str, object] = {"election": election, "trustee": changed.trustee, "step": step}
    if not all(line.public_key for line in lines):
        return Accepted(data)
    sealed = _seal(ctx, place, lines)
    return sealed if isinstance(sealed, Refused) else Accepted(data | sealed)


# --- sealing -------------------------------------------------------------------------------------


def _seal(ctx: TxContext, place: _Place, lines: Lines) -> dict[str, object] | Refused:
    """Belenios' trustees and election records; the sealed shares have done their work."""
    trustees_text = encode_trustees(_blocks(place, lines))
    trustees = read_trustees(place.group, trustees_text)
    if isinstance(trustees, Flaw):
        return Refused(codes.VOTES_CEREMONY_PROOF, trustees.detail)
    text = _compose(ctx.state, place, trustees.public_key)
    election = place.record.election
    put_document(ctx.state, election, "election", text.decode())
    put_document(ctx.state, election, "trustees", trustees_text.decode())
    for line in lines:
        CEREMONIES.put(ctx.state, rank_id(election, line.trustee), replace(line, secrets=()))
    phi = fingerprint(text)
    ELECTIONS.put(
        ctx.state, election.encode(), replace(place.record, phase="sealed", fingerprint=phi)
    )
    return {
        "phase": "sealed",
        "fingerprint": phi,
        "record": text.decode(),
        "trustees": trustees_text.decode(),
    }


def _blocks(place: _Place, lines: Lines) -> list[TrusteeKey | ThresholdKeys]:
    keys: list[TrusteeKey] = []
    for line in lines:
        assert line.pok is not None, "all keys are in"
        keys.append(trustee_key(line.public_key, line.pok))
    if place.record.ceremony == "single":
        return list(keys)
    certs: list[SignedMessage] = []
    coefexps: list[SignedMessage] = []
    for line in lines:
        assert line.cert is not None, "all certificates are in"
        assert line.coefexps is not None, "all coefficients are in"
        certs.append(signed_message(line.cert))
        coefexps.append(signed_message(line.coefexps))
    block = ThresholdKeys(
        threshold=place.record.trustees_threshold,
        certs=tuple(certs),
        coefexps=tuple(coefexps),
        verification_keys=tuple(keys),
    )
    return [block]


def _compose(state: Reader, place: _Place, public_key: Element) -> bytes:
    draft = DRAFTS.get(state, place.record.election.encode())
    assert draft is not None, "an election was published"
    record = make_election(
        uuid=draft.election,
        name=draft.name,
        description=draft.description,
        questions=[belenios_question(question) for question in draft.questions],
        group=place.group,
        public_key=public_key,
    )
    assert formats.decode(formats.Election, record).uuid == draft.election, "as published"
    return record
