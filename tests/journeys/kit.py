"""The demo's own clients on a town in memory: what tests of identity and loyalty act with.

street = Street(town)                    # town: fixture of tests/api
street.open_shop("boulangerie")          # programme, shop, owner, till; returns the till
ana = street.phone("Ana")                # words, keys, an open loyalty account, logged in
street.enrol(ana, **civil)               # phone and clerk; pending afterwards
"""

from typing import Any
from urllib.parse import urlsplit

from app.cli.demo.association import Association
from app.cli.demo.clerk import Clerk
from app.cli.demo.client import Town, expect
from app.cli.demo.http import Answer, Api
from app.cli.demo.phone import Phone
from app.cli.demo.till import Owner, Till
from app.cli.demo.wallet import Wallet, new_words
from tests.town.town_kit import key

PROGRAMME = "fidelite"
CIVIL = {
    "family_name": "Lefèvre",
    "given_names": ["Ana", "Marie"],
    "birthdate": "1984-02-29",
    "birthplace": "59350",
    "address": "3 rue du Beffroi",
}


class FlaskApi(Api):
    """The same client without a socket."""

    def __init__(self, town: Any) -> None:
        super().__init__("http://town.test", "en")
        self._town = town

    def _exchange(self, method, path, payload, headers) -> Answer:
        parts = urlsplit(path)
        response = self._town.app.test_client().open(
            parts.path,
            method=method,
            query_string=parts.query,
            data=payload,
            headers=headers,
        )
        return Answer(
            response.status_code,
            {name.lower(): value for name, value in response.headers},
            response.json if response.is_json and response.data else {},
        )


class Street:
    """Clients of one town in memory."""

    def __init__(self, town: Any) -> None:
        self.town = town
        self.api = FlaskApi(town)
        self.facts = Town.read(self.api)
        self._named = 0

    def clock(self) -> int:
        return self.town.lab.now_s

    def _client(self, kind: Any, signer: Any, **more: Any) -> Any:
        client = kind(self.api, self.facts, self.clock, signer, **more)
        self.town.give_passkey(signer)
        client.login()
        return client

    @property
    def association(self) -> Association:
        return self._client(Association, key("loyalty_operator@commerces"), body="commerces")

    @property
    def clerk(self) -> Clerk:
        return self._client(Clerk, key("clerk@mairie"))

    @property
    def supervisor(self) -> Clerk:
        return self._client(Clerk, key("agent_supervisor@commerces"), body="commerces")

    def owner(self, shop: str) -> Owner:
        return self._client(Owner, key(f"owner of {shop}"), shop=shop)

    def open_shop(self, shop: str, till_alg: str = "EdDSA") -> Till:
        """A shop of the programme with one till, ready to act."""
        association = self.association
        if not self.api.get("/v1/loyalty/programmes").body["programmes"]:
            expect("programme", association.open_programme(PROGRAMME))
        owner_key = key(f"owner of {shop}")
        expect("shop", association.admit_shop(shop, shop.title(), owner_key))
        till_key = key(f"till of {shop}", till_alg)
        expect("till", self.owner(shop).register_till(till_key))
        return self._client(Till, till_key, shop=shop, programme=PROGRAMME)

    def new_phone(self, name: str = "") -> Phone:
        """A phone with fresh words; nothing is known of it yet."""
        wallet = Wallet(new_words())
        signer = wallet.derive_key("loyalty")
        return Phone(self.api, self.facts, self.clock, signer, wallet=wallet, name=name)

    def phone(self, name: str = "", cents: int = 0, till: Till | None = None) -> Phone:
        """A phone with an open loyalty account, and points from a purchase at `till`."""
        phone = self.new_phone(name)
        expect("account", phone.open_loyalty_account())
        if till is not None and cents:
            expect("earn", till.earn(phone.account, cents))
        return phone

    def enrol(self, phone: Phone, clerk: Clerk | None = None, **civil: Any) -> dict[str, Any]:
        """Enrolment at the desk, up to the agent's signature."""
        clerk = clerk or self.clerk
        self._named += 1
        enrolment = clerk.scan_enrolment(phone.start_enrolment())
        number = phone.comparison_number()
        clerk.check_number(enrolment, number)
        person = {**CIVIL, "family_name": f"Personne {_letters(self._named)}", **civil}
        return clerk.attest(enrolment, person, number)

    def balance(self, phone: Phone) -> int:
        lines = phone.read_balance()["balances"]
        return sum(line["points"] for line in lines if line["programme"] == PROGRAMME)


def _letters(number: int) -> str:
    return "".join(chr(ord("A") + int(digit)) for digit in str(number))
