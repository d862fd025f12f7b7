"""The lost phone: the desk gives a citizen's identity to a new phone, slowly, and everybody hears of it.

Two agents of two bodies and the new phone sign one act, each on a device of their own; the account freezes; the new
phone cannot hurry it; after 72 hours it finishes alone. The account keeps its id, the file opens again.
Reads and writes: the public API.  Never: sees the old phone's words.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from app.cli.demo.clerk import Clerk
from app.cli.demo.client import expect
from app.cli.demo.http import Answer, new_key
from app.cli.demo.phone import Phone
from app.cli.demo.report import Report, check
from app.cli.demo.verify import Verifier
from chain.crypto import jws
from chain.crypto.keys import jwk_of
from chain.town.envelope import TX_TYP
from chain.town.schemas import IdRecoverFinish, IdRecoverOpen, Jwk

WAIT_S: Final = 72 * 3_600
ACT_MAX_BYTES: Final = 8_192
FINAL_S: Final = 5
"""How long a request waits for its transaction to be final."""


@dataclass(slots=True)
class LostPhone:
    """Who takes part, and how the story tells it."""

    old: Phone
    new: Phone
    verifier: Verifier
    report: Report
    refused: Callable[[Answer, str, str], None]

    def open(self, clerk: Clerk, second: Clerk) -> None:
        """The desk: one agent opens the act, another body's agent and the new phone add their signatures."""
        cid, account = self.old.read_identity()["cid"], self.old.identity_key.kid
        key = self.new.identity_key
        shown = clerk.api.post(
            "/v1/desk/recoveries/previews", {"account": account}, token=clerk.token
        )
        self.report.say(f"the clerk reads first: {expect('preview', shown)['text']}")
        body = IdRecoverOpen(account, cid, Jwk(**jwk_of(key.public_key)))
        act = self._post(
            clerk, "/v1/desk/acts", {"transaction": clerk.sign(body, sender=f"body:{clerk.body}")}
        )
        answer = self._post_answer(clerk, f"/v1/acts/{act['id']}/submission", None)
        self.refused(answer, "tx_missing_signature", "one agent alone sends it")
        for device, signer in ((second, second.key), (self.new, key)):
            token = device.token if device is second else device.login(key)
            read = expect("act", device.api.get(f"/v1/acts/{act['id']}", token=token))
            payload = jws.parse(read["transaction"].encode(), TX_TYP, ACT_MAX_BYTES).payload
            signed = jws.sign_compact(payload, TX_TYP, signer).decode("ascii")
            path = f"/v1/acts/{act['id']}/signatures"
            sent = {"transaction": signed, "key": jwk_of(signer.public_key)}
            act = self._post(device, path, sent, token=token)
        check(len(act["signers"]) == 3, "the act has not three signatures")
        expect("recovery", self._post_answer(clerk, f"/v1/acts/{act['id']}/submission", None))
        proved = self.verifier.check_transaction(clerk.api, act["transaction"])
        self.report.fact(
            f"{self.old.name}: two agents of two bodies and the new phone open a recovery; the account freezes",
            height=proved.height,
        )

    def try_too_early(self) -> None:
        """The new phone cannot hurry it, and the old one is told what to do."""
        self.refused(self._finish(), "identity_recovery_early", "the new phone tries at once")
        token = self.old.login(self.old.identity_key)
        told = expect("recovery", self.old.api.get("/v1/recoveries/me", token=token))
        check(told["can"] == ["veto"], "the old phone could not stop it")
        self.report.say(f"on the old phone, should somebody hold it: {told['next']}")

    def finish(self) -> None:
        """After the delay the new phone alone makes itself the identity's phone."""
        account, key = self.old.identity_key.kid, self.new.identity_key
        transaction = self._sign_finish()
        token = self.new.login(key)
        sent = self.new.send("/v1/recoveries/answers", transaction, token=token)
        expect("finish", sent)
        proved = self.verifier.check_transaction(self.new.api, transaction)
        check(proved.data["kid"] == key.kid, "another key was given the identity")
        own = self.new.api.get("/v1/identity/me?proof=1", token=self.new.login(key))
        shown = expect("identity", own)
        height, record = self.verifier.check_record(
            shown["proof"], namespace="identity", record_id=f"identity/{shown['cid']}"
        )
        check(record is not None and record["account"] == account, "the account changed its id")
        check(shown["opening"] is not None, "the file did not open for the new phone")
        self.report.fact(
            f"{self.old.name}: active again on the new phone, same account, own file", height=height
        )
        months = expect("months", self.new.api.get("/v1/recoveries/months"))["months"]
        check(sum(month["finished"] for month in months) == 1, "the month was not counted")
        self.report.say(
            "everybody can read how many recoveries the month saw: 1 opened, 1 finished"
        )

    def _finish(self) -> Answer:
        token = self.new.login(self.new.identity_key)
        return self.new.send("/v1/recoveries/answers", self._sign_finish(), token=token)

    def _sign_finish(self) -> str:
        key = self.new.identity_key
        body = IdRecoverFinish(Jwk(**jwk_of(key.public_key)))
        return self.new.sign(body, sender=self.old.identity_key.kid, signers=[key])

    def _post(self, device: Any, path: str, body: Any, *, token: str = "") -> dict[str, Any]:
        return dict(expect(path, self._post_answer(device, path, body, token=token)))

    @staticmethod
    def _post_answer(device: Any, path: str, body: Any, *, token: str = "") -> Answer:
        answer: Answer = device.api.post(
            path, body, token=token or device.token, key=new_key(), wait_s=FINAL_S
        )
        return answer
