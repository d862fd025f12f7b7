"""Suite merkle: RFC 6962 roots, leaf and inner hashes; for every root also each leaf's inclusion proof."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from chain.codec.merkle import (
    hash_inner,
    hash_leaf,
    merkle_proofs,
    merkle_root,
    verify_merkle_proof,
)
from tests.vectors.runner import load_json, main


def replay(path: Path) -> int | None:
    """Check every case."""
    vectors = load_json(path)
    if not isinstance(vectors, dict) or not isinstance(vectors.get("cases"), list):
        return None
    if not all({"leaves_hex", "inner_hex", "leaf_hex"} & set(case) for case in vectors["cases"]):
        return None
    return sum(_check(case) for case in vectors["cases"])


def _check(case: dict[str, Any]) -> int:
    name = case.get("desc", "case")
    if "inner_hex" in case:
        left, right = (bytes.fromhex(item) for item in case["inner_hex"])
        assert hash_inner(left, right).hex() == case["hash"].lower(), f"{name}: inner hash"
        return 1
    if "leaf_hex" in case:
        leaf = bytes.fromhex(case["leaf_hex"])
        assert hash_leaf(leaf).hex() == case["hash"].lower(), f"{name}: leaf hash"
        return 1
    leaves = [bytes.fromhex(item) for item in case["leaves_hex"]]
    expected = bytes.fromhex(case["root"])
    assert merkle_root(leaves) == expected, f"{name}: root {merkle_root(leaves).hex()}"
    root, proofs = merkle_proofs(leaves)
    assert root == expected, f"{name}: root beside the proofs"
    for leaf, proof in zip(leaves, proofs, strict=True):
        assert verify_merkle_proof(proof, expected, leaf), f"{name}: proof {proof.index}"
        assert not verify_merkle_proof(proof, expected, leaf + b"x"), f"{name}: another leaf"
        longer = replace(proof, aunts=(*proof.aunts, expected))
        assert not verify_merkle_proof(longer, expected, leaf), f"{name}: an aunt too many"
    return 2 + 3 * len(leaves)


if __name__ == "__main__":
    main(replay)
