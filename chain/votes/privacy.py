"""When anonymous transactions leave the phone and the relay, so that their times say nothing about whose they are.

One place for the figures and the draws that the voter's client, the relay and the linkage simulation share:

- **registration**: the client hands it to a relay at its first opening after issuance (at least 24 h after the
  request), with a time to release it, drawn uniformly over the last part of the registration window; the relay
  holds it. Whatever the API saw of the citizen's sessions, the release says nothing of them.
- **ballots and spoils**: sent after a random delay of 0 to 30 minutes, at once (with a warning) in the last hour.
- **relay**: releases what it holds at round times, everything of a round in the order of its hashes.
- **trackers**: asked for by a prefix that many share.

A delay hides a moment, not a habit: who opens an authenticated session and votes in the same minutes can be matched
by it (measured in `tests/votes/linkage`). The client therefore loads everything the voting pages need beforehand,
opens no session for them, and none while something waits to be sent.

All times are unix seconds of header time. Pure: chance is an argument.
Source: PROTOCOL §8 (relays, windows); research/voting.md §7.4 (timing correlation).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from chain.crypto.randomness import RandomBytes, draw_below

SEND_DELAY_MAX_S: Final = 30 * 60
"""A ballot waits a time drawn from [0, this]."""
LAST_HOUR_S: Final = 3_600
"""So shortly before the end nothing waits any more: a late ballot is worse than a guess at its sender."""
ISSUE_REST_S: Final = 24 * 3_600
"""Between the request and the handing over of the registration, at least."""
RELEASE_PART_S: Final = 2 * 24 * 3_600
"""Registrations are released in the last two days of their window, or in its last half when it is shorter than four;
the days before are for phones to be opened."""
RELEASE_MARGIN_S: Final = 2 * 3_600
"""No release is drawn in the last two hours of the window: time to see that a relay failed, and to use another."""
BATCH_S: Final = 10 * 60
"""A relay releases at multiples of this."""
TRACKER_BUCKET_MIN: Final = 100
"""Trackers that share the prefix one may ask for (PROTOCOL §8)."""

_TRACKER_PREFIX_MAX_CHARS: Final = 4


@dataclass(frozen=True, slots=True)
class Window:
    """A phase of an election: from `opens_s` on, and no longer at `closes_s`."""

    opens_s: int
    closes_s: int

    def __post_init__(self) -> None:
        assert self.opens_s < self.closes_s, "a window opens before it closes"

    def holds(self, time_s: int) -> bool:
        """Whether the phase lasts at that time."""
        return self.opens_s <= time_s < self.closes_s


def is_last_hour(window: Window, now_s: int) -> bool:
    """Whether the client warns that what is sent now goes without delay."""
    return now_s >= window.closes_s - LAST_HOUR_S


def draw_send_delay_s(window: Window, now_s: int, draw: RandomBytes) -> int:
    """How long a ballot or spoil waits on the phone: uniform over [0, 30 min]; 0 in the last hour."""
    return 0 if is_last_hour(window, now_s) else draw_below(SEND_DELAY_MAX_S + 1, draw)


def may_hand_over_registration(window: Window, requested_s: int, now_s: int) -> bool:
    """Whether the client, opened now, hands its registration to a relay."""
    return window.holds(now_s) and now_s >= requested_s + ISSUE_REST_S


def draw_registration_release_s(window: Window, now_s: int, draw: RandomBytes) -> int:
    """When a relay may pass a registration on: uniform over the release part, or over what is left of it.

    Handed over before that part begins, the time depends on nothing the citizen did. `now_s` when it is too late
    to wait.
    """
    part_s = min(RELEASE_PART_S, (window.closes_s - window.opens_s) // 2)
    last_s = window.closes_s - min(RELEASE_MARGIN_S, part_s // 2)
    first_s = max(window.closes_s - part_s, now_s)
    return first_s + draw_below(last_s - first_s, draw) if first_s < last_s else now_s


def next_batch_s(window: Window, release_s: int) -> int:
    """When the relay passes on what may leave from `release_s` on: the next round time, at once in the last hour."""
    if is_last_hour(window, release_s):
        return release_s
    return min(-(-release_s // BATCH_S) * BATCH_S, window.closes_s - LAST_HOUR_S)


def sort_batch(transactions: Iterable[bytes]) -> tuple[bytes, ...]:
    """One round's transactions in the order of their hashes, each once: nothing of the order they came in is left."""
    return tuple(sorted(set(transactions), key=lambda raw: sha256(raw).digest()))


def tracker_prefix_chars(trackers: Sequence[str]) -> int:
    """First characters of a tracker one may ask for: each group that exists holds 100; 0 means the whole list."""
    for size in range(_TRACKER_PREFIX_MAX_CHARS, 0, -1):
        groups: dict[str, int] = {}
        for tracker in trackers:
            groups[tracker[:size]] = groups.get(tracker[:size], 0) + 1
        if groups and min(groups.values()) >= TRACKER_BUCKET_MIN:
            return size
    return 0
