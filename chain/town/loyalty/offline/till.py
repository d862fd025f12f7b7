"""A till without a network, as a reference for whoever writes one: what it signs, what it keeps, what it sends later.

Values in, values out: no clock, no network, no file. A till writes each new `Outbox` down before it shows green.
`docs/loyalty.md` says what a till must have fetched before.
Reads and writes: nothing.  Never: shows green for what it has not kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from chain.codec.canonical import encode_canonical
from chain.crypto.jws import SigningKey, sign_compact
from chain.limits import LOYALTY_OFFLINE_BATCH
from chain.town.loyalty.offline.late import EARN_NOTE_TYP
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
