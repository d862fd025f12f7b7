"""The day itself: each step acts through the public API, checks every outcome and shows its proof.

Three clients that share nothing: the phone holds the words, the till its key, the clerk the agent's key.
Reads: the public API, clocks.  Writes: the QR picture.  Never: looks into the node or the database.
"""

import os
import secrets
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from app.cli.demo.association import Association
from app.cli.demo.cast import BAKERY, BOOKSHOP, CITIZENS, PROGRAMME, SHOP_NAMES, Citizen
from app.cli.demo.clerk import Clerk, NumberDiffers
from app.cli.demo.client import Town, expect
from app.cli.demo.http import Answer, Api, Unreachable, new_key
from app.cli.demo.lost import WAIT_S, LostPhone
from app.cli.demo.offices import Offices
from app.cli.demo.phone import CODE_LIFE_S, Phone, draw_code
from app.cli.demo.polling import Polling
from app.cli.demo.report import Report, check
from app.cli.demo.sunshine import Sunshine
from app.cli.demo.till import Owner, Till, read_picture
from app.cli.demo.verify import Verifier, hash_name, payload_hash, short
from app.cli.demo.wallet import Wallet, new_words, read_words
from app.cli.town import VOTE_BODIES
from app.core.keyfiles import RoleKey, read_key_file
from app.identity.civil import Civil, compute_commitment
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto.jws import SigningKey
from chain.town.schemas import LoyaltyRedeem
from chain.types.codes import get_code_by_name

TEN_HOURS_S: Final = 36_000
SEATS: Final = tuple(VOTE_BODIES)[: len(VOTE_BODIES) * 2 // 3 + 1]
"""More than two thirds of the council."""
PATIENCE_S: Final = 30
POLL_S: Final = 0.1


class Stage(Protocol):
    """The real processes the story plays on."""

    base_url: str
    relay_url: str
    keys_dir: Path
    genesis: Path
    node_urls: tuple[str, ...]

    def stop_node(self) -> None: ...

    def start_node(self) -> None: ...

    def shift_clock(self, seconds: int) -> None: ...

    def now_s(self) -> int: ...

    def run_program(self, *arguments: str) -> subprocess.CompletedProcess[str]: ...


@dataclass(slots=True)
class Scene:
    """Everybody on stage, filled as the day goes on."""

    api: Api
    town: Town
    clock: Callable[[], int]
    tills: dict[str, Till] = field(default_factory=dict)
    owners: dict[str, Owner] = field(default_factory=dict)
    phones: dict[str, Phone] = field(default_factory=dict)
    pinned: list[Verifier] = field(default_factory=list)

    @property
    def verifier(self) -> Verifier:
        """The one checkpoint everybody trusts, once it was pinned."""
        return self.pinned[0]


class Story:
    """One run over one fresh town."""

    def __init__(self, stage: Stage, report: Report, *, picture: Path) -> None:
        self._stage = stage
        self._report = report
        self._picture = picture
        self._before_the_idle_hours = ""
        self._spent = ("", "")
        """The code and the transaction of the one paid redemption."""

    def play(self) -> None:
        """Play every step; raises StepFailed at the first whose outcome is not the expected one."""
        scene = self._open_town()
        self._open_shops(scene)
        self._enrol(scene)
        self._write_batch(scene)
        self._earn(scene)
        self._redeem(scene)
        self._refuse(scene)
        self._undo(scene)
        self._restart(scene)
        self._idle(scene)
        self._lose_phone(scene)
        self._vote(scene)
        self._share_sun(scene)

    # -- 1 ------------------------------------------------------------------------------------

    def _open_town(self) -> Scene:
        with self._report.step("town", "Saint-Aubin-du-Beffroi opens its town"):
            api = Api(self._stage.base_url, "en")
            status = wait_for(lambda: _read_status(api), "the API and its node")
            town = Town.read(api)
            self._report.say(f"chain {town.chain_id}, town {short(town.town)}…")
            if status["insecure"]:
                self._report.say("INSECURE parameters: batches at any hour, as a demo needs them")
            return Scene(api, town, self._stage.now_s)

    # -- 2 ------------------------------------------------------------------------------------

    def _open_shops(self, scene: Scene) -> None:
        with self._report.step("shops", "The shopkeepers' association opens its programme"):
            operator = read_key_file(self._stage.keys_dir / "operator.json")
            association = self._client(Association, operator.signer, body=operator.body)
            association.login()
            answer = association.open_programme(PROGRAMME)
            self._pin(scene)
            self._settle(scene, answer, f"programme {PROGRAMME}: 1 point per euro, valid a year")
            for shop, name in SHOP_NAMES.items():
                self._admit(scene, association, shop, name)

    def _pin(self, scene: Scene) -> None:
        """The town has blocks now: take one as the root of all trust, as if read at city hall."""
        verifier = Verifier.pin(scene.api, scene.clock)
        check(verifier.checkpoint.chain_id == scene.town.chain_id, "checkpoint of another chain")
        scene.pinned.append(verifier)
        self._report.say(
            f"every client pins the checkpoint of block {verifier.checkpoint.height}, "
            f"{short(b64url_decode(verifier.checkpoint.header_hash))}…, and trusts nothing else"
        )

    def _admit(self, scene: Scene, association: Association, shop: str, name: str) -> None:
        owner_key, till_key = new_signing_key(), new_signing_key()
        self._settle(
            scene, association.admit_shop(shop, name, owner_key), f"{name} joins the coalition"
        )
        owner = self._client(Owner, owner_key, shop=shop)
        owner.login()
        self._settle(scene, owner.register_till(till_key), f"{name}: till {short(till_key.kid)}…")
        till = self._client(Till, till_key, shop=shop, programme=PROGRAMME)
        till.login()
        scene.owners[shop], scene.tills[shop] = owner, till

    # -- 3 ------------------------------------------------------------------------------------

    def _enrol(self, scene: Scene) -> None:
        with self._report.step("enrolment", "Eight citizens come to the desk of city hall"):
            clerk = self._clerk()
            self._show_other_phone(scene, clerk)
            for index, citizen in enumerate(CITIZENS):
                phone = self._enrol_one(scene, clerk, citizen)
                scene.phones[citizen.first] = phone
                if index == 0:
                    self._show_kit(phone)
                    self._show_too_small(clerk)

    def _clerk(self, name: str = "clerk-1") -> Clerk:
        role = read_key_file(self._stage.keys_dir / f"{name}.json")
        clerk = self._client(Clerk, role.signer, body=role.body)
        clerk.login()
        return clerk

    def _show_other_phone(self, scene: Scene, clerk: Clerk) -> None:
        """Somebody swaps the phone: the number on the citizen's screen is not the clerk's."""
        mine, other = self._new_phone(scene, "?"), self._new_phone(scene, "?")
        mine.start_enrolment()
        swapped = clerk.scan_enrolment(other.start_enrolment())
        shown = mine.comparison_number()
        try:
            clerk.check_number(swapped, shown)
        except NumberDiffers:
            pass
        else:
            check(False, "two phones showed one comparison number")
        answer = clerk.api.post(
            f"/v1/desk/enrolments/{swapped['id']}/draft",
            {
                "number": shown,
                "civil": CITIZENS[0].civil(),
                "level_identity": 3,
                "level_residence": 3,
                "title_seen": "passport",
            },
            token=clerk.token,
            key=new_key(),
        )
        self._refused(answer, "enrolment_number_differs", "another phone is slipped in at the desk")

    def _enrol_one(self, scene: Scene, clerk: Clerk, citizen: Citizen) -> Phone:
        phone = self._new_phone(scene, citizen.name)
        enrolment = clerk.scan_enrolment(phone.start_enrolment())
        number = phone.comparison_number()
        clerk.check_number(enrolment, number)
        clerk.attest(enrolment, citizen.civil(), number)
        check(phone.enrolment_status() == "attested", f"{citizen.name} was not attested")
        check(phone.read_identity()["status"] == "pending", f"{citizen.name} is not pending")
        self._report.say(f"{citizen.name}: number {number} on both screens, attested, pending")
        return phone

    def _show_kit(self, phone: Phone) -> None:
        """The words typed back without accents open the same keys."""
        words = phone.wallet.words.split()
        again = Wallet(read_words(" ".join(words).upper()))
        check(again.derive_key("loyalty").kid == phone.account, "the words gave other keys")
        self._report.say(
            f"   her twelve words ({words[0]} … {words[-1]}), typed back in capitals, give the same keys"
        )

    def _show_too_small(self, clerk: Clerk) -> None:
        batch = clerk.read_batch()
        check(not batch["ready"] and batch["reason"] == "too_few", "one identity made a batch")
        self._report.say(
            f"   a batch of 1 would name her: it waits for {batch['minimum']} identities"
        )

    # -- 4 ------------------------------------------------------------------------------------

    def _write_batch(self, scene: Scene) -> None:
        with self._report.step("batch", "One batch writes them, so that none can be told apart"):
            clerk = self._clerk()
            batch = clerk.read_batch()
            check(bool(batch["ready"]), f"the batch is not ready: {batch['reason']}")
            transaction = clerk.sign_batch(batch["attestations"])
            small = clerk.sign_batch(batch["attestations"][:3])
            answer = clerk.send("/v1/identity/batches", small)
            self._refused(answer, "identity_batch_too_small", "the clerk tries three of them")
            answer = clerk.send("/v1/identity/batches", transaction)
            expect("batch", answer)
            proved = scene.verifier.check_transaction(scene.api, transaction)
            check(proved.data["count"] == len(CITIZENS), "the batch wrote another number")
            self._report.fact(f"batch of {proved.data['count']} identities", height=proved.height)
            for phone in scene.phones.values():
                self._check_identity(scene, phone)

    def _check_identity(self, scene: Scene, phone: Phone) -> None:
        """The citizen's own check: the chain's record is of this key, and its commitment opens to the file."""
        own = phone.read_identity(proof=True)
        height, record = scene.verifier.check_record(
            own["proof"], namespace="identity", record_id=f"identity/{own['cid']}"
        )
        check(record is not None, f"{phone.name} is not on the chain")
        assert record is not None  # for the type checker
        check(record["status"] == "active", f"{phone.name} is not active")
        check(record["account"] == phone.identity_key.kid, f"{phone.name}: another key")
        opening = own["opening"]
        civil = Civil(**{**opening["civil"], "given_names": tuple(opening["civil"]["given_names"])})
        opened = b64url_encode(compute_commitment(civil, b64url_decode(opening["salt"])))
        check(opened == record["commitment"], f"{phone.name}: the commitment opens to another file")
        self._report.fact(
            f"{phone.name}: active, own key, commitment opens to own file", height=height
        )

    # -- 5 ------------------------------------------------------------------------------------

    def _earn(self, scene: Scene) -> None:
        with self._report.step("earn", "Anaïs buys bread and cakes for 87,50 €"):
            phone, till = self._anais(scene), scene.tills[BAKERY]
            self._settle(scene, phone.open_loyalty_account(), "her loyalty account opens")
            account = self._identify(phone, till)
            transaction = till.sign_earn(account, 8_750)
            expect("earn", till.send("/v1/loyalty/earn", transaction))
            proved = scene.verifier.check_transaction(scene.api, transaction)
            check(proved.data["points"] == 87, "87,50 € did not give 87 points")
            self._report.fact("the till gives 87 points in one lot", height=proved.height)
            self._check_balance(scene, phone, 87)

    def _identify(self, phone: Phone, till: Till) -> str:
        """The till reads who is in front of it from the phone's picture."""
        text = read_picture(draw_code(phone.make_identity_code()))
        found = expect("code", till.api.post("/v1/loyalty/codes", {"qr": text}, token=till.token))
        check(found["account"] == phone.account, "the code named another account")
        return str(found["account"])

    def _check_balance(self, scene: Scene, phone: Phone, points: int) -> None:
        """The balance shown, and the wallet the chain proves, are the expected one."""
        shown = phone.read_balance(proof=True)
        height, wallet = scene.verifier.check_record(
            shown["proof"], namespace="loyalty", record_id=f"wallet/{phone.account}"
        )
        check(wallet is not None, "the chain holds no wallet")
        assert wallet is not None  # for the type checker
        proved = sum(position[2] for position in wallet["positions"])
        lines = [line["points"] for line in shown["balances"]]
        check(sum(lines) == proved == points, f"balance {lines}, proved {proved}, not {points}")
        lots = ", ".join(
            f"{lot['left']} owed by {lot['issuer']} until {_day(lot['expires_at'])}"
            for lot in shown["lots"]
        )
        self._report.fact(f"{phone.name}'s balance: {points} points ({lots})", height=height)

    # -- 6 ------------------------------------------------------------------------------------

    def _redeem(self, scene: Scene) -> None:
        with self._report.step(
            "redeem", "At the bookshop her phone shows a picture, the till reads it"
        ):
            phone, till = self._anais(scene), scene.tills[BOOKSHOP]
            self._before_the_idle_hours = phone.make_code(10, shop=BOOKSHOP)
            png = draw_code(phone.make_code(40, shop=BOOKSHOP))
            self._picture.parent.mkdir(parents=True, exist_ok=True)
            self._picture.write_bytes(png)
            shown = os.path.relpath(self._picture)
            self._report.say(f"the phone's screen: {shown} ({len(png)} bytes)")
            text = read_picture(self._picture.read_bytes())
            self._report.say(f"the till reads: {text[:44]}… ({len(text)} characters)")
            preview = expect("preview", till.preview(text, 35))
            check(preview["would_pay"] is True, "the preview says no")
            transaction = till.sign_redeem(text, 35)
            expect("redeem", till.send("/v1/loyalty/redemptions", transaction))
            proved = scene.verifier.check_transaction(scene.api, transaction)
            taken = proved.data["taken"][0]
            check((taken["issuer"], taken["points"]) == (BAKERY, 35), "other points were taken")
            self._report.fact(
                f"35 points of {SHOP_NAMES[BAKERY]} pay at {SHOP_NAMES[BOOKSHOP]}",
                height=proved.height,
            )
            self._check_balance(scene, phone, 52)
            self._spent = (text, transaction)

    # -- 7 ------------------------------------------------------------------------------------

    def _refuse(self, scene: Scene) -> None:
        with self._report.step("refusals", "What the town refuses, whoever asks"):
            phone, till = self._anais(scene), scene.tills[BOOKSHOP]
            spent, transaction = self._spent
            self._refuse_codes(scene, phone, till, spent)
            self._refuse_keys(scene, phone, till)
            self._refuse_copies(scene, till, transaction)
            self._check_balance(scene, phone, 52)
            self._report.say("nothing changed")

    def _refuse_codes(self, scene: Scene, phone: Phone, till: Till, spent: str) -> None:
        late = scene.clock() - CODE_LIFE_S - 120
        stranger = self._new_phone(scene, "?")
        mixed = self._new_phone(scene, "?", account_of=phone)
        cases = (
            ("a replayed code", spent, 5, "qr_replayed"),
            (
                "an expired code",
                phone.make_code(20, shop=BOOKSHOP, issued_at_s=late),
                5,
                "qr_expired",
            ),
            ("a code for another shop", phone.make_code(20, shop=BAKERY), 5, "qr_wrong_shop"),
            ("more than the code allows", phone.make_code(20, shop=BOOKSHOP), 30, "qr_over_max"),
            ("a code for any shop, above 50", phone.make_code(500), 51, "qr_over_max"),
            ("a code of nobody's account", stranger.make_code(20), 5, "qr_unknown_key"),
            ("a code signed by a stranger", mixed.make_code(20, counter=99), 5, "qr_bad_signature"),
            ("a damaged code", spent[:-3], 5, "qr_malformed"),
            (
                "more points than she has",
                phone.make_code(500, shop=BOOKSHOP),
                400,
                "loyalty_overdraw",
            ),
        )
        for text, code, points, expected in cases:
            self._refused(till.redeem(code, points), expected, text)

    def _refuse_keys(self, scene: Scene, phone: Phone, till: Till) -> None:
        thief = self._client(Till, new_signing_key(), shop=BOOKSHOP, programme=PROGRAMME)
        thief.login()
        code = phone.make_code(20, shop=BOOKSHOP)
        self._refused(
            thief.redeem(code, 5), "auth_scope_missing", "a till nobody registered, logged in"
        )
        thief.token = till.token
        self._refused(thief.redeem(code, 5), "auth_proof_invalid", "the same with a stolen token")
        unsigned = till.sign_redeem(code, 5).rpartition(".")[0] + "." + "A" * 86
        answer = till.send("/v1/loyalty/redemptions", unsigned)
        self._refused(answer, "tx_bad_signature", "a stolen token without a signature")
        body = LoyaltyRedeem(PROGRAMME, 5, code)
        abroad = scene.tills[BAKERY].sign(body, sender=f"shop:{BOOKSHOP}")
        answer = till.send("/v1/loyalty/redemptions", abroad)
        self._refused(answer, "tx_not_entitled", "the bakery's till acts for the bookshop")
        answer = till.api.get("/v1/loyalty/accounts/me", token=till.token)
        self._refused(answer, "auth_scope_missing", "a till looks for her balance")

    def _refuse_copies(self, scene: Scene, till: Till, transaction: str) -> None:
        """The same signed transaction again is answered with what happened then, and happens once."""
        again = expect("again", till.send("/v1/loyalty/redemptions", transaction))
        proved = scene.verifier.check_transaction(scene.api, transaction)
        same = (again["transaction"], again["height"]) == (proved.transaction, proved.height)
        check(same, "the same transaction was taken twice")
        self._report.fact("the paid redemption sent again: the first answer", height=proved.height)

    # -- 8 ------------------------------------------------------------------------------------

    def _undo(self, scene: Scene) -> None:
        with self._report.step("undo", "The bookshop typed 5 points too many and gives them back"):
            phone, till = self._anais(scene), scene.tills[BOOKSHOP]
            answer = till.reverse(hash_name(self._spent[1]), 5)
            self._settle(scene, answer, "the till undoes 5 of the 35 points, into the same lot")
            self._refused(
                scene.tills[BAKERY].reverse(hash_name(self._spent[1]), 5),
                "loyalty_unknown_reference",
                "the bakery's till tries to undo the bookshop's sale",
            )
            self._check_balance(scene, phone, 57)

    # -- 9 ------------------------------------------------------------------------------------

    def _restart(self, scene: Scene) -> None:
        with self._report.step("restart", "The node is stopped and started again"):
            phone, till = self._anais(scene), scene.tills[BOOKSHOP]
            before = expect("status", scene.api.get("/v1/status"))
            self._stage.stop_node()
            answer = till.redeem(phone.make_code(20, shop=BOOKSHOP), 5)
            self._refused(answer, "node_unavailable", "a redemption while the node is down")
            check(bool(answer.headers.get("retry-after")), "no Retry-After")
            shown = phone.read_balance()
            check(shown["balances"][0]["points"] == 57, "the balance cannot be read")
            self._report.say("reading still works: 57 points")
            self._stage.start_node()
            after = wait_for(lambda: _read_status(scene.api, node="up"), "the node")
            check(after["app_hash"] == before["app_hash"], "another app hash after the restart")
            self._report.fact(
                f"same state: app hash {short(after['app_hash'])}…",
                height=after["height"],
                proof="equal before and after",
            )
            self._check_balance(scene, phone, 57)

    # -- 10 -----------------------------------------------------------------------------------

    def _idle(self, scene: Scene) -> None:
        with self._report.step("idle", "Ten idle hours pass"):
            phone, till = self._anais(scene), scene.tills[BOOKSHOP]
            old = phone.make_code(10, shop=BOOKSHOP)
            self._stage.shift_clock(TEN_HOURS_S)
            self._report.say(
                f"the injected clock jumps to {_day(scene.clock())} {_hour(scene.clock())}"
            )
            stale = till.redeem(old, 5)
            self._refused(stale, "auth_token_expired", "this morning's access token")
            phone.login()
            till.login()
            for text, drawn in (
                (old, "a code drawn just before the idle hours"),
                (self._before_the_idle_hours, "one drawn before her first purchase with points"),
            ):
                self._refused(till.redeem(text, 5), "qr_expired", drawn)
            transaction = till.sign_redeem(phone.make_code(20, shop=BOOKSHOP), 7)
            expect("redeem", till.send("/v1/loyalty/redemptions", transaction))
            proved = scene.verifier.check_transaction(scene.api, transaction)
            self._report.fact("a fresh code pays 7 points", height=proved.height)
            self._check_balance(scene, phone, 50)

    def _lose_phone(self, scene: Scene) -> None:
        with self._report.step(
            "lost", "A phone falls into the Orne; the desk gives a new one its place"
        ):
            old = scene.phones[CITIZENS[1].first]
            old.identity_token = ""
            new = self._new_phone(scene, old.name)
            lost = LostPhone(old, new, scene.verifier, self._report, self._refused)
            lost.open(self._clerk(), self._clerk("supervisor"))
            lost.try_too_early()
            self._stage.shift_clock(TEN_HOURS_S + WAIT_S)
            self._report.say("72 hours pass")
            lost.finish()
            new.inherited = old.identity_account
            scene.phones[CITIZENS[1].first] = new

    # -- 12 -----------------------------------------------------------------------------------

    def _vote(self, scene: Scene) -> None:
        recovered = scene.phones[CITIZENS[1].first]
        poll = Polling(
            Offices(self._stage),
            self._stage.relay_url,
            self._client,
            self._read_role,
            self._stage.now_s,
            self._pass_time,
            lambda: Verifier.pin(scene.api, scene.clock),
            self._report,
            self._refused,
            tuple(scene.phones.values()),
            recovered,
        )
        for name, story, act in (
            ("poll", "City hall asks the town what to build, and publishes the vote", poll.publish),
            ("offices", "Seven bodies make keys that city hall never has", poll.appoint),
            ("material", "Citizens ask for their voting material, once", poll.issue),
            (
                "keys",
                "Four weeks on, each phone registers a key that nobody can name",
                poll.register,
            ),
            ("ballots", "The ballot box opens: an audit, ballots, a changed mind", poll.vote),
            ("count", "Two of three trustees count, and strangers verify it", poll.count),
        ):
            with self._report.step(name, story):
                act()

    # -- 18 -----------------------------------------------------------------------------------

    def _read_role(self, name: str) -> RoleKey:
        return read_key_file(self._stage.keys_dir / f"{name}.json")

    def _pass_time(self, seconds: int) -> None:
        moved = self._stage.now_s() - int(time.time())
        self._stage.shift_clock(moved + seconds)

    def _share_sun(self, scene: Scene) -> None:
        sun = Sunshine(
            self._client,
            self._read_role,
            new_signing_key,
            self._stage.now_s,
            self._pass_time,
            Verifier.pin(scene.api, scene.clock),
            self._report,
            self._refused,
            SEATS,
        )
        for name, story, act in (
            ("sun", "Twelve homes and two roofs form an energy community", sun.open),
            ("week", "A week of a real village is metered, shared and witnessed", sun.publish),
            ("audit", "A member checks her own rows, and nobody else's", sun.audit_own),
            ("statements", "The month is stated, and everybody's bill adds up", sun.state),
            (
                "correction",
                "A meter was read wrong: the past is corrected, not rewritten",
                sun.correct,
            ),
        ):
            with self._report.step(name, story):
                act()

    # -- common -------------------------------------------------------------------------------

    def _anais(self, scene: Scene) -> Phone:
        return scene.phones[CITIZENS[0].first]

    def _client(self, kind: Any, key: SigningKey, **more: Any) -> Any:
        api = Api(self._stage.base_url, "en")
        return kind(api, Town.read(api), self._stage.now_s, key, **more)

    def _new_phone(self, scene: Scene, name: str, *, account_of: Phone | None = None) -> Phone:
        """A phone with fresh words; with `account_of`, one that pretends to be another's account."""
        wallet = Wallet(new_words())
        key = wallet.derive_key("loyalty")
        shown = wallet if account_of is None else account_of.wallet
        api = Api(self._stage.base_url, "en")
        return Phone(api, scene.town, self._stage.now_s, key, wallet=shown, name=name)

    def _settle(self, scene: Scene, answer: Answer, text: str) -> None:
        """A good answer, final and proved."""
        body = expect(text, answer)
        check(body["state"] == "final", f"{text}: not final")
        receipt = expect(
            "receipt", scene.api.get(f"/v1/transactions/{body['transaction']}?proof=1")
        )
        facts = scene.verifier.check(receipt["proof"])
        check(facts.result is not None and facts.result.code == 0, f"{text}: not proved")
        check(
            facts.tx is not None and payload_hash(facts.tx.decode()) == body["transaction"],
            f"{text}: the proof is of another transaction",
        )
        self._report.fact(text, height=facts.height)

    def _refused(self, answer: Answer, code: str, text: str) -> None:
        """A refusal with the expected stable code, and a message for people."""
        check(
            answer.code == code,
            f"{text}: expected {code}, got {answer.status} {answer.code or answer.body}",
        )
        title = answer.body["title"]
        known = get_code_by_name(answer.code)
        check(known is None or title in (known.en, known.fr), f"{text}: another message")
        self._report.refusal(text, code=answer.code, status=answer.status, title=title)


def new_signing_key() -> SigningKey:
    """A fresh Ed25519 key of a till or a shop owner."""
    return SigningKey("EdDSA", secrets.token_bytes(32))


def wait_for(look: Callable[[], Any], what: str) -> Any:
    """What `look` finds, asked again until then; raises TimeoutError after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(POLL_S)
    raise TimeoutError(f"{what} did not come within {PATIENCE_S} s")


def _read_status(api: Api, node: str = "") -> dict[str, Any] | None:
    """The town's status, once it knows its genesis (and its node is in the wanted state)."""
    try:
        answer = api.get("/v1/status")
    except Unreachable:
        return None
    if not answer.is_ok or not answer.body["town"]:
        return None
    return dict(answer.body) if node in ("", answer.body["node"]) else None


def _day(seconds: int) -> str:
    return time.strftime("%d/%m/%Y", time.gmtime(seconds))


def _hour(seconds: int) -> str:
    return time.strftime("%H:%M UTC", time.gmtime(seconds))
