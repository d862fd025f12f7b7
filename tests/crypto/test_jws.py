"""Keys and JWS: one spelling, one purpose, one key."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.codec.canonical import b64url_encode, decode_canonical, encode_canonical
from chain.codec.errors import DecodeError
from chain.crypto import es256, jws
from chain.crypto.keys import PublicKey, jwk_of, public_key_from_jwk, thumbprint
from chain.town.schemas import Jwk, LoyaltyTillRevoke

TYP = "beffroi-tx"
LIMIT = 65_536
ED = jws.SigningKey("EdDSA", bytes([1]) * 32)
ED2 = jws.SigningKey("EdDSA", bytes([2]) * 32)
EC = jws.SigningKey("ES256", bytes([3]) * 32)
PAYLOAD = encode_canonical({"town": "x", "body": {"points": 12}})


def _verified(parsed: jws.ParsedJws, *keys: jws.SigningKey) -> bool:
    by_kid = {key.kid: key.public_key for key in keys}
    return all(
        entry.kid in by_kid and jws.verify_signature(entry, by_kid[entry.kid])
        for entry in parsed.signatures
    )


def test_rfc_8037_thumbprint_is_reproduced() -> None:
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(public_key_from_jwk(jwk)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("key", [ED, EC])
def test_a_key_survives_its_jwk_as_mapping_and_as_schema(key: jws.SigningKey) -> None:
    members = jwk_of(key.public_key)
    assert public_key_from_jwk(members) == key.public_key
    assert public_key_from_jwk(Jwk(**members)) == key.public_key


@pytest.mark.parametrize(
    "change",
    [
        {"y": "AAAA"},
        {"crv": "Ed448"},
        {"kty": "EC"},
        {"x": 3},
        {"x": "AAAA"},
        {"d": "AAAA"},
        {"x": b64url_encode(bytes(32))},
        {"x": b64url_encode(b"\xf0" + b"\xff" * 30 + b"\x7f")},
    ],
)
def test_an_ed25519_jwk_with_anything_odd_is_refused(change: dict) -> None:
    with pytest.raises(DecodeError):
        public_key_from_jwk(jwk_of(ED.public_key) | change)


@pytest.mark.parametrize(
    "change", [{"y": ""}, {"y": "x"}, {"x": b64url_encode(bytes(32))}, {"kty": "OKP"}]
)
def test_a_p256_jwk_off_the_curve_or_incomplete_is_refused(change: dict) -> None:
    with pytest.raises(DecodeError):
        public_key_from_jwk(jwk_of(EC.public_key) | change)


@pytest.mark.parametrize("signer", [ED, EC])
def test_a_compact_signature_is_read_back_and_verified(signer: jws.SigningKey) -> None:
    parsed = jws.parse(jws.sign_compact(PAYLOAD, TYP, signer), TYP, LIMIT)
    assert parsed.payload == PAYLOAD
    assert [entry.kid for entry in parsed.signatures] == [signer.kid]
    assert _verified(parsed, signer)
    assert not jws.verify_signature(parsed.signatures[0], ED2.public_key)


def test_a_general_signature_is_sorted_by_kid_whatever_the_order_of_signers() -> None:
    data = jws.sign_general(PAYLOAD, TYP, [ED, EC, ED2])
    assert data == jws.sign_general(PAYLOAD, TYP, [ED2, ED, EC])
    parsed = jws.parse(data, TYP, LIMIT)
    assert [entry.kid for entry in parsed.signatures] == sorted([ED.kid, EC.kid, ED2.kid])
    assert _verified(parsed, ED, EC, ED2)


def test_a_general_form_needs_two_different_signers() -> None:
    for signers in ([], [ED], [ED, ED]):
        with pytest.raises(ValueError, match="different signers"):
            jws.sign_general(PAYLOAD, TYP, signers)


@pytest.mark.parametrize("signer", [ED, EC])
@settings(max_examples=150)
@given(data=st.data())
def test_a_flipped_bit_anywhere_in_a_compact_jws_is_refused(
    signer: jws.SigningKey, data: st.DataObject
) -> None:
    good = jws.sign_compact(PAYLOAD, TYP, signer)
    _refused(good, data.draw(st.integers(0, len(good) * 8 - 1)), signer)


@settings(max_examples=150)
@given(data=st.data())
def test_a_flipped_bit_anywhere_in_a_general_jws_is_refused(data: st.DataObject) -> None:
    good = jws.sign_general(PAYLOAD, TYP, [ED, EC])
    _refused(good, data.draw(st.integers(0, len(good) * 8 - 1)), ED, EC)


def _refused(good: bytes, bit: int, *signers: jws.SigningKey) -> None:
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    try:
        parsed = jws.parse(bytes(bad), TYP, LIMIT)
    except DecodeError:
        return
    assert not _verified(parsed, *signers)


def _compact(header: bytes, payload: bytes = PAYLOAD, signature: bytes = bytes(64)) -> bytes:
    return ".".join(map(b64url_encode, (header, payload, signature))).encode()


KID = ED.kid.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"..",
        b"a.b",
        b"a.b.c.d",
        b"{}",
        _compact(b'{"alg":"none","kid":"' + KID + b'","typ":"beffroi-tx"}'),
        _compact(b'{"alg":"HS256","kid":"' + KID + b'","typ":"beffroi-tx"}'),
        _compact(b'{"alg":"EdDSA","kid":"' + KID + b'"}'),
        _compact(b'{"alg":"EdDSA","kid":"' + KID + b'","typ":"beffroi-login"}'),
        _compact(b'{"alg":"EdDSA","crit":[],"kid":"' + KID + b'","typ":"beffroi-tx"}'),
        _compact(b'{"kid":"' + KID + b'","alg":"EdDSA","typ":"beffroi-tx"}'),
        _compact(b'{"alg":"EdDSA","kid":"short","typ":"beffroi-tx"}'),
        _compact(b'{"alg":"EdDSA","kid":"' + KID + b'","typ":"beffroi-tx"}', signature=bytes(63)),
        _compact(b'{"alg":"EdDSA","kid":"' + KID + b'","typ":"beffroi-tx"}', payload=b""),
        jws.sign_compact(PAYLOAD, TYP, ED) + b"=",
        jws.sign_compact(PAYLOAD, TYP, ED) + b"\n",
        jws.sign_compact(PAYLOAD, TYP, ED).replace(b".", b" .", 1),
    ],
)
def test_other_forms_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        jws.parse(data, TYP, LIMIT)


def test_general_form_with_lines_swapped_repeated_or_single_is_refused() -> None:
    general = jws.sign_general(PAYLOAD, TYP, [ED, ED2])
    head, lines = general.split(b'"signatures":[')
    first, second = lines[:-2].split(b"},{")
    first, second = first + b"}", b"{" + second
    for wrong in (second + b"," + first, first + b"," + first, first):
        with pytest.raises(DecodeError):
            jws.parse(head + b'"signatures":[' + wrong + b"]}", TYP, LIMIT)


def test_a_newline_after_an_identifier_is_refused_in_headers_and_in_bodies() -> None:
    header = b'{"alg":"EdDSA","kid":"' + KID + b'\\n","typ":"beffroi-tx"}'
    with pytest.raises(DecodeError):
        jws.parse(_compact(header), TYP, LIMIT)
    with pytest.raises(DecodeError):
        decode_canonical(LoyaltyTillRevoke, b'{"kid":"' + KID + b'\\n","since":1}')
    assert decode_canonical(LoyaltyTillRevoke, b'{"kid":"' + KID + b'","since":1}').kid == ED.kid


def test_a_text_longer_than_allowed_is_refused_before_it_is_read() -> None:
    with pytest.raises(DecodeError, match="at most 10"):
        jws.parse(b"x" * 11, TYP, 10)


def test_the_mirrored_signature_of_es256_is_refused() -> None:
    signature = EC.sign(b"m")
    assert es256.verify(EC.public_key.raw, b"m", signature)
    s = es256.N - int.from_bytes(signature[32:], "big")
    mirrored = signature[:32] + s.to_bytes(32, "big")
    assert not es256.verify(EC.public_key.raw, b"m", mirrored)


@pytest.mark.parametrize(
    "signature", [bytes(64), b"\xff" * 64, bytes(31) + b"\x01" + bytes(32), b"", b"\x01" * 63]
)
def test_es256_figures_out_of_range_are_refused(signature: bytes) -> None:
    assert not es256.verify(EC.public_key.raw, b"m", signature)
    assert not es256.verify(b"\x05" * 64, b"m", EC.sign(b"m"))


def test_a_signing_key_never_shows_its_secret() -> None:
    assert "0101" not in repr(ED)
    assert ED.kid in repr(ED)


def test_a_key_of_the_wrong_length_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="31 bytes"):
        PublicKey("EdDSA", bytes(31))


def test_signatures_of_signers_who_never_meet_are_joined_whichever_comes_first() -> None:
    one, two, three = (jws.sign_compact(PAYLOAD, TYP, key) for key in (ED, ED2, EC))
    pair = jws.merge_signatures(two, three, TYP, LIMIT)
    whole = jws.merge_signatures(one, pair, TYP, LIMIT)
    assert whole == jws.merge_signatures(pair, one, TYP, LIMIT)
    assert whole == jws.sign_general(PAYLOAD, TYP, (ED, ED2, EC))
    assert _verified(jws.parse(whole, TYP, LIMIT), ED, ED2, EC)
    assert jws.merge_signatures(whole, pair, TYP, LIMIT) == whole
    assert jws.merge_signatures(one, one, TYP, LIMIT) == one
    with pytest.raises(ValueError, match="another payload"):
        jws.merge_signatures(one, jws.sign_compact(b"{}", TYP, ED2), TYP, LIMIT)


def test_joined_signatures_are_no_longer_than_what_is_read_back() -> None:
    """Each text fits, both together do not: kept, nobody could read them again."""
    one, two = (jws.sign_compact(PAYLOAD, TYP, key) for key in (ED, ED2))
    merged = jws.merge_signatures(one, two, TYP, LIMIT)
    assert jws.merge_signatures(one, two, TYP, len(merged)) == merged
    with pytest.raises(ValueError, match="with all signatures"):
        jws.merge_signatures(one, two, TYP, len(merged) - 1)
