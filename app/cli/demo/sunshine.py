"""A week of a real village grid: twelve homes and two roofs share their sun, and a member checks every watt-hour.

The week is SimBench's (village.LICENCE.md), moved to the last seven days of a month, so that the month can be stated.
Reads: `village_week.csv`, the public API.  Writes: the same.  Never: one party's key in another's hand.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from app.cli.demo.client import Client, expect
from app.cli.demo.http import Answer
from app.cli.demo.neighbours import (
    BASE,
    CONSENTS,
    Adapter,
    Manager,
    MeterPoint,
    Neighbour,
    Witness,
    settle,
)
from app.cli.demo.report import Report, check
from app.cli.demo.verify import Verifier
from app.core.keyfiles import RoleKey
from app.core.transactions import read_body, read_transaction
from app.energy import audit, months
from app.energy.convention import Carbon, Convention, Taxes
from app.energy.month import days_of_month, format_day, month_of_day, starts_of_days
from chain.codec.canonical import b64url_encode
from chain.crypto.jws import SigningKey
from chain.town.energy.calendar import EUROPE_PARIS, format_clock, local_day, local_of_utc
from chain.town.energy.conventions import ProRata
from chain.town.energy_schemas import EnergyAllocate, EnergyReadings
from chain.town.envelope import BODY_TYPES

OPERATION: Final = "soleil-du-beffroi"
WEEK_FILE: Final = Path(__file__).with_name("village_week.csv")
WEEK_DAYS: Final = 7
STEP_S: Final = 900
CHANGE_MONTHS: Final = ("03", "10")
"""Their last week holds a clock change, and the file has 96 steps a day."""
CHALLENGE_S: Final = 10 * 86_400
DAY_S: Final = 86_400
PEAKS_W: Final = {"005": 11_000, "007": 4_700}
CONVENTION: Final = Convention(
    schema=1,
    operation=OPERATION,
    step_s=STEP_S,
    key=ProRata(),
    pool_price_micro_eur=120_000,
    outside_price_micro_eur=160_000,
    surplus_price_micro_eur=60_000,
    taxes=Taxes("franchise_293b", 0, "zero_acc_below_1mw", 0),
    carbon=Carbon(30_000, "figure agreed for this demo, not a measurement"),
    missing="refuse",
    tolerance_wh_per_step=1,
    decimals=3,
)


@dataclass(frozen=True, slots=True)
class Week:
    """The file: names of columns, a row of Wh per step."""

    names: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]

    @property
    def shared_wh(self) -> int:
        """What any key that redistributes must share: the lesser of production and consumption, step by step."""
        made = [at for at, name in enumerate(self.names) if name.startswith("prod")]
        used = [at for at, name in enumerate(self.names) if name.startswith("cons")]
        return sum(
            min(sum(row[at] for at in made), sum(row[at] for at in used)) for row in self.rows
        )


def read_week() -> Week:
    """The week as it lies beside this module."""
    with WEEK_FILE.open(encoding="ascii", newline="") as file:
        head, *rows = csv.reader(file)
    names = tuple(name.removesuffix("_Wh") for name in head[1:])
    return Week(names, tuple(tuple(map(int, row[1:])) for row in rows))


def choose_days(now_s: int) -> range:
    """The last seven days of the last month that is over and has no clock change then, else of this month."""
    today = local_day(EUROPE_PARIS, now_s)
    this_month = month_of_day(today)
    last_month = month_of_day(days_of_month(this_month).start - 1)
    month = this_month if last_month[5:] in CHANGE_MONTHS else last_month
    days = days_of_month(month)
    return range(days.stop - WEEK_DAYS, days.stop)


@dataclass(slots=True)
class Sunshine:
    """Who takes part, and how the story tells it. `make` builds a client of a kind around a key."""

    make: Callable[..., Any]
    read_role: Callable[[str], RoleKey]
    new_key: Callable[[], SigningKey]
    clock: Callable[[], int]
    shift_clock: Callable[[int], None]
    verifier: Verifier
    report: Report
    refused: Callable[[Answer, str, str], None]
    seats: Sequence[str] = ("mairie", "commercants", "energie")
    """More than two thirds of the council, by body."""
    week: Week = field(default_factory=read_week)
    days: tuple[str, ...] = ()
    neighbours: list[Neighbour] = field(default_factory=list)
    manager: Any = None
    adapter: Any = None
    witness: Any = None

    # --- opening ---------------------------------------------------------------------------------

    def open(self) -> None:
        """The co-operative opens the operation, the council approves, twelve neighbours join."""
        days = choose_days(self.clock())
        self.days = tuple(map(format_day, days))
        self._wait_until(starts_of_days(days, STEP_S).stop + 600)
        self.manager = self._agent(Manager, "pmo")
        self.adapter = self._agent(Adapter, "meter-adapter")
        self.witness = self._agent(Witness, "energy-witness")
        answer = self.manager.open_operation(
            CONVENTION, adapter=self.adapter.body, from_day=self.days[0]
        )
        self._proved(answer, "the energy co-operative publishes its terms: pro rata, quarter hours")
        body = self.manager.approval(OPERATION, missing=CONVENTION.missing)
        seats = [self.read_role(f"seat-{name}").signer for name in self.seats]
        seat = self.make(Client, seats[0])
        seat.login()
        signed = seat.sign(body, sender="council", signers=seats)
        answer = seat.send(f"{BASE}/operations/approvals", signed)
        self._proved(
            answer, f"{len(seats)} of the council's seats, more than two thirds, put them in force"
        )
        self._join()

    def _agent(self, kind: Any, name: str) -> Any:
        role = self.read_role(name)
        more = {"seed": role.seed} if kind is Witness else {}
        agent = self.make(kind, role.signer, body=role.body, **more)
        agent.login()
        return agent

    def _join(self) -> None:
        homes = [name for name in self.week.names if name.startswith("cons")]
        for place, name in enumerate(homes):
            client = self.make(Neighbour, self.new_key(), name=f"Foyer {name[-3:]}")
            client.points = [_point(name, place)]
            self.neighbours.append(client)
        for place, name in enumerate(n for n in self.week.names if n.startswith("prod")):
            self.neighbours[place].points.append(_point(name, place))
        members = self.neighbours
        self._all(members, [client.open_account() for client in members], "accounts")
        for client in members:
            client.login()
        for purpose in CONSENTS:
            self._all(members, [c.consent(OPERATION, purpose) for c in members], "consents")
        self._all(members, [c.ask_to_join(OPERATION) for c in members], "requests")
        asking = [m for m in self.manager.list_members(OPERATION) if m["asked"]]
        answers = [self.manager.admit(OPERATION, m, self.days[0]) for m in asking]
        final = settle(self.manager, answers, "admissions")
        shown = expect("operation", self.manager.api.get(f"{BASE}/operations/{OPERATION}"))
        check((shown["consumers"], shown["plants"]) == (12, 2), "other members than admitted")
        self.report.say(
            f"12 homes and 2 roofs ({shown['peak_w']} W) join: consents signed, PRMs sealed, "
            f"admitted by block {max(body['height'] for body in final)}"
        )

    def _all(self, members: Sequence[Neighbour], answers: Sequence[Answer], what: str) -> None:
        """Everybody's transactions are on their way at once, then awaited."""
        for client, answer in zip(members, answers, strict=True):
            settle(client, [answer], what)

    # --- the week --------------------------------------------------------------------------------

    def publish(self) -> None:
        """Files in, roots signed, shared, recomputed by a witness."""
        wrong = self._upload().replace("_Wh", "_kW", 1)
        answer = self.adapter.import_files(OPERATION, [_table(wrong)])
        self.refused(answer, "energy_unit_mismatch", "a file in kW instead of Wh per step")
        imported = expect("import", self.adapter.import_files(OPERATION, [_table(self._upload())]))
        self.report.say(
            f"{imported['series']} curves, {imported['first_day']} to {imported['last_day']}, "
            f"{sum(imported['total_wh'].values())} Wh: sealed, each under its member's key"
        )
        again = self.adapter.import_files(OPERATION, [_table(self._upload())])
        self.refused(again, "energy_file_repeated", "the same file again")
        for who, act in (
            (self.adapter, self.adapter.publish),
            (self.manager, self.manager.allocate),
            (self.witness, self.witness.witness),
        ):
            settle(who, [act(OPERATION, day, wait=False) for day in self.days], "a day")
        shared = sum(self._day(day)["totals"][2] for day in self.days)
        check(shared == self.week.shared_wh, f"{shared} Wh shared, not {self.week.shared_wh}")
        check(all(self._day(day)["witnesses"] for day in self.days), "a day has no witness")
        height = self._day(self.days[-1])["height"]
        self.report.fact(
            f"seven days shared to the watt-hour, {shared} Wh, each recomputed by a witness of another body",
            height=height,
            proof="roots and sums equal",
        )

    def _upload(self, add_wh: int = 0, days: Sequence[str] = ()) -> str:
        """The week (or some of its days) as a table by PRM; `add_wh` more in every step of the first home."""
        chosen = days or self.days
        prms = {p.label: p.prm for c in self.neighbours for p in map(_labelled, c.points)}
        lines = ["start_local," + ",".join(f"{n[:4]}_{prms[n]}_Wh" for n in self.week.names)]
        first = days_of_month(self.days[0][:7]).stop - WEEK_DAYS
        starts = starts_of_days(range(first, first + WEEK_DAYS), STEP_S)
        for start_s, row in zip(starts, self.week.rows, strict=True):
            clock = local_of_utc(EUROPE_PARIS, start_s)
            if format_day(clock // DAY_S) in chosen:
                cells = [row[0] + add_wh, *row[1:]]
                lines.append(f"{format_clock(clock)}," + ",".join(map(str, cells)))
        return "\n".join((*lines, ""))

    def _day(self, day: str) -> dict[str, Any]:
        return dict(
            expect("day", self.manager.api.get(f"{BASE}/operations/{OPERATION}/days/{day}"))
        )

    def audit_own(self) -> None:
        """A member follows her own rows to the roots of the proved transactions, and counts some by hand."""
        member, day = self.neighbours[3], self.days[2]
        opened = member.get(f"/days/me?operation={OPERATION}&day={day}")
        readings = self._proved_body(opened["readings_transaction"], EnergyReadings)
        allocation = self._proved_body(opened["allocation_transaction"], EnergyAllocate)
        found = audit.check_own_day(
            opened, readings=readings.steps, allocation=allocation.steps, is_pro_rata=True
        )
        check(not isinstance(found, str), str(found))
        assert not isinstance(found, str)  # for the type checker
        check(found.by_hand > 0, "no step could be counted by hand")
        self.report.fact(
            f"{member.name} on {day}: {found.rows} own rows under the proved roots, {found.received_wh} Wh received, "
            f"{found.by_hand} shares counted again by the law's formula",
            height=self._day(day)["height"],
        )
        other = self.neighbours[4]
        answer = member.api.get(
            f"{BASE}/operations/{OPERATION}/curves?account={other.account}&first={day}&last={day}",
            token=member.token,
        )
        self.refused(answer, "auth_scope_missing", f"she asks for {other.name}'s curve")

    def _proved_body(self, name: str, kind: type) -> Any:
        """The body of a transaction whose inclusion and success this client verified."""
        receipt = expect("receipt", self.manager.api.get(f"/v1/transactions/{name}?proof=1"))
        facts = self.verifier.check(receipt["proof"])
        check(facts.result is not None and facts.result.code == 0, "the proved result is a refusal")
        assert facts.tx is not None  # for the type checker
        payload = read_transaction(facts.tx).payload
        check(BODY_TYPES[payload.type] is kind, f"a proof of {payload.type}")
        return read_body(payload)

    # --- the month -------------------------------------------------------------------------------

    def state(self) -> None:
        """Coefficients to the operator, his result back, ten days for objections, then statements."""
        first, last, month = self.days[0], self.days[-1], self.days[0][:7]
        self._reconcile(first, last)
        answer, _ = self.manager.state_month(OPERATION, month)
        self.refused(answer, "energy_challenge_open", "the manager states the month at once")
        self._pass_challenges()
        answer, said = self.manager.state_month(OPERATION, month)
        self._proved(
            answer,
            f"{said['statements']} statements and {said['invoices']} invoices of {said['gross_cents'] / 100:.2f} € in "
            "all: buyers pay what sellers get",
        )
        self._check_statements(month, said["gross_cents"])

    def _reconcile(self, first: str, last: str) -> None:
        found = self.manager.export(OPERATION, first, last)
        self.report.say(
            f"coefficients for the grid operator, one file per roof: his result is predicted at "
            f"{found['predicted_wh']} of {found['shared_wh']} Wh"
        )
        expect("report", self.manager.report(OPERATION, first, last, found["coefficients"]))
        expect(
            "reconcile", self.manager.reconcile(OPERATION, first, last, self._operator(first, last))
        )

    def _operator(self, first: str, last: str) -> str:
        """What the grid operator answers: here, the members' own curves put together."""
        head: list[str] = []
        rows: dict[str, list[int]] = {}
        for client in self.neighbours:
            path = f"/curves/me?operation={OPERATION}&first={first}&last={last}"
            head.append(f"autocons_{client.points[0].prm}_Wh")
            for line in client.get(path)["rows"]:
                if line["column"].startswith("cons"):
                    rows.setdefault(line["start"], []).append(line["shared_wh"])
        lines = [f"{start}," + ",".join(map(str, cells)) for start, cells in rows.items()]
        return "\n".join(("start_local," + ",".join(head), *lines, ""))

    def _check_statements(self, month: str, gross_cents: int) -> None:
        pays = gets = 0
        for client in self.neighbours:
            shown = client.get(f"/statements/me?operation={OPERATION}&month={month}")
            check(
                months.check_proof(shown["canonical"].encode(), shown["proof"]),
                f"{client.name}: the statement is not under the root",
            )
            pays += shown["statement"]["pays_cents"]
            gets += shown["statement"]["gets_cents"]
        check(
            pays == gets == gross_cents, f"{pays} cents paid, {gets} received, {gross_cents} said"
        )
        first = self.neighbours[3].get(f"/statements/me?operation={OPERATION}&month={month}")[
            "statement"
        ]
        point = first["points"][0]
        self.report.say(
            f"{self.neighbours[3].name}: {point['shared_wh'] / 1000:.1f} of {point['metered_wh'] / 1000:.1f} kWh from "
            f"neighbours ({point['share_ppm'] / 10_000:.1f} %), pays {first['pays_cents'] / 100:.2f} €, saves "
            f"{first['saved_cents'] / 100:.2f} €; every statement opens under the published root"
        )

    def correct(self) -> None:
        """The meter of one home was read wrong on the last day: a new version, and a bill of the difference."""
        day, month = self.days[-1], self.days[0][:7]
        before = self.neighbours[0].get(f"/statements/me?operation={OPERATION}&month={month}")
        upload = _table(self._upload(add_wh=40, days=(day,)))
        expect("correction", self.adapter.import_files(OPERATION, [upload], is_correction=True))
        settle(self.adapter, [self.adapter.publish(OPERATION, day, wait=False)], "readings")
        evidence = b64url_encode(b"the operator's letter".ljust(32, b"."))
        answer = self.manager.allocate(OPERATION, day, evidence=evidence)
        self._proved(answer, f"{day} corrected: version 2 names the root of version 1")
        expect("witness", self.witness.witness(OPERATION, day))
        self._reconcile(day, day)
        self._pass_challenges()
        answer, said = self.manager.state_month(OPERATION, month)
        self._proved(answer, f"second issue: {said['corrections']} lines, differences alone")
        path = f"/statements/me?operation={OPERATION}&month={month}"
        first = self.neighbours[0].get(f"{path}&issue=1")
        check(first["canonical"] == before["canonical"], "the first statement changed")
        second = self.neighbours[0].get(path)["statement"]
        kinds = {line["kind"] for line in second["lines"]}
        check(kinds <= {"correction"}, f"lines of {kinds}")
        own = {point["point"] for point in second["points"]}
        delta = sum(line["energy_wh"] for line in second["lines"] if line["buyer"] in own)
        self.report.say(
            f"{self.neighbours[0].name} gets {delta:+} Wh; what was billed before stays as it was"
        )

    # --- common ----------------------------------------------------------------------------------

    def _pass_challenges(self) -> None:
        self._wait_until(self.clock() + CHALLENGE_S + 60)
        self.verifier = Verifier.pin(self.manager.api, self.clock)
        self.report.say(
            "ten days pass, in which any member may object; everybody pins a fresh checkpoint"
        )

    def _wait_until(self, time_s: int) -> None:
        """Move the town's clock, never back; sessions are then over."""
        if time_s > self.clock():
            self.shift_clock(time_s - self.clock())
        for client in (self.manager, self.adapter, self.witness, *self.neighbours):
            if client is not None:
                client.login()

    def _proved(self, answer: Answer, text: str) -> None:
        body = expect(text, answer)
        check(body["state"] == "final", f"{text}: not final")
        receipt = expect(
            "receipt", self.manager.api.get(f"/v1/transactions/{body['transaction']}?proof=1")
        )
        facts = self.verifier.check(receipt["proof"])
        check(facts.result is not None and facts.result.code == 0, f"{text}: not proved")
        self.report.fact(text, height=facts.height)


@dataclass(frozen=True, slots=True)
class _Labelled:
    label: str
    prm: str


def _labelled(point: MeterPoint) -> _Labelled:
    """PRMs of this story end in the number of their column: 3 for a home, 4 for a roof before it."""
    side = "prod" if point.side == "producer" else "cons"
    return _Labelled(f"{side}_{point.prm[-3:]}", point.prm)


def _point(name: str, place: int) -> MeterPoint:
    number, is_roof = name[-3:], name.startswith("prod")
    return MeterPoint(
        f"{'94' if is_roof else '93'}000000000{number}",
        "producer" if is_roof else "consumer",
        48_755_000 + 1_500 * place,
        -190_000 + (700 if is_roof else 0),
        PEAKS_W[number] if is_roof else 0,
    )


def _table(content: str) -> dict[str, Any]:
    return {"form": "table", "label": "start", "content": content}
