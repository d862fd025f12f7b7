"""Homes for real CometBFT nodes: its settings, keys and genesis written by us, and where its program is.

DIR/config  config.toml genesis.json node_key.json priv_validator_key.json     as `cometbft init` makes them
DIR/data    priv_validator_state.json, then CometBFT's own stores
DIR/app     the application's home (`chain.node.abci`): data/app.lmdb, and the key when it signs

Source: CometBFT 0.38 `config/toml.go` for names and meanings. Settings left out keep CometBFT's defaults.
"""

import json
import os
import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from chain import limits
from chain.abci import SocketAddress, parse_address
from chain.abci.address import InvalidAddress
from chain.codec.errors import DecodeError
from chain.crypto.ed25519 import derive_public
from chain.crypto.node_certificate import node_id_of
from chain.execution.genesis import InvalidGenesis
from chain.node.config import Timeouts
from chain.node.errors import ConfigError
from chain.node.home import (
    TOWN_CONSENSUS_PARAMS,
    Home,
    encode_genesis,
    encode_node_key,
    load_genesis,
)
from chain.node.signer import KEY_FILE, STATE_FILE, LastSigned, encode_key, encode_state
from chain.store.files import DiskFolder
from chain.types.params import ConsensusParams, GenesisDoc, GenesisValidator
from chain.types.timestamp import Timestamp

COMETBFT_VERSION: Final = "v0.38.26"
"""The tag of `github.com/cometbft/cometbft` that everything here was tried with."""
TOOLS_FOLDER: Final = Path(__file__).resolve().parents[2] / ".tools" / "bin"
"""Where `python -m tests.cometbft.install` puts the program; ignored by git."""
APP_FOLDER: Final = "app"
_TOLERANCE: Final = "1m0s"
"""CometBFT's default."""
_SHIFTED_TOLERANCE: Final = "876000h0m0s"
"""A century."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What we set in CometBFT's config.toml."""

    moniker: str = "beffroi"
    rpc_host: str = "127.0.0.1"
    rpc_port: int = 26_657
    p2p_host: str = "127.0.0.1"
    p2p_port: int = 26_656
    persistent_peers: tuple[str, ...] = ()
    timeouts: Timeouts = field(default_factory=Timeouts)
    empty_interval_s: float = limits.EMPTY_BLOCK_INTERVAL_MS / 1_000
    gossip_sleep_ms: int = limits.COMETBFT_GOSSIP_SLEEP_MS
    """Pause of each gossip routine that had nothing to send; CometBFT's default is 100."""
    flush_throttle_ms: int = limits.COMETBFT_FLUSH_THROTTLE_MS
    """How long small messages wait for company before they leave; CometBFT's default is 100."""
    skip_timeout_commit: bool = True
    """Nobody waits for stragglers when all precommits are in; CometBFT's default is to wait."""
    is_town_signer: bool = False
    """The application's process signs, over a socket, instead of CometBFT's own key file."""
    app_address: str = ""
    """Where the application listens; empty: a Unix socket in the home."""


@dataclass(frozen=True, slots=True)
class EngineHome:
    """Paths of one CometBFT node and of its application."""

    root: Path

    @property
    def home(self) -> Home:
        """CometBFT's own folders."""
        return Home(self.root)

    @property
    def app(self) -> Home:
        """The application's home."""
        return Home(self.root / APP_FOLDER)

    @property
    def app_socket(self) -> SocketAddress:
        """Where CometBFT finds the application unless it is told otherwise."""
        return SocketAddress(path=self.root.absolute() / "app.sock")

    @property
    def signer_socket(self) -> SocketAddress:
        """Where CometBFT waits for its signer."""
        return SocketAddress(path=self.root.absolute() / "signer.sock")


@dataclass(frozen=True, slots=True)
class EngineMember:
    """One validator to be: where its home goes, its keys, its settings, its voting power."""

    root: Path
    validator_seed: bytes
    config: EngineConfig
    power: int = 10
    node_seed: bytes = field(default_factory=lambda: os.urandom(32))


def find_cometbft() -> Path | None:
    """The program: `BEFFROI_COMETBFT`, else ours in `.tools/bin`, else the one on the PATH; None when absent."""
    named = os.environ.get("BEFFROI_COMETBFT")
    if named:
        return Path(named)
    ours = TOOLS_FOLDER / "cometbft"
    found = str(ours) if ours.exists() else shutil.which("cometbft")
    return None if found is None else Path(found)


def is_engine_home(root: Path) -> bool:
    """Whether a home was made for CometBFT."""
    return (root / APP_FOLDER).is_dir()


def read_rpc_port(root: Path) -> int:
    """Port of a CometBFT home's RPC; raises ConfigError."""
    return read_engine_config(root).rpc_port


def read_engine_config(root: Path) -> EngineConfig:
    """What we set of a CometBFT home's ports, peers and signer; raises ConfigError."""
    try:
        tree = tomllib.loads((root / "config" / "config.toml").read_text(encoding="utf-8"))
        rpc, p2p = parse_address(tree["rpc"]["laddr"]), parse_address(tree["p2p"]["laddr"])
        peers = tree["p2p"].get("persistent_peers", "")
        return EngineConfig(
            moniker=str(tree.get("moniker", "")),
            rpc_host=rpc.host,
            rpc_port=rpc.port,
            p2p_host=p2p.host,
            p2p_port=p2p.port,
            persistent_peers=tuple(peer for peer in peers.split(",") if peer),
            is_town_signer=bool(tree.get("priv_validator_laddr", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError("config_laddr", f"{root}: {error}") from error


def application_command(engine: EngineHome, *, clock_offset_file: Path | None = None) -> list[str]:
    """Arguments of `chain.node.abci` for a home, as its config.toml expects the application."""
    arguments = ["--home", str(engine.app.root), "--address", str(engine.app_socket)]
    if (engine.app.config / KEY_FILE).exists():
        chain_id = load_genesis(engine.home).doc.chain_id
        arguments += ["--signer", str(engine.signer_socket), "--chain-id", chain_id]
    if clock_offset_file is not None:
        arguments += ["--clock-offset-file", str(clock_offset_file)]
    return arguments


def init_engine_testnet(
    members: Sequence[EngineMember],
    *,
    chain_id: str,
    app_state: Any,
    genesis_time: Timestamp,
    consensus_params: ConsensusParams | None = None,
    initial_height: int = 1,
) -> tuple[EngineHome, ...]:
    """Make all homes with the same genesis, each dialling all the others; raises ConfigError."""
    doc = GenesisDoc(
        genesis_time=genesis_time,
        chain_id=chain_id,
        initial_height=initial_height,
        consensus_params=consensus_params or TOWN_CONSENSUS_PARAMS,
        validators=tuple(
            GenesisValidator(derive_public(member.validator_seed), member.power)
            for member in members
        ),
        app_hash=b"",
        app_state=app_state,
    )
    try:
        genesis = encode_genesis(doc)
    except (InvalidGenesis, DecodeError) as error:
        raise ConfigError("config_genesis_invalid", str(error)) from error
    node_seeds = [member.node_seed for member in members]
    peers = [
        f"{node_id_of(derive_public(seed))}@{member.config.p2p_host}:{member.config.p2p_port}"
        for seed, member in zip(node_seeds, members, strict=True)
    ]
    homes = []
    for index, (member, node_seed) in enumerate(zip(members, node_seeds, strict=True)):
        others = tuple(peer for i, peer in enumerate(peers) if i != index)
        config = replace(member.config, persistent_peers=others)
        homes.append(write_engine_home(member, config, genesis, node_seed))
    return tuple(homes)


def write_engine_home(
    member: EngineMember, config: EngineConfig, genesis: bytes, node_seed: bytes
) -> EngineHome:
    """One home on a genesis document as it stands; raises ConfigError, never overwrites one."""
    engine = EngineHome(member.root)
    if engine.home.genesis_file.exists():
        raise ConfigError("config_home_taken", f"{engine.home.genesis_file} exists")
    try:
        parse_address(str(engine.signer_socket))
    except InvalidAddress as error:
        raise ConfigError("config_path_too_long", str(error)) from error
    folder = DiskFolder(engine.home.config)
    folder.replace("genesis.json", genesis)
    folder.replace("node_key.json", encode_node_key(node_seed))
    signs = engine.app if config.is_town_signer else engine.home
    DiskFolder(signs.config).replace(KEY_FILE, encode_key(member.validator_seed))
    DiskFolder(signs.data).replace(STATE_FILE, encode_state(LastSigned()))
    for made in (engine.app.data, engine.home.data):
        made.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.replace("config.toml", render_engine_config(config, engine).encode())
    return engine


def render_engine_config(config: EngineConfig, engine: EngineHome) -> str:
    """CometBFT's configuration file, with why each setting is what it is."""
    t = config.timeouts
    signer = str(engine.signer_socket) if config.is_town_signer else ""

    def ms(seconds: float) -> str:
        return f'"{round(seconds * 1_000)}ms"'

    return f"""# CometBFT {COMETBFT_VERSION} for Beffroi; what is not named here keeps CometBFT's default.
proxy_app = "{config.app_address or engine.app_socket}"
moniker = {json.dumps(config.moniker, ensure_ascii=False)}
log_level = "error"
# Not empty: the application's process holds the key and signs; CometBFT's own key file is then not the validator's.
priv_validator_laddr = "{signer}"

[rpc]
# Loopback only: block bodies are not for the public; the API serves what is.
laddr = "tcp://{config.rpc_host}:{config.rpc_port}"

[p2p]
laddr = "tcp://{config.p2p_host}:{config.p2p_port}"
# The validators of a town know each other; nobody is discovered.
persistent_peers = "{",".join(config.persistent_peers)}"
pex = false
addr_book_strict = false
allow_duplicate_ip = true
flush_throttle_timeout = "{config.flush_throttle_ms}ms"

[mempool]
# After each block every waiting transaction is judged again: the application drops what expired or was done.
recheck = true
size = {limits.MEMPOOL_MAX_TXS}
max_txs_bytes = {limits.MEMPOOL_MAX_BYTES}
max_tx_bytes = {limits.MEMPOOL_TX_MAX_BYTES}
cache_size = {limits.MEMPOOL_CACHE_TXS}
# What was refused may be sent again: its reason (a quota, a balance) may have gone.
keep-invalid-txs-in-cache = false

[consensus]
timeout_propose = {ms(t.propose_s)}
timeout_propose_delta = {ms(t.propose_delta_s)}
timeout_prevote = {ms(t.prevote_s)}
timeout_prevote_delta = {ms(t.prevote_delta_s)}
timeout_precommit = {ms(t.precommit_s)}
timeout_precommit_delta = {ms(t.precommit_delta_s)}
timeout_commit = {ms(t.commit_s)}
# As the embedded engine: nobody waits for stragglers when all precommits are in.
skip_timeout_commit = {str(config.skip_timeout_commit).lower()}
# How far a block's time may be ahead of this machine's clock; without bound only where the town's clock may be shifted.
block_time_tolerance = "{_SHIFTED_TOLERANCE if config.is_town_signer else _TOLERANCE}"
# No block without need, but a tick a minute (PROTOCOL 1), and a proof block after each change of state.
create_empty_blocks = true
create_empty_blocks_interval = {ms(config.empty_interval_s)}
peer_gossip_sleep_duration = "{config.gossip_sleep_ms}ms"

[tx_index]
indexer = "kv"
"""
