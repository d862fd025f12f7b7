"""CometBFT's own light client follows the embedded chain through our RPC, over changes of the validator set.

500 heights, two changes that each leave a quarter of the power in place: from the trusted height 1 no single leap
reaches the end, the client has to bisect. What is served to it is then changed, and it believes none of it.
"""

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from chain.codec.cmtjson import from_json, to_json
from chain.codec.hashing import hash_header
from chain.crypto.ed25519 import derive_public
from chain.node.cometbft import find_cometbft
from chain.types.block import SignedHeader
from chain.types.timestamp import Timestamp
from tests.cometbft.serve_chain import lying_proxy, serving_chain
from tests.node.four import free_ports
from tests.node.virtual import seed_of
from tests.sync.kit import SEEDS, Chain, new_chain
from tests.waiting import run_within

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.usefixtures("cometbft")]
HEIGHTS = 500
CHANGES = {100: ((4, 5, 6), (0, 1, 2)), 300: ((7, 8, 9), (4, 5, 6))}
"""At this height these validators come and those go, of four with equal power."""
WAIT_S = 60


@cache
def long_chain() -> Chain:
    genesis_time = Timestamp.from_ns(time.time_ns() - 2 * HEIGHTS * 10**9)
    chain = new_chain(4, genesis_time=genesis_time, chain_id="lit-1")
    chain.signing = SEEDS
    chain.grow(HEIGHTS + 1, transactions)
    return chain


def transactions(height: int) -> tuple[bytes, ...]:
    come, go = CHANGES.get(height, ((), ()))
    changes = [(number, 10) for number in come] + [(number, 0) for number in go]
    return tuple(b"val:%s=%d" % (derive_public(seed_of(n)).hex().encode(), p) for n, p in changes)


class LightClient:
    """One `cometbft light` process with its own store; `commit` asks it for a verified header."""

    def __init__(self, root: Path, primary: str, witness: str, trusted_hash: str) -> None:
        self.port = free_ports(1)[0]
        self.log = root / "light.log"
        program = find_cometbft()
        assert program is not None
        command = [program, "light", "lit-1", "--primary", primary, "--witnesses", witness]
        command += ["--height", "1", "--hash", trusted_hash, "--home-dir", root / "light"]
        command += ["--laddr", f"tcp://127.0.0.1:{self.port}"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def commit(self, height: int) -> dict[str, Any]:
        """The answer to `commit`, with `result` or `error`; waits until the client listens."""
        end_s = time.monotonic() + WAIT_S
        while True:
            try:
                url = f"http://127.0.0.1:{self.port}/commit?height={height}"
                with urlopen(url, timeout=WAIT_S) as answer:
                    return json.load(answer)
            except HTTPError as error:
                return json.load(error)
            except (URLError, OSError):
                if self.process.poll() is not None or time.monotonic() > end_s:
                    return {"error": self.log.read_text()[-2_000:]}
                time.sleep(0.05)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(10)


@contextmanager
def light_client(root: Path, *args: str) -> Iterator[LightClient]:
    client = LightClient(root, *args)
    try:
        yield client
    finally:
        client.stop()


def with_chain(
    root: Path,
    play: Callable[[str, str, list[str]], Any],
    lie: Callable[[str, Any], Any] = lambda _method, result: result,
) -> Any:
    """Run `play` in a thread, with the addresses of our RPC and of a proxy that lies, and what that was asked."""

    async def serve() -> Any:
        async with serving_chain(root, long_chain()) as (_, url), lying_proxy(url, lie) as proxy:
            return await asyncio.to_thread(play, url, *proxy)

    return run_within(serve())


def header_hash(height: int) -> str:
    stored = long_chain().node.stores.blocks.load(height)
    assert stored is not None
    return stored.block_id.hash.hex().upper()


def test_height_500_is_verified_from_height_1_over_two_changes_of_the_set(tmp_path):
    states = long_chain().node.stores.states
    sets = [states.load_validators(height) for height in (1, 102, 302)]
    members = [{validator.address for validator in found.validators} for found in sets if found]
    assert [len(a & b) for a, b in pairwise(members)] == [1, 1], "each change leaves one of four"

    def play(url: str, proxy: str, asked: list[str]) -> None:
        with light_client(tmp_path, proxy, url, header_hash(1)) as client:
            answer = client.commit(HEIGHTS)
            assert "result" in answer, answer
            signed = from_json(SignedHeader, answer["result"]["signed_header"])
            assert hash_header(signed.header).hex().upper() == header_hash(HEIGHTS)
            assert asked.count("commit") > 3, "a single leap must not have been enough"

    with_chain(tmp_path / "node", play)


def test_a_wrong_trusted_hash_is_refused(tmp_path):
    def play(url: str, *_: Any) -> None:
        with light_client(tmp_path, url, url, header_hash(2)) as client:
            assert "result" not in client.commit(HEIGHTS)
            assert re.search("expected header's hash", client.log.read_text())

    with_chain(tmp_path / "node", play)


def lie_about(change: Callable[[SignedHeader], SignedHeader]) -> Callable[[str, Any], Any]:
    def lie(method: str, result: Any) -> Any:
        if method == "commit" and result["signed_header"]["header"]["height"] == str(HEIGHTS):
            signed = from_json(SignedHeader, result["signed_header"])
            result["signed_header"] = to_json(change(signed))
        return result

    return lie


def other_app_hash(signed: SignedHeader) -> SignedHeader:
    """The header alone is changed: its hash is no longer the one that was signed."""
    return replace(signed, header=replace(signed.header, app_hash=b"\x01" * 32))


def renamed(signed: SignedHeader) -> SignedHeader:
    """The commit names the changed header: the signatures are of another block."""
    forged = other_app_hash(signed)
    block_id = replace(signed.commit.block_id, hash=hash_header(forged.header))
    return replace(forged, commit=replace(signed.commit, block_id=block_id))


def thinned(signed: SignedHeader) -> SignedHeader:
    """Half of the signatures are gone."""
    lines = signed.commit.signatures
    absent = type(lines[0])()
    kept = tuple(absent if i % 2 else line for i, line in enumerate(lines))
    return replace(signed, commit=replace(signed.commit, signatures=kept))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (other_app_hash, "commit signs block"),
        (renamed, "wrong signature"),
        (thinned, "insufficient voting power"),
    ],
)
def test_a_changed_header_is_refused_for_its_reason(tmp_path, change, reason):
    def play(_url: str, proxy: str, asked: list[str]) -> None:
        with light_client(tmp_path, proxy, proxy, header_hash(1)) as client:
            before = client.commit(HEIGHTS - 1)
            assert "result" in before, before
            answer = client.commit(HEIGHTS)
            assert "result" not in answer, answer
            assert reason in answer["error"]["data"]
            assert "commit" in asked

    with_chain(tmp_path / "node", play, lie_about(change))
