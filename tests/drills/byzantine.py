"""Byzantine programs in place of one real node: the correct ones agree and go on, what can be proved is punished."""

import signal
import sys
import time

from chain.codec.canonical import b64url_encode
from chain.crypto.ed25519 import derive_public
from chain.node.home import load_node_id, load_signing_seed
from tests.drills.evidence import Found, find_evidence, height_when_seen
from tests.drills.keys import signer_of
from tests.drills.report import Drill, drill
from tests.drills.town import Load, Town, TownNode, query, wait_for
from tests.sync.test_state_sync_processes import EVERY
from tests.sync.test_state_sync_processes import Town as SnapshotTown

PROGRAM = "tests.drills.liars"
SECONDS, QUICK_SECONDS = 20.0, 5.0


def start_with_liar(run: Drill, lie: str, size: int = 4) -> tuple[Town, int, list[int]]:
    """A town whose last validator runs a lying program; the town, the liar, the correct ones."""
    town = Town(run.folder / f"town-{lie}", size)
    run.closers.append(town.stop)
    liar, correct = size - 1, list(range(size - 1))
    node = town.nodes[liar]
    assert isinstance(node, TownNode)
    node.run_program(PROGRAM, "--lie", lie)
    for each in town.nodes:
        each.start()
    town.wait_height(1, correct, 90)
    run.did(f"{size} validators, the last one a program that lies: {lie}")
    return town, liar, correct


def live_with_it(run: Drill, town: Town, correct: list[int]) -> Load:
    """5 tx/s to the correct ones for a while; they agree, decide, and lose nothing."""
    seconds = QUICK_SECONDS if run.is_quick else SECONDS
    before = town.nodes[0].height()
    with Load(town, nodes=correct) as load:
        time.sleep(seconds)
    made = town.wait_level(correct) - before
    run.measure_times("finality", load.latencies_s, None)
    run.check("the correct ones go on", made >= seconds / 4, f"{made} heights in {seconds:g} s")
    run.check("no transaction was refused", not load.refused, load.refused[:1] or "")
    town.check_kept(run, load, correct)
    accused = [load_name(town, i) for i in correct if is_accused(town, i)]
    run.check("no correct validator is accused", not accused, accused or "")
    return load


def load_name(town: Town, index: int) -> str:
    """A node's folder name."""
    return town.nodes[index].root.name


def is_accused(town: Town, index: int) -> bool:
    """Whether the chain holds evidence against a validator."""
    return (
        find_evidence(town.nodes[0], voter=signer_of(town.homes[index]).hex().upper()) is not None
    )


def status_of(town: Town, index: int) -> str:
    """What the town's state says of a validator."""
    key = b64url_encode(derive_public(load_signing_seed(town.homes[index])))
    record = query(town.nodes[0], "/record/city", b"validator/" + key.encode())
    return str(record["status"])


def check_punished(run: Drill, town: Town, liar: int, correct: list[int]) -> Found | None:
    """Evidence within two heights of the offence; what the town made of it."""
    own = signer_of(town.homes[liar]).hex().upper()
    wait_for(lambda: find_evidence(town.nodes[0], voter=own), 45, "evidence in a block")
    found = find_evidence(town.nodes[0], voter=own)
    assert found is not None
    seen = height_when_seen([town.nodes[i] for i in correct], own)
    run.check(
        "evidence committed within 2 heights of both votes reaching one correct node",
        found.committed - seen <= 2,
        f"seen after height {seen}, in block {found.committed}",
    )
    town.nodes[0].send(town.tx())
    town.wait_height(found.committed + 2, correct)
    members = town.nodes[0].call("validators", height=str(found.committed + 2))["validators"]
    is_member = own in {v["address"] for v in members}
    if len(town.nodes) > 4:
        run.check("its power is gone two heights later", not is_member)
        run.check("its key is dead for ever", status_of(town, liar) == "tombstoned")
    else:
        run.check("with four validators it stays, marked for the council", is_member)
        run.check("marked", status_of(town, liar) == "marked", status_of(town, liar))
    return found


@drill
def equivocator_of_four(run: Drill) -> None:
    """f = 1 of 4 sends conflicting votes to disjoint peers: evidence, marked, never a fork."""
    town, liar, correct = start_with_liar(run, "equivocator", 4)
    live_with_it(run, town, correct)
    check_punished(run, town, liar, correct)


@drill
def equivocator_of_five(run: Drill) -> None:
    """One of five does the same: evidence within two heights, power gone two heights later."""
    town, liar, correct = start_with_liar(run, "equivocator", 5)
    live_with_it(run, town, correct)
    check_punished(run, town, liar, correct)


@drill
def selective_sender(run: Drill) -> None:
    """A validator that lets only one peer hear it."""
    town, _, correct = start_with_liar(run, "selective-sender")
    live_with_it(run, town, correct)


@drill
def two_proposals(run: Drill) -> None:
    """A proposer that signs two blocks for one place."""
    town, _, correct = start_with_liar(run, "two-proposals")
    live_with_it(run, town, correct)


@drill
def invalid_proposer(run: Drill) -> None:
    """A proposer whose headers are wrong, then one whose transactions are: refused, the next round decides."""
    for lie in ("invalid-proposer", "poison-proposer"):
        town, liar, correct = start_with_liar(run, lie)
        live_with_it(run, town, correct)
        refused = "block refused" in town.nodes[0].log_text()
        run.check("its blocks were met and refused", refused)
        address = signer_of(town.homes[liar]).hex().upper()
        proposers = {
            town.nodes[0].call("header", height=str(h))["header"]["proposer_address"]
            for h in range(1, town.nodes[0].height() + 1)
        }
        run.check("none of its blocks is in the chain", address not in proposers)
        town.stop()


@drill
def edge_signatures(run: Drill) -> None:
    """A validator whose every signature only ZIP-215 accepts, and a flood of such votes: no split of opinion."""
    town, liar, correct = start_with_liar(run, "edge-signatures")
    live_with_it(run, town, correct)
    own = signer_of(town.homes[liar]).hex().upper()
    counted = [
        height
        for height in range(1, town.nodes[0].height() + 1)
        if own
        in {
            line["validator_address"]
            for line in town.nodes[0].call("commit", height=str(height))["signed_header"]["commit"][
                "signatures"
            ]
        }
    ]
    run.check("its edge-case signatures are in commits", counted, f"{len(counted)} heights")


@drill
def sync_liar(run: Drill) -> None:
    """A validator comes back and syncs blocks from one liar and two honest ones: the liar is dropped."""
    town, liar, correct = start_with_liar(run, "sync-liar")
    town.nodes[0].end(signal.SIGKILL)
    before = town.nodes[1].height()
    with Load(town, nodes=[1, 2]) as load:
        wait_for(
            lambda: town.nodes[1].height() >= before + (4 if run.is_quick else 20), 120, "blocks"
        )
    took_s = town.rejoin_s(0)
    run.measure("rejoin_beside_the_liar_s", round(took_s, 2))
    town.nodes[0].commit(town.tx())
    town.check_kept(run, load, correct)
    # A node one block behind at the start may get all it needs from honest peers; then nobody lied to it.
    liar_id = load_node_id(town.homes[liar])
    dropped = f'"peer dropped" peer={liar_id}' in town.nodes[0].log_text()
    run.measure("liar_met_and_dropped", dropped)
    honest = {load_node_id(town.homes[i]) for i in correct}
    blamed = [i for i in honest if f'"peer dropped" peer={i}' in town.nodes[0].log_text()]
    run.check("no honest peer was dropped", not blamed, blamed or "")


@drill
def state_sync_liar(run: Drill) -> None:
    """A node joins by snapshot from four validators, one of which spoils chunks; it ends with the town's state."""
    town = SnapshotTown(run.folder / "town")
    run.closers.append(town.stop)
    liar = town.nodes[0]
    liar._command = [
        sys.executable,
        "-m",
        PROGRAM,
        "--home",
        str(liar.root),
        "--lie",
        "snapshot-liar",
    ]
    for node in town.nodes[:4]:
        node.start()
    town.wait_height(2 * EVERY + 3, [0, 1, 2, 3], seconds=180)
    run.did(
        "four validators that make snapshots, the first serves each chunk with one byte changed"
    )
    joining = town.nodes[4]
    town.set_statesync(
        4, is_enabled=True, trust_height=2, trust_hash=town.header_hash(2), discovery_s=2.0
    )
    started_s = time.monotonic()
    joining.start()
    town.wait_height(2 * EVERY + 3, [4], seconds=180)
    run.measure("joined_s", round(time.monotonic() - started_s, 1))
    log = joining.log.read_text()
    run.check("it joined by snapshot", "joined by snapshot" in log)
    base = int(joining.call("status")["sync_info"]["earliest_block_height"])
    tip = min(joining.height(), town.nodes[1].height())
    same = all(joining.block_id(h) == town.nodes[1].block_id(h) for h in range(base, tip + 1))
    run.check("its blocks are the town's, so its state is", same, f"heights {base} to {tip}")
    honest = {load_node_id(town.homes[i]) for i in (1, 2, 3)}
    blamed = [i for i in honest if f'"peer dropped" peer={i}' in log]
    run.check("no honest peer was dropped", not blamed, blamed or "")
    run.measure("liar_named_in_the_log", load_node_id(town.homes[0]) in log.split("joined by")[0])
