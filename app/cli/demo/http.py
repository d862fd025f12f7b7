"""The one way a demo client reaches the town: JSON over HTTP, nothing else.

Reads and writes: sockets.  Never: repeats a request, except when the server closed an idle connection
before answering, or asked for a proof with its nonce; a signed transaction and an Idempotency-Key make both
safe.
"""

import hashlib
import http.client
import json
import secrets
import time
import urllib.request
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from chain.codec.canonical import b64url_encode
from chain.crypto.jws import SigningKey
from chain.crypto.keys import jwk_of

TIMEOUT_S: Final = 20


class Unreachable(OSError):
    """Nobody answers at the town's address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and decoded body of one answer."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def is_ok(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """Stable code of a refusal, empty for anything else."""
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""


@dataclass(slots=True)
class Api:
    """A keep-alive connection to the town's API, and the client's language."""

    base_url: str
    language: str = "fr"
    audience: str = ""
    """The town's public address, which proofs name; learned at the first login."""
    _ahead_s: int = 0
    """How much the town's clock is ahead of ours."""
    _proof_keys: dict[str, SigningKey] = field(default_factory=dict, repr=False)
    """Access tokens of this device, and the key that proves their requests."""
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def get(self, path: str, *, token: str = "") -> Answer:
        """GET, with the access token when given."""
        return self.call("GET", path, token=token)

    def post(
        self, path: str, body: Any, *, token: str = "", key: str = "", wait_s: int = 0
    ) -> Answer:
        """POST JSON; `key` is the Idempotency-Key, `wait_s` asks to wait for finality."""
        headers = {"Idempotency-Key": f'"{key}"'} if key else {}
        if wait_s:
            headers["Prefer"] = f"wait={wait_s}"
        return self.call("POST", path, body, token=token, headers=headers)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request; raises Unreachable when the server cannot be reached."""
        sent = {"Accept": "application/json", "Accept-Language": self.language, **(headers or {})}
        payload = None
        if body is not None:
            payload = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            sent["Content-Type"] = "application/json"
        answer = self._send(method, path, payload, sent | self.authorize(method, path, token))
        if token and answer.code == "use_dpop_nonce":
            proof = self.authorize(method, path, token, nonce=answer.headers["dpop-nonce"])
            answer = self._send(method, path, payload, sent | proof)
        return answer

    def download(self, path: str) -> bytes:
        """The very bytes of a public file, asked by nobody in particular; raises OSError."""
        with urllib.request.urlopen(self.base_url + path, timeout=TIMEOUT_S) as answer:  # noqa: S310  # our own town
            return bytes(answer.read())

    def twin(self) -> "Api":
        """Another connection of the same device, for requests at the same time: same sessions and proof keys."""
        return replace(self, _connection=None)

    def keep(self, token: str, proof_key: SigningKey) -> None:
        """Remember which key proves the requests of a token."""
        self._proof_keys[token] = proof_key

    def authorize(self, method: str, path: str, token: str, *, nonce: str = "") -> dict[str, str]:
        """The two headers of a request with a token; none without."""
        if not token:
            return {}
        headers = {"Authorization": f"DPoP {token}"}
        key = self._proof_keys.get(token)
        if key is not None:
            url = self.audience + path.partition("?")[0]
            now_s = int(time.time()) + self._ahead_s
            headers["DPoP"] = make_proof(key, method, url, now_s, token=token, nonce=nonce)
        return headers

    def _send(
        self, method: str, path: str, payload: bytes | None, headers: dict[str, str]
    ) -> Answer:
        try:
            answer = self._exchange(method, path, payload, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unreachable(f"{self.base_url}: {error}") from error
        if "beffroi-time" in answer.headers:
            self._ahead_s = int(answer.headers["beffroi-time"]) - int(time.time())
        return answer

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(
        self, method: str, path: str, payload: bytes | None, headers: dict[str, str]
    ) -> Answer:
        if self._connection is None:
            address = urlsplit(self.base_url)
            self._connection = http.client.HTTPConnection(
                address.hostname or "127.0.0.1", address.port, timeout=TIMEOUT_S
            )
        try:
            self._connection.request(method, path, payload, headers)
            response = self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # The server closed an idle connection before it saw the request: once more, on a fresh one.
            self._connection.close()
            self._connection.request(method, path, payload, headers)
            response = self._connection.getresponse()
        raw = response.read()
        return Answer(
            response.status, {k.lower(): v for k, v in response.getheaders()}, _decode(raw)
        )


def make_proof(
    key: SigningKey, method: str, url: str, now_s: int, *, token: str = "", nonce: str = ""
) -> str:
    """A DPoP proof (RFC 9449 §4.2) for one request, and for the access token it accompanies."""
    header = {"alg": key.alg, "jwk": jwk_of(key.public_key), "typ": "dpop+jwt"}
    claims = {"htm": method, "htu": url, "iat": now_s, "jti": secrets.token_urlsafe(16)}
    if token:
        claims["ath"] = b64url_encode(hashlib.sha256(token.encode()).digest())
    if nonce:
        claims["nonce"] = nonce
    signed = ".".join(b64url_encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{b64url_encode(key.sign(signed.encode()))}"


def new_key() -> str:
    """A fresh Idempotency-Key."""
    return secrets.token_hex(16)


def _decode(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else {}
    except ValueError:
        return {}
