"""Own and other object of every route that names one: the rows of the authorisation matrix.

A route whose `objects` is "named" or "signed" has one row here, under "METHOD /path as in openapi.yaml":

    "GET /v1/loyalty/shops/{shop}/terminals": Row(
        "shop_owner",
        own=lambda w: Asked("/v1/loyalty/shops/boulangerie/terminals"),
        other=lambda w: Asked("/v1/loyalty/shops/librairie/terminals"),
    )

`own` must pass the authorisation (anything but 401, 403, 404), `other` must get one of `refused` (404 for what
one may not know of; the chain's 403, 409 for a transaction one may not sign). All other kinds need no row:
the request cannot name an object, and `test_matrix` checks that.
"""

from app.auth.factors import put_passkey
from app.cli.demo.clerk import ATTESTATION_TYPE, read_attestation
from app.cli.demo.http import new_key
from app.core.database import connected
from app.identity.lifecycle import mandates
from app.identity.register import Register
from chain.codec.canonical import b64url_encode, encode_canonical
from chain.crypto.jws import sign_compact
from chain.town.schemas import (
    AccountDeviceAdd,
    AccountRotate,
    AccountSetStatus,
    ActParamSet,
    Attestation,
    CouncilActs,
    EarnRule,
    ElectoralImport,
    IdBatchAttest,
    IdBatchRenew,
    IdRecoverCancel,
    IdRecoverOpen,
    IdRecoverVeto,
    IdRotate,
    IdStatus,
    LoyaltyEarn,
    LoyaltyOwnerKey,
    LoyaltyProgramme,
    LoyaltyRedeem,
    LoyaltyReverse,
    LoyaltyShop,
    LoyaltyTill,
    LoyaltyTillRevoke,
    SettlementReserve,
    SettlementStanding,
    StationCount,
)
from tests.api.auth.energy_rows import ENERGY_ROWS
from tests.api.auth.loyalty_rows import LOYALTY_ROWS
from tests.api.auth.matrix_world import Asked, Row, World, blind, jwk
from tests.api.auth.votes_rows import VOTES_ROWS
from tests.journeys.kit import CIVIL
from tests.town.town_kit import key

REFUSED_BY_CHAIN = frozenset({403, 404, 409})
"""A transaction in somebody else's name: not entitled, unknown, or not in that state for this signer."""


def _rotate_account(world: World, account: str) -> Asked:
    signer, fresh = world.signer("cleo's points"), key(f"fresh for {account}")
    body = AccountRotate(jwk(fresh))
    return world.tx("/v1/accounts", body, world.objects[account], signer, fresh)


def _rotate_identity(world: World, cid: str, account: str) -> Asked:
    signer, fresh = world.signer("cleo's identity"), key(f"fresh for {cid}")
    body = IdRotate(world.objects[cid], jwk(fresh))
    return world.tx("/v1/identity/rotations", body, world.objects[account], signer, fresh)


def _set_status(world: World, sender: str) -> Asked:
    body = IdStatus(world.objects["other cid"], "suspended")
    return world.tx("/v1/identity/statuses", body, sender, world.signers["clerk"])


def _import_register(world: World, sender: str) -> Asked:
    body = ElectoralImport("A" * 43, "2026-12", (StationCount("1", 60),))
    return world.tx("/v1/electoral/acts", body, sender, world.signers["electoral"])


def _act(world: World, *signers: str) -> Asked:
    body = CouncilActs((ActParamSet("till_undo_max_s", 300),))  # takes nobody's key
    return world.tx("/v1/city/acts", body, "council", *(key(name) for name in signers))


def _programme(world: World, sender: str) -> Asked:
    return world.tx(
        "/v1/loyalty/programmes",
        LoyaltyProgramme("autre", 1, "active", EarnRule(1, 100, 100), 365),
        sender,
        world.signers["operator"],
    )


def _leave(world: World, shop: str) -> Asked:
    body = SettlementStanding(shop, "leaving")
    signer = world.signer("a shop that leaves")
    return world.tx("/v1/settlements/marks", body, f"shop:{shop}", signer)


def _renew_owner(world: World, shop: str) -> Asked:
    signer, fresh = world.signer("an owner who renews"), key(f"next owner of {shop}")
    body = LoyaltyOwnerKey(shop, jwk(fresh))
    return world.tx("/v1/loyalty/owner-keys", body, f"shop:{shop}", signer, fresh)


def _attest_reserve(world: World, sender: str) -> Asked:
    body = SettlementReserve("boulangerie", 100, b64url_encode(bytes(32)))
    return world.tx("/v1/settlements/decisions", body, sender, world.signers["operator"])


def _shop(world: World, sender: str, shop: str) -> Asked:
    owner = key(f"owner of {shop}")
    body = LoyaltyShop(shop, shop.title(), jwk(owner))
    return world.tx("/v1/loyalty/shops", body, sender, world.signers["operator"], owner)


def _till(world: World, shop: str) -> Asked:
    fresh = key(f"second till of {shop}")
    body = LoyaltyTill(jwk(fresh), world.street.clock() + 86_400, 100, 1_000)
    path = f"/v1/loyalty/shops/{shop}/terminals"
    return world.tx(path, body, f"shop:{shop}", world.signers["shop_owner"], fresh)


def _revoke_till(world: World, shop: str, kid: str) -> Asked:
    body = LoyaltyTillRevoke(kid, world.street.clock())
    path = f"/v1/loyalty/shops/{shop}/terminals/revocations"
    return world.tx(path, body, f"shop:{shop}", world.signers["shop_owner"])


def _earn(world: World, shop: str) -> Asked:
    body = LoyaltyEarn(world.objects["programme"], world.objects["account"], 500, blind(len(shop)))
    return world.tx("/v1/loyalty/earn", body, f"shop:{shop}", world.signers["till"])


def _redeem(world: World, shop: str, code: str) -> Asked:
    body = LoyaltyRedeem(world.objects["programme"], 1, world.objects[code])
    return world.tx("/v1/loyalty/redemptions", body, f"shop:{shop}", world.signers["till"])


def _preview(world: World, shop: str) -> Asked:
    asked = {"programme": "fidelite", "shop": shop, "points": 1, "qr": world.objects["pay code"]}
    return Asked("/v1/loyalty/redemptions/preview", asked)


def _reverse(world: World, ref: str) -> Asked:
    body = LoyaltyReverse(b64url_encode(bytes.fromhex(world.objects[ref])), 1)
    return world.tx("/v1/loyalty/reversals", body, "shop:boulangerie", world.signers["till"])


def _attest(world: World, drafted_by: str) -> Asked:
    """The attestation of a draft: only the agent who drafted it may hand it in."""
    street = world.street
    clerk = street.clerk if drafted_by == "clerk" else street.supervisor
    enrolment = clerk.scan_enrolment(street.new_phone().start_enrolment())
    path = f"/v1/desk/enrolments/{enrolment['id']}"
    draft = clerk.api.post(
        f"{path}/draft",
        {
            "number": enrolment["number"],
            "civil": {**CIVIL, "family_name": f"Rang {_LETTERS[drafted_by]}"},
            "level_identity": 3,
            "level_residence": 3,
            "title_seen": "passport",
        },
        token=clerk.token,
        key=new_key(),
    ).body
    attestation = encode_canonical(read_attestation(draft["attestation"]))
    signed = sign_compact(attestation, ATTESTATION_TYPE, world.signers["clerk"])
    return Asked(f"{path}/attestation", {"attestation": signed.decode()})


def _batch(world: World, body: str) -> Asked:
    street = world.street
    street.enrol(street.new_phone())
    waiting = tuple(street.clerk.read_batch()["attestations"])
    sender = f"body:{body}"
    return world.tx("/v1/identity/batches", IdBatchAttest(waiting), sender, world.signers["clerk"])


def _terminals(shop: str) -> Asked:
    return Asked(f"/v1/loyalty/shops/{shop}/terminals")


def _lost(world: World) -> tuple[str, str]:
    """A SEL account of somebody, whose recovery two agents just opened; the account and its old key's name."""
    name = f"dora {len(world.objects)}"
    account = world.street.town.open_account(key(name), "sel")
    world.objects[name] = account
    fresh = key(f"{name}'s new phone")
    agents = (world.signers["clerk"], world.signers["supervisor"])
    body = IdRecoverOpen(account, "", jwk(fresh))
    asked = world.tx("/v1/desk/recoveries", body, "body:mairie", *agents, fresh)
    assert world.ask("POST", asked, "clerk").status_code == 201
    return account, name


def _veto(world: World, *, own: bool) -> Asked:
    account, name = _lost(world)
    sender = account if own else world.objects["other account"]
    return world.tx("/v1/recoveries/answers", IdRecoverVeto(), sender, key(name))


def _cancel(world: World, sender: str) -> Asked:
    account, _ = _lost(world)
    return world.tx("/v1/desk/recoveries", IdRecoverCancel(account), sender, world.signers["clerk"])


def _freeze(world: World, sender: str) -> Asked:
    account = world.street.town.open_account(key(f"frozen by {sender}"), "sel")
    body = AccountSetStatus(account, "frozen")
    return world.tx("/v1/desk/accounts/statuses", body, sender, world.signers["clerk"])


def _renew(world: World, sender: str) -> Asked:
    attestation = Attestation(
        world.street.facts.town,
        world.objects["cid"],
        jwk(world.signers["citizen:identity"]),
        blind(7),
        world.objects["cid"],
        3,
        3,
        "2028-01",
    )
    clerk = world.signers["clerk"]
    signed = sign_compact(encode_canonical(attestation), ATTESTATION_TYPE, clerk).decode()
    return world.tx("/v1/identity/renewals", IdBatchRenew((signed,)), sender, clerk)


def _device(world: World, account: str) -> Asked:
    fresh, holder = key(f"tablet for {account}"), world.signers["citizen:sel"]
    body = AccountDeviceAdd(jwk(fresh), ("trade",), world.street.clock() + 86_400)
    return world.tx("/v1/accounts/devices", body, account, holder, fresh)


def _mandate(world: World, subject: str, holder: str, what: str) -> Asked:
    """A mandate between two citizens; accepted already where the holder reads."""
    register, now_s = Register(world.street.town.config), world.street.clock()
    with connected():
        made = mandates.offer(
            register,
            subject=world.objects[subject],
            holder=world.objects[holder],
            scopes=["sel"],
            expires_at=now_s + 86_400,
            now_s=now_s,
        )
        if what == "subject":
            mandates.accept(register, made["id"], cid=world.objects[holder], now_s=now_s)
    return Asked(f"/v1/mandates/{made['id']}/{what}")


_LETTERS = {"clerk": "Un", "supervisor": "Deux"}


def _factor(world: World, who: str) -> Asked:
    """A passkey of somebody's own to forget; the login of the asker has just shown one."""
    kid = world.signer(who).kid
    with connected():
        factor = put_passkey(kid, credential_id=kid.encode(), public_key=b"", now_s=0)
    world.log_in_again("clerk")
    return Asked(f"/v1/auth/factors/{factor}/end")


ROWS: dict[str, Row] = {
    "POST /v1/auth/factors/{factor_id}/end": Row(
        "clerk",
        own=lambda w: _factor(w, "clerk"),
        other=lambda w: _factor(w, "council"),
    ),
    "POST /v1/auth/sessions/{session_id}/end": Row(
        "citizen:loyalty",
        own=lambda w: Asked(f"/v1/auth/sessions/{w.session('citizen:loyalty')}/end"),
        other=lambda w: Asked(f"/v1/auth/sessions/{w.session('clerk')}/end"),
    ),
    "POST /v1/accounts/devices": Row(
        "citizen:sel",
        own=lambda w: _device(w, w.signers["citizen:sel"].kid),
        other=lambda w: _device(w, w.objects["other account"]),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/recoveries/answers": Row(
        "device",
        own=lambda w: _veto(w, own=True),
        other=lambda w: _veto(w, own=False),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/desk/recoveries": Row(
        "clerk",
        own=lambda w: _cancel(w, "body:mairie"),
        other=lambda w: _cancel(w, "body:commerces"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/desk/accounts/statuses": Row(
        "clerk",
        own=lambda w: _freeze(w, "body:mairie"),
        other=lambda w: _freeze(w, "body:commerces"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/identity/renewals": Row(
        "clerk",
        own=lambda w: _renew(w, "body:mairie"),
        other=lambda w: _renew(w, "body:commerces"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/mandates/{mandate_id}/acceptance": Row(
        "citizen:identity",
        own=lambda w: _mandate(w, "other cid", "cid", "acceptance"),
        other=lambda w: _mandate(w, "other cid", "cleo's cid", "acceptance"),
    ),
    "POST /v1/mandates/{mandate_id}/end": Row(
        "citizen:identity",
        own=lambda w: _mandate(w, "cid", "other cid", "end"),
        other=lambda w: _mandate(w, "other cid", "cleo's cid", "end"),
    ),
    "GET /v1/mandates/{mandate_id}/subject": Row(
        "citizen:identity",
        own=lambda w: _mandate(w, "other cid", "cid", "subject"),
        other=lambda w: _mandate(w, "other cid", "cleo's cid", "subject"),
    ),
    "POST /v1/accounts": Row(
        "cleo's points",
        own=lambda w: _rotate_account(w, "cleo's points"),
        other=lambda w: _rotate_account(w, "other account"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/city/acts": Row(
        "council",
        own=lambda w: _act(w, "seat@mairie", "seat@coop", "seat@commerces"),
        other=lambda w: _act(w, "seat@mairie"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/desk/enrolments/{enrolment_id}/attestation": Row(
        "clerk",
        own=lambda w: _attest(w, "clerk"),
        other=lambda w: _attest(w, "supervisor"),
        refused=frozenset({409}),  # the agent was shown that QR too: there is nothing to hide
    ),
    "POST /v1/identity/batches": Row(
        "clerk",
        own=lambda w: _batch(w, "mairie"),
        other=lambda w: _batch(w, "commerces"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/electoral/acts": Row(
        "electoral",
        own=lambda w: _import_register(w, "body:dehors"),
        other=lambda w: _import_register(w, "body:mairie"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/identity/statuses": Row(
        "clerk",
        own=lambda w: _set_status(w, "body:mairie"),
        other=lambda w: _set_status(w, "body:commerces"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/identity/rotations": Row(
        "cleo's identity",
        own=lambda w: _rotate_identity(w, "cleo's cid", "cleo's identity"),
        other=lambda w: _rotate_identity(w, "other cid", "other identity account"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/loyalty/programmes": Row(
        "operator",
        own=lambda w: _programme(w, "body:commerces"),
        other=lambda w: _programme(w, "body:mairie"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/loyalty/owner-keys": Row(
        "an owner who renews",
        own=lambda w: _renew_owner(w, "coiffeur"),
        other=lambda w: _renew_owner(w, "librairie"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/settlements/marks": Row(
        "a shop that leaves",
        own=lambda w: _leave(w, "marchand"),
        other=lambda w: _leave(w, "librairie"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/settlements/decisions": Row(
        "operator",
        own=lambda w: _attest_reserve(w, "body:commerces"),
        other=lambda w: _attest_reserve(w, "body:mairie"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/loyalty/shops": Row(
        "operator",
        own=lambda w: _shop(w, "body:commerces", "fromager"),
        other=lambda w: _shop(w, "body:mairie", "boucher"),
        refused=REFUSED_BY_CHAIN,
    ),
    "GET /v1/loyalty/shops/{shop}/terminals": Row(
        "shop_owner",
        own=lambda w: _terminals("boulangerie"),
        other=lambda w: _terminals("librairie"),
    ),
    "POST /v1/loyalty/shops/{shop}/terminals": Row(
        "shop_owner",
        own=lambda w: _till(w, "boulangerie"),
        other=lambda w: _till(w, "librairie"),
    ),
    "POST /v1/loyalty/shops/{shop}/terminals/revocations": Row(
        "shop_owner",
        own=lambda w: _revoke_till(w, "boulangerie", w.objects["spare till"]),
        other=lambda w: _revoke_till(w, "librairie", w.objects["other till"]),
    ),
    "POST /v1/loyalty/earn": Row(
        "till",
        own=lambda w: _earn(w, "boulangerie"),
        other=lambda w: _earn(w, "librairie"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/loyalty/redemptions/preview": Row(
        "till",
        own=lambda w: _preview(w, "boulangerie"),
        other=lambda w: _preview(w, "librairie"),
    ),
    "POST /v1/loyalty/redemptions": Row(
        "till",
        own=lambda w: _redeem(w, "boulangerie", "pay code"),
        other=lambda w: _redeem(w, "librairie", "other pay code"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/loyalty/reversals": Row(
        "till",
        own=lambda w: _reverse(w, "own earn"),
        other=lambda w: _reverse(w, "other earn"),
        refused=REFUSED_BY_CHAIN,
    ),
}
ROWS |= LOYALTY_ROWS
ROWS |= ENERGY_ROWS
ROWS |= VOTES_ROWS
