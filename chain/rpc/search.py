"""`tx_search` and `block_search`: an index read per condition, intersected; an error rather than half an answer."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

from chain.limits import INDEX_SCAN_MAX_ROWS, RPC_SEARCH_MAX_RESULTS
from chain.rpc.errors import InternalError
from chain.rpc.ports import Blocks, Index
from chain.rpc.query import Condition, Operator, Query

Position = tuple[int, int]
"""Height and index in the block."""
Rows = Callable[[str, str | None], Iterable[tuple[str, int, int]]]


def search_txs(
    index: Index, blocks: Blocks, query: Query, *, is_bounded: bool = True
) -> list[Position]:
    """Places of transactions that satisfy every condition, ascending; raises InternalError beyond the bounds.

    `is_bounded` False (for who pages by cursor): only what is read of the index is bounded, not how much fits.
    """
    by_hash = _hash_condition(query)
    if by_hash is not None:
        place = index.load_tx(by_hash)
        found = set() if place is None else {place}
        conditions = [c for c in query.conditions if c.key != "tx.hash"]
        return _narrowed(
            conditions, found, "tx.height", index.tx_event_rows, None, blocks, is_bounded
        )
    return _narrowed(
        list(query.conditions),
        None,
        "tx.height",
        index.tx_event_rows,
        lambda heights: set(_positions(blocks, heights, is_bounded)),
        blocks,
        is_bounded,
    )


def search_blocks(
    index: Index, blocks: Blocks, query: Query, *, is_bounded: bool = True
) -> list[Position]:
    """Places (height, 0) of blocks that satisfy every condition, ascending; raises InternalError beyond the bounds."""
    return _narrowed(
        list(query.conditions),
        None,
        "block.height",
        index.block_event_rows,
        lambda heights: {(height, 0) for height in heights},
        blocks,
        is_bounded,
    )


def _hash_condition(query: Query) -> bytes | None:
    for condition in query.conditions:
        if condition.key == "tx.hash" and condition.operator is Operator.EQUAL:
            try:
                return bytes.fromhex(str(condition.operand))
            except ValueError as error:
                raise InternalError("tx.hash must be hexadecimal") from error
    return None


def _narrowed(
    conditions: list[Condition],
    found: set[Position] | None,
    height_key: str,
    rows: Rows,
    of_heights: Callable[[range], set[Position]] | None,
    blocks: Blocks,
    is_bounded: bool,
) -> list[Position]:
    """Intersect conditions; those on height are arithmetic and go last."""
    on_height = [c for c in conditions if c.key == height_key]
    _check_kept(on_height, blocks)
    budget = INDEX_SCAN_MAX_ROWS
    for condition in (c for c in conditions if c.key != height_key):
        matched, used = _matching(condition, rows, budget)
        budget -= used
        found = matched if found is None else found & matched
    if found is None:
        assert of_heights is not None, "a query on heights alone needs their places"
        found = of_heights(_height_range(on_height, blocks))
    kept = [
        p for p in found if p[0] >= blocks.base() and all(c.holds_for(str(p[0])) for c in on_height)
    ]
    if is_bounded and len(kept) > RPC_SEARCH_MAX_RESULTS:
        raise InternalError(f"more than {RPC_SEARCH_MAX_RESULTS} results: narrow the query")
    return sorted(kept)


def _check_kept(on_height: list[Condition], blocks: Blocks) -> None:
    """Refuse a query for pruned heights only: an empty answer would say that nothing was there."""
    highest = min((bound for c in on_height if (bound := _highest(c)) is not None), default=None)
    if highest is not None and 0 < highest < blocks.base():
        raise InternalError(f"height {highest} is not available, lowest height is {blocks.base()}")


def _highest(condition: Condition) -> int | None:
    """The greatest whole height a condition allows, or None without such a bound."""
    bound = condition.operand
    if not isinstance(bound, Fraction):
        return None
    floor = bound.numerator // bound.denominator
    match condition.operator:
        case Operator.EQUAL | Operator.LESS_EQUAL:
            return floor
        case Operator.LESS:
            return floor - (bound.denominator == 1)
        case _:
            return None


def _matching(condition: Condition, rows: Rows, budget: int) -> tuple[set[Position], int]:
    is_exact = condition.operator is Operator.EQUAL and isinstance(condition.operand, str)
    value = str(condition.operand) if is_exact else None
    matched: set[Position] = set()
    used = 0
    for stored, height, index in rows(condition.key, value):
        used += 1
        if used > budget:
            raise InternalError("the query reads too much of the index: narrow it")
        if condition.holds_for(stored):
            matched.add((height, index))
    return matched, used


def _height_range(conditions: list[Condition], blocks: Blocks) -> range:
    """Stored heights between the bounds that the conditions set."""
    low, high = max(1, blocks.base()), blocks.height()
    for condition in conditions:
        bound = condition.operand
        if not isinstance(bound, Fraction):
            continue
        if condition.operator in {Operator.EQUAL, Operator.GREATER, Operator.GREATER_EQUAL}:
            low = max(low, -(-bound.numerator // bound.denominator))
        highest = _highest(condition)
        high = high if highest is None else min(high, highest)
    if high - low >= INDEX_SCAN_MAX_ROWS:
        raise InternalError("the query spans too many heights: narrow it")
    return range(low, high + 1)


def _positions(blocks: Blocks, heights: range, is_bounded: bool) -> Iterator[Position]:
    count = 0
    for height in heights:
        stored = blocks.load(height)
        if stored is None:
            continue
        for index in range(len(stored.block.data.txs)):
            count += 1
            if is_bounded and count > RPC_SEARCH_MAX_RESULTS:
                raise InternalError(f"more than {RPC_SEARCH_MAX_RESULTS} results: narrow the query")
            yield height, index
