"""Which files were erased, kept beside the person keys: a backup that is restored must not bring anybody back.

The chain says the same of identities it knows; files that never reached it are only here. A line is a random
identifier, of somebody whom nothing else names any more.
Reads and writes: `<person keys>/erasures.log`, append only.
"""

import os
from pathlib import Path
from typing import Final

FILE: Final = "erasures.log"


class ErasureLog:
    """The append-only list of erased files."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def add(self, cid: str) -> None:
        """Note one erasure, durable before anything is destroyed; once is enough."""
        if cid in self.read():
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, f"{cid}\n".encode("ascii"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self) -> frozenset[str]:
        """Every erased file's identifier."""
        try:
            return frozenset(self._path.read_text(encoding="ascii").split())
        except FileNotFoundError:
            return frozenset()
