"""CometBFT's own `abci-cli` runs its scripts against our socket server."""

import asyncio
import os
import re
import subprocess
from pathlib import Path

import pytest

from chain.store.app import LmdbStateStore
from chain.store.kv import MemoryStore
from chain.town.application import TownApplication
from chain.types import codes
from chain.types.timestamp import Timestamp
from tests.abci.calls import kvstore, serving
from tests.cometbft.install import MODULE, TOOLS, VERSION
from tests.waiting import run_within

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("cometbft")]
EX1 = b"""echo hello
info
prepare_proposal "abc=123"
process_proposal "poison=1"
process_proposal "abc=123"
finalize_block "abc=123"
commit
info
query "abc"
finalize_block "def=xyz" "ghi=123"
commit
query "def"
"""
"""The steps of `abci/tests/test_cli/ex1.abci`, with the proposal that this application rejects."""


def run_cli(address: str, script: bytes) -> tuple[int, str]:
    done = subprocess.run(
        [TOOLS / "abci-cli", "--log_level=error", "--verbose", "--address", address, "batch"],
        input=script,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout.decode()


def play(app, tmp_path: Path, script: bytes, **options) -> tuple[int, str, list[Exception]]:
    async def serve() -> tuple[int, str, list[Exception]]:
        async with serving(app, tmp_path, **options) as (server, failures):
            done = await asyncio.to_thread(run_cli, str(server.address), script)
            return (*done, failures)

    return run_within(serve())


def answers(output: str) -> list[str]:
    """What each command printed, blanks dropped."""
    parts = re.split(r"^> .*$", output, flags=re.MULTILINE)[1:]
    return [" ".join(part.replace("-> ", "").split()) for part in parts]


def test_the_first_script_says_what_it_says_of_cometbfts_example(tmp_path):
    code, output, failures = play(kvstore(), tmp_path, EX1, is_strict=False)
    assert (code, failures) == (0, [])
    said = answers(output)
    assert said[0] == "code: OK data: hello data.hex: 0x68656C6C6F"
    assert said[2] == "code: OK log: Succeeded. Tx: abc=123"
    assert [said[3].split()[-1], said[4].split()[-1]] == ["REJECT", "ACCEPT"]
    assert said[6] == "code: OK"
    found = "code: OK log: exists height: 0 key: abc key.hex: 616263 value: 123 value.hex: 313233"
    assert said[8] == found
    assert said[9].count("code: OK") == 3
    assert "value: xyz" in said[11]


def test_the_second_script_runs_to_its_end(tmp_path):
    root = subprocess.run(
        ["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True, timeout=120
    ).stdout.strip()
    script = Path(root) / f"{MODULE}@{VERSION}" / "abci/tests/test_cli/ex2.abci"
    if not script.exists():
        pytest.skip("the module's sources are not in Go's cache")
    app = kvstore()
    code, output, failures = play(app, tmp_path, script.read_bytes(), is_strict=False)
    assert (code, failures) == (0, [])
    said = answers(output)
    assert len(said) == len(script.read_bytes().split(b"\n\n")[0].splitlines())
    assert said[0].startswith("code: 2 ")
    assert app.store.get("kv", b"first") == b"second"


def test_the_town_answers_the_tools_questions_and_refuses_its_blocks(tmp_path):
    app = TownApplication(
        LmdbStateStore(MemoryStore(), shared=False), lambda: Timestamp(1_790_000_000)
    )
    script = b'echo bonjour\ninfo\nquery "abc"\nfinalize_block "abc"\n'
    code, output, failures = play(app, tmp_path, script)
    assert failures == []
    said = answers(output)
    assert said[0].startswith("code: OK data: bonjour")
    assert "beffroi" in said[1]
    assert said[2].startswith(f"code: {codes.QUERY_VERSION_GONE.number}")
    assert code != 0
    assert "abci_order" in output
    assert os.access(TOOLS / "abci-cli", os.X_OK)
