"""What all probes of a process share: looked-up names, TLS settings, limits, the session of HTTP.

Owns their lifetimes. What a probe does with them is in the file of its type.
"""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Protocol

from registry.checks.base import OUTPUT_MAX_BYTES
from registry.checks.dial import Resolver
from registry.clock import Clock, SystemClock
from registry.model.check import CheckDefinition


class Closing(Protocol):
    """Something that probes share and that has to be closed."""

    async def close(self) -> None:
        """Let it go."""


class Means:
    """Made once for a process, inside its event loop; `close` ends what probes have left open."""

    def __init__(
        self, *, output_max_bytes: int = OUTPUT_MAX_BYTES, ca_file: str | None = None, clock: Clock | None = None
    ) -> None:
        """Make it.

        Args:
            ca_file: certificates of those who may vouch for targets, instead of the machine's own.
            clock: for the texts about certificates; the machine's, by which they are judged, when not given.
        """
        self.clock: Clock = clock or SystemClock()
        self.output_max_bytes = output_max_bytes
        self.resolver = Resolver()
        self.shared: dict[str, Closing] = {}  # by module: what a type of check makes when it is first needed
        self._ca_file = ca_file
        self._contexts: dict[tuple[bool, tuple[str, ...]], asyncio.Task[ssl.SSLContext]] = {}

    async def tls(self, definition: CheckDefinition, protocols: Sequence[str] = ()) -> ssl.SSLContext:
        """How to speak TLS to the target. The machine's certificates are read once, off the loop."""
        wanted = (definition.tls_skip_verify, tuple(protocols))
        if (made := self._contexts.get(wanted)) is None:
            made = asyncio.create_task(asyncio.to_thread(_context, self._ca_file, *wanted))
            self._contexts[wanted] = made
        return await asyncio.shield(made)

    async def close(self) -> None:
        """Close connections that were kept, and the threads that look names up."""
        for each in self.shared.values():
            await each.close()
        self.shared.clear()
        if self._contexts:
            await asyncio.wait(self._contexts.values())
        self.resolver.close()


def _context(ca_file: str | None, skip_verify: bool, protocols: tuple[str, ...]) -> ssl.SSLContext:
    if skip_verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context = ssl.create_default_context(cafile=ca_file)
        context.hostname_checks_common_name = False  # as Go has it
    if protocols:
        context.set_alpn_protocols(protocols)
    return context
