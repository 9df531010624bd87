"""What one or more commands changed, for everyone who watches.

A topic in `topics` means two things at once, because in the catalog they coincide: the bytes of answers on
it may differ now, and readers parked on it look again. Indexes are not listed here: many are those of a
whole table, so whoever keeps an answer compares its index with `State.index(topic)` when it is used.
"""

from registry.model.topic import Topic


class Changes:
    """Topics touched, in order and once each; `everything` after a reset, which no list could describe.

    `keys` are keys of the KV store; each stands for its own topic and for those of all its prefixes.

    `checks` are local checks that were written or removed, as (folded node, folded id). `instances` are those whose
    view by an agent may differ, with "" as the id for all on a node; the value is true if a sign of life was taken.
    """

    __slots__ = ("checks", "everything", "instances", "keys", "topics")

    def __init__(self) -> None:
        self.topics: dict[Topic, None] = {}
        self.keys: dict[bytes, None] = {}
        self.checks: dict[tuple[str, str], None] = {}
        self.instances: dict[tuple[str, str], bool] = {}
        self.everything = False

    def __bool__(self) -> bool:
        return self.everything or bool(self.topics) or bool(self.keys)
