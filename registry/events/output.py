"""Log lines on their way to a stream, written by a thread of their own so that nothing waits for a full pipe.

Owns the queue and the thread. What a line says is `record.py`.
"""

import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Protocol

QUEUED_LINES = 10_000  # about 2 MB; a reader that is this far behind loses lines, not the server its time
_LINES_A_WRITE = 500
_GATHER_SECONDS = 0.02  # a thread that wakes for each line takes the interpreter from the event loop each time
PIPE_BYTES = 4096  # that a pipe takes in one piece: lines of several processes on one pipe do not mix


class Stream(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object:
        """Take whole lines."""

    def flush(self) -> None:
        """Pass on what was taken."""


class Output:
    """One stream; lines that find the queue full, or the disk, are dropped and counted."""

    def __init__(
        self, stream: Stream, *, whole_bytes: int = PIPE_BYTES, lost: Callable[[int], str] | None = None
    ) -> None:
        """Args:
        whole_bytes: what the stream takes in one piece.
        lost: told how many lines were dropped, on the thread that writes; what it gives is written in their place.
        """
        self._stream = stream
        self._whole_bytes = whole_bytes
        self._tell_lost = lost
        self._queue: SimpleQueue[str | Callable[[], object] | None] = SimpleQueue()
        self._lost = 0  # that found the queue full
        self._unwritten = 0  # that the stream did not take; only the thread counts them
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-output", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Take over a line, newline included. Never blocks; may be called on any thread."""
        if self._queue.qsize() >= QUEUED_LINES:
            self._lost += 1
        else:
            self._queue.put(line)

    def between(self, call: Callable[[], object]) -> None:
        """Have the writing thread call this, after the lines it was given so far."""
        self._queue.put(call)

    def close(self, seconds: float = 2.0) -> None:
        """Write what is queued, for at most `seconds`, and end. Blocks, so it must not run on the event loop."""
        self._queue.put(None)
        self._ending.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if not isinstance(item, str):
                item()
                continue
            if self._queue.qsize() < _LINES_A_WRITE:
                self._ending.wait(_GATHER_SECONDS)
            lines, following = self._batch(item)
            if not self._written(lines):
                return
            if following is None:
                return
            if not isinstance(following, str):
                following()

    def _written(self, lines: list[str]) -> bool:
        """Whether anyone is left to write to."""
        written = 0
        try:
            for piece, count in _pieces(lines, self._whole_bytes):
                self._stream.write(piece)
                self._stream.flush()
                written += count
        except (BrokenPipeError, ValueError):  # the reader is gone, or the stream closed
            return False
        except OSError:  # a full disk may be emptied again
            self._unwritten += len(lines) - written
        return True

    def _batch(self, line: str) -> tuple[list[str], "str | Callable[[], object] | None"]:
        """The lines that are queued, and what ended them: a call to make, None for the end, or a text for neither."""
        lines = [line]
        if self._lost or self._unwritten:
            lines.append(self._lost_line())
        while len(lines) < _LINES_A_WRITE:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if not isinstance(following, str):
                return lines, following
            lines.append(following)
        return lines, ""

    def _lost_line(self) -> str:
        why = "they could not be written" if self._unwritten else "their reader was too slow"
        lost, self._lost, self._unwritten = self._lost + self._unwritten, 0, 0
        return self._tell_lost(lost) if self._tell_lost is not None else f"({lost} log lines were lost: {why})\n"


def _pieces(lines: list[str], whole_bytes: int) -> Iterator[tuple[str, int]]:
    """The lines joined into pieces that the stream takes whole, each with the number of its lines."""
    piece: list[str] = []
    size = 0
    for line in lines:
        line_bytes = len(line) if line.isascii() else len(line.encode("utf-8", "replace"))
        if piece and size + line_bytes > whole_bytes:
            yield "".join(piece), len(piece)
            piece, size = [], 0
        piece.append(line)
        size += line_bytes
    yield "".join(piece), len(piece)
