"""`beffroi node export`: a stopped node's town as the genesis document of a new chain (PROTOCOL §4, Migration).

Reads: the home.  Writes: nothing there.  Never: a clock or a choice, so that every node of a town gives the same
bytes for the same height.
"""

import json
import re

from chain.codec.cmtjson import to_json
from chain.crypto.keys import address
from chain.execution.genesis import InvalidGenesis, check_genesis
from chain.node.errors import ConfigError
from chain.node.home import Home, load_genesis
from chain.node.offline import OfflineNode, open_offline
from chain.store.app import LmdbStateStore
from chain.town.migration import LastBlock, Migration, export_state
from chain.town.schemas import CouncilAct
from chain.town.snapshot import VersionGone, view_state
from chain.types.params import ConsensusParams, GenesisDoc, GenesisValidator
from chain.types.primitives import Height


def export_genesis(
    home: Home, *, height: Height = 0, chain_id: str = "", acts: tuple[CouncilAct, ...] = ()
) -> GenesisDoc:
    """The state after `height` (0: the newest) as the first of `chain_id` ("": the old name counted up).

    `acts` replace validators and nodes for a town that lost more than a third of its power (`chain.town.approval`).

    Raises ConfigError with a code: the home runs or is empty, the height's block or state is not kept, the
    records do not give the recorded app hash, the chain id is not another one.
    """
    old = load_genesis(home).doc
    named = chain_id or next_chain_id(old.chain_id)
    if named == old.chain_id:
        raise ConfigError("export_chain_id", f"the new chain cannot be called {named} again")
    with open_offline(home) as node:
        last = _last_block(node, height or node.state.last_block_height)
        migration = export_records(node.app, last, named, acts)
        params = node.stores.states.load_params(last.height + 1)
    if params is None:
        raise ConfigError("export_height", f"no consensus parameters of {last.height + 1}")
    return genesis_document(old, last, named, migration, params)


def genesis_document(
    old: GenesisDoc,
    last: LastBlock,
    chain_id: str,
    migration: Migration,
    params: ConsensusParams,
) -> GenesisDoc:
    """The document of the new chain; raises ConfigError when it is none."""
    doc = GenesisDoc(
        genesis_time=last.time,
        chain_id=chain_id,
        initial_height=last.height + 1,
        consensus_params=params,
        validators=_genesis_validators(old, migration),
        app_hash=migration.app_hash,
        app_state=migration.app_state,
    )
    try:
        check_genesis(doc)
    except InvalidGenesis as error:
        raise ConfigError("export_chain_id", str(error)) from error
    return doc


def _last_block(node: OfflineNode, height: Height) -> LastBlock:
    blocks, state = node.stores.blocks, node.state
    meta = blocks.load_meta(height)
    if meta is None or height > state.last_block_height:
        raise ConfigError(
            "export_height",
            f"height {height} is not available, blocks {blocks.base()} to {blocks.height()} are",
        )
    app_hash = state.app_hash
    if height < state.last_block_height:
        following = blocks.load_meta(height + 1)
        assert following is not None, "blocks have no gap"
        app_hash = following.header.app_hash
    return LastBlock(state.chain_id, height, meta.block_id.hash, app_hash, meta.header.time)


def export_records(
    app: LmdbStateStore, last: LastBlock, chain_id: str, acts: tuple[CouncilAct, ...]
) -> Migration:
    """The application's records as the new first state; raises ConfigError."""
    try:
        return export_state(view_state(app, last.height), last, chain_id, acts)
    except VersionGone as error:
        raise ConfigError("export_height", str(error)) from error
    except ValueError as error:
        raise ConfigError("export_app_hash", str(error)) from error


def _genesis_validators(old: GenesisDoc, migration: Migration) -> tuple[GenesisValidator, ...]:
    """The announced set in the order of a validator set, with the names the old genesis had for them."""
    names = {member.pub_key: member.name for member in old.validators}
    members = sorted(migration.validators, key=lambda m: (-m.power, address(m.pub_key)))
    return tuple(GenesisValidator(m.pub_key, m.power, names.get(m.pub_key, "")) for m in members)


def next_chain_id(chain_id: str) -> str:
    """`town-1` becomes `town-2`, `town` becomes `town-2`."""
    counted = re.fullmatch(r"(.*)-(\d{1,9})", chain_id)
    if counted is None:
        return f"{chain_id}-2"
    return f"{counted[1]}-{int(counted[2]) + 1}"


def render_genesis(doc: GenesisDoc) -> bytes:
    """The document as a file: one line, members in a fixed order, so that two files can be compared."""
    text = json.dumps(to_json(doc), ensure_ascii=False, separators=(",", ":"))
    return text.encode() + b"\n"
