"""A state with keys and sessions in the words of the tests: each write returns what it came to."""

from typing import Any

from registry.commands import ChangeKey, CreateSession, EndSession, KeyOp, Transact
from registry.commands.transaction import Op
from registry.errors import RequestError
from registry.model import topic as topics
from registry.model.session import Session
from registry.model.topic import Topic
from registry.state.changes import Changes
from tests.makers import World

S1, S2 = "11111111-aaaa-bbbb-cccc-000000000001", "22222222-aaaa-bbbb-cccc-000000000002"


class Keys(World):
    """`index` is that of the newest entry, `changes` what it touched."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = Changes()

    def apply(self, command: Any, *, after_seconds: float = 1.0) -> Any:
        """Take the command in and return its result."""
        self.index += 1
        self.time += after_seconds
        self.changes = Changes()
        return self.state.apply(self.index, self.time, command, self.changes)

    def refused(self, command: Any) -> RequestError:
        """What the state says to a command that it does not take."""
        try:
            self.apply(command)
        except RequestError as error:
            assert not self.changes
            return error
        raise AssertionError(f"{command} was not refused")

    # Keys

    def key(self, verb: Any, key: str | bytes, value: str = "", *, after_seconds: float = 1.0, **more: Any) -> bool:
        """Carry out one operation; whether it took place."""
        name = key.encode() if isinstance(key, str) else key
        done = self.apply(ChangeKey(KeyOp(verb, name, value.encode(), **more)), after_seconds=after_seconds)
        assert isinstance(done, bool)
        return done

    def put(self, key: str, value: str = "", **more: Any) -> int:
        """Set a key; the index of it."""
        assert self.key("set", key, value, **more)
        return self.index

    def lock(self, key: str, session: str = S1, value: str = "", **more: Any) -> bool:
        return self.key("lock", key, value, session=session, **more)

    def unlock(self, key: str, session: str = S1, value: str = "", **more: Any) -> bool:
        return self.key("unlock", key, value, session=session, **more)

    def seen(self, key: str) -> tuple[str, int, str, int] | None:
        """Value, flags, holder and lock index of a key."""
        pair = self.state.kv.pairs.get(key.encode())
        return None if pair is None else (pair.value.decode(), pair.flags, pair.session, pair.lock_index)

    def made_and_changed(self, key: str) -> tuple[int, int]:
        """The indexes of a key."""
        pair = self.state.kv.pairs[key.encode()]
        return pair.create_index, pair.modify_index

    def of(self, key: str) -> int:
        """The index of an answer about a key."""
        return self.state.index(topics.of_key(key.encode()))

    def under(self, prefix: str) -> int:
        """The index of an answer about a prefix."""
        return self.state.index(topics.of_prefix(prefix.encode()))

    def listed(self, prefix: str = "") -> list[str]:
        return [pair.key.decode() for pair in self.state.kv.under(prefix.encode())]

    @property
    def touched(self) -> list[str]:
        """The keys that the newest entry touched."""
        return [key.decode() for key in self.changes.keys]

    @property
    def topics(self) -> dict[Topic, None]:
        return self.changes.topics

    # Sessions

    def begin(self, session_id: str = S1, **fields: Any) -> int:
        """Begin a session, bound to nothing on our own node unless said otherwise; its index."""
        self.apply(CreateSession(Session(id=session_id, **{"node": "here", "lock_delay_ns": 0, **fields})))
        return self.index

    def end(self, session_id: str = S1) -> int:
        self.apply(EndSession(session_id))
        return self.index

    @property
    def sessions(self) -> list[str]:
        return sorted(self.state.sessions.rows)

    # Transactions

    def transact(self, *ops: Op) -> list[Any]:
        """Carry out all of them; the rows they give."""
        found = self.apply(Transact(ops))
        assert isinstance(found, list)
        return found
