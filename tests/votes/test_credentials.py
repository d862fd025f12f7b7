"""Paper codes and the public list."""

import pytest

from chain.votes.checks import Check, Flaw
from chain.votes.credentials import (
    Voter,
    derive_secret,
    draw_code,
    encode_public_list,
    is_code,
    read_public_list,
)
from chain.votes.edwards import ED25519
from chain.votes.finite_field import BELENIOS_2048
from tests.votes.kit import GROUPS, seeded
from tests.votes.shared import BELENIOS, needs_belenios


@needs_belenios
@pytest.mark.parametrize("name", ["single", "threshold"])
def test_the_tools_codes_give_its_public_credentials(name: str) -> None:
    folder = BELENIOS / name
    uuid = (folder / "uuid.txt").read_text().strip()
    codes = [line.split()[1] for line in (folder / "private_creds.txt").read_text().splitlines()]
    public = (folder / "public_creds.json").read_text()
    for code in codes:
        assert is_code(code)
        secret = derive_secret(BELENIOS_2048, uuid, code)
        assert f'"{BELENIOS_2048.encode(BELENIOS_2048.generator_power(secret))},' in public


def test_codes_drawn_have_a_right_check_digit_and_differ() -> None:
    draw = seeded("codes")
    codes = {draw_code(draw) for _ in range(200)}
    assert len(codes) == 200
    assert all(is_code(code) for code in codes)


def test_a_mistyped_code_is_noticed() -> None:
    code = draw_code(seeded("code"))
    for position, letter in enumerate(code):
        if letter == "-":
            continue
        other = "1" if letter != "1" else "2"
        assert not is_code(code[:position] + other + code[position + 1 :]), position
    for other in (code.replace("-", ""), code + "1", code[:-1], "", code.replace(code[0], "0")):
        assert not is_code(other)


def test_dashes_belong_to_the_password() -> None:
    code = draw_code(seeded("code"))
    secret = derive_secret(ED25519, "68cdtCgcBHmHAb", code)
    assert secret != derive_secret(ED25519, "68cdtCgcBHmHAb", code.replace("-", ""))
    assert secret != derive_secret(ED25519, "nc6Hy983tjDxfZ", code)


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_the_public_list_is_sorted_and_read_back_with_weights(name: str) -> None:
    group = GROUPS[name]
    voters = [Voter(group.generator_power(n), weight) for n, weight in ((5, 1), (3, 7), (9, 1))]
    record = encode_public_list(group, voters)
    read = read_public_list(group, record)
    assert not isinstance(read, Flaw)
    assert dict(read) == {group.encode(voter.credential): voter.weight for voter in voters}
    keys = [group.sort_key(group.decode(text)) for text in read]
    assert keys == sorted(keys)
    assert encode_public_list(group, reversed(voters)) == record


@pytest.mark.parametrize("weight", ["", "01", "-1", "1.5", "1e3", "100000000001", " 1"])
def test_a_badly_written_weight_is_refused(weight: str) -> None:
    text = ED25519.encode(ED25519.generator_power(5))
    flaw = read_public_list(ED25519, f'["{text},{weight}"]'.encode())
    assert isinstance(flaw, Flaw)
    assert flaw.check is Check.CREDENTIALS_FORM
