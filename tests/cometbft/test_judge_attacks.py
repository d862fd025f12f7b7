"""Evidence of light-client attacks of every kind: made by us, judged by us and by CometBFT's own code, alike."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from chain.codec.tables import EVIDENCE
from chain.crypto.ed25519 import derive_public
from chain.crypto.light_attack import make_light_attack
from chain.execution.light_attack import AttackFacts, verify_light_attack
from chain.sync.light_source import load_light_block
from chain.types.block import SignedHeader
from chain.types.evidence import LightBlock, LightClientAttackEvidence
from tests.cometbft.judge import Judge
from tests.light.sources import resigned
from tests.node.virtual import seed_of
from tests.sync.kit import SEEDS, Chain, new_chain

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("cometbft")]
COMMON, AT, TIP = 4, 9, 12
LEAVES = b"val:%s=0" % derive_public(seed_of(3)).hex().encode()


@pytest.fixture(scope="module")
def judge(cometbft) -> Iterator[Judge]:
    with Judge() as asked:
        yield asked


@cache
def chain() -> Chain:
    """Four validators, three from height 8 on."""
    made = new_chain(4)
    made.signing = SEEDS
    made.grow(TIP, lambda height: (LEAVES,) if height == 6 else (b"k%d=v" % height,))
    return made


def block_at(height: int) -> LightBlock:
    found = load_light_block(chain().node.stores.blocks, chain().node.stores.states, height)
    assert found is not None
    return found


def lying(
    header_changes: dict[str, bytes], round_: int = 0, signers: int | None = None
) -> LightBlock:
    """Another block of height AT, signed by the real validators of that height."""
    block = block_at(AT)
    header = replace(block.signed_header.header, **header_changes)
    return resigned(header, block.validator_set, round_, signers)


def attack(conflicting: LightBlock, common_height: int) -> LightClientAttackEvidence:
    common = block_at(common_height)
    return make_light_attack(
        conflicting,
        chain_id=chain().doc.chain_id,
        common_height=common_height,
        common_time=common.signed_header.header.time,
        common=common.validator_set,
        ours=block_at(AT).signed_header,
    )


LUNATIC = {"app_hash": b"\7" * 32}
OTHER = {"data_hash": b"\7" * 32}


def cases() -> dict[str, LightClientAttackEvidence]:
    lunatic = attack(lying(LUNATIC), COMMON)
    return {
        "lunatic": lunatic,
        "lunatic by three of four": attack(lying(LUNATIC, signers=3), COMMON),
        "equivocation": attack(lying(OTHER), AT),
        "amnesia": attack(lying(OTHER, round_=1), AT),
        "a lunatic that says equivocation": attack(lying(LUNATIC), AT),
        "too few signatures": attack(lying(LUNATIC, signers=1), COMMON),
        "another total": replace(lunatic, total_voting_power=lunatic.total_voting_power + 1),
        "nobody named": replace(lunatic, byzantine_validators=()),
        "one named too few": replace(
            lunatic, byzantine_validators=lunatic.byzantine_validators[:-1]
        ),
        "no attack": attack(block_at(AT), AT),
    }


TRUE = {"lunatic", "lunatic by three of four", "equivocation", "amnesia"}
ONLY_OURS = {
    "amnesia": "expected nil validators from an amnesia light client attack but got 0",
}
"""CometBFT v0.38.26 wants a nil slice and its own decoder makes an empty one (`types/evidence.go`), so it refuses
every amnesia evidence that came over the wire. It names nobody, hence punishes nobody: nothing depends on it here."""


def ours_of(evidence: LightClientAttackEvidence) -> object:
    common = block_at(evidence.common_height)
    trusted: SignedHeader = block_at(AT).signed_header
    facts = AttackFacts(
        chain().doc.chain_id, common.signed_header.header.time, common.validator_set, trusted
    )
    return verify_light_attack(evidence, facts)


@pytest.mark.parametrize("name", [*sorted(TRUE), *sorted(set(cases()) - TRUE)])
def test_an_attack_is_judged_alike_but_for_what_is_listed(judge, name):
    evidence = cases()[name]
    ours = ours_of(evidence)
    common = block_at(evidence.common_height)
    theirs = judge.ask(
        "attack",
        evidence=EVIDENCE.encode(evidence),
        common=common.signed_header,
        trusted=block_at(AT).signed_header,
        validators=common.validator_set,
    )
    assert (ours is None) == (name in TRUE), ours
    assert theirs.ok == (name in TRUE and name not in ONLY_OURS), theirs.why
    assert ONLY_OURS.get(name, theirs.why) == theirs.why
