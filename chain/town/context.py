"""The frame every rule works in: a buffered view of state, typed tables, and the two possible outcomes.

A rule reads and writes through an `Overlay`; whatever a refused transaction wrote is dropped. Records are
canonical JSON of `msgspec` structs, so the same state is the same bytes on every machine.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from chain.limits import TOWN_DECODED_MAX_BYTES, TOWN_DECODED_RECORDS
from chain.types.abci import Event
from chain.types.codes import Code

RecordT = TypeVar("RecordT", bound=msgspec.Struct)


class Reader(Protocol):
    """Where an overlay reads what it has not written itself."""

    def get(self, namespace: str, record_id: bytes) -> bytes | None: ...

    def scan(
        self, namespace: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]: ...


class _NoRecords:
    def get(self, namespace: str, record_id: bytes) -> bytes | None:
        return None

    def scan(
        self, namespace: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        return iter(())


NO_RECORDS: Final[Reader] = _NoRecords()
"""An empty state, under an overlay that holds all there is."""


class Overlay:
    """Writes kept aside over a reader: of a block over the store, of a transaction over the block."""

    def __init__(self, base: Reader) -> None:
        self._base = base
        self._writes: dict[str, dict[bytes, bytes | None]] = {}
        self._ordered: dict[str, list[bytes]] = {}
        """Ids written per namespace, sorted; kept only for namespaces that were scanned."""

    def get(self, namespace: str, record_id: bytes) -> bytes | None:
        """Latest record, own writes first."""
        written = self._writes.get(namespace)
        if written is not None and record_id in written:
            return written[record_id]
        return self._base.get(namespace, record_id)

    def put(self, namespace: str, record_id: bytes, record: bytes | None) -> None:
        """Write, or with None delete, one record."""
        written = self._writes.setdefault(namespace, {})
        if record_id not in written and namespace in self._ordered:
            insort(self._ordered[namespace], record_id)
        written[record_id] = record

    def scan(
        self, namespace: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Records with start <= id < stop in byte order of the id, own writes merged in."""
        written = self._writes.get(namespace)
        if not written:
            return self._base.scan(namespace, start, stop)
        ordered = self._ordered.get(namespace)
        if ordered is None:
            ordered = self._ordered[namespace] = sorted(written)
        first = bisect_left(ordered, start)
        last = len(ordered) if stop is None else bisect_left(ordered, stop)
        own = [(rid, written[rid]) for rid in ordered[first:last]]
        return _merged(self._base.scan(namespace, start, stop), own)

    def absorb(self, other: "Overlay") -> None:
        """Take over the writes of an overlay that was opened on this one."""
        for namespace, written in other._writes.items():
            for record_id, record in written.items():
                self.put(namespace, record_id, record)

    def written_namespaces(self) -> tuple[str, ...]:
        """Namespaces with at least one write, sorted."""
        return tuple(sorted(self._writes))

    def changes(self) -> tuple[tuple[str, bytes, bytes | None], ...]:
        """All writes, sorted by (namespace, id)."""
        return tuple(
            (namespace, rid, written[rid])
            for namespace, written in sorted(self._writes.items())
            for rid in sorted(written)
        )


def _merged(
    base: Iterator[tuple[bytes, bytes]], own: "list[tuple[bytes, bytes | None]]"
) -> Iterator[tuple[bytes, bytes]]:
    """Merge two id-ordered streams; own entries win, deletions vanish."""
    position = 0
    for rid, rec in base:
        while position < len(own) and own[position][0] < rid:
            fresh_id, fresh = own[position]
            position += 1
            if fresh is not None:
                yield fresh_id, fresh
        if position < len(own) and own[position][0] == rid:
            fresh = own[position][1]
            position += 1
            if fresh is not None:
                yield rid, fresh
        else:
            yield rid, rec
    for fresh_id, fresh in own[position:]:
        if fresh is not None:
            yield fresh_id, fresh


class Table(Generic[RecordT]):
    """One kind of record under one namespace; ids are bytes of at most 128."""

    def __init__(self, namespace: str, prefix: str, record_type: type[RecordT]) -> None:
        self.namespace = namespace
        self.prefix = prefix.encode() + b"/"
        self._decoder = msgspec.json.Decoder(record_type)
        self._decoded: dict[bytes, RecordT] = {}
        """Records by their bytes: they are immutable, so the same bytes may be the same object."""
        self._encoder = msgspec.json.Encoder(order="sorted")

    def full_id(self, record_id: bytes) -> bytes:
        """The id under the namespace: table prefix and own id."""
        return self.prefix + record_id

    def get(self, state: Reader, record_id: bytes) -> RecordT | None:
        """Typed record, or None."""
        raw = state.get(self.namespace, self.prefix + record_id)
        if raw is None:
            return None
        known = self._decoded.get(raw)
        return self._decode(raw) if known is None else known

    def _decode(self, raw: bytes) -> RecordT:
        record = self._decoder.decode(raw)
        if len(raw) <= TOWN_DECODED_MAX_BYTES:
            if len(self._decoded) >= TOWN_DECODED_RECORDS:
                self._decoded.clear()
            self._decoded[raw] = record
        return record

    def put(self, state: Overlay, record_id: bytes, record: RecordT) -> None:
        """Write one record in canonical form."""
        state.put(self.namespace, self.full_id(record_id), self._encoder.encode(record))

    def delete(self, state: Overlay, record_id: bytes) -> None:
        """Remove one record."""
        state.put(self.namespace, self.full_id(record_id), None)

    def scan(
        self, state: Reader, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, RecordT]]:
        """Records of this table with start <= own id < stop, in byte order."""
        end = self.prefix[:-1] + b"0" if stop is None else self.prefix + stop
        for rid, raw in state.scan(self.namespace, self.prefix + start, end):
            yield rid[len(self.prefix) :], self._decoder.decode(raw)


@dataclass(frozen=True, slots=True)
class Signer:
    """A verified signature: the key's thumbprint, and the public key as JWK members."""

    kid: str
    jwk: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TxContext:
    """What a rule may know of the transaction and the block; time is header time, never a clock."""

    state: Overlay
    height: int
    time_s: int
    chain_id: str
    town: str
    sender: str
    signers: tuple[Signer, ...]
    tx_key: bytes
    """SHA-256 of the payload: the replay key, and the name of this transaction for ever."""


@dataclass(frozen=True, slots=True)
class BlockContext:
    """What work at block end may know; `note` tells of every effect in the block's journal leaf."""

    state: Overlay
    height: int
    time_s: int
    chain_id: str
    town: str
    notes: list[dict[str, Any]] = field(default_factory=list)

    def note(self, kind: str, **facts: Any) -> None:
        """Write one line of the journal: JSON values only, integers, never a float or a name."""
        self.notes.append({"kind": kind, **facts})


@dataclass(frozen=True, slots=True)
class Accepted:
    """The rule applied; `data` (canonical JSON, hashed into the block's results) says what came out."""

    data: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The rule does not apply; nothing it wrote is kept. `detail` names the field or figure, never a person."""

    code: Code
    detail: str = ""


Outcome: TypeAlias = Accepted | Refused
