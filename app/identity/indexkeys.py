"""The keys of the duplicate indices: versions side by side, wrapped by the master key, apart from the database.

Without them a digest of a name cannot be told from chance; with them twenty thousand names are tried in a second.
Rotation adds a version, recomputes every digest from the sealed files, then destroys the old version.
Reads and writes: `<person keys>/index/<version>.wrapped`.  Never: gives a key to the database or a log.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from nacl.utils import random as random_bytes

from app.identity.keystore import KEY_BYTES, MasterKeyWrong, destroy_file, write_new_file

VERSIONS_MAX: Final = 9_999


@dataclass(frozen=True, slots=True)
class IndexKey:
    """One version of the key: 32 bytes."""

    version: int
    key: bytes = field(repr=False)


class IndexKeys:
    """The folder of wrapped index keys."""

    def __init__(self, folder: Path, master_key: bytes) -> None:
        if len(master_key) != KEY_BYTES:
            raise MasterKeyWrong(f"the master key has {KEY_BYTES} bytes")
        self._folder = folder / "index"
        self._master = SecretBox(master_key)
        self._opened: dict[int, IndexKey] = {}

    def all(self) -> tuple[IndexKey, ...]:
        """Every live version, oldest first; the first one is made at first use. Raises MasterKeyWrong.

        The folder is looked at each time, for another process may have added a version; a file is opened once.
        """
        versions = self._list_versions()
        if not versions:
            self._write(1)
            versions = self._list_versions()
        self._opened = {
            version: self._opened.get(version) or self._load(version) for version in versions
        }
        return tuple(self._opened.values())

    def current(self) -> IndexKey:
        """The version under which new files are indexed."""
        return self.all()[-1]

    def add(self) -> IndexKey:
        """A further version, current from now on."""
        version = self.current().version + 1
        assert version <= VERSIONS_MAX, "a key is not rotated ten thousand times"
        self._write(version)
        return self._load(version)

    def destroy(self, version: int) -> bool:
        """Forget a version for good; False when there was none. The current one stays."""
        assert version != self.current().version, "the current index key is not destroyed"
        return destroy_file(self._path(version))

    def _list_versions(self) -> list[int]:
        return sorted(int(path.stem) for path in self._folder.glob("*.wrapped"))

    def _write(self, version: int) -> None:
        """Make a version; whoever comes second uses the first one's."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            write_new_file(
                self._path(version), bytes(self._master.encrypt(random_bytes(KEY_BYTES)))
            )
        except FileExistsError:
            return

    def _load(self, version: int) -> IndexKey:
        try:
            return IndexKey(version, self._master.decrypt(self._path(version).read_bytes()))
        except CryptoError as error:
            raise MasterKeyWrong("the master key does not open the index keys") from error

    def _path(self, version: int) -> Path:
        return self._folder / f"{version}.wrapped"
