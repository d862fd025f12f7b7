"""Verified citizens as the chain may know them: a random cid, a key, levels, a commitment, a status.

`records` what is kept · `attesting` batches · `statuses` the life of an identity · `rotation` a new key by the old one.
Identities enter in batches that hide their members, each attested by an agent's own signature; they leave
`active` by a fixed table of transitions, for good only by the word of two agents.
Reads: roles, parameters.  Writes: namespace identity, identity accounts.  Never: anything civil, nor a date
of one person finer than a month.
"""

from typing import Final

from chain.town import params
from chain.town.identity.attesting import apply_batch_attest
from chain.town.identity.records import AGENT_ROLES, NAMESPACE, init_identity
from chain.town.identity.rotation import apply_rotate, rotated_keys
from chain.town.identity.statuses import admit_status, apply_status
from chain.town.rules import ACCOUNT, BODY, Rule, Rules
from chain.town.schemas import IdBatchAttest, IdRotate, IdStatus

__all__ = ["NAMESPACES", "RULES", "init_identity"]

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
