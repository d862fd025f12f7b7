"""A whole election with everybody's own program, on any chain that answers CometBFT's RPC.

    poll = Poll(chain, desks, voters=12, group="Ed25519")    # `chain`: a LabTown, or a town of real processes
    poll.prepare()          # identities, publication, key ceremony by `beffroi trustee`, registrars' keys, rolls
    poll.issue(silent=3)    # blind requests, answers of the other registrars, anonymous registrations, the list closed
    poll.vote(…)            # ballots, revotes, an audit; then poll.count((1, 3))

Citizens act by `chain.votes.voter`, trustees by `beffroi trustee`; what a plain count would give is kept beside.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Final

from app.cli.demo.voter import ask, cast, register, spoil
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.merkle import merkle_proofs
from chain.crypto import blind_rsa
from chain.crypto.words import make_words
from chain.town.envelope import build_anonymous
from chain.town.votes.records import get_station
from chain.town.votes_schemas import (
    IssuedSignature,
    IssueSign,
    RegistrarKeys,
    StationKey,
    StationRoll,
    VoteQuestion,
)
from chain.types.abci import ExecTxResult
from chain.votes.messages import roll_leaf
from chain.votes.privacy import sort_batch
from chain.votes.voter.audit import Auditable, make_auditable
from chain.votes.voter.kit import confirm_kit
from chain.votes.voter.request import Place, Request, make_registration, make_request
from tests.town.identity.kit import batch, cid_of
from tests.town.town_kit import blind, key
from tests.town.votes.issuing import modulus_text, registrar_key
from tests.town.votes.kit import (
    APPROVAL,
    ONE_OF_THREE,
    REFERENDUM,
    SINGLE,
    UP_TO_TWO,
    YES_NO,
    Vote,
    make_body,
)
from tests.votes.kit import seeded

QUESTIONS: Final = (ONE_OF_THREE, UP_TO_TWO, YES_NO)
CONTESTS: Final = (SINGLE, APPROVAL, REFERENDUM)
STATION: Final = "1"
CLASS: Final = "one"
IDENTITIES_PER_BATCH: Final = 128
SIGNED_PER_TX: Final = 64

Choices = list[list[int]]
Act = Callable[..., tuple[int, dict[str, Any]]]
"""Runs `beffroi trustee ACTION` for a rank: exit code and JSON answer."""


def choices_of(number: int) -> Choices:
    """What voter `number` wants: every choice is somebody's."""
    one = [0, 0, 0, 0]
    one[number % 4] = 1
    return [
        one,
        [[1, 0, 0], [1, 1, 0], [0, 0, 1]][number % 3],
        [[1, 0], [0, 1], [0, 0]][number % 3],
    ]


@dataclass
class Voter:
    """A citizen with an identity key on the chain and twelve words."""

    name: str
    keys: Any = None
    """What has `vote_key()`: a confirmed kit, or a code of another program."""
    request: Request | None = None
    counted: Choices = field(default_factory=list)
    """Of the last ballot cast."""

    def __post_init__(self) -> None:
        if self.keys is None:
            words = make_words(sha256(f"words of {self.name}".encode()).digest()[:16])
            self.keys = confirm_kit(words, words)


@dataclass(frozen=True, slots=True)
class Opening:
    """A citizen's place on the voting list, as the request shows it."""

    salt: str
    index: int
    aunts: tuple[str, ...]


@dataclass
class Poll:
    """One election from the register to the result."""

    vote: Vote
    act: Act
    voters: list[Voter]
    trackers: dict[str, str] = field(default_factory=dict)
    """Tracker of each voter's last ballot."""
    batch: int = 16
    """Transactions handed in together."""

    @classmethod
    def of(cls, town: Any, act: Act, voters: Sequence[Voter], **changes: Any) -> "Poll":
        """An election of three kinds of question, to be published."""
        fields = {"questions": QUESTIONS, "contests": CONTESTS, "policy": "budget"}
        body = make_body(town, **(fields | changes))
        return cls(Vote(town, body, seeded("poll")), act, list(voters))

    @property
    def town(self) -> Any:
        return self.vote.town

    @property
    def uuid(self) -> str:
        return self.vote.uuid

    def must(self, *results: ExecTxResult) -> None:
        for result in results:
            assert result.info == "ok", (result.info, result.log)

    def must_run(self, txs: Sequence[bytes]) -> None:
        """All of these, some to a block."""
        for first in range(0, len(txs), self.batch):
            self.must(*self.vote.run(*txs[first : first + self.batch]))

    # --- until issuance ------------------------------------------------------------------------

    def prepare(self) -> None:
        """Identities, publication, the key by the trustees' own program, registrars' keys, rolls."""
        names = [voter.name for voter in self.voters]
        for first in range(0, len(names), IDENTITIES_PER_BATCH):
            self.must(batch(self.town, *names[first : first + IDENTITIES_PER_BATCH]))
        self.must(self.vote.publish())
        ranks = range(1, len(self.vote.body.trustees) + 1)
        for _ in range(4):
            for rank in ranks:
                assert self.act("ceremony", rank)[0] in (0, 3)
        assert self.vote.phase == "sealed"
        for rank, slug in enumerate(self.vote.body.registrars, 1):
            keys = (StationKey(STATION, CLASS, modulus_text(registrar_key(rank - 1))),)
            given = RegistrarKeys(self.uuid, rank, keys)
            self.must(self.vote.do(given, f"body:{slug}", key(f"registrar@{slug}")))
        rolls = (StationRoll(STATION, CLASS, len(self.voters), self.draw_up_roll()),)
        self.must(self.vote.fix_rolls(rolls=rolls))

    def draw_up_roll(self) -> str:
        """Root of the voting list, base64url."""
        return b64url_encode(self._roll()[0])

    def list_openings(self) -> list[Opening]:
        """Everybody's place on the list, in the order of the voters."""
        return [
            Opening(
                blind(f"roll {voter.name}"),
                proof.index,
                tuple(b64url_encode(aunt) for aunt in proof.aunts),
            )
            for voter, proof in zip(self.voters, self._roll()[1], strict=True)
        ]

    def _roll(self) -> tuple[bytes, Any]:
        return merkle_proofs([self._leaf(voter.name) for voter in self.voters])

    def _leaf(self, name: str) -> bytes:
        salt = b64url_decode(blind(f"roll {name}"))
        return roll_leaf(self.uuid, b64url_decode(cid_of(name)), salt)

    def place(self) -> Place:
        """The voting list as a phone knows it."""
        count = len(self.vote.body.registrars)
        keys = tuple(registrar_key(number).public for number in range(count))
        return Place(self.uuid, self.vote.election.group, STATION, CLASS, keys)

    # --- issuance ------------------------------------------------------------------------------

    def issue(self, silent: int = 0) -> None:
        """Requests, answers of all registrars but `silent`, registrations, and the list closed."""
        self.vote.go_to(self.vote.body.calendar.issuance_opens)
        place = self.place()
        requests = []
        for voter, opening in zip(self.voters, self.list_openings(), strict=True):
            voter.request = make_request(voter.keys, place)
            requests.append(self._request_tx(voter, opening))
        self.must_run(requests)
        answers = {
            rank: self._answer(rank)
            for rank in range(1, len(place.registrars) + 1)
            if rank != silent
        }
        self.vote.go_to(self.vote.body.calendar.issuance_closes)
        line = get_station(self.town.reader, self.uuid, STATION, CLASS)
        registrations = [
            self._register_tx(place, voter, answers, line.signers) for voter in self.voters
        ]
        self.must_run(sort_batch(registrations))
        self.vote.go_to(self.vote.body.calendar.registration_closes)
        self.must(self.vote.freeze())
        self.vote.settle()
        self.vote.go_to(self.vote.body.calendar.voting_opens)
        assert self.vote.phase == "voting"

    def _request_tx(self, voter: Voter, opening: Opening) -> bytes:
        assert voter.request is not None
        shown = asdict(opening) | {"station": STATION, "weight_class": CLASS}
        body = ask(self.uuid, cid_of(voter.name), shown, voter.request)
        return self.town.tx(body, key(voter.name).kid, key(voter.name))

    def _answer(self, rank: int) -> dict[str, bytes]:
        """A registrar signs every request; answers by voter's name."""
        signer, draw = registrar_key(rank - 1), seeded(f"registrar {rank}")
        answers = {
            voter.name: blind_rsa.blind_sign(signer, voter.request.blinded[rank - 1], draw)
            for voter in self.voters
        }
        slug = self.vote.body.registrars[rank - 1]
        names = sorted(answers, key=cid_of)
        for first in range(0, len(names), SIGNED_PER_TX):
            signed = tuple(
                IssuedSignature(cid_of(name), b64url_encode(answers[name]))
                for name in names[first : first + SIGNED_PER_TX]
            )
            body = IssueSign(self.uuid, rank, signed)
            self.must(self.vote.do(body, f"body:{slug}", key(f"registrar@{slug}")))
        return answers

    def find_answers(self, voter: Voter, answers: dict[int, dict[str, bytes]]) -> dict[int, bytes]:
        """The blind signatures that came for one voter, by registrar."""
        return {rank: given[voter.name] for rank, given in answers.items()}

    def _register_tx(
        self,
        place: Place,
        voter: Voter,
        answers: dict[int, dict[str, bytes]],
        signers: Sequence[int],
    ) -> bytes:
        own = self.find_answers(voter, answers)
        draw = seeded(f"register {voter.name}")
        assert voter.request is not None
        made = make_registration(voter.keys, place, voter.request, own, signers, draw)
        return build_anonymous(self.town.town, register(place, made))

    # --- voting --------------------------------------------------------------------------------

    def secret(self, voter: Voter) -> int:
        return voter.keys.vote_key().secret(self.uuid, self.vote.election.group)

    def choices(self, number: int) -> Choices:
        """What voter `number` wants."""
        return choices_of(number)

    def prepare_ballot(self, voter: Voter, choices: Choices, label: str = "") -> Auditable:
        """A ballot that may still be cast or audited."""
        draw = seeded(f"ballot {voter.name} {label}")
        return make_auditable(self.vote.election, self.secret(voter), choices, draw)

    def cast_tx(self, voter: Voter, ballot: Auditable, choices: Choices) -> bytes:
        """The anonymous transaction; the voter remembers tracker and choices."""
        voter.counted, self.trackers[voter.name] = choices, ballot.tracker
        return self.ballot_tx(ballot.body)

    def ballot_tx(self, body: bytes) -> bytes:
        return build_anonymous(self.town.town, cast(self.uuid, body))

    def spoil_tx(self, voter: Voter, ballot: Auditable) -> bytes:
        body = spoil(self.vote.election, ballot, self.secret(voter), seeded("spoil"))
        return build_anonymous(self.town.town, body)

    def put_back(self, raw: bytes) -> None:
        """A board hands in a ballot that was there before."""
        assert self.vote.run(raw)[0].info == "votes_ballot_seen"

    # --- counting ------------------------------------------------------------------------------

    def plain_count(self) -> list[list[int]]:
        """What counting on paper would give."""
        totals = [[0] * _size(question) for question in self.vote.body.questions]
        for voter in self.voters:
            for row, votes in zip(totals, voter.counted, strict=True):
                for place, chosen in enumerate(votes):
                    row[place] += chosen
        return totals

    def count(self, ranks: Sequence[int]) -> None:
        """The box closes; these trustees decrypt by their own program."""
        self.vote.close()
        for rank in ranks:
            code, said = self.act("decrypt", rank)
            assert (code, said["verdict"]) == (0, "done"), said
        self.vote.settle()
        assert self.vote.phase == "decided"


def _size(question: VoteQuestion) -> int:
    return len(question.answers) + question.blank
