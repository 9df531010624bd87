"""What goes into a log and what comes out of it: records to store, and the entries and resets that followers see.

How they are stored and passed on is `log.py`.
"""

from typing import NamedTuple

from registry.log.base.deadlines import Arm, Condition
from registry.log.base.group import Tenure


class Record(NamedTuple):
    """One command to store. Its `arms` take effect with it; its `condition` decides whether it is stored."""

    payload: bytes
    arms: tuple[Arm, ...] = ()
    condition: Condition | Tenure | None = None


class Stored(NamedTuple):
    """The batch is durable, except for the records at the positions in `void`, whose condition did not hold.

    `first` is the index of the first stored record, and means nothing when all are void. `time` is the log's.
    """

    first: int
    time: float
    void: tuple[int, ...] = ()


class NotStored(NamedTuple):
    """No part of the batch is stored, and none ever will be. `reason` is for a human."""

    reason: str


class Unknown(NamedTuple):
    """It cannot be told whether the batch is stored; if it is, `follow` will yield it. `reason` is for a human."""

    reason: str


Outcome = Stored | NotStored | Unknown


class OwnId(NamedTuple):
    """Where an entry came from: the writer, the number of its batch, and the record's place in the batch."""

    writer: str
    batch: int
    position: int


class Entry(NamedTuple):
    """One stored record: its index, the log's time (Unix seconds), who appended it, and its bytes.

    An entry without bytes holds no command. Either the log continues here after a gap in its known past (a
    recovery), or a repair has blanked the command that stood here. No answer shows a lower index from then on.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls on it
    time: float
    own_id: OwnId
    payload: bytes


class Reset(NamedTuple):
    """Replace the state by this one: a snapshot as of `index`, in the chunks it was published in.

    `floor` is the lowest index the log will ever use again; the index that an answer shows is at least
    that. A reset may arrive at any time: at the start, after a restore, or when a follower has fallen
    behind what the log still holds. Proposals under way when it arrives may or may not be part of it.
    Index 0 without chunks is the empty state.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls on it
    time: float
    floor: int
    chunks: tuple[bytes, ...]


class Output(NamedTuple):
    """A newer text of a check, which the log passes on but does not record. `key` is opaque to the log.

    `after` is the index that its sender had applied: an entry about the check with a higher index is newer.
    """

    key: str
    after: int
    text: str


class Outputs(NamedTuple):
    """Texts that some writer published, which may be this one; for each key the last one counts."""

    texts: tuple[Output, ...]


Item = list[Entry] | Reset | Outputs


class Newest(NamedTuple):
    """The newest stored index (0 for an empty log) and its time."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls on it
    time: float
