"""What a dialect is to the edge: it recognises its requests and words its errors."""

from typing import NamedTuple, Protocol

from registry.api.call import Handler
from registry.api.reply import Reply
from registry.errors import LogError, RequestError


class Match(NamedTuple):
    """A recognised request: who answers it, and what followed a prefix route.

    `route` names the endpoint in metrics. A `reply` is the answer itself, where routing decides.
    """

    route: str
    handler: Handler | None = None
    argument: str = ""
    path: str = ""
    reply: Reply | None = None


class Dialect(Protocol):
    """One of the languages spoken on a listener."""

    name: str
    always: bytes  # header lines of every recognised answer
    telling_headers: tuple[str, ...]  # request headers that change what a read means, besides Accept-Encoding

    def match(self, method: str, raw_path: str, raw_query: str, remote: str) -> Match | None:
        """The request's place in this dialect, or None when it is none of its own."""

    def error_reply(self, error: RequestError | LogError) -> Reply:
        """The dialect's words for an error."""

    def crash_reply(self) -> Reply:
        """The dialect's words for a fault of ours; says nothing about its cause."""

    def indented(self, body: bytes, *, newline: bool) -> bytes:
        """The JSON body laid out for reading; with a newline at its end where the request asked for it."""
