"""Read model of settlement, rebuilt by the projector; and shops' bank accounts, which exist only here.

Cents and millicents are integers; times are unix seconds of block headers.
"""

from typing import Final

from peewee import BigIntegerField, BooleanField, CharField, CompositeKey, IntegerField

from app.core.database import Row

SLUG_CHARS: Final = 32
HASH_CHARS: Final = 43


class SettlementBatch(Row):
    """A closed epoch: totals that everybody may see. Heights are inclusive."""

    epoch = IntegerField(primary_key=True)
    from_height = BigIntegerField()
    to_height = BigIntegerField()
    closed_at = BigIntegerField()
    dispute_until = BigIntegerField()
    pay_until = BigIntegerField()
    shops = IntegerField()
    legs = IntegerField()
    legs_cents = BigIntegerField()
    gross_millicents = BigIntegerField()
    redeemed_millicents = BigIntegerField()
    root = CharField(max_length=HASH_CHARS)

    class Meta:
        """Table `settlement_batch`."""

        table_name = "settlement_batch"


class SettlementPosition(Row):
    """One shop's net in a batch; positive is to receive. `said` is "", agreed, disputed, upheld or rejected."""

    epoch = IntegerField()
    shop = CharField(max_length=SLUG_CHARS)
    net_millicents = BigIntegerField()
    cents = BigIntegerField()
    said = CharField(max_length=10, default="")

    class Meta:
        """Table `settlement_position`."""

        table_name = "settlement_position"
        primary_key = CompositeKey("epoch", "shop")


class SettlementLeg(Row):
    """One payment; marks are hashes of bank references, "" before a side spoke."""

    epoch = IntegerField()
    leg = IntegerField()
    payer = CharField(max_length=SLUG_CHARS, index=True)
    payee = CharField(max_length=SLUG_CHARS, index=True)
    cents = BigIntegerField()
    paid = CharField(max_length=HASH_CHARS, default="")
    received = CharField(max_length=HASH_CHARS, default="")
    covered = CharField(max_length=HASH_CHARS, default="")
    is_missing = BooleanField(default=False)
    is_overdue = BooleanField(default=False)

    class Meta:
        """Table `settlement_leg`."""

        table_name = "settlement_leg"
        primary_key = CompositeKey("epoch", "leg")


class SettlementStanding(Row):
    """A shop in the coalition: active, leaving or failed, and the reserve attested for it."""

    shop = CharField(max_length=SLUG_CHARS, primary_key=True)
    status = CharField(max_length=8, default="active")
    since = BigIntegerField(default=0)
    held_cents = BigIntegerField(default=0)
    attested_at = BigIntegerField(default=0)

    class Meta:
        """Table `settlement_standing`."""

        table_name = "settlement_standing"


class SettlementWatch(Row):
    """What the law limits, as counted after each batch."""

    at = BigIntegerField(primary_key=True)
    circulation_millicents = BigIntegerField()
    year_millicents = BigIntegerField()
    is_alarmed = BooleanField()

    class Meta:
        """Table `settlement_watch`."""

        table_name = "settlement_watch"


class SettlementBank(Row):
    """Where a shop is paid: shown to the shop, to its debtors of a batch and to the association."""

    shop = CharField(max_length=SLUG_CHARS, primary_key=True)
    holder = CharField(max_length=70)
    iban = CharField(max_length=34)
    changed_at = BigIntegerField()

    class Meta:
        """Table `settlement_bank`."""

        table_name = "settlement_bank"


PROJECTED: Final = (
    SettlementBatch,
    SettlementPosition,
    SettlementLeg,
    SettlementStanding,
    SettlementWatch,
)
TABLES: Final = (SettlementBank,)
