"""A chain from its genesis, block by block, every byte verified: for commands that recompute without SQL.

Reads: nodes' RPC, the trusted genesis.  Writes: nothing.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.core.chain_client import ChainClient
from app.core.feed import BlockFeed
from app.core.journal import JournalReader
from app.core.projector import genesis_anchor
from app.core.transactions import ReadAnonymous, read_body, read_committed
from app.core.verifier import Verifier
from chain.types.params import GenesisDoc


@dataclass(frozen=True, slots=True)
class ReplayedTx:
    """An accepted transaction: its typed body, and its result decoded."""

    kind: str
    body: Any
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReplayedBlock:
    """A proved block: accepted transactions in order, and what happened at its end."""

    height: int
    time_s: int
    transactions: tuple[ReplayedTx, ...]
    journal: tuple[dict[str, Any], ...]


def replay_chain(chain: ChainClient, genesis: GenesisDoc) -> Iterator[ReplayedBlock]:
    """Every provable block; raises NodeLied, NodeUnavailable, GenesisUnusable."""
    feed = BlockFeed(chain)
    verifier = Verifier(chain, feed, genesis_anchor(genesis))
    journal = JournalReader(chain, feed)
    while (proven := verifier.advance()) is not None:
        header, done = proven.checked.header, []
        for raw, result in zip(proven.checked.block.data.txs, proven.results, strict=True):
            read = read_committed(raw)
            if read is None or not result.is_ok():
                continue
            data = json.loads(result.data or b"{}")
            if isinstance(read, ReadAnonymous):
                done.append(ReplayedTx(read.type, read.body, data))
            else:
                done.append(ReplayedTx(read.payload.type, read_body(read.payload), data))
        entries = journal.read(proven)
        yield ReplayedBlock(header.height, header.time.seconds, tuple(done), entries)
