"""Items of a batch are judged on layers of their own."""

from dataclasses import replace

from chain.town.context import Accepted, Outcome, Overlay, Refused, Signer, TxContext
from chain.town.loyalty.offline.batches import compute_item_key, run_batch
from chain.types import codes
from tests.town.loyalty.kit import CHAIN_ID, START_S, TOWN, Nothing

KEY = bytes(32)


def context() -> TxContext:
    signer = Signer("kid", {})
    return TxContext(Overlay(Nothing()), 1, START_S, CHAIN_ID, TOWN, "shop:baker", (signer,), KEY)


def write_then_judge(ctx: TxContext, item: str) -> Outcome:
    """A rule that has written by the time it refuses."""
    ctx.state.put("loyalty", item.encode(), ctx.tx_key)
    return Accepted({"item": item}) if item.isupper() else Refused(codes.QR_EXPIRED, item)


def test_what_a_refused_item_wrote_is_dropped_and_what_others_wrote_is_kept() -> None:
    ctx = context()
    assert run_batch(ctx, ("A", "b", "C"), write_then_judge) == (
        [{"index": 0, "item": "A"}, {"index": 2, "item": "C"}],
        [[1, "qr_expired", "b"]],
    )
    assert ctx.state.changes() == (
        ("loyalty", b"A", compute_item_key(KEY, 0)),
        ("loyalty", b"C", compute_item_key(KEY, 2)),
    )


def test_a_batch_of_which_nothing_counts_writes_nothing_and_is_refused_with_the_first_code() -> (
    None
):
    ctx = context()
    refused = run_batch(ctx, ("a", "b"), write_then_judge)
    assert refused == Refused(codes.QR_EXPIRED, "0:qr_expired 1:qr_expired")
    assert run_batch(ctx, ("a",), write_then_judge) == Refused(codes.QR_EXPIRED, "a")
    assert ctx.state.changes() == ()


def test_operations_of_two_items_or_two_batches_never_share_a_name() -> None:
    other = replace(context(), tx_key=bytes([1]) * 32)
    names = {compute_item_key(key, index) for key in (KEY, other.tx_key) for index in range(16)}
    assert len(names) == 32
