"""What one or more commands changed, for those who watch.

A topic in `topics` means two things at once, because in the catalog they coincide: the bytes of answers on
it may differ now, and readers parked on it look again. Indexes are not listed here: many are those of a
whole table, so whoever keeps an answer compares its index with `State.index(topic)` when it is used.
"""

from registry.model.topic import Topic


class Changes:
    """Topics touched, in order and once each; `everything` after a reset, when no list would do.

    `checks` are the local checks that were written or removed, as (folded node, folded id).
    """

    __slots__ = ("checks", "everything", "topics")

    def __init__(self) -> None:
        self.topics: dict[Topic, None] = {}
        self.checks: dict[tuple[str, str], None] = {}
        self.everything = False

    def __bool__(self) -> bool:
        return self.everything or bool(self.topics)
