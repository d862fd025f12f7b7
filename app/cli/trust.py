"""What commands that follow a chain have in common: which nodes are asked, and where trust begins.

Reads: the files named on the command line.  Writes: the store of the newest trusted block.
"""

import functools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from app.core.chain_client import ChainClient
from app.core.clock import OffsetClock, is_insecure_genesis
from app.core.config import ConfigError
from app.core.light_source import RpcLightSource
from app.core.trusted_chain import TrustedChain
from chain.codec.cmtjson import from_json, to_json
from chain.codec.errors import DecodeError
from chain.light.client import GenesisRoot, HashRoot, LightClient, TrustRoot
from chain.types.evidence import LightBlock
from chain.types.params import GenesisDoc
from chain.types.timestamp import Timestamp

CLOCK_VARIABLE: Final = "BEFFROI_CLOCK_OFFSET_FILE"


class UnknownElection(Exception):
    """The chain proves that it has no such election."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no election {name}")


def open_sources(urls: tuple[str, ...]) -> dict[str, RpcLightSource]:
    """A source of light blocks per node; raises click.UsageError on what is no address."""
    try:
        return {url: RpcLightSource(url) for url in urls}
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def find_root(
    store: Path | None, height: int | None, hash_text: str | None, genesis: Path | None
) -> TrustRoot:
    """An earlier run's block first: it is the newest thing trusted."""
    try:
        if store is not None and store.exists():
            return from_json(LightBlock, json.loads(store.read_text()))
        if height is not None and hash_text is not None:
            digest = bytes.fromhex(hash_text)
            if len(digest) != 32:
                raise ValueError("--trust-hash has 64 hexadecimal digits")
            return HashRoot(height, digest)
        if genesis is not None:
            return GenesisRoot(from_json(GenesisDoc, json.loads(genesis.read_text())))
    except (OSError, ValueError, DecodeError, RecursionError) as error:
        raise click.UsageError(f"nothing to trust: {error}") from error
    raise click.UsageError(
        "give --trust-height and --trust-hash, --genesis, or a --store that exists"
    )


def find_chain_id(root: TrustRoot, source: RpcLightSource) -> str:
    """The chain's name; with a hash it is in the header that the hash names, which `begin` checks."""
    if isinstance(root, LightBlock):
        return root.signed_header.header.chain_id
    if isinstance(root, GenesisRoot):
        return root.doc.chain_id
    answer = source.fetch(root.height)
    return answer.signed_header.header.chain_id if isinstance(answer, LightBlock) else ""


def keep_trusted(client: LightClient, store: Path) -> None:
    """Write the newest trusted block, where the next run begins; raises OSError."""
    newest = client.trusted[max(client.trusted)]
    aside = store.with_name(f"{store.name}.new")
    aside.write_text(json.dumps(to_json(newest)))
    aside.replace(store)


# --- programs that read the chain ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChainOptions:
    """Which chain a command follows, as said on its command line."""

    nodes: tuple[str, ...]
    store: Path | None
    trust_height: int | None
    trust_hash: str | None
    genesis: Path | None


_OPTIONS = (
    click.option(
        "--node", "nodes", multiple=True, required=True, help="A node's RPC address; give several."
    ),
    click.option("--trust-height", type=click.IntRange(min=1)),
    click.option("--trust-hash", help="Header hash of that height, 64 hexadecimal digits."),
    click.option("--genesis", type=click.Path(path_type=Path), help="Begin with its validators."),
    click.option(
        "--store", type=click.Path(path_type=Path), help="Keeps the newest trusted block."
    ),
)


def chain_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options above to a command; it is called with `chain: ChainOptions`."""

    @functools.wraps(command)
    def with_options(
        *args: Any,
        nodes: tuple[str, ...],
        store: Path | None,
        trust_height: int | None,
        trust_hash: str | None,
        genesis: Path | None,
        **kwargs: Any,
    ) -> Any:
        chain = ChainOptions(nodes, store, trust_height, trust_hash, genesis)
        return command(*args, chain=chain, **kwargs)

    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    return with_options


def _moved_clock(options: ChainOptions) -> dict[str, Callable[[], Timestamp]]:
    """The clock of a town whose time is moved, if the environment names one; raises click.UsageError.

    As for every other process of a town (`app.core.clock`): only where the genesis given says that it is insecure.
    """
    file = os.environ.get(CLOCK_VARIABLE)
    if not file:
        return {}
    try:
        is_trial = options.genesis is not None and is_insecure_genesis(options.genesis)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    if not is_trial:
        raise click.UsageError(
            f"{CLOCK_VARIABLE} is refused: --genesis does not name an insecure town"
        )
    clock = OffsetClock(Path(file))
    return {"clock": lambda: Timestamp(clock.now_s())}


@contextmanager
def open_chain(options: ChainOptions) -> Iterator[TrustedChain]:
    """The chain, trust begun and caught up; raises NotProved, click.UsageError. Keeps the newest block trusted."""
    sources = open_sources(options.nodes)
    rpc = ChainClient(options.nodes)
    try:
        root = find_root(options.store, options.trust_height, options.trust_hash, options.genesis)
        primary, *witnesses = options.nodes
        client = LightClient(find_chain_id(root, sources[primary]), primary, tuple(witnesses))
        chain = TrustedChain(client, sources, rpc, **_moved_clock(options))
        chain.begin(root)
        chain.catch_up()
        yield chain
        if options.store is not None:
            keep_trusted(client, options.store)
    finally:
        rpc.close()
        for source in sources.values():
            source.close()
