"""A town with somebody in every role, twice where an object can be one's own or another's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.cli.demo.client import expect
from chain.codec.canonical import b64url_encode
from chain.crypto.jws import SigningKey
from chain.crypto.keys import jwk_of
from chain.town.schemas import Jwk
from tests.journeys.kit import PROGRAMME, Street
from tests.town.town_kit import key

LOGGED_OUT = ("auth_session_ended", "auth_token_expired")
"""Rows close sessions, and the town's clock goes on with every block."""
DOMAINS = ("identity", "loyalty", "sel", "energy")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its path, and the JSON body of a POST."""

    path: str
    body: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Who asks, for an own object and for another's; `refused` are the statuses of the latter.

    `who` is a scope, or one of the spare people whose keys and status a row may use up.
    """

    who: str
    own: "Callable[[World], Asked]"
    other: "Callable[[World], Asked]"
    refused: frozenset[int] = frozenset({404})
    used_up: str = ""
    """Code of the answer for the own object after another row has used it up."""


@dataclass(slots=True)
class World:
    """The town of the matrix; `signers` holds who stands for each scope, `spares` who may be used up."""

    street: Street
    signers: dict[str, SigningKey] = field(default_factory=dict)
    spares: dict[str, SigningKey] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)
    """Named objects that rows use: accounts, cids, enrolments, payload hashes."""
    kept: dict[str, Any] = field(default_factory=dict)
    """What rows made once and use again."""
    _headers: dict[str, dict[str, str]] = field(default_factory=dict)
    _sent: int = 0

    def signer(self, who: str) -> SigningKey:
        """The key of whoever stands for a scope, or of a spare."""
        return self.signers.get(who) or self.spares[who]

    def headers(self, who: str) -> dict[str, str]:
        """Login of whoever stands for a scope, or of a spare."""
        if who not in self._headers:
            self._headers[who] = self.street.town.login(self.signer(who))
        return self._headers[who]

    def ask(self, method: str, asked: Asked, who: str = "") -> Any:
        """Send one request, with a fresh Idempotency-Key; logs in again where a row closed the session."""
        answer = self._send(method, asked, who)
        if answer.is_json and answer.json.get("code") in LOGGED_OUT:
            del self._headers[who]
            answer = self._send(method, asked, who)
        return answer

    def log_in_again(self, who: str) -> None:
        """For what asks for a factor shown a moment ago."""
        self._headers.pop(who, None)

    def session(self, who: str) -> str:
        """Id of a session of somebody's own."""
        return str(self.street.town.login_answer(self.signer(who)).json["session"])

    def _send(self, method: str, asked: Asked, who: str) -> Any:
        self._sent += 1
        headers = dict(self.headers(who)) if who else {}
        headers |= {"Idempotency-Key": f"matrix-{self._sent:08d}", "Prefer": "wait=5"}
        return self.street.town.http.open(
            asked.path, method=method, json=asked.body, headers=headers
        )

    def tx(self, path: str, body: Any, sender: str, *signers: SigningKey) -> Asked:
        """A transaction on its way to a route."""
        return Asked(path, {"transaction": self.street.town.tx(body, sender, *signers).decode()})


def jwk(signer: SigningKey) -> Jwk:
    """The public key as transactions carry it."""
    return Jwk(**jwk_of(signer.public_key))


def blind(number: int) -> str:
    """16 bytes for a receipt or an account, a different one per number."""
    return b64url_encode(number.to_bytes(16, "big"))


def build_world(town: Any) -> World:
    """Shops, tills, citizens of every domain, agents and seats; two of what can be another's."""
    street = Street(town)
    till, other_till = street.open_shop("boulangerie"), street.open_shop("librairie")
    cleo = street.phone("Cleo")
    ana, ben = street.phone("Ana", 5_000, till), street.phone("Ben", 5_000, other_till)
    clerk = street.clerk
    drafts = [street.enrol(phone, clerk) for phone in (ana, ben, cleo)]
    assert all(drafts)
    expect("batch", clerk.write_batch(clerk.read_batch()["attestations"]))
    world = World(street)
    world.signers = {
        "device": key("a phone the chain does not know"),
        "citizen:identity": ana.identity_key,
        "citizen:loyalty": ana.key,
        "citizen:sel": key("ana in the SEL"),
        "citizen:energy": key("energy home 0"),
        "clerk": key("clerk@mairie"),
        "supervisor": key("agent_supervisor@commerces"),
        "operator": key("loyalty_operator@commerces"),
        "shop_owner": key("owner of boulangerie"),
        "till": till.key,
        "council": key("seat@mairie"),
        "auditor": key("auditor@dehors"),
        "electoral": key("electoral_commission@dehors"),
        "pmo": key("pmo@coop"),
        "meter_adapter": key("meter_adapter@dehors"),
        "energy_witness": key("energy_witness@mairie"),
    }
    expect("till", street.owner("boulangerie").register_till(key("spare till")))
    for domain in ("sel", "energy"):
        town.open_account(world.signers[f"citizen:{domain}"], domain)
    street.open_shop("marchand")
    street.open_shop("coiffeur")
    world.spares = {
        "cleo's identity": cleo.identity_key,
        "cleo's points": cleo.key,
        "a shop that leaves": key("owner of marchand"),
        "an owner who renews": key("owner of coiffeur"),
        "a trustee": key("trustee@mairie"),
    }
    world.objects = {
        "account": ana.account,
        "other account": ben.account,
        "cleo's identity": cleo.identity_key.kid,
        "cleo's points": cleo.account,
        "cleo's cid": cleo.read_identity()["cid"],
        "other identity account": ben.identity_key.kid,
        "cid": ana.read_identity()["cid"],
        "other cid": ben.read_identity()["cid"],
        "code": ana.make_identity_code(),
        "pay code": ana.make_code(50, shop="boulangerie"),
        "other pay code": ana.make_code(50, shop="librairie"),
        "other till": other_till.key.kid,
        "spare till": key("spare till").kid,
        "programme": PROGRAMME,
        "own earn": expect("earn", till.earn(ana.account, 2_000))["transaction"],
        "other earn": expect("earn", other_till.earn(ben.account, 2_000))["transaction"],
    }
    return world
