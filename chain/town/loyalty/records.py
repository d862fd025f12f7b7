"""What the chain remembers of loyalty: programmes, shops, tills, wallets, operations and issuers' totals.

Every id is built by a function here, so that a client can ask for the record, with its proof, by name.
New fields are appended with a default: a record written today stays readable by every later release.
Reads: nothing.  Writes: nothing.  Never: a name of a person.
"""

from functools import lru_cache
from hashlib import sha256
from typing import Final

from msgspec import Struct

from chain.codec.canonical import b64url_encode
from chain.limits import TOWN_DECODED_RECORDS
from chain.town.context import Table
from chain.town.loyalty_schemas import (
    LoyaltyCampaign,
    LoyaltyReward,
    LoyaltyVoucherSeries,
)
from chain.town.schemas import EarnRule, Terms

NAMESPACE: Final = "loyalty"
POINT_ASSET: Final = 1
"""Asset number of points in a QR code; the other kinds of DESIGN §4 have their own."""


class ProgrammeRecord(Struct, frozen=True):
    """A programme; `status` is draft, active (gives points) or closed (its points stay redeemable).

    `version` is the one in force, 0 before the first; `draft` the one published and waiting, 0 for none.
    `operator` (`body:<slug>`) opened the programme and alone may change it. `campaigns` may give bonuses.
    """

    programme: str
    version: int
    status: str
    rule_hash: str
    operator: str
    draft: int = 0
    campaigns: tuple[str, ...] = ()


class VersionRecord(Struct, frozen=True):
    """One version of a programme's rule for ever; lots name it, so a new one is never retroactive."""

    programme: str
    version: int
    earn: EarnRule
    lot_life_days: int
    rule_hash: str
    since_s: int
    terms: Terms = Terms()


class ShopRecord(Struct, frozen=True):
    """A shop of the coalition: issuer of the points it gives, debtor for them where they are spent."""

    shop: str
    name: str
    owner_kid: str
    opened_s: int


class TillRecord(Struct, frozen=True):
    """A till's caps, what it moved on `day` (days since 1970, UTC), and its newest earn (newest first chain).

    `sweep` is the earn at which the sweep of a revoked till goes on, "" when none is under way.
    """

    shop: str
    kid: str
    expires_s: int
    cap_per_tx_points: int
    cap_per_day_points: int
    revoked_s: int = 0
    revoked_since_s: int = 0
    day: int = 0
    day_points: int = 0
    last_earn: str = ""
    sweep: str = ""


class Lot(Struct, frozen=True, array_like=True, order=True):
    """Points of one gift: who owes them (`issuer`), until when, from which earn and under which rule.

    The first three fields are the order in which lots are spent: total, and equal on every machine.
    `grace` is 1 for a lot that came back after its time. An array on the wire. 0 < left <= points.
    """

    expires_s: int
    earned_s: int
    lot: str
    programme: str
    issuer: str
    version: int
    points: int
    left: int
    ref: str
    grace: int = 0

    @property
    def key(self) -> str:
        """The lot's place in its queue: sorts as text in the order lots are spent."""
        return f"{self.expires_s:011d}{self.earned_s:011d}{self.lot}"


class Position(Struct, frozen=True, array_like=True):
    """What a wallet holds of one issuer in one programme: its queue of lots in sum, and what is owed or to come.

    `points` and `lots` count the queue, expired lots not yet collected included; `first` is the key of its first
    lot. `debt` is taken from the issuer's next gift alone. `day_earns` counts gifts on `day` (UTC, since 1970).
    """

    programme: str
    issuer: str
    points: int = 0
    lots: int = 0
    first: str = ""
    debt: int = 0
    pending: int = 0
    day: int = 0
    day_earns: int = 0


class WalletRecord(Struct, frozen=True):
    """Head of a wallet: its positions sorted by programme and issuer, and when expiry looks at it next (0 never).

    The lots are records of their own. `pool` is the household pool its owner is in. `hour_spends` counts what
    left it in `hour` (since 1970), `day_points` what it was given on `day`.
    """

    positions: tuple[Position, ...] = ()
    wake_s: int = 0
    pool: str = ""
    hour: int = 0
    hour_spends: int = 0
    day: int = 0
    day_points: int = 0


class Leg(Struct, frozen=True, array_like=True):
    """`points` taken from `lot`, kept as it was before, so that a refund can put it back into `wallet`."""

    lot: Lot
    points: int
    wallet: str


class EarnRecord(Struct, frozen=True):
    """A gift of points. `expired` of them ran out unspent, for `forgiven` of which a reversal asks nothing.

    `kind` is purchase, event, referral or welcome. `pending` points cool off until `due_s`; the lot's expiry is
    known once it is made. `previous` is the till's earn before this one ("" for its first). `graces` counts the
    lots of grace there ever were. `bonus` came out of `campaign`'s budget.
    """

    account: str
    programme: str
    version: int
    shop: str
    till: str
    purchase_cents: int
    receipt: str
    points: int
    lot: str
    earned_s: int
    previous: str
    reversed: int = 0
    expired: int = 0
    forgiven: int = 0
    expires_s: int = 0
    kind: str = "purchase"
    pending: int = 0
    due_s: int = 0
    graces: int = 0
    campaign: str = ""
    bonus: int = 0
    event: str = ""

    @property
    def lot_key(self) -> str:
        """Key of the lot it made, "" when there is none (yet)."""
        return f"{self.expires_s:011d}{self.earned_s:011d}{self.lot}" if self.expires_s else ""


class SpendRecord(Struct, frozen=True):
    """Points spent at `shop`: the legs in the order they were taken, and how many points were refunded.

    `kind` is redeem, capture, reward, voucher or invoice; `of` names the hold, reward, voucher or invoice.
    """

    account: str
    programme: str
    shop: str
    till: str
    points: int
    spent_s: int
    legs: tuple[Leg, ...]
    reversed: int = 0
    kind: str = "redeem"
    of: str = ""


class HoldRecord(Struct, frozen=True):
    """Points set aside for `shop` until `expires_s`; `status` is open, captured, released or timeout."""

    account: str
    programme: str
    shop: str
    till: str
    points: int
    held_s: int
    expires_s: int
    legs: tuple[Leg, ...]
    status: str = "open"


class GraceRecord(Struct, frozen=True):
    """Where one lot of grace of an earn lies, so that a reversal of the earn finds it."""

    wallet: str
    key: str


class CampaignRecord(Struct, frozen=True):
    """A multiplier, its window and budget; `given` of `terms.budget_points` are spent. `owner` alone may change it."""

    terms: LoyaltyCampaign
    owner: str
    given: int = 0


class RewardRecord(Struct, frozen=True):
    """A reward of the catalogue; `terms.stock` is what may still be taken."""

    terms: LoyaltyReward
    owner: str
    taken: int = 0


class SeriesRecord(Struct, frozen=True):
    """Vouchers that `shop` owes; `honoured` points of them were redeemed, `version` says what a point is worth."""

    terms: LoyaltyVoucherSeries
    shop: str
    version: int
    honoured: int = 0


class NullifierRecord(Struct, frozen=True):
    """Points used of one voucher."""

    series: int
    used: int


class CounterRecord(Struct, frozen=True):
    """A count: takings, events, referrals, bonus points of one account."""

    count: int = 0


class TierRecord(Struct, frozen=True):
    """Points earned in `period` and in the one before it; periods are counted from 1970."""

    period: int = 0
    points: int = 0
    before: int = 0


class PoolRecord(Struct, frozen=True):
    """A household: its members in order of joining, the first of them its founder, and who is invited."""

    members: tuple[str, ...]
    invited: tuple[str, ...] = ()


class MarkRecord(Struct, frozen=True):
    """Something happened once, at this time: a token was spent, an account is staff."""

    at_s: int


class ReceiptRecord(Struct, frozen=True):
    """The earn a shop's receipt was used for."""

    ref: str


class InvoiceRecord(Struct, frozen=True):
    """The spend that paid a till's invoice; gone once the invoice is too old to be paid at all."""

    ref: str
    expires_s: int


class WindowRecord(Struct, frozen=True):
    """Counters of pay codes one key has used: the highest, and a bit per counter below it (bit 0 = highest).

    `seen` is 16 hexadecimal digits, because 64 bits do not fit a JSON integer.
    """

    highest: int
    seen: str


class IssuerTotals(Struct, frozen=True):
    """All points a shop ever minted and where they went; what is left is in wallets.

    `owed` is the sum of debts to this issuer: a memorandum, outside the double entry. `held` and `pending` are
    neither in wallets nor gone. `day_minted` counts gifts on `day`.
    """

    minted: int = 0
    redeemed: int = 0
    expired: int = 0
    reversed: int = 0
    owed: int = 0
    held: int = 0
    pending: int = 0
    day: int = 0
    day_minted: int = 0


class ObligationRecord(Struct, frozen=True):
    """Net points of `issuer` ever redeemed at another shop: what its settled weeks and the open one add up to.

    `value_millicents` counts each leg at the value its lot's version gives a point (thousandths of a euro cent).
    """

    points: int = 0
    value_millicents: int = 0


PROGRAMMES: Final = Table(NAMESPACE, "programme", ProgrammeRecord)
VERSIONS: Final = Table(NAMESPACE, "version", VersionRecord)
DRAFTS: Final = Table(NAMESPACE, "draft", VersionRecord)
CAMPAIGNS: Final = Table(NAMESPACE, "campaign", CampaignRecord)
CAMPAIGN_ACCOUNTS: Final = Table(NAMESPACE, "campaign_account", CounterRecord)
REWARDS: Final = Table(NAMESPACE, "reward", RewardRecord)
REWARD_ACCOUNTS: Final = Table(NAMESPACE, "reward_account", CounterRecord)
SERIES: Final = Table(NAMESPACE, "series", SeriesRecord)
NULLIFIERS: Final = Table(NAMESPACE, "nullifier", NullifierRecord)
EVENT_ACCOUNTS: Final = Table(NAMESPACE, "event_account", CounterRecord)
TIERS: Final = Table(NAMESPACE, "tier", TierRecord)
POOLS: Final = Table(NAMESPACE, "pool", PoolRecord)
TOKENS: Final = Table(NAMESPACE, "token", MarkRecord)
REFERRERS: Final = Table(NAMESPACE, "referrer", CounterRecord)
STAFF: Final = Table(NAMESPACE, "staff", MarkRecord)
HOLDS: Final = Table(NAMESPACE, "hold", HoldRecord)
SHOPS: Final = Table(NAMESPACE, "shop", ShopRecord)
TILLS: Final = Table(NAMESPACE, "till", TillRecord)
WALLETS: Final = Table(NAMESPACE, "wallet", WalletRecord)
LOTS: Final = Table(NAMESPACE, "lot", Lot)
GRACES: Final = Table(NAMESPACE, "grace", GraceRecord)
EARNS: Final = Table(NAMESPACE, "earn", EarnRecord)
SPENDS: Final = Table(NAMESPACE, "spend", SpendRecord)
RECEIPTS: Final = Table(NAMESPACE, "receipt", ReceiptRecord)
INVOICES: Final = Table(NAMESPACE, "invoice", InvoiceRecord)
"""Under `<shop>/<number>`."""
WINDOWS: Final = Table(NAMESPACE, "window", WindowRecord)
TOTALS: Final = Table(NAMESPACE, "total", IssuerTotals)
OBLIGATIONS: Final = Table(NAMESPACE, "due", ObligationRecord)


def joined_id(*parts: str) -> bytes:
    """Record id of several names; none of them can hold a slash, so no two lists give one id."""
    return "/".join(parts).encode("ascii")


def version_id(programme: str, version: int) -> bytes:
    """`programme/0000012`: zero-padded, so that versions scan in order."""
    return joined_id(programme, f"{version:07d}")


def compute_lot_id(tx_key: bytes, index: int) -> str:
    """H(transaction, index), 16 bytes as base64url: no two lots ever share one."""
    digest = sha256(b"beffroi-lot\x00" + tx_key + index.to_bytes(4, "big")).digest()
    return b64url_encode(digest[:16])


@lru_cache(maxsize=TOWN_DECODED_RECORDS)
def position_tag(programme: str, issuer: str) -> str:
    """Twelve characters that name a position in the ids of its lots: SHA-256(`programme/issuer`)[:9], base64url."""
    return b64url_encode(sha256(joined_id(programme, issuer)).digest()[:9])


def lot_id(wallet: str, tag: str, key: str) -> bytes:
    """Id of a lot's record: wallet, position, place in its queue."""
    return f"{wallet}/{tag}/{key}".encode("ascii")


def describe_leg(leg: Leg, owner: str) -> dict[str, str | int]:
    """A leg in result data: which lot, whose points, under which version (hence of which value), how many.

    The wallet is named when it is not `owner`'s own.
    """
    described: dict[str, str | int] = {
        "lot": leg.lot.lot,
        "issuer": leg.lot.issuer,
        "version": leg.lot.version,
        "points": leg.points,
    }
    return described if leg.wallet == owner else described | {"wallet": leg.wallet}


def describe_lot(lot: Lot) -> dict[str, str | int]:
    """A new lot in result data, complete, so that a reader of results needs no state."""
    return {
        "lot": lot.lot,
        "programme": lot.programme,
        "issuer": lot.issuer,
        "version": lot.version,
        "points": lot.points,
        "expires": lot.expires_s,
        "earned": lot.earned_s,
        "ref": lot.ref,
    }
