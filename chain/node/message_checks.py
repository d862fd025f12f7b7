"""Whether a vote or a proposal that a peer brought was signed by who may sign it, at what a liar may cost us."""

from collections.abc import Callable

from chain.codec.signbytes import proposal_sign_bytes, vote_sign_bytes
from chain.consensus import CoreState, proposer_of
from chain.crypto.ed25519 import is_accepted_quickly, verify_zip215
from chain.limits import (
    NEXT_PROPOSAL_ROUNDS_MAX,
    SLOW_VERIFICATIONS_BURST,
    SLOW_VERIFICATIONS_PER_S,
)
from chain.node.budget import Budget
from chain.node.executor import next_height
from chain.node.latevotes import LateVotes
from chain.types.block import PART_SIZE_BYTES, Proposal, Vote
from chain.types.primitives import Height
from chain.types.state import ChainState
from chain.types.validator import Validator, ValidatorSet, increment_proposer_priority


class MessageChecks:
    """The checks of one host, with the budget of each peer for slow ones."""

    def __init__(self, late_votes: LateVotes, on_bad: Callable[[str], None]) -> None:
        """`on_bad` is called with the peer that brought a vote whose signature is wrong."""
        self._late_votes = late_votes
        self._on_bad = on_bad
        self._slow_checks = Budget(burst=SLOW_VERIFICATIONS_BURST, per_s=SLOW_VERIFICATIONS_PER_S)

    def is_proposal_good(
        self, state: ChainState, core: CoreState | None, proposal: Proposal
    ) -> bool:
        """Whether the proposer of its round signed it; `core` is that of the height in progress, if any."""
        validators = self._validators_of(state, proposal.height)
        if validators is None or proposal.round < 0 or proposal.height < next_height(state):
            return False
        limit = state.consensus_params.block.max_bytes
        if not 0 < proposal.block_id.part_set_header.total <= -(-limit // PART_SIZE_BYTES):
            return False
        proposer = _proposer_of(core, proposal, validators)
        if proposer is None:
            return False
        message = proposal_sign_bytes(state.chain_id, proposal)
        return verify_zip215(proposer.pub_key, message, proposal.signature)

    def is_vote_good(self, state: ChainState, vote: Vote, peer: str, now_s: float | None) -> bool:
        """Whether the validator it names signed it; `now_s` is None while the log is read back: no budget then."""
        validators = self._validators_of(state, vote.height)
        if validators is None or not 0 <= vote.validator_index < len(validators.validators):
            return False
        validator = validators.validators[vote.validator_index]
        if validator.address != vote.validator_address:
            return False
        if vote.extension or vote.extension_signature:
            return False  # not covered by the signature checked here, and not used by any town
        message = vote_sign_bytes(state.chain_id, vote)
        if is_accepted_quickly(validator.pub_key, message, vote.signature):
            return True
        if now_s is not None and not self._slow_checks.spend(peer, now_s):
            return False  # a correct peer sends it again; a liar cannot keep us busy
        if verify_zip215(validator.pub_key, message, vote.signature):
            return True
        self._on_bad(peer)
        return False

    def _validators_of(self, state: ChainState, height: Height) -> ValidatorSet | None:
        """Sets known without the store: of the last block, of the next and of the one after."""
        ahead = height - next_height(state)
        sets = {-1: state.last_validators, 0: state.validators, 1: state.next_validators}
        return sets.get(ahead) or self._late_votes.validators_of(height)


def _proposer_of(
    core: CoreState | None, proposal: Proposal, validators: ValidatorSet
) -> Validator | None:
    if core is not None and proposal.height == core.height:
        address = proposer_of(core, proposal.round)
        index = None if address is None else validators.index_of(address)
        return None if index is None else validators.validators[index]
    if proposal.round > 0:  # of the next height: rounds are turned when it starts
        if proposal.round > NEXT_PROPOSAL_ROUNDS_MAX:
            return None
        validators = increment_proposer_priority(validators, proposal.round)
    return validators.get_proposer()
