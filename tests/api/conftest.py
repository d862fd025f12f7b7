"""Fixtures of the API tests: a fresh database per test, a chain in memory, and clients that sign."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from flask.testing import FlaskClient

from app.auth.factors import put_passkey
from app.auth.service import build_login_message
from app.cli.demo.http import make_proof
from app.cli.demo.passkey import SoftPasskey
from app.core.clock import FixedClock
from app.core.config import Config
from app.core.database import connected, database, migrate, open_database
from app.core.keyfiles import new_role_key
from app.core.projector import Projector
from app.factory import create_app
from app.wiring import build_projections
from chain.codec.canonical import b64url_encode
from chain.crypto.jws import SigningKey
from chain.crypto.keys import jwk_of
from chain.town.envelope import build_transaction
from chain.town.schemas import AccountOpen, AccountRotate, Jwk
from tests.api.lab import Lab
from tests.town.town_kit import key

PUBLIC_URL = "http://town.test"


def make_config(home: Path, **changes: Any) -> Config:
    """A configuration with throw-away keys."""
    gateway = key("gateway@mairie")
    values: dict[str, Any] = {
        "home": home,
        "database_url": f"sqlite:///{home / 'town.db'}",
        "node_urls": ("http://node.test:26657",),
        "genesis_file": home / "genesis.json",
        "public_url": PUBLIC_URL,
        "person_keys": home / "person-keys.db",
        "token_keys": (new_role_key("token"),),
        "gateway_key": new_role_key("gateway", "mairie", seed=gateway._secret),
        "master_key": bytes(32),
        "tickets_per_hour": 1_000_000,
        "requests_per_minute": 1_000_000,
    }
    return Config(**(values | changes))


class Prover:
    """WSGI in front of the application: proves the requests of tokens that the test's clients were given.

    A request that brings a `DPoP` header, even an empty one, goes through as it is.
    """

    def __init__(self, wsgi: Any, now_s: Callable[[], int]) -> None:
        self._wsgi = wsgi
        self._now_s = now_s
        self.keys: dict[str, SigningKey] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        kind, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        key = self.keys.get(token) if kind == "DPoP" and "HTTP_DPOP" not in environ else None
        if key is not None:
            url = PUBLIC_URL + quote(environ["PATH_INFO"].encode("latin-1"))
            environ["HTTP_DPOP"] = make_proof(
                key, environ["REQUEST_METHOD"], url, self._now_s(), token=token
            )
        return self._wsgi(environ, start_response)


class Town:
    """The API over a chain in memory; every broadcast is final when it returns."""

    def __init__(self, home: Path, *, lab: Lab | None = None, **config: Any) -> None:
        self.lab = lab or Lab()
        self.config = make_config(home, **config)
        self.clock = FixedClock(self.lab.now_s)
        self.chain = self.lab.client()
        self.app = create_app(self.config, clock=self.clock, chain=self.chain)
        migrate()
        self.projector = Projector(self.lab.client(), self.lab.genesis, build_projections())
        self.projector.catch_up()
        self.lab.on_block = self.follow
        self.prover = Prover(self.app.wsgi_app, lambda: self.clock.seconds)
        self.app.wsgi_app = self.prover  # type: ignore[method-assign]
        self.http: FlaskClient = self.app.test_client()
        self._nonce = 0

    def follow(self) -> None:
        """Let the projector see what was decided."""
        self.clock.seconds = self.lab.now_s
        with connected():
            while self.projector.step():
                pass

    # --- clients ---

    def login(self, signer: SigningKey) -> dict[str, str]:
        """Log a key in; returns the Authorization header, whose requests the `Prover` proves."""
        return {"Authorization": "DPoP " + self.login_answer(signer).json["access_token"]}

    def login_answer(
        self,
        signer: SigningKey,
        proof_key: SigningKey | None = None,
        *,
        with_factor: bool = True,
    ) -> Any:
        """The answer to a login, with a fresh proof key unless one is given; agents show their passkey."""
        proof_key = proof_key or SigningKey("EdDSA", os.urandom(32))
        jwk = jwk_of(signer.public_key)
        opened = self.http.post("/v1/auth/challenges", json={"key": jwk}).json
        challenge = opened["challenge"]
        message = build_login_message(opened["audience"], signer.kid, proof_key.kid, challenge)
        url = PUBLIC_URL + "/v1/auth/tokens"
        answer = self.http.post(
            "/v1/auth/tokens",
            json={
                "key": jwk,
                "challenge": challenge,
                "signature": b64url_encode(signer.sign(message)),
            },
            headers={"DPoP": make_proof(proof_key, "POST", url, 0, nonce=challenge)},
        )
        if answer.status_code == 201:
            self.prover.keys[answer.json["access_token"]] = proof_key
            if answer.json["needs_factor"] and with_factor:
                return self._show_passkey(signer, answer.json["access_token"], proof_key)
        return answer

    def give_passkey(self, signer: SigningKey) -> SoftPasskey:
        """Let a key have the passkey that goes with it, as a sample town does."""
        passkey = SoftPasskey.of_agent(signer)
        with connected():
            put_passkey(
                signer.kid,
                credential_id=passkey.credential_id,
                public_key=passkey.cose_key,
                now_s=self.clock.seconds,
            )
        return passkey

    def _show_passkey(self, signer: SigningKey, token: str, proof_key: SigningKey) -> Any:
        passkey, headers = self.give_passkey(signer), {"Authorization": f"DPoP {token}"}
        asked = self.http.post("/v1/auth/passkeys/challenges", headers=headers).json
        credential = passkey.get(asked["options"], PUBLIC_URL)
        path = "/v1/auth/passkeys/assertions"
        answer = self.http.post(path, json={"credential": credential}, headers=headers)
        assert answer.status_code == 201, answer.json
        self.prover.keys[answer.json["access_token"]] = proof_key
        return answer

    def post_tx(
        self, path: str, tx: bytes | str, signer: SigningKey, *, wait: int = 5, **headers: str
    ) -> Any:
        """POST one transaction as a logged-in key; a fresh Idempotency-Key unless given."""
        self._nonce += 1
        text = tx.decode() if isinstance(tx, bytes) else tx
        sent = {
            **self.login(signer),
            "Idempotency-Key": f"test-key-{self._nonce:06d}",
            "Prefer": f"wait={wait}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.http.post(path, json={"transaction": text}, headers=sent)

    def tx(self, body: Any, sender: str, *signers: SigningKey, exp: int | None = None) -> bytes:
        """Build and sign a transaction that lives ten minutes."""
        self._nonce += 1
        until = self.lab.now_s + 600 if exp is None else exp
        return build_transaction(
            self.lab.town, sender, body, signers, self._nonce.to_bytes(16, "big"), until
        )

    def open_tx(self, signer: SigningKey, domain: str = "loyalty") -> bytes:
        """account.open with a ticket from the API."""
        answer = self.http.post(
            "/v1/accounts/tickets", json={"domain": domain}, headers=self.login(signer)
        )
        assert answer.status_code == 201, answer.json
        body = AccountOpen(
            domain,  # type: ignore[arg-type]
            Jwk(**jwk_of(signer.public_key)),
            b64url_encode(bytes(16)),
            answer.json["ticket"],
        )
        return self.tx(body, signer.kid, signer)

    def tx_rotation(self, account: str, fresh: SigningKey) -> str:
        """account.rotate signed by the new key alone, as a thief without the old one would."""
        return self.tx(AccountRotate(Jwk(**jwk_of(fresh.public_key))), account, fresh).decode()

    def open_account(self, signer: SigningKey, domain: str = "loyalty") -> str:
        """Open an account through the API; returns its id."""
        answer = self.post_tx("/v1/accounts", self.open_tx(signer, domain), signer)
        assert answer.status_code == 201, answer.json
        return signer.kid


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A fresh town."""
    yield Town(tmp_path)
    close_database()


@pytest.fixture
def sql(tmp_path: Path) -> Iterator[str]:
    """An empty migrated database, connected."""
    url = f"sqlite:///{tmp_path / 'town.db'}"
    open_database(url)
    migrate()
    with connected():
        yield url
    close_database()


def close_database() -> None:
    """Close what this thread holds and everything in the pool, the finality watcher's connection too."""
    if not database.is_closed():
        database.close()
    database.obj.close_all()


def fresh_postgres() -> str:
    """URL of an empty database of this test process's own, on the server of TEST_POSTGRES_URL."""
    server = os.environ["TEST_POSTGRES_URL"]
    name = "beffroi_" + os.environ.get("PYTEST_XDIST_WORKER", "alone")
    with psycopg.connect(server, autocommit=True, connect_timeout=30) as connection:
        connection.execute("SET statement_timeout = '60s'")
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        # Two connections that wait for each other, or one that was left in a transaction, must fail and not hang.
        connection.execute(f"ALTER DATABASE {name} SET lock_timeout = '60s'")
        connection.execute(f"ALTER DATABASE {name} SET statement_timeout = '120s'")
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
