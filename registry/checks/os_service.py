"""OS service checks: a unit of systemd is active.

Owns the question to systemctl. Machines without systemd have no such checks, as Consul's have them on
Windows only.
Source: agent.md §8.3.
"""

import asyncio

from registry.checks.base import Result, Tail, critical, passing, timeout_seconds
from registry.checks.means import Means
from registry.checks.script import TIMEOUT_SECONDS, CannotStart, end, start
from registry.model import duration
from registry.model.check import CheckDefinition

_NO_SYSTEMD = "System has not been booted with systemd"  # what systemctl says then
_OUTPUT_BYTES = 4096


class OsServiceProbe:
    """Asks whether a unit is active."""

    def __init__(self, definition: CheckDefinition, _: Means, program: str = "systemctl") -> None:
        self._unit = definition.os_service
        self._seconds = timeout_seconds(definition, TIMEOUT_SECONDS)
        self._program = program

    async def run(self) -> Result:
        """Ask once."""
        try:
            process = await start([self._program, "is-active", "--", self._unit])
        except CannotStart:
            return critical("not implemented")
        assert process.stdout is not None  # asked for by `start`
        output = Tail(_OUTPUT_BYTES)
        try:
            async with asyncio.timeout(self._seconds):
                output.write(await process.stdout.read())
                code = await process.wait()
        except TimeoutError:
            return critical(f"Timed out ({duration.text(round(self._seconds * 1e9))}) running check")
        finally:
            await end(process)
        if _NO_SYSTEMD in output.text():
            return critical("not implemented")
        return passing(f'Service "{self._unit}" is healthy') if code == 0 else self._unwell(output.text().strip())

    def _unwell(self, state: str) -> Result:
        return critical(f'Service "{self._unit}" is unhealthy: {state}')
