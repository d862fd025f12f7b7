"""Keys of the duplicate indices: apart from the database, wrapped, in versions."""

import pytest

from app.core.database import connected, write
from app.identity.indexkeys import IndexKeys
from app.identity.keystore import MasterKeyWrong
from app.identity.models import DuplicateIndex, Tombstone
from app.identity.register import Register
from app.identity.rotation import finish_rotation, rotate_index_key
from tests.api.identity import desk_kit as kit


def versions(street):
    with connected():
        return {row.version for row in DuplicateIndex.select()}


def register_of(street):
    return Register(street.town.config)


def test_an_index_key_is_wrapped_and_random(tmp_path):
    (key,) = IndexKeys(tmp_path, bytes(32)).all()
    (file,) = tmp_path.rglob("*.wrapped")
    assert key.key not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    (other,) = IndexKeys(tmp_path / "other", bytes(32)).all()
    assert other.key != key.key
    assert key.key.hex() not in repr(key)


def test_another_master_key_opens_no_index_key(tmp_path):
    IndexKeys(tmp_path, bytes(32)).all()
    with pytest.raises(MasterKeyWrong):
        IndexKeys(tmp_path, b"\x01" * 32).all()


def test_the_current_index_key_is_not_destroyed(tmp_path):
    keys = IndexKeys(tmp_path, bytes(32))
    first, second = keys.current(), keys.add()
    assert (first.version, second.version) == (1, 2)
    with pytest.raises(AssertionError):
        keys.destroy(2)
    assert keys.destroy(1) is True
    assert [key.version for key in keys.all()] == [2]


def test_rotation_makes_every_digest_again_and_forgets_the_old_key(street):
    street.enrol(street.new_phone(), family_name="Lefèvre")
    street.enrol(street.new_phone(), family_name="Moreau")
    with connected():
        before = {row.digest for row in DuplicateIndex.select()}
        assert rotate_index_key(register_of(street)) == 2
        after = {row.digest for row in DuplicateIndex.select()}
    assert before.isdisjoint(after)
    assert versions(street) == {2}
    assert [key.version for key in register_of(street).index.all()] == [2]
    phone = kit.announce(street)
    refused = kit.draft(street.clerk, phone, civil={"family_name": "LEFEVRE"})
    assert refused.code == "identity_duplicate"


def test_between_two_versions_a_duplicate_is_still_noticed(street):
    """A rotation cut off after some files: both versions are asked."""
    street.enrol(street.new_phone(), family_name="Lefèvre")
    register_of(street).index.add()
    phone = kit.announce(street)
    refused = kit.draft(street.clerk, phone, civil={"family_name": "Lefevre"})
    assert refused.code == "identity_duplicate"
    street.enrol(street.new_phone(), family_name="Moreau")
    assert versions(street) == {1, 2}
    with connected():
        assert finish_rotation(register_of(street)) == 1
    assert versions(street) == {2}


def test_an_old_key_stays_while_an_open_ballot_needs_it(street):
    street.enrol(street.new_phone())
    with connected(), write():
        Tombstone.insert(ballot="b", digest="0" * 64, version=1, until=9_999_999_999).execute()
    with connected():
        rotate_index_key(register_of(street))
    assert [key.version for key in register_of(street).index.all()] == [1, 2]
