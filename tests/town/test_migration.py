"""A town moves to a new chain and nothing of it is lost: records, replay window, due work, old headers."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.town import rolling
from chain.town.engine import HISTORY
from chain.town.genesis import GenesisError
from chain.town.migration import LINEAGE, LastBlock, Migration, export_state
from chain.town.router import town_router
from chain.town.schemas import ActValidatorSet
from chain.town.snapshot import VersionGone, dump_state, load_state, view_state
from chain.town.snapshot_chunks import BadSnapshot, check_side
from chain.types.abci import RequestInitChain, ValidatorUpdate
from chain.types.params import ConsensusParams
from chain.types.timestamp import Timestamp
from tests.hash_seeds import print_under_two_hash_seeds
from tests.town.town_kit import BODIES, Town, key, make_town, name_of

NEW_CHAIN = "beffroi-test-2"


def lived_town() -> Town:
    """A town with accounts, idle stretches and a waiting council act."""
    town = make_town()
    town.open_account(key("shopper"))
    town.idle(5)
    town.open_account(key("baker"))
    town.idle(3)
    return town


def last_block(town: Town, height: int | None = None, app_hash: bytes | None = None) -> LastBlock:
    at = town.height if height is None else height
    return LastBlock(
        "beffroi-test-1",
        at,
        town.block_hash(at),
        town.app_hash if app_hash is None else app_hash,
        Timestamp(town.now_s),
    )


def export(town: Town) -> Migration:
    return export_state(view_state(town.store, town.height), last_block(town), NEW_CHAIN)


def genesis_of(town: Town, migration: Migration, **changes: object) -> RequestInitChain:
    values: dict[str, object] = {
        "time": Timestamp(town.now_s),
        "chain_id": NEW_CHAIN,
        "consensus_params": ConsensusParams(),
        "validators": migration.validators,
        "app_state_bytes": json.dumps(migration.app_state).encode(),
        "initial_height": town.height + 1,
    }
    return RequestInitChain(**(values | changes))


def moved(town: Town) -> Town:
    """The same town on the new chain, as its own application sees it."""
    return Town(genesis_of(town, export(town)))


def test_a_dump_gives_the_root_it_was_taken_from_and_is_in_tree_key_order():
    town = lived_town()
    records = list(dump_state(view_state(town.store, town.height)))
    assert load_state(records).app_hash == town.app_hash
    assert load_state(reversed(records)).app_hash == town.app_hash
    accounts = [rid for ns, rid, _ in records if ns == "account"]
    assert accounts == sorted(accounts, key=lambda rid: sha256(b"account\x00" + rid).digest())


def test_every_kept_version_can_be_viewed_and_none_beyond():
    town = make_town()
    roots = {}
    for name in ("a", "b", "c"):
        town.open_account(key(name))
        roots[town.height] = town.app_hash
    for height, root in roots.items():
        assert load_state(dump_state(view_state(town.store, height))).app_hash == root
    with pytest.raises(VersionGone):
        view_state(town.store, town.height + 1)
    town.store._undo.clear()
    with pytest.raises(VersionGone):
        view_state(town.store, town.height - 1)


def test_the_imported_state_has_the_exported_root_and_the_old_towns_name():
    town = lived_town()
    migration = export(town)
    new = Town(genesis_of(town, migration))
    assert new.app_hash == migration.app_hash
    assert new.town == town.town
    status = new.status()
    assert (status["chain_id"], status["initial_height"]) == (NEW_CHAIN, town.height + 1)
    assert status["validators"] == town.status()["validators"]


def test_the_new_chain_changes_three_kinds_of_records_and_no_other():
    town = lived_town()
    before = {row[:2]: row[2] for row in dump_state(view_state(town.store, town.height))}
    loaded = {
        (ns, b64url_decode(rid)): b64url_decode(record)
        for ns, rows in export(town).app_state["records"].items()
        for rid, record in rows
    }
    changed = {place for place in before.keys() | loaded if before.get(place) != loaded.get(place)}
    kinds = {(ns, rid.split(b"/")[0] if ns != "~history" else b"") for ns, rid in changed}
    assert kinds == {
        ("city", b"town"),
        ("history", b"blocks"),
        ("history", b"lineage"),
        ("~history", b""),
    }


def test_a_transaction_committed_on_the_old_chain_is_refused_on_the_new_one():
    town = lived_town()
    shopper = key("late")
    tx = town.open_tx(shopper)
    assert name_of(town.run(tx)[0]) == "ok"
    new = moved(town)
    new.now_s = town.now_s
    assert name_of(new.check(tx)) == "tx_replayed"


def test_a_transaction_signed_before_the_move_and_sent_after_is_accepted():
    town = lived_town()
    waiting = town.open_tx(key("offline"))
    new = moved(town)
    assert name_of(new.run(waiting)[0]) == "ok"


def test_waiting_council_acts_take_effect_on_the_new_chain():
    town = make_town(params={"council_delay_s": 500}, validators=4)
    raised = ActValidatorSet("mairie", b64url_encode(next(iter(town.validators))), 11)
    assert name_of(town.run(town.council_tx(raised))[0]) == "ok"
    new = moved(town)
    new.advance(600)
    new.idle(2)
    assert new.validators[next(iter(town.validators))] == 11


def test_what_a_recovery_takes_off_is_not_brought_back_by_an_act_that_waited_on_the_old_chain():
    town = make_town(bodies=(*BODIES, "lycee"), params={"council_delay_s": 500}, validators=5)
    lost = list(town.validators)[-1]
    body = next(
        v["body"] for v in town.status()["validators"] if v["pub_key"] == b64url_encode(lost)
    )
    raised = ActValidatorSet(body, b64url_encode(lost), 11)
    assert name_of(town.run(town.council_tx(raised, seats=BODIES))[0]) == "ok"
    view = view_state(town.store, town.height)
    off = (ActValidatorSet(body, b64url_encode(lost), 0),)
    migration = export_state(view, last_block(town), NEW_CHAIN, off)
    assert lost not in {update.pub_key for update in migration.validators}
    new = Town(genesis_of(town, migration))
    new.advance(600)
    new.idle(3)
    assert lost not in new.validators


def test_updates_announced_but_not_yet_in_force_are_in_the_exported_set():
    town = make_town(validators=4)
    raised = ActValidatorSet("mairie", b64url_encode(next(iter(town.validators))), 12)
    town.run(town.council_tx(raised))
    town.idle()
    powers = {update.pub_key: update.power for update in export(town).validators}
    assert powers[next(iter(town.validators))] == 12


def test_history_of_the_new_chain_lists_every_header_of_the_old_one():
    town = lived_town()
    town.idle(20)
    new = moved(town)
    listed: dict[int, str] = {}
    for _, record in HISTORY.scan(new.app._base):
        listed.update(enumerate(record.hashes, record.start))
    wanted = {h: b64url_encode(town.block_hash(h)) for h in range(1, town.height + 1)}
    assert listed == wanted


def test_history_too_long_for_one_record_is_split_and_overwrites_none(monkeypatch):
    monkeypatch.setattr("chain.town.migration.HISTORY_MAX_HASHES", 7)
    town = lived_town()
    town.idle(30)
    new = moved(town)
    listed: dict[int, str] = {}
    for _, record in HISTORY.scan(new.app._base):
        listed.update(enumerate(record.hashes, record.start))
    assert sorted(listed) == list(range(1, town.height + 1))


def test_lineage_names_the_last_block_and_grows_with_every_move():
    town = lived_town()
    new = moved(town)
    new.idle(2)
    lineage = LINEAGE.get(new.reader, (town.height + 1).to_bytes(8, "big"))
    assert (lineage.chain_id, lineage.height) == ("beffroi-test-1", town.height)
    assert b64url_decode(lineage.app_hash) == town.app_hash
    last = LastBlock(
        NEW_CHAIN, new.height, new.block_hash(new.height), new.app_hash, Timestamp(new.now_s)
    )
    again = export_state(view_state(new.store, new.height), last, "beffroi-test-3")
    ids = [b64url_decode(rid) for rid, _ in again.app_state["records"]["history"]]
    assert sum(rid.startswith(b"lineage/") for rid in ids) == 2


def test_the_new_town_lives_on_and_restarts_from_its_store():
    new = moved(lived_town())
    new.open_account(key("newcomer"))
    app_hash = new.app_hash
    new.restart()
    new.idle()
    assert new.app_hash == app_hash


def refused(town: Town, migration: Migration, match: str, **changes: object) -> None:
    with pytest.raises(GenesisError, match=match):
        Town(genesis_of(town, migration, **changes))


def test_an_app_state_that_was_touched_is_refused():
    town = lived_town()
    migration = export(town)
    state = json.loads(json.dumps(migration.app_state))
    row = state["records"]["account"][0]
    row[1] = b64url_encode(b64url_decode(row[1])[:-1] + b" ")
    refused(town, migration, "records give", app_state_bytes=json.dumps(state).encode())
    doubled = json.loads(json.dumps(migration.app_state))
    doubled["records"]["account"].append(doubled["records"]["account"][0])
    refused(town, migration, "comes twice", app_state_bytes=json.dumps(doubled).encode())
    unknown = migration.app_state | {"migration": 2}
    refused(town, migration, "format 2", app_state_bytes=json.dumps(unknown).encode())
    extra = migration.app_state | {"more": 1}
    refused(town, migration, "app_state", app_state_bytes=json.dumps(extra).encode())
    other = migration.app_state | {
        "lineage": migration.app_state["lineage"] | {"chain_id": "another"}
    }
    refused(town, migration, "lineage", app_state_bytes=json.dumps(other).encode())


def test_a_genesis_document_that_is_not_the_exports_own_is_refused():
    town = lived_town()
    migration = export(town)
    refused(town, migration, "not of this genesis", chain_id="beffroi-test-9")
    refused(town, migration, "continues at height", initial_height=town.height + 2)
    stranger = (*migration.validators[:-1], ValidatorUpdate(b"\x05" * 32, 10))
    refused(town, migration, "other validators", validators=stranger)


@pytest.mark.parametrize("side", ["~replay", "~quota"])
def test_entries_beside_the_tree_that_were_taken_out_are_noticed_though_the_root_is_the_same(side):
    town = lived_town()
    migration = export(town)
    state = json.loads(json.dumps(migration.app_state))
    del state["records"][side][-1]
    refused(town, migration, f"{side} entries", app_state_bytes=json.dumps(state).encode())
    state["records"][side] = []
    refused(town, migration, f"{side} entries", app_state_bytes=json.dumps(state).encode())


def test_hashes_that_the_old_chain_never_made_cannot_be_slipped_in():
    town = lived_town()
    migration = export(town)
    row = [b64url_encode((town.height + 1).to_bytes(8, "big")), b64url_encode(b"\x07" * 32)]
    records = {**migration.app_state["records"], "~history": [row]}
    state = migration.app_state | {"records": records}
    refused(town, migration, "hashes of finished", app_state_bytes=json.dumps(state).encode())


def test_a_genesis_whose_time_goes_back_is_refused_for_dropped_replay_keys_would_be_missed():
    town = lived_town()
    migration = export(town)
    refused(town, migration, "genesis_time", time=Timestamp(town.now_s - 1, 999_999_999))
    assert Town(genesis_of(town, migration, time=Timestamp(town.now_s + 60))).app_hash


def test_a_state_with_other_namespaces_than_this_release_is_refused():
    town = lived_town()
    migration = export(town)
    records = {**migration.app_state["records"], "~zzz": [["YQ", "Yg"]]}
    state = migration.app_state | {"records": records}
    refused(town, migration, "~zzz", app_state_bytes=json.dumps(state).encode())
    router = town_router()
    newer = replace(router, namespaces=(*router.namespaces, "zebras"))
    with pytest.raises(GenesisError, match="zebras"):
        Town(genesis_of(town, migration), router=newer)


def test_a_town_that_stopped_while_an_old_minute_was_being_dropped_can_still_move(monkeypatch):
    monkeypatch.setattr(rolling, "DROPPED_PER_BLOCK", 3)
    town = make_town()
    town.run(*[town.open_tx(key(f"phone {n}")) for n in range(9)])
    town.advance(700)
    town.run(town.open_tx(key("later")))
    with pytest.raises(BadSnapshot):
        check_side(town.reader, town.height)
    moved(town).open_account(key("newcomer"))


def test_a_damaged_store_is_not_exported():
    town = lived_town()
    view = view_state(town.store, town.height)
    with pytest.raises(ValueError, match="the records give"):
        export_state(view, last_block(town, app_hash=b"\x01" * 32), NEW_CHAIN)


SCRIPT = """
import json
from hashlib import sha256
from tests.town.test_migration import export, lived_town
print(sha256(json.dumps(export(lived_town()).app_state).encode()).hexdigest())
"""


@pytest.mark.process
def test_two_hash_seeds_export_the_same_bytes():
    assert len(print_under_two_hash_seeds(SCRIPT)) == 64
