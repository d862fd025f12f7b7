"""Shapes of employees and shifts; times are unix seconds."""

from typing import Final

from marshmallow import fields, validate

from app.core.blueprint import TownSchema

PIN: Final = r"^[0-9]{6,12}\Z"
EMPLOYEE: Final = r"^[A-Za-z0-9_-]{22}\Z"
NAME: Final = r"^[^\x00-\x1f\x7f]{1,40}\Z"


class PinSchema(TownSchema):
    """A PIN of 6 to 12 digits."""

    pin = fields.String(
        required=True,
        load_only=True,
        validate=validate.Regexp(PIN),
        metadata={"format": "password"},
    )


class EmployeeRequestSchema(PinSchema):
    """Somebody who may open the shop's tills; `name` is what the owner calls them."""

    name = fields.String(required=True, validate=validate.Regexp(NAME))


class EmployeeSchema(TownSchema):
    """An employee; `ended_at` 0 while employed."""

    employee = fields.String(required=True)
    shop = fields.String(required=True)
    name = fields.String(required=True)
    since = fields.Integer(required=True)
    ended_at = fields.Integer(required=True)


class ShiftSchema(TownSchema):
    """Who had a till from when to when; `closed_at` 0 while it is open."""

    shift = fields.String(required=True)
    till = fields.String(required=True)
    employee = fields.String(required=True)
    opened_at = fields.Integer(required=True)
    ends_at = fields.Integer(required=True)
    closed_at = fields.Integer(required=True)


class StaffAccountSchema(TownSchema):
    """An account the chain says is staff: the shop's tills serve it nothing; `ended_at` 0 while it is."""

    account = fields.String(required=True)
    since = fields.Integer(required=True)
    ended_at = fields.Integer(required=True)


class StaffSchema(TownSchema):
    """Everybody who ever could open the shop's tills, the accounts that are staff, and the newest shifts."""

    employees = fields.List(fields.Nested(EmployeeSchema), required=True)
    accounts = fields.List(fields.Nested(StaffAccountSchema), required=True)
    shifts = fields.List(fields.Nested(ShiftSchema), required=True)


class UnlockedSchema(TownSchema):
    """A till that may try PINs again."""

    till = fields.String(required=True)
    wrong_left = fields.Integer(required=True)


class ShiftRequestSchema(PinSchema):
    """Who takes the till over."""

    employee = fields.String(required=True, validate=validate.Regexp(EMPLOYEE))


class ColleagueSchema(TownSchema):
    """One of those who may open the till."""

    employee = fields.String(required=True)
    name = fields.String(required=True)


class TillSchema(TownSchema):
    """Whether the till must be opened by a PIN, by whom it is open, and who may."""

    asks_for_pin = fields.Boolean(required=True)
    open = fields.List(fields.Nested(ShiftSchema), required=True)
    employees = fields.List(fields.Nested(ColleagueSchema), required=True)
