"""What `filter=` may ask for in each kind of answer, as tables over rows of the model.

Owns the names only; the language and the meaning of a comparison are `registry/model/filter`. A getter reaches
what the wire shows: what is "" or a default there is that here. Mesh configuration is never None in the catalog;
in the agent's form an object that is not shown is None, and comparisons through it are false.
Source: common.md §12.2.
"""

from registry.api.dialects.consul.wire.catalog import VIRTUAL
from registry.model.filter import Selectors, boolean, integer, mapping, objects, record, text, texts, unsigned
from registry.model.service import (
    CONNECT_PROXY,
    GATEWAYS,
    AccessLogs,
    Instance,
    Proxy,
    ServiceAddress,
    TransparentProxy,
)

_NO_PROXY, _NO_TRANSPARENT, _NO_LOGS = Proxy(), TransparentProxy(), AccessLogs()


def _nothing(_: object) -> str:
    """Partitions and peers, which no row here belongs to."""
    return ""


def _addresses(row: Instance) -> dict[str, ServiceAddress] | None:
    if not row.virtual_address:
        return row.tagged_addresses
    return {**(row.tagged_addresses or {}), VIRTUAL: ServiceAddress(row.virtual_address, row.port)}


def _shown_proxy(row: Instance) -> Proxy | None:
    """The object `Proxy` of the agent's form."""
    if row.kind == CONNECT_PROXY or row.kind in GATEWAYS:
        return row.proxy or _NO_PROXY
    return None


_ADDRESS: Selectors = {"Address": text("address"), "Port": integer("port")}
_WEIGHTS: Selectors = {"Passing": integer("passing"), "Warning": integer("warning")}
_MESH_GATEWAY: Selectors = {"Mode": text("mode")}
_NATIVE: Selectors = {"Native": boolean("native")}
_EXPOSED_PATH: Selectors = {
    "ListenerPort": integer("listener_port"),
    "Path": text("path"),
    "LocalPathPort": integer("local_path_port"),
    "Protocol": text("protocol"),
    "ParsedFromCheck": boolean("parsed_from_check"),
}
_EXPOSE: Selectors = {"Checks": boolean("checks"), "Paths": objects("paths", _EXPOSED_PATH)}
_UPSTREAM: Selectors = {
    "DestinationType": text("destination_type"),
    "DestinationName": text("destination_name"),
    "DestinationNamespace": text("destination_namespace"),
    "DestinationPartition": text("destination_partition"),
    "DestinationPeer": text("destination_peer"),
    "Datacenter": text("datacenter"),
    "LocalBindAddress": text("local_bind_address"),
    "LocalBindPort": integer("local_bind_port"),
    "LocalBindSocketPath": text("local_bind_socket_path"),
    "LocalBindSocketMode": text("local_bind_socket_mode"),
    "MeshGateway": record("mesh_gateway", _MESH_GATEWAY),
}
_ENVOY_EXTENSION: Selectors = {
    "Name": text("name"),
    "Required": boolean("required"),
    "ConsulVersion": text("consul_version"),
    "EnvoyVersion": text("envoy_version"),
}
_TRANSPARENT: Selectors = {
    "OutboundListenerPort": integer("outbound_listener_port"),
    "DialedDirectly": boolean("dialed_directly"),
}
_ACCESS_LOGS: Selectors = {
    "Enabled": boolean("enabled"),
    "DisableListenerLogs": boolean("disable_listener_logs"),
    "Type": text("type"),
    "Path": text("path"),
    "JSONFormat": text("json_format"),
    "TextFormat": text("text_format"),
}
_ANY_PROXY: Selectors = {
    "DestinationServiceName": text("destination_service_name"),
    "DestinationServiceID": text("destination_service_id"),
    "LocalServiceAddress": text("local_service_address"),
    "LocalServicePort": integer("local_service_port"),
    "LocalServiceSocketPath": text("local_service_socket_path"),
    "Mode": text("mode"),
    "MeshGateway": record("mesh_gateway", _MESH_GATEWAY),
    "Expose": record("expose", _EXPOSE),
    "Upstreams": objects("upstreams", _UPSTREAM),
}
_PROXY: Selectors = {
    **_ANY_PROXY,
    "TransparentProxy": record(lambda row: row.transparent_proxy or _NO_TRANSPARENT, _TRANSPARENT),
    "EnvoyExtensions": objects("envoy_extensions", _ENVOY_EXTENSION),
    "AccessLogs": record(lambda row: row.access_logs or _NO_LOGS, _ACCESS_LOGS),
}
_AGENT_PROXY: Selectors = {
    **_ANY_PROXY,
    "TransparentProxy": record(
        lambda row: None if row.transparent_proxy == _NO_TRANSPARENT else row.transparent_proxy, _TRANSPARENT
    ),
    "EnvoyExtensions": objects(lambda _: (), _ENVOY_EXTENSION),
    "AccessLogs": record(lambda row: None if row.access_logs == _NO_LOGS else row.access_logs, _ACCESS_LOGS),
}

# Rows: Node.
NODE: Selectors = {
    "ID": text("id"),
    "Node": text("name"),
    "Address": text("address"),
    "Datacenter": text("datacenter"),
    "Partition": text(_nothing),
    "PeerName": text(_nothing),
    "TaggedAddresses": mapping("tagged_addresses"),
    "Meta": mapping("meta"),
}

_ANY_SERVICE: Selectors = {
    "Kind": text("kind"),
    "ID": text("id"),
    "Service": text("name"),
    "Tags": texts("tags"),
    "Address": text("address"),
    "Meta": mapping("meta"),
    "Port": integer("port"),
    "SocketPath": text("socket_path"),
    "Weights": record("weights", _WEIGHTS),
    "EnableTagOverride": boolean("enable_tag_override"),
    "PeerName": text(_nothing),
}

# Rows: Instance. Services of a node in the catalog, and the service of a health entry.
SERVICE: Selectors = {
    **_ANY_SERVICE,
    "TaggedAddresses": mapping(_addresses, _ADDRESS),
    "Proxy": record(lambda row: row.proxy or _NO_PROXY, _PROXY),
    "Connect": record(lambda row: row, _NATIVE),
}

# Rows: Instance. /v1/agent/services.
AGENT_SERVICE: Selectors = {
    **_ANY_SERVICE,
    "TaggedAddresses": mapping("tagged_addresses", _ADDRESS),
    "Proxy": record(_shown_proxy, _AGENT_PROXY),
    "Connect": record(lambda row: row if row.native else None, _NATIVE),
}

# Rows: Placed. /v1/catalog/service, /v1/catalog/connect and the filter of /v1/catalog/services.
SERVICE_NODE: Selectors = {
    "ID": text("node.id"),
    "Node": text("node.name"),
    "Address": text("node.address"),
    "Datacenter": text("node.datacenter"),
    "TaggedAddresses": mapping("node.tagged_addresses"),
    "NodeMeta": mapping("node.meta"),
    "ServiceKind": text("instance.kind"),
    "ServiceID": text("instance.id"),
    "ServiceName": text("instance.name"),
    "ServiceTags": texts("instance.tags"),
    "ServiceAddress": text("instance.address"),
    "ServiceTaggedAddresses": mapping(lambda row: _addresses(row.instance), _ADDRESS),
    "ServiceWeights": record("instance.weights", _WEIGHTS),
    "ServiceMeta": mapping("instance.meta"),
    "ServicePort": integer("instance.port"),
    "ServiceSocketPath": text("instance.socket_path"),
    "ServiceEnableTagOverride": boolean("instance.enable_tag_override"),
    "ServiceProxy": record(lambda row: row.instance.proxy or _NO_PROXY, _PROXY),
    "ServiceConnect": record("instance", _NATIVE),
    "PeerName": text(_nothing),
}

# Rows: Check.
CHECK: Selectors = {
    "Node": text("node"),
    "CheckID": text("id"),
    "Name": text("name"),
    "Status": text("status"),
    "Notes": text("notes"),
    "Output": text("output"),
    "ServiceID": text("service_id"),
    "ServiceName": text("service_name"),
    "ServiceTags": texts("service_tags"),
    "Type": text("type"),
    "Interval": text("interval"),
    "Timeout": text("timeout"),
    "ExposedPort": integer("exposed_port"),
    "PeerName": text(_nothing),
}

# Rows: Entry. /v1/health/service, /v1/health/connect and the interface's list of services.
ENTRY: Selectors = {
    "Node": record("node", NODE),
    "Service": record("instance", SERVICE),
    "Checks": objects("checks", CHECK),
}

# Rows: MemberShape of `wire/agent.py`. /v1/agent/members.
MEMBER: Selectors = {
    "Name": text("name"),
    "Port": unsigned("port", bits=16),
    "Tags": mapping("tags"),
    "Status": integer("status"),
    "ProtocolMin": unsigned("protocol_min", bits=8),
    "ProtocolMax": unsigned("protocol_max", bits=8),
    "ProtocolCur": unsigned("protocol_cur", bits=8),
    "DelegateMin": unsigned("delegate_min", bits=8),
    "DelegateMax": unsigned("delegate_max", bits=8),
    "DelegateCur": unsigned("delegate_cur", bits=8),
}

# Rows: NodeView. The interface's list of nodes, which shows no datacenter.
UI_NODE: Selectors = {
    "ID": text("node.id"),
    "Node": text("node.name"),
    "Address": text("node.address"),
    "Partition": text(_nothing),
    "PeerName": text(_nothing),
    "TaggedAddresses": mapping("node.tagged_addresses"),
    "Meta": mapping("node.meta"),
    "Services": objects("instances", SERVICE),
    "Checks": objects("checks", CHECK),
}
