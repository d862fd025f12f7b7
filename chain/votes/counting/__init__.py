"""From decrypted numbers to a decision: the counting rules of each kind of vote, published before anybody votes.

A rulebook says what voters decide and how it is counted. It is canonical JSON, its hash stands in the election, and
from it follow the Belenios questions: whoever holds the archive and the rulebook computes the same outcome.

Every kind is homomorphic: single ballots are never opened, so only rules on sums are possible. Ranking votes
(Schulze, STV) and equal shares need each ballot in clear, hence a mixnet, and are not offered.

Never: I/O, clock, chance, floats. A tie is resolved by an order that the rulebook publishes.
"""

from chain.votes.counting.outcome import Line, Outcome, count_result
from chain.votes.counting.rules import (
    Approval,
    Budget,
    Grade,
    Item,
    MajorityJudgment,
    Rules,
    Score,
    Single,
    YesNo,
    derive_order,
    encode_rules,
    make_questions,
    read_rules,
)

__all__ = [
    "Approval",
    "Budget",
    "Grade",
    "Item",
    "Line",
    "MajorityJudgment",
    "Outcome",
    "Rules",
    "Score",
    "Single",
    "YesNo",
    "count_result",
    "derive_order",
    "encode_rules",
    "make_questions",
    "read_rules",
]
