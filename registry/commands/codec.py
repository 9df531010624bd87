"""Commands as bytes: one version byte, then MessagePack.

The version is the command's level: the lowest that a program must know to apply it as it was meant. Fields are
stored by name and defaults are left out, so a field that changes nothing for older programs can be added without a
new level; a new kind of command, or a change of meaning, needs one. Proposers keep to the level of the state
(`RaiseLevel`), which is what every member can read.
"""

import msgspec

from registry.commands import (
    ChangeKey,
    Command,
    CreateSession,
    DeletePrepared,
    EndSession,
    FinishTask,
    FireEvent,
    MoveAgent,
    PutCoordinate,
    PutPrepared,
    RegisterAgent,
    RemoveAgent,
    SetAutopilot,
    SetMembers,
    SubmitTask,
    Transact,
    UpdateAgent,
    UpdateCheck,
)
from registry.errors import LogCorrupt, LogTooNew

LEVEL = 4  # the highest level this program reads and writes
COORDINATION_LEVEL = 4  # from which on a log holds keys, sessions and what else coordinates
AGENTS_LEVEL = 3  # from which on a log holds agents
MEMBERS_LEVEL = 2  # from which on a log holds its members, and results of checks say who found them

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_LEVELS: dict[type, int] = {
    SetMembers: MEMBERS_LEVEL,
    **dict.fromkeys((RegisterAgent, UpdateAgent, MoveAgent, RemoveAgent, SubmitTask, FinishTask), AGENTS_LEVEL),
    **dict.fromkeys((ChangeKey, Transact, CreateSession, EndSession), COORDINATION_LEVEL),
    **dict.fromkeys((PutPrepared, DeletePrepared, FireEvent, PutCoordinate, SetAutopilot), COORDINATION_LEVEL),
}
_PREFIX = tuple(bytes([level]) for level in range(LEVEL + 1))


def level_of(command: Command) -> int:
    """The lowest level that a program must know to apply the command as it was meant."""
    if isinstance(command, UpdateCheck):
        return MEMBERS_LEVEL if command.runner or command.modify_index else 1
    return _LEVELS.get(type(command), 1)


def encoded(command: Command) -> bytes:
    """The command as the log keeps it."""
    return _PREFIX[level_of(command)] + _encoder.encode(command)


def decoded(payload: bytes, known: int = LEVEL) -> Command:
    """The command of a log entry.

    Args:
        known: the highest level to understand.

    Raises:
        LogCorrupt: the bytes are no command, or one of a level this program does not know.
    """
    if not payload or not 1 <= payload[0] <= known:
        level = payload[0] if payload else 0
        if level > known:
            raise newer_level(level, known)
        raise LogCorrupt("no command" if not payload else f"a command of level {level}, which there is not")
    try:
        return _decoder.decode(memoryview(payload)[1:])
    except msgspec.DecodeError as error:
        raise LogCorrupt(f"a command that does not decode: {error}") from None


def newer_level(level: int, known: int = LEVEL) -> LogTooNew:
    """The error to stop with when a log needs a level that this program does not know."""
    return LogTooNew(
        f"it needs command level {level}, but this program knows levels up to {known}: a newer program is needed here"
    )
