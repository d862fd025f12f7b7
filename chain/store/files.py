"""Files behind one small Protocol, so that the log and the signer can be tested on a faulty disk.

Reads / Writes: the directory it was opened on.  Never: keeps a name open that it was not asked for.
"""

import os
from pathlib import Path
from typing import Protocol


class AppendFile(Protocol):
    """A file that only grows; what was appended is durable after `sync` and not before."""

    def append(self, data: bytes) -> None: ...

    def sync(self) -> None: ...

    def size(self) -> int: ...

    def close(self) -> None: ...


class Folder(Protocol):
    """A flat folder of small files."""

    def read(self, name: str) -> bytes | None:
        """Whole content, or None when there is no such file."""
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Put `data` under `name` in one durable step: afterwards old or new, never a mixture."""
        ...

    def truncate(self, name: str, size: int) -> None:
        """Cut a file to `size` bytes, durably."""
        ...

    def rename(self, old: str, new: str) -> None: ...

    def remove(self, name: str) -> None: ...

    def names(self) -> tuple[str, ...]:
        """Names present, sorted."""
        ...

    def open_append(self, name: str) -> AppendFile: ...


class DiskFile:
    """`AppendFile` on the disk; unbuffered, synced by fdatasync (size changes included by POSIX)."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._fd).st_size

    def append(self, data: bytes) -> None:
        """Hand bytes to the kernel; a short write is completed or raises OSError."""
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            self._size += written
            view = view[written:]

    def sync(self) -> None:
        """Make all appended bytes durable; raises OSError, after which the file must not be trusted."""
        os.fdatasync(self._fd)

    def size(self) -> int:
        """Bytes appended so far, those of earlier openings included."""
        return self._size

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self._fd)


class DiskFolder:
    """`Folder` on the disk; files are private to the node's user."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._prefix = f"{path}{os.sep}"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read(self, name: str) -> bytes | None:
        """Whole content, or None when there is no such file."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def replace(self, name: str, data: bytes) -> None:
        """Write aside, sync, rename over, sync the folder: the order that survives a power cut.

        Twice a height, for the signer: names are plain strings, which pathlib would take apart each time.
        """
        target = self._prefix + name
        aside = f"{target}.new"
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fdatasync(fd)
        finally:
            os.close(fd)
        os.replace(aside, target)
        self._sync_folder()

    def truncate(self, name: str, size: int) -> None:
        """Cut a file to `size` bytes, durably."""
        fd = os.open(self.path / name, os.O_WRONLY)
        try:
            os.ftruncate(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, old: str, new: str) -> None:
        """Rename durably."""
        (self.path / old).replace(self.path / new)
        self._sync_folder()

    def remove(self, name: str) -> None:
        """Forget a file; absent is fine."""
        (self.path / name).unlink(missing_ok=True)

    def names(self) -> tuple[str, ...]:
        """Names present, sorted."""
        return tuple(sorted(entry.name for entry in self.path.iterdir() if entry.is_file()))

    def open_append(self, name: str) -> DiskFile:
        """Open for appending; a file just created is durable as a name too."""
        is_new = not (self.path / name).exists()
        opened = DiskFile(self.path / name)
        if is_new:
            self._sync_folder()
        return opened

    def _sync_folder(self) -> None:
        fd = os.open(self._prefix, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class MemoryFile:
    """`AppendFile` in memory: remembers apart what a crash would keep."""

    def __init__(self, content: bytearray) -> None:
        self._content = content
        self.durable_size = len(content)

    def append(self, data: bytes) -> None:
        """Grow the file."""
        self._content += data

    def sync(self) -> None:
        """Everything so far survives a crash."""
        self.durable_size = len(self._content)

    def size(self) -> int:
        """Bytes in the file."""
        return len(self._content)

    def close(self) -> None:
        """Nothing to release."""


class MemoryFolder:
    """`Folder` in memory, for tests and simulation."""

    def __init__(self) -> None:
        self.content: dict[str, bytearray] = {}

    def read(self, name: str) -> bytes | None:
        """Whole content, or None when there is no such file."""
        held = self.content.get(name)
        return None if held is None else bytes(held)

    def replace(self, name: str, data: bytes) -> None:
        """Put `data` under `name`."""
        self.content[name] = bytearray(data)

    def truncate(self, name: str, size: int) -> None:
        """Cut a file to `size` bytes."""
        del self.content[name][size:]

    def rename(self, old: str, new: str) -> None:
        """Move a file."""
        self.content[new] = self.content.pop(old)

    def remove(self, name: str) -> None:
        """Forget a file; absent is fine."""
        self.content.pop(name, None)

    def names(self) -> tuple[str, ...]:
        """Names present, sorted."""
        return tuple(sorted(self.content))

    def open_append(self, name: str) -> MemoryFile:
        """Open for appending."""
        return MemoryFile(self.content.setdefault(name, bytearray()))
