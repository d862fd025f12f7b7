"""The town's parameters: what genesis sets and the council may change, each with a production range.

A town with a value outside a production range is *insecure*: it works (tests and the demo rely on it) and
its status says so. A secure town can never be voted below a floor.
Reads: namespace city, table param.  Writes: the same.  Never: looks at a clock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from msgspec import Meta, Struct

from chain.town.context import Overlay, Reader, Table
from chain.town.schemas import MAX_SAFE_INTEGER

MINUTE_S: Final = 60
HOUR_S: Final = 3_600
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Parameter:
    """One named integer: `minimum..maximum` always, `safe_minimum..safe_maximum` in production."""

    name: str
    unit: str
    default: int
    minimum: int
    maximum: int
    safe_minimum: int
    safe_maximum: int
    why: str

    def is_possible(self, value: int) -> bool:
        """Whether any town may hold this value."""
        return self.minimum <= value <= self.maximum

    def is_safe(self, value: int) -> bool:
        """Whether a production town may hold this value."""
        return self.safe_minimum <= value <= self.safe_maximum


class ParamRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter's present value."""

    value: Annotated[int, Meta(ge=-1, le=MAX_SAFE_INTEGER)]


PARAMS: Final = Table("city", "param", ParamRecord)
_KNOWN: dict[str, Parameter] = {}


def _param(
    name: str, unit: str, default: int, *, possible: range, safe: tuple[int, int], why: str
) -> Parameter:
    """Register one parameter; `possible` is half-open as ranges are, `safe` includes both ends."""
    parameter = Parameter(
        name, unit, default, possible.start, possible.stop - 1, safe[0], safe[1], why
    )
    if name in _KNOWN or not (parameter.is_safe(default) and parameter.is_possible(default)):
        raise ValueError(f"parameter {name} is registered twice or unsafe by default")
    _KNOWN[name] = parameter
    return parameter


# time and envelope
TX_EXPIRY_MAX_S: Final = _param(
    "tx_expiry_max_s",
    "s",
    DAY_S,
    possible=range(MINUTE_S, DAY_S + 1),
    safe=(MINUTE_S, DAY_S),
    why="bounds the replay record to one day of entries",
)
ACT_EXPIRY_MAX_S: Final = _param(
    "act_expiry_max_s",
    "s",
    14 * DAY_S,
    possible=range(MINUTE_S, 14 * DAY_S + 1),
    safe=(HOUR_S, 14 * DAY_S),
    why="council and two-agent acts need days to collect signatures",
)
DUE_MAX_PER_BLOCK: Final = _param(
    "due_max_per_block",
    "items",
    200,
    possible=range(1, 10_001),
    safe=(10, 1_000),
    why="bounds the work at block end; the rest waits for the next block",
)

# council, roles, validators
COUNCIL_DELAY_S: Final = _param(
    "council_delay_s",
    "s",
    7 * DAY_S,
    possible=range(90 * DAY_S + 1),
    safe=(7 * DAY_S, 90 * DAY_S),
    why="citizens see an act before it takes effect",
)
AGENT_ROLE_MAX_S: Final = _param(
    "agent_role_max_s",
    "s",
    366 * DAY_S,
    possible=range(HOUR_S, 366 * DAY_S + 1),
    safe=(HOUR_S, 366 * DAY_S),
    why="an agent's key is renewed every 12 months",
)
TILL_ROLE_MAX_S: Final = _param(
    "till_role_max_s",
    "s",
    30 * DAY_S,
    possible=range(HOUR_S, 30 * DAY_S + 1),
    safe=(HOUR_S, 30 * DAY_S),
    why="a lost till dies by itself within 30 days",
)

# quotas: transactions a key may have included per minute of header time
QUOTA_ACCOUNT_PER_MINUTE: Final = _param(
    "quota_account_per_minute",
    "tx/min",
    20,
    possible=range(1, 1_000_001),
    safe=(1, 120),
    why="a phone acts a few times a minute at most",
)
QUOTA_TILL_PER_MINUTE: Final = _param(
    "quota_till_per_minute",
    "tx/min",
    120,
    possible=range(1, 1_000_001),
    safe=(1, 600),
    why="two sales a second is more than one counter can serve",
)
QUOTA_AGENT_PER_MINUTE: Final = _param(
    "quota_agent_per_minute",
    "tx/min",
    60,
    possible=range(1, 1_000_001),
    safe=(1, 600),
    why="an agent's key that leaks cannot flood the chain",
)
QUOTA_GATEWAY_PER_MINUTE: Final = _param(
    "quota_gateway_per_minute",
    "tx/min",
    120,
    possible=range(1, 1_000_001),
    safe=(1, 600),
    why="accounts opened on one gateway's tickets: bounds what a stolen ticket key can do",
)
QUOTA_COUNCIL_PER_MINUTE: Final = _param(
    "quota_council_per_minute",
    "tx/min",
    6,
    possible=range(1, 1_000_001),
    safe=(1, 60),
    why="council acts are rare",
)

# identity
IDENTITY_BATCH_MIN_ENTRIES: Final = _param(
    "identity_batch_min_entries",
    "entries",
    8,
    possible=range(1, 257),
    safe=(8, 256),
    why="a new identity hides among the others of its batch",
)
IDENTITY_BATCH_MAX_WAIT_S: Final = _param(
    "identity_batch_max_wait_s",
    "s",
    72 * HOUR_S,
    possible=range(30 * DAY_S + 1),
    safe=(24 * HOUR_S, 30 * DAY_S),
    why="a smaller batch may be written once nobody should wait longer",
)
IDENTITY_BATCH_HOUR_UTC: Final = _param(
    "identity_batch_hour_utc",
    "h",
    3,
    possible=range(-1, 24),
    safe=(0, 23),
    why="batches at one hour of the day tell nothing of when somebody came; -1 allows any hour",
)

IDENTITY_RECOVERY_DELAY_S: Final = _param(
    "identity_recovery_delay_s",
    "s",
    72 * HOUR_S,
    possible=range(30 * DAY_S + 1),
    safe=(72 * HOUR_S, 30 * DAY_S),
    why="the holder of the old key has three days, a letter and every device to learn of a recovery and stop it",
)
IDENTITY_OVERRIDE_DELAY_S: Final = _param(
    "identity_override_delay_s",
    "s",
    7 * DAY_S,
    possible=range(30 * DAY_S + 1),
    safe=(7 * DAY_S, 30 * DAY_S),
    why="a veto is looked into for a week before two other agents may say that a thief made it",
)
IDENTITY_RECOVERY_LAPSE_S: Final = _param(
    "identity_recovery_lapse_s",
    "s",
    30 * DAY_S,
    possible=range(90 * DAY_S + 1),
    safe=(7 * DAY_S, 90 * DAY_S),
    why="a recovery that nobody finishes gives the account back to its old key",
)
IDENTITY_VOTE_BAR_S: Final = _param(
    "identity_vote_bar_s",
    "s",
    30 * DAY_S,
    possible=range(90 * DAY_S + 1),
    safe=(30 * DAY_S, 90 * DAY_S),
    why="whose key was replaced so shortly before a vote may have been given a credential already",
)
IDENTITY_REVERSAL_S: Final = _param(
    "identity_reversal_s",
    "s",
    30 * DAY_S,
    possible=range(90 * DAY_S + 1),
    safe=(30 * DAY_S, 90 * DAY_S),
    why="registers err: an ended identity comes back within a month",
)
DEVICE_KEY_MAX_S: Final = _param(
    "device_key_max_s",
    "s",
    366 * DAY_S,
    possible=range(HOUR_S, 366 * DAY_S + 1),
    safe=(HOUR_S, 366 * DAY_S),
    why="a helper's mandate lasts a year at most, and a forgotten device dies by itself",
)

# loyalty and QR codes
QR_ANY_SHOP_MAX_POINTS: Final = _param(
    "qr_any_shop_max_points",
    "points",
    50,
    possible=range(1_000_001),
    safe=(0, 50),
    why="a code that names no shop could be carried to another one",
)
QR_TTL_MIN_S: Final = _param(
    "qr_ttl_min_s",
    "s",
    30,
    possible=range(1, 121),
    safe=(1, 30),
    why="shorter codes cannot be scanned in time",
)
QR_TTL_MAX_S: Final = _param(
    "qr_ttl_max_s",
    "s",
    120,
    possible=range(1, 3_601),
    safe=(30, 120),
    why="a screenshot is worth no more than the code's life",
)
TILL_UNDO_MAX_S: Final = _param(
    "till_undo_max_s",
    "s",
    300,
    possible=range(DAY_S + 1),
    safe=(0, 300),
    why="a till corrects a typing mistake, the owner refunds everything later",
)
LOYALTY_GRACE_S: Final = _param(
    "loyalty_grace_s",
    "s",
    30 * DAY_S,
    possible=range(366 * DAY_S + 1),
    safe=(DAY_S, 366 * DAY_S),
    why="points refunded after their lot expired stay usable for a while",
)
LOYALTY_HOLD_MAX_S: Final = _param(
    "loyalty_hold_max_s",
    "s",
    7 * DAY_S,
    possible=range(MINUTE_S, 366 * DAY_S + 1),
    safe=(MINUTE_S, 31 * DAY_S),
    why="points set aside and forgotten come back by themselves",
)
LOYALTY_GIFTS_PER_SHOP_DAY: Final = _param(
    "loyalty_gifts_per_shop_day",
    "gifts",
    100,
    possible=range(1, 1_000_001),
    safe=(1, 200),
    why="nobody buys so often at one shop: a till that feeds one account is stopped",
)
LOYALTY_POINTS_PER_ACCOUNT_DAY: Final = _param(
    "loyalty_points_per_account_day",
    "points",
    1_000_000,
    possible=range(1, 10**9 + 1),
    safe=(1, 10_000_000),
    why="bounds what one account can be fed in a day by whatever tills",
)
LOYALTY_POINTS_PER_SHOP_DAY: Final = _param(
    "loyalty_points_per_shop_day",
    "points",
    100_000_000,
    possible=range(1, 10**12 + 1),
    safe=(1, 10**9),
    why="bounds what a shop whose tills were all stolen comes to owe in a day",
)
LOYALTY_SPENDS_PER_HOUR: Final = _param(
    "loyalty_spends_per_hour",
    "spends",
    60,
    possible=range(1, 1_000_001),
    safe=(1, 120),
    why="a stolen phone or a gambling app spends slowly",
)

SHOP_OWNER_WAIT_S: Final = _param(
    "shop_owner_wait_s",
    "s",
    72 * HOUR_S,
    possible=range(14 * DAY_S + 1),
    safe=(48 * HOUR_S, 14 * DAY_S),
    why="an owner whose key still lives can stop a replacement that an operator asked for",
)
SHOP_OWNER_STOP_S: Final = _param(
    "shop_owner_stop_s",
    "s",
    30 * DAY_S,
    possible=range(366 * DAY_S + 1),
    safe=(7 * DAY_S, 90 * DAY_S),
    why="who stole an owner's key cannot stop replacements for ever: the next one within this time stands",
)

# loyalty without a network
LOYALTY_OFFLINE_EARN_S: Final = _param(
    "loyalty_offline_earn_s",
    "s",
    3 * DAY_S,
    possible=range(7 * DAY_S + 1),
    safe=(0, 7 * DAY_S),
    why="a shop over a long weekend; what a thief could date back is bounded by it, 0 takes no late earns",
)
LOYALTY_OFFLINE_POINTS: Final = _param(
    "loyalty_offline_points",
    "points",
    0,
    possible=range(1_000_001),
    safe=(0, 5_000),
    why="what an account may lock for payments without a network; 0 is off: shops bear what a copied phone overspends",
)
LOYALTY_OFFLINE_PER_TX: Final = _param(
    "loyalty_offline_per_tx_points",
    "points",
    500,
    possible=range(1, 1_000_001),
    safe=(1, 5_000),
    why="a coffee, not a bicycle: nobody can ask the chain",
)
LOYALTY_OFFLINE_PER_SHOP: Final = _param(
    "loyalty_offline_per_shop_points",
    "points",
    1_000,
    possible=range(1, 1_000_001),
    safe=(1, 5_000),
    why="what one shop may take of one allowance: bounds its loss, and with it the town's",
)
LOYALTY_OFFLINE_LIFE_S: Final = _param(
    "loyalty_offline_life_s",
    "s",
    DAY_S,
    possible=range(MINUTE_S, DAY_S + 1),
    safe=(HOUR_S, DAY_S),
    why="a revoked phone goes on paying without a network until its allowance ends",
)
LOYALTY_OFFLINE_CLAIM_S: Final = _param(
    "loyalty_offline_claim_s",
    "s",
    2 * DAY_S,
    possible=range(MINUTE_S, 14 * DAY_S + 1),
    safe=(DAY_S, 7 * DAY_S),
    why="a shop that was without a network over a weekend still gets its points; the holder waits as long for the rest",
)

# settlement between shops
SETTLEMENT_PERIOD_S: Final = _param(
    "settlement_period_s",
    "s",
    7 * DAY_S,
    possible=range(MINUTE_S, 31 * DAY_S + 1),
    safe=(DAY_S, 31 * DAY_S),
    why="shops settle weekly: seldom enough to net, often enough to bound what one owes",
)
SETTLEMENT_DISPUTE_S: Final = _param(
    "settlement_dispute_s",
    "s",
    72 * HOUR_S,
    possible=range(MINUTE_S, 14 * DAY_S + 1),
    safe=(48 * HOUR_S, 14 * DAY_S),
    why="a shop that is closed on Monday still has time to object",
)
SETTLEMENT_PAY_S: Final = _param(
    "settlement_pay_s",
    "s",
    14 * DAY_S,
    possible=range(MINUTE_S, 60 * DAY_S + 1),
    safe=(7 * DAY_S, 60 * DAY_S),
    why="after it an unpaid leg stops its payer from giving points",
)
SETTLEMENT_RESERVE_BPS: Final = _param(
    "settlement_reserve_bps",
    "1/10000",
    3_000,
    possible=range(10_001),
    safe=(1_000, 10_000),
    why="part of its outstanding points that each issuer pledges in euros with the association",
)
SETTLEMENT_THRESHOLD_CENTS: Final = _param(
    "settlement_threshold_cents",
    "cents",
    100_000_000,
    possible=range(1, 10**12),
    safe=(1, 100_000_000),
    why="limited-network threshold of CMF L.521-3 and L.525-6: above 1 M EUR the issuer declares to the ACPR",
)
SETTLEMENT_ALARM_PERCENT: Final = _param(
    "settlement_alarm_percent",
    "%",
    70,
    possible=range(1, 101),
    safe=(1, 70),
    why="the alarm leaves months to prepare the declaration",
)


# shared energy
ENERGY_CHALLENGE_S: Final = _param(
    "energy_challenge_s",
    "s",
    10 * DAY_S,
    possible=range(90 * DAY_S + 1),
    safe=(10 * DAY_S, 60 * DAY_S),
    why="a member has ten days to look at a published day before it can be settled",
)
ENERGY_SUMS_MIN_CONSUMERS: Final = _param(
    "energy_sums_min_consumers",
    "consumers",
    5,
    possible=range(1, 1_001),
    safe=(5, 1_000),
    why="sums of fewer households would show one of them",
)
ENERGY_BACKDATE_DAYS: Final = _param(
    "energy_backdate_days",
    "days",
    62,
    possible=range(4_001),
    safe=(0, 62),
    why="an operation that runs already is taken over with its last days, none of them metered here yet",
)
ENERGY_LEAVE_DAYS: Final = _param(
    "energy_leave_days",
    "days",
    15,
    possible=range(63),
    safe=(0, 31),
    why="the grid operator takes two weeks to take a point out of an operation",
)
ENERGY_DSO_TOLERANCE_WH: Final = _param(
    "energy_dso_tolerance_wh",
    "Wh",
    1,
    possible=range(10_001),
    safe=(0, 10),
    why="per row: the operator rounds each step his way; beyond it a correction is due",
)


# electoral axis and policies: who may do what (chain/town/policies.py)
ELECTORAL_STATION_MIN_ELECTORS: Final = _param(
    "electoral_station_min_electors",
    "electors",
    50,
    possible=range(1, 100_001),
    safe=(50, 100_000),
    why="a station that is too small would tell how its few electors voted",
)
_AXIS: Final = range(4)
"""Levels of an axis: 0 to 3."""
POLICY_SEL_IDENTITY: Final = _param(
    "policy_sel_identity",
    "level",
    1,
    possible=_AXIS,
    safe=(1, 3),
    why="one account per person keeps mutual credit honest",
)
POLICY_ENERGY_IDENTITY: Final = _param(
    "policy_energy_identity",
    "level",
    1,
    possible=_AXIS,
    safe=(1, 3),
    why="a contract names a known person",
)
POLICY_BUDGET_IDENTITY: Final = _param(
    "policy_budget_identity",
    "level",
    1,
    possible=_AXIS,
    safe=(1, 3),
    why="one voice per person",
)
POLICY_BUDGET_RESIDENCE: Final = _param(
    "policy_budget_residence",
    "level",
    1,
    possible=_AXIS,
    safe=(1, 3),
    why="the budget is the residents', whether electors or not",
)
POLICY_BUDGET_AGE_YEARS: Final = _param(
    "policy_budget_age_years",
    "years",
    16,
    possible=range(121),
    safe=(10, 18),
    why="younger residents have a say in the budget, small children do not",
)
POLICY_CONSULTATION_IDENTITY: Final = _param(
    "policy_consultation_identity",
    "level",
    2,
    possible=_AXIS,
    safe=(2, 3),
    why="a vote is worth what the identity under it is worth",
)
POLICY_CONSULTATION_ELECTORAL: Final = _param(
    "policy_consultation_electoral",
    "level",
    2,
    possible=_AXIS,
    safe=(2, 2),
    why="electors are whom the register names",
)
POLICY_CERTIFICATE_IDENTITY: Final = _param(
    "policy_certificate_identity",
    "level",
    3,
    possible=_AXIS,
    safe=(2, 3),
    why="a certificate travels abroad with the town's name on it",
)
POLICY_CERTIFICATE_RESIDENCE: Final = _param(
    "policy_certificate_residence",
    "level",
    2,
    possible=_AXIS,
    safe=(2, 3),
    why="the certificate says what was checked, so something was",
)

# votes: windows, stations, ballots
VOTES_ISSUANCE_MIN_S: Final = _param(
    "votes_issuance_min_s",
    "s",
    21 * DAY_S,
    possible=range(366 * DAY_S + 1),
    safe=(21 * DAY_S, 366 * DAY_S),
    why="three weeks to ask for a credential, holidays included",
)
VOTES_REGISTRATION_MIN_S: Final = _param(
    "votes_registration_min_s",
    "s",
    4 * DAY_S,
    possible=range(90 * DAY_S + 1),
    safe=(2 * DAY_S, 90 * DAY_S),
    why="an app registers by itself when it is opened, at a time of its own: all must have had theirs open",
)
VOTES_FREEZE_MIN_S: Final = _param(
    "votes_freeze_min_s",
    "s",
    DAY_S,
    possible=range(90 * DAY_S + 1),
    safe=(DAY_S, 90 * DAY_S),
    why="the closed list is published a day before voting, so that its counts can be contested",
)
VOTES_VOTING_MIN_S: Final = _param(
    "votes_voting_min_s",
    "s",
    DAY_S,
    possible=range(90 * DAY_S + 1),
    safe=(10 * HOUR_S, 90 * DAY_S),
    why="no shorter than a polling station's day",
)
VOTES_APPEALS_MIN_S: Final = _param(
    "votes_appeals_min_s",
    "s",
    60 * DAY_S,
    possible=range(3 * 366 * DAY_S + 1),
    safe=(15 * DAY_S, 3 * 366 * DAY_S),
    why="ballots stay until nobody can contest the result any more",
)
VOTES_REGISTRARS_MIN: Final = _param(
    "votes_registrars_min",
    "registrars",
    4,
    possible=range(1, 14),
    safe=(4, 13),
    why="with fewer than 3f+1 = 4, one corrupt registrar makes a second credential",
)
VOTES_STATION_MIN_ELECTORS: Final = _param(
    "votes_station_min_electors",
    "electors",
    50,
    possible=range(1, 100_001),
    safe=(50, 10_000),
    why="fewer do not hide one another: smaller stations are merged",
)
VOTES_BALLOT_INTERVAL_S: Final = _param(
    "votes_ballot_interval_s",
    "s",
    MINUTE_S,
    possible=range(HOUR_S + 1),
    safe=(MINUTE_S, HOUR_S),
    why="a ballot costs everybody its proofs: one credential casts one a minute",
)
VOTES_BALLOTS_MAX: Final = _param(
    "votes_ballots_max",
    "ballots",
    20,
    possible=range(1, 1_001),
    safe=(5, 100),
    why="enough to change one's mind under pressure, too few to fill the chain",
)


def all_parameters() -> tuple[Parameter, ...]:
    """Every parameter, by name."""
    return tuple(_KNOWN[name] for name in sorted(_KNOWN))


def find_parameter(name: str) -> Parameter | None:
    """The parameter of that name, or None."""
    return _KNOWN.get(name)


def get_param(state: Reader, parameter: Parameter) -> int:
    """Present value; the default where genesis said nothing (a parameter newer than the town)."""
    record = PARAMS.get(state, parameter.name.encode())
    return parameter.default if record is None else record.value


def put_param(state: Overlay, parameter: Parameter, value: int) -> None:
    """Write a value that the caller checked; an impossible one is a broken invariant."""
    assert parameter.is_possible(value), f"{parameter.name}={value} was not checked"
    PARAMS.put(state, parameter.name.encode(), ParamRecord(value))


def get_all_params(state: Reader) -> dict[str, int]:
    """Every parameter's present value, by name."""
    return {p.name: get_param(state, p) for p in all_parameters()}


def unsafe_values(values: Mapping[str, int]) -> tuple[str, ...]:
    """Names of the parameters outside their production range, sorted."""
    return _sorted_names(p for p in all_parameters() if not p.is_safe(values[p.name]))


def _sorted_names(parameters: Iterable[Parameter]) -> tuple[str, ...]:
    return tuple(sorted(p.name for p in parameters))
