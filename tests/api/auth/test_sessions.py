"""Sessions: proofs on every route, refresh rotation, reuse, races, ending them, and what a thief can do."""

import threading
from typing import Any

import pytest

from app.accounts.service import set_account_status
from app.auth.models import SessionRow
from app.auth.sessions import CITIZEN_LIFE_S, GRACE_S
from app.cli.demo.http import make_proof
from app.cli.openapi import describe_api
from app.core.database import connected, database, write
from app.core.keyfiles import new_role_key
from app.core.tokens import LIFE_S, TokenIssuer
from chain.crypto.jws import SigningKey
from tests.api.conftest import PUBLIC_URL, Town
from tests.api.places import fill
from tests.town.town_kit import key

ALICE, MALLORY = key("alice"), key("mallory's proof key", "ES256")
PROOF_KEY = key("alice's proof key", "ES256")


def open_session(town: Town, signer: SigningKey = ALICE, proof_key: SigningKey = PROOF_KEY) -> Any:
    answer = town.login_answer(signer, proof_key)
    assert answer.status_code == 201, answer.json
    return answer.json


def refresh(town: Town, token: str, proof_key: SigningKey = PROOF_KEY) -> Any:
    url = f"{PUBLIC_URL}/v1/auth/refreshes"
    proof = make_proof(proof_key, "POST", url, town.clock.seconds)
    return town.app.test_client().post(
        "/v1/auth/refreshes", json={"refresh_token": token}, headers={"DPoP": proof}
    )


def use(town: Town, access_token: str, proof_key: SigningKey = PROOF_KEY) -> Any:
    path = "/v1/auth/sessions"
    proof = make_proof(proof_key, "GET", PUBLIC_URL + path, town.clock.seconds, token=access_token)
    headers = {"Authorization": f"DPoP {access_token}", "DPoP": proof}
    return town.http.get(path, headers=headers)


def end_reason(session: str) -> str:
    with connected():
        return str(SessionRow.get_by_id(session).end_reason)


# --- possession ------------------------------------------------------------------------------


def test_a_stolen_token_opens_no_route_without_its_key(town: Town) -> None:
    """Requirement 9, on every route of the description that is not public."""
    token = open_session(town)["access_token"]
    for path, item in describe_api()["paths"].items():
        for method, operation in item.items():
            if method == "parameters" or operation["x-scope"] == ["public"]:
                continue
            place = fill(path)
            url = PUBLIC_URL + place
            proof = make_proof(MALLORY, method.upper(), url, town.clock.seconds, token=token)
            for stolen in ({"DPoP": ""}, {"DPoP": proof}):
                answer = town.http.open(
                    place, method=method, headers={"Authorization": f"DPoP {token}", **stolen}
                )
                assert (answer.status_code, answer.json["code"]) == (401, "auth_proof_invalid"), (
                    path
                )
            bearer = town.http.open(
                place, method=method, headers={"Authorization": f"Bearer {token}"}
            )
            assert (bearer.status_code, bearer.json["code"]) == (401, "auth_token_required"), path


def test_a_stolen_token_and_its_proof_key_still_move_nothing(town: Town) -> None:
    """What changes the chain is signed by the wallet's key, which no session holds."""
    town.open_account(ALICE)
    session = open_session(town)
    thief = key("thief's own wallet key")
    forged = town.tx_rotation(ALICE.kid, thief)
    proof = make_proof(
        PROOF_KEY,
        "POST",
        f"{PUBLIC_URL}/v1/accounts",
        town.clock.seconds,
        token=session["access_token"],
    )
    answer = town.http.post(
        "/v1/accounts",
        json={"transaction": forged},
        headers={
            "Authorization": f"DPoP {session['access_token']}",
            "DPoP": proof,
            "Idempotency-Key": "stolen-session-1",
            "Prefer": "wait=5",
        },
    )
    assert answer.status_code == 403, answer.json
    assert answer.json["code"] in ("tx_not_entitled", "tx_missing_signature", "tx_unknown_key")


def test_a_proof_seen_on_the_wire_does_not_serve_again(town: Town) -> None:
    session = open_session(town)
    path = "/v1/auth/sessions"
    proof = make_proof(
        PROOF_KEY, "GET", PUBLIC_URL + path, town.clock.seconds, token=session["access_token"]
    )
    headers = {"Authorization": f"DPoP {session['access_token']}", "DPoP": proof}
    assert town.http.get(path, headers=headers).status_code == 200
    assert town.http.get(path, headers=headers).json["code"] == "auth_proof_invalid"


def test_two_proofs_or_two_tokens_in_one_request_are_none(town: Town) -> None:
    session = open_session(town)
    token, path = session["access_token"], "/v1/auth/sessions"
    proofs = [
        make_proof(PROOF_KEY, "GET", PUBLIC_URL + path, town.clock.seconds, token=token)
        for _ in range(2)
    ]
    twice = [("Authorization", f"DPoP {token}"), ("DPoP", proofs[0]), ("DPoP", proofs[1])]
    assert town.http.get(path, headers=twice).json["code"] == "auth_proof_invalid"
    tokens = [("Authorization", f"DPoP {token}")] * 2 + [("DPoP", proofs[0])]
    assert town.http.get(path, headers=tokens).status_code == 401


@pytest.mark.parametrize("taken", ["proof key of another account", "wallet key", "account key"])
def test_a_proof_key_serves_one_login_only(town: Town, taken: str) -> None:
    """One key for two services would tell the town that both are one person's."""
    bob = key("bob")
    town.open_account(bob)
    open_session(town, bob, PROOF_KEY)
    wanted = {"proof key of another account": PROOF_KEY, "wallet key": ALICE, "account key": bob}
    answer = town.login_answer(ALICE, wanted[taken])
    assert (answer.status_code, answer.json["code"]) == (409, "auth_proof_key_shared")


# --- refreshing ------------------------------------------------------------------------------


def test_a_refresh_token_gives_the_next_pair_and_the_session_goes_on(town: Town) -> None:
    first = open_session(town)
    town.clock.seconds += LIFE_S + 1
    assert use(town, first["access_token"]).json["code"] == "auth_token_expired"
    second = refresh(town, first["refresh_token"])
    assert second.status_code == 201
    assert second.json["session"] == first["session"]
    assert second.json["refresh_token"] != first["refresh_token"]
    assert use(town, second.json["access_token"]).status_code == 200


def test_the_token_before_gives_the_identical_pair_for_half_a_minute(town: Town) -> None:
    """Requirement 7: several screens that resume together are one phone, not a thief."""
    first = open_session(town)
    second = refresh(town, first["refresh_token"]).json
    town.clock.seconds += GRACE_S
    assert refresh(town, first["refresh_token"]).json == second
    assert use(town, second["access_token"]).status_code == 200


def test_the_token_before_that_one_ends_the_session_at_once(town: Town) -> None:
    """Requirements 6 and 7: only the immediate predecessor is forgiven."""
    first = open_session(town)
    second = refresh(town, first["refresh_token"]).json
    third = refresh(town, second["refresh_token"]).json
    answer = refresh(town, first["refresh_token"])
    assert (answer.status_code, answer.json["code"]) == (401, "auth_refresh_reused")
    assert use(town, third["access_token"]).json["code"] == "auth_session_ended"
    assert refresh(town, third["refresh_token"]).json["code"] == "auth_refresh_invalid"
    assert end_reason(first["session"]) == "refresh token used twice"


def test_the_token_before_is_no_longer_forgiven_after_half_a_minute(town: Town) -> None:
    first = open_session(town)
    refresh(town, first["refresh_token"])
    town.clock.seconds += GRACE_S + 1
    assert refresh(town, first["refresh_token"]).json["code"] == "auth_refresh_reused"


def test_a_refresh_token_by_another_key_ends_the_session(town: Town) -> None:
    first = open_session(town)
    answer = refresh(town, first["refresh_token"], MALLORY)
    assert (answer.status_code, answer.json["code"]) == (401, "auth_refresh_reused")
    assert use(town, first["access_token"]).json["code"] == "auth_session_ended"


def test_a_guessed_secret_of_a_known_session_burns_nothing(town: Town) -> None:
    first = open_session(town)
    session, generation, mac = first["refresh_token"].split(".")
    for guess in (
        f"{session}.{generation}.{'A' * 43}",
        f"{session}.7.{mac}",
        f"{session}.-1.{mac}",
        f"{session}.00.{mac}",
        f"{'A' * 22}.{generation}.{mac}",
        f"{session}.{generation}",
        "' OR 1=1 --",
    ):
        assert refresh(town, guess).json["code"] == "auth_refresh_invalid", guess
    assert refresh(town, first["refresh_token"]).status_code == 201


def test_an_access_token_is_no_refresh_token_and_the_reverse(town: Town) -> None:
    first = open_session(town)
    assert refresh(town, first["access_token"][:100]).json["code"] == "auth_refresh_invalid"
    assert use(town, first["refresh_token"]).json["code"] == "auth_token_invalid"


def test_three_uses_of_one_refresh_token_at_once_have_exactly_one_outcome(town: Town) -> None:
    first = open_session(town)
    gate, answers = threading.Barrier(3), []

    def ask() -> None:
        gate.wait(timeout=20)
        answers.append(refresh(town, first["refresh_token"]))
        if not database.is_closed():
            database.close()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    assert len({answer.json["access_token"] for answer in answers}) == 1
    with connected():
        assert SessionRow.get_by_id(first["session"]).generation == 1


def test_a_thief_among_three_uses_at_once_ends_with_nothing(town: Town) -> None:
    first = open_session(town)
    gate, answers = threading.Barrier(3), {}

    def ask(name: str, proof_key: SigningKey) -> None:
        gate.wait(timeout=20)
        answers[name] = refresh(town, first["refresh_token"], proof_key)
        if not database.is_closed():
            database.close()

    people = {"phone": PROOF_KEY, "phone again": PROOF_KEY, "thief": MALLORY}
    threads = [threading.Thread(target=ask, args=item) for item in people.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert answers["thief"].status_code == 401
    given = {a.json.get("access_token") for a in answers.values() if a.status_code == 201}
    assert all(use(town, token).json["code"] == "auth_session_ended" for token in given)


def test_a_session_ends_absolutely_however_often_it_is_renewed(town: Town) -> None:
    first = open_session(town)
    assert first["session_expires_at"] - town.clock.seconds == CITIZEN_LIFE_S
    town.clock.seconds = first["session_expires_at"] - 1
    second = refresh(town, first["refresh_token"])
    assert second.json["session_expires_at"] == first["session_expires_at"]
    town.clock.seconds += 1
    assert refresh(town, second.json["refresh_token"]).json["code"] == "auth_refresh_invalid"
    late = use(town, second.json["access_token"])
    assert late.json["code"] == "auth_session_ended", "its token, given a second before, ends too"


def test_the_database_holds_nothing_a_thief_could_use_as_a_token(town: Town) -> None:
    first = open_session(town)
    secret = first["refresh_token"].rpartition(".")[2]
    with connected():
        rows = [str(row.__data__) for row in SessionRow.select()]
    assert rows
    assert all(secret not in row and first["access_token"] not in row for row in rows)


# --- the server's own keys -------------------------------------------------------------------


def test_a_token_of_the_key_before_is_good_to_its_end_and_no_longer(town: Town) -> None:
    """Requirement 11, with the clock standing still."""
    first = open_session(town)
    services = town.app.extensions["beffroi"]
    old = town.config.token_keys[0]
    both = TokenIssuer((new_role_key("token"), old), audience=PUBLIC_URL)
    object.__setattr__(services, "tokens", both)
    assert use(town, first["access_token"]).status_code == 200
    second = refresh(town, first["refresh_token"])
    assert second.status_code == 201, "a refresh token outlives one change of keys"
    town.clock.seconds += LIFE_S
    assert use(town, first["access_token"]).json["code"] == "auth_token_expired"
    object.__setattr__(services, "tokens", TokenIssuer((new_role_key("x"),), audience=PUBLIC_URL))
    third = refresh(town, second.json["refresh_token"])
    assert third.json["code"] == "auth_refresh_invalid"


# --- ending ----------------------------------------------------------------------------------


def test_a_frozen_account_s_token_opens_nothing_of_it_from_the_next_request_on(town: Town) -> None:
    """Requirement 12."""
    town.open_account(ALICE)
    headers = town.login(ALICE)
    assert town.http.get("/v1/accounts/me", headers=headers).status_code == 200
    with connected(), write():
        set_account_status(ALICE.kid, "frozen", height=town.lab.height)
    refused = town.http.get("/v1/accounts/me", headers=headers)
    assert (refused.status_code, refused.json["code"]) == (403, "auth_scope_missing")


def test_a_citizen_sees_the_own_sessions_and_ends_one(town: Town) -> None:
    here = open_session(town)
    there = open_session(town, ALICE, key("alice's tablet", "ES256"))
    open_session(town, key("bob"), key("bob's proof key", "ES256"))
    shown = use(town, here["access_token"]).json["sessions"]
    assert {row["id"]: row["is_current"] for row in shown} == {
        here["session"]: True,
        there["session"]: False,
    }
    ended = town.http.post(
        f"/v1/auth/sessions/{there['session']}/end",
        headers={"Authorization": f"DPoP {here['access_token']}"},
    )
    assert ended.status_code == 200
    assert refresh(town, there["refresh_token"], key("alice's tablet", "ES256")).status_code == 401
    assert use(town, here["access_token"]).status_code == 200


def test_logout_ends_the_session_of_the_request(town: Town) -> None:
    session = open_session(town)
    headers = {"Authorization": f"DPoP {session['access_token']}"}
    assert town.http.post("/v1/auth/logout", headers=headers).status_code == 200
    assert use(town, session["access_token"]).json["code"] == "auth_session_ended"


def test_a_supervisor_throws_a_stolen_key_out_of_all_its_sessions(town: Town) -> None:
    """Requirement 8: also the administrator can."""
    first = open_session(town)
    second = open_session(town, ALICE, key("alice's tablet", "ES256"))
    supervisor = town.login(key("agent_supervisor@commerces"))
    answer = town.http.post(f"/v1/auth/keys/{ALICE.kid}/sessions/end", headers=supervisor)
    assert answer.json == {"ended": 2}
    assert use(town, first["access_token"]).json["code"] == "auth_session_ended"
    tablet = key("alice's tablet", "ES256")
    assert use(town, second["access_token"], tablet).json["code"] == "auth_session_ended"
