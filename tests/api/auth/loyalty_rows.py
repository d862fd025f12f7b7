"""Rows of the authorisation matrix for loyalty's offers, holds, vouchers and households (see `matrix_rows`)."""

import json
from collections.abc import Callable
from typing import Any

from chain.codec import bf1
from chain.codec.canonical import b64url_encode
from chain.town.loyalty_offline_schemas import (
    LoyaltyAllowance,
    LoyaltyEarnBatch,
    LoyaltyEquivocation,
    LoyaltyOfflineClaim,
    LoyaltyOfflineKey,
)
from chain.town.loyalty_schemas import (
    LoyaltyActivate,
    LoyaltyCampaign,
    LoyaltyCapture,
    LoyaltyEvent,
    LoyaltyHold,
    LoyaltyInvoicePay,
    LoyaltyPoolInvite,
    LoyaltyPoolJoin,
    LoyaltyPoolLeave,
    LoyaltyPoolOpen,
    LoyaltyPoolWithdraw,
    LoyaltyReferral,
    LoyaltyRelease,
    LoyaltyReward,
    LoyaltyRewardTake,
    LoyaltyStaff,
    LoyaltyTransfer,
    LoyaltyVoucherRedeem,
    LoyaltyVoucherSeries,
)
from chain.town.schemas import (
    EarnRule,
    EventRule,
    LoyaltyEarn,
    LoyaltyProgramme,
    ReferralRule,
    Terms,
)
from tests.api.auth.matrix_world import Asked, Row, World, blind
from tests.town.loyalty.kit import Phone as LedgerPhone
from tests.town.loyalty.kit import make_invoice
from tests.town.loyalty.offline.kit import ISSUER, make_note, pay, purse_of
from tests.town.loyalty.test_offers import register_key, token
from tests.town.town_kit import DAY_S, key

REFUSED = frozenset({403})
"""A transaction in somebody else's name: the signer is not entitled."""
UNKNOWN_REF = b64url_encode(bytes(32))


BASE = "/v1/loyalty"


def _window(world: World) -> tuple[int, int]:
    return world.street.clock() - DAY_S, world.street.clock() + DAY_S


# --- what must be there before -----------------------------------------------------------------


def _do(world: World, path: str, body: Any, sender: str, who: str) -> Any:
    """One transaction that must work; returns its result data and payload hash (base64url)."""
    answer = world.ask("POST", world.tx(BASE + path, body, sender, world.signer(who)), who)
    assert answer.status_code == 201, (path, answer.json)
    return answer.json["data"], b64url_encode(bytes.fromhex(answer.json["transaction"]))


def _programme(world: World, name: str, earn: EarnRule | None = None, **terms: Any) -> str:
    """A programme of one row's own."""
    rule = earn or EarnRule(1, 100, 100)
    body = LoyaltyProgramme(name, 1, "active", rule, 365, Terms(**terms))
    _do(world, "/programmes", body, "body:commerces", "operator")
    return name


def _phone(world: World, name: str) -> str:
    """The account of a spare phone."""
    if name not in world.spares:
        world.spares[name] = world.street.phone(name).key
    return world.spares[name].kid


def _earn(world: World, programme: str, account: str, cents: int = 2_000) -> str:
    world.objects["receipts"] = world.objects.get("receipts", "") + "x"
    body = LoyaltyEarn(programme, account, cents, blind(900 + len(world.objects["receipts"])))
    return _do(world, "/earn", body, "shop:boulangerie", "till")[1]


def _pool(world: World, founder: str) -> str:
    return str(_do(world, "/pools", LoyaltyPoolOpen(), _phone(world, founder), founder)[0]["pool"])


def _reward(world: World, name: str) -> LoyaltyReward:
    starts, ends = _window(world)
    return LoyaltyReward(name, "fidelite", "boulangerie", "Mug", 5, 9, 2, starts, ends, "active")


def _series(world: World, number: int) -> LoyaltyVoucherSeries:
    public = b64url_encode(key("vouchers").public_key.raw)
    ends = _window(world)[1]
    return LoyaltyVoucherSeries(number, "fidelite", public, 20, 10, ends, "", "active")


def _voucher(world: World, number: int) -> str:
    """A voucher of an open series of the boulangerie."""
    if f"series {number}" not in world.objects:
        world.objects[f"series {number}"] = "open"
        _do(world, "/voucher-series", _series(world, number), "shop:boulangerie", "shop_owner")
    body = bf1.encode_voucher(bf1.Voucher(bytes(16), number, _window(world)[1], 20))
    chain_id = world.street.facts.chain_id
    return bf1.to_text(body, key("vouchers").sign(bf1.signed_bytes(chain_id, body)))


def _code(world: World, name: str) -> str:
    """A pay code for the boulangerie of somebody who has points."""
    phone = world.street.phone(name)
    _earn(world, "fidelite", phone.account)
    return str(phone.make_code(20, shop="boulangerie"))


# --- shapes of rows ----------------------------------------------------------------------------


def _by_shop(path: str, who: str, make: Callable[[World], Any]) -> Row:
    """A transaction of the own shop, and the same one signed in another shop's name."""

    def asked(world: World, shop: str) -> Asked:
        return world.tx(BASE + path, make(world), f"shop:{shop}", world.signers[who])

    return Row(
        who,
        own=lambda w: asked(w, "boulangerie"),
        other=lambda w: asked(w, "librairie"),
        refused=REFUSED,
    )


def _by_citizen(path: str, who: str, other: Any, make: Callable[[World], Any]) -> Row:
    """A transaction of a spare phone's account, and one in the name of somebody else's."""

    def of_other(world: World) -> Asked:
        _phone(world, who)
        return world.tx(BASE + path, other, world.objects["other account"], world.spares[who])

    def of_own(world: World) -> Asked:
        return world.tx(BASE + path, make(world), _phone(world, who), world.spares[who])

    return Row(who, own=of_own, other=of_other, refused=REFUSED)


def _preview(path: str, make: Callable[[World], dict[str, str]]) -> Row:
    def asked(world: World, shop: str) -> Asked:
        return Asked(BASE + path, {"shop": shop, **make(world)})

    return Row("till", own=lambda w: asked(w, "boulangerie"), other=lambda w: asked(w, "librairie"))


def _hold_row(end: str, make: Callable[[str], Any]) -> Row:
    def asked(world: World, hold: str, shop: str) -> Asked:
        path = f"{BASE}/holds/{hold}/{end}"
        return world.tx(path, make(hold), f"shop:{shop}", world.signers["till"])

    def own(world: World) -> Asked:
        _, hold = _do(world, "/holds", _hold(world, end), "shop:boulangerie", "till")
        return asked(world, hold, "boulangerie")

    other = lambda w: asked(w, UNKNOWN_REF, "librairie")  # noqa: E731
    return Row("till", own=own, other=other, refused=REFUSED)


# --- what each row does ------------------------------------------------------------------------


def _campaign(world: World) -> LoyaltyCampaign:
    starts, ends = _window(world)
    return LoyaltyCampaign("double", "fidelite", "boulangerie", 200, starts, ends, 100, "active")


def _take_reward(world: World) -> LoyaltyRewardTake:
    if "mug to take" not in world.objects:
        world.objects["mug to take"] = "there"
        _do(world, "/rewards", _reward(world, "mug-to-take"), "shop:boulangerie", "shop_owner")
    return LoyaltyRewardTake("mug-to-take", 5, _code(world, "taker"))


def _preview_reward(world: World) -> dict[str, str]:
    if "mug to see" not in world.objects:
        world.objects["mug to see"] = "there"
        _do(world, "/rewards", _reward(world, "mug-to-see"), "shop:boulangerie", "shop_owner")
    return {"reward": "mug-to-see", "qr": _code(world, "looker")}


def _activate(world: World) -> LoyaltyActivate:
    if "cooling" not in world.objects:
        programme = _programme(world, "lent", pending_days=2)
        world.objects["cooling"] = _earn(world, programme, _phone(world, "patient"))
    return LoyaltyActivate(world.objects["cooling"])


def _event(world: World) -> LoyaltyEvent:
    if "fetes" not in world.objects:
        earn = EarnRule(1, 100, 100, events=(EventRule("atelier", 10, 3),))
        world.objects["fetes"] = _programme(world, "fetes", earn)
    return LoyaltyEvent("fetes", world.objects["account"], "atelier", blind(700))


def _hold(world: World, name: str) -> LoyaltyHold:
    return LoyaltyHold("fidelite", 5, _code(world, f"holder {name}"), world.street.clock() + 600)


def _transfer(world: World) -> LoyaltyTransfer:
    programme = _programme(world, "partage", transfers="anyone")
    _earn(world, programme, _phone(world, "giver"))
    return LoyaltyTransfer(world.objects["other account"], programme, 3)


def _invoice(world: World) -> LoyaltyInvoicePay:
    """Of the boulangerie's till, to somebody who has points."""
    _earn(world, "fidelite", _phone(world, "payer"))
    return LoyaltyInvoicePay(world.signers["till"].kid, "fidelite", _invoice_text(world, "payer"))


def _invoice_text(world: World, number: str) -> str:
    return make_invoice(
        world.signers["till"],
        3,
        world.street.clock() + 60,
        number=number,
        shop="boulangerie",
        programme="fidelite",
        chain_id=world.street.facts.chain_id,
    )


def _join(world: World) -> LoyaltyPoolJoin:
    pool, invited = _pool(world, "host"), _phone(world, "joiner")
    body = LoyaltyPoolInvite(pool, invited)
    _do(world, "/pools/invitations", body, world.spares["host"].kid, "host")
    return LoyaltyPoolJoin(pool)


def _withdraw(world: World) -> LoyaltyPoolWithdraw:
    programme = _programme(world, "foyer", transfers="household")
    account, pool = _phone(world, "saver"), _pool(world, "saver")
    _earn(world, programme, account)
    _do(world, "/transfers", LoyaltyTransfer(pool, programme, 9), account, "saver")
    return LoyaltyPoolWithdraw(pool, programme, 4)


def _refer(world: World) -> LoyaltyReferral:
    key_n = b64url_encode(register_key().public.n.to_bytes(256, "big"))
    earn = EarnRule(1, 100, 100, referral=ReferralRule("boulangerie", 30, 10, 1, key_n))
    _programme(world, "club", earn)
    return LoyaltyReferral("club", world.objects["account"], *token(1, _phone(world, "newcomer")))


def _late_earns(world: World) -> LoyaltyEarnBatch:
    """A purchase the boulangerie's till wrote down a minute ago."""
    facts, till = world.street.facts, world.signers["till"]
    note = make_note(
        till,
        world.objects["account"],
        made=world.street.clock() - 60,
        shop="boulangerie",
        programme="fidelite",
        town=facts.town,
    )
    return LoyaltyEarnBatch((note,))


def _offline_key(world: World, sender: str) -> Asked:
    """Another programme's key each time would do as well: the newest counts, and nothing is locked under it here."""
    body = LoyaltyOfflineKey("fidelite", b64url_encode(ISSUER.public_key.raw))
    return world.tx(BASE + "/offline/keys", body, sender, world.signers["operator"])


def _saver(world: World, name: str) -> LoyaltyAllowance:
    """Somebody with points of a programme that has its key."""
    answer = world.ask("POST", _offline_key(world, "body:commerces"), "operator")
    assert answer.status_code == 201, answer.json
    _earn(world, "fidelite", _phone(world, name))
    return LoyaltyAllowance("fidelite", 10)


def _payments(world: World, name: str, *points: int) -> tuple[str, ...]:
    """What a phone signed at the boulangerie without a network, all under one counter."""
    known = f"locked by {name}"
    if known not in world.objects:
        body = _saver(world, name)
        data = _do(world, "/offline/allowances", body, _phone(world, name), name)[0]
        world.objects[known] = json.dumps(data)
    locked = json.loads(world.objects[known])
    phone = LedgerPhone(world.spares[name], locked["account"])
    purse = purse_of(locked, world.street.facts.chain_id)
    return tuple(
        pay(purse, phone, part, shop="boulangerie", counter=1, now_s=locked["iat"])
        for part in points
    )


def _webhook(world: World, shop: str) -> str:
    """A webhook of a shop; its owner registers it."""
    name = f"webhook of {shop}"
    if name not in world.objects:
        world.spares[f"owner of {shop}"] = key(f"owner of {shop}")
        asked = Asked("/v1/webhooks", {"shop": shop, "url": "https://till.example/hook"})
        answer = world.ask("POST", asked, f"owner of {shop}")
        assert answer.status_code == 201, answer.json
        world.objects[name] = answer.json["id"]
    return world.objects[name]


def _by_webhook(path: str, body: dict[str, int] | None) -> Row:
    def asked(world: World, shop: str) -> Asked:
        return Asked(f"/v1/webhooks/{_webhook(world, shop)}/{path}", body)

    return Row(
        "shop_owner", own=lambda w: asked(w, "boulangerie"), other=lambda w: asked(w, "librairie")
    )


def _employee(world: World, shop: str) -> str:
    """Of a shop of no other row: from the first employee on its tills ask for PINs."""
    name = f"employee of {shop}"
    if name not in world.objects:
        world.spares[f"owner of {shop}"] = key(f"owner of {shop}")
        asked = Asked(f"/v1/tills/shops/{shop}/employees", _ZOE)
        answer = world.ask("POST", asked, f"owner of {shop}")
        assert answer.status_code == 201, answer.json
        world.objects[name] = answer.json["employee"]
    return world.objects[name]


def _by_employer(make: Callable[[World, str], Asked]) -> Row:
    """Of a shop whose tills no other row uses, and of another one."""
    return Row(
        "a shop that leaves",
        own=lambda w: make(w, "marchand"),
        other=lambda w: make(w, "librairie"),
    )


_ZOE = {"name": "Zoé", "pin": "402913"}
_DAY = "first=2026-09-01&last=2026-09-02"
_NOBODY = LoyaltyReferral("club", "", UNKNOWN_REF, "A" * 342)
LOYALTY_ROWS: dict[str, Row] = {
    "POST /v1/webhooks": Row(
        "shop_owner",
        own=lambda w: Asked("/v1/webhooks", {"shop": "boulangerie", "url": "https://b.example/h"}),
        other=lambda w: Asked("/v1/webhooks", {"shop": "librairie", "url": "https://b.example/h"}),
    ),
    "GET /v1/webhooks/{webhook}/deliveries": _by_webhook("deliveries", None),
    "POST /v1/webhooks/{webhook}/replays": _by_webhook("replays", {"since": 0}),
    "POST /v1/webhooks/{webhook}/end": _by_webhook("end", {}),
    "GET /v1/tills/shops/{shop}/staff": _by_employer(
        lambda w, shop: Asked(f"/v1/tills/shops/{shop}/staff")
    ),
    "POST /v1/tills/shops/{shop}/employees": _by_employer(
        lambda w, shop: Asked(f"/v1/tills/shops/{shop}/employees", _ZOE)
    ),
    "POST /v1/tills/employees/{employee}/pin": _by_employer(
        lambda w, shop: Asked(f"/v1/tills/employees/{_employee(w, shop)}/pin", {"pin": "775102"})
    ),
    "POST /v1/tills/employees/{employee}/end": _by_employer(
        lambda w, shop: Asked(f"/v1/tills/employees/{_employee(w, shop)}/end", {})
    ),
    "POST /v1/tills/shops/{shop}/terminals/{kid}/unlock": _by_employer(
        lambda w, shop: Asked(
            f"/v1/tills/shops/{shop}/terminals/{key(f'till of {shop}').kid}/unlock", {}
        )
    ),
    "POST /v1/loyalty/campaigns": _by_shop("/campaigns", "shop_owner", _campaign),
    "POST /v1/loyalty/rewards": _by_shop("/rewards", "shop_owner", lambda w: _reward(w, "mug")),
    "POST /v1/loyalty/rewards/preview": _preview("/rewards/preview", _preview_reward),
    "POST /v1/loyalty/rewards/takings": _by_shop("/rewards/takings", "till", _take_reward),
    "POST /v1/loyalty/voucher-series": _by_shop(
        "/voucher-series", "shop_owner", lambda w: _series(w, 5)
    ),
    "GET /v1/loyalty/shops/{shop}/voucher-series": Row(
        "shop_owner",
        own=lambda w: Asked(f"{BASE}/shops/boulangerie/voucher-series"),
        other=lambda w: Asked(f"{BASE}/shops/librairie/voucher-series"),
    ),
    "GET /v1/loyalty/shops/{shop}/statistics": Row(
        "shop_owner",
        own=lambda w: Asked(f"{BASE}/shops/boulangerie/statistics?{_DAY}"),
        other=lambda w: Asked(f"{BASE}/shops/librairie/statistics?{_DAY}"),
    ),
    "POST /v1/loyalty/vouchers/preview": _preview(
        "/vouchers/preview", lambda w: {"voucher": _voucher(w, 6)}
    ),
    "POST /v1/loyalty/vouchers/redemptions": _by_shop(
        "/vouchers/redemptions", "till", lambda w: LoyaltyVoucherRedeem(_voucher(w, 7), 5)
    ),
    "POST /v1/loyalty/staff": _by_shop(
        "/staff", "shop_owner", lambda w: LoyaltyStaff(_phone(w, "baker"), True)
    ),
    "POST /v1/loyalty/activations": _by_shop("/activations", "shop_owner", _activate),
    "POST /v1/loyalty/events": _by_shop("/events", "till", _event),
    "POST /v1/loyalty/holds": _by_shop("/holds", "till", lambda w: _hold(w, "open")),
    "POST /v1/loyalty/holds/{hold}/capture": _hold_row("capture", lambda h: LoyaltyCapture(h, 2)),
    "POST /v1/loyalty/holds/{hold}/release": _hold_row("release", LoyaltyRelease),
    "POST /v1/loyalty/transfers": _by_citizen(
        "/transfers", "giver", LoyaltyTransfer(UNKNOWN_REF, "fidelite", 1), _transfer
    ),
    "POST /v1/loyalty/invoices/payments": _by_citizen(
        "/invoices/payments",
        "payer",
        LoyaltyInvoicePay(UNKNOWN_REF, "fidelite", "BF1:" + "A" * 20),
        _invoice,
    ),
    "POST /v1/loyalty/pools": _by_citizen(
        "/pools", "founder", LoyaltyPoolOpen(), lambda w: LoyaltyPoolOpen()
    ),
    "POST /v1/loyalty/pools/invitations": _by_citizen(
        "/pools/invitations",
        "inviter",
        LoyaltyPoolInvite(UNKNOWN_REF, UNKNOWN_REF),
        lambda w: LoyaltyPoolInvite(_pool(w, "inviter"), w.objects["other account"]),
    ),
    "POST /v1/loyalty/pools/memberships": _by_citizen(
        "/pools/memberships", "joiner", LoyaltyPoolJoin(UNKNOWN_REF), _join
    ),
    "POST /v1/loyalty/pools/departures": _by_citizen(
        "/pools/departures",
        "leaver",
        LoyaltyPoolLeave(UNKNOWN_REF, UNKNOWN_REF),
        lambda w: LoyaltyPoolLeave(_pool(w, "leaver"), _phone(w, "leaver")),
    ),
    "POST /v1/loyalty/pools/withdrawals": _by_citizen(
        "/pools/withdrawals", "saver", LoyaltyPoolWithdraw(UNKNOWN_REF, "fidelite", 1), _withdraw
    ),
    "POST /v1/loyalty/offline/earns": _by_shop("/offline/earns", "till", _late_earns),
    "POST /v1/loyalty/offline/claims": _by_shop(
        "/offline/claims", "till", lambda w: LoyaltyOfflineClaim(_payments(w, "payer", 3))
    ),
    "POST /v1/loyalty/offline/keys": Row(
        "operator",
        own=lambda w: _offline_key(w, "body:commerces"),
        other=lambda w: _offline_key(w, "body:mairie"),
        refused=REFUSED,
    ),
    "POST /v1/loyalty/offline/allowances": _by_citizen(
        "/offline/allowances",
        "locker",
        LoyaltyAllowance("fidelite", 1),
        lambda w: _saver(w, "locker"),
    ),
    "POST /v1/loyalty/offline/frauds": _by_citizen(
        "/offline/frauds",
        "witness",
        LoyaltyEquivocation(("BF1:NOT A CODE",)),
        lambda w: LoyaltyEquivocation(_payments(w, "cheat", 3, 4)),
    ),
    "POST /v1/loyalty/referrals": _by_citizen("/referrals", "newcomer", _NOBODY, _refer),
}
