"""Sample data of a fresh town, once: the domain's own loader drives the public API like any client would."""

from importlib import import_module
from importlib.util import find_spec

import click

from app.cli.town import TownHome

LOADER = "app.cli.demo.sample"


def load_sample(base_url: str, town: TownHome) -> None:
    """Load shops, a programme and citizens unless it was done before; a failure is told, not fatal."""
    done = town.root / "sample-data.done"
    if done.exists() or find_spec(LOADER) is None:
        return
    try:
        import_module(LOADER).load_sample_data(base_url, town.keys)
    except (OSError, RuntimeError) as error:
        click.echo(f"sample data could not be loaded: {error}", err=True)
        return
    done.touch()
