"""`config/config.toml`: CometBFT's names for what we share with it, read once, checked whole.

Durations are CometBFT's texts ("250ms", "3s"). Unknown keys are refused: a typing error must not be a default.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chain import limits
from chain.consensus import TimeoutKind
from chain.light.client import GenesisRoot, HashRoot
from chain.light.verifier import TrustOptions
from chain.node.errors import ConfigError
from chain.node.metrics_server import Instrumentation
from chain.node.pacing import Pacing
from chain.node.retention import Storage
from chain.p2p.switch import PeerAddress
from chain.sync import StateSyncSettings
from chain.types.params import GenesisDoc
from chain.types.primitives import Height, Round
from chain.types.timestamp import NANOS_PER_SECOND

VERSION: Final = "0.38.25-beffroi.0.1"
"""Begins with the CometBFT line whose RPC we speak: cosmjs chooses its decoder by it."""
_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")
_LADDR: Final = re.compile(r"tcp://([^:/]+):(\d{1,5})")
_LISTEN: Final = re.compile(r"([^:/]*):(\d{1,5})")
_PEER: Final = re.compile(r"([0-9a-f]{40})@([^:@/,]+):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Waits of consensus in seconds; each grows by its delta per round up to `TIMEOUT_MAX_MS`."""

    propose_s: float = limits.TIMEOUT_PROPOSE_MS / 1_000
    propose_delta_s: float = limits.TIMEOUT_PROPOSE_DELTA_MS / 1_000
    prevote_s: float = limits.TIMEOUT_PREVOTE_MS / 1_000
    prevote_delta_s: float = limits.TIMEOUT_PREVOTE_DELTA_MS / 1_000
    precommit_s: float = limits.TIMEOUT_PRECOMMIT_MS / 1_000
    precommit_delta_s: float = limits.TIMEOUT_PRECOMMIT_DELTA_MS / 1_000
    commit_s: float = limits.TIMEOUT_COMMIT_MS / 1_000

    def wait_s(self, kind: TimeoutKind, round_: Round) -> float:
        """How long to wait in this round."""
        first_s, delta_s = {
            TimeoutKind.PROPOSE: (self.propose_s, self.propose_delta_s),
            TimeoutKind.PREVOTE: (self.prevote_s, self.prevote_delta_s),
            TimeoutKind.PRECOMMIT: (self.precommit_s, self.precommit_delta_s),
        }[kind]
        return min(first_s + delta_s * round_, limits.TIMEOUT_MAX_MS / 1_000)


@dataclass(frozen=True, slots=True)
class P2PConfig:
    """Where this node listens for others and whom it dials; by default it is alone."""

    listen_host: str = ""
    """Empty: no listener."""
    listen_port: int = 26_656
    persistent_peers: tuple[PeerAddress, ...] = ()
    max_peers: int = limits.P2P_PEERS_MAX

    def is_alone(self) -> bool:
        """Nobody to listen for and nobody to dial."""
        return not self.listen_host and not self.persistent_peers


@dataclass(frozen=True, slots=True)
class StateSyncConfig:
    """Joining by snapshot, and making snapshots for others; names are CometBFT's where it has them."""

    is_enabled: bool = False
    """Join by snapshot while the store is empty."""
    trust_height: Height = 0
    trust_hash: bytes = b""
    """A header somebody vouches for; without one, trust begins with the genesis validators."""
    trust_period_s: float = limits.LIGHT_TRUSTING_PERIOD_S
    discovery_s: float = limits.STATESYNC_DISCOVERY_MS / 1_000
    chunk_timeout_s: float = limits.STATESYNC_CHUNK_TIMEOUT_MS / 1_000
    chunk_fetchers: int = limits.STATESYNC_CHUNK_FETCHERS
    snapshot_interval: int = limits.SNAPSHOT_INTERVAL_BLOCKS
    """Blocks between two snapshots, besides the daily one; 0 makes none at all. Nodes with equal settings make
    equal snapshots."""
    snapshots_kept: int = limits.SNAPSHOTS_KEPT

    def settings(self, doc: GenesisDoc) -> StateSyncSettings:
        """What state sync needs to know."""
        root = HashRoot(self.trust_height, self.trust_hash)
        return StateSyncSettings(
            root if self.trust_height else GenesisRoot(doc),
            TrustOptions(trusting_period_ns=round(self.trust_period_s * NANOS_PER_SECOND)),
            self.discovery_s,
            self.chunk_timeout_s,
            self.chunk_fetchers,
        )


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Settings of one node."""

    moniker: str = "beffroi"
    rpc_host: str = "127.0.0.1"
    rpc_port: int = 26_657
    timeouts: Timeouts = field(default_factory=Timeouts)
    pacing: Pacing = field(default_factory=Pacing)
    mempool_max_txs: int = limits.MEMPOOL_MAX_TXS
    mempool_max_bytes: int = limits.MEMPOOL_MAX_BYTES
    p2p: P2PConfig = field(default_factory=P2PConfig)
    storage: Storage = field(default_factory=Storage)
    instrumentation: Instrumentation = field(default_factory=Instrumentation)
    statesync: StateSyncConfig = field(default_factory=StateSyncConfig)
    is_key_locked: bool = True
    """One process per validator key on this machine; False only to rehearse a copied key."""
    clock_offset_file: str = ""
    """Relative to the home; obeyed only in a town whose genesis says it is insecure."""


_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset(
        {
            "moniker",
            "lock_validator_key",
            "clock_offset_file",
            "rpc",
            "p2p",
            "consensus",
            "mempool",
            "storage",
            "instrumentation",
            "statesync",
        }
    ),
    "rpc": frozenset({"laddr"}),
    "p2p": frozenset({"laddr", "persistent_peers", "max_peers"}),
    "consensus": frozenset(
        {
            "timeout_propose",
            "timeout_propose_delta",
            "timeout_prevote",
            "timeout_prevote_delta",
            "timeout_precommit",
            "timeout_precommit_delta",
            "timeout_commit",
            "create_empty_blocks_interval",
            "proof_block_delay",
        }
    ),
    "mempool": frozenset({"size", "max_txs_bytes"}),
    "instrumentation": frozenset(
        {"prometheus", "prometheus_listen_addr", "max_open_connections", "namespace"}
    ),
    "storage": frozenset({"retain", "retain_blocks", "retain_duration"}),
    "statesync": frozenset(
        {
            "enable",
            "trust_height",
            "trust_hash",
            "trust_period",
            "discovery_time",
            "chunk_request_timeout",
            "chunk_fetchers",
            "snapshot_interval",
            "snapshot_keep_recent",
        }
    ),
}


def load_config(path: Path) -> NodeConfig:
    """Read a configuration; a missing file means all defaults. Raises ConfigError."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return NodeConfig()
    try:
        return parse_config(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("config_toml", f"{path.name}: {error}") from error


def parse_config(tree: Mapping[str, Any]) -> NodeConfig:
    """Settings from the tables of a configuration file; raises ConfigError."""
    for section, known in _KEYS.items():
        table = tree.get(section, {}) if section else tree
        for key in table:
            if key not in known:
                raise ConfigError("config_unknown_key", f"{section}.{key}".strip("."))
    consensus, mempool = tree.get("consensus", {}), tree.get("mempool", {})
    host, port = _address("rpc", tree.get("rpc", {}).get("laddr", "tcp://127.0.0.1:26657"))
    proof_delay_s = _seconds(consensus, "proof_block_delay", limits.PROOF_BLOCK_DELAY_MS)
    if proof_delay_s * 1_000 > limits.PROOF_BLOCK_DELAY_MAX_MS:
        raise ConfigError("config_range", "consensus.proof_block_delay is at most 1s")
    return NodeConfig(
        moniker=str(tree.get("moniker", "beffroi")),
        rpc_host=host,
        rpc_port=port,
        timeouts=_timeouts(consensus),
        pacing=Pacing(
            empty_interval_s=_seconds(
                consensus, "create_empty_blocks_interval", limits.EMPTY_BLOCK_INTERVAL_MS
            ),
            proof_delay_s=proof_delay_s,
        ),
        p2p=_p2p(tree.get("p2p", {})),
        mempool_max_txs=_count("mempool", mempool, "size", limits.MEMPOOL_MAX_TXS),
        mempool_max_bytes=_count("mempool", mempool, "max_txs_bytes", limits.MEMPOOL_MAX_BYTES),
        storage=_storage(tree.get("storage", {})),
        instrumentation=_instrumentation(tree.get("instrumentation", {})),
        statesync=_statesync(tree.get("statesync", {})),
        is_key_locked=_flag(tree, "lock_validator_key", default=True),
        clock_offset_file=str(tree.get("clock_offset_file", "")),
    )


def _instrumentation(table: Mapping[str, Any]) -> Instrumentation:
    default = Instrumentation()
    is_on, namespace = table.get("prometheus", False), table.get("namespace", default.namespace)
    if not isinstance(is_on, bool):
        raise ConfigError("config_range", "instrumentation.prometheus is true or false")
    if not isinstance(namespace, str) or not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*|", namespace):
        raise ConfigError("config_range", "instrumentation.namespace is a Prometheus name")
    address = table.get("prometheus_listen_addr", f"{default.listen_host}:{default.listen_port}")
    match = _LISTEN.fullmatch(address) if isinstance(address, str) else None
    if match is None or int(match[2]) > 65_535:
        raise ConfigError(
            "config_laddr", "instrumentation.prometheus_listen_addr must look like 127.0.0.1:26660"
        )
    # CometBFT's default ":26660" means every interface; here an empty host stays on the loopback.
    host, port = match[1] or default.listen_host, int(match[2])
    most = _count("instrumentation", table, "max_open_connections", default.max_open_connections)
    return Instrumentation(is_on, host, port, most, namespace)


def _storage(table: Mapping[str, Any]) -> Storage:
    retain, blocks = table.get("retain", "pruned"), table.get("retain_blocks", 0)
    if retain not in ("pruned", "archive"):
        raise ConfigError("config_storage", 'storage.retain is "pruned" or "archive"')
    if not isinstance(blocks, int) or isinstance(blocks, bool) or blocks < 0:
        raise ConfigError("config_range", "storage.retain_blocks must be 0 or more")
    return Storage(retain == "archive", blocks, _seconds(table, "retain_duration", 0))


def _statesync(table: Mapping[str, Any]) -> StateSyncConfig:
    enable, trust_hash = table.get("enable", False), table.get("trust_hash", "")
    height, interval = table.get("trust_height", 0), table.get("snapshot_interval")
    interval = limits.SNAPSHOT_INTERVAL_BLOCKS if interval is None else interval
    if not isinstance(enable, bool) or not isinstance(trust_hash, str):
        raise ConfigError("config_statesync", "enable is true or false, trust_hash a text")
    if trust_hash and _HASH.fullmatch(trust_hash) is None:
        raise ConfigError("config_statesync", "trust_hash is 64 hexadecimal digits")
    for number in (height, interval):
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise ConfigError("config_statesync", "heights and intervals are 0 or more")
    if bool(height) != bool(trust_hash):
        raise ConfigError("config_statesync", "trust_height and trust_hash go together")
    return StateSyncConfig(
        is_enabled=enable,
        trust_height=height,
        trust_hash=bytes.fromhex(trust_hash),
        trust_period_s=_seconds(table, "trust_period", limits.LIGHT_TRUSTING_PERIOD_S * 1_000),
        discovery_s=_seconds(table, "discovery_time", limits.STATESYNC_DISCOVERY_MS),
        chunk_timeout_s=_seconds(table, "chunk_request_timeout", limits.STATESYNC_CHUNK_TIMEOUT_MS),
        chunk_fetchers=_count(
            "statesync", table, "chunk_fetchers", limits.STATESYNC_CHUNK_FETCHERS
        ),
        snapshot_interval=interval,
        snapshots_kept=_count("statesync", table, "snapshot_keep_recent", limits.SNAPSHOTS_KEPT),
    )


def _p2p(table: Mapping[str, Any]) -> P2PConfig:
    laddr = table.get("laddr", "")
    host, port = _address("p2p", laddr) if laddr else ("", P2PConfig().listen_port)
    peers = table.get("persistent_peers", "")
    if not isinstance(peers, str):
        raise ConfigError("config_peers", "p2p.persistent_peers is a text")
    return P2PConfig(
        listen_host=host,
        listen_port=port,
        persistent_peers=tuple(
            parse_peer(text.strip()) for text in peers.split(",") if text.strip()
        ),
        max_peers=_count("p2p", table, "max_peers", limits.P2P_PEERS_MAX),
    )


def parse_peer(text: str) -> PeerAddress:
    """`<node id>@host:port`; raises ConfigError."""
    match = _PEER.fullmatch(text)
    if match is None or not 0 < int(match[3]) <= 65_535:
        raise ConfigError("config_peers", f"{text!r} is not <node id>@host:port")
    return PeerAddress(match[1], match[2], int(match[3]))


def _timeouts(table: Mapping[str, Any]) -> Timeouts:
    return Timeouts(
        propose_s=_seconds(table, "timeout_propose", limits.TIMEOUT_PROPOSE_MS),
        propose_delta_s=_seconds(table, "timeout_propose_delta", limits.TIMEOUT_PROPOSE_DELTA_MS),
        prevote_s=_seconds(table, "timeout_prevote", limits.TIMEOUT_PREVOTE_MS),
        prevote_delta_s=_seconds(table, "timeout_prevote_delta", limits.TIMEOUT_PREVOTE_DELTA_MS),
        precommit_s=_seconds(table, "timeout_precommit", limits.TIMEOUT_PRECOMMIT_MS),
        precommit_delta_s=_seconds(
            table, "timeout_precommit_delta", limits.TIMEOUT_PRECOMMIT_DELTA_MS
        ),
        commit_s=_seconds(table, "timeout_commit", limits.TIMEOUT_COMMIT_MS),
    )


def _seconds(table: Mapping[str, Any], key: str, default_ms: int) -> float:
    text = table.get(key)
    if text is None:
        return default_ms / 1_000
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ConfigError("config_duration", f'{key} is not a duration such as "250ms" or "3s"')
    return int(match[1]) * _UNIT_MS[match[2]] / 1_000


def _flag(table: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise ConfigError("config_range", f"{key} must be true or false")
    return value


def _count(section: str, table: Mapping[str, Any], key: str, default: int) -> int:
    value = table.get(key, default)
    if not isinstance(value, int) or value < 1:
        raise ConfigError("config_range", f"{section}.{key} must be a positive integer")
    return value


def _address(section: str, text: Any) -> tuple[str, int]:
    match = _LADDR.fullmatch(text) if isinstance(text, str) else None
    if match is None or int(match[2]) > 65_535:
        raise ConfigError("config_laddr", f"{section}.laddr must look like tcp://127.0.0.1:26657")
    return match[1], int(match[2])


def render_config(config: NodeConfig) -> str:
    """A configuration file that reads back as `config`, with what each part is for."""
    t, p2p, sync = config.timeouts, config.p2p, config.statesync
    peers = ",".join(f"{p.node_id}@{p.host}:{p.port}" for p in p2p.persistent_peers)
    p2p_laddr = f"tcp://{p2p.listen_host}:{p2p.listen_port}" if p2p.listen_host else ""

    def ms(seconds: float) -> str:
        return f'"{round(seconds * 1_000)}ms"'

    return f"""# Beffroi node. Names and meanings are CometBFT 0.38's where both have them.
moniker = {json.dumps(config.moniker, ensure_ascii=False)}
# Shifts this node's clock by the seconds in this file; obeyed only in a town whose genesis is insecure.
clock_offset_file = "{config.clock_offset_file}"
# One process per validator key on this machine: two would sign against each other.
lock_validator_key = {"true" if config.is_key_locked else "false"}

[rpc]
# Loopback only: block bodies are not for the public; the API serves what is.
laddr = "tcp://{config.rpc_host}:{config.rpc_port}"

[p2p]
# Empty: this node listens to nobody. Peers are known by their certificates in config/peers/<node id>.pem.
laddr = "{p2p_laddr}"
# <node id>@host:port, comma-separated; dialled for ever.
persistent_peers = "{peers}"
max_peers = {p2p.max_peers}

[consensus]
timeout_propose = {ms(t.propose_s)}
timeout_propose_delta = {ms(t.propose_delta_s)}
timeout_prevote = {ms(t.prevote_s)}
timeout_prevote_delta = {ms(t.prevote_delta_s)}
timeout_precommit = {ms(t.precommit_s)}
timeout_precommit_delta = {ms(t.precommit_delta_s)}
# Wait for late precommits after a decision; skipped when all validators' are in.
timeout_commit = {ms(t.commit_s)}
# An idle town's clock tick.
create_empty_blocks_interval = {ms(config.pacing.empty_interval_s)}
# After a change of state: how long a transaction may still come before the block that proves the state.
proof_block_delay = {ms(config.pacing.proof_delay_s)}

[mempool]
size = {config.mempool_max_txs}
max_txs_bytes = {config.mempool_max_bytes}

[storage]
# "pruned": old blocks go once neither evidence nor light clients need them (in production 20 000 blocks and 21 days).
# "archive": everything stays. A town needs one archive node, better two.
retain = "{config.storage.name()}"
# Keep more than that: at least so many blocks, and for so long.
retain_blocks = {config.storage.retain_blocks}
retain_duration = {ms(config.storage.retain_s)}

[instrumentation]
# Figures for Prometheus under http://<address>/metrics; no personal data.
prometheus = {str(config.instrumentation.prometheus).lower()}
prometheus_listen_addr = "{config.instrumentation.listen_host}:{config.instrumentation.listen_port}"
max_open_connections = {config.instrumentation.max_open_connections}
namespace = "{config.instrumentation.namespace}"

[statesync]
# Join by a snapshot of the peers instead of executing every block; only while the store is empty.
enable = {"true" if sync.is_enabled else "false"}
# A header somebody vouches for; 0 and "" begin with the validators of the genesis.
trust_height = {sync.trust_height}
trust_hash = "{sync.trust_hash.hex().upper()}"
trust_period = {ms(sync.trust_period_s)}
discovery_time = {ms(sync.discovery_s)}
chunk_request_timeout = {ms(sync.chunk_timeout_s)}
chunk_fetchers = {sync.chunk_fetchers}
# Make snapshots for others every so many blocks, and daily; 0 makes none.
snapshot_interval = {sync.snapshot_interval}
snapshot_keep_recent = {sync.snapshots_kept}
"""
