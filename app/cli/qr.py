"""`beffroi qr`: read a `BF1:` code on the command line, as a till, a tester or a curious citizen would.

Reads: its arguments and the machine's clock.  Writes: the terminal.  Never: asks the town.
"""

import json
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

import click

from chain.codec import bf1, bf1_offline, bf1_orders
from chain.codec.bf1_any import AnyCode, parse_any
from chain.codec.canonical import b64url_decode
from chain.codec.errors import DecodeError
from chain.crypto import ed25519

ASSETS: Final = {0: "", 1: "POINT", bf1_orders.ASSET_SELU: "SELU"}
EXIT_REFUSED: Final = 1
KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Reading:
    """What a code says, and the verdict: `ok`, or the `qr_*` code a till would be given."""

    verdict: str
    detail: str
    fields: dict[str, Any]


def read_code(
    text: str, *, now_s: int, chain_id: str = "", public_key: bytes | None = None
) -> Reading:
    """Judge a code as far as can be done without the chain: form, time, and with a key the signature."""
    try:
        kind, code, body, signature = parse_any(text)
    except bf1.MalformedCode as error:
        return Reading("qr_malformed", str(error.flaw), {})
    fields = {
        "kind": int(kind),
        "kind_name": kind.name.lower(),
        "alg": bf1.CodeAlg.ED25519.name,
        **_describe(code),
        "signature": signature.hex(),
    }
    if not fields["accepted_from"] <= now_s <= fields["accepted_until"]:
        return Reading("qr_expired", f"accepted until {fields['accepted_until']}", fields)
    if public_key is None:
        return Reading(
            "ok", "form and time; signature not checked without --key and --chain-id", fields
        )
    if not _is_signed(code, body, signature, chain_id=chain_id, public_key=public_key):
        return Reading("qr_bad_signature", "not made by this key for this chain", fields)
    return Reading("ok", "form, time and signature; the rest is the chain's to judge", fields)


def _is_signed(
    code: AnyCode, body: bytes, signature: bytes, *, chain_id: str, public_key: bytes
) -> bool:
    """By the holder's, till's, series' or town's key; of an offline code, both the town's and the device's."""
    if not isinstance(code, bf1_offline.OfflineCode):
        message = bf1.signed_bytes(chain_id, body)
        return ed25519.verify_strict(public_key, message, signature)
    quoted = bf1.signed_bytes(chain_id, bf1_offline.encode_allowance(code.allowance))
    return ed25519.verify_strict(public_key, quoted, code.town_signature) and ed25519.verify_strict(
        code.allowance.device_key, bf1.signed_bytes(chain_id, body), signature
    )


def _describe(code: AnyCode) -> dict[str, Any]:
    """Fields of a code of any kind, with the times between which it is accepted."""
    match code:
        case bf1.PayCode():
            return _describe_pay(code)
        case bf1.Voucher():
            return {
                "voucher_id": code.voucher_id.hex(),
                "series": code.series,
                "value": code.value,
                "shop_ref": code.restriction.hex(),
                "accepted_from": 0,
                "accepted_until": code.expires_s - 1,
            }
        case bf1_orders.Invoice():
            return {
                "shop_ref": code.shop_ref.hex(),
                "invoice_id": code.invoice_id.hex(),
                "amount": code.amount,
                "asset": code.asset,
                "asset_name": ASSETS.get(code.asset & 255, "unknown"),
                "expires": code.expires_s,
                "accepted_from": code.expires_s - bf1_orders.INVOICE_LIFE_MAX_S - bf1.EARLY_S,
                "accepted_until": code.expires_s + bf1.LATE_S,
            }
        case bf1_orders.Proposal():
            return {
                "key_ref": code.key_ref.hex(),
                "offer_ref": code.offer_ref.hex(),
                "asset": bf1_orders.ASSET_SELU,
                "asset_name": ASSETS[bf1_orders.ASSET_SELU],
                "minutes": code.minutes,
                **_describe_life(code.ctr, code.iat, code.ttl_s),
            }
        case bf1_offline.Allowance():
            return _describe_allowance(code) | {
                "accepted_from": code.iat,
                "accepted_until": code.expires_s - 1,
            }
        case bf1_offline.OfflineCode(spend=spend, allowance=allowance):
            return {
                **_describe_life(spend.ctr, spend.iat, spend.ttl_s),
                "asset": spend.asset,
                "asset_name": ASSETS.get(spend.asset, "unknown"),
                "amount": spend.amount,
                "shop_ref": spend.shop_ref.hex(),
                "nonce": spend.nonce.hex(),
                "allowance": _describe_allowance(allowance),
            }


def _describe_pay(code: bf1.PayCode) -> dict[str, Any]:
    return {
        "key_ref": code.key_ref.hex(),
        **_describe_life(code.ctr, code.iat, code.ttl_s),
        "asset": code.asset,
        "asset_name": ASSETS.get(code.asset, "unknown"),
        "max_amount": code.max_amount,
        "shop_ref": code.shop_ref.hex(),
    }


def _describe_life(ctr: int, iat: int, ttl_s: int) -> dict[str, int]:
    return {
        "ctr": ctr,
        "iat": iat,
        "ttl_s": ttl_s,
        "accepted_from": iat - bf1.EARLY_S,
        "accepted_until": iat + ttl_s + bf1.LATE_S,
    }


def _describe_allowance(code: bf1_offline.Allowance) -> dict[str, Any]:
    return {
        "device_key": code.device_key.hex(),
        "key_ref": code.key_ref.hex(),
        "iat": code.iat,
        "expires": code.expires_s,
        "cap_total": code.cap_total,
        "cap_per_tx": code.cap_per_tx,
    }


@click.group()
def qr() -> None:
    """Town codes (`BF1:`)."""


@qr.command()
@click.argument("text")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@click.option("--at", "at_s", type=int, help="Judge at this unix time instead of now.")
@click.option("--chain-id", default="", help="Chain the code must be signed for (with --key).")
@click.option(
    "--key",
    help="Ed25519 public key that signed it (the town's for kinds 3 and 9), base64url or hex.",
)
@click.option("--shop", help="Also say whether the code may be used at this shop.")
def decode(
    text: str, as_json: bool, at_s: int | None, chain_id: str, key: str | None, shop: str | None
) -> None:
    """Show the fields of a code and the verdict; exits 0 when it would be accepted, 1 otherwise."""
    if bool(key) != bool(chain_id):
        raise click.UsageError("--key and --chain-id go together")
    public_key = _read_key(key) if key else None
    now_s = int(time.time()) if at_s is None else at_s
    reading = read_code(text, now_s=now_s, chain_id=chain_id, public_key=public_key)
    if shop and reading.verdict == "ok":
        reading = _judge_shop(reading, shop)
    if as_json:
        shown = {"verdict": reading.verdict, "detail": reading.detail, **reading.fields}
        click.echo(json.dumps(shown, sort_keys=True))
    else:
        for name, value in reading.fields.items():
            click.echo(f"{name:<15} {value}")
        click.echo(f"{'verdict':<15} {reading.verdict} ({reading.detail})")
    sys.exit(0 if reading.verdict == "ok" else EXIT_REFUSED)


def _judge_shop(reading: Reading, shop: str) -> Reading:
    named = bytes.fromhex(reading.fields.get("shop_ref", bf1.ANY_SHOP.hex()))
    if named in (bf1.ANY_SHOP, bf1.shop_ref(shop)):
        return reading
    return Reading("qr_wrong_shop", f"not made for {shop}", reading.fields)


def _read_key(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else b64url_decode(text)
    except (ValueError, DecodeError) as error:
        raise click.BadParameter("not base64url or hex", param_hint="--key") from error
    if len(raw) != KEY_BYTES:
        raise click.BadParameter(f"an Ed25519 key has {KEY_BYTES} bytes", param_hint="--key")
    return raw
