"""A new index key: every digest is made again from the sealed files, then the old key is destroyed.

May be interrupted and run again: files that the newest key has not indexed yet are found by looking.
Reads and writes: `duplicate_index`, the index keys.  Never: needs the persons present.
"""

from app.core.database import lock_until_commit, write
from app.identity.models import DuplicateIndex, Person, Tombstone
from app.identity.register import REGISTER_LOCK, Register


def rotate_index_key(register: Register) -> int:
    """Add a version, index every file under it, drop the older ones; returns how many files were indexed."""
    register.index.add()
    return finish_rotation(register)


def finish_rotation(register: Register) -> int:
    """Bring every file under the newest version and forget the others; returns how many files were indexed."""
    newest = register.index.current().version
    done = 0
    while cid := _find_unindexed(newest):
        done += _index_again(register, cid)
    with write():
        DuplicateIndex.delete().where(DuplicateIndex.version < newest).execute()
    for key in register.index.all():
        # An open ballot's marks are checked with the key that made them.
        is_needed = Tombstone.select().where(Tombstone.version == key.version).exists()
        if key.version < newest and not is_needed:
            register.index.destroy(key.version)
    return done


def _find_unindexed(version: int) -> str:
    indexed = DuplicateIndex.select(DuplicateIndex.cid).where(DuplicateIndex.version == version)
    person = (
        Person.select(Person.cid).where(Person.cid.not_in(indexed)).order_by(Person.cid).first()
    )
    return "" if person is None else str(person.cid)


def _index_again(register: Register, cid: str) -> bool:
    """One file; a file whose key is gone loses its rows instead."""
    opened = register.read_file(cid)
    with write():
        lock_until_commit(REGISTER_LOCK)
        if opened is None:
            DuplicateIndex.delete().where(DuplicateIndex.cid == cid).execute()
            Person.delete().where(Person.cid == cid).execute()
            return False
        if Person.select().where(Person.cid == cid).exists():
            register.index_again(cid)
    return True
