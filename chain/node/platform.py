"""The machine under a node, behind one small Protocol: files, store, clock, sockets. On a disk, or in a simulation.

Reads / Writes: the home folder, sockets when asked to open one.  Never: a rule of the chain.
"""

import asyncio
import os
import ssl
from collections.abc import Callable
from typing import Protocol

from chain.judges.pool import JudgePool
from chain.limits import JUDGES_MAX
from chain.node.clock import Clock, OffsetClock, SystemClock
from chain.node.config import NodeConfig, P2PConfig
from chain.node.errors import ConfigError
from chain.node.home import (
    Genesis,
    Home,
    load_genesis,
    load_node_id,
    load_peer_certificates,
    load_signing_seed,
    write_tls_identity,
)
from chain.p2p.errors import PeerFault
from chain.p2p.switch import Switch, SwitchSettings
from chain.rpc.events import EventBus
from chain.rpc.ports import NodeView
from chain.rpc.server import RpcServer
from chain.store.files import DiskFolder, Folder
from chain.store.kv import KeyValueStore, LmdbStore
from chain.types.messages import DefaultNodeInfo


class Platform(Protocol):
    """Everything of the outside that a node opens; a simulation brings its own."""

    def load_genesis(self) -> Genesis:
        """The genesis document; raises ConfigError."""
        ...

    def load_signing_seed(self) -> bytes:
        """Seed of the validator's key; raises ConfigError."""
        ...

    def load_node_id(self) -> str:
        """Lower-case hex address of the node key; raises ConfigError."""
        ...

    def load_peer_certificates(self) -> dict[str, bytes]:
        """PEM certificates of the peers that the settings name, by node id; raises OSError."""
        ...

    def open_store(self, name: str) -> KeyValueStore:
        """A map of its own under the data folder; raises StoreError."""
        ...

    def open_folder(self, name: str) -> Folder:
        """A folder of small files under the data folder; "" is the data folder itself."""
        ...

    def make_clock(self, offset_file: str, is_insecure: Callable[[], bool]) -> Clock:
        """The clock; `offset_file` may shift it while `is_insecure` says so, "" never."""
        ...

    def open_switch(self, settings: P2PConfig, info: DefaultNodeInfo) -> Switch:
        """Connections to peers, not started; raises ConfigError when a certificate cannot be used."""
        ...

    def open_rpc(self, view: NodeView, events: EventBus, config: NodeConfig) -> RpcServer:
        """The RPC, not started."""
        ...

    def open_judges(self, loop: asyncio.AbstractEventLoop) -> JudgePool | None:
        """Processes that judge ballots, not started; None where the rules judge everything in line."""
        ...


class DiskPlatform:
    """The real machine: a home folder, LMDB, the system's clock, TLS sockets."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def load_genesis(self) -> Genesis:
        """`config/genesis.json`."""
        return load_genesis(self._home)

    def load_signing_seed(self) -> bytes:
        """`config/priv_validator_key.json`."""
        return load_signing_seed(self._home)

    def load_node_id(self) -> str:
        """Of `config/node_key.json`."""
        return load_node_id(self._home)

    def load_peer_certificates(self) -> dict[str, bytes]:
        """Of `config/peers`."""
        return load_peer_certificates(self._home)

    def open_store(self, name: str) -> KeyValueStore:
        """An LMDB environment."""
        return LmdbStore(self._home.data / name)

    def open_folder(self, name: str) -> Folder:
        """A folder on the disk, made when it is not there."""
        return DiskFolder(self._home.data / name)

    def make_clock(self, offset_file: str, is_insecure: Callable[[], bool]) -> Clock:
        """The system's clock, in an insecure town shifted by a file."""
        if not offset_file:
            return SystemClock()
        return OffsetClock(self._home.root / offset_file, is_insecure)

    def open_switch(self, settings: P2PConfig, info: DefaultNodeInfo) -> Switch:
        """TLS with the certificates of `config/peers`."""
        made = SwitchSettings(
            write_tls_identity(self._home),
            load_peer_certificates(self._home),
            persistent=settings.persistent_peers,
            listen_host=settings.listen_host,
            listen_port=settings.listen_port,
            max_peers=settings.max_peers,
        )
        try:
            return Switch(made, info)
        except (PeerFault, ssl.SSLError) as error:
            raise ConfigError("config_peer_certificate", str(error)) from error

    def open_rpc(self, view: NodeView, events: EventBus, config: NodeConfig) -> RpcServer:
        """HTTP and websocket on the configured address."""
        return RpcServer(view, events, config.rpc_host, config.rpc_port)

    def open_judges(self, loop: asyncio.AbstractEventLoop) -> JudgePool | None:
        """One per core, up to a bound."""
        return make_judges(loop)


def make_judges(loop: asyncio.AbstractEventLoop) -> JudgePool:
    """One per core this process may use, up to a bound; none runs before there is a ballot."""
    return JudgePool(loop, min(JUDGES_MAX, len(os.sched_getaffinity(0))))
