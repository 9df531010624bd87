"""H2PING checks: the target answers a PING of HTTP/2.

Owns the ping and its texts. TLS is on unless the definition turns it off.
Source: agent.md §8.3.
"""

import asyncio

from registry.checks import dial, gotext
from registry.checks.base import Result, critical, passing, timeout_seconds
from registry.checks.http2 import Conversation, PeerError
from registry.checks.means import Means
from registry.checks.streams import stream
from registry.model.check import CheckDefinition


class H2PingProbe:
    """Connects, pings and hangs up."""

    def __init__(self, definition: CheckDefinition, means: Means) -> None:
        self._definition = definition
        self._means = means
        self._seconds = timeout_seconds(definition)

    async def run(self) -> Result:
        """Ping once."""
        text = self._definition.h2ping
        doing = f"Failed to dial to {text}: "
        try:
            async with (
                asyncio.timeout(self._seconds),
                stream(
                    dial.split(text),
                    self._means,
                    self._definition,
                    tls=self._definition.h2ping_use_tls,
                    protocols=("h2",),
                ) as streams,
            ):
                doing = "HTTP2 ping failed: "
                conversation = Conversation(*streams)
                await conversation.open()
                await conversation.ping()
        except (dial.DialError, PeerError) as error:
            return critical(f"{doing}{error}")
        except TimeoutError:
            return critical(f"{doing}{gotext.DEADLINE}")
        return passing("HTTP2 ping was successful")
