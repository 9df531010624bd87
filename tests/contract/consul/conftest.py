"""A registry for each test, with a clock that stands still, and the client that talks to it."""

from collections.abc import AsyncIterator

import pytest

from registry import testing
from tests.contract.consul.exchange import Client


@pytest.fixture
async def consul() -> AsyncIterator[Client]:
    """A client of an empty registry: its own node, the service `consul` and `serfHealth`, written at index 1."""
    async with testing.server(enable_script_checks=True) as server:
        client = Client(server)
        yield client
        await client.close()


@pytest.fixture
async def every_command(consul: Client) -> None:
    """Let the registry take the newest commands at once, which costs an index where others could share its store."""
    await consul.know_commands()
