"""What a check does, as catalog and health answers write it: `Definition`, whose empty fields are left out.

Source: common.md §13. The agent's local health has a form of its own (`agent.py`).
"""

from collections.abc import Mapping, Sequence

from msgspec import UNSET, Raw, UnsetType

from registry.api.dialects.consul.wire.fields import Shape
from registry.model import duration
from registry.model.check import CheckDefinition

EMPTY = Raw(b"{}")


class DefinitionShape(Shape):
    """`Definition`; durations are Go texts, except the last one, which is nanoseconds."""

    interval: str | UnsetType
    output_max_size: int | UnsetType
    timeout: str | UnsetType
    deregister_critical_service_after: str | UnsetType
    http: str | UnsetType
    tls_server_name: str | UnsetType
    tls_skip_verify: bool | UnsetType
    header: Mapping[str, Sequence[str]] | UnsetType
    method: str | UnsetType
    body: str | UnsetType
    disable_redirects: bool | UnsetType
    tcp: str | UnsetType
    tcp_use_tls: bool | UnsetType
    udp: str | UnsetType
    h2ping: str | UnsetType
    os_service: str | UnsetType
    h2ping_use_tls: bool | UnsetType
    script_args: Sequence[str] | UnsetType
    docker_container_id: str | UnsetType
    shell: str | UnsetType
    grpc: str | UnsetType
    grpc_use_tls: bool | UnsetType
    alias_node: str | UnsetType
    alias_service: str | UnsetType
    session_name: str | UnsetType
    ttl: int | UnsetType


def definition(row: CheckDefinition | None) -> DefinitionShape | Raw:
    """The definition of a check that was registered through the catalog; `{}` for all others."""
    if row is None:
        return EMPTY
    return DefinitionShape(
        _duration(row.interval_ns), row.output_max_size or UNSET, _duration(row.timeout_ns),
        _duration(row.deregister_critical_service_after_ns), row.http or UNSET, row.tls_server_name or UNSET,
        row.tls_skip_verify or UNSET, row.header or UNSET, row.method or UNSET, row.body or UNSET,
        row.disable_redirects or UNSET, row.tcp or UNSET, row.tcp_use_tls or UNSET, row.udp or UNSET,
        row.h2ping or UNSET, row.os_service or UNSET, row.h2ping_use_tls or UNSET, row.script_args or UNSET,
        row.docker_container_id or UNSET, row.shell or UNSET, row.grpc or UNSET, row.grpc_use_tls or UNSET,
        row.alias_node or UNSET, row.alias_service or UNSET, row.session_name or UNSET, row.ttl_ns or UNSET,
    )  # fmt: skip


def _duration(nanoseconds: int) -> str | UnsetType:
    return duration.text(nanoseconds) if nanoseconds else UNSET
