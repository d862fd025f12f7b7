"""An operation on the chain for tests: a town with *PMO*, adapter and witness, members, days, all through real blocks.

village = make_village(consumers=6, producers=2)     # approved, joined, consented, admitted from 40 days back
village.read("2026-10-01"); village.publish("2026-10-01")   # readings, then allocation with a witness
village.pmo(body) / village.adapter(body) / village.witness(body) / village.member(0, body)   # result of one block
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

from msgspec import Struct

from chain.codec.canonical import b64url_encode
from chain.crypto.jws import SigningKey
from chain.town.energy import batches, calendar, commitments, keys, records
from chain.town.energy.conventions import Contract, Key, ProRata, hash_key
from chain.town.energy_schemas import (
    AllocationStep,
    EnergyAdmit,
    EnergyAllocate,
    EnergyApprove,
    EnergyConsent,
    EnergyCorrect,
    EnergyJoin,
    EnergyOperation,
    EnergyReadings,
    EnergyReconcile,
    EnergyReport,
    EnergyStatement,
    OperationTerms,
    Perimeter,
    Plant,
    PointClaim,
    ReadingStep,
    Sums,
)
from chain.types.abci import ExecTxResult
from tests.town.town_kit import ROLES, Town, key, make_town, name_of

OP = "les-tilleuls"
ENERGY_ROLES = (
    *ROLES,
    ("pmo", "coop"),
    ("pmo", "commerces"),
    ("meter_adapter", "dehors"),
    ("meter_adapter", "coop"),
    ("meter_adapter", "commerces"),
    ("energy_witness", "mairie"),
    ("energy_witness", "coop"),
)
PARAMS = {"energy_challenge_s": 0, "energy_leave_days": 0, "energy_backdate_days": 62}
DAY_S = 86_400


def digest(text: str) -> str:
    """32 bytes that depend on the text, base64url."""
    return b64url_encode(sha256(text.encode()).digest())


def ok(result: ExecTxResult) -> ExecTxResult:
    """The result, accepted."""
    assert name_of(result) == "ok", result.log
    return result


def terms(**changes: Any) -> OperationTerms:
    """Usual terms of the test operation."""
    usual: dict[str, Any] = {
        "step_s": 900,
        "zone": "Europe/Paris",
        "regime": "standard",
        "territory": "mainland",
        "adapter": "dehors",
        "key_kind": "pro_rata",
        "key_hash": b64url_encode(hash_key(ProRata())),
        "missing": "zero",
        "correction_days": 60,
        "gate_s": 3_600,
        "convention": digest("convention"),
    }
    return OperationTerms(**(usual | changes))


PERIMETER = Perimeter(1_400, digest("places"), ())


@dataclass
class Village:
    """One operation and the keys of all who act for it."""

    town: Town
    terms: OperationTerms
    members: list[SigningKey] = field(default_factory=list)
    points: dict[str, list[str]] = field(default_factory=dict)
    """Account to its point commitments."""
    serial: int = 0

    # --- who acts ---

    def pmo(self, body: Struct, *cosigners: SigningKey, of: str = "coop") -> ExecTxResult:
        return self.town.do(body, f"body:{of}", key(f"pmo@{of}"), *cosigners)

    def adapter(self, body: Struct, *, of: str = "dehors") -> ExecTxResult:
        return self.town.do(body, f"body:{of}", key(f"meter_adapter@{of}"))

    def witness(self, body: Struct, *, of: str = "mairie") -> ExecTxResult:
        return self.town.do(body, f"body:{of}", key(f"energy_witness@{of}"))

    def council(self, body: Struct) -> ExecTxResult:
        seats = [self.town.seat(name) for name in ("mairie", "commerces", "coop")]
        return self.town.do(body, "council", *seats)

    def member(self, index: int, body: Struct) -> ExecTxResult:
        signer = self.members[index]
        return self.town.do(body, signer.kid, signer)

    # --- days ---

    @property
    def today(self) -> int:
        return calendar.local_day(calendar.ZONES[self.terms.zone], self.town.now_s)

    def day(self, offset: int) -> str:
        """The day `offset` days from today."""
        return calendar.format_day(self.today + offset)

    def starts(self, day: str) -> range:
        number = calendar.parse_day(day)
        assert number is not None
        return calendar.steps_of_day(calendar.ZONES[self.terms.zone], number, self.terms.step_s)

    # --- opening ---

    def register(self, from_day: str, version: int = 1, **changes: Any) -> ExecTxResult:
        self.terms = terms(**changes)
        return self.pmo(EnergyOperation(OP, version, from_day, self.terms))

    def approve(self, from_day: str, version: int = 1) -> ExecTxResult:
        terms_hash = records.hash_terms(OP, version, from_day, self.terms)
        return self.council(EnergyApprove(OP, version, terms_hash))

    def open_member(self, name: str) -> int:
        signer = key(f"energy {name}")
        self.town.open_account(signer, "energy")
        self.members.append(signer)
        return len(self.members) - 1

    def consent(self, index: int, purpose: str, act: str = "given") -> ExecTxResult:
        return self.member(index, EnergyConsent(OP, purpose, act, digest(f"{purpose}{act}")))

    def claim(self, index: int, side: str = "consumer", peak_w: int = 3_000) -> PointClaim:
        self.serial += 1
        plant = None if side == "consumer" else Plant("photovoltaic", peak_w, "2024-05-01")
        return PointClaim(digest(f"point {index} {self.serial}"), side, plant)

    def join(self, index: int, *claims: PointClaim, version: int = 1) -> ExecTxResult:
        return self.member(index, EnergyJoin(OP, version, claims))

    def admit(
        self,
        index: int,
        from_day: str,
        *,
        perimeter: Perimeter | None = PERIMETER,
        tags: Sequence[str] | None = None,
    ) -> ExecTxResult:
        account = self.members[index].kid
        found = self.record(records.MEMBERS, records.member_id(OP, account))
        given = tags or [digest(f"tag {point}") for point in found.asked]
        body = EnergyAdmit(OP, account, "admitted", from_day, tuple(given), perimeter)
        result = self.pmo(body)
        if name_of(result) == "ok":
            self.points.setdefault(account, []).extend(found.asked)
        return result

    def settle_in(self, name: str, from_day: str, side: str = "consumer", **claim: Any) -> int:
        """A member from account to admission."""
        index = self.open_member(name)
        ok(self.consent(index, "allocation"))
        ok(self.consent(index, "credits"))
        ok(self.join(index, self.claim(index, side, **claim)))
        ok(self.admit(index, from_day))
        return index

    # --- days ---

    def record(self, table: Any, record_id: bytes) -> Any:
        return table.get(self.town.reader, record_id)

    def day_record(self, day: str) -> records.DayRecord:
        return self.record(records.DAYS, records.day_id(OP, day))

    def columns(self, day: str) -> int:
        from chain.town.energy.onchain.rosters import roster_on

        number = calendar.parse_day(day)
        assert number is not None
        roster = roster_on(self.town.reader, OP, number)
        return roster.consumers + roster.producers

    def readings(self, day: str, **changes: Any) -> EnergyReadings:
        held = self.day_record(day)
        version = 1 if held is None else held.readings_version + 1
        steps = tuple(ReadingStep(digest(f"r {day} {version} {s}")) for s in self.starts(day))
        usual: dict[str, Any] = {
            "operation": OP,
            "day": day,
            "version": version,
            "previous": "" if held is None else held.readings,
            "key_hash": self.terms.key_hash,
            "count": self.columns(day),
            "steps": steps,
        }
        return EnergyReadings(**(usual | changes))

    def allocation(self, day: str, **changes: Any) -> EnergyAllocate:
        held = self.day_record(day)
        step_sums = Sums(400, 1_000, 400, 0)
        count = len(self.starts(day))
        steps = tuple(
            AllocationStep(digest(f"a {day} {held.version} {s}"), step_sums)
            for s in self.starts(day)
        )
        usual: dict[str, Any] = {
            "operation": OP,
            "day": day,
            "readings": held.readings,
            "key_hash": self.terms.key_hash,
            "engine": keys.ENGINE,
            "steps": steps,
            "totals": Sums(400 * count, 1_000 * count, 400 * count, 0),
        }
        return EnergyAllocate(**(usual | changes))

    def correction(self, day: str, **changes: Any) -> EnergyCorrect:
        held = self.day_record(day)
        base = self.allocation(day)
        usual: dict[str, Any] = {
            "operation": OP,
            "day": day,
            "version": held.version + 1,
            "previous": held.root,
            "evidence": digest("evidence"),
            "readings": held.readings,
            "key_hash": base.key_hash,
            "engine": base.engine,
            "steps": tuple(AllocationStep(step.root) for step in base.steps),
            "totals": base.totals,
        }
        return EnergyCorrect(**(usual | changes))

    def read(self, day: str) -> None:
        ok(self.adapter(self.readings(day)))

    def publish(self, day: str, *, is_witnessed: bool = True) -> None:
        cosigners = (key("energy_witness@mairie"),) if is_witnessed else ()
        ok(self.pmo(self.allocation(day), *cosigners))

    def reconcile(self, from_day: str, to_day: str) -> None:
        ok(self.pmo(EnergyReport(OP, from_day, to_day, digest("coefficients"))))
        ok(self.pmo(EnergyReconcile(OP, from_day, to_day, digest("dso"), 0)))

    def statement(self, month: str, **changes: Any) -> EnergyStatement:
        days = [d for d in self.days_of(month) if self.day_record(d) is not None]
        totals = batches.add_sums([self.day_record(d).totals for d in days])
        usual: dict[str, Any] = {
            "operation": OP,
            "month": month,
            "number": 1,
            "previous": "",
            "root": digest(f"statement {month}"),
            "count": len(self.members),
            "totals": totals,
        }
        return EnergyStatement(**(usual | changes))

    def days_of(self, month: str) -> list[str]:
        return [calendar.format_day(day) for day in calendar.days_of_month(month)]


def make_village(
    *,
    consumers: int = 6,
    producers: int = 2,
    back_days: int = 40,
    params: dict | None = None,
    **changes: Any,
) -> Village:
    """An operation in force since `back_days` days ago, with its members admitted from that day on."""
    town = make_town(roles=ENERGY_ROLES, params=PARAMS | (params or {}))
    village = Village(town, terms(**changes))
    first = village.day(-back_days)
    ok(village.register(first, **changes))
    ok(village.approve(first))
    for index in range(consumers):
        village.settle_in(f"consumer {index}", first)
    for index in range(producers):
        village.settle_in(f"producer {index}", first, "producer")
    return village


def contract_key() -> str:
    """Hash of a key with contracts and an auction."""
    return b64url_encode(hash_key(Contract()))


__all__ = [
    "OP",
    "Key",
    "Random",
    "Village",
    "commitments",
    "digest",
    "make_village",
    "name_of",
    "ok",
]
