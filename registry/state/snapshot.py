"""The state as records, and back.

A snapshot holds everything that can influence `apply`, in an order that depends on the content alone, so
that equal states have equal bytes. Newest outputs that the log does not have are no part of it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from registry.commands.codec import LEVEL, newer_level
from registry.errors import LogCorrupt
from registry.model.agent import AgentCounters, Task
from registry.model.agent_meta import with_shown_meta
from registry.model.autopilot import Autopilot
from registry.model.check import Check
from registry.model.coordinate import NodeCoordinate
from registry.model.event import UserEvent
from registry.model.member import Member
from registry.model.names import fold
from registry.model.node import Node
from registry.model.pair import KeyGrave, Pair
from registry.model.prepared import PreparedQuery
from registry.model.server import Server
from registry.model.service import Instance
from registry.model.session import Session
from registry.state.indexes import Indexes
from registry.state.store import State
from registry.state.tables import Tables, Tombstone

FORMAT = 4  # 1 had no chunks that are cut, 2 no agents, 3 no keys and sessions
CHUNK_BYTES = 1 << 20  # the log's limit for one chunk
_MORE, _LAST = b"\xc1", b"\xc0"  # no array of records begins like this
_PAUSE = ("", None)  # no row: a good moment for others to run
_PAIRS_A_SLICE = 2_000  # pairs put in order before it
_ROWS_A_SLICE = 200  # rows encoded before the caller may let others run


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first record: everything that is not a row."""

    format: int
    applied: int
    time: float
    level: int
    server: Server
    indexes: Indexes
    virtual_numbers: dict[str, int]
    members: tuple[Member, ...] = ()
    holder: str = ""
    counters: AgentCounters = AgentCounters()
    keys_index: int = 0
    sessions_index: int = 0
    prepared_index: int = 0
    delays: tuple[tuple[bytes, float], ...] = ()
    event_time: int = 0
    autopilot: Autopilot = Autopilot()


class Queue(msgspec.Struct, frozen=True, array_like=True):
    """The tasks of one agent, given by its folded id."""

    agent: str
    tasks: tuple[Task, ...]


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_header = msgspec.msgpack.Decoder(Header)
_ROW_TYPES: dict[str, Any] = {
    "n": Node, "i": Instance, "c": Check, "g": Tombstone, "t": Queue, "o": NodeCoordinate,
    "k": Pair, "d": KeyGrave, "s": Session, "q": PreparedQuery, "e": UserEvent,
}  # fmt: skip
_chunk = msgspec.msgpack.Decoder(list[tuple[str, msgspec.Raw]])
_row = {kind: msgspec.msgpack.Decoder(row_type) for kind, row_type in _ROW_TYPES.items()}


class Frozen:
    """A shallow copy of a state's tables, which can be encoded while the state goes on changing."""

    def __init__(self, state: State) -> None:
        indexes = state.indexes
        self.header = Header(
            format=FORMAT,
            applied=state.applied,
            time=state.time,
            level=state.level,
            server=state.server,
            indexes=indexes.copied(),
            virtual_numbers=dict(state.virtual_numbers),
            members=state.members,
            holder=state.holder,
            counters=state.counters,
            keys_index=state.kv.index,
            sessions_index=state.sessions.index,
            prepared_index=state.prepared.index,
            delays=tuple(sorted(state.kv.delays.items())),
            event_time=state.event_time,
            autopilot=state.autopilot,
        )
        self._nodes = list(state.node_rows.items())
        self._instances = [(key, list(rows.values())) for key, rows in state.instances.items()]
        self._checks = [(key, list(rows.values())) for key, rows in state.checks.items()]
        self._tombstones = list(state.tombstones.values())
        self._coordinates = [(key, list(rows.values())) for key, rows in state.coordinates.items()]
        self._sessions = list(state.sessions.rows.values())
        self._keys, self._pairs = state.kv.copied()
        self._graves = state.kv.burials()
        self._prepared = list(state.prepared.rows.values())
        self._events = state.events
        self._queues = [Queue(key, tuple(tasks.values())) for key, tasks in state.tasks.items()]

    def chunks(self) -> Iterator[bytes]:
        """The records in chunks of at most 1 MiB; an empty chunk marks a good moment to let others run."""
        for chunk in self._whole_chunks():
            yield from _cut(chunk)

    def _whole_chunks(self) -> Iterator[bytes]:
        """The same, except that a record larger than a chunk makes one chunk of its own."""
        rows: list[bytes] = []
        size = 0
        yield _encoder.encode([("h", self.header)])
        for count, (kind, row) in enumerate(self._rows(), 1):
            if not kind:
                yield b""
                continue
            encoded = _encoder.encode((kind, row))
            if rows and size + len(encoded) > CHUNK_BYTES - 16:
                yield _array(rows)
                rows, size = [], 0
            rows.append(encoded)
            size += len(encoded)
            if count % _ROWS_A_SLICE == 0:
                yield b""
        if rows:
            yield _array(rows)

    def _rows(self) -> Iterator[tuple[str, Any]]:
        for _, node in sorted(self._nodes):
            yield "n", node
        for _, instances in sorted(self._instances, key=lambda pair: pair[0]):
            for instance in sorted(instances, key=lambda row: row.id.lower()):
                yield "i", _stored(instance)
        for _, checks in sorted(self._checks, key=lambda pair: pair[0]):
            for check in sorted(checks, key=lambda row: row.id.lower()):
                yield "c", check
        for tombstone in self._tombstones:  # their order is that of their removal, which counts
            yield "g", tombstone
        for queue in sorted(self._queues, key=lambda one: one.agent):
            yield "t", queue
        for _, coordinates in sorted(self._coordinates, key=lambda pair: pair[0]):
            for coordinate in sorted(coordinates, key=lambda row: row.segment):
                yield "o", coordinate
        for session in sorted(self._sessions, key=lambda one: one.id):
            yield "s", session
        yield from self._pairs_in_order()
        for grave in self._graves:  # the oldest first
            yield "d", grave
        for query in sorted(self._prepared, key=lambda one: one.id):
            yield "q", query
        for event in self._events:
            yield "e", event

    def _pairs_in_order(self) -> Iterator[tuple[str, Any]]:
        rows: dict[bytes, Pair] = {}
        for begin in range(0, len(self._pairs), _PAIRS_A_SLICE):
            rows.update((pair.key, pair) for pair in self._pairs[begin : begin + _PAIRS_A_SLICE])
            yield _PAUSE
        for key in self._keys:
            yield "k", rows[key]


def _stored(instance: Instance) -> Instance:
    """The row without the Meta that its agent prints."""
    agent = instance.agent
    return instance if agent is None or not agent.keeps_metadata else msgspec.structs.replace(instance, meta=None)


def _cut(chunk: bytes) -> Iterator[bytes]:
    """A chunk as it is, or in pieces where it is too large: all but the last say that more of it follows."""
    if len(chunk) <= CHUNK_BYTES:
        yield chunk
        return
    size = CHUNK_BYTES - 1
    for begin in range(0, len(chunk), size):
        mark = _LAST if begin + size >= len(chunk) else _MORE
        yield mark + chunk[begin : begin + size]


def _joined(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks as they were before they were cut."""
    pieces: list[bytes] = []
    for chunk in chunks:
        mark = chunk[:1]
        if mark in (_MORE, _LAST):
            pieces.append(chunk[1:])
        if mark == _LAST:
            chunk, pieces = b"".join(pieces), []
        if mark != _MORE:
            yield chunk
    if pieces:
        raise LogCorrupt("the last chunks of the snapshot are missing")


def _array(rows: list[bytes]) -> bytes:
    """The MessagePack array of records that are encoded already."""
    return b"\xdd" + len(rows).to_bytes(4, "big") + b"".join(rows)


def digest(state: State) -> str:
    """A hash of the whole state; equal on every replica that has applied the same entries."""
    found = hashlib.sha256()
    for chunk in Frozen(state).chunks():
        found.update(chunk)
    return found.hexdigest()


def restored(chunks: Iterable[bytes]) -> State:
    """The state that a snapshot's chunks describe.

    Raises:
        LogCorrupt: a record does not decode, or the format or the command level is not this program's.
    """
    state = State()
    for number, chunk in enumerate(_joined(chunks)):
        try:
            for kind, raw in _chunk.decode(chunk):
                if kind == "h":
                    _put_header(state, _header.decode(raw))
                else:
                    _PUT[kind](state, _row[kind].decode(raw))
        except (msgspec.DecodeError, KeyError) as error:
            raise LogCorrupt(f"chunk {number} of the snapshot does not decode: {error}") from None
    return state


def _put_header(state: State, header: Header) -> None:
    if not 1 <= header.format <= FORMAT:
        raise LogCorrupt(f"a snapshot of format {header.format}; this program reads formats up to {FORMAT}")
    if header.level > LEVEL:
        raise newer_level(header.level)
    state.applied, state.time, state.level = header.applied, header.time, header.level
    state.server, state.indexes = header.server, header.indexes
    state.members, state.holder, state.counters = header.members, header.holder, header.counters
    state.kv.index = header.keys_index
    for key, until in header.delays:
        state.kv.delay(key, until)
    state.sessions.index, state.prepared.index = header.sessions_index, header.prepared_index
    state.event_time, state.autopilot = header.event_time, header.autopilot
    for mesh, number in header.virtual_numbers.items():
        state.put_virtual_number(mesh, number)


def _put_queue(tables: Tables, row: Queue) -> None:
    tables.tasks[row.agent] = {task.id: task for task in row.tasks}


def _put_tombstone(tables: Tables, row: Tombstone) -> None:
    tables.tombstones[fold(row.instance.id)] = row


def _put_coordinate(tables: Tables, row: NodeCoordinate) -> None:
    tables.coordinates.setdefault(fold(row.node), {})[row.segment] = row


def _put_event(tables: Tables, row: UserEvent) -> None:
    tables.events = (*tables.events, row)


_PUT: dict[str, Callable[[Tables, Any], None]] = {
    "n": Tables.put_node_row,
    "i": lambda tables, row: tables.put_instance_row(with_shown_meta(row)),
    "c": Tables.put_check_row,
    "g": _put_tombstone,
    "t": _put_queue,
    "o": _put_coordinate,
    "s": lambda tables, row: tables.sessions.put(row),
    "k": lambda tables, row: tables.kv.put(row),
    "d": lambda tables, row: tables.kv.put_grave(row),
    "q": lambda tables, row: tables.prepared.put(row),
    "e": _put_event,
}
