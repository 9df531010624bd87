"""A state as records and back, and that nothing which decides about later commands is left out."""

import msgspec
import pytest

from registry.commands import DeregisterLocal, UpdateCheck
from registry.errors import LogCorrupt
from registry.model import topic as topics
from registry.model.check import CRITICAL, Check
from registry.model.node import Node
from registry.model.server import Server
from registry.model.service import Instance
from registry.state.indexes import Indexes
from registry.state.snapshot import CHUNK_BYTES, Frozen, digest, restored
from registry.state.store import State
from tests.makers import World, deregister, proxy_of, register, register_local, register_row, register_ttl


def chunks(state: State) -> list[bytes]:
    return [chunk for chunk in Frozen(state).chunks() if chunk]


@pytest.fixture
def world() -> World:
    """Something in every table, something that has gone, and something critical."""
    made = World()
    made.apply(register("web", meta={"b": "1", "a": "2"}, tags=("x",)))
    made.apply(register_row(proxy_of("web")))
    made.apply(register_row(proxy_of("db")))
    made.apply(deregister("web-proxy"))
    made.apply(register("gone", on="n9"))
    made.apply(deregister(on="n9"))
    made.apply(register_local("web"))
    made.apply(register_ttl(service_id="web", reap_seconds=60.0))
    made.apply(UpdateCheck("ttl", CRITICAL, "down"))
    return made


def test_a_restored_state_is_the_same(world: World) -> None:
    again = restored(chunks(world.state))
    assert digest(again) == digest(world.state)
    assert (again.applied, again.time) == (world.index, world.time)


def test_a_restored_state_shows_the_same_rows_and_indexes(world: World) -> None:
    again = restored(chunks(world.state))
    assert again.all_entries() == world.state.all_entries()
    assert again.local_checks() == world.state.local_checks()
    asked = (topics.NODES, (topics.HEALTH, "web"), (topics.HEALTH, "gone"), (topics.NODE, "n9"), topics.CHECKS)
    assert [again.index(one) for one in asked] == world.indexes(*asked)


def test_a_restored_state_goes_on_alike(world: World) -> None:
    """Free mesh addresses, critical checks and local rows are all there."""
    again = restored(chunks(world.state))
    both = World(started=False)
    both.state, both.index, both.time = again, world.index, world.time
    for command in (register_row(proxy_of("cache")), UpdateCheck("ttl", CRITICAL, "x"), DeregisterLocal("web")):
        world.apply(command)
        both.apply(command)
    assert digest(again) == digest(world.state)


def test_what_is_frozen_does_not_change_with_the_state(world: World) -> None:
    before = digest(world.state)
    frozen = Frozen(world.state)
    world.apply(deregister(on="n1"))
    world.apply(register_row(proxy_of("cache")))
    assert digest(restored(chunk for chunk in frozen.chunks() if chunk)) == before


def test_chunks_are_at_most_a_mebibyte() -> None:
    world = World()
    for number in range(60):
        world.apply(register(on=f"n{number}", node_meta={"k": "v" * 50_000}))
    sizes = [len(chunk) for chunk in chunks(world.state)]
    assert len(sizes) > 3
    assert max(sizes) <= CHUNK_BYTES
    assert digest(restored(chunks(world.state))) == digest(world.state)


def test_what_is_larger_than_a_chunk_is_cut_and_put_together_again() -> None:
    """A row with much in it, and a first record that holds the indexes of very many services."""
    world = World()
    world.apply(register("web", checks=(Check(node="", id="c", name="c", status=CRITICAL, notes="x" * (3 << 20)),)))
    for number in range(30_000):
        world.state.indexes.service[f"a-service-with-a-long-name-{number}"] = number
    found = chunks(world.state)
    assert max(map(len, found)) <= CHUNK_BYTES
    assert digest(restored(found)) == digest(world.state)
    with pytest.raises(LogCorrupt, match="missing"):
        restored(found[:1])


def test_encoding_stops_for_others_every_few_hundred_rows() -> None:
    world = World()
    for number in range(500):
        world.apply(register(on=f"n{number}"))
    assert sum(not chunk for chunk in Frozen(world.state).chunks()) >= 2


def test_a_snapshot_of_another_format_is_refused(world: World) -> None:
    [header, *_] = chunks(world.state)
    kind, fields = msgspec.msgpack.decode(header)[0]
    with pytest.raises(LogCorrupt, match="format 99"):
        restored([msgspec.msgpack.encode([(kind, {**fields, "format": 99})])])


@pytest.mark.parametrize("damage", [b"\xc3", b"", msgspec.msgpack.encode([("x", 1)])], ids=["bytes", "empty", "kind"])
def test_a_damaged_chunk_is_refused_by_its_number(world: World, damage: bytes) -> None:
    with pytest.raises(LogCorrupt, match="chunk 1"):
        restored([chunks(world.state)[0], damage])


@pytest.mark.parametrize("row", [Node, Instance, Check, Server, Indexes], ids=lambda row: row.__name__)
def test_no_row_has_a_default_that_equal_values_may_miss(row: type[msgspec.Struct]) -> None:
    """A default is left out of the bytes by identity, and two equal texts or large numbers may be two objects."""
    description = msgspec.inspect.type_info(row)
    assert isinstance(description, msgspec.inspect.StructType)
    traps = [
        field.name
        for field in description.fields
        if (isinstance(field.default, str) and field.default)
        or (isinstance(field.default, int) and not -5 <= field.default <= 256)
    ]
    assert not traps or not row.__struct_config__.omit_defaults or (row, traps) == (Check, ["status"])  # interned


def test_no_chunks_are_the_empty_state() -> None:
    assert digest(restored([])) == digest(State())
