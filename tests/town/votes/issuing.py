"""Issuance in a town in memory: registrars with real keys, citizens with identities, a roll, every step as a call.

i = Issuance.at_issuance(citizens=3)          # keys published, rolls fixed, within the window
i.request("c0")                               # issue.request of a citizen, blinded with the voter's own code
i.sign(1, "c0")                               # issue.sign of registrar 1
i.end_issuance(); i.register("c0")            # signer sets fixed; the anonymous registration
"""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.merkle import merkle_proofs
from chain.crypto import blind_rsa
from chain.crypto.blind_rsa import RANDOMIZED_PSS, Blinded, SignerKey, SignerPublicKey
from chain.crypto.rsa_modulus import EXPONENT
from chain.town.envelope import build_anonymous
from chain.town.votes.records import (
    KEYS,
    REQUESTS,
    CountsRecord,
    ElectionRecord,
    RequestRecord,
    StationRecord,
    get_counts,
    get_station,
    group_of,
    key_id,
    part_id,
)
from chain.town.votes.registrars import read_key
from chain.town.votes_schemas import (
    CredRegister,
    IssuedSignature,
    IssueRequest,
    IssueSign,
    RegistrarKeys,
    RollFreeze,
    StationKey,
    StationRoll,
    TokenSignature,
    VoteProof,
    VoteStation,
)
from chain.types.abci import ExecTxResult
from chain.votes.messages import prove_registration, roll_leaf, token_message
from tests.town.identity.kit import batch, cid_of
from tests.town.town_kit import Town, blind, key, make_town
from tests.town.votes.kit import (
    BODIES,
    LAX,
    REGISTRAR_BODIES,
    TRUSTEE_BODIES,
    UUID,
    VOTE_ROLES,
    Vote,
    make_body,
)
from tests.votes.kit import seeded

REGISTRARS = REGISTRAR_BODIES
PRIMES = Path(__file__).with_name("registrar_primes.json")
"""Throw-away primes of 1 536 bits: nine keys that nobody has to wait for."""
CLASS = "one"


@cache
def registrar_key(number: int) -> SignerKey:
    """A registrar's key of 3 072 bits."""
    p, q = (int(text, 16) for text in json.loads(PRIMES.read_text())[number])
    return SignerKey(SignerPublicKey(p * q, EXPONENT), p, q)


def modulus_text(signer: SignerKey) -> str:
    """As a transaction carries it."""
    return b64url_encode(signer.public.n.to_bytes(384, "big"))


@dataclass
class Token:
    """What a citizen's phone keeps between request and registration."""

    secret: int
    prepared: bytes
    credential: str
    blinded: list[Blinded] = field(default_factory=list)


@dataclass
class Issuance:
    """An election from its sealing on, without the trustees."""

    vote: Vote
    citizens: tuple[str, ...]
    stations: tuple[str, ...]
    tokens: dict[str, Token] = field(default_factory=dict)

    @classmethod
    def at_issuance(
        cls, citizens: int = 2, *, stations: tuple[str, ...] = ("1",), **changes: Any
    ) -> "Issuance":
        """Keys published, rolls fixed, the window open."""
        issuance = cls.sealed(citizens, stations=stations, **changes)
        for rank in range(1, len(REGISTRARS) + 1):
            issuance.must(issuance.publish_keys(rank))
        issuance.open()
        return issuance

    @classmethod
    def sealed(
        cls,
        citizens: int = 2,
        *,
        stations: tuple[str, ...] = ("1",),
        town: Any = None,
        weight: int = 1,
        **changes: Any,
    ) -> "Issuance":
        """The trustees' key is made; registrars may publish theirs. `town` is another than one in memory."""
        town = make_town(bodies=BODIES, roles=VOTE_ROLES, params=LAX) if town is None else town
        fields = {
            "policy": "budget",
            "stations": tuple(VoteStation(station, CLASS, weight) for station in stations),
            "ceremony": "single",
            "trustees_threshold": len(TRUSTEE_BODIES),
        }
        vote = Vote(town, make_body(town, **(fields | changes)), seeded("issuance"))
        names = tuple(f"c{number}" for number in range(citizens))
        issuance = cls(vote, names, stations)
        issuance.must(batch(town, *names))
        issuance.must(vote.publish())
        vote.hold_ceremony()
        return issuance

    # --- reading ---

    @property
    def town(self) -> Town:
        return self.vote.town

    @property
    def record(self) -> ElectionRecord:
        return self.vote.record

    @property
    def counts(self) -> CountsRecord:
        return get_counts(self.town.reader, UUID)

    def line(self, station: str = "1") -> StationRecord:
        found = get_station(self.town.reader, UUID, station, CLASS)
        assert isinstance(found, StationRecord)
        return found

    def request_record(self, name: str) -> RequestRecord | None:
        return REQUESTS.get(self.town.reader, part_id(UUID, cid_of(name).encode()))

    # --- steps of city hall ---

    def open(self) -> None:
        """The rolls, and the hour issuance begins."""
        self.fix_rolls()
        self.vote.go_to(self.record.calendar.issuance_opens)

    def fix_rolls(self) -> None:
        """election.open_issuance with the true rolls."""
        rolls = []
        for station in self.stations:
            root, proofs = self.roll(station)
            rolls.append(StationRoll(station, CLASS, len(proofs), b64url_encode(root)))
        self.must(self.vote.fix_rolls(rolls=tuple(rolls)))

    def end_issuance(self) -> None:
        """The hour issuance closes, and what becomes due."""
        self.vote.go_to(self.record.calendar.issuance_closes)
        assert self.record.phase == "registration"

    # --- the roll ---

    def station_of(self, name: str) -> str:
        """Citizens go to stations in turn."""
        return self.stations[self.citizens.index(name) % len(self.stations)]

    def roll(self, station: str) -> tuple[bytes, Any]:
        leaves = [self.leaf(name) for name in self.citizens if self.station_of(name) == station]
        return merkle_proofs(leaves)

    def leaf(self, name: str) -> bytes:
        return roll_leaf(UUID, b64url_decode(cid_of(name)), b64url_decode(blind(f"roll {name}")))

    # --- transactions ---

    def must(self, result: ExecTxResult) -> ExecTxResult:
        assert result.info == "ok", (result.info, result.log)
        return result

    def publish_keys(self, rank: int, *, body: str = "", **changes: Any) -> ExecTxResult:
        keys = tuple(
            StationKey(station, CLASS, modulus_text(self.signer(rank, station)))
            for station in self.stations
        )
        message = RegistrarKeys(**({"election": UUID, "registrar": rank, "keys": keys} | changes))
        slug = body or REGISTRARS[rank - 1]
        return self.town.do(message, f"body:{slug}", key(f"registrar@{slug}"))

    def signer(self, rank: int, station: str = "1") -> SignerKey:
        return registrar_key(rank - 1 + 4 * self.stations.index(station))

    def public_key(self, rank: int, station: str = "1") -> SignerPublicKey:
        """The key a registrar published, or would publish."""
        found = KEYS.get(self.town.reader, key_id(UUID, station, CLASS, rank))
        return self.signer(rank, station).public if found is None else read_key(found.n)

    def token(self, name: str, variant: str = "") -> Token:
        """A citizen's secret and its hidden message; another variant is another credential."""
        label = f"{name}{variant}"
        known = self.tokens.get(label)
        if known is not None:
            return known
        draw, group = seeded(f"token {label}"), group_of(self.record)
        secret = int.from_bytes(draw(31), "big")
        credential = group.encode(group.generator_power(secret))
        message = token_message(UUID, self.station_of(name), CLASS, credential)
        token = Token(secret, draw(32) + message, credential)
        for rank in range(1, len(REGISTRARS) + 1):
            public = self.public_key(rank, self.station_of(name))
            token.blinded.append(blind_rsa.blind(public, RANDOMIZED_PSS, token.prepared, draw))
        self.tokens[label] = token
        return token

    def request_body(self, name: str, variant: str = "", **changes: Any) -> IssueRequest:
        station = self.station_of(name)
        members = [other for other in self.citizens if self.station_of(other) == station]
        proof = self.roll(station)[1][members.index(name)]
        fields: dict[str, Any] = {
            "election": UUID,
            "cid": cid_of(name),
            "station": station,
            "weight_class": CLASS,
            "salt": blind(f"roll {name}"),
            "index": proof.index,
            "aunts": tuple(b64url_encode(aunt) for aunt in proof.aunts),
            "blinded": tuple(
                b64url_encode(hidden.message) for hidden in self.token(name, variant).blinded
            ),
        }
        return IssueRequest(**(fields | changes))

    def request_tx(self, name: str, variant: str = "", **changes: Any) -> bytes:
        return self.town.tx(self.request_body(name, variant, **changes), key(name).kid, key(name))

    def request(self, name: str, variant: str = "", **changes: Any) -> ExecTxResult:
        return self.town.run(self.request_tx(name, variant, **changes))[0]

    def answer(self, rank: int, name: str) -> IssuedSignature:
        """A registrar's blind signature over what is on the chain."""
        request = self.request_record(name)
        assert request is not None
        value = b64url_decode(request.blinded[rank - 1])
        signer = self.signer(rank, request.station)
        signature = blind_rsa.blind_sign(signer, value, seeded(f"sign {rank} {name}"))
        return IssuedSignature(cid_of(name), b64url_encode(signature))

    def sign_body(self, rank: int, *names: str) -> IssueSign:
        ordered = sorted(names, key=cid_of)
        return IssueSign(UUID, rank, tuple(self.answer(rank, name) for name in ordered))

    def sign_tx(self, rank: int, body: IssueSign, *, by: str = "") -> bytes:
        slug = by or REGISTRARS[rank - 1]
        return self.town.tx(body, f"body:{slug}", key(f"registrar@{slug}"))

    def sign(self, rank: int, *names: str) -> ExecTxResult:
        return self.town.run(self.sign_tx(rank, self.sign_body(rank, *names)))[0]

    def open_signature(self, rank: int, name: str, variant: str = "") -> TokenSignature:
        """The registrar's answer, uncovered on the phone."""
        request = self.request_record(name)
        assert request is not None
        token = self.token(name, variant)
        signature = blind_rsa.finalize(
            self.public_key(rank, request.station),
            RANDOMIZED_PSS,
            token.prepared,
            b64url_decode(request.signatures[rank - 1]),
            token.blinded[rank - 1].inverse,
        )
        return TokenSignature(rank, b64url_encode(token.prepared[:32]), b64url_encode(signature))

    def register_body(self, name: str, variant: str = "", **changes: Any) -> CredRegister:
        token, station = self.token(name, variant), self.station_of(name)
        proof = prove_registration(
            group_of(self.record), UUID, station, CLASS, token.secret, seeded(f"proof {name}")
        )
        fields: dict[str, Any] = {
            "election": UUID,
            "station": station,
            "weight_class": CLASS,
            "credential": token.credential,
            "proof": VoteProof(proof.challenge, proof.response),
        }
        if "signatures" not in changes:
            signers = changes.pop("signers", self.line(station).signers)
            fields["signatures"] = tuple(
                self.open_signature(rank, name, variant) for rank in signers
            )
        return CredRegister(**(fields | changes))

    def register_tx(self, name: str, variant: str = "", **changes: Any) -> bytes:
        return build_anonymous(self.town.town, self.register_body(name, variant, **changes))

    def register(self, name: str, variant: str = "", **changes: Any) -> ExecTxResult:
        return self.town.run(self.register_tx(name, variant, **changes))[0]

    def stuff(self, name: str, ranks: tuple[int, ...], variant: str = "") -> CredRegister:
        """A registration of something nobody asked for, which these registrars sign in secret."""
        token = self.token(name, variant)
        signatures = []
        for rank in ranks:
            signer, hidden = self.signer(rank), token.blinded[rank - 1]
            answer = blind_rsa.blind_sign(signer, hidden.message, seeded(f"stuff {rank}"))
            opened = blind_rsa.finalize(
                signer.public, RANDOMIZED_PSS, token.prepared, answer, hidden.inverse
            )
            signatures.append(
                TokenSignature(rank, b64url_encode(token.prepared[:32]), b64url_encode(opened))
            )
        return self.register_body(name, variant, signatures=tuple(signatures))

    def run_anonymous(self, body: CredRegister) -> ExecTxResult:
        """One anonymous transaction in a block."""
        return self.town.run(build_anonymous(self.town.town, body))[0]

    def freeze_body(self, **changes: Any) -> RollFreeze:
        counts = self.counts
        fields = {
            "election": UUID,
            "requests": counts.requests,
            "registrations": counts.registrations,
        }
        return RollFreeze(**(fields | changes))

    def freeze(self, *, by: str = "dehors", **changes: Any) -> ExecTxResult:
        body = self.freeze_body(**changes)
        return self.town.do(body, f"body:{by}", key(f"electoral_commission@{by}"))
