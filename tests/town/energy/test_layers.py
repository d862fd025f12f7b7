"""Chunks of a step's tree give the root and the very paths that the whole tree gives."""

import pytest

from chain.codec.merkle import merkle_proofs, merkle_root, verify_merkle_proof
from chain.town.energy.layers import FAN, cut_layers, name_chunks, read_path


def leaves_of(count: int) -> list[bytes]:
    return [f"leaf {number}".encode() for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 255, 256, 257, 300, 511, 512, 513, 1_025, 2_000])
def test_root_and_paths_are_those_of_the_whole_tree(count: int) -> None:
    leaves = leaves_of(count)
    layers = cut_layers(leaves)
    root, proofs = merkle_proofs(leaves)
    assert layers.root == root == merkle_root(leaves)
    for index in {*range(0, count, 37), count // 2, count - 1, min(count - 1, 256)}:
        found = read_path(count, index, lambda level, chunk: layers.chunks[level][chunk])
        assert found == (root, proofs[index])
        assert verify_merkle_proof(found[1], root, leaves[index])


def test_a_third_level_stands_above_65_536_leaves() -> None:
    leaves = leaves_of(FAN * FAN + 1)
    layers = cut_layers(leaves)
    assert [len(level) for level in layers.chunks] == [FAN + 1, 2, 1]
    for index in (0, FAN * FAN - 1, FAN * FAN):
        found = read_path(len(leaves), index, lambda level, chunk: layers.chunks[level][chunk])
        assert found is not None
        assert found[0] == merkle_root(leaves)
        assert verify_merkle_proof(found[1], found[0], leaves[index])


@pytest.mark.parametrize(
    ("total", "chunks"), [(5, 1), (256, 1), (257, 2), (65_536, 2), (65_537, 3)]
)
def test_a_path_goes_through_one_chunk_of_each_level(total: int, chunks: int) -> None:
    named = name_chunks(total, total - 1)
    assert len(named) == chunks
    assert [level for level, _ in named] == list(range(chunks))
    assert named[0] == (0, (total - 1) // FAN)


def test_a_chunk_that_is_short_or_long_gives_no_path() -> None:
    layers = cut_layers(leaves_of(300))
    for spoil in (b"", layers.chunks[0][0][:-32], layers.chunks[0][0] + b"0" * 32):
        assert read_path(300, 5, lambda level, chunk, raw=spoil: raw) is None
