"""The files beside an election's archive: keys, credentials, ceremony, summaries, each remade by our code.

A file is recognised by its content. What it must agree with (the archive, a seed, certificates) is looked for
in its folder, by content as well. `check(path)` returns the number of checks made, None for another file.
"""

import json
import re
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from chain.codec.errors import DecodeError
from chain.votes import formats
from chain.votes.archive import Step, collect_steps, hash_hex, read_archive
from chain.votes.ballot import tracker
from chain.votes.ceremony import (
    compute_decryption_key,
    conclude,
    derive_secrets,
    distribute,
    make_certificate,
    open_decryption_key,
)
from chain.votes.checks import Flaw
from chain.votes.credentials import Voter, derive_secret, encode_public_list, is_code
from chain.votes.election import read_election
from chain.votes.formats import (
    EncryptedMessage,
    Polynomial,
    SignedMessage,
    ThresholdKeys,
    TrusteeKey,
    VInput,
    VOutput,
)
from chain.votes.group import Group
from chain.votes.groups import get_group
from chain.votes.trustees import (
    check_trustee_key,
    encode_trustees,
    make_trustee_key,
    read_certificate,
    read_trustees,
)
from tests.vectors.blindrsa import scripted

MAGIC: Final = b"BELENIOS\x00"
_SEED: Final = re.compile(r"[1-9A-HJ-NP-Za-km-z]{22}", re.ASCII)
_TRACKER: Final = re.compile(r"\S+ ([A-Za-z0-9+/]{43}) \[\[.*\]\]", re.ASCII)

T = TypeVar("T")


class Folder:
    """What lies beside a file."""

    def __init__(self, path: Path) -> None:
        self._bodies = [file.read_bytes() for file in sorted(path.iterdir()) if file.is_file()]

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Events of the archive in the folder; none when there is no archive."""
        for body in self._bodies:
            if body.startswith(MAGIC):
                steps = collect_steps(read_archive(body))
                assert not isinstance(steps, Flaw), steps
                return steps
        return ()

    @cached_property
    def seeds(self) -> list[str]:
        """Seeds of threshold trustees."""
        texts = [body.strip().decode("utf-8", "replace") for body in self._bodies]
        return [text for text in texts if _SEED.fullmatch(text)]

    def find(self, type_: type[T], *, lines: bool = False) -> list[T]:
        """Files of one kind, or the lines of the one file made of such lines."""
        for body in self._bodies:
            parts = body.splitlines()
            if lines and len(parts) > 1 and all(_is(type_, part) for part in parts):
                return [formats.decode(type_, part) for part in parts]
        if lines:
            return []
        return [formats.decode(type_, b) for b in map(bytes.strip, self._bodies) if _is(type_, b)]

    def bodies(self, kind: str) -> list[bytes]:
        """First body of every event of a kind."""
        return [step.bodies[0] for step in self.steps if step.type == kind]


def check(path: Path) -> int | None:
    """Checks made on one companion file, None when it is none."""
    body = path.read_bytes().strip()
    folder = Folder(path.parent)
    for type_, run in _RECORDS:
        if _is(type_, body):
            return run(formats.decode_exactly(type_, body), folder)
    parts = body.splitlines()
    for type_, run in _RECORDS:
        if (
            len(parts) > 1
            and type_ in (SignedMessage, Polynomial)
            and all(_is(type_, part) for part in parts)
        ):
            return sum(run(formats.decode_exactly(type_, part), folder) for part in parts)
    return _check_text(body, folder)


def _is(type_: type[Any], body: bytes) -> bool:
    try:
        formats.decode(type_, body)
    except DecodeError:
        return False
    return True


def _group(text: str) -> Group:
    """The group an element's text is of."""
    group = get_group("Ed25519" if re.fullmatch("[0-9a-f]{64}", text) else "BELENIOS-2048")
    assert group is not None
    return group


# --- records -----------------------------------------------------------------------------------


def _check_key(record: TrusteeKey, _: Folder) -> int:
    key = check_trustee_key(_group(record.public_key), record)
    assert not isinstance(key, Flaw), key
    return 1


def _check_certificate(record: SignedMessage, folder: Folder) -> int:
    """It verifies, and its owner's seed with the same chance makes the same bytes."""
    message = json.loads(record.message)
    if "coefexps" in message:
        return 0
    group = _group(message["verification"])
    keys = read_certificate(group, record)
    assert not isinstance(keys, Flaw), keys
    for seed in folder.seeds:
        secret = derive_secrets(seed).signing
        if group.generator_power(secret) == keys[0]:
            challenge, response = (
                int(record.signature.challenge),
                int(record.signature.response),
            )
            w = (response + secret * challenge) % group.order
            made = make_certificate(group, seed, scripted([w.to_bytes(32, "big")]))
            assert made == record, "certificate made otherwise"
            return 2
    return 1


def _check_polynomial(record: Polynomial, folder: Folder) -> int:
    certificates = folder.find(SignedMessage, lines=True)
    polynomials = folder.find(Polynomial, lines=True)
    assert record in polynomials
    assert len(distribute(_ceremony_group(certificates), certificates, polynomials)) == len(
        certificates
    )
    return 1


def _check_vinput(record: VInput, folder: Folder) -> int:
    """It is what step 4 distributes, and its owner's seed opens it to the key of the ceremony."""
    certificates = folder.find(SignedMessage, lines=True)
    polynomials = folder.find(Polynomial, lines=True)
    group = _ceremony_group(certificates)
    vinputs = distribute(group, certificates, polynomials)
    assert record in vinputs, "distributed otherwise"
    voutput = _voutputs_in_order(folder, certificates)[vinputs.index(record)]
    seed = _seed_of(group, folder, certificates[vinputs.index(record)])
    key = compute_decryption_key(group, certificates, seed, record)
    assert group.encode(group.generator_power(key)) == voutput.public_key.public_key, "other key"
    assert key == open_decryption_key(group, seed, voutput.private_key), "other sum of shares"
    return 3


def _check_voutput(record: VOutput, folder: Folder) -> int:
    """Its owner opens it, and its proof is what our code makes from the key with the same chance."""
    group = _group(record.public_key.public_key)
    key = _open_by_any(group, folder, record.private_key)
    pok = record.public_key.pok
    w = (int(pok.response) + key * int(pok.challenge)) % group.order
    made = make_trustee_key(group, key, scripted([w.to_bytes(32, "big")]))
    assert made == record.public_key, "verification key made otherwise"
    return 2


def _check_sealed_key(record: EncryptedMessage, folder: Folder) -> int:
    _open_by_any(_group(record.alpha), folder, formats.encode(record).decode())
    return 1


def _check_threshold(record: ThresholdKeys, folder: Folder) -> int:
    certificates = folder.find(SignedMessage, lines=True)
    if not certificates:
        group = _group(record.verification_keys[0].public_key)
        read = read_trustees(group, encode_trustees([record]))
        assert not isinstance(read, Flaw), read
        return 1
    polynomials = folder.find(Polynomial, lines=True)
    group = _ceremony_group(certificates)
    voutputs = _voutputs_in_order(folder, certificates)
    assert conclude(group, certificates, polynomials, voutputs) == record, "concluded otherwise"
    return 1


_RECORDS: Final[tuple[tuple[type[Any], Callable[[Any, Folder], int]], ...]] = (
    (TrusteeKey, _check_key),
    (SignedMessage, _check_certificate),
    (VInput, _check_vinput),
    (Polynomial, _check_polynomial),
    (VOutput, _check_voutput),
    (EncryptedMessage, _check_sealed_key),
    (ThresholdKeys, _check_threshold),
)


def _ceremony_group(certificates: list[SignedMessage]) -> Group:
    return _group(json.loads(certificates[0].message)["verification"])


def _seed_of(group: Group, folder: Folder, certificate: SignedMessage) -> str:
    verification = json.loads(certificate.message)["verification"]
    return next(
        seed
        for seed in folder.seeds
        if group.encode(group.generator_power(derive_secrets(seed).signing)) == verification
    )


def _voutputs_in_order(folder: Folder, certificates: list[SignedMessage]) -> list[VOutput]:
    """Step 5's outputs, each at its owner's place: the one whose key its seed opens."""
    group = _ceremony_group(certificates)
    ordered = []
    for certificate in certificates:
        seed = _seed_of(group, folder, certificate)
        ordered.append(
            next(v for v in folder.find(VOutput) if _opens(group, seed, v.private_key) is not None)
        )
    return ordered


def _opens(group: Group, seed: str, sealed: str) -> int | None:
    try:
        return open_decryption_key(group, seed, sealed)
    except ValueError:
        return None


def _open_by_any(group: Group, folder: Folder, sealed: str) -> int:
    keys = [key for seed in folder.seeds if (key := _opens(group, seed, sealed)) is not None]
    assert len(keys) == 1, f"opened by {len(keys)} of {len(folder.seeds)} seeds"
    return keys[0]


# --- JSON without a shape of its own, and text -------------------------------------------------------


def _check_text(body: bytes, folder: Folder) -> int | None:
    if not folder.steps:
        return None
    try:
        content = json.loads(body)
    except ValueError:
        return _check_lines(body.decode("utf-8", "replace").splitlines(), folder)
    for fits, run in _CONTENTS:
        if fits(content):
            return run(body, content, folder)
    return None


def _check_record(body: bytes, _: Any, folder: Folder) -> int:
    assert body in folder.steps[0].bodies, "not the record in the archive"
    return 1


def _check_result(body: bytes, _: Any, folder: Folder) -> int:
    assert [body] == folder.bodies("Result"), "not the result in the archive"
    return 1


def _check_private_key(_: bytes, content: str, folder: Folder) -> int:
    group = read_election(folder.steps[0].bodies[0]).group
    trustees = read_trustees(group, folder.steps[0].bodies[1])
    assert not isinstance(trustees, Flaw), trustees
    assert group.generator_power(int(content)) in trustees.keys, "no trustee's key"
    return 1


def _check_public_credentials(_: bytes, content: list[str], folder: Folder) -> int:
    election = read_election(folder.steps[0].bodies[0])
    voters = []
    for entry in content:
        key, weight, _voter = entry.split(",", 2)
        voters.append(Voter(election.group.decode(key), int(weight or 1)))
    made = encode_public_list(election.group, voters)
    assert made == folder.steps[0].bodies[2], "another list in the archive"
    return 1


def _check_summary(_: bytes, content: list[dict[str, str]], folder: Folder) -> int:
    hashes = [hash_hex(body) for body in folder.bodies("Ballot")]
    assert [item["hash"] for item in content] == hashes, "other ballots"
    return 1


def _check_checksums(_: bytes, content: dict[str, Any], folder: Folder) -> int:
    election, trustees_record, credentials = folder.steps[0].bodies
    assert content["election"] == hash_hex(election)
    assert content["public_credentials"] == hash_hex(credentials)
    assert content["num_voters"] == len(json.loads(credentials))
    assert [content["encrypted_tally"]] == [hash_hex(b) for b in folder.bodies("EncryptedTally")]
    group = read_election(election).group
    trustees = read_trustees(group, trustees_record)
    assert not isinstance(trustees, Flaw), trustees
    named = [item["checksum"] for item in content["trustees"]] + [
        item["verification_key"]
        for block in content["trustees_threshold"]
        for item in block["trustees"]
    ]
    keys = [hash_hex(formats.encode(group.encode(key))) for key in trustees.keys]
    assert sorted(named) == sorted(keys), "other trustees"
    return 5


def _is_trustee_block(item: Any) -> bool:
    return isinstance(item, list) and item[:1] in (["Single"], ["Pedersen"])


def _is_list_of(content: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(content, list) and bool(content) and all(map(fits, content))


_CONTENTS: Final[tuple[tuple[Callable[[Any], bool], Callable[[bytes, Any, Folder], int]], ...]] = (
    (lambda c: isinstance(c, dict) and {"uuid", "group", "public_key"} <= set(c), _check_record),
    (lambda c: _is_list_of(c, _is_trustee_block), _check_record),
    (lambda c: isinstance(c, dict) and set(c) == {"result"}, _check_result),
    (lambda c: isinstance(c, str) and c.isdecimal(), _check_private_key),
    (
        lambda c: _is_list_of(c, lambda x: isinstance(x, str) and x.count(",") >= 2),
        _check_public_credentials,
    ),
    (lambda c: _is_list_of(c, lambda x: isinstance(x, dict) and "hash" in x), _check_summary),
    (
        lambda c: isinstance(c, dict) and {"public_credentials", "encrypted_tally"} <= set(c),
        _check_checksums,
    ),
)


def _check_lines(lines: list[str], folder: Folder) -> int | None:
    words = [line.split() for line in lines]
    if words and all(len(pair) == 2 and is_code(pair[1]) for pair in words):
        return _check_codes([pair[1] for pair in words], folder)
    trackers = [_TRACKER.fullmatch(line) for line in lines]
    if trackers and all(trackers):
        return _check_trackers([found.group(1) for found in trackers if found], folder)
    return None


def _check_codes(codes: Iterable[str], folder: Folder) -> int:
    """Every private code derives a listed credential, and all listed ones are derived."""
    election = read_election(folder.steps[0].bodies[0])
    listed = {entry.split(",")[0] for entry in json.loads(folder.steps[0].bodies[2])}
    derived = {
        election.group.encode(
            election.group.generator_power(derive_secret(election.group, election.uuid, code))
        )
        for code in codes
    }
    assert derived == listed, "other credentials"
    return len(derived)


def _check_trackers(named: list[str], folder: Folder) -> int:
    assert named == [tracker(body) for body in folder.bodies("Ballot")], "other trackers"
    return len(named)
