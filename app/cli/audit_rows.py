"""`beffroi audit rows`: the town's SQL rows made again from the chain's blocks, and compared."""

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

import click

from app.cli.energy_terminal import progress
from app.core.chain_client import ChainClient, RpcError
from app.core.database import connected, database, migrate, open_database
from app.core.projection import get_projector_state
from app.core.projector import GenesisUnusable, Projector, read_genesis
from app.core.refusals import NodeUnavailable
from app.core.rowcheck import Copy, Difference, Unreadable, copy_rows, find_differences
from app.core.verifier import NodeLied
from app.wiring import build_projections
from chain.types.params import GenesisDoc

EXIT_DIFFERS: Final = 1
EXIT_UNREADABLE: Final = 2
SHOWN_MAX: Final = 20
"""Lines of text; `--json` shows all."""


@click.command()
@click.option(
    "--database",
    "url",
    envvar="DATABASE_URL",
    required=True,
    help="sqlite:///… or postgresql://…; only read. A password belongs into DATABASE_URL.",
)
@click.option(
    "--node", "nodes", multiple=True, required=True, help="RPC address; repeat for witnesses."
)
@click.option(
    "--genesis", required=True, type=click.Path(path_type=Path), help="Trusted genesis file."
)
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
def rows(url: str, nodes: tuple[str, ...], genesis: Path, is_json: bool) -> None:
    """Make every projected SQL row again from block bodies and compare it with the town's.

    Needs a node that keeps all blocks. Exit 0: all agree. 1: a row differs, with its table and key.
    2: no such database, no genesis, no node that answers, or a node that lies.
    """
    try:
        found = _read_town(url)
        recomputed = _recompute(ChainClient(nodes), read_genesis(genesis), found, is_json)
    except NodeUnavailable:
        _fail(f"no node answers at {', '.join(nodes)}: look whether one runs there", is_json)
    except (Unreadable, GenesisUnusable, NodeLied, RpcError) as error:
        _fail(str(error) or type(error).__name__, is_json)
    differences = find_differences(found, recomputed)
    _say(recomputed, differences, is_json)
    sys.exit(EXIT_DIFFERS if differences else 0)


def _fail(reason: str, is_json: bool) -> NoReturn:
    verdict = {"verdict": "unreadable", "reason": reason}
    click.echo(json.dumps(verdict, ensure_ascii=False) if is_json else f"unreadable: {reason}")
    sys.exit(EXIT_UNREADABLE)


def _read_town(url: str) -> Copy:
    _check_url(url)
    open_database(url)
    try:
        found = copy_rows(build_projections().tables)
    finally:
        _close()
    if found is None:
        raise Unreadable("the database follows no chain yet: start the projector first")
    return found


def _check_url(url: str) -> None:
    """Raise Unreadable for what names no database; an absent file must not be made."""
    path = url.removeprefix("sqlite:///")
    if path != url:
        if not Path(path).is_file():
            raise Unreadable(f"there is no database at {path}")
        return
    server = urlsplit(url)
    if server.scheme not in ("postgres", "postgresql") or not server.path.strip("/"):
        raise Unreadable(
            "--database is neither sqlite:///FILE nor postgresql://USER@HOST/NAME; write it so"
        )


def _recompute(chain: ChainClient, genesis: GenesisDoc, found: Copy, is_json: bool) -> Copy:
    """The rows of the height at which the town's were read, made in a database that is thrown away."""
    if genesis.chain_id != found.chain_id:
        raise Unreadable(f"SQL follows {found.chain_id}, the genesis is of {genesis.chain_id}")
    projections = build_projections()
    with tempfile.TemporaryDirectory(prefix="beffroi-audit-") as folder:
        open_database(f"sqlite:///{folder}/rows.db")
        try:
            migrate()
            _follow(Projector(chain, genesis, projections), found.height, is_json)
            made = copy_rows(projections.tables)
        finally:
            _close()
    assert made is not None, "it has just been projected"
    return made


def _follow(projector: Projector, height: int, is_json: bool) -> None:
    with connected(), progress(is_json) as track:
        projector.prepare()
        state = get_projector_state()
        assert state is not None, "prepare writes it"
        for reached in track(range(state.height + 1, height + 1), "blocks"):
            if not projector.step():
                raise Unreadable(
                    f"SQL is at height {height}, the nodes prove no block {reached}: ask nodes that are further"
                )


def _close() -> None:
    if not database.is_closed():
        database.close()
    database.close_all()


def _say(made: Copy, differences: list[Difference], is_json: bool) -> None:
    verdict = "differs" if differences else "agrees"
    count = sum(len(table) for table in made.tables.values())
    if is_json:
        shown = {
            "verdict": verdict,
            "height": made.height,
            "tables": len(made.tables),
            "rows": count,
            "differences": [asdict(found) for found in differences],
        }
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    for found in differences[:SHOWN_MAX]:
        click.echo(f"{found.table} {found.row}: {found.kind}")
    if len(differences) > SHOWN_MAX:
        click.echo(f"… and {len(differences) - SHOWN_MAX} more; --json shows all")
    click.echo(f"{verdict}: {count} rows of {len(made.tables)} tables at height {made.height}")
