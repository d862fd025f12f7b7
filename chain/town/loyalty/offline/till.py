"""A till without a network, as a reference for whoever writes one: what it signs, what it keeps, what it sends later.

Values in, values out: no clock, no network, no file. A till writes each new `Outbox` down before it shows green.
`docs/loyalty.md` says what a till must have fetched before.
Reads and writes: nothing.  Never: shows green for what it has not kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from chain.codec import bf1
from chain.codec.canonical import encode_canonical
from chain.crypto.jws import SigningKey, sign_compact
from chain.limits import LOYALTY_OFFLINE_BATCH
from chain.town.context import Refused
from chain.town.loyalty.offline.codes import ShownCode, check_payment, read_code
from chain.town.loyalty.offline.late import EARN_NOTE_TYP
from chain.town.loyalty.offline.records import name_allowance
from chain.town.loyalty_offline_schemas import EarnNote
from chain.types import codes

Kind = Literal["note", "code"]
DONE: Final = frozenset(
    code.name for code in (codes.LOYALTY_RECEIPT_USED, codes.LOYALTY_OFFLINE_CLAIMED)
)
"""Refusals that say an earlier upload counted, although its answer was lost."""
LATER: Final = frozenset(
    code.name
    for code in (
        codes.LOYALTY_NOTE_EARLY,
        codes.LOYALTY_TILL_CAP,
        codes.LOYALTY_VELOCITY,
        codes.TX_QUOTA_EXCEEDED,
        codes.SETTLEMENT_SHOP_SUSPENDED,
    )
)
"""Refusals that another hour or day may lift."""


def sign_note(note: EarnNote, key: SigningKey) -> str:
    """The purchase as the till keeps and later sends it; the customer may be given a copy."""
    return sign_compact(encode_canonical(note), EARN_NOTE_TYP, key).decode("ascii")


@dataclass(frozen=True, slots=True)
class Item:
    """One signed note (`note`) or taken code (`code`) that waits to be sent."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """What the chain will not take, and why: for the owner to look at."""

    item: Item
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Outbox:
    """What a till owes the chain, oldest first; append-only but for what the chain has answered."""

    waiting: tuple[Item, ...] = ()
    rejected: tuple[Rejected, ...] = ()

    def add(self, kind: Kind, text: str) -> "Outbox":
        """The outbox with one more item; the same text twice is one item."""
        item = Item(kind, text)
        return self if item in self.waiting else replace(self, waiting=(*self.waiting, item))

    def next_batch(self, kind: Kind) -> tuple[Item, ...]:
        """The oldest items of one kind, as many as one transaction takes."""
        mine = (item for item in self.waiting if item.kind == kind)
        return tuple(item for _, item in zip(range(LOYALTY_OFFLINE_BATCH), mine, strict=False))

    def settle(
        self, batch: Sequence[Item], refused: Sequence[Sequence[Any]], *, counted: Sequence[int]
    ) -> "Outbox":
        """After an answer: `counted` indices are done, `refused` is `[index, code, detail]` of the others.

        An index that is in neither keeps waiting.
        """
        reasons: Mapping[int, Sequence[Any]] = {line[0]: line for line in refused}
        gone = {batch[index] for index in counted}
        rejected = list(self.rejected)
        for index, item in enumerate(batch):
            code = reasons[index][1] if index in reasons else ""
            if code in DONE:
                gone.add(item)
            elif code and code not in LATER:
                gone.add(item)
                rejected.append(Rejected(item, code, reasons[index][2]))
        left = tuple(item for item in self.waiting if item not in gone)
        return Outbox(left, tuple(rejected))

    def settle_refused(self, batch: Sequence[Item], code: str, detail: str) -> "Outbox":
        """After a batch of which nothing counted: `code` is the first item's, `detail` lists `index:code` of several.

        Items that the detail does not reach keep waiting; they are told with a smaller batch.
        """
        if len(batch) == 1:
            return self.settle(batch, [[0, code, detail]], counted=())
        lines = []
        for word in detail.split():
            index, _, name = word.partition(":")
            if index.isdecimal() and codes.get_code_by_name(name) is not None:
                lines.append([int(index), name, ""])
        return self.settle(batch, lines, counted=())


# --- taking payments -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Policy:
    """What a till fetched while it had a network, the key and the figures with their proof under a pinned checkpoint.

    `issuer_key` signs the programme's allowances. `allowance_points` is the most one may be (A), `shop_points` the most
    this shop takes of one (c). `refused_refs` are accounts it does not serve: revoked ones of today's list, staff.
    """

    chain_id: str
    shop: str
    programme: str
    issuer_key: bytes
    allowance_points: int
    shop_points: int
    refused_refs: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment the till took: of which allowance, under which counter, until when the allowance can be shown."""

    allowance: str
    counter: int
    digest: str
    points: int
    expires_s: int
    text: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What a till must not forget while an allowance can be shown; tills of one shop share it if they can.

    Tills that cannot share it count as so many shops in the bound of what a copied phone may overspend. `proofs` are
    pairs of codes that no honest phone signs together, to be handed in later.
    """

    payments: tuple[Payment, ...] = ()
    proofs: tuple[tuple[str, str], ...] = ()

    def forget(self, now_s: int) -> "Memory":
        """Without the payments of allowances that no till takes any more."""
        return replace(self, payments=tuple(p for p in self.payments if p.expires_s > now_s))


@dataclass(frozen=True, slots=True)
class Taken:
    """The payment is good: keep the memory, put `payment.text` into the outbox, then show green."""

    payment: Payment
    memory: Memory


@dataclass(frozen=True, slots=True)
class Turned:
    """The payment is not taken; the memory may hold a new proof of fraud."""

    refused: Refused
    memory: Memory


def take_payment(
    policy: Policy, memory: Memory, text: str, *, points: int, nonce: bytes, now_s: int
) -> Taken | Turned:
    """Judge a code of kind 3 for exactly `points` and the nonce this till has just shown, by the till's own clock."""
    code = read_code(text)
    if isinstance(code, Refused):
        return Turned(code, memory)
    refused = _check_code(policy, code, now_s) or _check_sale(policy, code, points, nonce)
    if refused is not None:
        return Turned(refused, memory)
    allowance = name_allowance(code.allowance)
    payment = Payment(
        allowance, code.spend.ctr, code.digest, points, code.allowance.expires_s, text
    )
    limit = min(policy.shop_points, code.allowance.cap_total)
    return _remember(memory, payment, limit)


def _check_code(policy: Policy, code: ShownCode, now_s: int) -> Refused | None:
    """Time, account, signatures; then what the payment says against its allowance."""
    spend, allowance = code.spend, code.allowance
    if not spend.is_in_window(now_s) or now_s >= allowance.expires_s:
        return Refused(codes.QR_EXPIRED)
    if allowance.key_ref in policy.refused_refs:
        return Refused(codes.QR_REVOKED)
    if not code.is_signed(policy.chain_id, policy.issuer_key):
        return Refused(codes.QR_BAD_SIGNATURE)
    if allowance.cap_total > policy.allowance_points:
        return Refused(codes.QR_OVER_MAX, f"an allowance of more than {policy.allowance_points}")
    return check_payment(code, programme=policy.programme, clock_s=bf1.EARLY_S)


def _check_sale(policy: Policy, code: ShownCode, points: int, nonce: bytes) -> Refused | None:
    if code.spend.amount != points:
        return Refused(codes.QR_OVER_MAX, f"the code is for {code.spend.amount} points")
    if code.spend.shop_ref != bf1.shop_ref(policy.shop):
        return Refused(codes.QR_WRONG_SHOP)
    return None if code.spend.nonce == nonce else Refused(codes.QR_REPLAYED, "an old nonce")


def _remember(memory: Memory, payment: Payment, limit: int) -> Taken | Turned:
    mine = [p for p in memory.payments if p.allowance == payment.allowance]
    for known in mine:
        if known.digest == payment.digest:
            return Turned(Refused(codes.QR_REPLAYED), memory)
        if known.counter == payment.counter:
            proof = (known.text, payment.text)
            caught = replace(memory, proofs=(*memory.proofs, proof))
            return Turned(Refused(codes.QR_REPLAYED, "counter used twice"), caught)
    if sum(p.points for p in mine) + payment.points > limit:
        return Turned(Refused(codes.LOYALTY_OFFLINE_SHOP_CAP, f"{limit} points"), memory)
    return Taken(payment, replace(memory, payments=(*memory.payments, payment)))
