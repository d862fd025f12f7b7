"""Loyalty: points that shops owe, in lots with an issuer and an expiry, spent by a code on a phone.

`records` what is kept · `wallet` a wallet in the hand · `books` double entry · `programmes` `catalogue` what is
offered · `tills` `owners` `sweeping` shops and tills · `giving` `earning` `referring` points come · `paycode`
`spending` `invoicing` `holding` `vouchers` points go · `returning` `reversing` points come back · `sharing` transfers
and households · `expiry` block end · `offline` what was signed without a network.
The rule evaluator is `chain.town.loyalty_rules`, which clients and auditors import too.
Reads: accounts, roles, parameters.  Writes: namespace loyalty, role keys of shops.  Never: another asset.
"""

from typing import Final, get_args

from chain.town import params
from chain.town.due import DueHandlers
from chain.town.loyalty.catalogue import (
    apply_campaign,
    apply_reward,
    apply_reward_take,
    apply_staff,
)
from chain.town.loyalty.earning import apply_earn, apply_event
from chain.town.loyalty.expiry import expire_wallet
from chain.town.loyalty.giving import ACTIVATE_KIND, activate_due, apply_activate
from chain.town.loyalty.holding import (
    HOLD_KIND,
    apply_capture,
    apply_hold,
    apply_release,
    end_hold,
)
from chain.town.loyalty.invoicing import INVOICE_KIND, apply_invoice_pay, forget_invoice
from chain.town.loyalty.offline.allowances import (
    ALLOWANCE_KIND,
    apply_allowance,
    apply_offline_key,
    close_allowance,
)
from chain.town.loyalty.offline.claims import apply_offline_claim
from chain.town.loyalty.offline.frauds import apply_equivocation
from chain.town.loyalty.offline.late import apply_earn_batch
from chain.town.loyalty.owners import OWNER_KIND, apply_owner_key, replace_owner
from chain.town.loyalty.programmes import apply_programme
from chain.town.loyalty.records import NAMESPACE
from chain.town.loyalty.referring import apply_referral
from chain.town.loyalty.reversing import apply_reverse
from chain.town.loyalty.sharing import (
    apply_pool_invite,
    apply_pool_join,
    apply_pool_leave,
    apply_pool_open,
    apply_pool_withdraw,
    apply_transfer,
)
from chain.town.loyalty.spending import apply_redeem
from chain.town.loyalty.sweeping import SWEEP_KIND, apply_till_revoke, continue_sweep
from chain.town.loyalty.tills import apply_shop, apply_till
from chain.town.loyalty.vouchers import apply_voucher_redeem, apply_voucher_series
from chain.town.loyalty.wallet import EXPIRE_KIND
from chain.town.loyalty_offline_schemas import (
    LoyaltyAllowance,
    LoyaltyEarnBatch,
    LoyaltyEquivocation,
    LoyaltyOfflineClaim,
    LoyaltyOfflineKey,
)
from chain.town.loyalty_schemas import (
    LoyaltyActivate,
    LoyaltyCampaign,
    LoyaltyCapture,
    LoyaltyEvent,
    LoyaltyHold,
    LoyaltyInvoicePay,
    LoyaltyPoolInvite,
    LoyaltyPoolJoin,
    LoyaltyPoolLeave,
    LoyaltyPoolOpen,
    LoyaltyPoolWithdraw,
    LoyaltyReferral,
    LoyaltyRelease,
    LoyaltyReward,
    LoyaltyRewardTake,
    LoyaltyStaff,
    LoyaltyTransfer,
    LoyaltyVoucherRedeem,
    LoyaltyVoucherSeries,
)
from chain.town.rules import ACCOUNT, BODY, SHOP, Rule, Rules
from chain.town.schemas import (
    Jwk,
    LoyaltyEarn,
    LoyaltyOwnerKey,
    LoyaltyProgramme,
    LoyaltyRedeem,
    LoyaltyReverse,
    LoyaltyShop,
    LoyaltyTill,
    LoyaltyTillRevoke,
    Role,
)

_OPERATOR: Final = frozenset({"loyalty_operator"})
_OWNER: Final = frozenset({"shop_owner"})
_TILL: Final = frozenset({"till"})

NAMESPACES: Final = (NAMESPACE,)


def _owner_key(body: LoyaltyShop) -> tuple[Jwk, ...]:
    return (body.owner_key,)


def _next_owner_key(body: LoyaltyOwnerKey) -> tuple[Jwk, ...]:
    return (body.new_key,)


def _till_key(body: LoyaltyTill) -> tuple[Jwk, ...]:
    return (body.key,)


# Gas: worst cases measured on one slow core from bytes to tree update: 128 lots, each gone or come back, a head of 128
# positions, 32 swept earns.
_OPERATOR_RULES: Final[Rules] = {
    LoyaltyProgramme: Rule(
        apply_programme,
        gas_us=1_500,
        senders=BODY,
        roles=_OPERATOR,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    LoyaltyOwnerKey: Rule(
        apply_owner_key,
        gas_us=1_200,
        senders=SHOP | BODY,
        roles=_OWNER | _OPERATOR,
        quota=params.QUOTA_AGENT_PER_MINUTE,
        signatures_max=2,
        new_keys=_next_owner_key,
    ),
    LoyaltyOfflineKey: Rule(
        apply_offline_key,
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
}
_OFFER_RULES: Final[Rules] = {
    body: Rule(
        apply,
        gas_us=900,
        senders=BODY | SHOP,
        roles=_OPERATOR | _OWNER,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    )
    for body, apply in ((LoyaltyCampaign, apply_campaign), (LoyaltyReward, apply_reward))
}
_OWNER_RULES: Final[Rules] = {
    LoyaltyTill: Rule(
        apply_till,
        gas_us=900,
        senders=SHOP,
        roles=_OWNER,
        quota=params.QUOTA_AGENT_PER_MINUTE,
        signatures_max=2,
        new_keys=_till_key,
    ),
    **{
        body: Rule(
            apply,
            gas_us=gas_us,
            senders=SHOP,
            roles=_OWNER,
            quota=params.QUOTA_AGENT_PER_MINUTE,
        )
        for body, apply, gas_us in (
            (LoyaltyTillRevoke, apply_till_revoke, 20_000),
            (LoyaltyVoucherSeries, apply_voucher_series, 700),
            (LoyaltyStaff, apply_staff, 700),
            (LoyaltyActivate, apply_activate, 1_500),
        )
    },
}
_TILL_RULES: Final[Rules] = {
    body: Rule(
        apply,
        gas_us=gas_us,
        senders=SHOP,
        roles=roles,
        quota=params.QUOTA_TILL_PER_MINUTE,
    )
    for body, apply, gas_us, roles in (
        (LoyaltyEarn, apply_earn, 1_500, _TILL),
        (LoyaltyEvent, apply_event, 1_500, _TILL),
        (LoyaltyRedeem, apply_redeem, 6_500, _TILL),
        (LoyaltyRewardTake, apply_reward_take, 6_500, _TILL),
        (LoyaltyHold, apply_hold, 6_500, _TILL),
        (LoyaltyVoucherRedeem, apply_voucher_redeem, 1_300, _TILL),
        (LoyaltyEarnBatch, apply_earn_batch, 25_000, _TILL | _OWNER),
        (LoyaltyOfflineClaim, apply_offline_claim, 15_000, _TILL | _OWNER),
        (LoyaltyReverse, apply_reverse, 7_500, _TILL | _OWNER),
        (LoyaltyCapture, apply_capture, 7_500, _TILL | _OWNER),
        (LoyaltyRelease, apply_release, 7_500, _TILL | _OWNER),
    )
}
_CITIZEN_RULES: Final[Rules] = {
    body: Rule(
        apply,
        gas_us=gas_us,
        senders=ACCOUNT,
        domain="loyalty",
        # A second key that may pay gives points away and pays invoices; pools are the account's own affair.
        device_scope="pay" if body in (LoyaltyTransfer, LoyaltyInvoicePay) else "",
        quota=params.QUOTA_ACCOUNT_PER_MINUTE,
    )
    for body, apply, gas_us in (
        (LoyaltyTransfer, apply_transfer, 9_000),
        (LoyaltyInvoicePay, apply_invoice_pay, 6_500),
        (LoyaltyPoolWithdraw, apply_pool_withdraw, 9_000),
        (LoyaltyPoolOpen, apply_pool_open, 900),
        (LoyaltyPoolInvite, apply_pool_invite, 900),
        (LoyaltyPoolJoin, apply_pool_join, 900),
        (LoyaltyPoolLeave, apply_pool_leave, 900),
        (LoyaltyReferral, apply_referral, 3_000),
    )
}
_OFFLINE_RULES: Final[Rules] = {
    LoyaltyAllowance: Rule(
        apply_allowance,
        gas_us=6_500,
        senders=ACCOUNT,
        domain="loyalty",
        quota=params.QUOTA_ACCOUNT_PER_MINUTE,
    ),
    # Whoever the town knows may hand in a proof: it stands by itself.
    LoyaltyEquivocation: Rule(
        apply_equivocation,
        gas_us=12_000,
        senders=ACCOUNT | BODY | SHOP,
        roles=frozenset(get_args(Role)),
        quota=params.QUOTA_ACCOUNT_PER_MINUTE,
    ),
}
RULES: Final[Rules] = {
    **_OPERATOR_RULES,
    **_OFFER_RULES,
    **_OWNER_RULES,
    **_TILL_RULES,
    **_CITIZEN_RULES,
    **_OFFLINE_RULES,
}

DUE: Final[DueHandlers] = {
    EXPIRE_KIND: expire_wallet,
    SWEEP_KIND: continue_sweep,
    ACTIVATE_KIND: activate_due,
    HOLD_KIND: end_hold,
    ALLOWANCE_KIND: close_allowance,
    INVOICE_KIND: forget_invoice,
    OWNER_KIND: replace_owner,
}
