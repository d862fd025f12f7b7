"""And what is signed without a network: late purchases, allowances, claims in any order, phones that cheat."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, rule

from chain.codec.canonical import b64url_encode
from chain.town.accounts import get_account, set_account_status
from chain.town.loyalty.offline.batches import compute_item_key
from chain.town.loyalty.offline.phone import Purse
from chain.town.loyalty.offline.records import ALLOWANCES, name_payment
from chain.town.params import LOYALTY_OFFLINE_EARN_S, get_param
from chain.types import codes
from tests.town.loyalty.kit import DAY_S, fill, owner_key, tx_key_of
from tests.town.loyalty.machine import people, programmes, shops
from tests.town.loyalty.machine_base import ALL_DUE, COOL_OFF_DAYS, LIFE_DAYS, SHOPS
from tests.town.loyalty.machine_more import FullMachine
from tests.town.loyalty.naive import Earned, Point, Spent
from tests.town.loyalty.offline import kit

LIVE_MAX = 8


@dataclass
class Locked:
    """An allowance as told simply: which points, until when, and every payment claimed of it."""

    owner: str
    name: str
    programme: str
    purse: Purse
    iat: int
    points: list[Point]
    claims: dict[tuple[str, int, int], int] = field(default_factory=dict)
    is_caught: bool = False

    @property
    def expires(self) -> int:
        return self.iat + kit.LIFE_S

    @property
    def closes(self) -> int:
        return self.expires + kit.CLAIM_S

    def claimed_at(self, shop: str) -> int:
        return sum(points for (at, _, _), points in self.claims.items() if at == shop)

    def shares(self) -> dict[str, int]:
        """Each shop's part of what is locked: its claims, or in proportion; whole points to the largest rests."""
        claimed = {shop: self.claimed_at(shop) for shop, _, _ in self.claims}
        total, locked = sum(claimed.values()), len(self.points)
        if total <= locked:
            return claimed
        exact = {shop: Fraction(locked * points, total) for shop, points in claimed.items()}
        parts = {shop: int(share) for shop, share in exact.items()}
        rests = sorted(exact, key=lambda shop: (-(exact[shop] - parts[shop]), shop))
        for shop in rests[: locked - sum(parts.values())]:
            parts[shop] += 1
        return parts


class OfflineMachine(FullMachine):
    """Every history of the ledger, with shops and phones that were alone for a while."""

    operations = FullMachine.operations
    allowances = Bundle("allowances")

    def open(self) -> None:
        super().open()
        self.locked: dict[str, Locked] = {}
        for programme in LIFE_DAYS:
            kit.switch_on(self.town, programme)

    # --- late purchases --------------------------------------------------------------------

    @rule(
        target=operations,
        shop=shops,
        name=people,
        programme=programmes,
        points=st.integers(1, 25),
        age_s=st.sampled_from((-600, 0, 3_600, 3 * DAY_S, 3 * DAY_S + 1)),
        twice=st.booleans(),
    )
    def earn_late(
        self, shop: str, name: str, programme: str, points: int, age_s: int, twice: bool
    ) -> Any:
        """As an earn, but for its date; sent twice in one batch it counts once."""
        till, owner = self.tills[shop], self.phones[name].account
        receipt = f"late {self.town.serial}"
        note = kit.make_note(
            till,
            owner,
            made=self.town.time_s - age_s,
            cents=points * 100,
            receipt=receipt,
            shop=shop,
            programme=programme,
        )
        outcome = kit.send_notes(self.town, till, *([note] * (1 + twice)), shop=shop)
        if age_s > get_param(self.town.state, LOYALTY_OFFLINE_EARN_S):
            return self.refused(outcome, codes.LOYALTY_NOTE_OLD)
        if not self.till_allows(till, points):
            return self.refused(outcome, codes.LOYALTY_TILL_CAP)
        data = self.accepted(outcome)
        (earned,) = data["earned"]
        expected = [[1, "loyalty_receipt_used", earned["ref"]]] if twice else []
        assert data["refused"] == expected
        ref = b64url_encode(compute_item_key(tx_key_of(self.town), 0))
        assert earned["ref"] == ref
        self.receipts.append((shop, fill(receipt, 16)))
        due = self.naive.now + COOL_OFF_DAYS * DAY_S if programme == "slow" else 0
        op = Earned(owner, programme, shop, till.kid, self.naive.now, points, due=due)
        self.naive.earn(ref, op, self.naive.now + LIFE_DAYS[programme] * DAY_S)
        self.charge(till, points)
        return ref

    # --- allowances ------------------------------------------------------------------------

    @rule(target=allowances, name=people, programme=programmes, points=st.integers(1, 21))
    def lock(self, name: str, programme: str, points: int) -> Any:
        phone = self.phones[name]
        points = min(points, max(1, self.naive.balance(phone.account, programme)))
        mine = [held for held in self.locked.values() if held.owner == phone.account]
        outcome = kit.lock(self.town, phone, points, programme)
        if points > kit.A_POINTS:
            return self.refused(outcome, codes.LOYALTY_OFFLINE_LIMIT)
        if len(mine) >= LIVE_MAX or any(held.expires > self.naive.now for held in mine):
            return self.refused(outcome, codes.LOYALTY_OFFLINE_RUNS)
        taken = self.naive.take(self.naive.live(phone.account, programme), points, "set aside")
        if taken is None:
            return self.refused(outcome, codes.LOYALTY_OVERDRAW)
        data = self.accepted(outcome)
        purse = kit.purse_of(data)
        self.locked[data["allowance"]] = Locked(
            phone.account, name, programme, purse, self.naive.now, taken
        )
        return data["allowance"]

    @rule(
        allowance=allowances,
        shop=shops,
        counter=st.integers(1, 3),
        points=st.sampled_from((1, 4, 7, 10, 11)),
        by_owner=st.booleans(),
    )
    def claim(self, allowance: str, shop: str, counter: int, points: int, by_owner: bool) -> None:
        """A phone without scruples signs what it likes; the shop claims it, now or again."""
        held = self.locked.get(allowance)
        record = ALLOWANCES.get(self.town.state, allowance.encode())
        assert record is not None
        if held is None:
            assert record.status == "closed"
            return
        phone, till = self.phones[held.name], self.tills[shop]
        signer = owner_key(shop) if by_owner else till
        code = kit.pay(held.purse, phone, points, shop=shop, counter=counter, now_s=held.iat + 1)
        outcome = kit.claim(self.town, signer, code, shop=shop)
        per_tx = min(kit.PER_TX, len(held.points))
        cap = min(kit.PER_SHOP, len(held.points))
        if points > per_tx:
            self.refused(outcome, codes.QR_OVER_MAX)
        elif (shop, counter, points) in held.claims:
            self.refused(outcome, codes.LOYALTY_OFFLINE_CLAIMED)
        elif self.naive.now >= held.closes:
            self.refused(outcome, codes.LOYALTY_OFFLINE_CLOSED)
        elif held.claimed_at(shop) + points > cap:
            self.refused(outcome, codes.LOYALTY_OFFLINE_SHOP_CAP)
        elif not by_owner and not self.till_allows(till, points):
            self.refused(outcome, codes.LOYALTY_TILL_CAP)
        else:
            self.accept_claim(self.accepted(outcome), held, shop, counter, points)
            if not by_owner:
                self.charge(till, points)

    def accept_claim(
        self, data: dict[str, Any], held: Locked, shop: str, counter: int, points: int
    ) -> None:
        """Counted; and whoever cheated is frozen at once (the desk opens the account again)."""
        is_twin = any(used == counter for _, used, _ in held.claims)
        held.claims[shop, counter, points] = points
        is_over = sum(held.claims.values()) > len(held.points)
        account = get_account(self.town.state, held.owner)
        assert account is not None
        if (is_twin or is_over) and not held.is_caught:
            held.is_caught = True
            assert [kind for _, kind in data["frauds"]] == ["counter" if is_twin else "sum"]
            assert account.status == "frozen"
            set_account_status(self.town.state, account, "open")
        else:
            assert data["frauds"] == []
            assert account.status == "open"

    @rule(
        name=people,
        order=st.permutations(SHOPS),
        points=st.sampled_from((6, 10, 10)),
        claims=st.integers(0, 3),
        is_copied=st.booleans(),
    )
    def lock_claim_and_wait(
        self, name: str, order: list[str], points: int, claims: int, is_copied: bool
    ) -> None:
        """The whole life of an allowance, in time and out of it; copies of a phone use one counter."""
        self.earn(order[0], name, "town", 20)
        self.earn(order[1], name, "town", 20)
        allowance = self.lock(name, "town", 20)
        if not isinstance(allowance, str):
            return
        for counter, shop in enumerate(order[:claims], 1):
            for _ in range(1 + (counter == claims)):  # the last one's outbox is sent again
                self.claim(allowance, shop, 1 if is_copied else counter, points, by_owner=True)
        self.pass_time(kit.LIFE_S + kit.CLAIM_S - 1, ALL_DUE)
        self.claim(allowance, order[2], 3, 4, by_owner=True)
        self.pass_time(1, ALL_DUE)
        assert allowance not in self.locked

    def end_allowance(self, note: dict[str, Any]) -> None:
        """I18: paid as a set, never beyond the lock; the rest is the holder's again."""
        held = self.locked.pop(note["allowance"])
        assert held.closes <= self.naive.now
        shares = held.shares()
        assert [(line["shop"], line["points"]) for line in note["paid"]] == sorted(shares.items())
        assert sum(shares.values()) <= len(held.points)
        assert note["unfunded"] == sum(held.claims.values()) - sum(shares.values())
        rest = held.points
        for shop, points in sorted(shares.items()):
            taken, rest = rest[:points], rest[points:]
            if not points:
                continue
            for point in taken:
                point.where = "spent"
            op = Spent(held.owner, held.programme, shop, "", self.naive.now, points)
            self.naive.record_spent(name_payment(note["allowance"], shop), op, taken)
        self.naive.give_back(rest)

    def check_nothing_is_late(self) -> None:
        super().check_nothing_is_late()
        assert not any(held.closes <= self.town.time_s for held in self.locked.values())

    @rule(index=st.integers(0, 1_000), points=st.integers(1, 10))
    def the_owner_refunds_what_an_allowance_paid(self, index: int, points: int) -> None:
        paid = [ref for ref, op in self.naive.ops.items() if isinstance(op, Spent) and not op.till]
        if paid:
            ref = paid[index % len(paid)]
            self.reverse(ref, points, owner_key(self.naive.ops[ref].shop))
