"""Gifts, redemptions, reversals, time: the ledger against the naive one, with the invariants of
research/loyalty-sel.md §4.5."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, multiple, rule

from chain.crypto.jws import SigningKey
from chain.types import codes
from tests.town.loyalty.kit import DAY_S, fill, owner_key
from tests.town.loyalty.machine_base import (
    ALL_DUE,
    CAP_PER_TX,
    COOL_OFF_DAYS,
    LIFE_DAYS,
    PEOPLE,
    SHOPS,
    UNDO_S,
    LedgerBase,
)
from tests.town.loyalty.naive import Earned, Spent

shops = st.sampled_from(SHOPS)
people = st.sampled_from(PEOPLE)
programmes = st.sampled_from(("town", "town", "fair"))
amounts = st.integers(1, 28)


class LedgerMachine(LedgerBase):
    """Shops give, citizens spend, everything is reversed in any order, time passes."""

    operations = Bundle("operations")

    # --- what may happen -------------------------------------------------------------------

    @rule(target=operations, shop=shops, name=people, programme=programmes, points=amounts)
    def earn(self, shop: str, name: str, programme: str, points: int) -> Any:
        till, owner = self.tills[shop], self.phones[name].account
        debts = self.debts_of(owner)
        receipt = fill(f"receipt {self.town.serial}", 16)
        outcome = self.town.earn(
            shop, till, owner, points * 100 + 99, programme=programme, receipt=receipt
        )
        if not self.till_allows(till, points):
            return self.refused(outcome, codes.LOYALTY_TILL_CAP)
        data = self.accepted(outcome)
        self.receipts.append((shop, receipt))
        due = self.naive.now + COOL_OFF_DAYS * DAY_S if programme == "slow" else 0
        op = Earned(owner, programme, shop, till.kid, self.naive.now, points, due=due)
        self.naive.earn(self.town.last_ref, op, self.naive.now + LIFE_DAYS[programme] * DAY_S)
        self.charge(till, points)
        assert data["points"] == points
        assert self.balance(owner, programme) == self.naive.balance(owner, programme)
        self.check_debts_fell_only_to(owner, debts, shop=shop, programme=programme)
        return self.town.last_ref

    @rule(target=operations, shop=shops, name=people, points=st.integers(1, CAP_PER_TX))
    def earn_for_the_fair(self, shop: str, name: str, points: int) -> Any:
        return self.earn(shop, name, "fair", points)

    @rule(
        target=operations,
        shop=shops,
        name=people,
        programme=programmes,
        points=amounts,
        any_shop=st.booleans(),
    )
    def redeem(self, shop: str, name: str, programme: str, points: int, any_shop: bool) -> Any:
        """At most one point too many."""
        balance = self.funds(name, programme)
        named = None if any_shop else shop
        return self.spend(shop, name, programme, min(points, balance + 1), named)

    @rule(target=operations, shop=shops, name=people, programme=programmes)
    def redeem_everything(self, shop: str, name: str, programme: str) -> Any:
        balance = self.funds(name, programme)
        if not balance:
            return multiple()
        return self.spend(shop, name, programme, min(balance, CAP_PER_TX), shop)

    def funds(self, name: str, programme: str) -> int:
        """What an account may spend now, its household's points included."""
        return len(self.naive.spendable(self.phones[name].account, programme))

    def spend(self, shop: str, name: str, programme: str, points: int, named: str | None) -> Any:
        phone, till = self.phones[name], self.tills[shop]
        before = self.purses(phone.account)
        code = phone.pay_code(self.town.time_s, shop=named)
        outcome = self.town.redeem(shop, till, points, code, programme)
        if not self.till_allows(till, points):
            return self.refused(outcome, codes.LOYALTY_TILL_CAP)
        op = Spent(phone.account, programme, shop, till.kid, self.naive.now, points)
        if not self.naive.spend(self.town.last_ref, op):
            return self.refused(outcome, codes.LOYALTY_OVERDRAW)
        data = self.accepted(outcome)
        self.used_codes.append((shop, programme, code, self.town.time_s))
        self.charge(till, points)
        assert sum(leg["points"] for leg in data["taken"]) == points  # I5: exactly q
        assert self.balance(phone.account, programme) == self.naive.balance(
            phone.account, programme
        )
        self.check_order(before, data, programme)
        return self.town.last_ref

    @rule(ref=operations, points=st.integers(1, 30))
    def owner_reverses(self, ref: str, points: int) -> None:
        self.reverse(ref, points, owner_key(self.naive.ops[ref].shop))

    @rule(ref=operations)
    def owner_reverses_all_that_is_left(self, ref: str) -> None:
        op = self.naive.ops[ref]
        if op.points > op.reversed:
            self.reverse(ref, op.points - op.reversed, owner_key(op.shop))

    @rule(ref=consumes(operations), points=st.integers(1, 10))
    def till_undoes(self, ref: str, points: int) -> None:
        self.reverse(ref, points, self.tills[self.naive.ops[ref].shop])

    @rule(ref=operations, shop=shops)
    def another_shop_tries_to_reverse(self, ref: str, shop: str) -> None:
        if shop != self.naive.ops[ref].shop:
            outcome = self.town.reverse(shop, owner_key(shop), ref, 1)
            self.refused(outcome, codes.LOYALTY_UNKNOWN_REFERENCE)

    def reverse(self, ref: str, points: int, signer: SigningKey) -> None:
        op = self.naive.ops[ref]
        debts = self.debts_of(op.owner)
        outcome = self.town.reverse(op.shop, signer, ref, points)
        is_owner = signer.kid == owner_key(op.shop).kid
        if not is_owner and (signer.kid != op.till or self.naive.now - op.at > UNDO_S):
            self.refused(outcome, codes.LOYALTY_REVERSAL_LATE)
        elif points > op.points - op.reversed:
            self.refused(outcome, codes.LOYALTY_REVERSAL_EXCEEDS)
        else:
            self.accepted(outcome)
            if isinstance(op, Earned):
                self.naive.reverse_earn(ref, op, points)
            else:
                self.naive.refund(self.town.last_ref, op, points)
                assert self.debts_of(op.owner) == debts  # I9: only an earn lowers a debt
            assert self.balance(op.owner, op.programme) == self.naive.balance(
                op.owner, op.programme
            )

    @rule(shop=shops, name=people, programme=programmes, points=amounts)
    def spend_and_refund_at_once(self, shop: str, name: str, programme: str, points: int) -> None:
        """I10: refund after spend is the identity."""
        account = self.phones[name].account
        before = self.purses(account)
        balance = self.funds(name, programme)
        points = max(1, min(points, balance, CAP_PER_TX))
        ref = self.spend(shop, name, programme, points, shop)
        if isinstance(ref, str):
            self.reverse(ref, points - points // 2, owner_key(shop))
            if points // 2:
                self.reverse(ref, points // 2, self.tills[shop])
            for purse, view in self.purses(account).items():
                assert (view.lots, view.debts) == (before[purse].lots, before[purse].debts)

    @rule(shop=shops, name=people, at=shops, points=amounts, spend_first=st.booleans())
    def buy_spend_return_the_goods(
        self, shop: str, name: str, at: str, points: int, spend_first: bool
    ) -> None:
        """I11, the exploit of Odoo: buy, earn, spend, return the purchase, keep the points."""
        worth = self.net_worth("town")
        ref = self.earn(shop, name, "town", points)
        if not isinstance(ref, str):
            return
        spent = self.spend(at, name, "town", points, at) if spend_first else None
        self.reverse(ref, points, owner_key(shop))
        if isinstance(spent, str):
            self.reverse(spent, points, owner_key(at))
        assert self.net_worth("town") == worth

    @rule(at=shops, name=people, gifts=st.integers(1, 3), late_s=st.sampled_from((0, DAY_S)))
    def refund_after_the_lots_expired(self, at: str, name: str, gifts: int, late_s: int) -> None:
        """The points come back as lots of grace, whose own life starts at the refund."""
        for shop in SHOPS[:gifts]:
            self.earn(shop, name, "fair", 7)
        balance = self.funds(name, "fair")
        points = max(1, min(balance, CAP_PER_TX))
        ref = self.spend(at, name, "fair", points, at)
        if isinstance(ref, str):
            self.time_passes(seconds=LIFE_DAYS["fair"] * DAY_S + late_s, due_max=1)
            self.reverse(ref, points - points // 3, owner_key(at))
            self.time_passes(seconds=1, due_max=ALL_DUE)
            if points // 3:
                self.reverse(ref, points // 3, owner_key(at))

    @rule(shop=shops, name=people, at=shops, points=st.integers(2, CAP_PER_TX))
    def return_goods_after_part_was_spent_and_the_rest_expired(
        self, shop: str, name: str, at: str, points: int
    ) -> None:
        """What expired is forgiven once; what was spent is owed."""
        ref = self.earn(shop, name, "fair", points)
        if isinstance(ref, str):
            self.spend(at, name, "fair", points // 2, at)
            late = (0, 1, ALL_DUE)[points % 3]
            self.time_passes(seconds=LIFE_DAYS["fair"] * DAY_S, due_max=late)
            self.reverse(ref, points // 2, owner_key(shop))
            self.reverse(ref, points - points // 2, owner_key(shop))

    @rule(shop=shops, name=people, points=st.sampled_from((24, 25)))
    def a_busy_day(self, shop: str, name: str, points: int) -> None:
        """Gifts and redemptions count together against the till's daily cap."""
        for _ in range(3):
            self.earn(shop, name, "town", points)
            balance = self.funds(name, "town")
            self.spend(shop, name, "town", max(1, min(balance, points)), shop)

    @rule(index=st.integers(0, 1_000), shop=shops)
    def replay_a_code(self, index: int, shop: str) -> None:
        """I17: a code that was accepted once is refused for ever, at any till."""
        if self.used_codes:
            _, programme, code, shown_s = self.used_codes[index % len(self.used_codes)]
            outcome = self.town.redeem(shop, self.tills[shop], 1, code, programme)
            fresh = self.town.time_s <= shown_s + 120
            self.refused(outcome, codes.QR_REPLAYED if fresh else codes.QR_EXPIRED)

    @rule(index=st.integers(0, 1_000), name=people)
    def replay_a_receipt(self, index: int, name: str) -> None:
        """I6: one receipt gives points once, to whomever."""
        if self.receipts:
            shop, receipt = self.receipts[index % len(self.receipts)]
            account = self.phones[name].account
            outcome = self.town.earn(shop, self.tills[shop], account, 500, receipt=receipt)
            self.refused(outcome, codes.LOYALTY_RECEIPT_USED)

    @rule(shop=shops, back_s=st.sampled_from((0, 100, DAY_S, 400 * DAY_S)))
    def revoke_till(self, shop: str, back_s: int) -> None:
        till, since = self.tills[shop], self.town.time_s - back_s
        data = self.accepted(self.town.revoke(shop, till, since))
        assert not data["unfinished"]
        self.naive.sweep(till.kid, since)
        self.refused(
            self.town.earn(shop, till, self.phones["ada"].account, 500), codes.TX_KEY_EXPIRED
        )
        self.new_till(shop)

    @rule(
        seconds=st.sampled_from((1, 60, 200, UNDO_S + 1, DAY_S, 2 * DAY_S, 11 * DAY_S)),
        due_max=st.sampled_from((0, 1, ALL_DUE)),
    )
    def time_passes(self, seconds: int, due_max: int) -> None:
        self.pass_time(seconds, due_max)

    @rule(name=people, before_s=st.sampled_from((0, 1)))
    def time_comes_to_the_next_expiry(self, name: str, before_s: int) -> None:
        """The very second in which a lot dies, and the one before; other lots die a little later."""
        wallet = self.town.wallet(self.phones[name].account)
        ahead = [lot.expires_s - before_s - self.town.time_s for lot in wallet.lots]
        ahead = [seconds for seconds in ahead if seconds > 0]
        if ahead:
            self.time_passes(seconds=ahead[0], due_max=ALL_DUE)
