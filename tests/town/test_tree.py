"""The crit-bit tree: one root per key set, whatever the history; old roots stay readable."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.town.tree import get_value, iterate_leaves, tree_key, update_tree, value_hash


def naive_root(records: dict[bytes, bytes], bit: int = 0) -> bytes | None:
    """The specification, straight from the module's docstring, without any sharing."""
    if not records:
        return None
    if len(records) == 1:
        ((key, value),) = records.items()
        return sha256(b"\x00\x20" + key + b"\x20" + sha256(value).digest()).digest()

    def is_set(key: bytes) -> bool:
        return bool(key[bit // 8] >> (7 - bit % 8) & 1)

    left = naive_root({k: v for k, v in records.items() if not is_set(k)}, bit + 1)
    right = naive_root({k: v for k, v in records.items() if is_set(k)}, bit + 1)
    if left is None or right is None:
        return left or right
    return sha256(b"\x01" + left + right).digest()


# Few distinct bytes: keys share long prefixes and collide often across batches.
close_keys = st.lists(st.sampled_from([0, 1, 128, 255]), min_size=1, max_size=3).map(
    lambda head: bytes(head).ljust(32, b"\x00")
)
random_keys = st.integers(0, 60).map(lambda n: sha256(bytes([n])).digest())
values = st.one_of(st.none(), st.integers(0, 9).map(lambda n: sha256(bytes([n])).digest()))
batches = st.lists(
    st.dictionaries(st.one_of(close_keys, random_keys), values, max_size=12), max_size=8
)


@settings(max_examples=400, deadline=None)
@given(batches)
def test_the_root_equals_a_recomputation_from_a_plain_dict_after_every_batch(changes):
    root, model = None, {}
    for batch in changes:
        root = update_tree(root, batch)
        model.update(batch)
        model = {k: v for k, v in model.items() if v is not None}
        assert (root.hash if root else None) == naive_root(model)
        assert dict(iterate_leaves(root)) == model
        assert [k for k, _ in iterate_leaves(root)] == sorted(model)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(random_keys, values, max_size=40), st.randoms(use_true_random=False))
def test_the_root_does_not_depend_on_how_writes_were_grouped(records, random):
    whole = update_tree(None, records)
    items = list(records.items())
    random.shuffle(items)
    stepwise = None
    for key, value in items:
        stepwise = update_tree(stepwise, {key: value})
    assert (whole and whole.hash) == (stepwise and stepwise.hash)


def test_old_roots_keep_their_content():
    keys = [sha256(bytes([n])).digest() for n in range(50)]
    first = update_tree(None, {k: value_hash(b"a") for k in keys})
    second = update_tree(first, {keys[3]: value_hash(b"b"), keys[4]: None})
    assert get_value(first, keys[3]) == value_hash(b"a")
    assert get_value(second, keys[3]) == value_hash(b"b")
    assert get_value(first, keys[4]) == value_hash(b"a")
    assert get_value(second, keys[4]) is None


@pytest.mark.parametrize("batch", [{}, {sha256(b"absent").digest(): None}])
def test_a_batch_that_changes_nothing_returns_the_same_root_object(batch):
    root = update_tree(None, {sha256(bytes([n])).digest(): b"\x01" * 32 for n in range(5)})
    same = dict(iterate_leaves(root))
    assert update_tree(root, batch) is root
    assert update_tree(root, same) is root


def test_tree_keys_part_namespace_from_id():
    assert tree_key("ab", b"c") != tree_key("a", b"bc")
    assert tree_key("ab", b"c") == sha256(b"ab\x00c").digest()
