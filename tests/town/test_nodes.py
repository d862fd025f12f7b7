"""The peer registry: who may connect, proved by the node's own signature, bounded, and ended in time."""

import json
from hashlib import sha256

import pytest

from chain.codec.canonical import b64url_encode
from chain.crypto import ed25519
from chain.crypto.node_certificate import node_id_of, sign_certificate
from chain.limits import CITY_NODES_MAX, CITY_NODES_PER_BODY_MAX
from chain.town.genesis import GenesisError
from chain.town.nodes import NODES
from chain.town.schemas import (
    ActBodyAdd,
    ActBodyRemove,
    ActNodeRemove,
    ActNodeSet,
    ActRoleGrant,
    CouncilActs,
)
from tests.town.test_city import act, set_validator
from tests.town.town_kit import (
    BODIES,
    DAY_S,
    ROLES,
    Town,
    jwk,
    key,
    make_town,
    name_of,
    validator_seed,
)


def node_seed(index: int) -> bytes:
    return b"node" + index.to_bytes(28, "big")


def node_id(index: int) -> str:
    return node_id_of(ed25519.derive_public(node_seed(index)))


def let_in(body: str, index: int, address: str | None = None, **changes: str) -> ActNodeSet:
    public = ed25519.derive_public(node_seed(index))
    values = {
        "body": body,
        "node_key": b64url_encode(public),
        "proof": b64url_encode(sign_certificate(node_seed(index), public)),
        "address": f"10.0.0.{index}:26656" if address is None else address,
    }
    return ActNodeSet(**(values | changes))


def listed(town) -> dict[str, dict]:
    answer = json.loads(town.query("/nodes").value)
    return {node["node_id"]: node for node in answer["nodes"]}


def test_a_node_let_in_is_listed_with_what_its_peers_need():
    town = make_town()
    assert town.status()["nodes_changed"] == 0
    assert name_of(act(town, let_in("coop", 1))) == "ok"
    (node,) = listed(town).values()
    assert node == {
        "node_id": node_id(1),
        "body": "coop",
        "node_key": let_in("coop", 1).node_key,
        "proof": let_in("coop", 1).proof,
        "address": "10.0.0.1:26656",
        "left": 0,
    }
    assert town.status()["nodes_changed"] == town.height
    town.run(town.open_tx(key("phone")))
    assert town.status()["nodes_changed"] == town.height - 1


@pytest.mark.parametrize(
    "acts",
    [
        [let_in("coop", 1, proof=let_in("coop", 2).proof)],  # the signature of another key
        [let_in("coop", 1, node_key=let_in("coop", 2).node_key)],  # another's key, without its word
        [let_in("nobody", 1)],
        [let_in("coop", 1), let_in("dehors", 1, "10.0.0.9:1")],  # one node of two bodies
        [let_in("coop", 1), let_in("coop", 2, "10.0.0.1:26656")],  # two nodes at one address
        [let_in("coop", n) for n in range(CITY_NODES_PER_BODY_MAX + 1)],
        [ActNodeRemove(node_id(1))],
        [let_in("coop", 1), ActNodeRemove(node_id(1)), ActNodeRemove(node_id(1))],
    ],
)
def test_an_entry_that_would_spoil_the_registry_is_refused(acts):
    town = make_town()
    assert name_of(act(town, *acts)) in ("city_act_refused", "city_unknown_body")
    assert listed(town) == {}


@pytest.mark.parametrize("index", [0, 1])
def test_a_consensus_key_or_role_key_is_no_node_key_and_the_other_way_round(index):
    """Certificates are of node keys, never of consensus keys."""
    town = make_town()
    seed = validator_seed(0) if index == 0 else sha256(b"test key clerk@mairie").digest()
    public = ed25519.derive_public(seed)
    own = ActNodeSet(
        "coop",
        b64url_encode(public),
        b64url_encode(sign_certificate(seed, public)),
        "",
    )
    assert name_of(act(town, own)) == "city_key_in_use"
    act(town, let_in("coop", 1))
    as_validator = set_validator("coop", 0)
    stolen = type(as_validator)("coop", let_in("coop", 1).node_key, 10)
    assert name_of(act(town, stolen)) == "city_key_in_use"


def test_a_waiting_entry_reserves_its_key():
    town = make_town(params={"council_delay_s": 100})
    act(town, let_in("coop", 1))
    node_key = jwk(key("x"))
    taken = ActRoleGrant(
        "clerk",
        "mairie",
        type(node_key)(crv="Ed25519", kty="OKP", x=let_in("coop", 1).node_key),
        town.now_s + DAY_S,
    )
    assert name_of(act(town, taken)) == "city_key_in_use"
    town.advance(200)
    town.idle()
    assert set(listed(town)) == {node_id(1)}


def test_an_address_changes_and_an_empty_one_may_be_shared():
    town = make_town()
    act(town, let_in("coop", 1), let_in("coop", 2, ""), let_in("dehors", 3, ""))
    assert name_of(act(town, let_in("coop", 1, "coop.example:7"))) == "ok"
    assert listed(town)[node_id(1)]["address"] == "coop.example:7"


def test_a_node_taken_off_alone_goes_at_once_and_may_come_back_for_its_body():
    town = make_town(params={"council_delay_s": 100})
    act(town, let_in("coop", 1))
    town.advance(200)
    town.idle()
    assert name_of(act(town, ActNodeRemove(node_id(1)))) == "ok"
    assert listed(town)[node_id(1)]["left"] == town.height
    assert name_of(act(town, let_in("dehors", 1))) == "city_act_refused"
    act(town, let_in("coop", 1))
    town.advance(200)
    town.idle()
    assert listed(town)[node_id(1)]["left"] == 0


def five_with_a_node() -> Town:
    """Five validators, a council that waits 50 s, and one registered node of the fifth body."""
    town = make_town(
        bodies=(*BODIES, "lycee"), roles=(), validators=5, params={"council_delay_s": 50}
    )
    act(town, let_in("lycee", 1), seats=BODIES)
    town.advance(60)
    town.idle()
    return town


def test_what_was_taken_off_at_once_is_not_brought_back_by_an_act_decided_before():
    town = make_town(bodies=(*BODIES, "lycee"), params={"council_delay_s": 7 * DAY_S}, validators=5)
    act(town, let_in("coop", 1), seats=BODIES)
    town.advance(7 * DAY_S)
    town.idle(2)
    assert not listed(town)[node_id(1)]["left"]
    setting = (set_validator("lycee", 4, 11), let_in("coop", 1, "10.0.0.9:1"))
    town.run(*[town.council_tx(one, seats=BODIES) for one in setting])
    town.advance(3 * DAY_S)
    taken_off = act(town, set_validator("lycee", 4, 0), ActNodeRemove(node_id(1)), seats=BODIES)
    assert name_of(taken_off) == "ok"
    town.advance(5 * DAY_S)
    town.idle(3)
    assert set_validator("lycee", 4).pub_key not in powers(town)
    assert listed(town)[node_id(1)]["left"]
    town.run(*[town.council_tx(one, seats=BODIES) for one in setting])
    town.advance(7 * DAY_S)
    town.idle(3)
    assert powers(town)[set_validator("lycee", 4).pub_key] == 11, "the later word counts"
    assert listed(town)[node_id(1)]["address"] == "10.0.0.9:1"


def powers(town) -> dict[str, int]:
    return {one["pub_key"]: one["power"] for one in town.status()["validators"]}


def test_a_validator_and_its_node_are_taken_off_at_once_when_nothing_else_is_asked():
    town = five_with_a_node()
    act(town, set_validator("lycee", 4, 0), ActNodeRemove(node_id(1)), seats=BODIES)
    assert listed(town)[node_id(1)]["left"] == town.height
    assert [u.power for u in town.last.validator_updates] == [0]


def test_beside_another_act_a_validator_and_its_node_wait_for_it():
    """A replacement must not leave the town a week without the old one, nor the old one without its peers."""
    town = five_with_a_node()
    acts = (set_validator("lycee", 4, 0), ActNodeRemove(node_id(1)), set_validator("lycee", 8))
    act(town, *acts, seats=BODIES)
    assert listed(town)[node_id(1)]["left"] == 0
    assert not town.last.validator_updates
    town.advance(60)
    town.idle()
    assert listed(town)[node_id(1)]["left"] == town.height
    assert sorted(u.power for u in town.last.validator_updates) == [0, 10]


def test_a_body_that_leaves_takes_its_nodes_along():
    town = make_town(bodies=(*BODIES, "lycee"), roles=(), validators=4)
    act(town, let_in("lycee", 1), let_in("coop", 2), seats=BODIES)
    act(town, ActBodyRemove("lycee"), seats=BODIES)
    assert {name: node["left"] > 0 for name, node in listed(town).items()} == {
        node_id(1): True,
        node_id(2): False,
    }


def test_a_thousand_entries_are_not_taken():
    bodies = tuple(f"corps-{n}" for n in range(12))
    town = make_town(bodies=bodies, roles=(), validators=4)
    accepted = 0
    for body in range(12):
        for start in range(0, 80, 8):
            acts = [let_in(bodies[body], 1_000 + body * 80 + start + n, "") for n in range(8)]
            accepted += 8 * (name_of(act(town, *acts, seats=bodies[:9])) == "ok")
    assert accepted == len(listed(town)) == CITY_NODES_MAX


def test_a_genesis_names_its_first_nodes_and_a_forged_one_starts_no_town():
    node = {k: getattr(let_in("coop", 1), k) for k in ("body", "node_key", "proof", "address")}
    town = make_town(nodes=[node])
    assert listed(town)[node_id(1)]["left"] == 0
    assert NODES.get(town.reader, node_id(1).encode()) is None, "no block made it durable yet"
    town.run(town.open_tx(key("phone")))
    assert NODES.get(town.reader, node_id(1).encode()) is not None
    for forged in (
        node | {"proof": let_in("coop", 2).proof},
        node | {"body": "nobody"},
        node | {"address": "no port"},
    ):
        with pytest.raises(GenesisError):
            make_town(nodes=[forged])
    with pytest.raises(GenesisError):
        make_town(nodes=[node, node | {"body": "dehors"}])


def test_a_town_without_nodes_in_its_genesis_keeps_its_name():
    """The name is a hash of the genesis: a field nobody uses must not change it."""
    roles = tuple(role for role in ROLES if role[0] != "auditor")
    assert make_town(roles=roles).town == "2naHXSqeCri81YoGXGFUouSlO70m2LnJn7O4JQnT_do"


def test_a_node_key_signs_no_transaction():
    town = make_town()
    act(town, let_in("coop", 1))
    signer = type(key("x"))("EdDSA", node_seed(1))
    acts = CouncilActs((ActBodyAdd("gare", "Gare", jwk(key("seat@gare"))),))
    assert name_of(town.run(town.tx(acts, "council", signer))[0]) == "tx_key_expired"
