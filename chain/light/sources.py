"""How the pure light client asks for blocks: it yields a `Fetch`, and is sent the answer.

Whoever drives it performs the fetch over RPC, peers or files; see `chain.sync.light_fetch` and `app.cli.light`.
Reads: nothing.  Writes: nothing.  Never: I/O.
"""

from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, TypeVar

from chain.types.evidence import LightBlock
from chain.types.primitives import Height

LATEST: Height = 0
"""Asks for the newest light block of a source."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Get one light block from one source, after a pause when `after_ns` is not zero."""

    source: str
    height: Height
    after_ns: int = 0


class Missing(StrEnum):
    """Why a source brought no light block (CometBFT `light/provider/errors.go`)."""

    NO_RESPONSE = "no response"
    NOT_FOUND = "it has no such block"
    TOO_HIGH = "it is not that far"
    BAD_BLOCK = "what it sent is no light block of that height"

    def is_benign(self) -> bool:
        """Whether an honest source may answer so."""
        return self is not Missing.BAD_BLOCK


Answer: TypeAlias = LightBlock | Missing
ResultT = TypeVar("ResultT")
Steps: TypeAlias = Generator[Fetch, Answer, ResultT]


def fetch_at(source: str, height: Height, after_ns: int = 0) -> Steps[Answer]:
    """One fetch, its answer held to the height that was asked."""
    answer = yield Fetch(source, height, after_ns)
    if isinstance(answer, LightBlock) and height not in (LATEST, height_of(answer)):
        return Missing.BAD_BLOCK
    return answer


def height_of(block: LightBlock) -> Height:
    """The height a light block says."""
    return block.signed_header.header.height
