"""Requirements 22 to 28 and 43 on whole logins, and what linking, agents and logging out do."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from app.cli.demo.http import new_key
from app.core.database import connected
from app.identity.federation import agents
from app.identity.federation.logins import LOGIN_LIFE_S, SESSION_LIFE_S, derive_secrets
from app.identity.federation.models import AgentAccess, AgentLogin, FederationLink, FederationLogin
from app.identity.register import Register
from tests.api.conftest import close_database
from tests.api.identity.federation.conftest import APP_URL, FederatedTown
from tests.api.identity.federation.openid import Browser
from tests.api.identity.federation.test_enrolment import write_batch
from tests.town.town_kit import key

pytestmark = pytest.mark.process
FC = "franceconnect"


def begin(town: FederatedTown):
    return town.begin(f"{FC}/enrolments", {"enrolment": town.phone().enrolment})


# --- 22: one transaction, once, bound to the app ---------------------------------------------


def test_22_an_answer_serves_once(federated):
    begun = begin(federated)
    answer = federated.browse(begun, account="ana", acr="eidas1")
    assert federated.complete(FC, begun, answer).is_ok
    assert federated.complete(FC, begun, answer).code == "federation_login_unknown"


def test_22_of_twenty_simultaneous_answers_one_goes_on(federated):
    begun = begin(federated)
    answer = federated.browse(begun, account="ana", acr="eidas1")
    body = {
        "secret": begun.body["secret"],
        "state": answer["state"],
        "code": answer["code"],
        "iss": answer["iss"],
    }

    def complete(_: int) -> int:
        client = federated.town.app.test_client()
        return client.post(f"/v1/federation/{FC}/completions", json=body).status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = sorted(pool.map(complete, range(20)))
    assert statuses == [201, *[403] * 19]


def test_22_who_lures_a_citizen_into_a_login_of_another_app_gets_nothing(federated):
    """The citizen's answer lands on the citizen's own device, and the thief's app never sees its code."""
    thief, citizen = begin(federated), begin(federated)
    answer = federated.browse(
        thief, account="ana", acr="eidas1"
    )  # the citizen follows the thief's link
    refused = federated.complete(FC, citizen, answer)  # the citizen's app gets it
    assert (refused.status, refused.code) == (403, "federation_login_unknown")
    guessed = {**answer, "code": "guess"}
    assert not federated.complete(FC, thief, guessed).is_ok


def test_22_a_wrong_secret_uses_nothing_up(federated):
    begun, other = begin(federated), begin(federated)
    answer = federated.browse(begun, account="ana", acr="eidas1")
    assert federated.complete(FC, other, answer).code == "federation_login_unknown"
    assert federated.complete(FC, begun, answer).is_ok


def test_22_a_login_ends_after_ten_minutes(federated):
    begun = begin(federated)
    answer = federated.browse(begun, account="ana", acr="eidas1")
    federated.town.clock.seconds += LOGIN_LIFE_S
    assert federated.complete(FC, begun, answer).code == "federation_login_unknown"


@pytest.mark.parametrize(
    ("changed", "detail"), [("verifier", "token endpoint"), ("nonce", "nonce")]
)
def test_22_code_and_token_serve_only_with_the_verifier_and_nonce_of_their_login(
    federated, monkeypatch, changed, detail
):
    begun = begin(federated)
    answer = federated.browse(begun, account="ana", acr="eidas1")
    monkeypatch.setattr(
        "app.identity.federation.logins.derive_secrets",
        lambda secret: replace(derive_secrets(secret), **{changed: "A" * 43}),
    )
    refused = federated.complete(FC, begun, answer)
    assert (refused.status, refused.code) == (502, "federation_answer_invalid")
    assert refused.body["detail"] == detail


# --- 23: no mix-up ---------------------------------------------------------------------------


def test_23_an_answer_at_the_callback_of_another_provider_is_refused(federated):
    begun = begin(federated)
    answer = federated.browse(begun, account="ana", acr="eidas1")
    for other in ("franceconnect-plus", "proconnect"):
        query = urlencode({name: answer[name] for name in ("state", "code", "iss")})
        at_callback = federated.web.get(f"/v1/federation/{other}/callback?{query}")
        assert (at_callback.status, at_callback.code) == (403, "federation_mixed_up")
        assert federated.complete(other, begun, answer).code == "federation_mixed_up"
    assert federated.complete(FC, begun, answer).is_ok


@pytest.mark.parametrize("iss", ["https://franceconnect.example/api/v2", None])
def test_23_an_issuer_in_the_answer_is_the_asked_one_and_there_where_promised(federated, iss):
    begun = begin(federated)
    answer = federated.browse(begun, account="ana", acr="eidas1")
    changed = {**answer, "iss": iss} if iss else {n: v for n, v in answer.items() if n != "iss"}
    assert federated.complete(FC, begun, changed).code == "federation_mixed_up"


def test_23_a_callback_with_an_unknown_or_doubled_state_goes_nowhere(federated):
    path = f"/v1/federation/{FC}/callback"
    assert federated.web.get(f"{path}?state=guess&code=x").code == "federation_login_unknown"
    assert federated.web.get(path).code == "federation_login_unknown"
    assert federated.web.get(f"{path}?state=a&state=b").code == "request_malformed"
    assert federated.web.get("/v1/federation/google/callback?state=a").status == 404


# --- 25: keys --------------------------------------------------------------------------------


def test_25_changed_keys_of_the_provider_are_fetched_once_more(federated):
    assert federated.enrol(federated.phone()).is_ok  # the old keys are known now
    begun = begin(federated)
    federated.world.providers.rotate(FC)
    answer = federated.browse(begun, account="presumed", acr="eidas1")
    assert federated.complete(FC, begun, answer).is_ok


# --- 28: logout ------------------------------------------------------------------------------


def log_out(town: FederatedTown, begun):
    return town.web.post(f"/v1/federation/{FC}/logouts", {"secret": begun.body["secret"]})


def test_28_a_logout_carries_hint_and_state_and_comes_back_to_the_app(federated):
    begun = begin(federated)
    browser = Browser(APP_URL, account="ana", acr="eidas1")
    answer = dict(parse_qsl(urlsplit(browser.go(begun.body["authorization_url"])).fragment))
    assert federated.complete(FC, begun, answer).is_ok
    url = log_out(federated, begun).body["logout_url"]
    query = dict(parse_qsl(urlsplit(url).query))
    assert set(query) == {"id_token_hint", "state", "post_logout_redirect_uri"}
    browser.answers = {"logout": "yes"}
    end = browser.go(url)
    assert end == f"{APP_URL}#provider=franceconnect&logged_out=1"
    with connected():
        assert FederationLogin.select().count() == 0
    assert log_out(federated, begun).code == "federation_login_unknown"


def test_28_without_the_secret_there_is_no_logout_and_an_unknown_state_goes_nowhere(federated):
    begun, other = begin(federated), begin(federated)
    answer = federated.browse(begun, account="ana", acr="eidas1")
    assert federated.complete(FC, begun, answer).is_ok
    assert log_out(federated, other).code == "federation_login_unknown"
    path = f"/v1/federation/{FC}/logged-out?state=x&post_logout_redirect_uri=https://evil.test"
    refused = federated.web.get(path)
    assert (refused.status, refused.code) == (403, "federation_logged_out_unknown")
    assert "location" not in refused.headers
    federated.town.clock.seconds += SESSION_LIFE_S
    assert log_out(federated, begun).code == "federation_login_unknown"


def test_28_the_id_token_is_sealed_under_the_apps_secret(federated):
    begun = begin(federated)
    answer = federated.browse(begun, account="ana", acr="eidas1")
    assert federated.complete(FC, begun, answer).is_ok
    with connected():
        (row,) = FederationLogin.select()
    assert bytes(row.sealed_id_token).find(b"eyJ") == -1


# --- linking ---------------------------------------------------------------------------------


@pytest.fixture
def citizen(federated):
    """A citizen of the desk whose identity is on the chain: (town, phone)."""
    phone = federated.street.new_phone()
    federated.street.enrol(phone, family_name="Lefèvre")
    assert write_batch(federated).is_ok
    phone.read_identity()
    return federated, phone


def link(town, phone, **answers):
    begun = town.begin(f"{FC}/links", token=phone.identity_token)
    return town.complete(FC, begun, town.browse(begun, **{"acr": "eidas1", **answers}))


def test_a_citizen_of_the_desk_links_franceconnect(citizen):
    town, phone = citizen
    assert link(town, phone, account="ana").body["outcome"] == "linked"
    (linked,) = town.street.api.get("/v1/federation/links", token=phone.identity_token).body[
        "links"
    ]
    assert (linked["provider"], linked["acr"]) == (FC, "eidas1")
    stranger = town.phone()
    assert town.enrol(stranger).code == "federation_link_proposed"


def test_a_login_of_somebody_else_is_not_linked(citizen):
    town, phone = citizen
    refused = link(town, phone, account="twin")
    assert (refused.status, refused.code) == (409, "federation_other_person")
    with connected():
        assert FederationLink.select().count() == 0


def test_a_changed_name_at_franceconnect_sends_to_the_desk(citizen):
    town, phone = citizen
    refused = link(town, phone, account="married")
    assert refused.code == "federation_other_person"
    assert "guichet" in refused.body["title"]


def test_linking_needs_the_key_of_an_identity(federated):
    assert federated.begin(f"{FC}/links").code == "auth_token_required"
    phone = federated.street.phone("Bob")
    assert federated.begin(f"{FC}/links", token=phone.token).status == 404


def test_erasing_a_person_erases_the_links(citizen):
    town, phone = citizen
    assert link(town, phone, account="ana").is_ok
    cid = phone.read_identity()["cid"]
    with connected():
        Register(town.town.config).erase(cid, now_s=town.town.clock.now_s())
        assert FederationLink.select().count() == 0
    assert town.enrol(town.phone()).is_ok, "who was erased may enrol again"


# --- agents ----------------------------------------------------------------------------------


def authorise(town, *, kid="", uid="agent-1", idp_id="town-idp"):
    supervisor = town.street.supervisor
    body = {"kid": kid or town.street.clerk.key.kid, "idp_id": idp_id, "uid": uid}
    path = "/v1/federation/proconnect/agents"
    return supervisor.api.post(path, body, token=supervisor.token, key=new_key())


def log_in_agent(town, **answers):
    begun = town.begin("proconnect/agent-logins", token=town.street.clerk.token)
    answers = {"account": "clerk", "amr": "pwd mfa", **answers}
    return town.complete("proconnect", begun, town.browse(begun, **answers))


def test_an_agent_logs_in_with_proconnect(federated):
    assert authorise(federated).is_ok
    done = log_in_agent(federated)
    assert done.body["outcome"] == "agent_admitted", done.body
    kid, now_s = federated.street.clerk.key.kid, federated.town.clock.now_s()
    with connected():
        assert agents.find_agent_login(kid, now_s).kid == kid
        assert agents.find_agent_login(kid, now_s + agents.SESSION_LIFE_S) is None
        (row,) = AgentAccess.select().dicts()
    assert "agent-1" not in str(row)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"account": "elsewhere"}, "agent_wrong_employer"),
        ({"account": "colleague"}, "agent_not_authorised"),
        ({"amr": "pwd"}, "agent_second_factor_missing"),
        ({"cancel": "access_denied"}, "federation_refused"),
    ],
)
def test_19_an_agent_without_employer_authorisation_or_second_factor_is_refused(
    federated, answers, code
):
    assert authorise(federated).is_ok
    refused = log_in_agent(federated, **answers)
    assert (refused.status, refused.code) == (403, code)
    with connected():
        assert AgentLogin.select().count() == 0


def test_an_account_authorised_for_another_key_is_refused(federated):
    assert authorise(federated, kid=key("another agent").kid).is_ok
    assert log_in_agent(federated).code == "agent_not_authorised"


def test_a_revoked_agent_is_out_at_once(federated):
    assert authorise(federated).is_ok
    assert log_in_agent(federated).is_ok
    supervisor, kid = federated.street.supervisor, federated.street.clerk.key.kid
    path = "/v1/federation/proconnect/agents/revocations"
    assert supervisor.api.post(path, {"kid": kid}, token=supervisor.token).is_ok
    with connected():
        assert agents.find_agent_login(kid, federated.town.clock.now_s()) is None
    assert log_in_agent(federated).code == "agent_not_authorised"


def test_nobody_authorises_an_account_for_the_own_key(federated):
    refused = authorise(federated, kid=federated.street.supervisor.key.kid)
    assert (refused.status, refused.code) == (403, "agent_not_authorised")


def test_a_citizens_key_begins_no_professional_login(citizen):
    town, phone = citizen
    assert (
        town.begin("proconnect/agent-logins", token=phone.identity_token).code
        == "auth_scope_missing"
    )


def test_a_town_without_the_file_says_so(town):
    answer = town.http.post("/v1/federation/franceconnect/enrolments", json={"enrolment": "A" * 22})
    assert (answer.status_code, answer.json["code"]) == (404, "federation_absent")


def test_a_provider_that_is_down_is_told_as_such(tmp_path, world):
    town = FederatedTown(tmp_path, world, franceconnect={"issuer": "http://127.0.0.1:9/api/v2"})
    try:
        refused = begin(town)
        assert (refused.status, refused.code, refused.body["retryable"]) == (
            503,
            "federation_unreachable",
            True,
        )
    finally:
        town.close()
        close_database()
