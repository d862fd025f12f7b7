"""Bank files and codes: what a bank would refuse is refused here first."""

from datetime import date
from importlib.resources import files
from xml.etree import ElementTree

import pytest
import segno
import xmlschema
from segno.helpers import make_epc_qr

from app.settlement import bank
from app.settlement.bank import Party, Transfer

BAKER = Party("Boulangerie Lefèvre", "FR7630006000011234567890189")
GROCER = Party("Épicerie & Fils", "DE89370400440532013000")


@pytest.mark.parametrize(
    ("text", "iban"),
    [
        ("FR76 3000 6000 0112 3456 7890 189", "FR7630006000011234567890189"),
        ("de89370400440532013000", "DE89370400440532013000"),
        ("FR7630006000011234567890188", None),
        ("FR763000600001123456789018", None),
        ("FR76300060000112345678901890", None),
        ("", None),
        ("FR76-3000", None),
    ],
)
def test_an_iban_is_taken_by_its_check_digits(text: str, iban: str | None) -> None:
    assert bank.read_iban(text) == iban


def test_the_text_of_a_code_has_the_elements_of_epc069_12_in_order() -> None:
    text = bank.make_epc_text(Transfer(BAKER, 15_050, "BEFFROI-12-3"))
    assert text.split("\n") == [
        "BCD",
        "002",
        "1",
        "SCT",
        "",
        "Boulangerie Lefèvre",
        "FR7630006000011234567890189",
        "EUR150.50",
        "",
        "",
        "BEFFROI-12-3",
    ]


def test_the_code_is_the_one_an_independent_maker_draws() -> None:
    theirs = make_epc_qr(BAKER.name, BAKER.iban, "150.50", text="BEFFROI-12-3", encoding="utf-8")
    ours = segno.make(
        bank.make_epc_text(Transfer(BAKER, 15_050, "BEFFROI-12-3")), error="m", boost_error=False
    )
    assert (theirs.version, theirs.error) == (ours.version, ours.error)


@pytest.mark.parametrize("sign", ["é", "\u20ac", "\U0001f950"])
def test_no_name_makes_the_code_of_who_pays_it_too_long(sign: str) -> None:
    payee = Party(bank.clean_name(sign * 70), "MT84MALT011000012345MTLCAST001S")
    text = bank.make_epc_text(Transfer(payee, 99_999_999_999, bank.format_reference(10**6, 10**6)))
    assert sign * 50 in text
    assert bank.draw_epc(text)


def test_a_name_cannot_bring_lines_of_its_own_into_the_code() -> None:
    sly = Party("Baker\nFR00EVIL\nEUR1.00", BAKER.iban)
    lines = bank.make_epc_text(Transfer(sly, 100, "BEFFROI-1-1")).split("\n")
    assert lines[5:8] == ["Baker FR00EVIL EUR1.00", BAKER.iban, "EUR1.00"]


def test_the_longest_name_and_reference_still_fit_version_13() -> None:
    longest = Transfer(Party("é" * 200, BAKER.iban), 99_999_999_999, "BEFFROI-1000000-999999")
    picture = bank.draw_epc(bank.make_epc_text(longest))
    assert picture.startswith("<svg")


@pytest.mark.parametrize("cents", [0, -5, 100_000_000_000])
def test_an_amount_out_of_range_makes_no_code(cents: int) -> None:
    with pytest.raises(ValueError, match="amount"):
        bank.make_epc_text(Transfer(BAKER, cents, "x"))


def test_a_pain_001_file_is_valid_by_the_iso_schema_and_says_what_to_pay() -> None:
    transfers = [Transfer(BAKER, 15_000, "BEFFROI-12-3"), Transfer(GROCER, 5, "BEFFROI-12-4")]
    content = bank.make_pain(GROCER, transfers, message="BEFFROI-12", due=date(2026, 11, 30))
    schema = xmlschema.XMLSchema(str(files("sepaxml") / "schemas" / "pain.001.001.09.xsd"))
    schema.validate(content.decode())
    root = ElementTree.fromstring(content)
    name = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}"
    assert [e.text for e in root.iter(f"{name}InstdAmt")] == ["150.00", "0.05"]
    assert [e.text for e in root.iter(f"{name}EndToEndId")] == ["BEFFROI-12-3", "BEFFROI-12-4"]
    assert [e.text for e in root.iter(f"{name}CtrlSum")] == ["150.05", "150.05"]
    assert [e.text for e in root.iter(f"{name}NbOfTxs")] == ["2", "2"]
    assert "FR7630006000011234567890189" in [e.text for e in root.iter(f"{name}IBAN")]


def test_the_schema_refuses_what_is_no_iban() -> None:
    from sepaxml.validation import ValidationError

    wrong = Transfer(Party("Baker", "NOT AN IBAN"), 100, "BEFFROI-1-1")
    with pytest.raises(ValidationError):
        bank.make_pain(GROCER, [wrong], message="BEFFROI-1", due=date(2026, 11, 30))


def test_a_file_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to pay"):
        bank.make_pain(GROCER, [], message="BEFFROI-1", due=date(2026, 11, 30))
