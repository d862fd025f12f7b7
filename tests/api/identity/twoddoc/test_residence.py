"""Verdicts on codes: the specimen of the State, codes of a test authority, and every way to be refused."""

import io
import json
import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from app.core.problems import Problem
from app.identity.twoddoc.code import CODE_CHARS_MAX, CodeMalformed, parse_code, read_date
from app.identity.twoddoc.picture import PICTURE_BYTES_MAX, PictureUnreadable, read_picture
from app.identity.twoddoc.residence import is_named, verify_code, verify_residence
from app.identity.twoddoc.trust import TrustError, load_trust, parse_trust_list
from tests.api.identity.twoddoc import kit
from tests.api.identity.twoddoc.kit import INVOICE, NOW_S, TODAY, draw, issue, leaf, sign, trust

ROOT = Path(__file__).resolve().parents[4]
VECTORS = Path(os.environ.get("BEFFROI_SHARED", ROOT.parent / "shared")) / "vectors/identity"


def verify(text, trusted=None, postcodes=frozenset(), now_s=NOW_S):
    return verify_residence(text, trusted or trust(), postcodes=postcodes, now_s=now_s)


def refusal(text, trusted=None, **how):
    with pytest.raises(Problem) as refused:
        verify(text, trusted, **how)
    return refused.value.code.name


def specimen() -> str:
    file = VECTORS / "2ddoc_specimens.json"
    if not file.exists():
        pytest.skip(f"{file.name} is not beside the checkout")
    text = json.loads(file.read_text())["codes"][0]
    return text.replace("<GS>", "\x1d").replace("<US>", "\x1f")


# --- the State's own ---


def test_the_specimen_of_the_state_is_read():
    code = parse_code(specimen())
    assert (code.authority, code.certificate, code.type) == ("FR00", "0001", "28")
    assert (code.issued_on, code.signed_on) == (None, date(2025, 2, 18))
    assert code.fields["46"] == "RETI PATRICK"
    assert code.fields["4Y"] == "145 RUE JULLIARD/ZASPECIMEN/78320/LEVIS STNOM"
    assert (code.fields["43"], code.fields["45"], code.fields["4A"]) == ("2,75", "2021", "31072022")
    assert len(code.signature) == 64


def test_the_specimens_authority_is_not_listed_and_the_supplied_list_is_out_of_date():
    listed = parse_trust_list((VECTORS / "2ddoc_ants_tsl.xml").read_bytes()) if specimen() else None
    assert sorted(listed.authorities) == ["FR01", "FR03", "FR04", "FR05", "FR06", "FR07"]
    assert (listed.issued_at.date(), listed.next_update_at.date()) == (
        date(2025, 8, 25),
        date(2026, 2, 25),
    )
    old = replace(trust(), trust_list=listed)
    assert refusal(specimen(), old) == "twoddoc_list_expired"
    in_its_time = int(datetime(2025, 12, 1, tzinfo=UTC).timestamp())
    assert refusal(specimen(), old, now_s=in_its_time) == "twoddoc_unknown_authority"


SPEC_RESIDENCE = (
    "DC03FR000001123F1636000126FR245700010MLLE/SAMPLE/ANGELA\x1d20\x1d21BAT 2 ETG 3\x1d"
    "227 PLACE DES SPECIMENS\x1d23\x1d25METZ\x1d\x1f3HJIYP3OAJ4LIZNQXCTZMNQPTT5C2XICTEF4UGJ3NDE2CWM7HJOEEK4"
    "ACIY4CZOO5ZOFG35APDZMZQFEAEBWRZTW4CBPG35JE2FJ4EY"
)
SPEC_INVOICE = (
    "DC03FR000001123F1636010126FR247500010MME/SPECIMEN/NATACHA\x1d22145 AVENUE DES SPECIMENS\x1d\x1f"
    "FEDMPW5SO5BNZFYP7FIQUYZFV5H3OF6QERDMOBN7BZ4CC4KVJ4XWUH6EW3CSWILAGLN4XQE6AKHX6RNOI3OXVW6X3IKJASZGL62FBUQ"
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (SPEC_RESIDENCE, "FR 57000 MLLE/SAMPLE/ANGELA||BAT 2 ETG 3|7 PLACE DES SPECIMENS||METZ"),
        (SPEC_INVOICE, "FR 75000 MME/SPECIMEN/NATACHA|145 AVENUE DES SPECIMENS"),
    ],
)
def test_the_examples_of_the_specification_are_read(text, values):
    """Specification 3.3.7.2, page 225: a residence proof and an invoice, version 03."""
    code = parse_code(text)
    country, postcode, rest = values.split(" ", 2)
    assert list(code.fields.values()) == [country, postcode, *rest.split("|")]
    assert (code.issued_on, code.signed_on) == (date(2012, 10, 15), date(2015, 7, 27))


# --- genuine ones ---


@pytest.mark.parametrize("bits", [256, 384, 521])
def test_a_genuine_recent_invoice_proves_a_residence(bits):
    proof = verify(issue(bits=bits), trust(leaf(bits=bits)))
    assert (proof.kind, proof.postcode, proof.city) == ("invoice", "59000", "LILLE")
    assert proof.address == "3 RUE DU BEFFROI"
    assert proof.names == ("MME ANA LEFEVRE",)
    assert "LEFEVRE" not in repr(proof)


@pytest.mark.parametrize("kind", ["00", "01", "02"])
def test_both_versions_and_all_three_types_count(kind):
    for version in ("03", "04"):
        assert verify(issue(kind=kind, version=version)).issued_on == TODAY - timedelta(days=30)


def test_a_field_that_was_cut_short_is_said_to_be():
    assert verify(issue(end="\x1e")).is_cut_short
    assert not verify(issue()).is_cut_short


def test_a_full_variable_field_needs_no_end():
    line = "A" * 38
    fields = {"26": "FR", "24": "59000"}
    text = issue(fields | {"22": line}).partition("\x1f")[0].removesuffix("\x1d")
    text += "10MME/ANA/LEFEVRE\x1d"
    assert verify(f"{text}\x1f{sign(text)}").address == line


def test_the_name_may_be_apart_and_the_second_beneficiary_counts():
    fields = {
        "11": "M",
        "12": "JEAN",
        "13": "MARTIN",
        "1I": "MME/ANA/LEFEVRE",
        "22": "3 RUE",
        "24": "59000",
        "26": "FR",
    }
    proof = verify(issue(fields))
    assert proof.names == ("JEAN MARTIN", "MME ANA LEFEVRE")
    assert is_named(proof, ["Lefèvre"], ["Ana", "Marie"])
    assert is_named(proof, ["Martin"], ["Jean"])
    assert not is_named(proof, ["Lefèvre"], ["Jean"])
    assert not is_named(proof, ["Lefèvre-Martin"], ["Ana"])


@pytest.mark.parametrize(
    ("family", "given", "same"),
    [
        (["LEFEVRE"], ["Ana"], True),
        (["Lefèvre"], ["Marie", "Ana"], True),
        (["Dupont", "Lefèvre"], ["Ana"], True),
        (["Lefebvre"], ["Ana"], False),
        (["Lefèvre"], ["An"], False),
        (["Lefèvre"], [""], False),
        ([""], ["Ana"], False),
    ],
)
def test_names_are_compared_as_the_register_does(family, given, same):
    assert is_named(verify(issue()), family, given) is same


# --- refused ones ---


@pytest.mark.parametrize("part", ["header", "field", "signature"])
def test_an_altered_code_is_a_forgery(part):
    text = issue()
    day = TODAY - timedelta(days=30)
    swapped = "B" if text[-20] != "B" else "C"
    altered = {
        "header": text.replace(kit.days(day), kit.days(day + timedelta(days=1)), 1),
        "field": text.replace("3 RUE", "5 RUE"),
        "signature": text[:-20] + swapped + text[-19:],
    }[part]
    assert altered != text
    assert refusal(altered) == "twoddoc_forged"


def test_a_signature_of_another_key_or_curve_is_a_forgery():
    assert refusal(issue(bits=384)) == "twoddoc_forged"
    text = issue().partition("\x1f")[0]
    assert refusal(f"{text}\x1f{sign('another text')}") == "twoddoc_forged"


def test_an_unlisted_authority_certificate_or_status_is_refused():
    assert refusal(issue(ca="FR00")) == "twoddoc_unknown_authority"
    assert refusal(issue(cert="0002")) == "twoddoc_unknown_certificate"
    withdrawn = trust(status="http://uri.etsi.org/TrstSvc/Svcstatus/withdrawn")
    assert refusal(issue(), withdrawn) == "twoddoc_unknown_authority"


def test_a_certificate_that_no_listed_authority_signed_is_not_used():
    own = kit.certify("0001", "FR98", kit.signer_key().public_key(), kit.authority_key("thief"))
    assert refusal(issue(), trust(own)) == "twoddoc_unknown_certificate"


def test_the_certificate_lived_on_the_day_of_signature():
    day = TODAY - timedelta(days=30)
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    over = trust(leaf(end=at - timedelta(days=1)))
    early = trust(leaf(start=at + timedelta(days=1)))
    assert refusal(issue(), over) == refusal(issue(), early) == "twoddoc_certificate_expired"
    since_over = trust(leaf(end=at + timedelta(days=1)))
    assert verify(issue(), since_over).kind == "invoice", "over today, alive when it signed"
    assert refusal(issue(signed=None), since_over) == "twoddoc_certificate_expired", (
        "no day: as if today"
    )
    assert refusal(issue(signed=TODAY + timedelta(days=2))) == "twoddoc_certificate_expired"


def test_an_expired_trust_list_speaks_for_nobody():
    old = trust(next_update="2026-09-21T11:00:00Z")
    assert refusal(issue(), old) == "twoddoc_list_expired"


@pytest.mark.parametrize(
    ("age_days", "code"), [(92, ""), (93, "twoddoc_expired"), (-1, ""), (-2, "twoddoc_expired")]
)
def test_a_proof_of_residence_is_three_months_old_at_most(age_days, code):
    text = issue(issued=TODAY - timedelta(days=age_days))
    assert (refusal(text) if code else verify(text) and "") == code


def test_a_proof_without_its_day_is_refused():
    assert refusal(issue(issued=None)) == "twoddoc_expired"


def test_a_genuine_document_of_another_type_proves_no_residence():
    body = "DC04FR980001FFFF" + kit.days(TODAY) + "2801FR44" + "2278012345678" + "46LEFEVRE ANA\x1d"
    signed = f"{body}\x1f{sign(body)}"
    assert refusal(signed) == "twoddoc_not_residence"
    assert verify_code(signed, trust(), now_s=NOW_S).fields["46"] == "LEFEVRE ANA"


def test_an_address_elsewhere_is_refused():
    assert verify(issue(), postcodes=frozenset({"59000", "59800"})).postcode == "59000"
    assert refusal(issue(), postcodes=frozenset({"75001"})) == "twoddoc_elsewhere"
    assert refusal(issue(INVOICE | {"26": "BE"})) == "twoddoc_elsewhere"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DC04",
        "DC05FR980001FFFFFFFF0101FR\x1f" + "A" * 103,
        "DC04FR980001FFFFFFFF0102FR\x1f" + "A" * 103,
        "DC04FR980001FFFFFFFF0101\x1f" + "A" * 103,
        "DC04FR980001FFFFFFFF0101FRZZ1\x1d\x1f" + "A" * 103,
        "DC04FR980001FFFFFFFF0101FR24590\x1d\x1f" + "A" * 103,
        "DC04FR980001FFFFFFFF0101FR10A\x1d10B\x1d\x1f" + "A" * 103,
        "DC04FR980001FFFFFFFF0101FR10É\x1d\x1f" + "A" * 103,
        "DC04FR980001FFFFFFFF0101FR10A\x1d\x1f" + "A" * 102,
        "DC04FR980001FFFFFFFF0101FR10A\x1d\x1f" + "1" * 103,
        "DC04FR980001FFFFFFFF0101FR10A\x1d",
        "D" * (CODE_CHARS_MAX + 1),
    ],
)
def test_what_is_not_a_whole_code_is_malformed(text):
    with pytest.raises(CodeMalformed):
        parse_code(text)
    assert refusal(text) == "twoddoc_malformed"


def test_every_truncation_of_a_code_is_refused_and_never_raises_anything_else():
    text = issue()
    for length in range(len(text) - 4):
        assert refusal(text[:length]) in ("twoddoc_malformed", "twoddoc_forged")


def test_dates_count_days_from_2000():
    assert read_date("0000") == date(2000, 1, 1)
    assert read_date("123F") == date(2012, 10, 15)
    assert read_date("FFFF") is None


# --- pictures, and the operator's folder ---


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_of_the_code_gives_the_same_text(kind):
    text = issue()
    assert read_picture(draw(text, kind=kind)) == text


def test_what_is_no_picture_of_one_code_is_unreadable():
    png = draw("DC04")
    for raw in (b"", b"not a picture", png[:60], png + b"x" * PICTURE_BYTES_MAX, b"GIF89a" + png):
        with pytest.raises(PictureUnreadable):
            read_picture(raw)


def test_a_picture_of_few_bytes_and_many_pixels_is_refused():
    out = io.BytesIO()
    Image.new("1", (5_000, 5_000)).save(out, "PNG")
    assert len(out.getvalue()) < PICTURE_BYTES_MAX
    with pytest.raises(PictureUnreadable, match="pixels"):
        read_picture(out.getvalue())


def test_the_operators_folder_is_read_and_its_faults_are_named(tmp_path):
    folder = kit.folder(tmp_path / "2ddoc")
    assert list(load_trust(folder).certificates) == [("FR98", "0001")]
    (folder / "certificates" / "bad.der").write_bytes(b"x")
    with pytest.raises(TrustError, match=r"bad\.der"):
        load_trust(folder)
    with pytest.raises(TrustError, match=r"trust-list\.xml"):
        load_trust(tmp_path)
    for raw in (b"<a/>", b"x", b"<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>"):
        with pytest.raises(TrustError):
            parse_trust_list(raw)
