"""Shapes of the votes' routes; times are header time in unix seconds, counts whole numbers."""

from marshmallow import fields, validate

from app.core.blueprint import TownSchema

KEY = "^[A-Za-z0-9_-]{43}$"
ELECTION = "^[1-9A-HJ-NP-Za-km-z]{14,22}$"
STATION = "^[0-9A-Za-z-]{0,8}$"
PHASES = (
    "ceremony",
    "sealed",
    "issuance",
    "registration",
    "freezing",
    "frozen",
    "voting",
    "tally",
    "counting",
    "decided",
    "archived",
    "purging",
    "purged",
    "cancelled",
)


class VoteCalendarSchema(TownSchema):
    """The dates by which the chain opens and closes."""

    issuance_opens = fields.Integer(required=True, strict=True)
    issuance_closes = fields.Integer(required=True, strict=True)
    registration_closes = fields.Integer(required=True, strict=True)
    voting_opens = fields.Integer(required=True, strict=True)
    voting_closes = fields.Integer(required=True, strict=True)
    appeals_close = fields.Integer(required=True, strict=True)


class ElectionShortSchema(TownSchema):
    """An election in a list."""

    election = fields.String(required=True)
    name = fields.String(required=True)
    legal_kind = fields.String(required=True)
    policy = fields.String(required=True)
    phase = fields.String(required=True, validate=validate.OneOf(PHASES))
    owner = fields.String(required=True, metadata={"description": "who published it"})
    created_at = fields.Integer(required=True)
    height = fields.Integer(required=True)
    calendar = fields.Nested(VoteCalendarSchema, required=True)


class ElectionsSchema(TownSchema):
    """Elections, newest first."""

    elections = fields.List(fields.Nested(ElectionShortSchema), required=True)


class VoteQuestionSchema(TownSchema):
    """A question as it is encrypted: each answer 0 or 1, their sum within bounds, or blank."""

    question = fields.String(required=True)
    answers = fields.List(fields.String(), required=True)
    min = fields.Integer(required=True)
    max = fields.Integer(required=True)
    blank = fields.Boolean(required=True)


class VotePlaceSchema(TownSchema):
    """A registrar's or trustee's place, and the last step it took."""

    rank = fields.Integer(required=True)
    body = fields.String(required=True)
    step = fields.String(required=True)
    height = fields.Integer(required=True)


class VoteSignersSchema(TownSchema):
    """The registrars whose signatures a registration at a station needs."""

    station = fields.String(required=True)
    weight_class = fields.String(required=True)
    signers = fields.List(fields.Integer(), required=True)


class VoteStationSchema(TownSchema):
    """A station and weight class."""

    station = fields.String(required=True)
    weight_class = fields.String(required=True)
    weight = fields.Integer(required=True)


class VoteCountsSchema(TownSchema):
    """Published counts of an election."""

    electors = fields.Integer(required=True)
    requests = fields.Integer(required=True)
    served = fields.Integer(required=True)
    unserved = fields.Integer(required=True, metadata={"description": "they vote on paper"})
    registrations = fields.Integer(required=True)
    gap = fields.Integer(
        required=True, metadata={"description": "what registrars together could still stuff"}
    )
    ballots = fields.Integer(required=True)
    voters = fields.Integer(required=True)
    revotes = fields.Integer(required=True)
    spoiled = fields.Integer(required=True)
    weight = fields.Integer(required=True)


class VoteTurnoutSchema(TownSchema):
    """Counts of a station, or of several that are too small to be shown alone."""

    stations = fields.List(fields.String(), required=True)
    electors = fields.Integer(required=True)
    requests = fields.Integer(required=True)
    served = fields.Integer(required=True)
    registrations = fields.Integer(required=True)
    voters = fields.Integer(required=True)


class ElectionPageSchema(ElectionShortSchema):
    """Everything public about an election but its regulation, ballots and result."""

    description = fields.String(required=True)
    legal_fr = fields.String(required=True)
    legal_en = fields.String(required=True)
    sign_off_fr = fields.String(required=True)
    sign_off_en = fields.String(required=True)
    group = fields.String(required=True)
    regulation = fields.String(required=True, metadata={"description": "SHA-256, base64url"})
    fingerprint = fields.String(required=True, metadata={"description": "empty until sealed"})
    questions = fields.List(fields.Nested(VoteQuestionSchema), required=True)
    contests = fields.List(fields.Dict(), required=True)
    stations = fields.List(fields.Nested(VoteStationSchema), required=True)
    registrars = fields.List(fields.Nested(VotePlaceSchema), required=True)
    registrars_threshold = fields.Integer(required=True)
    signers = fields.List(fields.Nested(VoteSignersSchema), required=True)
    ceremony = fields.String(required=True, validate=validate.OneOf(["single", "threshold"]))
    trustees = fields.List(fields.Nested(VotePlaceSchema), required=True)
    trustees_threshold = fields.Integer(required=True)
    counts = fields.Nested(VoteCountsSchema, required=True)
    turnout = fields.List(fields.Nested(VoteTurnoutSchema), required=True)
    reason = fields.String(required=True, metadata={"description": "of the last postponement"})
    events = fields.Integer(required=True, metadata={"description": "of the archive so far"})
    head = fields.String(required=True, metadata={"description": "hash of the last of them"})
    proof = fields.Dict(metadata={"description": "with proof=1: bundle of the election's record"})


class VoteProofQuerySchema(TownSchema):
    """`?proof=1` adds a bundle that anybody can verify offline."""

    proof = fields.Integer(load_default=0, validate=validate.OneOf([0, 1]))


class VoteEventSchema(TownSchema):
    """What happened, with a sentence in both languages."""

    kind = fields.String(required=True)
    height = fields.Integer(required=True)
    time = fields.Integer(required=True)
    facts = fields.Dict(required=True)
    text_fr = fields.String(required=True)
    text_en = fields.String(required=True)


class VoteEventsSchema(TownSchema):
    """Oldest first."""

    events = fields.List(fields.Nested(VoteEventSchema), required=True)


class VoteKeySchema(TownSchema):
    """A registrar's RSA modulus (3072 bits, exponent 65537) for a station and weight class."""

    station = fields.String(required=True)
    weight_class = fields.String(required=True)
    registrar = fields.Integer(required=True)
    n = fields.String(required=True, metadata={"description": "big-endian, base64url"})


class VoteKeysSchema(TownSchema):
    """All registrars' keys."""

    keys = fields.List(fields.Nested(VoteKeySchema), required=True)


class VoteTrackersQuerySchema(TownSchema):
    """First characters of a tracker; as many as the box is large enough for are used, the rest is ignored."""

    prefix = fields.String(load_default="", validate=validate.Regexp("^[A-Za-z0-9+/]{0,4}$"))


class VoteTrackerSchema(TownSchema):
    """A ballot in the box."""

    tracker = fields.String(required=True, metadata={"description": "SHA-256, Base64 unpadded"})
    height = fields.Integer(required=True)


class VoteTrackersSchema(TownSchema):
    """Trackers, sorted: the whole list, or a bucket of at least 100."""

    prefix_chars = fields.Integer(required=True)
    prefix = fields.String(required=True)
    trackers = fields.List(fields.Nested(VoteTrackerSchema), required=True)


class VotePageQuerySchema(TownSchema):
    """Which page of the box, from 0."""

    page = fields.Integer(load_default=0, validate=validate.Range(min=0, max=100_000))


class VoteBallotSchema(TownSchema):
    """A ballot as Belenios writes it; `ballot` is empty after the purge."""

    place = fields.Integer(required=True)
    tracker = fields.String(required=True)
    height = fields.Integer(required=True)
    ballot = fields.String(required=True)


class VoteBallotsSchema(TownSchema):
    """A page of the box, in its order."""

    page = fields.Integer(required=True)
    pages = fields.Integer(required=True)
    ballots = fields.List(fields.Nested(VoteBallotSchema), required=True)


class VoteLineSchema(TownSchema):
    """A choice in an outcome, best first."""

    choice = fields.Integer(required=True)
    name = fields.String(required=True)
    votes = fields.Integer(required=True)
    place = fields.Integer(required=True)
    is_taken = fields.Boolean(required=True)
    judgments = fields.List(fields.Integer(), required=True)
    grade = fields.String(required=True)


class VoteOutcomeSchema(TownSchema):
    """What an item decided, by the published rulebook."""

    kind = fields.String(required=True)
    title = fields.String(required=True)
    voters = fields.Integer(required=True)
    blank = fields.Integer(required=True)
    lines = fields.List(fields.Nested(VoteLineSchema), required=True)
    ties = fields.List(fields.List(fields.Integer()), required=True)
    spent_cents = fields.Integer(required=True)


class VoteResultSchema(TownSchema):
    """Votes, outcomes and counts."""

    election = fields.String(required=True)
    name = fields.String(required=True)
    legal_kind = fields.String(required=True)
    regulation = fields.String(required=True)
    fingerprint = fields.String(required=True)
    votes = fields.List(fields.List(fields.Integer()), required=True)
    result = fields.String(required=True, metadata={"description": "Belenios' record"})
    outcomes = fields.List(fields.Nested(VoteOutcomeSchema), required=True)
    counts = fields.Nested(VoteCountsSchema, required=True)
    turnout = fields.List(fields.Nested(VoteTurnoutSchema), required=True)
    trustees = fields.List(fields.String(), required=True)
    events = fields.Integer(required=True)
    head = fields.String(required=True)


class VoteFileQuerySchema(TownSchema):
    """How a file is written."""

    format = fields.String(load_default="json", validate=validate.OneOf(["json", "csv", "pdf"]))


# --- complaints and incidents --------------------------------------------------------------------


class VoteComplaintRequestSchema(TownSchema):
    """A complaint; a contact is optional and read by the commission only."""

    text = fields.String(required=True, validate=validate.Length(min=1, max=5_000))
    contact = fields.String(load_default="", validate=validate.Length(max=200))


class VoteComplaintReceiptSchema(TownSchema):
    """What shows later that the complaint was made: SHA-256 over contact, election, salt and text."""

    complaint = fields.String(required=True)
    salt = fields.String(required=True)
    received_at = fields.Integer(required=True)


class VoteComplaintSchema(TownSchema):
    """A line of the register; `place` is 0 until its hash is on the chain. Text and contact for the commission only."""

    complaint = fields.String(required=True)
    received_at = fields.Integer(required=True)
    place = fields.Integer(required=True)
    anchored_at = fields.Integer(required=True)
    status = fields.String(required=True)
    answer = fields.String(required=True)
    answered_at = fields.Integer(required=True)
    text = fields.String()
    contact = fields.String()


class VoteComplaintsSchema(TownSchema):
    """The register, oldest first."""

    complaints = fields.List(fields.Nested(VoteComplaintSchema), required=True)


class VoteAnswerSchema(TownSchema):
    """The commission's answer, which is published."""

    complaint = fields.String(required=True, validate=validate.Regexp(KEY))
    status = fields.String(required=True, validate=validate.OneOf(["open", "upheld", "rejected"]))
    answer = fields.String(required=True, validate=validate.Length(min=1, max=5_000))


class VoteIncidentRequestSchema(TownSchema):
    """A line for the incident page, in both languages."""

    level = fields.String(
        required=True, validate=validate.OneOf(["info", "warning", "serious", "over"])
    )
    text_fr = fields.String(required=True, validate=validate.Length(min=1, max=2_000))
    text_en = fields.String(required=True, validate=validate.Length(min=1, max=2_000))


class VoteIncidentSchema(TownSchema):
    """A line of the incident page."""

    at = fields.Integer(required=True)
    level = fields.String(required=True)
    text_fr = fields.String(required=True)
    text_en = fields.String(required=True)


class VoteIncidentsSchema(TownSchema):
    """The incident page, newest first."""

    incidents = fields.List(fields.Nested(VoteIncidentSchema), required=True)


# --- city hall -----------------------------------------------------------------------------------


class VoteRegulationTextsSchema(TownSchema):
    """What city hall writes of the regulation; the rest follows from the draft."""

    text_fr = fields.String(required=True, validate=validate.Length(min=1, max=20_000))
    text_en = fields.String(required=True, validate=validate.Length(min=1, max=20_000))
    paper_fr = fields.String(required=True, validate=validate.Length(min=1, max=20_000))
    paper_en = fields.String(required=True, validate=validate.Length(min=1, max=20_000))
    contact = fields.String(required=True, validate=validate.Length(min=1, max=2_000))
    relays = fields.List(
        fields.Dict(), required=True, metadata={"description": "[{body, url}], one not yours"}
    )


class VoteDraftRequestSchema(TownSchema):
    """An election to prepare; `items` are those of a rulebook (docs/votes.md)."""

    name = fields.String(required=True, validate=validate.Length(min=1, max=500))
    description = fields.String(required=True, validate=validate.Length(min=1, max=500))
    group = fields.String(required=True, validate=validate.OneOf(["BELENIOS-2048", "Ed25519"]))
    legal_kind = fields.String(
        required=True,
        validate=validate.OneOf(
            [
                "consultation_citoyenne",
                "consultation_electeurs",
                "budget_participatif",
                "vote_interne",
                "referendum_local",
            ]
        ),
    )
    policy = fields.String(
        required=True, validate=validate.OneOf(["budget", "consultation", "sel"])
    )
    items = fields.List(fields.Dict(), required=True, validate=validate.Length(min=1, max=64))
    regulation = fields.Nested(VoteRegulationTextsSchema, required=True)
    calendar = fields.Nested(VoteCalendarSchema, required=True)
    stations = fields.List(
        fields.Nested(VoteStationSchema), required=True, validate=validate.Length(min=1, max=64)
    )
    registrars = fields.List(
        fields.String(), required=True, validate=validate.Length(min=1, max=13)
    )
    registrars_threshold = fields.Integer(required=True, strict=True)
    ceremony = fields.String(required=True, validate=validate.OneOf(["single", "threshold"]))
    trustees = fields.List(fields.String(), required=True, validate=validate.Length(min=1, max=9))
    trustees_threshold = fields.Integer(required=True, strict=True)


class VoteDraftSchema(TownSchema):
    """A prepared election: `body` is what an agent supervisor signs as `election.create`."""

    election = fields.String(required=True)
    owner = fields.String(required=True)
    drafted_by = fields.String(required=True)
    drafted_at = fields.Integer(required=True)
    regulation_hash = fields.String(required=True)
    regulation = fields.Dict(required=True)
    body = fields.Dict(required=True)
    is_published = fields.Boolean(required=True)


class VoteDraftsSchema(TownSchema):
    """Drafts that were not published, newest first."""

    drafts = fields.List(fields.Nested(VoteDraftSchema), required=True)


class VoteRollRequestSchema(TownSchema):
    """How the register's stations become the election's; who has no station goes to `default`, or nowhere."""

    stations = fields.Dict(
        keys=fields.String(validate=validate.Regexp(STATION)),
        values=fields.String(validate=validate.Regexp(STATION)),
        load_default=dict,
    )
    default = fields.String(load_default="", validate=validate.Regexp(STATION))
    classes = fields.Dict(
        keys=fields.String(validate=validate.Regexp("^[a-z0-9]{1,8}$")),
        values=fields.List(fields.String(validate=validate.Regexp(KEY))),
        load_default=dict,
        metadata={"description": "identities of other weight classes than a station's first"},
    )


class VoteRollSchema(TownSchema):
    """A roll as `election.open_issuance` names it."""

    station = fields.String(required=True)
    weight_class = fields.String(required=True)
    electors = fields.Integer(required=True)
    root = fields.String(required=True)


class VoteRollsSchema(TownSchema):
    """All rolls, in the order of the stations."""

    rolls = fields.List(fields.Nested(VoteRollSchema), required=True)


class VoteSignOffLineSchema(TownSchema):
    """Somebody who was issued voting material, and the day; never whether they voted."""

    station = fields.String(required=True)
    weight_class = fields.String(required=True)
    cid = fields.String(required=True)
    day = fields.Integer(required=True)


class VoteSignOffSchema(TownSchema):
    """The sign-off list, by station."""

    lines = fields.List(fields.Nested(VoteSignOffLineSchema), required=True)


class VoteRemindersSchema(TownSchema):
    """Whom to remind now and with which words; empty when there is nothing to say."""

    phase = fields.String(required=True)
    text_fr = fields.String(required=True)
    text_en = fields.String(required=True)
    cids = fields.List(fields.String(), required=True)


# --- a citizen -----------------------------------------------------------------------------------


class VoteOwnElectionSchema(ElectionShortSchema):
    """An election one may vote in, and what to do now."""

    requested_at = fields.Integer(required=True, metadata={"description": "0: not asked yet"})
    reminder_fr = fields.String(required=True)
    reminder_en = fields.String(required=True)


class VoteOwnElectionsSchema(TownSchema):
    """Elections of which one is on the roll."""

    elections = fields.List(fields.Nested(VoteOwnElectionSchema), required=True)


class VoteOwnQuerySchema(TownSchema):
    """Which election."""

    election = fields.String(required=True, validate=validate.Regexp(ELECTION))


class VoteOwnPlaceSchema(TownSchema):
    """What shows that one is on the roll: goes into `issue.request`."""

    station = fields.String(required=True)
    weight_class = fields.String(required=True)
    salt = fields.String(required=True)
    index = fields.Integer(required=True)
    aunts = fields.List(fields.String(), required=True)


class VoteOwnSignatureSchema(TownSchema):
    """A registrar's blind signature over the own request."""

    registrar = fields.Integer(required=True)
    signature = fields.String(required=True)


class VoteOwnRequestSchema(TownSchema):
    """The own request and its answers."""

    cid = fields.String(required=True)
    requested_at = fields.Integer(required=True)
    signatures = fields.List(fields.Nested(VoteOwnSignatureSchema), required=True)
