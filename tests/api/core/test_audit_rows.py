"""`beffroi audit rows`: every projected row made again from proved blocks; a row that SQL holds otherwise is named."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.accounts.models import AccountRow
from app.cli import audit_rows
from app.cli.main import main
from app.core.database import connected, open_database, write
from app.core.projection import ProjectorState
from app.loyalty.models import LotRow
from chain.codec.cmtjson import to_json
from tests.api.conftest import Town, close_database, fresh_postgres
from tests.api.core.test_projector import dump, live_a_little
from tests.journeys.kit import Street
from tests.town.town_kit import key


def audit(
    town: Town, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, back: str = ""
) -> Result:
    """As an auditor runs it, beside the town; the process's database is the town's again afterwards."""
    close_database()
    genesis = tmp_path / "trusted.json"
    genesis.write_text(json.dumps(to_json(town.lab.genesis)))
    monkeypatch.setattr(audit_rows, "ChainClient", lambda _urls: town.lab.client())
    arguments = ["--database", url, "--node", "http://node.test:26657", "--genesis", str(genesis)]
    answer = CliRunner().invoke(main, ["audit", "rows", *arguments, "--json"])
    open_database(back or url)
    return answer


def url_of(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/audited.db"


@pytest.fixture
def town(tmp_path: Path) -> Town:
    town = Town(tmp_path, database_url=url_of(tmp_path))
    live_a_little(town)
    return town


def test_rows_that_the_projector_wrote_agree_and_none_is_touched(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dump()
    answer = audit(town, url_of(tmp_path), tmp_path, monkeypatch)
    shown = json.loads(answer.output)
    assert (answer.exit_code, shown["verdict"], shown["differences"]) == (0, "agrees", [])
    assert shown["rows"] == sum(len(rows) for name, rows in before.items() if name != "projector")
    assert shown["height"] == before["projector"][0][3]
    assert dump() == before


def test_a_sale_on_postgresql_agrees_with_its_rows_made_on_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both databases spell a row alike."""
    if "TEST_POSTGRES_URL" not in os.environ:
        pytest.skip("TEST_POSTGRES_URL is not set")
    url = fresh_postgres()
    street = Street(Town(tmp_path, database_url=url))
    till = street.open_shop("boulangerie")
    phone = street.phone("Ana", cents=5_000, till=till)
    assert till.redeem(phone.make_code(40, shop="boulangerie"), 20).status == 201
    answer = audit(street.town, url, tmp_path, monkeypatch)
    assert (answer.exit_code, json.loads(answer.output)["differences"]) == (0, [])
    with connected(), write():
        LotRow.update(issuer="librairie").execute()
    answer = audit(street.town, url, tmp_path, monkeypatch)
    assert {found["table"] for found in json.loads(answer.output)["differences"]} == {"loyalty_lot"}
    close_database()


def _change(account: str) -> None:
    AccountRow.update(opened_height=AccountRow.opened_height + 1).where(
        AccountRow.id == account
    ).execute()


def _drop(account: str) -> None:
    AccountRow.delete().where(AccountRow.id == account).execute()


def _rename(account: str) -> None:
    AccountRow.update(id="A" * 43).where(AccountRow.id == account).execute()


@pytest.mark.parametrize(
    ("spoil", "kinds"),
    [(_change, ["changed"]), (_drop, ["missing"]), (_rename, ["invented", "missing"])],
)
def test_a_row_that_somebody_altered_in_sql_is_named(
    town: Town,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[str], None],
    kinds: list[str],
) -> None:
    with connected(), write():
        spoil(key("alice").kid)
    answer = audit(town, url_of(tmp_path), tmp_path, monkeypatch)
    assert answer.exit_code == 1
    found = json.loads(answer.output)["differences"]
    assert sorted(difference["kind"] for difference in found) == kinds
    assert {difference["table"] for difference in found} == {"accounts"}
    assert json.dumps([key("alice").kid]) in {difference["row"] for difference in found}


def test_another_header_than_the_chains_at_that_height_differs(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of a fork may be the same; its headers are not."""
    with connected(), write():
        ProjectorState.update(header_hash="00" * 32).execute()
    answer = audit(town, url_of(tmp_path), tmp_path, monkeypatch)
    assert answer.exit_code == 1
    assert [found["table"] for found in json.loads(answer.output)["differences"]] == ["projector"]


def test_rows_of_blocks_that_no_node_proves_are_no_verdict(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(), write():
        ProjectorState.update(height=ProjectorState.height + 5).execute()
    answer = audit(town, url_of(tmp_path), tmp_path, monkeypatch)
    assert answer.exit_code == 2
    assert "ask nodes that are further" in json.loads(answer.output)["reason"]


def test_a_database_that_is_not_there_is_not_made(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "absent.db"
    answer = audit(town, f"sqlite:///{absent}", tmp_path, monkeypatch)
    assert answer.exit_code == 2
    assert "no database" in json.loads(answer.output)["reason"]
    assert not absent.exists()


@pytest.mark.parametrize("url", ["nonsense://x", "town.db", "postgresql://127.0.0.1", ""])
def test_what_names_no_database_is_told_how_to_be_written(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """And is no difference: exit 1 would accuse the town."""
    answer = audit(town, url, tmp_path, monkeypatch, back=url_of(tmp_path))
    assert answer.exit_code == 2
    assert "postgresql://USER@HOST/NAME" in json.loads(answer.output)["reason"]


def test_a_node_that_does_not_answer_is_named(town: Town, tmp_path: Path) -> None:
    close_database()
    genesis = tmp_path / "trusted.json"
    genesis.write_text(json.dumps(to_json(town.lab.genesis)))
    arguments = ["--database", url_of(tmp_path), "--node", "http://127.0.0.1:9"]
    answer = CliRunner().invoke(main, ["audit", "rows", *arguments, "--genesis", str(genesis)])
    open_database(url_of(tmp_path))
    assert answer.exit_code == 2
    assert "no node answers at http://127.0.0.1:9" in answer.output


def test_a_database_of_something_else_is_unreadable(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.db"
    other.touch()
    answer = audit(town, f"sqlite:///{other}", tmp_path, monkeypatch)
    assert answer.exit_code == 2
    assert "no such table" in json.loads(answer.output)["reason"]
