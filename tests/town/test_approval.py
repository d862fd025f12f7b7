"""A town that lost a third of its validators goes on by the council's word over one file, and by nothing less."""

import json

import pytest

from chain.codec.canonical import b64url_encode
from chain.crypto import ed25519, jws
from chain.node.exporting import render_genesis
from chain.node.home import read_genesis
from chain.town.approval import (
    APPROVAL_TYP,
    add_approval,
    approval_payload,
    judge_approval,
    seats_of_genesis,
)
from chain.town.genesis import GenesisError
from chain.town.migration import decode_migration, export_state
from chain.town.schemas import ActParamSet, ActRoleRevoke, ActValidatorSet
from chain.town.snapshot import view_state
from chain.types.abci import RequestInitChain
from chain.types.params import ConsensusParams, GenesisDoc, GenesisValidator
from chain.types.timestamp import Timestamp
from tests.town.test_migration import NEW_CHAIN, last_block, lived_town
from tests.town.town_kit import BODIES, Town, key, validator_seed

SEATS = [key(f"seat@{body}") for body in BODIES]
LOST, NEW = (
    b64url_encode(ed25519.derive_public(seed)) for seed in (validator_seed(3), b"\x09" * 32)
)
ACTS = (ActValidatorSet(BODIES[3], NEW, 10), ActValidatorSet(BODIES[3], LOST, 0))


def recovery(acts=ACTS):
    """The genesis file of a town whose fourth validator is gone for good, and the town."""
    town = lived_town()
    migration = export_state(view_state(town.store, town.height), last_block(town), NEW_CHAIN, acts)
    doc = GenesisDoc(
        genesis_time=Timestamp(town.now_s),
        chain_id=NEW_CHAIN,
        initial_height=town.height + 1,
        consensus_params=ConsensusParams(),
        validators=tuple(GenesisValidator(v.pub_key, v.power) for v in migration.validators),
        app_hash=migration.app_hash,
        app_state=migration.app_state,
    )
    return town, render_genesis(doc)


def payload_of(raw):
    read = read_genesis(raw)
    return approval_payload(raw, read.doc, read.app_state_bytes)


def seats_in(raw):
    return seats_of_genesis(decode_migration(read_genesis(raw).app_state_bytes))


def signed_by(payload, *signers):
    held = b""
    for signer in signers:
        held = add_approval(payload, held, signer)
    return held


def test_the_state_goes_on_with_the_new_validators_and_everything_else():
    old, raw = recovery()
    doc = read_genesis(raw).doc
    request = RequestInitChain(
        doc.genesis_time,
        doc.chain_id,
        doc.consensus_params,
        tuple(v_update(v) for v in doc.validators),
        read_genesis(raw).app_state_bytes,
        doc.initial_height,
    )
    new = Town(request)
    keys = {b64url_encode(v.pub_key) for v in doc.validators}
    assert NEW in keys
    assert LOST not in keys
    assert new.town == old.town
    for name in ("shopper", "baker"):
        record_id = b"account/" + key(name).kid.encode()
        before = old.query("/record/account", record_id).value
        assert new.query("/record/account", record_id).value == before


def v_update(validator):
    from chain.types.abci import ValidatorUpdate

    return ValidatorUpdate(validator.pub_key, validator.power)


@pytest.mark.parametrize(
    "acts",
    [
        (ActParamSet("council_delay_s", 0),),
        (ActRoleRevoke(key("clerk@mairie").kid),),
        (ActValidatorSet(BODIES[3], LOST, 0),),
    ],
)
def test_a_recovery_changes_validators_and_nodes_only_and_never_leaves_fewer_than_four(acts):
    with pytest.raises(ValueError, match="recovery"):
        recovery(acts)


def test_more_than_two_thirds_of_the_seats_make_it_the_towns():
    _, raw = recovery()
    payload, seats = payload_of(raw), seats_in(raw)
    assert judge_approval(payload, signed_by(payload, *SEATS[:3]), seats) == ""
    assert judge_approval(payload, signed_by(payload, *SEATS), seats) == ""
    assert "2 of 4" in judge_approval(payload, signed_by(payload, *SEATS[:2]), seats)
    assert "1 of 4" in judge_approval(payload, signed_by(payload, SEATS[0]), seats)


def test_one_changed_byte_of_the_genesis_voids_all_signatures():
    _, raw = recovery()
    held = signed_by(payload_of(raw), *SEATS)
    tree = json.loads(raw)
    tree["genesis_time"] = "2030-01-01T00:00:00Z"
    assert "another genesis" in judge_approval(
        payload_of(json.dumps(tree).encode()), held, seats_in(raw)
    )


def test_strangers_forged_and_repeated_signatures_do_not_count():
    _, raw = recovery()
    payload, seats = payload_of(raw), seats_in(raw)
    with_stranger = signed_by(payload, *SEATS[:2], key("stranger"))
    assert "no seat" in judge_approval(payload, with_stranger, seats)
    good = signed_by(payload, *SEATS[:3])
    tree = json.loads(good)
    tree["signatures"][0]["signature"] = tree["signatures"][1]["signature"]
    forged = json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()
    assert "does not verify" in judge_approval(payload, forged, seats)
    with pytest.raises(ValueError, match="already"):
        add_approval(payload, good, SEATS[0])
    other_purpose = jws.sign_general(payload, "beffroi-tx", SEATS[:3])
    assert "cannot be read" in judge_approval(payload, other_purpose, seats)
    assert "another genesis" in judge_approval(
        payload, jws.sign_general(b"{}", APPROVAL_TYP, SEATS[:3]), seats
    )


def test_a_genesis_that_founds_a_town_cannot_be_approved_as_a_recovery():
    town = lived_town()
    first = json.dumps({"bodies": [], "validators": []}).encode()
    with pytest.raises(GenesisError):
        approval_payload(b"{}", read_genesis(recovery()[1]).doc, first)
    assert town.height
