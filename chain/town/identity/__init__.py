"""Verified citizens as the chain may know them: a random cid, a key, levels, a commitment, a status.

`records` what is kept · `attesting` batches and renewals · `statuses` the life of an identity · `rotation` a new key by
the old one · `recovery` a new key by the desk · `elections` what votes will tell and ask.
Identities enter in batches that hide their members, each attested by an agent's own signature; they leave
`active` by a fixed table of transitions, for good only by the word of two agents.
Reads: roles, parameters.  Writes: namespace identity, identity accounts.  Never: anything civil, nor a date
the agents give finer than a month; what waits for a deadline (a recovery, an end) keeps its header times.
"""

from typing import Final

from chain.town import params
from chain.town.due import DueHandlers
from chain.town.identity import recovery
from chain.town.identity.attesting import apply_batch_attest, apply_batch_renew
from chain.town.identity.records import AGENT_ROLES, NAMESPACE, init_identity
from chain.town.identity.rotation import apply_rotate, rotated_keys
from chain.town.identity.statuses import FINAL_KIND, admit_status, apply_status, finish_end
from chain.town.rules import ACCOUNT, BODY, Rule, Rules
from chain.town.schemas import (
    IdBatchAttest,
    IdBatchRenew,
    IdRecoverCancel,
    IdRecoverFinish,
    IdRecoverOpen,
    IdRecoverOverride,
    IdRecoverVeto,
    IdRotate,
    IdStatus,
)

__all__ = ["DUE", "NAMESPACES", "RULES", "init_identity"]

NAMESPACES: Final = (NAMESPACE,)

# Gas: worst cases measured on one slow core; a batch of 256 attestations takes 52 ms.
RULES: Final[Rules] = {
    IdBatchAttest: Rule(
        apply_batch_attest,
        gas_us=60_000,
        senders=BODY,
        roles=AGENT_ROLES,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    IdBatchRenew: Rule(
        apply_batch_renew,
        gas_us=60_000,
        senders=BODY,
        roles=AGENT_ROLES,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    IdRecoverOpen: Rule(
        recovery.apply_open,
        admit=recovery.admit_open,
        gas_us=2_000,
        senders=BODY,
        roles=AGENT_ROLES,
        cosigner_roles=AGENT_ROLES,
        signatures_max=3,
        new_keys=recovery.opening_keys,
        expiry=params.ACT_EXPIRY_MAX_S,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    IdRecoverVeto: Rule(
        recovery.apply_veto,
        admit=recovery.admit_veto,
        gas_us=1_000,
        senders=ACCOUNT,
        device_scope="veto",
        is_for_frozen=True,
        quota=params.QUOTA_ACCOUNT_PER_MINUTE,
    ),
    IdRecoverOverride: Rule(
        recovery.apply_override,
        admit=recovery.admit_override,
        gas_us=1_500,
        senders=BODY,
        roles=AGENT_ROLES,
        cosigner_roles=AGENT_ROLES,
        signatures_max=2,
        expiry=params.ACT_EXPIRY_MAX_S,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    IdRecoverCancel: Rule(
        recovery.apply_cancel,
        gas_us=1_000,
        senders=BODY,
        roles=AGENT_ROLES,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    IdRecoverFinish: Rule(
        recovery.apply_finish,
        admit=recovery.admit_finish,
        gas_us=2_500,  # eight second keys ended
        senders=ACCOUNT,
        is_for_frozen=True,
        by_reserved_key=True,
        new_keys=recovery.finishing_keys,
        quota=params.QUOTA_ACCOUNT_PER_MINUTE,
    ),
    IdStatus: Rule(
        apply_status,
        admit=admit_status,
        gas_us=1_000,
        senders=BODY,
        roles=AGENT_ROLES,
        cosigner_roles=AGENT_ROLES,
        signatures_max=2,
        expiry=params.ACT_EXPIRY_MAX_S,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    IdRotate: Rule(
        apply_rotate,
        gas_us=1_000,
        senders=ACCOUNT,
        domain="identity",
        signatures_max=2,
        new_keys=rotated_keys,
        quota=params.QUOTA_ACCOUNT_PER_MINUTE,
    ),
}
DUE: Final[DueHandlers] = {
    recovery.LAPSE_KIND: recovery.lapse_recovery,
    FINAL_KIND: finish_end,
}
