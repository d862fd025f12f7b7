"""What anybody may check: headers, commits, validators, roots, a checkpoint; with the node down too."""

from chain.codec.cmtjson import from_json
from chain.codec.hashing import hash_header, hash_validators
from chain.crypto.commits import verify_commit_full
from chain.types.block import Commit, Header
from chain.types.validator import Validator, ValidatorSet
from tests.api.conftest import Town
from tests.town.town_kit import key


def test_header_commit_and_validators_verify_each_other_while_the_node_is_down(town: Town) -> None:
    town.open_account(key("alice"))
    town.lab.is_down = True
    checkpoint = town.http.get("/v1/audit/checkpoint").json
    height = checkpoint["height"]
    shown = town.http.get(f"/v1/audit/headers/{height}").json
    header = from_json(Header, shown["header"])
    assert hash_header(header).hex() == shown["hash"]
    commit = from_json(Commit, town.http.get(f"/v1/audit/commits/{height}").json["commit"])
    listed = town.http.get(f"/v1/audit/validators/{height}").json["validators"]
    validators = ValidatorSet(tuple(from_json(Validator, line) for line in listed))
    assert hash_validators(validators.validators) == header.validators_hash
    assert commit.block_id.hash == hash_header(header)
    assert verify_commit_full(header.chain_id, validators, commit.block_id, height, commit) is None


def test_an_unknown_height_is_404(town: Town) -> None:
    for path in ("headers/999", "commits/999", "validators/999"):
        answer = town.http.get(f"/v1/audit/{path}")
        assert (answer.status_code, answer.json["code"]) == (404, "height_unknown")
    for path in ("headers/0", "headers/-1", "headers/x", "headers/99999999999999999999"):
        assert town.http.get(f"/v1/audit/{path}").status_code == 404


def test_roots_come_newest_first_in_pages(town: Town) -> None:
    for name in ("alice", "bob", "carol"):
        town.open_account(key(name))
    first = town.http.get("/v1/audit/roots?limit=4").json
    heights = [root["height"] for root in first["roots"]]
    assert heights == sorted(heights, reverse=True)
    second = town.http.get(f"/v1/audit/roots?limit=4&below={first['next_below']}").json
    assert second["roots"][0]["height"] == heights[-1] - 1
    assert sum(root["transactions"] for root in first["roots"] + second["roots"]) == 3


def test_nothing_of_a_block_s_body_is_shown(town: Town) -> None:
    tx = town.open_tx(key("alice"))
    town.post_tx("/v1/accounts", tx, key("alice"))
    for path in ("headers/3", "commits/3", "validators/3", "roots", "checkpoint"):
        assert tx.decode()[:40] not in town.http.get(f"/v1/audit/{path}").text
