"""The events of a committed block, in CometBFT's order: NewBlock, header, events, Tx..., validator updates."""

from collections.abc import Iterable

from chain.codec.cmtjson import to_json
from chain.codec.hashing import hash_tx
from chain.node.host_parts import CommittedBlock
from chain.rpc.events import EventBus, PublishedEvent
from chain.types.abci import Event, ExecTxResult
from chain.types.messages import TxResult


def publish_block(bus: EventBus, committed: CommittedBlock) -> None:
    """Tell subscribers and waiting clients of a block that is durable."""
    block, responses = committed.built.block, committed.responses
    height = block.header.height
    for index, (tx, result) in enumerate(zip(block.data.txs, responses.tx_results, strict=True)):
        bus.settle_tx(hash_tx(tx), lambda h=height, i=index, r=result: (h, i, r))  # type: ignore[misc]
    if not bus.has_subscribers():
        return
    events = attributes_of(responses.events)
    bus.publish(_event("NewBlock", events, lambda: _new_block(committed)))
    bus.publish(_event("NewBlockHeader", {}, lambda: {"header": to_json(block.header)}))
    bus.publish(_event("NewBlockEvents", events, lambda: _block_events(committed)))
    for index, (tx, result) in enumerate(zip(block.data.txs, responses.tx_results, strict=True)):
        bus.publish(tx_event(height, index, tx, result))
    if responses.validator_updates:
        bus.publish(_event("ValidatorSetUpdates", {}, lambda: _validator_updates(committed)))


def tx_event(height: int, index: int, tx: bytes, result: ExecTxResult) -> PublishedEvent:
    """The event of one transaction."""
    attributes = attributes_of(result.events) | {
        "tx.hash": [hash_tx(tx).hex().upper()],
        "tx.height": [str(height)],
    }
    return _event(
        "Tx", attributes, lambda: {"TxResult": to_json(TxResult(height, index, tx, result))}
    )


def attributes_of(events: Iterable[Event]) -> dict[str, list[str]]:
    """Composite keys `type.attribute` to their values, in order."""
    found: dict[str, list[str]] = {}
    for event in events:
        for attribute in event.attributes:
            if event.type and attribute.key:
                found.setdefault(f"{event.type}.{attribute.key}", []).append(attribute.value)
    return found


def _event(kind: str, attributes: dict[str, list[str]], value: object) -> PublishedEvent:
    make = value
    assert callable(make)
    return PublishedEvent(
        attributes | {"tm.event": [kind]},
        lambda: {"type": f"tendermint/event/{kind}", "value": make()},
    )


def _new_block(committed: CommittedBlock) -> object:
    return {
        "block": to_json(committed.built.block),
        "block_id": to_json(committed.built.block_id),
        "result_finalize_block": to_json(committed.responses),
    }


def _block_events(committed: CommittedBlock) -> object:
    block = committed.built.block
    return {
        "height": str(block.header.height),
        "events": [to_json(event) for event in committed.responses.events],
        "num_txs": str(len(block.data.txs)),
    }


def _validator_updates(committed: CommittedBlock) -> object:
    changed = {update.pub_key for update in committed.responses.validator_updates}
    validators = committed.state.next_validators.validators
    return {"validator_updates": [to_json(v) for v in validators if v.pub_key in changed]}
