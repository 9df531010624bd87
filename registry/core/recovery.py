"""From a log to a state: first the snapshot, then the entries after it.

Owns what a reset and an entry do to a state, and which failures stop the process. Nothing here waits.
"""

from typing import Any, NamedTuple

from registry.commands import Command, RaiseLevel
from registry.commands.codec import LEVEL, decoded, newer_level
from registry.errors import LogCorrupt, LogError, LogTooNew, RequestError
from registry.log.base import Entry, Reset
from registry.state.changes import Changes
from registry.state.snapshot import restored
from registry.state.store import State


class ApplyFailed(LogError):
    """An entry that the state cannot take in: the process must stop before it diverges."""

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(f"entry {index} of the log cannot be applied ({problem}). {_way_past(index)}")
        self.index = index


def state_of(reset: Reset, level: int = LEVEL) -> State:
    """The state that a reset asks for; every index it shows is at least the reset's floor.

    Args:
        level: the highest command level to understand.
    Raises:
        LogCorrupt: the snapshot does not decode, or commands of a higher level may follow it.
    """
    state = restored(reset.chunks)
    if state.level > level:
        raise newer_level(state.level, level)
    state.applied = max(state.applied, reset.index)
    state.time = max(state.time, reset.time)
    state.indexes.floor = max(state.indexes.floor, reset.floor)
    return state


class Applied(NamedTuple):
    """What became of a command: its result, or the state's refusal."""

    result: Any = None
    refusal: RequestError | None = None


def apply_entry(state: State, entry: Entry, command: Command | None, changes: Changes, level: int = LEVEL) -> Applied:
    """Apply one entry to the state. A refusal by the state is a result; anything else must stop the process.

    Args:
        command: the entry's command, if the caller has it; otherwise the bytes are decoded.
        level: the highest command level to understand.
    Raises:
        LogTooNew: the command, or one that may follow it, is of a higher level.
        LogCorrupt: the bytes are no command. The message names the index and the way out.
        ApplyFailed: the state failed on the command. The message names the index and the way out.
    """
    if command is None:
        try:
            command = decoded(entry.payload, level)
        except LogTooNew as error:
            raise LogTooNew(f"record {entry.index} of the log: {error}") from None
        except LogCorrupt as error:
            raise LogCorrupt(f"record {entry.index} of the log: {error}. {_way_past(entry.index)}") from None
    if isinstance(command, RaiseLevel) and command.level > level:
        raise LogTooNew(f"record {entry.index} of the log: {newer_level(command.level, level)}")
    try:
        return Applied(state.apply(entry.index, entry.time, command, changes))
    except RequestError as refusal:
        return Applied(refusal=refusal)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ApplyFailed(entry.index, f"{type(error).__name__}: {error}") from error


def _way_past(index: int) -> str:
    return (
        f"'registry repair --skip {index}', given the same store, lets every process pass over it; "
        "make a copy of the store first, for whoever is to find out why"
    )
