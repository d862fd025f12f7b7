"""Consensus over the switch: own messages straight to everybody, and again on a timer until the height is over.

PROTOCOL §5: on its timer a node sends again every vote it holds of its height (both of a conflict) with the
majorities it claims and the proposals it knows; parts go on request; who lags is served the seen commit, then the
parts it asks for, height after height. No state about peers is needed but where they stand.

Messages: NewRoundStep = where I stand; NewValidBlock = I look for this block and have these parts.
Reads: the host, the block store.  Writes: the switch.  Never: believes a peer more than its signatures.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from chain import limits
from chain.codec.hashing import PartSet, make_part_set
from chain.consensus import CoreState, held_majorities, held_votes
from chain.node.budget import Budget
from chain.node.clock import Clock
from chain.node.host import ConsensusHost
from chain.node.host_parts import CutBlock, Timers
from chain.p2p.channels import ChannelId, channel_of
from chain.p2p.errors import PeerFault
from chain.p2p.switch import Switch
from chain.store.blocks import BlockStore
from chain.types.block import BlockID, Commit, PartSetHeader, Vote
from chain.types.messages import (
    BitArray,
    BlockPart,
    ConsensusBody,
    ConsensusMessage,
    NewRoundStep,
    NewValidBlock,
    ProposalMessage,
    VoteMessage,
    VoteSetMaj23,
)
from chain.types.primitives import BlockIDFlag, Height, Round, SignedMsgType

_TICK_S = limits.GOSSIP_TICK_MS / 1_000
_STATUS_SPACING_S = limits.GOSSIP_STATUS_SPACING_MS / 1_000
_SERVE_MIN_S = limits.GOSSIP_SERVE_MIN_MS / 1_000
_CHANNELS = (ChannelId.STATE, ChannelId.DATA, ChannelId.VOTE, ChannelId.VOTE_BITS)
_NO_COMMIT_ROUND = -1
_SERVED_MAX = 64


@dataclass(slots=True)
class _PeerView:
    """Where a peer said it stands, and what it was served lately."""

    height: Height
    served_at_s: dict[tuple[Height, bytes], float] = field(default_factory=dict)
    """Monotonic second per (height, hash of a part set, or b"" for a commit)."""


class ConsensusGossip:
    """The `Network` of a node with peers; `attach` the host, then `start`."""

    def __init__(self, switch: Switch, blocks: BlockStore, timers: Timers, clock: Clock) -> None:
        self._switch = switch
        self._blocks = blocks
        self._timers = timers
        self._clock = clock
        self._host: ConsensusHost | None = None
        self._views: dict[str, _PeerView] = {}
        self._ticks = 0
        self._still_ticks = 0
        """Ticks since the height or round began."""
        self._position: tuple[Height, Round] | None = None
        self._said_at_s = float("-inf")
        """When we said last where we stand; `_is_status_due`: a height that ended since is to be said yet."""
        self._is_status_due = False
        self._old_votes_from = 0
        self._asked = 0
        self._is_request_due = False
        self._serves = Budget(burst=limits.GOSSIP_SERVES_BURST, per_s=limits.GOSSIP_SERVES_PER_S)
        self._served_bytes = Budget(
            burst=limits.GOSSIP_SERVE_BURST_BYTES, per_s=limits.GOSSIP_SERVE_BYTES_PER_S
        )
        self._cut: tuple[Height, PartSet] | None = None
        """Parts of the stored block served last."""
        self.on_peer_step: Callable[[str], None] = _nobody_listens
        """Called with a peer that said where it stands."""
        self.is_quiet: Callable[[], bool] = _never
        """True while the node catches up by other means: it says nothing of where it stands."""

    def attach(self, host: ConsensusHost) -> None:
        """Connect the host: its messages go out, peers' messages go to it."""
        self._host = host
        host.on_bad_signature = lambda peer: self._switch.punish(
            peer, "p2p_bad_signature", "a vote that does not verify"
        )

    def start(self) -> None:
        """Begin to listen to peers and the timer."""
        for channel in _CHANNELS:
            self._switch.handle(channel, self._handler(channel))
        self._switch.on_peer_up.append(self._on_peer_up)
        self._switch.on_peer_down.append(self._on_peer_down)
        self._timers.call_later(_TICK_S, self._on_tick)

    def stop(self) -> None:
        """Say and hear nothing any more: the store is about to close."""
        self._host = None

    # ── Network ──────────────────────────────────────────────────────────────────────────────────────

    def broadcast(self, message: ConsensusBody) -> None:
        """Send to every peer at once."""
        channel = channel_of(message)
        self._switch.broadcast(channel, ConsensusMessage(message), besides=frozenset())

    def request_block(self, height: Height, block_id: BlockID) -> None:
        """Ask for missing parts: at once when somebody is ahead of us, else after they had time to arrive."""
        if any(view.height > height for view in self._views.values()):
            self._timers.call_later(0, self._request_missing)
        elif not self._is_request_due:
            self._is_request_due = True
            self._timers.call_later(limits.GOSSIP_PART_WAIT_MS / 1_000, self._request_missing)

    def peer_count(self) -> int:
        """Connected peers."""
        return len(self._switch.peers())

    def peer_height(self, peer: str) -> Height | None:
        """Height a peer works at, as it said last; None for one that said nothing."""
        view = self._views.get(peer)
        return None if view is None else view.height

    def on_committed(self) -> None:
        """A height ended: say where we stand now, at once when we lag, for then somebody serves us the next one."""
        wait_s = self._said_at_s + _STATUS_SPACING_S - self._clock.monotonic_s()
        if wait_s <= 0 or self._is_behind():
            self._say_status()
        elif not self._is_status_due:
            self._is_status_due = True
            self._timers.call_later(wait_s, self._say_late)

    def _is_behind(self) -> bool:
        """Whether some peer said that it works at a later height."""
        height = 0 if self._host is None else self._host.working_height()
        return any(view.height > height for view in self._views.values())

    def _say_late(self) -> None:
        if self._is_status_due:  # not said meanwhile by the timer
            self._say_status()

    # ── what we say ──────────────────────────────────────────────────────────────────────────────────

    def _send(self, peer: str, body: ConsensusBody) -> None:
        self._switch.send(peer, channel_of(body), ConsensusMessage(body))

    def _say_status(self) -> None:
        self._is_status_due = False
        if self._host is not None and not self.is_quiet():
            self._said_at_s = self._clock.monotonic_s()
            self.broadcast(self._status(self._host))

    def _status(self, host: ConsensusHost) -> NewRoundStep:
        core, height = host.running_core(), host.working_height()
        last = self._blocks.load_seen_commit(height - 1)
        return NewRoundStep(
            height,
            0 if core is None else max(0, core.round),
            1 if core is None else min(8, max(1, int(core.step))),
            0,
            _NO_COMMIT_ROUND if last is None else last.round,
        )

    def _on_peer_up(self, peer: str) -> None:
        """Somebody came (back): tell it everything it may need, as if the timer had just run."""
        host = self._host
        if host is None:
            return
        self._views.pop(peer, None)
        if not self.is_quiet():
            self._send(peer, self._status(host))
        core = host.running_core()
        if core is not None:
            self._send_held(peer, core, ())

    def _on_peer_down(self, peer: str) -> None:
        self._views.pop(peer, None)

    def _on_tick(self) -> None:
        host = self._host
        if host is None:
            return
        self._timers.call_later(_TICK_S, self._on_tick)
        self._ticks += 1
        core = host.running_core()
        if core is None:
            self._position = None
            if self._ticks % limits.GOSSIP_STATUS_TICKS == 0:
                self._say_status()
            return
        if self._position != (core.height, core.round):
            self._position, self._still_ticks = (core.height, core.round), 0
            return
        self._still_ticks += 1
        if self._still_ticks in (1, 2, 4) or self._still_ticks % limits.GOSSIP_RESEND_TICKS == 0:
            self._send_again(core)

    def _send_again(self, core: CoreState) -> None:
        """The re-sending rule, to every peer that is not known to be elsewhere."""
        self._say_status()
        self._request_missing()
        old_votes = self._next_old_votes(core)
        for peer in self._switch.peers():
            view = self._views.get(peer)
            if view is None or view.height == core.height:
                self._send_held(peer, core, old_votes)
            elif view.height < core.height:
                self._serve_commit(peer, view)

    def _send_held(self, peer: str, core: CoreState, old_votes: tuple[Vote, ...]) -> None:
        """Proposals of this round, claims first, then votes: claims let a receiver count an equivocator's votes."""
        for proposal in core.proposals.get(core.round, ()):
            self._send(peer, ProposalMessage(proposal))
        rounds = _live_rounds(core)
        for round_, type_, block_id in held_majorities(core.votes):
            if round_ in rounds or round_ >= core.round - 1:
                self._send(peer, VoteSetMaj23(core.height, round_, type_, block_id))
        for vote in held_votes(core.votes):
            if vote.round in rounds or vote.round >= core.round - 1:
                self._send(peer, VoteMessage(vote))
        for vote in old_votes:
            self._send(peer, VoteMessage(vote))

    def _next_old_votes(self, core: CoreState) -> tuple[Vote, ...]:
        """A slice of the votes of other rounds; the next call goes on after it, so that each has its turn."""
        rounds = _live_rounds(core)
        old = [
            vote
            for vote in held_votes(core.votes)
            if vote.round not in rounds and vote.round < core.round - 1
        ]
        if not old:
            return ()
        start = self._old_votes_from % len(old)
        chosen = (old[start:] + old[:start])[: limits.GOSSIP_OLD_VOTES_PER_TICK]
        self._old_votes_from = start + len(chosen)
        return tuple(chosen)

    def _request_missing(self) -> None:
        """Ask one peer for each block whose parts we miss, the next time another one.

        All turns move on by one: counted block by block, three missing blocks and three peers would meet the same
        way for ever, and one of those peers may be a liar that gives nothing.
        """
        self._is_request_due = False
        host = self._host
        core = None if host is None else host.running_core()
        if host is None or core is None:
            return
        peers = self._likely_holders(core.height)
        if not peers:
            return
        self._asked += 1
        for place, wanted in enumerate(host.missing_blocks()):
            self._send(peers[(self._asked + place) % len(peers)], _request(core, wanted))

    def _likely_holders(self, height: Height) -> tuple[str, ...]:
        """Peers that are past this height, else at it, else all."""
        peers = self._switch.peers()
        ahead = tuple(p for p in peers if p in self._views and self._views[p].height > height)
        level = tuple(p for p in peers if p in self._views and self._views[p].height == height)
        return ahead or level or peers

    # ── what we hear ─────────────────────────────────────────────────────────────────────────────────

    def _handler(self, channel: ChannelId) -> Callable[[str, ConsensusMessage], None]:
        def handle(peer: str, message: ConsensusMessage) -> None:
            if channel_of(message.value) is not channel:
                name = type(message.value).__name__
                raise PeerFault("p2p_protocol", f"{name} on {channel.name}")
            self._receive(peer, message.value)

        return handle

    def _receive(self, peer: str, body: ConsensusBody) -> None:
        if self._host is None:
            return
        match body:
            case NewRoundStep(height):
                self._note_step(peer, height)
            case NewValidBlock():
                self._serve_parts(peer, body)
            case ProposalMessage(signed) | VoteMessage(signed):
                self._note_height(peer, signed.height)
                self._host.deliver(body, peer)
            case BlockPart() | VoteSetMaj23():
                self._host.deliver(body, peer)
            case _:
                pass  # HasVote, ProposalPOL, VoteSetBits: CometBFT's book-keeping, which we do without

    def _note_step(self, peer: str, height: Height) -> None:
        view = self._views.get(peer)
        if view is None:
            view = self._views[peer] = _PeerView(height)
        view.height = height
        self._serve_commit(peer, view)
        self.on_peer_step(peer)

    def _note_height(self, peer: str, height: Height) -> None:
        """Who sends a proposal or a vote works at its height or beyond: fresher than what it said of itself."""
        view = self._views.get(peer)
        if view is not None and view.height < height:
            view.height = height
            self.on_peer_step(peer)

    # ── serving who lags ─────────────────────────────────────────────────────────────────────────────

    def _serve_commit(self, peer: str, view: _PeerView) -> None:
        """The commit of the height a peer stands at, as a claim and its precommits, when we are past it."""
        if view.height > self._blocks.height() or not self._may_serve(peer, view.height, b""):
            return
        commit = self._blocks.load_seen_commit(view.height)
        if commit is None:
            return  # pruned: the peer needs a snapshot
        self._send(
            peer,
            VoteSetMaj23(commit.height, commit.round, SignedMsgType.PRECOMMIT, commit.block_id),
        )
        for vote in precommits_of(commit):
            self._send(peer, VoteMessage(vote))

    def _serve_parts(self, peer: str, asked: NewValidBlock) -> None:
        """The parts of a block that a peer looks for and does not have."""
        assert self._host is not None
        header = asked.block_part_set_header
        if not self._may_serve(peer, asked.height, header.hash):
            return
        if asked.height == self._host.working_height():
            parts = self._host.find_parts(header)
        else:
            parts = self._stored_parts(asked.height, header)
        if parts is None:
            return
        for part in parts.parts:
            if asked.block_parts is not None and asked.block_parts.get(part.index):
                continue
            if self._served_bytes.spend(peer, self._clock.monotonic_s(), len(part.bytes)):
                self._send(peer, BlockPart(asked.height, asked.round, part))

    def _stored_parts(self, height: Height, header: PartSetHeader) -> PartSet | None:
        if self._cut is None or self._cut[0] != height:
            encoded = self._blocks.load_encoded(height)
            if encoded is None:
                return None
            self._cut = height, make_part_set(encoded)
        parts = self._cut[1]
        return parts if parts.header == header else None

    def _may_serve(self, peer: str, height: Height, what: bytes) -> bool:
        """Not the same thing to the same peer again within a moment, however often it asks, nor too much in all."""
        now_s = self._clock.monotonic_s()
        view = self._views.setdefault(peer, _PeerView(height))
        key = height, what
        at_s = view.served_at_s.pop(key, None)
        if at_s is not None and now_s - at_s < _SERVE_MIN_S:
            view.served_at_s[key] = at_s
            return False
        if not self._serves.spend(peer, now_s):
            return False
        while len(view.served_at_s) >= _SERVED_MAX:
            del view.served_at_s[next(iter(view.served_at_s))]
        view.served_at_s[key] = now_s
        return True


def precommits_of(commit: Commit) -> tuple[Vote, ...]:
    """The votes for the block that a commit is made of."""
    return tuple(
        Vote(
            SignedMsgType.PRECOMMIT,
            commit.height,
            commit.round,
            commit.block_id,
            line.timestamp,
            line.validator_address,
            index,
            line.signature,
        )
        for index, line in enumerate(commit.signatures)
        if line.block_id_flag is BlockIDFlag.COMMIT
    )


def _live_rounds(core: CoreState) -> frozenset[Round]:
    """Rounds whose votes somebody may need to unlock, to vote, or to decide; later ones count as well."""
    machine = core.machine
    named = (p.pol_round for p in core.proposals.get(core.round, ()))
    decided = (round_ for round_, _ in core.votes.commits)
    return frozenset((machine.locked_round, machine.valid_round, *named, *decided))


def _request(core: CoreState, wanted: CutBlock) -> NewValidBlock:
    return NewValidBlock(
        core.height,
        max(0, core.round),
        wanted.block_id.part_set_header,
        BitArray.from_flags(wanted.held),
    )


def _nobody_listens(_peer: str) -> None:
    pass


def _never() -> bool:
    return False
