"""Shapes of the energy routes; Wh, cents and seconds are whole numbers, days local ISO dates."""

from marshmallow import fields, validate

from app.core.blueprint import TownSchema
from app.core.submission import TransactionSchema

SLUG = r"^[a-z][a-z0-9-]{1,31}$"
DAY = r"^20[0-9]{2}-[01][0-9]-[0-3][0-9]$"
MONTH = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"
BYTES32 = r"^[A-Za-z0-9_-]{43}$"
PRM = r"^[0-9]{14}$"
FORMATS = ("json", "csv", "pdf")
FILES_MAX = 200
FILE_CHARS_MAX = 4_000_000
CONVENTION_CHARS_MAX = 60_000


def operation_field() -> fields.String:
    """An operation's name in a query."""
    return fields.String(required=True, validate=validate.Regexp(SLUG))


def day_field(name: str = "") -> fields.String:
    """A local day in a query or body."""
    return fields.String(
        required=True, validate=validate.Regexp(DAY), metadata={"description": name or "local day"}
    )


# --- operations and members -------------------------------------------------------------------------


class EnergyVersionSchema(TownSchema):
    """One version of an operation's terms."""

    version = fields.Integer(required=True)
    from_day = fields.String(required=True)
    key_kind = fields.String(required=True)
    key_hash = fields.String(required=True)
    convention = fields.String(
        required=True, metadata={"description": "salted commitment to the document"}
    )
    is_in_force = fields.Boolean(required=True)


class EnergyOperationSchema(TownSchema):
    """A collective self-consumption as everybody may know it."""

    operation = fields.String(required=True)
    pmo = fields.String(required=True)
    status = fields.String(required=True)
    version = fields.Integer(required=True)
    waiting = fields.Integer(
        required=True, metadata={"description": "version the council has yet to approve"}
    )
    step_s = fields.Integer(required=True)
    zone = fields.String(required=True)
    regime = fields.String(required=True)
    territory = fields.String(required=True)
    adapter = fields.String(required=True)
    correction_days = fields.Integer(required=True)
    gate_s = fields.Integer(required=True)
    height = fields.Integer(required=True)
    consumers = fields.Integer(required=True)
    plants = fields.Integer(required=True)
    peak_w = fields.Integer(required=True)
    ended_on = fields.String(required=True)
    versions = fields.List(fields.Nested(EnergyVersionSchema), required=True)


class EnergyOperationsSchema(TownSchema):
    """All operations of the town."""

    operations = fields.List(fields.Nested(EnergyOperationSchema), required=True)


class EnergyOperationRequestSchema(TransactionSchema):
    """Terms signed by the *PMO*, with the document they commit to and the salt that opens the commitment."""

    convention = fields.String(
        required=True, validate=validate.Length(min=2, max=CONVENTION_CHARS_MAX)
    )
    salt = fields.String(required=True, validate=validate.Regexp(BYTES32))


class EnergyConventionSchema(TownSchema):
    """The document in force: key, prices, taxes, CO2 factor; canonical JSON with its salt."""

    version = fields.Integer(required=True)
    from_day = fields.String(required=True)
    document = fields.String(required=True)
    salt = fields.String(required=True)


class EnergyPointOpeningSchema(TownSchema):
    """What opens a point's commitment, and where the point is; kept sealed."""

    prm = fields.String(required=True, validate=validate.Regexp(PRM))
    salt = fields.String(required=True, validate=validate.Regexp(BYTES32))
    lat_microdeg = fields.Integer(
        required=True, validate=validate.Range(min=-90_000_000, max=90_000_000)
    )
    lon_microdeg = fields.Integer(
        required=True, validate=validate.Range(min=-180_000_000, max=180_000_000)
    )
    density = fields.String(
        load_default="urban", validate=validate.OneOf(["urban", "periurban", "rural"])
    )
    epci = fields.String(load_default="", validate=validate.Regexp(r"^([0-9]{9})?$"))
    building = fields.String(load_default="", validate=validate.Length(max=60))
    is_public_body = fields.Boolean(load_default=False)


class EnergyJoinRequestSchema(TransactionSchema):
    """A request to join, with what opens each of its points, in their order."""

    name = fields.String(required=True, validate=validate.Length(min=1, max=120))
    siren = fields.String(load_default="", validate=validate.Regexp(r"^([0-9]{9})?$"))
    points = fields.List(
        fields.Nested(EnergyPointOpeningSchema),
        required=True,
        validate=validate.Length(min=1, max=16),
    )


class EnergyPointSchema(TownSchema):
    """A point of a member; `prm` and `tag` for the operation's *PMO* and the member alone."""

    point = fields.String(required=True)
    name = fields.String(
        required=True, metadata={"description": "as keys, tables and rows call it"}
    )
    side = fields.String(required=True)
    technology = fields.String(required=True)
    peak_w = fields.Integer(required=True)
    from_day = fields.String(required=True)
    until_day = fields.String(required=True)
    prm = fields.String(required=True)
    tag = fields.String(required=True)


class EnergyConsentSchema(TownSchema):
    """A member's present word on one purpose."""

    purpose = fields.String(required=True)
    act = fields.String(required=True)
    given_at = fields.Integer(required=True)
    withdrawn_at = fields.Integer(required=True)


class EnergyMembershipSchema(TownSchema):
    """An account in an operation."""

    operation = fields.String(required=True)
    account = fields.String(required=True)
    status = fields.String(required=True)
    version = fields.Integer(required=True)
    from_day = fields.String(required=True)
    until_day = fields.String(required=True)
    reason = fields.String(required=True)
    name = fields.String(required=True)
    asked = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "points of the request, in its order"},
    )
    points = fields.List(fields.Nested(EnergyPointSchema), required=True)
    consents = fields.List(fields.Nested(EnergyConsentSchema), required=True)


class EnergyMembershipsSchema(TownSchema):
    """Memberships, requests included."""

    memberships = fields.List(fields.Nested(EnergyMembershipSchema), required=True)


class EnergyOwnKeySchema(TownSchema):
    """The key from which all salts of the own rows come: who has it can open the own rows, and no other."""

    salt_key = fields.String(required=True)


class EnergyPerimeterQuerySchema(TownSchema):
    """What the *PMO* knows beside the points."""

    has_commune = fields.Integer(load_default=0, validate=validate.OneOf([0, 1]))
    derogation = fields.String(load_default="", validate=validate.Length(max=120))


class EnergyPerimeterSchema(TownSchema):
    """Distance and conditions as an admission has to declare them."""

    extent_m = fields.Integer(required=True)
    places = fields.String(required=True)
    conditions = fields.List(fields.String(), required=True)


class EnergyErasedSchema(TownSchema):
    """What was erased."""

    erased = fields.Boolean(required=True)
    complete_at = fields.Integer(
        required=True,
        metadata={"description": "when the last backup of the keys is gone, unix seconds"},
    )


# --- files and days ---------------------------------------------------------------------------------


class EnergyMeterFileSchema(TownSchema):
    """One file and what its sender declares: forms do not say whether a time starts or ends its step."""

    form = fields.String(
        required=True, validate=validate.OneOf(["curve", "dataconnect", "sge", "sge_csv", "table"])
    )
    content = fields.String(required=True, validate=validate.Length(min=1, max=FILE_CHARS_MAX))
    label = fields.String(required=True, validate=validate.OneOf(["start", "end"]))
    prm = fields.String(load_default="", validate=validate.Regexp(r"^([0-9]{14})?$"))
    side = fields.String(load_default="", validate=validate.OneOf(["", "cons", "prod"]))
    unit = fields.String(load_default="W", validate=validate.OneOf(["W", "kW", "Wh", "kWh"]))
    source_step_s = fields.Integer(load_default=0, validate=validate.OneOf([0, 600, 900, 1_800]))
    year = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(2000, 2999))
    expected_wh = fields.Integer(
        load_default=None, allow_none=True, validate=validate.Range(0, 10**12)
    )


class EnergyImportRequestSchema(TownSchema):
    """Files that are taken all or not at all."""

    files = fields.List(
        fields.Nested(EnergyMeterFileSchema),
        required=True,
        validate=validate.Length(min=1, max=FILES_MAX),
    )
    is_correction = fields.Boolean(load_default=False)


class EnergyImportedSchema(TownSchema):
    """What was read; `total_wh` by column, for comparing with indexes."""

    files = fields.Integer(required=True)
    series = fields.Integer(required=True)
    first_day = fields.String(required=True)
    last_day = fields.String(required=True)
    revision = fields.Integer(required=True)
    missing = fields.Integer(required=True)
    total_wh = fields.Dict(required=True)


class EnergyProofQuerySchema(TownSchema):
    """`proof=1` adds the chain's proof."""

    proof = fields.Integer(load_default=0, validate=validate.OneOf([0, 1]))


class EnergySpanQuerySchema(TownSchema):
    """Days, both included, at most 31."""

    first = day_field("first local day")
    last = day_field("last local day, included")


class EnergyDaySchema(TownSchema):
    """A day as published: roots, version, who recomputed it; totals as [produced, consumed, shared, surplus] Wh."""

    operation = fields.String(required=True)
    day = fields.String(required=True)
    state = fields.String(required=True)
    count = fields.Integer(required=True)
    steps = fields.Integer(required=True)
    readings = fields.String(required=True)
    readings_version = fields.Integer(required=True)
    version = fields.Integer(required=True)
    root = fields.String(required=True)
    totals = fields.List(fields.Integer(), required=True, allow_none=True)
    witnesses = fields.List(fields.String(), required=True)
    open_challenges = fields.Integer(required=True)
    allocated_at = fields.Integer(required=True)
    height = fields.Integer(required=True)
    readings_transaction = fields.String(required=True)
    allocation_transaction = fields.String(required=True)
    proof = fields.Dict(metadata={"description": "the day's record proved by the chain"})


class EnergyDaysSchema(TownSchema):
    """Published days, oldest first."""

    days = fields.List(fields.Nested(EnergyDaySchema), required=True)


class EnergyDraftSchema(TownSchema):
    """A message to sign as it stands: `type` and `body` of the transaction, and figures for the signer's eye."""

    type = fields.String(required=True)
    body = fields.Dict(required=True)
    said = fields.Dict(required=True)


class EnergyEvidenceRequestSchema(TownSchema):
    """Hash of what a correction rests on; empty for a first version."""

    evidence = fields.String(load_default="", validate=validate.Regexp(r"^([A-Za-z0-9_-]{43})?$"))


class EnergySealedDaySchema(TownSchema):
    """A whole day, sealed to the witness's key that asked."""

    operation = fields.String(required=True)
    day = fields.String(required=True)
    version = fields.Integer(required=True)
    readings_version = fields.Integer(required=True)
    sealed = fields.String(required=True, metadata={"description": "X25519 sealed box, base64url"})


class EnergyOwnQuerySchema(TownSchema):
    """One of the own operations, and a day."""

    operation = operation_field()
    day = day_field()


class EnergyCurveQuerySchema(EnergySpanQuerySchema):
    """Days of one of the own operations, by step or by day."""

    operation = operation_field()
    by = fields.String(load_default="step", validate=validate.OneOf(["step", "day"]))


class EnergyMemberCurveQuerySchema(EnergySpanQuerySchema):
    """Days of one member's points."""

    account = fields.String(required=True, validate=validate.Regexp(BYTES32))


class EnergyCurveRowSchema(TownSchema):
    """Wh of one column in one step (or day, when `start` is empty)."""

    day = fields.String(required=True)
    column = fields.String(required=True)
    version = fields.Integer(required=True)
    start = fields.String(required=True)
    metered_wh = fields.Integer(required=True)
    shared_wh = fields.Integer(required=True)


class EnergyCurveSchema(TownSchema):
    """A curve; `by` says what it was aggregated to for want of consent."""

    by = fields.String(required=True)
    rows = fields.List(fields.Nested(EnergyCurveRowSchema), required=True)


class EnergyOpeningsSchema(TownSchema):
    """Own rows of a published day: each with salt and path under its step's root."""

    operation = fields.String(required=True)
    day = fields.String(required=True)
    version = fields.Integer(required=True)
    readings_version = fields.Integer(required=True)
    count = fields.Integer(required=True)
    readings_root = fields.String(required=True)
    allocation_root = fields.String(required=True)
    readings_transaction = fields.String(required=True)
    allocation_transaction = fields.String(required=True)
    is_reproduced = fields.Boolean(required=True)
    steps = fields.List(fields.Dict(), required=True)


# --- the grid operator -----------------------------------------------------------------------------


class EnergyCoefficientsSchema(TownSchema):
    """One file per producer by PRM, their hash for the chain, and the operator's predicted result."""

    files = fields.Dict(required=True)
    coefficients = fields.String(required=True)
    decimals = fields.Integer(required=True)
    shared_wh = fields.Integer(required=True)
    predicted_wh = fields.Integer(required=True)
    predicted_loss_wh = fields.Integer(required=True)
    worst_difference_wh = fields.Integer(required=True)


class EnergyReconcileRequestSchema(EnergySpanQuerySchema):
    """The operator's table of AUTOCONS (`autocons_<PRM>_Wh` columns) for these days."""

    content = fields.String(required=True, validate=validate.Length(min=1, max=FILE_CHARS_MAX))
    label = fields.String(load_default="start", validate=validate.OneOf(["start", "end"]))


class EnergyReconciledSchema(TownSchema):
    """Differences by point, operator's less ours; a correction is due for those beyond the tolerance."""

    differences_wh = fields.Dict(required=True)
    difference_wh = fields.Integer(required=True)
    tolerance_wh = fields.Integer(required=True)
    beyond = fields.List(fields.String(), required=True)
    dso = fields.String(required=True)


# --- months ------------------------------------------------------------------------------------------


class EnergyIssueSchema(TownSchema):
    """One published issue of a month's statements."""

    operation = fields.String(required=True)
    month = fields.String(required=True)
    number = fields.Integer(required=True)
    root = fields.String(required=True)
    previous = fields.String(required=True)
    count = fields.Integer(required=True)
    totals = fields.List(fields.Integer(), required=True)
    payload_hash = fields.String(required=True)
    height = fields.Integer(required=True)
    time = fields.Integer(required=True)


class EnergyMonthsSchema(TownSchema):
    """Published issues, newest month first."""

    months = fields.List(fields.Nested(EnergyIssueSchema), required=True)


class EnergyStatementQuerySchema(TownSchema):
    """Which statement, and how to write it down; `issue` 0 is the last one."""

    operation = operation_field()
    month = fields.String(required=True, validate=validate.Regexp(MONTH))
    issue = fields.Integer(load_default=0, validate=validate.Range(min=0, max=999))
    format = fields.String(load_default="json", validate=validate.OneOf(FORMATS))


class EnergyInvoicesSchema(TownSchema):
    """Own invoices, newest first, without their lines."""

    invoices = fields.List(fields.Dict(), required=True)


class EnergyInvoiceQuerySchema(TownSchema):
    """How to write the invoice down."""

    format = fields.String(load_default="json", validate=validate.OneOf(["json", "pdf"]))


class EnergyCreditSchema(TownSchema):
    """KWHC held of one operation's month."""

    operation = fields.String(required=True)
    month = fields.String(required=True)
    energy_wh = fields.Integer(required=True)


class EnergyCreditLineSchema(TownSchema):
    """One movement of KWHC; Wh below zero went away."""

    kind = fields.String(required=True)
    other = fields.String(required=True)
    operation = fields.String(required=True)
    month = fields.String(required=True)
    energy_wh = fields.Integer(required=True)
    height = fields.Integer(required=True)
    time = fields.Integer(required=True)


class EnergyCreditsSchema(TownSchema):
    """Own KWHC and how they moved, newest first."""

    energy_wh = fields.Integer(required=True)
    lots = fields.List(fields.Nested(EnergyCreditSchema), required=True)
    lines = fields.List(fields.Nested(EnergyCreditLineSchema), required=True)


# --- market and contracts ----------------------------------------------------------------------------


class EnergyOrderOpeningSchema(TownSchema):
    """What the order says, and the salt of its commitment; kept sealed until its gate closed."""

    point = fields.String(required=True, validate=validate.Length(min=1, max=64))
    side = fields.String(required=True, validate=validate.OneOf(["bid", "offer"]))
    price_micro_eur = fields.Integer(required=True, validate=validate.Range(0, 100_000_000))
    energy_wh = fields.Integer(required=True, validate=validate.Range(1, 5_000_000))
    salt = fields.String(required=True, validate=validate.Regexp(BYTES32))


class EnergyOrderRequestSchema(TransactionSchema):
    """A signed order with what it says."""

    opening = fields.Nested(EnergyOrderOpeningSchema, required=True)


class EnergyOrderSchema(TownSchema):
    """An own order as it was sealed; what it traded is on the day's allocation and the month's statement."""

    operation = fields.String(required=True)
    start = fields.Integer(required=True)
    commitment = fields.String(required=True)
    seq = fields.Integer(required=True)
    is_standing = fields.Boolean(required=True)
    side = fields.String(required=True)
    point = fields.String(required=True)
    limit_micro_eur = fields.Integer(required=True)
    energy_wh = fields.Integer(required=True)


class EnergyOrdersSchema(TownSchema):
    """Own orders of a day, in order of time."""

    orders = fields.List(fields.Nested(EnergyOrderSchema), required=True)


class EnergyStepQuerySchema(TownSchema):
    """One step by its start."""

    start = fields.Integer(required=True, validate=validate.Range(min=0, max=2**40))


class EnergyBookSchema(TownSchema):
    """How many orders stand in a step's book; what they say is sealed."""

    start = fields.Integer(required=True)
    orders = fields.Integer(required=True)
    standing = fields.Integer(required=True)


class EnergyTradeSchema(TownSchema):
    """One pair of orders that met."""

    bid = fields.String(required=True)
    offer = fields.String(required=True)
    energy_wh = fields.Integer(required=True)
    price_micro_eur = fields.Integer(required=True)


class EnergyClearingSchema(TownSchema):
    """A step's auction as the allocation has it: orders cut to what points metered, then cleared."""

    start = fields.Integer(required=True)
    orders = fields.Integer(required=True)
    volume_wh = fields.Integer(required=True)
    trades = fields.List(fields.Nested(EnergyTradeSchema), required=True)


class EnergyContractRequestSchema(TransactionSchema):
    """A signed step of a contract; the offer brings its document."""

    document = fields.String(load_default="", validate=validate.Length(max=CONVENTION_CHARS_MAX))


class EnergyContractStepSchema(TownSchema):
    """One step; `previous` is the transaction of the step before."""

    number = fields.Integer(required=True)
    step = fields.String(required=True)
    transaction = fields.String(required=True)
    previous = fields.String(required=True)
    effect_day = fields.String(required=True)
    height = fields.Integer(required=True)
    time = fields.Integer(required=True)


class EnergyContractSchema(TownSchema):
    """A contract with its chain of steps; `document` for its parties and the *PMO*."""

    contract = fields.String(required=True)
    operation = fields.String(required=True)
    seller = fields.String(required=True)
    buyer = fields.String(required=True)
    state = fields.String(required=True)
    last = fields.String(required=True)
    start_day = fields.String(required=True)
    end_day = fields.String(required=True)
    effect_day = fields.String(required=True)
    document = fields.String(required=True)
    steps = fields.List(fields.Nested(EnergyContractStepSchema), required=True)


class EnergyContractsSchema(TownSchema):
    """Own contracts, newest first."""

    contracts = fields.List(fields.Nested(EnergyContractSchema), required=True)
