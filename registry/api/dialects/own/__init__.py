"""The pages that are nobody else's: `/metrics`, `/health` and `/health/ready`."""

from registry.api.dialect import Match
from registry.api.dialects.own.pages import endpoint
from registry.api.reply import Reply, header_lines, text_reply
from registry.errors import LogError, RequestError

_METHODS = "GET, HEAD"


class OwnDialect:
    """The dialect of our own pages: exact paths, GET and HEAD."""

    name = "own"
    always = b""
    telling_headers: tuple[str, ...] = ("Accept",)

    def __init__(self) -> None:
        self._pages = {one.path: one for one in endpoint}

    def match(self, method: str, raw_path: str, raw_query: str, remote: str) -> Match | None:
        """The page of this path, or None when it is none of ours."""
        page = self._pages.get(raw_path)
        if page is None:
            return None
        if method not in ("GET", "HEAD"):
            refusal = text_reply(405, f"method {method} not allowed", header_lines(("Allow", _METHODS)))
            return Match(page.route, path=page.path, reply=refusal)
        return Match(page.route, page.handler, path=page.path)

    def error_reply(self, error: RequestError | LogError) -> Reply:
        """The one error that comes here, in plain text: a query string that cannot be read."""
        return text_reply(getattr(error, "status", 500), f"The query string cannot be read ({error})\n")

    def crash_reply(self) -> Reply:
        """What a fault of ours looks like from outside."""
        return text_reply(500, "Internal error; the server's log has the details under this request's id\n")

    def indented(self, body: bytes, *, newline: bool) -> bytes:
        """As it is: these pages are read by programs."""
        return body
