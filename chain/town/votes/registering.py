"""The anonymous registration of a credential, and the commission's word that closes the list.

A registration shows signatures of exactly the station's signer set about one credential, and that whoever
sends it knows the credential's secret. Nothing else is in it: no account, no number, no subset that tells people apart.
A credential is the name under which its token is spent: it enters once, and as many enter at a station as were served.

Reads: keys, signer sets.  Writes: namespace votes, tables credential, station, count; `sealing` when the list closes.
Never: learns who registers.
Source: PROTOCOL §8; research/voting.md §7.2, §7.3.
"""

from hashlib import sha256
from typing import Final

from msgspec.structs import replace

from chain.codec.canonical import b64url_decode
from chain.codec.errors import DecodeError
from chain.crypto import blind_rsa
from chain.crypto.blind_rsa import RANDOMIZED_PSS
from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.votes.records import (
    COUNTS,
    CREDENTIALS,
    ELECTIONS,
    STATIONS,
    CredentialRecord,
    ElectionRecord,
    StationRecord,
    credential_id,
    get_counts,
    get_election,
    get_station,
    group_of,
    in_phase,
    station_id,
)
from chain.town.votes.registrars import station_keys
from chain.town.votes.sealing import start_freeze
from chain.town.votes_schemas import CredRegister, RollFreeze
from chain.types import codes
from chain.votes.formats import Proof
from chain.votes.group import Element, Group, is_proper_member
from chain.votes.messages import knows_secret, registration_prefix, token_message

_BASE_GAS_US: Final = {"BELENIOS-2048": 6_000, "Ed25519": 3_000}
"""Reading the credential, membership, proof and records."""
_SIGNATURE_GAS_US: Final = 700
_KEY_LABEL: Final = b"beffroi-registration\x00"


def registration_key(body: CredRegister) -> bytes:
    """The registration's name for ever: of the credential in its election, whatever signatures stand beside it."""
    return sha256(_KEY_LABEL + f"{body.election}|{body.credential}".encode()).digest()


def register_gas_us(state: Reader, body: CredRegister) -> int:
    """Worst cost by the group and the number of signatures."""
    record = ELECTIONS.get(state, body.election.encode())
    group = "BELENIOS-2048" if record is None else record.group
    return _BASE_GAS_US[group] + len(body.signatures) * _SIGNATURE_GAS_US


def why_register_over(state: Reader, body: CredRegister, now_s: int) -> Refused | None:
    """Why a registration that waits will never be taken: the list is closed, or a block holds it.

    Membership of the group was judged when it came; asked of a whole queue after every block it would cost more than
    the block.
    """
    record = get_election(state, body.election)
    if isinstance(record, Refused):
        return record
    if record.phase != "registration" or now_s >= record.calendar.registration_closes:
        return Refused(codes.VOTES_REGISTRATION_CLOSED)
    group = group_of(record)
    try:
        credential = group.decode(body.credential)
    except DecodeError as error:
        return Refused(codes.VOTES_CREDENTIAL_INVALID, str(error))
    known = CREDENTIALS.get(state, credential_id(group, body.election, credential))
    return None if known is None else Refused(codes.VOTES_CREDENTIAL_KNOWN)


def apply_register(ctx: TxContext, body: CredRegister) -> Outcome:
    """One credential more on the list."""
    record = get_election(ctx.state, body.election)
    if isinstance(record, Refused):
        return record
    closes_s = record.calendar.registration_closes
    if record.phase != "registration" or ctx.time_s >= closes_s:
        detail = f"until {closes_s}, now {ctx.time_s}, phase {record.phase}"
        return Refused(codes.VOTES_REGISTRATION_CLOSED, detail)
    line = get_station(ctx.state, body.election, body.station, body.weight_class)
    if isinstance(line, Refused):
        return line
    group = group_of(record)
    credential = _read_credential(group, body)
    if isinstance(credential, Refused):
        return credential
    record_id = credential_id(group, body.election, credential)
    if CREDENTIALS.get(ctx.state, record_id) is not None:
        return Refused(codes.VOTES_CREDENTIAL_KNOWN)
    refused = _check_signers(line, body) or _check_proofs(ctx.state, record, credential, body)
    if refused is not None:
        return refused
    entered = CredentialRecord(body.credential, body.station, body.weight_class, line.weight)
    CREDENTIALS.put(ctx.state, record_id, entered)
    return Accepted(_count_registered(ctx.state, body, line))


def _read_credential(group: Group, body: CredRegister) -> Element | Refused:
    """The credential, a member of the group that is not neutral; the list sorts by it."""
    try:
        credential = group.decode(body.credential)
    except DecodeError as error:
        return Refused(codes.VOTES_CREDENTIAL_INVALID, str(error))
    if not is_proper_member(group, credential):
        return Refused(codes.VOTES_CREDENTIAL_INVALID, "not a member of the group")
    return credential


def _check_signers(line: StationRecord, body: CredRegister) -> Refused | None:
    """Exactly the set that was fixed, in order, and no more credentials than were served by it."""
    if tuple(entry.registrar for entry in body.signatures) != line.signers:
        shown = " ".join(map(str, line.signers))
        return Refused(codes.VOTES_SIGNERS_WRONG, f"registrars {shown}")
    if line.registrations >= line.served:
        return Refused(codes.VOTES_REGISTRATIONS_FULL, f"{line.served} served")
    return None


def _check_proofs(
    state: Reader, record: ElectionRecord, credential: Element, body: CredRegister
) -> Refused | None:
    """The secret is known, and every registrar of the set signed."""
    where = (body.election, body.station, body.weight_class, body.credential)
    proof = Proof(challenge=body.proof.challenge, response=body.proof.response)
    if not knows_secret(group_of(record), registration_prefix(*where), credential, proof):
        return Refused(codes.VOTES_CREDENTIAL_INVALID, "the proof of its secret")
    keys = station_keys(state, record, body.station, body.weight_class)
    message = token_message(*where)
    for entry in body.signatures:
        key = keys[entry.registrar - 1]
        assert key is not None, "issuance opened when all keys were published"
        prepared = b64url_decode(entry.prefix) + message
        if not blind_rsa.verify(key, RANDOMIZED_PSS, prepared, b64url_decode(entry.signature)):
            return Refused(codes.VOTES_TOKEN_INVALID, f"registrar {entry.registrar}")
    return None


def _count_registered(
    state: Overlay, body: CredRegister, line: StationRecord
) -> dict[str, str | int]:
    registrations = line.registrations + 1
    line_id = station_id(body.election, body.station, body.weight_class)
    STATIONS.put(state, line_id, replace(line, registrations=registrations))
    counts = get_counts(state, body.election)
    total = counts.registrations + 1
    COUNTS.put(state, body.election.encode(), replace(counts, registrations=total))
    return {
        "election": body.election,
        "station": body.station,
        "weight_class": body.weight_class,
        "weight": line.weight,
        "registrations": total,
    }


def apply_freeze(ctx: TxContext, body: RollFreeze) -> Outcome:
    """A commission of another body than the election's closes the list, with the counts it has seen."""
    record = get_election(ctx.state, body.election)
    if isinstance(record, Refused):
        return record
    if ctx.sender == record.owner:
        return Refused(codes.TX_NOT_ENTITLED, "an electoral commission of another body")
    refused = in_phase(record, "registration")
    if refused is not None:
        return refused
    if ctx.time_s < record.calendar.registration_closes:
        until = f"registration until {record.calendar.registration_closes}"
        return Refused(codes.VOTES_WRONG_PHASE, until)
    counts = get_counts(ctx.state, body.election)
    if (body.requests, body.registrations) != (counts.requests, counts.registrations):
        seen = f"{counts.requests} requests, {counts.registrations} registrations"
        return Refused(codes.VOTES_COUNTS_DIFFER, seen)
    start_freeze(ctx.state, record, ctx.time_s)
    return Accepted(
        {
            "election": body.election,
            "phase": "freezing",
            "requests": counts.requests,
            "served": counts.served,
            "registrations": counts.registrations,
        }
    )
