"""One connection: TLS peer known by its key, frames in, bounded queue out.

Life: connection made → key compared → node infos exchanged → admitted by the switch → frames → lost.
Reads / Writes: its transport.  Never: raises into the event loop; a fault of the peer ends the connection.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chain import limits
from chain.codec.errors import DecodeError
from chain.codec.proto import decode, encode
from chain.crypto.node_certificate import node_id_of
from chain.p2p.certificates import key_of_der
from chain.p2p.channels import CHANNELS, ChannelId
from chain.p2p.errors import PeerFault
from chain.p2p.frames import FrameReader, encode_frame
from chain.types.messages import DefaultNodeInfo, Packet, PacketPing, PacketPong

_PING = encode_frame(ChannelId.KEEP_ALIVE, encode(Packet(PacketPing())))
_PONG = encode_frame(ChannelId.KEEP_ALIVE, encode(Packet(PacketPong())))


@dataclass(frozen=True, slots=True)
class PeerRules:
    """Bounds of a connection; the defaults are those of `chain.limits`."""

    handshake_s: float = limits.P2P_HANDSHAKE_MS / 1_000
    queue_max_bytes: int = limits.P2P_QUEUE_MAX_BYTES
    write_buffer_bytes: int = limits.P2P_WRITE_BUFFER_BYTES
    inbox_max_bytes: int = limits.P2P_INBOX_MAX_BYTES
    stalled_s: float = limits.P2P_STALLED_MS / 1_000
    ping_s: float = limits.P2P_PING_MS / 1_000
    silent_s: float = limits.P2P_SILENT_MS / 1_000


class PeerOwner(Protocol):
    """The switch, as a connection sees it."""

    rules: PeerRules

    def own_info(self) -> DefaultNodeInfo: ...

    def check_key(self, node_id: str, public_key: bytes) -> None:
        """Raises PeerFault for a key that is not on the list."""
        ...

    def admit(self, peer: "PeerConnection", info: DefaultNodeInfo) -> None:
        """The peer said who it is; raises PeerFault when it may not stay."""
        ...

    def on_messages(self, peer: "PeerConnection") -> None:
        """Something waits in the peer's `urgent` or `bulk`."""
        ...

    def on_lost(self, peer: "PeerConnection") -> None: ...

    def on_fault(self, peer: "PeerConnection", fault: PeerFault) -> None: ...

    def on_queue_dropped(self, peer: "PeerConnection", frames: int) -> None: ...


class PeerConnection(asyncio.Protocol):
    """The protocol object of one TLS connection."""

    def __init__(self, owner: PeerOwner, *, expected_id: str = "") -> None:
        """`expected_id` is whom we dialled; empty for a connection that came in."""
        self.node_id = ""
        self.expected_id = expected_id
        self.is_outbound = bool(expected_id)
        self.is_admitted = False
        self.is_closed = False
        self.heard_at_s = asyncio.get_running_loop().time()
        """Loop time of the last whole frame, before the first one of the beginning."""
        self.urgent: deque[tuple[ChannelId, bytes]] = deque()
        """Received and not handled yet; the switch takes from all peers in turn."""
        self.bulk: deque[tuple[ChannelId, bytes]] = deque()
        self.inbox_bytes = 0
        self.remote = "?"
        self.since_s = self.heard_at_s
        """Loop time of the beginning."""
        self.sent_bytes = 0
        self.received_bytes = 0
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader()
        self._queue: deque[bytes] = deque()
        self._queue_bytes = 0
        self._is_write_paused = False
        self._paused_at_s = 0.0
        self._is_read_paused = False
        self._info_timer: asyncio.TimerHandle | None = None

    # ── asyncio ──────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is up: see whose key it is, say who we are, wait for the peer to do so."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self.is_closed:  # given up while TLS was still shaking hands
            transport.abort()
            return
        transport.set_write_buffer_limits(high=self._owner.rules.write_buffer_bytes)
        address = transport.get_extra_info("peername")
        self.remote = f"{address[0]}:{address[1]}" if address else "?"
        self.heard_at_s = self._loop.time()
        self._info_timer = self._loop.call_later(self._owner.rules.handshake_s, self._on_no_info)
        self._guard(self._compare_key)

    def data_received(self, data: bytes) -> None:
        """Cut frames and pass them on."""
        self.received_bytes += len(data)
        self._guard(lambda: self._take(data))

    def pause_writing(self) -> None:
        """The peer reads slower than we send: messages wait in the bounded queue."""
        self._is_write_paused = True
        self._paused_at_s = self._loop.time()

    def resume_writing(self) -> None:
        """There is room again: send what waits, oldest first."""
        self._is_write_paused = False
        while self._queue and not self._is_write_paused and not self.is_closed:
            frame = self._queue.popleft()
            self._queue_bytes -= len(frame)
            self._write(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        self.is_closed = True
        if self._info_timer is not None:
            self._info_timer.cancel()
        self._queue.clear()
        self.urgent.clear()
        self.bulk.clear()
        self._queue_bytes = 0
        if not self.lost.done():
            self.lost.set_result(None)
        self._owner.on_lost(self)  # again after `close`, which does no harm

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────

    def _guard(self, work: Callable[[], None]) -> None:
        """Run a piece of work on what a peer sent; its fault ends the connection and nothing else."""
        if self.is_closed:
            return
        try:
            work()
        except PeerFault as fault:
            self._owner.on_fault(self, fault)
            self.close()

    def _compare_key(self) -> None:
        assert self._transport is not None
        tls = self._transport.get_extra_info("ssl_object")
        public_key = key_of_der(tls.getpeercert(binary_form=True))
        node_id = node_id_of(public_key)
        self._owner.check_key(node_id, public_key)
        if self.expected_id and node_id != self.expected_id:
            raise PeerFault("p2p_wrong_peer", f"dialled {self.expected_id}, met {node_id}")
        self.node_id = node_id
        self._write(encode_frame(ChannelId.NODE_INFO, encode(self._owner.own_info())))

    def _take(self, data: bytes) -> None:
        for channel, message in self._reader.feed(data):
            self.heard_at_s = self._loop.time()
            if not self.is_admitted:
                self._take_info(channel, message)
            elif channel is ChannelId.NODE_INFO:
                raise PeerFault("p2p_protocol", "node info twice")
            elif channel is ChannelId.KEEP_ALIVE:
                self._take_keep_alive(message)
            else:
                self._keep(channel, message)
            if self.is_closed:
                return

    def _take_info(self, channel: ChannelId, message: bytes) -> None:
        if channel is not ChannelId.NODE_INFO:
            raise PeerFault("p2p_protocol", f"{channel.name} before node info")
        try:
            info = decode(DefaultNodeInfo, message)
        except DecodeError as error:
            raise PeerFault("p2p_malformed", f"node info: {error}") from error
        self._owner.admit(self, info)
        self.is_admitted = True
        if self._info_timer is not None:
            self._info_timer.cancel()

    def _take_keep_alive(self, message: bytes) -> None:
        try:
            packet = decode(Packet, message).value
        except DecodeError as error:
            raise PeerFault("p2p_malformed", f"keep-alive: {error}") from error
        if isinstance(packet, PacketPing):
            self.send_frame(_PONG)
        elif not isinstance(packet, PacketPong):
            raise PeerFault("p2p_protocol", "a packet message outside CometBFT's multiplexing")

    def _keep(self, channel: ChannelId, message: bytes) -> None:
        (self.urgent if CHANNELS[channel].is_urgent else self.bulk).append((channel, message))
        self.inbox_bytes += len(message) + limits.P2P_MESSAGE_OVERHEAD_BYTES
        if self.inbox_bytes > self._owner.rules.inbox_max_bytes and not self._is_read_paused:
            assert self._transport is not None
            self._is_read_paused = True
            self._transport.pause_reading()
        self._owner.on_messages(self)

    def note_handled(self, size_bytes: int) -> None:
        """A message of ours was handled: perhaps there is room to read on."""
        self.inbox_bytes -= size_bytes + limits.P2P_MESSAGE_OVERHEAD_BYTES
        if not self._is_read_paused or self.is_closed:
            return
        if self.inbox_bytes <= self._owner.rules.inbox_max_bytes // 2:
            assert self._transport is not None
            self._is_read_paused = False
            self._transport.resume_reading()

    def _on_no_info(self) -> None:
        if not self.is_admitted:
            fault = PeerFault("p2p_handshake_timeout", "no node info in time")
            self._guard(lambda: _raise(fault))

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────

    def send_frame(self, frame: bytes) -> None:
        """Send now, or queue while the peer is slow; the oldest frames go when the queue is full."""
        if self.is_closed:
            return
        if not self._is_write_paused and not self._queue:
            self._write(frame)
            return
        self._queue.append(frame)
        self._queue_bytes += len(frame)
        dropped = 0
        while self._queue_bytes > self._owner.rules.queue_max_bytes and len(self._queue) > 1:
            self._queue_bytes -= len(self._queue.popleft())
            dropped += 1
        if dropped:
            self._owner.on_queue_dropped(self, dropped)

    def _write(self, frame: bytes) -> None:
        assert self._transport is not None
        self.sent_bytes += len(frame)
        self._transport.write(frame)

    @property
    def queued_bytes(self) -> int:
        """Waiting in our queue for the peer to read; its transport holds at most its high-water mark more."""
        return self._queue_bytes

    def check_health(self) -> None:
        """Look whether the peer still reads and talks; ask it when it is quiet."""
        self._guard(self._check_health)

    def _check_health(self) -> None:
        rules, now_s = self._owner.rules, self._loop.time()
        if self._is_write_paused and now_s - self._paused_at_s > rules.stalled_s:
            raise PeerFault("p2p_stalled", f"{self._queue_bytes} bytes wait and nothing is read")
        quiet_s = now_s - self.heard_at_s
        if quiet_s > rules.silent_s and not self._is_read_paused:
            raise PeerFault("p2p_silent", "no message and no pong")
        if quiet_s > rules.ping_s and self.is_admitted:
            self.send_frame(_PING)

    def close(self) -> None:
        """End the connection at once; what waits is lost."""
        if self.is_closed:
            return
        self.is_closed = True
        self._owner.on_lost(self)
        if self._transport is not None:
            self._transport.abort()


def _raise(fault: PeerFault) -> None:
    raise fault
