"""Archives of a running server: its state saved to one, and replaced by one.

Owns the files in between, which nobody sees, and the thread that does the work: the server goes on answering. What
is in an archive is that of `registry backup`, so either reads what the other has written.
Source: status_operator_snapshot_ui.md part C.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import IO, NamedTuple

from registry.archive import envelope, upload
from registry.archive.contents import Contents
from registry.archive.reading import Backup
from registry.core.engine import Engine

_PIECE_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 20  # of what arrives, written at once


class Saved(NamedTuple):
    """An archive of the state as of `index`; its pieces are to be read once, to their end or closed."""

    index: int  # type: ignore[assignment]  # hides tuple.index
    pieces: AsyncGenerator[bytes]


async def save(engine: Engine) -> Saved:
    """Save the state of this moment.

    Raises:
        OSError: there is no room for it.
    """
    index, contents = engine.state.applied, Contents(engine.state)
    return Saved(index, _pieces(await asyncio.to_thread(_written, contents)))


def _written(contents: Contents) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who reads it
    try:
        for piece in envelope.written(contents, contents.summary(), lambda done: None):
            file.write(piece)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


async def _pieces(file: IO[bytes]) -> AsyncGenerator[bytes]:
    with file:
        while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
            yield piece


async def restore(engine: Engine, pieces: AsyncGenerator[bytes]) -> int:
    """Replace the state by the one in an archive that arrives piece by piece; the index at which it stands.

    Raises:
        ArchiveDamaged: it is cut off, changed, or not ours. LogUnavailable: it could not be stored.
        OSError: there is no room for it. Nothing was changed, unless the LogUnavailable is `unknown`.
    """
    with await asyncio.to_thread(tempfile.TemporaryFile) as file:
        block = bytearray()
        async with aclosing(pieces):
            async for piece in pieces:
                block += piece
                if len(block) >= _BLOCK_BYTES:
                    await asyncio.to_thread(file.write, bytes(block))
                    block.clear()
        found = await asyncio.to_thread(_read, file, bytes(block))
    return await engine.restore(found.state)


def _read(file: IO[bytes], rest: bytes) -> Backup:
    file.write(rest)
    file.seek(0)
    return upload.read(file)
