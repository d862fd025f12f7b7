"""Block sync: a node that is behind downloads decided blocks from its peers, proves each, and applies it.

`pool` decides what to ask of whom (no clock, no I/O), `proof` judges a block by the commit that decided it,
`serving` answers others, `service` is the thin shell that times and connects them.
"""

from chain.sync.errors import SyncFailure
from chain.sync.ports import BlockSource, Chain, PeerId, SyncTransport
from chain.sync.proof import FetchedBlock
from chain.sync.service import BlockSync, Mode, SyncParts

__all__ = [
    "BlockSource",
    "BlockSync",
    "Chain",
    "FetchedBlock",
    "Mode",
    "PeerId",
    "SyncFailure",
    "SyncParts",
    "SyncTransport",
]
