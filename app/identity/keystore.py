"""One secret key per person, in a folder apart from the database, wrapped by the town's master key.

Destroying a person's file makes every sealed record, salt and index of that person unreadable, in the live
database and in every backup of it: that is what erasure means here (PROTOCOL §6).
Reads and writes: its own folder only.  Never: logs, never gives out the master key.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from nacl.utils import random as random_bytes

from app.core.sealedfiles import sync_folder

KEY_BYTES: Final = SecretBox.KEY_SIZE
NAME_CHARS_MAX: Final = 64


class KeyStoreError(Exception):
    """The store cannot do what was asked."""


class PersonKeyGone(KeyStoreError):
    """There is no key for this person: never made, or destroyed by erasure."""


class MasterKeyWrong(KeyStoreError):
    """A person's key exists but this master key does not open it."""


class PersonKeys:
    """The folder of wrapped keys: `<folder>/<2 characters>/<person>.key`, each a NaCl secret box."""

    def __init__(self, folder: Path, master_key: bytes) -> None:
        if len(master_key) != KEY_BYTES:
            raise MasterKeyWrong(f"the master key has {KEY_BYTES} bytes")
        self._folder = folder
        self._master = SecretBox(master_key)

    def create(self, person: str) -> SecretBox:
        """A fresh key for a new person, durable before it is used; raises KeyStoreError if one exists."""
        key = random_bytes(KEY_BYTES)
        path = self._path(person)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            write_new_file(path, bytes(self._master.encrypt(key)))
        except FileExistsError as error:
            raise KeyStoreError("this person already has a key") from error
        return SecretBox(key)

    def load(self, person: str) -> SecretBox:
        """The box of a person; raises PersonKeyGone or MasterKeyWrong."""
        try:
            wrapped = self._path(person).read_bytes()
        except FileNotFoundError as error:
            raise PersonKeyGone("no key for this person") from error
        try:
            return SecretBox(self._master.decrypt(wrapped))
        except CryptoError as error:
            raise MasterKeyWrong("the master key does not open this person's key") from error

    def destroy(self, person: str) -> bool:
        """Erase a person's key for good; False when there was none."""
        return destroy_file(self._path(person))

    def persons(self) -> Iterator[str]:
        """Everybody who has a key, in no order."""
        return (path.stem for path in self._folder.glob("*/*.key"))

    def _path(self, person: str) -> Path:
        if not (
            0 < len(person) <= NAME_CHARS_MAX and person.replace("-", "").replace("_", "").isalnum()
        ):
            raise KeyStoreError("not a person's identifier")
        return self._folder / person[:2] / f"{person}.key"


def write_new_file(path: Path, content: bytes) -> None:
    """Create a durable file that only its owner reads; raises FileExistsError, never replaces one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def destroy_file(path: Path) -> bool:
    """Overwrite and remove a file; False when there was none."""
    try:
        size = path.stat().st_size
        # Best effort on file systems that write in place; the backup window does the rest.
        with path.open("r+b") as file:
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return False
    sync_folder(path.parent)
    return True
