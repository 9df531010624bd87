"""Questions that were put to all workers, and that not all have answered yet.

Owns who has still to answer, until when, and what the one that asked is told. It sends nothing by itself.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from registry.supervisor.messages import RELOAD, REPORT, Answer, Failure

SECONDS = {REPORT: 1.0, RELOAD: 10.0}  # after which a worker that has not answered counts as silent


@dataclass
class Question:
    """One question. `asker` is the process that asked and its own number for it; None if the parent asked."""

    id: int
    what: str
    asker: tuple[int, int] | None
    until: float
    awaited: set[int]
    answers: dict[int, Answer] = field(default_factory=dict)

    @property
    def failure(self) -> Failure | None:
        """The first failure among the answers, if there is one."""
        failures = (answer.failure for answer in self.answers.values() if answer.failure is not None)
        late = Failure(f"{len(self.awaited)} of the workers did not answer in time") if self.awaited else None
        return next(failures, late)


class Questions:
    """All open questions; workers are known by their process ids."""

    def __init__(self) -> None:
        self._open: dict[int, Question] = {}
        self._ids = itertools.count(1)

    def begin(self, what: str, asker: tuple[int, int] | None, awaited: Iterable[int], now: float) -> Question:
        """Open a question to these processes."""
        question = Question(next(self._ids), what, asker, now + SECONDS[what], set(awaited))
        self._open[question.id] = question
        return question

    def answered(self, pid: int, answer: Answer) -> None:
        """Take an answer; one that comes too late is ignored."""
        question = self._open.get(answer.id)
        if question is not None and pid in question.awaited:
            question.awaited.discard(pid)
            question.answers[pid] = answer

    def gone(self, pid: int) -> None:
        """Expect no more answers of a process. A question for figures can do without it; any other has failed there."""
        for question in self._open.values():
            if pid in question.awaited:
                question.awaited.discard(pid)
                if question.what != REPORT:
                    question.answers[pid] = Answer(question.id, failure=Failure("a worker died over it"))

    def next_until(self) -> float | None:
        """The latest monotonic time at which the next question ends; None if none is open."""
        return min((question.until for question in self._open.values()), default=None)

    def finished(self, now: float) -> list[Question]:
        """Those that have ended, which are closed by this."""
        over = [one for one in self._open.values() if not one.awaited or one.until <= now]
        for question in over:
            del self._open[question.id]
        return over
