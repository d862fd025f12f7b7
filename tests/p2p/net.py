"""Switches on loopback TLS inside one event loop, and a raw TLS client that may say anything."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from chain.codec.proto import encode
from chain.crypto.ed25519 import derive_public
from chain.crypto.node_certificate import node_id_of
from chain.p2p.certificates import make_certificate, make_contexts, make_key_pem
from chain.p2p.channels import ChannelId
from chain.p2p.frames import encode_frame
from chain.p2p.peer import PeerRules
from chain.p2p.switch import PeerAddress, Switch, SwitchSettings
from chain.types.messages import DefaultNodeInfo, ProtocolVersion
from tests.waiting import run_within, until

QUICK = PeerRules(handshake_s=5)
TEST_S = 120
"""A test that takes longer hangs: it fails, instead of holding the whole suite."""


def seed_of(name: str) -> bytes:
    return sha256(f"node key {name}".encode()).digest()


def id_of(name: str) -> str:
    return node_id_of(derive_public(seed_of(name)))


def info_of(name: str, network: str = "test-1", block: int = 11) -> DefaultNodeInfo:
    return DefaultNodeInfo(
        ProtocolVersion(8, block, 1), id_of(name), "", network, "0.38.0-test", b"", name
    )


def identity(folder: Path, name: str) -> Path:
    path = folder / f"{name}.pem"
    path.write_bytes(make_key_pem(seed_of(name)) + make_certificate(seed_of(name)))
    return path


def trust(*names: str) -> dict[str, bytes]:
    return {id_of(name): make_certificate(seed_of(name)) for name in names}


def address(name: str, port: int) -> PeerAddress:
    return PeerAddress(id_of(name), "127.0.0.1", port)


class Net:
    """Makes switches and stops them all at the end; an exception that escapes a callback fails the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.switches: dict[str, Switch] = {}
        self.heard: dict[str, list[tuple[str, Any]]] = {}
        self.escaped: list[dict[str, Any]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self, port: int, context: ssl.SSLContext | None = None, **more: Any) -> Any:
        """A (reader, writer) that lives until the test ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, **more)
        self._writers.append(writer)
        return reader, writer

    async def stop(self) -> None:
        for switch in self.switches.values():
            await switch.stop()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def start(self, name: str, trusted: dict[str, bytes], **settings: Any) -> Switch:
        info = settings.pop("info", info_of(name))
        defaults: dict[str, Any] = {
            "listen_host": "127.0.0.1",
            "rules": QUICK,
            "reconnect_first_s": 0.02,
            "reconnect_max_s": 0.1,
            "housekeeping_s": 0.05,
        }
        switch = Switch(
            SwitchSettings(identity(self.folder, name), trusted, **(defaults | settings)), info
        )
        heard = self.heard.setdefault(name, [])
        for channel in ChannelId:
            switch.handle(channel, lambda peer, message: heard.append((peer, message)))
        self.switches[name] = switch
        await switch.start()
        return switch

    async def raw(
        self, name: str, switch: Switch, knows: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TLS client with this name's key, connected to a switch."""
        _, context = make_contexts(identity(self.folder, name), trust(knows))
        reader, writer = await self.connect(switch.listen_port, context)
        return reader, writer

    async def raw_admitted(
        self, name: str, switch: Switch, knows: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The same after an honest introduction."""
        reader, writer = await self.raw(name, switch, knows)
        writer.write(encode_frame(ChannelId.NODE_INFO, encode(info_of(name))))
        await until(lambda: switch.is_connected(id_of(name)))
        return reader, writer


async def is_cut(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends the connection soon."""
    try:
        async with asyncio.timeout(5):
            while await reader.read(65_536):
                pass
    except TimeoutError:
        return False
    except (ConnectionError, ssl.SSLError):
        pass
    return True


def run(folder: Path, test: Callable[[Net], Awaitable[None]]) -> None:
    """Run one coroutine with a net."""

    async def main() -> None:
        net = Net(folder)
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: net.escaped.append(context)
        )
        try:
            async with asyncio.timeout(TEST_S):
                await test(net)
        except AssertionError as failure:
            counts = {name: dict(switch.counts) for name, switch in net.switches.items()}
            failure.add_note(f"counts {counts}, escaped {net.escaped}")
            raise
        finally:
            async with asyncio.timeout(TEST_S):
                await net.stop()
        assert net.escaped == []

    run_within(main())


def changed(rules: PeerRules, **changes: Any) -> PeerRules:
    return replace(rules, **changes)
