"""What a handler gives back: one answer, before it is bytes on a wire."""

from collections.abc import AsyncIterator

from msgspec import Struct

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


class Reply(Struct, gc=False):
    """Status, body and headers of one answer.

    `headers` are whole header lines, each ended by CRLF, with neither Content-Type, Content-Length,
    Date nor the dialect's headers of every answer. A `content_type` of None sends no such header. A
    `stream` is sent chunk by chunk until it ends or the client goes away; `body` is then ignored.
    """

    status: int = 200
    body: bytes = b""
    content_type: str | None = JSON
    headers: bytes = b""
    stream: AsyncIterator[bytes] | None = None


def header_lines(*pairs: tuple[str, str]) -> bytes:
    """Header lines for `Reply.headers`; line breaks inside a value are blanked out."""
    lines = (f"{name}: {value}".replace("\r", " ").replace("\n", " ") for name, value in pairs)
    return "".join(line + "\r\n" for line in lines).encode("utf-8", "replace")
