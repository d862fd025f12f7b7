"""Suite proposer: who proposes, by CometBFT's priority arithmetic (`types/validator_set.go`)."""

from collections import Counter
from pathlib import Path
from typing import Any

from chain.types.validator import (
    Validator,
    ValidatorSet,
    increment_proposer_priority,
    new_validator_set,
)
from tests.vectors.runner import load_json, main


def replay(path: Path) -> int | None:
    """Check every case."""
    vectors = load_json(path)
    if not isinstance(vectors, dict) or not isinstance(vectors.get("cases"), list):
        return None
    if not all("validators" in case and "steps" in case for case in vectors["cases"]):
        return None
    checks = sum(_check_sequence(case) for case in vectors["cases"])
    return checks + (
        _check_raw(vectors["raw_priority_case"]) if "raw_priority_case" in vectors else 0
    )


def _address(described: dict[str, Any]) -> bytes:
    if "address_ascii" in described:
        return described["address_ascii"].encode()
    return bytes.fromhex(described["address_hex"])


def _check_sequence(case: dict[str, Any]) -> int:
    """GetProposer then IncrementProposerPriority(1), as many times as there are steps."""
    members = tuple(Validator(_address(v), b"", v["power"]) for v in case["validators"])
    current, seen = new_validator_set(members), []
    for _ in range(case["steps"]):
        seen.append(current.get_proposer().address)
        current = increment_proposer_priority(current, 1)
    checks = 0
    for key, decoded in (
        ("proposers_ascii", lambda text: text.encode()),
        ("proposers_hex", bytes.fromhex),
    ):
        if key in case:
            assert seen == [decoded(text) for text in case[key]], f"proposers {seen}"
            checks += len(seen)
    if "proposer_counts" in case:
        counted = {address.hex(): count for address, count in Counter(seen).items()}
        assert counted == case["proposer_counts"], f"counts {counted}"
        checks += 1
    return checks


def _check_raw(case: dict[str, Any]) -> int:
    """Priorities set directly, powers 10, 1, 1 unless the case says otherwise (`TestAveraging…`)."""
    powers = case.get("powers", [10, 1, 1])
    addresses = [bytes([index]) for index in range(len(powers))]
    start = ValidatorSet(
        tuple(Validator(a, b"", power) for a, power in zip(addresses, powers, strict=True))
    )
    for expected in case["expect"]:
        after = increment_proposer_priority(start, expected["times"])
        priorities = [v.proposer_priority for v in after.validators]
        assert priorities == expected["priorities"], f"{expected['times']} times: {priorities}"
        proposer = after.get_proposer().address.hex()
        assert proposer == expected["proposer"], f"{expected['times']} times: {proposer} proposes"
    return 2 * len(case["expect"])


if __name__ == "__main__":
    main(replay)
