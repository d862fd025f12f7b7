"""Programs outside city hall read the chain without believing its nodes."""

import base64
import json

import pytest

from app.core.trusted_chain import NotProved
from tests.api.lab import Lab
from tests.town.town_kit import key, make_town
from tests.trustees.lab_chain import follow


@pytest.fixture
def lab() -> Lab:
    return Lab(validators=4)


def opened(lab: Lab) -> bytes:
    """The record id of an account opened on the chain."""
    kit = make_town(validators=4)
    kit.town, kit.now_s = lab.town, lab.now_s
    lab.produce(kit.open_tx(key("ana")))
    lab.produce()
    return b"account/" + key("ana").kid.encode()


def test_a_record_is_read_with_its_proof_and_its_absence_too(lab: Lab) -> None:
    name = opened(lab)
    chain = follow(lab)
    record = chain.record("account", name)
    assert record is not None
    assert json.loads(record)["status"] == "open"
    assert chain.record("account", name + b"x") is None


def test_a_record_that_a_node_changed_hid_or_invented_is_refused(lab: Lab) -> None:
    name = opened(lab)
    chain = follow(lab)
    shown = {"value": ""}

    def change(method, result):
        if method != "abci_query":
            return result
        return {"response": {**result["response"], **shown}}

    honest = base64.b64encode(chain.record("account", name) or b"").decode()
    closed = base64.b64encode(b'{"status":"closed"}').decode()
    lab.tamper = change
    for said, record_id in ((closed, name), ("", name), (honest, name + b"x"), ("%", name)):
        shown["value"] = said
        with pytest.raises(NotProved):
            chain.record("account", record_id)


def test_an_older_state_is_not_taken_for_the_newest(lab: Lab) -> None:
    """A node that answers for a height before the account was opened."""
    name = opened(lab)
    chain = follow(lab)
    answer = lab.answer

    def stale(method, params):
        return answer(method, {**params, "height": "1"} if method == "abci_query" else params)

    lab.answer = stale  # type: ignore[method-assign]
    with pytest.raises(NotProved):
        chain.record("account", name)


def test_the_transactions_of_a_block_are_those_its_header_names(lab: Lab) -> None:
    opened(lab)
    chain = follow(lab)
    height = lab.height - 1
    assert chain.transactions(height) == tuple(lab.blocks[height].data.txs)

    def cut(method, result):
        if method == "block":
            result["block"]["data"]["txs"] = []
        return result

    lab.tamper = cut
    with pytest.raises(NotProved, match="not the transactions"):
        chain.transactions(height)


def test_a_header_that_the_validators_did_not_sign_is_refused(lab: Lab) -> None:
    chain = follow(lab)
    lab.produce()

    def forge(method, result):
        if method == "commit":
            result["signed_header"]["header"]["app_hash"] = "AB" * 32
        return result

    lab.tamper = forge
    with pytest.raises(NotProved):
        chain.catch_up()


def test_a_dead_node_is_said_to_be_one(lab: Lab) -> None:
    chain = follow(lab)
    lab.is_down = True
    with pytest.raises(NotProved):
        chain.record("account", b"account/x")
    with pytest.raises(NotProved):
        chain.transactions(2)


def test_a_batch_of_one_answered_as_real_nodes_do_is_read(lab: Lab) -> None:
    """CometBFT leaves the brackets out around a single answer."""
    answers = follow(lab).rpc.call_many([("status", {})])
    assert answers[0]["sync_info"]["latest_block_height"]
