"""Suite headers: recorded RPC answers and requests, genesis documents, headers with a known hash.

Whatever is found in a file is checked for what can be recomputed from it: every typed object is read and written
again; header hash against block id; data, evidence and commit hash and the part set against the block; transaction
hash and proof root; addresses against keys. Facts of one folder (headers, keys, parameters, requests) are checked
against each other: commit signatures, validators hash, consensus hash, data hash of a proof, hash of a sent
transaction.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from string import hexdigits
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from chain.codec import hashing, merkle, signbytes
from chain.codec.cmtjson import PUB_KEY, from_json, to_json
from chain.codec.errors import DecodeError
from chain.codec.proto import decode, encode
from chain.types import abci, block, messages, params, validator
from chain.types.block import Block, BlockID, Commit, Header, SignedHeader
from chain.types.evidence import DuplicateVoteEvidence, LightClientAttackEvidence
from chain.types.primitives import BlockIDFlag
from tests.vectors.runner import load_json, main

KNOWN_HASHES = {
    ("dockerchain", 1608): "F30A71F2409FB15AACAEDB6CC122DFA2525BEE9CAE521721B06BFDCA291B8D56",
}
"""(chain, height) of headers whose file does not carry the hash: tendermint-rs `tendermint/src/block/header.rs`."""

GONE_KEYS = {"num_txs", "total_txs"}
"""Members of headers before 0.33: read over, never written."""
RENAMED = {
    "part_set_header": "parts",
    "total_voting_power": "TotalVotingPower",
    "validator_power": "ValidatorPower",
    "timestamp": "Timestamp",
}
"""Names some nodes write, and the one 0.38 writes."""


def replay(path: Path) -> int | None:
    """Check one file by what it holds."""
    content = load_json(path)
    if not isinstance(content, dict):
        return None
    if content.get("jsonrpc") == "2.0":
        return _check_rpc(content, _facts(path.resolve().parent))
    if content == {}:
        return 1  # the answer to a subscription is an empty object
    if _is_header(content):
        return _check_object(content, Facts())
    if isinstance(content.get("cases"), list) and all("header" in c for c in content["cases"]):
        return sum(_check_header_case(case) for case in content["cases"])
    if set(content) == {"numerator", "denominator"}:
        return _check_fraction(content)
    if {"genesis_time", "chain_id"} <= set(content):
        return _check_object(content, _facts(path.resolve().parent))
    return None


# -- JSON-RPC envelopes ---------------------------------------------------------------------------


def _check_rpc(content: dict[str, Any], facts: "Facts") -> int:
    assert isinstance(content.get("id"), str | int), "no request id"
    if "method" in content:
        return _check_request(content)
    if "error" in content:
        error = content["error"]
        assert isinstance(error["code"], int), "the error code is not a number"
        assert isinstance(error["message"], str), "the error has no message"
        return 2
    checks = 1 + _check_object(content["result"], facts)
    return checks + _check_sent_tx(content, facts)


def _check_sent_tx(answer: dict[str, Any], facts: "Facts") -> int:
    """The hash that was answered is that of the transaction that was sent."""
    result = answer["result"]
    sent = facts.sent.get(str(answer["id"]))
    if sent is None or not isinstance(result, dict) or "hash" not in result:
        return 0
    assert hashing.hash_tx(sent).hex().upper() == result["hash"], "hash of the sent transaction"
    return 1


def _text_of_int(value: str) -> str:
    return str(int(value))


def _base64(value: str) -> str:
    return b64encode(b64decode(value, validate=True)).decode()


def _hex_or_base64(value: str) -> str:
    return value if set(value) <= set(hexdigits) and len(value) == 64 else _base64(value)


PARAMETERS: dict[str, Callable[[Any], Any]] = {
    "height": _text_of_int,
    "minHeight": _text_of_int,
    "maxHeight": _text_of_int,
    "page": _text_of_int,
    "per_page": _text_of_int,
    "hash": _hex_or_base64,
    "tx": _base64,
    "data": lambda value: bytes.fromhex(value).hex(),
    "path": str,
    "query": str,
    "order_by": str,
    "prove": bool,
}
"""How each parameter travels in the body of a POST."""


def _check_request(content: dict[str, Any]) -> int:
    assert isinstance(content["method"], str), "the method is not a string"
    given = content.get("params") or {}
    known = [name for name in given if name in PARAMETERS]
    for name in known:
        written = PARAMETERS[name](given[name])
        assert written == given[name], f"parameter {name} is not written again the same"
    return 1 + len(known)


# -- typed objects --------------------------------------------------------------------------------


def _is_header(value: dict[str, Any]) -> bool:
    return {"chain_id", "height", "validators_hash", "app_hash"} <= set(value)


def _class_of(value: dict[str, Any]) -> type[Any] | None:
    """Class of an object, by the keys it has."""
    keys = set(value)
    if _is_header(value):
        return Header
    if value.get("type") == "tendermint/DuplicateVoteEvidence":
        return DuplicateVoteEvidence
    if value.get("type") == "tendermint/LightClientAttackEvidence":
        return LightClientAttackEvidence
    if isinstance(value.get("pub_key"), dict) and "Sum" in value["pub_key"]:
        return abci.ValidatorUpdate
    for needed, cls in SHAPES:
        if needed <= keys:
            return cls
    return None


SHAPES: list[tuple[set[str], type[Any]]] = [
    ({"header", "data", "evidence", "last_commit"}, Block),
    ({"header", "commit"}, SignedHeader),
    ({"block_id", "header", "num_txs"}, block.BlockMeta),
    ({"height", "round", "block_id", "signatures"}, Commit),
    ({"hash", "parts"}, BlockID),
    ({"root_hash", "data", "proof"}, block.TxProof),
    ({"genesis_time", "chain_id"}, params.GenesisDoc),
    ({"block", "evidence", "validator"}, params.ConsensusParams),
    ({"address", "pub_key", "voting_power"}, validator.Validator),
    ({"code", "gas_used", "events"}, abci.ExecTxResult),
    ({"proofOps", "value"}, abci.ResponseQuery),
    ({"last_block_height", "version"}, abci.ResponseInfo),
    ({"tx", "result"}, messages.TxResult),
    ({"validator_updates", "app_hash"}, abci.ResponseFinalizeBlock),
    ({"protocol_version", "network"}, messages.DefaultNodeInfo),
]


def _check_object(value: Any, facts: "Facts") -> int:
    """Checks on a JSON value and everything in it."""
    if isinstance(value, list):
        return sum(_check_object(item, facts) for item in value)
    if not isinstance(value, dict):
        return 0
    checks = sum(_check_object(item, facts) for item in value.values())
    cls = None if "txs_results" in value else _class_of(value)
    if cls is not None:
        read = from_json(cls, value)
        _assert_same_json(to_json(read), value, cls.__name__)
        checks += 1 + _check_meaning(read, facts)
    return checks + _check_neighbours(value, facts)


def _check_meaning(value: Any, facts: "Facts") -> int:
    """What one typed value says of itself."""
    match value:
        case Header():
            return _check_header(value, facts)
        case Block():
            return _check_block(value, facts)
        case SignedHeader():
            named = value.commit.block_id.hash
            assert hashing.hash_header(value.header) == named, "header hash is not the commit's"
            return 1 + _check_signatures(value.commit, value.header.chain_id, facts)
        case block.BlockMeta():
            assert hashing.hash_header(value.header) == value.block_id.hash, "header hash"
            return 1
        case block.TxProof():
            leaf = hashing.hash_tx(value.data)
            assert merkle.verify_merkle_proof(value.proof, value.root_hash, leaf), "tx proof"
            return 1
        case validator.Validator():
            assert sha256(value.pub_key).digest()[:20] == value.address, "address of the key"
            return 1
        case params.GenesisDoc():
            return _check_genesis(value, facts)
        case _:
            return _check_wire(value)


def _check_wire(value: Any) -> int:
    """The typed value survives protobuf as well."""
    if isinstance(value, params.ConsensusParams | BlockID | Commit | abci.ExecTxResult):
        assert decode(type(value), encode(value)) == value, f"{type(value).__name__} on the wire"
        return 1
    return 0


def _check_header(header: Header, facts: "Facts") -> int:
    assert decode(Header, encode(header)) == header, "header on the wire"
    known = KNOWN_HASHES.get((header.chain_id, header.height))
    if known is not None:
        actual = hashing.hash_header(header).hex().upper()
        assert actual in {known, facts.hash_of(header)}, f"header hash {actual}"
    return 1


def _check_block(value: Block, facts: "Facts") -> int:
    header = value.header
    assert hashing.hash_data(value.data.txs) == header.data_hash, "data hash"
    assert hashing.hash_evidence_list(value.evidence.evidence) == header.evidence_hash, "evidence"
    assert hashing.hash_commit(value.last_commit) == header.last_commit_hash, "commit hash"
    assert decode(Block, encode(value)) == value, "block on the wire"
    checks = 4
    if value.last_commit is not None:
        assert value.last_commit.block_id == header.last_block_id, "the commit is of another block"
        checks += 1 + _check_signatures(value.last_commit, header.chain_id, facts)
    return checks


def _check_signatures(commit: Commit, chain_id: str, facts: "Facts") -> int:
    """Every signature whose key some file of the folder tells."""
    checks = 0
    for index, line in enumerate(commit.signatures):
        key = facts.keys.get(line.validator_address)
        if key is None or line.block_id_flag is BlockIDFlag.ABSENT:
            continue
        signed = signbytes.commit_sign_bytes(chain_id, commit, index)
        try:
            VerifyKey(key).verify(signed, line.signature)
        except BadSignatureError as error:
            raise AssertionError(f"commit {commit.height}: signature of line {index}") from error
        checks += 1
    return checks


def _check_genesis(genesis: params.GenesisDoc, facts: "Facts") -> int:
    """Genesis validators and parameters against the first header, when the folder has it."""
    first = facts.first_header(genesis)
    if first is None:
        return 0
    checks = 1
    assert hashing.hash_consensus_params(genesis.consensus_params) == first.consensus_hash
    if genesis.validators:
        assert _genesis_validators_hash(genesis) == first.validators_hash, "validators hash"
        checks += 1
    return checks


def _genesis_validators_hash(genesis: params.GenesisDoc) -> bytes:
    members = tuple(
        validator.Validator(sha256(v.pub_key).digest()[:20], v.pub_key, v.power)
        for v in genesis.validators
    )
    return hashing.hash_validators(validator.new_validator_set(members).validators)


# -- what members of one object say of each other -------------------------------------------------


def _check_neighbours(value: dict[str, Any], facts: "Facts") -> int:
    checks = 0
    if {"block", "block_id"} <= set(value) and isinstance(value["block"], dict):
        checks += _check_named_block(value)
    if {"tx", "hash"} <= set(value):
        checks += _check_found_tx(value, facts)
    if {"block_height", "consensus_params"} <= set(value):
        checks += _check_params_at(value, facts)
    if {"block_height", "validators"} <= set(value):
        checks += _check_validators_at(value, facts)
    if {"node_info", "validator_info"} <= set(value):
        checks += _check_status(value, facts)
    if {"data", "events", "query"} <= set(value):
        checks += _check_event(value)
    return checks


def _check_named_block(value: dict[str, Any]) -> int:
    """Header hash and part set of a whole block are its name."""
    block_id, parts = hashing.make_block_id(from_json(Block, value["block"]))
    named = from_json(BlockID, value["block_id"])
    assert block_id.hash == named.hash, f"header hash {block_id.hash.hex()}"
    assert block_id == named, f"part set of block {named.hash.hex()}"
    assert all(hashing.part_belongs(parts.header, part) for part in parts.parts), "part proofs"
    return 3


def _check_found_tx(value: dict[str, Any], facts: "Facts") -> int:
    tx = b64decode(value["tx"], validate=True)
    assert hashing.hash_tx(tx).hex().upper() == value["hash"], "transaction hash"
    if not value.get("proof"):
        return 1
    proof = from_json(block.TxProof, value["proof"])
    assert proof.data == tx, "the proof is of another transaction"
    at_height = [h for (_, at), h in facts.headers.items() if at == int(value["height"])]
    if not at_height:
        return 2
    assert any(h.data_hash == proof.root_hash for h in at_height), "proof root is not data hash"
    return 3


def _check_params_at(value: dict[str, Any], facts: "Facts") -> int:
    read = from_json(params.ConsensusParams, value["consensus_params"])
    headers = facts.at(int(value["block_height"]))
    expected = hashing.hash_consensus_params(read)
    assert not headers or any(h.consensus_hash == expected for h in headers), "consensus hash"
    return len(headers[:1])


def _check_validators_at(value: dict[str, Any], facts: "Facts") -> int:
    """The whole set of a height, when the page holds it all; sorted as the set is."""
    read = [from_json(validator.Validator, item) for item in value["validators"]]
    headers = facts.at(int(value["block_height"]))
    if not headers or len(read) != int(value.get("total", len(read))):
        return 0
    read.sort(key=lambda v: (-v.voting_power, v.address))
    expected = hashing.hash_validators(read)
    assert any(h.validators_hash == expected for h in headers), "validators hash"
    return 1


def _check_status(value: dict[str, Any], facts: "Facts") -> int:
    """A lone validator's set is the set of every header of its chain."""
    genesis = facts.genesis.get(value["node_info"]["network"])
    if genesis is None or len(genesis.validators) != 1 or facts.first_header(genesis) is None:
        return 0
    lone = from_json(validator.Validator, value["validator_info"])
    expected = hashing.hash_validators([lone])
    headers = [h for (chain, _), h in facts.headers.items() if chain == genesis.chain_id]
    for header in headers:
        assert header.validators_hash == expected, f"validators hash at {header.height}"
    return len(headers)


def _check_event(value: dict[str, Any]) -> int:
    """Predefined keys of a transaction event are computed from the transaction."""
    hashes = value["events"].get("tx.hash")
    if not hashes:
        return 0
    result = from_json(messages.TxResult, value["data"]["value"]["TxResult"])
    assert hashing.hash_tx(result.tx).hex().upper() == hashes[0], "tx.hash"
    assert str(result.height) == value["events"]["tx.height"][0], "tx.height"
    assert decode(messages.TxResult, encode(result)) == result, "TxResult on the wire"
    return 3


def _check_header_case(case: dict[str, Any]) -> int:
    expected = bytes.fromhex(case["hash"] or "")
    header = from_json(Header, case["header"])
    actual = hashing.hash_header(header)
    assert actual == expected, f"header hash {actual.hex()}"
    return 1 + _check_object(case["header"], Facts())


def _check_fraction(content: dict[str, Any]) -> int:
    numerator, denominator = int(content["numerator"]), int(content["denominator"])
    assert 0 < numerator <= denominator, "not a trust level"
    written = {"numerator": str(numerator), "denominator": str(denominator)}
    assert written == content, "a fraction is written otherwise"
    return 1


# -- comparison of JSON ---------------------------------------------------------------------------


def _assert_same_json(written: Any, recorded: Any, where: str) -> None:
    """Same value; a member one side leaves out, or writes as null, must be zero on the other."""
    if isinstance(recorded, dict) and isinstance(written, dict):
        seen = {_name_in(written, key): value for key, value in recorded.items()}
        for key in {*written, *seen} - GONE_KEYS:
            _assert_same_json(written.get(key), seen.get(key), f"{where}.{key}")
        return
    if isinstance(recorded, list) and isinstance(written, list):
        assert len(recorded) == len(written), f"{where}: {len(written)} items"
        for index, (ours, theirs) in enumerate(zip(written, recorded, strict=True)):
            _assert_same_json(ours, theirs, f"{where}[{index}]")
        return
    if _is_zero(written) and _is_zero(recorded):
        return
    assert written == recorded, f"{where}: wrote {written!r}, recorded {recorded!r}"


def _name_in(written: dict[str, Any], key: str) -> str:
    renamed = RENAMED.get(key, key)
    return renamed if key not in written and renamed in written else key


def _is_zero(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_zero(item) for item in value.values())
    return value in (None, "", "0", 0, False, [])


# -- facts of a folder ----------------------------------------------------------------------------


@dataclass(slots=True)
class Facts:
    """What the files of one folder tell: headers, keys by address, genesis documents, sent transactions."""

    headers: dict[tuple[str, int], Header] = field(default_factory=dict)
    keys: dict[bytes, bytes] = field(default_factory=dict)
    genesis: dict[str, params.GenesisDoc] = field(default_factory=dict)
    sent: dict[str, bytes] = field(default_factory=dict)

    def at(self, height: int) -> list[Header]:
        """Headers of a height, of any chain."""
        return [header for (_, at), header in self.headers.items() if at == height]

    def first_header(self, genesis: params.GenesisDoc) -> Header | None:
        """The header that a genesis document began; its time is the genesis time."""
        first = self.headers.get((genesis.chain_id, genesis.initial_height))
        return first if first is not None and first.time == genesis.genesis_time else None

    def hash_of(self, header: Header) -> str | None:
        """Hash of another header the folder holds for the same chain and height."""
        other = self.headers.get((header.chain_id, header.height))
        return None if other is None else hashing.hash_header(other).hex().upper()


@lru_cache(maxsize=8)
def _facts(folder: Path) -> Facts:
    """Collect the facts of a folder of answers; requests are looked for in `outgoing` beside it."""
    facts = Facts()
    for path in sorted(folder.glob("*.json")):
        for value in _objects(_tolerant(path)):
            with suppress(DecodeError):  # a malformed object fails when its own file is replayed
                _collect(value, facts)
    for path in sorted((folder.parent / "outgoing").glob("*.json")):
        request = _tolerant(path)
        given = request.get("params") if isinstance(request, dict) else None
        if isinstance(given, dict) and "tx" in given:
            facts.sent[str(request["id"])] = b64decode(given["tx"])
    return facts


def _tolerant(path: Path) -> Any:
    """Content for fact-finding; a broken file fails when it is replayed itself."""
    try:
        return load_json(path)
    except AssertionError:
        return None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _objects(item)
    elif isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _objects(item)


def _collect(value: dict[str, Any], facts: Facts) -> None:
    if {"genesis_time", "chain_id"} <= set(value):
        genesis = from_json(params.GenesisDoc, value)
        facts.genesis[genesis.chain_id] = genesis
    elif _is_header(value):
        header = from_json(Header, value)
        facts.headers[header.chain_id, header.height] = header
    elif "pub_key" in value and "address" in value:
        key = PUB_KEY.read(value["pub_key"])
        facts.keys[sha256(key).digest()[:20]] = key


if __name__ == "__main__":
    main(replay)
