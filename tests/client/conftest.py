"""A registry for each test, in memory or on the store that `TEST_STORE` names, and what its clients show of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from registry import testing
from tests.client.moved import KINDS, Driven
from tests.contract.rest import RestClient
from tests.processes import ServerProcess
from tests.stores import CHOSEN, empty_store, server_over


@pytest.fixture(autouse=True)
def _on_the_chosen_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if CHOSEN not in ("", "memory"):
        monkeypatch.setattr(testing, "server", server_over(lambda: empty_store(CHOSEN, request)))


@pytest.fixture
async def rest() -> AsyncIterator[RestClient]:
    """A client of an empty registry whose clock stands still."""
    async with testing.server() as server:
        client = RestClient(server)
        await client.know_agents()
        yield client
        await client.close()


@pytest.fixture(params=KINDS)
async def driven(request: pytest.FixtureRequest, rest: RestClient) -> AsyncIterator[Driven]:
    """An agent that has not said anything yet, of each kind in turn."""
    agent = Driven(request.param, rest.server.url)
    yield agent
    await agent.stop()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server with a store in a file."""
    process = ServerProcess("--store", f"sqlite:///{tmp_path}/registry.db")
    await process.start()
    yield process
    await process.kill()


@pytest.fixture
async def forgetful() -> AsyncIterator[ServerProcess]:
    """A server that knows nothing after a restart."""
    process = ServerProcess("--dev")
    await process.start()
    yield process
    await process.kill()
