"""`beffroi qr decode`: the published vector, and each verdict a code can get without the chain."""

import json

import pytest
from click.testing import CliRunner

from app.cli.qr import qr
from chain.codec import bf1

VECTOR = (
    "BF1:312100KB0*M0DY0W016C1PN1:Y1000700TNDQ1HF100001000005B0000000000Z306AIT7HZ$F4NK*MKC4B HBL5VE*UB"
    "*7PHFGTSN2E*3N%9OXLM.5VQ+SQ2SM.BWYG4*5U103EIA703ZUPG5N22A:3S2PSMRTYN"
)
KEY = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
CHAIN = "beffroi-test-1"
IAT = 1_795_000_000


def decode(*arguments: str) -> tuple[int, dict]:
    result = CliRunner().invoke(qr, ["decode", "--json", *arguments])
    return result.exit_code, json.loads(result.output)


def test_the_published_vector_decodes_to_its_fields_and_verifies():
    exit_code, shown = decode(VECTOR, "--at", str(IAT), "--key", KEY, "--chain-id", CHAIN)
    assert exit_code == 0
    assert shown["verdict"] == "ok"
    assert (shown["kind"], shown["ctr"], shown["iat"], shown["ttl_s"]) == (2, 7, IAT, 60)
    assert (shown["asset"], shown["max_amount"], shown["shop_ref"]) == (1, 500, "00000000000000aa")
    assert shown["key_ref"] == bytes(range(16)).hex()


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        (("BF2:XX",), "qr_malformed"),
        ((VECTOR[:-3], "--at", str(IAT)), "qr_malformed"),
        ((VECTOR, "--at", str(IAT + 60 + bf1.LATE_S + 1)), "qr_expired"),
        ((VECTOR, "--at", str(IAT - bf1.EARLY_S - 1)), "qr_expired"),
        ((VECTOR, "--at", str(IAT), "--key", KEY, "--chain-id", "other-1"), "qr_bad_signature"),
        ((VECTOR, "--at", str(IAT), "--shop", "boulangerie"), "qr_wrong_shop"),
    ],
)
def test_a_code_that_would_be_refused_exits_1_and_names_the_refusal(arguments, verdict):
    exit_code, shown = decode(*arguments)
    assert (exit_code, shown["verdict"]) == (1, verdict)


def test_the_last_accepted_second_is_the_one_shown():
    _, shown = decode(VECTOR, "--at", str(IAT))
    exit_code, _ = decode(VECTOR, "--at", str(shown["accepted_until"]))
    assert exit_code == 0


def test_a_key_without_a_chain_is_a_usage_error():
    result = CliRunner().invoke(qr, ["decode", VECTOR, "--key", KEY])
    assert result.exit_code == 2


def test_lines_are_printed_for_people_by_default():
    result = CliRunner().invoke(qr, ["decode", VECTOR, "--at", str(IAT)])
    assert result.exit_code == 0
    assert "max_amount      500" in result.output
    assert "verdict         ok" in result.output
