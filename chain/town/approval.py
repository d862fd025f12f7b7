"""The council's word on a recovery genesis: more than two thirds of its seats sign the SHA-256 of the file.

When more than a third of the power is lost for good, no block can be decided any more, hence no act of the council
either. The town then goes on from an exported genesis with other validators (docs/fault-model.md), and what makes
that genesis the town's is this file beside it, `genesis.signatures.json`: a JWS of type `beffroi-genesis` over

    {"town", "chain_id", "initial_height", "old_app_hash", "genesis_sha256"}

Reads: bytes.  Writes: nothing.  Never: takes a seat's word for a file it did not hash, or counts a stranger.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from msgspec import Struct

from chain.codec.canonical import b64url_encode, encode_canonical
from chain.codec.errors import DecodeError
from chain.crypto import jws
from chain.limits import GENESIS_SIGNATURES_MAX_BYTES
from chain.town.accounts import SEATS, SeatRecord
from chain.town.context import Reader
from chain.town.envelope import public_key
from chain.town.migration import MigratedState, decode_migration, migrated_reader
from chain.types.params import GenesisDoc

APPROVAL_TYP: Final = "beffroi-genesis"


class GenesisApproval(Struct, frozen=True, forbid_unknown_fields=True):
    """What a seat signs; hashes are base64url, `old_app_hash` is the state the old chain last proved."""

    town: str
    chain_id: str
    initial_height: int
    old_app_hash: str
    genesis_sha256: str


def approval_payload(raw: bytes, doc: GenesisDoc, app_state_bytes: bytes) -> bytes:
    """The bytes to sign for a genesis file; raises GenesisError when it continues no town."""
    state = decode_migration(app_state_bytes)
    return encode_canonical(
        GenesisApproval(
            state.town,
            doc.chain_id,
            doc.initial_height,
            state.lineage.app_hash,
            b64url_encode(sha256(raw).digest()),
        )
    )


def seats_of(reader: Reader) -> dict[str, SeatRecord]:
    """The council of a state, by thumbprint."""
    return {kid.decode(): record for kid, record in SEATS.scan(reader)}


def seats_of_genesis(state: MigratedState) -> dict[str, SeatRecord]:
    """The council that an exported genesis carries; recovery acts cannot change it."""
    return seats_of(migrated_reader(state))


def add_approval(payload: bytes, held: bytes, signer: jws.SigningKey) -> bytes:
    """The signature file with one seat more; raises DecodeError or ValueError for a file that is of another genesis."""
    if not held:
        return jws.sign_compact(payload, APPROVAL_TYP, signer)
    if jws.parse(held, APPROVAL_TYP, GENESIS_SIGNATURES_MAX_BYTES).payload != payload:
        raise ValueError("the signature file is of another genesis")
    return jws.add_signature(held, APPROVAL_TYP, signer, GENESIS_SIGNATURES_MAX_BYTES)


def judge_approval(payload: bytes, held: bytes, seats: Mapping[str, SeatRecord]) -> str:
    """Why these signatures do not make this genesis the town's; empty when they do."""
    try:
        parsed = jws.parse(held, APPROVAL_TYP, GENESIS_SIGNATURES_MAX_BYTES)
    except DecodeError as error:
        return f"the signature file cannot be read: {error}"
    if parsed.payload != payload:
        return "the signatures are over another genesis"
    for entry in parsed.signatures:
        seat = seats.get(entry.kid)
        if seat is None:
            return f"{entry.kid} has no seat in the council"
        if not jws.verify_signature(entry, public_key(seat.jwk)):
            return f"the signature of {seat.body} does not verify"
    if 3 * len(parsed.signatures) <= 2 * len(seats):
        return (
            f"signed by {len(parsed.signatures)} of {len(seats)} seats, more than two thirds must"
        )
    return ""


def signers_of(held: bytes) -> tuple[str, ...]:
    """Thumbprints in a signature file that was judged."""
    return tuple(
        e.kid for e in jws.parse(held, APPROVAL_TYP, GENESIS_SIGNATURES_MAX_BYTES).signatures
    )
