"""Random histories of two days, their month and its KWHC, beside a naive book that says what must be accepted.

The naive book keeps plain dictionaries and knows nothing of records; after every step the chain's records must say the
same, no watt-hour of a lot may be lost or made, and every version must name the one before.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chain.crypto.keys import jwk_of
from chain.town.context import Accepted, Overlay, Refused, Signer, TxContext
from chain.town.energy import batches, keys, records
from chain.town.energy.onchain import RULES
from chain.town.energy_schemas import (
    AllocationStep,
    CreditEntry,
    EnergyAllocate,
    EnergyChallenge,
    EnergyConsent,
    EnergyCorrect,
    EnergyCredit,
    EnergyReadings,
    EnergyReconcile,
    EnergyReport,
    EnergyRetire,
    EnergyStatement,
    EnergyTransfer,
    EnergyVerdict,
    EnergyWitness,
    LotPart,
    ReadingStep,
    Sums,
)
from tests.town.energy.chain_kit import OP, Village, digest, make_village
from tests.town.town_kit import key

MONTH = "2026-08"
DAYS = ("2026-08-30", "2026-08-31")
STEPS = 96
WINDOW_S = 1_000
"""Time for challenges in this town."""
CORRECTION_S = 40 * 86_400
PMO, ADAPTER, WITNESS = "body:coop", "body:dehors", "body:mairie"


@cache
def base() -> Village:
    """The town every history starts from; nobody writes to it."""
    return make_village(
        back_days=22, consumers=5, params={"energy_challenge_s": WINDOW_S}, correction_days=40
    )


@dataclass
class NaiveDay:
    readings: list[str] = field(default_factory=list)
    versions: list[tuple[str, str, int]] = field(default_factory=list)
    """(root, readings it is over, Wh shared in the whole day)."""
    state: str = "open"
    allocated_s: int = 0
    witnesses: set[str] = field(default_factory=set)
    open: dict[str, int] = field(default_factory=dict)
    """Challenge to the version it is about."""
    said: set[tuple[int, int]] = field(default_factory=set)
    is_faulted: bool = False


class EnergyMachine(RuleBasedStateMachine):
    """Each rule does one act, asks the naive book whether it must pass, and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.village = base()
        self.state = Overlay(self.village.town.reader)
        self.time_s = self.village.town.now_s
        self.serial = 0
        self.days = {day: NaiveDay() for day in DAYS}
        self.statements: list[str] = []
        self.shared_wh = 0
        self.credited: dict[int, int] = {}
        self.held: defaultdict[int, int] = defaultdict(int)
        self.retired_wh = 0
        self.claims: set[int] = set()
        self.consents = dict.fromkeys(range(len(self.village.members)), True)
        self.member_ids = [member.kid for member in self.village.members]

    # --- acting ---

    def act(self, sender: str, body: Any, *, cosigner: str = "") -> Accepted | Refused:
        self.serial += 1
        layer = Overlay(self.state)
        signers = [key(f"energy_witness@{cosigner}")] if cosigner else []
        ctx = TxContext(
            state=layer,
            height=self.serial,
            time_s=self.time_s,
            chain_id="beffroi-test-1",
            town=self.village.town.town,
            sender=sender,
            signers=tuple(Signer(s.kid, jwk_of(s.public_key)) for s in signers),
            tx_key=sha256(b"%d" % self.serial).digest(),
        )
        outcome = RULES[type(body)].apply(ctx, body)
        if isinstance(outcome, Accepted):
            assert set(layer.written_namespaces()) <= {"energy", "due"}
            entries = outcome.data.get("entries", [])
            assert sum(entry[2] for entry in entries) == 0, "double entry"
            self.state.absorb(layer)
        return outcome

    def expect(self, outcome: Accepted | Refused, is_due: bool) -> bool:
        said = "ok" if isinstance(outcome, Accepted) else outcome.code.name + outcome.detail
        assert isinstance(outcome, Accepted) == is_due, said
        return is_due

    def get(self, table: Any, record_id: bytes) -> Any:
        return table.get(self.state, record_id)

    # --- days ---

    @initialize(stage=st.sampled_from(("empty", "published", "settled", "credited")))
    def start(self, stage: str) -> None:
        """Most histories begin with the month under way, so that later acts are reached."""
        if stage == "published":
            for day in DAYS:
                self.read(day, 0, is_named=True)
                self.allocate(day, 31, 1, is_current=True, is_witnessed=True)
        elif stage != "empty":
            self.hurry()
            if stage == "credited":
                self.credit([0, 1], 1_500)

    @rule()
    def hurry(self) -> None:
        """Do what is missing for the month to be settled, as far as it can be."""
        for day, naive in self.days.items():
            for _ in range(len(naive.open)):
                self.judge(day, is_upheld=False, is_known=1)
            if not naive.readings:
                self.read(day, 0, is_named=True)
            is_stale = not naive.versions or naive.versions[-1][1] != naive.readings[-1]
            if is_stale or naive.is_faulted:
                self.allocate(day, 31, 1, is_current=True, is_witnessed=True)
            self.witness(day, WITNESS, is_root=True)
            self.report(day, day)
            self.reconcile(day, day, -1)
        self.wait(WINDOW_S)
        self.state_month(0, is_named=True)

    def is_late(self, day: str) -> bool:
        return self.time_s > self.village.starts(day).stop + CORRECTION_S

    @rule(
        day=st.sampled_from(DAYS),
        noise=st.integers(0, 3),
        is_named=st.sampled_from((True, True, False)),
        gap=st.sampled_from((1, 1, 1, 2)),
    )
    def read(self, day: str, noise: int, *, is_named: bool, gap: int = 1) -> None:
        naive = self.days[day]
        steps = tuple(ReadingStep(digest(f"{day} {noise} {n}")) for n in range(STEPS))
        root = batches.compute_day_root(steps)
        last = naive.readings[-1] if naive.readings else ""
        body = EnergyReadings(
            OP,
            day,
            len(naive.readings) + gap,
            last if is_named else digest("another root"),
            self.village.terms.key_hash,
            len(self.member_ids),
            steps,
        )
        is_linked = is_named and gap == 1 and root != last
        is_due = is_linked and not (naive.readings and self.is_late(day))
        if self.expect(self.act(ADAPTER, body), is_due):
            naive.readings.append(root)
            naive.state = "metered" if naive.state == "open" else naive.state

    def steps_of(self, day: str, wh: int, salt: int) -> tuple[tuple[AllocationStep, ...], Sums]:
        sums = Sums(50, 90, wh, 50 - wh)
        steps = tuple(AllocationStep(digest(f"a {day} {salt} {n}"), sums) for n in range(STEPS))
        return steps, Sums(50 * STEPS, 90 * STEPS, wh * STEPS, (50 - wh) * STEPS)

    @rule(
        day=st.sampled_from(DAYS),
        wh=st.integers(0, 50),
        gap=st.sampled_from((1, 1, 1, 0, 2)),
        is_current=st.sampled_from((True, True, True, False)),
        is_witnessed=st.booleans(),
    )
    def allocate(
        self, day: str, wh: int, gap: int, *, is_current: bool, is_witnessed: bool
    ) -> None:
        """Version 1, or a correction; `gap` other than 1 skips or repeats a version."""
        naive = self.days[day]
        steps, totals = self.steps_of(day, wh, self.serial)
        last = naive.versions[-1][0] if naive.versions else ""
        current = naive.readings[-1] if naive.readings else digest("no readings")
        common = (self.village.terms.key_hash, keys.ENGINE, steps, totals)
        over = current if is_current else digest("other readings")
        number = len(naive.versions) + gap
        if naive.versions:
            version = max(2, number)
            steps = tuple(AllocationStep(step.root) for step in steps)
            common = (self.village.terms.key_hash, keys.ENGINE, steps, totals)
            body: Any = EnergyCorrect(OP, day, version, last, digest("why"), over, *common)
            is_due = version == len(naive.versions) + 1 and is_current and not self.is_late(day)
        else:
            body = EnergyAllocate(OP, day, over, *common)
            is_due = naive.state == "metered" and is_current
        outcome = self.act(PMO, body, cosigner="mairie" if is_witnessed else "")
        if self.expect(outcome, is_due):
            naive.versions.append((batches.compute_day_root(steps), over, wh * STEPS))
            naive.state = "corrected" if len(naive.versions) > 1 else "allocated"
            naive.allocated_s = self.time_s
            naive.witnesses = {WITNESS} if is_witnessed else set()
            naive.is_faulted = False

    @rule(
        day=st.sampled_from(DAYS),
        body=st.sampled_from((WITNESS, PMO)),
        is_root=st.sampled_from((True, True, False)),
    )
    def witness(self, day: str, body: str, *, is_root: bool) -> None:
        naive = self.days[day]
        root = naive.versions[-1][0] if naive.versions and is_root else digest("another")
        message = EnergyWitness(OP, day, max(1, len(naive.versions)), root)
        is_due = bool(naive.versions) and is_root and body != PMO
        if self.expect(self.act(body, message), is_due):
            naive.witnesses.add(body)

    @rule(day=st.sampled_from(DAYS), member=st.integers(0, 2), behind=st.sampled_from((0, 0, 1)))
    def challenge(self, day: str, member: int, behind: int) -> None:
        naive = self.days[day]
        version = max(1, len(naive.versions) - behind)
        outcome = self.act(
            self.member_ids[member], EnergyChallenge(OP, day, version, digest("claim"))
        )
        is_due = (
            bool(naive.versions)
            and version == len(naive.versions)
            and self.time_s < naive.allocated_s + WINDOW_S
            and (member, version) not in naive.said
        )
        if self.expect(outcome, is_due):
            assert isinstance(outcome, Accepted)
            naive.open[outcome.data["challenge"]] = version
            naive.said.add((member, version))

    @rule(day=st.sampled_from(DAYS), is_upheld=st.booleans(), is_known=st.sampled_from((1, 1, 0)))
    def judge(self, day: str, *, is_upheld: bool, is_known: int) -> None:
        naive = self.days[day]
        name = next(iter(naive.open), "") if is_known else ""
        verdict = "upheld" if is_upheld else "rejected"
        message = EnergyVerdict(OP, day, name or digest("none"), verdict, digest("evidence"))
        if self.expect(self.act(WITNESS, message), bool(name)):
            version = naive.open.pop(name)
            naive.is_faulted |= is_upheld and version == len(naive.versions)

    @rule(first=st.sampled_from(DAYS), last=st.sampled_from(DAYS))
    def report(self, first: str, last: str) -> None:
        listed = [day for day in DAYS if first <= day <= last]
        outcome = self.act(PMO, EnergyReport(OP, first, last, digest("coefficients")))
        states = ("allocated", "corrected")
        is_due = bool(listed) and all(self.days[day].state in states for day in listed)
        if self.expect(outcome, is_due):
            for day in listed:
                self.days[day].state = "reported"

    @rule(first=st.sampled_from(DAYS), last=st.sampled_from(DAYS), over=st.integers(-1, 1))
    def reconcile(self, first: str, last: str, over: int) -> None:
        listed = [day for day in DAYS if first <= day <= last]
        tolerance_wh = len(listed) * STEPS * len(self.member_ids)
        body = EnergyReconcile(OP, first, last, digest("dso"), max(0, tolerance_wh + over))
        states = ("reported", "corrected")
        is_due = (
            bool(listed) and over <= 0 and all(self.days[day].state in states for day in listed)
        )
        if self.expect(self.act(PMO, body), is_due):
            for day in listed:
                self.days[day].state = "reconciled"

    @rule(seconds=st.sampled_from((1, 999, 1_000, 5_000, 10 * 86_400)))
    def wait(self, seconds: int) -> None:
        self.time_s += seconds

    # --- the month ---

    def is_ready(self, naive: NaiveDay) -> bool:
        if naive.open or naive.is_faulted:
            return False
        return naive.state == "settled" or (
            naive.state == "reconciled"
            and naive.versions[-1][1] == naive.readings[-1]
            and bool(naive.witnesses)
            and self.time_s >= naive.allocated_s + WINDOW_S
        )

    @rule(off=st.sampled_from((0, 0, 0, 1)), is_named=st.sampled_from((True, True, False)))
    def state_month(self, off: int, *, is_named: bool) -> None:
        shared = sum(naive.versions[-1][2] for naive in self.days.values() if naive.versions)
        last = self.statements[-1] if self.statements else ""
        root = digest(f"statement {self.serial}")
        body = EnergyStatement(
            OP,
            MONTH,
            len(self.statements) + 1,
            last if is_named else digest("another"),
            root,
            7,
            Sums(2 * 50 * STEPS, 2 * 90 * STEPS, shared + off, 2 * 50 * STEPS - shared - off),
        )
        is_due = (
            is_named
            and not off
            and all(self.is_ready(naive) for naive in self.days.values())
            and any(naive.state != "settled" for naive in self.days.values())
        )
        if self.expect(self.act(PMO, body), is_due):
            self.statements.append(root)
            self.shared_wh = shared
            for naive in self.days.values():
                naive.state = "settled"

    @rule(member=st.integers(0, 6), is_given=st.booleans())
    def consent(self, member: int, *, is_given: bool) -> None:
        act = "given" if is_given else "withdrawn"
        body = EnergyConsent(OP, "credits", act, digest("text"))
        is_due = is_given or self.consents[member]
        if self.expect(self.act(self.member_ids[member], body), is_due):
            self.consents[member] = is_given

    @rule(
        members=st.lists(st.integers(0, 6), min_size=1, max_size=3, unique=True),
        wh=st.integers(1, 4_000),
    )
    def credit(self, members: list[int], wh: int) -> None:
        entries = sorted((self.member_ids[m], wh + m) for m in members)
        body = EnergyCredit(OP, MONTH, tuple(CreditEntry(*entry) for entry in entries))
        total = sum(entry[1] for entry in entries)
        is_due = (
            bool(self.statements)
            and sum(self.credited.values()) + total <= self.shared_wh
            and all(self.consents[m] and m not in self.credited for m in members)
        )
        if self.expect(self.act(PMO, body), is_due):
            for member in members:
                self.credited[member] = wh + member
                self.held[member] += wh + member

    @rule(source=st.integers(0, 6), receiver=st.integers(0, 6), wh=st.integers(1, 3_000))
    def transfer(self, source: int, receiver: int, wh: int) -> None:
        part = LotPart(OP, MONTH, wh)
        body = EnergyTransfer(self.member_ids[receiver], (part,), "")
        is_due = source != receiver and self.held[source] >= wh
        if self.expect(self.act(self.member_ids[source], body), is_due):
            self.held[source] -= wh
            self.held[receiver] += wh

    @rule(member=st.integers(0, 6), wh=st.integers(1, 3_000), claim=st.integers(0, 9))
    def retire(self, member: int, wh: int, claim: int) -> None:
        body = EnergyRetire(OP, MONTH, wh, digest(f"claim {claim}"))
        is_due = (
            claim not in self.claims
            and self.held[member] >= wh
            and self.retired_wh + wh <= self.shared_wh
        )
        if self.expect(self.act(self.member_ids[member], body), is_due):
            self.held[member] -= wh
            self.retired_wh += wh
            self.claims.add(claim)

    # --- what must hold ---

    @invariant()
    def no_watt_hour_of_a_lot_is_lost_or_made(self) -> None:
        lot = self.get(records.LOTS, records.lot_id(OP, MONTH))
        listed = {
            rid.decode().partition("/")[0]: held for rid, held in records.HOLDINGS.scan(self.state)
        }
        held = {self.member_ids.index(account): found.held_wh for account, found in listed.items()}
        assert {m: wh for m, wh in held.items() if wh} == {m: w for m, w in self.held.items() if w}
        if lot is None:
            assert not held
            return
        assert (lot.shared_wh, lot.retired_wh) == (self.shared_wh, self.retired_wh)
        assert lot.credited_wh == sum(self.credited.values())
        assert sum(held.values()) + lot.retired_wh == lot.credited_wh

    @invariant()
    def every_version_names_the_one_before(self) -> None:
        for day, naive in self.days.items():
            found = self.get(records.DAYS, records.day_id(OP, day))
            if found is None:
                assert naive.state == "open"
                continue
            assert (found.state, found.version) == (naive.state, len(naive.versions))
            assert set(found.witnesses) == naive.witnesses
            assert found.open_challenges == len(naive.open)
            assert found.readings == naive.readings[-1]
            previous = ""
            for number, (root, over, _) in enumerate(naive.versions, 1):
                kept = self.get(records.VERSIONS, records.version_id(OP, day, number))
                assert (kept.previous, kept.root, kept.readings) == (previous, root, over)
                previous = root

    @invariant()
    def what_is_settled_was_witnessed_and_nobody_objects(self) -> None:
        for day in DAYS:
            found = self.get(records.DAYS, records.day_id(OP, day))
            if found is not None and found.state == "settled":
                assert found.witnesses
                assert not found.is_faulted
                assert not found.open_challenges
