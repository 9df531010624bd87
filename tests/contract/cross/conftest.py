"""A registry for each test, and a client of every HTTP dialect."""

from collections.abc import AsyncIterator

import pytest

from registry import testing
from tests.contract.rest import RestClient


@pytest.fixture
async def rest() -> AsyncIterator[RestClient]:
    """A client of an empty registry whose clock stands still."""
    async with testing.server() as server:
        client = RestClient(server)
        await client.know_agents()
        yield client
        await client.close()
