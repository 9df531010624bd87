"""The body of a transaction: a list of operations, each on a key or on a row of the catalog.

Owns the fields and their types. Unlike the bodies of the catalog's own writes these are spelled as Consul's client
for Go has them. What an operation becomes is `operations.py`.
Source: txn.md §1.
"""

from base64 import b64decode
from typing import ClassVar

from msgspec import field

from registry.api.dialects.consul.go.base64 import first_problem
from registry.api.dialects.consul.go.bodies import ListDecoder
from registry.api.dialects.consul.go.decode import Body, Free, Int, Unsigned
from registry.api.dialects.consul.registration import bodies as agent
from registry.api.dialects.consul.registration import bodies_mesh as mesh
from registry.api.dialects.consul.registration.bodies import AddressBody, LocalityBody
from registry.api.dialects.consul.registration.bodies_catalog import DefinitionBody
from registry.errors import InvalidRequest


class KeyOpBody(Body):
    """`KV`; the value ends up in `octets`."""

    GO_NAME: ClassVar = "KVTxnOp"
    GO_PACKAGE: ClassVar = "api"
    GO_TYPES: ClassVar = {"verb": "api.KVOp", "value": "[]uint8"}

    verb: str = ""
    key: str = ""
    value: str | None = None
    flags: Unsigned = 0
    index: Unsigned = 0
    session: str = ""
    namespace: str = ""
    partition: str = ""

    def __post_init__(self) -> None:
        if self.value and (at := first_problem(self.value)) is not None:
            raise InvalidRequest("decode", problem=f"illegal base64 data at input byte {at}")

    @property
    def octets(self) -> bytes:
        """The value that is meant."""
        return b64decode(self.value) if self.value else b""


class NodeBody(Body):
    """`Node` of an operation on a node."""

    GO_NAME: ClassVar = "Node"
    GO_PACKAGE: ClassVar = "api"

    id: str = ""
    node: str = ""
    address: str = ""
    datacenter: str = ""
    tagged_addresses: dict[str, str] | None = None
    meta: dict[str, str] | None = None
    create_index: Unsigned = 0
    modify_index: Unsigned = 0
    partition: str = ""
    peer_name: str = ""
    locality: LocalityBody | None = None


class NodeOpBody(Body):
    """`Node`."""

    GO_NAME: ClassVar = "NodeTxnOp"
    GO_PACKAGE: ClassVar = "api"
    GO_TYPES: ClassVar = {"verb": "api.NodeOp"}

    verb: str = ""
    node: NodeBody = field(default_factory=NodeBody)


class ConnectBody(Body):
    """`Connect` of a service, of which nothing is carried over."""

    GO_NAME: ClassVar = "AgentServiceConnect"
    GO_PACKAGE: ClassVar = "api"

    native: bool = False
    sidecar_service: Free | None = None


class WeightsBody(agent.WeightsBody):
    """`Weights`."""

    GO_NAME: ClassVar = "AgentWeights"
    GO_PACKAGE: ClassVar = "api"


class ExposePathBody(mesh.ExposePathBody):
    """One of `Expose.Paths`; it and what follows has no second names here."""

    GO_PACKAGE: ClassVar = "api"
    ALIASES: ClassVar = {}


class ExposeBody(mesh.ExposeBody):
    """`Expose`."""

    GO_PACKAGE: ClassVar = "api"

    paths: list[ExposePathBody] | None = None  # type: ignore[assignment]


class UpstreamBody(mesh.UpstreamBody):
    """One of `Upstreams`."""

    GO_PACKAGE: ClassVar = "api"
    ALIASES: ClassVar = {}


class ProxyBody(mesh.ProxyBody):
    """`Proxy`."""

    GO_NAME: ClassVar = "AgentServiceConnectProxyConfig"
    GO_PACKAGE: ClassVar = "api"
    GO_TYPES: ClassVar = {"mode": "api.ProxyMode"}
    ALIASES: ClassVar = {}

    upstreams: list[UpstreamBody] | None = None  # type: ignore[assignment]
    expose: ExposeBody | None = None


class ServiceBody(Body):
    """`Service` of an operation on a service."""

    GO_NAME: ClassVar = "AgentService"
    GO_PACKAGE: ClassVar = "api"
    GO_TYPES: ClassVar = {"kind": "api.ServiceKind"}

    kind: str = ""
    id: str = ""
    service: str = ""
    tags: list[str] | None = None
    meta: dict[str, str] | None = None
    port: Int = 0
    address: str = ""
    socket_path: str = ""
    tagged_addresses: dict[str, AddressBody] | None = None
    weights: WeightsBody | None = None
    enable_tag_override: bool = False
    create_index: Unsigned = 0
    modify_index: Unsigned = 0
    content_hash: str = ""
    proxy: ProxyBody | None = None
    connect: ConnectBody | None = None
    peer_name: str = ""
    namespace: str = ""
    partition: str = ""
    datacenter: str = ""
    locality: LocalityBody | None = None


class ServiceOpBody(Body):
    """`Service`."""

    GO_NAME: ClassVar = "ServiceTxnOp"
    GO_PACKAGE: ClassVar = "api"
    GO_TYPES: ClassVar = {"verb": "api.ServiceOp"}

    verb: str = ""
    node: str = ""
    service: ServiceBody = field(default_factory=ServiceBody)


class CheckDefinitionBody(DefinitionBody):
    """`Definition` of a check, whose durations go by two names."""

    ALIASES: ClassVar = {
        "IntervalDuration": "interval",
        "TimeoutDuration": "timeout",
        "DeregisterCriticalServiceAfterDuration": "deregister_critical_service_after",
    }


class CheckBody(Body):
    """`Check` of an operation on a check."""

    GO_NAME: ClassVar = "HealthCheck"
    GO_PACKAGE: ClassVar = "api"

    node: str = ""
    check_id: str = ""
    name: str = ""
    status: str = ""
    notes: str = ""
    output: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: list[str] | None = None
    type: str = ""
    namespace: str = ""
    partition: str = ""
    exposed_port: Int = 0
    peer_name: str = ""
    definition: CheckDefinitionBody = field(default_factory=CheckDefinitionBody)
    create_index: Unsigned = 0
    modify_index: Unsigned = 0


class CheckOpBody(Body):
    """`Check`."""

    GO_NAME: ClassVar = "CheckTxnOp"
    GO_PACKAGE: ClassVar = "api"
    GO_TYPES: ClassVar = {"verb": "api.CheckOp"}

    verb: str = ""
    check: CheckBody = field(default_factory=CheckBody)


class OpBody(Body):
    """One operation: the first of these that is given."""

    GO_NAME: ClassVar = "TxnOp"
    GO_PACKAGE: ClassVar = "api"

    kv: KeyOpBody | None = field(name="KV", default=None)
    node: NodeOpBody | None = None
    service: ServiceOpBody | None = None
    check: CheckOpBody | None = None


decoded = ListDecoder(OpBody, "api.TxnOps")
