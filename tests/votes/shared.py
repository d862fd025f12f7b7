"""Where the supplied elections lie, and the mark that skips what needs them."""

import json
from pathlib import Path
from typing import Any

import pytest

from chain.votes.archive import Step, collect_steps, read_archive
from chain.votes.checks import Flaw
from tests.vectors.runner import shared_folder

BELENIOS = shared_folder() / "vectors" / "belenios"
needs_belenios = pytest.mark.skipif(
    not BELENIOS.is_dir(), reason=f"no Belenios elections in {BELENIOS}"
)


def archive_path(folder: str) -> Path:
    """The archive of a folder such as `single` or `rejected/r07-altered-result`."""
    return next((BELENIOS / folder).glob("*.bel"))


def archive_bytes(folder: str) -> bytes:
    """Its bytes."""
    return archive_path(folder).read_bytes()


def steps_of(data: bytes) -> tuple[Step, ...]:
    """Events of an archive known to be in order."""
    steps = collect_steps(read_archive(data))
    assert not isinstance(steps, Flaw), steps
    return steps


def cases(kind: str) -> list[dict[str, Any]]:
    """The listed good or bad cases, none when the folder is absent."""
    manifest = BELENIOS / "expected.json"
    return json.loads(manifest.read_text())[kind] if manifest.is_file() else []
