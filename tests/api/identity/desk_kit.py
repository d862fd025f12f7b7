"""Acts at the desk that the tests of the register share."""

from typing import Any

from app.cli.demo.clerk import ATTESTATION_TYPE, Clerk, read_attestation
from app.cli.demo.http import Answer, new_key
from app.identity.reviews import COUNTERSIGN_TYP, encode_decision
from chain.codec.canonical import encode_canonical
from chain.crypto.jws import sign_compact
from tests.journeys.kit import CIVIL


def draft(clerk: Clerk, phone: Any, **changes: Any) -> Answer:
    """One draft for the phone at the desk; `civil` may name only what differs."""
    civil = {**CIVIL, **changes.pop("civil", {})}
    body = {
        "number": phone.comparison_number(),
        "civil": civil,
        "level_identity": 3,
        "level_residence": 2,
        "title_seen": "passport",
        **changes,
    }
    path = f"/v1/desk/enrolments/{phone.enrolment}/draft"
    return clerk.api.post(path, body, token=clerk.token, key=new_key())


def sign(clerk: Clerk, phone: Any, drafted: Answer) -> Answer:
    """Hand in the clerk's signature under a draft."""
    attestation = read_attestation(drafted.body["attestation"])
    text = sign_compact(encode_canonical(attestation), ATTESTATION_TYPE, clerk.key).decode()
    path = f"/v1/desk/enrolments/{phone.enrolment}/attestation"
    return clerk.api.post(path, {"attestation": text}, token=clerk.token, key=new_key())


def announce(street: Any) -> Any:
    """A new phone with an open enrolment."""
    phone = street.new_phone()
    phone.start_enrolment()
    return phone


def search(clerk: Clerk, **civil: Any) -> Answer:
    body = {"civil": {**CIVIL, **civil}, "reason": "recovery"}
    return clerk.api.post("/v1/desk/searches", body, token=clerk.token)


def read(clerk: Clerk, cid: str, reason: str = "recovery") -> Answer:
    return clerk.api.post(f"/v1/desk/persons/{cid}/readings", {"reason": reason}, token=clerk.token)


def reviews(clerk: Clerk) -> list[dict[str, Any]]:
    return clerk.api.get("/v1/desk/reviews", token=clerk.token).body["reviews"]


def decide(clerk: Clerk, review: dict[str, Any], outcome: str = "confirmed", signer=None) -> Answer:
    payload = encode_decision(
        town=clerk.town.town, cid=review["cid"], attestation=review["attestation"], outcome=outcome
    )
    signature = sign_compact(payload, COUNTERSIGN_TYP, signer or clerk.key).decode()
    return clerk.api.post(
        f"/v1/desk/reviews/{review['id']}/decision",
        {"outcome": outcome, "signature": signature},
        token=clerk.token,
        key=new_key(),
    )


def written(street: Any, **civil: Any) -> tuple[Any, str]:
    """A phone whose identity a batch has written, and its cid."""
    phone = street.new_phone()
    street.enrol(phone, **civil)
    clerk = street.clerk
    assert clerk.write_batch(clerk.read_batch()["attestations"]).status == 201
    return phone, phone.read_identity()["cid"]


def access_log(street: Any, phone: Any) -> list[tuple[str, str, str]]:
    log = street.api.get("/v1/identity/me/access-log", token=phone.identity_token).body["entries"]
    return [(entry["agent"], entry["action"], entry["reason"]) for entry in log]
