"""Three copies of the town see the same blocks and must answer the same, whatever else each one saw.

The *busy* node gets every CheckTx, proposals that are decided and proposals that are not, queries, and has a
clock of its own; the *quiet* one gets FinalizeBlock and Commit alone; the *restless* one is started anew on its
store again and again. Blocks hold what a Byzantine proposer would put there: good transactions in any order,
replays, bent bytes, stripped and foreign signatures, wrong keys, junk, misbehaviour, jumps of time.

BEFFROI_FUZZ_SECONDS=600 pytest tests/town/test_differential.py looks longer; BEFFROI_FUZZ_SEED repeats a run.
"""

import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import msgspec
import pytest

from chain.codec import bf1
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto import jws
from chain.crypto.jws import SigningKey
from chain.light.state_proof import verify_record
from chain.town.accounts import get_account
from chain.town.application import TownApplication
from chain.town.context import Reader
from chain.town.envelope import TX_TYP, EnvelopeCache, encode_payload, payload_hash
from chain.town.loyalty import records
from chain.town.schemas import (
    AccountRotate,
    ActBodyAdd,
    ActBodyRemove,
    ActParamSet,
    ActRoleGrant,
    ActRoleRevoke,
    EarnRule,
    IdBatchAttest,
    IdRotate,
    IdStatus,
    LoyaltyEarn,
    LoyaltyProgramme,
    LoyaltyRedeem,
    LoyaltyReverse,
    LoyaltyShop,
    LoyaltyTill,
    LoyaltyTillRevoke,
)
from chain.types.abci import (
    CommitInfo,
    ExtendedCommitInfo,
    RequestCheckTx,
    RequestFinalizeBlock,
    RequestPrepareProposal,
    RequestProcessProposal,
    RequestQuery,
    ResponseFinalizeBlock,
)
from chain.types.timestamp import Timestamp
from tests.town.identity.kit import attest, cid_of
from tests.town.test_city import misbehaviour, set_validator
from tests.town.test_determinism import recomputed_app_hash
from tests.town.town_kit import BODIES, DAY_S, MemoryStateStore, Town, blind, jwk, key, make_town

SECONDS = float(os.environ.get("BEFFROI_FUZZ_SECONDS", "8"))
SEED = int(os.environ.get("BEFFROI_FUZZ_SEED", "0"))
SHOPS = ("baker", "florist")
PHONES = tuple(f"phone {n}" for n in range(6))
CITIZENS = tuple(f"citizen {n}" for n in range(6))
HASH, ADDRESS = b"\x01" * 32, b"\x02" * 20


@dataclass
class Node:
    """One copy of the application with its own store and clock."""

    town: Town
    clock_lead_s: int = 0

    def __post_init__(self) -> None:
        self.store = MemoryStateStore()
        self.start()
        self.app.init_chain(self.town.genesis)

    def start(self) -> None:
        self.app = TownApplication(self.store, self.clock)

    def clock(self) -> Timestamp:
        return Timestamp(self.town.now_s + self.clock_lead_s)

    def finalize(self, request: RequestFinalizeBlock) -> ResponseFinalizeBlock:
        answer = self.app.finalize_block(request)
        self.app.commit()
        return answer


class Mischief:
    """Random transactions of a town, most of them nearly right."""

    def __init__(self, rng: random.Random, town: Town, state: Callable[[], Reader]) -> None:
        self.rng, self.town, self.state = rng, town, state
        self.by_kid = {key(name).kid: key(name) for name in (*PHONES, *CITIZENS)}
        self.refs: list[str] = []
        self.is_wild = False
        self.sent: list[bytes] = []
        self.counter = self.serial = 0

    def name(self, prefix: str) -> str:
        self.serial += 1
        return f"{prefix} {self.serial}"

    def start(self) -> list[bytes]:
        """A town with two shops, a programme and accounts, in one block."""
        operator, rule = self.town.role("loyalty_operator"), EarnRule(1, 100, 0)
        programme = LoyaltyProgramme("town", 1, "active", rule, 30)
        made = [self.tx(programme, "body:commerces", operator)]
        made += [self.admit(shop) for shop in SHOPS]
        opened = [self.town.open_tx(key(name)) for name in PHONES[1:]]
        made += [*(self.till() for _ in range(6)), *opened]
        self.is_wild = True
        return made

    def current(self, name: str) -> SigningKey:
        """The key that the account of this phone or citizen has now; it may have been rotated."""
        account = get_account(self.state(), key(name).kid)
        return key(name) if account is None else self.by_kid[account.kid]

    def fresh_key(self, name: str, alg: str = "EdDSA") -> SigningKey:
        fresh = key(self.name(name), alg)
        self.by_kid[fresh.kid] = fresh
        return fresh

    def wanted_key(self) -> SigningKey:
        """One of few keys that the council, shops and phones all want to register."""
        wanted = key(self.rng.choice(("wanted 1", "wanted 2", "wanted 3", PHONES[0])))
        self.by_kid[wanted.kid] = wanted
        return wanted

    def tx(self, body: msgspec.Struct, sender: str, *signers: SigningKey) -> bytes:
        """Signed, now and then by a stranger or with an odd expiry."""
        rng, now_s = self.rng, self.town.now_s
        odd = rng.choice((0, 1, 59, 60, DAY_S, DAY_S + 1, 15 * DAY_S))
        until = now_s + (odd if self.is_wild and rng.random() < 0.1 else 600)
        nonce = rng.randbytes(16)
        payload = encode_payload(self.town.town, sender, body, nonce16=nonce, exp=until)
        if self.is_wild and rng.random() < 0.05:
            signers = (*signers[:-1], key(rng.choice(("stranger", "clerk@mairie", PHONES[0]))))
        self.refs.append(b64url_encode(payload_hash(payload)))
        self.sent.append(sign(payload, signers))
        return self.sent[-1]

    def any_tx(self) -> bytes:
        makers: tuple[tuple[int, Callable[[], bytes]], ...] = (
            (3, self.open),
            (2, self.rotate),
            (1, self.programme),
            (1, self.shop),
            (2, self.till),
            (12, self.earn),
            (12, self.redeem),
            (8, self.reverse),
            (1, self.revoke),
            (3, self.batch),
            (3, self.status),
            (2, self.rotate_identity),
            (3, self.council),
            (4, self.again),
            (4, self.bent),
            (1, lambda: self.rng.randbytes(self.rng.randrange(200))),
        )
        weights = [weight for weight, _ in makers]
        return self.rng.choices([maker for _, maker in makers], weights)[0]()

    def open(self) -> bytes:
        phone = key(self.rng.choice(PHONES))
        domain = self.rng.choice(("loyalty", "loyalty", "loyalty", "sel", "identity"))
        tx = self.town.open_tx(phone, domain)
        self.sent.append(tx)
        return tx

    def rotate(self) -> bytes:
        name = self.rng.choice(PHONES)
        old, new = self.current(name), self.fresh_key(name)
        return self.tx(AccountRotate(jwk(new)), key(name).kid, old, new)

    def programme(self) -> bytes:
        rule = EarnRule(1, 100, 0)
        days, status = self.rng.choice((1, 30)), self.rng.choice(("active", "active", "closed"))
        name = self.rng.choice(("town", "fair", "fair"))
        status = "active" if name == "town" else status
        body = LoyaltyProgramme(name, self.rng.randrange(1, 4), status, rule, days)
        return self.tx(body, "body:commerces", self.town.role("loyalty_operator"))

    def shop(self) -> bytes:
        return self.admit(self.rng.choice(SHOPS))

    def admit(self, shop: str) -> bytes:
        owner = key(f"owner {shop}")
        body = LoyaltyShop(shop, shop.title(), jwk(owner))
        return self.tx(body, "body:commerces", self.town.role("loyalty_operator"), owner)

    def till(self) -> bytes:
        shop = self.rng.choice(SHOPS)
        till = self.fresh_key("till", self.rng.choice(("EdDSA", "ES256")))
        if self.is_wild and self.rng.random() < 0.2:
            till = self.wanted_key()
        body = LoyaltyTill(jwk(till), self.town.now_s + 29 * DAY_S, 50, 400)
        return self.tx(body, f"shop:{shop}", key(f"owner {shop}"), till)

    def of_a_shop(self) -> tuple[str, SigningKey]:
        shop = self.rng.choice(SHOPS)
        known = [till for _, till in records.TILLS.scan(self.state()) if till.shop == shop]
        live = [till for till in known if not till.revoked_s and till.expires_s > self.town.now_s]
        tills = live if live and self.rng.random() < 0.9 else known
        till = self.by_kid[self.rng.choice(tills).kid] if tills else key(f"owner {shop}")
        return f"shop:{shop}", till

    def earn(self) -> bytes:
        shop, till = self.of_a_shop()
        cents = self.rng.choice((99, 100, 1_000, 2_000, 5_000, 5_100))
        programme = self.rng.choice(("town",) * 5 + ("fair",))
        receipt = blind(self.name("receipt") if self.rng.random() < 0.9 else "one")
        body = LoyaltyEarn(programme, key(self.rng.choice(PHONES)).kid, cents, receipt)
        return self.tx(body, shop, till)

    def redeem(self) -> bytes:
        shop, till = self.of_a_shop()
        name = self.rng.choice(PHONES)
        self.counter += self.rng.choice((1,) * 8 + (0, -1, 70))
        code = bf1.PayCode(
            alg=bf1.CodeAlg.ED25519,
            kind=bf1.Kind.PAY,
            key_ref=b64url_decode(key(name).kid)[:16],
            ctr=max(self.counter, 0),
            iat=self.town.now_s + self.rng.choice((0,) * 6 + (40, -151)),
            ttl_s=60,
            asset=1,
            max_amount=60,
            shop_ref=self.rng.choice((bf1.ANY_SHOP, bf1.shop_ref("baker"))),
        )
        body = bf1.encode_body(code)
        text = bf1.to_text(body, self.current(name).sign(bf1.signed_bytes("beffroi-test-1", body)))
        points = self.rng.choice((1, 5, 10, 50, 51))
        return self.tx(
            LoyaltyRedeem(self.rng.choice(("town",) * 5 + ("fair",)), points, text), shop, till
        )

    def reverse(self) -> bytes:
        shop, signer = self.of_a_shop()
        if self.rng.random() < 0.7:
            signer = key(f"owner {shop.removeprefix('shop:')}")
        kind = self.rng.choice((records.EARNS, records.SPENDS))
        known = [rid.decode() for rid, op in kind.scan(self.state()) if f"shop:{op.shop}" == shop]
        ref = self.rng.choice(known if known and self.rng.random() < 0.9 else self.refs)
        return self.tx(LoyaltyReverse(ref, self.rng.choice((1, 5, 10, 50))), shop, signer)

    def revoke(self) -> bytes:
        shop, till = self.of_a_shop()
        since = max(0, self.town.now_s - self.rng.choice((-1, 0, 60, DAY_S, 10**10)))
        return self.tx(LoyaltyTillRevoke(till.kid, since), shop, key(f"owner {shop[5:]}"))

    def batch(self) -> bytes:
        names = self.rng.sample(CITIZENS, self.rng.randrange(1, 4))
        if self.rng.random() < 0.8:
            names.sort(key=cid_of)
        texts = tuple(attest(self.town, name) for name in names)
        return self.tx(IdBatchAttest(texts), "body:mairie", self.town.role("clerk"))

    def status(self) -> bytes:
        status = self.rng.choice(("active", "active", "suspended", "expired", "revoked", "erased"))
        signers = [self.town.role("clerk")]
        if self.rng.random() < 0.5:
            signers.append(self.town.role("agent_supervisor"))
        body = IdStatus(cid_of(self.rng.choice(CITIZENS)), status)
        return self.tx(body, "body:mairie", *signers)

    def rotate_identity(self) -> bytes:
        name = self.rng.choice(CITIZENS)
        old, new = self.current(name), self.fresh_key(name)
        return self.tx(IdRotate(cid_of(name), jwk(new)), key(name).kid, old, new)

    def council(self) -> bytes:
        rng = self.rng
        acts = (
            ActParamSet("due_max_per_block", rng.choice((1, 2, 200))),
            ActParamSet("loyalty_grace_s", rng.choice((0, 60, DAY_S))),
            ActParamSet("council_delay_s", rng.choice((0, 0, 30, DAY_S))),
            ActParamSet("quota_till_per_minute", rng.choice((3, 1_000))),
            ActParamSet("till_undo_max_s", rng.choice((0, 300))),
            ActBodyAdd("lycee", "Lycée \u2028", jwk(key(self.name("seat")))),
            ActBodyRemove("lycee"),
            ActRoleGrant("gateway", "coop", jwk(key(self.name("gw"))), self.town.now_s + DAY_S),
            ActRoleGrant("clerk", "coop", jwk(self.wanted_key()), self.town.now_s + DAY_S),
            ActRoleRevoke(self.of_a_shop()[1].kid),
            set_validator(rng.choice(BODIES), rng.randrange(7), rng.choice((0, 9, 10, 11))),
        )
        return self.town.council_tx(*rng.sample(acts, rng.randrange(1, 4)), seats=BODIES)

    def again(self) -> bytes:
        return self.rng.choice(self.sent[-200:]) if self.sent else b""

    def bent(self) -> bytes:
        """A known transaction with other bytes, or with other signatures on the same payload."""
        tx = bytearray(self.again())
        if not tx or self.rng.random() < 0.5:
            return self.resigned(bytes(tx))
        place = self.rng.randrange(len(tx))
        match self.rng.randrange(4):
            case 0:
                tx[place] ^= 1 << self.rng.randrange(8)
            case 1:
                del tx[place:]
            case 2:
                tx[place:place] = self.rng.choice((b" ", b"\n", b"=", b".", b"\xff", b"A"))
            case _:
                tx += self.rng.choice((b"\n", b" ", b"A", b"."))
        return bytes(tx)

    def resigned(self, tx: bytes) -> bytes:
        try:
            parsed = jws.parse(tx, TX_TYP, 1 << 18)
        except ValueError:
            return tx
        signers = [
            key("stranger"),
            key("clerk@mairie"),
            *(self.current(name) for name in PHONES[:2]),
        ]
        return sign(parsed.payload, self.rng.sample(signers, self.rng.randrange(1, 3)))


def sign(payload: bytes, signers: Sequence[SigningKey]) -> bytes:
    unique = {signer.kid: signer for signer in signers}
    if len(unique) == 1:
        return jws.sign_compact(payload, TX_TYP, *unique.values())
    return jws.sign_general(payload, TX_TYP, list(unique.values()))


class Copies:
    """The three nodes and one run of random blocks."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.town = make_town(seconds_per_block=0)
        self.busy, self.quiet, self.restless = (Node(self.town) for _ in range(3))
        self.mischief = Mischief(self.rng, self.town, lambda: self.quiet.app._base)
        self.busy.app._cache = EnvelopeCache(self.town.town, bytes_max=20_000)  # forgets quickly
        self.height = self.accepted = 0
        self.hashes: dict[int, bytes] = {}
        """App hash by height."""

    def block(self) -> None:
        """One height: mischief at the busy node, then the same decided block everywhere."""
        rng = self.rng
        self.height += 1
        self.town.now_s += 1 if rng.random() < 0.8 else rng.choice((59, 60, 61, 3_600, DAY_S))
        if rng.random() < 0.02:
            self.town.now_s += 31 * DAY_S
        make = self.mischief
        count = rng.choice((0, 1, 3, 8, 20))
        txs = tuple(make.start() if self.height == 1 else [make.any_tx() for _ in range(count)])
        self.busy.clock_lead_s = rng.choice((0, 0, 0, -5, 5, 100_000))
        self.mischief_at_the_busy_node(txs)
        if rng.random() < 0.5:
            txs = self.proposed(txs)
        misbehavior = (misbehaviour(rng.randrange(6)),) if rng.random() < 0.02 else ()
        request = RequestFinalizeBlock(
            txs,
            CommitInfo(),
            misbehavior,
            self.town.block_hash(self.height),
            self.height,
            Timestamp(self.town.now_s),
            HASH,
            ADDRESS,
        )
        if rng.random() < 0.2:
            self.restless.start()
            if self.height == 1:
                self.restless.app.init_chain(self.town.genesis)
        answers = [node.finalize(request) for node in (self.busy, self.quiet, self.restless)]
        assert answers[0] == answers[1], f"height {self.height}: the busy node differs"
        assert answers[0] == answers[2], f"height {self.height}: the restarted node differs"
        self.accepted += sum(result.code == 0 for result in answers[0].tx_results)
        self.hashes[self.height] = answers[0].app_hash

    def mischief_at_the_busy_node(self, txs: tuple[bytes, ...]) -> None:
        others = [self.mischief.any_tx() for _ in range(self.rng.randrange(3))]
        for tx in self.rng.sample([*txs, *others], self.rng.randrange(len(txs) + len(others) + 1)):
            self.busy.app.check_tx(RequestCheckTx(tx))
        self.is_acceptable(tuple(self.rng.sample(txs, len(txs))))
        self.is_acceptable(txs, earlier_s=self.rng.choice((1, 60)))
        self.busy.app.query(RequestQuery(b"account/x", "/record/account", 0, True))

    def is_acceptable(self, txs: tuple[bytes, ...], earlier_s: int = 0) -> bool:
        return self.busy.app.process_proposal(
            RequestProcessProposal(
                txs,
                CommitInfo(),
                (),
                self.town.block_hash(self.height),
                self.height,
                Timestamp(self.town.now_s - earlier_s),
                HASH,
                ADDRESS,
            )
        ).is_accepted()

    def proposed(self, txs: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """What an honest proposer keeps; every node accepts it, and nothing in it fails."""
        kept = self.busy.app.prepare_proposal(
            RequestPrepareProposal(
                1 << 20,
                txs,
                ExtendedCommitInfo(),
                (),
                self.height,
                Timestamp(self.town.now_s),
                HASH,
                ADDRESS,
            )
        ).txs
        self.busy.app._candidates.clear()  # judge it anew, as a voter does
        assert self.is_acceptable(kept)
        return kept

    # --- what must hold of the state ---

    def check_state(self) -> None:
        """The hash follows from the records; old versions are proved; points add up; nothing broke."""
        self.town.store = self.quiet.store
        assert recomputed_app_hash(self.town) == self.hashes[self.height]
        assert list(self.quiet.app._base.scan("due", b"failed/", b"failed0")) == []
        check_points(self.quiet)
        self.check_a_proof()

    def check_a_proof(self) -> None:
        height = max(1, self.height - self.rng.randrange(100))
        records_now = [rid for rid, _ in self.quiet.store.scan("loyalty")]
        record_id = self.rng.choice([*records_now, b"nobody"])
        request = RequestQuery(record_id, "/record/loyalty", height, True)
        answers = [n.app.query(request) for n in (self.busy, self.quiet, self.restless)]
        assert answers[0] == answers[1] == answers[2]
        ops = answers[0].proof_ops
        app_hash = self.hashes[height]
        assert verify_record(app_hash, "loyalty", record_id, answers[0].value or None, ops)
        assert not verify_record(app_hash, "loyalty", record_id, b"{}", ops)


def check_points(node: Node) -> None:
    """What was minted is in wallets, spent, expired or taken back, and debts equal their memorandum."""
    state = node.app._base
    wallets = [wallet for _, wallet in records.WALLETS.scan(state)]
    lots = [lot for _, lot in records.LOTS.scan(state)]
    for record_id, totals in records.TOTALS.scan(state):
        programme, issuer = record_id.decode().split("/")
        mine = [
            position
            for wallet in wallets
            for position in wallet.positions
            if (position.programme, position.issuer) == (programme, issuer)
        ]
        held = sum(lot.left for lot in lots if (lot.programme, lot.issuer) == (programme, issuer))
        assert held == sum(position.points for position in mine)
        gone = totals.redeemed + totals.expired + totals.reversed
        assert totals.minted == held + totals.pending + totals.held + gone
        assert totals.owed == sum(position.debt for position in mine)
        assert totals.pending == sum(position.pending for position in mine)
    for _, earn in records.EARNS.scan(state):
        assert 0 <= earn.reversed <= earn.points
        assert 0 <= earn.forgiven <= earn.expired <= earn.points


@pytest.mark.slow
def test_copies_that_saw_different_things_agree_on_every_block():
    end = time.monotonic() + SECONDS
    for seed in count(SEED):
        copies = Copies(seed)
        try:
            for _ in range(120):
                copies.block()
                if copies.height % 10 == 0:
                    copies.check_state()
        except BaseException:
            print(f"BEFFROI_FUZZ_SEED={seed}, height {copies.height}")
            raise
        assert copies.accepted > 40, "the mischief is too wild: hardly anything was accepted"
        if time.monotonic() > end:
            break
