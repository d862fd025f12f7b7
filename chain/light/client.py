"""A light client: trusts one header, verifies others by signatures, and never believes a single source.

Pure: every method that needs blocks is a generator of `Fetch` (see `sources`); time is handed in. Trust begins with
a header hash that somebody vouches for, with a file of an earlier run, or with the validators of a genesis.
Source: CometBFT 0.38 `light/client.go`.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from chain.codec.hashing import hash_validators
from chain.crypto.keys import address
from chain.crypto.light_forms import light_block_form
from chain.light.bisection import (
    Failure,
    Mode,
    Trace,
    verify_forwards,
    verify_hash_chain,
)
from chain.light.detector import Attack, Detection, block_hash, detect_divergence
from chain.light.sources import LATEST, Missing, Steps, fetch_at, height_of
from chain.light.verifier import TrustOptions, majority_flaw
from chain.limits import LIGHT_BLOCKS_KEPT
from chain.types.evidence import LightBlock
from chain.types.params import GenesisDoc
from chain.types.primitives import Hash, Height
from chain.types.timestamp import Timestamp
from chain.types.validator import Validator, new_validator_set


@dataclass(frozen=True, slots=True)
class Verified:
    """A light block that may be trusted, and the blocks it took, from the one trusted before."""

    block: LightBlock
    trace: Trace


Outcome: TypeAlias = Verified | Failure | Attack


@dataclass(frozen=True, slots=True)
class HashRoot:
    """Trust in one header, named by its hash."""

    height: Height
    hash: Hash


@dataclass(frozen=True, slots=True)
class GenesisRoot:
    """Trust in the validators of a genesis: they decide the first block, which has the genesis time."""

    doc: GenesisDoc


TrustRoot: TypeAlias = HashRoot | GenesisRoot | LightBlock


@dataclass(slots=True)
class LightClient:
    """One client; `primary` and `witnesses` are names of sources.

    With no witness nothing is compared, and a primary that holds a third of the power can deceive: the caller
    says so to its user.
    """

    chain_id: str
    primary: str
    witnesses: tuple[str, ...] = ()
    options: TrustOptions = field(default_factory=TrustOptions)
    mode: Mode = Mode.SKIPPING
    trusted: dict[Height, LightBlock] = field(default_factory=dict)
    """Verified blocks by height; the oldest and the newest ones are kept."""
    removed: list[tuple[str, str]] = field(default_factory=list)
    """Sources given up, with the reason."""

    # --- trust -----------------------------------------------------------------------------

    def begin(self, root: TrustRoot) -> Steps[Outcome]:
        """Fetch and judge the first trusted block."""
        if isinstance(root, LightBlock):
            flaw = light_block_form(root, self.chain_id) or majority_flaw(root)
            return Failure(height_of(root), flaw) if flaw else self._keep((root,))
        height = root.height if isinstance(root, HashRoot) else root.doc.initial_height
        while True:
            answer = yield from fetch_at(self.primary, height)
            if not isinstance(answer, Missing):
                break
            if not self._replace_primary(str(answer)):
                return Failure(height, f"{self.primary}: {answer}", answer.is_benign())
        flaw = light_block_form(answer, self.chain_id) or _root_flaw(root, answer)
        flaw = flaw or majority_flaw(answer)
        if flaw:
            return Failure(height, flaw)
        contradicted = yield from self._compare_roots(root, answer)
        return contradicted or self._keep((answer,))

    def _compare_roots(
        self, root: HashRoot | GenesisRoot, first: LightBlock
    ) -> Steps[Failure | None]:
        """A witness that shows another first block is dropped, unless that one is as well founded."""
        for witness in self.witnesses:
            answer = yield from fetch_at(witness, height_of(first))
            if isinstance(answer, Missing) or block_hash(answer) == block_hash(first):
                continue
            flaw = light_block_form(answer, self.chain_id) or _root_flaw(root, answer)
            flaw = flaw or majority_flaw(answer)
            if not flaw:
                return Failure(height_of(first), f"{witness} shows another first block, signed too")
            self._note(Detection(removed=((witness, f"another first block: {flaw}"),)))
        return None

    # --- verify ----------------------------------------------------------------------------

    def verify_latest(self, now: Timestamp) -> Steps[Outcome]:
        """Verify the newest block of the primary; an older one than we trust changes nothing.

        A primary that brings nothing is replaced as in `verify_height`.
        """
        while True:
            answer = yield from fetch_at(self.primary, LATEST)
            if not isinstance(answer, Missing):
                break
            if not self._replace_primary(str(answer)):
                return Failure(LATEST, f"{self.primary}: {answer}", answer.is_benign())
        newest = self.trusted[max(self.trusted)]
        if height_of(answer) <= height_of(newest):
            return Verified(newest, (newest,))
        return (yield from self.verify_height(height_of(answer), now))

    def verify_height(self, height: Height, now: Timestamp) -> Steps[Outcome]:
        """Verify one height, from the nearest trusted block below it, else backwards from the lowest.

        A primary that brings nothing, or something false, is replaced by a witness while one is left.
        """
        assert self.trusted, "trust begins with `begin`"
        if height in self.trusted:
            return Verified(self.trusted[height], (self.trusted[height],))
        while True:
            outcome = yield from self._verify_with_primary(height, now)
            if not isinstance(outcome, Failure):
                return outcome
            if not self._replace_primary(outcome.reason):
                return outcome

    def _verify_with_primary(self, height: Height, now: Timestamp) -> Steps[Outcome]:
        lowest = min(self.trusted)
        if height < lowest:
            trace = yield from verify_hash_chain(
                self.primary, self.trusted[lowest], height, self.options, now
            )
            return trace if isinstance(trace, Failure) else self._keep(trace)
        target = yield from fetch_at(self.primary, height)
        if isinstance(target, Missing):
            return Failure(height, str(target), target.is_benign())
        start = self.trusted[max(h for h in self.trusted if h < height)]
        trace = yield from verify_forwards(
            self.mode, self.primary, start, target, self.options, now
        )
        if isinstance(trace, Failure):
            return trace
        return (yield from self._cross_check(trace, now))

    def _cross_check(self, trace: Trace, now: Timestamp) -> Steps[Outcome]:
        if not self.witnesses:
            return self._keep(trace)
        found = yield from detect_divergence(self.primary, self.witnesses, trace, self.options, now)
        if isinstance(found, Attack):
            return found
        self._note(found)
        if not found.agreeing:
            return Failure(height_of(trace[-1]), "no witness confirms it")
        return self._keep(trace)

    # --- book-keeping ------------------------------------------------------------------------

    def _note(self, found: Detection) -> None:
        gone = {name for name, _ in found.removed}
        self.removed += found.removed
        self.witnesses = tuple(name for name in self.witnesses if name not in gone)

    def _replace_primary(self, reason: str) -> bool:
        """Promote the first witness; one must be left to compare with."""
        if len(self.witnesses) < 2:
            return False
        self.removed.append((self.primary, reason))
        self.primary, self.witnesses = self.witnesses[0], self.witnesses[1:]
        return True

    def _keep(self, trace: Trace) -> Verified:
        """Trust the end of a trace, and what it leaned on."""
        for block in trace:
            self.trusted[height_of(block)] = block
        kept = sorted(self.trusted)
        for height in kept[1 : max(1, len(kept) - LIGHT_BLOCKS_KEPT)]:
            del self.trusted[height]
        return Verified(trace[-1], trace)


def _root_flaw(root: HashRoot | GenesisRoot, block: LightBlock) -> str:
    header = block.signed_header.header
    if isinstance(root, HashRoot):
        return "" if block_hash(block) == root.hash else "not the header that is trusted"
    members = tuple(Validator(address(v.pub_key), v.pub_key, v.power) for v in root.doc.validators)
    if header.validators_hash != hash_validators(new_validator_set(members).validators):
        return "its validators are not those of the genesis"
    return "" if header.time == root.doc.genesis_time else "its time is not the genesis time"
