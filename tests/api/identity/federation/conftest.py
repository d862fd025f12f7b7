"""A town with FranceConnect, FranceConnect+ and ProConnect set up, served over a socket, and people with browsers."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey
from werkzeug.serving import WSGIRequestHandler, make_server

from app.cli.demo.http import Api
from tests.api.conftest import Town, close_database
from tests.api.identity.federation.openid import Browser, Providers
from tests.api.lab import Lab
from tests.journeys.kit import Street
from tests.oracles import install

APP_URL = "https://app.test/retour"
CLIENT_SECRET = "throw-away client secret of a test town"
SIRET = "21590350100017"
ANA = {
    "given_name": "Ana Marie",
    "given_name_array": ["Ana", "Marie"],
    "family_name": "LEFEVRE",
    "birthdate": "1984-02-29",
    "gender": "female",
    "birthplace": "59350",
    "birthcountry": "99100",
    "email": "ana@example.test",
    "preferred_username": "DUPONT",
}
CITIZENS = {
    "ana": ANA,
    "presumed": {**ANA, "family_name": "DIALLO", "given_name": "Awa", "given_name_array": ["Awa"],
                 "birthdate": "1951-00-00", "birthplace": "", "birthcountry": "99335"},
    "month": {**ANA, "family_name": "TRAN", "given_name": "Van Minh", "given_name_array": None,
              "birthdate": "1962-07-00", "birthplace": "", "birthcountry": "99243"},
    "twin": {**ANA, "given_name": "Ana Rose", "given_name_array": ["Ana", "Rose"]},
    "married": {**ANA, "family_name": "MARTIN"},
    "nameless": {**ANA, "family_name": ""},
}  # fmt: skip
AGENTS = {
    "clerk": {"uid": "agent-1", "siret": SIRET, "idp_id": "town-idp"},
    "elsewhere": {"uid": "agent-1", "siret": "99999999900011", "idp_id": "town-idp"},
    "colleague": {"uid": "agent-2", "siret": SIRET, "idp_id": "town-idp"},
}


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        del type, message, args


class Served:
    """An application on a socket that exists before the application does."""

    def __init__(self) -> None:
        self.app: Any = None
        self._server = make_server(
            "127.0.0.1", 0, lambda env, go: self.app(env, go), threaded=True, request_handler=Quiet
        )
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The served socket and the providers that know its addresses; the application changes with every test."""
    reason = install.missing()
    if reason is not None:
        pytest.skip(reason)
    served = Served()
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = ECKey.import_key(pem).as_dict(private=False)
    jobs = {
        name: {
            "client": {
                "client_id": f"beffroi-{name}",
                "client_secret": CLIENT_SECRET,
                "redirect_uris": [f"{served.url}/v1/federation/{name}/callback"],
                "post_logout_redirect_uris": [f"{served.url}/v1/federation/{name}/logged-out"],
            },
            "accounts": AGENTS if name == "proconnect" else CITIZENS,
        }
        for name in ("franceconnect", "franceconnect-plus", "proconnect")
    }
    plus = jobs["franceconnect-plus"]["client"]
    del plus["client_secret"]
    plus |= {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {
            "keys": [
                {**public, "use": "sig", "alg": "ES256", "kid": "sig"},
                {**public, "use": "enc", "alg": "ECDH-ES", "kid": "enc"},
            ]
        },
    }
    providers = Providers(jobs)
    folder = tmp_path_factory.mktemp("federation")
    _write(folder / "secret", CLIENT_SECRET)
    _write(folder / "key.pem", pem)
    yield SimpleNamespace(served=served, providers=providers, folder=folder)
    served.close()
    providers.close()


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def federation(world: SimpleNamespace, **changes: Any) -> Path:
    """The town's file of providers; `changes` are members per provider."""
    document = {}
    for name, issuer in world.providers.issuers.items():
        document[name] = {
            "issuer": issuer,
            "client_id": f"beffroi-{name}",
            "return_url": APP_URL,
            "insecure_loopback": True,
        }
        keys = {"client_key_file": "key.pem", "encryption_key_file": "key.pem"}
        document[name] |= keys if name == "franceconnect-plus" else {"client_secret_file": "secret"}
    document["proconnect"]["sirets"] = [SIRET]
    for name, members in changes.items():
        document[name.replace("_", "-")] |= members
    path = world.folder / "federation.json"
    path.write_text(json.dumps(document))
    return path


class FederatedTown:
    """A town in memory, served; its clock starts at the real time, for the providers' tokens carry that."""

    def __init__(self, home: Path, world: SimpleNamespace, **changes: Any) -> None:
        self.world = world
        self.town = Town(
            home,
            lab=Lab(now_s=int(time.time()) - 10),
            public_url=world.served.url,
            federation_file=federation(world, **changes),
        )
        world.served.app = self.town.app
        self.street = Street(self.town)
        self.web = Api(world.served.url, "fr")

    def phone(self) -> Any:
        """A phone whose identity key is announced: an open enrolment."""
        phone = self.street.new_phone()
        phone.start_enrolment()
        return phone

    def begin(self, path: str, body: Any = None, *, token: str = "") -> Any:
        """The app's first call; returns its answer."""
        api = self.street.api if token else self.web
        return api.post(f"/v1/federation/{path}", {} if body is None else body, token=token)

    def browse(self, begun: Any, **answers: str) -> dict[str, str]:
        """What the browser brings back to the app."""
        assert begun.is_ok, begun.body
        browser = Browser(APP_URL, **answers)
        url = browser.go(begun.body["authorization_url"])
        return dict(parse_qsl(urlsplit(url).fragment))

    def complete(self, provider: str, begun: Any, answer: dict[str, str]) -> Any:
        """The app's last call."""
        body = {name: value for name, value in answer.items() if name != "provider"}
        path = f"/v1/federation/{provider}/completions"
        return self.web.post(path, {"secret": begun.body["secret"], **body})

    def enrol(self, phone: Any, provider: str = "franceconnect", **answers: str) -> Any:
        """Begin, browse, complete; returns the last answer."""
        begun = self.begin(f"{provider}/enrolments", {"enrolment": phone.enrolment})
        return self.complete(
            provider, begun, self.browse(begun, **{"account": "ana", "acr": "eidas1", **answers})
        )

    def close(self) -> None:
        self.web.close()
        self.world.served.app = None


@pytest.fixture
def federated(tmp_path: Path, world: SimpleNamespace) -> Iterator[FederatedTown]:
    town = FederatedTown(tmp_path, world)
    yield town
    town.close()
    close_database()
