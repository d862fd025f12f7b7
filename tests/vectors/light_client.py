"""Model-based light-client steps of tendermint-rs (`light_client/single_step`).

`python -m tests.vectors.light_client PATH…`. Clock drift 0, trust level 1/3; the initial block's
`next_validator_set` is trusted; after SUCCESS the new block is. Sets are re-sorted as CometBFT orders them,
because the generator did not.
"""

import base64
from pathlib import Path
from typing import Any

from chain.light.verifier import TrustedBlock, TrustOptions, verify_step
from chain.types.block import (
    BlockID,
    Commit,
    CommitSig,
    ConsensusVersion,
    Header,
    PartSetHeader,
    SignedHeader,
)
from chain.types.evidence import LightBlock
from chain.types.primitives import BlockIDFlag
from chain.types.timestamp import ZERO_TIME, Timestamp
from chain.types.validator import Validator, ValidatorSet
from tests.vectors.runner import load_json, main


def replay(path: Path) -> int | None:
    """Steps whose verdict was compared, None when the file holds no light-client steps."""
    content = load_json(path)
    if not isinstance(content, dict) or "trusting_period" not in content.get("initial", ()):
        return None
    initial = content["initial"]
    trusted = TrustedBlock(
        signed_header_of(initial["signed_header"]).header,
        validators_of(initial["next_validator_set"]),
    )
    options = TrustOptions(int(initial["trusting_period"]), clock_drift_ns=0)
    for number, step in enumerate(content["input"]):
        block = step["block"]
        signed = signed_header_of(block["signed_header"])
        untrusted = LightBlock(signed, validators_of(block["validator_set"]))
        following = validators_of(block["next_validator_set"])
        now = Timestamp.from_rfc3339(step["now"])
        judged = verify_step(untrusted, trusted, options, now, following)
        assert judged.verdict == step["verdict"], (
            f"step {number}: {judged.verdict} ({judged.reason}), expected {step['verdict']}"
        )
        if judged.is_success():
            trusted = TrustedBlock(signed.header, following)
    return len(content["input"])


def signed_header_of(data: dict[str, Any]) -> SignedHeader:
    """Header and commit as the RPC writes them; null means the zero value."""
    return SignedHeader(_header(data["header"]), _commit(data["commit"]))


def validators_of(data: dict[str, Any]) -> ValidatorSet:
    """A set in CometBFT's order: power descending, then address ascending."""
    members = [
        Validator(
            bytes.fromhex(member["address"]),
            base64.b64decode(member["pub_key"]["value"]),
            int(member.get("voting_power", member.get("power", 0))),
        )
        for member in data["validators"] or ()
    ]
    members.sort(key=lambda member: (-member.voting_power, member.address))
    return ValidatorSet(tuple(members))


def _header(data: dict[str, Any]) -> Header:
    version = data["version"]
    return Header(
        ConsensusVersion(int(version["block"]), int(version.get("app") or 0)),
        data["chain_id"],
        int(data["height"]),
        Timestamp.from_rfc3339(data["time"]),
        _block_id(data["last_block_id"]),
        *(
            bytes.fromhex(data[name] or "")
            for name in (
                "last_commit_hash",
                "data_hash",
                "validators_hash",
                "next_validators_hash",
                "consensus_hash",
                "app_hash",
                "last_results_hash",
                "evidence_hash",
                "proposer_address",
            )
        ),
    )


def _commit(data: dict[str, Any]) -> Commit:
    lines = tuple(_line(line) for line in data["signatures"] or ())
    return Commit(int(data["height"]), int(data["round"]), _block_id(data["block_id"]), lines)


def _line(data: dict[str, Any]) -> CommitSig:
    flag = BlockIDFlag(data["block_id_flag"])
    if flag is BlockIDFlag.ABSENT and not data["validator_address"] and not data["signature"]:
        return (
            CommitSig()
        )  # the generator writes 1970 there; tendermint-rs reads such a line as bare
    return CommitSig(
        flag,
        bytes.fromhex(data["validator_address"] or ""),
        Timestamp.from_rfc3339(data["timestamp"]) if data["timestamp"] else ZERO_TIME,
        base64.b64decode(data["signature"] or ""),
    )


def _block_id(data: dict[str, Any] | None) -> BlockID:
    if not data or not data["hash"]:
        return BlockID()
    parts = data.get("part_set_header") or data["parts"]
    header = PartSetHeader(int(parts["total"]), bytes.fromhex(parts["hash"]))
    return BlockID(bytes.fromhex(data["hash"]), header)


if __name__ == "__main__":
    main(replay)
