"""What a light client can prove of a snapshot's heights with blocks of peers, and what peers must agree on beyond.

Headers are proved by signatures and witnesses, parameters and the whole block by the headers. Proposer priorities are
in no header: more than half of the peers that answer must tell the same.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto

import structlog

from chain.light.bisection import Failure
from chain.light.client import LightClient, TrustRoot, Verified
from chain.light.detector import Attack
from chain.light.sources import Fetch
from chain.light.verifier import TrustOptions
from chain.limits import (
    STATESYNC_CHUNK_FETCHERS,
    STATESYNC_CHUNK_TIMEOUT_MS,
    STATESYNC_DISCOVERY_MS,
    STATESYNC_WITNESSES_MAX,
)
from chain.sync.asking import Asking
from chain.sync.errors import SyncFailure
from chain.sync.flow import Flow
from chain.sync.ports import (
    PeerId,
    RestoreSink,
    SnapshotApplication,
    StateTransport,
    Timers,
    WallClock,
)
from chain.sync.proof import FetchedBlock
from chain.sync.restored import ProvedHeights, choose_params, needs_third, rotated
from chain.types.evidence import LightBlock
from chain.types.params import ConsensusParams, GenesisDoc
from chain.types.primitives import Height
from chain.types.validator import Validator, ValidatorSet

log = structlog.get_logger("statesync")


@dataclass(frozen=True, slots=True)
class StateSyncSettings:
    """`[statesync]` of the configuration file."""

    root: TrustRoot
    options: TrustOptions = field(default_factory=TrustOptions)
    discovery_s: float = STATESYNC_DISCOVERY_MS / 1_000
    chunk_timeout_s: float = STATESYNC_CHUNK_TIMEOUT_MS / 1_000
    chunk_fetchers: int = STATESYNC_CHUNK_FETCHERS


@dataclass(frozen=True, slots=True)
class StateSyncParts:
    """Everything state sync works with."""

    app: SnapshotApplication
    doc: GenesisDoc
    transport: StateTransport
    sink: RestoreSink
    timers: Timers
    clock: WallClock


class Next(Enum):
    """What becomes of a snapshot that could not be restored."""

    AGAIN = auto()
    """The peer that was asked first told something false: others come first now."""
    LATER = auto()
    """What proves it is not there yet, or peers did not answer."""
    NEVER = auto()


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Why a snapshot could not be restored, and what becomes of it."""

    reason: str
    then: Next = Next.NEVER


class Prover:
    """The light client's trust, and the order in which peers are asked, over all tries of one state sync."""

    def __init__(
        self,
        parts: StateSyncParts,
        settings: StateSyncSettings,
        asking: Asking,
        able: Callable[[], tuple[PeerId, ...]],
        reject: Callable[[PeerId, str], None],
    ) -> None:
        self._do = parts
        self._set = settings
        self._asking = asking
        self._able = able
        self._reject = reject
        self._trusted: dict[Height, LightBlock] = {}
        self._blamed: Counter[PeerId] = Counter()
        """How often a peer failed the light client: it is asked after the others."""

    def usable(self) -> list[PeerId]:
        """Peers to ask, those that never failed first."""
        return sorted(self._able(), key=lambda peer: (self._blamed[peer], peer))

    def prove(self, height: Height) -> Flow[ProvedHeights | GivenUp]:
        """Light-verify the headers that the state after `height` needs, and compare priorities."""
        if not self._trusted:
            begun = yield from self._walk(None)
            if isinstance(begun, GivenUp):
                return begun
        last = yield from self._walk(height)
        if isinstance(last, GivenUp):
            return last
        current = yield from self._walk(height + 1)
        if isinstance(current, GivenUp):
            return current
        current_set = yield from self._agreed_set(current)
        if current_set is None:
            return GivenUp("peers disagree on proposer priorities", Next.LATER)
        current = LightBlock(current.signed_header, current_set)
        next_set: ValidatorSet | None = None
        if needs_third(current):
            third = yield from self._walk(height + 2)
            if isinstance(third, GivenUp):
                return third
            next_set = yield from self._agreed_set(third)
        else:
            next_set = rotated(current)
        if next_set is None:
            return GivenUp("peers disagree on proposer priorities", Next.LATER)
        return ProvedHeights(last, current, next_set)

    def _walk(self, height: Height | None) -> Flow[LightBlock | GivenUp]:
        """One run of the light client over the peers of this moment; None begins trust."""
        peers = self.usable()
        if not peers:
            return GivenUp("no peer", Next.LATER)
        client = LightClient(
            self._do.doc.chain_id,
            peers[0],
            tuple(peers[1 : 1 + STATESYNC_WITNESSES_MAX]),
            self._set.options,
            trusted=self._trusted,
        )
        now = self._do.clock.now()
        steps = (
            client.begin(self._set.root) if height is None else client.verify_height(height, now)
        )
        outcome = yield from self._asking.drive(steps)
        for peer, reason in client.removed:
            log.warning("light client gave up a peer", peer=peer, reason=reason)
            self._blamed[peer] += 1
        if isinstance(outcome, Attack):
            self._stop_on_attack(outcome)
        if isinstance(outcome, Failure):
            is_new = not outcome.is_benign and not self._blamed[client.primary]
            self._blamed[client.primary] += not outcome.is_benign
            then = Next.AGAIN if is_new else Next.LATER
            return GivenUp(f"header {outcome.height}: {outcome.reason}", then)
        assert isinstance(outcome, Verified)
        return outcome.block

    def _stop_on_attack(self, attack: Attack) -> None:
        """A third of the power signed two chains: which one is the town's only people can say."""
        for report in attack.reports:
            self._do.transport.report(report.to, report.evidence)
        raise SyncFailure(
            "statesync_light_attack",
            f"{attack.primary} and {attack.witness} show two chains, both signed; evidence was sent",
        )

    def _agreed_set(self, block: LightBlock) -> Flow[ValidatorSet | None]:
        """The set of a proved header with the priorities that more than half of the peers that answer tell."""
        wanted, told = block.signed_header.header, list[tuple[Validator, ...]]()
        bare = _without_priorities(block.validator_set)
        asked = self.usable()[: 1 + STATESYNC_WITNESSES_MAX]
        for peer in asked:
            answer = yield from self._asking.fetch_light(Fetch(peer, wanted.height))
            if isinstance(answer, LightBlock) and _without_priorities(answer.validator_set) == bare:
                told.append(answer.validator_set.validators)
        if not told:
            return None
        common, count = Counter(told).most_common(1)[0]
        # As with headers, one peer is believed alone only when there is no other.
        is_enough = 2 * count > len(told) and count >= min(2, len(asked))
        return ValidatorSet(common) if is_enough else None

    def find_params(self, current: LightBlock) -> Flow[ConsensusParams | None]:
        header = current.signed_header.header
        for peer in self.usable():
            told = yield from self._asking.fetch_params(peer, header.height)
            if told is None:
                continue
            genesis = self._do.doc.consensus_params
            chosen = choose_params(genesis, told, header)
            if chosen is not None:
                return chosen
            self._reject(peer, "consensus parameters that no header proves")
        return None

    def find_block(self, last: LightBlock) -> Flow[FetchedBlock | None]:
        """The block of the snapshot's height: the node's lowest one."""
        signed = last.signed_header
        for peer in self.usable():
            fetched = yield from self._asking.fetch_block(peer, signed.header.height)
            if fetched is None:
                continue
            if fetched.block_id == signed.commit.block_id:
                return fetched
            self._reject(peer, "a block that is not the one decided")
        return None


def _without_priorities(members: ValidatorSet) -> tuple[Validator, ...]:
    return tuple(replace(member, proposer_priority=0) for member in members.validators)
