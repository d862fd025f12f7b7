"""`beffroi register`: the jobs that keep the register of citizens small, and its keys fresh.

Reads: the environment's configuration (DATABASE_URL, BEFFROI_PERSON_KEYS, BEFFROI_MASTER_KEY_FILE).
Never: prints anything of a person.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

import app.wiring as wiring
from app.core.clock import choose_clock
from app.core.config import ConfigError, load_config
from app.core.database import connected, open_database
from app.core.problems import Problem
from app.energy.erasing import purge_energy
from app.identity.keystore import KeyStoreError
from app.identity.register import Register
from app.identity.retention import describe_rules, purge
from app.identity.rotation import finish_rotation, rotate_index_key


@click.group()
def register() -> None:
    """The register of citizens: retention, erasures, index keys."""
    assert wiring.all_tables(), "the wiring tells the register which tables speak of persons"


@register.command("retention")
def show_retention() -> None:
    """Print what is kept, and how long."""
    for rule in describe_rules():
        click.echo(f"{rule['name']}\t{rule['kept']}\t{rule['what']}")


@register.command("purge")
def run_purge() -> None:
    """End what its time has come for; to be run daily, and after a backup was restored."""
    with _opened() as opened:
        now_s = _read_now_s()
        for name, count in purge(opened, now_s=now_s).items():
            click.echo(f"{name}\t{count}")
        config = load_config(os.environ, need_token_keys=False)
        click.echo(f"energy\t{purge_energy(config, now_s=now_s)}")


@register.command("reapply-erasures")
def reapply_erasures() -> None:
    """After a restore and before the API answers: erase again whom the backup brought back."""
    with _opened() as opened:
        click.echo(f"erased {opened.sweep_erased(now_s=_read_now_s())}")


@register.command("rotate-index-key")
@click.option("--finish", is_flag=True, help="only finish a rotation that was cut off")
def rotate(finish: bool) -> None:
    """Make the duplicate indices again under a new key and destroy the old one."""
    with _opened() as opened:
        done = finish_rotation(opened) if finish else rotate_index_key(opened)
        click.echo(f"indexed {done} files under version {opened.index.current().version}")


def _read_now_s() -> int:
    """The town's time: the rehearsed one where the configuration moves the clock."""
    return choose_clock(load_config(os.environ, need_token_keys=False)).now_s()


@contextmanager
def _opened() -> Iterator[Register]:
    """The register of the environment, connected; what is wrong becomes a line for the operator."""
    try:
        config = load_config(os.environ, need_token_keys=False)
        open_database(config.database_url)
        with connected():
            yield Register(config)
    except (ConfigError, KeyStoreError) as error:
        raise click.ClickException(str(error)) from error
    except Problem as problem:
        raise click.ClickException(problem.code.en) from problem
