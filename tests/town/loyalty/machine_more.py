"""And all the rest in the same history: cool-offs, holds, transfers, a household."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, multiple, rule

from chain.codec.bf1 import LATE_S
from chain.town.context import Accepted
from chain.town.loyalty_schemas import (
    LoyaltyActivate,
    LoyaltyCapture,
    LoyaltyHold,
    LoyaltyInvoicePay,
    LoyaltyPoolInvite,
    LoyaltyPoolJoin,
    LoyaltyPoolLeave,
    LoyaltyPoolOpen,
    LoyaltyPoolWithdraw,
    LoyaltyRelease,
    LoyaltyTransfer,
)
from chain.types import codes
from tests.town.loyalty.kit import DAY_S, make_invoice, owner_key
from tests.town.loyalty.machine import LedgerMachine, amounts, people, programmes, shops
from tests.town.loyalty.machine_base import ALL_DUE, COOL_OFF_DAYS, LIFE_DAYS
from tests.town.loyalty.naive import Held, Spent


@dataclass(frozen=True)
class Asked:
    """An invoice a till showed."""

    shop: str
    programme: str
    points: int
    text: str
    expires: int


OTHER = {"ada": "bob", "bob": "ada"}


class FullMachine(LedgerMachine):
    """Every operation that moves points, in any order."""

    operations = LedgerMachine.operations
    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.paid_invoices: list[tuple[Asked, str]] = []

    # --- cool-off --------------------------------------------------------------------------

    @rule(
        target=operations,
        shop=shops,
        name=people,
        points=amounts,
        then=st.sampled_from(("wait", "return some", "end it", "outlive it")),
    )
    def earn_slowly(self, shop: str, name: str, points: int, then: str) -> Any:
        ref = self.earn(shop, name, "slow", points)
        if isinstance(ref, str):
            if then == "return some":
                self.reverse(ref, max(1, points // 2), owner_key(shop))
            if then in ("return some", "end it"):
                self.the_owner_ends_a_cool_off(ref)
            if then == "outlive it":
                self.pass_time(COOL_OFF_DAYS * DAY_S, ALL_DUE)
                self.spend(shop, name, "slow", max(1, points // 2), shop)
        return ref

    @rule(ref=operations)
    def the_owner_ends_a_cool_off(self, ref: str) -> None:
        op = self.naive.ops[ref]
        outcome = self.town.run(f"shop:{op.shop}", LoyaltyActivate(ref), owner_key(op.shop))
        if isinstance(op, Spent):
            self.refused(outcome, codes.LOYALTY_UNKNOWN_REFERENCE)
        elif not any(p.ref == ref and p.where == "pending" for p in self.naive.points):
            self.refused(outcome, codes.LOYALTY_NOT_PENDING)
        else:
            self.accepted(outcome)
            self.naive.cooled_off(ref, self.naive.now, LIFE_DAYS[op.programme] * DAY_S)

    # --- holds -----------------------------------------------------------------------------

    @rule(
        target=holds,
        shop=shops,
        name=people,
        programme=programmes,
        points=amounts,
        life_s=st.sampled_from((60, DAY_S, 3 * DAY_S)),
    )
    def hold(self, shop: str, name: str, programme: str, points: int, life_s: int) -> Any:
        phone, till = self.phones[name], self.tills[shop]
        points = min(points, max(1, self.funds(name, programme)))
        before = self.purses(phone.account)
        code = phone.pay_code(self.town.time_s, shop=shop)
        expires = self.town.time_s + life_s
        body = LoyaltyHold(programme, points, code, expires)
        outcome = self.town.run(f"shop:{shop}", body, till)
        if not self.till_allows(till, points):
            return self.refused(outcome, codes.LOYALTY_TILL_CAP)
        op = Held(phone.account, programme, shop, points, expires)
        if not self.naive.hold(self.town.last_ref, op):
            return self.refused(outcome, codes.LOYALTY_OVERDRAW)
        self.check_order(before, self.accepted(outcome), programme)
        self.charge(till, points)
        self.used_codes.append((shop, programme, code, self.town.time_s))
        return self.town.last_ref

    @rule(target=LedgerMachine.operations, ref=holds, points=st.integers(1, 28), at=shops)
    def capture(self, ref: str, points: int, at: str) -> Any:
        """Never beyond the hold, never twice, never by another shop, never after its time."""
        hold = self.naive.holds.get(ref)
        shop = hold.shop if hold else at
        till = self.tills[shop]
        outcome = self.town.run(f"shop:{shop}", LoyaltyCapture(ref, points), till)
        if hold is None:
            return self.refused_one_of(
                outcome, codes.LOYALTY_HOLD_ENDED, codes.LOYALTY_UNKNOWN_REFERENCE
            )
        if hold.expires <= self.naive.now:
            return self.refused(outcome, codes.LOYALTY_HOLD_ENDED)
        if points > hold.points:
            return self.refused(outcome, codes.LOYALTY_CAPTURE_EXCEEDS)
        self.accepted(outcome)
        op = Spent(hold.owner, hold.programme, shop, till.kid, self.naive.now, points)
        self.naive.capture(self.town.last_ref, ref, op)
        return self.town.last_ref

    @rule(shop=shops, at=shops, name=people, points=amounts, part=st.integers(1, 28))
    def hold_and_capture(self, shop: str, at: str, name: str, points: int, part: int) -> None:
        """Too much is refused, then some is captured, and what was captured is never captured again."""
        self.earn(shop, name, "town", points)
        ref = self.hold(at, name, "town", points, DAY_S)
        if isinstance(ref, str):
            held = self.naive.holds[ref].points
            self.capture(ref, held + 1, at)
            self.capture(ref, min(part, held), at)
            self.capture(ref, 1, at)

    @rule(ref=holds, at=shops, by_a_stranger=st.booleans())
    def release(self, ref: str, at: str, by_a_stranger: bool) -> None:
        hold = self.naive.holds.get(ref)
        at = at if by_a_stranger or hold is None else hold.shop
        outcome = self.town.run(f"shop:{at}", LoyaltyRelease(ref), owner_key(at))
        if hold is None or hold.shop != at:
            self.refused_one_of(outcome, codes.LOYALTY_HOLD_ENDED, codes.LOYALTY_UNKNOWN_REFERENCE)
        elif hold.expires <= self.naive.now:
            self.refused(outcome, codes.LOYALTY_HOLD_ENDED)
        else:
            self.accepted(outcome)
            self.naive.release(ref)

    @rule(shop=shops, name=people, points=amounts, late=st.booleans())
    def what_is_held_outlives_its_lot(self, shop: str, name: str, points: int, late: bool) -> None:
        """A hold freezes expiry; captured in time its points are spent, given back too late they run out."""
        self.earn(shop, name, "fair", points)
        ref = self.hold(shop, name, "fair", points, 3 * DAY_S)
        if isinstance(ref, str):
            held = self.naive.holds[ref].points
            self.pass_time(LIFE_DAYS["fair"] * DAY_S, ALL_DUE)
            self.pass_time(DAY_S if late else 0, ALL_DUE)
            self.capture(ref, max(1, held // 2), shop)

    # --- invoices --------------------------------------------------------------------------

    @rule(
        target=operations,
        shop=shops,
        name=people,
        programme=programmes,
        points=amounts,
        life_s=st.sampled_from((0, 1, 300)),
    )
    def pay_an_invoice(self, shop: str, name: str, programme: str, points: int, life_s: int) -> Any:
        points = min(points, max(1, self.funds(name, programme)) + 1)
        expires = self.town.time_s + life_s
        text = make_invoice(
            self.tills[shop],
            points,
            expires,
            number=f"invoice {self.town.serial}",
            shop=shop,
            programme=programme,
        )
        return self.answer_invoice(name, Asked(shop, programme, points, text, expires))

    def answer_invoice(self, name: str, asked: "Asked") -> Any:
        phone, till = self.phones[name], self.tills[asked.shop]
        before = self.purses(phone.account)
        body = LoyaltyInvoicePay(till.kid, asked.programme, asked.text)
        outcome = self.town.run(phone.account, body, phone.key)
        if not self.till_allows(till, asked.points):
            return self.refused(outcome, codes.LOYALTY_TILL_CAP)
        op = Spent(
            phone.account, asked.programme, asked.shop, till.kid, self.naive.now, asked.points
        )
        if not self.naive.spend(self.town.last_ref, op):
            return self.refused(outcome, codes.LOYALTY_OVERDRAW)
        self.check_order(before, self.accepted(outcome), asked.programme)
        self.charge(till, asked.points)
        self.paid_invoices.append((asked, till.kid))
        return self.town.last_ref

    @rule(index=st.integers(0, 1_000), name=people, later_s=st.sampled_from((0, 60, 61)))
    def pay_an_invoice_again(self, index: int, name: str, later_s: int) -> None:
        """I17: what was paid is paid, by whomever, at its last second too, and after a refund."""
        if not self.paid_invoices:
            return
        if later_s:
            self.pass_time(later_s, 1)
        asked, till = self.paid_invoices[index % len(self.paid_invoices)]
        phone = self.phones[name]
        body = LoyaltyInvoicePay(till, asked.programme, asked.text)
        outcome = self.town.run(phone.account, body, phone.key)
        if self.town.time_s > asked.expires + LATE_S:
            self.refused(outcome, codes.QR_EXPIRED)
        elif till not in {key.kid for key in self.tills.values()}:
            self.refused(outcome, codes.QR_REVOKED)
        else:
            self.refused(outcome, codes.QR_REPLAYED)

    # --- from hand to hand -----------------------------------------------------------------

    @rule(name=people, programme=programmes, points=amounts)
    def give_to_the_other(self, name: str, programme: str, points: int) -> None:
        """I15: lots keep all they say; nobody gives while owing."""
        source, target = self.phones[name], self.phones[OTHER[name]]
        points = min(points, max(1, self.naive.balance(source.account, programme)))
        outcome = self.town.run(
            source.account, LoyaltyTransfer(target.account, programme, points), source.key
        )
        if programme != "town":
            self.refused(outcome, codes.LOYALTY_NOT_TRANSFERABLE)
        elif any(of == programme for of, _ in self.debts_of(source.account)):
            self.refused(outcome, codes.LOYALTY_IN_DEBT)
        elif self.naive.transfer(source.account, target.account, programme, points):
            self.accepted(outcome)
        else:
            self.refused(outcome, codes.LOYALTY_OVERDRAW)

    @initialize(is_household=st.sampled_from((True, True, False)))
    def maybe_a_household(self, is_household: bool) -> None:
        self.open()
        if is_household:
            ada, bob = (self.phones[name] for name in OTHER)
            self.accepted(self.town.run(ada.account, LoyaltyPoolOpen(), ada.key))
            pool = self.town.last_ref
            invite = LoyaltyPoolInvite(pool, bob.account)
            self.accepted(self.town.run(ada.account, invite, ada.key))
            self.naive.pool, self.naive.members = pool, {ada.account}
            self.bob_joins_or_leaves()

    @rule()
    def bob_joins_or_leaves(self) -> None:
        pool = self.naive.pool
        if not pool:
            return
        ada, bob = (self.phones[name] for name in OTHER)
        if bob.account in self.naive.members:
            self.accepted(self.town.run(bob.account, LoyaltyPoolLeave(pool, bob.account), bob.key))
            self.accepted(self.town.run(ada.account, LoyaltyPoolInvite(pool, bob.account), ada.key))
            self.naive.members.discard(bob.account)
        else:
            self.accepted(self.town.run(bob.account, LoyaltyPoolJoin(pool), bob.key))
            self.naive.members.add(bob.account)

    @rule(name=people, programme=programmes, points=amounts)
    def put_into_the_pool(self, name: str, programme: str, points: int) -> None:
        pool, phone = self.naive.pool, self.phones[name]
        if not pool or phone.account not in self.naive.members:
            return
        points = min(points, max(1, self.naive.balance(phone.account, programme)))
        body = LoyaltyTransfer(pool, programme, points)
        outcome = self.town.run(phone.account, body, phone.key)
        if any(of == programme for of, _ in self.debts_of(phone.account)):
            self.refused(outcome, codes.LOYALTY_IN_DEBT)
        elif self.naive.transfer(phone.account, pool, programme, points):
            self.accepted(outcome)
        else:
            self.refused(outcome, codes.LOYALTY_OVERDRAW)

    @rule(name=people, programme=programmes, points=amounts)
    def take_out_of_the_pool(self, name: str, programme: str, points: int) -> None:
        pool, phone = self.naive.pool, self.phones[name]
        if not pool:
            return
        points = min(points, max(1, self.naive.balance(pool, programme)))
        body = LoyaltyPoolWithdraw(pool, programme, points)
        outcome = self.town.run(phone.account, body, phone.key)
        if phone.account not in self.naive.members:
            self.refused(outcome, codes.LOYALTY_NOT_IN_POOL)
        elif self.naive.transfer(pool, phone.account, programme, points):
            self.accepted(outcome)
        else:
            self.refused(outcome, codes.LOYALTY_OVERDRAW)

    @rule(name=people, shop=shops, at=shops, points=st.integers(2, 25), late=st.booleans())
    def the_pool_pays_and_is_refunded(
        self, name: str, shop: str, at: str, points: int, late: bool
    ) -> None:
        """Refunded points go back to the wallet they came from, as lots of grace when they are late."""
        self.earn(shop, name, "fair", points)
        self.put_into_the_pool(name, "fair", points // 2)
        funds = self.funds(name, "fair")
        ref = self.spend(at, name, "fair", max(1, min(funds, 25)), at)
        if isinstance(ref, str):
            self.pass_time(LIFE_DAYS["fair"] * DAY_S if late else 1, ALL_DUE)
            self.owner_reverses_all_that_is_left(ref)

    @rule(shop=shops, at=shops, points=amounts, through_the_pool=st.booleans())
    def earn_give_away_and_return_the_goods(
        self, shop: str, at: str, points: int, through_the_pool: bool
    ) -> None:
        """I11 again, with a friend: what was given away is owed by who earned it."""
        worth = self.net_worth("town")
        ref = self.earn(shop, "ada", "town", points)
        if not isinstance(ref, str):
            return
        if through_the_pool:
            self.put_into_the_pool("ada", "town", points)
            self.take_out_of_the_pool("bob", "town", points)
        else:
            self.give_to_the_other("ada", "town", points)
        spent = self.spend(at, "bob", "town", max(1, min(points, self.funds("bob", "town"))), at)
        self.reverse(ref, points, owner_key(shop))
        if isinstance(spent, str):
            self.owner_reverses_all_that_is_left(spent)
        assert self.net_worth("town") == worth

    def refused_one_of(self, outcome: Any, *allowed: codes.Code) -> Any:
        assert not isinstance(outcome, Accepted), outcome
        assert outcome.code in allowed
        return multiple()
