"""Issuance: one request a citizen, signatures that fit, one credential a token; whatever else comes changes nothing.

Every refusal is asked of CheckTx and of FinalizeBlock, and the votes' records are compared before and after.
"""

from math import gcd
from typing import Any

import pytest
from msgspec.structs import replace

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto import rsa_modulus
from chain.crypto.words import make_words
from chain.town.engine import BlockInput
from chain.town.envelope import build_anonymous
from chain.town.schemas import IdRecoverOpen, IdStatus
from chain.town.votes import registering
from chain.town.votes.records import CREDENTIALS, NAMESPACE, scan_election
from chain.town.votes_schemas import (
    CredRegister,
    IssueSign,
    RegistrarKeys,
    StationKey,
    TokenSignature,
    VoteProof,
)
from chain.votes.groups import get_group
from chain.votes.voter.kit import confirm_kit
from chain.votes.voter.request import Place, make_registration, make_request
from tests.town.identity.kit import CLERK, cid_of
from tests.town.town_kit import Town, jwk, key, name_of
from tests.town.votes.issuing import CLASS, REGISTRARS, Issuance, modulus_text, registrar_key
from tests.town.votes.kit import UUID
from tests.votes.kit import seeded

WORDS = make_words(bytes(range(16)))


def records(town: Town) -> dict[bytes, bytes]:
    """Everything the chain keeps of votes."""
    return dict(town.reader.scan(NAMESPACE))


def refused(issuance: Issuance, tx: bytes, code: str, *, is_end: bool = False) -> str:
    """Refused by CheckTx and by FinalizeBlock with this code, without a trace among the votes; the log.

    `is_end`: issuance ends with this very block, which fixes signers and counts; nothing else may change.
    """
    town = issuance.town
    assert name_of(town.check(tx)) == code
    before = records(town)
    result = town.run(tx)[0]
    assert name_of(result) == code, result.log
    after = records(town)
    if is_end:
        ended = {rid for rid in after if rid.startswith((b"station/", b"election/", b"count/"))}
        before, after = (
            {r: v for r, v in kept.items() if r not in ended} for kept in (before, after)
        )
    assert after == before
    return result.log


@pytest.fixture
def issuance() -> Issuance:
    return Issuance.at_issuance(citizens=3)


@pytest.fixture
def registration() -> Issuance:
    """Everybody asked, registrars 1, 2 and 4 answered, registrar 3 never did."""
    issuance = Issuance.at_issuance(citizens=3)
    for name in issuance.citizens:
        issuance.must(issuance.request(name))
    for rank in (1, 2, 4):
        issuance.must(issuance.sign(rank, *issuance.citizens))
    issuance.end_issuance()
    return issuance


# --- registrars' keys --------------------------------------------------------------------------------


def keys_tx(issuance: Issuance, rank: int, *moduli: str, by: str = "", **changes: Any) -> bytes:
    keys = tuple(
        StationKey(station, CLASS, n) for station, n in zip(issuance.stations, moduli, strict=True)
    )
    slug = by or REGISTRARS[rank - 1]
    body = RegistrarKeys(**({"election": UUID, "registrar": rank, "keys": keys} | changes))
    return issuance.town.tx(body, f"body:{slug}", key(f"registrar@{slug}"))


def test_each_registrar_publishes_once_one_key_for_every_station() -> None:
    issuance = Issuance.sealed(stations=("1", "2"))
    published = [
        issuance.town.result_data(issuance.must(issuance.publish_keys(rank)))["published"]
        for rank in range(1, 5)
    ]
    assert published == [1, 2, 3, 4]
    again = keys_tx(issuance, 1, modulus_text(registrar_key(8)), modulus_text(registrar_key(7)))
    refused(issuance, again, "votes_keys_refused")


def test_a_place_is_held_by_the_body_that_was_named() -> None:
    issuance = Issuance.sealed()
    good = modulus_text(registrar_key(0))
    refused(issuance, keys_tx(issuance, 2, good, by="reg1"), "votes_registrar_unknown")
    refused(issuance, keys_tx(issuance, 4, good, by="reg1", registrar=5), "votes_registrar_unknown")
    clerk = key("agent_supervisor@mairie")
    body = RegistrarKeys(UUID, 1, (StationKey("1", CLASS, good),))
    refused(issuance, issuance.town.tx(body, "body:mairie", clerk), "tx_wrong_role")


def test_bad_keys_are_refused() -> None:
    issuance = Issuance.sealed()
    good = registrar_key(0)
    for n, why in (
        (good.public.n - 1, "even"),
        (751 * (2**3062 + 1), "small factor"),
        (2**3070 + 1, "size"),
        (good.p**2, "square"),
    ):
        text = b64url_encode(n.to_bytes(384, "big"))
        assert why in refused(issuance, keys_tx(issuance, 1, text), "votes_keys_refused")


def test_one_key_is_no_two_registrars() -> None:
    issuance = Issuance.sealed()
    issuance.must(issuance.publish_keys(1))
    first = registrar_key(0)
    same = keys_tx(issuance, 2, modulus_text(first))
    assert "used before" in refused(issuance, same, "votes_keys_refused")
    shared = first.p * registrar_key(1).p
    text = b64url_encode(shared.to_bytes(384, "big"))
    assert "factor" in refused(issuance, keys_tx(issuance, 2, text), "votes_keys_refused")


def test_a_new_key_is_compared_with_those_published_and_they_not_again_with_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Thirteen registrars at 64 stations would cost twice the gas of it, for what was known before."""
    issuance = Issuance.sealed()
    for rank in (1, 2, 3):
        issuance.must(issuance.publish_keys(rank))
    compared: list[set[int]] = []

    def count(a: int, b: int) -> int:
        compared.append({a, b})
        return gcd(a, b)

    monkeypatch.setattr(rsa_modulus, "gcd", count)
    issuance.must(issuance.publish_keys(4))
    moduli = [registrar_key(number).public.n for number in range(4)]
    pairs = [pair for pair in compared if pair <= set(moduli)]
    assert all({moduli[3], other} in pairs for other in moduli[:3])
    assert all(moduli[3] in pair for pair in pairs)


def test_a_registration_that_waits_is_looked_at_again_without_a_power(
    registration: Issuance,
) -> None:
    """A queue is asked after every block; a power for each would cost more than the block."""
    waiting, taken = registration.register_tx("c0"), registration.register_tx("c1")
    registration.must(registration.town.run(taken)[0])
    town = registration.town
    run = town.app._new_run(BlockInput(town.height + 1, town.now_s))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registering, "is_proper_member", None)
        assert run.count_again(waiting).code == 0
        assert run.count_again(taken).info == "votes_credential_known"


def test_one_key_is_for_one_station_and_one_election() -> None:
    issuance = Issuance.sealed(stations=("1", "2"))
    same = modulus_text(registrar_key(0))
    assert "2/one: used before" in refused(
        issuance, keys_tx(issuance, 1, same, same), "votes_keys_refused"
    )
    for keys in (
        (StationKey("2", CLASS, modulus_text(registrar_key(0))),),
        (
            StationKey("2", CLASS, modulus_text(registrar_key(0))),
            StationKey("1", CLASS, modulus_text(registrar_key(1))),
        ),
    ):
        tx = keys_tx(issuance, 1, same, same, keys=keys)
        refused(issuance, tx, "votes_stations_refused")


def test_no_key_is_published_when_the_rolls_are_fixed(issuance: Issuance) -> None:
    late = keys_tx(issuance, 1, modulus_text(registrar_key(8)))
    refused(issuance, late, "votes_wrong_phase")


# --- requests ----------------------------------------------------------------------------------------


def test_a_citizen_asks_once_and_may_send_the_same_request_again(issuance: Issuance) -> None:
    data = issuance.town.result_data(issuance.must(issuance.request("c0")))
    assert data == {"election": UUID, "station": "1", "weight_class": CLASS, "requests": 1}
    before = records(issuance.town)
    again = issuance.town.result_data(issuance.must(issuance.request("c0")))
    assert again == data | {"repeated": True}
    assert records(issuance.town) == before


def test_a_second_request_by_one_citizen_is_refused(issuance: Issuance) -> None:
    issuance.must(issuance.request("c0"))
    refused(issuance, issuance.request_tx("c0", "other"), "votes_already_requested")
    token, other = issuance.token("c0"), issuance.token("c0", "other")
    mixed = (*token.blinded[:2], *other.blinded[2:])
    values = tuple(b64url_encode(hidden.message) for hidden in mixed)
    refused(issuance, issuance.request_tx("c0", blinded=values), "votes_already_requested")


def test_a_request_is_for_the_senders_own_identity(issuance: Issuance) -> None:
    body = issuance.request_body("c0")
    other = issuance.town.tx(body, key("c1").kid, key("c1"))
    refused(issuance, other, "votes_not_eligible")
    unknown = issuance.request_tx("c0", cid=cid_of("nobody"))
    refused(issuance, unknown, "votes_not_eligible")


def test_no_other_key_asks_for_a_citizen(issuance: Issuance) -> None:
    """PROTOCOL §8: only the identity key signs it, neither a device nor an account of another domain."""
    stranger = issuance.town.tx(issuance.request_body("c0"), key("c0").kid, key("c1"))
    refused(issuance, stranger, "tx_not_entitled")
    issuance.town.open_account(key("shopper"), "loyalty")
    shopper = issuance.town.tx(issuance.request_body("c0"), key("shopper").kid, key("shopper"))
    refused(issuance, shopper, "account_wrong_domain")


@pytest.mark.parametrize(
    "changes",
    [
        {"salt": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"index": 2},
        {"index": 99},
        {"aunts": ()},
    ],
)
def test_who_is_not_shown_to_be_on_the_roll_is_refused(
    issuance: Issuance, changes: dict[str, Any]
) -> None:
    refused(issuance, issuance.request_tx("c0", **changes), "votes_not_on_roll")


def test_a_citizen_who_is_on_no_roll_is_refused() -> None:
    issuance = Issuance.at_issuance(citizens=4, stations=("1", "2"))
    body = issuance.request_body("c0")
    there = replace(issuance.request_body("c1"), cid=body.cid, salt=body.salt, blinded=body.blinded)
    tx = issuance.town.tx(there, key("c0").kid, key("c0"))
    refused(issuance, tx, "votes_not_on_roll")
    nowhere = issuance.request_tx("c0", station="9")
    refused(issuance, nowhere, "votes_station_unknown")


def test_values_out_of_range_too_many_or_too_few_are_refused(issuance: Issuance) -> None:
    good = issuance.request_body("c0").blinded
    n = issuance.signer(2).public.n
    for values in (
        good[:3],
        (*good, good[0]),
        *((good[0], b64url_encode(v.to_bytes(384, "big")), *good[2:]) for v in (0, 1, n - 1, n)),
    ):
        refused(issuance, issuance.request_tx("c0", blinded=values), "votes_request_invalid")


def test_requests_outside_the_window_are_refused() -> None:
    issuance = Issuance.sealed()
    for rank in range(1, 5):
        issuance.must(issuance.publish_keys(rank))
    refused(issuance, issuance.request_tx("c0"), "votes_issuance_closed")
    issuance.fix_rolls()
    calendar = issuance.record.calendar
    tx = issuance.request_tx
    refused(issuance, tx("c0"), "votes_issuance_closed")
    issuance.vote.go_to(calendar.issuance_opens)
    issuance.town.now_s = calendar.issuance_closes - 2
    issuance.must(issuance.request("c0"))
    issuance.town.now_s = calendar.issuance_closes
    refused(issuance, tx("c1"), "votes_issuance_closed", is_end=True)
    issuance.vote.settle()
    assert issuance.record.phase == "registration"
    refused(issuance, tx("c1"), "votes_issuance_closed")


def test_an_election_that_does_not_exist_is_named(issuance: Issuance) -> None:
    other = "1" * 14
    refused(issuance, issuance.request_tx("c0", election=other), "votes_unknown_election")


# --- who may not vote any more -------------------------------------------------------------------------


def move(issuance: Issuance, name: str, status: Any) -> None:
    town = issuance.town
    body = IdStatus(cid_of(name), status)
    signers = (town.role("clerk"), town.role("agent_supervisor"))
    issuance.must(town.do(body, CLERK, *signers))


@pytest.mark.parametrize("status", ["moved_out", "erased", "ended", "suspended"])
def test_who_is_no_current_citizen_gets_neither_request_nor_signature(
    issuance: Issuance, status: str
) -> None:
    issuance.must(issuance.request("c0"))
    answer = issuance.sign_body(1, "c0")
    asking = issuance.request_tx("c1")
    for name in ("c0", "c1"):
        move(issuance, name, status)
    closed = "account_frozen"
    refused(issuance, asking, closed)
    assert "status" in refused(issuance, issuance.sign_tx(1, answer), "votes_not_eligible")


def test_a_recovery_during_the_election_takes_the_vote(issuance: Issuance) -> None:
    """PROTOCOL §6: opened after T-30 d; whoever stole the phone gets no signature for what it asked."""
    issuance.must(issuance.request("c0"))
    answer = issuance.sign_body(1, "c0")
    town, new = issuance.town, key("c0's new phone")
    opening = IdRecoverOpen(key("c0").kid, cid_of("c0"), jwk(new))
    agents = (town.role("clerk"), town.role("agent_supervisor"))
    issuance.must(town.do(opening, CLERK, *agents, new))
    detail = refused(issuance, issuance.sign_tx(1, answer), "votes_not_eligible")
    assert "recover" in detail


def test_the_policy_of_the_election_is_asked_at_the_request() -> None:
    issuance = Issuance.at_issuance(policy="consultation")
    detail = refused(issuance, issuance.request_tx("c0"), "votes_not_eligible")
    assert "electoral" in detail


def test_whoever_signs_loses_no_others_request() -> None:
    """A batch with one citizen who may not vote any more is refused whole; without that one it is taken."""
    issuance = Issuance.at_issuance(citizens=2)
    for name in issuance.citizens:
        issuance.must(issuance.request(name))
    move(issuance, "c0", "suspended")
    both = issuance.sign_body(1, "c0", "c1")
    refused(issuance, issuance.sign_tx(1, both), "votes_not_eligible")
    issuance.must(issuance.sign(1, "c1"))
    assert issuance.line().signed == (1, 0, 0, 0)


# --- signatures ----------------------------------------------------------------------------------------


def test_registrars_answer_in_batches_and_served_counts_who_has_enough(issuance: Issuance) -> None:
    for name in ("c0", "c1"):
        issuance.must(issuance.request(name))
    seen = []
    for rank, names in ((1, ("c0", "c1")), (2, ("c0",)), (4, ("c1", "c0")), (3, ("c0",))):
        data = issuance.town.result_data(issuance.must(issuance.sign(rank, *names)))
        seen.append((data["signed"], data["served"]))
    assert seen == [(2, 0), (1, 0), (2, 1), (1, 1)]
    assert issuance.line().signed == (2, 1, 1, 2)
    assert issuance.counts.served == issuance.line().served == 1


def test_an_answer_given_twice_counts_once(issuance: Issuance) -> None:
    for name in ("c0", "c1"):
        issuance.must(issuance.request(name))
    issuance.must(issuance.sign(1, "c0"))
    data = issuance.town.result_data(issuance.must(issuance.sign(1, "c0", "c1")))
    assert data["signed"] == 1
    assert issuance.line().signed == (2, 0, 0, 0)
    body = issuance.sign_body(1, "c0")
    other = replace(body.signatures[0], signature=issuance.answer(1, "c1").signature)
    tx = issuance.sign_tx(1, replace(body, signatures=(other,)))
    refused(issuance, tx, "votes_already_signed")


def test_a_wrong_blind_signature_is_refused_by_everybody(issuance: Issuance) -> None:
    for name in ("c0", "c1"):
        issuance.must(issuance.request(name))
    good = issuance.sign_body(1, "c0").signatures[0]
    n = issuance.signer(1).public.n
    value = int.from_bytes(b64url_decode(good.signature), "big")
    wrong = [
        issuance.answer(1, "c1").signature,
        issuance.answer(2, "c0").signature,
        b64url_encode((value ^ 1).to_bytes(384, "big")),
    ]
    if value + n < 2**3072:
        wrong.append(b64url_encode((value + n).to_bytes(384, "big")))
    for text in wrong:
        body = IssueSign(UUID, 1, (replace(good, signature=text),))
        refused(issuance, issuance.sign_tx(1, body), "votes_blind_signature_invalid")


def test_answers_are_sorted_and_each_citizen_stands_once(issuance: Issuance) -> None:
    for name in ("c0", "c1"):
        issuance.must(issuance.request(name))
    body = issuance.sign_body(1, "c0", "c1")
    for order in (body.signatures[::-1], (body.signatures[0],) * 2):
        tx = issuance.sign_tx(1, replace(body, signatures=order))
        refused(issuance, tx, "votes_answers_unsorted")


def test_nobody_is_answered_who_did_not_ask(issuance: Issuance) -> None:
    issuance.must(issuance.request("c0"))
    body = issuance.sign_body(1, "c0")
    stuffed = replace(body, signatures=(replace(body.signatures[0], cid=cid_of("c2")),))
    refused(issuance, issuance.sign_tx(1, stuffed), "votes_request_unknown")


def test_a_registrar_answers_for_its_own_place_and_in_the_window(issuance: Issuance) -> None:
    issuance.must(issuance.request("c0"))
    body = issuance.sign_body(1, "c0")
    refused(issuance, issuance.sign_tx(1, body, by="reg2"), "votes_registrar_unknown")
    issuance.town.now_s = issuance.record.calendar.issuance_closes
    refused(issuance, issuance.sign_tx(1, body), "votes_issuance_closed", is_end=True)
    assert issuance.line().signed == (0, 0, 0, 0)


# --- registration --------------------------------------------------------------------------------------


def test_a_silent_registrar_does_not_keep_anybody_from_registering(registration: Issuance) -> None:
    assert registration.line().signers == (1, 2, 4)
    for count, name in enumerate(registration.citizens, 1):
        data = registration.town.result_data(registration.must(registration.register(name)))
        assert data == {
            "election": UUID,
            "station": "1",
            "weight_class": CLASS,
            "weight": 1,
            "registrations": count,
        }
    held = [
        record.credential
        for _, record in scan_election(CREDENTIALS, registration.town.reader, UUID)
    ]
    assert sorted(held) == sorted(registration.token(n).credential for n in registration.citizens)
    assert held == sorted(held, key=lambda text: int(text, 16))


def test_a_registration_says_nothing_of_a_citizen(registration: Issuance) -> None:
    tx = registration.register_tx("c0")
    request = registration.request_record("c0")
    assert request is not None
    for text in (request.cid, key("c0").kid, *request.blinded, *request.signatures):
        assert not text or text.encode() not in tx


def test_a_token_is_spent_once(registration: Issuance) -> None:
    registration.must(registration.register("c0"))
    refused(registration, registration.register_tx("c0"), "votes_credential_known")
    other = registration.register_body("c0")
    reproved = replace(other, proof=registration.register_body("c1").proof)
    tx = build_anonymous(registration.town.town, reproved)
    refused(registration, tx, "votes_credential_known")


def test_two_of_one_credential_in_one_block_enter_once(registration: Issuance) -> None:
    tx = registration.register_tx("c0")
    assert registration.town.propose(tx, tx) == (tx,)
    results = [name_of(result) for result in registration.town.run(tx, tx)]
    assert results == ["ok", "votes_credential_known"]
    assert registration.counts.registrations == 1


def test_other_registrars_than_the_fixed_ones_are_refused(registration: Issuance) -> None:
    good = registration.register_body("c0").signatures
    third = replace(good[2], registrar=3)
    for signatures in (good[:2], (*good[:2], third), good[::-1], (*good, good[0]), (good[0],) * 3):
        tx = registration.register_tx("c0", signatures=signatures)
        refused(registration, tx, "votes_signers_wrong")


def test_signatures_of_another_credential_station_or_prefix_are_refused(
    registration: Issuance,
) -> None:
    good = registration.register_body("c0").signatures
    others = registration.register_body("c1").signatures
    for signatures in (
        others,
        (*good[:2], others[2]),
        (replace(good[0], prefix=others[0].prefix), *good[1:]),
        (TokenSignature(1, good[0].prefix, b64url_encode(bytes(384))), *good[1:]),
    ):
        tx = registration.register_tx("c0", signatures=signatures)
        refused(registration, tx, "votes_token_invalid")


def test_a_credential_that_is_none_or_another_ones_is_refused(registration: Issuance) -> None:
    good = registration.register_body("c0")
    neutral = "0" * 63 + "1"
    for credential in ("1", "f" * 64, neutral, good.credential[:-1], good.credential + "0"):
        tx = registration.register_tx("c0", credential=credential)
        refused(registration, tx, "votes_credential_invalid")
    stolen = replace(good, proof=registration.register_body("c1").proof)
    tx = build_anonymous(registration.town.town, stolen)
    assert "proof" in refused(registration, tx, "votes_credential_invalid")
    no_scalar = registration.register_tx("c0", proof=replace(good.proof, response="9" * 90))
    refused(registration, no_scalar, "votes_credential_invalid")


def test_registrations_outside_the_window_are_refused(registration: Issuance) -> None:
    calendar = registration.record.calendar
    tx = registration.register_tx("c0")
    registration.town.now_s = calendar.registration_closes
    refused(registration, tx, "votes_registration_closed")


def test_nothing_is_registered_before_the_signers_are_fixed(issuance: Issuance) -> None:
    """As the choice of signers would single people out, nobody has it."""
    issuance.must(issuance.request("c0"))
    for rank in (1, 2, 3):
        issuance.must(issuance.sign(rank, "c0"))
    tx = issuance.register_tx("c0", signers=(1, 2, 3))
    refused(issuance, tx, "votes_registration_closed")


def test_no_more_register_than_were_served() -> None:
    """Registrars that together sign what nobody asked for are stopped by the published count."""
    issuance = Issuance.at_issuance(citizens=3)
    for name in ("c0", "c1"):
        issuance.must(issuance.request(name))
    for rank in (1, 2, 3):
        issuance.must(issuance.sign(rank, "c0", "c1"))
    stuffed = issuance.stuff("c2", (1, 2, 3))
    more = issuance.stuff("c2", (1, 2, 3), "more")
    issuance.end_issuance()
    assert issuance.line().served == 2
    issuance.must(issuance.run_anonymous(stuffed))
    issuance.must(issuance.register("c0"))
    tx = build_anonymous(issuance.town.town, more)
    assert "2 served" in refused(issuance, tx, "votes_registrations_full")
    assert issuance.counts.registrations == 2


def test_an_unserved_request_is_counted_and_cannot_be_registered() -> None:
    issuance = Issuance.at_issuance(citizens=3)
    for name in issuance.citizens:
        issuance.must(issuance.request(name))
    for rank, names in ((1, ("c0", "c1", "c2")), (2, ("c0", "c1", "c2")), (3, ("c0", "c1"))):
        issuance.must(issuance.sign(rank, *names))
    issuance.must(issuance.sign(4, "c2"))
    issuance.end_issuance()
    line = issuance.line()
    assert (line.signers, line.requests, line.served) == ((1, 2, 3), 3, 2)
    tx = issuance.register_tx("c2", signers=(1, 2, 4))
    refused(issuance, tx, "votes_signers_wrong")


@pytest.mark.parametrize("group", ["Ed25519", "BELENIOS-2048"])
def test_the_voters_own_library_obtains_a_credential(group: str) -> None:
    """Words, request, answers, registration as `chain.votes.voter` makes them, on both groups, with a weight."""
    issuance = Issuance.at_issuance(citizens=1, group=group, weight=3)
    kit = confirm_kit(WORDS, WORDS)
    opened = get_group(group)
    assert opened is not None
    keys = tuple(issuance.public_key(rank) for rank in range(1, 5))
    place = Place(UUID, opened, "1", CLASS, keys)
    made = make_request(kit, place)
    blinded = tuple(b64url_encode(value) for value in made.blinded)
    issuance.must(issuance.request("c0", blinded=blinded))
    assert make_request(kit, place).blinded == made.blinded
    for rank in (2, 3, 4):
        issuance.must(issuance.sign(rank, "c0"))
    issuance.end_issuance()
    asked = issuance.request_record("c0")
    assert asked is not None
    answers = {rank: b64url_decode(text) for rank, text in enumerate(asked.signatures, 1) if text}
    signers = issuance.line().signers
    shown = make_registration(kit, place, made, answers, signers, seeded("library"))
    prefix = b64url_encode(shown.prefix)
    body = CredRegister(
        UUID,
        "1",
        CLASS,
        shown.credential,
        tuple(
            TokenSignature(each.registrar, prefix, b64url_encode(each.value))
            for each in shown.signatures
        ),
        VoteProof(shown.proof.challenge, shown.proof.response),
    )
    data = issuance.town.result_data(issuance.must(issuance.run_anonymous(body)))
    assert (data["weight"], data["registrations"]) == (3, 1)
    refused(issuance, build_anonymous(issuance.town.town, body), "votes_credential_known")


# --- the freeze ----------------------------------------------------------------------------------------


def freeze_tx(issuance: Issuance, *, by: str = "dehors", **changes: Any) -> bytes:
    body = issuance.freeze_body(**changes)
    return issuance.town.tx(body, f"body:{by}", key(f"electoral_commission@{by}"))


def test_the_list_closes_after_the_window_with_the_counts_seen(registration: Issuance) -> None:
    registration.must(registration.register("c0"))
    refused(registration, freeze_tx(registration), "votes_wrong_phase")
    registration.town.now_s = registration.record.calendar.registration_closes
    for changes in ({"requests": 2}, {"registrations": 2}):
        refused(registration, freeze_tx(registration, **changes), "votes_counts_differ")
    data = registration.town.result_data(registration.must(registration.freeze()))
    assert data == {
        "election": UUID,
        "phase": "freezing",
        "requests": 3,
        "served": 3,
        "registrations": 1,
    }
    refused(registration, registration.register_tx("c1"), "votes_registration_closed")
    refused(registration, freeze_tx(registration), "votes_wrong_phase")
