"""The life of identities against a naive one: every act anybody may try, in any order, at any time.

The naive town knows the rules in prose: who must sign, what follows what, when something is too early or too late.
It shares no code with `chain.town.identity`. After each step the whole state must be the naive one's.
"""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chain.town.accounts import get_account, get_key_use, list_devices
from chain.town.identity.records import get_counts, get_identity
from chain.town.identity.recovery_records import get_recovery
from chain.town.schemas import (
    AccountDeviceAdd,
    IdRecoverCancel,
    IdRecoverFinish,
    IdRecoverOpen,
    IdRecoverOverride,
    IdRecoverVeto,
    IdRotate,
    IdStatus,
)
from tests.town.identity.kit import MORE_ROLES, batch, cid_of, renew
from tests.town.town_kit import DAY_S, Town, jwk, key, make_town

PEOPLE = ("ada", "bob")
AGENTS = (
    ("clerk@mairie", "mairie"),
    ("agent_supervisor@mairie", "mairie"),
    ("clerk@coop", "coop"),
    ("clerk@dehors", "dehors"),
)
ALIVE = {"active", "suspended", "expired"}
LAST = {"moved_out", "merged", "revoked", "erased"}
WAIT_S, WEEK_S, MONTH_S = 3 * DAY_S, 7 * DAY_S, 30 * DAY_S
DAYS_MAX = 250
"""Roles of the genesis live 300 days."""

people = st.sampled_from(PEOPLE)
agents = st.lists(st.sampled_from(AGENTS), min_size=1, max_size=2, unique=True)
statuses = st.sampled_from(sorted(ALIVE | LAST | {"ended"}))


@dataclass
class Lost:
    """A recovery under way."""

    new: str
    openers: set[str]
    ready_s: int
    lapses_s: int
    was: str
    vetoed_s: int = 0
    overridden: bool = False


@dataclass
class Person:
    """One citizen as the naive town sees her."""

    key: str
    status: str = "active"
    lost: Lost | None = None
    ended_until_s: int = 0
    is_closed: bool = False
    devices: set[str] = field(default_factory=set)

    @property
    def account_status(self) -> str:
        if self.is_closed:
            return "closed"
        return "open" if self.status == "active" else "frozen"


class IdentityMachine(RuleBasedStateMachine):
    """Agents, citizens and thieves try everything; the naive town says what must come of it."""

    def __init__(self) -> None:
        super().__init__()
        self.town: Town = make_town(roles=MORE_ROLES)
        self.people: dict[str, Person] = {}
        self.serial = 0
        self.days = 0

    @initialize()
    def enrol(self) -> None:
        assert batch(self.town, *PEOPLE).info == "ok"
        self.people = {name: Person(name) for name in PEOPLE}

    def fresh(self, name: str) -> str:
        self.serial += 1
        return f"{name}'s key {self.serial}"

    def settle(self, at_s: int) -> None:
        """What the chain does by itself at the end of a block."""
        for person in self.people.values():
            if person.lost is not None and at_s >= person.lost.lapses_s:
                person.status, person.lost = person.lost.was, None
            if person.status == "ended" and person.ended_until_s and at_s >= person.ended_until_s:
                person.ended_until_s, person.is_closed = 0, True
                person.devices.clear()

    def act(self, body: Any, sender: str, names: list[str], expected: str) -> None:
        """Try it in a block of its own and compare the answer."""
        answer = self.town.do(body, sender, *[key(name) for name in names]).info
        assert answer == expected, (type(body).__name__, answer, expected)

    # --- statuses --------------------------------------------------------------------------

    @rule(name=people, to=statuses, by=agents)
    def move(self, name: str, to: str, by: list[tuple[str, str]]) -> None:
        person, now_s = self.people[name], self.town.now_s
        expected = self.verdict_of_move(person, to, len(by), now_s)
        body = IdStatus(cid_of(name), to)
        self.act(body, f"body:{by[0][1]}", [agent for agent, _ in by], expected)
        if expected == "ok":
            person.lost, person.status = None, to
            person.ended_until_s = now_s + MONTH_S if to == "ended" else 0
            person.is_closed = to in LAST
            if person.is_closed:
                person.devices.clear()
        self.settle(now_s)

    def verdict_of_move(self, person: Person, to: str, signers: int, now_s: int) -> str:
        is_grave = to in LAST | {"ended"} or person.status == "ended"
        if is_grave and signers < 2:
            return "identity_second_agent"
        if to == person.status or not self.may_follow(person.status, to):
            return "identity_bad_transition"
        if person.lost is not None and to in ALIVE:
            return "identity_recovery_pending"
        if person.status == "ended" and to != "erased":
            in_time = person.ended_until_s and now_s < person.ended_until_s
            return "ok" if in_time else "identity_reversal_late"
        return "ok"

    @staticmethod
    def may_follow(before: str, after: str) -> bool:
        if before in ALIVE:
            return True
        if before == "ended":
            return after in {"active", "expired", "erased"}
        return after == "erased" and before != "erased"

    # --- keys ------------------------------------------------------------------------------

    @rule(name=people)
    def rotate(self, name: str) -> None:
        person, now_s, new = self.people[name], self.town.now_s, self.fresh(name)
        expected = "ok" if person.account_status == "open" else "account_frozen"
        body = IdRotate(cid_of(name), jwk(key(new)))
        self.act(body, key(name).kid, [person.key, new], expected)
        if expected == "ok":
            person.key = new
        self.settle(now_s)

    @rule(name=people)
    def add_device(self, name: str) -> None:
        person, now_s, new = self.people[name], self.town.now_s, self.fresh(name)
        is_open = person.account_status == "open"
        expected = "ok" if is_open and len(person.devices) < 8 else "account_devices_full"
        expected = expected if is_open else "account_frozen"
        body = AccountDeviceAdd(jwk(key(new)), ("veto",), now_s + 366 * DAY_S)
        self.act(body, key(name).kid, [person.key, new], expected)
        if expected == "ok":
            person.devices.add(new)
        self.settle(now_s)

    @rule(name=people, level=st.integers(0, 3))
    def renew(self, name: str, level: int) -> None:
        person, now_s = self.people[name], self.town.now_s
        expected = "ok" if person.status in ("active", "expired") else "identity_not_active"
        answer = renew(self.town, name, level_residence=level, key=jwk(key(person.key))).info
        assert answer == expected
        if expected == "ok":
            person.status = "active"
        self.settle(now_s)

    # --- recovery --------------------------------------------------------------------------

    @rule(name=people, by=agents)
    def open_recovery(self, name: str, by: list[tuple[str, str]]) -> None:
        person, now_s, new = self.people[name], self.town.now_s, self.fresh(name)
        expected = self.verdict_of_opening(person, by)
        body = IdRecoverOpen(key(name).kid, cid_of(name), jwk(key(new)))
        names = [agent for agent, _ in by]
        self.act(body, f"body:{by[0][1]}", [*names, new], expected)
        if expected == "ok":
            ready_s = now_s + WAIT_S
            person.lost = Lost(new, set(names), ready_s, ready_s + MONTH_S, person.status)
            person.status = "suspended"
        self.settle(now_s)

    def verdict_of_opening(self, person: Person, by: list[tuple[str, str]]) -> str:
        refused = self.two_bodies(by)
        if refused:
            return refused
        if person.lost is not None:
            return "identity_recovery_pending"
        if person.is_closed:
            return "account_closed"
        return "ok" if person.status in ALIVE else "identity_not_active"

    @staticmethod
    def two_bodies(by: list[tuple[str, str]]) -> str:
        if len(by) < 2:
            return "identity_second_agent"
        return "identity_same_body" if by[0][1] == by[1][1] else ""

    @rule(name=people, with_device=st.booleans())
    def veto(self, name: str, with_device: bool) -> None:
        person, now_s = self.people[name], self.town.now_s
        signer = min(person.devices) if with_device and person.devices else person.key
        expected = "ok"
        if person.is_closed:
            expected = "account_frozen"
        elif person.lost is None:
            expected = "identity_recovery_unknown"
        elif person.lost.vetoed_s:
            expected = "identity_recovery_vetoed"
        self.act(IdRecoverVeto(), key(name).kid, [signer], expected)
        if expected == "ok":
            assert person.lost is not None
            person.lost.vetoed_s = now_s
            person.lost.lapses_s = now_s + WEEK_S + MONTH_S
        self.settle(now_s)

    @rule(name=people, by=agents)
    def override(self, name: str, by: list[tuple[str, str]]) -> None:
        person, now_s = self.people[name], self.town.now_s
        lost = person.lost
        expected = self.two_bodies(by)
        if not expected and lost is None:
            expected = "identity_recovery_unknown"
        elif not expected and lost is not None:
            if {agent for agent, _ in by} & lost.openers:
                expected = "identity_same_agents"
            elif not lost.vetoed_s or lost.overridden:
                expected = "identity_recovery_unknown"
            elif now_s < lost.vetoed_s + WEEK_S:
                expected = "identity_recovery_early"
            else:
                expected = "ok"
        names = [agent for agent, _ in by]
        self.act(IdRecoverOverride(key(name).kid), f"body:{by[0][1]}", names, expected)
        if expected == "ok":
            assert lost is not None
            lost.overridden, lost.ready_s = True, max(lost.ready_s, now_s)
            lost.lapses_s = lost.ready_s + MONTH_S
        self.settle(now_s)

    @rule(name=people, is_stranger=st.booleans())
    def finish(self, name: str, is_stranger: bool) -> None:
        person, now_s = self.people[name], self.town.now_s
        lost = person.lost
        new = self.fresh(name) if is_stranger or lost is None else lost.new
        expected = "identity_recovery_unknown"
        if person.is_closed:
            expected = "account_frozen"
        elif lost is not None and not is_stranger:
            is_stopped = lost.vetoed_s and not lost.overridden
            expected = "identity_recovery_vetoed" if is_stopped else "ok"
            if not is_stopped and now_s < lost.ready_s:
                expected = "identity_recovery_early"
        self.act(IdRecoverFinish(jwk(key(new))), key(name).kid, [new], expected)
        if expected == "ok":
            person.key, person.status, person.lost = new, "active", None
            person.devices.clear()
        self.settle(now_s)

    @rule(name=people, by=st.sampled_from(AGENTS))
    def cancel(self, name: str, by: tuple[str, str]) -> None:
        person, now_s = self.people[name], self.town.now_s
        expected = "ok" if person.lost is not None else "identity_recovery_unknown"
        self.act(IdRecoverCancel(key(name).kid), f"body:{by[1]}", [by[0]], expected)
        if person.lost is not None:
            person.status, person.lost = person.lost.was, None
        self.settle(now_s)

    @precondition(lambda self: self.days < DAYS_MAX - 38)
    @rule(days=st.sampled_from((1, 3, 7, 31, 38)))
    def let_time_pass(self, days: int) -> None:
        self.days += days
        self.town.advance(days * DAY_S)
        now_s = self.town.now_s
        self.town.idle(1)
        self.settle(now_s)

    # --- what must always hold -------------------------------------------------------------

    @invariant()
    def the_state_is_the_naive_one(self) -> None:
        reader = self.town.reader
        for name, person in self.people.items():
            record, account = get_identity(reader, cid_of(name)), get_account(reader, key(name).kid)
            assert (record.status, account.status) == (person.status, person.account_status)
            assert record.key == account.jwk == jwk(key(person.key))
            assert get_key_use(reader, key(person.key).kid).use == "account"
            assert (get_recovery(reader, account.id) is not None) == (person.lost is not None)
            if person.lost is not None:
                assert get_key_use(reader, key(person.lost.new).kid).use == "reserved"
            kids = {device.kid for device in list_devices(reader, account.id)}
            assert kids == {key(device).kid for device in person.devices}

    @invariant()
    def everybody_is_counted_once(self) -> None:
        if not self.people:
            return
        by_status: dict[str, int] = {}
        for person in self.people.values():
            by_status[person.status] = by_status.get(person.status, 0) + 1
        counts = get_counts(self.town.reader)
        assert (counts.enrolled, counts.by_status) == (len(PEOPLE), by_status)
