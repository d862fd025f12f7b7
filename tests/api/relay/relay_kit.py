"""A relay without a town: calendars that the test writes, and a node that takes or refuses what the test says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from app.core.chain_client import BroadcastAnswer, RpcError
from app.core.clock import FixedClock
from app.core.problems import NodeUnavailable
from app.relay.api import create_relay_app
from app.relay.entitlement import Box, Station, name_credential
from app.relay.models import Shelf
from app.relay.service import RelayService, Windows
from chain.codec.canonical import b64url_encode
from chain.crypto.blind_rsa import RANDOMIZED_PSS, blind, blind_sign, finalize, prepare
from chain.town.envelope import build_anonymous
from chain.town.votes_schemas import (
    BallotCast,
    BallotSpoil,
    CredRegister,
    TokenSignature,
    VoteProof,
)
from chain.votes.ballot import make_ballot
from chain.votes.election import make_election, read_election
from chain.votes.formats import Question
from chain.votes.groups import ED25519
from chain.votes.messages import prove_registration, sign_spoil, token_message
from chain.votes.privacy import Window
from tests.town.town_kit import key
from tests.town.votes.issuing import registrar_key
from tests.votes.kit import seeded

TOWN = key("the town").kid
ELECTION = "68cdtCgcBHmHAb"
START_S = 1_790_000_000
DAY_S = 86_400
WINDOWS = Windows(
    Window(START_S, START_S + 6 * DAY_S), Window(START_S + 7 * DAY_S, START_S + 9 * DAY_S)
)
PATH = "/v1/anonymous/transactions"
PROOF = VoteProof("1", "2")


class FakeElections:
    """Calendars by election; `is_down` plays nodes that do not answer."""

    def __init__(self) -> None:
        self.windows = {ELECTION: WINDOWS}
        self.stations = {(ELECTION, "1", "one"): Station(ED25519, (1,), (registrar_key(0).public,))}
        self.boxes: dict[str, Box] = {}
        self.is_down = False

    def find_box(self, election: str) -> Box | None:
        return self.boxes.get(election)

    def town(self) -> str:
        if self.is_down:
            raise NodeUnavailable
        return TOWN

    def find_station(self, election: str, station: str, weight_class: str) -> Station | None:
        return self.stations.get((election, station, weight_class))

    def find(self, election: str) -> Windows | None:
        return self.windows.get(election)


class FakeNodes:
    """What nodes were given, in order; `judge` answers with a code of the chain, 0 to take it."""

    urls = ("http://one", "http://two", "http://three")

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.avoided: list[str] = []
        self.judge: Callable[[bytes], int] = lambda _raw: 0
        self.error: RpcError | None = None
        self.is_down = False

    def broadcast(self, raw: bytes, *, avoid: str = "") -> BroadcastAnswer:
        if self.is_down:
            raise NodeUnavailable
        if self.error is not None:
            raise self.error
        self.taken.append(raw)
        self.avoided.append(avoid)
        return BroadcastAnswer("http://one", code=self.judge(raw))


class Relay:
    """One relay on a file, with its clock, calendars and nodes."""

    def __init__(self, file: Path, now_s: int = START_S) -> None:
        self.clock, self.elections, self.nodes = FixedClock(now_s), FakeElections(), FakeNodes()
        self.shelf = Shelf(file)
        nodes: Any = self.nodes
        self.service = RelayService(self.shelf, self.elections, nodes, self.clock)
        self.http: FlaskClient = create_relay_app(self.service).test_client(use_cookies=False)

    def post(self, raw: bytes, query: str = "", **headers: str) -> Any:
        sent = {"Content-Type": "application/json", **headers}
        return self.http.post(PATH + query, data=raw, headers=sent)

    def after(self, seconds: int) -> list[bytes]:
        """Let time pass; what went to the nodes meanwhile."""
        before = len(self.nodes.taken)
        self.clock.seconds += seconds
        self.service.pass_on()
        return self.nodes.taken[before:]


@contextmanager
def open_relay(file: Path, now_s: int = START_S) -> Iterator[Relay]:
    relay = Relay(file, now_s)
    try:
        yield relay
    finally:
        relay.shelf.close()


@cache
def registration(
    number: int,
    election: str = ELECTION,
    town: str = TOWN,
    *,
    signer: int = 0,
    told: int | None = None,
    draws: str = "",
) -> bytes:
    """The anonymous registration of a credential like no other.

    Signed by the registrar of `signer`, with the proof of another secret when one is `told`.
    """
    group, draw = ED25519, seeded(f"registration {number} {draws}")
    secret = 1_000 + number
    credential = group.encode(group.generator_power(secret))
    station = (election, "1", "one")
    registrar = registrar_key(signer)
    prepared = prepare(RANDOMIZED_PSS, token_message(*station, credential), draw)
    blinded = blind(registrar.public, RANDOMIZED_PSS, prepared, draw)
    answered = blind_sign(registrar, blinded.message, draw)
    signature = finalize(registrar.public, RANDOMIZED_PSS, prepared, answered, blinded.inverse)
    token = TokenSignature(1, b64url_encode(prepared[:32]), b64url_encode(signature))
    proof = prove_registration(group, *station, told or secret, draw)
    shown = VoteProof(proof.challenge, proof.response)
    return build_anonymous(town, CredRegister(*station, credential, (token,), shown))


def ballot(number: int, election: str = ELECTION) -> bytes:
    """An anonymous ballot like no other."""
    return build_anonymous(TOWN, BallotCast(election, f'{{"number":{number}}}'))


def spoil(number: int) -> bytes:
    """A spoil like no other."""
    return build_anonymous(TOWN, BallotSpoil(ELECTION, "ab", f"{number:064x}", PROOF))


VOTE_KEY = ED25519.generator_power(77)
VOTE_RECORD = make_election(
    uuid=ELECTION,
    name="Vote",
    description="-",
    questions=[Question(answers=("oui", "non"), min=0, max=1, question="?")],
    group=ED25519,
    public_key=VOTE_KEY,
)


def sealed_box(voters: int = 3) -> Box:
    """The list of voters 0, 1, …; voter n's secret is 2 000 + n."""
    texts = map(credential_of, range(voters))
    return Box(read_election(VOTE_RECORD), frozenset(map(name_credential, texts)))


def credential_of(voter: int) -> str:
    """A voter's public credential."""
    return ED25519.encode(ED25519.generator_power(2_000 + voter))


@cache
def true_ballot(voter: int, number: int = 0, *, record: bytes = VOTE_RECORD) -> bytes:
    """A ballot that its voter signed."""
    draw = seeded(f"true ballot {voter} {number}")
    made = make_ballot(read_election(record), 2_000 + voter, [[1, 0]], draw)
    return build_anonymous(TOWN, BallotCast(ELECTION, made.decode()))


@cache
def true_spoil(voter: int, number: int = 0, *, by: int = -1) -> bytes:
    """A spoil in a voter's name; `by` another's signature."""
    ballot_hash, draw = f"{number:064x}", seeded(f"true spoil {voter} {number}")
    credential = credential_of(voter)
    signer = 2_000 + (voter if by < 0 else by)
    proof = sign_spoil(ED25519, ELECTION, ballot_hash, signer, draw)
    shown = VoteProof(proof.challenge, proof.response)
    return build_anonymous(TOWN, BallotSpoil(ELECTION, credential, ballot_hash, shown))


OTHER_RECORD = VOTE_RECORD.replace(b'"Vote"', b'"Autre"')


def tampered(raw: bytes) -> bytes:
    """The ballot with another digit at the end of its signature."""
    place = raw.rindex(b'\\"}}}') - 1
    return raw[:place] + (b"0" if raw[place : place + 1] != b"0" else b"1") + raw[place + 1 :]
