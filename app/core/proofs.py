"""Proof bundles for holders: what the chain attests, put together from a node and checked before it is handed out.

A transaction's bundle proves that it is in its block and what came of it; a record's, what state holds (or
that it holds nothing) after the last proved height. `beffroi proof verify` reads both offline.
Reads: the node's RPC, the projector's state.  Never: hands out a bundle that does not verify.
"""

import base64
import json
from collections.abc import Mapping
from hashlib import sha256
from time import monotonic, sleep
from typing import Any, Final

import structlog

from app.core.chain_client import ChainClient, QueryAnswer, RpcError
from app.core.codes import PROOF_NOT_READY, PROOF_UNVERIFIABLE
from app.core.headers import find_commit, find_header, find_validators
from app.core.problems import NodeUnavailable, Problem
from app.core.projection import get_projector_state
from app.core.relay import STATE_FINAL, Submission
from app.core.verifier import NodeLied, fetch_validators, reading
from chain.codec.cmtjson import from_json
from chain.codec.hashing import result_leaf
from chain.codec.merkle import merkle_proofs
from chain.light.bundle import (
    Bundle,
    checkpoint_of,
    encode_bundle,
    state_bundle,
    transaction_bundle,
    verify_bundle,
)
from chain.types.abci import ExecTxResult, ProofOp
from chain.types.block import Block, SignedHeader
from chain.types.evidence import LightBlock

_log = structlog.get_logger("app.proofs")

NODE_BEHIND: Final = "must be less than or equal to the current blockchain height"
"""How a node of either engine says that it does not have this height yet."""
NODE_CATCHES_UP_S: Final = 2.0
NODE_POLL_S: Final = 0.02


def build_transaction_proof(chain: ChainClient, found: Submission) -> dict[str, Any]:
    """Inclusion and result of a final transaction; raises Problem when not ready or not provable."""
    if found.state != STATE_FINAL:
        raise Problem(PROOF_NOT_READY)
    try:
        bundle = _bundle_transaction(chain, found.height, found.index)
    except NodeLied as lie:
        raise _unverifiable(lie.detail) from lie
    except RpcError as error:
        raise NodeUnavailable(error.message) from error
    return _checked(bundle, found.height)


def build_record_proof(
    chain: ChainClient, namespace: str, record_id: bytes
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """A state record (None when absent) after the last proved height, and its bundle.

    `record_id` is the full id, table prefix included. Raises Problem.
    """
    state = get_projector_state()
    if state is None or not state.height:
        raise Problem(PROOF_NOT_READY)
    try:
        block = fetch_light_block(chain, state.height + 1)
        answer = chain.query(f"/record/{namespace}", record_id, height=state.height, prove=True)
        with reading("node_malformed"):
            ops = read_proof_ops(answer)
    except NodeLied as lie:
        raise _unverifiable(lie.detail) from lie
    except RpcError as error:
        raise NodeUnavailable(error.message) from error
    if answer.code or block.signed_header.header.app_hash.hex() != state.app_hash:
        raise Problem(PROOF_NOT_READY, answer.log)
    record = answer.value or None
    shown = _checked(state_bundle(block, namespace, record_id, record, ops), state.height)
    return (None if record is None else json.loads(record)), shown


def read_proof_ops(answer: QueryAnswer) -> tuple[ProofOp, ...]:
    """The proof operations of a query; raises ValueError, KeyError or TypeError on malformed ones."""
    return tuple(
        ProofOp(
            str(op["type"]),
            base64.b64decode(op["key"], validate=True),
            base64.b64decode(op["data"], validate=True),
        )
        for op in answer.proof_ops
    )


def fetch_light_block(chain: ChainClient, height: int) -> LightBlock:
    """Header, commit and validators as a node shows them; not verified.

    The projector follows several nodes and may know a block before the API's own node has it: that is awaited.
    """
    answer = _call_once_there(chain, "commit", {"height": str(height)})
    with reading("node_malformed"):
        signed = from_json(SignedHeader, answer["signed_header"])
    return LightBlock(signed, fetch_validators(chain, height))


def _call_once_there(
    chain: ChainClient, method: str, params: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The answer of a node that may be a block behind; raises Problem when it stays there, RpcError."""
    end_s = monotonic() + NODE_CATCHES_UP_S
    while True:
        try:
            return chain.call(method, params)
        except RpcError as error:
            if NODE_BEHIND not in error.data:
                raise
        if monotonic() > end_s:
            raise Problem(PROOF_NOT_READY)
        sleep(NODE_POLL_S)


def _bundle_transaction(chain: ChainClient, height: int, index: int) -> Bundle:
    at = {"height": str(height)}
    proving = fetch_light_block(chain, height + 1)
    shown_block, shown_results = chain.call_many([("block", at), ("block_results", at)])
    with reading("node_malformed"):
        block = from_json(Block, shown_block["block"])
        results = [from_json(ExecTxResult, line) for line in shown_results["txs_results"] or ()]
        tx, result = block.data.txs[index], results[index]
    _, tx_proofs = merkle_proofs([sha256(raw).digest() for raw in block.data.txs])
    _, result_proofs = merkle_proofs([result_leaf(line) for line in results])
    return transaction_bundle(
        _kept_light_block(height),
        tx,
        tx_proofs[index],
        proving,
        result,
        result_proofs[index],
    )


def _kept_light_block(height: int) -> LightBlock:
    header, commit, validators = find_header(height), find_commit(height), find_validators(height)
    if header is None or commit is None or validators is None:
        raise Problem(PROOF_NOT_READY)
    return LightBlock(SignedHeader(header, commit), validators)


def _checked(bundle: Bundle, height: int) -> dict[str, Any]:
    """The bundle as JSON, once it verifies under the kept header of `height`."""
    header = find_header(height)
    if header is None:
        raise Problem(PROOF_NOT_READY)
    raw = encode_bundle(bundle)
    verdict = verify_bundle(raw, checkpoint_of(header))
    if not verdict.valid:
        raise _unverifiable(f"{verdict.flaw}: {verdict.detail}")
    shown: dict[str, Any] = json.loads(raw)
    return shown


def _unverifiable(detail: str) -> Problem:
    _log.error("proof_unverifiable", detail=detail)
    return Problem(PROOF_UNVERIFIABLE)
