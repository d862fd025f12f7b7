"""Pictures from the API read back with a real reader, at the level of their use; printed codes live a day."""

from io import BytesIO

import pytest
import segno
import zxingcpp
from PIL import Image

from app.loyalty.pictures import compute_poster, draw, poster_text
from tests.town.town_kit import DAY_S


def picture(street, phone, **asked):
    sent = {"format": "png", **asked}
    return street.town.http.post(
        "/v1/loyalty/pictures", json=sent, headers=street.town.login(phone.key)
    )


def read(png: bytes) -> zxingcpp.Barcode:
    (found,) = zxingcpp.read_barcodes(
        Image.open(BytesIO(png)).convert("L"),
        formats=zxingcpp.BarcodeFormat.QRCode,  # else the odd row of modules reads as a bar code
    )
    return found


def test_a_pay_code_is_drawn_as_a_7_m_symbol_that_reads_back(street) -> None:
    street.open_shop("boulangerie")
    ana = street.phone("Ana")
    code = ana.make_code(50)
    answer = picture(street, ana, text=code)
    assert (answer.status_code, answer.mimetype) == (200, "image/png")
    assert answer.headers["Cache-Control"] == "no-store"
    found = read(answer.data)
    assert (found.text, found.ec_level) == (code, "M")
    assert Image.open(BytesIO(answer.data)).size == (8 * (45 + 8),) * 2


@pytest.mark.parametrize(("use", "level"), [("screen", "M"), ("print", "Q"), ("poster", "H")])
def test_the_error_level_is_that_of_the_use(street, use: str, level: str) -> None:
    street.open_shop("boulangerie")
    ana = street.phone("Ana")
    answer = picture(street, ana, text=ana.make_code(50), use=use)
    assert read(answer.data).ec_level == level


def test_an_svg_is_an_svg_and_a_text_of_another_kind_is_not_drawn(street) -> None:
    street.open_shop("boulangerie")
    ana = street.phone("Ana")
    drawn = picture(street, ana, text=ana.make_code(50), format="svg")
    assert drawn.mimetype == "image/svg+xml"
    assert b"<svg" in drawn.data
    for text in ("https://example.org/pay-me", "BF1:AAAAAAAA"):
        refused = picture(street, ana, text=text)
        assert (refused.status_code, refused.json["code"]) == (422, "qr_malformed")


def test_a_shops_printed_code_names_it_today_and_no_other_day(street) -> None:
    street.open_shop("boulangerie")
    street.open_shop("librairie")
    http, clock = street.town.http, street.town.clock
    clock.seconds = clock.seconds // DAY_S * DAY_S + DAY_S // 2
    drawn = http.get("/v1/loyalty/shops/boulangerie/poster?format=png")
    found = read(drawn.data)
    assert found.ec_level == "H"
    assert found.text.startswith("HTTP://TOWN.TEST/P/")
    followed = http.get("/P/" + found.text[-10:])
    assert followed.status_code == 303
    shown = http.get(followed.headers["Location"])
    assert (shown.json["shop"], shown.json["name"]) == ("boulangerie", "Boulangerie")
    clock.seconds += DAY_S // 2 + 3_600
    assert http.get(followed.headers["Location"]).status_code == 200
    clock.seconds += 4 * 3_600
    assert http.get(followed.headers["Location"]).status_code == 404
    assert http.get("/v1/loyalty/shops/nobody/poster").status_code == 404


def test_a_printed_link_stays_in_capitals_and_small() -> None:
    text = poster_text("https://fidelite.ville-exemple.fr", compute_poster("town-1", "epicerie", 1))
    code = segno.make_qr(text, error="h", boost_error=False)
    assert code.mode == "alphanumeric"
    assert code.version <= 5
    assert draw(text, use="poster", kind="svg", scale=4).startswith(b"<?xml")
