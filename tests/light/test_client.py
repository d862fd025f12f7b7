"""The light client on a real chain: leaps and single steps, changing sets, witnesses, every kind of attack."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from chain.codec.hashing import hash_header, hash_validators
from chain.crypto.ed25519 import derive_public
from chain.crypto.keys import address
from chain.crypto.light_attack import AttackKind, attack_kind
from chain.execution.light_attack import AttackFacts, verify_light_attack
from chain.light.bisection import Failure, Mode
from chain.light.client import GenesisRoot, HashRoot, LightClient, Verified
from chain.light.detector import Attack
from chain.light.sources import Answer, Missing
from chain.light.verifier import TrustOptions
from chain.sync.light_source import load_light_block
from chain.types.block import SignedHeader
from chain.types.evidence import LightBlock
from chain.types.timestamp import Timestamp
from chain.types.validator import Validator, new_validator_set
from tests.light.sources import Net, Source, forged, honest, resigned
from tests.node.virtual import seed_of
from tests.sync.kit import Chain, new_chain

TIP = 1_000


def replace_set(old: range, new: range) -> tuple[bytes, ...]:
    """Transactions after which the new validators decide alone."""
    return tuple(
        f"val:{derive_public(seed_of(i)).hex()}={power}".encode()
        for members, power in ((new, 10), (old, 0))
        for i in members
    )


@cache
def long_chain() -> Chain:
    """A thousand blocks by production code; all four validators are replaced at 300 and again at 650."""
    chain = new_chain(4)
    changes = {
        300: replace_set(range(4), range(4, 8)),
        650: replace_set(range(4, 8), range(8, 12)),
    }
    chain.grow(TIP, lambda height: changes.get(height, (b"k%d=v" % height,)[: height % 50 == 0]))
    return chain


def now_of(chain: Chain) -> Timestamp:
    return chain.state.last_block_time.plus_ns(5 * 10**9)


def block_at(chain: Chain, height: int) -> LightBlock:
    found = load_light_block(chain.node.stores.blocks, chain.node.stores.states, height)
    assert found is not None
    return found


def hash_at(chain: Chain, height: int) -> bytes:
    return hash_header(block_at(chain, height).signed_header.header)


def client_of(
    chain: Chain, *witnesses: str, mode: Mode = Mode.SKIPPING, **options: object
) -> LightClient:
    return LightClient(
        chain.doc.chain_id,
        "primary",
        witnesses,
        TrustOptions(**options),
        mode,  # type: ignore[arg-type]
    )


def begun(chain: Chain, net: Net, *witnesses: str, at: int = 1, **how: object) -> LightClient:
    client = client_of(chain, *witnesses, **how)  # type: ignore[arg-type]
    outcome = net.drive(client.begin(HashRoot(at, hash_at(chain, at))))
    assert isinstance(outcome, Verified), outcome
    return client


# --- honest sources ------------------------------------------------------------------------------


def test_knowing_only_the_genesis_validators_it_verifies_height_1000_after_two_replacements():
    chain = long_chain()
    sets = {block_at(chain, h).signed_header.header.validators_hash for h in (1, 500, 1_000)}
    assert len(sets) == 3
    for h, before, after in ((302, 301, 302), (652, 651, 652)):
        one, two = (
            {m.address for m in block_at(chain, x).validator_set.validators}
            for x in (before, after)
        )
        assert not one & two, h  # nobody stayed: no leap crosses the change
    net = Net({"primary": honest(chain), "witness": honest(chain)})
    client = client_of(chain, "witness")
    assert isinstance(net.drive(client.begin(GenesisRoot(chain.doc))), Verified)
    outcome = net.drive(client.verify_height(TIP, now_of(chain)))
    assert isinstance(outcome, Verified)
    assert hash_header(outcome.block.signed_header.header) == hash_at(chain, TIP)
    from_primary = sum(source == "primary" for source, _ in net.fetches)
    print(
        f"headers fetched from the primary: {from_primary} of {TIP}; on the trace: "
        f"{[b.signed_header.header.height for b in outcome.trace]}"
    )
    assert from_primary <= 30


def test_without_a_change_of_validators_one_leap_is_enough():
    chain = long_chain()
    net = Net({"primary": honest(chain)})
    client = begun(chain, net, at=700)
    net.drive(client.verify_height(TIP, now_of(chain)))
    assert net.fetches == [("primary", 700), ("primary", TIP)]


def test_step_by_step_it_fetches_every_header():
    chain = long_chain()
    net = Net({"primary": honest(chain)})
    client = begun(chain, net, at=640, mode=Mode.SEQUENTIAL)
    outcome = net.drive(client.verify_height(670, now_of(chain)))
    assert isinstance(outcome, Verified)
    assert len(net.fetches) == 31
    assert [b.signed_header.header.height for b in outcome.trace] == list(range(640, 671))


def test_backwards_it_follows_the_hashes():
    chain = long_chain()
    net = Net({"primary": honest(chain)})
    client = begun(chain, net, at=660)
    outcome = net.drive(client.verify_height(640, now_of(chain)))
    assert isinstance(outcome, Verified)
    assert hash_header(outcome.block.signed_header.header) == hash_at(chain, 640)


def test_backwards_a_header_that_is_not_the_parent_is_refused():
    chain = long_chain()

    def other(block: LightBlock) -> LightBlock:
        header = replace(block.signed_header.header, app_hash=b"\7" * 32)
        return resigned(header, block.validator_set)

    source = honest(chain)
    net = Net({"primary": lambda h: other(source(h)) if h == 655 else source(h)})  # type: ignore[arg-type]
    client = begun(chain, net, at=660)
    outcome = net.drive(client.verify_height(640, now_of(chain)))
    assert outcome == Failure(655, "not the parent that the trusted header names")


def test_between_two_trusted_heights_it_starts_from_the_lower_one():
    chain = long_chain()
    net = Net({"primary": honest(chain)})
    client = begun(chain, net, at=700)
    net.drive(client.verify_height(TIP, now_of(chain)))
    net.fetches.clear()
    net.drive(client.verify_height(900, now_of(chain)))
    assert net.fetches == [("primary", 900)]


def test_a_height_already_trusted_costs_nothing():
    chain = long_chain()
    net = Net({"primary": honest(chain)})
    client = begun(chain, net, at=700)
    net.fetches.clear()
    assert isinstance(net.drive(client.verify_height(700, now_of(chain))), Verified)
    assert net.fetches == []


def test_the_newest_block_is_found_and_verified():
    chain = long_chain()
    net = Net({"primary": honest(chain, 930), "w": honest(chain)})
    client = begun(chain, net, "w", at=700)
    outcome = net.drive(client.verify_latest(now_of(chain)))
    assert outcome.block.signed_header.header.height == 930


def test_a_primary_that_has_no_newest_block_to_show_is_replaced():
    chain = long_chain()
    is_dead = [False]
    source = honest(chain)
    dying = lambda h: Missing.NO_RESPONSE if is_dead[0] else source(h)  # noqa: E731
    net = Net({"primary": dying, "w": honest(chain, 930), "x": honest(chain, 930)})
    client = begun(chain, net, "w", "x", at=700)
    is_dead[0] = True
    outcome = net.drive(client.verify_latest(now_of(chain)))
    assert outcome.block.signed_header.header.height == 930
    assert client.primary == "w"


# --- what it refuses -----------------------------------------------------------------------------


def test_trust_expires():
    chain = long_chain()
    net = Net({"primary": honest(chain)})
    client = begun(chain, net, trusting_period_ns=10 * 10**9)
    outcome = net.drive(client.verify_height(TIP, now_of(chain)))
    assert outcome == Failure(TIP, "the trusted header has expired")


def test_a_header_from_the_future_is_refused():
    chain = long_chain()
    net = Net({"primary": honest(chain)})
    client = begun(chain, net)
    early = block_at(chain, 100).signed_header.header.time.plus_ns(-11 * 10**9)
    outcome = net.drive(client.verify_height(100, early))
    assert outcome == Failure(100, "a header from the future")


@pytest.mark.parametrize("wrong", ["hash", "height", "chain"])
def test_a_first_block_that_is_not_the_one_trusted_is_refused(wrong):
    chain = long_chain()
    source = honest(chain)
    net = Net({"primary": lambda h: source(h + 1) if wrong == "height" else source(h)})
    client = client_of(chain)
    if wrong == "chain":
        client.chain_id = "another"
    trusted = b"\1" * 32 if wrong == "hash" else hash_at(chain, 50)
    assert isinstance(net.drive(client.begin(HashRoot(50, trusted))), Failure)
    assert client.trusted == {}


def test_a_genesis_of_other_validators_or_another_time_is_refused():
    chain = long_chain()
    net = Net({"primary": honest(chain)})
    for doc in (
        replace(chain.doc, validators=chain.doc.validators[:3]),
        replace(chain.doc, genesis_time=Timestamp(1)),
    ):
        client = client_of(chain)
        assert isinstance(net.drive(client.begin(GenesisRoot(doc))), Failure)


def test_a_witness_with_another_block_than_the_hash_trusted_is_dropped():
    chain = long_chain()
    other = replace(block_at(chain, 50).signed_header.header, app_hash=b"\7" * 32)
    net = Net({"primary": honest(chain)})
    net.sources["w"] = lambda _h: resigned(other, block_at(chain, 50).validator_set)
    client = client_of(chain, "w")
    assert isinstance(net.drive(client.begin(HashRoot(50, hash_at(chain, 50)))), Verified)
    assert client.witnesses == ()


def test_two_first_blocks_signed_by_the_genesis_validators_are_both_refused():
    chain = long_chain()
    other = replace(block_at(chain, 1).signed_header.header, data_hash=b"\7" * 32)
    net = Net({"primary": honest(chain)})
    net.sources["w"] = lambda _h: resigned(other, block_at(chain, 1).validator_set)
    outcome = net.drive(client_of(chain, "w").begin(GenesisRoot(chain.doc)))
    assert isinstance(outcome, Failure)
    assert "another first block" in outcome.reason


def test_no_witness_that_answers_means_no_trust():
    chain = long_chain()
    net = Net({"primary": honest(chain), "w": honest(chain)})
    client = begun(chain, net, "w")
    net.sources["w"] = lambda _h: Missing.NO_RESPONSE
    outcome = net.drive(client.verify_height(200, now_of(chain)))
    assert outcome == Failure(200, "no witness confirms it")
    assert 200 not in client.trusted


def test_a_primary_that_is_silent_or_false_is_replaced_by_a_witness():
    chain = long_chain()
    for bad in (lambda _h: Missing.NO_RESPONSE, lambda _h: block_at(chain, 3)):
        net = Net({"primary": honest(chain), "w1": honest(chain), "w2": honest(chain)})
        client = begun(chain, net, "w1", "w2")
        net.sources["primary"] = bad
        outcome = net.drive(client.verify_height(200, now_of(chain)))
        assert isinstance(outcome, Verified)
        assert (client.primary, client.witnesses) == ("w1", ("w2",))
        assert [name for name, _ in client.removed] == ["primary"]


def test_a_pivot_that_is_missing_ends_the_walk_as_a_benign_failure():
    chain = long_chain()
    source = honest(chain)
    net = Net({"primary": lambda h: source(h) if h in (1, TIP) else Missing.NOT_FOUND})
    client = begun(chain, net)
    outcome = net.drive(client.verify_height(TIP, now_of(chain)))
    assert outcome == Failure(562, str(Missing.NOT_FOUND), is_benign=True)


# --- attacks -------------------------------------------------------------------------------------


def forge(change: Callable[[LightBlock], LightBlock], start: int) -> Source:
    return forged(honest(long_chain()), change, start)


def lunatic(block: LightBlock) -> LightBlock:
    """A state nobody computed, signed by the real validators of that height."""
    header = replace(block.signed_header.header, app_hash=b"\7" * 32)
    return resigned(header, block.validator_set)


def equivocating(block: LightBlock) -> LightBlock:
    header = replace(block.signed_header.header, data_hash=b"\7" * 32)
    return resigned(header, block.validator_set, block.signed_header.commit.round)


def amnesiac(block: LightBlock) -> LightBlock:
    header = replace(block.signed_header.header, data_hash=b"\7" * 32)
    return resigned(header, block.validator_set, block.signed_header.commit.round + 1)


ATTACKS = {
    AttackKind.LUNATIC: lunatic,
    AttackKind.EQUIVOCATION: equivocating,
    AttackKind.AMNESIA: amnesiac,
}


def judged(chain: Chain, attack: Attack, to: str) -> object:
    """What a full node of the honest chain says of the evidence sent to `to`; None means that it is true."""
    evidence = next(r.evidence for r in attack.reports if r.to == to)
    common = block_at(chain, evidence.common_height)
    height = evidence.conflicting_block.signed_header.header.height
    ours: SignedHeader = block_at(chain, min(height, TIP)).signed_header
    facts = AttackFacts(
        chain.doc.chain_id, common.signed_header.header.time, common.validator_set, ours
    )
    return verify_light_attack(evidence, facts)


@pytest.mark.parametrize("kind", ATTACKS)
@pytest.mark.parametrize("liar", ["primary", "witness"])
def test_an_attack_is_detected_and_full_nodes_accept_the_evidence_against_the_liar(kind, liar):
    chain = long_chain()
    net = Net({"primary": honest(chain), "witness": honest(chain)})
    client = begun(chain, net, "witness", at=660)
    net.sources[liar] = forge(ATTACKS[kind], 680)
    outcome = net.drive(client.verify_height(700, now_of(chain)))
    assert isinstance(outcome, Attack), outcome
    assert {report.to for report in outcome.reports} == {"primary", "witness"}
    judge = "witness" if liar == "primary" else "primary"
    assert judged(chain, outcome, judge) is None
    against = next(r.evidence for r in outcome.reports if r.to == judge)
    ours = block_at(chain, 700).signed_header
    assert attack_kind(against.conflicting_block.signed_header, ours) is kind
    assert against.common_height == (660 if kind is AttackKind.LUNATIC else 700)
    assert bool(against.byzantine_validators) is (kind is not AttackKind.AMNESIA)
    assert 700 not in client.trusted


def test_an_attack_found_by_bisection_names_the_last_common_height():
    chain = long_chain()
    net = Net({"primary": honest(chain), "witness": honest(chain)})
    client = begun(chain, net, "witness", at=600)
    net.sources["primary"] = forge(lunatic, 655)
    outcome = net.drive(client.verify_height(700, now_of(chain)))
    assert isinstance(outcome, Attack)
    assert judged(chain, outcome, "witness") is None
    evidence = next(r.evidence for r in outcome.reports if r.to == "witness")
    assert (
        600
        <= evidence.common_height
        < 655
        <= (evidence.conflicting_block.signed_header.header.height)
    )


def test_a_forward_lunatic_block_is_detected_against_a_witness_that_is_not_so_far():
    chain = long_chain()
    source = honest(chain, 900)
    tip = block_at(chain, 900)
    ahead = resigned(replace(tip.signed_header.header, height=950), tip.validator_set)
    net = Net({"primary": lambda h: ahead if h == 950 else source(h), "witness": source})
    client = begun(chain, net, "witness", at=800)
    outcome = net.drive(client.verify_height(950, now_of(chain)))
    assert isinstance(outcome, Attack)
    evidence = next(r.evidence for r in outcome.reports if r.to == "witness")
    assert evidence.conflicting_block == replace(
        ahead, validator_set=evidence.conflicting_block.validator_set
    )
    common = block_at(chain, evidence.common_height)
    facts = AttackFacts(
        chain.doc.chain_id,
        common.signed_header.header.time,
        common.validator_set,
        tip.signed_header,
    )
    assert verify_light_attack(evidence, facts) is None


def test_a_witness_that_lags_gets_time_and_is_asked_again():
    chain = long_chain()
    tips = iter((900, 900, 960, 960))
    net = Net({"primary": honest(chain)})
    net.sources["witness"] = lambda h: honest(chain, next(tips))(h)
    client = client_of(chain, "witness")
    client.trusted = {800: block_at(chain, 800)}
    outcome = net.drive(client.verify_height(950, now_of(chain)))
    assert isinstance(outcome, Verified)
    assert net.waits_ns == [30 * 10**9]


def test_a_witness_that_never_catches_up_confirms_nothing():
    chain = long_chain()
    net = Net({"primary": honest(chain), "witness": honest(chain, 900)})
    client = begun(chain, net, "witness", at=800)
    outcome = net.drive(client.verify_height(950, now_of(chain)))
    assert outcome == Failure(950, "no witness confirms it")


def test_a_witness_whose_other_block_cannot_be_verified_is_dropped_and_the_others_count():
    chain = long_chain()

    def unsigned(block: LightBlock) -> LightBlock:
        header = replace(block.signed_header.header, app_hash=b"\7" * 32)
        return resigned(header, block.validator_set, signers=2)

    net = Net({"primary": honest(chain), "w1": honest(chain), "w2": honest(chain)})
    client = begun(chain, net, "w1", "w2", at=660)
    net.sources["w1"] = forge(unsigned, 680)
    outcome = net.drive(client.verify_height(700, now_of(chain)))
    assert isinstance(outcome, Verified)
    assert client.witnesses == ("w2",)
    assert [name for name, _ in client.removed] == ["w1"]


def test_a_witness_without_any_power_cannot_feign_an_attack():
    """It shows the true first header beside a set of its own, and then a block that this set signed."""
    chain = long_chain()
    keys = [derive_public(seed_of(i)) for i in range(12, 16)]
    own = new_validator_set(tuple(Validator(address(k), k, 10) for k in keys))

    def feigned(height: int) -> Answer:
        true = block_at(chain, height)
        if height == 660:
            return LightBlock(true.signed_header, own)
        digest = hash_validators(own.validators)
        header = replace(true.signed_header.header, validators_hash=digest)
        return resigned(header, own)

    net = Net({"primary": honest(chain), "w1": honest(chain), "w2": honest(chain)})
    client = begun(chain, net, "w1", "w2", at=660)
    net.sources["w1"] = feigned
    outcome = net.drive(client.verify_height(700, now_of(chain)))
    assert isinstance(outcome, Verified), outcome
    assert [name for name, _ in client.removed] == ["w1"]


def test_a_witness_that_sends_another_height_is_dropped():
    chain = long_chain()
    net = Net({"primary": honest(chain), "w1": honest(chain), "w2": honest(chain)})
    client = begun(chain, net, "w1", "w2", at=660)
    net.sources["w1"] = lambda h: block_at(chain, h - 1)
    assert isinstance(net.drive(client.verify_height(700, now_of(chain))), Verified)
    assert client.witnesses == ("w2",)


def test_the_oldest_and_the_newest_trusted_blocks_are_kept(monkeypatch):
    monkeypatch.setattr("chain.light.client.LIGHT_BLOCKS_KEPT", 5)
    chain = long_chain()
    net = Net({"primary": honest(chain)})
    client = begun(chain, net, at=660, mode=Mode.SEQUENTIAL)
    net.drive(client.verify_height(700, now_of(chain)))
    assert sorted(client.trusted) == [660, 696, 697, 698, 699, 700]
