"""The catalog's rows as the JSON of `/v1/catalog/*` and `/v1/health/*`.

Owns the shapes Node, Service, ServiceNode, Check and entry, and one function per answer that turns rows of
the model into bytes. The agent's forms are in `agent.py`, the interface's pages in `ui/wire.py`.
Source: common.md §13; catalog.md; health.md.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import UNSET, Raw, UnsetType

from registry.api.dialects.consul.go.encode import encoded
from registry.api.dialects.consul.wire.definition import definition
from registry.api.dialects.consul.wire.fields import Shape
from registry.api.dialects.consul.wire.mesh import ProxyShape, connect, proxy
from registry.model.check import Check
from registry.model.node import Locality, Node
from registry.model.service import CONNECT_PROXY, GATEWAYS, Instance, ServiceAddress, Weights
from registry.model.views import Entry, NodeView, Placed

VIRTUAL = "consul-virtual"  # the tagged address that shows an instance's mesh address
_ONE_TO_ONE = Weights()
_USUAL_WEIGHTS = Raw(b'{"Passing":1,"Warning":1}')

Strings = Mapping[str, str]


class LocalityShape(Shape):
    """`Locality` in the catalog's form."""

    region: str | UnsetType
    zone: str | UnsetType


class AddressShape(Shape):
    """One value of `TaggedAddresses` of a service."""

    address: str
    port: int


class WeightsShape(Shape):
    """`Weights`."""

    passing: int
    warning: int


class NodeShape(Shape):
    """Node."""

    id: str
    node: str
    address: str
    datacenter: str
    tagged_addresses: Strings | None
    meta: Strings | None
    locality: LocalityShape | UnsetType
    create_index: int
    modify_index: int


class ServiceShape(Shape):
    """Service, as the catalog's node, health and the interface write it."""

    kind: str | UnsetType
    id: str
    service: str
    tags: Sequence[str] | None
    address: str
    tagged_addresses: dict[str, AddressShape] | UnsetType
    meta: Strings | None
    port: int | UnsetType
    socket_path: str | UnsetType
    weights: WeightsShape | Raw
    enable_tag_override: bool
    locality: LocalityShape | UnsetType
    proxy: ProxyShape | Raw
    connect: Raw
    peer_name: str
    create_index: int
    modify_index: int


class ServiceNodeShape(Shape):
    """ServiceNode: an instance with its node, flat."""

    id: str
    node: str
    address: str
    datacenter: str
    tagged_addresses: Strings | None
    node_meta: Strings | None
    service_kind: str
    service_id: str
    service_name: str
    service_tags: Sequence[str]
    service_address: str
    service_tagged_addresses: dict[str, AddressShape] | UnsetType
    service_weights: WeightsShape | Raw
    service_meta: Strings
    service_port: int
    service_socket_path: str
    service_enable_tag_override: bool
    service_proxy: ProxyShape | Raw
    service_connect: Raw
    service_locality: LocalityShape | None
    create_index: int
    modify_index: int


class CheckShape(Shape):
    """Check."""

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
    interval: str
    timeout: str
    exposed_port: int
    definition: Shape | Raw
    create_index: int
    modify_index: int


class EntryShape(Shape):
    """One element of `/v1/health/service`."""

    node: NodeShape
    service: ServiceShape
    checks: list[CheckShape]


class NodeServicesShape(Shape):
    """`/v1/catalog/node` and `/v1/catalog/node-services`."""

    node: NodeShape | None
    services: dict[str, ServiceShape] | list[ServiceShape] | None


def nodes(rows: Iterable[Node]) -> bytes:
    """The answer of `/v1/catalog/nodes`."""
    return encoded([node(row) for row in rows])


def service_names(tags_of: Mapping[str, Sequence[str]]) -> bytes:
    """The answer of `/v1/catalog/services`."""
    return encoded(tags_of)


def service_nodes(rows: Iterable[Placed]) -> bytes:
    """The answer of `/v1/catalog/service` and `/v1/catalog/connect`."""
    return encoded([service_node(place.node, place.instance) for place in rows])


def merged_service_nodes(rows: Iterable[Placed]) -> bytes:
    """The same with `merge-central-config`: proxies and gateways lose the data of their node (common.md §10)."""
    return encoded([merged_service_node(place.node, place.instance) for place in rows])


def node_services(view: NodeView | None) -> bytes:
    """The answer of `/v1/catalog/node`: services by id, or `null` for a node that is not there."""
    if view is None:
        return b"null"
    return encoded(NodeServicesShape(node(view.node), {row.id: service(row) for row in view.instances}))


def node_service_list(view: NodeView | None, *, filtered: bool = False) -> bytes:
    """The answer of `/v1/catalog/node-services`; no services are `null`, or `[]` where a filter was given."""
    services = [service(row) for row in view.instances] if view is not None else []
    shown = services if services or filtered else None
    return encoded(NodeServicesShape(None if view is None else node(view.node), shown))


def checks(rows: Iterable[Check]) -> bytes:
    """The answer of `/v1/health/node`, `/v1/health/checks` and `/v1/health/state`."""
    return encoded([check(row) for row in rows])


def entries(rows: Iterable[Entry]) -> bytes:
    """The answer of `/v1/health/service` and `/v1/health/connect`."""
    return encoded([
        EntryShape(node(entry.node), service(entry.instance), [check(row) for row in entry.checks]) for entry in rows
    ])  # fmt: skip


def node(row: Node) -> NodeShape:
    """A node."""
    return NodeShape(
        row.id, row.name, row.address, row.datacenter, row.tagged_addresses, row.meta,
        UNSET if row.locality is None else locality(row.locality), row.create_index, row.modify_index,
    )  # fmt: skip


def service(row: Instance, *, null_tags: bool = False) -> ServiceShape:
    """An instance; tags that were never given are `[]`, or `null` on the interface's pages."""
    return ServiceShape(
        row.kind or UNSET, row.id, row.name, row.tags if null_tags else row.tags or (), row.address,
        tagged_addresses(row), row.meta, row.port or UNSET, row.socket_path or UNSET, weights(row.weights),
        row.enable_tag_override, UNSET if row.locality is None else locality(row.locality),
        proxy(row.proxy), connect(row), "", row.create_index, row.modify_index,
    )  # fmt: skip


def service_node(place: Node, row: Instance) -> ServiceNodeShape:
    """An instance with its node; the indexes are the instance's, and so is the spelling of the node's name."""
    return ServiceNodeShape(
        place.id, row.node, place.address, place.datacenter, place.tagged_addresses, place.meta,
        row.kind, row.id, row.name, row.tags or (), row.address, tagged_addresses(row), weights(row.weights),
        row.meta or {}, row.port, row.socket_path, row.enable_tag_override, proxy(row.proxy), connect(row),
        None if row.locality is None else locality(row.locality), row.create_index, row.modify_index,
    )  # fmt: skip


def merged_service_node(place: Node, row: Instance) -> ServiceNodeShape:
    """An instance as `merge-central-config` shows it where no config entry exists."""
    if row.kind == CONNECT_PROXY or row.kind in GATEWAYS:
        place = Node(name=place.name)
    return service_node(place, row)


def check(row: Check, *, null_tags: bool = False) -> CheckShape:
    """A check; tags that were never given are `[]`, or `null` on the interface's pages."""
    return CheckShape(
        row.node, row.id, row.name, row.status, row.notes, row.output, row.service_id, row.service_name,
        row.service_tags if null_tags else row.service_tags or (), row.type, row.interval, row.timeout,
        row.exposed_port, definition(row.definition), row.create_index, row.modify_index,
    )  # fmt: skip


def tagged_addresses(row: Instance) -> dict[str, AddressShape] | UnsetType:
    """The tagged addresses as the catalog has them: with the mesh address, if there is one."""
    shapes = stored_addresses(row.tagged_addresses)
    if row.virtual_address:
        shapes[VIRTUAL] = AddressShape(row.virtual_address, row.port)
    return shapes or UNSET


def stored_addresses(addresses: Mapping[str, ServiceAddress] | None) -> dict[str, AddressShape]:
    """The tagged addresses that were registered."""
    return {tag: AddressShape(one.address, one.port) for tag, one in (addresses or {}).items()}


def weights(row: Weights) -> WeightsShape | Raw:
    """The weights."""
    return _USUAL_WEIGHTS if row == _ONE_TO_ONE else WeightsShape(row.passing, row.warning)


def locality(row: Locality) -> LocalityShape:
    """The locality, without what is empty in it."""
    return LocalityShape(row.region or UNSET, row.zone or UNSET)
