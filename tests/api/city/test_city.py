"""Bodies, role keys and the council's acts as anybody may see them."""

from chain.codec.canonical import b64url_encode
from chain.crypto.keys import address
from chain.execution.evidence import make_duplicate_vote
from chain.town.schemas import ActBodyAdd, ActRoleRevoke, CouncilActs
from chain.types.block import BlockID, PartSetHeader, Vote
from chain.types.evidence import DuplicateVoteEvidence
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import Timestamp
from tests.api.conftest import Town
from tests.town.test_city import pub_key, set_validator
from tests.town.town_kit import BODIES, jwk, key

SEATS = [key(f"seat@{body}") for body in BODIES]


def test_bodies_are_those_of_the_genesis_and_of_later_acts(town: Town) -> None:
    shown = [body["body"] for body in town.http.get("/v1/city/bodies").json["bodies"]]
    assert shown == sorted(BODIES)
    tx = town.tx(
        CouncilActs((ActBodyAdd("gare", "La gare", jwk(key("seat@gare"))),)), "council", *SEATS
    )
    assert town.post_tx("/v1/city/acts", tx, SEATS[0]).status_code == 201
    assert len(town.http.get("/v1/city/bodies").json["bodies"]) == len(BODIES) + 1


def test_role_keys_come_in_pages_without_persons(town: Town) -> None:
    seen, cursor = [], ""
    while True:
        page = town.http.get(f"/v1/city/roles?limit=2&cursor={cursor}").json
        seen += page["roles"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    whole = town.http.get("/v1/city/roles").json["roles"]
    assert seen == whole
    assert {role["role"] for role in whole} >= {"clerk", "gateway", "loyalty_operator"}
    assert set(whole[0]) == {"kid", "role", "holder", "expires", "revoked_since"}


def test_an_act_below_two_thirds_of_the_seats_is_refused(town: Town) -> None:
    tx = town.tx(CouncilActs((ActRoleRevoke(key("clerk@mairie").kid),)), "council", *SEATS[:2])
    answer = town.post_tx("/v1/city/acts", tx, SEATS[0])
    assert (answer.status_code, answer.json["code"]) == (403, "city_no_quorum")


def test_only_a_seat_may_hand_an_act_in(town: Town) -> None:
    tx = town.tx(CouncilActs((ActRoleRevoke(key("clerk@mairie").kid),)), "council", *SEATS)
    answer = town.post_tx("/v1/city/acts", tx, key("clerk@mairie"))
    assert (answer.status_code, answer.json["code"]) == (403, "auth_scope_missing")


def test_validators_and_their_proven_offences_are_public_and_follow_the_chain(town: Town) -> None:
    def shown() -> dict[str, tuple[str, int, str]]:
        rows = town.http.get("/v1/city/validators").json["validators"]
        return {row["pub_key"]: (row["body"], row["power"], row["status"]) for row in rows}

    assert sorted(shown().values()) == sorted((body, 10, "active") for body in BODIES)
    assert town.http.get("/v1/city/misbehaviour").json == {"misbehaviour": []}
    new = set_validator("gare", 5)
    gare = ActBodyAdd("gare", "La gare", jwk(key("seat@gare")))
    tx = town.tx(CouncilActs((gare, new)), "council", *SEATS)
    assert town.post_tx("/v1/city/acts", tx, SEATS[0]).status_code == 201
    town.lab.produce()
    assert shown()[new.pub_key] == ("gare", 10, "active")

    guilty = b64url_encode(pub_key(3))
    item = double_vote(town, 3, town.lab.height)
    height = town.lab.produce(evidence=(item,))
    town.lab.produce()
    town.follow()
    assert shown()[guilty] == ("dehors", 0, "tombstoned")
    (row,) = town.http.get("/v1/city/misbehaviour").json["misbehaviour"]
    assert row == {
        "body": "dehors",
        "pub_key": guilty,
        "offence": "duplicate_vote",
        "height": height - 1,
        "time_s": item.timestamp.seconds,
        "power": 10,
        "total_power": 50,
        "committed_height": height,
        "outcome": "removed",
    }


def double_vote(town: Town, index: int, height: int) -> DuplicateVoteEvidence:
    """Evidence about a vote nobody saw: the town believes what its validators decided."""
    validators = town.lab.sets[height]
    place = validators.index_of(address(pub_key(index)))
    assert place is not None
    votes = [
        Vote(
            SignedMsgType.PREVOTE,
            height,
            0,
            BlockID(fill * 32, PartSetHeader(1, fill * 32)),
            Timestamp(1),
            address(pub_key(index)),
            place,
            bytes(64),
        )
        for fill in (b"\x01", b"\x02")
    ]
    time = town.lab.blocks[height].header.time
    item = make_duplicate_vote(votes[0], votes[1], time, validators)
    assert item is not None
    return item
