"""Block sync: a node that is behind downloads decided blocks from its peers, proves each, and applies it.

State sync: a fresh node restores a snapshot that a light client proves, then block-syncs the rest.

`pool` decides what to ask of whom (no clock, no I/O), `proof` judges a block by the commit that decided it,
`serving` answers others, `service` is the thin shell that times and connects them.
"""

from chain.sync.errors import SyncFailure
from chain.sync.ports import BlockSource, Chain, PeerId, SyncTransport
from chain.sync.proof import FetchedBlock
from chain.sync.proving import StateSyncParts, StateSyncSettings
from chain.sync.restored import RestoredChain
from chain.sync.service import BlockSync, Mode, SyncParts
from chain.sync.state_serving import StateServer
from chain.sync.state_sync import StateSync

__all__ = [
    "BlockSource",
    "BlockSync",
    "Chain",
    "FetchedBlock",
    "Mode",
    "PeerId",
    "RestoredChain",
    "StateServer",
    "StateSync",
    "StateSyncParts",
    "StateSyncSettings",
    "SyncFailure",
    "SyncParts",
    "SyncTransport",
]
