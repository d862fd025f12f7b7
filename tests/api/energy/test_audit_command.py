"""`beffroi audit energy`: days and statements worked out again from files, against blocks proved from the genesis."""

import copy
import io
import json

import pytest
from click.testing import CliRunner
from rich.console import Console

from app.cli import audit_energy, energy_terminal
from app.cli.demo.client import expect
from app.cli.main import main
from app.core.keyfiles import new_role_key, write_key_file
from app.core.replay import ReplayedBlock, replay_chain
from app.energy.days import open_sealed_day
from chain.codec.cmtjson import to_json
from tests.api.conftest import close_database
from tests.api.energy.kit import OP, Neighbourhood
from tests.town.town_kit import key


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    """Two days and a stated month, with the files a member and a witness hold of it."""
    made = Neighbourhood(tmp_path_factory.mktemp("audited"), past_month=True)
    first, last = made.month_days(2)
    for day in (first, last):
        made.publish(day)
    made.reconcile(first, last)
    made.wait_for_challenges()
    expect("statement", made.manager.state_month(OP, first[:7])[0])
    home = made.homes[0]
    sealed = expect(
        "sealed",
        made.witness.api.get(
            f"/v1/energy/operations/{OP}/days/{first}/sealed", token=made.witness.token
        ),
    )
    made.files = {
        "own": home.get(f"/days/me?operation={OP}&day={last}"),
        "day": open_sealed_day(sealed["sealed"], made.witness.seed),
        "statement": home.get(f"/statements/me?operation={OP}&month={first[:7]}"),
    }
    made.published = audit_energy.collect(
        replay_chain(made.town.lab.client(), made.town.lab.genesis)
    )
    yield made
    close_database()


def run(month, tmp_path, monkeypatch, files, *options):
    genesis = tmp_path / "genesis.json"
    genesis.write_text(json.dumps(to_json(month.town.lab.genesis)))
    arguments = ["audit", "energy", "--node", "http://node.test:26657", "--genesis", str(genesis)]
    for kind, content in files.items():
        path = tmp_path / f"{kind}.json"
        path.write_text(json.dumps(content))
        arguments += [f"--{kind}", str(path)]
    monkeypatch.setattr(audit_energy, "ChainClient", lambda _urls: month.town.lab.client())
    return CliRunner().invoke(main, [*arguments, *options])


def test_a_member_s_and_a_witness_s_files_agree_with_the_chain(
    month, tmp_path, monkeypatch
) -> None:
    answer = run(month, tmp_path, monkeypatch, month.files, "--json")
    assert answer.exit_code == 0, answer.output
    shown = json.loads(answer.output)
    assert shown["verdict"] == "agrees"
    own, statement, day = shown["checked"]
    assert own["rows"] == 2 * 96
    assert own["by_hand"] > 0
    assert own["received_wh"] > 0
    assert day["columns"] == 8
    assert day["witnesses"] == 1
    assert statement["pays_cents"] > 0
    assert len(shown["days"]) == 2
    plain = run(month, tmp_path, monkeypatch, {})
    assert plain.exit_code == 0
    assert plain.output.endswith("agrees: 0 files checked\n")


def forge(path, value):
    """A change at a path of keys into a copied file."""

    def change(file):
        place = file
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value(place[path[-1]]) if callable(value) else value

    return change


def more(text: str) -> str:
    return text.replace('"shared_wh":', '"shared_wh":1', 1)


@pytest.mark.parametrize(
    ("kind", "change", "code"),
    [
        ("own", forge(("steps", 50, "allocation", 0, "row"), more), "audit_row_differs"),
        ("own", forge(("steps", 50, "readings", 0, "salt"), "A" * 43), "audit_row_differs"),
        ("own", forge(("version",), 2), "audit_version_unpublished"),
        (
            "day",
            forge(("day", "columns", 0, "energy_wh", 50), lambda wh: wh + 1),
            "audit_readings_differ",
        ),
        (
            "day",
            forge(("day", "columns", 6, "energy_wh", 52), lambda wh: wh + 500),
            "audit_allocation_differs",
        ),
        ("day", forge(("day", "columns", 0, "key"), "A" * 43), "audit_allocation_differs"),
        (
            "day",
            forge(("convention", "key"), {"key": "static", "shares_ppm": {}}),
            "audit_key_differs",
        ),
        ("day", forge(("day", "columns"), []), "audit_law_broken"),
        ("day", forge(("day", "columns"), None), "audit_file_malformed"),
        (
            "statement",
            forge(("canonical",), lambda text: text.replace('"pays_cents":', '"pays_cents":1')),
            "audit_statement_differs",
        ),
        ("statement", forge(("proof", "aunts"), []), "audit_statement_differs"),
        (
            "statement",
            forge(("canonical",), lambda text: text.replace('"issue":1', '"issue":7')),
            "audit_issue_unpublished",
        ),
    ],
)
def test_a_forged_file_is_named(month, kind, change, code) -> None:
    file = copy.deepcopy(month.files[kind])
    change(file)
    kinds = {"own": "own", "day": "days", "statement": "statements"}
    _, findings = audit_energy.judge(month.published, **{kinds[kind]: [file]})
    assert code in [finding.code for finding in findings]


def test_the_manager_opens_a_sealed_day_with_his_key_and_nobody_else_does(
    month, tmp_path, monkeypatch
) -> None:
    day = month.month_days(2)[0]
    path = f"/v1/energy/operations/{OP}/days/{day}/sealed"
    month.manager.login()
    files = {"sealed": expect("sealed", month.manager.api.get(path, token=month.manager.token))}
    for name, code in (("pmo@coop", 0), ("pmo@commerces", 2)):
        role_key = tmp_path / f"{name}.json"
        write_key_file(role_key, new_role_key("pmo", "coop", seed=key(name)._secret))
        answer = run(month, tmp_path, monkeypatch, files, "--key", str(role_key))
        assert answer.exit_code == code, answer.output
    assert run(month, tmp_path, monkeypatch, files).exit_code == 2


def test_a_file_that_cannot_be_read_is_told_with_exit_2(month, tmp_path, monkeypatch) -> None:
    answer = run(month, tmp_path, monkeypatch, {"own": [1]})
    assert answer.exit_code == 2
    assert "not a JSON object" in answer.output


def test_the_bar_moves_with_each_proved_block(monkeypatch) -> None:
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=80)
    monkeypatch.setattr(energy_terminal, "Console", lambda **_: terminal)
    blocks = (ReplayedBlock(height, 0, (), ()) for height in (1, 2, 3))
    audit_energy.collect(blocks, is_json=False, total=4)
    assert "3/4" in shown.getvalue()
