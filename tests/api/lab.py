"""A whole chain in memory behind the API's own RPC client: real application, real blocks, real signatures.

    lab = Lab()                              # four validators, lax parameters
    lab.client()                             # a ChainClient that talks to it without sockets
    lab.produce(tx, ...)                     # one decided block
    lab.tamper = lambda method, result: ...  # change what the node shows

A broadcast that CheckTx accepts is decided at once, with the proof block after it, and `on_block` is called
(the API tests let the projector catch up there). `is_down` makes every call fail as a dead node does.
"""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from app.core.chain_client import ChainClient
from chain.codec.cmtjson import to_json
from chain.codec.hashing import hash_header, make_block_id
from chain.codec.signbytes import vote_sign_bytes
from chain.crypto import ed25519
from chain.crypto.keys import address
from chain.execution.building import EMPTY_COMMIT, make_block, make_commit
from chain.execution.genesis import apply_init_chain, make_genesis_state, make_init_chain_request
from chain.execution.updating import finalize_request, misbehavior_of, update_state
from chain.limits import RPC_BATCH_MAX
from chain.town.application import TownApplication
from chain.town.rules import Router
from chain.types.abci import RequestCheckTx, RequestQuery
from chain.types.block import Vote
from chain.types.evidence import Evidence
from chain.types.params import ConsensusParams, GenesisDoc, GenesisValidator, VersionParams
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import Timestamp
from tests.town.town_kit import GENESIS_S, MemoryStateStore, make_genesis, validator_seed

URL = "http://node.test:26657"


class Lab:
    """One chain that grows when told to."""

    def __init__(
        self,
        *,
        validators: int = 4,
        now_s: int = GENESIS_S,
        router: Router | None = None,
        **genesis: Any,
    ) -> None:
        request = make_genesis(validators=validators, genesis_s=now_s, **genesis)
        self.genesis = GenesisDoc(
            genesis_time=request.time,
            chain_id=request.chain_id,
            initial_height=1,
            consensus_params=ConsensusParams(version=VersionParams(app=1)),
            validators=tuple(GenesisValidator(u.pub_key, u.power) for u in request.validators),
            app_hash=b"",
            app_state=json.loads(request.app_state_bytes),
        )
        self.now_s = now_s
        self.seeds = {
            address(ed25519.derive_public(validator_seed(i))): validator_seed(i)
            for i in range(validators + 8)
        }
        self.store = MemoryStateStore()
        self.app = TownApplication(self.store, lambda: Timestamp(self.now_s), router)
        init = make_init_chain_request(self.genesis, request.app_state_bytes)
        self.state = apply_init_chain(make_genesis_state(self.genesis), self.app.init_chain(init))
        self.town: str = json.loads(self.app.query(RequestQuery(path="/status")).value)["town"]
        self.blocks: dict[int, Any] = {}
        self.commits: dict[int, Any] = {}
        self.results: dict[int, Any] = {}
        self.sets: dict[int, Any] = {}
        self.tamper: Callable[[str, Any], Any] = lambda _method, result: result
        self.on_block: Callable[[], None] = lambda: None
        self.is_down = False
        self.is_lazy = False
        """When set, broadcasts wait in `pending` instead of being decided at once."""
        self.pending: list[bytes] = []
        self.broadcasts = 0
        self.produce()
        self.produce()

    @property
    def height(self) -> int:
        return self.state.last_block_height

    def produce(self, *txs: bytes, evidence: tuple[Evidence, ...] = ()) -> int:
        """Decide one block with exactly these transactions; time moves one second."""
        self.now_s += 1
        state, height = self.state, self.height + 1
        last = self.commits.get(height - 1, EMPTY_COMMIT)
        block = make_block(
            state,
            height=height,
            time=Timestamp(self.now_s),
            txs=txs,
            last_commit=last,
            evidence=evidence,
            proposer=state.validators.get_proposer().address,
        )
        block_id, _ = make_block_id(block)
        response = self.app.finalize_block(
            finalize_request(
                block, hash_header(block.header), state.last_validators, misbehavior_of(evidence)
            )
        )
        self.app.commit()
        self.blocks[height], self.results[height] = block, response.tx_results
        self.sets[height] = state.validators
        self.sets[height + 1] = state.next_validators
        self.commits[height] = self._sign(height, block_id)
        self.state = update_state(state, block_id, block, response)
        return height

    def _sign(self, height: int, block_id: Any) -> Any:
        validators = self.sets[height]
        votes = []
        for index, validator in enumerate(validators.validators):
            vote = Vote(
                SignedMsgType.PRECOMMIT,
                height,
                0,
                block_id,
                Timestamp(self.now_s),
                validator.address,
                index,
            )
            message = vote_sign_bytes(self.genesis.chain_id, vote)
            signature = ed25519.sign(self.seeds[validator.address], message)
            votes.append(
                Vote(
                    vote.type,
                    height,
                    0,
                    block_id,
                    vote.timestamp,
                    validator.address,
                    index,
                    signature,
                )
            )
        return make_commit(height, 0, block_id, votes, validators)

    def client(self) -> "LabClient":
        """A client of this chain."""
        return LabClient(self)

    # --- what a node answers ---

    def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        return getattr(self, f"_rpc_{method}")(params)

    def _rpc_status(self, _params: Any) -> dict[str, Any]:
        return {
            "sync_info": {"latest_block_height": str(self.height), "earliest_block_height": "1"}
        }

    def _rpc_block(self, params: Any) -> dict[str, Any]:
        block = self._at(self.blocks, params)
        return {"block_id": to_json(make_block_id(block)[0]), "block": to_json(block)}

    def _rpc_commit(self, params: Any) -> dict[str, Any]:
        commit, block = self._at(self.commits, params), self._at(self.blocks, params)
        return {
            "signed_header": {"header": to_json(block.header), "commit": to_json(commit)},
            "canonical": True,
        }

    def _rpc_block_results(self, params: Any) -> dict[str, Any]:
        results = self._at(self.results, params)
        return {
            "height": params["height"],
            "txs_results": [to_json(result) for result in results] or None,
        }

    def _rpc_tx_search(self, params: Any) -> dict[str, Any]:
        """Transactions of one type from a height on: the only question asked of it."""
        wanted = re.fullmatch(r"tx\.type='([a-z._]+)' AND tx\.height>=(\d+)", params["query"])
        assert wanted is not None, params["query"]
        found = [
            {"height": str(height), "tx": base64.b64encode(tx).decode()}
            for height in sorted(h for h in self.blocks if h >= int(wanted[2]))
            for tx, result in zip(self.blocks[height].data.txs, self.results[height], strict=True)
            if any(pair.value == wanted[1] for event in result.events for pair in event.attributes)
        ]
        page, per_page = int(params["page"]), int(params["per_page"])
        shown = found[(page - 1) * per_page : page * per_page]
        return {"txs": shown, "total_count": str(len(found))}

    def _rpc_validators(self, params: Any) -> dict[str, Any]:
        found = self._at(self.sets, params).validators
        page, per_page = int(params.get("page", 1)), int(params.get("per_page", 30))
        shown = found[(page - 1) * per_page : page * per_page]
        return {"validators": [to_json(v) for v in shown], "total": str(len(found))}

    def _at(self, table: dict[int, Any], params: Any) -> Any:
        height = int(params["height"])
        if height not in table:
            raise LookupError("height must be less than or equal to the current blockchain height")
        return table[height]

    def _rpc_abci_query(self, params: Any) -> dict[str, Any]:
        answer = self.app.query(
            RequestQuery(
                bytes.fromhex(params["data"]),
                params["path"],
                int(params["height"]),
                params["prove"],
            )
        )
        return {"response": to_json(answer)}

    def _rpc_broadcast_tx_sync(self, params: Any) -> dict[str, Any]:
        self.broadcasts += 1
        tx = base64.b64decode(params["tx"])
        if tx in self.pending:
            raise LookupError("tx already exists in cache")
        checked = self.app.check_tx(RequestCheckTx(tx))
        if checked.is_ok():
            self.pending.append(tx)
            if not self.is_lazy:
                self.decide()
        return {
            "code": checked.code,
            "data": "",
            "log": checked.log,
            "codespace": checked.codespace,
            "hash": "",
        }

    def decide(self) -> None:
        """Put what waits into a block and prove it."""
        waiting, self.pending = self.pending, []
        self.produce(*waiting)
        self.produce()
        self.on_block()


class LabClient(ChainClient):
    """The API's client with the network cut out."""

    def __init__(self, lab: Lab) -> None:
        super().__init__([URL])
        self.lab = lab

    def _post(self, url: str, document: Any) -> Any:
        if self.lab.is_down:
            raise ConnectionRefusedError(url)
        if isinstance(document, list):
            if not 0 < len(document) <= RPC_BATCH_MAX:
                return [{"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": ""}}]
            answers = [self._one(call) for call in document]
            return answers if len(answers) > 1 else answers[0]
        return self._one(document)

    def _one(self, call: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            result = self.lab.answer(call["method"], call["params"])
            result = self.lab.tamper(call["method"], result)
        except LookupError as error:
            return answer | {
                "error": {"code": -32603, "message": "Internal error", "data": str(error)}
            }
        return answer | {"result": result}
