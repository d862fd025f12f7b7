"""Bodies, role keys and the council's acts as anybody may see them."""

from chain.town.schemas import ActBodyAdd, ActRoleRevoke, CouncilActs
from tests.api.conftest import Town
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
