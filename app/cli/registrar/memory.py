"""What this machine signed: for each citizen of an election, the one value it signed, written before the answer leaves.

The chain holds one request a citizen. Should it ever show a second one (a fork, or more than two thirds of the
validators lying), this registrar still signs one value only: the quorum rule counts on it.
Reads and writes: `<folder>/<election>-<rank>.signed`, a line per citizen.  Never: rewrites or deletes one.
"""

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from app.core.keyfiles import PRIVATE_MODE, KeyFileError, read_private_text
from app.core.sealedfiles import sync_folder

SUFFIX: Final = ".signed"


class OtherValue(Exception):
    """Another value of this citizen was signed here before; that is refused for ever."""


class Memory:
    """The file of one place in one election."""

    def __init__(self, folder: Path, election: str, rank: int) -> None:
        self._path = folder / f"{election}-{rank}{SUFFIX}"
        self._known = self._load()

    def __len__(self) -> int:
        return len(self._known)

    def check(self, cid: str, value: bytes) -> None:
        """Raises OtherValue when another value was signed for this citizen."""
        known = self._known.get(cid)
        if known is not None and known != _digest(value):
            raise OtherValue(
                f"another request of {cid} was signed here: do not sign a second, tell the electoral commission"
            )

    def remember(self, values: Mapping[str, bytes]) -> None:
        """Write down what is about to be signed, durably; raises OtherValue, and then nothing is written."""
        fresh = {}
        for cid, value in values.items():
            self.check(cid, value)
            if cid not in self._known:
                fresh[cid] = _digest(value)
        if not fresh:
            return
        lines = "".join(json.dumps([cid, digest]) + "\n" for cid, digest in sorted(fresh.items()))
        is_first = not self._path.exists()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        if is_first:
            sync_folder(self._path.parent)
        self._known |= fresh

    def _load(self) -> dict[str, str]:
        """Lines that were written whole; one cut by a power failure was never acted on, and is cut off."""
        if not self._path.exists():
            return {}
        text = read_private_text(self._path)
        whole = text[: text.rfind("\n") + 1]
        try:
            known = dict(json.loads(line) for line in whole.splitlines())
        except (ValueError, TypeError) as error:
            raise KeyFileError(
                f"{self._path} cannot be read: nothing is signed without it"
            ) from error
        if whole != text:
            os.truncate(self._path, len(whole.encode()))
        return known


def _digest(value: bytes) -> str:
    return sha256(value).hexdigest()
