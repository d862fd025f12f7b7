"""`beffroi demo`: plays the scripted day on a town of its own and says whether every step was checked.

Exits 0 only when each step's outcome was checked; 1 names the step that failed; the town is thrown away.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

import click

from app.cli.demo.report import Report, StepFailed
from app.cli.demo.stage import RealTown
from app.cli.demo.story import Story
from app.cli.engine import EMBEDDED, ENGINES
from app.cli.supervisor import ChildFailed
from chain.node.errors import ConfigError

DEFAULT_PICTURE: Final = ".beffroi/demo-qr.png"


@click.command()
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object at the end instead of a story."
)
@click.option(
    "--qr",
    "picture",
    default=DEFAULT_PICTURE,
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the picture on the phone's screen is written.",
)
@click.option(
    "--svg",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the story as a picture.",
)
@click.option(
    "--engine",
    default=EMBEDDED,
    show_default=True,
    type=click.Choice(ENGINES),
    help="What orders the town's blocks; cometbft: four real CometBFT nodes.",
)
@click.option("--keep", is_flag=True, help="Keep the town's folder, to look around in it.")
def demo(as_json: bool, picture: Path, svg: Path | None, engine: str, keep: bool) -> None:
    """Play a day in a town: enrol, earn, pay by a picture, refuse, restart, wait ten hours."""
    folder = Path(tempfile.mkdtemp(prefix="beffroi-demo-"))
    report = Report(as_json=as_json, records=svg is not None)
    is_kept = True
    try:
        failed = _play(folder, report, picture.resolve(), engine)
        is_kept = keep or failed is not None
        more = {"home": str(folder)} if is_kept else {}
        report.finish(failed=failed, qr=str(picture.resolve()), **more)
        if svg is not None:
            report.save_picture(svg)
        if is_kept and not as_json:
            click.echo(f"the town's folder, with its logs: {folder}")
    finally:
        if not is_kept:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if failed is None else 1)


def _play(folder: Path, report: Report, picture: Path, engine: str) -> StepFailed | None:
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
        with RealTown(folder / "town", engine=engine) as town:
            Story(town, report, picture=picture).play()
    except StepFailed as failed:
        return failed
    except (ChildFailed, ConfigError) as error:
        return StepFailed("start", str(error))
    return None
