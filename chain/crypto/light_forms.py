"""The form of headers and light blocks: what can be said of them without any state (`ValidateBasic`).

Each function answers with what is wrong, "" when nothing is. Used by the light client's steps and by the judges of
light-client-attack evidence. Source: CometBFT 0.38 `types/block.go`, `types/light.go`.
"""

from chain.codec.hashing import hash_header, hash_validators
from chain.crypto.commits import CommitRefusal, commit_form, signers_belong, validator_set_form
from chain.types.block import BLOCK_PROTOCOL, Header, SignedHeader
from chain.types.evidence import LightBlock
from chain.types.params import MAX_CHAIN_ID_CHARS


def header_form(header: Header) -> str:
    """What is wrong with a header taken alone, "" when nothing is (`Header.ValidateBasic`)."""
    if header.version.block != BLOCK_PROTOCOL:
        return f"block protocol {header.version.block}"
    if not header.chain_id or len(header.chain_id) > MAX_CHAIN_ID_CHARS or header.height < 1:
        return "chain id or height"
    last = header.last_block_id
    if not last.is_nil() and not last.is_complete():
        return "last block id"
    if len(header.proposer_address) != 20 or not header.validators_hash:
        return "proposer address or validators hash"
    hashes = (
        header.last_commit_hash,
        header.data_hash,
        header.validators_hash,
        header.next_validators_hash,
        header.consensus_hash,
        header.last_results_hash,
        header.evidence_hash,
    )
    return "a hash of another length" if any(len(h) not in (0, 32) for h in hashes) else ""


def signed_header_form(signed: SignedHeader, chain_id: str) -> str:
    """What is wrong with a header and its commit taken together (`SignedHeader.ValidateBasic`)."""
    header, commit = signed.header, signed.commit
    flaw = header_form(header) or _text(commit_form(commit))
    if flaw:
        return flaw
    if header.chain_id != chain_id:
        return "header of another chain"
    if commit.height != header.height:
        return "commit of another height"
    if commit.block_id.hash != hash_header(header):
        return "commit for another header"
    return ""


def light_block_form(block: LightBlock, chain_id: str) -> str:
    """As above, and the set supplied is the one the header names, and holds every signer."""
    signed, validators = block.signed_header, block.validator_set
    flaw = signed_header_form(signed, chain_id) or _text(validator_set_form(validators))
    if flaw:
        return flaw
    if signed.header.validators_hash != hash_validators(validators.validators):
        return "validators are not those the header names"
    return _text(signers_belong(validators, signed.commit))


def _text(refusal: CommitRefusal | None) -> str:
    return "" if refusal is None else str(refusal)
