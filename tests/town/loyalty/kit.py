"""A small town for ledger tests: rules run as in a block, without consensus; time moves only when told."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from chain.codec import bf1, bf1_orders
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto.jws import SigningKey
from chain.crypto.keys import jwk_of
from chain.town import accounts, loyalty, params
from chain.town.context import (
    Accepted,
    BlockContext,
    Outcome,
    Overlay,
    Reader,
    Refused,
    Signer,
    TxContext,
)
from chain.town.due import take_due
from chain.town.loyalty import records
from chain.town.schemas import (
    EarnRule,
    Jwk,
    LoyaltyEarn,
    LoyaltyProgramme,
    LoyaltyRedeem,
    LoyaltyReverse,
    LoyaltyShop,
    LoyaltyTill,
    LoyaltyTillRevoke,
    Terms,
)
from chain.town.settlement import tables as settlement

RULES = {**loyalty.RULES, **settlement.RULES}
DUE = {**loyalty.DUE, **settlement.DUE}
CHAIN_ID = "beffroi-test-1"
TOWN = b64url_encode(sha256(b"genesis").digest())
OPERATOR = "body:traders"
START_S = 1_795_000_000
DAY_S = 86_400
PLENTY = 1_000_000


class Nothing:
    """The empty store under the first overlay."""

    def get(self, namespace: str, record_id: bytes) -> bytes | None:
        return None

    def scan(
        self, namespace: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        return iter(())


def make_key(name: str) -> SigningKey:
    """A key that depends on the name alone."""
    return SigningKey("EdDSA", sha256(name.encode()).digest())


def jwk_struct(key: SigningKey) -> Jwk:
    return Jwk(**jwk_of(key.public_key))


def fill(text: str, size: int) -> str:
    """`size` bytes that depend on the text, as base64url."""
    return b64url_encode(sha256(text.encode()).digest()[:size])


@dataclass
class Phone:
    """A citizen's phone: signs pay codes, counts upwards."""

    key: SigningKey
    account: str
    counter: int = 0

    def pay_code(
        self,
        now_s: int,
        *,
        shop: str | None,
        max_points: int = PLENTY,
        counter: int | None = None,
        ttl_s: int = 60,
        chain_id: str = CHAIN_ID,
        asset: int = records.POINT_ASSET,
        signer: SigningKey | None = None,
    ) -> str:
        if counter is None:
            self.counter += 1
            counter = self.counter
        code = bf1.PayCode(
            alg=bf1.CodeAlg.ED25519,
            kind=bf1.Kind.PAY,
            key_ref=b64url_decode(self.account)[:16],
            ctr=counter,
            iat=now_s,
            ttl_s=ttl_s,
            asset=asset,
            max_amount=max_points,
            shop_ref=bf1.ANY_SHOP if shop is None else bf1.shop_ref(shop),
        )
        body = bf1.encode_body(code)
        return bf1.to_text(body, (signer or self.key).sign(bf1.signed_bytes(chain_id, body)))


@dataclass
class LedgerTown:
    """State, header time, and the acts of operators, shops and phones."""

    state: Overlay = field(default_factory=lambda: Overlay(Nothing()))
    time_s: int = START_S
    height: int = 1
    serial: int = 0
    last_ref: str = ""
    journal: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        for limit in (params.LOYALTY_GIFTS_PER_SHOP_DAY, params.LOYALTY_SPENDS_PER_HOUR):
            params.put_param(self.state, limit, PLENTY)

    def run(self, sender: str, body: object, *signers: SigningKey) -> Outcome:
        """One transaction: what a refused one wrote is dropped."""
        self.serial += 1
        tx_key = tx_key_of(self)
        self.last_ref = b64url_encode(tx_key)
        overlay = Overlay(self.state)
        signed = tuple(Signer(key.kid, jwk_of(key.public_key)) for key in signers)
        ctx = TxContext(
            state=overlay,
            height=self.height,
            time_s=self.time_s,
            chain_id=CHAIN_ID,
            town=TOWN,
            sender=sender,
            signers=signed,
            tx_key=tx_key,
        )
        outcome = RULES[type(body)].apply(ctx, body)
        written = set(overlay.written_namespaces())
        allowed = {"loyalty", "settlement", "due", "account", "city"}
        assert written <= allowed, "I24: no other asset is touched"
        if isinstance(outcome, Accepted):
            self.state.absorb(overlay)
        return outcome

    def next_block(self, *, seconds: int, due_max: int = 200) -> None:
        """Header time moves; then the due work of the new block runs, bounded."""
        self.time_s += seconds
        self.height += 1
        ctx = BlockContext(self.state, self.height, self.time_s, CHAIN_ID, TOWN)
        for _, item in take_due(self.state, self.time_s, due_max):
            DUE[item.kind](ctx, item.text)
        self.journal += ctx.notes

    def open_phone(self, name: str, domain: str = "loyalty") -> Phone:
        key = make_key(f"phone {name}")
        account = accounts.open_account(
            self.state,
            domain=domain,
            jwk=jwk_struct(key),
            blind=fill(name, 16),
            height=self.height,
        )
        assert not isinstance(account, Refused)
        return Phone(key, account.id)

    def add_programme(
        self,
        programme: str,
        *,
        points: int = 1,
        per_cents: int = 100,
        minimum: int = 0,
        days: int = 365,
        version: int = 1,
        status: str = "active",
        operator: str = OPERATOR,
        terms: Terms | None = None,
        **more: Any,
    ) -> Outcome:
        rule = EarnRule(points, per_cents, minimum, **more)
        body = LoyaltyProgramme(programme, version, status, rule, days, terms or Terms())
        return self.run(operator, body, make_key("operator"))

    def add_shop(self, shop: str) -> Outcome:
        owner = owner_key(shop)
        body = LoyaltyShop(shop, shop.title(), jwk_struct(owner))
        return self.run(OPERATOR, body, make_key("operator"), owner)

    def add_till(
        self, shop: str, name: str, *, per_tx: int = PLENTY, per_day: int = 100 * PLENTY
    ) -> SigningKey:
        key = make_key(f"till {shop} {name}")
        body = LoyaltyTill(jwk_struct(key), self.time_s + 30 * DAY_S, per_tx, per_day)
        outcome = self.run(f"shop:{shop}", body, owner_key(shop), key)
        assert isinstance(outcome, Accepted), outcome
        return key

    def earn(self, shop: str, till: SigningKey, account: str, cents: int, **more: str) -> Outcome:
        programme = more.get("programme", "town")
        receipt = more.get("receipt", fill(f"receipt {self.serial}", 16))
        return self.run(f"shop:{shop}", LoyaltyEarn(programme, account, cents, receipt), till)

    def redeem(
        self, shop: str, till: SigningKey, points: int, qr: str, programme: str = "town"
    ) -> Outcome:
        return self.run(f"shop:{shop}", LoyaltyRedeem(programme, points, qr), till)

    def reverse(self, shop: str, signer: SigningKey, ref: str, points: int) -> Outcome:
        return self.run(f"shop:{shop}", LoyaltyReverse(ref, points), signer)

    def revoke(self, shop: str, till: SigningKey, since_s: int) -> Outcome:
        return self.run(f"shop:{shop}", LoyaltyTillRevoke(till.kid, since_s), owner_key(shop))

    def wallet(self, account: str) -> "WalletView":
        return read_wallet(self.state, account)


def tx_key_of(town: LedgerTown) -> bytes:
    """Payload hash of the town's last transaction."""
    return sha256(f"tx {town.serial}".encode()).digest()


class DebtView(NamedTuple):
    """Points owed to one issuer."""

    programme: str
    issuer: str
    points: int


@dataclass(frozen=True)
class WalletView:
    """A wallet as a whole: its lots in spending order, debts, head."""

    lots: tuple[records.Lot, ...]
    debts: tuple["DebtView", ...]
    wake_s: int
    head: records.WalletRecord


def read_wallet(state: Reader, name: str) -> WalletView:
    """All of a wallet, read the slow way; the head must say of each queue what is in it."""
    head = records.WALLETS.get(state, name.encode()) or records.WalletRecord()
    start = f"{name}/".encode()
    lots = [lot for _, lot in records.LOTS.scan(state, start, start + b"\x7f")]
    for position in head.positions:
        own = [
            lot
            for lot in lots
            if (lot.programme, lot.issuer) == (position.programme, position.issuer)
        ]
        assert position.points == sum(lot.left for lot in own)
        assert position.lots == len(own)
        assert position.first == min((lot.key for lot in own), default="")
    assert len(lots) == sum(position.lots for position in head.positions)
    debts = tuple(DebtView(p.programme, p.issuer, p.debt) for p in head.positions if p.debt)
    return WalletView(tuple(sorted(lots)), debts, head.wake_s, head)


def make_invoice(
    till: SigningKey,
    points: int,
    expires_s: int,
    *,
    number: str,
    shop: str = "baker",
    programme: str = "town",
    chain_id: str = CHAIN_ID,
) -> str:
    """The text of an invoice a till shows; `number` names it."""
    invoice = bf1_orders.Invoice(
        bf1.shop_ref(shop),
        sha256(number.encode()).digest()[:16],
        points,
        expires_s,
        bf1_orders.points_asset(programme),
    )
    body = bf1_orders.encode_invoice(invoice)
    return bf1.to_text(body, till.sign(bf1.signed_bytes(chain_id, body)))


def owner_key(shop: str) -> SigningKey:
    return make_key(f"owner {shop}")


def open_town(*shops: str) -> tuple[LedgerTown, dict[str, SigningKey]]:
    """A town with the programme `town` (1 point per euro) and one till per shop."""
    town = LedgerTown()
    assert isinstance(town.add_programme("town"), Accepted)
    for shop in shops:
        assert isinstance(town.add_shop(shop), Accepted)
    return town, {shop: town.add_till(shop, "1") for shop in shops}
