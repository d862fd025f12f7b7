"""The lines between the nodes of a town, which a drill may cut: by network namespaces, else by proxies of ours.

Both keep what is on a cut line from arriving and tell neither end, as a broken switch does.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from chain.node.config import NodeConfig, load_config, render_config
from chain.node.home import load_node_id
from chain.p2p.switch import PeerAddress
from tests.drills.report import Drill
from tests.drills.town import Town, TownNode
from tests.node.four import free_ports


class Links(Protocol):
    """Lines that can be cut and healed, one direction at a time."""

    kind: str

    def cut(self, source: int, target: int) -> None: ...

    def heal(self) -> None:
        """Mend all of them."""
        ...


def make_linked_town(
    run: Drill, size: int = 4, *, force_proxies: bool = False
) -> tuple[Town, Links]:
    """A town whose lines can be cut, by whatever this machine permits."""
    if not force_proxies and may_make_namespaces():
        return make_namespaced_town(run, size)
    return make_proxied_town(run, size)


# --- namespaces ------------------------------------------------------------------------------------


def may_make_namespaces() -> bool:
    """Whether network namespaces and bridges can be made here (root, iproute2, kernel)."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        return False
    name = f"bdt{os.getpid() % 10_000}"
    made = subprocess.run(
        ["ip", "link", "add", name, "type", "bridge"], capture_output=True, check=False, timeout=120
    )
    subprocess.run(["ip", "link", "del", name], capture_output=True, check=False, timeout=120)
    spaced = subprocess.run(
        ["ip", "netns", "add", name], capture_output=True, check=False, timeout=120
    )
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False, timeout=120)
    return made.returncode == 0 and spaced.returncode == 0


def ip(*arguments: str) -> None:
    """One `ip` command."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=120)


class NamespaceLinks:
    """A namespace per node on one bridge; a blackhole route in a namespace cuts one direction."""

    kind = "network namespaces, blackhole routes"

    def __init__(self, size: int) -> None:
        tag = os.getpid() % 10_000
        self._bridge = f"bdb{tag}"
        self._net = f"10.{200 + tag % 50}.{tag // 50 % 250}"
        self._spaces = [f"bdn{tag}-{i}" for i in range(size)]
        self._cuts: list[tuple[int, int]] = []

    def address(self, index: int) -> str:
        """Where a node lives."""
        return f"{self._net}.{index + 1}"

    def prefix(self, index: int) -> tuple[str, ...]:
        """Command that runs another inside a node's namespace."""
        return "ip", "netns", "exec", self._spaces[index]

    def open(self) -> None:
        """Make bridge, namespaces and lines."""
        ip("link", "add", self._bridge, "type", "bridge")
        ip("addr", "add", f"{self._net}.254/24", "dev", self._bridge)
        ip("link", "set", self._bridge, "up")
        for index, space in enumerate(self._spaces):
            outer, inner = f"{self._bridge}o{index}", f"{self._bridge}i{index}"
            ip("netns", "add", space)
            ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", space)
            ip("link", "set", outer, "master", self._bridge, "up")
            ip("-n", space, "addr", "add", f"{self.address(index)}/24", "dev", inner)
            ip("-n", space, "link", "set", inner, "up")
            ip("-n", space, "link", "set", "lo", "up")

    def close(self) -> None:
        """Take all of it away."""
        for space in self._spaces:
            subprocess.run(
                ["ip", "netns", "del", space], capture_output=True, check=False, timeout=120
            )
        subprocess.run(
            ["ip", "link", "del", self._bridge], capture_output=True, check=False, timeout=120
        )

    def cut(self, source: int, target: int) -> None:
        if (source, target) not in self._cuts:
            self._cuts.append((source, target))
            ip(
                "-n",
                self._spaces[source],
                "route",
                "add",
                "blackhole",
                f"{self.address(target)}/32",
            )

    def heal(self) -> None:
        for source, target in self._cuts:
            ip(
                "-n",
                self._spaces[source],
                "route",
                "del",
                "blackhole",
                f"{self.address(target)}/32",
            )
        self._cuts.clear()


def make_namespaced_town(run: Drill, size: int) -> tuple[Town, Links]:
    """Each node in a network namespace of its own."""
    links = NamespaceLinks(size)
    run.closers.append(links.close)
    links.open()
    hosts = [links.address(i) for i in range(size)]
    town = Town(run.folder / "town", size, hosts=hosts, config=NodeConfig(rpc_host="0.0.0.0"))
    run.closers.append(town.stop)
    town.nodes = [
        TownNode(home.root, 26_657, host=hosts[i], prefix=links.prefix(i))
        for i, home in enumerate(town.homes)
    ]
    return town, links


# --- proxies ---------------------------------------------------------------------------------------


class ProxyLinks:
    """Every dial from one node to another goes through a proxy that can hold its bytes back."""

    kind = "TCP proxies"

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], threading.Event] = {}
        self._listeners: list[socket.socket] = []
        self._sockets: list[socket.socket] = []
        self._is_closed = False

    def add(self, dialler: int, listener: int, port: int, target_port: int) -> None:
        """A proxy on `port` for one node's dials to another."""
        for pair in ((dialler, listener), (listener, dialler)):
            self._open.setdefault(pair, threading.Event()).set()
        sock = socket.create_server(("127.0.0.1", port))
        self._listeners.append(sock)
        threading.Thread(
            target=self._accept, args=(sock, dialler, listener, target_port), daemon=True
        ).start()

    def _accept(self, sock: socket.socket, dialler: int, listener: int, target_port: int) -> None:
        with contextlib.suppress(OSError):  # closed at the end of the drill
            while True:
                inner, _ = sock.accept()
                threading.Thread(
                    target=self._join, args=(inner, dialler, listener, target_port), daemon=True
                ).start()

    def _join(self, inner: socket.socket, dialler: int, listener: int, target_port: int) -> None:
        self._open[dialler, listener].wait()
        try:
            outer = socket.create_connection(("127.0.0.1", target_port))
        except OSError:
            inner.close()
            return
        self._sockets += [inner, outer]
        for source, sink, pair in (
            (inner, outer, (dialler, listener)),
            (outer, inner, (listener, dialler)),
        ):
            threading.Thread(target=self._pump, args=(source, sink, pair), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, pair: tuple[int, int]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._open[pair].wait()
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut(self, source: int, target: int) -> None:
        self._open[source, target].clear()

    def heal(self) -> None:
        for event in self._open.values():
            event.set()

    def close(self) -> None:
        """Close every socket; the threads end by that."""
        self.heal()
        for each in (*self._listeners, *self._sockets):
            each.close()


def make_proxied_town(run: Drill, size: int) -> tuple[Town, Links]:
    """A town on loopback whose nodes know each other by the proxies' ports."""
    town, links = Town(run.folder / "town", size), ProxyLinks()
    run.closers += [links.close, town.stop]
    ports = iter(free_ports(size * (size - 1)))
    ids = [load_node_id(home) for home in town.homes]
    for i, home in enumerate(town.homes):
        path = Path(home.config / "config.toml")
        config = load_config(path)
        peers = []  # what the settings say of a registered peer overrules its registered address
        for j in (j for j in range(size) if j != i):
            port = next(ports)
            links.add(i, j, port, town.p2p_ports[j])
            peers.append(PeerAddress(ids[j], "127.0.0.1", port))
        p2p = replace(config.p2p, persistent_peers=tuple(peers))
        path.write_text(render_config(replace(config, p2p=p2p)))
    return town, links
