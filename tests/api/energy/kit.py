"""A small neighbourhood behind the API: six homes, two roofs, an adapter, a manager, a witness.

hood = Neighbourhood(tmp_path)              # operation approved, members admitted, nothing metered
hood.meter(day); hood.allocate(day)         # files in, roots signed; shared and witnessed
"""

from pathlib import Path
from random import Random

from app.cli.demo.client import Client, expect
from app.cli.demo.neighbours import Adapter, Manager, MeterPoint, Neighbour, Witness, settle
from app.energy.convention import Carbon, Convention, Taxes
from app.energy.month import format_day, parse_day, starts_of_days
from chain.town.energy.calendar import EUROPE_PARIS, format_clock, local_day, local_of_utc
from chain.town.energy.conventions import ProRata
from tests.api.conftest import Town
from tests.api.lab import Lab
from tests.journeys.kit import Street
from tests.town.town_kit import ROLES, key

OP = "les-tilleuls"
HOMES, ROOFS = 6, 2
ROLES_OF_ENERGY = (
    *ROLES,
    ("pmo", "coop"),
    ("pmo", "commerces"),
    ("meter_adapter", "dehors"),
    ("energy_witness", "mairie"),
    ("energy_witness", "coop"),
)
CHALLENGE_S = 120
PARAMS = {"energy_challenge_s": CHALLENGE_S, "energy_leave_days": 0, "energy_backdate_days": 62}
SEATS = ("mairie", "commerces", "coop")


def make_convention(**changes) -> Convention:
    values = {
        "schema": 1,
        "operation": OP,
        "step_s": 900,
        "key": ProRata(),
        "pool_price_micro_eur": 120_000,
        "outside_price_micro_eur": 201_600,
        "surplus_price_micro_eur": 76_100,
        "taxes": Taxes("franchise_293b", 0, "zero_acc_below_1mw", 0),
        "carbon": Carbon(30_000, "figure of this test, stated by nobody"),
        "missing": "zero",
        "tolerance_wh_per_step": 1,
        "decimals": 3,
    }
    return Convention(**(values | changes))


def prm(number: int) -> str:
    return f"0912345678{number:04}"


class Neighbourhood:
    """Everybody of one operation, as clients of one town in memory."""

    def __init__(
        self,
        home: Path,
        convention: Convention | None = None,
        *,
        join: bool = True,
        first_day: str = "",
        town: Town | None = None,
        past_month: bool = False,
        **terms,
    ) -> None:
        self.town = town or Town(home, lab=Lab(roles=ROLES_OF_ENERGY, params=PARAMS))
        self.street = Street(self.town)
        self.convention = convention or make_convention()
        self.adapter = self.agent(Adapter, "meter_adapter", "dehors")
        self.manager = self.agent(Manager, "pmo", "coop")
        witness_key = key("energy_witness@mairie")
        self.witness = self.agent(Witness, "energy_witness", "mairie", seed=witness_key._secret)
        self.homes = [
            self.neighbour(
                f"home {n}", MeterPoint(prm(n), "consumer", 48_600_000 + n * 900, 500_000)
            )
            for n in range(HOMES)
        ]
        self.roofs = [
            self.neighbour(
                f"roof {n}",
                MeterPoint(prm(100 + n), "producer", 48_601_000, 501_000 + n * 900, 3_000),
            )
            for n in range(ROOFS)
        ]
        self.first_day = first_day or (self.month_days(2)[0] if past_month else self.day(-40))
        expect(
            "operation",
            self.manager.open_operation(
                self.convention, adapter="dehors", from_day=self.first_day, **terms
            ),
        )
        self.approve()
        if join:
            self.join([*self.homes, *self.roofs])

    # --- people ---

    def agent(self, kind, role: str, body: str, **more):
        signer = key(f"{role}@{body}")
        self.town.give_passkey(signer)
        client = kind(
            self.street.api, self.street.facts, self.street.clock, signer, body=body, **more
        )
        client.login()
        return client

    def neighbour(self, name: str, *points: MeterPoint) -> Neighbour:
        client = Neighbour(
            self.street.api,
            self.street.facts,
            self.street.clock,
            key(f"energy {name}"),
            name=f"Foyer {name}",
        )
        client.points = list(points)
        client.login()
        if not client.api.get("/v1/accounts/me", token=client.token).is_ok:
            expect("account", client.open_account())
            client.login()
        return client

    def approve(self, version: int = 1, operation: str = OP) -> None:
        body = self.manager.approval(operation, version, missing=self.convention.missing)
        seats = [key(f"seat@{name}") for name in SEATS]
        seat = Client(self.street.api, self.street.facts, self.street.clock, seats[0])
        self.town.give_passkey(seats[0])
        seat.login()
        expect(
            "approval",
            seat.send(
                "/v1/energy/operations/approvals", seat.sign(body, sender="council", signers=seats)
            ),
        )

    def join(self, members, from_day: str = "", operation: str = OP) -> None:
        for member in members:
            for purpose in ("allocation", "witness", "credits"):
                settle(member, [member.consent(operation, purpose)], "consent")
            settle(member, [member.ask_to_join(operation)], "request")
        for asking in self.manager.list_members(operation):
            if asking["asked"]:
                answer = self.manager.admit(operation, asking, from_day or self.first_day)
                settle(self.manager, [answer], "admission")

    # --- days ---

    @property
    def today(self) -> int:
        return local_day(EUROPE_PARIS, self.town.lab.now_s)

    def day(self, offset: int) -> str:
        return format_day(self.today + offset)

    def month_days(self, count: int) -> list[str]:
        """The last days of the month before this one, oldest first."""
        this_month = parse_day(format_day(self.today)[:8] + "01")
        return [format_day(this_month - back) for back in range(count, 0, -1)]

    def log_in(self) -> None:
        """Everybody again, as after ten minutes."""
        for client in (self.adapter, self.manager, self.witness, *self.homes, *self.roofs):
            client.login()

    def wait_for_challenges(self) -> None:
        """The time in which a member may object goes by."""
        self.pass_seconds(CHALLENGE_S + 1)

    def pass_days(self, days: int) -> None:
        """Days go by."""
        self.pass_seconds(days * 86_400)

    def pass_seconds(self, seconds: int) -> None:
        """Time goes by; everybody logs in again."""
        self.town.lab.now_s += seconds
        self.town.lab.produce()
        self.town.lab.produce()
        self.town.follow()
        self.log_in()

    def table(self, day: str, seed: int = 0, **changes: int) -> str:
        """A day of readings as a table by PRM; `changes` add Wh to every step of a PRM."""
        random = Random(f"{day} {seed}")
        sides = [
            ("cons" if point.side == "consumer" else "prod", point)
            for member in (*self.homes, *self.roofs)
            for point in member.points
        ]
        lines = ["start_local," + ",".join(f"{side}_{point.prm}_Wh" for side, point in sides)]
        number = parse_day(day)
        for start_s in starts_of_days(range(number, number + 1), 900):
            clock = local_of_utc(EUROPE_PARIS, start_s)
            hour = clock % 86_400 // 3_600
            sun = max(0, 6 - abs(13 - hour))
            cells = [
                (random.randrange(20, 400) if side == "cons" else sun * random.randrange(0, 90))
                + changes.get(f"add_{point.prm}", 0)
                for side, point in sides
            ]
            lines.append(f"{format_clock(clock)}," + ",".join(map(str, cells)))
        return "\n".join((*lines, ""))

    def upload(self, day: str, **more):
        return {"form": "table", "label": "start", "content": self.table(day, **more)}

    def meter(self, day: str) -> None:
        expect("import", self.adapter.import_files(OP, [self.upload(day)]))
        expect("readings", self.adapter.publish(OP, day))

    def allocate(self, day: str, *, is_witnessed: bool = True) -> None:
        expect("allocation", self.manager.allocate(OP, day))
        if is_witnessed:
            expect("witness", self.witness.witness(OP, day))

    def publish(self, day: str) -> None:
        self.meter(day)
        self.allocate(day)

    def autocons(self, first: str, last: str, add: int = 0) -> str:
        """The grid operator's result: ours, but for `add` Wh in the first step of the first home."""
        header, rows = [], {}
        for home in self.homes:
            curve = home.get(f"/curves/me?operation={OP}&first={first}&last={last}")["rows"]
            header.append(f"autocons_{home.points[0].prm}_Wh")
            for line in curve:
                rows.setdefault(line["start"], []).append(line["shared_wh"])
        text = ["start_local," + ",".join(header)]
        for at, (start, values) in enumerate(rows.items()):
            values = [values[0] + (add if at == 0 else 0), *values[1:]]
            text.append(f"{start}," + ",".join(map(str, values)))
        return "\n".join((*text, ""))

    def reconcile(self, first: str, last: str) -> None:
        found = self.manager.export(OP, first, last)
        expect("report", self.manager.report(OP, first, last, found["coefficients"]))
        expect("reconcile", self.manager.reconcile(OP, first, last, self.autocons(first, last)))
