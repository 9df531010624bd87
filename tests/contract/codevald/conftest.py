"""A registry for each test, with a clock that stands still, and a client of CodeValdCortex's interface."""

from collections.abc import AsyncIterator

import pytest

from registry import testing
from tests.contract.codevald.cortex import Cortex


@pytest.fixture
async def cortex() -> AsyncIterator[Cortex]:
    """A client of an empty registry."""
    async with testing.server() as server:
        client = Cortex(server)
        await client.know_agents()
        yield client
        await client.close()
