"""This process's standing with the store: a session that its appends carry, or the way back to one.

Owns saying hello, taking part in recoveries, being present every second, and whether the store is away. An
interrupted session never stands again: the next one has a higher number, so that whatever of the old one is
still on its way lands no more. The protocol: docs/redis.md.
"""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from typing import Any

from registry.errors import LogCorrupt, LogUnavailable, SettingsError
from registry.log.base import Contact
from registry.log.redis.history import History
from registry.log.redis.link import CALL_SECONDS, Link, NoAnswer, NotSent, Refused
from registry.log.redis.membership import Membership
from registry.log.redis.place import Place
from registry.log.redis.recovery import Recovery
from registry.log.redis.scripts import Scripts, Value
from registry.log.redis.url import Target
from registry.log.role import Role

PRESENCE_SECONDS = 0.5  # a third of what makes a member late (`guard.lua`)
PROBE_SECONDS = 0.25  # between two attempts to reach a store that is away
POLL_SECONDS = 0.05  # between two hellos while a window is open
_WRONG_SETTINGS = ("WRONGPASS", "NOAUTH", "NOPERM", "ERR invalid password", "invalid username", "ERR AUTH", "ERR DB")
_TLS_WORDS = ("SSL", "ssl", "certificate")

_THERE = Contact(False, 0.0, "")
_log = logging.getLogger("registry.store")


class Interrupted(Exception):
    """The session stands no more; nothing was done."""


class _NotOurs(Interrupted):
    """What is stored is no log of ours, or lacks a part without which it is none."""


class Session:
    """Stands, or is on the way to it; one task does the work."""

    def __init__(
        self, target: Target, place: Place, scripts: Scripts, writer: str, history: History, membership: Membership,
        role: Role,
    ) -> None:  # fmt: skip
        """Of who is no member nobody hears, and the lease is never its."""
        self.store = ""  # id of the log; known from the first hello on
        self.number = 0
        self.epoch = 0
        self.row = ""  # our newest batch as the store knew it when the session began
        self.skipped: frozenset[int] = frozenset()
        self.newest = 0  # the newest index heard of
        self.recovery = Recovery(target, scripts, writer, history)
        self._target = target
        self._place = place
        self._scripts = scripts
        self._writer = writer
        self._history = history
        self._membership = membership
        self._role = role
        self._links = [Link(target, place)]
        [self._link] = self._links
        self._stands = asyncio.Event()
        self._wanted = asyncio.Event()
        self._closed = False
        self._fault: BaseException | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._reason = "the store was not reached yet"
        self._since = 0.0  # when the trouble began
        self._answered = 0.0
        self._new_store = secrets.token_hex(8) if role.founds else ""

    # For the other parts

    def link(self) -> Link:
        """A connection of one's own, which is made anew after each interruption."""
        self._links.append(Link(self._target, self._place))
        return self._links[-1]

    def forget(self, link: Link) -> None:
        """The link is used no more."""
        self._links.remove(link)

    async def call(self, link: Link, name: str, *values: Value, **more: Any) -> list[Any]:
        """Run a guarded script on behalf of this log.

        Raises:
            Interrupted: nothing was done, and the store has to be greeted anew.
            Refused, NotSent, NoAnswer: as for `Link.call`.
        """
        try:
            answer = await self._scripts.call(link, name, self.store, *values, **more)
        except (Refused, NotSent, NoAnswer) as problem:
            self.suspect(str(problem))
            raise
        self._answered = asyncio.get_running_loop().time()
        if answer[0] in ("EMPTY", "RECOVER", "GONE", "LOST", "FOREIGN"):
            self.interrupt(_WORDS[answer[0]].format(*map(_text, answer[1:])))
            raise Interrupted(self._reason)
        return answer

    def suspect(self, reason: str) -> None:
        """Something went wrong on some connection: see whether the store is still there."""
        if self._stands.is_set():
            self._reason = reason
        self._wanted.set()

    def interrupt(self, reason: str, silent_seconds: float = 0.0) -> None:
        """The session stands no more; the store has been silent for that long already."""
        self._reason = reason
        if self._stands.is_set():
            self._stands.clear()
            self._since = asyncio.get_running_loop().time() - silent_seconds
            self._membership.lost()
            for link in self._links:
                link.doubt()
            _log.warning("The store is interrupted: %s", reason)
        self._wanted.set()

    async def standing(self, seconds: float) -> None:
        """Return once a session stands.

        Raises:
            LogUnavailable: none within `seconds`, or within the second after the trouble began.
        """
        if self._stands.is_set():
            return
        left = min(seconds, self._since + CALL_SECONDS - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(max(left, 0.0)):
                await self._stands.wait()
        except TimeoutError:
            raise LogUnavailable(self.contact().reason) from None

    async def stood(self) -> None:
        """Return once a session stands, however long that takes.

        Raises:
            Interrupted: none ever will, the log is closed.
        """
        await self._stands.wait()
        if self._fault is not None:
            raise self._fault
        if self._closed:
            raise Interrupted("the log is closed")

    def contact(self) -> Contact:
        """How the store is."""
        if self._stands.is_set():
            return _THERE
        now = asyncio.get_running_loop().time()
        away = now - self._since >= CALL_SECONDS
        return Contact(away, now - self._answered, f"the store at {self._target.shown} is away: {self._reason}")

    # Life

    async def open(self) -> None:
        """Greet the store for the first time.

        Raises:
            LogUnavailable: it does not answer. SettingsError: it refuses us, or holds something else.
            LogCorrupt: part of the log is missing.
        """
        self._since = self._answered = asyncio.get_running_loop().time()
        try:
            await self._greet()
            await self._be_present()
        except _NotOurs as problem:
            raise SettingsError("store", f"{self._target.shown}: {problem}") from None
        except Interrupted as problem:
            raise LogUnavailable(f"the store at {self._target.shown}: {problem}") from None
        except (NotSent, NoAnswer, Refused) as problem:
            raise _first_failure(self._target, problem) from None
        self._keeper = asyncio.get_running_loop().create_task(self._keep())
        self._keeper.add_done_callback(self._kept)

    async def close(self) -> None:
        """Leave the group and let go."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
            if self._stands.is_set():
                try:
                    await self._scripts.call(self._link, "leave", self.store, self._writer)
                except (Refused, NotSent, NoAnswer) as problem:
                    _log.warning("The store was left without a word: %s", problem)
        self._closed = True
        self._membership.lost()
        self._stands.set()  # nobody waits for another one
        for link in self._links:
            await link.close()

    def _kept(self, keeper: "asyncio.Task[None]") -> None:
        """The keeper never ends by itself: a fault of ours is handed to whoever follows, and stops the process."""
        if not keeper.cancelled():
            self._fault = keeper.exception()
            self._stands.set()

    async def _keep(self) -> None:
        """Be present while a session stands, greet the store until one does. Never returns."""
        while True:
            try:
                if not self._stands.is_set():
                    await self._greet()
                await self._be_present()
                await self._wait(PRESENCE_SECONDS)
            except (Refused, NotSent, NoAnswer) as problem:
                self.interrupt(str(problem), getattr(problem, "silent_seconds", 0.0))
                await asyncio.sleep(PROBE_SECONDS)
            except Interrupted as problem:
                self.interrupt(str(problem))
                await asyncio.sleep(POLL_SECONDS)

    async def _wait(self, seconds: float) -> None:
        self._wanted.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            return

    async def _be_present(self) -> None:
        if not self._role.is_member:
            answer = await self.call(self._link, "sync", "")
            self.newest = max(self.newest, int(answer[1]))
            return
        begun = asyncio.get_running_loop().time()
        answer = await self.call(self._link, "presence", self._writer, self._membership.about)
        self.newest = max(self.newest, int(answer[1]))
        self._membership.heard(_text(answer[3]), int(answer[4]), begun)

    async def _greet(self) -> None:
        """Say hello until a session stands, putting back what the store has lost.

        Raises:
            Interrupted: the store holds something that is not our log; Refused, NotSent, NoAnswer.
        """
        self.number += 1
        able, window = True, round(self._target.window_seconds * 1000)
        while True:
            answer = await self._scripts.call(
                self._link, "hello", self.store, self._writer, self.number, self._history.applied,
                "1" if able else "0", window, self._new_store, "1" if self._role is Role.RESTORER else "0",
            )  # fmt: skip
            self._answered = asyncio.get_running_loop().time()
            match answer[0]:
                case "OPEN":
                    self._begin(answer)
                    return
                case "WINDOW":
                    self._reason = "the store was restarted or replaced, and recovers"
                    if able and answer[1] and int(answer[2]) < self._history.applied:
                        able = await self.recovery.put_back(self._link, self.store, int(answer[2]), window)
                    else:
                        await asyncio.sleep(min(POLL_SECONDS, max(int(answer[3]), 1) / 1000))
                case "RESTORE":
                    _log.warning("The store is empty; it gets back what this process holds")
                    await self.recovery.heal(self._link, self.store, 0)
                case "FENCED":
                    self.number = int(answer[1]) + 1
                case "NOTHING":
                    raise Interrupted("nothing is stored there")
                case "FOREIGN":
                    raise _NotOurs(_WORDS["FOREIGN"].format(_text(answer[1])))
                case word:
                    raise Interrupted(_WORDS[word].format(*map(_text, answer[1:])))

    def _begin(self, answer: Sequence[Any]) -> None:
        _, store, index, _, row, epoch, skipped = answer
        self.store, self.newest = _text(store), int(index)
        self.row, self.epoch = _text(row), int(epoch)
        self.skipped = frozenset(map(int, _text(skipped).split()))
        if self.number > 1:
            _log.info("The store is back: index %d, epoch %d", self.newest, self.epoch)
        self._reason = ""
        self._stands.set()


_WORDS = {
    "EMPTY": "what it held is gone",
    "RECOVER": "it was restarted or replaced",
    "GONE": "it holds another log now ({0}): restart to take that one up, or run 'registry restore'",
    "LOST": "its stream of entries is missing: run 'registry restore'",
    "FOREIGN": "under our keys it holds {0}: choose another namespace",
}


def _first_failure(target: Target, problem: Exception) -> Exception:
    """What a failure to begin means: a wrong setting, or a store that is not there."""
    text = str(problem)
    if isinstance(problem, Refused) and text.startswith("WRONGTYPE"):
        return SettingsError("store", f"{target.shown}: {_WORDS['FOREIGN'].format('something that is no log')}")
    if any(word in text for word in _WRONG_SETTINGS) or any(word in text for word in _TLS_WORDS):
        return SettingsError("store", f"{target.shown}: {text}")
    return LogUnavailable(f"the store at {target.shown} does not answer: {text}")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


__all__ = ["Interrupted", "LogCorrupt", "Session"]
