"""The content hash of an instance: what `?hash=` of `/v1/agent/service/:id` compares.

Owns the hash function, which clients' test suites compare literally, and which fields it covers: those of
Consul's API type, under its names. Names that never vary are hashed once.
Source: agent.md §4.2; the structural hash over 64-bit FNV-1 that Consul's agent uses.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from registry.model.service import (
    CONNECT_PROXY,
    GATEWAYS,
    AccessLogs,
    Expose,
    ExposePath,
    Instance,
    MeshGateway,
    Proxy,
    ServiceAddress,
    TransparentProxy,
    Upstream,
    Weights,
)

_OFFSET = 14695981039346656037
_PRIME = 1099511628211
_MASK = (1 << 64) - 1
_REMEMBERED_BYTES = 64  # field names, pairs of hashes, short values: most of what is hashed, again and again
_int64 = struct.Struct("<q").pack
_double = struct.Struct("<d").pack
_pair = struct.Struct("<QQ").pack

Fields = Iterable[tuple[str, int]]


def _fnv(data: bytes) -> int:
    return _known(data) if len(data) <= _REMEMBERED_BYTES else _computed(data)


def _computed(data: bytes) -> int:
    """FNV-1: multiply, then xor."""
    value = _OFFSET
    for byte in data:
        value = (value * _PRIME & _MASK) ^ byte
    return value


_known = lru_cache(maxsize=8192)(_computed)


def _ordered(first: int, second: int) -> int:
    return _fnv(_pair(first, second))


def _text(value: str) -> int:
    return _fnv(value.encode())


def _integer(value: int) -> int:
    return _fnv(_int64(value))


def _boolean(value: bool) -> int:
    return _fnv(b"\x01" if value else b"\x00")


_NONE = _integer(0)
_EMPTY_TEXT = _text("")


def _list(hashes: Iterable[int]) -> int:
    value = 0
    for one in hashes:
        value = _ordered(value, one)
    return value


def _map(hashes: Iterable[tuple[int, int]]) -> int:
    value = 0
    for key, item in hashes:
        value ^= _ordered(key, item)
    return value


def _struct(type_name: str, fields: Fields) -> int:
    value = _text(type_name)
    for name, field in fields:
        value ^= _ordered(_text(name), field)
    return value


def content_hash(row: Instance) -> str:
    """The hash of an instance in the agent's form, in lower-case hex."""
    is_proxy = row.kind == CONNECT_PROXY or row.kind in GATEWAYS
    fields = (
        ("Kind", _text(row.kind)),
        ("ID", _text(row.id)),
        ("Service", _text(row.name)),
        ("Tags", _list(map(_text, row.tags or ()))),
        ("Meta", _texts(row.meta or {})),
        ("Port", _integer(row.port)),
        ("Address", _text(row.address)),
        ("SocketPath", _text(row.socket_path)),
        ("TaggedAddresses", _addresses(row.tagged_addresses or {})),
        ("Weights", _weights(row.weights)),
        ("EnableTagOverride", _boolean(row.enable_tag_override)),
        ("CreateIndex", _NONE),
        ("ModifyIndex", _NONE),
        ("ContentHash", _EMPTY_TEXT),
        ("Proxy", _proxy(row.proxy or Proxy()) if is_proxy else _NONE),
        ("Connect", _connect() if row.native else _NONE),
        ("PeerName", _EMPTY_TEXT),
    )
    return f"{_struct('AgentService', fields):x}"


def _texts(values: Mapping[str, str]) -> int:
    return _map((_text(key), _text(value)) for key, value in values.items())


def _addresses(addresses: Mapping[str, ServiceAddress]) -> int:
    return _map((_text(tag), _address(one)) for tag, one in addresses.items())


def _address(row: ServiceAddress) -> int:
    return _struct("ServiceAddress", (("Address", _text(row.address)), ("Port", _integer(row.port))))


def _weights(row: Weights) -> int:
    return _struct("AgentWeights", (("Passing", _integer(row.passing)), ("Warning", _integer(row.warning))))


def _connect() -> int:
    return _struct("AgentServiceConnect", (("Native", _boolean(True)), ("SidecarService", _NONE)))


def _proxy(row: Proxy) -> int:
    fields = (
        ("EnvoyExtensions", 0),  # the agent's form never has them
        ("DestinationServiceName", _text(row.destination_service_name)),
        ("DestinationServiceID", _text(row.destination_service_id)),
        ("LocalServiceAddress", _text(row.local_service_address)),
        ("LocalServicePort", _integer(row.local_service_port)),
        ("LocalServiceSocketPath", _text(row.local_service_socket_path)),
        ("Mode", _text(row.mode)),
        ("TransparentProxy", _unless_zero(row.transparent_proxy, TransparentProxy(), _transparent)),
        ("Config", _free_form(row.config or {})),
        ("Upstreams", _list(map(_upstream, row.upstreams or ()))),
        ("MeshGateway", _mesh_gateway(row.mesh_gateway)),
        ("Expose", _expose(row.expose)),
        ("AccessLogs", _unless_zero(row.access_logs, AccessLogs(), _access_logs)),
    )
    return _struct("AgentServiceConnectProxyConfig", fields)


def _unless_zero(row: Any, zero: Any, hashed: Callable[[Any], int]) -> int:
    return _NONE if row is None or row == zero else hashed(row)


def _transparent(row: TransparentProxy) -> int:
    fields = (
        ("OutboundListenerPort", _integer(row.outbound_listener_port)),
        ("DialedDirectly", _boolean(row.dialed_directly)),
    )
    return _struct("TransparentProxyConfig", fields)


def _access_logs(row: AccessLogs) -> int:
    fields = (
        ("Enabled", _boolean(row.enabled)),
        ("DisableListenerLogs", _boolean(row.disable_listener_logs)),
        ("Type", _text(row.type)),
        ("Path", _text(row.path)),
        ("JSONFormat", _text(row.json_format)),
        ("TextFormat", _text(row.text_format)),
    )
    return _struct("AccessLogsConfig", fields)


def _upstream(row: Upstream) -> int:
    fields = (
        ("DestinationType", _text(row.destination_type)),
        ("DestinationPartition", _text(row.destination_partition)),
        ("DestinationNamespace", _text(row.destination_namespace)),
        ("DestinationPeer", _text(row.destination_peer)),
        ("DestinationName", _text(row.destination_name)),
        ("Datacenter", _text(row.datacenter)),
        ("LocalBindAddress", _text(row.local_bind_address)),
        ("LocalBindPort", _integer(row.local_bind_port)),
        ("LocalBindSocketPath", _text(row.local_bind_socket_path)),
        ("LocalBindSocketMode", _text(row.local_bind_socket_mode)),
        ("Config", _free_form(row.config or {})),
        ("MeshGateway", _mesh_gateway(row.mesh_gateway)),
        ("CentrallyConfigured", _boolean(row.centrally_configured)),
    )
    return _struct("Upstream", fields)


def _mesh_gateway(row: MeshGateway) -> int:
    return _struct("MeshGatewayConfig", (("Mode", _text(row.mode)),))


def _expose(row: Expose) -> int:
    paths = _list(map(_path, row.paths or ()))
    return _struct("ExposeConfig", (("Checks", _boolean(row.checks)), ("Paths", paths)))


def _path(row: ExposePath) -> int:
    fields = (
        ("ListenerPort", _integer(row.listener_port)),
        ("Path", _text(row.path)),
        ("LocalPathPort", _integer(row.local_path_port)),
        ("Protocol", _text(row.protocol)),
        ("ParsedFromCheck", _boolean(row.parsed_from_check)),
    )
    return _struct("ExposePath", fields)


def _free_form(value: Any) -> int:
    """A value of `Config`: every number is a double there."""
    if value is None:
        return _NONE
    if isinstance(value, bool):
        return _boolean(value)
    if isinstance(value, int | float):
        return _fnv(_double(value))
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return _map((_text(key), _free_form(item)) for key, item in value.items())
    return _list(map(_free_form, value))
