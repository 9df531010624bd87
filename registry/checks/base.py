"""What every check has in common: the probe, its result, and the limits both keep to.

Owns the words that probes and the runner share. What a type does is in the file named for it.
Source: agent.md §8.3, §8.5.
"""

import re
from collections.abc import Hashable
from typing import NamedTuple, Protocol

from registry.model.check import CRITICAL, PASSING, WARNING, CheckDefinition

Key = Hashable  # how whoever feeds the runner names a check: its node and id, say
TIMEOUT_SECONDS = 10.0  # Consul's, for everything that goes over the network
OUTPUT_MAX_BYTES = 4096  # Consul's `check_output_max_size`
_NO_CHARACTER = re.compile("[\ud800-\udfff]")


class Result(NamedTuple):
    """What one run found. `at_once`: it counts without regard to thresholds."""

    status: str
    output: str
    at_once: bool = False


class Probe(Protocol):
    """One look at a target. It may be cancelled at any time and then leaves nothing behind."""

    async def run(self) -> Result:
        """Look once, within the timeout of the check; a failure of the target is a result, not an error."""


def passing(output: str) -> Result:
    """A target that is well."""
    return Result(PASSING, output)


def critical(output: str, *, at_once: bool = False) -> Result:
    """A target that is not well."""
    return Result(CRITICAL, output, at_once)


def status_of_exit(code: int) -> str:
    """What the exit code of a program says: 0 passing, 1 warning, all else critical."""
    return {0: PASSING, 1: WARNING}.get(code, CRITICAL)


def storable(result: Result) -> Result:
    """The result with an output that is text: bytes that are not UTF-8, which Python keeps as lone surrogates, are
    replaced. No log and no answer could hold them.
    """
    if result.output.isascii():
        return result
    return result._replace(output=_NO_CHARACTER.sub("\ufffd", result.output))


def timeout_seconds(definition: CheckDefinition, default: float = TIMEOUT_SECONDS) -> float:
    """How long one run may take."""
    return definition.timeout_ns / 1e9 if definition.timeout_ns > 0 else default


def output_limit(definition: CheckDefinition, most: int) -> int:
    """How many bytes of a target's output are kept: the lower of the check's limit and everybody's."""
    own = definition.output_max_size
    return min(own, most) if own > 0 else most


class Tail:
    """The last `limit` bytes of what is written to it, and how many there were."""

    __slots__ = ("_kept", "limit", "total")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.total = 0
        self._kept = bytearray()

    def write(self, data: bytes) -> None:
        """Take more in; what no longer fits goes at its beginning."""
        self.total += len(data)
        self._kept += data[-self.limit :]
        if (surplus := len(self._kept) - self.limit) > 0:
            del self._kept[:surplus]

    def text(self) -> str:
        """What is kept; each byte that is not of UTF-8 is replaced, as Go does it."""
        return _NO_CHARACTER.sub("\ufffd", self._kept.decode("utf-8", "surrogateescape"))

    def captured(self) -> str:
        """What is kept, after a line that says so when something was lost. Source: agent.md §8.5."""
        if self.total <= self.limit:
            return self.text()
        return f"Captured {self.limit} of {self.total} bytes\n...\n{self.text()}"
