"""The file that a backup is written to: there whole or not at all, and for its owner's eyes only.

Owns the temporary name beside it, syncing and renaming. `-` stands for standard output and input.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from registry.errors import ArchiveDamaged

STREAM = "-"


@contextmanager
def created(name: str) -> Iterator[BinaryIO]:
    """A file to write to, which has its name only when the block ends well; an older one is replaced then.

    Raises:
        OSError: it cannot be made, written, or put in its place.
    """
    if name == STREAM:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    if path.is_dir():
        raise IsADirectoryError(f"{name} is a directory")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    _sync_directory(path.parent)


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """A file to read from; what is wrong with it is said with its name.

    Raises:
        OSError: it cannot be read. ArchiveDamaged: what the block found.
    """
    try:
        if name == STREAM:
            yield sys.stdin.buffer
        else:
            with open(name, "rb") as file:
                yield file
    except ArchiveDamaged as error:
        raise ArchiveDamaged(f"{shown(name)} cannot be restored, and nothing was changed: {error}") from None


def shown(name: str) -> str:
    """How a file that is read is called."""
    return "standard input" if name == STREAM else name


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
