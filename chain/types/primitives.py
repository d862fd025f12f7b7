"""Names for the plain values that cross module borders, so that signatures say what they mean.

They are aliases, not new classes: arithmetic on heights and powers must stay free of wrapping.
"""

from enum import IntEnum
from typing import Final, TypeAlias

Height: TypeAlias = int
"""Block height, 1 to 2^63-1; 0 means "before the first block"."""
Round: TypeAlias = int
"""Consensus round, 0 to 2^31-1; -1 means "none" (POL round, locked round, valid round)."""
Power: TypeAlias = int
"""Voting power, 0 to MAX_TOTAL_POWER."""
Hash: TypeAlias = bytes
"""SHA-256 digest, 32 bytes; empty means "absent"."""
Address: TypeAlias = bytes
"""First 20 bytes of SHA-256 of an Ed25519 public key."""

INT64_MAX: Final = 2**63 - 1
INT64_MIN: Final = -(2**63)
MAX_TOTAL_POWER: Final = INT64_MAX // 8
"""CometBFT 0.38 `types.MaxTotalVotingPower`: leaves room for priorities in int64."""


class SignedMsgType(IntEnum):
    """What a consensus signature covers (`tendermint.types.SignedMsgType`)."""

    UNKNOWN = 0
    PREVOTE = 1
    PRECOMMIT = 2
    PROPOSAL = 32


class BlockIDFlag(IntEnum):
    """What one validator did in a commit (`tendermint.types.BlockIDFlag`)."""

    UNKNOWN = 0
    ABSENT = 1
    COMMIT = 2
    NIL = 3
