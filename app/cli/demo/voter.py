"""A voter's device: the library of `chain.votes.voter` put into the transactions that travel.

    asked = ask(uuid, cid, opening, request)        issue.request, signed by the identity's own key
    register(place, made) · cast(…) · spoil(…)      anonymous: nobody signs, a relay takes them

Reads: the public API, a relay.  Writes: the same.  Never: opens a session for what is anonymous.
"""

import http.client
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from app.cli.demo.client import expect
from app.cli.demo.http import Answer
from app.cli.demo.phone import Phone
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto.blind_rsa import SignerPublicKey
from chain.crypto.randomness import RandomBytes
from chain.crypto.rsa_modulus import EXPONENT
from chain.town.envelope import build_anonymous
from chain.town.votes_schemas import (
    BallotCast,
    BallotSpoil,
    CredRegister,
    IssueRequest,
    TokenSignature,
    VoteProof,
)
from chain.votes.election import Election
from chain.votes.group import Group
from chain.votes.messages import sign_spoil
from chain.votes.privacy import Window, draw_registration_release_s
from chain.votes.voter.audit import Auditable, make_auditable
from chain.votes.voter.kit import ConfirmedKit, confirm_kit
from chain.votes.voter.request import Place, Registration, Request, make_registration, make_request

TIMEOUT_S: Final = 20
PATH: Final = "/v1/anonymous/transactions"
REFUSALS: Final = "/v1/anonymous/refusals"

Choices = Sequence[Sequence[int]]


def ask(uuid: str, cid: str, opening: Mapping[str, Any], request: Request) -> IssueRequest:
    """The request of a citizen whose place on the roll `opening` shows (`GET /v1/votes/me/roll`)."""
    return IssueRequest(
        uuid,
        cid,
        opening["station"],
        opening["weight_class"],
        opening["salt"],
        opening["index"],
        tuple(opening["aunts"]),
        tuple(b64url_encode(value) for value in request.blinded),
    )


def register(place: Place, made: Registration) -> CredRegister:
    """The registration of a credential: nothing in it says whose it is."""
    prefix = b64url_encode(made.prefix)
    return CredRegister(
        place.uuid,
        place.station,
        place.weight_class,
        made.credential,
        tuple(
            TokenSignature(line.registrar, prefix, b64url_encode(line.value))
            for line in made.signatures
        ),
        VoteProof(made.proof.challenge, made.proof.response),
    )


def cast(uuid: str, ballot: bytes) -> BallotCast:
    """A ballot's canonical bytes on their way."""
    return BallotCast(uuid, ballot.decode())


def spoil(election: Election, ballot: Auditable, secret: int, draw: RandomBytes) -> BallotSpoil:
    """What makes an audited ballot worthless: its credential says so."""
    proof = sign_spoil(election.group, election.uuid, ballot.hash, secret, draw)
    said = VoteProof(proof.challenge, proof.response)
    return BallotSpoil(election.uuid, ballot.opening.credential, ballot.hash, said)


def visit(url: str, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """One request to a relay on a connection of its own, closed after it: two on one would be one voter's."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(
        address.hostname or "127.0.0.1", address.port, timeout=TIMEOUT_S
    )
    sent = {"Content-Type": "application/json"} if body else {}
    try:
        connection.request(method, path, body or None, sent | headers)
        told = connection.getresponse()
        return Answer(told.status, {}, json.loads(told.read()))
    finally:
        connection.close()


@dataclass(slots=True)
class Voter:
    """A citizen who votes by phone."""

    phone: Phone
    relay_url: str
    kit: ConfirmedKit = field(repr=False)
    place: Place | None = None
    request: Request | None = None
    tracker: str = ""
    """Of the last ballot sent."""
    choices: Choices = ()

    @classmethod
    def retype(cls, phone: Phone, relay_url: str) -> "Voter":
        """Nobody asks before the twelve words were typed again (here: in capitals)."""
        words = phone.wallet.words
        return cls(phone, relay_url, confirm_kit(words, words.upper()))

    # --- with a session: the identity's own ---

    def get_own(self, path: str) -> Any:
        """What only this citizen may read."""
        token = self.phone.login(self.phone.identity_key)
        return expect(path, self.phone.api.get(f"/v1/votes{path}", token=token))

    def prepare(self, uuid: str, group: Group, keys: Sequence[Mapping[str, Any]]) -> IssueRequest:
        """Make the one request: a value per registrar, none of which shows the credential."""
        opening = self.get_own(f"/me/roll?election={uuid}")
        cid = self.get_own(f"/me/request?election={uuid}")["cid"]
        own = (opening["station"], opening["weight_class"])
        lines = [line for line in keys if (line["station"], line["weight_class"]) == own]
        moduli = [line["n"] for line in sorted(lines, key=lambda line: int(line["registrar"]))]
        registrars = tuple(
            SignerPublicKey(int.from_bytes(b64url_decode(n), "big"), EXPONENT) for n in moduli
        )
        self.place = Place(uuid, group, *own, registrars)
        self.request = make_request(self.kit, self.place)
        return ask(uuid, cid, opening, self.request)

    def send_request(self, body: IssueRequest) -> Answer:
        """Signed by the identity key, which everybody may see asking."""
        phone, key = self.phone, self.phone.identity_key
        signed = phone.sign(body, sender=phone.identity_account, signers=[key])
        return phone.send("/v1/votes/requests", signed, token=phone.login(key))

    # --- without: by the relay ---

    def send(self, body: Any, *, release_s: int = 0) -> Answer:
        """Hand an anonymous transaction to the relay."""
        raw = build_anonymous(self.phone.town.town, body)
        wish = f"?release_at={release_s}" if release_s else ""
        return visit(self.relay_url, "POST", PATH + wish, raw)

    def register(self, signers: Sequence[int], window: Window) -> Answer:
        """Uncover the signatures and have the key registered at a time that says nothing of this phone."""
        assert self.place is not None, "asked before"
        assert self.request is not None, "asked before"
        own = self.get_own(f"/me/request?election={self.place.uuid}")["signatures"]
        answers = {line["registrar"]: b64url_decode(line["signature"]) for line in own}
        made = make_registration(
            self.kit, self.place, self.request, answers, signers, secrets.token_bytes
        )
        release_s = draw_registration_release_s(window, self.phone.clock(), secrets.token_bytes)
        return self.send(register(self.place, made), release_s=release_s)

    def secret(self, election: Election) -> int:
        """The voting secret, out of the words."""
        return self.kit.vote_key().secret(election.uuid, election.group)

    def fill(self, election: Election, choices: Choices) -> Auditable:
        """A ballot that may still be cast or audited."""
        return make_auditable(election, self.secret(election), choices, secrets.token_bytes)

    def vote(self, election: Election, choices: Choices) -> Answer:
        """Encrypt, prove and hand in; the last one counts."""
        ballot = self.fill(election, choices)
        self.choices, self.tracker = choices, ballot.tracker
        return self.send(cast(election.uuid, ballot.body))
