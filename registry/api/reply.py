"""What a handler gives back: one answer, before it is bytes on a wire."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from registry.core.topics import Answer

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


class Reply(Struct, gc=False):
    """Status, body and headers of one answer.

    `headers` are whole header lines, each ended by CRLF, with neither Content-Type, Content-Length,
    Date nor the dialect's headers of every answer. A `content_type` of None sends no such header; with
    `bare` the dialect's headers of every answer are left out as well. A `stream` is sent chunk by chunk
    until it ends or the client goes away; `body` is then ignored. `ready` names the answer in memory
    that the body comes from: its bytes are final, and the request may be answered from it next time, unless
    the head is good `once` only.
    `waited` says that the time it took was a blocking query's wait. With `close` the connection ends with it.
    """

    status: int = 200
    body: bytes = b""
    content_type: str | None = JSON
    headers: bytes = b""
    bare: bool = False
    stream: AsyncIterator[bytes] | None = None
    ready: "Answer | None" = None
    once: bool = False
    waited: bool = False
    close: bool = False


def header_lines(*pairs: tuple[str, str]) -> bytes:
    """Header lines for `Reply.headers`; line breaks inside a value are blanked out."""
    lines = (f"{name}: {value}".replace("\r", " ").replace("\n", " ") for name, value in pairs)
    return "".join(line + "\r\n" for line in lines).encode("utf-8", "replace")


def text_reply(status: int, text: str, headers: bytes = b"") -> Reply:
    """A plain text answer, as errors are given."""
    return Reply(status=status, body=text.encode("utf-8", "replace"), content_type=TEXT, headers=headers)
