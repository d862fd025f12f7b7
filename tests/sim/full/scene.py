"""What is played: a genesis, an application, what clients send, and what must hold of the last state."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chain.crypto.ed25519 import derive_public
from chain.node.home import Genesis, make_genesis
from chain.node.node import AppFactory
from chain.types.params import ConsensusParams, GenesisDoc, GenesisValidator
from chain.types.timestamp import Timestamp
from tests.sim.full.apps import KeyValueModel, OnceApp
from tests.sim.full.loop import VirtualLoop
from tests.sim.full.machine import GENESIS_NS, Machine, seed_of
from tests.sim.full.workload import Clients, KeyValueTraffic, Traffic
from tests.town.town_kit import MemoryStateStore


@dataclass(frozen=True)
class Scene:
    """One kind of town."""

    genesis: Genesis
    app_factory: AppFactory
    fresh_app: Callable[[], Any]
    """A new application on an empty store, without a clock of its own."""
    model: Callable[[], Any]
    """An independent model of the rules, or None."""
    traffic: Traffic
    pause_s: tuple[float, float]
    check_state: Callable[[Machine, Clients, Callable[[str, str], None]], None]


def genesis_of(validators: int, app_state: Any) -> Genesis:
    doc = GenesisDoc(
        genesis_time=Timestamp.from_ns(GENESIS_NS),
        chain_id="simulated-1",
        initial_height=1,
        consensus_params=ConsensusParams(),
        validators=tuple(
            GenesisValidator(derive_public(seed_of(i)), 10) for i in range(validators)
        ),
        app_hash=b"",
        app_state=app_state,
    )
    return make_genesis(doc)


def key_value_scene(validators: int, chance: random.Random, _loop: VirtualLoop) -> Scene:
    return Scene(
        genesis=genesis_of(validators, {}),
        app_factory=lambda store, clock: OnceApp(store, clock.now),
        fresh_app=lambda: OnceApp(MemoryStateStore()),
        model=KeyValueModel,
        traffic=KeyValueTraffic(chance),
        pause_s=(0.1, 0.6),
        check_state=lambda _machine, _clients, _violate: None,
    )
