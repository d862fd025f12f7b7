"""Registrars' keys: one modulus per election, station and weight class, judged before anybody asks for a signature.

Reads: elections, bodies' places.  Writes: namespace votes, tables registrar, key, modulus.
Source: research/voting.md §6 (one key per election, station and class), §7.4 (keys fixed before issuance: no tagging).
"""

from functools import lru_cache
from hashlib import sha256

from chain.codec.canonical import b64url_decode
from chain.crypto.blind_rsa import SignerPublicKey
from chain.crypto.rsa_modulus import EXPONENT, read_registrar_key, shares_factor
from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.votes.records import (
    KEYS,
    MODULI,
    REGISTRARS,
    ElectionRecord,
    KeyRecord,
    ModulusRecord,
    RegistrarRecord,
    get_election,
    in_phase,
    key_id,
    rank_id,
    scan_election,
    stations_of,
)
from chain.town.votes_schemas import RegistrarKeys, StationKey
from chain.types import codes


def apply_keys(ctx: TxContext, body: RegistrarKeys) -> Outcome:
    """A registrar's moduli, one per station: fresh, fit, and sharing no factor with another registrar's."""
    record = get_election(ctx.state, body.election)
    if isinstance(record, Refused):
        return record
    refused = check_place(ctx, record, body.registrar) or in_phase(record, "sealed")
    if refused is not None:
        return refused
    if REGISTRARS.get(ctx.state, rank_id(body.election, body.registrar)) is not None:
        return Refused(codes.VOTES_KEYS_REFUSED, "this registrar's keys are published")
    stations = [(s.station, s.weight_class) for s in stations_of(ctx.state, body.election)]
    if stations != [(key.station, key.weight_class) for key in body.keys]:
        return Refused(codes.VOTES_STATIONS_REFUSED, "one key for every station, in order")
    for key in body.keys:
        refused = _put_key(ctx.state, record, body.registrar, key)
        if refused is not None:
            return refused
    place = RegistrarRecord(ctx.sender.removeprefix("body:"), ctx.height)
    REGISTRARS.put(ctx.state, rank_id(body.election, body.registrar), place)
    published = sum(1 for _ in scan_election(REGISTRARS, ctx.state, body.election))
    data = {"election": body.election, "registrar": body.registrar, "published": published}
    return Accepted(data)


def _put_key(
    state: Overlay, record: ElectionRecord, registrar: int, key: StationKey
) -> Refused | None:
    where = f"{key.station}/{key.weight_class}"
    raw = b64url_decode(key.n)
    try:
        read = read_registrar_key(raw)
    except ValueError as error:
        return Refused(codes.VOTES_KEYS_REFUSED, f"{where}: {error}")
    digest = sha256(raw).digest()
    if MODULI.get(state, digest) is not None:
        return Refused(codes.VOTES_KEYS_REFUSED, f"{where}: used before")
    others = station_keys(state, record, key.station, key.weight_class)
    if shares_factor(read.n, (other.n for other in others if other)):
        return Refused(codes.VOTES_KEYS_REFUSED, f"{where}: shares a factor with another key")
    MODULI.put(state, digest, ModulusRecord(record.election))
    KEYS.put(
        state, key_id(record.election, key.station, key.weight_class, registrar), KeyRecord(key.n)
    )
    return None


def check_place(ctx: TxContext, record: ElectionRecord, registrar: int) -> Refused | None:
    """None when the sender holds that registrar's place in this election."""
    if (
        registrar > len(record.registrars)
        or ctx.sender != f"body:{record.registrars[registrar - 1]}"
    ):
        return Refused(codes.VOTES_REGISTRAR_UNKNOWN, f"place {registrar}")
    return None


def station_keys(
    state: Reader, record: ElectionRecord, station: str, weight_class: str
) -> tuple[SignerPublicKey | None, ...]:
    """The registrars' keys for a station, in order; None for one that is not published."""
    found = (
        KEYS.get(state, key_id(record.election, station, weight_class, registrar))
        for registrar in range(1, len(record.registrars) + 1)
    )
    return tuple(None if key is None else read_key(key.n) for key in found)


@lru_cache(maxsize=1_024)
def read_key(n: str) -> SignerPublicKey:
    """A published key, which was judged when it was published."""
    return SignerPublicKey(int.from_bytes(b64url_decode(n), "big"), EXPONENT)
