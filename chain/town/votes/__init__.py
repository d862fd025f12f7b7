"""Votes: anonymous, verifiable by strangers, opened and closed by block time, counted by the application.

`records` what is kept · `calendar` `costs` dates and figures · `create` publishing · `ceremony` the trustees' key ·
`issuance` credentials · `sealing` the list closed · `ballots` the box · `tallying` its sum · `closing` end, shares,
result · `moving` postponed, cancelled · `keeping` archive, complaints, purge · `assembly` the archive's bytes out of
verified facts · `journal` what projectors read.
Messages are in `chain.town.votes_schemas`, the protocol in `chain.votes`.
Reads: bodies, roles, identities, parameters.  Writes: namespace votes, and `identity.elections`.
"""

from typing import Final

from chain.town import params
from chain.town.due import DueHandlers
from chain.town.rules import BODY, AnonymousRules, Rule, Rules
from chain.town.votes import issuance
from chain.town.votes.create import apply_create, apply_restart
from chain.town.votes.records import NAMESPACE
from chain.town.votes_schemas import ElectionCreate, ElectionRestart

NAMESPACES: Final = (NAMESPACE,)
CITY_HALL: Final = frozenset({"agent_supervisor"})

RULES: Final[Rules] = {
    ElectionCreate: Rule(
        apply_create,
        gas_us=8_000,
        senders=BODY,
        roles=CITY_HALL,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    ElectionRestart: Rule(
        apply_restart,
        gas_us=2_000,
        senders=BODY,
        roles=CITY_HALL,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    **issuance.RULES,
}
ANONYMOUS_RULES: Final[AnonymousRules] = {**issuance.ANONYMOUS_RULES}
DUE: Final[DueHandlers] = {}
