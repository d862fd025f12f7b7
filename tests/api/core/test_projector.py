"""The projector writes what verifies, once, in whole blocks, and the same rows every time."""

import copy
import dataclasses
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.core.database import connected, database
from app.core.projection import ProjectorState, Transaction, get_projector_state
from app.core.projector import GenesisUnusable, Projector
from app.core.verifier import NodeLied
from app.core.wakeup import Wakeup
from app.wiring import build_projections
from chain.codec.hashing import hash_header
from chain.execution.genesis import (
    apply_init_chain,
    make_genesis_state,
    make_init_chain_request,
)
from chain.town.application import TownApplication
from chain.town.migration import LastBlock, export_state
from chain.town.schemas import ActBodyAdd, ActBodyRemove, ActRoleGrant, CouncilActs
from chain.town.snapshot import view_state
from chain.types.params import GenesisValidator
from chain.types.timestamp import Timestamp
from tests.api.conftest import Town
from tests.api.lab import Lab, LabClient
from tests.town.town_kit import BODIES, MemoryStateStore, jwk, key

SEATS = [key(f"seat@{body}") for body in BODIES]


def dump() -> dict[str, list[tuple[Any, ...]]]:
    """Every projected row, the state row included."""
    with connected():
        tables = (*build_projections().tables, ProjectorState)
        return {
            table._meta.table_name: sorted(table.select().tuples(), key=repr) for table in tables
        }


def live_a_little(town: Town) -> None:
    """Accounts, a refused transaction, council acts with and without delay, a few idle blocks."""
    for name in ("alice", "bob", "carol"):
        town.open_account(key(name))
    act(town, ActBodyAdd("gare", "La gare", jwk(key("seat@gare"))))
    act(town, ActRoleGrant("clerk", "gare", jwk(key("clerk@gare")), town.lab.now_s + 10_000))
    act(town, ActBodyRemove("gare"))
    duplicate = town.open_tx(key("alice"))
    town.lab.produce(duplicate)
    for _ in range(3):
        town.lab.produce()
    town.follow()


def act(town: Town, content: Any) -> None:
    tx = town.tx(CouncilActs((content,)), "council", *SEATS)
    answer = town.post_tx("/v1/city/acts", tx, SEATS[0])
    assert answer.status_code == 201, answer.json


def test_rows_follow_the_chain_block_end_effects_included(town: Town) -> None:
    live_a_little(town)
    rows = dump()
    assert {row[0] for row in rows["accounts"]} == {key(n).kid for n in ("alice", "bob", "carol")}
    gare = next(row for row in rows["bodies"] if row[0] == "gare")
    assert gare[4] > 0, "joined"
    assert gare[5] > gare[4], "left"
    clerk = next(row for row in rows["roles"] if row[0] == key("clerk@gare").kid)
    assert clerk[5] > 0, "its role ended with the body"
    assert all(row[5] > 0 for row in rows["acts"]), "every act is in force"
    with connected():
        assert Transaction.select().where(Transaction.code != 0).count() == 1


def test_a_rebuild_gives_identical_tables(town: Town) -> None:
    live_a_little(town)
    before = dump()
    assert sum(len(rows) for rows in before.values()) > 30
    rebuilt = Projector(town.lab.client(), town.lab.genesis, build_projections()).rebuild()
    assert rebuilt == before["projector"][0][3]
    assert dump() == before


def test_old_journal_leaves_are_proved_under_a_newer_state(town: Town) -> None:
    live_a_little(town)
    for _ in range(140):
        town.lab.produce()  # the node keeps 128 versions: those of the acts are gone
    town.follow()
    before = dump()
    Projector(town.lab.client(), town.lab.genesis, build_projections()).rebuild()
    assert dump() == before


@pytest.mark.parametrize("statement", range(0, 24, 3))
def test_killed_anywhere_inside_a_block_it_continues_without_a_trace(
    town: Town, monkeypatch: pytest.MonkeyPatch, statement: int
) -> None:
    """The process dies at the n-th statement of a block; the next one projects the block once."""
    tx = town.open_tx(key("alice"))
    town.lab.produce(tx)
    town.lab.produce()
    before = dump()
    countdown = [statement]
    execute = type(database.obj).execute_sql

    def dying(self: Any, sql: str, *args: Any, **kwargs: Any) -> Any:
        countdown[0] -= 1
        if countdown[0] < 0:
            raise KeyboardInterrupt
        return execute(self, sql, *args, **kwargs)

    with connected():
        monkeypatch.setattr(type(database.obj), "execute_sql", dying)
        try:
            is_done = town.projector.step()
        except KeyboardInterrupt:
            is_done = False
        monkeypatch.undo()
    assert is_done or dump() == before
    fresh = Projector(town.lab.client(), town.lab.genesis, build_projections())
    fresh.catch_up()
    after = dump()
    fresh.rebuild()
    assert dump() == after
    assert [row[0] for row in after["accounts"]] == [key("alice").kid]


Tamper = Callable[[dict[str, Any]], None]


def forge_header(member: str, value: Any) -> Tamper:
    def change(result: dict[str, Any]) -> None:
        result["block"]["header"][member] = value

    return change


def drop_transactions(result: dict[str, Any]) -> None:
    result["block"]["data"]["txs"] = []


def swap_signature(result: dict[str, Any]) -> None:
    lines = result["signed_header"]["commit"]["signatures"]
    lines[0]["signature"] = lines[1]["signature"]


def drop_signatures(result: dict[str, Any]) -> None:
    for line in result["signed_header"]["commit"]["signatures"][1:]:
        line.update(
            block_id_flag=1,
            validator_address="",
            timestamp="0001-01-01T00:00:00Z",
            signature=None,
        )


def claim_success(result: dict[str, Any]) -> None:
    for line in result["txs_results"] or ():
        line["code"] = 7


def change_data(result: dict[str, Any]) -> None:
    for line in result["txs_results"] or ():
        line["data"] = "e30="


def break_shape(result: dict[str, Any]) -> None:
    result["txs_results"] = 5


def forge_record(result: dict[str, Any]) -> None:
    result["response"]["value"] = "eyJlbnRyaWVzIjpbXSwidGltZSI6MX0="


def hide_record(result: dict[str, Any]) -> None:
    result["response"]["value"] = ""


def drop_proof(result: dict[str, Any]) -> None:
    result["response"]["proofOps"] = None


@pytest.mark.parametrize(
    ("method", "tamper", "code"),
    [
        ("block", forge_header("app_hash", "AB" * 32), "node_header_forged"),
        ("block", forge_header("time", "2031-01-01T00:00:00Z"), "node_header_forged"),
        ("block", forge_header("time", "2011-01-01T00:00:00Z"), "node_header_forged"),
        ("block", forge_header("validators_hash", "AB" * 32), "node_header_forged"),
        ("block", forge_header("chain_id", "other-town-1"), "node_wrong_chain"),
        ("block", forge_header("height", "9"), "node_header_forged"),
        ("block", forge_header("height", "x"), "node_malformed"),
        ("block", drop_transactions, "node_data_mismatch"),
        ("commit", swap_signature, "node_commit_invalid"),
        ("commit", drop_signatures, "node_commit_invalid"),
        ("block_results", claim_success, "node_results_mismatch"),
        ("block_results", change_data, "node_results_mismatch"),
        ("block_results", break_shape, "node_malformed"),
        ("abci_query", forge_record, "node_journal_unproved"),
        ("abci_query", hide_record, "node_journal_unproved"),
        ("abci_query", drop_proof, "node_journal_unproved"),
    ],
)
def test_a_lie_of_the_node_stops_the_projector_and_changes_nothing(
    town: Town, method: str, tamper: Tamper, code: str
) -> None:
    tx = town.tx(
        CouncilActs((ActBodyAdd("gare", "La gare", jwk(key("seat@gare"))),)), "council", *SEATS
    )
    town.lab.produce(tx)
    town.lab.produce()
    before = dump()

    def lying(asked: str, result: dict[str, Any]) -> dict[str, Any]:
        shown = copy.deepcopy(result)
        if asked == method:
            tamper(shown)
        return shown

    town.lab.tamper = lying
    fresh = Projector(town.lab.client(), town.lab.genesis, build_projections())
    with pytest.raises(NodeLied) as caught:
        fresh.catch_up()
    assert caught.value.code == code
    after = dump()
    assert after.pop("projector")[0][-1] == code
    before.pop("projector")
    assert {row[0] for row in after["transactions"]} == {row[0] for row in before["transactions"]}
    assert after["bodies"] == before["bodies"]

    refused = town.post_tx("/v1/accounts", b"a.b.c" * 5, key("alice"))
    assert refused.json["code"] in ("tx_malformed", "projector_halted")
    assert town.http.get("/v1/status").json["halted"] == code
    assert town.http.get("/v1/city/bodies").status_code == 200

    town.lab.tamper = lambda _method, result: result
    Projector(town.lab.client(), town.lab.genesis, build_projections()).catch_up()
    assert town.http.get("/v1/status").json["halted"] == ""


def test_a_halted_town_refuses_writes_with_its_own_code(town: Town) -> None:
    tx = town.open_tx(key("alice"))
    with connected():
        town.projector._note_halt("node_fork")
    answer = town.post_tx("/v1/accounts", tx, key("alice"))
    assert (answer.status_code, answer.json["code"]) == (503, "projector_halted")
    assert answer.json["detail"] == "node_fork"


def test_a_forged_validator_set_is_a_lie(town: Town) -> None:
    town.lab.produce()

    def lying(asked: str, result: dict[str, Any]) -> dict[str, Any]:
        shown = copy.deepcopy(result)
        if asked == "validators":
            shown["validators"][0]["voting_power"] = "1000000"
        return shown

    town.lab.tamper = lying
    with pytest.raises(NodeLied, match="node_validators_mismatch"):
        Projector(town.lab.client(), town.lab.genesis, build_projections()).catch_up()


def test_sql_of_one_town_is_never_continued_with_another_genesis(town: Town) -> None:
    other = dataclasses.replace(town.lab.genesis, chain_id="other-town-1")
    with pytest.raises(GenesisUnusable):
        Projector(town.lab.client(), other, build_projections()).catch_up()


def test_it_runs_until_told_and_survives_a_silent_node(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.projector.RETRY_S", 0.01)
    stop, wakeup = threading.Event(), Wakeup()
    town.lab.on_block = wakeup.wake
    runner = threading.Thread(
        target=Projector(town.lab.client(), town.lab.genesis, build_projections()).run,
        args=(stop, wakeup),
    )
    runner.start()
    town.lab.is_down = True
    wakeup.wake()
    time.sleep(0.1)
    town.lab.is_down = False
    town.lab.decide()
    wakeup.wake()
    deadline = time.monotonic() + 5
    reached = 0
    while reached < town.lab.height - 1 and time.monotonic() < deadline:
        with connected():
            reached = get_projector_state().height
        time.sleep(0.01)
    stop.set()
    wakeup.wake()
    runner.join(5)
    assert not runner.is_alive()
    assert reached == town.lab.height - 1


WITNESS = "http://witness.test:26657"


class WitnessedClient(LabClient):
    """Two nodes of the chain; what the second one shows may be changed, or it may be silent."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.urls = (self.urls[0], WITNESS)
        self.is_witness_down = False
        self.forge: Tamper = lambda _result: None

    def _post(self, url: str, document: Any) -> Any:
        if url == WITNESS and self.is_witness_down:
            raise ConnectionRefusedError(url)
        answer = super()._post(url, document)
        if url == WITNESS:
            self.forge(answer["result"])
        return answer


def test_with_four_validators_a_second_node_must_show_the_same_header(town: Town) -> None:
    town.lab.produce()
    client = WitnessedClient(town.lab)
    follower = Projector(client, town.lab.genesis, build_projections())
    client.is_witness_down = True
    reached = follower.catch_up()
    client.is_witness_down = False
    assert follower.catch_up() == reached + 1, "it waited for the witness, and only for it"


def test_two_nodes_that_show_different_headers_stop_the_projector(town: Town) -> None:
    town.lab.produce()
    client = WitnessedClient(town.lab)

    def fork(result: dict[str, Any]) -> None:
        result["signed_header"]["header"]["app_hash"] = "AB" * 32

    client.forge = fork
    with pytest.raises(NodeLied, match="node_fork"):
        Projector(client, town.lab.genesis, build_projections()).catch_up()


class PartlyPruned(LabClient):
    """Several nodes of one chain; each keeps heights from its own base on."""

    def __init__(self, lab: Lab, **bases: int) -> None:
        super().__init__(lab)
        self.bases = {f"http://{name}": base for name, base in bases.items()}
        self.urls = tuple(self.bases)
        self._base = 1

    def _post(self, url: str, document: Any) -> Any:
        self._base = self.bases[url]
        return super()._post(url, document)

    def _one(self, call: dict[str, Any]) -> dict[str, Any]:
        height = int(call["params"].get("height") or self._base)
        if height < self._base and call["method"] in ("block", "commit", "block_results"):
            text = f"height {height} is not available, lowest height is {self._base}"
            error = {"code": -32603, "message": "Internal error", "data": text}
            return {"jsonrpc": "2.0", "id": call["id"], "error": error}
        answer = super()._one(call)
        if call["method"] == "status":
            answer["result"]["sync_info"]["earliest_block_height"] = str(self._base)
        return answer


def test_what_one_node_has_pruned_is_read_from_another_that_has_it(town: Town) -> None:
    live_a_little(town)
    before = dump()
    base = town.lab.height - 2
    for bases in ({"pruned": base, "archive": 1}, {"archive": 1, "pruned": base}):
        chain = PartlyPruned(town.lab, **bases)
        Projector(chain, town.lab.genesis, build_projections()).rebuild()
        assert dump() == before


def test_a_height_that_no_node_keeps_stops_the_projector_with_a_code_of_its_own(
    town: Town,
) -> None:
    live_a_little(town)
    base = town.lab.height - 2
    chain = PartlyPruned(town.lab, one=base, other=base)
    with pytest.raises(NodeLied, match="no configured node keeps height 1 any more") as caught:
        Projector(chain, town.lab.genesis, build_projections()).rebuild()
    assert caught.value.code == "node_pruned"


class MovedLab(Lab):
    """The chain that continues another one's town after a height."""

    def __init__(self, old: Lab, height: int) -> None:
        header = old.blocks[height].header
        last = LastBlock(
            old.genesis.chain_id,
            height,
            hash_header(header),
            old.blocks[height + 1].header.app_hash,
            header.time,
        )
        migration = export_state(view_state(old.app._store, height), last, "beffroi-test-2")
        members = tuple(GenesisValidator(u.pub_key, u.power) for u in migration.validators)
        self.genesis = dataclasses.replace(
            old.genesis,
            genesis_time=header.time,
            chain_id="beffroi-test-2",
            initial_height=height + 1,
            validators=members,
            app_hash=migration.app_hash,
            app_state=migration.app_state,
        )
        self.now_s, self.seeds = old.now_s, old.seeds
        self.app = TownApplication(MemoryStateStore(), lambda: Timestamp(self.now_s))
        init = make_init_chain_request(self.genesis, json.dumps(migration.app_state).encode())
        self.state = apply_init_chain(make_genesis_state(self.genesis), self.app.init_chain(init))
        self.blocks, self.commits, self.results, self.sets = {}, {}, {}, {}
        self.sets[height + 1] = self.state.validators
        self.tamper = lambda _method, result: result
        self.on_block = lambda: None
        self.is_down = self.is_lazy = False
        self.pending, self.broadcasts = [], 0
        self.produce()
        self.produce()

    @property
    def height(self) -> int:
        return max(self.state.last_block_height, self.genesis.initial_height - 1)


def test_rows_go_on_with_the_town_on_its_new_chain(town: Town) -> None:
    live_a_little(town)
    waiting = town.open_tx(key("dora"))
    moved = MovedLab(town.lab, town.lab.height - 1)
    projector = Projector(moved.client(), moved.genesis, build_projections())
    with connected():
        before = get_projector_state().height
    assert projector.catch_up() == moved.height - 1
    moved.produce(waiting)
    moved.produce()
    assert projector.catch_up() == moved.height - 1 > before
    rows = dump()
    assert {row[0] for row in rows["accounts"]} == {
        key(n).kid for n in ("alice", "bob", "carol", "dora")
    }
    with pytest.raises(GenesisUnusable, match="restore a copy of SQL"):
        projector.rebuild()
    assert dump() == rows


def test_rows_that_do_not_end_where_the_new_chain_begins_are_not_continued(town: Town) -> None:
    live_a_little(town)
    moved = MovedLab(town.lab, town.lab.height - 3)
    with pytest.raises(GenesisUnusable, match="first follow that chain to that height"):
        Projector(moved.client(), moved.genesis, build_projections()).catch_up()
