"""A validator key on two machines, an old copy of a home restored, the signer's state file deleted."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from shutil import copytree, rmtree

from chain.crypto.ed25519 import derive_public
from chain.crypto.keys import address
from chain.node.config import load_config, render_config
from chain.node.home import (
    Home,
    add_peer_certificate,
    encode_node_key,
    load_node_seed,
    load_signing_seed,
)
from chain.node.signer import STATE_FILE, LastSigned, SignStep, decode_state
from chain.p2p.certificates import make_certificate
from chain.types.block import Vote
from chain.types.primitives import SignedMsgType
from tests.drills.crash import check_nobody_equivocated
from tests.drills.evidence import find_evidence, logged_votes
from tests.drills.report import Drill, drill
from tests.drills.town import Load, Town, TownNode
from tests.node.four import free_ports


def signer_of(home: Home) -> bytes:
    """Address of a home's validator."""
    return address(derive_public(load_signing_seed(home)))


def votes_seen(home: Home, voter: bytes) -> list[Vote]:
    """Votes of a validator in another node's log: what it put on the wire, as that node took it."""
    return [vote for vote in logged_votes(home) if vote.validator_address == voter]


def position_of(vote: Vote) -> tuple[int, int, SignStep]:
    """Where a vote stands in the signer's order."""
    is_prevote = vote.type is SignedMsgType.PREVOTE
    return vote.height, vote.round, SignStep.PREVOTE if is_prevote else SignStep.PRECOMMIT


def last_signed(home: Home) -> LastSigned:
    """The durable position of a home's signer."""
    return decode_state((home.data / STATE_FILE).read_bytes())


def precommits_by(town: Town, index: int, witness: int, first: int) -> list[int]:
    """Heights from `first` on whose commit carries a signature of this validator."""
    own, found = signer_of(town.homes[index]).hex().upper(), []
    for height in range(first, town.nodes[witness].height() + 1):
        commit = town.nodes[witness].call("commit", height=str(height))["signed_header"]["commit"]
        if any(line["validator_address"] == own for line in commit["signatures"]):
            found.append(height)
    return found


@drill
def signer_lost(run: Drill) -> None:
    """The signer's state file is gone: the node says so, signs nothing for two heights, then signs again."""
    town = Town(run.folder / "town", 4)
    run.closers.append(town.stop)
    town.start()
    with Load(town, nodes=[0, 1, 2]) as load:
        time.sleep(1.5)
        town.nodes[3].end(signal.SIGKILL)
        (town.homes[3].data / STATE_FILE).unlink()
        run.did("validator killed, priv_validator_state.json deleted, validator started")
        before = town.nodes[0].height()
        town.nodes[3].start()
        town.wait(lambda: town.nodes[3].height() > before, 30)
        town.wait(lambda: precommits_by(town, 3, 0, before + 1), 45)
        signed = precommits_by(town, 3, 0, before + 1)
    run.check("it said that it signs nothing", "signer state missing" in town.nodes[3].log_text())
    run.check("not the height it found", before + 1 not in signed, f"signs from {signed[0]} on")
    run.measure("heights_muted", signed[0] - before - 1)
    town.check_kept(run, load)
    check_nobody_equivocated(run, town)


@drill
def old_snapshot(run: Drill) -> None:
    """A validator's whole home is restored from a copy of some heights ago, signer position included."""
    town = Town(run.folder / "town", 4)
    run.closers.append(town.stop)
    town.start()
    witnessed: list[int] = []
    with Load(town, nodes=[0, 1, 2]) as load:
        for _ in range(2 if run.is_quick else 8):
            town.nodes[3].end(signal.SIGTERM)
            kept = run.folder / "copy"
            rmtree(kept, ignore_errors=True)
            copytree(town.homes[3].root, kept)
            town.rejoin_s(3)
            time.sleep(1.2)
            town.nodes[3].end(signal.SIGKILL)
            seen = max(map(position_of, votes_seen(town.homes[0], signer_of(town.homes[3]))))
            rmtree(town.homes[3].root)
            copytree(kept, town.homes[3].root)
            witnessed.append(seen[0] - last_signed(town.homes[3]).height)
            town.rejoin_s(3)
            before = town.nodes[0].height()
            town.wait(lambda b=before: precommits_by(town, 3, 0, b + 1), 45)
    run.did(f"{len(witnessed)} times: copy of a home restored after its validator had signed on")
    run.measure("heights_signed_after_the_copy", witnessed)
    run.check("the copies were really older than what the town had seen", min(witnessed) > 0)
    town.check_kept(run, load)
    check_nobody_equivocated(run, town)


def add_twin(town: Town, index: int) -> TownNode:
    """A second machine with a copied validator key and a node key of its own, known to all the others."""
    rpc_port, p2p_port = free_ports(2)
    original, twin = town.homes[index], Home(town.root / "twin")
    copytree(original.root, twin.root)
    (twin.config / "node_tls.pem").unlink(missing_ok=True)
    (twin.config / "node_key.json").write_bytes(encode_node_key(os.urandom(32)))
    config = load_config(twin.config / "config.toml")
    p2p = replace(config.p2p, listen_port=p2p_port)
    own = replace(config, is_key_locked=False, rpc_port=rpc_port, p2p=p2p)
    (twin.config / "config.toml").write_text(render_config(own))
    pem = make_certificate(load_node_seed(twin))
    for i, home in enumerate(town.homes):
        if i != index:
            add_peer_certificate(home, pem)
    return TownNode(Path(twin.root), rpc_port, host="127.0.0.1")


@drill
def copied_key(run: Drill) -> None:
    """One validator key on two machines: the one that came later sees it and signs nothing, as long as both run."""
    town = Town(run.folder / "town", 4)
    twin = add_twin(town, 3)
    run.closers += [town.stop, lambda: twin.process is None or twin.end(signal.SIGKILL)]
    town.start()
    with Load(town, nodes=[0, 1, 2]) as load:
        time.sleep(1.0)
        twin.start()
        run.did("a validator's key copied to a second machine with its own node key; both run")
        town.wait(lambda: twin.height() >= town.nodes[0].height(), 30)
        before = twin.height()
        town.wait(lambda: twin.height() >= before + (6 if run.is_quick else 20), 60)
    silent = "our key signed elsewhere" in twin.log_text()
    run.check("the second machine saw its key at work and fell silent", silent)
    town.check_kept(run, load)
    check_nobody_equivocated(run, town)
    run.measure("evidence", find_evidence(town.nodes[0]) or "none")
    run.measure("heights_beside_each_other", twin.height() - before)
