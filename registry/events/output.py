"""Log lines on their way to a stream, written by a thread of their own so that nobody waits for a full pipe.

Owns the queue and the thread. What a line says is `record.py`.
"""

import threading
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import TextIO

QUEUED_LINES = 10_000  # about 2 MB; a reader that is this far behind loses lines, not the server its time
_LINES_A_WRITE = 500
_GATHER_SECONDS = 0.02  # a thread that wakes for each line takes the interpreter from the event loop each time
_WHOLE_BYTES = 4096  # that a pipe takes in one piece: lines of several processes on one pipe do not mix


class Output:
    """One stream; lines that find the queue full are dropped and counted in the line that follows."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._lost = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-output", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Take over a line, newline included. Never blocks; may be called on any thread."""
        if self._queue.qsize() >= QUEUED_LINES:
            self._lost += 1
        else:
            self._queue.put(line)

    def close(self, seconds: float = 2.0) -> None:
        """Write what is queued, for at most `seconds`, and end. Blocks: not for the event loop."""
        self._queue.put(None)
        self._ending.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while (line := self._queue.get()) is not None:
            self._ending.wait(_GATHER_SECONDS)
            lines, ended = self._batch(line)
            try:
                for piece in _pieces(lines):
                    self._stream.write(piece)
                    self._stream.flush()
            except (OSError, ValueError):  # the reader is gone, or the stream closed: nobody is left to tell
                return
            if ended:
                return

    def _batch(self, line: str) -> tuple[list[str], bool]:
        """The lines that are there already, and whether the end came with them."""
        lines = [line]
        if self._lost:
            lost, self._lost = self._lost, 0
            lines.append(f"({lost} log lines were lost: their reader was too slow)\n")
        while len(lines) < _LINES_A_WRITE:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if following is None:
                return lines, True
            lines.append(following)
        return lines, False


def _pieces(lines: list[str]) -> Iterator[str]:
    """The lines, put together as long as a pipe takes them whole."""
    piece: list[str] = []
    size = 0
    for line in lines:
        line_bytes = len(line) if line.isascii() else len(line.encode("utf-8", "replace"))
        if piece and size + line_bytes > _WHOLE_BYTES:
            yield "".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += line_bytes
    yield "".join(piece)
