"""SLIP-0010: the official vector, the French mnemonics, and paths that are refused."""

import json

import pytest

from chain.crypto import ed25519, slip10
from chain.crypto.slip10 import Domain
from tests.vectors.runner import shared_folder

FILE = shared_folder() / "vectors" / "identity" / "bip39_french_slip10_domains.json"


@pytest.mark.parametrize(
    ("path", "chain_code", "key"),
    [
        (
            "m",
            "90046a93de5380a72b5e45010748567d5ea02bbf6522f979e05c0d8d8ca9fffb",
            "2b4be7f19ee27bbf30c667b642d5f4aa69fd169872f8fc3059c08ebae2eb19e7",
        ),
        (
            "m/0'",
            "8b59aa11380b624e81507a27fedda59fea6d0b779a778918a2fd3590e16e9c69",
            "68e0fe46dfb67e368c75379acec591dad19df3cde26e63b93a8e704f1dade7a3",
        ),
    ],
)
def test_the_official_vector_is_reproduced(path: str, chain_code: str, key: str) -> None:
    derived = slip10.derive_node(bytes(range(16)), path)
    assert (derived[0].hex(), derived[1].hex()) == (key, chain_code)


@pytest.mark.skipif(not FILE.exists(), reason=f"no {FILE}")
def test_every_domain_key_of_the_french_mnemonics_is_reproduced() -> None:
    cases = json.loads(FILE.read_text())
    checked = 0
    for case in cases:
        for name, expected in case["keys"].items():
            assert slip10.domain_path(Domain[name.upper()]) == expected["path"]
            key = slip10.derive(bytes.fromhex(case["seed"]), expected["path"])
            assert key.hex() == expected["sk"]
            assert ed25519.derive_public(key).hex() == expected["pk"]
            checked += 1
    assert checked >= 42


def test_domains_and_epochs_give_different_keys() -> None:
    paths = {slip10.domain_path(domain, epoch) for domain in Domain for epoch in (0, 1)}
    assert len({slip10.derive(bytes(64), path) for path in paths}) == 12


@pytest.mark.parametrize(
    "path",
    [
        "",
        "1100'",
        "m/",
        "m/1",
        "m/1'/2",
        "m//1'",
        "m/01'",
        "m/2147483648'",
        "m/-1'",
        "m/1' ",
        "m" + "/1'" * 11,
        "m/١'",
    ],
)
def test_a_path_not_written_in_full_or_not_hardened_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        slip10.derive(bytes(64), path)


@pytest.mark.parametrize("size", [0, 15, 65])
def test_a_seed_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="seed"):
        slip10.derive(bytes(size), "m")
