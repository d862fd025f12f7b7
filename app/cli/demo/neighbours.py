"""The four parties of shared energy, each on a device of its own: member, meter adapter, manager, witness.

A member keeps his PRM's salt and checks his own rows; the adapter imports and signs readings; the manager (*PMO*)
signs what the town worked out for him; the witness opens the sealed day and works it out again before he signs.
Reads and writes: the public API.  Never: one party's key on another's device.
"""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from app.cli.demo.client import Client, Refused, expect
from app.cli.demo.http import Answer, new_key
from app.energy import audit, rows
from app.energy.convention import Convention, encode_convention
from app.energy.days import open_sealed_day
from chain.codec.canonical import b64url_encode
from chain.town.energy import commitments
from chain.town.energy.conventions import hash_key
from chain.town.energy.records import hash_terms
from chain.town.energy_schemas import (
    EnergyAdmit,
    EnergyApprove,
    EnergyConsent,
    EnergyJoin,
    EnergyOperation,
    EnergyReconcile,
    EnergyReport,
    EnergyWitness,
    OperationTerms,
    Perimeter,
    Plant,
    PointClaim,
)
from chain.town.envelope import BODY_TYPES
from chain.town.schemas import AccountOpen, Jwk

BASE: Final = "/v1/energy"
PATIENCE_S: Final = 30
POLL_S: Final = 0.05
CONSENTS: Final = ("allocation", "witness", "credits")


class NotReproduced(Exception):
    """A figure does not follow from what it is said to follow from."""


@dataclass(frozen=True, slots=True)
class MeterPoint:
    """A meter at home: its PRM, the side it stands on, and its plant if there is one."""

    prm: str
    side: str
    lat_microdeg: int
    lon_microdeg: int
    peak_w: int = 0
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def commitment(self) -> str:
        """What the chain knows of it."""
        made = commitments.commit_point(self.prm, self.salt)
        if not isinstance(made, str):
            raise ValueError("a PRM has 14 digits")
        return made

    def claim(self) -> PointClaim:
        """The point as a request names it."""
        plant = Plant("photovoltaic", self.peak_w, "2024-05-01") if self.peak_w else None
        return PointClaim(self.commitment, self.side, plant)  # type: ignore[arg-type] # one of the three sides

    def opening(self) -> dict[str, Any]:
        """What opens it, for the operation's manager."""
        return {
            "prm": self.prm,
            "salt": b64url_encode(self.salt),
            "lat_microdeg": self.lat_microdeg,
            "lon_microdeg": self.lon_microdeg,
            "density": "rural",
        }


@dataclass(slots=True)
class Drafter(Client):
    """Somebody who signs what the town worked out, on behalf of a body."""

    body: str = ""

    def draft(self, path: str, asked: Any = None) -> tuple[Any, dict[str, Any]]:
        """A message to sign, typed, and the figures shown with it."""
        shown = expect("draft", self.api.post(BASE + path, asked, token=self.token))
        message = msgspec.convert(shown["body"], BODY_TYPES[shown["type"]])
        return message, shown["said"]

    def send_as_body(self, path: str, message: Any, *, wait: bool = True, **more: Any) -> Answer:
        """Sign for the body and hand in; without `wait` the answer may be pending."""
        asked = {"transaction": self.sign(message, sender=f"body:{self.body}"), **more}
        return self.api.post(
            BASE + path, asked, token=self.token, key=new_key(), wait_s=8 if wait else 0
        )


@dataclass(slots=True)
class Adapter(Drafter):
    """The grid operator's meter adapter."""

    def import_files(
        self, operation: str, files: Sequence[Mapping[str, Any]], *, is_correction: bool = False
    ) -> Answer:
        """Files in, all or none."""
        asked = {"files": list(files), "is_correction": is_correction}
        return self.api.post(f"{BASE}/operations/{operation}/imports", asked, token=self.token)

    def publish(self, operation: str, day: str, *, wait: bool = True) -> Answer:
        """Sign and publish the roots of a day's readings."""
        message, _ = self.draft(f"/operations/{operation}/days/{day}/readings-drafts")
        return self.send_as_body("/readings", message, wait=wait)


@dataclass(slots=True)
class Manager(Drafter):
    """The legal person that organises the operation (*PMO*)."""

    def open_operation(
        self, convention: Convention, *, adapter: str, from_day: str, version: int = 1, **terms: Any
    ) -> Answer:
        """Publish terms with the convention they commit to."""
        salt = secrets.token_bytes(32)
        document = encode_convention(convention)
        usual: dict[str, Any] = {
            "step_s": convention.step_s,
            "zone": "Europe/Paris",
            "regime": "standard",
            "territory": "mainland",
            "adapter": adapter,
            "key_kind": json.loads(document)["key"]["key"],
            "key_hash": b64url_encode(hash_key(convention.key)),
            "missing": convention.missing,
            "correction_days": 60,
            "gate_s": 3_600,
            "convention": commitments.commit_text(document, salt),
        }
        message = EnergyOperation(
            convention.operation, version, from_day, OperationTerms(**(usual | terms))
        )
        shown = {"convention": document.decode(), "salt": b64url_encode(salt)}
        return self.send_as_body("/operations", message, **shown)

    def approval(self, operation: str, version: int = 1, *, missing: str) -> EnergyApprove:
        """What the council signs to put the waiting terms in force."""
        shown = expect("operation", self.api.get(f"{BASE}/operations/{operation}"))
        found = next(v for v in shown["versions"] if v["version"] == version)
        convention = {name: found[name] for name in ("key_kind", "key_hash", "convention")}
        terms = OperationTerms(
            **{
                name: shown[name]
                for name in (
                    "step_s",
                    "zone",
                    "regime",
                    "territory",
                    "adapter",
                    "correction_days",
                    "gate_s",
                )
            },
            **convention,
            missing=missing,  # type: ignore[arg-type] # as in the convention
        )
        terms_hash = hash_terms(operation, version, found["from_day"], terms)
        return EnergyApprove(operation, version, terms_hash)

    def list_members(self, operation: str) -> list[dict[str, Any]]:
        """Members and requests."""
        path = f"{BASE}/operations/{operation}/members"
        return list(expect("members", self.api.get(path, token=self.token))["memberships"])

    def admit(self, operation: str, member: Mapping[str, Any], from_day: str) -> Answer:
        """Admit what a member asked for, with tags and perimeter as found."""
        path = f"{BASE}/operations/{operation}/perimeter"
        perimeter = expect("perimeter", self.api.get(path, token=self.token))
        asked = [point for point in member["points"] if not point["from_day"]]
        order = {point: place for place, point in enumerate(member["asked"])}
        tags = [p["tag"] for p in sorted(asked, key=lambda p: order[p["point"]])]
        message = EnergyAdmit(
            operation,
            member["account"],
            "admitted",
            from_day,
            tuple(tags),
            msgspec.convert(perimeter, Perimeter),
        )
        return self.send_as_body("/memberships/answers", message, wait=False)

    def allocate(
        self, operation: str, day: str, *, evidence: str = "", wait: bool = True
    ) -> Answer:
        """Share a day, or correct it, and publish it."""
        path = f"/operations/{operation}/days/{day}/allocation-drafts"
        message, _ = self.draft(path, {"evidence": evidence})
        return self.send_as_body("/allocations", message, wait=wait)

    def export(self, operation: str, first: str, last: str) -> dict[str, Any]:
        """Coefficients for the grid operator."""
        path = f"{BASE}/operations/{operation}/coefficients"
        asked = {"first": first, "last": last}
        return dict(expect("export", self.api.post(path, asked, token=self.token)))

    def report(self, operation: str, first: str, last: str, coefficients: str) -> Answer:
        """Say that the coefficients went out."""
        return self.send_as_body("/reports", EnergyReport(operation, first, last, coefficients))

    def reconcile(self, operation: str, first: str, last: str, content: str) -> Answer:
        """Compare the operator's table, and say so when it agrees."""
        path = f"{BASE}/operations/{operation}/reconciliations"
        asked = {"first": first, "last": last, "content": content}
        found = expect("comparison", self.api.post(path, asked, token=self.token))
        message = EnergyReconcile(operation, first, last, found["dso"], found["difference_wh"])
        return self.send_as_body("/reports", message)

    def state_month(self, operation: str, month: str) -> tuple[Answer, dict[str, Any]]:
        """Draw up and publish a month's statements."""
        message, said = self.draft(f"/operations/{operation}/months/{month}/drafts")
        return self.send_as_body("/statements", message), said

    def credit(self, operation: str, month: str) -> Answer:
        """Credit KWHC of a stated month."""
        message, _ = self.draft(f"/operations/{operation}/months/{month}/credit-drafts")
        return self.send_as_body("/credits", message)


@dataclass(slots=True)
class Witness(Drafter):
    """A body of its own that works days out again; `seed` opens what is sealed to it."""

    seed: bytes = field(default=b"", repr=False)
    households_min: int = 5

    def recompute(self, operation: str, day: str) -> EnergyWitness:
        """Open a day, work it out, and compare both roots with the chain's; raises NotReproduced."""
        path = f"{BASE}/operations/{operation}/days/{day}"
        shown = expect("sealed day", self.api.get(f"{path}/sealed", token=self.token))
        published = expect("day", self.api.get(path))
        opened = open_sealed_day(shown["sealed"], self.seed)
        loaded = rows.load_day(opened["day"])
        convention = msgspec.convert(opened["convention"], Convention)
        if not isinstance(loaded, rows.DayInput):
            raise NotReproduced(f"{day}: not a day")
        found = audit.recompute_day(
            loaded,
            convention.key,
            readings_version=published["readings_version"],
            version=published["version"],
            households_min=self.households_min,
        )
        if (found.readings, found.allocation) != (published["readings"], published["root"]):
            raise NotReproduced(f"{day}: other roots than published")
        return EnergyWitness(operation, day, published["version"], published["root"])

    def witness(self, operation: str, day: str, *, wait: bool = True) -> Answer:
        """Recompute, then sign."""
        return self.send_as_body("/witnessings", self.recompute(operation, day), wait=wait)


@dataclass(slots=True)
class Neighbour(Client):
    """A member: home, perhaps a roof."""

    name: str = ""
    points: list[MeterPoint] = field(default_factory=list)

    @property
    def account(self) -> str:
        """The energy account, named by its first key."""
        return self.key.kid

    def open_account(self) -> Answer:
        """A ticket from the gateway, then the account by the own signature."""
        self.login()
        asked = self.api.post("/v1/accounts/tickets", {"domain": "energy"}, token=self.token)
        ticket = expect("ticket", asked)["ticket"]
        blind = b64url_encode(secrets.token_bytes(16))
        body = AccountOpen("energy", Jwk(**self.jwk), blind, ticket)
        return self._post("/v1/accounts", body)

    def consent(self, operation: str, purpose: str, act: str = "given") -> Answer:
        """Give or take back one consent; its text stays on the phone, salted."""
        text = f"{operation} {purpose} {act}".encode()
        commitment = commitments.commit_text(text, secrets.token_bytes(32))
        body = EnergyConsent(operation, purpose, act, commitment)  # type: ignore[arg-type] # literals
        return self._post(f"{BASE}/consents", body)

    def ask_to_join(self, operation: str, version: int = 1) -> Answer:
        """The request, with what opens each point."""
        body = EnergyJoin(operation, version, tuple(point.claim() for point in self.points))
        openings = [point.opening() for point in self.points]
        return self._post(f"{BASE}/memberships", body, name=self.name, points=openings)

    def get(self, path: str) -> Any:
        """Something of one's own."""
        return expect(path, self.api.get(BASE + path, token=self.token))

    def check_day(self, operation: str, day: str) -> int:
        """Open the own rows of a day and follow each path; returns Wh received. Raises NotReproduced."""
        opened = self.get(f"/days/me?operation={operation}&day={day}")
        name = opened["allocation_transaction"]
        facts = expect("receipt", self.api.get(f"/v1/transactions/{name}"))
        if facts["state"] != "final":
            raise NotReproduced(f"{day}: not final")
        received = audit.check_own_day(opened)
        if isinstance(received, str):
            raise NotReproduced(f"{day}: {received}")
        return received.received_wh

    def _post(self, path: str, body: Any, **more: Any) -> Answer:
        """Sign and hand in without waiting: a phone comes back for the outcome."""
        asked = {"transaction": self.sign(body, sender=self.account), **more}
        return self.api.post(path, asked, token=self.token, key=new_key())


def settle(client: Client, answers: Sequence[Answer], what: str) -> list[dict[str, Any]]:
    """Wait until everything that was handed in is final; raises Refused for what was not taken."""
    final = []
    for answer in answers:
        body = expect(what, answer)
        if body["state"] == "pending":
            path = f"/v1/transactions/{body['transaction']}"
            body = _wait_final(client, path, what)
        final.append(body)
    return final


def _wait_final(client: Client, path: str, what: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answer = client.api.get(path)
        body = expect(what, answer)
        if body["state"] == "final" and body["code"] in ("", "ok"):
            return dict(body)
        if body["state"] != "pending" or time.monotonic() > deadline:
            raise Refused(what, answer)
        time.sleep(POLL_S)
