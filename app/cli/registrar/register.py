"""An election's issuance as the chain proves it to a registrar that trusts no node.

    register = Register(chain, "68cdtCgcBHmHAb")
    register.election() · register.stations() · register.key(rank, station)      records, each with its proof
    register.find_requests(first_height)                                         cids, a hint out of nodes' indexes
    register.request(cid)                                                        what the citizen asked, proved

Nodes can hide a request from a registrar but not invent one: what is signed is read with its proof, and the proved
counts of the stations tell how many requests nobody has shown.
Reads: a `TrustedChain`.  Writes: nothing.
"""

import base64
import http.client
from collections.abc import Iterator
from typing import Final

import msgspec

from app.cli.registrar.keyring import Station
from app.cli.trust import UnknownElection
from app.core.chain_client import MALFORMED, RpcError
from app.core.refusals import NodeUnavailable
from app.core.trusted_chain import NotProved, TrustedChain
from chain.town.envelope import Envelope, decode_transaction
from chain.town.votes_schemas import IssueRequest

NAMESPACE: Final = "votes"
PAGE: Final = 100
PAGES_MAX: Final = 2_000
"""200 000 requests: more than an election may have electors."""


class ElectionState(msgspec.Struct, frozen=True):
    """Where an election stands: the fields of `chain.town.votes.records.ElectionRecord` that registrars need."""

    election: str
    phase: str
    calendar: dict[str, int]
    registrars: tuple[str, ...]
    registrars_threshold: int


class _Line(msgspec.Struct, frozen=True):
    station: str
    weight_class: str


class _Draft(msgspec.Struct, frozen=True):
    stations: tuple[_Line, ...]


class StationState(msgspec.Struct, frozen=True):
    """Counts of one station."""

    electors: int
    requests: int
    signed: tuple[int, ...]
    signers: tuple[int, ...]


class RequestState(msgspec.Struct, frozen=True):
    """A citizen's request: a value and an answer (empty until given) per registrar."""

    cid: str
    station: str
    weight_class: str
    blinded: tuple[str, ...]
    signatures: tuple[str, ...]

    @property
    def place(self) -> Station:
        """Where it counts."""
        return self.station, self.weight_class


class _Published(msgspec.Struct, frozen=True):
    height: int


class _Key(msgspec.Struct, frozen=True):
    n: str


class Register:
    """One election's issuance on the proved height of a chain."""

    def __init__(self, chain: TrustedChain, election: str) -> None:
        self.chain = chain
        self.name = election
        self._town = ""

    def election(self) -> ElectionState:
        """Where the election stands; raises UnknownElection, NotProved."""
        raw = self._proved("election")
        if raw is None:
            raise UnknownElection(self.name)
        return msgspec.json.decode(raw, type=ElectionState)

    def stations(self) -> tuple[Station, ...]:
        """Stations and weight classes in the election's order; raises UnknownElection, NotProved."""
        raw = self._proved("draft")
        if raw is None:
            raise UnknownElection(self.name)
        draft = msgspec.json.decode(raw, type=_Draft)
        return tuple((line.station, line.weight_class) for line in draft.stations)

    def station(self, place: Station) -> StationState:
        """Counts of a station; raises NotProved."""
        raw = self._proved("station", "/".join(place).encode())
        if raw is None:
            raise NotProved(f"station {'/'.join(place)} is not one of the election's")
        return msgspec.json.decode(raw, type=StationState)

    def published_height(self, rank: int) -> int | None:
        """The height at which a registrar published its keys, None before; raises NotProved."""
        raw = self._proved("registrar", bytes((rank,)))
        return None if raw is None else msgspec.json.decode(raw, type=_Published).height

    def key(self, rank: int, place: Station) -> str:
        """The modulus a registrar published for a station, empty before; raises NotProved."""
        raw = self._proved("key", "/".join(place).encode() + b"/" + bytes((rank,)))
        return "" if raw is None else msgspec.json.decode(raw, type=_Key).n

    def request(self, cid: str) -> RequestState | None:
        """What a citizen asked, None when it is proved that nothing was; raises NotProved."""
        raw = self._proved("request", cid.encode())
        return None if raw is None else msgspec.json.decode(raw, type=RequestState)

    def find_requests(self, first_height: int) -> set[str]:
        """Cids that any node says have asked since a height; what they asked is for `request` to prove.

        Raises NotProved when no node answers.
        """
        found: set[str] = set()
        failed = 0
        for url in self.chain.rpc.urls:
            try:
                found.update(self._find_at(url, first_height))
            except (RpcError, NodeUnavailable, OSError, http.client.HTTPException, *MALFORMED):
                failed += 1
        if failed == len(self.chain.rpc.urls):
            raise NotProved("no node searches its transactions")
        return found

    def _find_at(self, url: str, first_height: int) -> Iterator[str]:
        query = f"tx.type='{IssueRequest.TYPE}' AND tx.height>={first_height}"
        for page in range(1, PAGES_MAX + 1):
            params = {
                "query": query,
                "prove": False,
                "page": str(page),
                "per_page": str(PAGE),
                "order_by": "asc",
            }
            shown = self.chain.rpc.call("tx_search", params, node=url)
            for each in shown["txs"]:
                cid = self._cid_in(base64.b64decode(each["tx"], validate=True))
                if cid:
                    yield cid
            if page * PAGE >= int(shown["total_count"]):
                return

    def _cid_in(self, raw: bytes) -> str:
        self._town = self._town or self.chain.town()
        envelope = decode_transaction(raw, self._town)
        if not isinstance(envelope, Envelope) or not isinstance(envelope.body, IssueRequest):
            return ""
        return envelope.body.cid if envelope.body.election == self.name else ""

    def _proved(self, table: str, part: bytes = b"") -> bytes | None:
        own = self.name.encode() + (b"/" + part if part else b"")
        return self.chain.record(NAMESPACE, table.encode() + b"/" + own)
