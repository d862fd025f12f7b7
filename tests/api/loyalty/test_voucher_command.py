"""`beffroi voucher`: codes signed on the command line are honoured by the chain, and keys come from files alone."""

import json

import pytest
from click.testing import CliRunner

from app.cli import voucher as command
from app.cli.demo.client import expect
from app.cli.main import main
from app.core.keyfiles import new_role_key, read_key_file, write_key_file
from chain.codec import bf1
from chain.town.loyalty_schemas import LoyaltyVoucherRedeem
from tests.journeys.kit import PROGRAMME, FlaskApi
from tests.town.town_kit import DAY_S, key


def run(*arguments: object):
    return CliRunner().invoke(main, ["voucher", *map(str, arguments)])


@pytest.fixture
def files(tmp_path):
    """(key file of a series of the boulangerie, key file of its owner)."""
    made = run("key", tmp_path / "series.json", "--shop", "boulangerie")
    assert made.exit_code == 0, made.output
    owner = key("owner of boulangerie")
    write_key_file(
        tmp_path / "owner.json", new_role_key("shop_owner", "boulangerie", seed=owner._secret)
    )
    return tmp_path / "series.json", tmp_path / "owner.json"


def test_a_series_opened_and_vouchers_signed_by_command_pay_at_a_till(
    street, files, monkeypatch, tmp_path
) -> None:
    till = street.open_shop("boulangerie")
    series_key, owner_key = files

    class Near(FlaskApi):
        def __init__(self, _url: str) -> None:
            super().__init__(street.town)

        def __enter__(self):
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(command, "Api", Near)
    monkeypatch.setattr(command.time, "time", street.clock)
    expires = street.clock() + DAY_S
    common = ("--series", 7, "--value", 20, "--expires", expires)
    opened = run(
        "series",
        *("--api", "http://town.test", "--owner-key", owner_key, "--key", series_key),
        *(*common, "--programme", PROGRAMME, "--count", 2),
    )
    assert opened.exit_code == 0, opened.output
    assert json.loads(opened.output.splitlines()[-1])["state"] == "final"
    signed = run(
        "sign",
        *("--key", series_key, "--chain-id", street.facts.chain_id, *common, "--count", 3),
        *("--pictures", tmp_path / "pictures"),
    )
    assert signed.exit_code == 0, signed.output
    codes = signed.output.splitlines()
    assert len(set(codes)) == len(list((tmp_path / "pictures").iterdir())) == 3
    for code in codes[:2]:
        body = LoyaltyVoucherRedeem(code, 20)
        sent = till.send("/v1/loyalty/vouchers/redemptions", till.sign(body, sender=till.actor))
        expect("voucher", sent)
    third = LoyaltyVoucherRedeem(codes[2], 20)
    answer = till.send("/v1/loyalty/vouchers/redemptions", till.sign(third, sender=till.actor))
    assert answer.code == "loyalty_budget_spent"
    assert {bf1.parse_voucher(code)[0].value for code in codes} == {20}


@pytest.mark.parametrize("missing", ["--key", "--chain-id", "--series", "--value", "--expires"])
def test_nothing_is_signed_by_default(files, missing: str) -> None:
    given = {
        "--key": files[0],
        "--chain-id": "town-1",
        "--series": 7,
        "--value": 20,
        "--expires": 2_000_000_000,
    }
    del given[missing]
    refused = run("sign", *(part for pair in given.items() for part in pair))
    assert refused.exit_code == 2
    assert "BF1:" not in refused.output


def sign_with(file) -> object:
    return run(
        "sign",
        *("--key", file, "--chain-id", "town-1", "--series", 1),
        *("--value", 1, "--expires", 2_000_000_000),
    )


def test_a_key_of_another_role_or_open_to_others_signs_nothing(files) -> None:
    series_key, owner_key = files
    assert "not of voucher_series" in sign_with(owner_key).output
    assert sign_with(series_key).output.startswith("BF1:")
    series_key.chmod(0o644)
    refused = sign_with(series_key)
    assert refused.exit_code == 1
    assert "BF1:" not in refused.output


def test_a_key_file_is_never_replaced(files) -> None:
    before = read_key_file(files[0]).kid
    assert run("key", files[0], "--shop", "boulangerie").exit_code == 1
    assert read_key_file(files[0]).kid == before


def test_a_series_is_not_opened_with_the_key_of_another_shop(files, tmp_path) -> None:
    assert run("key", tmp_path / "other.json", "--shop", "librairie").exit_code == 0
    refused = run(
        "series",
        *(
            "--api",
            "http://nowhere.test",
            "--owner-key",
            files[1],
            "--key",
            tmp_path / "other.json",
        ),
        *("--series", 7, "--value", 1, "--count", 1, "--expires", 2_000_000_000),
        *("--programme", PROGRAMME),
    )
    assert refused.exit_code == 2
    assert "librairie" in refused.output
