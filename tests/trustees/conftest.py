"""The elections of tests of votes, for what trustees do with them."""

from tests.votes.conftest import booth as booth
