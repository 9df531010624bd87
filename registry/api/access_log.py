"""The access log: one line for each request, in the combined form that programs for web logs read.

Owns the form of a line and where it goes. A line is

    client - - [time] "request line" status bytes "referer" "user agent" seconds "request id"

with the time at which the answer was complete, in UTC, the bytes of the body (`-` for none), and in seconds how long
the request took, a blocking query's wait included. Secrets in URLs are masked. What a client sent cannot end a field
or a line: quotes and backslashes stand behind a backslash, all but printable ASCII is `\\xhh`, and a field is cut.
Lines are written by a thread, and lost, counted, where the disk or the reader of a pipe is too slow.
Source: Apache's `combined` (`LogFormat "%h %l %u %t \\"%r\\" %>s %b \\"%{Referer}i\\" \\"%{User-agent}i\\""`).
"""

import re
import sys
import time
from contextlib import suppress

from registry.errors import SettingsError
from registry.events import Events
from registry.events.file import AppendedFile
from registry.events.hidden import without_secrets
from registry.events.output import PIPE_BYTES, Output

STANDARD_OUTPUT = "-"
_LINE_CHARACTERS, _HEADER_CHARACTERS = 2000, 500  # of the request line and of each header: a line fits into a pipe
_FILE_BYTES = 64 << 10  # in one piece: each piece costs the event loop a change of threads
_UNPRINTABLE = re.compile(rb"[^ !#-\[\]-~]")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class AccessLog:
    """The access log of one process; workers append to the same file."""

    def __init__(self, path: str, events: Events) -> None:
        """Open it: a file, or `-` for standard output. Blocks: not for the event loop.

        Raises:
            SettingsError: the file cannot be opened.
        """
        self._events = events
        self._file: AppendedFile | None = None
        if path != STANDARD_OUTPUT:
            try:
                self._file = AppendedFile(path)
            except OSError as error:
                raise SettingsError("access_log", f"{path!r} cannot be opened: {error.strerror}") from None
        whole_bytes = PIPE_BYTES if self._file is None else _FILE_BYTES
        self._output = Output(self._file or sys.stdout, whole_bytes=whole_bytes, lost=self._tell_lost)
        self._until = 0.0
        self._time = ""

    def write(
        self,
        now: float,
        remote: str,
        fields: tuple[str, str, str],
        status: int,
        body_bytes: int,
        seconds: float,
        request_id: str,
    ) -> None:
        """Take over one line. Never blocks.

        Args:
            now: Unix time. fields: request line, referer and user agent as `fields` gives them.
        """
        if not self._until - 1 <= now < self._until:
            self._until, self._time = int(now) + 1.0, _common_time(now)
        line, referer, agent = fields
        self._output.write(
            f'{remote} - - [{self._time}] "{line}" {status} {body_bytes or "-"} "{referer}" "{agent}" {seconds:.6f} '
            f'"{escaped(request_id, _HEADER_CHARACTERS)}"\n'
        )

    def reopen(self) -> None:
        """Go on in the file that has the path now, after the lines so far. Returns at once."""
        if self._file is not None:
            self._output.between(self._reopen)

    def _reopen(self) -> None:
        assert self._file is not None
        try:
            self._file.reopen()
        except OSError as error:
            self._events.agent.error("The access log could not be opened again", error=error.strerror)

    def _tell_lost(self, lost: int) -> str:
        """A line of another form would be in the way of those who read the file."""
        self._events.agent.warning("Lines of the access log were lost: they could not be written in time", lost=lost)
        return ""

    def close(self) -> None:
        """Write what is queued and let go of the file. Blocks for a moment."""
        self._output.close()
        if self._file is not None:
            with suppress(OSError):
                self._file.close()


def fields(line: str, referer: str | None, agent: str | None) -> tuple[str, str, str]:
    """The three fields of a line that the client wrote, so that they can stand between quotes."""
    return (
        escaped(without_secrets(line), _LINE_CHARACTERS),
        escaped(without_secrets(referer), _HEADER_CHARACTERS) if referer else "-",
        escaped(without_secrets(agent), _HEADER_CHARACTERS) if agent else "-",
    )


def escaped(text: str, most: int) -> str:
    """The text in printable ASCII without quotes, cut where it is longer than `most` characters."""
    raw = text[:most].encode("utf-8", "surrogateescape")
    shown = _UNPRINTABLE.sub(_escape, raw)
    if len(shown) > most:  # an escape is of four characters at most
        shown = _UNPRINTABLE.sub(_escape, raw[: most // 4])
    return shown.decode("ascii")


def _escape(found: re.Match[bytes]) -> bytes:
    one = found[0]
    return b"\\" + one if one in b'"\\' else b"\\x%02x" % one[0]


def _common_time(now: float) -> str:
    """The time as such logs write it, in UTC and in English whatever the locale."""
    at = time.gmtime(now)
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{at.tm_mday:02}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:{clock} +0000"
