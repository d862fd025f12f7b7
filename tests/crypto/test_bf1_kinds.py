"""Kinds 3, 4, 6 and 9: their lengths, their only spelling, and `beffroi qr decode` for each of the seven."""

import json
import os

import base45
import pytest
import segno
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from app.cli.qr import qr
from chain.codec import bf1, bf1_offline, bf1_orders
from chain.codec.bf1 import CodeAlg, Flaw, Kind
from chain.codec.bf1_any import BODY_BYTES, parse_any
from chain.crypto import ed25519

NOW_S = 1_795_000_000
CHAIN = "beffroi-test-1"
TOWN, DEVICE = b"\x01" * 32, b"\x02" * 32
SHOP = bf1.shop_ref("boulangerie")
ALLOWANCE = bf1_offline.Allowance(
    ed25519.derive_public(DEVICE), bytes(range(16)), NOW_S, NOW_S + 86_400, 20, 10
)
SPEND = bf1_offline.OfflineSpend(7, NOW_S, 60, 1, 10, SHOP, bytes(range(16)))
INVOICE = bf1_orders.Invoice(
    SHOP, bytes(range(16)), 80, NOW_S + 200, bf1_orders.points_asset("fidelite")
)
PROPOSAL = bf1_orders.Proposal(bytes(range(16)), 3, NOW_S, 300, 45)


def sign(body: bytes, seed: bytes = TOWN) -> str:
    return bf1.to_text(body, ed25519.sign(seed, bf1.signed_bytes(CHAIN, body)))


def offline() -> bf1_offline.OfflineCode:
    body = bf1_offline.encode_allowance(ALLOWANCE)
    return bf1_offline.OfflineCode(
        SPEND, ALLOWANCE, ed25519.sign(TOWN, bf1.signed_bytes(CHAIN, body))
    )


def pay(kind: Kind) -> bytes:
    more = {} if kind is Kind.IDENTIFY else {"asset": 1, "max_amount": 50}
    return bf1.encode_body(bf1.PayCode(CodeAlg.ED25519, kind, bytes(16), 1, NOW_S, 60, **more))


VOUCHER = bf1.Voucher(bytes(range(16)), 12, NOW_S + 99, 40)
TEXTS = {
    Kind.IDENTIFY: sign(pay(Kind.IDENTIFY)),
    Kind.PAY: sign(pay(Kind.PAY)),
    Kind.OFFLINE: sign(bf1_offline.encode_offline(offline()), DEVICE),
    Kind.INVOICE: sign(bf1_orders.encode_invoice(INVOICE)),
    Kind.VOUCHER: sign(bf1.encode_voucher(VOUCHER)),
    Kind.PROPOSE: sign(bf1_orders.encode_proposal(PROPOSAL)),
    Kind.ALLOWANCE: sign(bf1_offline.encode_allowance(ALLOWANCE)),
}
SYMBOLS = {
    Kind.IDENTIFY: (142, 6),
    Kind.PAY: (166, 7),
    Kind.OFFLINE: (361, 11),
    Kind.INVOICE: (157, 7),
    Kind.VOUCHER: (157, 7),
    Kind.PROPOSE: (166, 7),
    Kind.ALLOWANCE: (199, 8),
}
"""Characters, and the QR version at level M: research page "loyalty", §5.1-5.2."""


@pytest.mark.parametrize("kind", Kind)
def test_a_code_of_each_kind_fits_the_symbol_that_was_planned_for_it(kind: Kind) -> None:
    characters, version = SYMBOLS[kind]
    assert len(TEXTS[kind]) == characters
    drawn = segno.make_qr(TEXTS[kind], error="m", boost_error=False)
    assert (drawn.version, drawn.error, drawn.mode) == (version, "M", "alphanumeric")


@pytest.mark.parametrize("kind", Kind)
def test_any_kind_reads_back_to_the_very_text_it_came_from(kind: Kind) -> None:
    found, _, body, signature = parse_any(TEXTS[kind])
    assert found is kind
    assert len(body) == BODY_BYTES[kind]
    assert bf1.to_text(body, signature) == TEXTS[kind]


@pytest.mark.parametrize("kind", Kind)
def test_a_code_one_byte_too_short_or_too_long_is_refused(kind: Kind) -> None:
    data = base45.b45decode(TEXTS[kind].removeprefix(bf1.PREFIX))
    for wrong in (data[:-1], data + b"\x00"):
        with pytest.raises(bf1.MalformedCode) as caught:
            parse_any(bf1.PREFIX + base45.b45encode(wrong).decode())
        assert caught.value.flaw is Flaw.LENGTH


@pytest.mark.parametrize("kind", Kind)
def test_no_other_spelling_of_a_code_is_read(kind: Kind) -> None:
    for other in (
        TEXTS[kind].lower(),
        TEXTS[kind] + "\n",
        " " + TEXTS[kind],
        TEXTS[kind] + " ",
        TEXTS[kind] + "0",
        TEXTS[kind].replace(bf1.PREFIX, "BF2:"),
    ):
        with pytest.raises(bf1.MalformedCode):
            parse_any(other)


@given(st.binary(max_size=300))
def test_bytes_that_nobody_made_are_refused_or_read_back_exactly(data: bytes) -> None:
    text = bf1.PREFIX + base45.b45encode(data).decode()
    try:
        _, _, body, signature = parse_any(text)
    except bf1.MalformedCode:
        return
    assert bf1.to_text(body, signature) == text


def change(text: str, offset: int, value: bytes) -> str:
    data = bytearray(base45.b45decode(text.removeprefix(bf1.PREFIX)))
    data[offset : offset + len(value)] = value
    return bf1.PREFIX + base45.b45encode(bytes(data)).decode()


@pytest.mark.parametrize(
    ("kind", "offset", "value", "flaw"),
    [
        (Kind.INVOICE, 2, bytes(8), Flaw.FIELDS),
        (Kind.INVOICE, 26, bytes(4), Flaw.FIELDS),
        (Kind.PROPOSE, 26, b"\x00\x1d", Flaw.TTL),
        (Kind.PROPOSE, 28, b"\x00\x00\x00\x01", Flaw.FIELDS),
        (Kind.PROPOSE, 32, bytes(4), Flaw.FIELDS),
        (Kind.ALLOWANCE, 58, bytes(4), Flaw.FIELDS),
        (Kind.ALLOWANCE, 54, bytes(4), Flaw.FIELDS),
        (Kind.OFFLINE, 10, b"\x00\x00", Flaw.TTL),
        (Kind.OFFLINE, 20, bytes(8), Flaw.FIELDS),
        (Kind.OFFLINE, 45, b"\x05", Flaw.FIELDS),
        (Kind.PAY, 0, b"\x11", Flaw.ALG),
        (Kind.PAY, 1, b"\x07", Flaw.KIND),
    ],
)
def test_a_field_that_cannot_be_so_is_named(kind: Kind, offset: int, value: bytes, flaw) -> None:
    with pytest.raises(bf1.MalformedCode) as caught:
        parse_any(change(TEXTS[kind], offset, value))
    assert caught.value.flaw is flaw


def decode(*arguments: str) -> tuple[int, dict]:
    result = CliRunner().invoke(qr, ["decode", "--json", *arguments])
    return result.exit_code, json.loads(result.output)


@pytest.mark.parametrize("kind", Kind)
def test_the_command_shows_and_verifies_each_kind_and_notices_a_forgery(kind: Kind) -> None:
    key = ed25519.derive_public(TOWN).hex()
    asked = ("--at", str(NOW_S + 10), "--chain-id", CHAIN, "--key")
    exit_code, shown = decode(TEXTS[kind], *asked, key)
    assert (exit_code, shown["verdict"], shown["kind"]) == (0, "ok", int(kind))
    assert shown["kind_name"] == kind.name.lower()
    stranger = ed25519.derive_public(b"\x03" * 32).hex()
    assert decode(TEXTS[kind], *asked, stranger)[1]["verdict"] == "qr_bad_signature"
    assert decode(TEXTS[kind], "--at", str(NOW_S + 10**7))[1]["verdict"] == "qr_expired"


def test_an_offline_code_whose_device_did_not_sign_is_a_forgery() -> None:
    forged = sign(bf1_offline.encode_offline(offline()), os.urandom(32))
    key = ed25519.derive_public(TOWN).hex()
    _, shown = decode(forged, "--at", str(NOW_S), "--chain-id", CHAIN, "--key", key)
    assert shown["verdict"] == "qr_bad_signature"


def test_an_invoice_names_its_programme_so_that_cheaper_points_do_not_pay_it() -> None:
    assert bf1_orders.points_asset("fidelite") != bf1_orders.points_asset("autre")
    assert bf1_orders.points_asset("fidelite") & 255 == 1
