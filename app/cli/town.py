"""Founding a sample town: its folder, its keys, its genesis. Used by `beffroi up` and by the demo.

Writes: one home folder. Every key file is of mode 0600 and holds a throw-away key of the sample town; a real
town makes each key where it will be used and brings only the public half to the genesis.
"""

import json
import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from app.cli.engine import COMETBFT, EMBEDDED, engine_member
from app.core.keyfiles import RoleKey, new_role_key, write_key_file, write_secret_file
from chain.codec.canonical import b64url_encode
from chain.node.cometbft import init_engine_testnet, is_engine_home, read_rpc_port
from chain.node.config import NodeConfig, Pacing, load_config
from chain.node.home import init_home
from chain.node.testnet import Member, init_testnet, registry_entry
from chain.types.timestamp import Timestamp

BODIES: Final = {
    "mairie": "Mairie d'Exemple-sur-Orne",
    "commercants": "Association des commerçants",
    "energie": "Coopérative d'énergie locale",
    "temoin": "Université voisine (témoin)",
}
ROLES: Final = (
    ("clerk-1", "clerk", "mairie"),
    ("clerk-2", "clerk", "mairie"),
    ("supervisor", "agent_supervisor", "temoin"),
    ("operator", "loyalty_operator", "commercants"),
    ("gateway", "gateway", "mairie"),
    ("auditor", "auditor", "temoin"),
    ("pmo", "pmo", "energie"),
    ("meter-adapter", "meter_adapter", "mairie"),
    ("energy-witness", "energy_witness", "temoin"),
)
"""Key file, role, body."""
REGISTRAR_BODIES: Final = {
    "commercants": BODIES["commercants"],
    "energie": BODIES["energie"],
    "notaires": "Chambre des notaires",
    "bibliotheque": "Bibliothèque intercommunale",
}
TRUSTEE_BODIES: Final = {
    "avocats": "Barreau d'Argentan",
    "lycee": "Lycée Louise-Michel",
    "mjc": "Maison des jeunes et de la culture",
}
"""Whoever issues credentials opens no ballots: no body is both (PROTOCOL §3)."""
VOTE_BODIES: Final = BODIES | REGISTRAR_BODIES | TRUSTEE_BODIES
"""Every body of a sample town, one seat in its council each."""
VOTE_ROLES: Final = (
    ("elections", "agent_supervisor", "mairie"),
    ("commission", "electoral_commission", "temoin"),
    *((f"registrar-{body}", "registrar", body) for body in REGISTRAR_BODIES),
    *((f"trustee-{body}", "trustee", body) for body in TRUSTEE_BODIES),
)
"""Who holds a vote: city hall's agent publishes, the witness' commission watches over the list."""
SAMPLE_PARAMS: Final = {
    "council_delay_s": 60,
    "identity_batch_min_entries": 1,
    "identity_batch_max_wait_s": 0,
    "identity_batch_hour_utc": -1,
}
"""Below production floors, so that one person can try everything in an afternoon; the town says INSECURE."""
ROLE_LIFE_S: Final = 300 * 86_400
MASTER_KEY_BYTES: Final = 32
VALIDATOR_POWER: Final = 10
PACING: Final = Pacing()


@dataclass(frozen=True, slots=True)
class TownHome:
    """Where things lie in a town's folder."""

    root: Path

    @property
    def keys(self) -> Path:
        """Key files, one per role and seat."""
        return self.root / "keys"

    @property
    def node(self) -> Path:
        """Home of the first validator, the one the API asks."""
        return self.root / "node"

    def node_homes(self) -> list[Path]:
        """Homes of all validators on this machine, the first one first."""
        return [self.node, *sorted(self.root.glob("node-*"))]

    @property
    def engine(self) -> str:
        """Which engine the town was founded on."""
        return COMETBFT if is_engine_home(self.node) else EMBEDDED

    def rpc_ports(self) -> list[int]:
        """Ports of their RPC, in the same order."""
        if self.engine == COMETBFT:
            return [read_rpc_port(home) for home in self.node_homes()]
        return [load_config(home / "config" / "config.toml").rpc_port for home in self.node_homes()]

    @property
    def logs(self) -> Path:
        """What the processes print."""
        return self.root / "logs"

    @property
    def clock_offset(self) -> Path:
        """Seconds by which the whole sample town's clock is moved; absent in everyday use."""
        return self.root / "clock-offset"

    def is_founded(self) -> bool:
        """Whether a town lives here."""
        return (self.node / "config" / "genesis.json").exists()

    def environment(self, *, node_port: int, api_port: int) -> dict[str, str]:
        """The variables of `app.core.config` for this town's processes."""
        return {
            "BEFFROI_HOME": str(self.root),
            "BEFFROI_NODE_URLS": node_urls([node_port]),
            "BEFFROI_GENESIS_FILE": str(self.node / "config" / "genesis.json"),
            "BEFFROI_REQUESTS_PER_MINUTE": "1000000",  # one machine plays a whole town
            "BEFFROI_PUBLIC_URL": f"http://127.0.0.1:{api_port}",
            "BEFFROI_TOKEN_KEY_FILES": str(self.keys / "token.json"),
            "BEFFROI_GATEWAY_KEY_FILE": str(self.keys / "gateway.json"),
            "BEFFROI_MASTER_KEY_FILE": str(self.keys / "master.key"),
            "BEFFROI_CLOCK_OFFSET_FILE": str(self.clock_offset),
        }


def node_urls(ports: Sequence[int]) -> str:
    """What `BEFFROI_NODE_URLS` says of nodes on this machine."""
    return ",".join(f"http://127.0.0.1:{port}" for port in ports)


def found_town(
    home: TownHome,
    *,
    node_port: int,
    validators: int = 1,
    params: Mapping[str, int] | None = None,
    engine: str = EMBEDDED,
    pacing: Pacing = PACING,
) -> str:
    """Make keys, genesis and the validators' homes in an empty folder; returns the chain id.

    The first validator's RPC listens on `node_port`, all other ports are the next free ones above it.
    """
    home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = _Keys.make(home.keys, validators, VOTE_BODIES, ROLES + VOTE_ROLES)
    chain_id = f"exemple-{secrets.token_hex(3)}"
    now_ns = time.time_ns()
    app_state = keys.app_state(params or SAMPLE_PARAMS, now_ns)
    free = _free_ports_above(node_port, 2 * validators - 1)
    configs = [
        NodeConfig(
            moniker=validator.body,
            rpc_port=port,
            clock_offset_file=f"../{home.clock_offset.name}",
            pacing=pacing,
        )
        for validator, port in zip(
            keys.validators, [node_port, *free[: validators - 1]], strict=True
        )
    ]
    roots = [home.node, *(home.root / f"node-{n}" for n in range(2, validators + 1))]
    genesis_time = Timestamp.from_ns(now_ns)
    if validators == 1 and engine == EMBEDDED:
        init_home(
            home.node,
            chain_id=chain_id,
            app_state=app_state,
            genesis_time=genesis_time,
            config=configs[0],
            validator_seed=keys.validators[0].seed,
        )
        return chain_id
    members = [
        Member(root, validator.seed, p2p_port, config)
        for root, validator, p2p_port, config in zip(
            roots, keys.validators, free[validators - 1 :], configs, strict=True
        )
    ]
    _write_homes(engine, members, keys, chain_id, app_state, genesis_time, is_town_signer=True)
    return chain_id


def _write_homes(
    engine: str,
    members: Sequence[Member],
    keys: "_Keys",
    chain_id: str,
    app_state: dict[str, Any],
    genesis_time: Timestamp,
    *,
    is_town_signer: bool,
) -> None:
    """`is_town_signer`: behind CometBFT the application signs, so that a sample town's clock can be shifted."""
    app_state = app_state | {"nodes": _registry(members, keys)}
    if engine == EMBEDDED:
        init_testnet(
            members,
            chain_id=chain_id,
            app_state=app_state,
            genesis_time=genesis_time,
            has_registry=True,
        )
        return
    init_engine_testnet(
        [engine_member(member, is_town_signer=is_town_signer) for member in members],
        chain_id=chain_id,
        app_state=app_state,
        genesis_time=genesis_time,
    )


def write_testnet(
    folder: Path,
    *,
    hosts: Sequence[str],
    rpc_ports: Sequence[int],
    p2p_ports: Sequence[int],
    params: Mapping[str, int] | None = None,
    config: NodeConfig | None = None,
    engine: str = EMBEDDED,
) -> tuple[str, list[Path]]:
    """Homes `node0`, `node1`… for one validator per host, each of a body of its own; (chain id, homes)."""
    keys = _Keys.make(folder / "keys", len(hosts))
    now_ns = time.time_ns()
    members = []
    for index, (host, validator) in enumerate(zip(hosts, keys.validators, strict=True)):
        own = replace(config or NodeConfig(), moniker=validator.body, rpc_port=rpc_ports[index])
        root = folder / f"node{index}"
        members.append(Member(root, validator.seed, p2p_ports[index], own, p2p_host=host))
    chain_id = f"exemple-{secrets.token_hex(3)}"
    app_state = keys.app_state(params or SAMPLE_PARAMS, now_ns)
    genesis_time = Timestamp.from_ns(now_ns)
    _write_homes(engine, members, keys, chain_id, app_state, genesis_time, is_town_signer=False)
    return chain_id, [member.root for member in members]


def _registry(members: Sequence[Member], keys: "_Keys") -> list[dict[str, str]]:
    """The peer registry of the genesis: every validator's node, of its validator's body."""
    return [
        registry_entry(validator.body, member.node_seed, f"{member.p2p_host}:{member.p2p_port}")
        for member, validator in zip(members, keys.validators, strict=True)
    ]


def count_ports(hosts: Sequence[str], first: int) -> list[int]:
    """A port per host: the first one, counting up for each node on the same host."""
    return [first + hosts[:index].count(host) for index, host in enumerate(hosts)]


def _free_ports_above(port: int, count: int) -> list[int]:
    """The next ports that nobody listens on now; held together so that they differ."""
    with ExitStack() as held:
        return [found for found, _ in zip(_free_ports(port + 1, held), range(count), strict=False)]


def _free_ports(first: int, held: ExitStack) -> Iterator[int]:
    for port in range(first, 65_536):
        probe = held.enter_context(socket.socket())
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        yield port


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys a genesis names; those of people and services lie in files."""

    bodies: Mapping[str, str]
    seats: Mapping[str, RoleKey]
    roles: Sequence[RoleKey]
    validators: Sequence[RoleKey]

    @classmethod
    def make(
        cls,
        folder: Path,
        validators: int,
        known: Mapping[str, str] = BODIES,
        offices: Sequence[tuple[str, str, str]] = ROLES,
    ) -> "_Keys":
        """Draw all keys; one body per validator, so that none holds more than f of them."""
        more = {f"corps-{n}": f"Corps {n}" for n in range(len(known) + 1, validators + 1)}
        bodies = {**known, **more}
        seats = {body: _make_key(folder, f"seat-{body}", "seat", body) for body in bodies}
        roles = [_make_key(folder, name, role, body) for name, role, body in offices]
        _make_key(folder, "token", "token", "mairie")
        write_secret_file(folder / "master.key", size_bytes=MASTER_KEY_BYTES)
        drawn = [new_role_key("validator", body) for body in list(bodies)[:validators]]
        return cls(bodies, seats, roles, drawn)

    def app_state(self, params: Mapping[str, int], now_ns: int) -> dict[str, Any]:
        """The genesis `app_state`."""
        expires = now_ns // 1_000_000_000 + ROLE_LIFE_S
        return {
            "params": dict(params),
            "bodies": [
                {"body": body, "name": self.bodies[body], "seat_key": key.jwk()}
                for body, key in self.seats.items()
            ],
            "roles": [
                {"role": key.role, "body": key.body, "key": key.jwk(), "expires": expires}
                for key in self.roles
            ],
            "validators": [
                {
                    "body": validator.body,
                    "pub_key": b64url_encode(validator.signer.public_key.raw),
                    "power": VALIDATOR_POWER,
                }
                for validator in self.validators
            ],
        }


def _make_key(folder: Path, name: str, role: str, body: str) -> RoleKey:
    key = new_role_key(role, body)
    write_key_file(folder / f"{name}.json", key)
    return key


def read_chain_id(home: TownHome) -> str:
    """The chain id of a founded town."""
    genesis = json.loads((home.node / "config" / "genesis.json").read_text(encoding="utf-8"))
    return str(genesis["chain_id"])
