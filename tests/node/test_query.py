"""CometBFT's query language (`libs/pubsub/query/query_test.go` gave the cases)."""

import pytest

from chain.limits import RPC_QUERY_MAX_CHARS, RPC_QUERY_MAX_CONDITIONS
from chain.rpc.query import QueryError, parse_query

EVENTS = {
    "tm.event": ["Tx"],
    "tx.height": ["5"],
    "tx.hash": ["AB"],
    "tx.date": ["2017-01-01", "2017-02-01"],
    "tx.time": ["2013-05-03T14:45:00Z"],
    "account.balance": ["100", "8.045stake"],
    "abci.owner.name": ["Igor", "Ivan"],
    "body.weight": ["3.5"],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tm.event='Tx'", True),
        ("tm.event = 'NewBlock'", False),
        ("tx.height = 5", True),
        ("tx.height > 4 AND tx.height < 6", True),
        ("tx.height > 5", False),
        ("tx.height >= 5 AND tx.height <= 5", True),
        ("tx.date > DATE 2017-01-31", True),
        ("tx.date < DATE 2017-01-01", False),
        ("tx.time >= TIME 2013-05-03T14:45:00Z", True),
        ("tx.time > TIME 2013-05-03T14:45:00Z", False),
        ("abci.owner.name CONTAINS 'Iv'", True),
        ("abci.owner.name CONTAINS 'Iz'", False),
        ("abci.owner.name = 'Igor'", True),
        ("abci.owner.name EXISTS", True),
        ("abci.owner.age EXISTS", False),
        ("body.weight < 3.6", True),
        ("body.weight < 4", True),
        ("body.weight > 3.5", False),
        ("account.balance = 8.045", True),
        ("account.balance > 99", True),
        ("tm.event='Tx' AND abci.owner.name='Ivan' AND tx.height=5", True),
        ("tm.event='Tx' AND abci.owner.name='Nobody'", False),
        ("tx.hash = 5", False),
        ("", True),
    ],
)
def test_conditions_match_as_cometbft_does(text, expected):
    assert parse_query(text).matches(EVENTS) is expected


@pytest.mark.parametrize(
    "text",
    [
        "malformed query",
        "=",
        "tx.height",
        "tx.height >",
        "tx.height > 'five'",
        "tx.height CONTAINS 5",
        "a = 'b' OR c = 'd'",
        "a = 'b' AND",
        "AND a = 'b'",
        "a = 'unclosed",
        "a = -5",
        "a > TIME 2013-13-03T14:45:00Z",
        "a > DATE 2013-02-30",
        "a = 'b' c = 'd'",
        "a == 'b'",
        "(a = 'b')",
        "a = 5x",
        "a = '" + "x" * RPC_QUERY_MAX_CHARS + "'",
        " AND ".join(["a=1"] * (RPC_QUERY_MAX_CONDITIONS + 1)),
    ],
)
def test_what_is_no_query_is_refused(text):
    with pytest.raises(QueryError):
        parse_query(text)


def test_the_refusal_of_the_recorded_query_has_cometbfts_words():
    with pytest.raises(QueryError) as refused:
        parse_query("malformed query")
    assert str(refused.value) == (
        "offset 10: got tag, wanted <= operator, >= operator, < operator, > operator, = operator, "
        "CONTAINS operator or EXISTS operator"
    )
