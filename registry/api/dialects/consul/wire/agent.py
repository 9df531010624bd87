"""The agent's forms of services, checks and members: the JSON of `/v1/agent/*`.

Owns AgentService, the check of the local health endpoints and Member. `/v1/agent/checks` uses the catalog's
shape of a check (`catalog.py`). Source: agent.md §3.4, §4, §5.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from registry.api.dialects.consul.go.encode import encoded
from registry.api.dialects.consul.wire.catalog import AddressShape, WeightsShape, check, stored_addresses, weights
from registry.api.dialects.consul.wire.fields import Shape
from registry.api.dialects.consul.wire.mesh import NATIVE, AgentProxyShape, agent_proxy
from registry.model.check import Check
from registry.model.node import Locality
from registry.model.service import Instance

# Local health shows every check as if it had no definition.
_NO_DEFINITION = Raw(
    b'{"Interval":"0s","Timeout":"0s","DeregisterCriticalServiceAfter":"0s","HTTP":"","Header":null,"Method":"",'
    b'"Body":"","TLSServerName":"","TLSSkipVerify":false,"TCP":"","TCPUseTLS":false,"UDP":"","GRPC":"",'
    b'"OSService":"","GRPCUseTLS":false}'
)


class AgentLocalityShape(Shape):
    """`Locality` in the agent's form: both keys, always."""

    region: str
    zone: str


class AgentServiceShape(Shape):
    """AgentService."""

    kind: str | UnsetType
    id: str
    service: str
    tags: Sequence[str]
    meta: Mapping[str, str]
    port: int
    address: str
    socket_path: str | UnsetType
    tagged_addresses: dict[str, AddressShape] | UnsetType
    weights: WeightsShape | Raw
    enable_tag_override: bool
    content_hash: str | UnsetType
    proxy: AgentProxyShape | UnsetType
    connect: Raw | UnsetType
    datacenter: str
    locality: AgentLocalityShape | UnsetType


class LocalCheckShape(Shape):
    """A check as the local health endpoints show it."""

    node: str
    check_id: str
    name: str
    status: str
    notes: str
    output: str
    service_id: str
    service_name: str
    service_tags: Sequence[str] | None
    type: str
    exposed_port: int
    definition: Raw
    create_index: int
    modify_index: int


class LocalHealthShape(Shape):
    """What the local health endpoints say of one instance."""

    aggregated_status: str
    service: AgentServiceShape | None
    checks: list[LocalCheckShape] | None


class MemberShape(Shape):
    """Member of the gossip pool."""

    name: str
    addr: str
    port: int
    tags: Mapping[str, str]
    status: int
    protocol_min: int = 1
    protocol_max: int = 5
    protocol_cur: int = 2
    delegate_min: int = 2
    delegate_max: int = 5
    delegate_cur: int = 4


def agent_services(rows: Iterable[Instance], datacenter: str) -> bytes:
    """The answer of `/v1/agent/services`: by id."""
    return encoded({row.id: agent_service(row, datacenter) for row in rows})


def agent_checks(rows: Iterable[Check]) -> bytes:
    """The answer of `/v1/agent/checks`: by id, with neither definition nor indexes."""
    return encoded({row.id: check(_undefined(row)) for row in rows})


def agent_service(row: Instance, datacenter: str, content_hash: str = "") -> AgentServiceShape:
    """An instance in the agent's form; its hash is shown where it is read alone."""
    place = row.locality
    return AgentServiceShape(
        row.kind or UNSET, row.id, row.name, row.tags or (), row.meta or {}, row.port, row.address,
        row.socket_path or UNSET, stored_addresses(row.tagged_addresses) or UNSET, weights(row.weights),
        row.enable_tag_override, content_hash or UNSET, agent_proxy(row), NATIVE if row.native else UNSET,
        datacenter, UNSET if place is None else _locality(place),
    )  # fmt: skip


def local_health(status: str, row: Instance, checks: Iterable[Check], datacenter: str) -> LocalHealthShape:
    """One instance with the checks that speak for it, and what they come to."""
    return LocalHealthShape(status, agent_service(row, datacenter), [_local_check(one) for one in checks])


def unknown_health() -> LocalHealthShape:
    """What is said of an instance that is not there."""
    return LocalHealthShape("critical", None, None)


def _locality(row: Locality) -> AgentLocalityShape:
    return AgentLocalityShape(row.region, row.zone)


def _undefined(row: Check) -> Check:
    return replace(row, definition=None, create_index=0, modify_index=0)


def _local_check(row: Check) -> LocalCheckShape:
    return LocalCheckShape(
        row.node, row.id, row.name, row.status, row.notes, row.output, row.service_id, row.service_name,
        row.service_tags or None, "", 0, _NO_DEFINITION, 0, 0,
    )  # fmt: skip
