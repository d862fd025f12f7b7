"""Snapshots as ABCI asks for them: making one while blocks go on, listing, handing out chunks, taking them.

A snapshot is due every so many blocks, and with the first block of a new day (header time, UTC), so all nodes with
the same settings make the same bytes. It is made in small steps between which blocks are executed: what a block
overwrites is kept aside first (`note_commit`), so the reader goes on showing the state of the snapshot's height.
Reads: the StateStore.  Writes: the SnapshotStore.  Never: a clock.
"""

from dataclasses import dataclass
from hashlib import sha256

from chain.limits import SNAPSHOT_INTERVAL_BLOCKS
from chain.town import snapshot_chunks
from chain.town.context import Overlay
from chain.town.ports import SnapshotStore, StateStore, StateVersion
from chain.town.snapshot_chunks import (
    BadSnapshot,
    DumpSteps,
    Manifest,
    Restore,
    decode_manifest,
    encode_manifest,
)
from chain.types.abci import Snapshot
from chain.types.messages import (
    ApplySnapshotChunkResult,
    OfferSnapshotResult,
    RequestApplySnapshotChunk,
    RequestLoadSnapshotChunk,
    RequestOfferSnapshot,
    ResponseApplySnapshotChunk,
    ResponseListSnapshots,
    ResponseLoadSnapshotChunk,
    ResponseOfferSnapshot,
)
from chain.types.timestamp import NANOS_PER_SECOND

DAY_NS = 86_400 * NANOS_PER_SECOND


@dataclass(frozen=True, slots=True)
class SnapshotPolicy:
    """When a snapshot is due; 0 blocks means never by height."""

    interval_blocks: int = SNAPSHOT_INTERVAL_BLOCKS
    is_daily: bool = True

    def is_due(self, height: int, time_ns: int, previous_ns: int) -> bool:
        """Whether the block of this height and header time ends with a snapshot."""
        if self.interval_blocks and height % self.interval_blocks == 0:
            return True
        return self.is_daily and time_ns // DAY_NS != previous_ns // DAY_NS


class _Frozen(Overlay):
    """The state as it was, over a store that goes on."""

    def keep(self, changes: tuple[tuple[str, bytes, bytes | None], ...]) -> None:
        """Remember what a later block found, unless an earlier one changed it already."""
        for namespace, record_id, before in changes:
            if record_id not in self._writes.get(namespace, {}):
                self.put(namespace, record_id, before)


@dataclass(slots=True)
class _Making:
    height: int
    frozen: _Frozen
    app_hash: bytes
    steps: DumpSteps
    chunks: int = 0


class SnapshotDesk:
    """One application's snapshots."""

    def __init__(self, store: SnapshotStore, policy: SnapshotPolicy) -> None:
        self._store = store
        self._policy = policy
        self._making: _Making | None = None
        self._manifests: dict[tuple[int, int], Manifest] = {}
        self.skipped = 0
        """Snapshots begun and given up, because what lies beside the tree could not have been proved."""

    # --- making ----------------------------------------------------------------------------

    def note_commit(self, store: StateStore, version: StateVersion, previous_ns: int) -> None:
        """A version was saved; `store` shows it from now on. Begins a snapshot when one is due."""
        if self._making is not None:
            self._making.frozen.keep(version.undo)
            return
        time_ns = int(version.meta["time_ns"])
        if self._policy.is_due(version.height, time_ns, previous_ns):
            frozen, held = _Frozen(store), store.namespaces()
            steps = snapshot_chunks.dump_steps(frozen, held, version.height, time_ns)
            self._making = _Making(version.height, frozen, version.app_hash, steps)

    def is_busy(self) -> bool:
        """Whether a snapshot is in the making."""
        return self._making is not None

    def step(self) -> bool:
        """Do a few milliseconds of the work; False when there is nothing more to do."""
        making = self._making
        if making is None:
            return False
        try:
            chunk = next(making.steps)
        except StopIteration as end:
            self._finish(making, end.value)
            return False
        if chunk is not None:
            self._store.add_chunk(making.height, snapshot_chunks.FORMAT, making.chunks, chunk)
            making.chunks += 1
        return True

    def give_up(self) -> None:
        """Forget the snapshot in the making; what is written of it goes with the next start or snapshot."""
        self._making = None

    def _finish(self, making: _Making, manifest: Manifest) -> None:
        assert manifest.app_hash() == making.app_hash, "a snapshot of another state"
        self._making = None
        try:
            snapshot_chunks.check_side(making.frozen, making.height)
        except BadSnapshot:
            self.skipped += 1
            self._store.drop(making.height, snapshot_chunks.FORMAT)
        else:
            self._store.finish(making.height, snapshot_chunks.FORMAT, encode_manifest(manifest))

    # --- giving ----------------------------------------------------------------------------

    def list(self) -> ResponseListSnapshots:
        """What is on offer, newest first."""
        return ResponseListSnapshots(self._store.list())

    def load_chunk(self, request: RequestLoadSnapshotChunk) -> ResponseLoadSnapshotChunk:
        """One chunk; empty when it is not there, or when the disk gives back something else than was written."""
        key = (request.height, request.format)
        chunk = self._store.load_chunk(request.height, request.format, request.chunk)
        manifest = self._manifest(key)
        if chunk is None or manifest is None or not 0 <= request.chunk < len(manifest.chunks):
            return ResponseLoadSnapshotChunk()
        if sha256(chunk).digest() != manifest.chunks[request.chunk].sha256:
            self._store.drop(*key)
            return ResponseLoadSnapshotChunk()
        return ResponseLoadSnapshotChunk(chunk)

    def _manifest(self, key: tuple[int, int]) -> Manifest | None:
        held = {(s.height, s.format): s for s in self._store.list()}
        self._manifests = {k: m for k, m in self._manifests.items() if k in held}
        if key in held and key not in self._manifests:
            self._manifests[key] = decode_manifest(held[key].metadata)
        return self._manifests.get(key)


class RestoreDesk:
    """Taking a snapshot from elsewhere, chunk by chunk."""

    def __init__(self) -> None:
        self._restore: Restore | None = None

    def offer(self, request: RequestOfferSnapshot) -> ResponseOfferSnapshot:
        """Accept when the manifest gives the app hash that a light client proved."""
        self._restore = None
        offered = request.snapshot
        if offered is None:
            return ResponseOfferSnapshot(OfferSnapshotResult.REJECT)
        if offered.format != snapshot_chunks.FORMAT:
            return ResponseOfferSnapshot(OfferSnapshotResult.REJECT_FORMAT)
        try:
            manifest = _judge_offer(offered, request.app_hash)
        except BadSnapshot:
            # The manifest lies about itself or about the town: whoever offers it is not asked for another.
            return ResponseOfferSnapshot(OfferSnapshotResult.REJECT_SENDER)
        self._restore = Restore(manifest)
        return ResponseOfferSnapshot(OfferSnapshotResult.ACCEPT)

    def apply(
        self, request: RequestApplySnapshotChunk
    ) -> tuple[ResponseApplySnapshotChunk, StateVersion | None]:
        """Take the next chunk; with the last one comes the version that they all make."""
        restore = self._restore
        if restore is None or request.index != restore.next_index or restore.is_complete():
            return ResponseApplySnapshotChunk(ApplySnapshotChunkResult.ABORT), None
        try:
            restore.add(request.chunk)
        except BadSnapshot:
            senders = (request.sender,) if request.sender else ()
            again = ResponseApplySnapshotChunk(
                ApplySnapshotChunkResult.RETRY, (request.index,), senders
            )
            return again, None
        accepted = ResponseApplySnapshotChunk(ApplySnapshotChunkResult.ACCEPT)
        if not restore.is_complete():
            return accepted, None
        self._restore = None
        try:
            return accepted, restore.finish()
        except BadSnapshot:
            return ResponseApplySnapshotChunk(ApplySnapshotChunkResult.REJECT_SNAPSHOT), None


def _judge_offer(offered: Snapshot, app_hash: bytes) -> Manifest:
    if sha256(offered.metadata).digest() != offered.hash:
        raise BadSnapshot("the hash is not the manifest's")
    manifest = decode_manifest(offered.metadata)
    if (manifest.height, len(manifest.chunks)) != (offered.height, offered.chunks):
        raise BadSnapshot("the offer differs from its manifest")
    if manifest.app_hash() != app_hash:
        raise BadSnapshot("another state than the header's")
    return manifest
