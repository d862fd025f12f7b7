"""Which block a commit proves, and who lied: pure, without network or clock."""

from dataclasses import replace

from chain.codec.hashing import hash_data
from chain.sync.proof import Blame, Candidate, judge, name_fetched
from chain.types.block import Data
from tests.sync.kit import SEEDS, new_chain


def next_block():
    """The state before a block, and the block with the commit of all four that decided it."""
    chain = new_chain()
    chain.signing = SEEDS
    chain.grow(3)
    before = chain.state
    chain.grow(1, lambda height: (b"k%d=v" % height,))
    blocks = chain.node.stores.blocks
    fetched = name_fetched(blocks.load(4).block)
    return before, Candidate(fetched, "sender", blocks.load_seen_commit(4), "witness")


def forge(candidate):
    """Another block of the height, whole in itself: nobody signed it."""
    block, data = candidate.fetched.block, Data((b"stolen=everything",))
    header = replace(block.header, data_hash=hash_data(data.txs))
    return name_fetched(replace(block, data=data, header=header))


def test_a_block_with_the_commit_that_decided_it_is_believed():
    state, candidate = next_block()
    assert judge(state, candidate) is None


def test_another_block_under_an_honest_commit_convicts_who_sent_the_block():
    state, candidate = next_block()
    blame = judge(state, replace(candidate, fetched=forge(candidate)))
    assert blame == Blame("sender", "block 4 is not the one decided")


def test_a_commit_with_any_spoiled_signature_convicts_who_sent_the_commit():
    state, candidate = next_block()
    lines = candidate.commit.signatures
    for index, line in enumerate(lines):
        spoiled = replace(line, signature=line.signature[:-1] + bytes([line.signature[-1] ^ 1]))
        commit = replace(
            candidate.commit, signatures=(*lines[:index], spoiled, *lines[index + 1 :])
        )
        blame = judge(state, replace(candidate, commit=commit))
        assert blame is not None, f"line {index}"
        assert blame.peer == "witness"


def test_a_commit_of_a_block_nobody_signed_proves_not_even_that_block():
    """The liar names its own block in the commit: both fit each other, and no signature fits them."""
    state, candidate = next_block()
    forged = forge(candidate)
    commit = replace(candidate.commit, block_id=forged.block_id)
    blame = judge(state, replace(candidate, fetched=forged, commit=commit))
    assert blame is not None
    assert blame.peer == "witness"
