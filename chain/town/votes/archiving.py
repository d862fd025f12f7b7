"""The archive's chain of events, kept while the election happens: two hashes per event, whatever its size.

The state then proves at every height what the archive must be, record by record: whoever serves another one is seen.
Reads: nothing.  Writes: nothing; `BoxRecord` carries `events` and `head`.
Source: glondu/belenios tag 2.0, src/tool/tool_events.ml (events), as `chain.votes.archive` writes them.
"""

from hashlib import sha256

from msgspec.structs import replace

from chain.town.votes.records import BoxRecord
from chain.votes import formats
from chain.votes.archive import hash_hex
from chain.votes.formats import Event, EventType, Owned, SetupData


def open_archive(election: str, trustees: str, credentials_hash: str) -> BoxRecord:
    """A box whose archive holds its Setup; `credentials_hash` is that of the credentials record."""
    setup = SetupData(
        election=hash_hex(election.encode()),
        trustees=hash_hex(trustees.encode()),
        credentials=credentials_hash,
    )
    return add_event(BoxRecord(), "Setup", hash_hex(formats.encode(setup)))


def add_event(box: BoxRecord, event_type: EventType, payload: str = "") -> BoxRecord:
    """The box with one event more; `payload` is the hash of its last record, empty for none."""
    event = Event(
        parent=box.head or formats.UNSET,
        height=box.events,
        type=event_type,
        payload=payload or formats.UNSET,
    )
    head = sha256(formats.encode(event)).hexdigest()
    return replace(box, events=box.events + 1, head=head)


def owned_hash(owner: int, body: str) -> str:
    """Payload of a PartialDecryption: hash of the record that says whose it is."""
    return hash_hex(formats.encode(Owned(owner=owner, payload=hash_hex(body.encode()))))
