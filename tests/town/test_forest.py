"""Proofs from a record to the app hash, checked by the independent ICS-23 verifier."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.codec.merkle import merkle_root
from chain.crypto.ics23 import (
    TENDERMINT_SPEC,
    calculate_root,
    decode_proof,
    verify_membership,
    verify_non_membership,
)
from chain.town.forest import compute_app_hash, prove, prove_key, update_forest
from chain.town.tree import tree_key, update_tree, value_hash
from tests.town.test_tree import close_keys, random_keys


def is_proved(app_hash, ops, namespace, record_id, record) -> bool:
    """What a light client does: key in the subtree (or not), then namespace in the app hash."""
    inner, outer = (decode_proof(op.data) for op in ops)
    subtree = calculate_root(outer.value) and outer.value.value
    if not verify_membership(TENDERMINT_SPEC, app_hash, outer, namespace.encode(), subtree):
        return False
    key = tree_key(namespace, record_id)
    if record is None:
        return verify_non_membership(TENDERMINT_SPEC, subtree, inner, key)
    return verify_membership(TENDERMINT_SPEC, subtree, inner, key, value_hash(record))


@settings(max_examples=200, deadline=None)
@given(
    st.sets(st.one_of(close_keys, random_keys), min_size=1, max_size=30),
    st.one_of(close_keys, random_keys),
)
def test_every_key_is_proved_present_or_absent_and_never_both(keys, asked):
    root = update_tree(None, {key: sha256(key).digest() for key in keys})
    for key in {*keys, asked}:
        proof = decode_proof(prove_key(root, key))
        assert verify_membership(TENDERMINT_SPEC, root.hash, proof, key, sha256(key).digest()) == (
            key in keys
        )
        assert verify_non_membership(TENDERMINT_SPEC, root.hash, proof, key) == (key not in keys)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 8, 9])
def test_the_second_step_fits_any_number_of_namespaces(count):
    names = [f"ns{chr(97 + n)}" for n in range(count)]
    forest = update_forest({}, [(name, b"id", b"record of " + name.encode()) for name in names])
    app_hash = compute_app_hash(forest)
    for name in names:
        record = b"record of " + name.encode()
        assert is_proved(app_hash, prove(forest, name, b"id"), name, b"id", record)
        assert is_proved(app_hash, prove(forest, name, b"other"), name, b"other", None)
        assert not is_proved(app_hash, prove(forest, name, b"id"), name, b"id", b"forged")


def test_the_app_hash_is_the_simple_map_of_ics23():
    forest = update_forest({}, [("b", b"1", b"x"), ("a", b"2", b"y")])
    leaves = [
        b"\x01" + n + b"\x20" + sha256(forest[n.decode()].hash).digest() for n in (b"a", b"b")
    ]
    assert compute_app_hash(forest) == merkle_root(leaves)


def test_side_namespaces_are_not_in_the_app_hash():
    forest = update_forest({}, [("a", b"1", b"x")])
    assert update_forest(forest, [("~side", b"1", b"x")]) == forest
