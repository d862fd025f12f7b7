"""Who hears of what: subscriptions by query, and clients that wait for one transaction.

An event is published once its block is durable. A subscriber that lags `RPC_SUBSCRIBER_BUFFER` events behind is
cancelled, as in CometBFT: a slow client must not hold memory.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chain.limits import RPC_SUBSCRIBER_BUFFER
from chain.rpc.query import Query

Json = Any


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """One event: its attributes for queries, and its JSON, made only when somebody wants it."""

    attributes: Mapping[str, Sequence[str]]
    data: Callable[[], Json]


class Subscription:
    """One query of one client; `queue` holds what it has not fetched."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self.queue: asyncio.Queue[Json] = asyncio.Queue(RPC_SUBSCRIBER_BUFFER)
        self.is_cancelled = False
        self.wakeup = asyncio.Event()
        """Set when something was queued, or the subscription was cancelled."""

    def offer(self, item: Json) -> bool:
        """Queue an item; False cancels a subscriber that lags too far behind."""
        try:
            self.queue.put_nowait(item)
        except asyncio.QueueFull:
            self.is_cancelled = True
        self.wakeup.set()
        return not self.is_cancelled


class EventBus:
    """Fan-out on the node's one thread."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._waiting: dict[bytes, list[asyncio.Future[Json]]] = {}

    def subscribe(self, query: Query) -> Subscription:
        """Begin to receive matching events."""
        subscription = Subscription(query)
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop; unknown is fine."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def publish(self, event: PublishedEvent) -> None:
        """Hand an event to every subscriber whose query matches."""
        made: Json = None
        for subscription in tuple(self._subscriptions):
            if not subscription.query.matches(event.attributes):
                continue
            if made is None:
                made = event.data()
            item = {"query": subscription.query.text, "data": made, "events": event.attributes}
            if not subscription.offer(item):
                self._subscriptions.remove(subscription)

    def has_subscribers(self) -> bool:
        """Whether publishing has any reader."""
        return bool(self._subscriptions)

    def expect_tx(self, tx_hash: bytes) -> "asyncio.Future[Json]":
        """A future for the outcome of a transaction not committed yet."""
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tx_hash, []).append(future)
        return future

    def forget_tx(self, tx_hash: bytes, future: "asyncio.Future[Json]") -> None:
        """Stop waiting."""
        held = self._waiting.get(tx_hash, [])
        if future in held:
            held.remove(future)
        if not held:
            self._waiting.pop(tx_hash, None)

    def settle_tx(self, tx_hash: bytes, outcome: Callable[[], Json]) -> None:
        """Answer whoever waits for a transaction."""
        for future in self._waiting.pop(tx_hash, ()):
            if not future.done():
                future.set_result(outcome())
