"""What strangers and bad peers send to one validator's port: it refuses, counts, forgets, and blocks keep coming."""

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

from chain.codec.proto import encode
from chain.crypto.ed25519 import derive_public
from chain.crypto.node_certificate import node_id_of
from chain.node.config import VERSION
from chain.node.home import add_peer_certificate
from chain.p2p.certificates import make_certificate, make_contexts, make_key_pem
from chain.p2p.channels import ChannelId
from chain.p2p.frames import encode_frame
from chain.types.block import BLOCK_PROTOCOL, P2P_PROTOCOL
from chain.types.messages import DefaultNodeInfo, DefaultNodeInfoOther, ProtocolVersion
from tests.drills.crash import check_nobody_equivocated, resident_mb
from tests.drills.report import Drill, drill, percentile
from tests.drills.town import JOIN_S, Load, Town

MEMORY_AIM_MB = 50.0
INTERVAL_AIM = 2.0
FLOOR_S = 0.25
"""A normal interval below this is taken as this: twice 20 ms is no promise on a machine with other work."""
CONNECTIONS = 1_000
OVER_S = 600.0
"""The longest an attacker holds on; the drill is over long before."""


class Insider:
    """A peer with a certificate that the victim trusts, who speaks the protocol by hand."""

    def __init__(self, town: Town, folder: Path) -> None:
        seed = os.urandom(32)
        self.node_id = node_id_of(derive_public(seed))
        self._town = town
        pem = make_certificate(seed)
        identity = folder / f"{self.node_id}.pem"
        identity.write_bytes(make_key_pem(seed) + pem)
        add_peer_certificate(town.homes[0], pem)
        peers = town.homes[1].config / "peers"
        trusted = {path.stem: path.read_bytes() for path in peers.glob("*.pem")}
        self._context = make_contexts(identity, trusted)[1]

    def connect(self, *, says_hello: bool = True) -> ssl.SSLSocket:
        """A TLS connection to node 0, admitted unless told otherwise."""
        raw = socket.create_connection(("127.0.0.1", self._town.p2p_ports[0]), timeout=20)
        line = self._context.wrap_socket(raw, server_hostname="127.0.0.1")
        if says_hello:
            line.sendall(encode_frame(ChannelId.NODE_INFO, encode(self._info())))
        return line

    def _info(self) -> DefaultNodeInfo:
        return DefaultNodeInfo(
            ProtocolVersion(P2P_PROTOCOL, BLOCK_PROTOCOL, 1),
            self.node_id,
            "tcp://127.0.0.1:1",
            self._town.chain_id,
            VERSION,
            bytes.fromhex("40202122233038606100"),
            "insider",
            DefaultNodeInfoOther("on", ""),
        )


def flood_with_connections(town: Town, held: list[socket.socket]) -> None:
    """A thousand connections that say nothing, held open."""
    for _ in range(CONNECTIONS):
        with contextlib.suppress(OSError):
            held.append(socket.create_connection(("127.0.0.1", town.p2p_ports[0]), timeout=2))


def send_garbage(town: Town) -> None:
    """Bytes that are no TLS, and the beginning of a handshake that never goes on."""
    for data in (
        os.urandom(4_096),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ):
        with contextlib.suppress(OSError):
            line = socket.create_connection(("127.0.0.1", town.p2p_ports[0]), timeout=2)
            line.sendall(data)
            line.close()


def misbehave_inside(insider: Insider) -> None:
    """Malformed, oversized, misplaced frames by somebody who is trusted as far as TLS goes."""
    oversized = (2**31).to_bytes(4, "big") + bytes((ChannelId.VOTE,))
    too_long = (3_000).to_bytes(4, "big") + bytes((ChannelId.VOTE,))
    unknown = (4).to_bytes(4, "big") + b"\x77abcd"
    malformed = encode_frame(ChannelId.VOTE, b"\xff" * 100)
    nested = encode_frame(ChannelId.DATA, b"\x0a\xff\xff\xff\xff\x0f" * 40)
    twice = encode_frame(ChannelId.NODE_INFO, b"\x0a\x00")
    for data in (oversized, too_long, unknown, malformed, nested, twice):
        with contextlib.suppress(OSError):
            line = insider.connect()
            line.sendall(data)
            line.settimeout(5)
            while line.recv(65_536):
                pass  # until it hangs up


def trickle(insider: Insider, is_over: threading.Event) -> None:
    """An admitted peer that sends a frame at one byte a second."""
    with contextlib.suppress(OSError):
        line = insider.connect()
        frame = encode_frame(ChannelId.MEMPOOL, b"\x00" * 1_000)
        for byte in frame:
            if is_over.wait(1.0):
                break
            line.sendall(bytes((byte,)))
        line.close()


def go_deaf(insider: Insider, is_over: threading.Event) -> None:
    """An admitted peer that never reads again and never says goodbye: a half-open line."""
    with contextlib.suppress(OSError):
        line = insider.connect()
        is_over.wait(OVER_S)
        line.close()


def stall_handshake(insider: Insider, is_over: threading.Event) -> None:
    """TLS done, then no word of who it is; again and again."""
    while not is_over.is_set():
        with contextlib.suppress(OSError):
            line = insider.connect(says_hello=False)
            line.settimeout(6)
            line.recv(65_536)
            is_over.wait(1.0)
            line.close()


def intervals(town: Town, seconds: float) -> list[float]:
    """Seconds between blocks of node 0, as it tells their heights, under the load that runs."""
    found, last, at_s = [], town.nodes[0].height(), time.monotonic()
    end_s = at_s + seconds
    while time.monotonic() < end_s:
        height = town.nodes[0].height()
        now_s = time.monotonic()
        if height > last:
            found += [(now_s - at_s) / (height - last)] * (height - last)
            last, at_s = height, now_s
        time.sleep(0.02)
    return found


@drill
def hostile_peers(run: Drill) -> None:
    """All of it at once against one validator of four under load."""
    town = Town(run.folder / "town", 4)
    run.closers.append(town.stop)
    insiders = [Insider(town, run.folder) for _ in range(4)]
    town.start()
    seconds = 6.0 if run.is_quick else 30.0
    held: list[socket.socket] = []
    run.closers.append(lambda: [line.close() for line in held])
    is_over = threading.Event()
    run.closers.append(is_over.set)  # also when the drill fails in the middle
    slow: list[tuple[Callable[..., None], Insider]] = [
        (trickle, insiders[0]),
        (go_deaf, insiders[1]),
        (stall_handshake, insiders[2]),
    ]
    process = town.nodes[0].process
    assert process is not None
    with Load(town) as load:
        time.sleep(2.0)
        normal = intervals(town, seconds)
        memory_before = resident_mb(process.pid)
        threads = [threading.Thread(target=act, args=(who, is_over)) for act, who in slow]
        for thread in threads:
            thread.start()
        # Before the flood: while it lasts, nobody who dials in gets a place; the victim's own dials do.
        misbehave_inside(insiders[3])
        threads.append(threading.Thread(target=flood_with_connections, args=(town, held)))
        threads[-1].start()
        send_garbage(town)
        attacked = intervals(town, seconds)
        memory_after = resident_mb(process.pid)
        is_over.set()
        for thread in threads:
            thread.join(JOIN_S)
    run.did(
        f"{len(held)} silent connections, garbage, six kinds of wrong frames, a peer at one byte a second, a deaf "
        "peer, stalled handshakes, all at once against one validator"
    )
    before_s, during_s = percentile(normal, 0.95), percentile(attacked, 0.95)
    seen = f"p95 {before_s:.2f} s before, {during_s:.2f} s during"
    run.check(
        "block interval p95 below twice the normal",
        during_s < INTERVAL_AIM * max(before_s, FLOOR_S),
        seen,
    )
    grown = memory_after - memory_before
    run.check("memory grew by less than 50 MB", grown < MEMORY_AIM_MB, f"{grown:.1f} MB")
    log = town.nodes[0].log_text()
    for code in ("p2p_frame_too_large", "p2p_unknown_channel", "p2p_malformed", "p2p_protocol"):
        run.check(f"refused as {code}", f"code={code}" in log)
    run.check("too many handshakes were hung up on", "p2p_too_many_handshakes" in log)
    town.check_kept(run, load)
    check_nobody_equivocated(run, town)
