"""The prepared query: a question about a service that is stored under a name.

Owns the stored definition. Rendering templates and answering are the dialects'. Source: event_query_coordinate.md §B.
"""

from msgspec import Struct

NAME_PREFIX_MATCH = "name_prefix_match"  # the one type of template


class FailoverTarget(Struct, frozen=True, gc=False, omit_defaults=True):
    """Another place to look: a datacenter or a peer."""

    peer: str = ""
    datacenter: str = ""


class Failover(Struct, frozen=True, gc=False, omit_defaults=True):
    """Where to look when nothing is found here."""

    nearest_n: int = 0
    datacenters: tuple[str, ...] | None = None
    targets: tuple[FailoverTarget, ...] | None = None


class ServiceQuery(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Which instances of which service are wanted; lists and maps that were not given are None."""

    service: str = ""
    sameness_group: str = ""
    failover: Failover = Failover()
    only_passing: bool = False
    ignore_check_ids: tuple[str, ...] | None = None
    near: str = ""
    tags: tuple[str, ...] | None = None
    node_meta: dict[str, str] | None = None
    service_meta: dict[str, str] | None = None
    connect: bool = False
    peer: str = ""


class Template(Struct, frozen=True, gc=False, omit_defaults=True):
    """How a query answers to names other than its own; without a type it does not."""

    type: str = ""
    regexp: str = ""
    remove_empty_tags: bool = False


class PreparedQuery(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One stored query; `id` is a lower-case UUID. A query that is bound to a session is removed with it."""

    id: str
    name: str = ""
    session: str = ""
    token: str = ""
    template: Template = Template()
    service: ServiceQuery = ServiceQuery()
    dns_ttl: str = ""
    create_index: int = 0
    modify_index: int = 0

    @property
    def is_template(self) -> bool:
        """Whether it answers to every name that begins with its own."""
        return bool(self.template.type)
