"""TCP checks: somebody takes the connection, over TLS if that is asked for.

Owns the connect and its texts. Nothing is sent.
Source: agent.md §8.3.
"""

import asyncio

from registry.checks import dial, gotext
from registry.checks.base import Result, critical, passing, timeout_seconds
from registry.checks.means import Means
from registry.checks.streams import stream
from registry.model.check import CheckDefinition


class TcpProbe:
    """Connects and hangs up."""

    def __init__(self, definition: CheckDefinition, means: Means) -> None:
        self._definition = definition
        self._means = means
        self._seconds = timeout_seconds(definition)

    async def run(self) -> Result:
        """Connect once."""
        text, tls = self._definition.tcp, self._definition.tcp_use_tls
        connected = False
        try:
            async with asyncio.timeout(self._seconds):
                address = dial.split(text)
                if not tls:
                    (await dial.connect(address, self._means.resolver)).close()
                    return passing(f"TCP connect {text}: Success")
                async with stream(address, self._means, self._definition, tls=True):
                    connected = True
        except dial.DialError as error:
            return critical(str(error))
        except TimeoutError:
            if not connected:
                return critical(gotext.DEADLINE if tls else f"dial tcp {text}: i/o timeout")
        return passing(f"TCP+TLS connect {text}: Success")
