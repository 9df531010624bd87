"""The pages of the interface as JSON: `/v1/internal/ui/*`.

Owns the shapes of nodes and of the overview, and which rows become which page. Summing instances up into
services is `summary.py`. Source: status_operator_snapshot_ui.md part D.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import UNSET, UnsetType

from registry.api.dialects.consul.go.encode import encoded
from registry.api.dialects.consul.ui.summary import Count, Summary, summaries, worst_of
from registry.api.dialects.consul.wire.catalog import CheckShape, ServiceShape, check, service
from registry.api.dialects.consul.wire.fields import Shape
from registry.model.check import Check
from registry.model.names import fold
from registry.model.node import Node
from registry.model.views import Entry, NodeView

VERSION_KEY = "consul-version"


class UiNodeShape(Shape):
    """A node with everything on it."""

    id: str
    node: str
    address: str
    tagged_addresses: Mapping[str, str] | None
    meta: Mapping[str, str] | None
    services: list[ServiceShape]
    checks: list[CheckShape]


class UiServiceShape(Shape):
    """One service, summed up over its instances."""

    kind: str | UnsetType
    name: str
    datacenter: str
    tags: list[str] | None
    nodes: list[str] | None
    external_sources: list[str] | None
    instance_count: int
    checks_passing: int
    checks_warning: int
    checks_critical: int
    gateway_config: dict[str, str]
    transparent_proxy: bool
    connect_native: bool
    connected_with_proxy: bool
    connected_with_gateway: bool


class IntentionShape(Shape):
    """Why one service may call another."""

    allowed: bool
    has_permissions: bool
    external_source: str
    has_exact: bool
    default_allow: bool


class NeighbourShape(Shape):
    """A service as the neighbour of another one."""

    kind: str | UnsetType
    name: str
    datacenter: str
    tags: list[str] | None
    nodes: list[str] | None
    external_sources: list[str] | None
    instance_count: int
    checks_passing: int
    checks_warning: int
    checks_critical: int
    gateway_config: dict[str, str]
    transparent_proxy: bool
    connect_native: bool
    source: str
    intention: IntentionShape


class TopologyShape(Shape):
    """`service-topology`."""

    protocol: str
    transparent_proxy: bool
    upstreams: list[NeighbourShape]
    downstreams: list[NeighbourShape]
    filtered_by_acls: bool


class Neighbour(NamedTuple):
    """A service beside another one; `registered` says that a proxy names the one that is called."""

    summary: Summary
    registered: bool


class CountShape(Shape):
    """How many there are of something, by status; the count of nodes has no name."""

    name: str | UnsetType
    total: int
    passing: int
    warning: int
    critical: int


class OverviewShape(Shape):
    """`catalog-overview`."""

    nodes: list[CountShape] | None
    services: list[CountShape] | None
    checks: list[CountShape] | None


def ui_nodes(views: Iterable[NodeView], versions: Mapping[str, str]) -> bytes:
    """The answer of `nodes`; `versions` gives the version of each gossip member by its address."""
    return encoded([_node(view, versions) for view in views])


def ui_node(view: NodeView | None, versions: Mapping[str, str]) -> bytes:
    """The answer of `node/:node`; empty for one that is not there."""
    return b"" if view is None else encoded(_node(view, versions))


def ui_services(entries: Iterable[Entry]) -> bytes:
    """The answer of `services`: what was left by the filter, summed up by name."""
    return encoded([_service(one) for one in summaries(entries)])


def ui_topology(upstreams: Iterable[Neighbour], downstreams: Iterable[Neighbour], *, transparent: bool) -> bytes:
    """The answer of `service-topology`; no configuration names another protocol than the default."""
    return encoded(
        TopologyShape("tcp", transparent, [_neighbour(one) for one in upstreams],
                      [_neighbour(one) for one in downstreams], False)
    )  # fmt: skip


def ui_overview(nodes: Iterable[Node], entries: Iterable[Entry], checks: Iterable[Check]) -> bytes:
    """The answer of `catalog-overview`: nodes by their own checks, instances by theirs, checks by name."""
    own_checks: dict[str, list[Check]] = {}
    by_check: dict[str, Count] = {}
    for one in checks:
        by_check.setdefault(one.name, Count()).add(one.status)
        if not one.service_id:
            own_checks.setdefault(fold(one.node), []).append(one)
    of_nodes = Count()
    for row in nodes:
        of_nodes.add(worst_of(own_checks.get(fold(row.name), ())))
    by_service: dict[str, Count] = {}
    for entry in entries:
        status = worst_of(one for one in entry.checks if one.service_id)
        by_service.setdefault(entry.instance.name, Count()).add(status)
    shown = [_count(UNSET, of_nodes)] if of_nodes.total else None
    return encoded(OverviewShape(shown, _counts(by_service), _counts(by_check)))


def _node(view: NodeView, versions: Mapping[str, str]) -> UiNodeShape:
    row, meta = view.node, view.node.meta
    if row.address in versions and VERSION_KEY not in (meta or {}):
        meta = {**(meta or {}), VERSION_KEY: versions[row.address]}
    return UiNodeShape(
        row.id, row.name, row.address, row.tagged_addresses, meta,
        [service(one, null_tags=True) for one in view.instances],
        [check(one, null_tags=True) for one in view.checks],
    )  # fmt: skip


def _service(one: Summary) -> UiServiceShape:
    count = one.count
    return UiServiceShape(
        one.kind or UNSET, one.name, one.datacenter, sorted(one.tags) or None, sorted(one.nodes) or None,
        list(one.external_sources) or None, one.instances, count.passing, count.warning, count.critical,
        {}, one.transparent, one.native, bool(one.proxies), False,
    )  # fmt: skip


def _neighbour(found: Neighbour) -> NeighbourShape:
    shown = _service(found.summary)
    return NeighbourShape(
        shown.kind, shown.name, shown.datacenter, shown.tags, shown.nodes, shown.external_sources,
        shown.instance_count, shown.checks_passing, shown.checks_warning, shown.checks_critical,
        shown.gateway_config, shown.transparent_proxy, shown.connect_native,
        "proxy-registration" if found.registered else "default-allow",
        IntentionShape(allowed=True, has_permissions=False, external_source="", has_exact=False, default_allow=True),
    )  # fmt: skip


def _count(name: str | UnsetType, count: Count) -> CountShape:
    return CountShape(name, count.total, count.passing, count.warning, count.critical)


def _counts(by_name: Mapping[str, Count]) -> list[CountShape] | None:
    return [_count(name, by_name[name]) for name in sorted(by_name)] or None
