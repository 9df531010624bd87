"""Commands as bytes: what is read back is what was written, whatever the fields hold."""

import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.commands import Command
from registry.commands.codec import LEVEL, decoded, encoded
from registry.errors import LogCorrupt
from registry.model.check import Check
from registry.model.node import Node
from registry.model.service import Instance
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


def test_a_command_of_a_later_version_is_refused_by_its_version() -> None:
    with pytest.raises(LogCorrupt, match=f"version {LEVEL + 1}"):
        decoded(bytes([LEVEL + 1]) + b"x")
    with pytest.raises(LogCorrupt, match="version nothing"):
        decoded(b"")
