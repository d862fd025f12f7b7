"""The switch: listens, dials for ever, keeps one connection per peer, and hands messages to their channel's handler.

Handlers run from callbacks of their own, never inside a socket's: what they raise reaches the event loop's exception
handler and stops the node, instead of being taken for a failed connection.
Reads / Writes: sockets.  Never: a second connection to one peer; more than a bounded number of strangers.
"""

import asyncio
import contextlib
import random
import socket
import ssl
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from chain import limits
from chain.codec.errors import DecodeError
from chain.codec.proto import decode, encode
from chain.crypto.node_certificate import node_id_of
from chain.p2p.certificates import key_of_pem, make_contexts
from chain.p2p.channels import CHANNELS, ChannelId
from chain.p2p.errors import PeerFault
from chain.p2p.frames import encode_frame
from chain.p2p.peer import PeerConnection, PeerRules
from chain.p2p.status import PeerStatus
from chain.types.messages import DefaultNodeInfo

log = structlog.get_logger("p2p")

Handler = Callable[[str, Any], None]
"""Gets the peer's node id and the decoded message; may raise PeerFault to end the connection."""


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a peer listens."""

    node_id: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SwitchSettings:
    """What the switch needs to know; `trusted` maps node ids to PEM certificates."""

    identity_file: Path
    """Our node key and certificate in PEM."""
    trusted: Mapping[str, bytes]
    persistent: tuple[PeerAddress, ...] = ()
    listen_host: str = ""
    """Empty: dial only."""
    listen_port: int = 0
    max_peers: int = limits.P2P_PEERS_MAX
    max_handshakes: int = limits.P2P_HANDSHAKES_MAX
    connect_s: float = limits.P2P_CONNECT_MS / 1_000
    reconnect_first_s: float = limits.P2P_RECONNECT_FIRST_MS / 1_000
    reconnect_max_s: float = limits.P2P_RECONNECT_MAX_MS / 1_000
    housekeeping_s: float = 1.0
    rules: PeerRules = field(default_factory=PeerRules)


class Switch:
    """All connections of one node."""

    def __init__(self, settings: SwitchSettings, info: DefaultNodeInfo) -> None:
        """Raises PeerFault or ssl.SSLError when a certificate cannot be used."""
        self.rules = settings.rules
        self.counts: Counter[str] = Counter()
        """How often each thing happened, by code: refusals, drops, connections."""
        self.on_peer_up: list[Callable[[str], None]] = []
        """Called with a node id once a peer is admitted, and again when a newer connection took over."""
        self.on_peer_down: list[Callable[[str], None]] = []
        self._settings = settings
        self._info = info
        self._allowed: dict[str, bytes] = {}
        self._server_context: ssl.SSLContext
        self._client_context: ssl.SSLContext
        self._peers: dict[str, PeerConnection] = {}
        self._infos: dict[str, DefaultNodeInfo] = {}
        """What each connected peer said of itself."""
        self._strangers: dict[PeerConnection, str] = {}
        """Connections that have not said who they are, and the host each came from; "" for those we dialled."""
        self._hosts: dict[str, str] = {}
        """Where each peer of the list was met last."""
        self._handlers: dict[ChannelId, Handler] = {}
        self._urgent_turns: deque[PeerConnection] = deque()
        """Peers with urgent messages, each once; one message per turn, so that a flood delays nobody else."""
        self._bulk_turns: deque[PeerConnection] = deque()
        self._is_pump_scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._dials: dict[PeerAddress, asyncio.Task[None]] = {}
        self._handshakes: dict[asyncio.Task[None], socket.socket] = {}
        """Sockets whose TLS handshake runs; ended by closing the socket, never by cancelling (see `_hang_up`)."""
        self._listener: socket.socket | None = None
        self._is_stopped = False
        self._chance = random.SystemRandom()
        self.set_trusted(settings.trusted)

    # ── for the channels' users ──────────────────────────────────────────────────────────────────────

    def handle(self, channel: ChannelId, handler: Handler) -> None:
        """Give a channel its one handler; messages of channels without one are dropped."""
        self._handlers[channel] = handler

    def send(self, node_id: str, channel: ChannelId, message: Any) -> bool:
        """Send one message, best effort; False when the peer is not connected."""
        peer = self._peers.get(node_id)
        if peer is None:
            return False
        peer.send_frame(encode_frame(channel, encode(message)))
        return True

    def broadcast(self, channel: ChannelId, message: Any, *, besides: frozenset[str]) -> None:
        """Send one message to every peer but those; it is encoded once."""
        frame = encode_frame(channel, encode(message))
        for node_id, peer in self._peers.items():
            if node_id not in besides:
                peer.send_frame(frame)

    def peers(self) -> tuple[str, ...]:
        """Node ids of connected peers, sorted."""
        return tuple(sorted(self._peers))

    def statuses(self) -> tuple[PeerStatus, ...]:
        """Every connected peer, by node id."""
        now_s = asyncio.get_running_loop().time()
        return tuple(
            PeerStatus(
                self._infos[node_id],
                peer.is_outbound,
                peer.remote,
                now_s - peer.since_s,
                peer.sent_bytes,
                peer.received_bytes,
                peer.queued_bytes,
            )
            for node_id, peer in sorted(self._peers.items())
        )

    def queued_bytes(self, node_id: str) -> int:
        """Bytes that wait for a peer to read; 0 for one that is not connected."""
        peer = self._peers.get(node_id)
        return 0 if peer is None else peer.queued_bytes

    def is_connected(self, node_id: str) -> bool:
        """Whether this peer is connected now."""
        return node_id in self._peers

    def punish(self, node_id: str, code: str, detail: str) -> None:
        """Count and log a peer's fault, and drop it; a persistent peer is dialled again after its pause."""
        peer = self._peers.get(node_id)
        if peer is not None:
            self.on_fault(peer, PeerFault(code, detail))
            peer.close()

    def set_trusted(self, trusted: Mapping[str, bytes]) -> None:
        """Replace the list of peers' certificates; connected peers that left it are dropped."""
        keys = {node_id: key_of_pem(pem) for node_id, pem in trusted.items()}
        for node_id, key in keys.items():
            if node_id_of(key) != node_id:
                raise PeerFault(
                    "p2p_certificate", f"certificate of {node_id_of(key)}, not {node_id}"
                )
        self._server_context, self._client_context = make_contexts(
            self._settings.identity_file, trusted
        )
        self._allowed = keys
        self._hosts = {node_id: h for node_id, h in self._hosts.items() if node_id in keys}
        for node_id in tuple(self._peers):
            if node_id not in keys:
                self.punish(node_id, "p2p_unknown_certificate", "left the list")

    def set_persistent(self, addresses: tuple[PeerAddress, ...]) -> None:
        """Replace the list of peers that are dialled; connections that stand are left alone."""
        for address in tuple(self._dials):
            if address not in addresses:
                self._dials.pop(address).cancel()
        for address in addresses:
            if address not in self._dials:
                self._dials[address] = self._spawn(self._dial_for_ever(address))

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Listen and begin to dial; raises OSError when the address is taken."""
        if self._settings.listen_host:
            self._listener = _open_listener(self._settings.listen_host, self._settings.listen_port)
            asyncio.get_running_loop().add_reader(self._listener, self._accept)
        self.set_persistent(self._settings.persistent)
        self._spawn(self._keep_house())

    @property
    def listen_port(self) -> int:
        """The port in use, also when 0 was asked for; 0 without a listener."""
        return 0 if self._listener is None else int(self._listener.getsockname()[1])

    async def stop(self) -> None:
        """Close everything; again does nothing."""
        self._is_stopped = True
        listener, self._listener = self._listener, None
        if listener is not None:
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()
        for task in self._tasks:
            if task not in self._handshakes:
                task.cancel()
        for raw in self._handshakes.values():
            _hang_up(raw)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in (*self._peers.values(), *self._strangers):
            peer.close()
        self._urgent_turns.clear()
        self._bulk_turns.clear()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        """A task that ends with an exception of ours must not die in silence."""
        self._tasks.discard(task)
        self._handshakes.pop(task, None)
        if not task.cancelled() and (failure := task.exception()) is not None:
            context = {"message": "a task of the switch failed", "exception": failure}
            asyncio.get_running_loop().call_exception_handler(context)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(self._settings.housekeeping_s)
            for peer in (*self._peers.values(), *self._strangers):
                peer.check_health()

    # ── connections ──────────────────────────────────────────────────────────────────────────────────

    def _accept(self) -> None:
        """Take one connection that waits; from a callback, because a cancelled `sock_accept` can lose its socket."""
        assert self._listener is not None
        try:
            accepted, (host, *_) = self._listener.accept()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:  # out of descriptors, or gone before we took it
            self._count("p2p_accept_failed", detail=str(error))
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._listener)
            loop.call_later(limits.P2P_ACCEPT_PAUSE_MS / 1_000, self._accept_again)
            return
        if not self._has_place(_plain_host(host)):
            self._count("p2p_too_many_handshakes")
            accepted.close()
            return
        accepted.setblocking(False)
        peer = PeerConnection(self)
        self._strangers[peer] = _plain_host(host)
        task = self._spawn(self._welcome(accepted, peer))
        self._handshakes[task] = accepted

    def _has_place(self, host: str) -> bool:
        """Whether one more connection may begin: hosts of peers have places that nobody else can take.

        Otherwise a stranger who opens eleven silent connections a second keeps every peer out that lost its line.
        """
        known = {*self._hosts.values(), *(address.host for address in self._dials)}
        same = sum(
            bool(other) and (other in known) == (host in known)
            for other in self._strangers.values()
        )
        return same < self._settings.max_handshakes

    def _accept_again(self) -> None:
        if not self._is_stopped and self._listener is not None:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def _welcome(self, accepted: socket.socket, peer: PeerConnection) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                lambda: peer,
                accepted,
                ssl=self._server_context,
                ssl_handshake_timeout=self.rules.handshake_s,
            )
        except (TimeoutError, OSError) as error:
            peer.close()  # asyncio tells a protocol nothing of a handshake that failed
            accepted.close()
            self._count(_code_of(error), detail=str(error))

    async def _dial_for_ever(self, address: PeerAddress) -> None:
        """Keep a connection to a peer; after each end or failure pause, longer each time, by chance up to all of it."""
        pause_s = self._settings.reconnect_first_s
        while True:
            if not self.is_connected(address.node_id):
                peer = await self._dial(address)
                if peer is not None:
                    await asyncio.wait((peer.lost,))
                    if peer.is_admitted:
                        pause_s = self._settings.reconnect_first_s
            await asyncio.sleep(pause_s * self._chance.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, self._settings.reconnect_max_s)

    async def _dial(self, address: PeerAddress) -> PeerConnection | None:
        """Connect and shake hands; None, counted, when the peer cannot be reached or is not who it should be."""
        try:
            async with asyncio.timeout(self._settings.connect_s):
                raw = await _connect(address.host, address.port)
        except (TimeoutError, OSError) as error:
            self._count_unreached(address, error)
            return None
        met: list[PeerConnection] = []
        task = self._spawn(self._greet(address, raw, met))
        self._handshakes[task] = raw
        await asyncio.wait((task,))
        return met[0] if met else None

    async def _greet(
        self, address: PeerAddress, raw: socket.socket, met: list[PeerConnection]
    ) -> None:
        peer = PeerConnection(self, expected_id=address.node_id)
        self._strangers[peer] = ""
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: peer,
                sock=raw,
                server_hostname=address.host,
                ssl=self._client_context,
                ssl_handshake_timeout=self.rules.handshake_s,
            )
        except (TimeoutError, OSError) as error:
            peer.close()
            raw.close()
            self._count_unreached(address, error)
        else:
            met.append(peer)

    def _count_unreached(self, address: PeerAddress, error: OSError) -> None:
        code = _code_of(error)
        self.counts[code] += 1
        if code != "p2p_unreachable":
            log.warning("peer not reached", code=code, peer=address.node_id, detail=str(error))

    # ── PeerOwner ────────────────────────────────────────────────────────────────────────────────────

    def own_info(self) -> DefaultNodeInfo:
        """Who we say we are."""
        return self._info

    def check_key(self, node_id: str, public_key: bytes) -> None:
        """Only keys of the list; OpenSSL checked the certificate, this compares the key itself."""
        if self._allowed.get(node_id) != public_key:
            raise PeerFault("p2p_unknown_certificate", f"key of {node_id} is not on the list")

    def admit(self, peer: PeerConnection, info: DefaultNodeInfo) -> None:
        """Let a peer in when it is of our chain; of two connections the one dialled by the smaller id stays."""
        if peer.node_id not in self._allowed:
            raise PeerFault("p2p_unknown_certificate", "left the list before it said who it is")
        if info.default_node_id != peer.node_id:
            raise PeerFault("p2p_wrong_id", f"says {info.default_node_id}, key of {peer.node_id}")
        if info.network != self._info.network:
            raise PeerFault("p2p_wrong_chain", f"of {info.network}")
        if info.protocol_version.block != self._info.protocol_version.block:
            raise PeerFault("p2p_wrong_version", f"block {info.protocol_version.block}")
        held = self._peers.get(peer.node_id)
        if held is None and len(self._peers) >= self._settings.max_peers:
            raise PeerFault("p2p_too_many_peers", f"{len(self._peers)} connected")
        if held is not None:
            if not self._is_better(peer, held):
                raise PeerFault("p2p_duplicate", "a connection to this peer exists")
            self.counts["p2p_replaced"] += 1
            held.close()
        self._strangers.pop(peer, None)
        self._peers[peer.node_id] = peer
        self._infos[peer.node_id] = info
        self._hosts[peer.node_id] = _plain_host(peer.remote.rpartition(":")[0])
        self.counts["p2p_connected"] += 1
        log.info("peer connected", peer=peer.node_id, remote=peer.remote, dialled=peer.is_outbound)
        asyncio.get_running_loop().call_soon(self._announce, peer)

    def _announce(self, peer: PeerConnection) -> None:
        if self._peers.get(peer.node_id) is peer:
            for tell in self.on_peer_up:
                tell(peer.node_id)

    def _is_better(self, new: PeerConnection, held: PeerConnection) -> bool:
        """Both ends must judge alike: by who dialled; a newer connection of the same dialler replaces a dead one."""
        own_id = self._info.default_node_id
        dialler = own_id if new.is_outbound else new.node_id
        held_dialler = own_id if held.is_outbound else held.node_id
        return dialler == held_dialler or dialler < held_dialler

    def on_lost(self, peer: PeerConnection) -> None:
        """A connection ended."""
        self._strangers.pop(peer, None)
        if self._peers.get(peer.node_id) is not peer:
            return
        del self._peers[peer.node_id], self._infos[peer.node_id]
        log.info("peer gone", peer=peer.node_id)
        if not self._is_stopped:
            for tell in self.on_peer_down:
                asyncio.get_running_loop().call_soon(tell, peer.node_id)

    def on_fault(self, peer: PeerConnection, fault: PeerFault) -> None:
        """A peer did what it must not."""
        if fault.code == "p2p_duplicate":
            self.counts[fault.code] += 1
            return
        self._count(fault.code, peer=peer.node_id, remote=peer.remote, detail=fault.detail)

    def on_queue_dropped(self, peer: PeerConnection, frames: int) -> None:
        """Messages for a slow peer were given up."""
        if not self.counts["p2p_queue_dropped"]:
            log.warning("peer reads slowly", code="p2p_queue_dropped", peer=peer.node_id)
        self.counts["p2p_queue_dropped"] += frames

    def _count(self, code: str, **facts: str) -> None:
        self.counts[code] += 1
        log.warning("peer refused", code=code, **facts)

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────

    def on_messages(self, peer: PeerConnection) -> None:
        """Give a peer its turn."""
        if peer.urgent and peer not in self._urgent_turns:
            self._urgent_turns.append(peer)
        if peer.bulk and peer not in self._bulk_turns:
            self._bulk_turns.append(peer)
        self._schedule_pump()

    def _schedule_pump(self) -> None:
        if not self._is_pump_scheduled:
            self._is_pump_scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Handle a slice: urgent messages first, else one of the others; then let the loop breathe."""
        self._is_pump_scheduled = False
        for _ in range(limits.P2P_URGENT_SLICE):
            if not self._urgent_turns:
                break
            peer = self._urgent_turns.popleft()
            if peer.urgent:
                self._dispatch(peer, *peer.urgent.popleft())
            if peer.urgent:
                self._urgent_turns.append(peer)
        if not self._urgent_turns and self._bulk_turns:
            peer = self._bulk_turns.popleft()
            if peer.bulk:
                self._dispatch(peer, *peer.bulk.popleft())
            if peer.bulk:
                self._bulk_turns.append(peer)
        if self._bulk_turns or self._urgent_turns:
            self._schedule_pump()

    def _dispatch(self, peer: PeerConnection, channel: ChannelId, message: bytes) -> None:
        peer.note_handled(len(message))
        handler = self._handlers.get(channel)
        if peer.is_closed or handler is None:
            return
        try:
            decoded = decode(CHANNELS[channel].message, message)
        except DecodeError as error:
            self.on_fault(peer, PeerFault("p2p_malformed", f"{channel.name}: {error}"))
            peer.close()
            return
        try:
            handler(peer.node_id, decoded)
        except PeerFault as fault:
            self.on_fault(peer, fault)
            peer.close()


def _plain_host(host: str) -> str:
    """An address as settings write it: IPv4 that came through an IPv6 listener without its prefix."""
    return host.removeprefix("::ffff:")


def _open_listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(limits.P2P_HANDSHAKES_MAX)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


async def _connect(host: str, port: int) -> socket.socket:
    """A connected socket to the first address of the name that answers; raises OSError when none does."""
    loop = asyncio.get_running_loop()
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, where in await loop.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        raw = socket.socket(family, kind, protocol)
        raw.setblocking(False)
        try:
            await loop.sock_connect(raw, where)
        except OSError as error:
            raw.close()
            failure = error
        except asyncio.CancelledError:
            raw.close()
            raise
        else:
            return raw
    raise failure


def _hang_up(raw: socket.socket) -> None:
    """End a handshake: its task sees the end of the stream and cleans up.

    Cancelling it instead can come between the transport and its TLS layer, and then nobody closes the socket.
    """
    with contextlib.suppress(OSError):  # the peer was quicker
        raw.shutdown(socket.SHUT_RDWR)


def _code_of(error: BaseException) -> str:
    """Why a handshake or a dial failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "p2p_unknown_certificate"
    if isinstance(error, ssl.SSLError):
        return "p2p_tls"
    if isinstance(error, ConnectionAbortedError | TimeoutError):
        return "p2p_handshake_timeout"
    return "p2p_unreachable"
