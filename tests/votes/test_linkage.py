"""Nobody at city hall matches citizens to ballots better than by guessing; the long form is `make linkage`.

The clients play by `chain.votes.privacy`; the attacker has the chain, arrival times and order, addresses, signer sets
and the API's whole session log, and learns from elections it plays itself.
"""

import pytest

from tests.votes.linkage.measure import measure
from tests.votes.linkage.model import Habits, Rules, Station, fix_signers, play

FEW = {"stations": 6, "learnt": 3}


def test_with_every_rule_the_attacker_guesses() -> None:
    rate = measure(Rules(), Habits(), stations=14, learnt=4)
    assert rate.share <= rate.bound


def test_without_delay_and_relay_the_same_attacker_finds_everybody() -> None:
    assert measure(Rules(has_delay=False, has_relay=False), Habits(), **FEW).share > 0.9


def test_without_relay_the_address_is_enough() -> None:
    assert measure(Rules(has_relay=False), Habits(), **FEW).share > 0.9


def test_without_delay_the_session_log_is_enough_for_many() -> None:
    assert measure(Rules(has_delay=False), Habits(), **FEW).share > 0.1


def test_a_free_choice_of_signers_marks_who_asked_when() -> None:
    rate = measure(Rules(has_fixed_signers=False), Habits(), **FEW)
    assert rate.share > rate.bound


@pytest.mark.parametrize("habits", [Habits(after_session=0.5), Habits(own_hour=0.5)])
def test_habits_show_through_and_the_documents_say_so(habits: Habits) -> None:
    """The limit of the claim: a delay of half an hour hides a moment, not that somebody is always there at noon."""
    rate = measure(Rules(), habits, **FEW)
    assert rate.bound < rate.share < 0.2


def test_everybody_who_was_served_votes_once_in_every_set_of_rules() -> None:
    def seen(station: Station) -> None:
        assert len(set(station.owners)) == len(station.owners) == len(station.pseudonyms)
        assert len(station.owners) > 150
        for place, pseudonym in enumerate(sorted(station.pseudonyms, key=lambda p: p.cast.place)):
            assert pseudonym.cast.place == place

    for rules in (Rules(), Rules(False, False, False)):
        seen(play(1, 200, rules, Habits()))
    assert fix_signers([(1, 2, 3), (2, 3, 4), (1, 2, 3, 4)]) == (1, 2, 3)
