"""Transactions of shops and phones that were without a network: late earns, allowances, claims, proofs of fraud.

As `chain.town.schemas`, whose types these use; who signs is said in each docstring. docs/loyalty.md tells the story.
Reads: nothing.  Writes: nothing.  Never: looks at state.
"""

from typing import Annotated, ClassVar, TypeAlias

from msgspec import Meta

from chain.limits import LOYALTY_OFFLINE_BATCH, LOYALTY_OFFLINE_NOTE_CHARS
from chain.town.schemas import (
    MAX_SAFE_INTEGER,
    Bytes16,
    Bytes32,
    ItemCount,
    Slug,
    SmallPoints,
    Strict,
    UnixSeconds,
)

EarnNoteJws: TypeAlias = Annotated[
    str,
    Meta(
        min_length=10,
        max_length=LOYALTY_OFFLINE_NOTE_CHARS,
        pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z",
    ),
]
"""A till's `EarnNote` in compact JWS form, `typ` beffroi-earn."""
OfflineText: TypeAlias = Annotated[str, Meta(min_length=10, max_length=400)]
"""Text of a `BF1:` code of kind 3."""


class EarnNote(Strict, frozen=True, omit_defaults=True):
    """A purchase written down and signed by a till without a network (JWS `typ` beffroi-earn).

    `made` is the till's own time; `key_ref` are the first 16 bytes of the account id, as codes of kind 1 show them.
    `receipt` makes it single. `points_shown` as in `loyalty.earn`.
    """

    town: Bytes32
    shop: Slug
    programme: Slug
    key_ref: Bytes16
    purchase_cents: Annotated[int, Meta(ge=1, le=100_000_000)]
    receipt: Bytes16
    made: UnixSeconds
    items: Annotated[tuple[ItemCount, ...], Meta(max_length=32)] = ()
    points_shown: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)] = 0


class LoyaltyEarnBatch(Strict, frozen=True):
    """Notes of a shop's tills, each judged by itself; signed by any till of the shop, or by its owner."""

    TYPE: ClassVar[str] = "loyalty.earn_batch"
    notes: Annotated[tuple[EarnNoteJws, ...], Meta(min_length=1, max_length=LOYALTY_OFFLINE_BATCH)]


class LoyaltyOfflineKey(Strict, frozen=True):
    """Name the Ed25519 key that signs a programme's allowances from now on; signed by the programme's operator.

    One key per programme: it is what binds an allowance to the points it is made of.
    """

    TYPE: ClassVar[str] = "loyalty.offline_key"
    programme: Slug
    key: Bytes32


class LoyaltyAllowance(Strict, frozen=True):
    """Lock own points for payments without a network, until the town's time for it is over; signed by the account.

    The key that signs is the one that may spend them; the locked points come back, less what shops claimed.
    """

    TYPE: ClassVar[str] = "loyalty.allowance"
    programme: Slug
    points: SmallPoints


class LoyaltyOfflineClaim(Strict, frozen=True):
    """Codes of kind 3 that a shop took without a network; signed by any till of the shop, or by its owner."""

    TYPE: ClassVar[str] = "loyalty.offline_claim"
    codes: Annotated[tuple[OfflineText, ...], Meta(min_length=1, max_length=LOYALTY_OFFLINE_BATCH)]


class LoyaltyEquivocation(Strict, frozen=True):
    """Codes of one allowance that no honest phone signs together; from anybody whom the town knows.

    Two with one counter and different content, or payments of more than was allowed in all; payments that shops have
    claimed already need not be shown again.
    """

    TYPE: ClassVar[str] = "loyalty.equivocation"
    codes: Annotated[tuple[OfflineText, ...], Meta(min_length=1, max_length=LOYALTY_OFFLINE_BATCH)]


OfflineBody: TypeAlias = (
    LoyaltyEarnBatch
    | LoyaltyOfflineKey
    | LoyaltyAllowance
    | LoyaltyOfflineClaim
    | LoyaltyEquivocation
)
