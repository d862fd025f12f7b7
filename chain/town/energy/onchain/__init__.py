"""Shared energy on the chain: which rule answers which transaction, and which handler which due work.

`standing` who and when · `operations` terms · `rosters` `membership` `consents` members and points · `contracting`
signed steps · `metering` `allocating` `disputing` `reporting` days · `ordering` sealed orders · `stating` `crediting`
statements and KWHC. What an allocation is, is computed by the pure functions beside this package, off the chain.
Reads: accounts, roles, parameters.  Writes: namespace energy, the due queue.  Never: another asset.
"""

from typing import Final

from chain.limits import JWS_SIGNERS_MAX
from chain.town import params
from chain.town.due import DueHandlers
from chain.town.energy.onchain.allocating import apply_allocate, apply_correct, apply_witness
from chain.town.energy.onchain.consents import apply_consent
from chain.town.energy.onchain.contracting import apply_contract
from chain.town.energy.onchain.crediting import apply_credit, apply_retire, apply_transfer
from chain.town.energy.onchain.disputing import apply_challenge, apply_verdict
from chain.town.energy.onchain.membership import apply_admit, apply_join, apply_leave
from chain.town.energy.onchain.metering import apply_readings
from chain.town.energy.onchain.operations import apply_approve, apply_operation
from chain.town.energy.onchain.ordering import (
    DROP_KIND,
    apply_order,
    apply_order_cancel,
    drop_orders,
)
from chain.town.energy.onchain.reporting import apply_reconcile, apply_report
from chain.town.energy.onchain.stating import apply_paid, apply_statement
from chain.town.energy.records import NAMESPACE
from chain.town.energy_schemas import (
    EnergyAdmit,
    EnergyAllocate,
    EnergyApprove,
    EnergyChallenge,
    EnergyConsent,
    EnergyContract,
    EnergyCorrect,
    EnergyCredit,
    EnergyJoin,
    EnergyLeave,
    EnergyOperation,
    EnergyOrder,
    EnergyOrderCancel,
    EnergyPaid,
    EnergyReadings,
    EnergyReconcile,
    EnergyReport,
    EnergyRetire,
    EnergyStatement,
    EnergyTransfer,
    EnergyVerdict,
    EnergyWitness,
)
from chain.town.rules import ACCOUNT, BODY, COUNCIL, Rule, Rules

_PMO: Final = frozenset({"pmo"})
_ADAPTER: Final = frozenset({"meter_adapter"})
_WITNESS: Final = frozenset({"energy_witness"})
_ENERGY: Final = "energy"
_SIGNERS_OF_DAY: Final = 8
"""The PMO and up to seven witnesses; more sign by themselves."""

NAMESPACES: Final = (NAMESPACE,)

# Gas: worst cases measured on one slow core from bytes to tree update: 100 steps and eight signatures, 64 points that
# end on 64 days, 128 accounts credited.
_BODY_RULES: Final[Rules] = {
    body: Rule(apply, gas_us=gas_us, senders=BODY, roles=roles, quota=params.QUOTA_AGENT_PER_MINUTE)
    for body, apply, gas_us, roles in (
        (EnergyOperation, apply_operation, 1_500, _PMO),
        (EnergyAdmit, apply_admit, 6_000, _PMO),
        (EnergyReadings, apply_readings, 4_000, _ADAPTER),
        (EnergyWitness, apply_witness, 1_000, _WITNESS),
        (EnergyVerdict, apply_verdict, 1_000, _WITNESS),
        (EnergyReport, apply_report, 5_000, _PMO),
        (EnergyReconcile, apply_reconcile, 5_000, _PMO),
        (EnergyStatement, apply_statement, 6_000, _PMO),
        (EnergyCredit, apply_credit, 20_000, _PMO),
    )
}
_DAY_RULES: Final[Rules] = {
    body: Rule(
        apply,
        gas_us=8_000,
        senders=BODY,
        roles=_PMO,
        cosigner_roles=_WITNESS,
        signatures_max=_SIGNERS_OF_DAY,
        expiry=params.ACT_EXPIRY_MAX_S,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    )
    for body, apply in ((EnergyAllocate, apply_allocate), (EnergyCorrect, apply_correct))
}
_PARTY_RULES: Final[Rules] = {
    body: Rule(
        apply,
        gas_us=gas_us,
        senders=ACCOUNT | BODY,
        roles=_PMO,
        domain=_ENERGY,
        device_scope="contract",
        quota=params.QUOTA_ACCOUNT_PER_MINUTE,
    )
    for body, apply, gas_us in (
        (EnergyContract, apply_contract, 2_000),
        (EnergyLeave, apply_leave, 20_000),
    )
}
_MEMBER_RULES: Final[Rules] = {
    body: Rule(
        apply,
        gas_us=gas_us,
        senders=ACCOUNT,
        domain=_ENERGY,
        # A second key that may sign contracts acts for the member; KWHC move by the account's own key alone.
        device_scope="" if body in (EnergyTransfer, EnergyRetire) else "contract",
        quota=params.QUOTA_ACCOUNT_PER_MINUTE,
    )
    for body, apply, gas_us in (
        (EnergyJoin, apply_join, 4_000),
        (EnergyConsent, apply_consent, 20_000),
        (EnergyChallenge, apply_challenge, 3_000),
        (EnergyOrder, apply_order, 1_500),
        (EnergyOrderCancel, apply_order_cancel, 1_500),
        (EnergyTransfer, apply_transfer, 5_000),
        (EnergyRetire, apply_retire, 1_500),
        (EnergyPaid, apply_paid, 1_000),
    )
}
RULES: Final[Rules] = {
    EnergyApprove: Rule(
        apply_approve,
        gas_us=2_000,
        senders=COUNCIL,
        signatures_max=JWS_SIGNERS_MAX,
        expiry=params.ACT_EXPIRY_MAX_S,
        quota=params.QUOTA_COUNCIL_PER_MINUTE,
    ),
    **_BODY_RULES,
    **_DAY_RULES,
    **_PARTY_RULES,
    **_MEMBER_RULES,
}

DUE: Final[DueHandlers] = {DROP_KIND: drop_orders}
