"""The fr0g shape as a dialect: a REST dialect that words two of its errors as plain text.

Source: dialects.md §6.3.
"""

from registry.api.dialects.fr0g import reads, writes
from registry.api.dialects.fr0g.routes import TEXTS, WORDS, endpoint
from registry.api.reply import Reply, text_reply
from registry.api.rest import RestDialect
from registry.errors import LogError, RequestError

AREAS = (reads, writes)  # whose endpoints are in the table by now


class Fr0gDialect(RestDialect):
    """What is asked before Consul's dialect on a listener of this shape; the rest of `/v1` stays Consul's."""

    def __init__(self, allow_write_from: tuple[str, ...] = ()) -> None:
        """Args:
        allow_write_from: networks that may write; none named: all.
        """
        super().__init__("fr0g", endpoint, WORDS, allow_write_from=allow_write_from)

    def error_reply(self, error: RequestError | LogError) -> Reply:
        """`{"error": text}`, or the text alone where its clients read one."""
        if isinstance(error, RequestError) and error.reason in TEXTS:
            status, text = TEXTS[error.reason]
            return text_reply(status, text.format(**error.values))
        return super().error_reply(error)
