"""No citizen obtains two credentials, however the request is split, with f corrupt registrars out of n = 3f+1.

Registrars cannot see whether the values they sign hide the same credential. A corrupt one signs whatever it is given,
as often as it is asked, outside the chain; honest ones sign what is on the chain, which holds one request a citizen.
"""

from collections.abc import Iterable
from dataclasses import replace as replace_fields
from functools import cache
from itertools import combinations, product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chain.codec.canonical import b64url_encode
from chain.crypto import blind_rsa
from chain.crypto.blind_rsa import RANDOMIZED_PSS, BlindSignatureError
from chain.town.votes.signers import choose_signers
from chain.town.votes_schemas import TokenSignature
from tests.town.town_kit import name_of
from tests.town.votes.issuing import UUID, Issuance, Token
from tests.votes.kit import seeded

MALLORY, HONEST = "c0", ("c1",)
RANKS = (1, 2, 3, 4)
HIDDEN = ("", " second")
"""Mallory's two credentials."""


@cache
def _base() -> Issuance:
    return Issuance.at_issuance(citizens=2)


def fork() -> Issuance:
    """A copy of a town in which nobody has asked yet."""
    base = _base()
    town = base.town
    copied = object.__new__(type(town))
    copied.__dict__.update(town.__dict__)
    copied.store = town.store.copy()
    copied.restart()
    vote = replace_fields(base.vote, town=copied, blocks=[])
    return replace_fields(base, vote=vote)


@cache
def corrupt_signature(rank: int, variant: str) -> TokenSignature:
    """What a corrupt registrar gives Mallory in secret for either credential."""
    issuance = _base()
    token, signer = issuance.token(MALLORY, variant), issuance.signer(rank)
    hidden = token.blinded[rank - 1]
    answer = blind_rsa.blind_sign(signer, hidden.message, seeded(f"corrupt {rank} {variant}"))
    return opened(issuance, token, rank, answer)


def opened(issuance: Issuance, token: Token, rank: int, answer: bytes) -> TokenSignature:
    hidden = token.blinded[rank - 1]
    key = issuance.signer(rank).public
    value = blind_rsa.finalize(key, RANDOMIZED_PSS, token.prepared, answer, hidden.inverse)
    return TokenSignature(rank, b64url_encode(token.prepared[:32]), b64url_encode(value))


def play(split: tuple[str, ...], corrupt: int, silent: frozenset[int]) -> list[str]:
    """Mallory asks with this split, then otherwise; who is not silent answers what is on the chain each time, and
    everything she could hold is tried. Names of the results."""
    issuance = fork()
    held: dict[str, dict[int, TokenSignature]] = {
        variant: {corrupt: corrupt_signature(corrupt, variant)} if corrupt else {}
        for variant in HIDDEN
    }
    for name in HONEST:
        issuance.must(issuance.request(name))
    for asked in (split, *((variant,) * 4 for variant in HIDDEN)):
        values = tuple(
            b64url_encode(issuance.token(MALLORY, asked[rank - 1]).blinded[rank - 1].message)
            for rank in RANKS
        )
        assert name_of(issuance.request(MALLORY, blinded=values)) in (
            "ok",
            "votes_already_requested",
        )
        answer_all(issuance, silent)
        collect(issuance, held)
    issuance.end_issuance()
    results = []
    for variant in HIDDEN:
        for size in (2, 3):
            for chosen in combinations(sorted(held[variant]), size):
                signatures = tuple(held[variant][rank] for rank in chosen)
                results.append(name_of(issuance.register(MALLORY, variant, signatures=signatures)))
    for name in HONEST:
        issuance.must(issuance.register(name))
    assert issuance.counts.registrations <= issuance.counts.served <= issuance.counts.requests == 2
    return results


def answer_all(issuance: Issuance, silent: frozenset[int]) -> None:
    """Every registrar signs what is on the chain; the silent one leaves Mallory out."""
    for rank in RANKS:
        waiting = [
            name
            for name in (HONEST if rank in silent else (MALLORY, *HONEST))
            if (request := issuance.request_record(name)) and not request.signatures[rank - 1]
        ]
        if waiting:
            issuance.must(issuance.sign(rank, *waiting))


def collect(issuance: Issuance, held: dict[str, dict[int, TokenSignature]]) -> None:
    """Mallory uncovers what was answered, whichever credential it is for, and keeps it."""
    for variant in HIDDEN:
        for rank in RANKS:
            try:
                held[variant][rank] = issuance.open_signature(rank, MALLORY, variant)
            except BlindSignatureError:
                continue  # hides the other one, or nobody answered


@settings(max_examples=8, deadline=None)
@given(
    split=st.tuples(*(st.sampled_from(HIDDEN) for _ in RANKS)),
    corrupt=st.sampled_from((0, *RANKS)),
    silent=st.frozensets(st.sampled_from(RANKS), max_size=1),
)
@example(split=("", "", " second", " second"), corrupt=1, silent=frozenset())
@example(split=("", "", "", " second"), corrupt=3, silent=frozenset())
@example(split=("", "", "", ""), corrupt=4, silent=frozenset({4}))
def test_no_split_of_a_request_gives_two_credentials(
    split: tuple[str, ...], corrupt: int, silent: frozenset[int]
) -> None:
    assert play(split, corrupt, silent).count("ok") <= 1


def test_an_honest_request_with_a_corrupt_registrar_gives_one() -> None:
    """The property above is not empty: Mallory, asking honestly, does register."""
    assert play(("",) * 4, 2, frozenset()).count("ok") == 1


# --- the numbers behind it ------------------------------------------------------------------------------


def can_complete_both(count: int, threshold: int, corrupt: int) -> bool:
    """Whether some split and some choice of signer set let one citizen complete two credentials."""
    honest = range(count - corrupt)
    for split in product((0, 1), repeat=len(honest)):
        for chosen in combinations(range(count), threshold):
            for wanted in (0, 1):
                if not complete(chosen, split, wanted):
                    break
            else:
                return True
    return False


def complete(chosen: Iterable[int], split: tuple[int, ...], wanted: int) -> bool:
    """Honest registrars come first; corrupt ones sign both."""
    return all(rank >= len(split) or split[rank] == wanted for rank in chosen)


def can_complete_with_free_sets(count: int, threshold: int, corrupt: int) -> bool:
    """The same where each credential may bring another set of signers."""
    honest = count - corrupt
    return any(
        first + corrupt >= threshold and honest - first + corrupt >= threshold
        for first in range(honest + 1)
    )


@pytest.mark.parametrize("corrupt", [1, 2])
def test_one_fixed_set_of_2f_plus_1_is_never_completed_twice(corrupt: int) -> None:
    count, threshold = 3 * corrupt + 1, 2 * corrupt + 1
    assert not can_complete_both(count, threshold, corrupt)
    assert can_complete_both(count, corrupt, corrupt)


@pytest.mark.parametrize("corrupt", [1, 2, 3, 4])
def test_even_free_sets_of_2f_plus_1_share_an_honest_registrar(corrupt: int) -> None:
    count, threshold = 3 * corrupt + 1, 2 * corrupt + 1
    assert not can_complete_with_free_sets(count, threshold, corrupt)
    assert can_complete_with_free_sets(count, threshold - 1, corrupt)
    assert can_complete_with_free_sets(count, threshold, corrupt + 1)


@given(signed=st.lists(st.integers(0, 50), min_size=4, max_size=13))
def test_whoever_skips_citizens_leaves_the_set_first(signed: list[int]) -> None:
    """A registrar that leaves some people out cannot push out one that answered more."""
    threshold = 2 * ((len(signed) - 1) // 3) + 1
    chosen = choose_signers(tuple(signed), threshold)
    assert len(chosen) == threshold
    assert list(chosen) == sorted(set(chosen))
    left = [count for rank, count in enumerate(signed, 1) if rank not in chosen]
    assert min(signed[rank - 1] for rank in chosen) >= max(left, default=0)


def test_the_fork_leaves_its_origin_alone() -> None:
    issuance = fork()
    issuance.must(issuance.request("c1"))
    assert _base().request_record("c1") is None
    assert issuance.record.election == UUID
