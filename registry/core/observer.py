"""What the engine reports for metrics and log lines; the default ignores all of it."""

from registry.commands import Command
from registry.errors import RequestError


class Observer:
    """Its methods are called on the event loop; they must be quick and must not raise."""

    def appended(self, records: int, seconds: float, outcome: str) -> None:
        """A batch came back from the log after `seconds`: `stored`, `not-stored` or `unknown`."""

    def applied(self, index: int, command: Command, refusal: RequestError | None) -> None:
        """The state took in an entry that was appended while this process runs."""

    def skipped(self, command: Command) -> None:
        """A write that changes nothing was answered without an append."""

    def detected(self, kind: str, seconds: float) -> None:
        """A failure is shown, `seconds` after it could first have been known.

        Args:
            kind: `ttl`, counted from the deadline; `check`, counted from when the run that found it was due.
        """

    def expired(self) -> None:
        """A check is critical because its TTL has run out."""

    def session_expired(self) -> None:
        """A session has ended because it was not renewed."""

    def reaped(self) -> None:
        """An instance is gone because a check of it was critical for too long."""

    def reset(self, index: int) -> None:
        """The state was replaced by a snapshot as of `index`."""

    def recovered(self, index: int) -> None:
        """The log went on at `index` after a gap in what is known of its past."""

    def rearmed(self, deadlines: int) -> None:
        """This process, as the housekeeper, gave each deadline a full period anew."""

    def snapshot(self, index: int, size_bytes: int, seconds: float) -> None:
        """A snapshot was published."""

    def trouble(self, reason: str) -> None:
        """Something that an operator should read, such as a log that refuses or a snapshot that failed."""
