"""What is watched while a run goes on: the wire, the disks, the logs. Knows the rules, not the code that keeps them.

S3  no correct validator puts two different messages for one (height, round, type) on the wire, in all its lives
S4  at the instant its own signed message leaves, its disk's durable bytes hold the message and its position
S1  no node ever stores another block at a height than every other node, or than itself in an earlier life
H1  no correct node accuses a correct node of what only a liar does
H2  no correct validator falls silent for fear of a second machine with its key: there is none
"""

import json
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from chain.codec.proto import encode
from chain.codec.signbytes import proposal_sign_bytes, vote_sign_bytes
from chain.p2p.channels import ChannelId
from chain.types.block import BlockID
from chain.types.messages import ConsensusMessage, ProposalMessage, VoteMessage
from tests.sim.full.disk import Disk

STEP_OF = {32: 1, 1: 2, 2: 3}
"""CometBFT `privval`: a type of signed message to the step of the signer's file."""
HARMLESS = frozenset({"sync_silent"})
"""What a correct node may say of a correct one: that it heard nothing of it."""


class Trace:
    """Every line of a run, as a digest, and on request as text."""

    def __init__(self, now_s: Callable[[], float], say: Callable[[str], None] | None) -> None:
        self._now_s, self._say = now_s, say
        self._hash = sha256()
        self.lines = 0

    def __call__(self, line: str) -> None:
        self.lines += 1
        text = f"{self._now_s() - 1_000.0:10.4f} {line}"
        self._hash.update(text.encode())
        if self._say is not None:
            self._say(text)

    def note(self, data: bytes) -> None:
        """Into the digest only."""
        self._hash.update(data)

    def digest(self) -> str:
        return self._hash.hexdigest()


class Marks(Counter[str]):
    """What happened at least once: a batch in which something never happens proves nothing about it."""


class Watcher:
    """The tap on the wire, and what is known of every height."""

    def __init__(self, chain_id: str, trace: Trace, marks: Marks) -> None:
        self.chain_id, self.trace, self.marks = chain_id, trace, marks
        self.disks: dict[int, Disk] = {}
        self.addresses: dict[int, bytes] = {}
        self.liars: frozenset[int] = frozenset()
        self._signed: dict[tuple[int, int, int, int], bytes] = {}
        self._seen_durable: set[tuple[int, bytes]] = set()
        self.blocks: dict[int, tuple[bytes, int]] = {}
        """By height: hash of the stored bytes, and who had it first."""
        self.heights: Counter[int] = Counter()
        self.rounds: dict[int, int] = {}
        self.own_messages = 0
        self.is_healed = False
        self._heard: dict[tuple[int, int, int, int, bytes], BlockID] = {}
        self._stands: dict[int, tuple[int, int]] = {}
        """Where each node's own newest vote was."""
        self.conflicts: dict[int, str] = {}
        """Heights of which a correct node heard two votes of one validator after everything was healed."""
        self.violations: list[tuple[str, str]] = []
        self.heard: list[Callable[[Any], None]] = []

    def violate(self, code: str, detail: str) -> None:
        """Note it, and let the run end: no handler of the product can swallow it."""
        self.trace(f"VIOLATION {code}: {detail}")
        self.violations.append((code, detail))

    # ── the wire ─────────────────────────────────────────────────────────────────────────────────────

    def on_message(self, source: int, channel: ChannelId, message: Any) -> None:
        for hear in self.heard:
            hear(message)
        if source in self.liars or not isinstance(message, ConsensusMessage):
            return
        match message.value:
            case VoteMessage(vote) if vote.validator_address == self.addresses[source]:
                sign_bytes = vote_sign_bytes(self.chain_id, vote)
                place = (source, vote.height, vote.round, int(vote.type))
            case ProposalMessage(proposal) if self._is_own_proposal(source, proposal):
                sign_bytes = proposal_sign_bytes(self.chain_id, proposal)
                place = (source, proposal.height, proposal.round, 32)
            case _:
                return
        self._stands[source] = max(self._stands.get(source, (0, 0)), place[1:3])
        self._check_once(place, sign_bytes)
        self._check_durable(place, message)

    def on_arrival(self, target: int, message: Any) -> None:
        """Two votes of one validator for one place, heard by a node that is at that height and round."""
        if target in self.liars or not isinstance(message, ConsensusMessage):
            return
        if not isinstance(message.value, VoteMessage):
            return
        vote = message.value.vote
        if vote.height != self.heights[target] + 1:
            return
        if self._stands.get(target, (0, 0)) < (vote.height, vote.round):
            return
        place = (target, vote.height, vote.round, int(vote.type), vote.validator_address)
        first = self._heard.setdefault(place, vote.block_id)
        if first != vote.block_id and self.is_healed:
            self.conflicts.setdefault(vote.height, vote.validator_address.hex())

    def _is_own_proposal(self, source: int, proposal: Any) -> bool:
        """By the key: proposals carry no address."""
        place = (source, proposal.height, proposal.round, 32)
        if place in self._signed:
            return True
        return self.verify(source, proposal)

    verify: Callable[[int, Any], bool] = staticmethod(lambda _source, _proposal: False)

    def _check_once(self, place: tuple[int, int, int, int], sign_bytes: bytes) -> None:
        before = self._signed.setdefault(place, sign_bytes)
        if before != sign_bytes:
            self.violate("S3", f"n{place[0]} said two things at {place[1:]}")

    def _check_durable(self, place: tuple[int, int, int, int], message: ConsensusMessage) -> None:
        source, height, round_, type_ = place
        wanted = encode(message)
        key = source, wanted
        if key in self._seen_durable:
            return
        self.own_messages += 1
        disk = self.disks[source]
        logs = [name for folder, name in sorted(disk.files) if folder == "cs.wal"]
        if not any(wanted in disk.durable_bytes("cs.wal", name) for name in logs):
            self.violate("S4", f"n{source} sent {place[1:]} before its log had it for good")
        raw = disk.durable_bytes("", "priv_validator_state.json")
        row = json.loads(raw)
        position = (int(row["height"]), int(row["round"]), int(row["step"]))
        if position < (height, round_, STEP_OF[type_]):
            self.violate("S4", f"n{source} sent {place[1:]}, its signer remembers {position}")
        self._seen_durable.add(key)

    # ── the disks ────────────────────────────────────────────────────────────────────────────────────

    def on_block(self, index: int, height: int, raw: bytes) -> None:
        """A node made a block durable; liars' own nodes are honest inside, but may be led astray."""
        if index in self.liars:
            return
        digest = sha256(raw).digest()
        self.trace(f"n{index} has block {height} {digest.hex()[:12]}")
        self.heights[index] = max(self.heights[index], height)
        known, first = self.blocks.setdefault(height, (digest, index))
        if known != digest:
            self.violate("S1", f"block {height} differs between n{first} and n{index}")

    # ── accusations ──────────────────────────────────────────────────────────────────────────────────

    def on_accusation(self, accuser: int, accused: int, code: str, detail: str) -> None:
        self.marks[f"punished: {code}"] += 1
        if accuser in self.liars or accused in self.liars or code in HARMLESS:
            return
        self.violate("H1", f"n{accuser} accuses n{accused} of {code}: {detail}")
