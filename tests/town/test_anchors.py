"""Anchors of logs kept outside the chain: counts only grow, and one count has one head."""

import pytest

from chain.codec.canonical import b64url_encode
from chain.town.anchors import ANCHORS
from chain.town.schemas import AuditAnchor
from tests.town.town_kit import Town, key, make_town, name_of

GATEWAY = key("gateway@mairie")


def head(number: int) -> str:
    return b64url_encode(bytes([number]) * 32)


def anchor(town: Town, count: int, number: int, signer=GATEWAY, sender: str = "body:mairie") -> str:
    return name_of(town.do(AuditAnchor(count, head(number)), sender, signer))


@pytest.fixture
def town() -> Town:
    return make_town()


def test_a_log_that_grows_is_anchored_again_and_again(town: Town) -> None:
    assert [anchor(town, count, count) for count in (3, 3, 4, 90)] == ["ok"] * 4
    record = ANCHORS.get(town.reader, b"body:mairie")
    assert record is not None
    assert (record.count, record.head) == (90, head(90))


def test_a_log_that_shrank_or_changed_its_past_is_refused(town: Town) -> None:
    assert anchor(town, 5, 1) == "ok"
    assert anchor(town, 4, 2) == "audit_anchor_backwards"
    assert anchor(town, 5, 2) == "audit_anchor_backwards"
    record = ANCHORS.get(town.reader, b"body:mairie")
    assert record is not None
    assert (record.count, record.head) == (5, head(1))


@pytest.mark.parametrize(
    ("signer", "sender", "code"),
    [
        (key("clerk@mairie"), "body:mairie", "tx_wrong_role"),
        (GATEWAY, "body:commerces", "tx_not_entitled"),
        (key("a stranger"), "body:mairie", "tx_unknown_key"),
    ],
)
def test_only_a_body_s_own_gateway_anchors_its_log(town: Town, signer, sender, code) -> None:
    assert anchor(town, 1, 1, signer, sender) == code
