"""The evidence pool: both kinds of evidence judged, durable, committed once; every lie refused by its name."""

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.codec.cmtjson import from_json, to_json
from chain.codec.errors import DecodeError
from chain.codec.hashing import hash_evidence, hash_evidence_list, hash_validators
from chain.codec.proto import decode, encode
from chain.crypto.light_attack import make_light_attack
from chain.execution.evidence import make_duplicate_vote
from chain.execution.light_attack import AttackFacts, verify_light_attack
from chain.execution.updating import misbehavior_of
from chain.node.evidence import EvidencePool
from chain.store.kv import Batch
from chain.types.abci import MisbehaviorType
from chain.types.block import EvidenceList
from chain.types.evidence import DuplicateVoteEvidence, LightClientAttackEvidence
from chain.types.primitives import BlockIDFlag
from chain.types.validator import ValidatorSet
from tests.node.attacks import forge_attack, make_set, our_block, sign_block
from tests.node.test_host import forge_conflicts
from tests.node.test_rpc import recorded
from tests.node.test_rpc_consensus import PROTO_NAMES
from tests.node.virtual import VirtualNode, start_cluster
from tests.node.virtual import start_one as start_lone


def grow(height: int = 6, size: int = 4):
    """A cluster that has decided so many heights, one transaction each."""
    time, network = start_cluster(size)
    while network.nodes[0].height < height:
        network.nodes[0].pool.add(b"k%d=1" % network.nodes[0].height)
        time.run(2)
    return time, network


@cache
def grown() -> VirtualNode:
    """A node that no test changes but by evidence; its pool is emptied before each use."""
    return grow()[1].nodes[0]


def fresh_pool(node: VirtualNode) -> EvidencePool:
    """The node's pool as on an empty disk: same past, nothing waits, nothing is written."""

    class NoRows:
        def get(self, key):
            return node.disk.kv.get(key) if key[:1] == b"Q" else None

        def scan(self, start, stop, *, reverse=False):
            return iter(())

        def write(self, batch):
            pass

    return EvidencePool(NoRows(), node.stores.blocks, node.stores.states)  # type: ignore[arg-type]


def duplicate(node: VirtualNode, height: int, guilty: int = 3) -> DuplicateVoteEvidence:
    """Two prevotes of one validator for a height already decided."""
    signer = VirtualNode.__new__(VirtualNode)  # only what the forger looks at
    signer.index, signer.host, signer.signer = guilty, node.host, _Signer(guilty)  # type: ignore[assignment]
    a, b = (body.vote for body in forge_conflicts(signer, height))
    time = node.stores.blocks.load_meta(height).header.time
    item = make_duplicate_vote(a, b, time, node.stores.states.load_validators(height))
    assert item is not None
    return item


class _Signer:
    def __init__(self, index: int) -> None:
        self.address = make_set(index).validators[0].address


def lunatic(node: VirtualNode, **how) -> LightClientAttackEvidence:
    facts = {"common_height": 2, "height": 4, "signers": (0, 1, 2), "app_hash": b"\x66" * 32}
    return forge_attack(node, **(facts | how))


def equivocation(node: VirtualNode, **how) -> LightClientAttackEvidence:
    facts = {"common_height": 4, "height": 4, "signers": (0, 1, 2), "data_hash": b"\x66" * 32}
    return forge_attack(node, **(facts | how))


def reason(pool: EvidencePool, node: VirtualNode, item) -> str | None:
    """What a client or peer is told, after checking that a block with it meets the same fate."""
    in_block = pool.check_block(node.host.state, (item,))
    refused = pool.submit(node.host.state, item)
    assert (refused is None) == (in_block is None), (refused, in_block)
    return None if refused is None else refused.reason


# ── light-client attacks ─────────────────────────────────────────────────────────────────────────────


def guilty_indices(item: LightClientAttackEvidence) -> list[int]:
    names = {make_set(n).validators[0].address: n for n in range(25)}
    return sorted(names[v.address] for v in item.byzantine_validators)


def test_a_lunatic_block_names_the_common_validators_who_signed_it():
    node = grown()
    item = lunatic(node)
    assert guilty_indices(item) == [0, 1, 2]
    assert reason(fresh_pool(node), node, item) is None


def test_a_lunatic_block_with_a_set_of_its_own_names_only_members_of_ours():
    node = grown()
    members = make_set(0, 1, 20, 21, 22)
    item = lunatic(node, validators=members, signers=(0, 1, 20, 21, 22))
    assert guilty_indices(item) == [0, 1]
    assert reason(fresh_pool(node), node, item) is None


def test_the_guilty_stand_in_the_order_of_our_set_whatever_the_order_of_theirs():
    node = grown()
    ranked = [replace(v, voting_power=10 + n) for n, v in enumerate(make_set(0, 1, 2).validators)]
    members = ValidatorSet(tuple(reversed(ranked)))
    item = lunatic(node, validators=members)
    assert item.byzantine_validators == make_set(0, 1, 2).validators
    assert reason(fresh_pool(node), node, item) is None


def test_a_third_of_the_common_set_is_not_enough_to_be_heard():
    """10 of 40 is not more than a third: nobody's light client trusted such a block."""
    node = grown()
    members = make_set(0, 20, 21, 22)
    item = lunatic(node, validators=members, signers=(0, 20, 21, 22))
    assert reason(fresh_pool(node), node, item) == "evidence_commit"


@pytest.mark.parametrize(
    ("theirs", "verdict"), [((0, 20, 21, 22), "evidence_commit"), ((0, 1, 20, 21), None)]
)
def test_exactly_a_third_is_not_more_than_a_third(theirs, verdict):
    node, common, members = grown(), make_set(0, 1, 2), make_set(*theirs)
    ours = our_block(node, 4)
    named = hash_validators(members.validators)
    header = replace(ours.header, app_hash=b"\x66" * 32, validators_hash=named)
    facts = AttackFacts(header.chain_id, ours.header.time, common, ours)
    item = make_light_attack(
        sign_block(header, members, theirs),
        chain_id=header.chain_id,
        common_height=2,
        common_time=facts.common_time,
        common=common,
        ours=ours,
    )
    refused = verify_light_attack(item, facts)
    assert (refused and refused.reason) == verdict


def test_a_block_of_strangers_costs_no_work_on_their_keys(monkeypatch):
    node = grown()
    members = make_set(*range(20, 60))
    item = lunatic(node, validators=members, signers=range(20, 60))
    checked = []
    for module in ("chain.crypto.light_attack", "chain.execution.light_attack"):
        monkeypatch.setattr(f"{module}.verify_zip215", lambda *a: checked.append(a) or True)
    assert fresh_pool(node).submit(node.host.state, item).reason == "evidence_commit"
    assert checked == []


def test_an_equivocation_names_those_who_signed_both_blocks():
    node = grown()
    absent = lunatic(node, common_height=4)  # at its own height a header must be right: see below
    assert reason(fresh_pool(node), node, absent) == "evidence_attack"
    item = equivocation(node)
    ours = node.stores.blocks.load_commit(4)[0]
    both = {
        line.validator_address
        for line in ours.signatures
        if line.block_id_flag is BlockIDFlag.COMMIT
    } & {make_set(n).validators[0].address for n in (0, 1, 2)}
    assert {v.address for v in item.byzantine_validators} == both
    assert reason(fresh_pool(node), node, item) is None


def test_who_did_not_sign_our_block_is_no_equivocator():
    time, network = start_cluster(4)
    network.drop = lambda source, _target, _body: source == 2
    while network.nodes[0].height < 6:
        network.nodes[0].pool.add(b"k%d=1" % network.nodes[0].height)
        time.run(5)
    node = network.nodes[0]
    ours = node.stores.blocks.load_commit(4)[0]
    item = equivocation(node, round_=ours.round)
    assert guilty_indices(item) == [0, 1]
    assert reason(fresh_pool(node), node, item) is None


def test_amnesia_is_taken_as_a_fact_that_names_nobody():
    """0.38 cannot tell who is guilty of amnesia: evidence that names somebody is refused."""
    node = grown()
    item = equivocation(node, round_=1)
    assert item.byzantine_validators == ()
    assert reason(fresh_pool(node), node, item) is None
    assert misbehavior_of((item,)) == ()
    naming = replace(item, byzantine_validators=equivocation(node).byzantine_validators)
    assert reason(fresh_pool(node), node, naming) == "evidence_byzantine"


def test_a_block_ahead_of_ours_is_an_attack_only_when_its_time_is_past():
    node = grown()
    newest = node.host.state.last_block_time
    ahead = {"height": node.height + 5}
    item = lunatic(node, **ahead, time=newest)
    assert guilty_indices(item) == [0, 1, 2]
    assert reason(fresh_pool(node), node, item) is None
    may_come = lunatic(node, **ahead, time=newest.plus_ns(1))
    assert reason(fresh_pool(node), node, may_come) == "evidence_height"


def test_an_equivocation_at_our_newest_height_waits_for_its_commit():
    """Who signed our block is agreed upon with the next block only."""
    node = grown()
    item = equivocation(node, common_height=node.height, height=node.height)
    assert reason(fresh_pool(node), node, item) == "evidence_height"


def test_each_lie_in_an_attack_is_refused_by_its_name():
    node = grown()
    item = lunatic(node)
    block = item.conflicting_block
    first, *others = item.byzantine_validators
    swapped = replace(first, pub_key=others[0].pub_key)
    lines = block.signed_header.commit.signatures
    signed_at = [n for n, line in enumerate(lines) if line.signature]
    lies = [
        (replace(item, timestamp=item.timestamp.plus_ns(1)), "evidence_time"),
        (replace(item, total_voting_power=41), "evidence_power"),
        (replace(item, common_height=3), "evidence_time"),
        (replace(item, common_height=5), "evidence_attack"),
        (replace(item, common_height=0), "evidence_height"),
        (replace(item, common_height=-1), "evidence_height"),
        (replace(item, common_height=99), "evidence_height"),
        (replace(item, byzantine_validators=()), "evidence_byzantine"),
        (replace(item, byzantine_validators=tuple(others)), "evidence_byzantine"),
        (replace(item, byzantine_validators=(first, first, *others)), "evidence_byzantine"),
        (replace(item, byzantine_validators=(swapped, *others)), "evidence_byzantine"),
        (
            replace(item, byzantine_validators=(replace(first, voting_power=9), *others)),
            "evidence_byzantine",
        ),
        (replace(item, byzantine_validators=(*others, first)), "evidence_byzantine"),
        (lunatic(node, signers=(0, 1)), "evidence_commit"),
        (lunatic(node, chain_id="another"), "evidence_commit"),
        (lunatic(node, next_validators_hash=b"short"), "evidence_attack"),
        (
            lunatic(node, app_hash=node.stores.blocks.load(4).block.header.app_hash),
            "evidence_same_block",
        ),
        (with_lines(item, lines[:3]), "evidence_attack"),
        (with_lines(item, (lines[signed_at[1]], *lines[1:])), "evidence_commit"),
        (with_set(item, make_set(0, 1, 2, 20)), "evidence_attack"),
        (with_set(item, make_set(0, 1, 2, 3, power=11)), "evidence_attack"),
    ]
    for lie, name in lies:
        assert reason(fresh_pool(node), node, lie) == name, (name, lie)


def with_lines(item, lines):
    signed = item.conflicting_block.signed_header
    commit = replace(signed.commit, signatures=tuple(lines))
    block = replace(item.conflicting_block, signed_header=replace(signed, commit=commit))
    return replace(item, conflicting_block=block)


def with_set(item, members: ValidatorSet):
    return replace(item, conflicting_block=replace(item.conflicting_block, validator_set=members))


def test_what_no_signature_covers_is_made_plain_before_it_waits():
    """A liar fills the rest of its commit with rubbish so that its victim's evidence is refused: in vain."""
    node = grown()
    item = lunatic(node)
    lines = list(item.conflicting_block.signed_header.commit.signatures)
    absent = next(n for n, line in enumerate(lines) if not line.signature)
    member = item.conflicting_block.validator_set.validators[absent]
    time = item.timestamp
    for flag in (BlockIDFlag.COMMIT, BlockIDFlag.NIL):
        rubbish = list(lines)
        rubbish[absent] = type(lines[0])(flag, member.address, time, b"\x01" * 64)
        ranked = ValidatorSet(
            tuple(
                replace(v, proposer_priority=n)
                for n, v in enumerate(item.conflicting_block.validator_set.validators)
            )
        )
        dirty = with_set(with_lines(item, rubbish), ranked)
        pool = fresh_pool(node)
        assert pool.check_block(node.host.state, (dirty,)).reason == "evidence_spelling"
        assert pool.submit(node.host.state, dirty) is None
        assert pool.pending(10**6) == (item,)


def test_a_known_attack_is_judged_again_in_a_block_because_its_name_says_little():
    """Its hash names header and common height only: a proposer could change the rest."""
    node = grown()
    pool = fresh_pool(node)
    item = lunatic(node)
    assert pool.submit(node.host.state, item) is None
    forged = replace(item, byzantine_validators=item.byzantine_validators[:1])
    assert hash_evidence(forged) == hash_evidence(item)
    assert pool.check_block(node.host.state, (forged,)).reason == "evidence_byzantine"


def test_an_attack_becomes_one_misbehaviour_per_guilty_validator():
    item = lunatic(grown())
    told = misbehavior_of((item,))
    assert {t.type for t in told} == {MisbehaviorType.LIGHT_CLIENT_ATTACK}
    assert [t.validator.address for t in told] == [v.address for v in item.byzantine_validators]
    assert {(t.height, t.time, t.total_voting_power) for t in told} == {(2, item.timestamp, 40)}


def test_an_attack_travels_as_json_and_as_bytes():
    """Through `broadcast_evidence`, and in a block."""
    item = lunatic_once()
    assert from_json(EvidenceList, to_json(EvidenceList((item,)))).evidence == (item,)
    assert decode(EvidenceList, encode(EvidenceList((item,)))).evidence == (item,)


@settings(max_examples=150, deadline=None)
@given(st.integers(0), st.integers(1, 255), st.booleans())
def test_no_changed_byte_of_true_evidence_passes(position, change, is_attack):
    node = grown()
    item = lunatic_once() if is_attack else duplicate_once()
    raw = bytearray(encode(EvidenceList((item,))))
    raw[position % len(raw)] ^= change
    try:
        found = decode(EvidenceList, bytes(raw)).evidence
    except DecodeError:
        return
    pool = fresh_pool(node)
    assert found != (item,)
    assert not found or pool.check_block(node.host.state, found) is not None
    for piece in found:
        if pool.submit(node.host.state, piece) is None:
            assert pool.pending(10**6) == (item,), "made plain, it is the true one again"


@cache
def lunatic_once():
    return lunatic(grown())


@cache
def duplicate_once():
    return duplicate(grown(), 3)


# ── both kinds: age, past sets, blocks ───────────────────────────────────────────────────────────────


def aged(node: VirtualNode, *, blocks: int, seconds: int):
    """The node's state so much later."""
    state = node.host.state
    later = state.last_block_time.plus_ns(seconds * 10**9)
    return replace(state, last_block_height=state.last_block_height + blocks, last_block_time=later)


@pytest.mark.parametrize("make", [lunatic_once, duplicate_once])
def test_evidence_is_refused_when_old_in_blocks_and_in_time_and_not_before(make):
    node, item = grown(), make()
    params = node.host.state.consensus_params.evidence
    seconds = params.max_age_duration_ns // 10**9 + 1_000
    blocks = params.max_age_num_blocks + 1
    for state, name in (
        (aged(node, blocks=blocks, seconds=0), None),
        (aged(node, blocks=0, seconds=seconds), None),
        (aged(node, blocks=blocks, seconds=seconds), "evidence_expired"),
    ):
        refused = fresh_pool(node)._verify(state, item)
        assert (refused and refused.reason) == name


def test_the_set_of_that_height_judges_not_todays():
    """A validator that left is still guilty of what it did; one that came later is not of what was before."""
    time, network = grow(3)
    node = network.nodes[0]
    old = duplicate(node, 2, guilty=3)
    gone = make_set(3).validators[0]
    for n, power in ((3, 0), (7, 10)):
        key = make_set(n).validators[0].pub_key.hex()
        network.nodes[0].pool.add(f"val:{key}={power}".encode())
    while node.host.state.last_validators.index_of(gone.address) is not None:
        network.nodes[0].pool.add(b"more%d=1" % node.height)
        time.run(2)
    assert fresh_pool(node).submit(node.host.state, old) is None
    early = make_duplicate_vote(
        *(
            replace(v, validator_address=make_set(7).validators[0].address)
            for v in (old.vote_a, old.vote_b)
        ),
        old.timestamp,
        node.host.state.validators,
    )
    assert fresh_pool(node).submit(node.host.state, early).reason == "evidence_validator"


def test_cometbft_put_two_votes_in_the_order_we_do():
    """Recorded on a real network; its header proves the bytes (the key is not in the recording)."""
    block = recorded("block_search_evidence")["result"]["blocks"][0]["block"]
    for name, proto_name in PROTO_NAMES.items():
        value = block["evidence"]["evidence"][0]["value"]
        value[name] = value.pop(proto_name)
    (item,) = from_json(EvidenceList, block["evidence"]).evidence
    assert hash_evidence_list((item,)) == bytes.fromhex(block["header"]["evidence_hash"])
    voter = replace(make_set(0).validators[0], address=item.vote_a.validator_address)
    validators = ValidatorSet((replace(voter, voting_power=item.validator_power),))
    total = replace(item, total_voting_power=item.validator_power)
    for votes in ((item.vote_a, item.vote_b), (item.vote_b, item.vote_a)):
        assert make_duplicate_vote(*votes, item.timestamp, validators) == total


# ── durability ───────────────────────────────────────────────────────────────────────────────────────


def test_judging_turns_no_rotation(monkeypatch):
    """A set is written at each change and each thousandth height only; whoever names an old height must not make us
    count up from there."""

    def refuse(_current, _times):
        raise AssertionError("priorities are of no use to evidence")

    monkeypatch.setattr("chain.store.state.increment_proposer_priority", refuse)
    for item in (duplicate_once(), lunatic_once()):
        assert reason(fresh_pool(grown()), grown(), item) is None


def test_evidence_that_waits_survives_a_crash():
    node = grow(4)[1].nodes[0]
    state = node.host.state
    for item in (duplicate(node, 3), lunatic(node)):
        assert node.evidence.submit(state, item) is None
    before = set(node.evidence.pending(10**6))
    again = EvidencePool(node.disk.kv, node.stores.blocks, node.stores.states)
    again.recheck(state)
    assert set(again.pending(10**6)) == before
    assert len(before) == 2


def test_conflicting_votes_become_evidence_in_the_same_write_as_their_block():
    time, node = start_lone()
    time.run(2)
    height = node.height + 1
    rows: list[dict[bytes, bytes | None]] = []
    real = node.disk.kv.write

    def write(batch: Batch) -> None:
        rows.append(dict(batch.writes))
        real(batch)

    node.disk.kv.write = write  # type: ignore[method-assign]
    node.pool.add(b"a=1")
    a, b = (body.vote for body in forge_conflicts(node, height))
    node.evidence.report_conflict(a, b)
    time.run(0.01, until=lambda: node.height >= height)
    (with_block,) = [r for r in rows if any(k[:1] == b"B" for k in r)]
    assert [k[:9] for k in with_block if k[:1] == b"q"] == [b"q" + height.to_bytes(8, "big")]
    assert EvidencePool(node.disk.kv, node.stores.blocks, node.stores.states).has_pending()


def test_a_committed_piece_waits_no_more_also_after_a_crash_and_is_never_taken_again():
    time, node = start_lone()
    time.run(2)
    item = duplicate(node, 1, guilty=0)
    assert node.evidence.submit(node.host.state, item) is None
    node.host.on_evidence()
    time.run(5, until=lambda: not node.evidence.has_pending())
    again = EvidencePool(node.disk.kv, node.stores.blocks, node.stores.states)
    assert not again.has_pending()
    state = node.host.state
    assert again.submit(state, item) is None, "known already"
    assert not again.has_pending()
    assert again.check_block(state, (item,)).reason == "evidence_repeated"
    rolled_back = replace(state, last_block_height=1)
    assert again.check_block(rolled_back, (item,)) is None, "its block was rolled back"


def test_what_does_not_stand_any_more_is_forgotten_at_a_start():
    """After a rollback the height of the offence may not exist."""
    time, node = start_lone()
    time.run(2)
    node.pool.add(b"a=1")
    time.run(2)
    item = duplicate(node, 2, guilty=0)
    assert node.evidence.submit(node.host.state, item) is None
    again = EvidencePool(node.disk.kv, node.stores.blocks, node.stores.states)
    again.recheck(replace(node.host.state, last_block_height=1))
    assert not again.has_pending()
    assert not EvidencePool(node.disk.kv, node.stores.blocks, node.stores.states).has_pending()


def test_a_third_vote_of_one_offence_adds_nothing():
    node = start_lone()[1]
    a, b = (body.vote for body in forge_conflicts(node, 1))
    for n in range(1_000):
        other = replace(b, timestamp=b.timestamp.plus_ns(n))
        node.evidence.report_conflict(a, other)
    assert len(node.evidence._conflicts) == 1


def test_a_block_takes_as_much_evidence_as_fits_and_small_pieces_pass_large_ones():
    node = grown()
    pool = fresh_pool(node)
    small = [duplicate(node, h) for h in (2, 3)]
    for item in (lunatic(node), *small):
        assert pool.submit(node.host.state, item) is None
    size = len(encode(EvidenceList(tuple(small))))
    assert pool.pending(size) == tuple(small)
    assert pool.pending(size - 1) == tuple(small[:1])
    assert len(encode(EvidenceList(pool.pending(10**6)))) <= 10**6


def test_an_attack_ahead_of_us_is_judged_again_when_the_chain_has_come_there():
    """Lunatic while no block of ours stands beside it; amnesia, which names nobody, once one does."""
    node = grown()
    fourth = node.stores.blocks.load(4).block.header
    early = replace(node.host.state, last_block_height=4, last_block_time=fourth.time)
    amnesia = lunatic(
        node,
        height=5,
        round_=1,
        time=fourth.time,
        app_hash=node.stores.blocks.load(5).block.header.app_hash,
        data_hash=b"\x66" * 32,
    )
    assert amnesia.byzantine_validators == ()
    item = replace(amnesia, byzantine_validators=lunatic(node).byzantine_validators)
    pool = fresh_pool(node)
    assert pool.submit(early, item) is None
    assert pool.proposable(early, 10**6) == (item,)
    assert pool.check_block(early, (item,)) is None
    assert pool.check_block(node.host.state, (item,)).reason == "evidence_byzantine"
    assert pool.proposable(node.host.state, 10**6) == (), "nobody would accept our block"


def test_a_cluster_commits_an_attack_once_and_tells_the_application_of_each():
    time, network = grow(4)
    told = []
    for node in network.nodes.values():
        real = node.app.finalize_block
        node.app.finalize_block = (  # type: ignore[method-assign]
            lambda request, real=real: told.extend(request.misbehavior) or real(request)
        )
    item = lunatic(network.nodes[2])
    assert network.nodes[2].evidence.submit(network.nodes[2].host.state, item) is None
    network.nodes[2].host.on_evidence()
    for n in range(8):
        network.nodes[0].pool.add(b"go%d=1" % n)
        time.run(2)
    assert len(told) == 3 * len(network.nodes)
    assert len({node.host.state.app_hash for node in network.nodes.values()}) == 1
