"""`beffroi council`: acts of the council as files, signed one seat after the other.

Reads: act files, a genesis, seat key files.  Writes: the signed transaction.  Never: sends it anywhere; hand it in
at `POST /v1/city/acts`, or to a node.
"""

import json
import secrets
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from app.core.keyfiles import KeyFileError, RoleKey, read_key_file
from chain.codec.canonical import b64url_encode
from chain.codec.errors import DecodeError
from chain.crypto import jws
from chain.crypto.ed25519 import derive_public
from chain.node.errors import ConfigError
from chain.node.home import Home, load_node_seed, load_signing_seed, read_genesis
from chain.node.testnet import registry_entry
from chain.town.envelope import TX_MAX_BYTES, TX_TYP, build_transaction
from chain.town.genesis import GenesisError, compute_town, decode_genesis_state
from chain.town.schemas import CouncilActs

LIFE_S = 13 * 86_400
"""A council act may wait 14 days for its signatures; one is left for clocks and for the block."""
JOIN_FILE = "join-act.json"


def join_acts(home: Home, *, body: str, power: int, address: str) -> dict[str, Any]:
    """Acts that let a node in and, with a power above 0, make it a validator; raises ConfigError."""
    acts: list[dict[str, Any]] = [
        {"act": "node.set", **registry_entry(body, load_node_seed(home), address)}
    ]
    if power:
        acts.append(_validator_act(home, body, power))
    return checked_acts(acts)


def leave_acts(home: Home, *, body: str, node_id: str) -> dict[str, Any]:
    """Acts by which a validator and its node leave together; raises ConfigError."""
    return checked_acts([_validator_act(home, body, 0), {"act": "node.remove", "node": node_id}])


def _validator_act(home: Home, body: str, power: int) -> dict[str, Any]:
    key = b64url_encode(derive_public(load_signing_seed(home)))
    return {"act": "validator.set", "body": body, "pub_key": key, "power": power}


def checked_acts(acts: list[dict[str, Any]]) -> dict[str, Any]:
    """The body of a council transaction; raises ConfigError when the chain would not read it."""
    body = {"acts": acts}
    try:
        msgspec.convert(body, CouncilActs)
    except msgspec.ValidationError as error:
        raise ConfigError("config_act", str(error)) from error
    return body


@click.group()
def council() -> None:
    """Acts of the council."""


@council.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--genesis",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The chain's first genesis; this or --town is needed for the first signature.",
)
@click.option("--town", default="", help="The town's name, as its status tells it.")
@click.option(
    "--seat",
    "seats",
    multiple=True,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A seat's key file; several may be given.",
)
@click.option("--o", "out", type=click.Path(path_type=Path), help="Write the transaction there.")
def sign(
    file: Path, genesis: Path | None, town: str, seats: tuple[Path, ...], out: Path | None
) -> None:
    """Sign acts (JSON) as a new transaction, or add seats to a transaction that others signed."""
    raw = file.read_bytes().strip()
    try:
        keys = [read_key_file(path) for path in seats]
        signed = _sign(raw, genesis, town, keys)
    except (ConfigError, KeyFileError, DecodeError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if out is None:
        click.echo(signed.decode())
    else:
        out.write_bytes(signed)
        click.echo(f"{out}: hand it to the next seat, or to POST /v1/city/acts")


def _sign(raw: bytes, genesis: Path | None, town: str, keys: list[RoleKey]) -> bytes:
    body = _read_acts(raw)
    if body is None:
        for key in keys:
            raw = jws.add_signature(raw, TX_TYP, key.signer, TX_MAX_BYTES)
        return raw
    town = town or _town_of(genesis)
    exp = int(time.time()) + LIFE_S
    signers = [key.signer for key in keys]
    return build_transaction(town, "council", body, signers, secrets.token_bytes(16), exp)


def _town_of(genesis: Path | None) -> str:
    """The name that a first genesis gives its town; a migrated one carries it in its records."""
    if genesis is None:
        raise ConfigError("config_act", "--genesis or --town is needed for the first signature")
    made = read_genesis(genesis.read_bytes())
    try:
        state = decode_genesis_state(made.app_state_bytes)
    except GenesisError as error:
        raise ConfigError("config_act", "not a first genesis: give --town") from error
    return compute_town(made.doc.chain_id, made.doc.genesis_time, state)


def _read_acts(raw: bytes) -> CouncilActs | None:
    """The acts of an act file; None for a transaction."""
    try:
        tree = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(tree, dict) or "acts" not in tree:
        return None
    try:
        return msgspec.convert(tree, CouncilActs)
    except msgspec.ValidationError as error:
        raise ConfigError("config_act", str(error)) from error
