"""Where a shop is paid, said by its owner's own key: a session that was stolen must not redirect a year of payments.

The statement is a compact JWS (`typ` beffroi-bank-account) of the owner's key over chain, shop, holder, IBAN and time.
It is good for five minutes and only if newer than the one before, so that an old one brings no old account back.
Reads: text, the owner's key as the chain has it.  Writes: nothing.
"""

from typing import Final

import msgspec
from msgspec import Struct

from app.city.service import find_live_role
from app.core.codes import SETTLEMENT_BANK_UNSIGNED
from app.core.problems import Problem
from chain.codec.canonical import decode_canonical
from chain.codec.errors import DecodeError
from chain.crypto.jws import parse, verify_signature
from chain.crypto.keys import public_key_from_jwk

BANK_TYP: Final = "beffroi-bank-account"
STATEMENT_CHARS_MAX: Final = 2_048
LIFE_S: Final = 300


class BankStatement(Struct, frozen=True, forbid_unknown_fields=True):
    """What an owner signs; `at` unix seconds."""

    chain: str
    shop: str
    holder: str
    iban: str
    at: int


def read_statement(
    text: str, *, kid: str, chain_id: str, shop: str, after_s: int, now_s: int
) -> BankStatement:
    """The statement, if the key `kid` (the one that logged in) signed it just now for this shop; raises Problem."""
    try:
        parsed = parse(text.encode("utf-8", "replace"), BANK_TYP, STATEMENT_CHARS_MAX)
        said = decode_canonical(BankStatement, parsed.payload)
    except DecodeError as error:
        raise Problem(SETTLEMENT_BANK_UNSIGNED, str(error)[:120]) from error
    role = find_live_role(kid, now_s)
    signer = parsed.signatures[0]
    if role is None or len(parsed.signatures) != 1 or signer.kid != kid:
        raise Problem(SETTLEMENT_BANK_UNSIGNED, "not by the shop owner's key")
    if not verify_signature(signer, public_key_from_jwk(msgspec.json.decode(role.jwk))):
        raise Problem(SETTLEMENT_BANK_UNSIGNED, "the signature is wrong")
    if (said.chain, said.shop) != (chain_id, shop):
        raise Problem(SETTLEMENT_BANK_UNSIGNED, "for another town or shop")
    if abs(now_s - said.at) > LIFE_S or said.at <= after_s:
        raise Problem(SETTLEMENT_BANK_UNSIGNED, "not of now; check the clock and sign again")
    return said
