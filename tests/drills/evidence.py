"""Reading misbehaviour out of a running town: when it was seen, committed, and what became of the power."""

from dataclasses import dataclass

from tests.node.four import Validator


@dataclass(frozen=True, slots=True)
class Found:
    """The first evidence against somebody in a chain."""

    offence: int
    """Height of the conflicting votes."""
    committed: int
    """Height of the block that carries the evidence."""
    voter: str
    """Address, upper-case hex."""


def find_evidence(node: Validator, first: int = 1, voter: str = "") -> Found | None:
    """The oldest duplicate-vote evidence (against `voter`, if given) in blocks from `first` on."""
    for height in range(first, node.height() + 1):
        block = node.call("block", height=str(height))["block"]
        for item in block["evidence"]["evidence"] or ():
            vote = item["value"].get("vote_a")
            if vote and voter in ("", vote["validator_address"]):
                return Found(int(vote["height"]), height, vote["validator_address"])
    return None
