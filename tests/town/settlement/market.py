"""Shops, tills and customers on a real chain in memory: signed transactions, blocks, proofs; no rule called directly.

market = Market(shops=6, validators=2)      # the lab's application, and another that runs the same blocks
market.spend("shop-001", "shop-004", 120)   # queued; a block is made when enough wait
market.close_epoch()                        # time moves past the end of the epoch, batch and legs are written
"""

import json
from collections import defaultdict
from itertools import count
from typing import Any

from app.core.transactions import read_committed
from chain.codec.canonical import b64url_encode, encode_canonical
from chain.codec.hashing import hash_header
from chain.crypto import jws
from chain.crypto.jws import SigningKey
from chain.execution.genesis import make_init_chain_request
from chain.execution.updating import finalize_request
from chain.town.application import TownApplication
from chain.town.envelope import TICKET_TYP, build_transaction
from chain.town.schemas import (
    AccountOpen,
    EarnRule,
    LoyaltyEarn,
    LoyaltyProgramme,
    LoyaltyRedeem,
    LoyaltyShop,
    LoyaltyTill,
    Ticket,
)
from chain.types.timestamp import Timestamp
from chain.types.validator import ValidatorSet
from tests.api.lab import Lab
from tests.town.loyalty.kit import Phone
from tests.town.town_kit import DAY_S, MemoryStateStore, blind, jwk, key

TXS_PER_BLOCK = 100
LOT_POINTS = 2_000
OPERATOR = "body:commerces"
FREE = {
    "loyalty_spends_per_hour": 1_000_000,
    "loyalty_gifts_per_shop_day": 1_000_000,
    "loyalty_points_per_account_day": 10**9,
    "loyalty_points_per_shop_day": 10**9,
}
"""Speed limits out of the way: a month passes within minutes here."""


class Market:
    def __init__(
        self, shops: int, *, validators: int = 1, params: dict[str, int] | None = None
    ) -> None:
        self.lab = Lab(params=FREE | (params or {}))
        self.others = [self._another() for _ in range(validators - 1)]
        self._nonces = count(1)
        self._receipts = count(1)
        self._waiting: list[bytes] = []
        self._left: defaultdict[str, int] = defaultdict(int)
        self._phones: dict[str, Phone] = {}
        self.names = [f"shop-{index:03d}" for index in range(shops)]
        self._catch_up_height = 0
        self._open()

    def _another(self) -> TownApplication:
        app = TownApplication(MemoryStateStore(), lambda: Timestamp(self.lab.now_s))
        state = json.dumps(self.lab.genesis.app_state).encode()
        app.init_chain(make_init_chain_request(self.lab.genesis, state))
        return app

    # --- transactions ---

    def tx(self, body: Any, sender: str, *signers: SigningKey) -> bytes:
        nonce = next(self._nonces).to_bytes(16, "big")
        return build_transaction(
            self.lab.town, sender, body, signers, nonce, self.lab.now_s + 3_600
        )

    def put(self, body: Any, sender: str, *signers: SigningKey) -> None:
        """Queue one transaction; it must be accepted."""
        self._waiting.append(self.tx(body, sender, *signers))
        if len(self._waiting) >= TXS_PER_BLOCK:
            self.flush()

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        height = self.lab.produce(*waiting)
        for result in self.lab.results[height]:
            assert result.is_ok(), result.log
        self.compare()

    def compare(self) -> None:
        """The other validators run every new block; their state must be the same."""
        for height in range(self._catch_up_height + 1, self.lab.height + 1):
            block = self.lab.blocks[height]
            last = self.lab.sets[height - 1] if height > 1 else ValidatorSet(())
            request = finalize_request(block, hash_header(block.header), last, ())
            for app in self.others:
                answer = app.finalize_block(request)
                app.commit()
                if height < self.lab.height:
                    assert answer.app_hash == self.lab.blocks[height + 1].header.app_hash
                else:
                    assert answer.app_hash == self.lab.state.app_hash
        self._catch_up_height = self.lab.height

    # --- the street ---

    def _open(self) -> None:
        operator = key("loyalty_operator@commerces")
        rule = EarnRule(points=1, per_cents=100, min_purchase_cents=0)
        self.put(LoyaltyProgramme("town", 1, "active", rule, 365), OPERATOR, operator)
        for name in self.names:
            owner = key(f"owner of {name}")
            self.put(LoyaltyShop(name, name.title(), jwk(owner)), OPERATOR, operator, owner)
        self.flush()
        for name in self.names:
            till = LoyaltyTill(
                jwk(key(f"till of {name}")), self.lab.now_s + 30 * DAY_S, 1_000_000, 100_000_000
            )
            self.put(till, f"shop:{name}", key(f"owner of {name}"), key(f"till of {name}"))
        self.flush()

    def phone_of(self, issuer: str) -> Phone:
        """Customers who earn at one shop each, so that the test knows whose points are spent."""
        if issuer not in self._phones:
            signer = key(f"customer of {issuer}")
            self.put(*self._opening(signer))
            self.flush()
            self._phones[issuer] = Phone(signer, signer.kid)
        return self._phones[issuer]

    def _opening(self, signer: SigningKey) -> tuple[Any, str, SigningKey]:
        ticket = Ticket(self.lab.town, "loyalty", signer.kid, self.lab.now_s + 600)
        text = jws.sign_compact(
            encode_canonical(ticket), TICKET_TYP, key("gateway@mairie")
        ).decode()
        return AccountOpen("loyalty", jwk(signer), blind(signer.kid), text), signer.kid, signer

    def spend(self, issuer: str, redeemer: str, points: int) -> None:
        """A customer of `issuer` spends there or elsewhere, after a large purchase now and then."""
        phone = self.phone_of(issuer)
        if self._left[issuer] < points:
            self.earn(issuer, phone.account, LOT_POINTS)
            self._left[issuer] += LOT_POINTS
        self._left[issuer] -= points
        code = phone.pay_code(
            self.lab.now_s, shop=redeemer, ttl_s=120, chain_id=self.lab.genesis.chain_id
        )
        body = LoyaltyRedeem("town", points, code)
        self.put(body, f"shop:{redeemer}", key(f"till of {redeemer}"))

    def earn(self, shop: str, account: str, points: int) -> None:
        receipt = b64url_encode(next(self._receipts).to_bytes(16, "big"))
        body = LoyaltyEarn("town", account, points * 100, receipt)
        self.put(body, f"shop:{shop}", key(f"till of {shop}"))

    def last_reference(self, block: Any) -> str:
        """Payload hash, base64url, of a block's last transaction."""
        read = read_committed(block.data.txs[-1])
        assert read is not None
        return b64url_encode(bytes.fromhex(read.payload_hash))

    def close_epoch(self, seconds: int = 7 * DAY_S) -> None:
        """Past the end of the epoch: a block that closes it, and two more for what follows."""
        self.flush()
        self.lab.now_s += seconds
        for _ in range(3):
            self.lab.produce()
        self.compare()
