"""Receipts and records prove themselves offline, and a changed one proves nothing."""

import copy
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from app.cli.main import main
from app.core.database import connected
from app.core.proofs import build_record_proof
from tests.api.conftest import Town
from tests.town.town_kit import key

ALICE = key("alice")


def receipt_of(town: Town) -> dict[str, Any]:
    answer = town.post_tx("/v1/accounts", town.open_tx(ALICE), ALICE)
    place = answer.headers["Location"]
    shown: dict[str, Any] = town.http.get(place + "?proof=1").json
    return shown


def verify(folder: Path, town: Town, bundle: Any, *options: str) -> tuple[int, dict[str, Any]]:
    (folder / "bundle.json").write_text(json.dumps(bundle))
    checkpoint = town.http.get("/v1/audit/checkpoint").json
    (folder / "checkpoint.json").write_text(json.dumps(checkpoint))
    result = CliRunner().invoke(
        main,
        [
            "proof",
            "verify",
            str(folder / "bundle.json"),
            "--checkpoint",
            str(folder / "checkpoint.json"),
            "--at",
            str(town.lab.now_s),
            "--json",
            *options,
        ],
    )
    return result.exit_code, json.loads(result.output)


def test_a_receipt_is_verified_offline_by_the_command(town: Town, tmp_path: Path) -> None:
    receipt = receipt_of(town)
    for given in (receipt, receipt["proof"]):
        code, verdict = verify(tmp_path, town, given)
        assert (code, verdict["verdict"], verdict["code"]) == (0, "valid", "ok")
        assert verdict["data"] == receipt["data"]
        assert verdict["height"] == receipt["height"]


def test_a_later_checkpoint_proves_an_older_receipt(town: Town, tmp_path: Path) -> None:
    receipt = receipt_of(town)
    town.open_account(key("bob"))
    assert verify(tmp_path, town, receipt)[0] == 0


def test_a_changed_receipt_proves_nothing(town: Town, tmp_path: Path) -> None:
    proof = receipt_of(town)["proof"]
    for path, value in {
        ("result", "code"): 7,
        ("result", "data"): "e30",
        ("transaction", "tx"): "AAAA",
        ("chain_id",): "other-town-1",
    }.items():
        forged = copy.deepcopy(proof)
        target = forged
        for name in path[:-1]:
            target = target[name]
        target[path[-1]] = value
        code, verdict = verify(tmp_path, town, forged)
        assert (code, verdict["verdict"]) == (1, "invalid"), path
        assert verdict["reason"].startswith("proof_")


def test_an_expired_checkpoint_proves_nothing_unless_vouched_for(
    town: Town, tmp_path: Path
) -> None:
    receipt = receipt_of(town)
    late = str(town.lab.now_s + 15 * 86_400)
    code, verdict = verify(tmp_path, town, receipt, "--at", late)
    assert (code, verdict["reason"]) == (1, "proof_checkpoint_expired")
    assert verify(tmp_path, town, receipt, "--at", late, "--any-age")[0] == 0


def test_unreadable_files_are_exit_2(town: Town, tmp_path: Path) -> None:
    (tmp_path / "junk").write_text("{")
    (tmp_path / "deep").write_text("[" * 100_000)
    for bundle in (tmp_path / "junk", tmp_path / "absent", tmp_path / "deep"):
        result = CliRunner().invoke(
            main, ["proof", "verify", str(bundle), "--checkpoint", str(tmp_path / "junk")]
        )
        assert result.exit_code == 2
        assert "unreadable" in result.output


def test_presence_and_absence_of_a_record_are_proved(town: Town, tmp_path: Path) -> None:
    town.open_account(ALICE)
    with town.app.test_request_context(), connected():
        record, bundle = build_record_proof(town.chain, "account", b"account/" + ALICE.kid.encode())
        nothing, absence = build_record_proof(town.chain, "account", b"account/" + b"x" * 43)
    assert record is not None
    assert record["id"] == ALICE.kid
    assert nothing is None
    assert verify(tmp_path, town, bundle)[1]["record"]["id"] == ALICE.kid
    code, verdict = verify(tmp_path, town, absence)
    assert (code, verdict["record"]) == (0, None)


def test_a_bundle_that_does_not_verify_is_never_handed_out(town: Town) -> None:
    receipt = receipt_of(town)

    def lying(method: str, result: dict[str, Any]) -> dict[str, Any]:
        shown = copy.deepcopy(result)
        if method == "block_results":
            shown["txs_results"][0]["data"] = "e30="
        return shown

    town.lab.tamper = lying
    answer = town.http.get(f"/v1/transactions/{receipt['transaction']}?proof=1")
    assert (answer.status_code, answer.json["code"]) == (503, "proof_unverifiable")


def test_without_a_node_the_receipt_is_served_and_the_proof_is_503(town: Town) -> None:
    receipt = receipt_of(town)
    town.lab.is_down = True
    place = f"/v1/transactions/{receipt['transaction']}"
    assert town.http.get(place).json["state"] == "final"
    assert town.http.get(place + "?proof=1").json["code"] == "node_unavailable"
