"""The shell around the rules: time, candidates, versions, proofs, restarts."""

import json
from hashlib import sha256

import pytest

from chain.codec.canonical import b64url_encode
from chain.limits import TOWN_READ_MAX_BYTES, TOWN_RECHECKED_WHOLE
from chain.town.application import VERSIONS_KEPT, StoreReader
from chain.town.engine import BLOCK_MAX_GAS_US, HISTORY, JOURNAL
from chain.town.genesis import sentinel_table
from chain.town.ports import StateVersion
from chain.town.router import town_router
from chain.town.schemas import AccountRotate, ActParamSet, LoyaltyProgramme
from chain.types.abci import CheckTxType, RequestCheckTx, ResponseCheckTx
from tests.town.test_engine import PROGRAMME, programme_named, rotation, town_with_phone, with_rule
from tests.town.test_forest import is_proved
from tests.town.town_kit import DAY_S, MemoryStateStore, Town, jwk, key, make_town, name_of

PHONE = key("phone")
ACCOUNT_ID = b"account/" + PHONE.kid.encode()


# --- idle blocks, ticks ---


def test_an_idle_block_leaves_the_app_hash_unchanged():
    town = town_with_phone()
    before = town.app_hash
    town.advance(90 * DAY_S)
    town.idle(5)
    assert town.app_hash == before
    assert town.last.tx_results == ()
    assert town.last.validator_updates == ()


def test_after_ten_idle_hours_an_expired_transaction_is_refused_and_a_fresh_one_accepted():
    town = town_with_phone()
    stale = rotation(town, "stale", exp=town.now_s + 120)
    town.clock_lead_s = 10 * 3_600  # header time would be the old one: nobody made a block
    fresh = rotation(town, "fresh", exp=town.now_s + 10 * 3_600 + 120)
    assert name_of(town.check(stale)) == "tx_expired"
    assert name_of(town.check(fresh)) == "ok"
    assert town.propose(stale, fresh) == ()  # a tick: this block only moves the time
    town.idle()
    town.advance(10 * 3_600)
    town.clock_lead_s = 0
    assert town.propose(stale, fresh) == (fresh,)
    assert [name_of(r) for r in town.run(stale, fresh)] == ["tx_expired", "ok"]


@pytest.mark.parametrize(("lead_s", "count"), [(0, 1), (2, 1), (3, 0)])
def test_a_header_more_than_two_seconds_old_is_a_tick(lead_s, count):
    town = town_with_phone()
    tx = rotation(town)
    town.clock_lead_s = lead_s
    assert len(town.propose(tx)) == count


def test_process_proposal_and_finalize_block_never_look_at_the_clock():
    town = town_with_phone()
    tx = rotation(town)
    town.clock_lead_s = 10 * DAY_S
    assert town.is_acceptable(tx)
    assert name_of(town.finalize(tx)[0]) == "ok"


# --- candidates ---


def test_a_block_is_executed_once_from_proposal_to_decision():
    calls = []

    def count(ctx, body):
        from chain.town.loyalty import RULES

        calls.append(ctx.tx_key)
        return RULES[LoyaltyProgramme].apply(ctx, body)

    town = make_town(router=with_rule(LoyaltyProgramme, count))
    tx = town.tx(PROGRAMME, "body:commerces", town.role("loyalty_operator"))
    assert town.propose(tx) == (tx,)
    assert town.is_acceptable(tx)
    assert name_of(town.finalize(tx)[0]) == "ok"
    assert len(calls) == 1


def test_a_proposal_that_was_not_decided_leaves_no_trace():
    town, twin = town_with_phone(), town_with_phone()
    town.propose(rotation(town))
    town.is_acceptable(town.open_tx(key("other")))
    for each in (town, twin):
        each.idle()
    assert town.app_hash == twin.app_hash
    assert name_of(town.run(rotation(town))[0]) == "ok"


def test_every_way_to_a_decision_gives_the_same_hash():
    proposer, voter, replayer = (town_with_phone() for _ in range(3))
    txs = (rotation(proposer), proposer.open_tx(key("other")), b"junk")
    kept = proposer.propose(*txs)
    assert kept == txs[:2]
    assert voter.is_acceptable(*kept)
    for node in (proposer, voter, replayer):
        node.finalize(*kept)
    assert proposer.last == voter.last == replayer.last


def test_rewriting_a_record_as_it_was_changes_nothing():
    from chain.town.context import Accepted

    def rewrite(ctx, body):
        ctx.state.put("account", ACCOUNT_ID, ctx.state.get("account", ACCOUNT_ID))
        return Accepted()

    town = make_town(router=with_rule(LoyaltyProgramme, rewrite))
    town.open_account(PHONE)
    town.run(town.tx(PROGRAMME, "body:commerces", town.role("loyalty_operator")))
    assert ACCOUNT_ID not in {rid for _, rid, _ in town.store.load_undo(town.height)}


def test_the_proposal_fits_the_room_it_is_given():
    town = town_with_phone()
    small, other = rotation(town), town.open_tx(key("other"))
    framed = [1 + 2 + len(tx) for tx in (small, other)]
    assert town.propose(small, other, max_tx_bytes=sum(framed)) == (small, other)
    assert town.propose(small, other, max_tx_bytes=sum(framed) - 1) == (small,)
    assert town.propose(small, other, max_tx_bytes=0) == ()


def test_a_block_stays_within_its_gas():
    from dataclasses import replace

    router = town_router()
    route = router.routes["loyalty.programme"]
    heavy = replace(route, rule=replace(route.rule, gas_us=200_000))
    town = make_town(router=replace(router, routes={**router.routes, route.name: heavy}))
    operator = town.role("loyalty_operator")
    txs = [town.tx(programme_named(f"p-{n}"), "body:commerces", operator) for n in range(3)]
    assert town.propose(*txs) == tuple(txs[:2])
    assert town.is_acceptable(*txs[:2])
    assert not town.is_acceptable(*txs)


def test_genesis_limits_the_gas_of_a_block():
    town = make_town()
    answer = town.app.init_chain(town.genesis)
    assert answer.consensus_params.block.max_gas == BLOCK_MAX_GAS_US


# --- mempool view ---


def test_pending_transactions_build_on_each_other_until_the_next_block():
    town = make_town()
    assert name_of(town.check(rotation(town))) == "tx_unknown_key"
    assert name_of(town.check(town.open_tx(PHONE))) == "ok"
    assert name_of(town.check(rotation(town))) == "ok"
    town.idle()
    # The block held none of them: the view starts anew from committed state.
    assert name_of(town.check(rotation(town))) == "tx_unknown_key"


def test_a_waiting_transaction_asked_again_answers_the_same():
    town = town_with_phone()
    tx = rotation(town)
    assert town.check(tx) == town.check(tx)
    town.run(town.open_tx(key("other")))
    assert name_of(town.check(tx)) == "ok"


# --- queries ---


def test_a_record_is_proved_by_the_app_hash_of_its_height():
    town = town_with_phone()
    town.idle()
    answer = town.query("/record/account", ACCOUNT_ID, prove=True)
    assert json.loads(answer.value)["id"] == PHONE.kid
    assert answer.height == town.height
    assert is_proved(town.app_hash, answer.proof_ops, "account", ACCOUNT_ID, answer.value)
    hashed = town.query("/key/account", ACCOUNT_ID, prove=True)
    assert hashed.value == sha256(answer.value).digest()
    assert hashed.proof_ops == answer.proof_ops


def test_absence_is_provable_in_every_namespace_from_the_first_state_on():
    town = make_town()
    for namespace in town_router().namespaces:
        answer = town.query(f"/record/{namespace}", b"nobody", prove=True)
        assert (answer.code, answer.value) == (0, b"")
        assert is_proved(town.app_hash, answer.proof_ops, namespace, b"nobody", None)
        assert sentinel_table(namespace).get(town.app._base, b"").namespace == namespace


def test_old_versions_answer_with_what_was_true_then():
    town = town_with_phone()
    hashes, kids = {town.height: town.app_hash}, {town.height: PHONE.kid}
    signer = PHONE
    for n in range(3):
        fresh = key(f"k{n}")
        town.do(AccountRotate(jwk(fresh)), PHONE.kid, signer, fresh)
        signer = fresh
        hashes[town.height], kids[town.height] = town.app_hash, fresh.kid
        town.idle()
        hashes[town.height], kids[town.height] = town.app_hash, fresh.kid
    for _ in range(2):
        for height, app_hash in hashes.items():
            answer = town.query("/record/account", ACCOUNT_ID, height=height, prove=True)
            assert json.loads(answer.value)["kid"] == kids[height]
            assert is_proved(app_hash, answer.proof_ops, "account", ACCOUNT_ID, answer.value)
        town.restart()  # the second time, versions are rebuilt from the undo records


def test_versions_beyond_the_kept_ones_are_gone_and_say_so():
    town = town_with_phone()
    town.idle(VERSIONS_KEPT + 3)
    oldest = town.height - VERSIONS_KEPT + 1
    assert town.query("/record/account", ACCOUNT_ID, height=oldest).code == 0
    for height in (oldest - 1, 0 - 5, town.height + 1):
        answer = town.query("/record/account", ACCOUNT_ID, height=height, prove=True)
        assert answer.info == "query_version_gone"
        assert answer.value == b""
    assert len(town.app._versions) == VERSIONS_KEPT


def test_nothing_is_served_from_before_the_first_block():
    town = make_town(initial_height=50)
    town.idle(2)
    assert town.query("/record/account", ACCOUNT_ID, height=50).code == 0
    assert town.query("/record/account", ACCOUNT_ID, height=49).info == "query_version_gone"
    town.restart()
    assert town.query("/record/account", ACCOUNT_ID, height=49).info == "query_version_gone"


@pytest.mark.parametrize(
    ("path", "data", "code"),
    [
        ("/", b"x", "query_unknown_path"),
        ("/record", b"x", "query_unknown_path"),
        ("/record/nowhere", b"x", "query_unknown_path"),
        ("/record/~replay", b"x", "query_unknown_path"),
        ("/record/account/x", b"x", "query_unknown_path"),
        ("record/account", b"x", "query_unknown_path"),
        ("/record/account", b"", "query_bad_key"),
        ("/record/account", b"x" * 256, "query_bad_key"),
    ],
)
def test_bad_queries_are_refused(path, data, code):
    assert make_town().query(path, data, prove=True).info == code


def test_the_status_tells_the_towns_facts():
    town = make_town(secure=True)
    town.idle()
    status = town.status()
    assert (status["height"], status["app_hash"]) == (1, town.app_hash.hex())
    assert (status["insecure"], status["insecure_reasons"]) == (False, [])
    assert status["params"]["council_delay_s"] == 7 * DAY_S
    assert len(status["town"]) == 43


# --- history and journal ---


def test_each_block_with_transactions_writes_the_hashes_of_all_blocks_since_the_last_one():
    town = town_with_phone()
    town.idle(3)
    town.run(rotation(town))
    record = HISTORY.get(town.reader, town.height.to_bytes(8, "big"))
    assert record.start == 1
    assert record.hashes == tuple(b64url_encode(town.block_hash(h)) for h in range(1, 5))
    town.run(town.open_tx(key("other")))
    record = HISTORY.get(town.reader, town.height.to_bytes(8, "big"))
    assert (record.start, len(record.hashes)) == (5, 1)


def test_work_at_block_end_leaves_one_journal_leaf():
    town = make_town(params={"council_delay_s": 60})
    town.run(town.council_tx(ActParamSet("council_delay_s", 120)))
    assert list(JOURNAL.scan(town.reader)) == []
    town.advance(60)
    town.idle()
    ((height, record),) = JOURNAL.scan(town.reader)
    assert int.from_bytes(height, "big") == town.height
    assert [entry["kind"] for entry in record.entries] == ["city.acts_applied"]
    answer = town.query("/record/journal", b"height/" + height, prove=True)
    assert is_proved(town.app_hash, answer.proof_ops, "journal", b"height/" + height, answer.value)


# --- restarts ---


def test_a_crash_before_commit_loses_nothing_and_repeats_the_block():
    town, twin = town_with_phone(), town_with_phone()
    tx = rotation(town)
    town.propose(tx)
    town.restart()
    assert name_of(town.run(tx)[0]) == "ok"
    twin.run(tx)
    assert town.app_hash == twin.app_hash


def test_a_crash_before_the_first_block_starts_over_from_genesis():
    town = make_town()
    again = make_town()
    again.app = type(town.app)(again.store, again.clock)
    assert again.app.init_chain(again.genesis).app_hash == town.app_hash
    tx = town.open_tx(PHONE)
    assert town.run(tx) == again.run(tx)
    assert town.app_hash == again.app_hash


def test_what_is_read_is_remembered_as_the_newest_version_has_it_and_large_records_are_not():
    store, large = MemoryStateStore(), b"x" * (TOWN_READ_MAX_BYTES + 1)
    store.save(
        StateVersion(
            1,
            b"",
            (("a", b"1", b"old"), ("a", b"2", large)),
            (("a", b"1", None), ("a", b"2", None)),
        )
    )
    reader = StoreReader(store)
    assert (reader.get("a", b"1"), reader.get("a", b"2"), reader.get("a", b"3")) == (
        b"old",
        large,
        None,
    )
    assert reader._known == {("a", b"1"): b"old", ("a", b"3"): None}
    changes = (("a", b"1", large), ("a", b"2", b"small"), ("a", b"3", b"new"))
    store.save(
        StateVersion(2, b"", changes, (("a", b"1", b"old"), ("a", b"2", large), ("a", b"3", None)))
    )
    reader.follow(changes)
    assert [reader.get("a", name) for name in (b"1", b"2", b"3")] == [large, b"small", b"new"]
    assert reader._known == {("a", b"2"): b"small", ("a", b"3"): b"new"}


def test_a_client_that_asks_for_all_large_records_does_not_fill_the_memory():
    town = make_town()
    for _ in range(12):
        town.idle(60)
        town.open_account(key(f"phone {town.height}"))
    for height in range(town.height + 1):
        town.query("/record/history", b"blocks/" + height.to_bytes(8, "big"))
    held = [record for record in town.app._committed._known.values() if record]
    assert len(HISTORY.get(town.reader, town.height.to_bytes(8, "big")).hashes) == 61
    assert max(map(len, held)) <= TOWN_READ_MAX_BYTES


def test_a_damaged_store_is_noticed_at_start():
    from chain.town.engine import StateUnavailable

    town = town_with_phone()
    town.store._put("account", ACCOUNT_ID, b"{}")
    with pytest.raises(StateUnavailable, match="app hash"):
        town.restart()


def founding(town: Town, slug: str, **how: int) -> bytes:
    """A new programme, which nothing else can be in the way of."""
    operator = town.role("loyalty_operator")
    return town.tx(programme_named(slug), "body:commerces", operator, **how)


def recheck(town: Town, tx: bytes) -> ResponseCheckTx:
    """CheckTx of a transaction that waited when a block came."""
    return town.app.check_tx(RequestCheckTx(tx, CheckTxType.RECHECK))


def test_everything_that_waits_counts_for_the_quota_also_after_a_block():
    """Else a key could put a quota of its own into the pool after every block."""
    quota = TOWN_RECHECKED_WHOLE + 20
    town = make_town(params={"quota_agent_per_minute": quota})
    waiting = [founding(town, f"p{n}") for n in range(quota)]
    assert all(town.check(tx).is_ok() for tx in waiting)
    town.run()
    assert all(recheck(town, tx).is_ok() for tx in waiting)
    assert name_of(town.check(founding(town, "one-more"))) == "tx_quota_exceeded"


def test_what_expired_or_was_recorded_while_it_waited_is_dropped_at_any_place_of_the_queue():
    town = make_town()
    first = [founding(town, f"p{n}") for n in range(TOWN_RECHECKED_WHOLE)]
    good, taken = founding(town, "good"), founding(town, "taken")
    late = founding(town, "late", exp=town.now_s + 5)
    assert all(town.check(tx).is_ok() for tx in (*first, good, late, taken))
    town.advance(2)
    town.run(taken)
    town.advance(10)
    assert all(recheck(town, tx).is_ok() for tx in (*first, good))
    assert name_of(recheck(town, late)) == "tx_expired"
    assert name_of(recheck(town, taken)) == "tx_replayed"
