"""Prepared queries, and what one finds, as JSON. Source: event_query_coordinate.md §B.1, §B.4, §B.5."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import field

from registry.api.dialects.consul.go.encode import encoded
from registry.api.dialects.consul.wire import catalog as wire
from registry.api.dialects.consul.wire.catalog import CheckShape, NodeShape, ServiceShape
from registry.api.dialects.consul.wire.fields import Shape
from registry.model.prepared import PreparedQuery
from registry.model.views import Entry


class TargetShape(Shape):
    """One of `Failover.Targets`."""

    peer: str
    datacenter: str


class FailoverShape(Shape):
    """`Failover`."""

    nearest_n: int
    datacenters: Sequence[str] | None
    targets: list[TargetShape] | None


class ServiceQueryShape(Shape):
    """`Service`."""

    service: str
    sameness_group: str
    failover: FailoverShape
    only_passing: bool
    ignore_check_ids: Sequence[str] | None = field(name="IgnoreCheckIDs")
    near: str
    tags: Sequence[str] | None
    node_meta: Mapping[str, str] | None
    service_meta: Mapping[str, str] | None
    connect: bool
    peer: str


class TemplateShape(Shape):
    """`Template`."""

    type: str
    regexp: str
    remove_empty_tags: bool


class DnsShape(Shape):
    """`DNS`."""

    ttl: str


class PreparedShape(Shape):
    """A definition."""

    id: str
    name: str
    session: str
    token: str
    template: TemplateShape
    service: ServiceQueryShape
    dns: DnsShape
    create_index: int
    modify_index: int


class FoundShape(Shape):
    """One instance that a query finds; what was never given stays null, unlike in reads of health."""

    node: NodeShape
    service: ServiceShape
    checks: list[CheckShape] | None


def definitions(queries: Iterable[PreparedQuery]) -> bytes:
    """The definitions as a JSON array."""
    return encoded([definition(query) for query in queries])


def definition(query: PreparedQuery) -> PreparedShape:
    """One definition."""
    service, failover, template = query.service, query.service.failover, query.template
    targets = failover.targets
    return PreparedShape(
        query.id,
        query.name,
        query.session,
        query.token,
        TemplateShape(template.type, template.regexp, template.remove_empty_tags),
        ServiceQueryShape(
            service.service,
            service.sameness_group,
            FailoverShape(
                failover.nearest_n,
                failover.datacenters,
                None if targets is None else [TargetShape(one.peer, one.datacenter) for one in targets],
            ),
            service.only_passing,
            service.ignore_check_ids,
            service.near,
            service.tags,
            service.node_meta,
            service.service_meta,
            service.connect,
            service.peer,
        ),
        DnsShape(query.dns_ttl),
        query.create_index,
        query.modify_index,
    )


def found(entry: Entry) -> FoundShape:
    """One instance that a query finds."""
    checks = [wire.check(row, null_tags=True) for row in entry.checks]
    return FoundShape(wire.node(entry.node), wire.service(entry.instance, null_tags=True), checks or None)
