"""Calendars of elections, asked of this body's own nodes and kept for half a minute.

Reads: `abci_query` of the votes' records.  Never: believed for anything but when to pass a transaction on; the chain
judges the transaction itself.
"""

import time
from typing import Any, Final

import msgspec

from app.core.chain_client import ChainClient, RpcError
from app.core.problems import NodeUnavailable
from app.relay.service import Windows
from chain.votes.privacy import Window

KEPT_S: Final = 30.0
KEPT_MAX: Final = 256
_RECORD: Final = "/record/votes"


class NodeElections:
    """What the nodes say of elections; see `Elections`."""

    def __init__(self, chain: ChainClient) -> None:
        self._chain = chain
        self._town = ""
        self._kept: dict[str, tuple[float, Windows | None]] = {}

    def town(self) -> str:
        """Hash of the first genesis, asked once."""
        if not self._town:
            self._town = str(self._read("/status", b"").get("town", ""))
        return self._town

    def find(self, election: str) -> Windows | None:
        """The windows; None for an unknown or cancelled election."""
        until_s, kept = self._kept.get(election, (0.0, None))
        now_s = time.monotonic()
        if now_s < until_s:
            return kept
        found = _windows_of(self._read(_RECORD, b"election/" + election.encode()))
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[election] = (now_s + KEPT_S, found)
        return found

    def _read(self, path: str, record_id: bytes) -> dict[str, Any]:
        try:
            answer = self._chain.query(path, record_id)
        except RpcError as error:
            raise NodeUnavailable from error
        return msgspec.json.decode(answer.value, type=dict[str, Any]) if answer.value else {}


def _windows_of(record: dict[str, Any]) -> Windows | None:
    if not record or record["phase"] == "cancelled":
        return None
    dates: dict[str, int] = record["calendar"]
    return Windows(
        Window(dates["issuance_closes"], dates["registration_closes"]),
        Window(dates["voting_opens"], dates["voting_closes"]),
    )
