"""A log file that other processes append to as well, and that is moved away under us by whoever rotates it.

Owns its descriptor: lines reach its end whole, also after one of which a full disk took a part. Who writes is
`output.py`.
"""

import os

_MODE = 0o640  # lines name addresses and paths: not for everybody


class AppendedFile:
    """What `Output` writes to, where that is a file. It blocks: for a thread of its own only."""

    def __init__(self, path: str) -> None:
        """Open the file, or make it.

        Raises:
            OSError: neither can be done.
        """
        self._path = os.path.abspath(path)
        self._torn = False  # the last line in it has no end
        self._descriptor = self._opened()

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)

    def write(self, text: str) -> int:
        """Append whole lines.

        Raises:
            OSError: it cannot be written, or not all of it.
        """
        data = memoryview(text.encode("utf-8", "replace"))
        if self._torn:
            os.write(self._descriptor, b"\n")
            self._torn = False
        whole = len(data)
        while data:
            self._torn = len(data) < whole
            data = data[os.write(self._descriptor, data) :]
        self._torn = False
        return len(text)

    def flush(self) -> None:
        """Nothing waits here."""

    def reopen(self) -> None:
        """Go on in the file that has the path now; the old one was moved away.

        Raises:
            OSError: there is none and it cannot be made: what is written still goes to the old one.
        """
        old, self._descriptor = self._descriptor, self._opened()
        self._torn = False
        os.close(old)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)
