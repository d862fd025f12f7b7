"""BF1 codes: the published vector byte for byte, one spelling, one reason per flaw."""

from dataclasses import replace

import base45
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.codec import bf1
from chain.codec.bf1 import CodeAlg, Flaw, Kind, PayCode
from chain.crypto import ed25519

SEED = b"\x01" * 32
CHAIN = "beffroi-test-1"
CODE = PayCode(
    alg=CodeAlg.ED25519,
    kind=Kind.PAY,
    key_ref=bytes(range(16)),
    ctr=7,
    iat=1_795_000_000,
    ttl_s=60,
    asset=1,
    max_amount=500,
    shop_ref=bytes(7) + b"\xaa",
)
BODY = bytes.fromhex(
    "1002000102030405060708090a0b0c0d0e0f000000076afd86c0003c00000001000001f400000000000000aa"
)
SIGNATURE = bytes.fromhex(
    "902a87d17d4ba243a23957c35a24f62df4373e4579bde2a56f2fb69dbf93b1d8"
    "f642e49eddf05e7b84aa2e6c004b90db0145f3782a7610431f81c637d98dbc06"
)
TEXT = (
    "BF1:312100KB0*M0DY0W016C1PN1:Y1000700TNDQ1HF100001000005B0000000000Z306AIT7HZ$F4NK*MKC4B HBL5VE"
    "*UB*7PHFGTSN2E*3N%9OXLM.5VQ+SQ2SM.BWYG4*5U103EIA703ZUPG5N22A:3S2PSMRTYN"
)

u32 = st.integers(0, 2**32 - 1)
heads = {
    "alg": st.just(CodeAlg.ED25519),
    "key_ref": st.binary(min_size=16, max_size=16),
    "ctr": u32,
    "iat": u32,
    "ttl_s": st.integers(bf1.TTL_MIN_S, bf1.TTL_MAX_S),
}
pays = st.builds(
    PayCode,
    kind=st.just(Kind.PAY),
    asset=u32,
    max_amount=u32,
    shop_ref=st.binary(min_size=8, max_size=8),
    **heads,
)
codes = pays | st.builds(PayCode, kind=st.just(Kind.IDENTIFY), **heads)


def test_the_published_vector_is_reproduced_byte_for_byte() -> None:
    body = bf1.encode_body(CODE)
    signed = bf1.signed_bytes(CHAIN, body)
    assert ed25519.derive_public(SEED).hex() == (
        "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
    )
    assert body == BODY
    assert signed == b"beffroi-qr-1" + bytes.fromhex("03d1f8db91ecacda") + BODY
    assert ed25519.sign(SEED, signed) == SIGNATURE
    assert bf1.to_text(body, SIGNATURE) == TEXT
    assert len(TEXT) == 166


def test_the_published_vector_reads_back() -> None:
    assert bf1.parse_text(TEXT) == (CODE, BODY, SIGNATURE)


@given(codes, st.binary(min_size=64, max_size=64))
def test_every_code_reads_back_as_it_was_written(code: PayCode, signature: bytes) -> None:
    body = bf1.encode_body(code)
    text = bf1.to_text(body, signature)
    assert bf1.parse_text(text) == (code, body, signature)
    assert len(text) == {Kind.IDENTIFY: 142, Kind.PAY: 166}[code.kind]


@given(st.integers(0, len(TEXT) - 1), st.characters(max_codepoint=0x17F))
def test_a_changed_letter_never_keeps_body_and_signature(at: int, letter: str) -> None:
    changed = TEXT[:at] + letter + TEXT[at + 1 :]
    try:
        _, body, signature = bf1.parse_text(changed)
    except bf1.MalformedCode:
        return
    assert (body, signature) == (BODY, SIGNATURE) or not ed25519.verify_strict(
        ed25519.derive_public(SEED), bf1.signed_bytes(CHAIN, body), signature
    )
    assert changed == TEXT or (body, signature) != (BODY, SIGNATURE)


def _text(data: bytes) -> str:
    return "BF1:" + base45.b45encode(data).decode()


WHOLE = BODY + SIGNATURE


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("", Flaw.PREFIX),
        ("bf1:" + TEXT[4:], Flaw.PREFIX),
        ("BF2:" + TEXT[4:], Flaw.PREFIX),
        (" " + TEXT, Flaw.PREFIX),
        ("BF1:" + "0" * 500, Flaw.PREFIX),
        (TEXT + "\n", Flaw.BASE45),
        (TEXT.lower().replace("bf1", "BF1"), Flaw.BASE45),
        (TEXT + "A", Flaw.BASE45),
        ("BF1:::::", Flaw.BASE45),
        (TEXT[:-1] + "É", Flaw.BASE45),
        ("BF1:", Flaw.FORMAT),
        (_text(b"\x20" + WHOLE[1:]), Flaw.FORMAT),
        (_text(b"\x11" + WHOLE[1:]), Flaw.ALG),
        (_text(b"\x10"), Flaw.KIND),
        (_text(b"\x10\x00" + WHOLE[2:]), Flaw.KIND),
        (_text(b"\x10\x03" + WHOLE[2:]), Flaw.KIND),
        (_text(b"\x10\x01" + WHOLE[2:]), Flaw.LENGTH),
        (_text(WHOLE + b"\x00"), Flaw.LENGTH),
        (_text(WHOLE[:-1]), Flaw.LENGTH),
        (_text(WHOLE[:26] + b"\x00\x1d" + WHOLE[28:]), Flaw.TTL),
        (_text(WHOLE[:26] + b"\x00\x79" + WHOLE[28:]), Flaw.TTL),
    ],
)
def test_each_flaw_is_refused_with_its_own_reason(text: str, flaw: Flaw) -> None:
    with pytest.raises(bf1.MalformedCode) as refusal:
        bf1.parse_text(text)
    assert refusal.value.flaw is flaw


def test_the_window_opens_30_s_early_and_closes_60_s_after_the_ttl() -> None:
    inside = [CODE.iat - 30, CODE.iat, CODE.iat + 60 + 60]
    outside = [CODE.iat - 31, CODE.iat + 60 + 61]
    assert all(CODE.is_in_window(t) for t in inside)
    assert not any(CODE.is_in_window(t) for t in outside)


@pytest.mark.parametrize(
    "change",
    [
        {"key_ref": bytes(15)},
        {"shop_ref": bytes(9)},
        {"ctr": 2**32},
        {"max_amount": -1},
        {"ttl_s": 29},
        {"ttl_s": 121},
        {"kind": Kind.IDENTIFY},
    ],
)
def test_a_code_out_of_range_cannot_be_made(change: dict) -> None:
    with pytest.raises(ValueError, match=r"."):
        replace(CODE, **change)


def test_shops_have_different_references_and_none_is_any_shop() -> None:
    refs = {bf1.shop_ref(slug) for slug in ("boulangerie", "librairie", "marche")}
    assert len(refs) == 3
    assert bf1.ANY_SHOP not in refs
