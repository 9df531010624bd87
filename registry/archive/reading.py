"""A backup read back: every sum, every checksum, and that it is a state; nothing is given out before all is well.

Owns the checks and the words for what is wrong. It reads from front to back, so a pipe will do.
"""

import hashlib
import tarfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import msgspec

from registry.archive import state_bin
from registry.archive.contents import Contents, Summary
from registry.archive.envelope import BLOCK, META, STATE, SUMS, Meta
from registry.commands.codec import LEVEL
from registry.errors import ArchiveDamaged, LogCorrupt
from registry.state.snapshot import restored
from registry.state.store import State

LARGEST_NOTE = 1 << 20  # bytes of meta.json and SHA256SUMS, which have some hundreds
_READ_BYTES = 1 << 16
_GZIP = 31  # zlib's word for: with the head and the tail of gzip

Progress = Callable[[int, int], None]


class Backup(NamedTuple):
    """What a file held; the state shows the index, time and level that it had in its log."""

    state: State
    summary: Summary


def read(file: BinaryIO, progress: Progress) -> Backup:
    """Read a backup; `progress` is told how many bytes of the state are read, of how many.

    Raises:
        ArchiveDamaged: it is cut off, changed, of a newer program, or no backup of ours.
        OSError: the file cannot be read.
    """
    source = _Inflated(file)
    noted = _Member(source, META)
    meta = meta_of(noted.note())
    body = _Member(source, STATE, progress)
    if body.size != meta.size:
        raise ArchiveDamaged(f"its {STATE} has {body.size} bytes, {META} says {meta.size}")
    state = state_of(body)
    body.end()
    sums = _Member(source, SUMS)
    expected = f"{noted.digest()}  {META}\n{body.digest()}  {STATE}\n".encode()
    if sums.note() != expected:
        raise ArchiveDamaged(f"its {SUMS} are not those of its content")
    source.end()
    return checked(meta, state, body.size, body.digest())


def checked(meta: Meta, state: State, size: int, digest: str) -> Backup:
    """What a file held, once its parts have been read; `size` and `digest` are those of its state.bin.

    Raises:
        ArchiveDamaged: the parts do not belong together.
    """
    state.applied, state.time, state.level = meta.index, meta.registry.time, meta.registry.level
    summary = Contents(state).summary()
    own = meta.registry
    if summary != Summary(meta.index, own.time, own.level, own.nodes, own.services, own.checks, size, digest):
        raise ArchiveDamaged("what it holds is not what it says it holds")
    return Backup(state, summary)


def meta_of(note: bytes) -> Meta:
    """What a meta.json says.

    Raises:
        ArchiveDamaged: it is another program's, or a newer one's.
    """
    try:
        found: Any = msgspec.json.decode(note)
        if isinstance(found, dict) and "Index" in found and "Registry" not in found:
            raise ArchiveDamaged("it is a snapshot of Consul's own; only backups of this registry can be restored")
        meta = msgspec.convert(found, Meta)
    except msgspec.MsgspecError as error:
        raise ArchiveDamaged(f"its {META} cannot be read: {error}") from None
    if meta.registry.format != state_bin.FORMAT:
        raise ArchiveDamaged(f"it is of format {meta.registry.format}, this program reads format {state_bin.FORMAT}")
    if meta.registry.level > LEVEL:
        raise ArchiveDamaged(f"it needs a newer program (command level {meta.registry.level}, this one knows {LEVEL})")
    return meta


def state_of(body: state_bin.Source) -> State:
    """The state that a state.bin holds.

    Raises:
        ArchiveDamaged: it is none.
    """
    try:
        return restored(state_bin.read(body))
    except LogCorrupt as error:
        raise ArchiveDamaged(f"what it holds is no state: {error}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ArchiveDamaged(f"what it holds is no state: {type(error).__name__}: {error}") from None


class _Inflated:
    """What is in a gzip file, byte by byte."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpack = zlib.decompressobj(_GZIP)
        self._ready = bytearray()
        self._begun = False

    def exactly(self, count: int) -> bytes:
        """The next bytes, as many."""
        while len(self._ready) < count:
            if not self._more():
                raise ArchiveDamaged("it is cut off" if self._begun else "it is empty")
        found = bytes(self._ready[:count])
        del self._ready[:count]
        return found

    def end(self) -> None:
        """Nothing but zeros may follow within, and nothing behind."""
        while True:
            if self._ready.strip(b"\0"):
                raise ArchiveDamaged("something follows its end")
            self._ready.clear()
            if not self._more():
                break
        if not self._unpack.eof:
            raise ArchiveDamaged("it is cut off")
        if self._unpack.unused_data or self._file.read(1):
            raise ArchiveDamaged("something follows its end")

    def _more(self) -> bool:
        """Unpack some more; False at the end of what there is."""
        if self._unpack.eof:
            return False
        packed = self._unpack.unconsumed_tail or self._file.read(_READ_BYTES)
        if not packed:
            return False
        try:
            self._ready += self._unpack.decompress(packed, _READ_BYTES)
        except zlib.error as error:
            words = f"it is damaged ({error})" if self._begun else "it is no gzip file"
            raise ArchiveDamaged(words) from None
        self._begun = True
        return True


class _Member:
    """One file of the tar; its bytes count for its sum."""

    def __init__(self, source: _Inflated, name: str, progress: Progress = lambda done, size: None) -> None:
        """Read its head.

        Raises:
            ArchiveDamaged: something else comes next.
        """
        try:
            head = tarfile.TarInfo.frombuf(source.exactly(BLOCK), "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError):
            raise ArchiveDamaged(f"there is no {name} where it should be") from None
        if head.name != name or not head.isreg():
            raise ArchiveDamaged(f"there is {head.name!r} where {name} should be: it is no backup of this registry")
        self.size = head.size
        self._source = source
        self._sum = hashlib.sha256()
        self._progress = progress
        self._left = head.size

    def exactly(self, count: int) -> bytes:
        """The next bytes, as many."""
        if count > self._left:
            raise ArchiveDamaged(f"its {STATE} ends too early")
        found = self._source.exactly(count)
        self._sum.update(found)
        self._left -= count
        self._progress(self.size - self._left, self.size)
        return found

    def note(self) -> bytes:
        """All of a small one."""
        if self.size > LARGEST_NOTE:
            raise ArchiveDamaged("one of its notes is far too long")
        found = self.exactly(self.size)
        self.end()
        return found

    def end(self) -> None:
        """It was read; what fills its last block must be zeros."""
        if self._left:
            raise ArchiveDamaged(f"its {STATE} goes on behind its end")
        if self._source.exactly(-self.size % BLOCK).strip(b"\0"):
            raise ArchiveDamaged("there is something between its files")

    def digest(self) -> str:
        """The SHA-256 of what was read, in hex."""
        return self._sum.hexdigest()
