"""A local day as it is published: one root per step, sums where many hide each other, one root over the whole day.

The day's root is an RFC 6962 tree over its steps in order of time, leaf = canonical JSON of the step as it travels; so
a step is proved under a day by seven hashes, and a row under its step by fourteen. Which sums may be seen is decided
here too (`choose_published`): a step whose sums would show one household, or one plant, is left out, and never alone,
because the day's totals minus the others would tell it.
Reads: its arguments.  Never: a state, a clock.
"""

from collections.abc import Sequence
from typing import Final

from chain.codec.canonical import b64url_encode, encode_canonical
from chain.codec.merkle import merkle_proofs, merkle_root
from chain.town.energy.refusals import Refused
from chain.town.energy_schemas import AllocationStep, ReadingStep, Sums
from chain.types.block import Proof
from chain.types.codes import ENERGY_SUMS_PRIVATE, ENERGY_SUMS_WRONG

NO_SUMS: Final = Sums(0, 0, 0, 0)


def compute_day_root(steps: Sequence[ReadingStep] | Sequence[AllocationStep]) -> str:
    """Root over a day's steps in order of time, base64url."""
    return b64url_encode(merkle_root([encode_canonical(step) for step in steps]))


def compute_step_proofs(
    steps: Sequence[ReadingStep] | Sequence[AllocationStep],
) -> tuple[str, tuple[Proof, ...]]:
    """The day's root and each step's path under it."""
    root, proofs = merkle_proofs([encode_canonical(step) for step in steps])
    return b64url_encode(root), tuple(proofs)


def add_sums(listed: Sequence[Sums]) -> Sums:
    """Sums of several steps or days."""
    return Sums(
        sum(item.prod_wh for item in listed),
        sum(item.cons_wh for item in listed),
        sum(item.autocons_wh for item in listed),
        sum(item.surplus_wh for item in listed),
    )


def subtract_sums(whole: Sums, part: Sums) -> Sums:
    """What of some sums is not in others; below zero where it is more than there is."""
    return Sums(
        whole.prod_wh - part.prod_wh,
        whole.cons_wh - part.cons_wh,
        whole.autocons_wh - part.autocons_wh,
        whole.surplus_wh - part.surplus_wh,
    )


def check_sums(
    steps: Sequence[AllocationStep], totals: Sums | None, *, households: int, households_min: int
) -> Refused | None:
    """Whether what a day publishes is lawful, adds up, and hides every household."""
    published = [step.sums for step in steps if step.sums is not None]
    if households < households_min:
        if published or totals is not None:
            return Refused(ENERGY_SUMS_PRIVATE, f"{households} households, {households_min} needed")
        return None
    if totals is None:  # as of a day with few at home, which the chain cannot see and a witness can
        return Refused(ENERGY_SUMS_WRONG, "totals") if published else None
    for sums in (*published, totals):
        flaw = check_law_of_sums(sums)
        if flaw is not None:
            return flaw
    return _check_hidden(add_sums(published), totals, hidden=len(steps) - len(published))


def check_corrected(steps: Sequence[AllocationStep]) -> Refused | None:
    """A correction shows sums of the day alone: two versions of a step's sums differ by what one household changed."""
    if any(step.sums is not None for step in steps):
        return Refused(
            ENERGY_SUMS_PRIVATE, "a correction shows no step: the version before would tell whose"
        )
    return None


def check_law_of_sums(sums: Sums) -> Refused | None:
    """Production = shared + surplus; nobody got what nobody consumed."""
    if sums.autocons_wh + sums.surplus_wh != sums.prod_wh:
        return Refused(ENERGY_SUMS_WRONG, "shared and surplus are not production")
    if sums.autocons_wh > sums.cons_wh:
        return Refused(ENERGY_SUMS_WRONG, "more was shared than consumed")
    return None


def _check_hidden(shown: Sums, totals: Sums, *, hidden: int) -> Refused | None:
    """What the hidden steps amount to: at least two of them, lawful together, nothing below zero."""
    if hidden == 1:
        return Refused(ENERGY_SUMS_PRIVATE, "one step alone is hidden: the totals would tell it")
    rest = subtract_sums(totals, shown)
    if hidden == 0 and rest != NO_SUMS:
        return Refused(ENERGY_SUMS_WRONG, "the steps do not sum to the totals")
    if min(rest.prod_wh, rest.cons_wh, rest.autocons_wh, rest.surplus_wh) < 0:
        return Refused(ENERGY_SUMS_WRONG, "the steps sum to more than the totals")
    return check_law_of_sums(rest)


# --- what may be seen ------------------------------------------------------------------------


def choose_published(
    cons_wh: Sequence[Sequence[int]], prod_wh: Sequence[Sequence[int]], *, households_min: int
) -> tuple[bool, ...]:
    """Per step of a day, whether its sums may be published; arguments are readings by step, then by column.

    Seen alone, a step needs `households_min` active consumers, and no plant that produces by itself. The hidden steps
    taken together need the same, and to be two at least; while they are not, one more is hidden: the first that makes
    them so, or else the first of all.
    """
    shown = [
        _is_crowd(cons, prod, households_min) for cons, prod in zip(cons_wh, prod_wh, strict=True)
    ]
    hidden = [index for index, is_shown in enumerate(shown) if not is_shown]
    cons = _add_columns([cons_wh[index] for index in hidden])
    prod = _add_columns([prod_wh[index] for index in hidden])
    while any(shown) and hidden and not (len(hidden) > 1 and _is_crowd(cons, prod, households_min)):
        left = [index for index, is_shown in enumerate(shown) if is_shown]
        enough = (
            index
            for index in left
            if _is_crowd(
                _add_columns((cons, cons_wh[index])),
                _add_columns((prod, prod_wh[index])),
                households_min,
            )
        )
        index = next(enough, left[0])
        shown[index] = False
        hidden.append(index)
        cons = _add_columns((cons, cons_wh[index]))
        prod = _add_columns((prod, prod_wh[index]))
    return tuple(shown)


def may_publish_day(
    cons_wh: Sequence[Sequence[int]], prod_wh: Sequence[Sequence[int]], *, households_min: int
) -> bool:
    """Whether the sums of a whole day may be published; arguments as of `choose_published`.

    The day needs what a step needs: else one home that was not away, or one plant, would be all of it. No step of a
    day that is hidden is seen.
    """
    return _is_crowd(_add_columns(cons_wh), _add_columns(prod_wh), households_min)


def _add_columns(rows: Sequence[Sequence[int]]) -> list[int]:
    return [sum(column) for column in zip(*rows, strict=True)]


def _is_crowd(cons_wh: Sequence[int], prod_wh: Sequence[int], households_min: int) -> bool:
    is_crowd = sum(wh > 0 for wh in cons_wh) >= households_min
    return is_crowd and sum(wh > 0 for wh in prod_wh) != 1
