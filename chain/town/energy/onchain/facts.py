"""The facts a contract's clauses are held against, out of the chain's own records: for whoever is about to sign.

Any reader of records will do, such as a node's answers one by one: the API judges an offer before it is relayed, a
party's own client before it signs, an auditor after, all by `agreements.find_flaws` over these facts.
Reads: operations, terms, rosters, points, consents, contracts.  Writes: nothing.
"""

from collections.abc import Mapping
from typing import Final

from chain.town.context import Reader, Refused
from chain.town.energy.agreements import Facts
from chain.town.energy.contract_document import ContractDocument
from chain.town.energy.onchain.rosters import peak_from
from chain.town.energy.onchain.standing import find_operation, has_consent, read_day, terms_on
from chain.town.energy.records import CONTRACTS, POINTS, contract_id, point_id
from chain.types import codes

_BODY: Final = "body:"


def read_facts(
    state: Reader,
    document: ContractDocument,
    *,
    active_accounts: frozenset[str],
    indices: Mapping[str, tuple[tuple[str, int], ...]],
) -> Facts | Refused:
    """What the records say of everything this document names, on its first day.

    `active_accounts` are those of the parties that may sign; `indices` the series of the operation's convention.
    Refused: an unknown operation, a day of no calendar or before any terms, an operation that declared no perimeter.
    """
    found = find_operation(state, document.operation)
    if isinstance(found, Refused):
        return found
    day = read_day(document.term.start_day)
    if isinstance(day, Refused):
        return day
    in_force = terms_on(state, found, day)
    if in_force is None:
        return Refused(codes.ENERGY_OPERATION_INACTIVE, document.term.start_day)
    if found.perimeter is None:
        return Refused(codes.ENERGY_OUTSIDE_PERIMETER, "no perimeter was declared")
    named = (document.seller_point, document.buyer_point)
    points = {name: POINTS.get(state, point_id(found.operation, name)) for name in named}
    purposes = {clause.purpose for clause in document.data}
    previous = document.previous
    is_known = bool(previous) and CONTRACTS.get(state, contract_id(previous)) is not None
    terms = in_force[1]
    return Facts(
        operation=found.operation,
        pmo=found.pmo.removeprefix(_BODY),
        key_kind=terms.key_kind,
        regime=terms.regime,
        territory=terms.territory,
        perimeter=found.perimeter,
        peak_w=peak_from(state, found.operation, day),
        correction_days=terms.correction_days,
        points={name: point for name, point in points.items() if point is not None},
        active_accounts=active_accounts,
        consents=frozenset(
            purpose
            for purpose in purposes
            if has_consent(state, found.operation, document.buyer.account, purpose)
        ),
        contracts=frozenset({previous}) if is_known else frozenset(),
        indices=indices,
    )
