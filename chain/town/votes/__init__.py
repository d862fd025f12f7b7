"""Votes: anonymous, verifiable by strangers, opened and closed by block time, counted by the application.

`records` what is kept · `calendar` `costs` dates and figures · `create` publishing · `ceremony` the trustees' key ·
`rolls` issuance opened · `issuance` credentials: `registrars` their keys, `requesting` requests and blind signatures,
`registering` the anonymous part · `signers` issuance ended · `sealing` the list closed · `ballots` the box · `verdicts`
what a node remembers · `tallying` the sum · `archiving` the archive's chain of events · `closing` end, shares, result ·
`moving` postponed, cancelled · `keeping` archives, complaints, purge · `assembly` the archive's bytes out of verified
facts · `journal` what projectors read.
Messages are in `chain.town.votes_schemas`, the protocol in `chain.votes`.
Reads: bodies, roles, identities, parameters.  Writes: namespace votes, `identity.elections`, holds of council acts.
"""

from typing import Final

from chain.town import city, params
from chain.town.due import DueHandlers
from chain.town.rules import BODY, COUNCIL, AnonymousRule, AnonymousRules, Rule, Rules
from chain.town.votes import (
    ballots,
    calendar,
    ceremony,
    closing,
    create,
    issuance,
    keeping,
    moving,
    rolls,
    sealing,
    signers,
)
from chain.town.votes.records import NAMESPACE
from chain.town.votes_schemas import (
    BallotCast,
    BallotSpoil,
    ElectionArchive,
    ElectionCancel,
    ElectionComplaint,
    ElectionCreate,
    ElectionOpenIssuance,
    ElectionPostpone,
    ElectionPurge,
    ElectionRestart,
    TallyShare,
    TrusteeCert,
    TrusteeCommit,
    TrusteeKeyGiven,
    TrusteeReveal,
    TrusteeVerify,
)

NAMESPACES: Final = (NAMESPACE,)
_CITY_HALL: Final = frozenset({"agent_supervisor"})
_TRUSTEE: Final = frozenset({"trustee"})
_KEEPERS: Final = frozenset({"auditor", "electoral_commission"})
_REGISTRY: Final = frozenset({"gateway", "electoral_commission"})

# Gas: worst cases measured on one loaded core, BELENIOS-2048 with gmpy2, nine trustees of whom five suffice.
_CITY_RULES: Final[Rules] = {
    body: Rule(
        apply,
        gas_us=gas_us,
        senders=BODY,
        roles=roles,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    )
    for body, apply, gas_us, roles in (
        (ElectionCreate, create.apply_create, 12_000, _CITY_HALL),
        (ElectionRestart, create.apply_restart, 3_000, _CITY_HALL),
        (ElectionPurge, keeping.apply_purge, 1_500, _CITY_HALL),
        (ElectionArchive, keeping.apply_archive, 1_500, _KEEPERS),
        (ElectionComplaint, keeping.apply_complaint, 1_000, _REGISTRY),
    )
}
_COUNCIL_RULES: Final[Rules] = {
    body: Rule(
        apply,
        gas_us=12_000,
        senders=COUNCIL,
        quota=params.QUOTA_COUNCIL_PER_MINUTE,
        signatures_max=city.COUNCIL_SEATS_MAX,
        expiry=params.ACT_EXPIRY_MAX_S,
    )
    for body, apply in (
        (ElectionPostpone, moving.apply_postpone),
        (ElectionCancel, moving.apply_cancel),
    )
}
_TRUSTEE_RULES: Final[Rules] = {
    body: Rule(
        apply,
        gas_us=gas_us,
        senders=BODY,
        roles=_TRUSTEE,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    )
    for body, apply, gas_us in (
        (TrusteeKeyGiven, ceremony.apply_key, 60_000),
        (TrusteeCert, ceremony.apply_cert, 10_000),
        (TrusteeCommit, ceremony.apply_commit, 2_000),
        (TrusteeReveal, ceremony.apply_reveal, 20_000),
        (TrusteeVerify, ceremony.apply_verify, 400_000),
        (TallyShare, closing.apply_share, 250_000),
    )
}
RULES: Final[Rules] = {
    **_CITY_RULES,
    **_COUNCIL_RULES,
    **_TRUSTEE_RULES,
    ElectionOpenIssuance: Rule(
        rolls.apply_open_issuance,
        gas_us=10_000,
        senders=BODY,
        roles=_CITY_HALL,
        cosigner_roles=rolls.COMMISSION,
        signatures_max=2,
        expiry=params.ACT_EXPIRY_MAX_S,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    **issuance.RULES,
}
ANONYMOUS_RULES: Final[AnonymousRules] = {
    BallotCast: AnonymousRule(
        ballots.apply_cast, ballots.cast_gas_us, ballots.cast_key, ballots.why_cast_over
    ),
    BallotSpoil: AnonymousRule(
        ballots.apply_spoil, ballots.spoil_gas_us, ballots.spoil_key, ballots.why_spoil_over
    ),
    **issuance.ANONYMOUS_RULES,
}
DUE: Final[DueHandlers] = {
    calendar.ISSUANCE_END_KIND: signers.end_issuance,
    signers.COUNT_KIND: signers.count_served,
    calendar.VOTING_START_KIND: sealing.start_voting,
    sealing.FREEZE_KIND: sealing.continue_freeze,
    calendar.END_KIND: closing.end_voting,
    closing.END_AGAIN_KIND: closing.end_voting,
    closing.ALPHAS_KIND: closing.forget_alphas,
    closing.RESULT_KIND: closing.continue_result,
    keeping.PURGE_KIND: keeping.continue_purge,
}
