"""A log file that other processes append to as well, and that a rotation may move away while it is open.

Owns its descriptor. Lines are appended whole, even after a full disk has cut one short. Who writes is `output.py`.
"""

import os

_MODE = 0o640  # lines name addresses and paths, which are not for everyone


class AppendedFile:
    """What `Output` writes to, if that is a file. Blocks, so it belongs on a thread of its own."""

    def __init__(self, path: str) -> None:
        """Open the file, or make it.

        Raises:
            OSError: neither is possible.
        """
        self._path = os.path.abspath(path)
        self._torn = False  # whether its last line is incomplete
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
        """Do nothing: every write reaches the file at once."""

    def reopen(self) -> None:
        """Continue in the file that is at the path now, after the old one was moved away.

        Raises:
            OSError: it cannot be opened or made; lines still go to the old one.
        """
        old, self._descriptor = self._descriptor, self._opened()
        self._torn = False
        os.close(old)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
