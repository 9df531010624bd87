"""The definition of a prepared query: its fields, and the query that they describe.

Owns what is wrong with one that needs no state, in Consul's order. Templates are `templates.py`.
Source: event_query_coordinate.md §B.1, §B.2.
"""

from collections.abc import Iterator
from typing import ClassVar

from msgspec import field

from registry.api.dialects.consul.go.bodies import Decoder
from registry.api.dialects.consul.go.decode import Body, Int, Unsigned
from registry.errors import InvalidRequest
from registry.model.duration import nanoseconds
from registry.model.meta import meta_problem
from registry.model.prepared import Failover, FailoverTarget, PreparedQuery, ServiceQuery, Template

HIDDEN = "<hidden>"  # what a token is shown as to those who may not see it


class TargetBody(Body):
    """One of `Failover.Targets`."""

    GO_NAME: ClassVar = "QueryFailoverTarget"

    peer: str = ""
    datacenter: str = ""


class FailoverBody(Body):
    """`Failover`."""

    GO_NAME: ClassVar = "QueryFailoverOptions"

    nearest_n: Int = 0
    datacenters: list[str] | None = None
    targets: list[TargetBody] | None = None


class ServiceQueryBody(Body):
    """`Service`."""

    GO_NAME: ClassVar = "ServiceQuery"

    service: str = ""
    sameness_group: str = ""
    failover: FailoverBody = field(default_factory=FailoverBody)
    only_passing: bool = False
    ignore_check_ids: list[str] | None = field(name="IgnoreCheckIDs", default=None)
    near: str = ""
    tags: list[str] | None = None
    node_meta: dict[str, str] | None = None
    service_meta: dict[str, str] | None = None
    connect: bool = False
    peer: str = ""


class TemplateBody(Body):
    """`Template`."""

    GO_NAME: ClassVar = "QueryTemplateOptions"

    type: str = ""
    regexp: str = ""
    remove_empty_tags: bool = False


class DnsBody(Body):
    """`DNS`."""

    GO_NAME: ClassVar = "QueryDNSOptions"

    ttl: str = ""


class PreparedBody(Body):
    """The definition as a whole."""

    GO_NAME: ClassVar = "PreparedQuery"

    id: str = ""
    name: str = ""
    session: str = ""
    token: str = ""
    template: TemplateBody = field(default_factory=TemplateBody)
    service: ServiceQueryBody = field(default_factory=ServiceQueryBody)
    dns: DnsBody = field(default_factory=DnsBody)
    create_index: Unsigned = 0
    modify_index: Unsigned = 0


decoded = Decoder(PreparedBody)


def refuse_invalid(body: PreparedBody) -> None:
    """Refuse a definition that could not be stored whatever else is.

    Raises:
        InvalidRequest: `query-invalid`.
    """
    problem = next(_problems(body), None)
    if problem is not None:
        raise InvalidRequest("query-invalid", problem=problem)


def _problems(body: PreparedBody) -> Iterator[str]:
    service, failover = body.service, body.service.failover
    if not (body.name or body.template.type or body.session):
        yield "Must be bound to a session"
    if body.token == HIDDEN:
        yield f"Bad Token '{HIDDEN}', it looks like a query definition with a redacted token was submitted"
    if not service.service:
        yield "Must provide a Service name to query"
    if failover.nearest_n < 0:
        yield f"Bad NearestN '{failover.nearest_n}', must be >= 0"
    if failover.targets and (failover.nearest_n or failover.datacenters):
        yield "Targets cannot be populated with NearestN or Datacenters"
    if problem := meta_problem(service.node_meta, "", reserved=True):
        yield problem
    if service.sameness_group:
        yield "sameness-groups are an enterprise-only feature"
    if problem := _ttl_problem(body.dns.ttl):
        yield problem


def _ttl_problem(ttl: str) -> str:
    if not ttl:
        return ""
    try:
        ns = nanoseconds(ttl)
    except InvalidRequest as error:
        return f"Bad DNS TTL '{ttl}': {error.values['problem']}"
    return f"DNS TTL '{ns}', must be >=0" if ns < 0 else ""


def defined(body: PreparedBody, query_id: str) -> PreparedQuery:
    """The query that the definition describes, under this id."""
    service, failover, template = body.service, body.service.failover, body.template
    targets = failover.targets
    return PreparedQuery(
        id=query_id,
        name=body.name,
        session=body.session,
        token=body.token,
        template=Template(template.type, template.regexp, template.remove_empty_tags),
        service=ServiceQuery(
            service=service.service,
            sameness_group=service.sameness_group,
            failover=Failover(
                failover.nearest_n,
                _fixed(failover.datacenters),
                None if targets is None else tuple(FailoverTarget(one.peer, one.datacenter) for one in targets),
            ),
            only_passing=service.only_passing,
            ignore_check_ids=_fixed(service.ignore_check_ids),
            near=service.near,
            tags=_fixed(service.tags),
            node_meta=service.node_meta,
            service_meta=service.service_meta,
            connect=service.connect,
            peer=service.peer,
        ),
        dns_ttl=body.dns.ttl,
    )


def _fixed(texts: list[str] | None) -> tuple[str, ...] | None:
    return None if texts is None else tuple(texts)
