"""Tills and phones without a network, for ledger tests."""

from typing import Any

from chain.codec import bf1
from chain.codec.bf1_offline import (
    Allowance,
    OfflineCode,
    OfflineSpend,
    encode_offline,
    parse_allowance,
)
from chain.codec.bf1_orders import points_asset
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto.jws import SigningKey
from chain.town import params
from chain.town.context import Accepted, Outcome, Refused
from chain.town.loyalty.offline.phone import Purse, sign_certificate
from chain.town.loyalty.offline.records import ALLOWANCES, name_allowance
from chain.town.loyalty.offline.till import sign_note
from chain.town.loyalty_offline_schemas import (
    EarnNote,
    LoyaltyAllowance,
    LoyaltyEarnBatch,
    LoyaltyOfflineClaim,
    LoyaltyOfflineKey,
)
from tests.town.loyalty.kit import (
    CHAIN_ID,
    DAY_S,
    OPERATOR,
    START_S,
    TOWN,
    LedgerTown,
    Phone,
    fill,
    make_key,
)


def name(outcome: Outcome) -> str:
    """`ok`, or the refusal's stable name."""
    return outcome.code.name if isinstance(outcome, Refused) else "ok"


def make_note(
    till: SigningKey,
    account: str,
    *,
    made: int,
    cents: int = 1_000,
    receipt: str = "1",
    shop: str = "baker",
    programme: str = "town",
    town: str = TOWN,
    **more: Any,
) -> str:
    """A purchase as the till writes it down."""
    ref = b64url_encode(b64url_decode(account)[:16])
    note = EarnNote(town, shop, programme, ref, cents, fill(receipt, 16), made, **more)
    return sign_note(note, till)


def send_notes(town: LedgerTown, signer: SigningKey, *notes: str, shop: str = "baker") -> Outcome:
    """One upload."""
    return town.run(f"shop:{shop}", LoyaltyEarnBatch(notes), signer)


def dump(town: LedgerTown) -> tuple[Any, ...]:
    """The whole state, to see that nothing changed."""
    return town.state.changes()


# --- payments ----------------------------------------------------------------------------------

ISSUER = make_key("issuer of town")
LIFE_S = DAY_S
CLAIM_S = 2 * DAY_S
A_POINTS, PER_TX, PER_SHOP = 20, 10, 10
"""The figures of research/loyalty-sel.md §0.8."""


def switch_on(town: LedgerTown, programme: str = "town", **figures: int) -> None:
    """What a council and an operator do before anybody pays without a network."""
    values = {
        params.LOYALTY_OFFLINE_POINTS: figures.get("points", A_POINTS),
        params.LOYALTY_OFFLINE_PER_TX: figures.get("per_tx", PER_TX),
        params.LOYALTY_OFFLINE_PER_SHOP: figures.get("per_shop", PER_SHOP),
    }
    for parameter, value in values.items():
        params.put_param(town.state, parameter, value)
    body = LoyaltyOfflineKey(programme, b64url_encode(ISSUER.public_key.raw))
    outcome = town.run(OPERATOR, body, make_key("operator"))
    assert isinstance(outcome, Accepted), outcome


def lock(
    town: LedgerTown, phone: Phone, points: int = A_POINTS, programme: str = "town"
) -> Outcome:
    """The phone asks for an allowance."""
    return town.run(phone.account, LoyaltyAllowance(programme, points), phone.key)


def open_purse(town: LedgerTown, phone: Phone, points: int = A_POINTS, **more: Any) -> Purse:
    """An allowance on the phone, with its certificate."""
    programme = more.get("programme", "town")
    outcome = lock(town, phone, points, programme)
    assert isinstance(outcome, Accepted), outcome
    record = ALLOWANCES.get(town.state, outcome.data["allowance"].encode())
    assert record is not None
    certificate = sign_certificate(record.certificate(), chain_id=CHAIN_ID, issuer=ISSUER)
    return Purse(CHAIN_ID, programme, certificate)


def purse_of(data: dict[str, Any], chain_id: str = CHAIN_ID) -> Purse:
    """The purse out of an allowance's result data."""
    certificate = sign_certificate(certificate_of(data), chain_id=chain_id, issuer=ISSUER)
    return Purse(chain_id, data["programme"], certificate)


def name_of(purse: Purse) -> str:
    """The allowance's name on chain."""
    return name_allowance(parse_allowance(purse.certificate)[0])


def pay(
    purse: Purse,
    phone: Phone,
    points: int,
    *,
    shop: str = "baker",
    now_s: int = START_S,
    nonce: bytes = bytes(16),
    counter: int | None = None,
) -> str:
    """A code of kind 3, as a phone that does not care about its counter or its sum may sign it."""
    allowance, _, town_signature = parse_allowance(purse.certificate)
    spend = OfflineSpend(
        1 if counter is None else counter,
        now_s,
        60,
        points_asset(purse.programme),
        points,
        bf1.shop_ref(shop),
        nonce,
    )
    return sign_code(OfflineCode(spend, allowance, town_signature), phone.key, purse.chain_id)


def sign_code(code: OfflineCode, key: SigningKey, chain_id: str = CHAIN_ID) -> str:
    body = encode_offline(code)
    return bf1.to_text(body, key.sign(bf1.signed_bytes(chain_id, body)))


def certificate_of(data: dict[str, Any]) -> Allowance:
    """The certificate out of an allowance's result data alone."""
    return Allowance(
        device_key=b64url_decode(data["device_key"]),
        key_ref=b64url_decode(data["account"])[:16],
        iat=data["iat"],
        expires_s=data["expires"],
        cap_total=data["points"],
        cap_per_tx=data["per_tx_points"],
    )


def pay_of_result(
    data: dict[str, Any],
    phone: Any,
    issuer: SigningKey,
    chain_id: str,
    shop: str,
    points: int,
    counter: int,
) -> str:
    """A payment on a chain, an hour after its allowance was locked."""
    certificate = sign_certificate(certificate_of(data), chain_id=chain_id, issuer=issuer)
    purse = Purse(chain_id, data["programme"], certificate)
    return pay(purse, phone, points, shop=shop, counter=counter, now_s=data["iat"] + 3_600)


def claim(town: LedgerTown, signer: SigningKey, *texts: str, shop: str = "baker") -> Outcome:
    """One upload."""
    return town.run(f"shop:{shop}", LoyaltyOfflineClaim(texts), signer)


def close(town: LedgerTown) -> dict[str, Any]:
    """Wait for the end of the only open allowance; what its note says."""
    town.next_block(seconds=LIFE_S + CLAIM_S)
    notes = [note for note in town.journal if note["kind"] == "loyalty.allowance"]
    return notes[-1]
