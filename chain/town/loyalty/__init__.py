"""Loyalty: points that shops owe, in lots with an issuer and an expiry, spent by a code on a phone.

`records` what is kept · `wallet` lots as pure functions · `books` double entry · `expiry` block end ·
`tills` programmes, shops, tills, revocation · `earning` · `paycode` · `spending` · `reversing`.
The rule evaluator is `chain.town.loyalty_rules`, which clients and auditors import too.
Reads: accounts, roles, parameters.  Writes: namespace loyalty, role keys of shops.  Never: another asset.
"""

from typing import Final

from chain.town import params
from chain.town.due import DueHandlers
from chain.town.loyalty.earning import apply_earn
from chain.town.loyalty.expiry import EXPIRE_KIND, expire_wallet
from chain.town.loyalty.records import NAMESPACE
from chain.town.loyalty.reversing import apply_reverse
from chain.town.loyalty.spending import apply_redeem
from chain.town.loyalty.tills import (
    SWEEP_KIND,
    apply_programme,
    apply_shop,
    apply_till,
    apply_till_revoke,
    continue_sweep,
)
from chain.town.rules import BODY, SHOP, Rule, Rules
from chain.town.schemas import (
    Jwk,
    LoyaltyEarn,
    LoyaltyProgramme,
    LoyaltyRedeem,
    LoyaltyReverse,
    LoyaltyShop,
    LoyaltyTill,
    LoyaltyTillRevoke,
)

_OPERATOR: Final = frozenset({"loyalty_operator"})
_OWNER: Final = frozenset({"shop_owner"})
_TILL: Final = frozenset({"till"})

NAMESPACES: Final = (NAMESPACE,)


def _owner_key(body: LoyaltyShop) -> tuple[Jwk, ...]:
    return (body.owner_key,)


def _till_key(body: LoyaltyTill) -> tuple[Jwk, ...]:
    return (body.key,)


# Gas: worst cases measured on one slow core from bytes to tree update, a wallet of 512 lots or a sweep of 32
# earns out of such wallets included.
RULES: Final[Rules] = {
    LoyaltyProgramme: Rule(
        apply_programme,
        gas_us=700,
        senders=BODY,
        roles=_OPERATOR,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    LoyaltyShop: Rule(
        apply_shop,
        gas_us=900,
        senders=BODY,
        roles=_OPERATOR,
        quota=params.QUOTA_AGENT_PER_MINUTE,
        signatures_max=2,
        new_keys=_owner_key,
    ),
    LoyaltyTill: Rule(
        apply_till,
        gas_us=900,
        senders=SHOP,
        roles=_OWNER,
        quota=params.QUOTA_AGENT_PER_MINUTE,
        signatures_max=2,
        new_keys=_till_key,
    ),
    LoyaltyTillRevoke: Rule(
        apply_till_revoke,
        gas_us=20_000,
        senders=SHOP,
        roles=_OWNER,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    LoyaltyEarn: Rule(
        apply_earn,
        gas_us=1_300,
        senders=SHOP,
        roles=_TILL,
        quota=params.QUOTA_TILL_PER_MINUTE,
    ),
    LoyaltyRedeem: Rule(
        apply_redeem,
        gas_us=3_500,
        senders=SHOP,
        roles=_TILL,
        quota=params.QUOTA_TILL_PER_MINUTE,
    ),
    LoyaltyReverse: Rule(
        apply_reverse,
        gas_us=6_000,
        senders=SHOP,
        roles=_TILL | _OWNER,
        quota=params.QUOTA_TILL_PER_MINUTE,
    ),
}

DUE: Final[DueHandlers] = {EXPIRE_KIND: expire_wallet, SWEEP_KIND: continue_sweep}
