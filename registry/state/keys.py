"""The KV table: pairs in bytewise order, what is left of deleted ones, who holds which, and which wait for a lock.

Owns the rows and their indexes. What an operation means is `state/kv.py`. A read, a deletion or a list of keys under
a prefix costs what it finds, not the size of the table. Source: kv.md §3, session.md §6; `DESIGN.md` §2.
"""

from collections import deque
from collections.abc import Iterator
from functools import partial
from heapq import heappop, heappush
from itertools import takewhile

from sortedcontainers import SortedDict

from registry.model.names import fold
from registry.model.pair import KeyGrave, Pair
from registry.state.journal import Journal

GRAVE_SECONDS = 900.0  # how long a deletion raises the index of the prefixes above it; Consul's time
REMEMBERED_KEYS = 100  # a prefix with so many keys and deletions is not looked through whenever its index is asked for
_PREFIXES_REMEMBERED = 1000
_BURIALS_IDLE = 1000  # replaced ones that may lie about, besides as many as there are graves


class KeyTable:
    """All pairs. `index` is that of the last change of any, `changed` the keys touched so far (taken by the caller)."""

    def __init__(self, journal: Journal) -> None:
        self.pairs: SortedDict[bytes, Pair] = SortedDict()
        self.graves: SortedDict[bytes, KeyGrave] = SortedDict()
        self.held: dict[str, dict[bytes, None]] = {}  # folded session → the keys that it has locked
        self.delays: dict[bytes, float] = {}  # key → log time before which nobody can lock it
        self._delay_ends: list[tuple[float, bytes]] = []  # a heap of the same, with some that are no more
        self.index = 0
        self.changed: dict[bytes, None] = {}
        self._burials: deque[KeyGrave] = deque()  # oldest first, with some that a later one of the key has replaced
        self._newest: dict[int, dict[bytes, int]] = {}  # length → prefix of many keys → index of its newest change
        self._journal = journal

    # Rows

    def put(self, pair: Pair) -> None:
        """Insert or replace a pair."""
        key = pair.key
        old = self.pairs.get(key)
        self._let_go(old)
        if pair.session:
            self.held.setdefault(fold(pair.session), {})[key] = None
        self.pairs[key] = pair
        self.changed[key] = None
        self._spoil(key)
        if self._journal.open:
            self._journal.note(partial(self.drop, key) if old is None else partial(self.put, old))

    def drop(self, key: bytes) -> None:
        """Remove a pair."""
        old = self.pairs.pop(key)
        self._let_go(old)
        self.changed[key] = None
        self._spoil(key)
        if self._journal.open:
            self._journal.note(partial(self.put, old))

    def _let_go(self, pair: Pair | None) -> None:
        if pair is not None and pair.session:
            keys = self.held[fold(pair.session)]
            del keys[pair.key]
            if not keys:
                del self.held[fold(pair.session)]

    def rise(self, index: int) -> None:
        """Note that the table has changed at this index."""
        if self._journal.open:
            self._journal.note(partial(setattr, self, "index", self.index))
        self.index = index

    # Deletions

    def bury(self, key: bytes, index: int, time: float, *, tree: bool = False) -> None:
        """Remember that a key, or the whole tree under a prefix, was deleted."""
        old = self.graves.get(key)
        self.put_grave(KeyGrave(key, index, time, index if tree else old.tree_index if old is not None else 0))

    def put_grave(self, grave: KeyGrave) -> None:
        """Insert or replace what is left of a key."""
        key, old = grave.key, self.graves.get(grave.key)
        self.graves[key] = grave
        self._spoil(key, below=grave.tree_index > 0)
        self._burials.append(grave)
        if self._journal.open:
            self._journal.note(partial(self._dig_up, key, old))

    def _dig_up(self, key: bytes, old: KeyGrave | None) -> None:
        self._spoil(key, below=True)
        if old is None:
            del self.graves[key]
        else:
            self.graves[key] = old

    def delay(self, key: bytes, until: float) -> None:
        """Refuse locks on a key until `until` (log time)."""
        old = self.delays.get(key)
        self.delays[key] = until
        heappush(self._delay_ends, (until, key))
        if self._journal.open:
            self._journal.note(partial(self.delays.pop, key) if old is None else partial(self.delay, key, old))

    def reap(self, time: float) -> None:
        """Forget the deletions and lock-delays that are over by the log's time."""
        while self._burials and self._burials[0].time <= time - GRAVE_SECONDS:
            grave = self._burials.popleft()
            if self.graves.get(grave.key) is grave:
                del self.graves[grave.key]
                self._spoil(grave.key, below=grave.tree_index > 0)
        if len(self._burials) > 2 * len(self.graves) + _BURIALS_IDLE and not self._journal.open:
            self._burials = deque(self.burials())  # one key may be deleted again and again
        while self._delay_ends and self._delay_ends[0][0] <= time:
            until, key = heappop(self._delay_ends)
            if self.delays.get(key) == until:
                del self.delays[key]

    def burials(self) -> list[KeyGrave]:
        """What is remembered of deletions, the oldest first."""
        return [grave for grave in self._burials if self.graves.get(grave.key) is grave]

    # Reads

    def under(self, prefix: bytes) -> Iterator[Pair]:
        """The pairs whose keys have this prefix, in order; the table must not change during the iteration."""
        pairs = self.pairs
        for key in pairs.irange(minimum=prefix):
            if not key.startswith(prefix):
                return
            yield pairs[key]

    def copied(self) -> tuple[list[bytes], list[Pair]]:
        """The keys of this moment in order, and their pairs in some order: 50 ms for a million of them.

        To put both together costs ten times as much, so whoever needs it does it piece by piece (`snapshot.py`).
        """
        return list(self.pairs), list(super(SortedDict, self.pairs).values())

    def any_under(self, prefix: bytes) -> bool:
        """Whether any key has this prefix."""
        return next(self.under(prefix), None) is not None

    def index_of(self, key: bytes) -> int:
        """The index that an answer about one key shows."""
        pair = self.pairs.get(key)
        return pair.modify_index if pair is not None else self.index

    def index_under(self, prefix: bytes) -> int:
        """The index that an answer about all keys with a prefix shows, by what is there and what was deleted.

        A deletion of a larger tree counts too where one below is remembered. Consul misses it then, and its index even
        goes back; kv.md §3 lets a server do better.
        """
        if not prefix:
            return self.index
        newest = self._newest[len(prefix)].get(prefix) if len(prefix) in self._newest else None
        return (self._newest_under(prefix) if newest is None else newest) or self.index

    def _newest_under(self, prefix: bytes) -> int:
        found = [pair.modify_index for pair in self.under(prefix)]
        buried = takewhile(lambda key: key.startswith(prefix), self.graves.irange(minimum=prefix))
        found += (self.graves[key].index for key in buried)
        newest = max(found, default=0)
        if newest and self.graves:
            above = (self.graves.get(prefix[:length]) for length in range(len(prefix)))
            newest = max(newest, *(grave.tree_index for grave in above if grave is not None), 0)
        if len(found) >= REMEMBERED_KEYS:
            if sum(map(len, self._newest.values())) >= _PREFIXES_REMEMBERED:
                self._newest.clear()
            self._newest.setdefault(len(prefix), {})[prefix] = newest
        return newest

    def _spoil(self, key: bytes, *, below: bool = False) -> None:
        """Forget what is remembered of the prefixes of a key that changes, with `below` also of those it begins."""
        if below:
            self._newest.clear()
        for length, prefixes in self._newest.items():
            prefixes.pop(key[:length], None)
