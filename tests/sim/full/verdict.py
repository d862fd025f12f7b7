"""What is checked when a run is over: stored blocks against fresh executions, answers, and bounds.

S1  every correct node's blocks are the same, named by their own bytes, each proved by more than two thirds
S2  genesis and blocks, executed again by a fresh application, give every app hash and every outcome
E1  two conflicting votes that reached a correct node are proved in a block within two heights
S5, S6  what clients were told, against the chain
L2  nothing that a node holds in memory is beyond its bound
"""

from collections.abc import Callable
from typing import Any

import nacl.exceptions
import nacl.signing

from chain import limits
from chain.codec.hashing import hash_header, hash_results, make_block_id
from chain.codec.signbytes import vote_sign_bytes
from chain.execution.genesis import make_init_chain_request
from chain.execution.updating import finalize_request, misbehavior_of
from chain.node.home import Genesis
from chain.types.block import Block, Commit, Vote
from chain.types.evidence import DuplicateVoteEvidence
from chain.types.primitives import BlockIDFlag, SignedMsgType
from chain.types.validator import ValidatorSet
from tests.sim.full.machine import Machine
from tests.sim.full.watch import Watcher
from tests.sim.full.workload import Answer, Clients

Violate = Callable[[str, str], None]
EVIDENCE_HEIGHTS = 2
"""Blocks after the offence's within which its evidence is committed, once the network is good."""


class Verdict:
    """All final checks of one run; `chain` is the longest correct one."""

    def __init__(self, genesis: Genesis, machines: list[Machine], watcher: Watcher) -> None:
        self.genesis, self.machines, self.watcher = genesis, machines, watcher
        self.correct = [m for m in machines if m.index not in watcher.liars]
        best = max(self.correct, key=lambda m: self._store(m).height())
        self.best = best
        self.tip = self._store(best).height()
        self.blocks: list[Block] = []
        for height in range(1, self.tip + 1):
            stored = self._store(best).load(height)
            if stored is None:
                watcher.violate("S1", f"n{best.index} has no block {height}")
                return
            self.blocks.append(stored.block)

    def _store(self, machine: Machine) -> Any:
        assert machine.node is not None
        return machine.node.stores.blocks

    # ── S1 ───────────────────────────────────────────────────────────────────────────────────────────

    def check_agreement(self) -> None:
        """Bytes by height over all nodes, names, links, and the power behind each block."""
        for machine in self.correct:
            for block in self.blocks[: self._store(machine).height()]:
                height = block.header.height
                stored = self._store(machine).load(height)
                if stored is None or stored.block != block:
                    self.watcher.violate("S1", f"n{machine.index} has another block {height}")
        for before, after in zip(self.blocks, self.blocks[1:], strict=False):
            name = make_block_id(before)[0]
            if after.header.last_block_id != name or name.hash != hash_header(before.header):
                self.watcher.violate("S1", f"block {after.header.height} follows another one")
            if after.last_commit is None or not self._is_decided(after.last_commit, before):
                self.watcher.violate("S1", f"block {before.header.height} has no two thirds")
            if after.header.time <= before.header.time:
                self.watcher.violate("S1", f"time stands still at {after.header.height}")

    def _is_decided(self, commit: Commit, block: Block) -> bool:
        """More than 2/3 of the power, each signature checked by libsodium itself."""
        validators = self._validators(block.header.height)
        if commit.block_id != make_block_id(block)[0] or validators is None:
            return False
        power = 0
        for index, line in enumerate(commit.signatures):
            if line.block_id_flag is not BlockIDFlag.COMMIT:
                continue
            validator = validators.validators[index]
            vote = Vote(
                SignedMsgType.PRECOMMIT,
                commit.height,
                commit.round,
                commit.block_id,
                line.timestamp,
                line.validator_address,
                index,
            )
            message = vote_sign_bytes(self.genesis.doc.chain_id, vote)
            try:
                nacl.signing.VerifyKey(validator.pub_key).verify(message, line.signature)
            except nacl.exceptions.BadSignatureError:
                return False
            power += validator.voting_power
        return 3 * power > 2 * sum(v.voting_power for v in validators.validators)

    def _validators(self, height: int) -> ValidatorSet | None:
        assert self.best.node is not None
        return self.best.node.stores.states.load_validators(height)

    # ── S2 ───────────────────────────────────────────────────────────────────────────────────────────

    def check_replay(self, app: Any) -> list[list[int]]:
        """A fresh application; returns the outcome codes of every block."""
        request = make_init_chain_request(self.genesis.doc, self.genesis.app_state_bytes)
        app_hash = app.init_chain(request).app_hash
        results_hash = b""
        codes: list[list[int]] = []
        for block in self.blocks:
            height = block.header.height
            if height > 1 and block.header.app_hash != app_hash:
                self.watcher.violate(
                    "S2", f"app hash before block {height} is not what replay gives"
                )
            if height > 1 and block.header.last_results_hash != results_hash:
                self.watcher.violate("S2", f"results before block {height} differ in replay")
            last = self._validators(height - 1) if height > 1 else None
            told = misbehavior_of(block.evidence.evidence)
            name = make_block_id(block)[0].hash
            response = app.finalize_block(
                finalize_request(block, name, last or ValidatorSet(()), told)
            )
            app.commit()
            app_hash, results_hash = response.app_hash, hash_results(response.tx_results)
            codes.append([result.code for result in response.tx_results])
        return codes

    def check_model(self, model: Any, codes: list[list[int]]) -> None:
        """The rules written a second time."""
        for block, got in zip(self.blocks, codes, strict=True):
            if block.header.height > 1 and block.header.app_hash != model.app_hash:
                self.watcher.violate("S2", f"app hash in {block.header.height} is not the model's")
            if model.run(block.data.txs) != got:
                self.watcher.violate("S2", f"outcomes of {block.header.height} are not the model's")

    # ── S5, S6 ───────────────────────────────────────────────────────────────────────────────────────

    def check_answers(self, clients: Clients, codes: list[list[int]]) -> None:
        places: dict[bytes, list[tuple[int, int]]] = {}
        for block, outcomes in zip(self.blocks, codes, strict=True):
            for tx, code in zip(block.data.txs, outcomes, strict=True):
                places.setdefault(tx, []).append((block.header.height, code))
        clients.effects = {tx: min(code for _, code in found) for tx, found in places.items()}
        for sent in clients.sent.values():
            found = places.get(sent.tx, [])
            if sum(1 for _, code in found if code == 0) > 1:
                self.watcher.violate("S6", f"{sent.tx[:40]!r} took effect twice: {found}")
            if sent.must_fail and any(code == 0 for _, code in found):
                self.watcher.violate("S5", f"malformed {sent.tx[:40]!r} took effect")
            for kind, height, code in sent.answers:
                if kind is Answer.COMMITTED and (height, code) not in found:
                    self.watcher.violate("S5", f"answered {(height, code)}, the chain has {found}")
                if kind is Answer.REFUSED and any(done == 0 for _, done in found):
                    self.watcher.violate("S5", f"refused {sent.tx[:40]!r} is in the chain: {found}")

    # ── E1 ───────────────────────────────────────────────────────────────────────────────────────────

    def check_evidence(self) -> None:
        """Two votes of one validator that a correct node saw are in a block within two heights."""
        proved: dict[tuple[int, str], int] = {}
        for block in self.blocks:
            for item in block.evidence.evidence:
                if isinstance(item, DuplicateVoteEvidence):
                    place = item.vote_a.height, item.vote_a.validator_address.hex()
                    proved.setdefault(place, block.header.height)
        for height, validator in sorted(self.watcher.conflicts.items()):
            if height + EVIDENCE_HEIGHTS > self.tip:
                continue
            at = proved.get((height, validator))
            if at is None or at > height + EVIDENCE_HEIGHTS:
                self.watcher.violate("E1", f"two votes of {validator} at {height} proved at {at}")
            else:
                self.watcher.marks[f"evidence after {at - height} heights"] += 1

    # ── L2 ───────────────────────────────────────────────────────────────────────────────────────────

    def check_bounds(self) -> None:
        for machine in self.machines:
            node: Any = machine.node
            if node is None or node.host is None or machine.index in self.watcher.liars:
                continue
            host, n = node.host, len(self.machines)
            core = host.core
            rounds = 0 if core is None else len(core.votes.rounds)
            bounds = {
                "pool": (node.pool.count(), limits.MEMPOOL_MAX_TXS),
                "pool bytes": (node.pool.size_bytes(), limits.MEMPOOL_MAX_BYTES),
                "early messages": (len(host._early), limits.FUTURE_MESSAGES_MAX),
                "outbox": (len(host._work.outbox), 0),
                "inputs": (len(host._inputs), 0),
                "timers of a height": (len(host._work.timers), 3 * (1 + max(0, _round(core)))),
                "parts wanted": (len(host._work.parts._wanted), limits.PART_SETS_MAX),
                "early parts": (len(host._work.parts._early), limits.EARLY_PARTS_MAX),
                "rounds of votes": (
                    rounds,
                    limits.CONSENSUS_ROUNDS_BEHIND_MAX
                    + limits.CONSENSUS_ROUNDS_AHEAD_MAX
                    + n * limits.CONSENSUS_FAR_ROUNDS_PER_VALIDATOR_MAX
                    + 1,
                ),
                "postponed": (
                    0 if core is None else len(core.postponed),
                    n * limits.CONSENSUS_POSTPONED_VOTES_PER_VALIDATOR_MAX
                    + limits.CONSENSUS_POSTPONED_PROPOSALS_MAX
                    + n * limits.CONSENSUS_CLAIMS_PER_TALLY_MAX,
                ),
                "evidence": (len(node.evidence._pending), limits.EVIDENCE_PENDING_MAX),
                "conflicts": (len(node.evidence._conflicts), 2 * n * 64),
                "relayed txs": (len(node.tx_relay._heard), limits.GOSSIP_TX_RELAYS_MAX),
                "tx inbox": (len(node.tx_relay._inbox), limits.GOSSIP_TX_INBOX_MAX),
                "sync buffer": (node.sync._pool._held_bytes, limits.SYNC_BUFFER_BYTES),
                "views of peers": (len(node._gossip._views), n),
                "clients waiting": (len(node.events._waiting), 1_000),
            }
            for name, (value, bound) in bounds.items():
                if value > bound:
                    self.watcher.violate("L2", f"n{machine.index} {name}: {value} > {bound}")


def _round(core: Any) -> int:
    return 0 if core is None else core.round
