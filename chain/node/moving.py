"""Changing the engine: a town's export from behind CometBFT, and a validator's home for the other engine.

Keys, ports and peers stay, the genesis is an exported one. A vote is bound to its chain and that has a new name, so
the signer begins anew. The old home is left as it is; it must not be started again.
Reads: one home.  Writes: another one.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

from chain.execution.genesis import InvalidGenesis
from chain.node.cometbft import (
    EngineConfig,
    EngineHome,
    EngineMember,
    is_engine_home,
    read_engine_config,
    write_engine_home,
)
from chain.node.config import NodeConfig, P2PConfig, load_config, parse_peer, render_config
from chain.node.errors import ConfigError
from chain.node.exporting import export_records, genesis_document, next_chain_id
from chain.node.home import (
    Home,
    encode_genesis,
    encode_node_key,
    load_genesis,
    load_node_seed,
    load_signing_seed,
    read_genesis,
)
from chain.node.lock import HomeLock
from chain.node.signer import KEY_FILE, STATE_FILE, LastSigned, encode_key, encode_state
from chain.store.app import LmdbStateStore
from chain.store.errors import StoreError
from chain.store.files import DiskFolder
from chain.store.kv import LmdbStore
from chain.town.engine import PAST_HASHES
from chain.town.migration import LastBlock
from chain.town.schemas import CouncilAct
from chain.types.params import GenesisDoc
from chain.types.timestamp import Timestamp

EMBEDDED: Final = "embedded"
COMETBFT: Final = "cometbft"


def export_engine_genesis(
    engine: EngineHome, *, chain_id: str = "", acts: tuple[CouncilAct, ...] = ()
) -> GenesisDoc:
    """As `export_genesis`, for the newest height of a stopped application behind CometBFT.

    The application's own records name the last block; CometBFT's stores are not read. Raises ConfigError.
    """
    old = load_genesis(engine.home).doc
    named = chain_id or next_chain_id(old.chain_id)
    if named == old.chain_id:
        raise ConfigError("export_chain_id", f"the new chain cannot be called {named} again")
    if not (engine.app.data / "app.lmdb").is_dir():
        raise ConfigError("config_no_data", f"no application ever ran in {engine.app.root}")
    lock = HomeLock(engine.app.data)
    kv = LmdbStore(engine.app.data / "app.lmdb")
    try:
        app = LmdbStateStore(kv, shared=False)
        last = _last_block(app, old.chain_id)
        migration = export_records(app, last, named, acts)
    except StoreError as error:
        raise ConfigError(error.code, str(error)) from error
    finally:
        kv.close()
        lock.release()
    return genesis_document(old, last, named, migration, old.consensus_params)


def _last_block(app: LmdbStateStore, chain_id: str) -> LastBlock:
    version, time_ns = app.load_version(), app.load_meta("time_ns")
    block_hash = None if version is None else app.get(PAST_HASHES, version[0].to_bytes(8, "big"))
    if version is None or time_ns is None or block_hash is None:
        raise ConfigError("config_no_data", "no block was ever committed")
    return LastBlock(chain_id, version[0], block_hash, version[1], Timestamp.from_ns(int(time_ns)))


def move_home(source: Path, genesis: bytes, target: Path, engine: str) -> GenesisDoc:
    """Write the home of the validator in `source` for `engine`, on an exported genesis; raises ConfigError."""
    doc = read_genesis(genesis).doc
    if doc.chain_id == load_genesis(Home(source)).doc.chain_id:
        raise ConfigError("config_genesis_invalid", "this genesis is of the chain the home is on")
    if Home(target).genesis_file.exists():
        raise ConfigError("config_home_taken", f"{Home(target).genesis_file} exists")
    seed, node_seed = _signing_seed(source), load_node_seed(Home(source))
    config = _engine_config(source)
    if engine == COMETBFT:
        member = EngineMember(target, seed, config, node_seed=node_seed)
        write_engine_home(member, config, _plain(doc), node_seed)
    else:
        _write_embedded(Home(target), config, doc, seed, node_seed)
    return doc


def _signing_seed(source: Path) -> bytes:
    app = EngineHome(source).app
    return load_signing_seed(app if (app.config / KEY_FILE).exists() else Home(source))


def _plain(doc: GenesisDoc) -> bytes:
    try:
        return encode_genesis(doc)
    except InvalidGenesis as error:
        raise ConfigError("config_genesis_invalid", str(error)) from error


def _engine_config(source: Path) -> EngineConfig:
    """Ports, peers and name of a home of either engine."""
    if is_engine_home(source):
        return replace(read_engine_config(source), is_town_signer=False)
    own = load_config(source / "config" / "config.toml")
    peers = tuple(f"{p.node_id}@{p.host}:{p.port}" for p in own.p2p.persistent_peers)
    return EngineConfig(
        moniker=own.moniker,
        rpc_host=own.rpc_host,
        rpc_port=own.rpc_port,
        p2p_host=own.p2p.listen_host or EngineConfig().p2p_host,
        p2p_port=own.p2p.listen_port,
        persistent_peers=peers,
        empty_interval_s=own.pacing.empty_interval_s,
    )


def _write_embedded(
    home: Home, config: EngineConfig, doc: GenesisDoc, seed: bytes, node_seed: bytes
) -> None:
    """Certificates of peers come from the town's own registry, which the genesis carries."""
    peers = tuple(parse_peer(peer) for peer in config.persistent_peers)
    p2p = P2PConfig(config.p2p_host, config.p2p_port, peers) if peers else P2PConfig()
    own = NodeConfig(
        moniker=config.moniker, rpc_host=config.rpc_host, rpc_port=config.rpc_port, p2p=p2p
    )
    folder, data = DiskFolder(home.config), DiskFolder(home.data)
    folder.replace(KEY_FILE, encode_key(seed))
    folder.replace("node_key.json", encode_node_key(node_seed))
    data.replace(STATE_FILE, encode_state(LastSigned()))
    folder.replace("config.toml", render_config(own).encode())
    folder.replace("genesis.json", _plain(doc))
