"""The file that a backup is written to: there whole or not at all, and for its owner's eyes only.

Owns the temporary name beside it, syncing and renaming. `-` stands for standard output and input. A pipe or a
device takes the bytes as they come: it is never replaced by a file.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from registry.errors import ArchiveDamaged

STREAM = "-"


@contextmanager
def created(name: str) -> Iterator[BinaryIO]:
    """A file to write to, which has its name only when the block ends well; an older one is replaced then.

    Where the name is a link, what it leads to is replaced, and the link stays.

    Raises:
        OSError: it cannot be made, written, or put in its place.
    """
    if name == STREAM:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if os.path.isdir(name):
        raise IsADirectoryError(f"{name} is a directory")
    if os.path.exists(name) and not os.path.isfile(name):
        with open(name, "wb") as file:
            yield file
        return
    path = Path(os.path.realpath(name))
    # a name that nobody can foresee, made anew with mode 0600: the directory may be one that others write to
    descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
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
