"""The demo's clients: words and keys, pictures, and the till's eyes."""

import io
import json
import struct
import unicodedata
import zlib

import pytest
import segno

from app.cli.demo.phone import draw_code
from app.cli.demo.png import GreyPicture, NotAPicture, decode_png
from app.cli.demo.till import NothingToRead, read_picture
from app.cli.demo.wallet import UnknownWords, Wallet, new_words, read_words
from tests.vectors.runner import shared_folder

VECTOR = (
    "BF1:312100KB0*M0DY0W016C1PN1:Y1000700TNDQ1HF100001000005B0000000000Z306AIT7HZ$F4NK*MKC4B HBL5VE*UB"
    "*7PHFGTSN2E*3N%9OXLM.5VQ+SQ2SM.BWYG4*5U103EIA703ZUPG5N22A:3S2PSMRTYN"
)


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def make_png(rows: list[bytes], *, width: int, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG from rows that already carry their filter byte."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(b"".join(rows)))
        + _chunk(b"IEND", b"")
    )


# --- words and keys --------------------------------------------------------------------------


def test_french_words_give_the_shared_vectors_keys():
    path = shared_folder() / "vectors/identity/bip39_french_slip10_domains.json"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    for case in json.loads(path.read_text()):
        wallet = Wallet(case["mnemonic_nfc"])
        for domain in ("identity", "loyalty", "sel", "energy"):
            assert wallet.derive_key(domain).public_key.raw.hex() == case["keys"][domain]["pk"]


def test_words_typed_without_accents_and_in_capitals_are_the_same_kit():
    words = new_words()
    typed = "".join(
        c for c in unicodedata.normalize("NFKD", words.upper()) if not unicodedata.combining(c)
    )
    assert read_words(typed) == words


def test_words_in_another_order_are_refused():
    words = "abaisser " * 11 + "abeille"
    assert read_words(words) == words
    with pytest.raises(UnknownWords):
        read_words("abeille " + "abaisser " * 11)
    with pytest.raises(UnknownWords):
        read_words("xyzzy " * 12)


def test_a_new_epoch_and_another_domain_are_other_keys_and_words_stay_out_of_repr():
    wallet = Wallet(new_words())
    kids = {wallet.derive_key(d, e).kid for d in ("identity", "loyalty", "sel") for e in (0, 1)}
    assert len(kids) == 6
    assert wallet.words not in repr(wallet)


# --- pictures --------------------------------------------------------------------------------


def test_the_till_reads_what_the_phone_draws():
    assert read_picture(draw_code(VECTOR)) == VECTOR


@pytest.mark.parametrize("colours", [{"dark": "darkblue"}, {"dark": "#123456", "light": "#ffee"}])
def test_colour_and_palette_pictures_are_read_too(colours):
    picture = io.BytesIO()
    segno.make(VECTOR, error="m").save(picture, kind="png", scale=5, **colours)
    assert read_picture(picture.getvalue()) == VECTOR


def test_a_picture_without_a_code_is_nothing_to_read():
    white = make_png([b"\x00" + b"\xff" * 64] * 64, width=64)
    with pytest.raises(NothingToRead):
        read_picture(white)


def test_every_row_filter_is_undone():
    """Rows 10 20 30 40 in each of the five filters, checked by hand from the PNG specification §9."""
    plain, row = bytes([0, 10, 20, 30, 40]), bytes([10, 20, 30, 40])
    sub = bytes([1, 10, 10, 10, 10])
    up = bytes([2, 0, 0, 0, 0])
    average = bytes([3, 5, 5, 5, 5])  # (left + up) // 2 = 5, 15, 25, 35
    paeth = bytes([4, 0, 0, 0, 0])
    picture = decode_png(make_png([plain, sub, up, average, paeth], width=4))
    assert picture == GreyPicture(4, 5, row * 5)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda png: b"GIF89a" + png[6:],
        lambda png: png[:40],
        lambda png: png[:45] + bytes([png[45] ^ 1]) + png[46:],
        lambda _: make_png([b"\x05" + b"\x00" * 4] * 4, width=4),
        lambda _: make_png([b"\x00" * 5] * 4, width=5),
        lambda _: make_png([b"\x00" * 2], width=9_000, depth=1),
        lambda _: make_png([b"\x00" * 9], width=4, depth=16),
    ],
)
def test_anything_but_a_plain_png_is_refused(spoil):
    with pytest.raises(NotAPicture):
        decode_png(spoil(draw_code(VECTOR)))
