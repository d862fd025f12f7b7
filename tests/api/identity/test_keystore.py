"""One key per person, apart from the database, wrapped by the master key."""

import pytest

from app.identity.keystore import KeyStoreError, MasterKeyWrong, PersonKeyGone, PersonKeys

PERSON = "Zf3k-_" * 7 + "A"


def test_what_a_persons_key_seals_opens_again_after_a_restart(tmp_path):
    sealed = PersonKeys(tmp_path, bytes(32)).create(PERSON).encrypt(b"secret")
    assert PersonKeys(tmp_path, bytes(32)).load(PERSON).decrypt(sealed) == b"secret"


def test_two_persons_have_two_keys(tmp_path):
    keys = PersonKeys(tmp_path, bytes(32))
    assert bytes(keys.create(PERSON)) != bytes(keys.create(PERSON[:-1] + "B"))


def test_a_key_is_never_replaced(tmp_path):
    keys = PersonKeys(tmp_path, bytes(32))
    keys.create(PERSON)
    with pytest.raises(KeyStoreError):
        keys.create(PERSON)


def test_a_destroyed_key_is_gone_for_good(tmp_path):
    keys = PersonKeys(tmp_path, bytes(32))
    keys.create(PERSON)
    assert keys.destroy(PERSON) is True
    with pytest.raises(PersonKeyGone):
        keys.load(PERSON)
    assert keys.destroy(PERSON) is False
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_another_master_key_opens_nothing(tmp_path):
    PersonKeys(tmp_path, bytes(32)).create(PERSON)
    with pytest.raises(MasterKeyWrong):
        PersonKeys(tmp_path, b"\x01" * 32).load(PERSON)


def test_files_are_readable_by_their_owner_only_and_hold_no_plain_key(tmp_path):
    key = bytes(PersonKeys(tmp_path, bytes(32)).create(PERSON))
    (file,) = (p for p in tmp_path.rglob("*.key"))
    assert file.stat().st_mode & 0o077 == 0
    assert key not in file.read_bytes()


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a/b", "x" * 65, "a.b"])
def test_only_identifiers_name_a_person(tmp_path, name):
    with pytest.raises(KeyStoreError):
        PersonKeys(tmp_path, bytes(32)).load(name)


def test_a_master_key_of_another_length_is_refused(tmp_path):
    with pytest.raises(MasterKeyWrong):
        PersonKeys(tmp_path, b"short")
