"""Bad envelopes are refused with a code, in the order of PROTOCOL §2, and change nothing."""

from typing import ClassVar

import pytest
from msgspec import Struct

from chain.codec.canonical import b64url_encode
from chain.crypto import jws
from chain.town import envelope
from chain.town.envelope import (
    TX_MAX_BYTES,
    TX_TYP,
    Envelope,
    EnvelopeCache,
    build_transaction,
    decode_transaction,
    encode_payload,
    payload_hash,
    sign_payload,
)
from chain.town.schemas import ActParamSet, CouncilActs, LoyaltyEarn
from tests.town.town_kit import jwk, key

TOWN = b64url_encode(b"t" * 32)
SIGNER = key("till")
EARN = LoyaltyEarn("bons-points", key("phone").kid, 1_000, b64url_encode(b"r" * 16))


def payload(body=EARN, town=TOWN, exp=2_000) -> bytes:
    return encode_payload(town, "shop:boulangerie", body, nonce16=b"n" * 16, exp=exp)


def refusal(raw: bytes) -> str:
    decoded = decode_transaction(raw, TOWN)
    return "ok" if isinstance(decoded, Envelope) else decoded.code.name


def test_a_built_transaction_decodes_to_what_was_built():
    raw = build_transaction(TOWN, "shop:boulangerie", EARN, [SIGNER], b"n" * 16, 2_000)
    decoded = decode_transaction(raw, TOWN)
    assert isinstance(decoded, Envelope)
    assert (decoded.body, decoded.payload.sender, decoded.payload.exp) == (
        EARN,
        "shop:boulangerie",
        2_000,
    )
    assert decoded.tx_key == payload_hash(payload())


def test_several_signers_use_the_general_form():
    acts = CouncilActs((ActParamSet("council_delay_s", 700_000),))
    raw = build_transaction(TOWN, "council", acts, [key("b"), key("a")], b"n" * 16, 2_000)
    decoded = decode_transaction(raw, TOWN)
    assert isinstance(decoded, Envelope)
    assert [s.kid for s in decoded.signatures] == sorted([key("a").kid, key("b").kid])


@pytest.mark.parametrize(
    ("found", "put", "code"),
    [
        (b'"purchase_cents":1000', b'"purchase_cents":1000.0', "tx_malformed"),
        (b'"purchase_cents":1000', b'"purchase_cents":1e3', "tx_malformed"),
        (b'"purchase_cents":1000', b'"purchase_cents":01000', "tx_malformed"),
        (b'"purchase_cents":1000', b'"purchase_cents": 1000', "tx_malformed"),
        (b'"purchase_cents":1000', b'"purchase_cents":9007199254740992', "tx_malformed"),
        (b'"purchase_cents":1000', b'"purchase_cents":1000,"purchase_cents":1', "tx_malformed"),
        (b'"exp":2000', b'"exp":2000,"exp":2000', "tx_malformed"),
        (b'"exp":2000', b'"exp":2000,"extra":1', "tx_malformed"),
        (b'"exp":2000', b'"exp":-1', "tx_malformed"),
        (b'"from":"shop:boulangerie"', b'"from":"shop:Boulangerie"', "tx_malformed"),
        (b"bons-points", b"bons\\u002dpoints", "tx_malformed"),
        (b'"purchase_cents":1000', b'"purchase_cents":"1000"', "tx_body_invalid"),
        (b'"purchase_cents":1000', b'"purchase_cents":0', "tx_body_invalid"),
        (b'"bons-points"', b'"bons-points","promo":5', "tx_body_invalid"),
        (b'"purchase_cents":1000,', b"", "tx_body_invalid"),
        (b"loyalty.earn", b"loyalty.steal", "tx_unknown_type"),
        (TOWN.encode(), b64url_encode(b"u" * 32).encode(), "tx_wrong_town"),
    ],
)
def test_a_payload_that_is_not_the_one_spelling_is_refused(found, put, code):
    assert found in payload()
    assert refusal(sign_payload(payload().replace(found, put), [SIGNER])) == code


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"..",
        b"{}",
        b"not a jws",
        sign_payload(payload(), [SIGNER]) + b"=",
        sign_payload(payload(), [SIGNER]) + b"\n",
        jws.sign_compact(payload(), "beffroi-login", SIGNER),
        jws.sign_compact(b"[1]", TX_TYP, SIGNER),
    ],
)
def test_a_malformed_jws_is_refused(raw):
    assert refusal(raw) == "tx_malformed"


def test_size_is_judged_before_anything_else():
    assert refusal(b"x" * (TX_MAX_BYTES + 1)) == "tx_too_large"


class Defaulted(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A body that a later release may have: one field may be left out."""

    TYPE: ClassVar[str] = "test.defaulted"
    points: int
    note: str = ""


def test_explicit_defaults_in_a_body_are_refused(monkeypatch):
    monkeypatch.setitem(envelope.BODY_TYPES, Defaulted.TYPE, Defaulted)
    raw = payload(Defaulted(5))
    spelled = raw.replace(b'"points":5', b'"note":"","points":5')
    assert refusal(sign_payload(raw, [SIGNER])) == "ok"
    assert refusal(sign_payload(spelled, [SIGNER])) == "tx_body_invalid"


def test_the_cache_answers_as_the_decoder_and_stays_within_its_bytes():
    raws = [sign_payload(payload(exp=exp), [SIGNER]) for exp in range(2_000, 2_040)]
    cache = EnvelopeCache(TOWN, bytes_max=5 * len(raws[0]))
    for raw in raws + raws:
        decoded = cache.decode(raw)
        assert decoded == decode_transaction(raw, TOWN)
        assert cache.is_signed(decoded, decoded.signatures[0], jwk(SIGNER))
        assert cache.is_signed(decoded, decoded.signatures[0], jwk(SIGNER))
    assert len(cache._known) == len(cache._verified) == 5


def test_a_failed_signature_is_not_remembered_as_good():
    cache = EnvelopeCache(TOWN)
    raw = sign_payload(payload(), [SIGNER])
    forged = raw[:-6] + (b"AAAAAA" if raw[-6:] != b"AAAAAA" else b"BBBBBA")
    decoded = cache.decode(forged)
    for _ in range(2):
        assert not cache.is_signed(decoded, decoded.signatures[0], jwk(SIGNER))
