"""Answers that have no end: sent in chunks as their pieces come, packed where the client takes it."""

import zlib
from collections.abc import AsyncGenerator, AsyncIterator


async def streamed(pieces: AsyncIterator[bytes], *, packed: bool, chunked: bool) -> AsyncGenerator[bytes]:
    """What goes onto the wire behind the head.

    Args:
        packed: compress it; each piece can be unpacked as soon as it arrives.
        chunked: as HTTP/1.1 has it; before that the end of the answer is the end of the connection.
    """
    packer = zlib.compressobj(wbits=31) if packed else None  # gzip
    async for piece in pieces:
        if packer is not None:
            piece = packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
        yield _chunk(piece) if chunked and piece else piece
    rest = packer.flush() if packer is not None else b""
    yield (_chunk(rest) if rest else b"") + b"0\r\n\r\n" if chunked else rest


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
