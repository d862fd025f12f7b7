"""`beffroi voucher`: a shop's vouchers on the command line: a key for a series, the series itself, and signed codes.

Keys come from files of their owner alone (mode 0600) and are never made up: signing makes a voucher worth points.
`sign` needs no network, so that a key may stay on a machine without one.
Reads: key files, the public API (`series`).  Writes: the terminal, key files and pictures where told.
"""

import json
import secrets
import time
from pathlib import Path
from typing import Final

import click

from app.cli.demo.client import Town, expect
from app.cli.demo.http import Api
from app.cli.demo.till import Owner
from app.core.keyfiles import KeyFileError, RoleKey, new_role_key, read_key_file, write_key_file
from app.loyalty.pictures import draw
from chain.codec import bf1
from chain.codec.canonical import b64url_encode
from chain.town.loyalty_schemas import LoyaltyVoucherSeries

ROLE: Final = "voucher_series"
OWNER_ROLE: Final = "shop_owner"
COUNT_MAX: Final = 10_000
UINT32_MAX: Final = 2**32 - 1
_NUMBER = click.IntRange(1, UINT32_MAX)
_KEY_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def voucher() -> None:
    """Vouchers of a shop (`BF1:` kind 5)."""


@voucher.command()
@click.argument("file", type=_KEY_FILE)
@click.option("--shop", required=True, help="Slug of the shop that owes the vouchers.")
def key(file: Path, shop: str) -> None:
    """Make a key for one series; FILE must not exist yet."""
    made = new_role_key(ROLE, shop)
    try:
        write_key_file(file, made)
    except (KeyFileError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"public key {made.jwk()['x']} written to {file}; whoever has the file makes points")


@voucher.command()
@click.option("--api", "url", required=True, help="The town's API, https://…")
@click.option("--owner-key", required=True, type=_KEY_FILE, help="Key file of the shop's owner.")
@click.option("--key", "key_file", required=True, type=_KEY_FILE, help="Key file of the series.")
@click.option("--series", required=True, type=_NUMBER)
@click.option("--programme", required=True)
@click.option("--value", required=True, type=click.IntRange(1, 1_000_000), help="Points of each.")
@click.option("--count", required=True, type=click.IntRange(1, 1_000_000), help="At most so many.")
@click.option("--expires", required=True, type=_NUMBER, help="Unix seconds.")
@click.option("--redeem-shop", default="", help="Slug; empty for any shop of the coalition.")
@click.option("--end", is_flag=True, help="End the series instead of opening it.")
def series(
    url: str,
    owner_key: Path,
    key_file: Path,
    series: int,
    programme: str,
    value: int,
    count: int,
    expires: int,
    redeem_shop: str,
    end: bool,
) -> None:
    """Open, enlarge or end a series on the chain, signed by the shop's owner; prints the final answer as JSON."""
    owner, signer = _read(owner_key, OWNER_ROLE), _read(key_file, ROLE)
    if signer.body != owner.body:
        raise click.UsageError(f"{key_file} is of {signer.body}, {owner_key} of {owner.body}")
    body = LoyaltyVoucherSeries(
        series,
        programme,
        signer.jwk()["x"],
        value,
        count,
        expires,
        redeem_shop,
        "ended" if end else "active",
    )
    with Api(url) as api:
        client = Owner(api, Town.read(api), lambda: int(time.time()), owner.signer, shop=owner.body)
        client.login()
        signed = client.sign(body, sender=f"shop:{owner.body}")
        answer = client.send("/v1/loyalty/voucher-series", signed)
    if not answer.is_ok:
        raise click.ClickException(f"{answer.code}: {answer.body.get('title', '')}")
    click.echo(json.dumps(expect("series", answer), sort_keys=True))


@voucher.command()
@click.option("--key", "key_file", required=True, type=_KEY_FILE, help="Key file of the series.")
@click.option("--chain-id", required=True, help="The chain the vouchers are for (GET /v1/status).")
@click.option("--series", required=True, type=_NUMBER)
@click.option("--value", required=True, type=click.IntRange(1, 1_000_000), help="As the series.")
@click.option("--expires", required=True, type=_NUMBER, help="Unix seconds.")
@click.option("--shop", default="", help="Slug of the one shop that takes them; empty for any.")
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, COUNT_MAX))
@click.option(
    "--pictures",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also an SVG of each, level Q for paper, into this folder.",
)
def sign(
    key_file: Path,
    chain_id: str,
    series: int,
    value: int,
    expires: int,
    shop: str,
    count: int,
    pictures: Path | None,
) -> None:
    """Sign vouchers, one code a line, each with a number of its own."""
    signer = _read(key_file, ROLE)
    restriction = bf1.shop_ref(shop) if shop else bf1.ANY_SHOP
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
    for _ in range(count):
        number = secrets.token_bytes(bf1.KEY_REF_BYTES)
        text = sign_voucher(
            signer, bf1.Voucher(number, series, expires, value, restriction), chain_id
        )
        click.echo(text)
        if pictures is not None:
            picture = draw(text, use="print", kind="svg", scale=8)
            (pictures / f"{series}-{b64url_encode(number)}.svg").write_bytes(picture)


def sign_voucher(signer: RoleKey, terms: bf1.Voucher, chain_id: str) -> str:
    """The text of one voucher."""
    body = bf1.encode_voucher(terms)
    return bf1.to_text(body, signer.signer.sign(bf1.signed_bytes(chain_id, body)))


def _read(file: Path, role: str) -> RoleKey:
    """A key file that stands for `role`; raises ClickException for any other."""
    try:
        found = read_key_file(file)
    except (KeyFileError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if found.role != role:
        raise click.ClickException(f"{file} is a key of {found.role}, not of {role}")
    return found
