"""Tables of shared energy: what the chain says (rebuilt by the projector), and what only this database holds, sealed.

Energies are integers in Wh, days local ISO dates, times unix seconds. `sealed` columns open with a member's key alone
(`app.energy.keys`); what is beside them names accounts, points by their chain names, and days.
"""

from typing import Final

from peewee import (
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    CompositeKey,
    IntegerField,
    TextField,
)

from app.core.database import Row

SLUG_CHARS: Final = 32
KID_CHARS: Final = 43
HASH_CHARS: Final = 64
NAME_CHARS: Final = 24
DAY_CHARS: Final = 10


# --- from the chain ---------------------------------------------------------------------------


class Operation(Row):
    """An operation and its newest terms; `waiting` is the version the council has not approved yet, or 0."""

    operation = CharField(max_length=SLUG_CHARS, primary_key=True)
    pmo = CharField(max_length=SLUG_CHARS + 8, index=True)
    status = CharField(max_length=8)
    version = IntegerField()
    waiting = IntegerField(default=0)
    step_s = IntegerField()
    zone = CharField(max_length=24)
    regime = CharField(max_length=12)
    territory = CharField(max_length=8)
    adapter = CharField(max_length=SLUG_CHARS, index=True)
    correction_days = IntegerField()
    gate_s = IntegerField()
    height = BigIntegerField()

    class Meta:
        """Table `energy_operation`."""

        table_name = "energy_operation"


class OperationVersion(Row):
    """One version of an operation's terms; `convention` commits to the document kept beside the chain."""

    operation = CharField(max_length=SLUG_CHARS)
    version = IntegerField()
    from_day = CharField(max_length=DAY_CHARS)
    key_kind = CharField(max_length=24)
    key_hash = CharField(max_length=KID_CHARS)
    convention = CharField(max_length=KID_CHARS)
    terms = TextField()
    is_in_force = BooleanField(default=False)

    class Meta:
        """Table `energy_operation_version`."""

        table_name = "energy_operation_version"
        primary_key = CompositeKey("operation", "version")


class Membership(Row):
    """An account in an operation: asking, refused, member or left."""

    operation = CharField(max_length=SLUG_CHARS)
    account = CharField(max_length=KID_CHARS, index=True)
    status = CharField(max_length=8)
    version = IntegerField()
    from_day = CharField(max_length=DAY_CHARS, default="")
    until_day = CharField(max_length=DAY_CHARS, default="")
    reason = CharField(max_length=16, default="")
    asked = TextField(default="")
    """Points of the request that waits, in its order, by blanks."""

    class Meta:
        """Table `energy_membership`."""

        table_name = "energy_membership"
        primary_key = CompositeKey("operation", "account")


class PointRow(Row):
    """A delivery point as the chain has it: a commitment, its side and plant; `name` is what keys and rows call it."""

    operation = CharField(max_length=SLUG_CHARS)
    point = CharField(max_length=KID_CHARS)
    name = CharField(max_length=NAME_CHARS, index=True)
    account = CharField(max_length=KID_CHARS, index=True)
    side = CharField(max_length=8)
    technology = CharField(max_length=16, default="")
    peak_w = BigIntegerField(default=0)
    from_day = CharField(max_length=DAY_CHARS, default="")
    until_day = CharField(max_length=DAY_CHARS, default="")

    class Meta:
        """Table `energy_point`."""

        table_name = "energy_point"
        primary_key = CompositeKey("operation", "point")


class Consent(Row):
    """A member's present word on one purpose."""

    operation = CharField(max_length=SLUG_CHARS)
    account = CharField(max_length=KID_CHARS)
    purpose = CharField(max_length=16)
    act = CharField(max_length=12)
    given_at = BigIntegerField()
    withdrawn_at = BigIntegerField(default=0)

    class Meta:
        """Table `energy_consent`."""

        table_name = "energy_consent"
        primary_key = CompositeKey("operation", "account", "purpose")


class ContractRow(Row):
    """A contract by the hash of its document, and where its life stands; `last` is the step the next one names."""

    contract = CharField(max_length=KID_CHARS, primary_key=True)
    operation = CharField(max_length=SLUG_CHARS, index=True)
    seller = CharField(max_length=KID_CHARS, index=True)
    buyer = CharField(max_length=KID_CHARS, index=True)
    state = CharField(max_length=12)
    last = CharField(max_length=KID_CHARS)
    start_day = CharField(max_length=DAY_CHARS)
    end_day = CharField(max_length=DAY_CHARS, default="")
    effect_day = CharField(max_length=DAY_CHARS, default="")

    class Meta:
        """Table `energy_contract`."""

        table_name = "energy_contract"


class ContractStepRow(Row):
    """One signed step of a contract; each names the one before."""

    contract = CharField(max_length=KID_CHARS)
    number = IntegerField()
    step = CharField(max_length=12)
    transaction = CharField(max_length=KID_CHARS)
    previous = CharField(max_length=KID_CHARS, default="")
    effect_day = CharField(max_length=DAY_CHARS, default="")
    height = BigIntegerField()
    time = BigIntegerField()

    class Meta:
        """Table `energy_contract_step`."""

        table_name = "energy_contract_step"
        primary_key = CompositeKey("contract", "number")


class DayRow(Row):
    """A local day on the chain: roots, version, who recomputed it; sums are of five households at least."""

    operation = CharField(max_length=SLUG_CHARS)
    day = CharField(max_length=DAY_CHARS)
    state = CharField(max_length=12)
    count = IntegerField()
    steps = IntegerField()
    readings = CharField(max_length=KID_CHARS)
    readings_version = IntegerField()
    version = IntegerField(default=0)
    root = CharField(max_length=KID_CHARS, default="")
    totals = TextField(default="")
    witnesses = TextField(default="")
    """Names of bodies; sixteen of them pass 255 characters, which PostgreSQL would refuse and the projector stop at."""
    open_challenges = IntegerField(default=0)
    allocated_at = BigIntegerField(default=0)
    height = BigIntegerField()

    class Meta:
        """Table `energy_day`."""

        table_name = "energy_day"
        primary_key = CompositeKey("operation", "day")


class DayVersion(Row):
    """One published version of a day: readings (`kind` readings) or allocation; `roots` per step, canonical JSON."""

    operation = CharField(max_length=SLUG_CHARS)
    day = CharField(max_length=DAY_CHARS)
    kind = CharField(max_length=10)
    version = IntegerField()
    root = CharField(max_length=KID_CHARS)
    previous = CharField(max_length=KID_CHARS, default="")
    readings_version = IntegerField()
    roots = TextField()
    payload_hash = CharField(max_length=HASH_CHARS)
    height = BigIntegerField()

    class Meta:
        """Table `energy_day_version`."""

        table_name = "energy_day_version"
        primary_key = CompositeKey("operation", "day", "kind", "version")


class Challenge(Row):
    """An objection to a day's version, and what a witness answered."""

    challenge = CharField(max_length=KID_CHARS, primary_key=True)
    operation = CharField(max_length=SLUG_CHARS, index=True)
    day = CharField(max_length=DAY_CHARS)
    version = IntegerField()
    account = CharField(max_length=KID_CHARS)
    verdict = CharField(max_length=8, default="")
    at = BigIntegerField()

    class Meta:
        """Table `energy_challenge`."""

        table_name = "energy_challenge"


class OrderRow(Row):
    """A placed order: the commitment, and its arrival number; never what it says."""

    operation = CharField(max_length=SLUG_CHARS)
    start = BigIntegerField()
    commitment = CharField(max_length=KID_CHARS)
    account = CharField(max_length=KID_CHARS, index=True)
    seq = IntegerField()
    is_standing = BooleanField(default=True)

    class Meta:
        """Table `energy_order`."""

        table_name = "energy_order"
        primary_key = CompositeKey("operation", "start", "commitment")


class MonthRow(Row):
    """One issue of a month's statements as published."""

    operation = CharField(max_length=SLUG_CHARS)
    month = CharField(max_length=7)
    number = IntegerField()
    root = CharField(max_length=KID_CHARS)
    previous = CharField(max_length=KID_CHARS, default="")
    count = IntegerField()
    totals = TextField()
    payload_hash = CharField(max_length=HASH_CHARS)
    height = BigIntegerField()
    time = BigIntegerField()

    class Meta:
        """Table `energy_month`."""

        table_name = "energy_month"
        primary_key = CompositeKey("operation", "month", "number")


class Holding(Row):
    """KWHC of one account from one operation and month."""

    account = CharField(max_length=KID_CHARS)
    operation = CharField(max_length=SLUG_CHARS)
    month = CharField(max_length=7)
    energy_wh = BigIntegerField()

    class Meta:
        """Table `energy_holding`."""

        table_name = "energy_holding"
        primary_key = CompositeKey("account", "operation", "month")


class CreditLine(Row):
    """One movement of KWHC: credited, sent, received or retired."""

    id = CharField(max_length=HASH_CHARS + 8, primary_key=True)
    account = CharField(max_length=KID_CHARS, index=True)
    other = CharField(max_length=KID_CHARS, default="")
    kind = CharField(max_length=8)
    operation = CharField(max_length=SLUG_CHARS)
    month = CharField(max_length=7)
    energy_wh = BigIntegerField()
    height = BigIntegerField()
    time = BigIntegerField()

    class Meta:
        """Table `energy_credit_line`."""

        table_name = "energy_credit_line"


# --- only here ------------------------------------------------------------------------------------


class ConventionRow(Row):
    """The document that terms commit to, and the salt that opens the commitment."""

    commitment = CharField(max_length=KID_CHARS, primary_key=True)
    operation = CharField(max_length=SLUG_CHARS, index=True)
    document = TextField()
    salt = CharField(max_length=KID_CHARS)

    class Meta:
        """Table `energy_convention`."""

        table_name = "energy_convention"


class MemberFile(Row):
    """Name for invoices and what opens each point's commitment (PRM, salt, place), sealed with the books key."""

    operation = CharField(max_length=SLUG_CHARS)
    account = CharField(max_length=KID_CHARS)
    sealed = BlobField()
    at = BigIntegerField()

    class Meta:
        """Table `energy_member_file`."""

        table_name = "energy_member_file"
        primary_key = CompositeKey("operation", "account")


class PointLookup(Row):
    """Keyed digest of a PRM: a file finds its point, and a PRM stands in one operation only."""

    operation = CharField(max_length=SLUG_CHARS)
    digest = CharField(max_length=HASH_CHARS)
    point = CharField(max_length=KID_CHARS)
    account = CharField(max_length=KID_CHARS, index=True)

    class Meta:
        """Table `energy_point_lookup`."""

        table_name = "energy_point_lookup"
        primary_key = CompositeKey("operation", "digest")


class MeterFile(Row):
    """A file that was imported, by a keyed digest of its bytes: the same one is refused again."""

    operation = CharField(max_length=SLUG_CHARS)
    digest = CharField(max_length=HASH_CHARS)
    form = CharField(max_length=12)
    first_day = CharField(max_length=DAY_CHARS)
    last_day = CharField(max_length=DAY_CHARS)
    columns = IntegerField()
    revision = IntegerField()
    at = BigIntegerField()
    by = CharField(max_length=KID_CHARS)

    class Meta:
        """Table `energy_meter_file`."""

        table_name = "energy_meter_file"
        primary_key = CompositeKey("operation", "digest")


class MeterDay(Row):
    """One series of readings of one local day, sealed; a correction adds a revision and leaves the former."""

    operation = CharField(max_length=SLUG_CHARS)
    day = CharField(max_length=DAY_CHARS)
    series = CharField(max_length=40)
    revision = IntegerField()
    account = CharField(max_length=KID_CHARS, index=True)
    sealed = BlobField()

    class Meta:
        """Table `energy_meter_day`."""

        table_name = "energy_meter_day"
        primary_key = CompositeKey("operation", "day", "series", "revision")


class SharedDay(Row):
    """What one series got or gave in each step of a day, in one version of its allocation; sealed."""

    operation = CharField(max_length=SLUG_CHARS)
    day = CharField(max_length=DAY_CHARS)
    series = CharField(max_length=40)
    version = IntegerField()
    account = CharField(max_length=KID_CHARS, index=True)
    sealed = BlobField()

    class Meta:
        """Table `energy_shared_day`."""

        table_name = "energy_shared_day"
        primary_key = CompositeKey("operation", "day", "series", "version")


class PathChunk(Row):
    """Node hashes of one step's tree: salted, of no one member, so that they may stay when a member's rows go.

    `kind` is readings or allocation, both of the allocation's `version`; `place` is `<step>/<level>/<chunk>`.
    """

    operation = CharField(max_length=SLUG_CHARS)
    day = CharField(max_length=DAY_CHARS)
    version = IntegerField()
    kind = CharField(max_length=10)
    place = CharField(max_length=24)
    nodes = BlobField()

    class Meta:
        """Table `energy_path_chunk`."""

        table_name = "energy_path_chunk"
        primary_key = CompositeKey("operation", "day", "version", "kind", "place")


class StatementFile(Row):
    """One member's statement of one issue, with its salt; sealed with the books key, kept ten years."""

    operation = CharField(max_length=SLUG_CHARS)
    month = CharField(max_length=7)
    number = IntegerField()
    account = CharField(max_length=KID_CHARS, index=True)
    root = CharField(max_length=KID_CHARS)
    sealed = BlobField()
    at = BigIntegerField()

    class Meta:
        """Table `energy_statement_file`."""

        table_name = "energy_statement_file"
        primary_key = CompositeKey("operation", "month", "number", "account")


class IssueRow(Row):
    """One issue of a month's statements as drafted: its root, and which version of each day it was made of."""

    operation = CharField(max_length=SLUG_CHARS)
    month = CharField(max_length=7)
    number = IntegerField()
    root = CharField(max_length=KID_CHARS)
    versions = TextField()
    at = BigIntegerField()

    class Meta:
        """Table `energy_issue`."""

        table_name = "energy_issue"
        primary_key = CompositeKey("operation", "month", "number")


class InvoiceFile(Row):
    """An invoice between two members, sealed with the seller's books key; kept ten years."""

    number = CharField(max_length=64, primary_key=True)
    operation = CharField(max_length=SLUG_CHARS)
    month = CharField(max_length=7)
    issue = IntegerField()
    seller = CharField(max_length=KID_CHARS, index=True)
    buyer = CharField(max_length=KID_CHARS, index=True)
    sealed = BlobField()
    at = BigIntegerField()

    class Meta:
        """Table `energy_invoice_file`."""

        table_name = "energy_invoice_file"
        indexes = ((("operation", "month"), False),)


class OrderFile(Row):
    """What an order says, sealed: for the *PMO* and the witness once its gate closed."""

    operation = CharField(max_length=SLUG_CHARS)
    start = BigIntegerField()
    commitment = CharField(max_length=KID_CHARS)
    account = CharField(max_length=KID_CHARS, index=True)
    sealed = BlobField()

    class Meta:
        """Table `energy_order_file`."""

        table_name = "energy_order_file"
        primary_key = CompositeKey("operation", "start", "commitment")


class ContractFile(Row):
    """A contract's document, sealed with the seller's books key; its parties and the *PMO* read it."""

    contract = CharField(max_length=KID_CHARS, primary_key=True)
    operation = CharField(max_length=SLUG_CHARS)
    account = CharField(max_length=KID_CHARS, index=True)
    sealed = BlobField()
    at = BigIntegerField()

    class Meta:
        """Table `energy_contract_file`."""

        table_name = "energy_contract_file"


class Reconciled(Row):
    """What the grid operator answered for a run of days: sums alone, of no single point."""

    operation = CharField(max_length=SLUG_CHARS)
    first_day = CharField(max_length=DAY_CHARS)
    last_day = CharField(max_length=DAY_CHARS)
    digest = CharField(max_length=KID_CHARS)
    difference_wh = BigIntegerField()
    beyond = IntegerField()
    tolerance_wh = BigIntegerField()
    at = BigIntegerField()

    class Meta:
        """Table `energy_reconciled`."""

        table_name = "energy_reconciled"
        primary_key = CompositeKey("operation", "first_day", "last_day", "digest")


PROJECTED: Final = (
    Operation,
    OperationVersion,
    Membership,
    PointRow,
    Consent,
    ContractRow,
    ContractStepRow,
    DayRow,
    DayVersion,
    Challenge,
    OrderRow,
    MonthRow,
    Holding,
    CreditLine,
)
TABLES: Final = (
    ConventionRow,
    MemberFile,
    PointLookup,
    MeterFile,
    MeterDay,
    SharedDay,
    PathChunk,
    StatementFile,
    IssueRow,
    InvoiceFile,
    OrderFile,
    ContractFile,
    Reconciled,
)
