"""What workers last said of themselves, so that no counter falls when one of them dies.

Owns the last report of each process and the sum of those that are gone. A scraper takes a counter that falls for
one that began anew, and would count everything twice.
"""

from msgspec.structs import replace

from registry.api.metrics_figures import Figures
from registry.supervisor import sums


class Ledger:
    """The past of the figures."""

    def __init__(self) -> None:
        self._last: dict[int, bytes] = {}  # by process id
        self._gone: Figures | None = None
        self._gone_bytes = b""

    def note(self, pid: int, report: bytes) -> None:
        """A process has spoken."""
        self._last[pid] = report

    def bury(self, pid: int) -> None:
        """It will not speak again."""
        report = self._last.pop(pid, None)
        if report is None:
            return
        last = sums.decoded(report)
        self._gone = sums.added(self._gone, last.figures) if self._gone is not None else last.figures
        self._gone_bytes = sums.encoded(replace(last, figures=self._gone))

    def past(self, silent: tuple[int, ...]) -> tuple[bytes, ...]:
        """The reports that stand for those that are gone, and for these that do not answer now."""
        found = (self._gone_bytes, *(self._last.get(pid, b"") for pid in silent))
        return tuple(one for one in found if one)
