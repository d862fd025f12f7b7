"""Credentials: registrars' keys, a citizen's request, blind signatures, the anonymous registration, the freeze.

    registrar.keys   phase sealed            each registrar publishes a modulus per station           `registrars`
    issue.request    phase issuance, issuance_opens <= t < issuance_closes, once per citizen          `requesting`
    issue.sign       phase issuance, t < issuance_closes                                              `requesting`
    cred.register    phase registration, t < registration_closes; anonymous                           `registering`
    roll.freeze      phase registration, t >= registration_closes; then `sealing.start_freeze`        `registering`

Gas: worst cases measured on one loaded core.
"""

from typing import Final

from chain.town import params
from chain.town.rules import ACCOUNT, BODY, AnonymousRule, AnonymousRules, Rule, Rules
from chain.town.votes.registering import (
    apply_freeze,
    apply_register,
    register_gas_us,
    registration_key,
    why_register_over,
)
from chain.town.votes.registrars import apply_keys
from chain.town.votes.requesting import apply_request, apply_sign
from chain.town.votes_schemas import (
    CredRegister,
    IssueRequest,
    IssueSign,
    RegistrarKeys,
    RollFreeze,
)

REGISTRAR: Final = frozenset({"registrar"})
COMMISSION: Final = frozenset({"electoral_commission"})

RULES: Final[Rules] = {
    RegistrarKeys: Rule(
        apply_keys,
        gas_us=60_000,
        senders=BODY,
        roles=REGISTRAR,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    IssueRequest: Rule(
        apply_request,
        gas_us=4_000,
        senders=ACCOUNT,
        domain="identity",
        quota=params.QUOTA_ACCOUNT_PER_MINUTE,
    ),
    IssueSign: Rule(
        apply_sign,
        gas_us=60_000,
        senders=BODY,
        roles=REGISTRAR,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    RollFreeze: Rule(
        apply_freeze,
        gas_us=2_000,
        senders=BODY,
        roles=COMMISSION,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
}
ANONYMOUS_RULES: Final[AnonymousRules] = {
    CredRegister: AnonymousRule(
        apply_register,
        gas_us=register_gas_us,
        key=registration_key,
        why_over=why_register_over,
    ),
}
