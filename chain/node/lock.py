"""One process per home folder, and one per validator key on a machine.

Both locks are the kernel's: they go with the process however that ends, so there is no stale one.
"""

import fcntl
import os
import socket
import weakref
from pathlib import Path
from typing import Final

from chain.node.errors import ConfigError, SignerRefused
from chain.types.primitives import Address

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


class KeyLock:
    """Held by the node that signs with a key: a copied home on the same machine does not start beside it.

    An abstract Unix socket (Linux, `unix(7)`): a name in the kernel without a file, per network namespace.
    """

    def __init__(self, validator: Address) -> None:
        """Take the lock of a validator's address; raises SignerRefused when another process has it."""
        held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            held.bind(f"\0beffroi-validator-{validator.hex()}")
        except OSError as error:
            held.close()
            raise SignerRefused(
                "signer_key_in_use", "another node on this machine signs with this validator key"
            ) from error
        self._socket = held

    def release(self) -> None:
        """Let others in; twice is fine."""
        self._socket.close()
