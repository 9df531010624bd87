"""The interface itself: what is checked in is the contract's, and what the generator makes of its source."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from registry.api.dialects.hive import schema
from registry.api.dialects.hive.generated import service_registry_pb2

PROTO = Path(schema.__file__).with_name("service_registry.proto")
Field = descriptor_pb2.FieldDescriptorProto

METHODS = {
    "Register": ("RegisterRequest", "RegisterResponse", False),
    "Heartbeat": ("HeartbeatRequest", "HeartbeatResponse", False),
    "Deregister": ("DeregisterRequest", "DeregisterResponse", False),
    "DiscoverAgents": ("DiscoverRequest", "DiscoverResponse", False),
    "GetAgent": ("GetAgentRequest", "GetAgentResponse", False),
    "ListAgents": ("ListAgentsRequest", "ListAgentsResponse", False),
    "WatchAgents": ("WatchAgentsRequest", "AgentChangeEvent", True),
    "NotifyAgent": ("NotifyAgentRequest", "NotifyAgentResponse", False),
}

ENUMS = {
    "AgentType": {"AGENT_TYPE_UNSPECIFIED": 0, "WORKER": 1, "SCOUT": 2, "GUARD": 3, "ANALYST": 4},
    "AgentStatus": {"AGENT_STATUS_UNSPECIFIED": 0, "HEALTHY": 1, "UNHEALTHY": 2, "DEGRADED": 3},
}
EVENTS = {"EVENT_TYPE_UNSPECIFIED": 0, "REGISTERED": 1, "UPDATED": 2, "DEREGISTERED": 3, "STATUS_CHANGED": 4}

# dialects.md §5.3, as it stands there
MESSAGES = {
    "AgentTelemetry": "1 success_rate double · 2 avg_duration_ms int64 · 3 total_executions int64 · "
    "4 failed_executions int64 · 5 last_execution_at int64",
    "AgentInfo": "1 agent_id string · 2 agent_type AgentType · 3 capabilities repeated string · "
    "4 metadata map<string,string> · 5 telemetry AgentTelemetry · 6 status AgentStatus · 7 registered_at int64 · "
    "8 last_seen int64 · 9 namespace string · 10 cluster string · 11 version string · 12 schema_version int32",
    "RegisterRequest": "1 agent_type AgentType · 2 capabilities repeated string · 3 metadata map<string,string> · "
    "4 namespace string · 5 cluster string · 6 version string · 7 telemetry AgentTelemetry",
    "RegisterResponse": "1 agent_id string · 2 registration_token string · 3 registered_at int64",
    "HeartbeatRequest": "1 agent_id string · 2 telemetry AgentTelemetry",
    "HeartbeatResponse": "1 status AgentStatus · 2 last_seen int64",
    "DeregisterRequest": "1 agent_id string",
    "DeregisterResponse": "1 success bool",
    "DiscoverRequest": "1 capabilities repeated string · 2 filters map<string,string> · 3 max_results int32",
    "DiscoverResponse": "1 agents repeated AgentInfo · 2 ranked bool",
    "GetAgentRequest": "1 agent_id string",
    "GetAgentResponse": "1 agent AgentInfo",
    "ListAgentsRequest": "1 agent_type AgentType · 2 filters map<string,string>",
    "ListAgentsResponse": "1 agents repeated AgentInfo",
    "WatchAgentsRequest": "1 agent_type AgentType",
    "AgentChangeEvent": "1 event_type EventType · 2 agent AgentInfo · 3 timestamp int64",
    "NotifyAgentRequest": "1 agent_id string · 2 notification_type string · 3 message string · "
    "4 metadata map<string,string>",
    "NotifyAgentResponse": "1 success bool · 2 error string",
}


def file_of(module: Any) -> Any:
    found = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(found)
    return found


def described(message: Any) -> str:
    """A message as the contract writes it down."""
    maps = {one.name for one in message.nested_type if one.options.map_entry}
    return " · ".join(f"{one.number} {one.name} {kind(one, maps)}" for one in message.field)


def kind(field: Any, maps: set[str]) -> str:
    name = field.type_name.rpartition(".")[2]
    if name in maps:
        return "map<string,string>"
    word = name or Field.Type.Name(field.type).removeprefix("TYPE_").lower()
    return f"repeated {word}" if field.label == Field.LABEL_REPEATED else word


def test_the_interface_is_the_contracts() -> None:
    file = file_of(service_registry_pb2)
    assert (file.package, file.syntax) == ("neural_hive.service_registry", "proto3")
    assert {one.name: described(one) for one in file.message_type} == MESSAGES
    assert {one.name: {each.name: each.number for each in one.value} for one in file.enum_type} == ENUMS
    (change,) = (one for one in file.message_type if one.name == "AgentChangeEvent")
    assert {one.name: {each.name: each.number for each in one.value} for one in change.enum_type} == {
        "EventType": EVENTS
    }  # fmt: skip
    for message in file.message_type:
        for entry in message.nested_type:
            assert described(entry) == "1 key string · 2 value string"
    (service,) = file.service
    assert service.name == "ServiceRegistry"
    short = ".neural_hive.service_registry."
    assert {
        one.name: (one.input_type.removeprefix(short), one.output_type.removeprefix(short), one.server_streaming)
        for one in service.method
    } == METHODS
    assert not any(one.client_streaming for one in service.method)


def test_what_is_checked_in_is_what_the_generator_makes(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="needs grpcio-tools")
    made = tmp_path / "made"
    command = [
        sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO.parent}", f"--descriptor_set_out={made}", str(PROTO)
    ]  # fmt: skip
    subprocess.run(command, check=True)
    fresh = descriptor_pb2.FileDescriptorSet.FromString(made.read_bytes()).file[0]
    for message in [*fresh.message_type]:
        for field in message.field:
            field.ClearField("json_name")  # which a descriptor set has, and a module has not
        for entry in message.nested_type:
            for field in entry.field:
                field.ClearField("json_name")
    assert fresh == file_of(service_registry_pb2)
