"""`beffroi qr`: read a `BF1:` code on the command line, as a till, a tester or a curious citizen would.

Reads: its arguments and the machine's clock.  Writes: the terminal.  Never: asks the town.
"""

import json
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

import click

from chain.codec import bf1
from chain.codec.canonical import b64url_decode
from chain.codec.errors import DecodeError
from chain.crypto import ed25519

ASSETS: Final = {0: "", 1: "POINT"}
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
        code, body, signature = bf1.parse_text(text)
    except bf1.MalformedCode as error:
        return Reading("qr_malformed", str(error.flaw), {})
    fields = _describe(code, signature)
    if not code.is_in_window(now_s):
        return Reading("qr_expired", f"accepted until {fields['accepted_until']}", fields)
    if public_key is not None:
        message = bf1.signed_bytes(chain_id, body)
        if not ed25519.verify_strict(public_key, message, signature):
            return Reading("qr_bad_signature", "not made by this key for this chain", fields)
        return Reading(
            "ok", "form, time and signature; the counter is the chain's to judge", fields
        )
    return Reading(
        "ok", "form and time; signature not checked without --key and --chain-id", fields
    )


def _describe(code: bf1.PayCode, signature: bytes) -> dict[str, Any]:
    return {
        "kind": int(code.kind),
        "kind_name": code.kind.name.lower(),
        "alg": code.alg.name,
        "key_ref": code.key_ref.hex(),
        "ctr": code.ctr,
        "iat": code.iat,
        "ttl_s": code.ttl_s,
        "accepted_from": code.iat - bf1.EARLY_S,
        "accepted_until": code.iat + code.ttl_s + bf1.LATE_S,
        "asset": code.asset,
        "asset_name": ASSETS.get(code.asset, "unknown"),
        "max_amount": code.max_amount,
        "shop_ref": code.shop_ref.hex(),
        "signature": signature.hex(),
    }


@click.group()
def qr() -> None:
    """Town codes (`BF1:`)."""


@qr.command()
@click.argument("text")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@click.option("--at", "at_s", type=int, help="Judge at this unix time instead of now.")
@click.option("--chain-id", default="", help="Chain the code must be signed for (with --key).")
@click.option("--key", help="Ed25519 public key of the account, base64url or hex.")
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
    named = bytes.fromhex(reading.fields["shop_ref"])
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
