"""One process per home folder: a node that runs, or a command that changes what it left.

The lock is the kernel's (`flock`): it goes with the process however that ends, so there is no stale one.
"""

import fcntl
import os
import weakref
from pathlib import Path
from typing import Final

from chain.node.errors import ConfigError

LOCK_FILE: Final = "node.lock"


class HomeLock:
    """Held from construction to `release`, or until nobody refers to it any more."""

    def __init__(self, data: Path) -> None:
        """Take the lock of a data folder; raises ConfigError when another process has it."""
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(data / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise ConfigError(
                "config_home_in_use", f"a node runs on {data.parent}; stop it first"
            ) from error
        # A constructor that fails later leaves no lock behind either.
        self._end = weakref.finalize(self, os.close, fd)

    def release(self) -> None:
        """Let others in; twice is fine."""
        self._end()
