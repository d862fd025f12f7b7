"""`beffroi energy` on files: from meter files to coefficients and back, and refusals a script can read."""

import json

import pytest
from click.testing import CliRunner

from app.cli.main import main
from tests.town.energy.cases import reference_book

CONSUMER, OTHER, PLANT = "01234567890123", "01234567890124", "11234567890123"


def beffroi(*args: object) -> tuple[int, dict]:
    done = CliRunner().invoke(main, ["energy", *map(str, args), "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout) if done.stdout.startswith("{") else {}


@pytest.fixture
def meters(tmp_path):
    """Two consumers and a plant, 2 h of quarter hours in watts."""
    sources = []
    for side, prm, watts in (("cons", CONSUMER, 400), ("cons", OTHER, 801), ("prod", PLANT, 600)):
        rows = [f"01/06/2026 {h:02}:{m:02};{watts}" for h in (0, 1) for m in (0, 15, 30, 45)]
        path = tmp_path / f"{prm}.csv"
        path.write_text("\n".join(("Horodate;Valeur", *rows)))
        sources.append(f"{side}:{prm}:{path}")
    return sources


def test_meter_files_become_coefficients_and_the_operators_result_is_reconciled(
    meters, tmp_path
) -> None:
    table, result, folder = tmp_path / "t.csv", tmp_path / "r.csv", tmp_path / "coefs"
    code, shown = beffroi("import", *meters, "--label", "start", "--out", table)
    assert (code, shown["steps"], shown["first_utc"]) == (0, 8, "2026-05-31T22:00:00Z")
    assert shown["total_wh"] == {
        f"cons_{CONSUMER}": 800,
        f"cons_{OTHER}": 1_602,
        f"prod_{PLANT}": 1_200,
    }

    code, shown = beffroi("allocate", table, "--out", result)
    assert (code, shown["allocated_wh"], shown["surplus_wh"], shown["scarce_steps"]) == (
        0,
        1_200,
        0,
        8,
    )

    code, shown = beffroi("export", table, "--decimals", 2, "--out", folder)
    assert (code, shown["allocated_wh"], shown["predicted_loss_wh"]) == (0, 1_200, 0)
    lines = (folder / f"{PLANT}.csv").read_text().splitlines()
    assert lines[0] == f"Horodate;{CONSUMER};{OTHER}"
    assert len(lines) == 9

    assert beffroi("reconcile", result, result)[0] == 0
    changed = result.read_text().replace(",50,100,", ",59,91,", 1)
    (tmp_path / "dso.csv").write_text(changed)
    code, shown = beffroi("reconcile", result, tmp_path / "dso.csv", "--per-step-wh", 1)
    assert (code, shown["code"]) == (1, "energy_dso_disagrees")


def test_a_wrong_line_refuses_all_files_and_writes_none(meters, tmp_path) -> None:
    with (tmp_path / f"{OTHER}.csv").open("a") as file:
        file.write("\n01/06/2026 02:15;10")
    out = tmp_path / "t.csv"
    code, shown = beffroi("import", *meters, "--label", "start", "--out", out)
    assert (code, shown["verdict"], shown["code"]) == (1, "refused", "energy_time_gap")
    assert "line 10" in shown["detail"]
    assert not out.exists()


def test_the_same_file_twice_is_refused(meters) -> None:
    code, shown = beffroi(
        "import", meters[0], meters[0].replace("cons", "prod", 1), "--label", "start"
    )
    assert (code, shown["code"]) == (1, "energy_file_repeated")


def test_a_key_from_a_file_is_used_and_a_wrong_one_refused(tmp_path) -> None:
    table, key = tmp_path / "t.csv", tmp_path / "key.json"
    table.write_text("start_utc,cons_a_Wh,cons_b_Wh,prod_p_Wh\n2026-06-01T00:00:00Z,10,10,10\n")
    key.write_text('{"key":"cascade","groups":[["cons_b"],["cons_a"]]}')
    code, shown = beffroi("allocate", table, "--key", key)
    assert (code, shown["consumers"]["cons_b"]["shared_wh"]) == (0, 10)
    key.write_text('{"key":"cascade","groups":[["cons_b"]]}')
    code, shown = beffroi("allocate", table, "--key", key)
    assert (code, shown["code"]) == (1, "energy_key_invalid")


def test_an_export_of_names_that_are_no_prm_needs_a_list_of_points(tmp_path) -> None:
    table, points = tmp_path / "t.csv", tmp_path / "points.csv"
    table.write_text("start_utc,cons_a_Wh,prod_p_Wh\n2026-06-01T00:00:00Z,10,10\n")
    code, shown = beffroi("export", table, "--out", tmp_path / "x")
    assert (code, shown["code"]) == (1, "energy_point_malformed")
    assert not (tmp_path / "x").exists()
    points.write_text(f"column,prm\ncons_a_Wh,{CONSUMER}\nprod_p_Wh,{PLANT}\n")
    code, shown = beffroi("export", table, "--points", points, "--out", tmp_path / "x")
    assert (code, list(shown["files"])) == (0, [f"{PLANT}.csv"])


@pytest.mark.parametrize(("k", "price"), [("0", 14_498), ("1/2", 14_571), ("1", 14_644)])
def test_a_book_is_cleared_at_each_k(k: str, price: int, tmp_path) -> None:
    book, trades = tmp_path / "book.csv", tmp_path / "trades.csv"
    rows = [
        ",".join(
            map(str, (o.order_id, o.side, o.participant, o.price_micro_eur, o.energy_wh, o.seq))
        )
        for o in reference_book(100, 1)
    ]
    book.write_text("\n".join(("order_id,side,participant,price_micro_eur,energy_wh,seq", *rows)))
    code, shown = beffroi("clear", book, "--k", k, "--out", trades)
    assert (code, shown["volume_wh"], shown["price_micro_eur"]) == (0, 37_534, price)
    assert shown["value_nano_eur"] == 37_534 * price
    assert len(trades.read_text().splitlines()) == 52


def test_a_file_that_is_not_there_is_unreadable(tmp_path) -> None:
    code, shown = beffroi("allocate", tmp_path / "none.csv")
    assert (code, shown["verdict"]) == (2, "unreadable")
    assert beffroi("allocate", tmp_path / "none.csv", "--zone", "Mars")[0] == 2


def test_people_get_lines_and_what_to_do_next(tmp_path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("start_utc,cons_a_Wh,prod_p_Wh\n2026-06-01T00:00:00Z,10,7\n")
    done = CliRunner().invoke(main, ["energy", "allocate", str(table)])
    assert "allocated_wh: 7" in done.output
    table.write_text("start_utc,cons_a_kWh\n")
    done = CliRunner().invoke(main, ["energy", "allocate", str(table)])
    assert done.exit_code == 1
    assert "check W, Wh and kWh" in done.output
