"""Payments without a network as routes show them: what a till must fetch before, certificates, claims.

The key of a programme is derived from this server's own secret, so nothing new has to be kept; the operator names its
public part on the chain (`loyalty.offline_key`), and a server that does not hold it shows no certificate.
Reads: this domain's tables, the configuration.  Writes: nothing.  Never: signs what is not locked on the chain.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from app.core.codes import NOT_FOUND
from app.core.config import Config
from app.core.problems import Problem
from app.loyalty.models import AllowanceRow, ClaimRow, OfflineKey, Programme
from chain.codec import bf1
from chain.codec.bf1_offline import Allowance, encode_allowance
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto.jws import SigningKey

_LABEL: Final = b"loyalty-allowances\x00"
CLAIMS_MAX: Final = 200
"""Newest claims shown to a shop; older ones are in its list of operations as paid."""


def derive_issuer(config: Config, programme: str) -> SigningKey:
    """This server's key for a programme's allowances."""
    return SigningKey("EdDSA", config.derive_key(_LABEL + programme.encode()))


def describe_terms(config: Config, programme: str, limits: Mapping[str, int]) -> dict[str, Any]:
    """What a till pins, and what the operator would name; raises Problem for an unknown programme."""
    if Programme.get_or_none(Programme.programme == programme) is None:
        raise Problem(NOT_FOUND)
    row = OfflineKey.get_or_none(OfflineKey.programme == programme)
    points = limits.get("loyalty_offline_points", 0)
    return {
        "programme": programme,
        "is_on": bool(row and points),
        "key": row.key if row else "",
        "server_key": b64url_encode(derive_issuer(config, programme).public_key.raw),
        "points": points,
        **{
            name: limits.get(f"loyalty_offline_{name}", 0)
            for name in ("per_tx_points", "per_shop_points", "life_s", "claim_s", "earn_s")
        },
    }


def list_allowances(config: Config, chain_id: str, account: str) -> list[dict[str, Any]]:
    """The own allowances, newest first, open ones with the certificate the phone keeps."""
    rows = AllowanceRow.select().where(AllowanceRow.account == account)
    return [
        _describe(config, chain_id, row) for row in rows.order_by(AllowanceRow.issued_at.desc())
    ]


def _describe(config: Config, chain_id: str, row: AllowanceRow) -> dict[str, Any]:
    names = ("allowance", "programme", "points", "per_tx_points", "shop_points", "issued_at")
    more = ("expires_at", "closes_at", "status", "claimed", "paid", "fraud")
    certificate = _certify(config, chain_id, row) if row.status == "open" else ""
    return {
        **{name: getattr(row, name) for name in (*names, *more)},
        "certificate": certificate,
    }


def _certify(config: Config, chain_id: str, row: AllowanceRow) -> str:
    """Kind 9, the same text each time; empty when another server holds the key it was locked under."""
    issuer = derive_issuer(config, row.programme)
    if b64url_encode(issuer.public_key.raw) != row.issuer_key:
        return ""
    body = encode_allowance(
        Allowance(
            device_key=b64url_decode(row.device_key),
            key_ref=b64url_decode(row.account)[: bf1.KEY_REF_BYTES],
            iat=row.issued_at,
            expires_s=row.expires_at,
            cap_total=row.points,
            cap_per_tx=row.per_tx_points,
        )
    )
    return bf1.to_text(body, issuer.sign(bf1.signed_bytes(chain_id, body)))


def list_claims(bodies: Iterable[str]) -> list[ClaimRow]:
    """Claims of one's shops, newest first; whose payments they are is not in them."""
    shops = [body.removeprefix("shop:") for body in bodies if body.startswith("shop:")]
    rows = ClaimRow.select().where(ClaimRow.shop.in_(shops))
    newest = rows.order_by(ClaimRow.claimed_at.desc(), ClaimRow.payment)
    return list(newest.limit(CLAIMS_MAX))
