"""Commands as bytes: what is read back is what was written, whatever the fields hold."""

import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.commands import Command, SetMembers, UpdateCheck
from registry.commands.codec import LEVEL, decoded, encoded
from registry.errors import LogCorrupt
from registry.model.check import Check
from registry.model.member import Member
from registry.model.node import Node
from registry.model.service import Instance
from tests.makers import register, start_server
from tests.model.any_value import values
from tests.model.histories import examples

KINDS = typing.get_args(Command)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_command_is_read_back_as_it_was_written(kind: type[Command]) -> None:
    @examples
    @given(values(msgspec.inspect.type_info(kind)))
    def read_back(command: Command) -> None:
        assert decoded(encoded(command)) == command

    read_back()


@pytest.mark.parametrize("row", [Node, Instance, Check], ids=lambda kind: kind.__name__)
def test_a_row_is_read_back_as_it_was_written(row: type) -> None:
    decoder: msgspec.msgpack.Decoder[object] = msgspec.msgpack.Decoder(row)

    @examples
    @given(values(msgspec.inspect.type_info(row)))
    def read_back(written: object) -> None:
        assert decoder.decode(msgspec.msgpack.encode(written)) == written

    read_back()


@examples
@given(st.binary(max_size=40))
def test_bytes_that_are_no_command_are_called_corrupt(payload: bytes) -> None:
    """Anything else than `LogCorrupt` would be a surprise in the middle of recovery."""
    for bytes_ in (payload, bytes([LEVEL]) + payload):
        try:
            command = decoded(bytes_)
        except LogCorrupt:
            continue
        assert isinstance(command, KINDS)


def test_a_command_of_a_later_level_asks_for_a_newer_program() -> None:
    with pytest.raises(LogCorrupt, match=f"level {LEVEL + 1}.*up to {LEVEL}.*newer program"):
        decoded(bytes([LEVEL + 1]) + b"x")


@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\x80"])
def test_bytes_without_a_level_are_called_corrupt(payload: bytes) -> None:
    with pytest.raises(LogCorrupt, match="command"):
        decoded(payload)


def test_only_what_older_programs_would_misread_is_marked_as_new() -> None:
    """A rolling upgrade: the older replicas go on reading what the newer ones write."""
    old = [start_server(), register("web"), UpdateCheck("c1", "passing")]
    new = [SetMembers((Member("0a0a0a0a"),)), UpdateCheck("c1", "passing", runner="0a0a0a0a")]
    assert {encoded(command)[0] for command in old} == {1}
    assert {encoded(command)[0] for command in new} == {2}
