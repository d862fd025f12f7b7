"""Commands of the demo's registrars, trustees and auditors: forked, each with memory and environment of its own."""

import json
import os
from pathlib import Path

import pytest

from app.cli.demo.programs import run_program
from app.cli.town import ROLES, VOTE_BODIES, VOTE_ROLES, TownHome, found_town
from app.cli.trust import CLOCK_VARIABLE
from tests.node.four import free_ports

PATH = {"PATH": os.environ["PATH"]}


@pytest.mark.process
def test_a_command_s_exit_code_and_answer_come_back(tmp_path: Path) -> None:
    ran = run_program(["votes", "verify", str(tmp_path / "none.bel"), "--json"], PATH)
    assert (ran.returncode, json.loads(ran.stdout)["verdict"]) == (2, "unreadable")


@pytest.mark.process
def test_a_command_has_the_environment_it_is_given_and_leaves_ours(tmp_path: Path) -> None:
    trial = PATH | {CLOCK_VARIABLE: str(tmp_path / "offset")}
    asked = ["votes", "fetch", "68cdtCgcBHmHAb", "--node", "http://127.0.0.1:1"]
    asked += ["--trust-height", "1", "--trust-hash", "00" * 32, "--out", str(tmp_path / "x")]
    ran = run_program(asked, trial)
    assert ran.returncode == 2
    assert "is refused" in ran.stderr
    assert CLOCK_VARIABLE not in os.environ


def test_a_sample_town_has_everybody_a_vote_needs(tmp_path: Path) -> None:
    home = TownHome(tmp_path / "town")
    found_town(home, node_port=free_ports(1)[0])
    state = json.loads((home.node / "config" / "genesis.json").read_text())["app_state"]
    held = {(line["role"], line["body"]) for line in state["roles"]}
    bodies = {role: {body for name, body in held if name == role} for role, _ in held}
    assert {line["body"] for line in state["bodies"]} == set(VOTE_BODIES)
    assert len(state["roles"]) == len(ROLES + VOTE_ROLES)
    assert len(bodies["registrar"]) == 4
    assert len(bodies["trustee"]) == 3
    assert not bodies["registrar"] & bodies["trustee"], (
        "nobody issues credentials and opens ballots"
    )
    assert "mairie" not in bodies["registrar"] | bodies["trustee"] | bodies["electoral_commission"]
