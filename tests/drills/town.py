"""A town of real `python -m chain.node` processes, made as `beffroi node testnet` makes it, and its load.

town = Town(folder, 4)            # homes, keys, addresses; nothing runs
town.start()                      # four processes, the first block
tx = town.tx()                    # account.open by a fresh key, with the gateway's ticket
with Load(town, per_s=5) as load: # threads that send and wait for finality
    ...
town.check_kept(drill, load)      # no committed transaction lost, one block per height
"""

import json
import secrets
import sys
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from app.cli.town import SAMPLE_PARAMS, write_testnet
from app.core.keyfiles import RoleKey, new_role_key, read_key_file
from chain.codec.canonical import b64url_encode, encode_canonical
from chain.crypto import jws
from chain.crypto.jws import SigningKey
from chain.crypto.keys import jwk_of
from chain.node.config import NodeConfig
from chain.node.home import Home
from chain.town.envelope import TICKET_TYP, build_transaction
from chain.town.schemas import AccountOpen, Jwk, Ticket
from tests.drills.report import Drill
from tests.node.four import Cluster, Validator, free_ports

PARAMS = SAMPLE_PARAMS | {"quota_gateway_per_minute": 1_000_000, "council_delay_s": 0}
"""The sample town's, with room for five accounts a second on one gateway's tickets."""
NODE = "chain.node"
JOIN_S = 60.0
"""No request of a load takes longer: its socket gives up before."""


class Town(Cluster):
    """Validators of one town on this machine."""

    def __init__(
        self,
        root: Path,
        size: int = 4,
        *,
        hosts: Sequence[str] = (),
        config: NodeConfig | None = None,
        params: dict[str, int] | None = None,
    ) -> None:
        """Make all homes; `hosts` gives each node an address of its own (namespaces)."""
        ports = [26_657] if hosts else free_ports(2 * size)
        self.chain_id, roots = write_testnet(
            root,
            hosts=hosts or ["127.0.0.1"] * size,
            rpc_ports=[26_657] * size if hosts else ports[:size],
            p2p_ports=[26_656] * size if hosts else ports[size:],
            params=PARAMS if params is None else params,
            config=config,
        )
        self.root = root
        self.homes = tuple(Home(each) for each in roots)
        self.p2p_ports = [26_656] * size if hosts else ports[size:]
        self.nodes: list[Validator] = (
            [TownNode(home.root, ports[i], host="127.0.0.1") for i, home in enumerate(self.homes)]
            if not hosts
            else []
        )
        self.gateway = read_key_file(root / "keys" / "gateway.json")
        self.town_id = ""

    def start(self, *, wait: bool = True) -> None:
        """Start all and wait for the first block; machines that share their cores take long."""
        super().start(wait=False)
        if wait:
            self.wait_height(1, seconds=90)

    def wait(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """As the cluster's, with more patience: what must be quick is measured and checked apart."""
        super().wait(condition, seconds)

    @property
    def faults(self) -> int:
        """f: how many of these may be Byzantine."""
        return (len(self.homes) - 1) // 3

    def learn_town(self) -> str:
        """The town's name, from the first node that answers."""
        if not self.town_id:
            for node in self.nodes:
                if node.height() >= 0:
                    self.town_id = query(node, "/status")["town"]
                    break
        return self.town_id

    def tx(self, signer: SigningKey | None = None, *, now_s: int | None = None) -> bytes:
        """account.open by a fresh key."""
        return open_account_tx(self.learn_town(), self.gateway, signer, now_s=now_s)

    def tips(self, nodes: Sequence[int] | None = None) -> list[int]:
        """Heights of some nodes, -1 for one that does not answer."""
        chosen = range(len(self.nodes)) if nodes is None else nodes
        return [self.nodes[i].height() for i in chosen]

    def wait_level(self, nodes: Sequence[int] | None = None, seconds: float = 30) -> int:
        """Wait until some nodes stand at the same height as the highest of them; that height."""
        chosen = list(range(len(self.nodes)) if nodes is None else nodes)
        self.wait(lambda: len(set(self.tips(chosen))) == 1 and min(self.tips(chosen)) > 0, seconds)
        return max(self.tips(chosen))

    def rejoin_s(self, index: int, seconds: float = 60) -> float:
        """Seconds from exec of a node to its standing where the others stand."""
        others = [i for i in range(len(self.nodes)) if i != index and self.nodes[i].process]
        started_s = time.monotonic()
        self.nodes[index].start()

        def is_at_tip() -> bool:
            own = self.nodes[index].height()
            if own < 0:
                return False
            tip = max(self.tips(others))
            return self.nodes[index].height() >= tip

        self.wait(is_at_tip, seconds)
        return time.monotonic() - started_s

    def block_ids(self, index: int, first: int, last: int) -> list[str]:
        """Names of the blocks of a range, as one node has them."""
        found: dict[int, str] = {}
        for start in range(first, last + 1, 20):
            stop = min(last, start + 19)
            answer = self.nodes[index].call("blockchain", minHeight=str(start), maxHeight=str(stop))
            for meta in answer["block_metas"]:
                found[int(meta["header"]["height"])] = meta["block_id"]["hash"]
        return [found[height] for height in range(first, last + 1)]

    def find_split(self, nodes: Sequence[int] | None = None, first: int = 1) -> str:
        """Where the nodes' chains differ, or an empty text."""
        chosen = list(range(len(self.nodes)) if nodes is None else nodes)
        tip = min(self.tips(chosen))
        chains = [self.block_ids(i, first, tip) for i in chosen]
        for offset, names in enumerate(zip(*chains, strict=True)):
            if len(set(names)) > 1:
                return f"height {first + offset}: {names}"
        return ""

    def check_kept(
        self,
        drill: Drill,
        load: "Load",
        nodes: Sequence[int] | None = None,
        first: int = 1,
    ) -> None:
        """No committed transaction lost, none twice, one block per height, on all of these nodes."""
        chosen = list(range(len(self.nodes)) if nodes is None else nodes)
        self.wait_level(chosen)
        drill.check("the load had transactions committed", bool(load.committed))
        split = self.find_split(chosen, first)
        drill.check("one block per height on every correct node", not split, split)
        lost = [
            (i, height)
            for tx, height in load.committed.items()
            for i in chosen
            if find_tx(self.nodes[i], tx) != height
        ]
        drill.check(
            "no committed transaction lost",
            not lost,
            f"{len(load.committed)} committed, {load.unknown} unknown{', lost ' + str(lost[:5]) if lost else ''}",
        )


class TownNode(Validator):
    """One process on its home; `module` replaces the honest program by another one."""

    def __init__(self, root: Path, rpc_port: int, *, host: str, prefix: Sequence[str] = ()) -> None:
        super().__init__(root, rpc_port, [*prefix, sys.executable, "-m", NODE])
        self.host = host
        self.arguments: tuple[str, ...] = ()

    def run_program(self, module: str, *arguments: str) -> None:
        """From the next start on, this home is served by another program."""
        at = self._command.index("-m") + 1
        self._command = [*self._command[:at], module, "--home", str(self.root), *arguments]

    def run_under(self, *prefix: str) -> None:
        """From the next start on, the process runs under this command (strace, ip netns exec…)."""
        at = self._command.index(sys.executable)
        self._command = [*prefix, *self._command[at:]]

    def log_text(self) -> str:
        """Everything it logged so far."""
        return self.log.read_text() if self.log.exists() else ""


class Load:
    """So many transactions a second to the nodes in turn; each is followed until its node answers."""

    def __init__(self, town: Town, per_s: float = 5.0, nodes: Sequence[int] | None = None) -> None:
        self.town, self._gap_s = town, 1 / per_s
        self.targets = list(range(len(town.nodes)) if nodes is None else nodes)
        self.committed: dict[bytes, int] = {}
        """Height at which a node answered that the transaction is committed."""
        self.latencies_s: list[float] = []
        self.unknown = 0
        """Sent, and no answer came: may be in a block or not."""
        self.refused: list[str] = []
        self._is_ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Load":
        self.town.learn_town()
        self._threads = [threading.Thread(target=self._pace)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ended.set()
        for thread in self._threads:
            thread.join(JOIN_S)
        assert not any(thread.is_alive() for thread in self._threads), "a request never ended"

    def absorb(self, other: "Load") -> None:
        """Take over what another load found."""
        self.committed |= other.committed
        self.latencies_s += other.latencies_s
        self.unknown += other.unknown
        self.refused += other.refused

    def _pace(self) -> None:
        turn = 0
        while not self._is_ended.wait(self._gap_s):
            if self.targets:
                node = self.town.nodes[self.targets[turn % len(self.targets)]]
                turn += 1
                thread = threading.Thread(target=self._send, args=(node,))
                self._threads.append(thread)
                thread.start()

    def _send(self, node: Validator) -> None:
        tx, started_s = self.town.tx(), time.monotonic()
        try:
            answer = node.call("broadcast_tx_commit", tx=b64encode(tx).decode())
        except (OSError, ValueError, AssertionError):
            self.unknown += 1
            return
        if int(answer["height"]) and not answer["tx_result"].get("code"):
            self.committed[tx] = int(answer["height"])
            self.latencies_s.append(time.monotonic() - started_s)
        else:
            self.refused.append(json.dumps(answer)[:200])


def open_account_tx(
    town_id: str, gateway: RoleKey, signer: SigningKey | None = None, *, now_s: int | None = None
) -> bytes:
    """account.open with a ticket of this gateway."""
    own, until = signer or new_role_key("phone").signer, (now_s or int(time.time())) + 600
    ticket = jws.sign_compact(
        encode_canonical(Ticket(town_id, "loyalty", own.kid, until)), TICKET_TYP, gateway.signer
    )
    body = AccountOpen(
        "loyalty",
        Jwk(**jwk_of(own.public_key)),
        b64url_encode(secrets.token_bytes(16)),
        ticket.decode(),
    )
    return build_transaction(town_id, own.kid, body, [own], secrets.token_bytes(16), until)


def query(node: Validator, path: str, data: bytes = b"") -> Any:
    """The application's answer, decoded; None when there is no such record."""
    answer = node.call("abci_query", path=path, data=data.hex())["response"]
    value = b64decode(answer.get("value") or "")
    return json.loads(value) if value else None


def find_tx(node: Validator, tx: bytes) -> int:
    """Height of a transaction in a node's index, 0 when it does not know it."""
    try:
        return int(node.call("tx", hash=b64encode(sha256(tx).digest()).decode())["height"])
    except (AssertionError, OSError):
        return 0


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> float:
    """Wait for something; seconds it took. Raises AssertionError naming it."""
    started_s = time.monotonic()
    while not condition():
        if time.monotonic() - started_s > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - started_s
