"""What a node shows of the next blocks, fetched ahead: one round trip per pair of blocks, none of it believed.

A step of the projector needs a block, its commit, its results and its journal leaf. Asked one by one, each
waits for the node's next free moment, and the projector falls behind a busy chain. So the height asked for
and the one after it come in one batch, together with the node's own height.
Reads: the node's RPC.  Writes: nothing.  Never: verifies; the verifier and the journal reader do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from app.core.chain_client import ChainClient, QueryAnswer, RpcError, read_query_answer
from app.core.problems import NodeUnavailable

HEIGHTS_PER_BATCH: Final = 2
"""Four requests a height and one for the status stay within the ten of an RPC batch."""
HEIGHTS_KEPT: Final = 4
JOURNAL_PATH: Final = "/record/journal"
JOURNAL_PREFIX: Final = b"height/"
_log = structlog.get_logger("app.feed")


@dataclass(frozen=True, slots=True)
class ShownBlock:
    """A decided height as the node shows it, in RPC JSON; `journal` is read at that very version."""

    block: Mapping[str, Any]
    commit: Mapping[str, Any]
    results: Mapping[str, Any]
    journal: QueryAnswer | None
    source: str = ""
    """Address of the node that showed it."""


class Pruned(Exception):
    """The node no longer holds a height that is still needed."""

    def __init__(self, height: int) -> None:
        super().__init__(f"height {height}")
        self.height = height


def journal_id(height: int) -> bytes:
    """The record id of a height's journal leaf."""
    return JOURNAL_PREFIX + height.to_bytes(8, "big")


class BlockFeed:
    """Shown blocks by height, a few ahead and a few behind."""

    def __init__(self, chain: ChainClient) -> None:
        self._chain = chain
        self._shown: dict[int, ShownBlock] = {}

    def get(self, height: int) -> ShownBlock | None:
        """The height, or None while the node does not show all of it.

        Raises Pruned, NodeUnavailable; ValueError or KeyError for a malformed status.
        """
        if height not in self._shown:
            self._fetch_from_any(height)
        return self._shown.get(height)

    def source_of(self, height: int) -> str:
        """Who showed a height that is held; empty when it is not."""
        shown = self._shown.get(height)
        return "" if shown is None else shown.source

    def forget(self) -> None:
        """Ask again for everything: what is held came from a node that is not believed any more."""
        self._shown.clear()

    def _fetch_from_any(self, height: int) -> None:
        """From the first healthy node; should it have pruned the height, from whichever still has it.

        Raises Pruned only when every node said so: one that is silent now may be the archive.
        """
        try:
            return self._fetch(height)
        except Pruned as gone:
            pruned = gone
        is_silent = False
        for url in self._chain.urls:
            try:
                return self._fetch(height, node=url)
            except Pruned:
                continue
            except (NodeUnavailable, RpcError):
                is_silent = True
        if is_silent:
            _log.warning("pruned_where_asked", height=height)
            raise NodeUnavailable
        raise pruned

    def _fetch(self, height: int, *, node: str = "") -> None:
        wanted = range(height, height + HEIGHTS_PER_BATCH)
        calls = [("status", dict[str, Any]())]
        for each in wanted:
            calls += _calls_for(each)
        answers = self._chain.try_many(calls, node=node)
        lines = [answers[i : i + 4] for i in range(1, len(answers), 4)]
        for each, line in zip(wanted, lines, strict=True):
            shown = _read(line, self._chain.answered_by)
            if shown is None:
                break
            self._shown[each] = shown
        if height not in self._shown:
            self._explain(height, answers[0])
        for old in [known for known in self._shown if known <= height - HEIGHTS_KEPT]:
            del self._shown[old]

    def _explain(self, height: int, status: Mapping[str, Any] | RpcError) -> None:
        """Nothing is honest for a height the node does not claim; else it is gone, or withheld."""
        if isinstance(status, RpcError):
            raise status
        info = status["sync_info"]
        if height < int(info.get("earliest_block_height") or 1):
            raise Pruned(height)
        reached = int(info["latest_block_height"])
        if reached > height:
            _log.warning("block_withheld", height=height, node_height=reached)


def _calls_for(height: int) -> list[tuple[str, dict[str, Any]]]:
    at = {"height": str(height)}
    query = {"path": JOURNAL_PATH, "data": journal_id(height).hex(), "prove": True, **at}
    return [("block", at), ("commit", at), ("block_results", at), ("abci_query", query)]


def _read(line: list[dict[str, Any] | RpcError], source: str) -> ShownBlock | None:
    block, commit, results, journal = line
    if isinstance(block, RpcError) or isinstance(commit, RpcError) or isinstance(results, RpcError):
        return None
    answer = None if isinstance(journal, RpcError) else read_query_answer(journal)
    return ShownBlock(block, commit, results, answer, source)
