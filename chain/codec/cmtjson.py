"""The JSON of CometBFT 0.38's RPC and genesis: `to_json(value)`, `from_json(cls, value)`.

Rules (`libs/json`, `abci/types/types.go`): 64-bit integers are strings, smaller ones numbers; hashes and addresses are
upper-case hex; other bytes are base64, and null when empty; times are RFC 3339 in UTC; a public key or evidence goes in
`{"type", "value"}`. ABCI results write every field; where Go omits a zero field, so do we.

Reading is as lenient as Go's: unknown keys are passed over, null and absence mean zero where the table allows it.
Raises DecodeError for a value of another shape. Never used for anything that is hashed or signed.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum
from hashlib import sha256
from typing import Any, Final, TypeVar, cast

from chain.codec.errors import DecodeError
from chain.types import abci, block, evidence, messages, params, validator
from chain.types.primitives import BlockIDFlag, SignedMsgType
from chain.types.timestamp import ZERO_TIME, Timestamp

T = TypeVar("T")
Json = Any
"""None, bool, int, str, list or dict with str keys, as `json` and `msgspec` give them."""

ED25519_TYPE: Final = "tendermint/PubKeyEd25519"
DUPLICATE_VOTE_TYPE: Final = "tendermint/DuplicateVoteEvidence"
LIGHT_ATTACK_TYPE: Final = "tendermint/LightClientAttackEvidence"

_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,19})")
_REQUIRED: Final = object()


@dataclass(frozen=True, slots=True)
class Form:
    """How one kind of value is written and read; `read` raises DecodeError."""

    write: Callable[[Any], Json]
    read: Callable[[Json], Any]


@dataclass(frozen=True, slots=True)
class Member:
    """One key of an object: attribute, form, other keys met in the wild, value when absent."""

    key: str
    name: str
    form: Form
    missing: Any = _REQUIRED
    aliases: tuple[str, ...] = ()
    omit_zero: bool = False
    omit_none: bool = False


_FORMS: dict[type[Any], Form] = {}


def to_json(value: Any) -> Json:
    """JSON-able form of a value of `chain.types`; raises TypeError for a class without one."""
    form = _FORMS.get(type(value))
    if form is None:
        raise TypeError(f"no JSON form for {type(value).__name__}")
    return form.write(value)


def from_json(cls: type[T], value: Json) -> T:
    """The value that a JSON object describes; raises DecodeError when it is of another shape."""
    form = _FORMS.get(cls)
    if form is None:
        raise TypeError(f"no JSON form for {cls.__name__}")
    return cast(T, form.read(value))


def json_classes() -> tuple[type[Any], ...]:
    """Every class with a JSON form."""
    return tuple(_FORMS)


# -- scalars --------------------------------------------------------------------------------------


def _wide(low: int, high: int) -> Form:
    """A 64-bit integer: written as a string, read from a string or a number."""

    def read(value: Json) -> int:
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        return _read_bounded(value, low, high)

    return Form(str, read)


def _narrow(low: int, high: int) -> Form:
    """A 32-bit integer: a number."""
    return Form(int, lambda value: _read_bounded(value, low, high))


def _read_bounded(value: Json, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise DecodeError(f"not an integer: {_shown(value)}")
    if not low <= value <= high:
        raise DecodeError("integer out of range")
    return value


def _read_hex(value: Json) -> bytes:
    text = "" if value is None else _read_text(value)
    try:
        return binascii.unhexlify(text)
    except ValueError as error:
        raise DecodeError(f"not hex: {_shown(value)}") from error


def _read_base64(value: Json) -> bytes:
    text = "" if value is None else _read_text(value)
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise DecodeError(f"not base64: {_shown(value)}") from error


def _read_text(value: Json) -> str:
    if not isinstance(value, str):
        raise DecodeError(f"not a string: {_shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, which JSON can spell
        raise DecodeError("not Unicode text") from error
    return value


def _read_bool(value: Json) -> bool:
    if not isinstance(value, bool):
        raise DecodeError(f"not true or false: {_shown(value)}")
    return value


def _read_time(value: Json) -> Timestamp:
    try:
        return Timestamp.from_rfc3339(_read_text(value))
    except ValueError as error:
        raise DecodeError(str(error)) from error


def _enum(kind: type[IntEnum]) -> Form:
    def read(value: Json) -> IntEnum:
        try:
            return kind(_read_bounded(value, 0, 255))
        except ValueError as error:
            raise DecodeError(f"unknown {kind.__name__}: {_shown(value)}") from error

    return Form(int, read)


def _tuple_of(form: Form) -> Form:
    """A list; null reads as empty."""

    def read(value: Json) -> tuple[Any, ...]:
        if value is None:
            return ()
        if not isinstance(value, list):
            raise DecodeError(f"not a list: {_shown(value)}")
        return tuple([form.read(item) for item in value])

    return Form(lambda items: [form.write(item) for item in items], read)


def _or_null(form: Form) -> Form:
    """None is null."""
    return Form(
        lambda value: None if value is None else form.write(value),
        lambda value: None if value is None else form.read(value),
    )


def _shown(value: Json) -> str:
    return repr(value)[:60]


INT64: Final = _wide(-(2**63), 2**63 - 1)
UINT64: Final = _wide(0, 2**64 - 1)
INT32: Final = _narrow(-(2**31), 2**31 - 1)
UINT32: Final = _narrow(0, 2**32 - 1)
HEX: Final = Form(lambda raw: raw.hex().upper(), _read_hex)
BASE64: Final = Form(lambda raw: b64encode(raw).decode() if raw else None, _read_base64)
TEXT: Final = Form(str, _read_text)
BOOL: Final = Form(bool, _read_bool)
TIME: Final = Form(Timestamp.to_rfc3339, _read_time)
TX: Final = Form(lambda raw: b64encode(raw).decode(), _read_base64)
"""Transactions in a list: an empty one is an empty string, not null."""


# -- typed values ---------------------------------------------------------------------------------


def _typed(type_name: str, form: Form) -> Form:
    """`{"type": name, "value": …}`, as registered with `libs/json`."""

    def read(value: Json) -> Any:
        if not isinstance(value, dict) or value.get("type") != type_name:
            raise DecodeError(f"not a {type_name}: {_shown(value)}")
        return form.read(value.get("value"))

    return Form(lambda value: {"type": type_name, "value": form.write(value)}, read)


def _read_key(value: Json) -> bytes:
    raw = _read_base64(value)
    if len(raw) != 32:
        raise DecodeError(f"an Ed25519 key has 32 bytes, not {len(raw)}")
    return raw


PUB_KEY: Final = _typed(ED25519_TYPE, Form(BASE64.write, _read_key))


def _write_abci_key(raw: bytes) -> Json:
    """The `oneof` of a generated message, as `libs/json` writes it by reflection."""
    value = {"ed25519": b64encode(raw).decode()}
    return {"Sum": {"type": "tendermint.crypto.PublicKey_Ed25519", "value": value}}


def _read_abci_key(value: Json) -> bytes:
    try:
        inner = value["Sum"]["value"]["ed25519"]
    except (KeyError, TypeError) as error:
        raise DecodeError(f"not an ABCI public key: {_shown(value)}") from error
    return _read_key(inner)


ABCI_KEY: Final = Form(_write_abci_key, _read_abci_key)


# -- objects --------------------------------------------------------------------------------------


def _object(cls: type[Any], *members: Member) -> Form:
    """Form of a dataclass; keys are written in the given order."""
    order = [line.name for line in fields(cls)]
    assert sorted(order) == sorted(m.name for m in members), f"{cls.__name__}: members differ"
    by_name = {member.name: member for member in members}
    in_order = [by_name[name] for name in order]

    def write(value: Any) -> Json:
        out = {}
        for member in members:
            content = getattr(value, member.name)
            if not ((member.omit_zero and not content) or (member.omit_none and content is None)):
                out[member.key] = member.form.write(content)
        return out

    def read(value: Json) -> Any:
        if not isinstance(value, dict):
            raise DecodeError(f"not an object: {_shown(value)}")
        try:
            return cls(*[_read_member(member, value) for member in in_order])
        except DecodeError as error:
            raise DecodeError(f"{cls.__name__}.{error}") from error

    return Form(write, read)


def _read_member(member: Member, value: dict[str, Json]) -> Any:
    for key in (member.key, *member.aliases):
        if key in value and (value[key] is not None or member.missing is _REQUIRED):
            try:
                return member.form.read(value[key])
            except DecodeError as error:
                raise DecodeError(f"{member.key}: {error}") from error
    if member.missing is _REQUIRED:
        raise DecodeError(f"{member.key}: missing")
    return member.missing


def _define(cls: type[Any], *members: Member) -> None:
    assert cls not in _FORMS, f"{cls.__name__} defined twice"
    _FORMS[cls] = _object(cls, *members)


def _of(cls: type[Any]) -> Form:
    """Form of a class defined before."""
    return _FORMS[cls]


def _zero_members(*lines: tuple[str, Form, Any], omit_zero: bool = False) -> tuple[Member, ...]:
    """Members whose key is the attribute's name and that may be absent."""
    return tuple(
        Member(name, name, form, missing, omit_zero=omit_zero) for name, form, missing in lines
    )


def _hashes(*names: str) -> tuple[Member, ...]:
    return _zero_members(*[(name, HEX, b"") for name in names])


# -- blocks and votes (types/*.go) ----------------------------------------------------------------

_define(
    block.ConsensusVersion,
    Member("block", "block", UINT64, 0),
    Member("app", "app", UINT64, 0, omit_zero=True),
)
_define(block.PartSetHeader, Member("total", "total", UINT32, 0), Member("hash", "hash", HEX, b""))
_define(
    block.BlockID,
    Member("hash", "hash", HEX, b""),
    Member(
        "parts",
        "part_set_header",
        _of(block.PartSetHeader),
        block.PartSetHeader(),
        aliases=("part_set_header",),
    ),
)
_define(
    block.Header,
    Member("version", "version", _of(block.ConsensusVersion)),
    Member("chain_id", "chain_id", TEXT),
    Member("height", "height", INT64),
    Member("time", "time", TIME),
    Member("last_block_id", "last_block_id", _of(block.BlockID), block.NIL_BLOCK_ID),
    *_hashes(
        "last_commit_hash",
        "data_hash",
        "validators_hash",
        "next_validators_hash",
        "consensus_hash",
        "app_hash",
        "last_results_hash",
        "evidence_hash",
        "proposer_address",
    ),
)
_define(
    block.CommitSig,
    Member("block_id_flag", "block_id_flag", _enum(BlockIDFlag)),
    Member("validator_address", "validator_address", HEX, b""),
    Member("timestamp", "timestamp", TIME, ZERO_TIME),
    Member("signature", "signature", BASE64, b""),
)
_define(
    block.Commit,
    Member("height", "height", INT64),
    Member("round", "round", INT32),
    Member("block_id", "block_id", _of(block.BlockID), block.NIL_BLOCK_ID),
    Member("signatures", "signatures", _tuple_of(_of(block.CommitSig)), ()),
)
_define(
    block.Vote,
    Member("type", "type", _enum(SignedMsgType)),
    Member("height", "height", INT64),
    Member("round", "round", INT32),
    Member("block_id", "block_id", _of(block.BlockID), block.NIL_BLOCK_ID),
    Member("timestamp", "timestamp", TIME, ZERO_TIME),
    Member("validator_address", "validator_address", HEX, b""),
    Member("validator_index", "validator_index", INT32, 0),
    Member("signature", "signature", BASE64, b""),
    Member("extension", "extension", BASE64, b""),
    Member("extension_signature", "extension_signature", BASE64, b""),
)
_define(
    block.Proposal,
    Member("Type", "type", _enum(SignedMsgType), SignedMsgType.PROPOSAL, aliases=("type",)),
    Member("height", "height", INT64),
    Member("round", "round", INT32),
    Member("pol_round", "pol_round", INT32),
    Member("block_id", "block_id", _of(block.BlockID)),
    Member("timestamp", "timestamp", TIME),
    Member("signature", "signature", BASE64, b""),
)
_define(block.Data, Member("txs", "txs", _tuple_of(TX), ()))
_define(
    block.Proof,
    Member("total", "total", INT64),
    Member("index", "index", INT64),
    Member("leaf_hash", "leaf_hash", BASE64),
    Member("aunts", "aunts", _tuple_of(BASE64), ()),
)
_define(
    block.Part,
    Member("index", "index", UINT32),
    Member("bytes", "bytes", HEX),
    Member("proof", "proof", _of(block.Proof)),
)
_define(
    block.TxProof,
    Member("root_hash", "root_hash", HEX),
    Member("data", "data", TX),
    Member("proof", "proof", _of(block.Proof)),
)
_define(
    block.SignedHeader,
    Member("header", "header", _of(block.Header)),
    Member("commit", "commit", _of(block.Commit)),
)
_define(
    block.BlockMeta,
    Member("block_id", "block_id", _of(block.BlockID)),
    Member("block_size", "block_size", INT64),
    Member("header", "header", _of(block.Header)),
    Member("num_txs", "num_txs", INT64),
)

# -- validators and evidence ----------------------------------------------------------------------

_define(
    validator.Validator,
    Member("address", "address", HEX),
    Member("pub_key", "pub_key", PUB_KEY),
    Member("voting_power", "voting_power", INT64, aliases=("power",)),
    Member("proposer_priority", "proposer_priority", INT64, 0),
)
_define(
    validator.ValidatorSet,
    Member("validators", "validators", _tuple_of(_of(validator.Validator)), ()),
    Member("proposer", "proposer", _or_null(_of(validator.Validator)), None),
)
_define(
    evidence.LightBlock,
    Member("signed_header", "signed_header", _of(block.SignedHeader)),
    Member("validator_set", "validator_set", _of(validator.ValidatorSet)),
)
# Go gives these fields no JSON name, so its own names travel; some nodes write the .proto names.
_DUPLICATE_VOTE: Final = _object(
    evidence.DuplicateVoteEvidence,
    Member("vote_a", "vote_a", _of(block.Vote)),
    Member("vote_b", "vote_b", _of(block.Vote)),
    Member("TotalVotingPower", "total_voting_power", INT64, aliases=("total_voting_power",)),
    Member("ValidatorPower", "validator_power", INT64, aliases=("validator_power",)),
    Member("Timestamp", "timestamp", TIME, aliases=("timestamp",)),
)
_LIGHT_ATTACK: Final = _object(
    evidence.LightClientAttackEvidence,
    Member(
        "ConflictingBlock",
        "conflicting_block",
        _of(evidence.LightBlock),
        aliases=("conflicting_block",),
    ),
    Member("CommonHeight", "common_height", INT64, aliases=("common_height",)),
    Member(
        "ByzantineValidators",
        "byzantine_validators",
        _tuple_of(_of(validator.Validator)),
        (),
        aliases=("byzantine_validators",),
    ),
    Member("TotalVotingPower", "total_voting_power", INT64, aliases=("total_voting_power",)),
    Member("Timestamp", "timestamp", TIME, aliases=("timestamp",)),
)
_FORMS[evidence.DuplicateVoteEvidence] = _typed(DUPLICATE_VOTE_TYPE, _DUPLICATE_VOTE)
_FORMS[evidence.LightClientAttackEvidence] = _typed(LIGHT_ATTACK_TYPE, _LIGHT_ATTACK)


def _read_evidence(value: Json) -> evidence.Evidence:
    """Either kind, by its type name."""
    name = value.get("type") if isinstance(value, dict) else None
    if name == LIGHT_ATTACK_TYPE:
        return from_json(evidence.LightClientAttackEvidence, value)
    return from_json(evidence.DuplicateVoteEvidence, value)


EVIDENCE: Final = Form(to_json, _read_evidence)

_define(block.EvidenceList, Member("evidence", "evidence", _tuple_of(EVIDENCE), ()))
_define(
    block.Block,
    Member("header", "header", _of(block.Header)),
    Member("data", "data", _of(block.Data)),
    Member("evidence", "evidence", _of(block.EvidenceList)),
    Member("last_commit", "last_commit", _or_null(_of(block.Commit)), None),
)

# -- parameters and genesis -----------------------------------------------------------------------

_define(
    params.BlockParams,
    Member("max_bytes", "max_bytes", INT64),
    Member("max_gas", "max_gas", INT64),
)
_define(
    params.EvidenceParams,
    Member("max_age_num_blocks", "max_age_num_blocks", INT64),
    Member("max_age_duration", "max_age_duration_ns", INT64),
    Member("max_bytes", "max_bytes", INT64),
)
_define(params.ValidatorParams, Member("pub_key_types", "pub_key_types", _tuple_of(TEXT)))
_define(params.VersionParams, Member("app", "app", UINT64, 0))
_define(
    params.ABCIParams,
    Member("vote_extensions_enable_height", "vote_extensions_enable_height", INT64, 0),
)
_define(
    params.ConsensusParams,
    Member("block", "block", _of(params.BlockParams)),
    Member("evidence", "evidence", _of(params.EvidenceParams)),
    Member("validator", "validator", _of(params.ValidatorParams)),
    Member("version", "version", _of(params.VersionParams), params.VersionParams()),
    Member("abci", "abci", _of(params.ABCIParams), params.ABCIParams()),
)


def _write_genesis_validator(value: params.GenesisValidator) -> Json:
    return {
        "address": sha256(value.pub_key).hexdigest()[:40].upper(),
        "pub_key": PUB_KEY.write(value.pub_key),
        "power": str(value.power),
        "name": value.name,
    }


_GENESIS_VALIDATOR: Final = _object(
    params.GenesisValidator,
    Member("pub_key", "pub_key", PUB_KEY),
    Member("power", "power", INT64),
    Member("name", "name", TEXT, ""),
)


def _read_genesis_validator(value: Json) -> params.GenesisValidator:
    """The address may be left out; when given it must be that of the key (`GenesisDoc.ValidateAndComplete`)."""
    read = cast(params.GenesisValidator, _GENESIS_VALIDATOR.read(value))
    address = _read_hex(value.get("address"))
    if address and address != sha256(read.pub_key).digest()[:20]:
        raise DecodeError(f"GenesisValidator.address: not that of the key: {address.hex()}")
    return read


_FORMS[params.GenesisValidator] = Form(_write_genesis_validator, _read_genesis_validator)

_define(
    params.GenesisDoc,
    Member("genesis_time", "genesis_time", TIME),
    Member("chain_id", "chain_id", TEXT),
    Member("initial_height", "initial_height", INT64, 1),
    Member(
        "consensus_params",
        "consensus_params",
        _of(params.ConsensusParams),
        params.ConsensusParams(),
    ),
    Member("validators", "validators", _tuple_of(_of(params.GenesisValidator)), (), omit_zero=True),
    Member("app_hash", "app_hash", HEX, b""),
    Member("app_state", "app_state", Form(lambda v: v, lambda v: v), None, omit_none=True),
)

# -- ABCI (abci/types/types.go: jsonpb with every field; reflection elsewhere) --------------------

_define(
    abci.EventAttribute,
    *_zero_members(("key", TEXT, ""), ("value", TEXT, ""), ("index", BOOL, False)),
)
_define(
    abci.Event,
    *_zero_members(("type", TEXT, ""), ("attributes", _tuple_of(_of(abci.EventAttribute)), ())),
)
_RESULT_LINES: Final[tuple[tuple[str, Form, Any], ...]] = (
    ("code", UINT32, 0),
    ("data", BASE64, b""),
    ("log", TEXT, ""),
    ("info", TEXT, ""),
    ("gas_wanted", INT64, 0),
    ("gas_used", INT64, 0),
    ("events", _tuple_of(_of(abci.Event)), ()),
    ("codespace", TEXT, ""),
)
_define(abci.ExecTxResult, *_zero_members(*_RESULT_LINES))
_define(abci.ResponseCheckTx, *_zero_members(*_RESULT_LINES))
_define(
    abci.ProofOp,
    *_zero_members(("type", TEXT, ""), ("key", BASE64, b""), ("data", BASE64, b"")),
)


def _write_proof_ops(ops: tuple[abci.ProofOp, ...]) -> Json:
    return {"ops": [to_json(op) for op in ops]} if ops else None


def _read_proof_ops(value: Json) -> tuple[abci.ProofOp, ...]:
    if not isinstance(value, dict):
        raise DecodeError(f"not a list of proof ops: {_shown(value)}")
    return _tuple_of(_of(abci.ProofOp)).read(value.get("ops"))  # type: ignore[no-any-return]


_define(
    abci.ResponseQuery,
    *_zero_members(
        ("code", UINT32, 0),
        ("log", TEXT, ""),
        ("info", TEXT, ""),
        ("index", INT64, 0),
        ("key", BASE64, b""),
        ("value", BASE64, b""),
    ),
    Member("proofOps", "proof_ops", Form(_write_proof_ops, _read_proof_ops), ()),
    *_zero_members(("height", INT64, 0), ("codespace", TEXT, "")),
)
_define(
    abci.ResponseInfo,
    *_zero_members(
        ("data", TEXT, ""),
        ("version", TEXT, ""),
        ("app_version", UINT64, 0),
        ("last_block_height", INT64, 0),
        ("last_block_app_hash", BASE64, b""),
        omit_zero=True,
    ),
)
_define(
    abci.ValidatorUpdate,
    Member("pub_key", "pub_key", ABCI_KEY),
    Member("power", "power", INT64, 0, omit_zero=True),
)
_define(
    abci.ResponseFinalizeBlock,
    *_zero_members(
        ("events", _tuple_of(_of(abci.Event)), ()),
        ("tx_results", _tuple_of(_of(abci.ExecTxResult)), ()),
        omit_zero=True,
    ),
    Member("validator_updates", "validator_updates", _tuple_of(_of(abci.ValidatorUpdate)), ()),
    *_zero_members(
        ("consensus_param_updates", _or_null(_of(params.ConsensusParams)), None),
        ("app_hash", BASE64, b""),
        omit_zero=True,
    ),
)
# In an event the result is written by reflection, hence without its zero fields.
_define(
    messages.TxResult,
    Member("height", "height", INT64, 0, omit_zero=True),
    Member("index", "index", UINT32, 0, omit_zero=True),
    Member("tx", "tx", BASE64, b"", omit_zero=True),
    Member(
        "result",
        "result",
        _object(abci.ExecTxResult, *_zero_members(*_RESULT_LINES, omit_zero=True)),
        abci.ExecTxResult(),
    ),
)

# -- node info (p2p/node_info.go) -----------------------------------------------------------------

_define(
    messages.ProtocolVersion,
    *_zero_members(("p2p", UINT64, 0), ("block", UINT64, 0), ("app", UINT64, 0)),
)
_define(
    messages.DefaultNodeInfoOther, *_zero_members(("tx_index", TEXT, ""), ("rpc_address", TEXT, ""))
)
_define(
    messages.DefaultNodeInfo,
    Member("protocol_version", "protocol_version", _of(messages.ProtocolVersion)),
    Member("id", "default_node_id", TEXT),
    *_zero_members(
        ("listen_addr", TEXT, ""),
        ("network", TEXT, ""),
        ("version", TEXT, ""),
        ("channels", HEX, b""),
        ("moniker", TEXT, ""),
    ),
    Member(
        "other",
        "other",
        _of(messages.DefaultNodeInfoOther),
        messages.DefaultNodeInfoOther(),
    ),
)
