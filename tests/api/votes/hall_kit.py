"""A vote over HTTP, step by step: city hall, commission, trustees, registrars, citizens and relays' transactions.

hall = Hall(town, agent=key("agent_supervisor@mairie"), body="mairie")
hall.publish(); hall.give_trustee_keys(); hall.publish_registrar_keys()
hall.draw_up_rolls(); hall.open_issuance()
"""

from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any

import msgspec

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto import blind_rsa
from chain.crypto.blind_rsa import RANDOMIZED_PSS, Blinded, SignerKey
from chain.crypto.jws import SigningKey
from chain.town.votes_schemas import (
    ElectionCreate,
    ElectionOpenIssuance,
    IssuedSignature,
    IssueRequest,
    IssueSign,
    RegistrarKeys,
    RollFreeze,
    StationKey,
    StationRoll,
    TrusteeKeyGiven,
    VoteProof,
)
from chain.votes.group import Group
from chain.votes.groups import get_group
from chain.votes.messages import token_message
from chain.votes.randomness import draw_scalar
from chain.votes.trustees import make_trustee_key
from tests.api.votes.votes_kit import draft_request
from tests.town.town_kit import key
from tests.town.votes.issuing import modulus_text, registrar_key

COMMISSION = "dehors"


@dataclass
class Voter:
    """What a citizen's phone keeps."""

    signer: SigningKey
    cid: str
    secret: int
    credential: str
    prepared: bytes
    blinded: list[Blinded]


@dataclass
class Hall:
    """One election of a town in memory."""

    town: Any
    agent: SigningKey
    body: str
    setup: ElectionCreate | None = None
    secrets: list[int] = field(default_factory=list)

    @property
    def election(self) -> str:
        assert self.setup is not None
        return self.setup.election

    @property
    def group(self) -> Group:
        assert self.setup is not None
        group = get_group(self.setup.group)
        assert group is not None
        return group

    def page(self) -> dict[str, Any]:
        return self.town.http.get(f"/v1/votes/elections/{self.election}").json

    def go_to(self, date: str, blocks: int = 4) -> None:
        """Header time jumps to a date of the calendar; what falls due is done."""
        at = self.page()["calendar"][date]
        self.town.lab.now_s = max(self.town.lab.now_s, at)
        for _ in range(blocks):
            self.town.lab.produce()
        self.town.follow()

    def post(self, path: str, body: Any, sender: str, *signers: SigningKey) -> Any:
        answer = self.town.post_tx(path, self.town.tx(body, sender, *signers), signers[0])
        assert answer.status_code == 201, answer.json
        return answer.json

    # --- preparing ---

    def draft(self, **changes: Any) -> ElectionCreate:
        asked = draft_request(self.town.lab.now_s, **changes)
        drafted = self.town.http.post(
            "/v1/votes/drafts", json=asked, headers=self.town.login(self.agent)
        )
        assert drafted.status_code == 201, drafted.json
        return msgspec.convert(drafted.json["body"], ElectionCreate)

    def publish(self, **changes: Any) -> None:
        self.setup = self.draft(**changes)
        self.post("/v1/votes/elections", self.setup, f"body:{self.body}", self.agent)

    def give_trustee_keys(self) -> None:
        """Ceremony `single`."""
        assert self.setup is not None
        for rank, name in enumerate(self.setup.trustees, 1):
            secret = draw_scalar(self.group, token_bytes)
            self.secrets.append(secret)
            made = make_trustee_key(self.group, secret, token_bytes)
            proof = VoteProof(made.pok.challenge, made.pok.response)
            given = TrusteeKeyGiven(self.election, rank, made.public_key, proof)
            self.post("/v1/votes/offices", given, f"body:{name}", key(f"trustee@{name}"))

    def registrar(self, rank: int, station: int = 0) -> SignerKey:
        return registrar_key(rank - 1 + 4 * station)

    def publish_registrar_keys(self) -> None:
        assert self.setup is not None
        for rank, name in enumerate(self.setup.registrars, 1):
            keys = tuple(
                StationKey(line.station, line.weight_class, modulus_text(self.registrar(rank, n)))
                for n, line in enumerate(self.setup.stations)
            )
            given = RegistrarKeys(self.election, rank, keys)
            self.post("/v1/votes/offices", given, f"body:{name}", key(f"registrar@{name}"))

    def draw_up_rolls(self, **asked: Any) -> list[dict[str, Any]]:
        answer = self.town.http.post(
            f"/v1/votes/elections/{self.election}/rolls",
            json={"default": "1"} | asked,
            headers=self.town.login(self.agent),
        )
        assert answer.status_code == 200, answer.json
        return answer.json["rolls"]

    def open_issuance(self) -> None:
        headers = self.town.login(self.agent)
        shown = self.town.http.get(
            f"/v1/votes/elections/{self.election}/rolls", headers=headers
        ).json["rolls"]
        rolls = tuple(msgspec.convert(roll, StationRoll) for roll in shown)
        commission = key(f"electoral_commission@{COMMISSION}")
        opening = ElectionOpenIssuance(self.election, rolls)
        self.post("/v1/votes/decisions", opening, f"body:{self.body}", self.agent, commission)
        self.go_to("issuance_opens")

    def prepare(self, **changes: Any) -> None:
        """From nothing to the first request."""
        self.publish(**changes)
        self.give_trustee_keys()
        self.publish_registrar_keys()
        self.draw_up_rolls()
        self.open_issuance()

    # --- citizens ---

    def place(self, signer: SigningKey) -> dict[str, Any]:
        answer = self.town.http.get(
            f"/v1/votes/me/roll?election={self.election}", headers=self.town.login(signer)
        )
        assert answer.status_code == 200, answer.json
        return answer.json

    def make_request(self, signer: SigningKey, cid: str) -> tuple[Voter, IssueRequest]:
        """The blinded request of a citizen, with the place the API shows them."""
        assert self.setup is not None
        place = self.place(signer)
        secret = draw_scalar(self.group, token_bytes)
        credential = self.group.encode(self.group.generator_power(secret))
        message = token_message(self.election, place["station"], place["weight_class"], credential)
        prepared = token_bytes(32) + message
        number = [line.station for line in self.setup.stations].index(place["station"])
        blinded = [
            blind_rsa.blind(
                self.registrar(rank, number).public, RANDOMIZED_PSS, prepared, token_bytes
            )
            for rank in range(1, len(self.setup.registrars) + 1)
        ]
        request = IssueRequest(
            self.election,
            cid,
            place["station"],
            place["weight_class"],
            place["salt"],
            place["index"],
            tuple(place["aunts"]),
            tuple(b64url_encode(hidden.message) for hidden in blinded),
        )
        return Voter(signer, cid, secret, credential, prepared, blinded), request

    def sign(self, rank: int, *voters: Voter, station: int = 0) -> None:
        """A registrar answers."""
        assert self.setup is not None
        name = self.setup.registrars[rank - 1]
        answers = []
        for voter in sorted(voters, key=lambda one: one.cid):
            value = b64url_encode(voter.blinded[rank - 1].message)
            signed = blind_rsa.blind_sign(
                self.registrar(rank, station), b64url_decode(value), token_bytes
            )
            answers.append(IssuedSignature(voter.cid, b64url_encode(signed)))
        body = IssueSign(self.election, rank, tuple(answers))
        self.post("/v1/votes/offices", body, f"body:{name}", key(f"registrar@{name}"))

    def freeze(self) -> None:
        counts = self.page()["counts"]
        body = RollFreeze(self.election, counts["requests"], counts["registrations"])
        commission = key(f"electoral_commission@{COMMISSION}")
        self.post("/v1/votes/decisions", body, f"body:{COMMISSION}", commission)
        for _ in range(4):
            self.town.lab.produce()
        self.town.follow()
