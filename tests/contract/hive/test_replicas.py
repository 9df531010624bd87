"""What a replica shows over gRPC of agents that another one has just removed."""

import asyncio
from typing import Any

import grpc.aio
import pytest

from registry.commands import RaiseLevel
from registry.commands.codec import LEVEL
from tests.contract.consul.replicas import pair
from tests.contract.hive.hive import Hive, pb


@pytest.mark.parametrize("name", ["GetAgent", "ListAgents", "DiscoverAgents"])
async def test_consistent_reads_show_what_any_replica_has_acknowledged(name: str) -> None:
    async with pair(consistent_reads=True, grpc_port=0) as (one, two):
        await one.server.engine.propose(RaiseLevel(LEVEL))
        hive = Hive(two.server)
        sent = pb.RegisterRequest(agent_type=1, capabilities=["a"])
        agent_id = (await hive.call("Register", sent)).agent_id
        await one.caught_up(two)
        two.wire.hold()
        assert (await one.send(f"PUT /v1/agent/service/deregister/{agent_id}")).status == 200
        before = two.wire.asked
        reading = asyncio.ensure_future(hive.call(name, asked(name, agent_id)))
        await two.asked(before + 1)
        two.wire.let_go()
        if name == "GetAgent":
            with pytest.raises(grpc.aio.AioRpcError):
                await reading
        else:
            assert list((await reading).agents) == []
        await hive.close()


def asked(name: str, agent_id: str) -> Any:
    """A request that finds the agent while it is there."""
    if name == "GetAgent":
        return pb.GetAgentRequest(agent_id=agent_id)
    return pb.ListAgentsRequest() if name == "ListAgents" else pb.DiscoverRequest(capabilities=["a"])
