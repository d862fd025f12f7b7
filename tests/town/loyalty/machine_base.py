"""What every ledger machine is made of: a town, the naive ledger beside it, and what must hold after each step."""

from collections import defaultdict
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant, multiple

from chain.crypto.jws import SigningKey
from chain.town.context import Accepted, Outcome, Refused
from chain.town.due import has_due
from chain.town.loyalty import records
from chain.town.loyalty.books import get_totals
from chain.town.schemas import Terms
from chain.town.settlement.records import STANDINGS, StandingRecord
from chain.types import codes
from tests.town.loyalty.kit import (
    DAY_S,
    START_S,
    LedgerTown,
    Phone,
    WalletView,
)
from tests.town.loyalty.naive import Earned, NaiveLedger, Spent

SHOPS = ("baker", "florist", "grocer")
PEOPLE = ("ada", "bob")
LIFE_DAYS = {"town": 40, "fair": 2, "slow": 20}
COOL_OFF_DAYS = 3
TERMS = {
    "town": Terms(transfers="anyone"),
    "fair": Terms(transfers="household"),
    "slow": Terms(pending_days=COOL_OFF_DAYS, transfers="none", spend_own_first=False),
}
CAP_PER_TX = 25
CAP_PER_DAY = 100
UNDO_S = 300
ALL_DUE = 200


class LedgerBase(RuleBasedStateMachine):
    """A town with three shops and two people, and the naive ledger that follows it."""

    def __init__(self) -> None:
        super().__init__()
        self.town = LedgerTown()
        self.naive = NaiveLedger()
        self.phones: dict[str, Phone] = {}
        self.tills: dict[str, SigningKey] = {}
        self.till_days: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.used_codes: list[tuple[str, str, str, int]] = []
        self.receipts: list[tuple[str, str]] = []

    def open(self) -> None:
        for programme, days in LIFE_DAYS.items():
            made = self.town.add_programme(programme, days=days, terms=TERMS[programme])
            assert isinstance(made, Accepted)
        for shop in SHOPS:
            assert isinstance(self.town.add_shop(shop), Accepted)
            self.new_till(shop)
        self.phones = {name: self.town.open_phone(name) for name in PEOPLE}
        self.naive.now = self.town.time_s
        self.read_notes = 0

    def new_till(self, shop: str) -> None:
        name = f"{self.town.serial}"
        self.tills[shop] = self.town.add_till(shop, name, per_tx=CAP_PER_TX, per_day=CAP_PER_DAY)

    # --- what must hold --------------------------------------------------------------------

    def wallet_names(self) -> list[str]:
        pool = [self.naive.pool] if self.naive.pool else []
        return [phone.account for phone in self.phones.values()] + pool

    @invariant()
    def wallets_equal_the_naive_ones(self) -> None:
        """I3, I4, I7, I15: every live lot, in order, with its issuer, expiry, rule version and earn."""
        for name in self.wallet_names():
            wallet = self.town.wallet(name)
            assert list(wallet.lots) == sorted(wallet.lots)
            expected: dict[tuple[Any, ...], int] = defaultdict(int)
            for programme in LIFE_DAYS:
                for p in self.naive.live(name, programme):
                    lot = (p.expires, p.earned, p.lot, p.programme, p.issuer, p.ref)
                    expected[lot] += 1
            live = {
                (lot.expires_s, lot.earned_s, lot.lot, lot.programme, lot.issuer, lot.ref): lot.left
                for lot in wallet.lots
                if lot.expires_s > self.town.time_s
            }
            assert live == expected
            assert all(0 < lot.left <= lot.points and lot.version == 1 for lot in wallet.lots)
            assert self.debts_of(name) == {
                (programme, issuer): points
                for (owner, programme, issuer), points in self.naive.debts.items()
                if owner == name and points
            }

    @invariant()
    def every_wallet_with_lots_will_be_looked_at_in_time(self) -> None:
        for name in self.wallet_names():
            wallet = self.town.wallet(name)
            if wallet.lots:
                assert 0 < wallet.wake_s <= wallet.lots[0].expires_s

    @invariant()
    def totals_close(self) -> None:
        """I2: minted = available + pending + held + redeemed + expired + reversed, per programme and issuer."""
        for programme in LIFE_DAYS:
            for issuer in SHOPS:
                totals = get_totals(self.town.state, programme, issuer)
                held = [
                    lot
                    for name in self.wallet_names()
                    for lot in self.town.wallet(name).lots
                    if (lot.programme, lot.issuer) == (programme, issuer)
                ]
                available = sum(lot.left for lot in held)
                out = totals.redeemed + totals.expired + totals.reversed
                assert totals.minted == available + totals.held + totals.pending + out
                late = sum(lot.left for lot in held if lot.expires_s <= self.town.time_s)
                count = self.naive.count
                assert totals.redeemed == count(programme, issuer, "spent")
                assert totals.expired + late == count(programme, issuer, "expired")
                assert totals.reversed == count(programme, issuer, "reversed")
                assert totals.held == count(programme, issuer, "set aside")
                assert totals.pending == count(programme, issuer, "pending")
                owed = sum(
                    points
                    for (_, of, to), points in self.naive.debts.items()
                    if (of, to) == (programme, issuer)
                )
                assert totals.owed == owed

    @invariant()
    def shops_owe_each_other_what_was_spent_elsewhere(self) -> None:
        for programme in LIFE_DAYS:
            for issuer in SHOPS:
                for redeemer in SHOPS:
                    record_id = records.joined_id(programme, issuer, redeemer)
                    held = records.OBLIGATIONS.get(self.town.state, record_id)
                    expected = self.naive.due.get((programme, issuer, redeemer), 0)
                    assert (held.points if held else 0) == expected

    # --- helpers ---------------------------------------------------------------------------

    def accepted(self, outcome: Outcome) -> dict[str, Any]:
        assert isinstance(outcome, Accepted), outcome
        for data in (outcome.data, *outcome.data.get("reversed", ())):
            sums: defaultdict[str, int] = defaultdict(int)
            for _, issuer, points in data.get("entries", ()):
                sums[issuer] += points
            assert not any(sums.values())  # I1
        return dict(outcome.data)

    def refused(self, outcome: Outcome, code: codes.Code) -> Any:
        assert isinstance(outcome, Refused), outcome
        assert outcome.code.name == code.name
        return multiple()

    def till_allows(self, till: SigningKey, points: int) -> bool:
        used = self.till_days[till.kid, self.town.time_s // DAY_S]
        return points <= CAP_PER_TX and used + points <= CAP_PER_DAY

    def charge(self, till: SigningKey, points: int) -> None:
        self.till_days[till.kid, self.town.time_s // DAY_S] += points

    def balance(self, account: str, programme: str) -> int:
        """What the ledger lets the account spend now, summed from its lots."""
        return sum(
            lot.left
            for lot in self.town.wallet(account).lots
            if lot.programme == programme and lot.expires_s > self.town.time_s
        )

    def debts_of(self, account: str) -> dict[tuple[str, str], int]:
        debts = self.town.wallet(account).debts
        assert all(debt.points > 0 for debt in debts)  # I9
        return {(debt.programme, debt.issuer): debt.points for debt in debts}

    def check_debts_fell_only_to(
        self, account: str, before: dict[tuple[str, str], int], *, shop: str, programme: str
    ) -> None:
        after = self.debts_of(account)
        others = {key: points for key, points in before.items() if key != (programme, shop)}
        assert {key: p for key, p in after.items() if key != (programme, shop)} == others

    def purses(self, account: str) -> dict[str, WalletView]:
        """All wallets an account spends out of, by name."""
        return {name: self.town.wallet(name) for name in self.naive.purses(account)}

    def check_order(
        self, before: dict[str, WalletView], data: dict[str, Any], programme: str
    ) -> None:
        """I7, I8: nothing expired is taken, and nothing that expires later than an eligible lot left alone."""
        lots = {(name, lot.lot): lot for name, view in before.items() for lot in view.lots}
        names = [(leg.get("wallet", data["account"]), leg["lot"]) for leg in data["taken"]]
        taken = [lots[name] for name in names]
        assert all(lot.expires_s > self.town.time_s for lot in taken)
        untouched = [
            lot.expires_s
            for name, lot in lots.items()
            if name not in names and lot.programme == programme and lot.expires_s > self.town.time_s
        ]
        if untouched:
            assert max(lot.expires_s for lot in taken) <= min(untouched)

    def net_worth(self, programme: str) -> int:
        """All points of a programme that are or became goods, or will be points, minus all debts (I11)."""
        debts = sum(n for (_, of, _), n in self.naive.debts.items() if of == programme)
        spent = sum(
            op.points - op.reversed
            for op in self.naive.ops.values()
            if isinstance(op, Spent) and op.programme == programme
        )
        waiting = ("held", "pending", "set aside")
        there = sum(p.where in waiting and p.programme == programme for p in self.naive.points)
        return there + spent - debts

    # --- time ------------------------------------------------------------------------------

    def pass_time(self, seconds: int, due_max: int) -> None:
        """Due work is bounded: lots may be past their time and not collected yet."""
        self.town.next_block(seconds=seconds, due_max=due_max)
        self.follow_the_journal()
        while due_max == ALL_DUE and has_due(self.town.state, self.town.time_s):
            self.town.next_block(seconds=0, due_max=due_max)
            self.follow_the_journal()
        if due_max == ALL_DUE:
            self.check_nothing_is_late()
        for shop in SHOPS:  # all have paid what they owe: settlement has tests of its own
            STANDINGS.put(self.town.state, shop.encode(), StandingRecord())
        for shop in SHOPS:  # tills live for 30 days
            expires = records.TILLS.get(self.town.state, self.tills[shop].kid.encode()).expires_s
            if expires <= self.town.time_s:
                self.new_till(shop)

    def follow_the_journal(self) -> None:
        """What block end did is read from its notes; that it was due is checked here."""
        self.naive.now = self.town.time_s
        notes = self.town.journal[self.read_notes :]
        self.read_notes = len(self.town.journal)
        for note in notes:
            if note["kind"] == "loyalty.activate":
                op = self.naive.ops[note["ref"]]
                assert isinstance(op, Earned)
                assert op.due <= self.naive.now
                self.naive.cooled_off(note["ref"], op.due, LIFE_DAYS[op.programme] * DAY_S)
            elif note["kind"] == "loyalty.hold":
                assert self.naive.holds[note["hold"]].expires <= self.naive.now
                self.naive.release(note["hold"])
            elif note["kind"] == "loyalty.allowance":
                self.end_allowance(note)
        self.naive.expire()
        for note in notes:
            if note["kind"] == "loyalty.expire":
                for lot, *_ in note["lots"]:
                    self.naive.collect(note["account"], lot)

    def end_allowance(self, note: dict[str, Any]) -> None:
        """Only machines with allowances see one end."""
        raise AssertionError(note)

    def check_nothing_is_late(self) -> None:
        now_s = self.town.time_s
        for name in self.wallet_names():
            assert not any(lot.expires_s <= now_s for lot in self.town.wallet(name).lots)
        assert not any(hold.expires <= now_s for hold in self.naive.holds.values())
        for point in self.naive.points:
            if point.where == "pending":
                op = self.naive.ops[point.ref]
                assert isinstance(op, Earned)
                assert op.due > now_s


assert START_S % DAY_S < DAY_S - 1_000  # the first minutes of a run lie in one day
