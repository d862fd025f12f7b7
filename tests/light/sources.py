"""Sources for the pure light client in tests: blocks by height, an honest or forged answer, every fetch counted."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any

from chain.codec.hashing import hash_header
from chain.codec.signbytes import commit_sign_bytes
from chain.crypto import ed25519
from chain.light.sources import Answer, Fetch, Missing
from chain.sync.light_source import load_light_block
from chain.types.block import BlockID, Commit, CommitSig, Header, PartSetHeader, SignedHeader
from chain.types.evidence import LightBlock
from chain.types.primitives import BlockIDFlag
from chain.types.validator import ValidatorSet
from tests.sync.kit import SEEDS, Chain

Source = Callable[[int], Answer]


@dataclass
class Net:
    """Named sources; `drive` runs the client's steps against them."""

    sources: dict[str, Source]
    fetches: list[tuple[str, int]] = field(default_factory=list)
    waits_ns: list[int] = field(default_factory=list)

    def drive(self, steps: Generator[Fetch, Answer, Any]) -> Any:
        answer: Answer | None = None
        while True:
            try:
                wanted = steps.send(answer)  # type: ignore[arg-type]
            except StopIteration as end:
                return end.value
            if wanted.after_ns:
                self.waits_ns.append(wanted.after_ns)
            self.fetches.append((wanted.source, wanted.height))
            answer = self.sources[wanted.source](wanted.height)


def honest(chain: Chain, tip: int | None = None) -> Source:
    """A full node over a chain, its newest block at `tip`."""
    stores = chain.node.stores
    top = tip or stores.blocks.height()

    def fetch(height: int) -> Answer:
        if height > top:
            return Missing.TOO_HIGH
        found = load_light_block(stores.blocks, stores.states, height or top)
        return Missing.NOT_FOUND if found is None else found

    return fetch


def resigned(
    header: Header, members: ValidatorSet, round_: int = 0, signers: int | None = None
) -> LightBlock:
    """A light block over any header, signed by its whole set (or its first `signers`)."""
    block_id = BlockID(hash_header(header), PartSetHeader(1, b"\x33" * 32))
    count = len(members.validators) if signers is None else signers
    lines = tuple(
        CommitSig(BlockIDFlag.COMMIT, m.address, header.time.plus_ns(10**9), b"\1")
        if index < count
        else CommitSig()
        for index, m in enumerate(members.validators)
    )
    bare = Commit(header.height, round_, block_id, lines)
    done = tuple(
        line
        if line.block_id_flag is BlockIDFlag.ABSENT
        else replace(
            line,
            signature=ed25519.sign(
                SEEDS[line.validator_address], commit_sign_bytes(header.chain_id, bare, index)
            ),
        )
        for index, line in enumerate(lines)
    )
    return LightBlock(SignedHeader(header, replace(bare, signatures=done)), members)


def forged(base: Source, forge: Callable[[LightBlock], Answer], start: int) -> Source:
    """An honest source up to `start`, and what `forge` makes of its blocks from there on."""

    def fetch(height: int) -> Answer:
        answer = base(height)
        if isinstance(answer, LightBlock) and answer.signed_header.header.height >= start:
            return forge(answer)
        return answer

    return fetch
