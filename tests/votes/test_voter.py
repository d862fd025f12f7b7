"""The voter's own side: secrets out of the words, blind requests, the kit, spoiling."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from chain.crypto import blind_rsa
from chain.crypto.blind_rsa import RANDOMIZED_PSS, SignerKey
from chain.crypto.words import make_words, read_words, seed_of
from chain.votes.messages import (
    knows_secret,
    registration_prefix,
    sign_spoil,
    spoil_prefix,
    token_message,
)
from chain.votes.voter.keys import VoteKey, hkdf
from chain.votes.voter.kit import (
    PICTURE_PREFIX,
    ConfirmedKit,
    NotRetyped,
    confirm_kit,
    picture_text,
    restore_kit,
)
from chain.votes.voter.request import (
    BadAnswer,
    MissingSigner,
    Place,
    make_registration,
    make_request,
    open_answer,
)
from tests.votes.kit import GROUPS, UUID, seeded
from tests.votes.signers import signer_keys

WORDS = make_words(bytes(range(16)))
OTHER_WORDS = make_words(bytes(range(1, 17)))


def kit(words: str = WORDS) -> ConfirmedKit:
    return confirm_kit(words, words)


@pytest.fixture(scope="module")
def signers() -> list[SignerKey]:
    return signer_keys(4)


@pytest.fixture
def place(signers: list[SignerKey]) -> Place:
    return Place(UUID, GROUPS["Ed25519"], "centre", "one", tuple(key.public for key in signers))


def answer_all(signers: list[SignerKey], blinded: tuple[bytes, ...]) -> dict[int, bytes]:
    draw = seeded("registrars")
    return {
        index: blind_rsa.blind_sign(key, message, draw)
        for index, (key, message) in enumerate(zip(signers, blinded, strict=True), 1)
    }


# --- keys --------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.integers(0, 1_000))
def test_hkdf_is_that_of_rfc_5869(key: bytes, info: bytes, size_bytes: int) -> None:
    if size_bytes:
        expected = HKDF(SHA512(), size_bytes, salt=None, info=info).derive(key)
        assert hkdf(key, info, size_bytes) == expected
    else:
        assert hkdf(key, info, 0) == b""


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_the_words_give_the_same_credential_on_every_phone_and_another_in_every_election(
    name: str,
) -> None:
    group = GROUPS[name]
    first, second = VoteKey.from_seed(seed_of(WORDS)), VoteKey.from_seed(seed_of(WORDS))
    assert first.credential(UUID, group) == second.credential(UUID, group)
    others = {
        first.credential(UUID[::-1], group),
        VoteKey.from_seed(seed_of(OTHER_WORDS)).credential(UUID, group),
    }
    assert len(others | {first.credential(UUID, group)}) == 3
    assert 1 <= first.secret(UUID, group) < group.order


def test_a_secret_is_the_published_derivation() -> None:
    """Spelled out again: another client (the web one) must come to the same number."""
    group = GROUPS["Ed25519"]
    key = VoteKey(bytes(range(32)))
    info = f"beffroi-vote-secret-1|{UUID}|Ed25519".encode()
    derived = HKDF(SHA512(), 64, salt=None, info=info).derive(bytes(range(32)))
    assert key.secret(UUID, group) == int.from_bytes(derived, "big") % group.order


def test_nothing_secret_is_shown_when_a_client_prints_its_objects(place: Place) -> None:
    confirmed = kit()
    request = make_request(confirmed, place)
    shown = f"{confirmed} {confirmed.vote_key()} {request}"
    assert WORDS.split()[0] not in shown
    assert str(request.inverses[0]) not in shown
    assert repr(confirmed.vote_key().raw) not in shown


# --- kit ---------------------------------------------------------------------------------------


def test_the_picture_of_the_kit_restores_it_and_fits_a_small_code() -> None:
    text = picture_text(WORDS)
    assert text.startswith(PICTURE_PREFIX)
    assert len(text) == 64
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ")
    assert restore_kit(text) == kit()


@given(st.binary(min_size=16, max_size=16))
def test_every_kit_is_restored_from_its_picture(entropy: bytes) -> None:
    words = make_words(entropy)
    assert restore_kit(picture_text(words)).words == words


@pytest.mark.parametrize(
    "retyped", ["", WORDS.rsplit(" ", 1)[0], OTHER_WORDS, WORDS + " abaisser", "abaisser " * 12]
)
def test_words_not_retyped_are_no_kit(retyped: str) -> None:
    with pytest.raises(NotRetyped) as refused:
        confirm_kit(WORDS, retyped)
    assert not any(word in str(refused.value) for word in WORDS.split())


def test_words_retyped_as_people_type_are_the_kit() -> None:
    typed = "  ".join(word[:4].upper() for word in WORDS.split())
    assert confirm_kit(WORDS, typed).words == read_words(WORDS)


# --- request and registration --------------------------------------------------------------------


def test_every_answer_becomes_a_signature_on_the_claim(
    place: Place, signers: list[SignerKey]
) -> None:
    request = make_request(kit(), place)
    answers = answer_all(signers, request.blinded)
    made = make_registration(kit(), place, request, answers, (1, 2, 4), seeded("proof"))
    assert [signature.registrar for signature in made.signatures] == [1, 2, 4]
    for signature in made.signatures:
        key = place.registrars[signature.registrar - 1]
        about = (place.uuid, place.station, place.weight_class, made.credential)
        signed = made.prefix + token_message(*about)
        assert blind_rsa.verify(key, RANDOMIZED_PSS, signed, signature.value)
    credential = place.group.decode(made.credential)
    assert knows_secret(place.group, registration_prefix(*about), credential, made.proof)


def test_nothing_of_the_registration_was_seen_in_the_request(
    place: Place, signers: list[SignerKey]
) -> None:
    request = make_request(kit(), place)
    answers = answer_all(signers, request.blinded)
    made = make_registration(kit(), place, request, answers, (1, 2, 3), seeded("proof"))
    seen = {*request.blinded, *answers.values()}
    assert not seen & {signature.value for signature in made.signatures}
    assert made.credential.encode() not in b"".join(seen)


def test_another_phone_with_the_words_repeats_the_request_and_uses_the_answers(
    place: Place, signers: list[SignerKey]
) -> None:
    lost = make_request(kit(), place)
    answers = answer_all(signers, lost.blinded)
    again = make_request(restore_kit(picture_text(WORDS)), place)
    assert again.blinded == lost.blinded
    assert open_answer(place, again, 3, answers[3]).registrar == 3


def test_requests_differ_by_person_election_station_class_and_registrar(place: Place) -> None:
    places = [
        place,
        replace(place, uuid=UUID[::-1]),
        replace(place, station="gare"),
        replace(place, weight_class="two"),
    ]
    requests = [make_request(kit(), other) for other in places]
    requests.append(make_request(kit(OTHER_WORDS), place))
    blinded = [message for request in requests for message in request.blinded]
    assert len(set(blinded)) == len(blinded)
    prefixes = [request.prepared[:32] for request in requests]
    assert len(set(prefixes)) == len(prefixes)


def test_a_registrar_that_signs_something_else_is_named(
    place: Place, signers: list[SignerKey]
) -> None:
    request = make_request(kit(), place)
    answers = answer_all(signers, request.blinded)
    swapped = {**answers, 2: answers[1]}
    with pytest.raises(BadAnswer) as refused:
        make_registration(kit(), place, request, swapped, (1, 2, 3), seeded("proof"))
    assert refused.value.registrar == 2
    for wrong in (b"", answers[2][:-1], bytes(len(answers[2]))):
        with pytest.raises(BadAnswer):
            open_answer(place, request, 2, wrong)
    for index in (0, 5):
        with pytest.raises(BadAnswer):
            open_answer(place, request, index, answers[1])


def test_a_silent_registrar_outside_the_set_does_no_harm_and_one_inside_is_named(
    place: Place, signers: list[SignerKey]
) -> None:
    request = make_request(kit(), place)
    answers = answer_all(signers, request.blinded)
    del answers[4]
    make_registration(kit(), place, request, answers, (1, 2, 3), seeded("proof"))
    with pytest.raises(MissingSigner, match=r"\[4\]"):
        make_registration(kit(), place, request, answers, (1, 2, 4), seeded("proof"))


# --- spoiling ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_only_the_credentials_owner_spoils_and_only_that_ballot(name: str) -> None:
    group, digest = GROUPS[name], "ab" * 32
    key = kit().vote_key()
    credential, secret = key.credential(UUID, group), key.secret(UUID, group)
    proof = sign_spoil(group, UUID, digest, secret, seeded("spoil"))
    element = group.decode(credential)
    assert knows_secret(group, spoil_prefix(UUID, digest), element, proof)
    stranger = group.decode(kit(OTHER_WORDS).vote_key().credential(UUID, group))
    assert not knows_secret(group, spoil_prefix(UUID[::-1], digest), element, proof)
    assert not knows_secret(group, spoil_prefix(UUID, "cd" * 32), element, proof)
    assert not knows_secret(group, spoil_prefix(UUID, digest), stranger, proof)
