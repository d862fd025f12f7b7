"""Connections between simulated nodes: `chain.p2p.switch.Switch` by shape, without sockets.

Messages are encoded, framed with the limits of their channel, and decoded again, as on a wire. What becomes of each
is the nemesis's choice; a connection that breaks takes what is under way with it and is dialled again.
"""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from chain import limits
from chain.codec.errors import DecodeError
from chain.codec.proto import decode, encode
from chain.p2p.channels import CHANNELS, ChannelId
from chain.p2p.errors import PeerFault
from chain.p2p.frames import encode_frame
from chain.p2p.peer import PeerRules
from tests.sim.full.loop import Process, VirtualLoop

FRAME_BYTES = 5
SILENT_S = limits.P2P_SILENT_MS / 1_000
RECONNECT_S = (limits.P2P_RECONNECT_FIRST_MS / 1_000, limits.P2P_RECONNECT_MAX_MS / 1_000)


class Route(Protocol):
    """The nemesis, as the wire sees it."""

    def delays(
        self, source: int, target: int, channel: ChannelId, message: Any
    ) -> tuple[float, ...]:
        """Seconds after which each copy arrives; none: it is lost."""
        ...

    def is_cut(self, source: int, target: int) -> bool: ...


class Tap(Protocol):
    """Who listens on the wire: `message` leaves the process of node `source`."""

    def on_message(self, source: int, channel: ChannelId, message: Any) -> None: ...

    def on_arrival(self, target: int, message: Any) -> None: ...


Proxy = Callable[[int, ChannelId, Any], list[tuple[ChannelId, Any]]]
"""A puppet's mouth: what really goes to a target in place of one message."""


class Net:
    """All lines between nodes 0..n-1; a line is up from `connect` to `break_line`."""

    def __init__(self, loop: VirtualLoop, chance: random.Random, route: Route, tap: Tap) -> None:
        self.loop, self.chance, self.route, self.tap = loop, chance, route, tap
        self.ends: dict[int, MemorySwitch] = {}
        self.names: dict[int, str] = {}
        self.numbers: dict[str, int] = {}
        self.lines: dict[tuple[int, int], int] = {}
        """Lines (a < b) that are up, with the number of the connection."""
        self._connection = 0
        self._silent_since: dict[tuple[int, int], float] = {}
        self._decoded: dict[tuple[ChannelId, bytes], Any] = {}
        self.trace: Callable[[str], None] = lambda _line: None
        self.in_flight: Counter[tuple[int, int]] = Counter()
        self.faults: list[tuple[int, int, str, str]] = []
        """(accuser, accused, code, detail) of every punishment."""
        self.messages = 0
        self.proxies: dict[int, Proxy] = {}

    # ── lines ────────────────────────────────────────────────────────────────────────────────────────

    def join(self, end: "MemorySwitch") -> None:
        self.ends[end.index] = end
        for other in sorted(self.ends):
            if other != end.index:
                self.dial(end.index, other, first=True)

    def leave(self, index: int) -> None:
        """A process is gone: the others see their lines close."""
        self.ends.pop(index, None)
        for a, b in sorted(self.lines):
            if index in (a, b):
                self.break_line(a, b)

    def dial(self, one: int, other: int, *, first: bool = False) -> None:
        low, high = RECONNECT_S
        pause_s = self.chance.uniform(0.01, 0.1) if first else self.chance.uniform(low, high)
        a, b = sorted((one, other))
        self.loop.call_later(pause_s, self._connect, a, b, context=self.loop.director.context)

    def _connect(self, a: int, b: int) -> None:
        if (a, b) in self.lines or a not in self.ends or b not in self.ends:
            return
        if self.route.is_cut(a, b) or self.route.is_cut(b, a):
            self.dial(a, b)
            return
        self._connection += 1
        self.lines[a, b] = self._connection
        self.trace(f"line {a}-{b} up")
        for end, peer in ((self.ends[a], b), (self.ends[b], a)):
            self.loop.call_soon(end.on_up, peer, context=end.process.context)

    def break_line(self, one: int, other: int) -> None:
        a, b = sorted((one, other))
        if self.lines.pop((a, b), None) is None:
            return
        self.trace(f"line {a}-{b} down")
        self._silent_since.pop((a, b), None)
        for mine, peer in ((a, b), (b, a)):
            end = self.ends.get(mine)
            if end is not None:
                self.loop.call_soon(end.on_down, peer, context=end.process.context)
        if a in self.ends and b in self.ends:
            self.dial(a, b)

    def drop_silent_lines(self) -> None:
        """What TCP and the keep-alives of `PeerConnection` do to a line nothing comes through."""
        now_s = self.loop.time()
        for a, b in sorted(self.lines):
            if not (self.route.is_cut(a, b) or self.route.is_cut(b, a)):
                self._silent_since.pop((a, b), None)
            elif now_s - self._silent_since.setdefault((a, b), now_s) > SILENT_S:
                self.break_line(a, b)

    def is_up(self, one: int, other: int) -> bool:
        a, b = sorted((one, other))
        return (a, b) in self.lines

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────

    def send(self, end: "MemorySwitch", target: int, channel: ChannelId, message: Any) -> None:
        """One message of a node on its way, through its puppet's mouth if it has one."""
        proxy = self.proxies.get(end.index)
        if proxy is None:
            self.transmit(end, target, channel, message, encode(message))
            return
        for new_channel, changed in proxy(target, channel, message):
            self.transmit(end, target, new_channel, changed, encode(changed))

    def transmit(
        self, end: "MemorySwitch", target: int, channel: ChannelId, message: Any, data: bytes
    ) -> None:
        source = end.index
        a, b = sorted((source, target))
        number = self.lines.get((a, b))
        if number is None:
            return
        encode_frame(channel, data)  # refuses what no channel may carry
        self.messages += 1
        now_s = self.loop.time()
        leaves_s = max(now_s, end.process.busy_until_s)
        for delay_s in self.route.delays(source, target, channel, message):
            self.in_flight[source, target] += len(data)
            self.loop.call_at(
                leaves_s + delay_s,
                self._arrive,
                source,
                target,
                number,
                channel,
                data,
                context=self.loop.director.context,
            )

    def _arrive(
        self, source: int, target: int, number: int, channel: ChannelId, data: bytes
    ) -> None:
        self.in_flight[source, target] -= len(data)
        a, b = sorted((source, target))
        end = self.ends.get(target)
        if end is None or self.lines.get((a, b)) != number:
            return
        self.loop.call_soon(end.receive, source, channel, data, context=end.process.context)

    def decode(self, channel: ChannelId, data: bytes) -> Any:
        """Decoding is pure and messages are frozen: one broadcast is decoded once. Raises DecodeError."""
        key = channel, data
        found = self._decoded.get(key)
        if found is None:
            if len(self._decoded) > 2_000:
                self._decoded.clear()
            found = self._decoded[key] = decode(CHANNELS[channel].message, data)
        return found


class MemorySwitch:
    """The switch of one process."""

    def __init__(self, net: Net, index: int, process: Process, step: Callable[[], object]) -> None:
        """`step` is called before each message leaves: a point at which the process can end."""
        self.net, self.index, self.process = net, index, process
        self._step = step
        self.rules = PeerRules()
        self.counts: Counter[str] = Counter()
        self.on_peer_up: list[Callable[[str], None]] = []
        self.on_peer_down: list[Callable[[str], None]] = []
        self._handlers: dict[ChannelId, Callable[[str, Any], None]] = {}
        self._peers: set[int] = set()
        self.listen_port = 0

    def handle(self, channel: ChannelId, handler: Callable[[str, Any], None]) -> None:
        self._handlers[channel] = handler

    def send(self, node_id: str, channel: ChannelId, message: Any) -> bool:
        target = self.net.numbers[node_id]
        if target not in self._peers:
            return False
        self._step()
        self.net.tap.on_message(self.index, channel, message)
        self.net.send(self, target, channel, message)
        return True

    def broadcast(self, channel: ChannelId, message: Any, *, besides: frozenset[str]) -> None:
        data = None if self.index in self.net.proxies else encode(message)
        self.net.tap.on_message(self.index, channel, message)
        for target in sorted(self._peers):
            if self.net.names[target] in besides:
                continue
            self._step()
            if data is None:
                self.net.send(self, target, channel, message)
            else:
                self.net.transmit(self, target, channel, message, data)

    def peers(self) -> tuple[str, ...]:
        return tuple(sorted(self.net.names[index] for index in self._peers))

    def queued_bytes(self, node_id: str) -> int:
        return self.net.in_flight[self.index, self.net.numbers[node_id]]

    def is_connected(self, node_id: str) -> bool:
        return self.net.numbers[node_id] in self._peers

    def punish(self, node_id: str, code: str, detail: str) -> None:
        peer = self.net.numbers[node_id]
        if peer in self._peers:
            self._fault(peer, PeerFault(code, detail))

    def set_trusted(self, trusted: Any) -> None:
        pass

    def set_persistent(self, addresses: Any) -> None:
        pass

    async def start(self) -> None:
        self.net.join(self)

    async def stop(self) -> None:
        self.net.leave(self.index)

    def _fault(self, peer: int, fault: PeerFault) -> None:
        self.counts[fault.code] += 1
        self.net.faults.append((self.index, peer, fault.code, fault.detail))
        self.net.trace(f"n{self.index} punishes n{peer}: {fault.code} {fault.detail}")
        self.net.break_line(self.index, peer)

    def on_up(self, peer: int) -> None:
        if not self.net.is_up(self.index, peer):
            return
        self._peers.add(peer)
        self.counts["p2p_connected"] += 1
        for tell in tuple(self.on_peer_up):
            tell(self.net.names[peer])

    def on_down(self, peer: int) -> None:
        if peer not in self._peers:
            return
        self._peers.discard(peer)
        for tell in tuple(self.on_peer_down):
            tell(self.net.names[peer])

    def receive(self, peer: int, channel: ChannelId, data: bytes) -> None:
        handler = self._handlers.get(channel)
        if handler is None or peer not in self._peers:
            return
        try:
            message = self.net.decode(channel, data)
            self.net.tap.on_arrival(self.index, message)
            handler(self.net.names[peer], message)
        except DecodeError as error:
            self._fault(peer, PeerFault("p2p_malformed", f"{channel.name}: {error}"))
        except PeerFault as fault:
            self._fault(peer, fault)
