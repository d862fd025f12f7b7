"""A registrar's blind-signing keys of one election, one per station: a sealed file, made once, never made again.

A key made twice would leave signatures nobody can use, so the file is kept before anything is published.
Reads and writes: `<folder>/<election>-<rank>.registrar`.  Never: prints what it holds.
"""

import secrets as chance
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from app.core.keyfiles import KeyFileError
from app.core.sealedfiles import read_sealed_file, write_sealed_file
from chain.codec.canonical import b64url_encode
from chain.crypto.blind_rsa import SignerKey, SignerPublicKey, blind_sign, is_blind_signature
from chain.crypto.rsa_modulus import (
    EXPONENT,
    REGISTRAR_MODULUS_BITS,
    encode_modulus,
    why_unfit_slowly,
)

SUFFIX: Final = ".registrar"
Station = tuple[str, str]
"""Code of the station and its weight class."""


class KeptKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One station's key by its primes, hexadecimal."""

    station: str
    weight_class: str
    p: str
    q: str


class KeptKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything secret of one registrar's place in one election."""

    election: str
    rank: int
    keys: tuple[KeptKey, ...]

    def signers(self) -> dict[Station, SignerKey]:
        """The keys, ready to sign; raises ValueError when they are not keys."""
        return {(key.station, key.weight_class): _open(key) for key in self.keys}


@dataclass(slots=True)
class Keyring:
    """The files of one folder, opened with one passphrase."""

    folder: Path
    passphrase: str = field(repr=False)

    def path(self, election: str, rank: int) -> Path:
        """Where the keys of a place lie."""
        return self.folder / f"{election}-{rank}{SUFFIX}"

    def read(self, election: str, rank: int) -> KeptKeys | None:
        """The keys of a place, None before they were made; raises KeyFileError, WrongPassphrase."""
        path = self.path(election, rank)
        if not path.exists():
            return None
        try:
            kept = msgspec.convert(read_sealed_file(path, self.passphrase), KeptKeys)
            kept.signers()
        except (msgspec.ValidationError, ValueError) as error:
            raise KeyFileError(f"{path} does not hold a registrar's keys") from error
        if (kept.election, kept.rank) != (election, rank):
            raise KeyFileError(f"{path} holds the keys of another place: was it renamed?")
        return kept

    def make(self, election: str, rank: int, stations: Iterable[Station]) -> KeptKeys:
        """Fresh keys, sealed in a file of mode 0600 before they are returned; raises KeyFileError if there are some."""
        if self.path(election, rank).exists():
            raise KeyFileError(f"{self.path(election, rank)} exists: its keys may be published")
        kept = KeptKeys(election=election, rank=rank, keys=tuple(map(_make, stations)))
        write_sealed_file(self.path(election, rank), msgspec.to_builtins(kept), self.passphrase)
        return kept


def modulus_text(signer: SignerKey) -> str:
    """The public half, as `registrar.keys` carries it."""
    return b64url_encode(encode_modulus(signer.public))


def _make(station: Station) -> KeptKey:
    """A key out of OpenSSL's generator, judged as a stranger's would be and tried once."""
    made = generate_private_key(EXPONENT, REGISTRAR_MODULUS_BITS).private_numbers()
    kept = KeptKey(station=station[0], weight_class=station[1], p=f"{made.p:x}", q=f"{made.q:x}")
    signer = _open(kept)
    public = signer.public
    assert not why_unfit_slowly(public.n), "OpenSSL makes fit keys"
    asked = (2).to_bytes(public.size_bytes, "big")
    assert is_blind_signature(public, asked, blind_sign(signer, asked, chance.token_bytes))
    return kept


def _open(key: KeptKey) -> SignerKey:
    p, q = int(key.p, 16), int(key.q, 16)
    return SignerKey(SignerPublicKey(p * q, EXPONENT), p, q)
