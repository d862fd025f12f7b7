"""The chain of `tests.api.lab` as programs outside city hall see it: light blocks and proved records, no sockets."""

from typing import Any

from app.core.light_source import RpcLightSource
from app.core.trusted_chain import TrustedChain
from chain.codec.hashing import hash_header
from chain.light.client import HashRoot, LightClient
from chain.types.timestamp import Timestamp
from tests.api.lab import URL, Lab, LabClient


class LabSource(RpcLightSource):
    """Light blocks of a lab; `tamper` of the lab applies."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(URL)
        self._client = LabClient(lab)

    def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        height = params.get("height") or str(self._client.lab.height)
        answer = self._client._one(
            {"id": 1, "method": method, "params": {**params, "height": height}}
        )
        if "error" in answer:
            raise OSError(answer["error"]["data"])
        return answer["result"]


def follow(lab: Lab, *, first: int = 1) -> TrustedChain:
    """A chain that trusts the lab's block of height `first`, caught up."""
    client = LightClient(lab.genesis.chain_id, URL)
    clock = lambda: Timestamp(lab.now_s)  # noqa: E731
    chain = TrustedChain(client, {URL: LabSource(lab)}, LabClient(lab), clock=clock)
    chain.begin(HashRoot(first, hash_header(lab.blocks[first].header)))
    chain.catch_up()
    return chain
