"""Two nodes, the first of which lies, hides, drops or refuses: a trustee or a registrar goes on by the other."""

import base64
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from app.cli.ballot_board import Board
from app.cli.outside import ChainRefusal, send
from app.core.keyfiles import RoleKey, new_role_key
from app.core.trusted_chain import NotProved, TrustedChain
from chain.codec.hashing import hash_header
from chain.light.client import HashRoot, LightClient
from chain.town.votes_schemas import TrusteeCert, TrusteeCommit
from chain.types.timestamp import Timestamp
from chain.votes.ceremony import draw_seed, make_certificate
from chain.votes.group import Group
from chain.votes.groups import get_group
from tests.api.lab import URL, Lab, LabClient
from tests.town.votes.kit import Vote, as_signed
from tests.trustees.lab_chain import LabSource
from tests.trustees.lab_vote import lab_vote
from tests.votes.kit import seeded

LIAR = "http://liar.test:26657"
CHOICES = [[0, 1, 0, 0]]
Lie = Callable[[str, Any], Any]


class TwoNodes(LabClient):
    """The lab's node and one in front of it whose results go through `lie`; it may answer without doing."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.urls = (LIAR, URL)
        self.lie: Lie = lambda _method, result: result
        self.claims: dict[str, Any] | None = None
        """What the liar says of a broadcast that it drops."""
        self.asked: list[str] = []

    def _post(self, url: str, document: Any) -> Any:
        self.asked.append(url)
        if url != LIAR:
            return super()._post(url, document)
        is_sent = isinstance(document, dict) and document["method"].startswith("broadcast")
        if is_sent and self.claims is not None:
            return {"jsonrpc": "2.0", "id": document["id"], "result": self.claims}
        kept, self.lab.tamper = self.lab.tamper, self.lie
        try:
            return super()._post(url, document)
        finally:
            self.lab.tamper = kept


def follow_both(lab: Lab) -> tuple[TrustedChain, TwoNodes]:
    nodes = TwoNodes(lab)
    client = LightClient(lab.genesis.chain_id, URL)
    clock = lambda: Timestamp(lab.now_s)  # noqa: E731
    chain = TrustedChain(client, {URL: LabSource(lab)}, nodes, clock=clock)
    chain.begin(HashRoot(1, hash_header(lab.blocks[1].header)))
    chain.catch_up()
    return chain, nodes


@pytest.fixture
def voted() -> tuple[Vote, Lab]:
    vote, lab = lab_vote()
    vote.publish()
    vote.open_box(2)
    for voter in range(2):
        assert vote.cast(voter, CHOICES).info == "ok"
    lab.produce()
    return vote, lab


def query_lie(value: str) -> Lie:
    encoded = base64.b64encode(value.encode()).decode()

    def lie(method: str, result: Any) -> Any:
        if method != "abci_query":
            return result
        return {"response": {**result["response"], "value": encoded}}

    return lie


@pytest.mark.parametrize("said", ["", "{}", '{"phase":"tally"}', '{"ballot":7}', "no json"])
def test_the_box_is_put_together_by_the_honest_node(voted: tuple[Vote, Lab], said: str) -> None:
    vote, lab = voted
    chain, nodes = follow_both(lab)
    nodes.lie = query_lie(said)
    board = Board(chain, vote.uuid)
    assert board.election().phase == "voting"
    assert nodes.urls == (URL, LIAR), "the liar is asked last from then on"
    nodes.urls = (LIAR, URL)
    assert len(board.assemble(3).archive.records) > 2


def test_a_ballot_box_that_one_node_changes_is_read_from_the_next(
    voted: tuple[Vote, Lab],
) -> None:
    vote, lab = voted
    chain, nodes = follow_both(lab)
    board = Board(chain, vote.uuid)

    def change(method: str, result: Any) -> Any:
        """Other ballots; proved records stay as they are."""
        value = (
            base64.b64decode(result["response"].get("value") or "")
            if method == "abci_query"
            else b""
        )
        if b'"ballot"' not in value:
            return result
        told = json.loads(value)
        other = json.dumps(told | {"ballot": told["ballot"].replace("1", "2")}).encode()
        return {"response": {**result["response"], "value": base64.b64encode(other).decode()}}

    nodes.lie = change
    assert board.assemble(3).box.ballots == 2


def test_when_every_node_lies_nothing_is_believed(voted: tuple[Vote, Lab]) -> None:
    vote, lab = voted
    chain, nodes = follow_both(lab)
    nodes.lie = query_lie("{}")
    lab.tamper = nodes.lie
    with pytest.raises(NotProved):
        Board(chain, vote.uuid).election()


@pytest.mark.parametrize(
    "claims",
    [
        {"code": 0, "log": "", "codespace": "", "hash": ""},
        {"code": 7, "log": "no", "codespace": "", "hash": ""},
    ],
    ids=["drops", "refuses"],
)
def test_what_one_node_drops_or_refuses_another_takes(claims: dict[str, Any]) -> None:
    vote, _lab, chain, nodes = in_ceremony()
    nodes.claims = claims
    seed = seeded("trustee 1")
    cert = make_certificate(vote_group(vote), draw_seed(seed), seed)
    send(chain, trustee_key(vote), TrusteeCert(vote.uuid, 1, as_signed(cert)))
    chain.catch_up()
    assert Board(chain, vote.uuid).ceremony(1)[0].cert is not None


def test_what_every_node_refuses_is_refused() -> None:
    vote, _lab, chain, nodes = in_ceremony()
    nodes.claims = {"code": 7, "log": "no", "codespace": "", "hash": ""}
    with pytest.raises(ChainRefusal):
        send(chain, trustee_key(vote), TrusteeCommit(vote.uuid, 1, "00" * 32))


def in_ceremony() -> tuple[Vote, Lab, TrustedChain, TwoNodes]:
    vote, lab = lab_vote()
    vote.publish()
    lab.produce()
    return vote, lab, *follow_both(lab)


def vote_group(vote: Vote) -> Group:
    group = get_group(vote.body.group)
    assert group is not None
    return group


def trustee_key(vote: Vote) -> RoleKey:
    body = vote.body.trustees[0]
    return new_role_key("trustee", body, seed=sha256(f"test key trustee@{body}".encode()).digest())
