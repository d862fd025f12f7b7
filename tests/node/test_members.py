"""A town's real nodes on loopback TLS: who is let in follows the council's word, on every node, without a restart."""

import asyncio
import json
from pathlib import Path
from secrets import token_bytes
from typing import Any

import msgspec
from click.testing import CliRunner

from app.cli.council import join_acts, leave_acts
from app.cli.main import main
from app.cli.town import write_testnet
from app.core.keyfiles import read_key_file
from chain.codec.canonical import b64url_encode
from chain.crypto import jws
from chain.crypto.ed25519 import derive_public
from chain.crypto.node_certificate import node_id_of, sign_certificate
from chain.limits import CITY_NODES_MAX
from chain.node.config import NodeConfig, load_config
from chain.node.home import Home, load_node_id
from chain.node.node import Node
from chain.node.registry import PeerRegistry
from chain.p2p.certificates import key_of_pem
from chain.p2p.switch import PeerAddress
from chain.town.envelope import TX_TYP, build_transaction
from chain.town.schemas import CouncilAct, CouncilActs
from chain.types.abci import RequestCheckTx, RequestQuery, ResponseQuery
from tests.node.four import QUICK, free_ports
from tests.node.test_gossip import check_agreement, height
from tests.town.town_kit import jwk, key
from tests.waiting import run_within, until

LAX = {
    "council_delay_s": 0,
    "identity_batch_min_entries": 1,
    "identity_batch_max_wait_s": 0,
    "identity_batch_hour_utc": -1,
    "quota_council_per_minute": 1_000,
}
SEATS = ("mairie", "commercants", "energie", "temoin")


class Net:
    """Four nodes of a sample town in this event loop, and whoever joins."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(10)
        self.folder, self.spare_ports = folder, ports[4:]
        _, roots = write_testnet(
            folder,
            hosts=["127.0.0.1"] * 4,
            rpc_ports=[0] * 4,
            p2p_ports=ports[:4],
            params=LAX,
            config=NodeConfig(timeouts=QUICK),
        )
        self.homes = [Home(root) for root in roots]
        self.nodes: list[Node] = []
        self.escaped: list[Any] = []

    async def start(self, home: Home) -> Node:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: self.escaped.append(context))
        node = Node(home)
        self.nodes.append(node)
        await node.start(loop)
        return node

    def act(self, *acts: Any) -> None:
        """A council act of all seats, handed to the first node."""
        status = json.loads(self.nodes[0].app.query(RequestQuery(path="/status")).value)
        seats = [read_key_file(self.folder / "keys" / f"seat-{s}.json").signer for s in SEATS]
        body = CouncilActs(tuple(msgspec.convert(act, CouncilAct) for act in acts))
        exp = self.nodes[0].clock.now().seconds + 600
        raw = build_transaction(status["town"], "council", body, seats, token_bytes(16), exp)
        verdict = self.nodes[0].submit_tx(raw)
        assert verdict.is_ok(), verdict  # type: ignore[union-attr]

    def join(self, name: str, body: str, power: int = 10) -> tuple[Home, list[dict[str, Any]]]:
        """A home made by the operator's command, and the acts that it prints."""
        address = f"127.0.0.1:{self.spare_ports.pop()}"
        root = self.folder / name
        genesis = self.homes[0].genesis_file
        answer = CliRunner().invoke(
            main,
            [
                *("node", "init", "--home", str(root), "--join", str(genesis), "--body", body),
                *("--power", str(power), "--address", address, "--listen", "127.0.0.1"),
                *("--rpc-port", "1"),
            ],
        )
        assert answer.exit_code == 0, answer.output
        assert "beffroi council sign" in answer.output
        assert "beffroi node start" in answer.output
        config = root / "config" / "config.toml"
        config.write_text(config.read_text().replace('tcp://127.0.0.1:1"', 'tcp://127.0.0.1:0"'))
        acts = json.loads((root / "config" / "join-act.json").read_text())["acts"]
        return Home(root), acts


def run(folder: Path, test: Any) -> None:
    async def main_task() -> None:
        net = Net(folder)
        try:
            for home in net.homes:
                await net.start(home)
            await until(lambda: min(height(node) for node in net.nodes) >= 1)
            await test(net)
            assert net.escaped == []
        finally:
            for node in net.nodes:
                await node.stop()

    run_within(main_task())


def voter(node: Node) -> bytes:
    assert node._signer is not None
    return node._signer.address


def is_member(net: Net, node: Node) -> bool:
    return net.nodes[0].state().validators.index_of(voter(node)) is not None


def signed(net: Net, node: Node, at: int) -> bool:
    commit = net.nodes[0].stores.blocks.load_commit(at)
    assert commit is not None
    return any(
        line.validator_address == voter(node) and line.signature for line in commit[0].signatures
    )


def ids(homes: list[Home]) -> set[str]:
    return {load_node_id(home) for home in homes}


def test_nodes_of_a_genesis_find_each_other_without_a_line_in_their_settings(tmp_path):
    async def test(net: Net) -> None:
        await until(lambda: all(node.peer_count() == 3 for node in net.nodes))
        for home in net.homes:
            assert not (home.config / "peers").exists()
            assert 'persistent_peers = ""' in (home.config / "config.toml").read_text()

    run(tmp_path, test)


def test_a_validator_joins_by_the_councils_word_leaves_and_follows_on_and_is_cut_off(tmp_path):
    """The operator's whole way: init, act, start, validate, leave, stop."""

    async def test(net: Net) -> None:
        home, acts = net.join("newcomer", "gare")
        stranger = await net.start(home)
        await until(lambda: refusals(net) >= 1)
        assert stranger.peer_count() == 0, "nobody lets it in before the council does"

        net.act({"act": "body.add", "body": "gare", "name": "La gare", "seat_key": gare()}, *acts)
        await until(lambda: stranger.peer_count() == 4 and height(stranger) >= height(net.nodes[0]))
        await until(lambda: is_member(net, stranger))
        joined = height(net.nodes[0])
        await grow(net, joined + 3)
        assert signed(net, stranger, joined + 2)

        net.act(leave_acts(home, body="gare", node_id=load_node_id(home))["acts"][0])
        await until(lambda: not is_member(net, stranger))
        left = height(net.nodes[0])
        await grow(net, left + 3)
        await until(lambda: height(stranger) == height(net.nodes[0]))
        assert stranger.peer_count() == 4, "it follows as a full node"
        assert not any(signed(net, stranger, at) for at in range(left + 1, left + 3))

        net.act({"act": "node.remove", "node": load_node_id(home)})
        await until(lambda: load_node_id(home) not in net.nodes[0].switch.peers())
        await until(lambda: stranger.peer_count() == 0)
        check_agreement(net.nodes)

        net.act(*acts[:1])
        await grow(net, height(net.nodes[0]) + 1)
        await until(lambda: stranger.peer_count() == 4, 30)
        await until(lambda: height(stranger) == height(net.nodes[0]))

    run(tmp_path, test)


def gare() -> dict[str, str]:
    made = jwk(key("seat@gare"))
    return {"crv": made.crv, "kty": made.kty, "x": made.x}


def refusals(net: Net) -> int:
    return sum(
        node.switch.counts["p2p_unknown_certificate"] for node in net.nodes[:4] if node.switch
    )


async def grow(net: Net, to: int) -> None:
    """Blocks come by themselves only while something waits: touch the registry with an address that stays."""
    while height(net.nodes[0]) < to:
        above = height(net.nodes[0]) + 1
        entry = join_acts(net.homes[0], body="mairie", power=0, address=own_address(net.homes[0]))
        net.act(*entry["acts"])
        await until(lambda above=above: height(net.nodes[0]) >= above)


def own_address(home: Home) -> str:
    p2p = load_config(home.config / "config.toml").p2p
    return f"{p2p.listen_host}:{p2p.listen_port}"


# ── the registry as a node reads it ──────────────────────────────────────────────────────────────────


def entry(index: int, address: str = "", left: int = 0, **changes: Any) -> dict[str, Any]:
    seed = b"peer" + index.to_bytes(28, "big")
    public = derive_public(seed)
    values = {
        "node_key": b64url_encode(public),
        "proof": b64url_encode(sign_certificate(seed, public)),
        "address": address,
        "left": left,
        "body": "coop",
    }
    return values | changes


def name(index: int) -> str:
    return node_id_of(derive_public(b"peer" + index.to_bytes(28, "big")))


def registry(*entries: dict[str, Any], own: str = "") -> tuple[PeerRegistry, list[int]]:
    reads: list[int] = []

    def query(request: RequestQuery) -> ResponseQuery:
        assert request.path == "/nodes"
        reads.append(1)
        return ResponseQuery(value=json.dumps({"changed": 1, "nodes": list(entries)}).encode())

    made = PeerRegistry(query, own)
    made.refresh(1)
    return made, reads


def test_a_node_taken_off_by_block_h_is_let_in_until_h_plus_1_is_decided():
    made, _ = registry(entry(1), entry(2, left=7))
    assert set(made.allowed(7, {}, ()).trusted) == {name(1), name(2)}
    assert set(made.allowed(8, {}, ()).trusted) == {name(1)}


def test_the_settings_add_to_the_registry_and_have_the_last_word_on_an_address():
    made, _ = registry(entry(1, "far:1"), entry(2, "two:2"), entry(3, "three:3", left=9))
    near = PeerAddress(name(1), "near", 9)
    allowed = made.allowed(9, {"f" * 40: b"pem"}, (near,))
    assert set(allowed.trusted) == {name(1), name(2), name(3), "f" * 40}
    assert allowed.persistent == (near, PeerAddress(name(2), "two", 2))


def test_an_entry_that_proves_nothing_and_this_node_itself_are_left_out():
    made, _ = registry(
        entry(1, proof=entry(2)["proof"]),
        entry(3, node_key="?"),
        entry(4),
        entry(5, "no-port"),
        entry(6, "x:0"),
        own=name(4),
    )
    allowed = made.allowed(1, {}, ())
    assert set(allowed.trusted) == {name(5), name(6)}
    assert allowed.persistent == ()
    for node_id, pem in allowed.trusted.items():
        assert node_id_of(key_of_pem(pem)) == node_id


def test_a_thousand_entries_from_a_strange_application_are_cut_short():
    made, _ = registry(*(entry(n) for n in range(1_000)))
    assert len(made.allowed(1, {}, ()).trusted) <= 2 * CITY_NODES_MAX


def test_the_registry_is_read_when_it_changed_only_and_a_broken_answer_keeps_the_last():
    made, reads = registry(entry(1))
    for changed in (1, 1, None):
        made.refresh(changed)
    assert len(reads) == 1
    for answer in (ResponseQuery(code=4), ResponseQuery(value=b"{"), ResponseQuery(value=b"{}")):
        made._query = lambda _request, answer=answer: answer
        made.refresh(2)
        assert set(made.allowed(1, {}, ()).trusted) == {name(1)}


# ── the operator's commands ──────────────────────────────────────────────────────────────────────────


def test_seats_sign_one_after_the_other_what_the_join_command_printed(tmp_path):
    net = Net(tmp_path / "net")
    home, _ = net.join("newcomer", "mairie", power=0)
    act_file, out = home.config / "join-act.json", tmp_path / "join.tx"
    first = [f"{net.folder}/keys/seat-{s}.json" for s in SEATS[:2]]
    cli = CliRunner()
    signing = ["council", "sign", str(act_file), "--genesis", str(home.genesis_file)]
    answer = cli.invoke(main, [*signing, "--seat", first[0], "--seat", first[1], "--o", str(out)])
    assert answer.exit_code == 0, answer.output
    third = f"{net.folder}/keys/seat-{SEATS[2]}.json"
    answer = cli.invoke(main, ["council", "sign", str(out), "--seat", third])
    assert answer.exit_code == 0, answer.output
    again = cli.invoke(main, ["council", "sign", str(out), "--seat", first[0]])
    assert again.exit_code == 1
    assert "already" in again.output

    async def hand_in() -> None:
        node = Node(net.homes[0])
        try:
            await node.start(asyncio.get_running_loop())
            for tx, verdict in (
                (out.read_bytes(), "city_no_quorum"),
                (answer.output.strip().encode(), "ok"),
            ):
                assert node.app.check_tx(RequestCheckTx(tx)).info == verdict
        finally:
            await node.stop()

    run_within(hand_in())


def test_acts_are_signed_for_the_town_named_or_that_of_the_genesis(tmp_path):
    net = Net(tmp_path / "net")
    home, _ = net.join("newcomer", "mairie", power=0)
    command = ["council", "sign", str(home.config / "join-act.json")]
    seat = ["--seat", f"{net.folder}/keys/seat-mairie.json"]
    towns = []
    for source in (["--genesis", str(home.genesis_file)], ["--town", "A" * 43]):
        answer = CliRunner().invoke(main, [*command, *source, *seat])
        assert answer.exit_code == 0, answer.output
        payload = json.loads(jws.parse(answer.output.strip().encode(), TX_TYP, 10**6).payload)
        towns.append(payload["town"])
    assert towns[0] != towns[1] == "A" * 43
    assert CliRunner().invoke(main, [*command, *seat]).exit_code == 1


def test_the_join_command_refuses_what_no_council_could_accept(tmp_path):
    net = Net(tmp_path / "net")
    genesis = str(net.homes[0].genesis_file)
    cli = CliRunner()
    for wrong in (
        ["--body", "No Slug"],
        ["--body", "mairie", "--address", "no-port"],
        ["--body", "mairie", "--address", "bad host:1"],
    ):
        root = tmp_path / "wrong"
        answer = cli.invoke(main, ["node", "init", "--home", str(root), "--join", genesis, *wrong])
        assert answer.exit_code == 1, answer.output
    assert cli.invoke(main, ["node", "init", "--home", str(tmp_path / "x")]).exit_code == 1
    taken = [
        "node",
        "init",
        "--home",
        str(net.homes[0].root),
        "--join",
        genesis,
        "--body",
        "mairie",
    ]
    assert "config_home_taken" in cli.invoke(main, taken).output


def test_the_act_command_prints_how_a_node_leaves(tmp_path):
    net = Net(tmp_path / "net")
    home = str(net.homes[1].root)
    answer = CliRunner().invoke(
        main, ["node", "act", "--home", home, "--body", "commercants", "--leave"]
    )
    acts = json.loads(answer.output)["acts"]
    assert [(a["act"], a.get("power")) for a in acts] == [
        ("validator.set", 0),
        ("node.remove", None),
    ]
    assert acts[1]["node"] == load_node_id(net.homes[1])
