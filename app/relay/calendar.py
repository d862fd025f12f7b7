"""Calendars, signers and lists of elections, asked of this body's own nodes; calendars are kept for half a minute.

A list is read whole, once: nodes must not learn from a relay's questions whose ballot just came.
Reads: `abci_query` of the votes' records.  Never: believed for anything but whether to hold a transaction, and until
when; the chain judges the transaction itself.
"""

import threading
import time
from typing import Any, Final

import msgspec

from app.core.chain_client import ChainClient, RpcError
from app.core.problems import NodeUnavailable
from app.relay.entitlement import Box, Station, name_credential
from app.relay.service import Windows
from chain.codec.canonical import b64url_decode
from chain.crypto.blind_rsa import SignerPublicKey
from chain.crypto.rsa_modulus import EXPONENT
from chain.votes.election import read_election
from chain.votes.groups import get_group
from chain.votes.privacy import Window

KEPT_S: Final = 30.0
KEPT_MAX: Final = 256
BOXES_MAX: Final = 4
"""Elections whose lists are held at once: some 10 MB for 100 000 credentials."""
LIST_PARTS_MAX: Final = 1_000
_SEALED: Final = frozenset({"frozen", "voting"})
_RECORD: Final = "/record/votes"


class NodeElections:
    """What the nodes say of elections; see `Elections`."""

    def __init__(self, chain: ChainClient) -> None:
        self._chain = chain
        self._town = ""
        self._kept: dict[str, tuple[float, Windows | None]] = {}
        self._stations: dict[tuple[str, str, str], Station] = {}
        """Fixed for good when issuance ends; those that do not exist are not kept."""
        self._boxes: dict[str, tuple[float, Box | None]] = {}
        self._reading = threading.Lock()

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
        found = _windows_of(self._read_record("election", election))
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[election] = (now_s + KEPT_S, found)
        return found

    def find_station(self, election: str, station: str, weight_class: str) -> Station | None:
        """A station's signers; None while they are not fixed, and for a station there is not."""
        place = (election, station, weight_class)
        known = self._stations.get(place)
        if known is None:
            known = self._read_station(place)
            if known is not None:
                if len(self._stations) >= KEPT_MAX:
                    self._stations.clear()
                self._stations[place] = known
        return known

    def find_box(self, election: str) -> Box | None:
        """The sealed list; None while it is not sealed, or not shown whole."""
        with self._reading:
            until_s, kept = self._boxes.get(election, (0.0, None))
            now_s = time.monotonic()
            if kept is not None or now_s < until_s:
                return kept
            found = self._read_box(election)
            if len(self._boxes) >= BOXES_MAX:
                self._boxes.clear()
            self._boxes[election] = (now_s + KEPT_S, found)
            return found

    def _read_box(self, election: str) -> Box | None:
        if self._read_record("election", election).get("phase") not in _SEALED:
            return None
        document = self._read_record("document", f"{election}/election")
        wanted = self._read_record("count", election).get("registrations", 0)
        names: set[bytes] = set()
        for part in range(LIST_PARTS_MAX):
            entries = self._read_record("list", election, part.to_bytes(4, "big")).get("entries")
            if entries is None:
                break
            names.update(name_credential(entry.partition(",")[0]) for entry in entries)
        if not document or len(names) != wanted:
            return None  # a node that lags behind another: nobody is turned away for that
        return Box(read_election(document["text"].encode()), frozenset(names))

    def _read_station(self, place: tuple[str, str, str]) -> Station | None:
        signers = tuple(self._read_record("station", "/".join(place)).get("signers", ()))
        group = get_group(str(self._read_record("election", place[0]).get("group", "")))
        if not signers or group is None:
            return None
        moduli = (self._read_record("key", "/".join(place), bytes((rank,))) for rank in signers)
        keys = (int.from_bytes(b64url_decode(key["n"]), "big") for key in moduli)
        return Station(group, signers, tuple(SignerPublicKey(n, EXPONENT) for n in keys))

    def _read_record(self, table: str, name: str, part: bytes = b"") -> dict[str, Any]:
        return self._read(_RECORD, f"{table}/{name}".encode() + (b"/" + part if part else b""))

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
