"""A till acts for the employee who opened it today: PINs, shifts, and the gate before every route of tills.

A stolen till is worth nothing on the next day, and little before: five wrong PINs close it until the owner says
otherwise, caps bound it on the chain, and `loyalty.till_revoke` ends it. A shop asks for PINs from its first employee
on.
The gate is the API's: whoever holds a till's key and reaches a node's RPC passes it by, and meets the caps and the
revocation. The chain knows caps, keys and which accounts are staff; who stood at a till is the shop's own affair
and stays here.

Reads and writes: this domain's tables; reads loyalty's tills.  Never: a PIN in clear, a log line with one.
Source: PROTOCOL §7 (daily PIN); OWASP Password Storage Cheat Sheet for scrypt.
"""

import hmac
import secrets
from collections.abc import Iterable
from hashlib import scrypt
from itertools import pairwise
from typing import Any, Final

from peewee import fn

from app.core.codes import (
    NOT_FOUND,
    TILL_CLOSED,
    TILL_EMPLOYEES_MAX,
    TILL_LOCKED,
    TILL_PIN_WEAK,
    TILL_PIN_WRONG,
)
from app.core.context import Actor
from app.core.database import insert_row, lock_until_commit, run_sql, write
from app.core.problems import Problem
from app.loyalty.models import Terminal
from app.loyalty.service import check_own_shop, list_staff
from app.tills.models import Employee, TillGuess, TillShift

SHIFT_MAX_S: Final = 16 * 3_600
"""The longest day at a counter; the next one asks for the PIN again."""
WRONG_MAX: Final = 5
EMPLOYEES_MAX: Final = 100
SHIFTS_SHOWN: Final = 200
NAMES_KEPT_S: Final = 365 * 86_400
SCRYPT: Final = {"n": 2**15, "r": 8, "p": 1, "maxmem": 2**26, "dklen": 32}
PEPPER_LABEL: Final = b"till-pin"


# --- employees, by the owner -----------------------------------------------------------------


def add_employee(shop: str, *, name: str, pin: str, pepper: bytes, now_s: int) -> dict[str, Any]:
    """Let somebody open the shop's tills; raises Problem for a weak PIN or too many employees."""
    _check_pin(pin)
    salt = secrets.token_hex(16)
    row = {
        "id": secrets.token_urlsafe(16),
        "shop": shop,
        "name": name,
        "salt": salt,
        "pin": _hash_pin(pin, salt, pepper),
        "since": now_s,
    }
    with write():
        lock_until_commit(f"employees {shop}")
        living = (Employee.shop == shop) & (Employee.ended_at == 0)
        if Employee.select().where(living).count() >= EMPLOYEES_MAX:
            raise Problem(TILL_EMPLOYEES_MAX, f"{EMPLOYEES_MAX} employees")
        insert_row(Employee, row)
    return describe_employee(Employee.get_by_id(row["id"]))


def change_pin(employee: str, bodies: Iterable[str], *, pin: str, pepper: bytes) -> dict[str, Any]:
    """Give an employee another PIN; a shift that is open goes on."""
    row = find_employee(employee, bodies)
    _check_pin(pin)
    salt = secrets.token_hex(16)
    with write():
        Employee.update(salt=salt, pin=_hash_pin(pin, salt, pepper)).where(
            Employee.id == row.id
        ).execute()
    return describe_employee(row)


def end_employee(employee: str, bodies: Iterable[str], *, now_s: int) -> dict[str, Any]:
    """An employee left: no shift opens any more, and the open ones close now."""
    row = find_employee(employee, bodies)
    with write():
        Employee.update(ended_at=now_s).where(
            (Employee.id == row.id) & (Employee.ended_at == 0)
        ).execute()
        TillShift.update(closed_at=now_s).where(
            (TillShift.employee == row.id) & (TillShift.closed_at == 0)
        ).execute()
        TillGuess.delete().where(TillGuess.employee == row.id).execute()
        Employee.update(name="").where(
            (Employee.ended_at > 0) & (Employee.ended_at < now_s - NAMES_KEPT_S)
        ).execute()
    return describe_employee(Employee.get_by_id(row.id))


def find_employee(employee: str, bodies: Iterable[str]) -> Employee:
    """An employee of the caller's shop; a stranger's is not found."""
    row: Employee | None = Employee.get_or_none(Employee.id == employee)
    if row is None:
        raise Problem(NOT_FOUND)
    check_own_shop(row.shop, bodies)
    return row


def describe_employee(row: Employee) -> dict[str, Any]:
    """As its owner sees it."""
    return {
        "employee": row.id,
        "shop": row.shop,
        "name": row.name,
        "since": row.since,
        "ended_at": row.ended_at,
    }


def describe_staff(shop: str, bodies: Iterable[str]) -> dict[str, Any]:
    """Everybody who may or might open tills, and the newest shifts: who had which till, from when to when."""
    check_own_shop(shop, bodies)
    people = Employee.select().where(Employee.shop == shop).order_by(Employee.since, Employee.id)
    shifts = TillShift.select().where(TillShift.shop == shop)
    newest = shifts.order_by(TillShift.opened_at.desc(), TillShift.id).limit(SHIFTS_SHOWN)
    return {
        "employees": [describe_employee(row) for row in people],
        "accounts": list_staff(shop),
        "shifts": [describe_shift(row) for row in newest],
    }


def unlock_till(shop: str, kid: str, bodies: Iterable[str]) -> dict[str, Any]:
    """Let a till try PINs again."""
    check_own_shop(shop, bodies)
    terminal = Terminal.get_or_none((Terminal.kid == kid) & (Terminal.shop == shop))
    if terminal is None:
        raise Problem(NOT_FOUND)
    with write():
        TillGuess.delete().where(TillGuess.till == kid).execute()
    return {"till": kid, "wrong_left": WRONG_MAX}


# --- shifts, at the till ---------------------------------------------------------------------


def open_shift(
    actor: Actor, *, employee: str, pin: str, pepper: bytes, now_s: int
) -> dict[str, Any]:
    """An employee takes the till over, today; the shift before ends. Raises Problem.

    The try is counted before the PIN is looked at, so that many at once are no more than five. A right PIN gives back
    the tries at itself alone: a cashier who knows one guesses no other with it.
    """
    row = Employee.get_or_none((Employee.id == employee) & (Employee.ended_at == 0))
    if row is None or row.shop != shop_of_till(actor):
        raise Problem(NOT_FOUND)
    left = _count_guess(actor.kid, row.id)
    if not hmac.compare_digest(_hash_pin(pin, row.salt, pepper), row.pin):
        raise Problem(TILL_PIN_WRONG, f"{left} left")
    shift = {
        "id": secrets.token_urlsafe(16),
        "till": actor.kid,
        "shop": row.shop,
        "employee": row.id,
        "opened_at": now_s,
        "ends_at": now_s + SHIFT_MAX_S,
    }
    with write():
        lock_until_commit(f"till {actor.kid}")
        TillGuess.delete().where(
            (TillGuess.till == actor.kid) & (TillGuess.employee == row.id)
        ).execute()
        _close(actor.kid, now_s)
        insert_row(TillShift, shift)
    return describe_shift(TillShift.get_by_id(shift["id"]))


def end_shift(actor: Actor, *, now_s: int) -> dict[str, Any]:
    """Close the till until somebody opens it."""
    with write():
        _close(actor.kid, now_s)
    return describe_till(actor, now_s=now_s)


def describe_till(actor: Actor, *, now_s: int) -> dict[str, Any]:
    """What a till shows before anybody opened it: whether it must be, by whom it is, who may."""
    shop = shop_of_till(actor)
    shift = _find_open(actor.kid, now_s)
    people = Employee.select().where((Employee.shop == shop) & (Employee.ended_at == 0))
    return {
        "asks_for_pin": _asks_for_pin(shop),
        "open": [describe_shift(shift)] if shift else [],
        "employees": [
            {"employee": row.id, "name": row.name} for row in people.order_by(Employee.name)
        ],
    }


def describe_shift(row: TillShift) -> dict[str, Any]:
    """Who had a till from when to when; `closed_at` 0 while it is open."""
    names = ("till", "employee", "opened_at", "ends_at", "closed_at")
    return {"shift": row.id, **{name: getattr(row, name) for name in names}}


def check_till_is_open(actor: Actor, now_s: int) -> None:
    """The gate: a till of a shop that has employees acts only while one of them has it open."""
    _check_open(actor.kid, shop_of_till(actor), now_s)


def check_signing_tills(kids: frozenset[str], now_s: int) -> None:
    """The gate for signatures: a stolen till does not act through the session of an accomplice's shop."""
    for row in Terminal.select().where(Terminal.kid.in_(kids)):
        _check_open(row.kid, row.shop, now_s)


def _check_open(till: str, shop: str, now_s: int) -> None:
    if _asks_for_pin(shop) and _find_open(till, now_s) is None:
        raise Problem(TILL_CLOSED)


def shop_of_till(actor: Actor) -> str:
    """The one shop a till's key acts for."""
    (shop,) = (body.removeprefix("shop:") for body in actor.bodies if body.startswith("shop:"))
    return shop


def _asks_for_pin(shop: str) -> bool:
    return bool(Employee.select().where(Employee.shop == shop).exists())


def _find_open(till: str, now_s: int) -> TillShift | None:
    is_open = (TillShift.till == till) & (TillShift.closed_at == 0) & (TillShift.ends_at > now_s)
    row: TillShift | None = TillShift.select().where(is_open).first()
    return row


def _close(till: str, now_s: int) -> None:
    run_sql(
        "UPDATE till_shift SET closed_at = CASE WHEN ends_at < ? THEN ends_at ELSE ? END"
        " WHERE till = ? AND closed_at = 0",
        now_s,
        now_s,
        till,
    )


# --- PINs ------------------------------------------------------------------------------------


def _count_guess(till: str, employee: str) -> int:
    """Take one of the till's tries, at this employee's PIN; returns how many are left, raises Problem when none was."""
    with write():
        lock_until_commit(f"till {till}")
        rows = TillGuess.select(fn.COALESCE(fn.SUM(TillGuess.wrong), 0))
        wrong = int(rows.where(TillGuess.till == till).scalar())
        if wrong >= WRONG_MAX:
            raise Problem(TILL_LOCKED)
        insert_row(TillGuess, {"till": till, "employee": employee, "wrong": 0}, is_new=False)
        TillGuess.update(wrong=TillGuess.wrong + 1).where(
            (TillGuess.till == till) & (TillGuess.employee == employee)
        ).execute()
    return WRONG_MAX - wrong - 1


def _check_pin(pin: str) -> None:
    """Not one digit repeated, nor a run up or down: the first that anybody tries."""
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    if len(steps) == 1 and steps <= {0, 1, 9}:
        raise Problem(TILL_PIN_WEAK)


def _hash_pin(pin: str, salt: str, pepper: bytes) -> str:
    """scrypt of the PIN keyed by a secret outside the database: a million PINs are few for who steals the table."""
    keyed = hmac.new(pepper, pin.encode(), "sha256").digest()
    return scrypt(keyed, salt=bytes.fromhex(salt), **SCRYPT).hex()
