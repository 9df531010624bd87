"""A registry with a listener of each shape for each test, and a client of each."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from registry import testing
from registry.testing import TestServer
from tests.contract.rest import RestClient


class Shapes(NamedTuple):
    """One server, asked in fr0g's shape and in Consul's."""

    fr0g: RestClient
    consul: RestClient
    server: TestServer


def on(server: TestServer, port: int) -> RestClient:
    """A client of another port of this server."""
    return RestClient(SimpleNamespace(engine=server.engine, host=server.host, port=port))  # type: ignore[arg-type]


@pytest.fixture
async def shapes() -> AsyncIterator[Shapes]:
    """An empty registry whose clock stands still."""
    async with testing.server(fr0g_port=0) as server:
        consul, fr0g = RestClient(server), on(server, server.app.addresses[-1][1])
        await consul.know_agents()
        yield Shapes(fr0g, consul, server)
        await consul.close()
        await fr0g.close()
