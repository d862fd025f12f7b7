"""What this machine decrypted, one file per election and place, written before the decryption leaves it.

A trustee decrypts one encrypted tally per election, once: two different ones, subtracted, would open single ballots. So
the tally's hash is kept, with the decryption; the same is answered again, another is refused for ever.
Reads and writes: `<folder>/<election>-<rank>.decrypted`.  Never: deletes one.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.core.keyfiles import KeyFileError, read_private_text
from app.core.sealedfiles import write_durably

SUFFIX: Final = ".decrypted"


class OtherTally(Exception):
    """This place decrypted another encrypted tally of this election before; that is refused for ever."""


@dataclass(frozen=True, slots=True)
class Decrypted:
    """One decryption made here."""

    tally_hash: str
    """SHA-256 of the encrypted tally's record, hexadecimal."""
    share: str
    """The partial decryption, as it was sent or was going to be."""


class Memory:
    """The files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def recall(self, election: str, rank: int, tally_hash: str) -> Decrypted | None:
        """The decryption of this tally, None when none was made; raises OtherTally, KeyFileError."""
        path = self._path(election, rank)
        if not path.exists():
            return None
        try:
            content = json.loads(read_private_text(path))
            known = Decrypted(str(content["tally"]), str(content["share"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise KeyFileError(f"{path} cannot be read: nothing is decrypted without it") from error
        if known.tally_hash != tally_hash:
            raise OtherTally(
                f"tally {known.tally_hash} of election {election} was decrypted here; {tally_hash} is another: "
                "do not decrypt it, tell the electoral commission"
            )
        return known

    def remember(self, election: str, rank: int, decrypted: Decrypted) -> None:
        """Write down a decryption; raises OtherTally when another was."""
        content = {"tally": decrypted.tally_hash, "share": decrypted.share}
        try:
            write_durably(self._path(election, rank), json.dumps(content) + "\n", is_new=True)
        except FileExistsError:
            self.recall(election, rank, decrypted.tally_hash)

    def _path(self, election: str, rank: int) -> Path:
        return self._folder / f"{election}-{rank}{SUFFIX}"
