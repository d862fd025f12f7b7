"""Bugs put into the production code on purpose, to see that the simulation finds them.

    python -m tests.sim.full.planted            all of them, a line each
    python -m tests.sim.full.planted NAME       one, with the violation it ends in

Each is one small change of the kind a tired person makes. `codes` says which invariant must break.
"""

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from chain.node import handshake, host, relay, signer
from chain.node.executor import BlockExecutor
from chain.node.gossip import ConsensusGossip
from chain.store import wal
from chain.store.kv import Batch
from chain.sync import service
from tests.sim.full.nemesis import Profile, draw_profile
from tests.sim.full.run import Outcome, Run

Change = tuple[Any, str, Any]
"""(object, name, what stands there instead)."""


@dataclass(frozen=True)
class Planted:
    """One bug, where to look for it, and how many seeds it may take."""

    name: str
    codes: frozenset[str]
    changes: Callable[[], list[Change]]
    profile: Callable[[Profile], Profile] = lambda profile: profile
    tricks: tuple[str, ...] | None = None
    seeds: int = 25


def _no_op(*_args: Any, **_options: Any) -> None:
    return None


def _wal_sync_skipped() -> list[Change]:
    return [(wal.Wal, "sync", _no_op)]


def _fsync_error_swallowed() -> list[Change]:
    honest = wal.Wal.sync

    def sync(self: Any) -> None:
        try:
            honest(self)
        except OSError:
            self._is_dirty = False

    return [(wal.Wal, "sync", sync)]


def _torn_tail_refused() -> list[Change]:
    def check(data: bytes, offset: int) -> None:
        raise wal.WalDamaged(f"unreadable at {offset}")

    return [(wal, "_check_torn", check)]


def _signer_state_not_saved() -> list[Change]:
    return [(signer.FileSigner, "flush", _no_op)]


def _signer_forgets_at_start() -> list[Change]:
    """Replay signs again: neither the file nor the log teaches the signer anything."""
    honest = signer.FileSigner.__init__

    def init(self: Any, *args: Any, **options: Any) -> None:
        honest(self, *args, **options)
        self.last = signer.LastSigned()

    return [
        (signer.FileSigner, "__init__", init),
        (signer.FileSigner, "observe", _no_op),
        (host.ConsensusHost, "_forget_pending", _no_op),
    ]


def _replayed_votes_sent_before_flush() -> list[Change]:
    honest = host.ConsensusHost._replay

    def replay(self: Any, records: Any) -> None:
        flush, self._do.signer.flush = self._do.signer.flush, _no_op
        honest(self, records)
        self._do.signer.flush = flush

    return [(host.ConsensusHost, "_replay", replay)]


def _sent_before_logged() -> list[Change]:
    honest = host.ConsensusHost._send

    def send(self: Any, body: Any) -> None:
        self._do.network.broadcast(body)
        honest(self, body)

    return [(host.ConsensusHost, "_send", send)]


def _application_commits_before_block() -> list[Change]:
    """The commit order swapped: an application with its own store is ahead of the block store for a moment."""

    def commit(self: Any, batch: Batch, after: Any) -> None:
        stores, height = self._stores, after.last_block_height
        answer = self._app.commit()
        stores.kv.write(batch)
        stores.blocks.advance(height)
        last = Batch()
        stores.states.stage(last, after)
        stores.kv.write(last)
        return answer

    return [(BlockExecutor, "_commit", commit)]


def _block_and_state_in_two_writes() -> list[Change]:
    """What must be one durable step is two, the application's state first."""
    honest = BlockExecutor._commit

    def commit(self: Any, batch: Batch, after: Any) -> None:
        first = Batch()
        answer = self._app.commit()
        if self._stores.app is not None:
            self._stores.app.join(first)
            self._stores.kv.write(first)
            self._stores.app.settle()
        self._app.commit = lambda: answer
        try:
            honest(self, batch, after)
        finally:
            del self._app.commit

    return [(BlockExecutor, "_commit", commit)]


def _nothing_sent_again() -> list[Change]:
    return [(ConsensusGossip, "_send_again", _no_op)]


def _evidence_not_gossiped() -> list[Change]:
    return [(relay.EvidenceRelay, "_tell", _no_op)]


def _conflicts_not_reported() -> list[Change]:
    return [(host.ConsensusHost, "_report_conflict", _no_op)]


def _synced_blocks_believed() -> list[Change]:
    return [(service, "judge", lambda state, candidate: None)]


def _application_not_replayed() -> list[Change]:
    return [(handshake.Handshake, "_replay", lambda self, height, until, app_hash: app_hash)]


def _four(profile: Profile) -> Profile:
    return replace(profile, validators=4, liars=profile.liars[:1] and (1,))


def _with_liar(profile: Profile) -> Profile:
    return replace(profile, validators=4, liars=(1,), is_town=False)


def _shared(profile: Profile) -> Profile:
    return replace(_deadly(profile), has_own_store=False)


def _split(profile: Profile) -> Profile:
    return replace(_deadly(profile), has_own_store=True)


def _deadly(profile: Profile) -> Profile:
    """Processes end in the middle of their writes, over and over."""
    kinds = ("end at operation", "kill", "power cut")
    return replace(_four(profile), is_town=False, faults=8, kinds=kinds)


PLANTED = (
    Planted("log not synced", frozenset({"S4"}), _wal_sync_skipped),
    Planted("fsync error swallowed", frozenset({"S4"}), _fsync_error_swallowed),
    Planted("torn tail refused", frozenset({"R1"}), _torn_tail_refused),
    Planted("signer state not saved", frozenset({"S4"}), _signer_state_not_saved),
    Planted("replay signs again", frozenset({"S3"}), _signer_forgets_at_start, profile=_deadly),
    Planted(
        "replayed votes sent before the signer is durable",
        frozenset({"S4"}),
        _replayed_votes_sent_before_flush,
        profile=_deadly,
        seeds=40,
    ),
    Planted("sent before logged", frozenset({"S4"}), _sent_before_logged),
    Planted(
        "commit order swapped",
        frozenset({"R1"}),
        _application_commits_before_block,
        profile=_split,
    ),
    Planted(
        "block and state in two writes",
        frozenset({"R1", "S2"}),
        _block_and_state_in_two_writes,
        profile=_shared,
        seeds=60,
    ),
    Planted("nothing sent again", frozenset({"L1"}), _nothing_sent_again),
    Planted(
        "evidence not gossiped",
        frozenset({"E1"}),
        _evidence_not_gossiped,
        profile=_with_liar,
        tricks=("equivocate votes",),
        seeds=40,
    ),
    Planted(
        "conflicts not reported",
        frozenset({"E1"}),
        _conflicts_not_reported,
        profile=_with_liar,
        tricks=("equivocate votes",),
    ),
    Planted(
        "synced blocks believed",
        frozenset({"R1", "S1", "S2"}),
        _synced_blocks_believed,
        profile=_with_liar,
        tricks=("lie in block sync",),
        seeds=60,
    ),
    Planted(
        "application not replayed at start",
        frozenset({"R1"}),
        _application_not_replayed,
        profile=_split,
        seeds=60,
    ),
)


@contextmanager
def planted(changes: list[Change]) -> Iterator[None]:
    """The code with the bug, then without it again."""
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    for owner, name, bad in changes:
        setattr(owner, name, bad)
    try:
        yield
    finally:
        for owner, name, good in kept:
            setattr(owner, name, good)


def hunt(bug: Planted, at_most: int | None = None) -> tuple[int, Outcome] | None:
    """(seeds it took, the violated run); None when it got away."""
    for number in range(1, 1 + (at_most or bug.seeds)):
        profile = bug.profile(_four(draw_profile(random.Random(f"full node {number}"))))
        with planted(bug.changes()):
            outcome = Run(number, profile=profile, tricks=bug.tricks).play()
        if any(code in bug.codes for code, _ in outcome.violations):
            return number, outcome
    return None


def main(names: list[str]) -> int:
    missed = 0
    for bug in PLANTED:
        if names and bug.name not in names:
            continue
        found = hunt(bug)
        if found is None:
            missed += 1
            print(f"MISSED  {bug.name}: {bug.seeds} seeds", flush=True)
            continue
        took, outcome = found
        code, detail = next(v for v in outcome.violations if v[0] in bug.codes)
        print(
            f"killed  {bug.name}: {code} after {took} seeds: {detail.splitlines()[0][:110]}",
            flush=True,
        )
    print(f"{len(PLANTED) - missed if not names else ''} killed, {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
