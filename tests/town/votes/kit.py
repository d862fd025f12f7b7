"""An election in a town in memory: bodies, dates, what is asked, and every step of it in a call.

    vote = make_vote()                            # a town, and an election that can be published
    vote.publish()                                # election.create
    vote.hold_ceremony()                          # every trustee's steps; the election is sealed
    vote.open_issuance()                          # registrars' keys, rolls; header time moves to the window
    vote.open_box(voters=5)                       # credentials registered, list frozen, header time at voting
    vote.cast(0, [[0, 1, 0, 0]])                  # a ballot of voter 0 in a block of its own
    vote.close()                                  # header time after the closing, one block
    vote.decrypt(1); vote.decrypt(3)              # tally shares
    vote.archive()                                # the .bel out of transactions, results and journal

Every block goes through `Vote.run`, which keeps what the projector would see: transactions, results, journal.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chain.crypto.jws import SigningKey
from chain.town import params
from chain.town.context import Accepted, Outcome, TxContext
from chain.town.engine import JOURNAL
from chain.town.envelope import build_anonymous
from chain.town.router import town_router
from chain.town.rules import BODY, AnonymousRule, Route, Router, Rule
from chain.town.votes.assembly import ArchiveAssembler
from chain.town.votes.records import (
    COUNTS,
    CREDENTIALS,
    ELECTIONS,
    REGISTRARS,
    STATIONS,
    CredentialRecord,
    ElectionRecord,
    RegistrarRecord,
    credential_id,
    get_box,
    get_counts,
    get_document,
    get_election,
    group_of,
    rank_id,
    station_id,
)
from chain.town.votes.sealing import start_freeze
from chain.town.votes_schemas import (
    BallotCast,
    BallotSpoil,
    CredRegister,
    ElectionArchive,
    ElectionCreate,
    ElectionOpenIssuance,
    ElectionPurge,
    RegistrarKeys,
    RollFreeze,
    StationKey,
    StationRoll,
    TallyShare,
    TokenSignature,
    TrusteeCert,
    TrusteeCommit,
    TrusteeKeyGiven,
    TrusteeReveal,
    TrusteeVerify,
    VoteCalendar,
    VoteContest,
    VoteProof,
    VoteQuestion,
    VoteSigned,
    VoteStation,
)
from chain.types.abci import ExecTxResult
from chain.votes import ceremony, formats
from chain.votes.ballot import Votes, make_ballot
from chain.votes.binding import bind_decryption
from chain.votes.election import Election, read_election
from chain.votes.formats import Proof, SignedMessage
from chain.votes.groups import get_group
from chain.votes.messages import sign_spoil
from chain.votes.randomness import RandomBytes, draw_scalar
from chain.votes.tally import decrypt_partially, read_rows
from chain.votes.trustees import make_trustee_key
from tests.town.town_kit import DAY_S, ROLES, Town, key, make_town
from tests.votes.kit import seeded

UUID = "68cdtCgcBHmHAb"
REGISTRAR_BODIES = ("reg1", "reg2", "reg3", "reg4")
TRUSTEE_BODIES = ("tru1", "tru2", "tru3")
BODIES = ("mairie", "commerces", "coop", "dehors", *REGISTRAR_BODIES, *TRUSTEE_BODIES)
VOTE_ROLES = (
    *ROLES,
    ("agent_supervisor", "mairie"),
    *(("registrar", body) for body in REGISTRAR_BODIES),
    *(("trustee", body) for body in TRUSTEE_BODIES),
)
LAX = {
    "votes_issuance_min_s": 0,
    "votes_registration_min_s": 0,
    "votes_freeze_min_s": 0,
    "votes_voting_min_s": 0,
    "votes_appeals_min_s": 0,
    "votes_station_min_electors": 1,
    "votes_ballot_interval_s": 0,
}
CITY_HALL = "body:mairie"
COMMISSION = "body:dehors"
ONE_OF_THREE = VoteQuestion(
    question="Que faire de la place du Beffroi ?",
    answers=("Marché couvert", "Square « arboré »", "Parking/gare"),
    min=1,
    max=1,
    blank=True,
)
UP_TO_TWO = VoteQuestion(question="Quels modes ?", answers=("Vélo", "Bus", "Tram"), min=1, max=2)
YES_NO = VoteQuestion(question="Approuvez-vous ?", answers=("Oui", "Non"), min=0, max=1)
SINGLE = VoteContest(kind="single", questions=1, rule="most-votes")
APPROVAL = VoteContest(kind="approval", questions=1, rule="most-votes")
REFERENDUM = VoteContest(kind="yes_no", questions=1, rule="most-votes")


@dataclass
class Block:
    """What a projector sees of a block."""

    txs: tuple[bytes, ...]
    results: tuple[ExecTxResult, ...]
    journal: tuple[dict[str, Any], ...]


@dataclass
class Vote:
    """An election, the town it is held in, and every secret."""

    town: Town
    body: ElectionCreate
    draw: RandomBytes
    blocks: list[Block] = field(default_factory=list)
    trustee_secrets: list[int] = field(default_factory=list)
    voter_secrets: list[int] = field(default_factory=list)

    def fork(self) -> "Vote":
        """Another town with the same state and secrets, which goes its own way."""
        town = copy(self.town)
        town.store = self.town.store.copy()
        town.restart()
        return Vote(
            town,
            self.body,
            seeded("fork"),
            list(self.blocks),
            list(self.trustee_secrets),
            list(self.voter_secrets),
        )

    # --- reading ---

    @property
    def uuid(self) -> str:
        return self.body.election

    @property
    def record(self) -> ElectionRecord:
        record = ELECTIONS.get(self.town.reader, self.uuid.encode())
        assert record is not None
        return record

    @property
    def phase(self) -> str:
        return self.record.phase

    @property
    def election(self) -> Election:
        return _opened(get_document(self.town.reader, self.uuid, "election"))

    def journal(self, kind: str) -> dict[str, Any]:
        """The last journal entry of a kind."""
        found = [line for block in self.blocks for line in block.journal if line["kind"] == kind]
        assert found, f"no {kind} in the journal"
        return found[-1]

    # --- blocks ---

    def run(self, *txs: bytes) -> list[ExecTxResult]:
        """One block."""
        results = self.town.run(*txs)
        leaf = JOURNAL.get(self.town.reader, self.town.height.to_bytes(8, "big"))
        self.blocks.append(Block(txs, tuple(results), () if leaf is None else leaf.entries))
        return results

    def do(self, body: Struct, sender: str, *signers: SigningKey) -> ExecTxResult:
        """One signed transaction in a block of its own."""
        return self.run(self.town.tx(body, sender, *signers))[0]

    def send(self, body: Struct) -> ExecTxResult:
        """One anonymous transaction in a block of its own."""
        return self.run(self.anonymous(body))[0]

    def anonymous(self, body: Struct) -> bytes:
        return build_anonymous(self.town.town, body)

    def go_to(self, time_s: int) -> None:
        """Header time jumps; a block runs, and what became due."""
        self.town.now_s = max(self.town.now_s, time_s)
        self.settle()

    def settle(self) -> None:
        """Blocks until nothing is due."""
        for _ in range(100):
            self.run()
            due = self.town.status()["next_due"]
            if due is None or due > self.town.now_s:
                return
        raise AssertionError("due work does not end")

    # --- before voting ---

    def agent(self) -> SigningKey:
        """Whoever signs for city hall."""
        return key("agent_supervisor@mairie")

    def publish(self, **changes: Any) -> ExecTxResult:
        """election.create, with other fields where given."""
        return self.do(replace(self.body, **changes), CITY_HALL, self.agent())

    def trustee(self, number: int) -> tuple[str, SigningKey]:
        """Sender and key of a trustee."""
        body = self.body.trustees[number - 1]
        return f"body:{body}", key(f"trustee@{body}")

    def as_trustee(self, number: int, body: Struct) -> ExecTxResult:
        return self.do(body, *self.trustee(number))

    def hold_ceremony(self) -> None:
        """Every trustee's steps, in order; the election is sealed after it."""
        if self.body.ceremony == "single":
            self._hold_single()
        else:
            self._hold_threshold()
        assert self.phase == "sealed"

    def _hold_single(self) -> None:
        group = get_group(self.body.group)
        assert group is not None
        for number in range(1, len(self.body.trustees) + 1):
            secret = draw_scalar(group, self.draw)
            self.trustee_secrets.append(secret)
            made = make_trustee_key(group, secret, self.draw)
            given = TrusteeKeyGiven(self.uuid, number, made.public_key, as_proof(made.pok))
            result = self.as_trustee(number, given)
            assert result.info == "ok", result.log

    def _hold_threshold(self) -> None:
        group = get_group(self.body.group)
        assert group is not None
        numbers = range(1, len(self.body.trustees) + 1)
        seeds = [ceremony.draw_seed(self.draw) for _ in numbers]
        certs = [ceremony.make_certificate(group, seed, self.draw) for seed in seeds]
        polynomials = [
            ceremony.share_polynomial(group, certs, seed, self.body.trustees_threshold, self.draw)
            for seed in seeds
        ]
        for number in numbers:
            self._ok(number, TrusteeCert(self.uuid, number, as_signed(certs[number - 1])))
        for number in numbers:
            commitment = ceremony.commit(polynomials[number - 1].coefexps)
            self._ok(number, TrusteeCommit(self.uuid, number, commitment))
        for number in numbers:
            given = polynomials[number - 1]
            reveal = TrusteeReveal(self.uuid, number, as_signed(given.coefexps), given.secrets)
            self._ok(number, reveal)
        for number, vinput in zip(
            numbers, ceremony.distribute(group, certs, polynomials), strict=True
        ):
            seed = seeds[number - 1]
            voutput = ceremony.accept_shares(group, certs, seed, vinput, self.draw)
            secret = ceremony.open_decryption_key(group, seed, voutput.private_key)
            self.trustee_secrets.append(secret)
            made = voutput.public_key
            verify = TrusteeVerify(self.uuid, number, made.public_key, as_proof(made.pok))
            self._ok(number, verify)

    def _ok(self, number: int, body: Struct) -> None:
        result = self.as_trustee(number, body)
        assert result.info == "ok", result.log

    def open_issuance(self) -> None:
        """Registrars' keys and rolls; header time moves into the window."""
        self.publish_keys()
        result = self.fix_rolls()
        assert result.info == "ok", result.log
        self.go_to(self.body.calendar.issuance_opens)

    def publish_keys(self) -> None:
        """Every registrar's."""
        for number, body in enumerate(self.body.registrars, 1):
            given = RegistrarKeys(self.uuid, number, _no_keys(self.body))
            result = self.do(given, f"body:{body}", key(f"registrar@{body}"))
            assert result.info == "ok", result.log

    def fix_rolls(self, electors: int = 200, **changes: Any) -> ExecTxResult:
        """election.open_issuance."""
        rolls = tuple(
            StationRoll(line.station, line.weight_class, electors, key("root").kid)
            for line in self.body.stations
        )
        signers = changes.pop("signers", (self.agent(), key("electoral_commission@dehors")))
        opening = replace(ElectionOpenIssuance(self.uuid, rolls), **changes)
        return self.do(opening, CITY_HALL, *signers)

    def register(self, station: int = 0, secret: int = 0) -> ExecTxResult:
        """A fresh credential of a station (its place in the list); the voter's number is its place."""
        group = group_of(self.record)
        secret = secret or draw_scalar(group, self.draw)
        self.voter_secrets.append(secret)
        line = self.body.stations[station]
        credential = group.encode(group.generator_power(secret))
        proof = VoteProof("0", "0")
        token = TokenSignature(1, key("prefix").kid, "A" * 512)
        return self.send(
            CredRegister(self.uuid, line.station, line.weight_class, credential, (token,), proof)
        )

    def freeze(self) -> ExecTxResult:
        """roll.freeze with the chain's own counts."""
        counts = get_counts(self.town.reader, self.uuid)
        body = RollFreeze(self.uuid, counts.requests, counts.registrations)
        return self.do(body, COMMISSION, key("electoral_commission@dehors"))

    def fill_list(self, voters: int | Sequence[int] = 3, secrets: Sequence[int] = ()) -> None:
        """Registration with that many voters at the first station, or one at each station named; list frozen."""
        self.go_to(self.body.calendar.issuance_closes)
        assert self.phase == "registration"
        for station in [0] * voters if isinstance(voters, int) else voters:
            result = self.register(station)
            assert result.info == "ok", result.log
        for secret in secrets:
            assert self.register(secret=secret).info == "ok"
        self.go_to(self.body.calendar.registration_closes)
        assert self.freeze().info == "ok"
        self.settle()
        assert self.phase == "frozen"

    def open_box(self, voters: int | Sequence[int] = 3) -> None:
        """From a published election to an open box."""
        self.hold_ceremony()
        self.open_issuance()
        self.fill_list(voters)
        self.go_to(self.body.calendar.voting_opens)
        assert self.phase == "voting"

    # --- voting ---

    def ballot(self, voter: int, votes: Votes) -> bytes:
        """The canonical bytes of a voter's ballot."""
        return make_ballot(self.election, self.voter_secrets[voter], votes, self.draw)

    def cast_tx(self, ballot: bytes | str) -> bytes:
        """The anonymous transaction of a ballot's bytes."""
        text = ballot if isinstance(ballot, str) else ballot.decode()
        return self.anonymous(BallotCast(self.uuid, text))

    def cast(self, voter: int, votes: Votes) -> ExecTxResult:
        """Make and cast in a block of its own."""
        return self.run(self.cast_tx(self.ballot(voter, votes)))[0]

    def spoil_body(self, voter: int, ballot: bytes) -> BallotSpoil:
        """The spoil of a ballot's hash by its credential."""
        group, secret = self.election.group, self.voter_secrets[voter]
        digest = sha256(ballot).hexdigest()
        proof = sign_spoil(group, self.uuid, digest, secret, self.draw)
        credential = group.encode(group.generator_power(secret))
        return BallotSpoil(self.uuid, credential, digest, as_proof(proof))

    def weight_of(self, credential: str) -> int:
        """Weight of a registered credential."""
        group = self.election.group
        line_id = credential_id(group, self.uuid, group.decode(credential))
        line = CREDENTIALS.get(self.town.reader, line_id)
        assert line is not None
        return line.weight

    # --- after voting ---

    def close(self) -> None:
        """Header time passes the closing; what becomes due is done."""
        self.go_to(self.record.calendar.voting_closes)
        assert self.phase == "tally"

    def share(self, number: int) -> TallyShare:
        """A trustee's true decryption of the tally on the chain."""
        election = self.election
        rows = read_rows(election, get_document(self.town.reader, self.uuid, "tally"))
        secret = self.trustee_secrets[number - 1]
        made = decrypt_partially(election, rows, secret, self.draw)
        bound = as_proof(bind_decryption(election, rows, made, secret, self.draw))
        return TallyShare(self.uuid, number, formats.encode(made).decode(), bound)

    def decrypt(self, number: int) -> ExecTxResult:
        """tally.share, true."""
        return self.as_trustee(number, self.share(number))

    def finish(self, *numbers: int) -> tuple[tuple[int, ...], ...]:
        """Close, decrypt by these trustees, and give the result in the journal."""
        self.close()
        for number in numbers:
            result = self.decrypt(number)
            assert result.info == "ok", result.log
        self.settle()
        assert self.phase == "decided"
        return tuple(tuple(row) for row in self.journal("votes.result")["votes"])

    def file_archive(self, data: bytes, events: int = 0) -> ExecTxResult:
        """election.archive by the auditor."""
        events = events or get_box(self.town.reader, self.uuid).events
        body = ElectionArchive(self.uuid, sha256(data).hexdigest(), len(data), events)
        return self.do(body, COMMISSION, key("auditor@dehors"))

    def purge_body(self) -> ElectionPurge:
        return ElectionPurge(self.uuid)

    def purge(self) -> ExecTxResult:
        """election.purge by city hall."""
        return self.do(self.purge_body(), CITY_HALL, self.agent())

    # --- the archive ---

    def archive(self) -> bytes:
        """The .bel out of transactions, results and journal."""
        assembler = ArchiveAssembler(self.town.town, self.uuid)
        for block in self.blocks:
            assembler.add_block(block.txs, block.results, block.journal)
        return assembler.build()


NO_PROOF = VoteProof("0", "0")


def as_proof(proof: Proof) -> VoteProof:
    return VoteProof(proof.challenge, proof.response)


def as_signed(signed: SignedMessage) -> VoteSigned:
    return VoteSigned(signed.message, as_proof(signed.signature))


@cache
def _opened(text: str) -> Election:
    return read_election(text.encode())


def _no_keys(body: ElectionCreate) -> tuple[StationKey, ...]:
    return tuple(StationKey(s.station, s.weight_class, "A" * 512) for s in body.stations)


# --- issuance in one step ------------------------------------------------------------------------
# Tests of ballots need a list of credentials, not how it came about: these rules take keys and credentials as they
# come. What the true ones refuse is tested where they are.


def _take_keys(ctx: TxContext, body: RegistrarKeys) -> Outcome:
    REGISTRARS.put(
        ctx.state, rank_id(body.election, body.registrar), RegistrarRecord(ctx.sender, ctx.height)
    )
    return Accepted({})


def _take_credential(ctx: TxContext, body: CredRegister) -> Outcome:
    record = get_election(ctx.state, body.election)
    assert isinstance(record, ElectionRecord)
    group = group_of(record)
    line = STATIONS.get(ctx.state, station_id(body.election, body.station, body.weight_class))
    assert line is not None
    CREDENTIALS.put(
        ctx.state,
        credential_id(group, body.election, group.decode(body.credential)),
        CredentialRecord(body.credential, body.station, body.weight_class, line.weight),
    )
    counts = get_counts(ctx.state, body.election)
    counts = replace(counts, registrations=counts.registrations + 1)
    COUNTS.put(ctx.state, body.election.encode(), counts)
    return Accepted(
        {
            "election": body.election,
            "station": body.station,
            "weight_class": body.weight_class,
            "weight": line.weight,
            "registrations": counts.registrations,
        }
    )


def _freeze(ctx: TxContext, body: RollFreeze) -> Outcome:
    record = get_election(ctx.state, body.election)
    assert isinstance(record, ElectionRecord)
    start_freeze(ctx.state, record, ctx.time_s)
    return Accepted({})


def lenient_router() -> Router:
    """The town's router, with an issuance that asks for nothing."""
    true = town_router()

    def signed(body: Any, apply: Any, role: str) -> Route:
        rule = Rule(
            apply,
            gas_us=1_000,
            senders=BODY,
            roles=frozenset({role}),
            quota=params.QUOTA_AGENT_PER_MINUTE,
        )
        return Route(body.TYPE, body, rule)

    routes = dict(true.routes) | {
        RegistrarKeys.TYPE: signed(RegistrarKeys, _take_keys, "registrar"),
        RollFreeze.TYPE: signed(RollFreeze, _freeze, "electoral_commission"),
    }
    register = AnonymousRule(
        _take_credential,
        lambda _state, _body: 1_000,
        lambda body: sha256(body.credential.encode()).digest(),
        lambda _state, _body, _now_s: None,
    )
    anonymous = dict(true.anonymous) | {CredRegister.TYPE: register}
    return Router(routes, true.due, true.namespaces, true.starts, anonymous)


# --- making --------------------------------------------------------------------------------------


def make_calendar(now_s: int) -> VoteCalendar:
    """A day for everything."""
    days = [now_s + day * DAY_S for day in range(1, 7)]
    return VoteCalendar(*days)


def make_body(town: Town, **changes: Any) -> ElectionCreate:
    """An election of one question at one station."""
    fields: dict[str, Any] = {
        "election": UUID,
        "name": "Place du Beffroi",
        "description": "Consultation sur l'avenir de la place.",
        "group": "Ed25519",
        "legal_kind": "consultation_citoyenne",
        "policy": "consultation",
        "regulation": key("règlement").kid,
        "questions": (ONE_OF_THREE,),
        "contests": (SINGLE,),
        "calendar": make_calendar(town.now_s),
        "stations": (VoteStation("1", "one", 1),),
        "registrars": REGISTRAR_BODIES,
        "registrars_threshold": 3,
        "ceremony": "threshold",
        "trustees": TRUSTEE_BODIES,
        "trustees_threshold": 2,
    }
    return ElectionCreate(**(fields | changes))


def make_vote(params: dict[str, int] | None = None, seed: str = "vote", **changes: Any) -> Vote:
    """A lax town with all bodies, and an election to publish."""
    town = make_town(
        bodies=BODIES, roles=VOTE_ROLES, params=LAX | (params or {}), router=lenient_router()
    )
    return Vote(town, make_body(town, **changes), seeded(seed))


def open_vote(voters: int | Sequence[int] = 3, **how: Any) -> Vote:
    """An election whose box is open."""
    vote = make_vote(**how)
    assert vote.publish().info == "ok"
    vote.open_box(voters)
    return vote
