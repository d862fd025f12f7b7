"""Gathering whole blocks of one height from parts that come in any order, or before anybody named their block."""

from chain.codec.errors import DecodeError
from chain.codec.hashing import PartSet, hash_header, part_belongs
from chain.codec.proto import decode
from chain.limits import EARLY_PARTS_MAX, PART_SETS_MAX
from chain.node.executor import BuiltBlock
from chain.types.block import Block, BlockID, Part, PartSetHeader


class BlockParts:
    """Parts and whole blocks of one height."""

    def __init__(self) -> None:
        self._wanted: dict[BlockID, dict[int, Part]] = {}
        self._early: list[Part] = []
        self.blocks: dict[BlockID, BuiltBlock] = {}
        """Whole blocks, whatever their validity."""
        self.broken: set[BlockID] = set()
        """Ids whose parts came together but are not the block they name."""

    def keep(self, built: BuiltBlock) -> None:
        """Add a whole block, such as our own."""
        self.blocks[built.block_id] = built

    def held_parts(self, block_id: BlockID) -> tuple[bool, ...]:
        """Which parts of a block are here, by index."""
        total = block_id.part_set_header.total
        held = range(total) if block_id in self.blocks else self._wanted.get(block_id, {})
        return tuple(index in held for index in range(total))

    def want(self, block_id: BlockID) -> bool:
        """Begin to gather a block; True when parts that came early complete it (or show it broken)."""
        if block_id in self.blocks or block_id in self.broken:
            return True
        if len(self._wanted) >= PART_SETS_MAX:
            return False
        self._wanted.setdefault(block_id, {})
        return any(self._place(block_id, part) for part in self._early)

    def is_new(self, part: Part) -> bool:
        """Whether `add` would keep the part: callers ask before they log 64 KiB."""
        if any(
            part.index not in held and part_belongs(block_id.part_set_header, part)
            for block_id, held in self._wanted.items()
        ):
            return True
        return len(self._early) < EARLY_PARTS_MAX and part not in self._early

    def missing(self) -> tuple[tuple[BlockID, tuple[bool, ...]], ...]:
        """Blocks being gathered, each with which of its parts are here."""
        return tuple(
            (block_id, tuple(i in held for i in range(block_id.part_set_header.total)))
            for block_id, held in self._wanted.items()
        )

    def find(self, header: PartSetHeader) -> PartSet | None:
        """The parts of a whole block by the name of its cut, or None."""
        for block_id, built in self.blocks.items():
            if block_id.part_set_header == header:
                return built.parts
        return None

    def add(self, part: Part) -> tuple[BlockID, ...]:
        """Take in one part; ids of blocks that it completed or showed broken."""
        finished = tuple(
            block_id for block_id in tuple(self._wanted) if self._place(block_id, part)
        )
        if len(self._early) < EARLY_PARTS_MAX and part not in self._early:
            self._early.append(part)
        return finished

    def _place(self, block_id: BlockID, part: Part) -> bool:
        """Put a part where it belongs; True when the set is whole now."""
        held = self._wanted.get(block_id)
        header = block_id.part_set_header
        if held is None or part.index in held or not part_belongs(header, part):
            return False
        held[part.index] = part
        if len(held) < header.total:
            return False
        del self._wanted[block_id]
        self._finish(block_id, tuple(held[index] for index in range(header.total)))
        return True

    def _finish(self, block_id: BlockID, parts: tuple[Part, ...]) -> None:
        encoded = b"".join(part.bytes for part in parts)
        try:
            block = decode(Block, encoded)
        except DecodeError:
            self.broken.add(block_id)
            return
        if hash_header(block.header) != block_id.hash:
            self.broken.add(block_id)
            return
        parts_set = PartSet(block_id.part_set_header, parts)
        self.blocks[block_id] = BuiltBlock(block, block_id, parts_set, encoded)
