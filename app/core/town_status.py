"""Where the town stands: SQL's verified view, with the node's own word beside it when it answers."""

from dataclasses import dataclass
from typing import Any

import msgspec

from app.core.chain_client import ChainClient, RpcError
from app.core.problems import NodeUnavailable
from app.core.projection import ProjectorState, get_projector_state


@dataclass(frozen=True, slots=True)
class TownStatus:
    """See `StatusSchema`; `params` and `insecure` come from the last verified genesis and acts."""

    town: str
    chain_id: str
    height: int
    app_hash: str
    time: int
    insecure: bool
    params: dict[str, int]
    node: str
    node_height: int
    halted: str


def read_town_status(chain: ChainClient) -> TownStatus:
    """Ask SQL, then the node; a silent node is no error here."""
    state = get_projector_state() or ProjectorState(chain_id="", town="")
    said = _ask_node(chain)
    return TownStatus(
        town=state.town,
        chain_id=state.chain_id,
        height=state.height,
        app_hash=state.app_hash,
        time=state.time_s,
        insecure=bool(said.get("insecure", False)),
        params={str(k): int(v) for k, v in dict(said.get("params", {})).items()},
        node="up" if said else "down",
        node_height=int(said.get("height", 0)),
        halted=state.halted_code,
    )


def _ask_node(chain: ChainClient) -> dict[str, Any]:
    try:
        answer = chain.query("/status", b"")
    except (NodeUnavailable, RpcError):
        return {}
    said = msgspec.json.decode(answer.value) if answer.value else {}
    return {"height": answer.height, **said} if isinstance(said, dict) else {}
