"""The scripts of `log/lua/`, and how one is called.

Owns their texts, their names in Redis and the keys they declare. What they do is written at the top of each.
"""

from collections.abc import Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any

from registry.log.redis.link import CALL_SECONDS, Link, Refused

_FOLDER = Path(__file__).parent.parent / "lua"
_COMMON = "guard"  # stands before each of the others
_SCRIPTS = (
    "append", "beat", "chunk", "disarm", "hello", "leave", "left", "mend", "output", "presence", "publish", "rearm",
    "restore", "skip", "sync", "tick",
)  # fmt: skip
_TEXTS = {name: (_FOLDER / f"{name}.lua").read_text() for name in (_COMMON, *_SCRIPTS)}

Value = bytes | str | int | float


class Keys:
    """The names of the keys of one log. All have the namespace as their hash tag: one slot of a cluster."""

    def __init__(self, namespace: str) -> None:
        self._prefix = f"{{{namespace}}}:"
        self.log = f"{self._prefix}log"
        self.soft = f"{self._prefix}soft"
        self.out = f"{self._prefix}out"
        self.meta = f"{self._prefix}meta"
        self.common = tuple(f"{self._prefix}{name}" for name in ("meta", "log", "due", "members", "out", "soft"))

    def chunks(self, name: str, count: int) -> tuple[str, ...]:
        """The chunks of a snapshot."""
        return tuple(f"{self._prefix}snap:{name}:{number}" for number in range(count))


class Scripts:
    """Calls scripts on links; loads one when the server does not know it."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self._texts = {name: f"{_TEXTS[_COMMON]}\n{_TEXTS[name]}" for name in _SCRIPTS}
        self._names = {name: sha1(text.encode()).hexdigest() for name, text in self._texts.items()}

    async def call(
        self,
        link: Link,
        name: str,
        *values: Value,
        more_keys: Sequence[str] = (),
        after: Sequence[Sequence[Value]] = (),
        seconds: float = CALL_SECONDS,
    ) -> list[Any]:
        """Run a script and return its answer, an array whose first element is a word.

        Args:
            after: commands that are sent behind it on the same connection; their answers are put behind its own.
        Raises:
            Refused, NotSent, NoAnswer: as for `Link.call`.
        """
        keys = (*self.keys.common, *more_keys)
        command = ("EVALSHA", self._names[name], len(keys), *keys, *values)
        try:
            answer, *rest = await link.call(command, *after, seconds=seconds)
        except Refused as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
            await link.call(("SCRIPT", "LOAD", self._texts[name]), seconds=seconds)
            answer, *rest = await link.call(command, *after, seconds=seconds)
        return [answer[0].decode(), *answer[1:], *rest]
