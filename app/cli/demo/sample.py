"""Sample data of a fresh `beffroi up`: a programme, two shops with tills, and three citizens with points.

Everything goes through the public API, signed by keys that are left in the town's key folder so that one can
go on playing with them. Running it again after a failure continues where it stopped.
"""

import os
import time
from pathlib import Path
from typing import TypeVar

import click

from app.cli.demo.association import Association
from app.cli.demo.cast import CITIZENS, PROGRAMME, SHOP_NAMES, Citizen
from app.cli.demo.clerk import Clerk
from app.cli.demo.client import Client, Town, expect
from app.cli.demo.http import Api
from app.cli.demo.phone import Phone
from app.cli.demo.till import Owner, Till
from app.cli.demo.wallet import Wallet, new_words, read_words
from app.core.keyfiles import new_role_key, read_key_file, write_key_file
from app.identity.civil import normalise_name
from chain.crypto.jws import SigningKey

C = TypeVar("C", bound=Client)
SAMPLE_CITIZENS = CITIZENS[:3]
PURCHASE_CENTS = 4_780


def load_sample_data(base_url: str, keys_dir: Path) -> None:
    """Fill a fresh town; raises OSError or RuntimeError when the town does not take it."""
    api = Api(base_url)
    town = Town.read(api)
    association = _client(
        Association, api, town, read_key_file(keys_dir / "operator.json").signer, body="commercants"
    )
    known = expect("programmes", api.get("/v1/loyalty/programmes"))["programmes"]
    if not known:
        expect("programme", association.open_programme(PROGRAMME))
    tills = [_open_shop(association, keys_dir, shop) for shop in SHOP_NAMES]
    clerk = _client(Clerk, api, town, read_key_file(keys_dir / "clerk-1.json").signer)
    for citizen in SAMPLE_CITIZENS:
        _welcome(api, town, keys_dir, clerk=clerk, till=tills[0], citizen=citizen)
    _write_batch(clerk)
    click.echo(
        f"sample data: programme {PROGRAMME}, shops {', '.join(SHOP_NAMES)}, citizens "
        f"{', '.join(c.name for c in SAMPLE_CITIZENS)} (words in {keys_dir}/citizen-*.words)"
    )


def _client(kind: type[C], api: Api, town: Town, key: SigningKey, **more: str) -> C:
    client = kind(api, town, lambda: int(time.time()), key, **more)
    client.login()
    return client


def _open_shop(association: Association, keys_dir: Path, shop: str) -> Till:
    owner_key = _keep_key(keys_dir / f"owner-{shop}.json", "shop_owner", shop)
    till_key = _keep_key(keys_dir / f"till-{shop}.json", "till", shop)
    api, town = association.api, association.town
    shops = [line["shop"] for line in expect("shops", api.get("/v1/loyalty/shops"))["shops"]]
    if shop not in shops:
        expect("shop", association.admit_shop(shop, SHOP_NAMES[shop], owner_key))
    owner = _client(Owner, api, town, owner_key, shop=shop)
    path = f"/v1/loyalty/shops/{shop}/terminals"
    if not expect("terminals", api.get(path, token=owner.token))["terminals"]:
        expect("till", owner.register_till(till_key))
    return _client(Till, api, town, till_key, shop=shop, programme=PROGRAMME)


def _keep_key(path: Path, role: str, shop: str) -> SigningKey:
    if not path.exists():
        write_key_file(path, new_role_key(role, f"shop:{shop}"))
    return read_key_file(path).signer


def _welcome(
    api: Api, town: Town, keys_dir: Path, *, clerk: Clerk, till: Till, citizen: Citizen
) -> None:
    """One citizen: words, enrolment, loyalty account, points of one purchase."""
    wallet = _keep_words(keys_dir / f"citizen-{_slug(citizen)}.words")
    key = wallet.derive_key("loyalty")
    phone = Phone(api, town, lambda: int(time.time()), key, wallet=wallet, name=citizen.name)
    phone.login()
    if api.get("/v1/accounts/me", token=phone.token).is_ok:
        return
    enrolment = clerk.scan_enrolment(phone.start_enrolment())
    number = phone.comparison_number()
    clerk.check_number(enrolment, number)
    clerk.attest(enrolment, citizen.civil(), number)
    expect("account", phone.open_loyalty_account())
    expect("earn", till.earn(phone.account, PURCHASE_CENTS))


def _slug(citizen: Citizen) -> str:
    return normalise_name(citizen.first).lower().replace(" ", "-")


def _keep_words(path: Path) -> Wallet:
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(new_words() + "\n")
    return Wallet(read_words(path.read_text(encoding="utf-8")))


def _write_batch(clerk: Clerk) -> None:
    batch = clerk.read_batch()
    if batch["ready"]:
        expect("batch", clerk.write_batch(batch["attestations"]))
