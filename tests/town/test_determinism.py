"""The same blocks give the same bytes on every machine, and the root is a function of the records alone."""

from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.town.forest import compute_app_hash, update_forest
from chain.town.rolling import SIDE_PREFIX
from chain.town.schemas import AccountRotate, ActBodyAdd, ActParamSet, ActRoleGrant
from tests.hash_seeds import print_under_two_hash_seeds
from tests.town.test_city import misbehaviour, set_validator
from tests.town.test_engine import programme_named
from tests.town.town_kit import BODIES, DAY_S, jwk, key, make_town


def scripted_day() -> str:
    """A run through most of the town's own rules; returns a digest of everything it answered."""
    town = make_town(params={"council_delay_s": 5}, bodies=(*BODIES, "lycee"), validators=5)
    digest = sha256()
    phones = [key(f"phone {n}") for n in range(12)]
    operator = town.role("loyalty_operator")
    acts = (
        ActBodyAdd("college", "Collège", jwk(key("seat@college"))),
        ActParamSet("due_max_per_block", 3),
        ActRoleGrant("clerk", "coop", jwk(key("clerk 2")), town.now_s + DAY_S),
        set_validator("coop", 2, 11),
    )
    blocks = [
        [town.open_tx(phone) for phone in phones],
        [town.council_tx(*acts, seats=BODIES)],
        [
            town.tx(AccountRotate(jwk(key(f"new {n}"))), p.kid, p, key(f"new {n}"))
            for n, p in enumerate(phones)
        ],
        [town.tx(programme_named(f"p-{n}"), "body:commerces", operator) for n in range(3)],
        [b"junk"],
    ]
    for txs in blocks:
        results = town.run(*txs)
        digest.update(repr((town.app_hash, results)).encode())
    town.advance(3_600)
    town.finalize(misbehavior=(misbehaviour(4),))
    digest.update(repr((town.app_hash, town.last, town.status())).encode())
    return digest.hexdigest()


def test_two_hash_seeds_give_the_same_bytes():
    program = "from tests.town.test_determinism import scripted_day; print(scripted_day())"
    assert print_under_two_hash_seeds(program) == scripted_day()


def recomputed_app_hash(town) -> bytes:
    """The app hash from nothing but the stored records, inserted in another order."""
    changes = [
        (namespace, rid, record)
        for namespace in town.store.namespaces()
        if not namespace.startswith(SIDE_PREFIX)
        for rid, record in town.store.scan(namespace)
    ]
    forest = {}
    for change in reversed(changes):
        forest = update_forest(forest, [change])
    return compute_app_hash(forest)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.integers(0, 9)),
        st.tuples(st.just("rotate"), st.integers(0, 9)),
        st.tuples(st.just("programme"), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.sampled_from([1, 61, 700])),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=15,
)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_the_app_hash_is_a_function_of_the_records_after_any_history(history):
    town = make_town()
    for step, n in history:
        if step == "open":
            town.run(town.open_tx(key(f"phone {n}")))
        elif step == "rotate":
            old, new = key(f"phone {n}"), key(f"new {n} {town.height}")
            town.run(town.tx(AccountRotate(jwk(new)), old.kid, old, new))
        elif step == "programme":
            operator = town.role("loyalty_operator")
            town.run(town.tx(programme_named(f"p-{n}"), "body:commerces", operator), b"junk")
        elif step == "wait":
            town.advance(n)
            town.idle()
        elif town.height:
            town.restart()
    if town.height:
        assert recomputed_app_hash(town) == town.app_hash
