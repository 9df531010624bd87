"""A thread that carries out calls one after the other and answers on the event loop.

Owns the thread and its queue. It knows nothing of what the calls do.
"""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from registry.errors import LogUnavailable

T = TypeVar("T")

Done = Callable[[Any, BaseException | None], None]


class Worker:
    """Calls are carried out in the order they were made; each `done` runs on the loop, in that order too."""

    def __init__(self, name: str) -> None:
        """Start the thread; needs a running loop. The thread does not outlive the process."""
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[tuple[Callable[[], Any], Done] | None] = SimpleQueue()
        self._stopped = False
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def call(self, function: Callable[[], Any], done: Done) -> None:
        """Run `function` on the thread, then `done` with its result or its exception on the loop.

        Raises:
            LogUnavailable: the worker was stopped.
        """
        if self._stopped:
            raise LogUnavailable("the log is closed")
        self._calls.put((function, done))

    async def run(self, function: Callable[[], T]) -> T:
        """The result of `function`, run on the thread; cancelling does not stop it once it is queued."""
        answer: asyncio.Future[T] = self._loop.create_future()
        self.call(function, partial(_settle, answer))
        return await answer

    def stop(self) -> None:
        """End the thread after the calls that were made before."""
        if not self._stopped:
            self._stopped = True
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            function, done = call
            result, error = None, None
            try:
                result = function()
            except BaseException as raised:  # carried to the loop and raised there, whatever it is
                error = raised
            try:
                self._loop.call_soon_threadsafe(done, result, error)
            except RuntimeError:
                return  # the loop is closed: nobody is left to hear
            del call, function, done, result, error  # hold nothing while waiting


def _settle(answer: asyncio.Future[T], result: T, error: BaseException | None) -> None:
    if answer.done():
        return  # cancelled
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
