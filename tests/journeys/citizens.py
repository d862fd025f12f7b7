"""A canary citizen and seven others, enrolled at a real desk: one batch in which nobody can be told apart."""

from typing import Any, Final

from app.cli.demo.clerk import Clerk
from app.cli.demo.client import Town, expect
from app.cli.demo.http import Api
from app.cli.demo.phone import Phone
from app.cli.demo.stage import RealTown
from app.cli.demo.wallet import Wallet, new_words

CANARY: Final[dict[str, Any]] = {
    "family_name": "Canarîe-8f3a21c07d",
    "given_names": ["Zéphyrine-b51e90"],
    "birthdate": "1931-12-07",
    "birthplace": "59350",
    "address": "41 venelle du Loriot-77d0aa",
}
CANARY_STRINGS: Final = [
    CANARY["family_name"],
    CANARY["given_names"][0],
    CANARY["birthdate"],
    CANARY["address"],
]


def enrol_eight(town: RealTown, api: Api, facts: Town, clerk: Clerk) -> tuple[Phone, str]:
    """The canary's phone and cid, written on the chain with seven others."""
    phones = []
    for index in range(8):
        wallet = Wallet(new_words())
        phone = Phone(api, facts, town.now_s, wallet.derive_key("loyalty"), wallet=wallet)
        enrolment = clerk.scan_enrolment(phone.start_enrolment())
        civil = CANARY if index == 0 else {**CANARY, "family_name": f"Voisin {'abcdefgh'[index]}"}
        clerk.attest(enrolment, civil, phone.comparison_number())
        phones.append(phone)
    expect("batch", clerk.write_batch(clerk.read_batch()["attestations"]))
    return phones[0], phones[0].read_identity()["cid"]
