"""Transactions of the town as typed bodies: what clients build, what the chain decodes.

Wire form: canonical JSON (keys sorted, no blanks, integers only) inside a JWS; see `chain.codec.canonical`
and `chain.crypto.jws`. Unknown fields are refused. Bytes travel as unpadded base64url with zero spare bits.
Patterns end in `\\Z`, because `$` would let a last newline pass.
Reads: nothing.  Writes: nothing.  Never: looks at state.
"""

from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from msgspec import Meta, Struct, field

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Largest integer a JavaScript client reads exactly (RFC 8259 §6); larger ones travel as strings."""

# The last character of 8 or 32 bytes carries four bits and two spare ones, that of 16 bytes two and four: only
# the letters whose spare bits are zero may stand there, or one cid, receipt or key would have several names.
Bytes8: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]\Z")]
Bytes16: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{21}[AQgw]\Z")]
Bytes32: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")]
Bytes64: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{85}[AQgw]\Z")]
NodeId: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{40}\Z")]
"""Address of a node key (CometBFT `p2p/key.go`)."""
NodeAddress: TypeAlias = Annotated[
    str,
    Meta(
        max_length=120, pattern=r"^([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?:[1-9][0-9]{0,4})?\Z"
    ),
]
"""`host:port` where a node listens; empty for one that only dials others."""
Thumbprint: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")]
"""RFC 7638 SHA-256 thumbprint of a public key; an account is named by that of its first key."""
CidOrNone: TypeAlias = Annotated[
    str, Meta(pattern=r"^([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])?\Z", max_length=43)
]
"""A cid where the account is an identity's; empty for an account of another domain."""
Slug: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{1,31}\Z")]
"""Short public name of a body, shop or programme."""
Name: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+\Z")
]
"""What people read. No control character: PostgreSQL stores no NUL, so a single one would stop every projector."""
Actor: TypeAlias = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=48,
        pattern=r"^(council|body:[a-z][a-z0-9-]{1,31}|shop:[a-z][a-z0-9-]{1,31}|[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])\Z",
    ),
]
"""Who acts: `council`, `body:<slug>`, `shop:<slug>`, or an account id."""
Count: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]
Positive: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]
UnixSeconds: TypeAlias = Annotated[int, Meta(ge=0, le=253_402_300_799)]
CompactJws: TypeAlias = Annotated[
    str,
    Meta(
        min_length=10,
        max_length=2_048,
        pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z",
    ),
]

Domain: TypeAlias = Literal["identity", "loyalty", "sel", "energy"]
DeviceScope: TypeAlias = Literal["contract", "pay", "trade", "veto"]
"""What a second key of an account may sign: energy contracts, points, SEL exchanges, the veto of a recovery."""
Role: TypeAlias = Literal[
    "clerk",
    "agent_supervisor",
    "electoral_commission",
    "notary",
    "document_issuer",
    "registrar",
    "trustee",
    "relay",
    "gateway",
    "loyalty_operator",
    "shop_owner",
    "till",
    "pmo",
    "meter_adapter",
    "energy_witness",
    "sel_administrator",
    "sel_mediator",
    "auditor",
    "validator",
]


class Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything on the wire: immutable, no extra fields."""


class OkpKey(Struct, frozen=True, forbid_unknown_fields=True):
    """Ed25519 public key as a JWK (RFC 8037)."""

    crv: Literal["Ed25519"]
    kty: Literal["OKP"]
    x: Bytes32


class EcKey(Struct, frozen=True, forbid_unknown_fields=True):
    """P-256 public key as a JWK (RFC 7518 §6.2)."""

    crv: Literal["P-256"]
    kty: Literal["EC"]
    x: Bytes32
    y: Bytes32


class Jwk(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Either kind of public key; `y` is present for P-256 only (checked by `chain.crypto.keys`)."""

    crv: Literal["Ed25519", "P-256"]
    kty: Literal["OKP", "EC"]
    x: Bytes32
    y: Bytes32 = ""


class Payload(Strict, frozen=True, kw_only=True):
    """What is signed. `from` is spelled `sender` in Python; `body` is decoded by `type`."""

    town: Bytes32
    type: Annotated[str, Meta(pattern=r"^[a-z]+\.[a-z_]+\Z", max_length=48)]
    sender: Actor = field(name="from")
    nonce: Bytes16
    exp: UnixSeconds
    body: dict[str, Any]


class AnonymousPayload(Strict, frozen=True):
    """A transaction that nobody signs: no account, no nonce, no expiry; `body` is decoded by `type`."""

    body: dict[str, Any]
    town: Bytes32
    type: Annotated[str, Meta(pattern=r"^[a-z]+\.[a-z_]+\Z", max_length=48)]


class Ticket(Strict, frozen=True):
    """A gateway's or till's leave for one new key to open one account (JWS `typ` beffroi-ticket)."""

    town: Bytes32
    domain: Domain
    kid: Thumbprint
    exp: UnixSeconds


class Attestation(Strict, frozen=True):
    """An agent's word on one identity (JWS `typ` beffroi-attestation); nothing civil in it."""

    town: Bytes32
    cid: Bytes32
    key: Jwk
    blind: Bytes16
    commitment: Bytes32
    level_identity: Annotated[int, Meta(ge=0, le=3)]
    level_residence: Annotated[int, Meta(ge=0, le=3)]
    expires_month: Annotated[str, Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])\Z")]


# --- account -------------------------------------------------------------------------------


class AccountOpen(Strict, frozen=True):
    """Open the account named by `key`'s thumbprint; signed by that key."""

    TYPE: ClassVar[str] = "account.open"
    domain: Domain
    key: Jwk
    blind: Bytes16
    ticket: CompactJws


class AccountRotate(Strict, frozen=True):
    """Replace the account's signing key; signed by the old and the new key."""

    TYPE: ClassVar[str] = "account.rotate"
    new_key: Jwk


class AccountDeviceAdd(Strict, frozen=True):
    """A second key of the account until `expires`, a device or a helper's; signed by the account's key and `key`.

    It signs what `scopes` name (sorted, each once) and nothing else: never a rotation, another device, a ballot.
    """

    TYPE: ClassVar[str] = "account.device_add"
    key: Jwk
    scopes: Annotated[tuple[DeviceScope, ...], Meta(min_length=1, max_length=4)]
    expires: UnixSeconds


class AccountDeviceRemove(Strict, frozen=True):
    """End a second key for ever; signed by the account's key or by that key itself."""

    TYPE: ClassVar[str] = "account.device_remove"
    kid: Thumbprint


class AccountSetStatus(Strict, frozen=True):
    """Freeze, reopen or (two agents) close an account that is no identity's, at the desk."""

    TYPE: ClassVar[str] = "account.status"
    account: Thumbprint
    status: Literal["open", "frozen", "closed"]


# --- identity ------------------------------------------------------------------------------


class IdBatchAttest(Strict, frozen=True):
    """Write attested identities, sorted by cid; signed by an agent's key for its body."""

    TYPE: ClassVar[str] = "id.batch_attest"
    attestations: Annotated[tuple[CompactJws, ...], Meta(min_length=1, max_length=256)]


class IdBatchRenew(Strict, frozen=True):
    """Attest known identities again, sorted by cid: levels, month of expiry and commitment are replaced."""

    TYPE: ClassVar[str] = "id.batch_renew"
    attestations: Annotated[tuple[CompactJws, ...], Meta(min_length=1, max_length=256)]


class IdStatus(Strict, frozen=True):
    """Move one identity to another status; terminal ones need two agents of different keys."""

    TYPE: ClassVar[str] = "id.status"
    cid: Bytes32
    status: Literal[
        "active", "suspended", "expired", "moved_out", "ended", "merged", "revoked", "erased"
    ]


class IdRotate(Strict, frozen=True):
    """Replace an identity's key; signed by the old and the new key."""

    TYPE: ClassVar[str] = "id.rotate"
    cid: Bytes32
    new_key: Jwk


class IdRecoverOpen(Strict, frozen=True):
    """A lost key: give the account `new_key` after the delay; signed by two agents of two bodies and by `new_key`.

    `cid` names the identity when the account is one's, and is empty for an account of another domain.
    """

    TYPE: ClassVar[str] = "id.recover_open"
    account: Thumbprint
    cid: CidOrNone
    new_key: Jwk


class IdRecoverVeto(Strict, frozen=True):
    """The old key is not lost: stop the recovery of the account that sends this. It works once."""

    TYPE: ClassVar[str] = "id.recover_veto"


class IdRecoverOverride(Strict, frozen=True):
    """Set a vetoed recovery going again: two agents who did not open it, a week after the veto, the person present."""

    TYPE: ClassVar[str] = "id.recover_override"
    account: Thumbprint


class IdRecoverCancel(Strict, frozen=True):
    """Give a recovery up: the old key goes on. One agent."""

    TYPE: ClassVar[str] = "id.recover_cancel"
    account: Thumbprint


class IdRecoverFinish(Strict, frozen=True):
    """The delay is over: `new_key`, which signs alone, becomes the account's key."""

    TYPE: ClassVar[str] = "id.recover_finish"
    new_key: Jwk


# --- electoral ---------------------------------------------------------------------------------

Station: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9A-Z]{1,8}\Z")]
"""Code of a polling station, as in the electoral register."""


class StationCount(Strict, frozen=True):
    """How many electors one station has."""

    station: Station
    electors: Positive


class ElectoralImport(Strict, frozen=True):
    """A new extract of the electoral register, stations sorted; `root` commits to it with a salt kept off chain."""

    TYPE: ClassVar[str] = "electoral.import"
    root: Bytes32
    expires_month: Annotated[str, Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])\Z")]
    stations: Annotated[tuple[StationCount, ...], Meta(min_length=1, max_length=512)]


class ElectorEntry(Strict, frozen=True):
    """One identity found at one station."""

    cid: Bytes32
    station: Station


class ElectoralEnrol(Strict, frozen=True):
    """Identities found in import `serial`, sorted by cid; signed by the electoral commission for its body."""

    TYPE: ClassVar[str] = "electoral.enrol"
    serial: Positive
    entries: Annotated[tuple[ElectorEntry, ...], Meta(min_length=1, max_length=256)]


class ElectoralStrike(Strict, frozen=True):
    """Identities no longer in import `serial`, sorted; signed by the electoral commission for its body."""

    TYPE: ClassVar[str] = "electoral.strike"
    serial: Positive
    cids: Annotated[tuple[Bytes32, ...], Meta(min_length=1, max_length=256)]


# --- city ----------------------------------------------------------------------------------


class ActBodyAdd(Struct, frozen=True, forbid_unknown_fields=True, tag="body.add", tag_field="act"):
    """A new body with its seat key."""

    body: Slug
    name: Name
    seat_key: Jwk


class ActBodyRemove(
    Struct, frozen=True, forbid_unknown_fields=True, tag="body.remove", tag_field="act"
):
    """A body leaves: its seat and its roles end."""

    body: Slug


class ActRoleGrant(
    Struct, frozen=True, forbid_unknown_fields=True, tag="role.grant", tag_field="act"
):
    """A role for a key of a body until `expires`."""

    role: Role
    body: Slug
    key: Jwk
    expires: UnixSeconds


class ActRoleRevoke(
    Struct, frozen=True, forbid_unknown_fields=True, tag="role.revoke", tag_field="act"
):
    """End a role key at once; like a list that takes only keys away, it does not wait."""

    kid: Thumbprint


class ActValidatorSet(
    Struct, frozen=True, forbid_unknown_fields=True, tag="validator.set", tag_field="act"
):
    """Add, re-weigh or (power 0) remove a validator run by `body`; raw Ed25519 key."""

    body: Slug
    pub_key: Bytes32
    power: Annotated[int, Meta(ge=0, le=1_000_000)]


class ActParamSet(
    Struct, frozen=True, forbid_unknown_fields=True, tag="param.set", tag_field="act"
):
    """Change one parameter of `chain.town.params`."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9_]{3,60}\Z")]
    value: Annotated[int, Meta(ge=-1, le=MAX_SAFE_INTEGER)]


class ActNodeSet(Struct, frozen=True, forbid_unknown_fields=True, tag="node.set", tag_field="act"):
    """Let a body's node connect to the others, or change its address.

    `node_key` is the raw Ed25519 key, `proof` the signature with which it made its own certificate.
    """

    body: Slug
    node_key: Bytes32
    proof: Bytes64
    address: NodeAddress


class ActNodeRemove(
    Struct, frozen=True, forbid_unknown_fields=True, tag="node.remove", tag_field="act"
):
    """Take a node off: peers drop it two heights later. Alone it does not wait, with other acts it waits for them."""

    node: NodeId


CouncilAct: TypeAlias = (
    ActBodyAdd
    | ActBodyRemove
    | ActRoleGrant
    | ActRoleRevoke
    | ActValidatorSet
    | ActParamSet
    | ActNodeSet
    | ActNodeRemove
)


class CouncilActs(Strict, frozen=True):
    """Acts of the council, signed by more than two thirds of its seats.

    Keys named in the acts do not sign: those who sign vouch that they belong to the bodies named. Each is
    reserved when the transaction is accepted, and free again if its act fails on its day.
    """

    TYPE: ClassVar[str] = "council.act"
    acts: Annotated[tuple[CouncilAct, ...], Meta(min_length=1, max_length=32)]


# --- loyalty -------------------------------------------------------------------------------
# More of loyalty's transactions are in `chain.town.loyalty_schemas`; those of votes in `chain.town.votes_schemas`.

SmallPoints: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000)]
"""Points of one operation."""


class ItemRule(Strict, frozen=True):
    """`points` for each unit of an item class, at most `count_max` units of one purchase."""

    item: Slug
    points: SmallPoints
    count_max: Annotated[int, Meta(ge=1, le=1_000)]


class EventRule(Strict, frozen=True):
    """`points` for an event a shop attests (a workshop, a returned cup), so many times per account."""

    event: Slug
    points: SmallPoints
    per_account_max: Annotated[int, Meta(ge=1, le=100_000)]


class ReferralRule(Strict, frozen=True):
    """Points for whoever brings somebody, and for the newcomer; `issuer` is the shop that owes them.

    `key_n` is the modulus (big-endian base64url, exponent 65537) of the key that blindly signs welcome tokens, one
    per person.
    """

    issuer: Slug
    referrer_points: Annotated[int, Meta(ge=0, le=1_000_000)]
    newcomer_points: Annotated[int, Meta(ge=0, le=1_000_000)]
    per_referrer_max: Annotated[int, Meta(ge=1, le=10_000)]
    key_n: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{342,683}\Z")]


class TierRule(Strict, frozen=True):
    """From `from_points` earned in a period on, every purchase gives `bonus_percent` more."""

    tier: Slug
    from_points: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    bonus_percent: Annotated[int, Meta(ge=0, le=1_000)]


class EarnRule(Strict, frozen=True, omit_defaults=True):
    """What gives points: `points` for each full `per_cents` spent (integer floor, nothing carried), and more.

    `visit_points` once per account, shop and UTC day. `tiers` rise; a tier reached in one period of `tier_days`
    is kept to the end of the next. Judged by `chain.town.loyalty_rules` alone.
    """

    points: Annotated[int, Meta(ge=0, le=1_000_000)]
    per_cents: Annotated[int, Meta(ge=1, le=100_000_000)]
    min_purchase_cents: Annotated[int, Meta(ge=0, le=100_000_000)]
    visit_points: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    items: Annotated[tuple[ItemRule, ...], Meta(max_length=64)] = ()
    events: Annotated[tuple[EventRule, ...], Meta(max_length=32)] = ()
    referral: ReferralRule | None = None
    tiers: Annotated[tuple[TierRule, ...], Meta(max_length=8)] = ()
    tier_days: Annotated[int, Meta(ge=0, le=3_660)] = 0


class Terms(Strict, frozen=True, omit_defaults=True):
    """What else a version fixes for its lots: cool-off, transfers, spending order, value between shops.

    `value_millicents` is what one point is worth at settlement, in thousandths of a euro cent.
    `spend_own_first`: a shop takes the points it gave itself before others', whatever expires first.
    """

    pending_days: Annotated[int, Meta(ge=0, le=90)] = 0
    transfers: Literal["none", "household", "anyone"] = "none"
    spend_own_first: bool = False
    value_millicents: Annotated[int, Meta(ge=0, le=1_000_000)] = 1_000


class LoyaltyProgramme(Strict, frozen=True, omit_defaults=True):
    """A version of a programme: published as a draft, put in force, or closed; never touches older lots.

    A draft may be replaced by another draft of its version; once published it is activated as it stands.
    """

    TYPE: ClassVar[str] = "loyalty.programme"
    programme: Slug
    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    status: Literal["draft", "active", "closed"]
    earn: EarnRule
    lot_life_days: Annotated[int, Meta(ge=1, le=3_660)]
    terms: Terms = Terms()


class LoyaltyShop(Strict, frozen=True):
    """Register a shop and its owner's key; signed by a loyalty operator and by `owner_key`."""

    TYPE: ClassVar[str] = "loyalty.shop"
    shop: Slug
    name: Name
    owner_key: Jwk


class LoyaltyOwnerKey(Strict, frozen=True):
    """A shop owner's next key, which signs too: with the old key at once, with an operator when the old one is lost."""

    TYPE: ClassVar[str] = "loyalty.owner_key"
    shop: Slug
    new_key: Jwk


class LoyaltyTill(Strict, frozen=True):
    """Register a till key of a shop with its caps, at most 30 days; signed by the shop owner and by `key`."""

    TYPE: ClassVar[str] = "loyalty.till"
    key: Jwk
    expires: UnixSeconds
    cap_per_tx_points: Annotated[int, Meta(ge=1, le=1_000_000)]
    cap_per_day_points: Annotated[int, Meta(ge=1, le=100_000_000)]


class LoyaltyTillRevoke(Strict, frozen=True):
    """Revoke a till at once; unspent lots it gave since `since` are reversed. Signed by the shop owner."""

    TYPE: ClassVar[str] = "loyalty.till_revoke"
    kid: Thumbprint
    since: UnixSeconds


class ItemCount(Strict, frozen=True):
    """How many units of an item class the purchase held."""

    item: Slug
    count: Annotated[int, Meta(ge=1, le=1_000)]


class LoyaltyEarn(Strict, frozen=True, omit_defaults=True):
    """Points for a purchase, credited as one lot; signed by a till. `receipt` makes it single.

    `points_shown` is what the till promised the customer: fewer are refused; 0 promises nothing.
    """

    TYPE: ClassVar[str] = "loyalty.earn"
    programme: Slug
    account: Thumbprint
    purchase_cents: Annotated[int, Meta(ge=1, le=100_000_000)]
    receipt: Bytes16
    items: Annotated[tuple[ItemCount, ...], Meta(max_length=64)] = ()
    points_shown: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)] = 0


class LoyaltyRedeem(Strict, frozen=True):
    """Spend points by the code on the customer's phone; signed by a till."""

    TYPE: ClassVar[str] = "loyalty.redeem"
    programme: Slug
    points: Annotated[int, Meta(ge=1, le=1_000_000)]
    qr: Annotated[str, Meta(min_length=10, max_length=400)]


class LoyaltyReverse(Strict, frozen=True):
    """Reverse (part of) an earn or a redemption named by its payload hash.

    Signed by the same till within five minutes, or by the shop owner later.
    """

    TYPE: ClassVar[str] = "loyalty.reverse"
    ref: Bytes32
    points: Annotated[int, Meta(ge=1, le=1_000_000)]


# --- settlement ----------------------------------------------------------------------------

Epoch: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000)]
LegIndex: TypeAlias = Annotated[int, Meta(ge=0, le=999_999)]


class SettlementAck(Strict, frozen=True):
    """A shop agrees to its position of a batch; signed by its owner."""

    TYPE: ClassVar[str] = "settlement.ack"
    epoch: Epoch


class SettlementDispute(Strict, frozen=True):
    """A shop objects to its position within the dispute window; `statement` is the hash of its reasons."""

    TYPE: ClassVar[str] = "settlement.dispute"
    epoch: Epoch
    statement: Bytes32


class SettlementCorrection(Strict, frozen=True):
    """What a pair's debt of the disputed epoch counted too much, millicents; goes back in the epoch now open."""

    issuer: Slug
    redeemer: Slug
    millicents: Annotated[int, Meta(ge=1, le=10**15)]


class SettlementResolve(Strict, frozen=True):
    """The operator's decision on a shop's dispute; a closed batch stays, corrections enter the open epoch."""

    TYPE: ClassVar[str] = "settlement.resolve"
    epoch: Epoch
    shop: Slug
    outcome: Literal["upheld", "rejected"]
    corrections: Annotated[tuple[SettlementCorrection, ...], Meta(max_length=32)]


class SettlementPaid(Strict, frozen=True):
    """The payer says it paid, or the payee that it received, one leg; `reference` is the hash of the bank's reference.

    Signed by the shop's owner, or by a loyalty operator for the reserve.
    """

    TYPE: ClassVar[str] = "settlement.paid"
    epoch: Epoch
    leg: LegIndex
    reference: Bytes32


class SettlementMissing(Strict, frozen=True):
    """The payee says that a leg which its payer marked as paid has not arrived."""

    TYPE: ClassVar[str] = "settlement.missing"
    epoch: Epoch
    leg: LegIndex


class SettlementCover(Strict, frozen=True):
    """The association paid the payee of an overdue leg out of the payer's reserve; signed by an operator."""

    TYPE: ClassVar[str] = "settlement.cover"
    epoch: Epoch
    leg: LegIndex
    reference: Bytes32


class SettlementReserve(Strict, frozen=True):
    """The operator attests what the association holds for a shop; `statement` is the hash of the account statement."""

    TYPE: ClassVar[str] = "settlement.reserve"
    shop: Slug
    held_cents: Annotated[int, Meta(ge=0, le=10**12)]
    statement: Bytes32


class SettlementStanding(Strict, frozen=True):
    """A shop leaves (signed by its owner or an operator) or fails, or is active again (an operator)."""

    TYPE: ClassVar[str] = "settlement.standing"
    shop: Slug
    status: Literal["active", "leaving", "failed"]


class AuditAnchor(Strict, frozen=True):
    """Note how many entries a body's log outside the chain has, and the hash of the last. Signed by its gateway."""

    TYPE: ClassVar[str] = "audit.anchor"
    count: Count
    head: Bytes32


Body: TypeAlias = (
    AccountOpen
    | AccountRotate
    | AccountDeviceAdd
    | AccountDeviceRemove
    | AccountSetStatus
    | IdBatchAttest
    | IdBatchRenew
    | IdStatus
    | IdRotate
    | IdRecoverOpen
    | IdRecoverVeto
    | IdRecoverOverride
    | IdRecoverCancel
    | IdRecoverFinish
    | ElectoralImport
    | ElectoralEnrol
    | ElectoralStrike
    | CouncilActs
    | LoyaltyProgramme
    | LoyaltyShop
    | LoyaltyOwnerKey
    | LoyaltyTill
    | LoyaltyTillRevoke
    | LoyaltyEarn
    | LoyaltyRedeem
    | LoyaltyReverse
    | SettlementAck
    | SettlementDispute
    | SettlementResolve
    | SettlementPaid
    | SettlementMissing
    | SettlementCover
    | SettlementReserve
    | SettlementStanding
    | AuditAnchor
)
