"""CometBFT's event query language: `tm.event = 'Tx' AND tx.height > 5 AND transfer.to CONTAINS 'ab'`.

Conditions joined by AND only; operators = < <= > >= CONTAINS EXISTS; values: 'text', numbers, TIME rfc3339,
DATE yyyy-mm-dd (CometBFT 0.38 `libs/pubsub/query`). Numbers compare exactly, as fractions.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Final, TypeAlias

from chain.limits import RPC_QUERY_MAX_CHARS, RPC_QUERY_MAX_CONDITIONS
from chain.types.timestamp import Timestamp

Attributes: TypeAlias = Mapping[str, Sequence[str]]
"""Composite key `type.attribute` to the values it has in one block or transaction."""


class Operator(Enum):
    """How a condition compares."""

    EQUAL = "="
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="
    CONTAINS = "CONTAINS"
    EXISTS = "EXISTS"


class QueryError(ValueError):
    """The text is not a query; the message says where it stops making sense."""


Operand: TypeAlias = str | Fraction | Timestamp | None


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; EXISTS has no operand."""

    key: str
    operator: Operator
    operand: Operand = None

    def holds_for(self, value: str) -> bool:
        """Whether one attribute value satisfies the condition; a value of another kind does not."""
        if self.operator is Operator.EXISTS:
            return True
        if isinstance(self.operand, str):
            if self.operator is Operator.CONTAINS:
                return self.operand in value
            return value == self.operand
        if isinstance(self.operand, Fraction):
            number = _leading_number(value)
            return number is not None and _compare(number, self.operator, self.operand)
        assert isinstance(self.operand, Timestamp)
        instant = _instant(value)
        return instant is not None and _compare(instant, self.operator, self.operand)


@dataclass(frozen=True, slots=True)
class Query:
    """All conditions must hold."""

    text: str
    conditions: tuple[Condition, ...]

    def matches(self, attributes: Attributes) -> bool:
        """Whether every condition is satisfied by some value of its key."""
        return all(
            any(condition.holds_for(value) for value in attributes.get(condition.key, ()))
            for condition in self.conditions
        )


_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<text>'[^']*')
    | (?P<time>TIME\s+\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d))
    | (?P<date>DATE\s+\d{4}-\d\d-\d\d)
    | (?P<operator><=|>=|<|>|=)
    | (?P<number>\d+(?:\.\d+)?)(?![\w.])
    | (?P<word>[A-Za-z_][\w.\-/]*)
    )""",
    re.VERBOSE,
)
_NUMBER_PREFIX: Final = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


def parse_query(text: str) -> Query:
    """Read a query; raises QueryError with the offset of what was not expected."""
    if len(text) > RPC_QUERY_MAX_CHARS:
        raise QueryError(f"maximum query length exceeded: {len(text)} > {RPC_QUERY_MAX_CHARS}")
    tokens = _tokens(text)
    if not tokens:
        return Query(text, ())
    conditions: list[Condition] = []
    position = 0
    while True:
        condition, position = _condition(tokens, position, len(text))
        conditions.append(condition)
        if len(conditions) > RPC_QUERY_MAX_CONDITIONS:
            raise QueryError(f"more than {RPC_QUERY_MAX_CONDITIONS} conditions")
        if position == len(tokens):
            return Query(text, tuple(conditions))
        if tokens[position].text != "AND":
            raise QueryError(
                f"offset {tokens[position].offset}: got {tokens[position].kind}, wanted AND"
            )
        position += 1


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise QueryError(f"offset {position}: unexpected {text[position:].strip()[0]!r}")
        tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        position = match.end()
    return tokens


_WANTED: Final = (
    "wanted <= operator, >= operator, < operator, > operator, = operator, CONTAINS operator or "
    "EXISTS operator"
)


def _condition(tokens: list[_Token], position: int, end: int) -> tuple[Condition, int]:
    key = _token(tokens, position, end, "tag")
    if key.kind != "word" or key.text in {"AND", "CONTAINS", "EXISTS"}:
        raise QueryError(f"offset {key.offset}: got {key.kind}, wanted tag")
    sign = _token(tokens, position + 1, end, _WANTED.removeprefix("wanted "))
    if sign.text == "EXISTS":
        return Condition(key.text, Operator.EXISTS), position + 2
    if sign.kind != "operator" and sign.text != "CONTAINS":
        kind = "tag" if sign.kind == "word" else sign.kind
        raise QueryError(f"offset {sign.offset}: got {kind}, {_WANTED}")
    operator = Operator(sign.text)
    return Condition(
        key.text, operator, _operand(tokens, position + 2, end, operator)
    ), position + 3


def _token(tokens: list[_Token], position: int, end: int, wanted: str) -> _Token:
    if position >= len(tokens):
        raise QueryError(f"offset {end}: got end of input, wanted {wanted}")
    return tokens[position]


def _operand(tokens: list[_Token], position: int, end: int, operator: Operator) -> Operand:
    token = _token(tokens, position, end, "a value")
    is_text_only = operator is Operator.CONTAINS
    if token.kind == "text" and operator in {Operator.EQUAL, Operator.CONTAINS}:
        return token.text[1:-1]
    if token.kind == "number" and not is_text_only:
        return Fraction(token.text)
    if token.kind in {"time", "date"} and not is_text_only:
        body = token.text.split(maxsplit=1)[1]
        instant = _instant(body)
        if instant is None:
            raise QueryError(f"offset {token.offset}: invalid {token.kind} {body}")
        return instant
    raise QueryError(
        f"offset {token.offset}: got {token.kind}, wanted a value for {operator.value}"
    )


def _leading_number(value: str) -> Fraction | None:
    """The number a value starts with, as CometBFT reads `8.045stake`; None when there is none."""
    match = _NUMBER_PREFIX.match(value)
    return None if match is None else Fraction(match[0])


def _instant(value: str) -> Timestamp | None:
    try:
        return Timestamp.from_rfc3339(value if "T" in value else f"{value}T00:00:00Z")
    except ValueError:
        return None


def _compare(left: Fraction | Timestamp, operator: Operator, right: Fraction | Timestamp) -> bool:
    if operator is Operator.EQUAL:
        return left == right
    if operator is Operator.LESS:
        return left < right  # type: ignore[operator]  # both sides are of one kind: the caller chose
    if operator is Operator.LESS_EQUAL:
        return left <= right  # type: ignore[operator]
    if operator is Operator.GREATER:
        return left > right  # type: ignore[operator]
    return left >= right  # type: ignore[operator]
