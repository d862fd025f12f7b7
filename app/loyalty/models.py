"""Read model of loyalty, all of it rebuilt by the projector: nothing here is true before the chain says so.

Points are integers; times are unix seconds of block headers.
"""

from typing import Final

from peewee import BigIntegerField, CharField, CompositeKey, IntegerField, TextField

from app.core.database import Row

SLUG_CHARS: Final = 32
KID_CHARS: Final = 43
HASH_CHARS: Final = 64


class Programme(Row):
    """One version of a programme; the highest that is no draft is in force.

    `earn` and `terms` are the whole rule as canonical JSON, whose hash stands on the chain; the figures beside it
    are copied out of it for lists.
    """

    programme = CharField(max_length=SLUG_CHARS)
    version = IntegerField()
    status = CharField(max_length=8)
    points = IntegerField()
    per_cents = IntegerField()
    min_purchase_cents = IntegerField()
    lot_life_days = IntegerField()
    since = BigIntegerField()
    height = BigIntegerField()
    earn = TextField(default="{}")
    terms = TextField(default="{}")
    rule_hash = CharField(max_length=KID_CHARS, default="")

    class Meta:
        """Table `loyalty_programme`."""

        table_name = "loyalty_programme"
        primary_key = CompositeKey("programme", "version")


class Shop(Row):
    """A shop of the coalition."""

    shop = CharField(max_length=SLUG_CHARS, primary_key=True)
    name = CharField(max_length=120)
    owner_kid = CharField(max_length=KID_CHARS, index=True)
    since = BigIntegerField()
    height = BigIntegerField()

    class Meta:
        """Table `loyalty_shop`."""

        table_name = "loyalty_shop"


class Terminal(Row):
    """A till's key; `revoked_since` 0 while it lives."""

    kid = CharField(max_length=KID_CHARS, primary_key=True)
    shop = CharField(max_length=SLUG_CHARS, index=True)
    expires = BigIntegerField()
    cap_per_tx_points = IntegerField()
    cap_per_day_points = IntegerField()
    revoked_since = BigIntegerField(default=0)
    height = BigIntegerField()

    class Meta:
        """Table `loyalty_terminal`."""

        table_name = "loyalty_terminal"


class LotRow(Row):
    """Points of one gift in one wallet: who owes them and until when. `account` is an account or a pool.

    A lot keeps its name when a part of it moves to another wallet.
    """

    lot = CharField(max_length=22)
    account = CharField(max_length=KID_CHARS, index=True)
    programme = CharField(max_length=SLUG_CHARS)
    version = IntegerField()
    issuer = CharField(max_length=SLUG_CHARS)
    points = IntegerField()
    left = IntegerField()
    earned_at = BigIntegerField()
    expires_at = BigIntegerField(index=True)
    ref = CharField(max_length=KID_CHARS)

    class Meta:
        """Table `loyalty_lot`."""

        table_name = "loyalty_lot"
        primary_key = CompositeKey("account", "lot")


class Debt(Row):
    """Points an issuer took back too late: its own next gifts to the account pay them."""

    account = CharField(max_length=KID_CHARS)
    programme = CharField(max_length=SLUG_CHARS)
    issuer = CharField(max_length=SLUG_CHARS)
    points = BigIntegerField()

    class Meta:
        """Table `loyalty_debt`."""

        table_name = "loyalty_debt"
        primary_key = CompositeKey("account", "programme", "issuer")


class UsedCounter(Row):
    """A counter of pay codes that one key has used; those that fell out of the window are dropped."""

    kid = CharField(max_length=KID_CHARS)
    counter = BigIntegerField()

    class Meta:
        """Table `loyalty_used_counter`."""

        table_name = "loyalty_used_counter"
        primary_key = CompositeKey("kid", "counter")


class Operation(Row):
    """One line of an account's or a shop's list; `points` is what the account gained or (negative) lost.

    `pool_points` of them were its household `pool`'s, not its own. `pending` are points that began (or, negative,
    ceased) to cool off. `other` is the account or pool on the other side of a transfer; `of` names a hold, reward,
    voucher, event or campaign. All lines of a wallet add up to its points less its debts. `position` orders all of
    them as the chain did; it is computed, so that a rebuild gives the same rows.
    """

    position = BigIntegerField(primary_key=True)
    payload_hash = CharField(max_length=HASH_CHARS, index=True)
    kind = CharField(max_length=10)
    account = CharField(max_length=KID_CHARS)
    shop = CharField(max_length=SLUG_CHARS)
    till = CharField(max_length=KID_CHARS)
    programme = CharField(max_length=SLUG_CHARS)
    points = IntegerField()
    purchase_cents = IntegerField(default=0)
    ref = CharField(max_length=HASH_CHARS, default="")
    height = BigIntegerField()
    time = BigIntegerField()
    pool = CharField(max_length=KID_CHARS, default="", index=True)
    pool_points = IntegerField(default=0)
    pending = IntegerField(default=0)
    other = CharField(max_length=KID_CHARS, default="")
    of = CharField(max_length=KID_CHARS, default="")

    class Meta:
        """Table `loyalty_operation`."""

        table_name = "loyalty_operation"
        indexes = ((("account", "position"), False), (("shop", "position"), False))


class Pending(Row):
    """Points of one gift that still cool off; `ref` is the earn."""

    ref = CharField(max_length=KID_CHARS, primary_key=True)
    account = CharField(max_length=KID_CHARS, index=True)
    programme = CharField(max_length=SLUG_CHARS)
    issuer = CharField(max_length=SLUG_CHARS)
    points = IntegerField()
    due_at = BigIntegerField()

    class Meta:
        """Table `loyalty_pending`."""

        table_name = "loyalty_pending"


class Hold(Row):
    """Points set aside for a shop; `status` open, captured, released or timeout, `captured` the points spent."""

    hold = CharField(max_length=KID_CHARS, primary_key=True)
    account = CharField(max_length=KID_CHARS, index=True)
    programme = CharField(max_length=SLUG_CHARS)
    shop = CharField(max_length=SLUG_CHARS, index=True)
    till = CharField(max_length=KID_CHARS)
    points = IntegerField()
    captured = IntegerField(default=0)
    held_at = BigIntegerField()
    expires_at = BigIntegerField()
    status = CharField(max_length=8)

    class Meta:
        """Table `loyalty_hold`."""

        table_name = "loyalty_hold"


class Campaign(Row):
    """A multiplier, `terms` as canonical JSON; what it has given is a counter of the chain, read there."""

    campaign = CharField(max_length=SLUG_CHARS, primary_key=True)
    programme = CharField(max_length=SLUG_CHARS, index=True)
    owner = CharField(max_length=48)
    terms = TextField()
    height = BigIntegerField()

    class Meta:
        """Table `loyalty_campaign`."""

        table_name = "loyalty_campaign"


class Reward(Row):
    """A reward of the catalogue; `stock` may still be taken."""

    reward = CharField(max_length=SLUG_CHARS, primary_key=True)
    programme = CharField(max_length=SLUG_CHARS, index=True)
    shop = CharField(max_length=SLUG_CHARS)
    name = CharField(max_length=120)
    price_points = IntegerField()
    stock = IntegerField()
    taken = IntegerField(default=0)
    per_account_max = IntegerField()
    starts = BigIntegerField()
    ends = BigIntegerField()
    status = CharField(max_length=8)
    owner = CharField(max_length=48)
    height = BigIntegerField()

    class Meta:
        """Table `loyalty_reward`."""

        table_name = "loyalty_reward"


class Series(Row):
    """Vouchers of one value that a shop owes; `honoured` points of them were redeemed."""

    series = BigIntegerField(primary_key=True)
    shop = CharField(max_length=SLUG_CHARS, index=True)
    programme = CharField(max_length=SLUG_CHARS)
    key = CharField(max_length=KID_CHARS)
    value_points = IntegerField()
    count_max = IntegerField()
    expires = BigIntegerField()
    redeem_shop = CharField(max_length=SLUG_CHARS)
    status = CharField(max_length=8)
    honoured = BigIntegerField(default=0)
    height = BigIntegerField()

    class Meta:
        """Table `loyalty_series`."""

        table_name = "loyalty_series"


class VoucherUse(Row):
    """Points used of one voucher, by its nullifier."""

    nullifier = CharField(max_length=KID_CHARS, primary_key=True)
    series = BigIntegerField(index=True)
    used = IntegerField()

    class Meta:
        """Table `loyalty_voucher_use`."""

        table_name = "loyalty_voucher_use"


class PaidInvoice(Row):
    """An invoice of a till that was paid, by its number; `refunded` of its `points` came back.

    A till that uses a number twice sees the newest payment.
    """

    shop = CharField(max_length=SLUG_CHARS)
    invoice = CharField(max_length=22)
    payload_hash = CharField(max_length=HASH_CHARS, index=True)
    till = CharField(max_length=KID_CHARS)
    programme = CharField(max_length=SLUG_CHARS)
    points = IntegerField()
    refunded = IntegerField(default=0)
    height = BigIntegerField()
    paid_at = BigIntegerField()

    class Meta:
        """Table `loyalty_invoice`."""

        table_name = "loyalty_invoice"
        primary_key = CompositeKey("shop", "invoice")


class StaffAccount(Row):
    """An account that a shop's owner named as staff at `since`, and no longer since `ended_at` (0: still)."""

    shop = CharField(max_length=SLUG_CHARS)
    account = CharField(max_length=KID_CHARS)
    since = BigIntegerField()
    ended_at = BigIntegerField(default=0)

    class Meta:
        """Table `loyalty_staff`."""

        table_name = "loyalty_staff"
        primary_key = CompositeKey("shop", "account", "since")


class OfflineKey(Row):
    """The key that signs a programme's allowances for payments without a network."""

    programme = CharField(max_length=SLUG_CHARS, primary_key=True)
    key = CharField(max_length=KID_CHARS)
    since = BigIntegerField()
    height = BigIntegerField()

    class Meta:
        """Table `loyalty_offline_key`."""

        table_name = "loyalty_offline_key"


class AllowanceRow(Row):
    """Points locked for payments without a network: all its certificate says, and what became of it.

    `status` open or closed; `claimed` of all shops so far, `paid` in the end; `fraud` counter, sum or empty.
    """

    allowance = CharField(max_length=KID_CHARS, primary_key=True)
    account = CharField(max_length=KID_CHARS, index=True)
    programme = CharField(max_length=SLUG_CHARS)
    device_key = CharField(max_length=KID_CHARS)
    issuer_key = CharField(max_length=KID_CHARS)
    points = IntegerField()
    per_tx_points = IntegerField()
    shop_points = IntegerField()
    issued_at = BigIntegerField()
    expires_at = BigIntegerField()
    closes_at = BigIntegerField()
    status = CharField(max_length=8)
    claimed = IntegerField(default=0)
    paid = IntegerField(default=0)
    fraud = CharField(max_length=8, default="")
    height = BigIntegerField()

    class Meta:
        """Table `loyalty_allowance`."""

        table_name = "loyalty_allowance"


class ClaimRow(Row):
    """A payment a shop claimed, by the hash of what the phone signed; `status` waiting, paid or short.

    `ref` names the one spend that all claims of this shop and allowance came to; "short": less was there.
    """

    payment = CharField(max_length=KID_CHARS, primary_key=True)
    allowance = CharField(max_length=KID_CHARS, index=True)
    shop = CharField(max_length=SLUG_CHARS, index=True)
    programme = CharField(max_length=SLUG_CHARS)
    counter = BigIntegerField()
    points = IntegerField()
    spent_at = BigIntegerField()
    claimed_at = BigIntegerField()
    paid_at = BigIntegerField()
    status = CharField(max_length=8)
    ref = CharField(max_length=HASH_CHARS, default="")
    height = BigIntegerField()

    class Meta:
        """Table `loyalty_claim`."""

        table_name = "loyalty_claim"


class PoolMember(Row):
    """An account in a household pool, or invited into it; the lowest `rank` founded it or took over."""

    pool = CharField(max_length=KID_CHARS)
    account = CharField(max_length=KID_CHARS, index=True)
    rank = IntegerField()
    is_member = IntegerField()

    class Meta:
        """Table `loyalty_pool_member`."""

        table_name = "loyalty_pool_member"
        primary_key = CompositeKey("pool", "account")


PROJECTED: Final = (
    Programme,
    Shop,
    Terminal,
    LotRow,
    Debt,
    UsedCounter,
    Operation,
    Pending,
    Hold,
    Campaign,
    Reward,
    Series,
    VoucherUse,
    PaidInvoice,
    StaffAccount,
    OfflineKey,
    AllowanceRow,
    ClaimRow,
    PoolMember,
)
