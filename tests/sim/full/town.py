"""The town as the application: people earn points at the baker's and spend them; points are conserved (S7)."""

import json
import random
from collections.abc import Callable
from typing import Any

import msgspec

from chain.codec import bf1
from chain.codec.canonical import b64url_decode
from chain.execution.genesis import make_init_chain_request
from chain.node.home import Genesis, make_genesis
from chain.node.node import town_application
from chain.store.app import LmdbStateStore
from chain.town.application import TownApplication
from chain.town.loyalty.records import IssuerTotals, Lot, WalletRecord
from chain.town.schemas import (
    EarnRule,
    LoyaltyEarn,
    LoyaltyProgramme,
    LoyaltyRedeem,
    LoyaltyShop,
    LoyaltyTill,
)
from chain.types.abci import RequestQuery
from chain.types.params import GenesisDoc, GenesisValidator
from chain.types.timestamp import Timestamp
from tests.sim.full.loop import VirtualLoop
from tests.sim.full.machine import Machine
from tests.sim.full.scene import Scene
from tests.sim.full.workload import Answer, Clients, Traffic
from tests.town import town_kit
from tests.town.town_kit import DAY_S, GENESIS_S, MemoryStateStore, blind, jwk, key

CHAIN_ID = "beffroi-test-1"
SHOP = "shop:baker"
PEOPLE = ("ada", "bob", "eve")


class TownTraffic(Traffic):
    """First what a shop needs, each step once the one before is in some node's state; then earning and spending."""

    def __init__(self, validators: int, chance: random.Random, now_s: Callable[[], int]) -> None:
        self._chance, self._now_s = chance, now_s
        self.kit = town_kit.make_town(validators=validators)
        self._count = 0
        self.find: Callable[[str, bytes], bytes | None] = lambda _namespace, _id: None
        """A record in the state of some node that runs."""
        self.points: dict[bytes, tuple[str, int]] = {}
        """What each transaction moves, when it succeeds: ("earn" or "redeem", points)."""
        till = key("till of the baker")
        self._steps: list[tuple[str, bytes, Callable[[], bytes]]] = [
            ("loyalty", b"programme/town", self._programme),
            ("loyalty", b"shop/baker", self._shop),
            ("loyalty", b"till/" + till.kid.encode(), self._till),
            *(
                ("account", b"account/" + key(name).kid.encode(), lambda n=name: self._open(n))
                for name in PEOPLE
            ),
        ]

    def next_tx(self) -> tuple[bytes, bool]:
        self._count += 1
        self.kit.now_s = self._now_s()
        while self._steps and self.find(*self._steps[0][:2]) is not None:
            self._steps.pop(0)
        if self._steps:
            return self._steps[0][2](), False
        draw = self._chance.random()
        if draw < 0.05:
            return b"garbage %d" % self._count, True
        return (self._earn() if draw < 0.6 else self._redeem()), False

    def is_final_refusal(self, code: int, codespace: str) -> bool:
        """A node's clock or its place in the chain may be behind most refusals."""
        return False

    def _programme(self) -> bytes:
        rule = LoyaltyProgramme("town", 1, "active", EarnRule(1, 100, 0), 30)
        return self.kit.tx(rule, "body:commerces", self.kit.role("loyalty_operator"))

    def _shop(self) -> bytes:
        shop = LoyaltyShop("baker", "Au bon pain", jwk(key("owner")))
        return self.kit.tx(shop, "body:commerces", self.kit.role("loyalty_operator"), key("owner"))

    def _till(self) -> bytes:
        till = key("till of the baker")
        body = LoyaltyTill(jwk(till), GENESIS_S + 20 * DAY_S, 1_000, 1_000_000)
        return self.kit.tx(body, SHOP, key("owner"), till)

    def _open(self, name: str) -> bytes:
        return self.kit.open_tx(key(name))

    def _earn(self) -> bytes:
        points = self._chance.randint(1, 90)
        who = self._chance.choice(PEOPLE)
        receipt = blind(f"receipt {self._count}")
        body = LoyaltyEarn("town", key(who).kid, points * 100, receipt)
        tx = self.kit.tx(body, SHOP, key("till of the baker"))
        self.points[tx] = ("earn", points)
        return tx

    def _redeem(self) -> bytes:
        points = self._chance.randint(1, 60)
        who = self._chance.choice(PEOPLE)
        code = bf1.PayCode(
            alg=bf1.CodeAlg.ED25519,
            kind=bf1.Kind.PAY,
            key_ref=b64url_decode(key(who).kid)[:16],
            ctr=self._count,
            iat=self.kit.now_s,
            ttl_s=60,
            asset=1,
            max_amount=100,
            shop_ref=bf1.shop_ref("baker"),
        )
        raw = bf1.encode_body(code)
        text = bf1.to_text(raw, key(who).sign(bf1.signed_bytes(CHAIN_ID, raw)))
        tx = self.kit.tx(LoyaltyRedeem("town", points, text), SHOP, key("till of the baker"))
        self.points[tx] = ("redeem", points)
        return tx


def town_genesis(validators: int) -> Genesis:
    request = town_kit.make_genesis(validators=validators)
    doc = GenesisDoc(
        genesis_time=request.time,
        chain_id=CHAIN_ID,
        initial_height=1,
        consensus_params=request.consensus_params,
        validators=tuple(GenesisValidator(u.pub_key, u.power) for u in request.validators),
        app_hash=b"",
        app_state=json.loads(request.app_state_bytes),
    )
    return make_genesis(doc)


def town_scene(validators: int, chance: random.Random, loop: VirtualLoop) -> Scene:
    genesis = town_genesis(validators)
    traffic = TownTraffic(validators, chance, lambda: GENESIS_S + int(loop.time() - 1_000))
    # The town is named by its genesis document, which the node canonicalises in its own way.
    app = TownApplication(MemoryStateStore(), lambda: Timestamp(GENESIS_S), None)
    _init(app, genesis)
    traffic.kit.town = json.loads(_status(app))["town"]

    def check(machine: Machine, clients: Clients, violate: Callable[[str, str], None]) -> None:
        check_conservation(machine, clients, traffic, violate)

    return Scene(
        genesis=genesis,
        app_factory=town_application,
        fresh_app=lambda: TownApplication(MemoryStateStore(), lambda: Timestamp(GENESIS_S), None),
        model=lambda: None,
        traffic=traffic,
        pause_s=(0.1, 0.6),
        check_state=check,
    )


def _init(app: TownApplication, genesis: Genesis) -> None:
    app.init_chain(make_init_chain_request(genesis.doc, genesis.app_state_bytes))


def _status(app: TownApplication) -> bytes:
    return app.query(RequestQuery(path="/status")).value


def state_of(machine: Machine) -> LmdbStateStore:
    node: Any = machine.node
    return LmdbStateStore(node._app_kv, shared=False)


def check_conservation(
    machine: Machine,
    clients: Clients,
    traffic: TownTraffic,
    violate: Callable[[str, str], None],
) -> None:
    """Minted = in wallets + redeemed + expired + reversed; both sums also from what clients sent and blocks say."""
    store = state_of(machine)
    held, counted, minted, redeemed, gone = 0, 0, 0, 0, 0
    for record_id, raw in store.scan("loyalty"):
        if record_id.startswith(b"wallet/"):
            wallet = msgspec.json.decode(raw, type=WalletRecord)
            counted += sum(position.points for position in wallet.positions)
            held += sum(position.pending for position in wallet.positions)
        elif record_id.startswith(b"lot/"):
            lot = msgspec.json.decode(raw, type=Lot)
            held += lot.left
            counted -= lot.left
            if not 0 < lot.left <= lot.points:
                violate("S7", f"a lot with {lot.left} of {lot.points} points")
        elif record_id.startswith(b"total/"):
            totals = msgspec.json.decode(raw, type=IssuerTotals)
            minted += totals.minted
            redeemed += totals.redeemed
            gone += totals.expired + totals.reversed
            held += totals.held
    if counted:
        violate("S7", f"wallets count {counted} points more than their lots hold")
    if minted != held + redeemed + gone:
        violate("S7", f"{minted} points minted, {held} held, {redeemed} redeemed, {gone} gone")
    done = {"earn": 0, "redeem": 0}
    for tx, (kind, points) in traffic.points.items():
        if clients.effects.get(tx) == 0:
            done[kind] += points
    if (done["earn"], done["redeem"]) != (minted, redeemed):
        violate("S7", f"blocks moved {done}, the state says {minted} and {redeemed}")
    clients.marks["points redeemed"] += bool(redeemed)
    clients.marks["points earned"] += bool(minted)
    known = [a for sent in clients.sent.values() for a in sent.answers]
    clients.marks["town answers"] += sum(1 for kind, *_ in known if kind is Answer.COMMITTED)
