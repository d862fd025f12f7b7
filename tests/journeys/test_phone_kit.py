"""The demo's clients: words and keys, pictures, and the till's eyes."""

import io
import json
import struct
import unicodedata
import zlib

import pytest
import segno
from PIL import Image

from app.cli.demo.phone import draw_code
from app.cli.demo.till import NothingToRead, read_picture
from app.cli.demo.wallet import UnknownWords, Wallet, new_words, read_words
from tests.vectors.runner import shared_folder

VECTOR = (
    "BF1:312100KB0*M0DY0W016C1PN1:Y1000700TNDQ1HF100001000005B0000000000Z306AIT7HZ$F4NK*MKC4B HBL5VE*UB"
    "*7PHFGTSN2E*3N%9OXLM.5VQ+SQ2SM.BWYG4*5U103EIA703ZUPG5N22A:3S2PSMRTYN"
)


def draw_white(width: int, height: int) -> bytes:
    picture = io.BytesIO()
    Image.new("1", (width, height), 1).save(picture, format="PNG")
    return picture.getvalue()


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


def test_a_photograph_in_jpeg_is_read_too():
    photo = io.BytesIO()
    Image.open(io.BytesIO(draw_code(VECTOR))).convert("L").save(photo, format="JPEG", quality=60)
    assert read_picture(photo.getvalue()) == VECTOR


def announce(png: bytes, side_px: int) -> bytes:
    """The same PNG, said to be that wide and high."""
    header = b"IHDR" + struct.pack(">II", side_px, side_px) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: draw_white(64, 64),
        lambda _: draw_white(9_000, 9_000),
        lambda png: announce(png, 30_000),
        lambda png: b"GIF89a" + png[6:],
        lambda png: png[:40],
        lambda png: png[:200],
        lambda png: png[:45] + bytes([png[45] ^ 1]) + png[46:],
        lambda _: b"",
    ],
)
def test_what_is_no_picture_of_one_code_is_nothing_to_read(spoil):
    with pytest.raises(NothingToRead):
        read_picture(spoil(draw_code(VECTOR)))
