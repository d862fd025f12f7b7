"""Welcome points: for a newcomer, and for whoever brought it, against one blind token per person.

The register signs one token per verified person and programme without seeing it, so nobody is welcomed twice and
nobody can say who was. The account it is for is part of what was signed, unseen too: a token read off the wire is
worth nothing to another account. The chain verifies the signature and keeps the hash of what was spent.
Reads: programmes, accounts.  Writes: tokens, referrers, earns, wallets, totals.  Never: knows a person.
"""

from hashlib import sha256
from typing import Any, Final

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto import blind_rsa
from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.loyalty.giving import check_receiver, count_gift, get_rule_in_force, give
from chain.town.loyalty.records import (
    REFERRERS,
    TOKENS,
    CounterRecord,
    EarnRecord,
    MarkRecord,
    VersionRecord,
    joined_id,
)
from chain.town.loyalty.wallet import Wallet
from chain.town.loyalty_schemas import LoyaltyReferral
from chain.town.schemas import ReferralRule
from chain.types import codes

TOKEN_LABEL: Final = b"beffroi-welcome\x00"
_EXPONENT: Final = 65_537


def token_message(programme: str, account: str, prefix: bytes) -> bytes:
    """The prepared message of RFC 9474 whose blind signature is a welcome token for that account alone."""
    return prefix + TOKEN_LABEL + programme.encode() + b"\x00" + account.encode()


def read_token_key(key_n: str) -> blind_rsa.SignerPublicKey:
    """The key that signs welcome tokens; raises ValueError when it is none."""
    return blind_rsa.SignerPublicKey(int.from_bytes(b64url_decode(key_n), "big"), _EXPONENT)


def apply_referral(ctx: TxContext, body: LoyaltyReferral) -> Outcome:
    """Spend a welcome token: points for the sender, and for the referrer it names."""
    rule = get_rule_in_force(ctx.state, body.programme)
    if isinstance(rule, Refused):
        return rule
    referral = rule.earn.referral
    if referral is None:
        return Refused(codes.LOYALTY_NOTHING_EARNED)
    refused = _check_referrer(ctx, body, referral) or _check_token(ctx, body, referral)
    if refused is not None:
        return refused
    token = _token_id(ctx.sender, body)
    TOKENS.put(ctx.state, token, MarkRecord(ctx.time_s))
    gifts: list[dict[str, Any]] = []
    for account, kind, points in (
        (ctx.sender, "welcome", referral.newcomer_points),
        (body.referrer, "referral", referral.referrer_points),
    ):
        if account and points:
            gift = _give(ctx, rule, referral, account=account, kind=kind, points=points)
            if isinstance(gift, Refused):
                return gift
            gifts.append(gift)
    if body.referrer:
        counter_id = joined_id(body.programme, body.referrer)
        counter = REFERRERS.get(ctx.state, counter_id) or CounterRecord()
        REFERRERS.put(ctx.state, counter_id, CounterRecord(counter.count + 1))
    return Accepted({"programme": body.programme, "shop": referral.issuer, "gifts": gifts})


def _check_referrer(
    ctx: TxContext, body: LoyaltyReferral, referral: ReferralRule
) -> Refused | None:
    if not body.referrer:
        return None
    if body.referrer == ctx.sender:
        return Refused(codes.LOYALTY_SELF_DEALING)
    refused = check_receiver(ctx.state, body.referrer)
    if refused is not None:
        return refused
    counter = REFERRERS.get(ctx.state, joined_id(body.programme, body.referrer))
    if counter is not None and counter.count >= referral.per_referrer_max:
        return Refused(codes.LOYALTY_MEMBER_LIMIT, f"{referral.per_referrer_max} each")
    return None


def _check_token(ctx: TxContext, body: LoyaltyReferral, referral: ReferralRule) -> Refused | None:
    if TOKENS.get(ctx.state, _token_id(ctx.sender, body)) is not None:
        return Refused(codes.LOYALTY_TOKEN_SPENT)
    message = token_message(body.programme, ctx.sender, b64url_decode(body.prefix))
    signature = b64url_decode(body.signature)
    key = read_token_key(referral.key_n)
    is_signed = blind_rsa.verify(key, blind_rsa.RANDOMIZED_PSS, message, signature)
    return None if is_signed else Refused(codes.LOYALTY_TOKEN_INVALID)


def _token_id(account: str, body: LoyaltyReferral) -> bytes:
    """Of the signed message, not of the signature: a token has one name whatever signature stands beside it."""
    message = token_message(body.programme, account, b64url_decode(body.prefix))
    return b64url_encode(sha256(message).digest()).encode()


def _give(
    ctx: TxContext,
    rule: VersionRecord,
    referral: ReferralRule,
    *,
    account: str,
    kind: str,
    points: int,
) -> dict[str, Any] | Refused:
    wallet = Wallet(ctx.state, account, ctx.time_s)
    refused = count_gift(
        ctx.state, wallet, programme=rule.programme, issuer=referral.issuer, points=points
    )
    if refused is not None:
        return refused
    ref = b64url_encode(sha256(ctx.tx_key + kind.encode()).digest())
    record = EarnRecord(
        account=account,
        programme=rule.programme,
        version=rule.version,
        shop=referral.issuer,
        till="",
        purchase_cents=0,
        receipt="",
        points=points,
        lot="",
        earned_s=ctx.time_s,
        previous="",
        kind=kind,
    )
    facts = give(ctx.state, wallet, rule, record, ref)
    wallet.save()
    return {"account": account, "kind": kind, "ref": ref, "points": points, **facts}
