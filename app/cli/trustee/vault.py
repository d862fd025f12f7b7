"""A trustee's secrets of one election: one sealed file each, made once, never made again.

What was published must stay what it was: a certificate, the coefficients behind a commitment and the sealed shares
are kept from the moment they are drawn, so that a step interrupted half-way is repeated byte for byte.
Reads and writes: `<folder>/<election>-<rank>.sealed`.  Never: prints what it holds.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from app.core.keyfiles import KeyFileError
from app.core.sealedfiles import read_sealed_file, write_sealed_file

SUFFIX: Final = ".sealed"


class Secrets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything secret of one place among an election's trustees. Texts are Belenios' JSON where it has one."""

    election: str
    rank: int
    group: str
    round: int = 0
    """Which ceremony of the election: a restarted one is made with new secrets."""
    scalar: str = ""
    """Ceremony `single`: the private key."""
    seed: str = ""
    """Ceremony `threshold`: 22 characters, from which the signing and receiving keys come."""
    certificate: str = ""
    polynomial: str = ""
    """Own polynomial sealed to oneself, coefficients, and a sealed share for everybody."""


@dataclass(slots=True)
class Vault:
    """The files of one folder, opened with one passphrase."""

    folder: Path
    passphrase: str = field(repr=False)

    def path(self, election: str, rank: int) -> Path:
        """Where the secrets of a place lie."""
        return self.folder / f"{election}-{rank}{SUFFIX}"

    def read(self, election: str, rank: int) -> Secrets | None:
        """The secrets of a place, None before they were made; raises KeyFileError, WrongPassphrase."""
        path = self.path(election, rank)
        if not path.exists():
            return None
        try:
            secrets = msgspec.convert(read_sealed_file(path, self.passphrase), Secrets)
        except msgspec.ValidationError as error:
            raise KeyFileError(f"{path} does not hold a trustee's secrets") from error
        if (secrets.election, secrets.rank) != (election, rank):
            raise KeyFileError(f"{path} holds the secrets of another place: was it renamed?")
        return secrets

    def keep(self, secrets: Secrets) -> None:
        """Write the secrets of a place before anything made of them leaves the machine."""
        write_sealed_file(
            self.path(secrets.election, secrets.rank),
            msgspec.to_builtins(secrets),
            self.passphrase,
        )
