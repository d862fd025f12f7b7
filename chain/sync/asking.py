"""Questions to peers during state sync and their answers, held until the flow takes them.

An answer is matched to a question of ours to that peer; one that nobody asked for counts against its sender.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import TypeAlias

from chain.light.sources import LATEST, Answer, Fetch, Missing, Steps, height_of
from chain.limits import STATESYNC_ANSWER_MS
from chain.sync.flow import Flow, ResultT, Until, pause
from chain.sync.ports import PeerId, StateTransport
from chain.sync.proof import FetchedBlock
from chain.types.evidence import LightBlock
from chain.types.messages import (
    LightBlockRequest,
    ParamsRequest,
    ParamsResponse,
    StatesyncMessage,
)
from chain.types.params import ConsensusParams
from chain.types.primitives import Height

ANSWER_S = STATESYNC_ANSWER_MS / 1_000
_Key: TypeAlias = tuple[PeerId, Height]


class Asking:
    """What was asked of whom, and what came."""

    def __init__(self, transport: StateTransport, is_connected: Callable[[PeerId], bool]) -> None:
        self._transport = transport
        self._is_connected = is_connected
        self._light_asked: defaultdict[PeerId, list[Height]] = defaultdict(list)
        self.light: dict[_Key, LightBlock | None] = {}
        """Light blocks that came, None where the peer has none."""
        self._params: dict[_Key, ConsensusParams | None] = {}
        self._blocks: dict[_Key, FetchedBlock | None] = {}
        self.fetched = 0
        """Light blocks that came in all."""

    # --- what came ---------------------------------------------------------------------------

    def take_light(self, peer: PeerId, block: LightBlock | None) -> bool:
        """A light block; False when nobody asked this peer for it. One without a block answers the oldest."""
        asked = self._light_asked[peer]
        if not asked:
            return False
        if block is None:
            self.light[peer, asked.pop(0)] = None
            return True
        height = height_of(block)
        wanted = height if height in asked else LATEST
        if wanted not in asked:
            return False
        asked.remove(wanted)
        self.fetched += 1
        self.light[peer, wanted] = block
        return True

    def take_params(self, peer: PeerId, response: ParamsResponse) -> bool:
        """Parameters; False when nobody asked."""
        key = (peer, response.height)
        if key not in self._params:
            return False
        self._params[key] = response.consensus_params
        return True

    def take_block(self, peer: PeerId, fetched: FetchedBlock) -> bool:
        """A whole block; False when nobody asked."""
        key = (peer, fetched.height)
        if key not in self._blocks:
            return False
        self._blocks[key] = fetched
        return True

    def forget(self, peer: PeerId) -> None:
        """A connection is gone, and its questions with it."""
        self._light_asked.pop(peer, None)

    # --- light blocks ------------------------------------------------------------------------

    def ask_light(self, peer: PeerId, height: Height) -> bool:
        """Send a question; the answer will be under (peer, height) in `light`."""
        self.light.pop((peer, height), None)
        if not self._transport.send(peer, StatesyncMessage(LightBlockRequest(height))):
            return False
        self._light_asked[peer].append(height)
        return True

    def fetch_light(self, fetch: Fetch) -> Flow[Answer]:
        """One fetch of the light client."""
        peer, height = fetch.source, fetch.height
        if fetch.after_ns:
            yield from pause(fetch.after_ns / 1e9)
        key = (peer, height)
        if not self.ask_light(peer, height):
            return Missing.NO_RESPONSE
        yield Until(lambda: key in self.light or not self._is_connected(peer), ANSWER_S)
        if key not in self.light:
            if height in self._light_asked[peer]:
                self._light_asked[peer].remove(height)
            return Missing.NO_RESPONSE
        block = self.light.pop(key)
        if block is not None:
            return block
        if height == LATEST:
            return Missing.NOT_FOUND
        newest = yield from self.fetch_light(Fetch(peer, LATEST))
        is_behind = isinstance(newest, LightBlock) and height_of(newest) < height
        return Missing.TOO_HIGH if is_behind else Missing.NOT_FOUND

    def drive(self, steps: Steps[ResultT]) -> Flow[ResultT]:
        """Walk the pure light client's steps with blocks of peers."""
        try:
            wanted = next(steps)
            while True:
                answer = yield from self.fetch_light(wanted)
                wanted = steps.send(answer)
        except StopIteration as end:
            result: ResultT = end.value
            return result

    # --- the rest ------------------------------------------------------------------------------

    def fetch_params(self, peer: PeerId, height: Height) -> Flow[ConsensusParams | None]:
        """Parameters of a height from one peer, or None."""
        key = (peer, height)
        self._params[key] = None
        if self._transport.send(peer, StatesyncMessage(ParamsRequest(height))):
            yield Until(lambda: self._params[key] is not None, ANSWER_S)
        return self._params.pop(key)

    def fetch_block(self, peer: PeerId, height: Height) -> Flow[FetchedBlock | None]:
        """A whole block from one peer, or None."""
        key = (peer, height)
        self._blocks[key] = None
        if self._transport.ask_block(peer, height):
            yield Until(
                lambda: self._blocks[key] is not None or not self._is_connected(peer), ANSWER_S
            )
        return self._blocks.pop(key)
