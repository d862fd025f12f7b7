"""Would it work, and what would it give: previews by the chain's own evaluator and in its order of checks.

They judge what SQL and a node show and promise nothing: the chain alone decides.
Reads: this domain's tables, accounts, a node's records.  Writes: nothing.  Never: shows a balance.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec
from peewee import SqliteDatabase

from app.accounts.models import AccountRow
from app.core.chain_client import ChainClient
from app.core.database import database
from app.core.problems import Problem
from app.loyalty.models import (
    Campaign,
    LotRow,
    PoolMember,
    Programme,
    Reward,
    Series,
    UsedCounter,
    VoucherUse,
)
from app.loyalty.rows import COUNTER_WINDOW
from chain.codec import bf1
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError
from chain.crypto import ed25519
from chain.town import params
from chain.town.loyalty_rules import (
    SECONDS_PER_DAY,
    CampaignState,
    Purchase,
    compute_earned,
    compute_expiry,
    is_campaign_open,
    tier_period,
)
from chain.town.loyalty_schemas import LoyaltyCampaign
from chain.town.schemas import EarnRule, ItemCount, Terms
from chain.types import codes

POINT_ASSET: Final = 1
"""Asset number of points in a QR code (chain.town.loyalty.records)."""
KEY_REF_CHARS: Final = 21
"""Characters of an account id that the 16 bytes of a code's reference fix wholly (21 x 6 = 126 bits)."""


def preview_earn(
    chain: ChainClient, asked: Mapping[str, Any], *, shop: str, now_s: int
) -> dict[str, Any]:
    """What a purchase would earn now, part by part; raises Problem with the chain's codes.

    Judged by the chain's evaluator. `account` in `asked` adds what depends on it: first visit, tier, its share of
    campaigns; without it these count as nothing.
    """
    row = _get_rule(asked["programme"])
    if row.status != "active":
        raise Problem(codes.LOYALTY_PROGRAMME_INACTIVE)
    rule = msgspec.json.decode(row.earn, type=EarnRule)
    account = asked.get("account", "")
    state = _AccountState(chain, asked["programme"], account)
    purchase = Purchase(
        cents=asked["purchase_cents"],
        shop=shop,
        time_s=now_s,
        items=tuple(ItemCount(line["item"], line["count"]) for line in asked.get("items", ())),
        is_first_visit=bool(account) and state.is_first_visit(shop, now_s),
        tier_points=state.tier_points(rule, now_s) if account and rule.tiers else 0,
    )
    earned = compute_earned(rule, purchase, state.campaigns(shop, now_s))
    terms = msgspec.json.decode(row.terms, type=Terms)
    starts_s = now_s + terms.pending_days * SECONDS_PER_DAY
    return {
        "programme": asked["programme"],
        "version": row.version,
        "points": earned.points,
        "base": earned.base,
        "tier": earned.tier,
        "tier_bonus": earned.tier_bonus,
        "campaign": earned.campaign,
        "campaign_bonus": earned.campaign_bonus,
        "pending_until": starts_s if terms.pending_days else 0,
        "expires_at": compute_expiry(starts_s, row.lot_life_days),
    }


class _AccountState:
    """The few figures of state that the evaluator asks for, as a node shows them; wrong ones mislead a preview only."""

    def __init__(self, chain: ChainClient, programme: str, account: str) -> None:
        self._chain = chain
        self._programme = programme
        self._account = account

    def _read(self, *parts: str) -> dict[str, Any]:
        answer = self._chain.query("/record/loyalty", "/".join(parts).encode())
        return dict(msgspec.json.decode(answer.value)) if answer.value else {}

    def is_first_visit(self, shop: str, now_s: int) -> bool:
        """Whether the account earns at this shop for the first time this UTC day."""
        positions = self._read("wallet", self._account).get("positions", ())
        for programme, issuer, *_, day, day_earns in positions:
            if (programme, issuer) == (self._programme, shop):
                return day != now_s // SECONDS_PER_DAY or not day_earns
        return True

    def tier_points(self, rule: EarnRule, now_s: int) -> int:
        """The larger of what was earned in this tier period and in the one before."""
        held, period = self._read("tier", self._programme, self._account), tier_period(rule, now_s)
        ago = period - held.get("period", period)
        if ago == 0:
            return int(max(held.get("points", 0), held.get("before", 0)))
        return int(held.get("points", 0)) if ago == 1 else 0

    def campaigns(self, shop: str, now_s: int) -> list[CampaignState]:
        """Campaigns that apply now, with what they have given."""
        states = []
        for row in Campaign.select().where(Campaign.programme == self._programme):
            terms = msgspec.json.decode(row.terms, type=LoyaltyCampaign)
            if is_campaign_open(terms, shop=shop, time_s=now_s):
                states.append(self._campaign(terms))
        return states

    def _campaign(self, terms: LoyaltyCampaign) -> CampaignState:
        given, mine = self._read("campaign", terms.campaign).get("given", 0), 0
        if terms.account_max_points and self._account:
            mine = self._read("campaign_account", terms.campaign, self._account).get("count", 0)
        return CampaignState(terms, given, mine)


def preview_reward(
    asked: Mapping[str, Any], *, chain_id: str, limits: Mapping[str, int], now_s: int
) -> dict[str, Any]:
    """Whether a code would pay for a reward at a shop now; raises Problem with the code the chain would give."""
    row = Reward.get_or_none(Reward.reward == asked["reward"])
    if row is None or row.shop not in ("", asked["shop"]):
        raise Problem(codes.LOYALTY_UNKNOWN_REWARD)
    if row.status != "active" or not row.starts <= now_s < row.ends:
        raise Problem(codes.LOYALTY_REWARD_EXPIRED)
    if not row.stock:
        raise Problem(codes.LOYALTY_REWARD_GONE)
    shown = preview_redeem(
        programme=row.programme,
        shop=asked["shop"],
        points=row.price_points,
        text=asked["qr"],
        chain_id=chain_id,
        limits=limits,
        now_s=now_s,
    )
    return {**shown, "reward": row.reward}


def preview_voucher(text: str, *, shop: str, chain_id: str, now_s: int) -> dict[str, Any]:
    """What is left of a voucher at a shop, in the chain's order of checks; raises Problem with its codes."""
    try:
        voucher, body, signature = bf1.parse_voucher(text)
    except DecodeError as error:
        raise Problem(codes.QR_MALFORMED, str(error)) from error
    series = Series.get_or_none(Series.series == voucher.series)
    expires_s = min(voucher.expires_s, series.expires) if series else voucher.expires_s
    if expires_s <= now_s:
        raise Problem(codes.QR_EXPIRED)
    if series is None:
        raise Problem(codes.QR_UNKNOWN_KEY)
    if series.status != "active":
        raise Problem(codes.QR_REVOKED, series.status)
    message = bf1.signed_bytes(chain_id, body)
    is_signed = ed25519.verify_strict(b64url_decode(series.key), message, signature)
    if not is_signed or voucher.value != series.value_points:
        raise Problem(codes.QR_BAD_SIGNATURE)
    used = _find_use(voucher)
    left = voucher.value - (used.used if used else 0)
    if not left:
        raise Problem(codes.QR_REPLAYED)
    is_here = voucher.restriction in (bf1.ANY_SHOP, bf1.shop_ref(shop))
    if not is_here or series.redeem_shop not in ("", shop):
        raise Problem(codes.QR_WRONG_SHOP)
    return {
        "series": series.series,
        "programme": series.programme,
        "issuer": series.shop,
        "left": left,
        "valid_until": expires_s,
    }


def _find_use(voucher: bf1.Voucher) -> VoucherUse | None:
    """What was used of a voucher, under the name `chain.town.loyalty.vouchers` gives it."""
    series = f"{voucher.series:010d}".encode()
    for suffix in (b"", series):
        name = b64url_encode(sha256(b"beffroi-voucher\x00" + voucher.voucher_id + suffix).digest())
        used: VoucherUse | None = VoucherUse.get_or_none(VoucherUse.nullifier == name)
        if used is None or used.series == voucher.series:
            return used
    return None


def preview_redeem(
    *,
    programme: str,
    shop: str,
    points: int,
    text: str,
    chain_id: str,
    limits: Mapping[str, int],
    now_s: int,
) -> dict[str, Any]:
    """Whether a code would pay `points` at `shop` now; raises Problem with the code the chain would give.

    `limits` are the town's parameters by name, empty when the node is silent: then the defaults hold.
    """
    _get_rule(programme)
    code, body, signature = _parse(text)
    if code.kind is not bf1.Kind.PAY or code.asset != POINT_ASSET:
        raise Problem(codes.QR_MALFORMED, "not a code to pay with points")
    account = _check_holder(code, body, signature, chain_id=chain_id, now_s=now_s)
    _check_counter(account.kid, code.ctr)
    _check_amount(code, points, limits)
    if code.shop_ref not in (bf1.ANY_SHOP, bf1.shop_ref(shop)):
        raise Problem(codes.QR_WRONG_SHOP)
    if sum_spendable(account.id, programme, now_s) < points:
        raise Problem(codes.LOYALTY_OVERDRAW)
    return {
        "would_pay": True,
        "programme": programme,
        "points": points,
        "valid_until": code.iat + code.ttl_s + bf1.LATE_S,
    }


def resolve_code(text: str, *, chain_id: str, now_s: int) -> dict[str, Any]:
    """Whose account a customer's code names, so that a till can give points; raises Problem."""
    code, body, signature = _parse(text)
    account = _check_holder(code, body, signature, chain_id=chain_id, now_s=now_s)
    return {
        "account": account.id,
        "kind": int(code.kind),
        "valid_until": code.iat + code.ttl_s + bf1.LATE_S,
    }


def _parse(text: str) -> tuple[bf1.PayCode, bytes, bytes]:
    try:
        return bf1.parse_text(text)
    except DecodeError as error:
        raise Problem(codes.QR_MALFORMED, str(error)) from error


def _check_holder(
    code: bf1.PayCode, body: bytes, signature: bytes, *, chain_id: str, now_s: int
) -> AccountRow:
    """Time, account, revocation, signature: in that order, as everywhere a code is judged."""
    if not code.is_in_window(now_s):
        raise Problem(codes.QR_EXPIRED)
    account = _find_account_by_ref(code.key_ref)
    if account is None or account.domain != "loyalty":
        raise Problem(codes.QR_UNKNOWN_KEY)
    if account.status != "open":
        raise Problem(codes.QR_REVOKED, account.status)
    jwk = msgspec.json.decode(account.jwk)
    message = bf1.signed_bytes(chain_id, body)
    is_signed = jwk["crv"] == "Ed25519" and ed25519.verify_strict(
        b64url_decode(jwk["x"]), message, signature
    )
    if not is_signed:
        raise Problem(codes.QR_BAD_SIGNATURE)
    return account


def _check_counter(kid: str, counter: int) -> None:
    used = {row.counter for row in UsedCounter.select().where(UsedCounter.kid == kid)}
    if counter in used or max(used, default=counter) - counter >= COUNTER_WINDOW:
        raise Problem(codes.QR_REPLAYED)


def _check_amount(code: bf1.PayCode, points: int, limits: Mapping[str, int]) -> None:
    limit = code.max_amount
    if code.shop_ref == bf1.ANY_SHOP:
        any_shop = params.QR_ANY_SHOP_MAX_POINTS
        limit = min(limit, limits.get(any_shop.name, any_shop.default))
    if points > limit:
        raise Problem(codes.QR_OVER_MAX, f"at most {limit} points")


def _accounts_between(first: str, last: str) -> list[AccountRow]:
    """Accounts with first <= id < last in byte order, whatever the server's locale sorts by."""
    is_sqlite = isinstance(database.obj, SqliteDatabase)
    ident = AccountRow.id if is_sqlite else AccountRow.id.collate("C")
    return list(AccountRow.select().where((ident >= first) & (ident < last)))


def _find_account_by_ref(key_ref: bytes) -> AccountRow | None:
    start = b64url_encode(key_ref)[:KEY_REF_CHARS]
    for row in _accounts_between(start, start + "\x7f"):
        if b64url_decode(row.id)[: len(key_ref)] == key_ref:
            return row
    return None


def _get_rule(programme: str) -> Programme:
    row = (
        Programme.select()
        .where((Programme.programme == programme) & (Programme.status != "draft"))
        .order_by(Programme.version.desc())
        .first()
    )
    if row is None:
        raise Problem(codes.LOYALTY_UNKNOWN_PROGRAMME)
    return row  # type: ignore[no-any-return]


def sum_spendable(account: str, programme: str, now_s: int) -> int:
    """Live points an account may spend, its household's included; for refusals only, never shown to a shop."""
    return _sum_points(_wallets_of(account), programme, now_s)


def _wallets_of(account: str) -> list[str]:
    """What the account's codes draw on: its own wallet and its household's."""
    rows = PoolMember.select().where((PoolMember.account == account) & (PoolMember.is_member == 1))
    return [account, *(row.pool for row in rows)]


def _sum_points(wallets: list[str], programme: str, now_s: int) -> int:
    return sum(
        lot.left
        for lot in LotRow.select().where(
            LotRow.account.in_(wallets)
            & (LotRow.programme == programme)
            & (LotRow.expires_at > now_s)
        )
    )
