"""Clients that use the same few keys at the same time and note what they sent and what they were told.

Owns the requests and the notes. A request that was refused as not stored is not noted; one that nobody answered is
noted without an end, and a read like that not at all. Whether the notes can be true is `checker.py`.
"""

import asyncio
import base64
import itertools
import json
import random
import time
from collections.abc import Sequence
from urllib.parse import quote

from tests.fuzz.wire import Answer as HttpAnswer
from tests.linear.checker import NEVER, Event, Undecided, order_of, told
from tests.linear.model import Answer, Op
from tests.replicas.callers import AWAY, NOT_STORED, Caller, Door

CLIENTS, KEYS = 5, 3
AGAIN_SECONDS = 0.02  # after which a client that was not answered asks again
PATIENCE_SECONDS = 5.0
VERBS = ("get", "get", "get", "put", "cas", "cas", "lock", "lock", "unlock", "unlock", "delete")
NO_CHECKS = b'{"NodeChecks":[],"LockDelay":"0s"}'


class Clients:
    """All clients of one store, which may have several doors."""

    def __init__(self, doors: Sequence[Door], chance: random.Random) -> None:
        self.events: dict[str, list[Event]] = {}  # by key
        self.done = 0
        self.unknown = 0
        self._chance = chance
        self._callers = [Caller(doors, chance, patience_seconds=PATIENCE_SECONDS) for _ in range(CLIENTS)]
        self._sessions: list[str] = []
        self._numbers = itertools.count(1)
        self._rounds = itertools.count(1)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self) -> None:
        """Let each work under a session of its own, on keys that are new."""
        if not self._sessions:
            self._sessions = [await _session(caller) for caller in self._callers]
        number, self._stopping, self.events = next(self._rounds), False, {}
        keys = [f"round-{number}/key-{place}" for place in range(KEYS)]
        self._tasks = [
            asyncio.create_task(self._work(place, caller, session, keys))
            for place, (caller, session) in enumerate(zip(self._callers, self._sessions, strict=True))
        ]

    async def worked(self, count: int) -> None:
        """Wait until so many requests more are answered."""
        aim = self.done + count
        async with asyncio.timeout(30):
            while self.done < aim:
                ended, _ = await asyncio.wait(self._tasks, timeout=0.002, return_when=asyncio.FIRST_EXCEPTION)
                for task in ended:
                    task.result()

    async def stop(self) -> None:
        """Let each bring its request to an end."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for caller in self._callers:
            await caller.close()

    def problems(self) -> list[str]:
        """The histories of keys that cannot have happened, and those of which nobody could find out."""
        found = []
        for key, some in sorted(self.events.items()):
            try:
                if order_of(some) is None:
                    found.append(f"{key}:\n{told(some)}")
            except Undecided as undecided:
                found.append(f"{key}: {undecided}\n{told(some)}")
        return found

    async def _work(self, place: int, caller: Caller, session: str, keys: list[str]) -> None:
        read: dict[str, tuple[str, int]] = {}  # key → the value and its index that this client read last
        while not self._stopping:
            if self._chance.random() < 0.1:
                await caller.turn_kept()
            key = self._chance.choice(keys)
            value, index = read.get(key, ("", 0))
            op = self._operation(session, value)
            begun = time.monotonic()
            answer = await caller.ask(*_request(key, op, index))
            ended = time.monotonic()
            if answer is None or _away(answer):
                if op.verb != "get" and not (answer is not None and NOT_STORED in answer.body):
                    self.unknown += 1
                    self.events.setdefault(key, []).append(Event(str(place), begun, NEVER, op))
                await self._until_answered(caller, key)
                continue
            if op.verb == "get":
                told_now, read[key] = _told(answer)
            else:
                assert answer.status == 200, (op, answer)
                told_now = answer.body == b"true"
            self.events.setdefault(key, []).append(Event(str(place), begun, ended, op, told_now))
            self.done += 1

    async def _until_answered(self, caller: Caller, key: str) -> None:
        """Ask others until one answers: of each client at most one write may be open at a time."""
        while not self._stopping:
            await caller.turn()
            await asyncio.sleep(AGAIN_SECONDS)
            answer = await caller.ask("GET", f"/v1/kv/{quote(key)}")
            if answer is not None and not _away(answer):
                return

    def _operation(self, session: str, value: str) -> Op:
        verb = self._chance.choice(VERBS)
        if verb in ("get", "delete"):
            return Op(verb)
        new = str(next(self._numbers))
        if verb == "cas":
            return Op("cas", new, expected=value)
        return Op(verb, new, session if verb in ("lock", "unlock") else "")


def _away(answer: HttpAnswer) -> bool:
    """Whether the store is: a read that would have to ask it says so in Consul's words."""
    return answer.status in AWAY or (answer.status == 500 and answer.body == b"No cluster leader")


async def _session(caller: Caller) -> str:
    """A session that nothing ends but its caller."""
    async with asyncio.timeout(20):
        while True:
            answer = await caller.ask("PUT", "/v1/session/create", NO_CHECKS)
            if answer is not None and answer.status == 200:
                found: str = json.loads(answer.body)["ID"]
                return found
            await asyncio.sleep(AGAIN_SECONDS)


def _request(key: str, op: Op, index: int) -> tuple[str, str, bytes]:
    path = f"/v1/kv/{quote(key)}"
    match op.verb:
        case "get":
            return "GET", path, b""
        case "delete":
            return "DELETE", path, b""
        case "cas":
            return "PUT", f"{path}?cas={index}", op.value.encode()
        case "lock":
            return "PUT", f"{path}?acquire={op.session}", op.value.encode()
        case "unlock":
            return "PUT", f"{path}?release={op.session}", op.value.encode()
    return "PUT", path, op.value.encode()


def _told(answer: HttpAnswer) -> tuple[Answer, tuple[str, int]]:
    """What a read says, and what a check-and-set after it compares with."""
    if answer.status == 404:
        return None, ("", 0)
    assert answer.status == 200, answer
    [row] = json.loads(answer.body)
    value = base64.b64decode(row["Value"] or "").decode()
    return (value, row.get("Session", "")), (value, row["ModifyIndex"])
