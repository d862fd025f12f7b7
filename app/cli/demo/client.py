"""What the three clients have in common: a key, a session, and transactions signed on the device.

Reads: the public API.  Writes: the same.  Never: hands its private key to anybody.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.cli.demo.http import Answer, Api, make_proof, new_key
from app.cli.demo.passkey import SoftPasskey
from chain.codec.canonical import b64url_encode
from chain.crypto.jws import SigningKey
from chain.crypto.keys import jwk_of
from chain.town.envelope import build_transaction

LOGIN_LABEL: Final = "beffroi-login-2"
TRANSACTION_LIFE_S: Final = 600
WAIT_S: Final = 5


class Refused(RuntimeError):
    """The town refused what should have worked; carries its answer."""

    def __init__(self, what: str, answer: Answer) -> None:
        super().__init__(f"{what}: HTTP {answer.status} {answer.code} {answer.body}")
        self.answer = answer


def expect(what: str, answer: Answer) -> Any:
    """The body of a good answer; raises Refused for any other."""
    if not answer.is_ok:
        raise Refused(what, answer)
    return answer.body


@dataclass(frozen=True, slots=True)
class Town:
    """What a client must know of its town before it signs anything: read once, pinned for ever."""

    town: str
    chain_id: str

    @classmethod
    def read(cls, api: Api) -> "Town":
        """From GET /v1/status; a real phone gets it with its installation."""
        status = expect("status", api.get("/v1/status"))
        return cls(status["town"], status["chain_id"])


@dataclass(slots=True)
class Client:
    """One device: its connection, its clock, and the key it acts with."""

    api: Api
    town: Town
    clock: Callable[[], int]
    key: SigningKey = field(repr=False)
    token: str = field(default="", repr=False)

    @property
    def jwk(self) -> dict[str, str]:
        """Public part of the acting key."""
        return jwk_of(self.key.public_key)

    def login(self, key: SigningKey | None = None) -> str:
        """Prove possession of `key` (default: the acting key); returns and keeps the access token."""
        key = key or self.key
        self.token = login(self.api, key)
        return self.token

    def sign(
        self,
        body: Any,
        *,
        sender: str,
        signers: Sequence[SigningKey] = (),
        life_s: int = TRANSACTION_LIFE_S,
    ) -> str:
        """A transaction of this device, as the text that travels."""
        raw = build_transaction(
            self.town.town,
            sender,
            body,
            signers or (self.key,),
            secrets.token_bytes(16),
            self.clock() + life_s,
        )
        return raw.decode("ascii")

    def send(self, path: str, transaction: str, *, key: str = "", token: str = "") -> Answer:
        """POST a signed transaction and wait for its final result."""
        return self.api.post(
            path,
            {"transaction": transaction},
            token=token or self.token,
            key=key or new_key(),
            wait_s=WAIT_S,
        )


def login(api: Api, key: SigningKey) -> str:
    """Challenge and answer; the signed text has line feeds, which no transaction's signing input has.

    A fresh proof key for every login: nobody can tell two services of one phone by it.
    """
    jwk, proof_key = jwk_of(key.public_key), SigningKey("ES256", secrets.token_bytes(32))
    asked = expect("challenge", api.post("/v1/auth/challenges", {"key": jwk}))
    api.audience = asked["audience"]
    lines = (LOGIN_LABEL, asked["audience"], key.kid, proof_key.kid, asked["challenge"])
    signature = key.sign("".join(f"{line}\n" for line in lines).encode())
    body = {"key": jwk, "challenge": asked["challenge"], "signature": b64url_encode(signature)}
    path = "/v1/auth/tokens"
    proof = make_proof(proof_key, "POST", api.audience + path, 0, nonce=asked["challenge"])
    answer = api.call("POST", path, body, headers={"DPoP": proof})
    granted = expect("token", answer)
    api.keep(granted["access_token"], proof_key)
    if not granted["needs_factor"]:
        return str(granted["access_token"])
    return _show_passkey(api, granted["access_token"], SoftPasskey.of_agent(key), proof_key)


def _show_passkey(api: Api, token: str, passkey: SoftPasskey, proof_key: SigningKey) -> str:
    """An agent's second factor: the session may do what the role may from the returned token on."""
    asked = expect("passkey", api.post("/v1/auth/passkeys/challenges", None, token=token))
    credential = passkey.get(asked["options"], api.audience)
    path = "/v1/auth/passkeys/assertions"
    granted = expect("assertion", api.post(path, {"credential": credential}, token=token))
    api.keep(granted["access_token"], proof_key)
    return str(granted["access_token"])
