"""Holding anonymous transactions until their round, and passing rounds on to the chain.

Times and orders are `chain.votes.privacy`'s, the same rule the voters' client and the tests of linkage use.
Reads: the calendars of elections, from this body's own nodes.  Writes: the shelf.
"""

import sqlite3
import threading
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

import structlog

from app.core.chain_client import MEMPOOL_FULL, ChainClient, RpcError
from app.core.clock import Clock
from app.core.codes import NODE_BUSY
from app.core.problems import NodeUnavailable, Problem
from app.relay.entitlement import Box, Station, check_registration, check_voter
from app.relay.messages import Anonymous, read_anonymous
from app.relay.models import Held, Shelf
from chain.town.votes_schemas import BallotCast, BallotSpoil, CredRegister
from chain.types.codes import (
    TX_INTERNAL,
    TX_REPLAYED,
    VOTES_BALLOT_SEEN,
    VOTES_CLOSED,
    VOTES_CREDENTIAL_KNOWN,
    VOTES_NOT_OPEN,
    VOTES_REGISTRATION_CLOSED,
    VOTES_UNKNOWN_ELECTION,
    Code,
    get_code,
)
from chain.votes.privacy import Window, next_batch_s

TIMES_SENT: Final = 3
"""Rounds in which a transaction is handed over, each time to another node: one node may lose what it took."""
AGAIN_AFTER_S: Final = 30
POLL_S: Final = 0.5
_THERE_ALREADY: Final = frozenset(
    {TX_REPLAYED.name, VOTES_BALLOT_SEEN.name, VOTES_CREDENTIAL_KNOWN.name}
)
"""No refusals: it came by another relay, or an earlier round."""
_NOT_YET: Final = frozenset({VOTES_NOT_OPEN.name, VOTES_REGISTRATION_CLOSED.name})
"""Said before the chain has come to the hour, or sealed the list: a phase opens with a block, a round by a clock."""
_log = structlog.get_logger("app.relay")


@dataclass(frozen=True, slots=True)
class Windows:
    """When an election takes anonymous transactions."""

    registration: Window
    voting: Window


class Elections(Protocol):
    """Where calendars come from."""

    def find(self, election: str) -> Windows | None:
        """The windows of an election, None when there is no such one; raises NodeUnavailable."""
        ...

    def find_station(self, election: str, station: str, weight_class: str) -> Station | None:
        """Who issues at a station; None while it is not fixed, or there is none; raises NodeUnavailable."""
        ...

    def find_box(self, election: str) -> Box | None:
        """The sealed list; None while it is not sealed; raises NodeUnavailable."""
        ...

    def town(self) -> str:
        """Hash of the town's first genesis; raises NodeUnavailable."""
        ...


class RelayService:
    """One relay: `accept` at the door, `pass_on` every moment."""

    def __init__(
        self, shelf: Shelf, elections: Elections, chain: ChainClient, clock: Clock
    ) -> None:
        self._shelf, self._elections = shelf, elections
        self._chain, self._clock = chain, clock
        self.is_stuck = False
        """Whether the last round failed: nothing leaves."""

    def accept(self, raw: bytes, *, release_s: int = 0) -> tuple[str, int]:
        """Hold a transaction; returns its hash and the unix second of its round. Raises Problem.

        `release_s` is a registration's own wish not to leave before; a ballot waited on the phone already.
        """
        found = read_anonymous(raw, town=self._elections.town())
        window = self._find_window(found)
        if window is None:
            raise Problem(VOTES_UNKNOWN_ELECTION)
        now_s = self._clock.now_s()
        is_registration = isinstance(found.body, CredRegister)
        _check_open(window, now_s, is_registration=is_registration)
        holder = self._judge(found.body)
        wished_s = max(now_s, release_s) if is_registration else now_s
        leaves_s = next_batch_s(window, min(wished_s, window.closes_s - 1))
        if not self._shelf.put(found.name, raw, leaves_s, holder):
            raise Problem(NODE_BUSY, headers={"Retry-After": "60"})
        return found.key, leaves_s

    def _find_window(self, found: Anonymous) -> Window | None:
        windows = self._elections.find(found.election)
        if windows is None:
            return None
        return windows.registration if isinstance(found.body, CredRegister) else windows.voting

    def _judge(self, body: object) -> bytes:
        """Who holds a ballot or spoil; empty for a registration, and for what comes before the list is sealed."""
        if isinstance(body, CredRegister):
            self._check_issued(body)
            return b""
        assert isinstance(body, BallotCast | BallotSpoil), "three kinds are anonymous"
        box = self._elections.find_box(body.election)
        return b"" if box is None else check_voter(body, box)

    def _check_issued(self, body: CredRegister) -> None:
        station = self._elections.find_station(body.election, body.station, body.weight_class)
        if station is None:
            raise NodeUnavailable("the station's signers are not known yet")
        check_registration(body, station)

    def list_refused(self) -> dict[str, str]:
        """Refusals of all, by hash: whoever wants to know of one downloads them together."""
        return self._shelf.list_refused()

    def pass_on(self) -> int:
        """Hand what is due to the nodes, in the order of their names; returns how many were handed over."""
        now_s, number = self._clock.now_s(), 0
        for held in self._shelf.take_due(now_s):
            try:
                self._hand_over(held, now_s)
            except NodeUnavailable:
                break
            number += 1
        return number

    def _hand_over(self, held: Held, now_s: int) -> None:
        nodes = self._chain.urls
        try:
            answer = self._chain.broadcast(held.raw, avoid=nodes[held.rounds % len(nodes)])
        except RpcError as error:
            if MEMPOOL_FULL in f"{error.message} {error.data}":
                raise NodeUnavailable from error
            _log.warning("node_refused_unjudged")
            self._shelf.put_off(held.key, now_s + AGAIN_AFTER_S)
            return
        if answer.code:
            self._settle(held, get_code(answer.code) or TX_INTERNAL, now_s)
            return
        if held.rounds + 1 >= TIMES_SENT:
            self._shelf.drop(held.key)
        else:
            self._shelf.send_again(held.key, now_s + AGAIN_AFTER_S)

    def _settle(self, held: Held, code: Code, now_s: int) -> None:
        """A node did not take it: it is there already, its hour has not come at the nodes, or it is refused."""
        if held.rounds or code.name in _THERE_ALREADY:
            self._shelf.drop(held.key)
            return
        if code.name in _NOT_YET:
            window = self._find_window(read_anonymous(held.raw, town=self._elections.town()))
            if window is not None and window.holds(now_s):
                self._shelf.put_off(held.key, next_batch_s(window, now_s + AGAIN_AFTER_S))
                return
        self._shelf.refuse(held.key, sha256(held.raw).hexdigest(), code.name, now_s)

    def run(self, stop: threading.Event) -> None:
        """Pass on until told to stop; what fails comes again, and `is_stuck` says so meanwhile.

        A full disk must not end the only thread that passes votes on while the door goes on taking them.
        """
        try:
            while not stop.wait(POLL_S):
                try:
                    self.pass_on()
                    self.is_stuck = False
                except sqlite3.Error as error:
                    self.is_stuck = True
                    _log.error("round_failed", kind=type(error).__name__)
        finally:
            self.is_stuck = not stop.is_set()


def _check_open(window: Window, now_s: int, *, is_registration: bool) -> None:
    if window.holds(now_s):
        return
    if is_registration:
        raise Problem(VOTES_REGISTRATION_CLOSED)
    raise Problem(VOTES_NOT_OPEN if now_s < window.opens_s else VOTES_CLOSED)
