"""Homes for several validators that know each other: keys, one genesis, certificates, addresses.

All keys are made in one place, which only a test town or the first rehearsal of a real one may do.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chain.codec.canonical import b64url_encode
from chain.crypto.ed25519 import derive_public
from chain.crypto.node_certificate import node_id_of, sign_certificate
from chain.node.config import NodeConfig, P2PConfig
from chain.node.home import Home, add_peer_certificate, init_home
from chain.p2p.certificates import make_certificate
from chain.p2p.switch import PeerAddress
from chain.types.params import ConsensusParams, GenesisValidator
from chain.types.timestamp import Timestamp


@dataclass(frozen=True, slots=True)
class Member:
    """One validator to be: where its home goes, its key, where it listens, its settings."""

    root: Path
    validator_seed: bytes
    p2p_port: int
    config: NodeConfig
    p2p_host: str = "127.0.0.1"
    power: int = 10
    node_seed: bytes = field(default_factory=lambda: os.urandom(32))


def registry_entry(body: str, node_seed: bytes, address: str) -> dict[str, str]:
    """What a town's registry holds of a node: in `nodes` of its genesis, or in an act `node.set`."""
    public = derive_public(node_seed)
    return {
        "body": body,
        "node_key": b64url_encode(public),
        "proof": b64url_encode(sign_certificate(node_seed, public)),
        "address": address,
    }


def init_testnet(
    members: Sequence[Member],
    *,
    chain_id: str,
    app_state: Any,
    genesis_time: Timestamp,
    consensus_params: ConsensusParams | None = None,
    has_registry: bool = False,
) -> tuple[Home, ...]:
    """Make all homes with the same genesis, each trusting and dialling all the others; raises ConfigError.

    `has_registry`: the application's first state names the nodes, so that the settings name nobody.
    """
    node_seeds = [member.node_seed for member in members]
    ids = [node_id_of(derive_public(seed)) for seed in node_seeds]
    addresses = [
        PeerAddress(node_id, member.p2p_host, member.p2p_port)
        for node_id, member in zip(ids, members, strict=True)
    ]
    validators = [
        GenesisValidator(derive_public(member.validator_seed), member.power) for member in members
    ]
    homes = []
    for index, member in enumerate(members):
        others = tuple(a for i, a in enumerate(addresses) if i != index and not has_registry)
        p2p = P2PConfig(member.p2p_host, member.p2p_port, others)
        home = init_home(
            member.root,
            chain_id=chain_id,
            app_state=app_state,
            genesis_time=genesis_time,
            consensus_params=consensus_params,
            validators=validators,
            config=replace(member.config, p2p=p2p),
            validator_seed=member.validator_seed,
            node_seed=node_seeds[index],
        )
        for other, seed in enumerate(node_seeds):
            if other != index and not has_registry:
                add_peer_certificate(home, make_certificate(seed))
        homes.append(home)
    return tuple(homes)
