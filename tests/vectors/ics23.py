"""ICS-23 vectors of cosmos/ics23: proofs under a root, and unit cases of leaf, inner, spec and branch rules.

`python -m tests.vectors.ics23 PATH…`. A proof file does not say its spec, so it is taken from the folder's
name when that names one, and otherwise from the shape of the proof: whichever spec accepts it, and only one
may. Unit files are told apart by the members of their cases.
"""

import base64
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from chain.crypto import ics23
from chain.crypto.ics23 import (
    CommitmentProof,
    ExistenceProof,
    HashOp,
    InnerOp,
    InnerSpec,
    LeafOp,
    LengthOp,
    NonExistenceProof,
    ProofSpec,
)
from tests.vectors.runner import load_json, main

SPECS: Final = {
    "iavl": ics23.IAVL_SPEC,
    "tendermint": ics23.TENDERMINT_SPEC,
    "smt": ics23.SMT_SPEC,
}


def replay(path: Path) -> int | None:
    """Checks made on one file, None when it holds no ICS-23 cases."""
    content = load_json(path)
    if isinstance(content, dict) and {"root", "proof", "key"} <= set(content):
        specs = [SPECS[part] for part in path.parts[-2:-1] if part in SPECS]
        return _check_proof(content, specs or list(SPECS.values()))
    cases = list(content.values()) if isinstance(content, dict) else content
    if not isinstance(cases, list) or not cases or not all(isinstance(c, dict) for c in cases):
        return None
    names = list(content) if isinstance(content, dict) else [str(i) for i in range(len(cases))]
    check = next((check for keys, check in _UNITS if keys <= set(cases[0])), None)
    if check is None:
        return None
    for name, case in zip(names, cases, strict=True):
        try:
            check(case)
        except AssertionError as failure:
            raise AssertionError(f"{name}: {failure}") from failure
    return len(cases)


# --- proofs ----------------------------------------------------------------------------------


def _check_proof(case: dict[str, Any], specs: list[ProofSpec]) -> int:
    root, key = bytes.fromhex(case["root"]), bytes.fromhex(case["key"])
    value, raw = bytes.fromhex(case.get("value") or ""), bytes.fromhex(case["proof"])
    proof = ics23.decode_proof(raw)
    assert ics23.encode_proof(proof) == raw, "encoded otherwise than received"
    fitting = [spec for spec in specs if _holds(spec, root, proof, key, value)]
    assert len(fitting) == 1, f"accepted by {len(fitting)} specs"
    spec = fitting[0]
    assert not _holds(spec, root, proof, key, value + b"\x00"), "accepted with another value"
    assert not _holds(spec, bytes(len(root)), proof, key, value), "accepted under another root"
    for wrong in _other_claims(proof, key):
        assert not _holds(spec, root, proof, *wrong), "accepted for another claim"
    others = [spec for spec in SPECS.values() if spec is not fitting[0]]
    assert not any(_holds(other, root, proof, key, value) for other in others), "under other spec"
    return 1


def _holds(spec: ProofSpec, root: bytes, proof: CommitmentProof, key: bytes, value: bytes) -> bool:
    if value:
        return ics23.verify_membership(spec, root, proof, key, value)
    return ics23.verify_non_membership(spec, root, proof, key)


def _other_claims(proof: CommitmentProof, key: bytes) -> Iterable[tuple[bytes, bytes]]:
    """Claims the proof must not support: another key's value; absence of its own neighbours."""
    if isinstance(proof.value, ExistenceProof):
        yield key + b"\x00", proof.value.value
        yield key, b""
    if isinstance(proof.value, NonExistenceProof):
        for neighbour in (proof.value.left, proof.value.right):
            if neighbour is not None:
                yield neighbour.key, b""


# --- unit cases ------------------------------------------------------------------------------


def _check_hash(case: dict[str, Any]) -> None:
    text = case.get("Preimage", case.get("PreImage"))
    digest = ics23.do_hash(HashOp(case["HashOp"]), text.encode())
    assert digest.hex() == case["ExpectedHash"], digest.hex()


def _check_leaf_op(case: dict[str, Any]) -> None:
    key, value = _bytes(case["Key"]), _bytes(case["Value"])
    _expect(case, lambda: ics23.apply_leaf(_leaf(case["Op"]), key, value))


def _check_inner_op(case: dict[str, Any]) -> None:
    _expect(case, lambda: ics23.apply_inner(_inner(case["Op"]), _bytes(case["Child"])))


def _check_existence(case: dict[str, Any]) -> None:
    _expect(case, lambda: ics23.calculate_root(_existence(case["Proof"])))


def _check_leaf(case: dict[str, Any]) -> None:
    error = _error_of(lambda: ics23.check_leaf(_leaf(case["Leaf"]), ProofSpec(_leaf(case["Spec"]))))
    assert (error is not None) == case["IsErr"], error


def _check_spec(case: dict[str, Any]) -> None:
    proof, spec = _existence(case["Proof"]), _spec(case["Spec"])
    error = _error_of(lambda: ics23.check_against_spec(proof, spec))
    assert (error is not None) == bool(case["Err"]), error or "accepted"


def _check_branches(case: dict[str, Any]) -> None:
    op, spec = _inner(case["Op"]), _spec(case["Spec"])
    ics23.check_inner(op, spec, 1)
    assert ics23.left_branches_are_empty(spec.inner_spec, op) == case["IsLeft"], "left"
    assert ics23.right_branches_are_empty(spec.inner_spec, op) == case["IsRight"], "right"


_UNITS: Final[tuple[tuple[set[str], Callable[[dict[str, Any]], None]], ...]] = (
    ({"HashOp", "ExpectedHash"}, _check_hash),
    ({"Op", "Key", "Value", "IsErr"}, _check_leaf_op),
    ({"Op", "Child", "IsErr"}, _check_inner_op),
    ({"Proof", "IsErr", "Expected"}, _check_existence),
    ({"Leaf", "Spec", "IsErr"}, _check_leaf),
    ({"Proof", "Spec", "Err"}, _check_spec),
    ({"Op", "Spec", "IsLeft", "IsRight"}, _check_branches),
)


def _expect(case: dict[str, Any], run: Callable[[], bytes]) -> None:
    """The bytes expected, or any refusal when one is."""
    results: list[bytes] = []
    error = _error_of(lambda: results.append(run()))
    assert (error is not None) == case["IsErr"], error or "accepted"
    assert case["IsErr"] or results == [_bytes(case["Expected"])], results


def _error_of(run: Callable[[], None]) -> str | None:
    try:
        run()
    except ics23.InvalidProof as refusal:
        return str(refusal)
    return None


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "", validate=True)


def _leaf(data: dict[str, Any] | None) -> LeafOp:
    given = data or {}
    return LeafOp(
        HashOp(given.get("hash", 0)),
        HashOp(given.get("prehash_key", 0)),
        HashOp(given.get("prehash_value", 0)),
        LengthOp(given.get("length", 0)),
        _bytes(given.get("prefix")),
    )


def _inner(data: dict[str, Any]) -> InnerOp:
    return InnerOp(
        HashOp(data.get("hash", 0)), _bytes(data.get("prefix")), _bytes(data.get("suffix"))
    )


def _existence(data: dict[str, Any]) -> ExistenceProof:
    return ExistenceProof(
        _bytes(data.get("key")),
        _bytes(data.get("value")),
        _leaf(data["leaf"]) if "leaf" in data else None,
        tuple(_inner(step) for step in data.get("path", ())),
    )


def _spec(data: dict[str, Any]) -> ProofSpec:
    inner = data.get("inner_spec") or {}
    return ProofSpec(
        _leaf(data.get("leaf_spec")),
        InnerSpec(
            tuple(inner.get("child_order", ())),
            inner.get("child_size", 0),
            inner.get("min_prefix_length", 0),
            inner.get("max_prefix_length", 0),
            _bytes(inner.get("empty_child")),
            HashOp(inner.get("hash", 0)),
        ),
        data.get("max_depth", 0),
        data.get("min_depth", 0),
        data.get("prehash_key_before_comparison", False),
    )


if __name__ == "__main__":
    main(replay)
