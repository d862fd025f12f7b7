"""What a node remembers of ballots it judged: the dear half of the work is done once, at CheckTx, not again in blocks.

A verdict depends on the sealed election and the ballot's bytes alone, and is kept under the hashes of both; so what is
remembered changes the cost of an answer, never the answer. A node may also be told verdicts that another process of
its own found (`remember`). Oldest leave first.
Reads: nothing.  Writes: nothing.  Never: state, time, or a verdict of somebody else's.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from chain.limits import VOTES_VERDICTS_KEPT
from chain.votes.ballot import check_answers, check_signature
from chain.votes.checks import Flaw
from chain.votes.election import Election
from chain.votes.formats import Ballot
from chain.votes.judging import Finding

Key = tuple[str, bytes]
"""Fingerprint of the election, SHA-256 of the ballot."""


@dataclass(slots=True)
class Verdicts:
    """Bounded memory of findings, None for a flawless half."""

    kept_max: int = VOTES_VERDICTS_KEPT
    _signatures: "OrderedDict[Key, Flaw | None]" = field(default_factory=OrderedDict)
    _answers: "OrderedDict[Key, Flaw | None]" = field(default_factory=OrderedDict)

    def judge_signature(self, election: Election, ballot: Ballot, digest: bytes) -> Flaw | None:
        """For this election, and signed by its credential: one double power."""
        key = (election.fingerprint, digest)
        if key not in self._signatures:
            self._keep(self._signatures, key, check_signature(election, ballot))
        return self._signatures[key]

    def judge_answers(self, election: Election, ballot: Ballot, digest: bytes) -> Flaw | None:
        """Form and proofs of all answers: nearly all the work."""
        key = (election.fingerprint, digest)
        if key not in self._answers:
            self._keep(self._answers, key, check_answers(election, ballot))
        return self._answers[key]

    def remember(self, key: Key, finding: Finding) -> None:
        """What another process of this node found."""
        self._keep(self._signatures, key, finding.signature)
        if finding.signature is None:
            self._keep(self._answers, key, finding.answers)

    def is_judged(self, key: Key) -> bool:
        """Whether nothing of it is left to judge."""
        if key not in self._signatures:
            return False
        return self._signatures[key] is not None or key in self._answers

    def _keep(self, held: "OrderedDict[Key, Flaw | None]", key: Key, flaw: Flaw | None) -> None:
        held[key] = flaw
        while len(held) > self.kept_max:
            held.popitem(last=False)


VERDICTS: Final = Verdicts()
"""This process's."""
