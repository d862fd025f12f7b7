"""`beffroi electoral match`: compare an extract of the electoral register with the enrolled, for the commission.

Runs where the master key is; writes what the commission signs: counts, cids, line numbers. Never a name.
"""

import json
import os
import secrets
from pathlib import Path

import click

from app.core.clock import choose_clock
from app.core.config import ConfigError, load_config
from app.core.database import connected, open_database
from app.core.problems import Problem
from app.identity.electoral.extract import ExtractMalformed, read_extract
from app.identity.electoral.matching import compute_root, match_extract
from chain.codec.canonical import b64url_encode

SALT_BYTES = 32


@click.group()
def electoral() -> None:
    """The electoral commission's work on the register's extract."""


@electoral.command()
@click.argument("extract", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="file to write, JSON")
def match(extract: Path, out: Path) -> None:
    """Find the enrolled in EXTRACT (CSV) and write what to sign; keep the file, its salt opens the root."""
    raw, salt = extract.read_bytes(), secrets.token_bytes(SALT_BYTES)
    try:
        config = load_config(os.environ, need_token_keys=False)
        electors = read_extract(raw, now_s=choose_clock(config).now_s())
        open_database(config.database_url)
        with connected():
            found = match_extract(config, electors, root=compute_root(raw, salt))
    except (ConfigError, ExtractMalformed) as error:
        raise click.ClickException(str(error)) from error
    except Problem as problem:
        raise click.ClickException(problem.code.en) from problem
    document = {
        "root": found.root,
        "salt": b64url_encode(salt),
        "stations": [{"station": name, "electors": n} for name, n in found.stations.items()],
        "entries": [{"cid": cid, "station": station} for cid, station in found.entries],
        "undecided": list(found.undecided),
    }
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
    click.echo(
        f"{len(electors)} electors in {len(found.stations)} stations: {len(found.entries)} enrolled found, "
        f"{len(found.undecided)} to decide, {found.unknown} not enrolled"
    )
