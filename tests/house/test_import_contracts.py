"""The walls of the house: every import contract holds, and a planted breach of each one is caught."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")

BREACHES = [
    ("chain layers", "chain/codec/planted.py", "import chain.crypto"),
    ("chain layers", "chain/consensus/planted.py", "import chain.town.context"),
    ("chain layers", "chain/town/planted.py", "import chain.store"),
    ("chain layers", "chain/store/planted.py", "import chain.node"),
    (
        "pure packages do no I/O, read no clock, draw no chance",
        "chain/town/planted.py",
        "import time",
    ),
    (
        "pure packages do no I/O, read no clock, draw no chance",
        "chain/light/planted.py",
        "import random",
    ),
    (
        "pure packages do no I/O, read no clock, draw no chance",
        "chain/consensus/planted.py",
        "import asyncio",
    ),
    ("chain knows nothing of the app", "chain/rpc/planted.py", "import flask"),
    ("chain knows nothing of the app", "chain/node/planted.py", "import app.core"),
    ("the app reaches the chain by types,", "app/core/planted.py", "import chain.node"),
    ("the app reaches the chain by types,", "app/core/planted.py", "import chain.town.context"),
    ("flask stays in api, core, relay and the factory", "app/planted/service.py", "import flask"),
    ("peewee stays in models, service and core", "app/planted/api.py", "import peewee"),
]


def lint(tree: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(LINTER), "--no-cache", "--config", str(tree / "pyproject.toml")],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def copy_tree(tmp_path: Path) -> Path:
    for package in ("app", "chain"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_import_contract_is_kept() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout[-3_000:]


def test_every_contract_has_a_planted_breach() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    planted = {name for name, _, _ in BREACHES}
    missing = [
        c["name"] for c in contracts if not any(c["name"].startswith(name) for name in planted)
    ]
    assert missing == []


@pytest.mark.parametrize(("contract", "module", "line"), BREACHES)
def test_a_planted_breach_is_caught(contract: str, module: str, line: str, tmp_path: Path) -> None:
    tree = copy_tree(tmp_path)
    target = tree / module
    if not target.parent.exists():
        target.parent.mkdir(parents=True)
        (target.parent / "__init__.py").write_text("")
    target.write_text(f"{line}\n")
    done = lint(tree)
    assert done.returncode == 1
    broken = " ".join(done.stdout.split("Broken contracts")[-1].split())
    assert contract in broken, done.stdout[-2_000:]
