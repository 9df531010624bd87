"""The gRPC server as such: health, reflection, channels, a store that is away, figures, and how it starts and stops."""

import asyncio
import importlib.util
import re
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import h2.config
import h2.connection
import h2.events
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from registry import testing
from registry.api.dialects.hive.schema import SERVICE_NAME
from registry.commands import RaiseLevel
from registry.commands.codec import LEVEL
from registry.errors import SettingsError
from tests.contract.consul.replicas import Replica, pair
from tests.contract.hive.hive import Hive, pb

Code = grpc.StatusCode
SERVING, NOT_SERVING = (health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING)


async def health(hive: Hive, service: str = "") -> Any:
    """What grpc_health_probe asks."""
    check = hive.channel.unary_unary(
        "/grpc.health.v1.Health/Check", request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )  # fmt: skip
    return (await check(health_pb2.HealthCheckRequest(service=service), timeout=5)).status


# Health and reflection


async def test_it_says_that_it_serves(hive: Hive) -> None:
    assert [await health(hive, name) for name in ("", SERVICE_NAME)] == [SERVING, SERVING]
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await health(hive, "something.Else")
    assert unknown.value.code() is Code.NOT_FOUND


async def test_who_watches_its_health_is_told_that_it_stops() -> None:
    async with testing.server(grpc_port=0, shutdown_grace_seconds=0.1) as server:
        hive = Hive(server)
        stream = hive.channel.unary_stream(
            "/grpc.health.v1.Health/Watch", request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )(health_pb2.HealthCheckRequest())  # fmt: skip
        assert (await stream.read()).status == SERVING
    assert (await stream.read()).status == NOT_SERVING
    await hive.close()


async def test_its_interface_can_be_asked_for(hive: Hive) -> None:
    ask = hive.channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )()
    await ask.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    names = {one.name for one in (await ask.read()).list_services_response.service}
    assert {SERVICE_NAME, "grpc.health.v1.Health"} <= names
    await ask.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE_NAME))
    assert (await ask.read()).file_descriptor_response.file_descriptor_proto == [pb.DESCRIPTOR.serialized_pb]
    await ask.done_writing()


# Channels


async def test_clients_may_ping_as_often_as_they_like(hive: Hive) -> None:
    host, port = hive.server.app.grpc_address or ("", 0)
    reader, writer = await asyncio.open_connection(host, port)
    wire = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    wire.initiate_connection()
    acknowledged = 0
    for number in range(20):
        wire.ping(number.to_bytes(8, "big"))
        writer.write(wire.data_to_send())
        while acknowledged <= number:
            data = await reader.read(65_536)
            assert data, "cut off"
            for event in wire.receive_data(data):
                assert not isinstance(event, h2.events.ConnectionTerminated), event
                acknowledged += isinstance(event, h2.events.PingAckReceived)
            writer.write(wire.data_to_send())
    writer.close()
    await writer.wait_closed()


async def test_messages_may_have_fifty_megabytes(hive: Hive) -> None:
    big = pb.NotifyAgentRequest(agent_id="nobody", message="x" * (49 << 20))
    assert (await hive.call("NotifyAgent", big)).success is True
    too_big = pb.NotifyAgentRequest(agent_id="nobody", message="x" * (51 << 20))
    assert (await hive.refused("NotifyAgent", too_big)).code is Code.RESOURCE_EXHAUSTED


async def test_a_method_that_is_none_is_not_implemented(hive: Hive) -> None:
    call = hive.channel.unary_unary(f"/{SERVICE_NAME}/Other")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(b"", timeout=5)
    assert refused.value.code() is Code.UNIMPLEMENTED


@pytest.mark.slow
async def test_a_client_made_from_the_interface_alone(hive: Hive, tmp_path: Path) -> None:
    if importlib.util.find_spec("grpc_tools") is None:
        pytest.skip("needs grpcio-tools")
    from registry.api.dialects.hive import schema

    folder = Path(schema.__file__).parent
    words = ["-m", "grpc_tools.protoc", f"-I{folder}", f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    assert await _run(tmp_path, *words, str(folder / "service_registry.proto")) == ""
    said = await _run(tmp_path, "-c", _CLIENT, hive.target)
    assert said.split() == ["DEGRADED", "1", "True", "NOT_FOUND"]


_CLIENT = """
import sys, grpc, service_registry_pb2 as pb, service_registry_pb2_grpc as made
stub = made.ServiceRegistryStub(grpc.insecure_channel(sys.argv[1]))
born = stub.Register(pb.RegisterRequest(agent_type="WORKER", capabilities=["c"], metadata={"endpoint": "h:1"}))
telemetry = pb.AgentTelemetry(success_rate=0.4, total_executions=1)
beat = stub.Heartbeat(pb.HeartbeatRequest(agent_id=born.agent_id, telemetry=telemetry))
print(pb.AgentStatus.Name(beat.status))
print(len(stub.DiscoverAgents(pb.DiscoverRequest(filters={"status": "healthy"}, max_results=100)).agents))
print(stub.Deregister(pb.DeregisterRequest(agent_id=born.agent_id)).success)
try:
    stub.Heartbeat(pb.HeartbeatRequest(agent_id=born.agent_id))
except grpc.RpcError as error:
    assert "não encontrado" in error.details()
    print(error.code().name)
"""


async def _run(folder: Path, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    return (await process.communicate())[0].decode()


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x08", b"\x08\x01\x12\x02\xff\xfe"], ids=["cut", "short", "no UTF-8"])
async def test_bytes_that_are_no_message_are_the_callers_fault(hive: Hive, data: bytes) -> None:
    call = hive.channel.unary_unary(f"/{SERVICE_NAME}/Register")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(data, timeout=5)
    assert refused.value.code() is Code.INVALID_ARGUMENT
    assert "RegisterRequest" in (refused.value.details() or "")
    assert await hive.listed() == []


# Notifications


@pytest.mark.parametrize("agent_id", ["", "malformed", "00000000-0000-4000-8000-000000000000"])
async def test_a_notification_is_always_taken(hive: Hive, agent_id: str) -> None:
    for one in (agent_id, await hive.register()):
        reply = await hive.call("NotifyAgent", pb.NotifyAgentRequest(agent_id=one, message="m"))
        assert (reply.success, reply.error) == (True, "")


async def test_a_notification_is_logged_without_its_text(hive: Hive) -> None:
    agent_id = await hive.register()
    listener = hive.server.app.events.listen("info")
    await hive.call("NotifyAgent", pb.NotifyAgentRequest(agent_id=agent_id, message="between us"))
    await hive.call("NotifyAgent", pb.NotifyAgentRequest(agent_id="nobody", message="between us"))
    listener.close()
    lines = [line async for chunk in listener.chunks() for line in chunk.decode().splitlines()]
    assert len([line for line in lines if agent_id in line and "INFO" in line]) == 1
    assert not [line for line in lines if "between us" in line or "nobody" in line]


# A store that is away


@pytest.fixture
async def both() -> AsyncIterator[tuple[Replica, Hive]]:
    """A replica whose store can be taken away, and a client of it; another one keeps house."""
    async with pair(grpc_port=0, shutdown_grace_seconds=0.1) as (one, two):
        await one.server.engine.propose(RaiseLevel(LEVEL))
        await two.caught_up(one)
        client = Hive(two.server)
        yield two, client
        await client.close()


async def test_while_the_store_is_away_beats_and_reads_go_on(both: tuple[Replica, Hive]) -> None:
    two, hive = both
    agent_id = await hive.register()
    await hive.beat(agent_id, 0.9)
    two.wire.cut()
    await hive.server.advance(1)
    assert (await hive.beat(agent_id)).status == pb.HEALTHY
    assert (await hive.beat(agent_id, 0.2)).status == pb.HEALTHY  # a sign of life; what it says cannot be kept
    assert await hive.listed() == [agent_id] == await hive.discovered()
    for method, request in (
        ("Register", pb.RegisterRequest(agent_type=pb.WORKER, capabilities=["c"])),
        ("Deregister", pb.DeregisterRequest(agent_id=agent_id)),
    ):
        refusal = await hive.refused(method, request)
        assert (refusal.code, "nothing changed" in refusal.details) == (Code.UNAVAILABLE, True)
    two.wire.mend()
    await hive.server.advance(1)
    assert (await hive.beat(agent_id, 0.2)).status == pb.UNHEALTHY


async def test_its_health_follows_the_store(both: tuple[Replica, Hive]) -> None:
    two, hive = both
    assert await health(hive) == SERVING
    two.wire.cut()
    await hive.server.advance(0.5)
    assert [await health(hive, name) for name in ("", SERVICE_NAME)] == [NOT_SERVING, NOT_SERVING]
    two.wire.mend()
    await hive.server.advance(0.5)
    assert await health(hive) == SERVING


async def test_watchers_of_another_replica_are_told(both: tuple[Replica, Hive]) -> None:
    _, hive = both
    watch = await hive.watch()
    agent_id = await hive.register()
    assert await watch.told(1) == [("REGISTERED", agent_id)]


# Figures


async def figures(hive: Hive, *names: str) -> dict[str, float]:
    text = (await hive.rest.get("/metrics")).text
    pattern = re.compile(rf"^((?:{'|'.join(names)})(?:\{{[^}}]*\}})?) (\S+)$", re.MULTILINE)
    return {name: float(value) for name, value in pattern.findall(text)}


async def test_the_names_of_its_documentation_are_always_there(hive: Hive) -> None:
    agent_id = await hive.register()
    await hive.beat(agent_id)
    await hive.discovered()
    await hive.refused("Heartbeat", pb.HeartbeatRequest(agent_id="nobody"))
    found = await figures(hive, r"service_registry_\w+")
    kept = {name: value for name, value in found.items() if "bucket" not in name and "sum" not in name}
    assert kept.pop("service_registry_cache_hits_total") >= 0
    assert kept.pop("service_registry_cache_misses_total") >= 0
    assert kept == {
        "service_registry_agents_total": 1, "service_registry_register_total": 1, "service_registry_heartbeat_total": 1,
        "service_registry_discover_total": 1, "service_registry_latency_seconds_count": 4,
    }  # fmt: skip
    assert await figures(hive, r"agents_\w+", r"registry_operations\w+") == {}


async def test_the_names_of_its_code_can_be_added() -> None:
    async with testing.server(grpc_port=0, hive_code_metrics=True, shutdown_grace_seconds=0.1) as server:
        hive = Hive(server)
        await hive.know_agents()
        silent, agent_id = await hive.register(pb.GUARD), await hive.register()
        await server.advance(50)
        await hive.beat(agent_id, 0.4)
        await hive.discovered("code", agent_type="worker")
        await hive.discovered()
        await hive.refused("Heartbeat", pb.HeartbeatRequest(agent_id="nobody"))
        await server.advance(11)
        assert await figures(hive, "agents_active") == {
            'agents_active{agent_type="GUARD",status="UNHEALTHY"}': 1,
            'agents_active{agent_type="WORKER",status="DEGRADED"}': 1,
        }
        assert await hive.status(silent) == "UNHEALTHY"
        await hive.call("Deregister", pb.DeregisterRequest(agent_id=agent_id))
        await server.advance(240)
        names = ("agents_[a-z_]+_total", "heartbeats_received_total", "discovery_requests_total", "health_checks_total")
        assert await figures(hive, *names) == {
            'agents_registered_total{agent_type="GUARD"}': 1, 'agents_registered_total{agent_type="WORKER"}': 1,
            'agents_deregistered_total{agent_type="WORKER"}': 1,
            'agents_marked_unhealthy_total{agent_type="GUARD"}': 1, 'agents_removed_total{agent_type="GUARD"}': 1,
            'heartbeats_received_total{agent_type="WORKER",status="DEGRADED"}': 1,
            'discovery_requests_total{agent_type="WORKER"}': 1, 'discovery_requests_total{agent_type="all"}': 1,
            "health_checks_total": 2,
        }  # fmt: skip
        operations = await figures(hive, "registry_operations_total")
        assert operations['registry_operations_total{operation="Heartbeat",status="error"}'] == 1
        assert operations['registry_operations_total{operation="Register",status="success"}'] == 2
        counts = await figures(
            hive, "heartbeat_latency_seconds_count", "discovery_duration_seconds_count",
            "matching_candidates_evaluated_count", "agents_matched_count",
        )  # fmt: skip
        assert set(counts.values()) == {1.0, 2.0}
        assert len(counts) == 4
        await hive.close()


# Start and stop


async def test_a_port_that_is_taken_stops_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="--grpc-port"):
        async with testing.server(grpc_port=taken.getsockname()[1]):
            pass


async def test_without_grpcio_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc_reflection", None)
    monkeypatch.setattr(sys, "meta_path", [_Hidden("grpc_reflection"), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "grpc_reflection")
    with pytest.raises(SettingsError, match=r"grpc_port: grpc_reflection is not installed; pip install"):
        async with testing.server(grpc_port=0):
            pass


class _Hidden:
    """A finder that finds one package nowhere."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == self._name:
            raise ModuleNotFoundError(name=name)


async def test_without_a_port_nothing_listens() -> None:
    async with testing.server() as server:
        assert server.app.grpc_address is None


async def test_networks_that_may_not_write_may_read() -> None:
    async with testing.server(grpc_port=0, allow_write_http_from=("10.0.0.0/8",), shutdown_grace_seconds=0.1) as server:
        hive = Hive(server)
        refusal = await hive.refused("Register", pb.RegisterRequest(agent_type=pb.WORKER, capabilities=["c"]))
        assert (refusal.code, "127.0.0.1" in refusal.details) == (Code.PERMISSION_DENIED, True)
        assert await hive.listed() == []
        await hive.close()
