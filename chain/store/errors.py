"""What storage may find broken; each has a stable `code`, and each stops the node.

StoreError
├── StoreCorrupted   `store_corrupted`  a value does not match its checksum, or cannot be decoded
├── StoreFailed      `store_io`         the disk refused a read, a write or a sync
├── StoreFull        `store_full`       the map reached LMDB_MAP_MAX_BYTES, or the disk is full
├── WalDamaged       `wal_damaged`      a record in the middle of the log is unreadable
└── WalBroken        `wal_broken`       a write or sync of the log failed, nothing more is taken
"""

from typing import ClassVar


class StoreError(Exception):
    """Root of this package's errors."""

    code: ClassVar[str] = "store_error"


class StoreCorrupted(StoreError):
    """What was read is not what was written; restore from a copy or resync."""

    code = "store_corrupted"


class StoreFailed(StoreError):
    """The disk failed; what was to be written is not there. Look at the disk before the next start."""

    code = "store_io"


class StoreFull(StoreError):
    """No room for one more block; nothing of it was kept."""

    code = "store_full"


class WalDamaged(StoreError):
    """Records after the damage exist, so cutting there would forget signed messages."""

    code = "wal_damaged"


class WalBroken(StoreError):
    """A write or sync failed earlier in this process; only a new start may read what became of it."""

    code = "wal_broken"
