"""Reading misbehaviour out of a running town: when it was seen, committed, and what became of the power."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chain.codec.proto import decode
from chain.node.home import Home
from chain.store.wal import HEAD, scan
from chain.types.block import BlockID, Vote
from chain.types.messages import ConsensusMessage, MsgInfo, TimedWALMessage, VoteMessage
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


def logged_votes(home: Home) -> list[Vote]:
    """Every vote in a node's newest log: its own, and what others put on the wire, as it took them."""
    found = []
    for payload in scan((home.data / "cs.wal" / HEAD).read_bytes()).payloads:
        match decode(TimedWALMessage, payload).msg.value:
            case MsgInfo(ConsensusMessage(VoteMessage(vote)), _):
                found.append(vote)
            case _:
                pass
    return found


def find_contradictions(homes: Iterable[Home]) -> set[bytes]:
    """Addresses of those who voted for two things at one place, in all the logs together."""
    said: dict[tuple[bytes, int, int, int], set[BlockID]] = defaultdict(set)
    for home in homes:
        for vote in logged_votes(home):
            place = (vote.validator_address, vote.height, vote.round, int(vote.type))
            said[place].add(vote.block_id)
    return {place[0] for place, blocks in said.items() if len(blocks) > 1}


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
