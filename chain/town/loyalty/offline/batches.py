"""Many items in one transaction, each judged by itself: what is refused changes nothing, the others count.

A batch of which nothing counts is refused as a whole, with the first item's code, so that an outbox sent twice costs
the chain nothing; its detail names the others, as far as they fit.
Reads and writes: what the rule of an item does.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final, TypeVar

from chain.town.context import Accepted, Outcome, Overlay, Refused, TxContext

ItemT = TypeVar("ItemT")
_LABEL: Final = b"beffroi-item\x00"


def compute_item_key(tx_key: bytes, index: int) -> bytes:
    """Name of an item's operation: SHA-256 of a label, the transaction's payload hash and its place, 4 bytes."""
    return sha256(_LABEL + tx_key + index.to_bytes(4, "big")).digest()


def run_batch(
    ctx: TxContext, items: Iterable[ItemT], apply: Callable[[TxContext, ItemT], Outcome]
) -> tuple[list[dict[str, Any]], list[list[Any]]] | Refused:
    """Facts of the items that counted, and `[index, code, detail]` of the others; a refusal when none counted.

    Each item runs on a layer of its own and under an operation name of its own, `compute_item_key`.
    """
    done: list[dict[str, Any]] = []
    refused: list[list[Any]] = []
    first: Refused | None = None
    for index, item in enumerate(items):
        layer = Overlay(ctx.state)
        own = replace(ctx, state=layer, tx_key=compute_item_key(ctx.tx_key, index))
        outcome = apply(own, item)
        if isinstance(outcome, Accepted):
            ctx.state.absorb(layer)
            done.append({"index": index, **outcome.data})
        else:
            first = first or outcome
            refused.append([index, outcome.code.name, outcome.detail])
    if done or first is None:
        return done, refused
    if len(refused) == 1:
        return first
    return Refused(first.code, " ".join(f"{index}:{name}" for index, name, _ in refused))
