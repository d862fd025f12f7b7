"""The client against a provider that lies: every token is signed rightly or wrongly here, nothing is fetched."""

import json
import time
from dataclasses import replace

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from app.core.problems import Problem
from app.identity.federation.fetch import Fetched
from app.identity.federation.oidc import OidcClient, is_sufficient
from app.identity.federation.settings import Provider

ISSUER = "https://fc.test/api/v2"
NOW_S = int(time.time())
NONCE = "n" * 43
KEY = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"}, private=True)
OTHER = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"}, private=True)
ID_CLAIMS = {
    "iss": ISSUER, "aud": "town", "sub": "s1", "nonce": NONCE, "acr": "eidas1", "iat": NOW_S, "exp": NOW_S + 60
}  # fmt: skip
USERINFO = {"sub": "s1", "iss": ISSUER, "aud": "town", "family_name": "LEFEVRE"}


def sign(claims, key=KEY, **header):
    full = {"alg": "ES256", "kid": "k1", **header}
    return jws.serialize_compact(full, json.dumps(claims), key, algorithms=[full["alg"]])


class Liar:
    """Answers like a provider, in the fetcher's place; a test replaces one answer."""

    origins = frozenset({"https://fc.test"})

    def __init__(self, **answers):
        self.answers = {
            ".well-known/openid-configuration": {
                "issuer": ISSUER,
                **{
                    f"{name}_endpoint": f"{ISSUER}/{name}"
                    for name in ("authorization", "token", "userinfo", "end_session")
                },
                "jwks_uri": f"{ISSUER}/jwks",
            },
            "jwks": {"keys": [KEY.as_dict(private=False)]},
            "token": {"access_token": "at", "token_type": "Bearer", "id_token": sign(ID_CLAIMS)},
            "userinfo": sign(USERINFO),
            **answers,
        }
        self.asked = []

    def request(self, method, url, *, headers, body=None):
        name = url.removeprefix(f"{ISSUER}/")
        self.asked.append(name)
        answer = self.answers[name]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, str):
            return Fetched(200, "application/jwt", answer.encode())
        return Fetched(200, "application/json", json.dumps(answer).encode())


def redeem(**answers):
    provider = Provider(
        name="franceconnect", issuer=ISSUER, client_id="town", client_secret="s", redirect_uri="https://town.test/cb",
        return_url="https://app.test", post_logout_redirect_uri="https://town.test/lo", scope="openid", acr="eidas1",
    )  # fmt: skip
    liar = Liar(**answers)
    client = OidcClient(replace(provider, fetcher=liar))
    return liar, lambda: client.redeem("code", nonce=NONCE, verifier="v" * 43, now_s=NOW_S)


def token(id_token):
    return {"access_token": "at", "token_type": "Bearer", "id_token": id_token}


def test_an_honest_provider_is_believed():
    _, go = redeem()
    verified = go()
    assert (verified.subject, verified.acr, verified.claims["family_name"]) == (
        "s1",
        "eidas1",
        "LEFEVRE",
    )
    assert "LEFEVRE" not in repr(verified)


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"iss": ISSUER + "/"}, "iss"),
        ({"iss": "https://proconnect.test"}, "iss"),
        ({"aud": "another client"}, "aud"),
        ({"aud": ["town", "another client"]}, "azp"),
        ({"azp": "another client"}, "azp"),
        ({"nonce": "m" * 43}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"exp": NOW_S - 31}, "exp"),
        ({"iat": NOW_S + 31}, "iat"),
        ({"nbf": NOW_S + 31}, "nbf"),
        ({"sub": ""}, "sub"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"),
    ],
)
def test_23_a_token_with_a_wrong_claim_is_refused(change, detail):
    _, go = redeem(token=token(sign(ID_CLAIMS | change)))
    with pytest.raises(Problem) as refused:
        go()
    assert refused.value.code.name == "federation_answer_invalid"
    assert detail in str(refused.value.detail)


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "exp", "iat", "nonce"])
def test_23_a_token_that_lacks_a_claim_is_refused(missing):
    _, go = redeem(token=token(sign({n: v for n, v in ID_CLAIMS.items() if n != missing})))
    with pytest.raises(Problem) as refused:
        go()
    assert refused.value.code.name == "federation_answer_invalid"


@pytest.mark.parametrize("acr", ["", None, "eidas0", "EIDAS1", 1])
def test_24_a_token_without_the_level_asked_for_is_refused(acr):
    _, go = redeem(token=token(sign(ID_CLAIMS | {"acr": acr})))
    with pytest.raises(Problem) as refused:
        go()
    assert refused.value.code.name == "federation_assurance_low"


def test_24_levels_are_ordered():
    assert is_sufficient("eidas3", "eidas2")
    assert is_sufficient("eidas2", "eidas2")
    assert not is_sufficient("eidas1", "eidas2")
    assert not is_sufficient("", "eidas1")
    assert is_sufficient("anything", "")


def test_25_an_unknown_kid_asks_for_the_keys_once_more_and_then_fails():
    liar, go = redeem(token=token(sign(ID_CLAIMS, kid="k2")))
    with pytest.raises(Problem):
        go()
    assert liar.asked.count("jwks") == 2


def test_25_a_key_that_comes_with_the_second_asking_is_used():
    fresh = ECKey.generate_key("P-256", {"kid": "k2", "use": "sig"}, private=True)
    both = {"keys": [KEY.as_dict(private=False), fresh.as_dict(private=False)]}
    liar, go = redeem(
        token=token(sign(ID_CLAIMS, fresh, kid="k2")),
        jwks=[{"keys": [KEY.as_dict(private=False)]}, both],
    )
    assert go().subject == "s1"
    assert liar.asked.count("jwks") == 2


def test_25_a_signature_of_another_key_under_a_known_kid_fails():
    liar, go = redeem(token=token(sign(ID_CLAIMS, OTHER)))
    with pytest.raises(Problem):
        go()
    assert liar.asked.count("jwks") == 2


@pytest.mark.parametrize(
    "header", [{"jwk": OTHER.as_dict(private=False)}, {"jku": "https://evil.test/jwks"}]
)
def test_25_a_key_that_the_token_brings_along_is_not_used(header):
    liar, go = redeem(token=token(sign(ID_CLAIMS, OTHER, **header)))
    with pytest.raises(Problem):
        go()
    assert not [url for url in liar.asked if "evil" in url]


def test_a_symmetric_signature_with_the_client_secret_is_refused():
    """The legacy algorithm of FranceConnect v1: whoever knows the secret could sign for the State."""
    forged = jws.serialize_compact(
        {"alg": "HS256", "kid": "k1"},
        json.dumps(ID_CLAIMS),
        OctKey.import_key("s" * 32),
        algorithms=["HS256"],
    )
    _, go = redeem(token=token(forged))
    with pytest.raises(Problem) as refused:
        go()
    assert refused.value.detail == "alg"


def test_an_unsigned_token_is_refused():
    head, body, _ = sign(ID_CLAIMS).split(".")
    none = "eyJhbGciOiJub25lIiwia2lkIjoiazEifQ"
    for text in (f"{none}.{body}.", f"{head}.{body}."):
        _, go = redeem(token=token(text))
        with pytest.raises(Problem):
            go()


@pytest.mark.parametrize(
    "userinfo",
    [
        sign(USERINFO | {"sub": "s2"}),
        sign({n: v for n, v in USERINFO.items() if n != "sub"}),
        sign(USERINFO | {"iss": "https://other.test"}),
        sign(USERINFO | {"aud": "another client"}),
        sign(USERINFO, OTHER),
    ],
)
def test_27_claims_about_another_subject_or_of_another_hand_are_refused(userinfo):
    _, go = redeem(userinfo=userinfo)
    with pytest.raises(Problem) as refused:
        go()
    assert refused.value.code.name == "federation_answer_invalid"


def test_27_unsigned_claims_are_refused():
    _, go = redeem(userinfo=USERINFO)
    with pytest.raises(Problem) as refused:
        go()
    assert refused.value.detail == "userinfo is not a signed answer"


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://fc.test"},
        {"token_endpoint": "https://evil.test/token"},
        {"jwks_uri": "http://fc.test/jwks"},
    ],
)
def test_23_metadata_of_another_issuer_or_with_foreign_endpoints_is_refused(change):
    honest = Liar().answers[".well-known/openid-configuration"]
    _, go = redeem(**{".well-known/openid-configuration": {**honest, **change}})
    with pytest.raises(Problem) as refused:
        go()
    assert refused.value.code.name == "federation_mixed_up"
