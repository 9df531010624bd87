"""An archive that was sent to a running server: taken apart and checked as Consul does, in Consul's words.

Owns the walk over the container, which takes its members in any order and packed by any program. What its state.bin
holds is `reading.py`'s to say. Nothing is done with what was sent before all of it is found to be right.
Source: status_operator_snapshot_ui.md part C; the texts beyond it are those of Consul 1.8.7.
"""

import hashlib
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from typing import IO

import msgspec

from registry.archive.envelope import BLOCK, META, STATE, SUMS
from registry.archive.reading import LARGEST_NOTE, Backup, checked, meta_of, state_of
from registry.errors import ArchiveDamaged

_GZIP = 31  # zlib's word for: with the head and the tail of gzip
_HEAD_BYTES = 10  # of gzip
_MAGIC = b"\x1f\x8b\x08"
_READ_BYTES = 1 << 16
_FILE = "failed to read snapshot file"
_CUT = "unexpected EOF"
_NO_FILES = frozenset({tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK})
_READING = {META: "failed to read snapshot metadata", STATE: "failed to read or write snapshot data",
            SUMS: "failed to read snapshot hashes"}  # fmt: skip


class _Broken(Exception):
    """What Go's reader of gzip says."""


def read(file: IO[bytes]) -> Backup:
    """What an archive holds; the file stands at its beginning.

    Raises:
        ArchiveDamaged: it is cut off, changed, or no archive of ours. OSError: there is no room to unpack it.
    """
    source = _Inflated(file)
    with tempfile.TemporaryFile() as unpacked:
        members = _Members(unpacked)
        while (head := _next_head(source)) is not None:
            members.take(head, source)
        members.check()
        source.finish()
        unpacked.seek(0)
        try:
            meta = meta_of(members.meta)
            if members.state_bytes != meta.size:
                raise ArchiveDamaged(f"its {STATE} has {members.state_bytes} bytes, {META} says {meta.size}")
            state = state_of(_Source(unpacked))
            if unpacked.read(1):
                raise ArchiveDamaged(f"its {STATE} goes on behind its end")
            return checked(meta, state, members.state_bytes, members.sums[STATE].hexdigest())
        except ArchiveDamaged as error:
            raise ArchiveDamaged(f"{_FILE}: {error}; nothing was changed") from None


def _next_head(source: "_Inflated") -> tarfile.TarInfo | None:
    """The next member's head; None at the end of the tar, with its two blocks of zeros or without."""
    try:
        block = source.up_to(BLOCK)
        if len(block) == BLOCK and not block.strip(b"\0"):
            block = source.up_to(BLOCK)
            if not block.strip(b"\0"):
                return None
            raise tarfile.HeaderError("something follows a block of zeros")
        if not block:
            return None
        if len(block) < BLOCK:
            raise _Broken(_CUT)
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except _Broken as problem:
        raise ArchiveDamaged(f"{_FILE}: failed reading snapshot: {problem}") from None
    except tarfile.HeaderError:
        raise ArchiveDamaged(f"{_FILE}: failed reading snapshot: archive/tar: invalid tar header") from None


class _Members:
    """The three files of an archive as far as they were read, and the sums of two of them."""

    def __init__(self, unpacked: IO[bytes]) -> None:
        """Args:
        unpacked: where the state.bin is put.
        """
        self._unpacked = unpacked
        self._list = b""
        self.meta = b""
        self.state_bytes = 0
        self.sums = {META: hashlib.sha256(), STATE: hashlib.sha256()}

    def take(self, head: tarfile.TarInfo, source: "_Inflated") -> None:
        """Read the member behind its head."""
        name, size = head.name, head.size
        if head.type in _NO_FILES:  # what a program says of the next one in a longer way
            self._copy(_READING[META], source, size, lambda piece: None)
            return
        if name not in _READING:
            raise ArchiveDamaged(f'{_FILE}: unexpected file "{name}" in snapshot')
        if name == STATE:
            self._copy(_READING[STATE], source, size, self._put_state)
            return
        if size > LARGEST_NOTE:
            raise ArchiveDamaged(f"{_FILE}: {_READING[name]}: it is far too long")
        pieces: list[bytes] = []
        self._copy(_READING[name], source, size, pieces.append)
        if name == META:
            self.meta = b"".join(pieces)
            self.sums[META].update(self.meta)
            _check_json(self.meta)
        else:
            self._list = b"".join(pieces)

    def _put_state(self, piece: bytes) -> None:
        self._unpacked.write(piece)
        self.sums[STATE].update(piece)
        self.state_bytes += len(piece)

    def _copy(self, doing: str, source: "_Inflated", size: int, put: Callable[[bytes], object]) -> None:
        try:
            left = size
            while left:
                piece = source.up_to(min(left, _READ_BYTES))
                if not piece:
                    raise _Broken(_CUT)
                put(piece)
                left -= len(piece)
        except _Broken as problem:
            raise ArchiveDamaged(f"{_FILE}: {doing}: {problem}") from None
        padding = -size % BLOCK
        try:
            if len(source.up_to(padding)) < padding:
                raise _Broken(_CUT)
        except _Broken as problem:
            raise ArchiveDamaged(f"{_FILE}: failed reading snapshot: {problem}") from None

    def check(self) -> None:
        """The list of sums names exactly the files, and their sums are these."""
        listed: set[str] = set()
        for line in self._list.decode("utf-8", "replace").splitlines():
            digest, _, name = line.partition("  ")
            if name not in self.sums:
                raise _unsound(f'list missing hash for "{name}"' if name else "a line is no hash")
            if digest.lower() != self.sums[name].hexdigest():
                raise _unsound(f'hash check failed for "{name}"')
            listed.add(name)
        for name in self.sums:
            if name not in listed:
                raise _unsound(f'file missing for "{name}"')


def _check_json(note: bytes) -> None:
    try:
        msgspec.json.decode(note)
    except msgspec.DecodeError as error:
        problem = "unexpected end of JSON input" if "truncated" in str(error) else str(error)
        raise ArchiveDamaged(f"{_FILE}: failed to decode snapshot metadata: {problem}") from None


def _unsound(problem: str) -> ArchiveDamaged:
    return ArchiveDamaged(f"{_FILE}: failed checking integrity of snapshot: {problem}")


class _Inflated:
    """What is in a gzip file."""

    def __init__(self, file: IO[bytes]) -> None:
        """Read its head.

        Raises:
            ArchiveDamaged: there is none.
        """
        self._file = file
        self._unpack = zlib.decompressobj(_GZIP)
        self._ready = bytearray()
        self._packed = file.read(_READ_BYTES)
        if len(self._packed) < _HEAD_BYTES:
            raise ArchiveDamaged(f"failed to decompress snapshot: {_CUT if self._packed else 'EOF'}")
        if not self._packed.startswith(_MAGIC):
            raise ArchiveDamaged("failed to decompress snapshot: gzip: invalid header")

    def up_to(self, count: int) -> bytes:
        """The next bytes, as many; fewer only at the end.

        Raises:
            _Broken: the file is cut off or damaged.
        """
        while len(self._ready) < count and not self._unpack.eof:
            if not self._packed:
                self._packed = self._file.read(_READ_BYTES)
                if not self._packed:
                    raise _Broken(_CUT)
            try:
                self._ready += self._unpack.decompress(self._packed, _READ_BYTES)
            except zlib.error as error:
                raise _Broken("gzip: invalid checksum" if "check" in str(error) else f"flate: {error}") from None
            self._packed = self._unpack.unconsumed_tail
        found = bytes(self._ready[:count])
        del self._ready[:count]
        return found

    def finish(self) -> None:
        """Behind the tar come zeros, and behind the gzip nothing.

        Raises:
            ArchiveDamaged: something does, or the file is cut off.
        """
        left = 0
        try:
            while piece := self.up_to(_READ_BYTES):
                left += len(piece) if piece.strip(b"\0") else 0
        except _Broken as problem:
            raise ArchiveDamaged(str(problem)) from None
        if left:
            raise ArchiveDamaged(f"{left} unread uncompressed bytes remain")
        if self._unpack.unused_data or self._file.read(1):
            raise ArchiveDamaged("gzip: invalid header")


class _Source:
    """The unpacked state.bin."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def exactly(self, count: int) -> bytes:
        """The next bytes, as many."""
        found = self._file.read(count)
        if len(found) < count:
            raise ArchiveDamaged(f"its {STATE} ends too early")
        return found
