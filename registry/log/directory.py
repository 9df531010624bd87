"""The data directory: made when missing, held by one process at a time.

Owns the file `lock` in it, which carries the holder's process id for people and for the error message;
the hold itself is the kernel's (flock), so it ends with the process, however that ends.
"""

import fcntl
import os
from pathlib import Path

from registry.errors import LogLocked, LogUnavailable


class DirectoryLock:
    """The hold on the directory that a file is in."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Make the directory if need be and take it.

        Through a link it is the directory of the real file: everybody must ask for the same lock.

        Raises:
            LogLocked: another process holds it; names its id.
            LogUnavailable: it cannot be made or written.
        """
        directory = self._file.resolve().parent
        try:
            directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise LogUnavailable(f"the data directory {directory} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                raise LogUnavailable(f"{directory / 'lock'} cannot be locked: {error.strerror}") from error
            raise LogLocked(f"the data directory {directory} is in use by process {holder}") from None
        self._descriptor = descriptor
        self._write_holder(f"{os.getpid():<20}\n")  # always as long: a full disk has room for it

    def release(self) -> None:
        """Let go; the file stays, since removing it would let two processes lock two files. Idempotent."""
        if self._descriptor is not None:
            self._write_holder(f"{'':<20}\n")
            os.close(self._descriptor)
            self._descriptor = None

    def _write_holder(self, text: str) -> None:
        if self._descriptor is None:
            return
        try:
            os.pwrite(self._descriptor, text.encode(), 0)
        except OSError:
            pass  # a full disk: the process id is only there for people
