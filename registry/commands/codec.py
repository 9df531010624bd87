"""Commands as bytes: one version byte, then MessagePack.

The version is that of the command's own layout and meaning. Fields are stored by name and defaults are
left out, so a field can be added without a new version; a change of meaning needs one.
"""

import msgspec

from registry.commands import Command
from registry.errors import LogCorrupt

LEVEL = 1  # the highest version this program reads and writes

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_PREFIX = bytes([LEVEL])


def encoded(command: Command) -> bytes:
    """The command as the log keeps it."""
    return _PREFIX + _encoder.encode(command)


def decoded(payload: bytes) -> Command:
    """The command of a log entry.

    Raises:
        LogCorrupt: the bytes are no command, or one of a version this program does not know.
    """
    if not payload or payload[0] != LEVEL:
        version = payload[0] if payload else "nothing"
        raise LogCorrupt(f"a command of version {version}; this program reads version {LEVEL}")
    try:
        return _decoder.decode(memoryview(payload)[1:])
    except msgspec.DecodeError as error:
        raise LogCorrupt(f"a command that does not decode: {error}") from None
