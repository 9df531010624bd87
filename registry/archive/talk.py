"""What a command tells its operator: how far it has come, and what came of it.

Owns the manners: on a terminal a line that is written over, at most four times a second; elsewhere nothing but
the last line. Results go to another stream than progress.
"""

from collections.abc import Callable
from typing import TextIO

from registry.archive.contents import Summary

REFRESH_SECONDS = 0.25
_CLEAR = "\r\x1b[K"


class Talk:
    """One command's words."""

    def __init__(self, results: TextIO, progress: TextIO, elapsed: Callable[[], float]) -> None:
        """`elapsed` is monotonic, in seconds."""
        self._results = results
        self._progress = progress
        self._elapsed = elapsed
        self._lively = progress.isatty()
        self._next = 0.0

    def progress(self, doing: str, done: int, total: int, unit: str = "") -> None:
        """Say how far it has come, unless that was said a moment ago."""
        if not self._lively or self._elapsed() < self._next:
            return
        self._next = self._elapsed() + REFRESH_SECONDS
        percent = 100 * done // max(total, 1)
        shown = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB" if unit == "bytes" else f"{unit} {done} of {total}"
        self._write(f"{_CLEAR}{doing}: {percent} % ({shown})")

    def done(self, line: str) -> None:
        """Say the last line."""
        self._write(f"{_CLEAR if self._lively else ''}{line}\n")

    def results(self, rows: list[tuple[str, object]]) -> None:
        """Print names and values."""
        for name, value in rows:
            self._results.write(f"{name:<10} {value}\n")
        self._results.flush()

    def _write(self, text: str) -> None:
        self._progress.write(text)
        self._progress.flush()


def rows_of(summary: Summary) -> list[tuple[str, object]]:
    """A summary as an operator sees it."""
    return [
        ("index", summary.index),
        ("nodes", summary.nodes),
        ("services", summary.services),
        ("checks", summary.checks),
        ("bytes", summary.size),
        ("digest", summary.digest),
    ]
