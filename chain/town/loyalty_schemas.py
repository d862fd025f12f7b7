"""More transactions of loyalty: campaigns, rewards, vouchers, holds, transfers, households, referrals.

As `chain.town.schemas`, whose types these use; who signs is said in each docstring. docs/loyalty.md shows them
side by side with the records they write and the data of their results.
Reads: nothing.  Writes: nothing.  Never: looks at state.
"""

from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta

from chain.town.schemas import (
    Bytes16,
    Bytes32,
    Name,
    Slug,
    SmallPoints,
    Strict,
    Thumbprint,
    UnixSeconds,
)

SlugOrNone: TypeAlias = Annotated[str, Meta(pattern=r"^([a-z][a-z0-9-]{1,31})?\Z")]
"""A slug, or empty for "any"."""
PayText: TypeAlias = Annotated[str, Meta(min_length=10, max_length=400)]
"""Text of a `BF1:` code."""
Budget: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000_000_000)]
BlindSignature: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{342,683}\Z")]
"""RSA signature of 2 048 to 4 096 bits."""


# --- operator or shop owner ----------------------------------------------------------------


class LoyaltyCampaign(Strict, frozen=True, omit_defaults=True):
    """Open, change or end a multiplier; signed by the operator, or by a shop's owner for that shop alone.

    From `starts` to before `ends` purchases give `multiplier_percent` of their points (200 doubles); the bonus comes
    out of `budget_points`, which may rise but never fall below what was given. `weekdays` is a bit mask
    in UTC (bit 0 Monday), from `hour_from` to before `hour_to`. `account_max_points` 0 means no limit each.
    """

    TYPE: ClassVar[str] = "loyalty.campaign"
    campaign: Slug
    programme: Slug
    shop: SlugOrNone
    multiplier_percent: Annotated[int, Meta(ge=101, le=2_000)]
    starts: UnixSeconds
    ends: UnixSeconds
    budget_points: Budget
    status: Literal["active", "ended"]
    account_max_points: Budget = 0
    weekdays: Annotated[int, Meta(ge=1, le=127)] = 127
    hour_from: Annotated[int, Meta(ge=0, le=23)] = 0
    hour_to: Annotated[int, Meta(ge=1, le=24)] = 24


class LoyaltyReward(Strict, frozen=True):
    """Put a reward into the catalogue, change or end it; signed as a campaign is.

    `stock` is what may still be taken from now on; `per_account_max` counts an account's takings for ever.
    """

    TYPE: ClassVar[str] = "loyalty.reward"
    reward: Slug
    programme: Slug
    shop: SlugOrNone
    name: Name
    price_points: SmallPoints
    stock: Annotated[int, Meta(ge=0, le=1_000_000_000)]
    per_account_max: Annotated[int, Meta(ge=1, le=1_000_000)]
    starts: UnixSeconds
    ends: UnixSeconds
    status: Literal["active", "ended"]


class LoyaltyVoucherSeries(Strict, frozen=True):
    """Vouchers of one value, signed off line by `key`; opened by the owner of the shop that owes them.

    `series` is the number in the voucher's code. `redeem_shop` empty for any shop of the coalition.
    Vouchers worth at most `count_max` x `value_points` are honoured, whatever `key` signs.
    """

    TYPE: ClassVar[str] = "loyalty.voucher_series"
    series: Annotated[int, Meta(ge=1, le=2**32 - 1)]
    programme: Slug
    key: Bytes32
    value_points: SmallPoints
    count_max: Annotated[int, Meta(ge=1, le=1_000_000)]
    expires: UnixSeconds
    redeem_shop: SlugOrNone
    status: Literal["active", "ended"]


class LoyaltyStaff(Strict, frozen=True):
    """Name or drop an account as one of the shop's staff: its tills serve none of them. Signed by the owner."""

    TYPE: ClassVar[str] = "loyalty.staff"
    account: Thumbprint
    is_staff: bool


class LoyaltyActivate(Strict, frozen=True):
    """End an earn's cool-off early; signed by the owner of the shop that gave it."""

    TYPE: ClassVar[str] = "loyalty.activate"
    ref: Bytes32


# --- till ----------------------------------------------------------------------------------


class LoyaltyEvent(Strict, frozen=True):
    """Points for an event of the programme's rule; signed by a till, single by `receipt`."""

    TYPE: ClassVar[str] = "loyalty.event"
    programme: Slug
    account: Thumbprint
    event: Slug
    receipt: Bytes16


class LoyaltyHold(Strict, frozen=True):
    """Set points aside by the code on the phone until captured or `expires`; signed by a till."""

    TYPE: ClassVar[str] = "loyalty.hold"
    programme: Slug
    points: SmallPoints
    qr: PayText
    expires: UnixSeconds


class LoyaltyCapture(Strict, frozen=True):
    """Spend up to what is held, once; the rest goes back. Signed by a till or the owner of the same shop."""

    TYPE: ClassVar[str] = "loyalty.capture"
    hold: Bytes32
    points: SmallPoints


class LoyaltyRelease(Strict, frozen=True):
    """Give back all that is held; signed by a till or the owner of the same shop."""

    TYPE: ClassVar[str] = "loyalty.release"
    hold: Bytes32


class LoyaltyRewardTake(Strict, frozen=True):
    """Hand over a reward for its price; signed by a till. `points` is the price the customer agreed to."""

    TYPE: ClassVar[str] = "loyalty.reward_take"
    reward: Slug
    points: SmallPoints
    qr: PayText


class LoyaltyVoucherRedeem(Strict, frozen=True):
    """Take `points` off a signed voucher (`BF1:` kind 5); what is left stays on the chain. Signed by a till."""

    TYPE: ClassVar[str] = "loyalty.voucher_redeem"
    voucher: PayText
    points: SmallPoints


# --- citizen -------------------------------------------------------------------------------


class LoyaltyTransfer(Strict, frozen=True):
    """Give points to another account or to one's household pool, soonest to expire first; lots keep their life.

    Signed by the account.
    """

    TYPE: ClassVar[str] = "loyalty.transfer"
    to: Thumbprint
    programme: Slug
    points: SmallPoints


class LoyaltyInvoicePay(Strict, frozen=True):
    """Pay the invoice (`BF1:` kind 4) that `till` signed; the invoice fixes shop and points. Signed by the account."""

    TYPE: ClassVar[str] = "loyalty.invoice_pay"
    till: Thumbprint
    programme: Slug
    invoice: PayText


class LoyaltyPoolOpen(Strict, frozen=True):
    """Found a household pool, named by this transaction's payload hash; signed by the account."""

    TYPE: ClassVar[str] = "loyalty.pool_open"


class LoyaltyPoolInvite(Strict, frozen=True):
    """Invite an account into the own pool; signed by its founder."""

    TYPE: ClassVar[str] = "loyalty.pool_invite"
    pool: Bytes32
    account: Thumbprint


class LoyaltyPoolJoin(Strict, frozen=True):
    """Accept an invitation: from now on one's pay codes draw on the pool too. Signed by the invited account."""

    TYPE: ClassVar[str] = "loyalty.pool_join"
    pool: Bytes32


class LoyaltyPoolLeave(Strict, frozen=True):
    """Leave the pool, or (founder) send `account` away; the last member leaves an empty pool only."""

    TYPE: ClassVar[str] = "loyalty.pool_leave"
    pool: Bytes32
    account: Thumbprint


class LoyaltyPoolWithdraw(Strict, frozen=True):
    """Take points out of the own pool into the own wallet; signed by a member."""

    TYPE: ClassVar[str] = "loyalty.pool_withdraw"
    pool: Bytes32
    programme: Slug
    points: SmallPoints


class LoyaltyReferral(Strict, frozen=True):
    """Welcome points for a newcomer and for whoever brought it (empty: nobody); signed by the newcomer.

    `prefix` and `signature` are a welcome token (RFC 9474 RSABSSA-SHA384-PSS-Randomized over
    "beffroi-welcome" ‖ 0x00 ‖ programme ‖ 0x00 ‖ account): one per person, unlinkable to the person, good for the
    account it was asked for, spent once.
    """

    TYPE: ClassVar[str] = "loyalty.referral"
    programme: Slug
    referrer: Annotated[str, Meta(pattern=r"^([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])?\Z")]
    prefix: Bytes32
    signature: BlindSignature


LoyaltyBody: TypeAlias = (
    LoyaltyCampaign
    | LoyaltyReward
    | LoyaltyVoucherSeries
    | LoyaltyStaff
    | LoyaltyActivate
    | LoyaltyEvent
    | LoyaltyHold
    | LoyaltyCapture
    | LoyaltyRelease
    | LoyaltyRewardTake
    | LoyaltyVoucherRedeem
    | LoyaltyTransfer
    | LoyaltyInvoicePay
    | LoyaltyPoolOpen
    | LoyaltyPoolInvite
    | LoyaltyPoolJoin
    | LoyaltyPoolLeave
    | LoyaltyPoolWithdraw
    | LoyaltyReferral
)
