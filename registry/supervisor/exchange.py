"""What the workers say to each other, passed on by the parent between them.

Owns questions to all of them, and the way of events to listeners at other workers. It does not look into what it
passes on, and knows nothing about how workers live and die.
"""

import time
from collections.abc import Callable

from registry.events.bridge import NOBODY
from registry.supervisor.children import Child
from registry.supervisor.ledger import Ledger
from registry.supervisor.messages import RELOAD, REPORT, Answer, Ask, Said, Told, Watch
from registry.supervisor.questions import Question, Questions


class Exchange:
    """The lines to all workers, in one place."""

    def __init__(self, children: Callable[[], list[Child]], report_failure: Callable[[str], None]) -> None:
        """Args:
        children: those that are alive now.
        report_failure: called with the reason when a reload fails that was not asked for through a worker.
        """
        self.restarts = 0
        self._children = children
        self._report_failure = report_failure
        self._questions = Questions()
        self._ledger = Ledger()

    def take(self, child: Child, message: Ask | Answer | Watch | Said) -> None:
        """Take in what a worker said to the others."""
        match message:
            case Ask(id, what, own):
                if own:
                    self._ledger.note(child.pid, own)
                self.ask(what, (child.pid, id))
            case Answer():
                self._questions.answered(child.pid, message)
                if message.data:
                    self._ledger.note(child.pid, message.data)
            case Watch(level):
                child.watches = level
                self._note_watchers()
            case Said(event):
                self.share(event, child.pid)

    def gone(self, child: Child) -> None:
        """Note that a worker is gone."""
        self._questions.gone(child.pid)
        self._ledger.bury(child.pid)
        self._note_watchers()

    # Questions

    def reload(self) -> None:
        """Have all workers read their files again."""
        self.ask(RELOAD, None)

    def ask(self, what: str, asker: tuple[int, int] | None) -> None:
        """Put a question to all workers that serve; one that asks for figures has already given its own."""
        but = asker[0] if asker is not None and what == REPORT else 0
        asked = [child for child in self._children() if child.serving_since is not None and child.pid != but]
        question = self._questions.begin(what, asker, (child.pid for child in asked), time.monotonic())
        for child in asked:
            child.channel.send(Ask(question.id, what))

    def next_until(self) -> float | None:
        """The latest monotonic time at which `conclude` will have something to do; None if never."""
        return self._questions.next_until()

    def conclude(self, now: float) -> None:
        """Tell those who asked the result, if all have answered or the time is up."""
        for question in self._questions.finished(now):
            if question.asker is not None:
                self._tell(question, *question.asker)
            elif question.failure is not None:
                self._report_failure(str(question.failure.error))

    def _tell(self, question: Question, pid: int, number: int) -> None:
        silent = tuple(question.awaited)
        told = Told(
            id=number,
            answers=tuple(answer.data for answer in question.answers.values()),
            past=self._ledger.past(silent) if question.what == REPORT else (),
            silent=len(silent),
            restarts=self.restarts,
            failure=question.failure if question.what != REPORT else None,
        )
        for child in self._children():
            if child.pid == pid:
                child.channel.send(told)

    # Events

    def share(self, event: bytes, sender: int = 0) -> None:
        """Pass an event to the listeners at all workers except `sender`, the process id that it comes from."""
        for child in self._children():
            if child.pid != sender and child.watches != NOBODY:
                child.channel.send(Said(event))

    def _note_watchers(self) -> None:
        """Let each worker send only those events that listeners at another want."""
        children = self._children()
        for child in children:
            wanted = min((other.watches for other in children if other is not child), default=NOBODY)
            if wanted != child.forwards:
                child.forwards = wanted
                child.channel.send(Watch(wanted))
