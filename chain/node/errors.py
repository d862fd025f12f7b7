"""Why a node does not start, or stops; each has a stable `code` that the log and the exit message carry.

NodeError
├── ConfigError        `config_*`      a file of the home folder is missing or wrong
├── HandshakeRefused   see handshake   store, state and application cannot be brought together
├── SignerRefused      `signer_*`      what the validator's key signed is not known, or the key is in use
└── ConsensusFailure   `consensus_*`   a broken invariant while running
"""


class NodeError(Exception):
    """Root of this package's errors."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class ConfigError(NodeError):
    """Correct the named file and start again."""


class HandshakeRefused(NodeError):
    """Do not delete anything: compare the copies, or restore one that belongs together."""


class SignerRefused(NodeError):
    """Bring back the newest signer state and log, or let the other validators replace this key."""


class ConsensusFailure(NodeError):
    """The node stopped rather than go on wrongly; the bundle under data/failures says where."""
