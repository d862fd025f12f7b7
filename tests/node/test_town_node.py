"""The real town on the real node: final, provable, the same after a restart and ten idle hours."""

import json
from base64 import b64decode, b64encode
from time import time, time_ns

from chain.node.config import NodeConfig
from chain.node.home import init_home
from chain.types.timestamp import Timestamp
from tests.node.live import with_node
from tests.town import town_kit
from tests.waiting import run_within


def test_an_account_opened_over_the_rpc_is_there_after_a_restart_and_ten_idle_hours(tmp_path):
    genesis = town_kit.make_genesis(validators=1, genesis_s=int(time()))
    home = init_home(
        tmp_path,
        chain_id="beffroi-test-1",
        app_state=json.loads(genesis.app_state_bytes),
        genesis_time=Timestamp.from_ns(time_ns()),
        config=NodeConfig(rpc_port=0, clock_offset_file="clock_offset"),
        validator_seed=town_kit.validator_seed(0),
    )
    kit = town_kit.make_town(validators=1, genesis_s=int(time()))

    async def first(node, rpc):
        status = (await rpc("abci_query", path="/status"))["response"]["value"]
        kit.town = json.loads(b64decode(status))["town"]
        done = await rpc.commit(kit.open_tx(town_kit.key("shopper")))
        assert done["tx_result"]["info"] == "ok", done
        again = await rpc.full("broadcast_tx_sync", tx=b64encode(b"not a transaction").decode())
        assert again["result"]["codespace"] == "tx"
        return node.host.state.app_hash

    async def second(node, rpc):
        assert node.host.state.app_hash == app_hash
        record = b"account/" + town_kit.key("shopper").kid.encode()
        found = await rpc("abci_query", path="/record/account", data=record.hex(), prove=True)
        assert json.loads(b64decode(found["response"]["value"]))["status"] == "open"
        assert [op["type"] for op in found["response"]["proofOps"]["ops"]] == ["ics23:simple"] * 2
        (tmp_path / "clock_offset").write_text("36000")
        stale = await rpc(
            "broadcast_tx_sync", tx=b64encode(kit.open_tx(town_kit.key("b"))).decode()
        )
        assert "tx_expired" in json.dumps(stale) or stale["code"] == 5
        kit.now_s += 36_000
        fresh = await rpc.commit(kit.open_tx(town_kit.key("c")))
        assert fresh["tx_result"]["info"] == "ok", fresh

    app_hash = run_within(with_node(home, first))
    run_within(with_node(home, second))
