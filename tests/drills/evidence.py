"""Reading misbehaviour out of a running town: when it was seen, committed, and what became of the power."""

import re
from collections.abc import Sequence
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


def height_when_seen(nodes: Sequence[Validator], voter: str) -> int:
    """Newest decided height of the correct node that first held two conflicting votes of `voter`, at that moment."""
    first: tuple[str, int] | None = None
    for node in nodes:
        height = 0
        for line in node.log.read_text().splitlines():
            if found := re.search(r"event=committed height=(\d+)", line):
                height = int(found[1])
            elif "conflicting votes" in line and voter.lower() in line:
                at = line.split()[0]
                first = (at, height) if first is None or at < first[0] else first
                break
    assert first is not None, "nobody noticed a conflict"
    return first[1]
