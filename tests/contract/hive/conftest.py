"""A registry for each test, and a client of its gRPC interface."""

from collections.abc import AsyncIterator

import pytest

from registry import testing

pytest.importorskip("grpc_reflection", reason="needs the extra grpc")

import grpc.aio

from tests.contract.hive.hive import Hive

# Else the last channel or server of a test to go would end grpcio's thread, waiting for it, on whatever loop runs then.
grpc.aio.init_grpc_aio()


@pytest.fixture
async def hive() -> AsyncIterator[Hive]:
    """A client of an empty registry whose clock stands still."""
    async with testing.server(grpc_port=0, shutdown_grace_seconds=0.1) as server:
        client = Hive(server)
        await client.know_agents()
        yield client
        await client.close()
