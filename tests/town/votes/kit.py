"""An election in a town in memory: bodies, dates, what is asked, and every step of it in a call.

vote = make_vote()                            # a town, and an election that can be published
vote.publish()                                # election.create
"""

from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from chain.crypto.jws import SigningKey
from chain.town.votes_schemas import (
    ElectionCreate,
    VoteCalendar,
    VoteContest,
    VoteQuestion,
    VoteStation,
)
from chain.types.abci import ExecTxResult
from tests.town.town_kit import DAY_S, ROLES, Town, key, make_town

UUID = "68cdtCgcBHmHAb"
BODIES = (
    "mairie",
    "commerces",
    "coop",
    "dehors",
    "reg1",
    "reg2",
    "reg3",
    "reg4",
    "tru1",
    "tru2",
    "tru3",
)
REGISTRARS = ("reg1", "reg2", "reg3", "reg4")
TRUSTEES = ("tru1", "tru2", "tru3")
VOTE_ROLES = (
    *ROLES,
    ("agent_supervisor", "mairie"),
    *(("registrar", body) for body in REGISTRARS),
    *(("trustee", body) for body in TRUSTEES),
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


@dataclass
class Vote:
    """An election and the town it is held in."""

    town: Town
    body: ElectionCreate
    results: list[ExecTxResult] = field(default_factory=list)

    def agent(self) -> SigningKey:
        """Whoever signs for city hall."""
        return key("agent_supervisor@mairie")

    def publish(self, **changes: Any) -> ExecTxResult:
        """election.create, with other fields where given."""
        return self.town.do(replace(self.body, **changes), CITY_HALL, self.agent())


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
        "regulation": blind_hash("règlement"),
        "questions": (ONE_OF_THREE,),
        "contests": (SINGLE,),
        "calendar": make_calendar(town.now_s),
        "stations": (VoteStation("1", "one", 1),),
        "registrars": REGISTRARS,
        "registrars_threshold": 3,
        "ceremony": "threshold",
        "trustees": TRUSTEES,
        "trustees_threshold": 2,
    }
    return ElectionCreate(**(fields | changes))


def blind_hash(name: str) -> str:
    """32 bytes that look like a hash, base64url."""
    return key(f"hash {name}").kid


def make_vote(params: dict[str, int] | None = None, **changes: Any) -> Vote:
    """A lax town with all bodies, and an election to publish."""
    town = make_town(bodies=BODIES, roles=VOTE_ROLES, params=LAX | (params or {}))
    return Vote(town, make_body(town, **changes))
