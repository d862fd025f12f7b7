"""The home folder of a node, laid out as CometBFT's, and how it is made.

config/config.toml  genesis.json  node_key.json  priv_validator_key.json  node_tls.pem  peers/<node id>.pem
data/priv_validator_state.json  cs.wal/wal  chain.lmdb/  failures/
"""

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from chain.codec.cmtjson import from_json, to_json
from chain.codec.errors import DecodeError
from chain.crypto.ed25519 import derive_public
from chain.crypto.keys import address
from chain.crypto.node_certificate import node_id_of
from chain.execution.genesis import InvalidGenesis, check_genesis
from chain.limits import RETAIN_MIN_BLOCKS, RETAIN_MIN_S
from chain.node.config import NodeConfig, render_config
from chain.node.errors import ConfigError
from chain.node.signer import (
    KEY_FILE,
    STATE_FILE,
    InvalidSignerFile,
    LastSigned,
    decode_key,
    encode_key,
    encode_state,
)
from chain.p2p.certificates import key_of_pem, make_certificate, make_key_pem
from chain.store.files import DiskFolder
from chain.types.params import ConsensusParams, EvidenceParams, GenesisDoc, GenesisValidator
from chain.types.timestamp import NANOS_PER_SECOND, Timestamp

TLS_FILE = "node_tls.pem"
TOWN_CONSENSUS_PARAMS = ConsensusParams(
    evidence=EvidenceParams(RETAIN_MIN_BLOCKS, RETAIN_MIN_S * NANOS_PER_SECOND)
)
"""CometBFT's defaults with the evidence ages of PROTOCOL §4."""
PEERS_FOLDER = "peers"


@dataclass(frozen=True, slots=True)
class Home:
    """Paths of one node."""

    root: Path

    @property
    def config(self) -> Path:
        """Folder of settings and keys."""
        return self.root / "config"

    @property
    def data(self) -> Path:
        """Folder of everything the node writes."""
        return self.root / "data"

    @property
    def genesis_file(self) -> Path:
        """The genesis document."""
        return self.config / "genesis.json"


@dataclass(frozen=True, slots=True)
class Genesis:
    """A genesis document, the hash of its file's meaning, and the app state as the application gets it."""

    doc: GenesisDoc
    hash: bytes
    app_state_bytes: bytes


def load_genesis(home: Home) -> Genesis:
    """Read `genesis.json`; raises ConfigError."""
    try:
        raw = home.genesis_file.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError("config_genesis_missing", str(home.genesis_file)) from error
    return read_genesis(raw)


def read_genesis(raw: bytes) -> Genesis:
    """A genesis from the bytes of its file; raises ConfigError."""
    try:
        doc = from_json(GenesisDoc, json.loads(raw))
        check_genesis(doc)
    except (DecodeError, InvalidGenesis, ValueError) as error:
        raise ConfigError("config_genesis_invalid", str(error)) from error
    return make_genesis(doc)


def make_genesis(doc: GenesisDoc) -> Genesis:
    """The document with its hash; blanks and order of keys in the file do not count."""
    text = json.dumps(to_json(doc), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    app_state = json.dumps(doc.app_state, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Genesis(doc, sha256(text.encode()).digest(), app_state.encode())


def load_signing_seed(home: Home) -> bytes:
    """The validator's seed; raises ConfigError. Makes no folder: the path may be a wrong one."""
    try:
        return decode_key((home.config / KEY_FILE).read_bytes())
    except FileNotFoundError as error:
        raise ConfigError("config_key_missing", str(home.config / KEY_FILE)) from error
    except InvalidSignerFile as error:
        raise ConfigError("config_key_invalid", str(error)) from error


def load_node_seed(home: Home) -> bytes:
    """Seed of the node key, which proves to peers who we are; raises ConfigError."""
    try:
        tree = json.loads((home.config / "node_key.json").read_bytes())
        raw = b64decode(tree["priv_key"]["value"], validate=True)
        derive_public(raw[:32])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError("config_node_key", f"node_key.json: {error}") from error
    return raw[:32]


def load_node_id(home: Home) -> str:
    """Lower-case hex address of the node key (`p2p/key.go`); raises ConfigError."""
    return address(derive_public(load_node_seed(home))).hex()


def write_tls_identity(home: Home) -> Path:
    """Put the node key and its certificate into `config/node_tls.pem`, where OpenSSL reads them; once."""
    seed = load_node_seed(home)
    wanted = make_key_pem(seed) + make_certificate(seed)
    folder = DiskFolder(home.config)
    if folder.read(TLS_FILE) != wanted:
        folder.replace(TLS_FILE, wanted)
    return home.config / TLS_FILE


def add_peer_certificate(home: Home, pem: bytes) -> str:
    """Trust a peer's certificate from the next start on; returns its node id. Raises PeerFault."""
    node_id = node_id_of(key_of_pem(pem))
    DiskFolder(home.config / PEERS_FOLDER).replace(f"{node_id}.pem", pem)
    return node_id


def load_peer_certificates(home: Home) -> dict[str, bytes]:
    """PEM certificates of the peers this node talks to, by node id."""
    folder = home.config / PEERS_FOLDER
    if not folder.is_dir():
        return {}
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.pem"))}


def init_home(
    root: Path,
    *,
    chain_id: str,
    app_state: Any,
    genesis_time: Timestamp,
    consensus_params: ConsensusParams | None = None,
    validators: Sequence[GenesisValidator] | None = None,
    config: NodeConfig | None = None,
    initial_height: int = 1,
    validator_seed: bytes | None = None,
    node_seed: bytes | None = None,
) -> Home:
    """Make a home: keys drawn unless given, this node the only validator unless `validators` says otherwise.

    Raises ConfigError when the folder already has a genesis or a key: those are never overwritten.
    """
    home = Home(root)
    seed = validator_seed or os.urandom(32)
    _write_keys(home, seed, node_seed or os.urandom(32))
    if validators is None:
        validators = (GenesisValidator(derive_public(seed), 10),)
    doc = GenesisDoc(
        genesis_time=genesis_time,
        chain_id=chain_id,
        initial_height=initial_height,
        consensus_params=consensus_params or TOWN_CONSENSUS_PARAMS,
        validators=tuple(validators),
        app_hash=b"",
        app_state=app_state,
    )
    try:
        genesis = encode_genesis(doc)
    except InvalidGenesis as error:
        raise ConfigError("config_genesis_invalid", str(error)) from error
    folder = DiskFolder(home.config)
    folder.replace("config.toml", render_config(config or NodeConfig()).encode())
    folder.replace("genesis.json", genesis)
    return home


def join_home(root: Path, genesis: bytes, config: NodeConfig) -> Home:
    """Make a home for a node that joins a chain: fresh keys, the chain's own genesis file.

    Raises ConfigError as `init_home` does, and for a genesis that starts no chain.
    """
    home = Home(root)
    read_genesis(genesis)
    _write_keys(home, os.urandom(32), os.urandom(32))
    folder = DiskFolder(home.config)
    folder.replace("config.toml", render_config(config).encode())
    folder.replace("genesis.json", genesis)
    return home


def _write_keys(home: Home, validator_seed: bytes, node_seed: bytes) -> None:
    """Both keys and a signer that signed nothing yet; raises ConfigError where a home is already."""
    for taken in (home.genesis_file, home.config / KEY_FILE):
        if taken.exists():
            raise ConfigError("config_home_taken", f"{taken} exists")
    folder = DiskFolder(home.config)
    folder.replace(KEY_FILE, encode_key(validator_seed))
    folder.replace("node_key.json", encode_node_key(node_seed))
    DiskFolder(home.data).replace(STATE_FILE, encode_state(LastSigned()))


def encode_genesis(doc: GenesisDoc) -> bytes:
    """`genesis.json` as both engines read it; raises InvalidGenesis."""
    check_genesis(doc)
    return json.dumps(to_json(doc), indent=2, ensure_ascii=False).encode()


def encode_node_key(seed: bytes) -> bytes:
    """`node_key.json` as CometBFT writes it."""
    value = b64encode(seed + derive_public(seed)).decode()
    key = {"priv_key": {"type": "tendermint/PrivKeyEd25519", "value": value}}
    return json.dumps(key, indent=2).encode()
