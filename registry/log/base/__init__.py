"""The contract of a log: it makes writes durable and puts them in one order.

A log knows bytes, indexes and time, never what the bytes mean. Every backend keeps every sentence of
this package; `tests/backends/` holds each of them to it.

Promises
    * Indexes are >= 1 and strictly growing, even across restarts and restores. There may be gaps.
    * `append` stores all of a batch or nothing, except for records whose condition does not hold, which
      are left out (`Stored.void`); the others get consecutive indexes from `Stored.first`.
    * Time is stamped by the log and never goes back.
    * `follow` yields every entry after a position exactly once and in order, whoever appended it, and
      only when it is durable.
    * A writer sees its own entries in `follow` like everyone else's, marked with the id it chose. A writer's
      name is new for every run of its process, or it would take entries of an earlier run for its own.
    * Cancelling the caller of `append` does not cancel the append.
    * While the store cannot be reached, every call fails within a second (one that writes a snapshot within
      five); nothing waits for the store to come back.

Several writers may append to one log, each through an object of its own with its own `writer` name: in
one process, or (`Log.shared`) in many processes on many machines.
"""

from registry.log.base.deadlines import Arm, Beat, Condition, Deadlines, Due, Left, Tick
from registry.log.base.entries import (
    Entry,
    Item,
    Newest,
    NotStored,
    Outcome,
    Output,
    Outputs,
    OwnId,
    Record,
    Reset,
    Stored,
    Unknown,
)
from registry.log.base.group import Group, Peer, Tenure
from registry.log.base.log import Contact, Held, Log

__all__ = [
    "Arm",
    "Beat",
    "Condition",
    "Contact",
    "Deadlines",
    "Due",
    "Entry",
    "Group",
    "Held",
    "Item",
    "Left",
    "Log",
    "Newest",
    "NotStored",
    "Outcome",
    "Output",
    "Outputs",
    "OwnId",
    "Peer",
    "Record",
    "Reset",
    "Stored",
    "Tenure",
    "Tick",
    "Unknown",
]
