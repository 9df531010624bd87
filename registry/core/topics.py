"""Ready answers, and the readers that wait for the next one.

Owns, for each topic, the encoded answers that are valid until something under them changes, and the
readers parked on it. Keys and bytes are opaque here: the dialect supplies a query and an encoder, and may
keep what it likes in `Answer.extra`.

An answer cannot be stale: every change of its bytes touches its topic, which drops it, and its index is
compared with the state's each time it is used. A topic is kept only while it has answers or waiters, and
an answer only while its topic has rows or somebody waits, so names that do not exist cannot fill memory.

Source: common.md §8 (what a blocking query may and may not do); `DESIGN.md` §2.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import Any, NamedTuple

from registry.clock import Clock, TimerHandle
from registry.errors import TooManyRequests
from registry.model.topic import KEYS_UNDER, Topic, of_key
from registry.state.changes import Changes
from registry.state.store import State

REQUESTS_PER_ANSWER = 16  # spellings of one request (another client, another header) that are remembered


class Question(NamedTuple):
    """A read: the topic it belongs to, what distinguishes it there, and how its bytes are made.

    `keep` is False for an answer that is not to be kept. With `only_if_different` a waiter whose bytes are
    the same after a change goes on waiting (merge-central-config).
    """

    topic: Topic
    key: Hashable
    query: Callable[[State], Any]
    encode: Callable[[Any], bytes]
    keep: bool = True
    only_if_different: bool = False


class Answer:
    """The bytes of one answer and the index it shows.

    `live` is False once a change has spoiled the bytes. `extra` is for what the dialect derives from
    them. `requests` are those that are remembered as answered by it. `used` is 1 if the answer was
    asked for since it was last a candidate for dropping, else 0.
    """

    __slots__ = ("body", "extra", "index", "key", "live", "requests", "topic", "used")

    def __init__(self, topic: Topic, key: Hashable, index: int, body: bytes) -> None:
        self.topic = topic
        self.key = key
        self.index = index
        self.body = body
        self.live = True
        self.used = 0
        self.extra: dict[str, Any] = {}
        self.requests: list[Hashable] = []


def resolve(future: "asyncio.Future[None]") -> None:
    """Wake whoever awaits the future, unless it is done already."""
    if not future.done():
        future.set_result(None)


class Waiter:
    """One parked reader, resolved with an `Answer` by a change or by its deadline."""

    __slots__ = ("answer", "future", "min_index", "timer")

    def __init__(self, future: "asyncio.Future[Answer]", min_index: int, answer: Answer) -> None:
        self.future = future
        self.min_index = min_index
        self.answer = answer
        self.timer: TimerHandle | None = None

    def expire(self) -> None:
        """End the wait at its deadline with the newest answer, index included (common.md §8.2)."""
        if not self.future.done():
            self.future.set_result(self.answer)


class _Watched:
    """What is kept for one topic; `lookers` wait for the next touch and for no answer."""

    __slots__ = ("answers", "lookers", "waiters")

    def __init__(self) -> None:
        self.answers: dict[Hashable, Answer] = {}
        self.waiters: dict[Hashable, tuple[Question, dict[Waiter, None]]] = {}
        self.lookers: dict[asyncio.Future[None], None] = {}


def _least_used(answers: dict[Hashable, Answer]) -> Answer:
    """The oldest answer that nobody has asked for since one was last dropped, else the oldest of all."""
    for answer in answers.values():
        if not answer.used:
            return answer
        answer.used = 0
    return next(iter(answers.values()))


class Topics:
    """All topics with ready answers or waiting readers."""

    def __init__(
        self, clock: Clock, *, answers_per_topic: int = 32, answers_bytes: int = 64 << 20, max_parked: int = 50_000
    ) -> None:
        """Args:
        answers_per_topic: answers kept on one topic.
        answers_bytes: size of all bodies that are kept.
        max_parked: readers that may wait at one time.
        """
        self._clock = clock
        self._answers_per_topic = answers_per_topic
        self._bytes_limit = answers_bytes
        self._max_parked = max_parked
        self._watched: dict[Topic, _Watched] = {}
        self._prefix_lengths: Counter[int] = Counter()  # of the prefixes of keys that are watched
        self._order: deque[Answer] = deque()  # second chance, oldest first
        self._kept = 0
        self.remembered: dict[Hashable, Any] = {}  # requests → how they are answered, while the answer lives
        self.state = State()
        self.bytes = 0
        self.parked = 0
        self.released = False  # the server is stopping: nobody waits any more
        self.hits = 0
        self.misses = 0

    # Ready answers

    def answer(self, question: Question) -> Answer:
        """The current answer, from memory or computed and encoded now."""
        watched = self._watched.get(question.topic)
        index = self.state.index(question.topic)
        if watched is not None:
            found = watched.answers.get(question.key)
            if found is not None:
                self.hits += 1
                found.used = 1
                return found if found.index == index else self._reindexed(watched, found, index)
        self.misses += 1
        return self._computed(question, watched, index)

    def _reindexed(self, watched: _Watched, old: Answer, index: int) -> Answer:
        """The same bytes under the topic's present index; the old answer object is left as it was."""
        new = Answer(old.topic, old.key, index, old.body)
        self._drop_answer(watched, old)
        self._keep(watched, new)
        return new

    def _computed(self, question: Question, watched: _Watched | None, index: int) -> Answer:
        rows = question.query(self.state)
        answer = Answer(question.topic, question.key, index, question.encode(rows))
        if question.keep and (watched is not None or self.state.has(question.topic)):
            self._keep(watched or self._watch(question.topic), answer)
        else:
            answer.live = False
        return answer

    def _watch(self, topic: Topic) -> _Watched:
        watched = self._watched.get(topic)
        if watched is None:
            watched = self._watched[topic] = _Watched()
            if topic[0] == KEYS_UNDER:
                self._prefix_lengths[len(topic[1])] += 1
        return watched

    def _keep(self, watched: _Watched, answer: Answer) -> None:
        if len(watched.answers) >= self._answers_per_topic:
            self._drop_answer(watched, _least_used(watched.answers))
        watched.answers[answer.key] = answer
        self._order.append(answer)
        self._kept += 1
        self.bytes += len(answer.body)
        while self.bytes > self._bytes_limit and self._order:
            self._evict_one()

    def _evict_one(self) -> None:
        answer = self._order.popleft()
        if not answer.live:
            return
        if answer.used and len(self._order) > 1:
            answer.used = 0
            self._order.append(answer)
            return
        watched = self._watched[answer.topic]
        self._drop_answer(watched, answer)
        self._sweep(answer.topic, watched)

    def _drop_answer(self, watched: _Watched, answer: Answer) -> None:
        del watched.answers[answer.key]
        self._forget(answer)

    def remember(self, request: Hashable, answer: Answer, how: object) -> None:
        """Let the same request be answered by `how` while the answer lives; of too many the oldest is dropped."""
        if request in self.remembered:
            return
        if len(answer.requests) >= REQUESTS_PER_ANSWER:
            del self.remembered[answer.requests.pop(0)]
        answer.requests.append(request)
        self.remembered[request] = how

    def _forget(self, answer: Answer) -> None:
        for request in answer.requests:
            del self.remembered[request]
        answer.requests.clear()
        answer.live = False
        self._kept -= 1
        self.bytes -= len(answer.body)
        if len(self._order) > 2 * self._kept + 1024:
            self._order = deque(one for one in self._order if one.live)

    def _sweep(self, topic: Topic, watched: _Watched) -> None:
        if watched.waiters or watched.lookers:
            return
        if watched.answers and not self.state.has(topic):
            for answer in list(watched.answers.values()):
                self._drop_answer(watched, answer)
        if not watched.answers and self._watched.pop(topic, None) is not None and topic[0] == KEYS_UNDER:
            self._prefix_lengths[len(topic[1])] -= 1
            if not self._prefix_lengths[len(topic[1])]:
                del self._prefix_lengths[len(topic[1])]

    # Waiting

    async def after(self, question: Question, min_index: int, seconds: float) -> tuple[Answer, bool]:
        """The first answer whose index is above `min_index`, or after `seconds` the newest one computed.

        Only the index decides. The second value says whether there was a wait. A cancelled caller leaves
        nothing behind.

        Raises:
            TooManyRequests: `parked-readers`, it would have to wait and no more readers may.
        """
        answer = self.answer(question)
        if answer.index > min_index or self.released:
            return answer, False
        self._refuse_too_many()
        waiter = Waiter(asyncio.get_running_loop().create_future(), min_index, answer)
        watched = self._watch(question.topic)
        _, waiters = watched.waiters.setdefault(question.key, (question, {}))
        waiters[waiter] = None
        waiter.timer = self._clock.call_later(seconds, waiter.expire)
        self.parked += 1
        try:
            return await waiter.future, True
        finally:
            self._unpark(question, watched, waiters, waiter)

    def _refuse_too_many(self) -> None:
        if self.parked >= self._max_parked:
            raise TooManyRequests("parked-readers", current=self.parked, limit=self._max_parked)

    def _unpark(self, question: Question, watched: _Watched, waiters: dict[Waiter, None], waiter: Waiter) -> None:
        self.parked -= 1
        if waiter.timer is not None:
            waiter.timer.cancel()
        del waiters[waiter]
        if not waiters:
            del watched.waiters[question.key]
            self._sweep(question.topic, watched)

    async def touched(self, topic: Topic, seconds: float) -> None:
        """Wait until the topic is touched or `seconds` have passed.

        Raises:
            TooManyRequests: as `after`.
        """
        self._refuse_too_many()
        looker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        watched = self._watch(topic)
        watched.lookers[looker] = None
        timer = self._clock.call_later(seconds, partial(resolve, looker))
        self.parked += 1
        try:
            await looker
        finally:
            self.parked -= 1
            timer.cancel()
            watched.lookers.pop(looker, None)
            self._sweep(topic, watched)

    # Changes

    def changed(self, changes: Changes) -> None:
        """Drop the answers that the changes spoiled and answer their waiters, encoding once for each key."""
        for topic in self._watched.copy() if changes.everything else self._touched(changes):
            watched = self._watched.get(topic)
            if watched is None:
                continue
            for answer in watched.answers.values():
                self._forget(answer)
            watched.answers.clear()
            for looker in watched.lookers:
                resolve(looker)
            for question, waiters in watched.waiters.values():
                self._wake(question, waiters, everybody=changes.everything)
            self._sweep(topic, watched)

    def _touched(self, changes: Changes) -> Iterable[Topic]:
        """The topics that the changes touch; of the prefixes of a key only those that somebody watches."""
        if not changes.keys:
            return changes.topics
        found = dict(changes.topics)
        for key in changes.keys:
            _, name = topic = of_key(key)
            found[topic] = None
            for length in self._prefix_lengths:
                if length <= len(name):
                    found[(KEYS_UNDER, name[:length])] = None
        return found

    def _wake(self, question: Question, waiters: dict[Waiter, None], *, everybody: bool) -> None:
        waiting = [waiter for waiter in waiters if not waiter.future.done()]
        if not waiting:
            return
        try:
            answer = self.answer(question)
        except Exception as error:  # a fault in one query concerns its readers, not the engine
            for waiter in waiting:
                waiter.future.set_exception(error)
            return
        for waiter in waiting:
            same = question.only_if_different and answer.body == waiter.answer.body
            waiter.answer = answer
            if everybody or (answer.index > waiter.min_index and not same):
                waiter.future.set_result(answer)

    def release(self) -> None:
        """Answer every waiter with what it has, and every later one at once, because the server is stopping."""
        self.released = True
        for watched in self._watched.values():
            for _, waiters in watched.waiters.values():
                for waiter in waiters:
                    waiter.expire()
            for looker in watched.lookers:
                resolve(looker)
