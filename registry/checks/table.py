"""Which probe a definition asks for: the table of check types.

Owns the order in which Consul decides when a definition names several. Alias and TTL checks have no probe.
Source: agent.md §8.3.
"""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from registry.checks.base import Probe
from registry.checks.means import Means
from registry.model.check import CheckDefinition


class Kind(NamedTuple):
    """A type of check: its name, whether a definition is one, and where its probe is. It is imported when needed."""

    name: str
    asks: Callable[[CheckDefinition], object]
    module: str
    probe: str


KINDS = (
    Kind("http", lambda given: given.http, "http", "HttpProbe"),
    Kind("tcp", lambda given: given.tcp, "tcp", "TcpProbe"),
    Kind("udp", lambda given: given.udp, "udp", "UdpProbe"),
    Kind("grpc", lambda given: given.grpc, "grpc", "GrpcProbe"),
    Kind("docker", lambda given: given.docker_container_id and given.script_args, "docker", "DockerProbe"),
    Kind("os_service", lambda given: given.os_service, "os_service", "OsServiceProbe"),
    Kind("script", lambda given: given.script_args, "script", "ScriptProbe"),
    Kind("h2ping", lambda given: given.h2ping, "h2ping", "H2PingProbe"),
)


def kind_of(definition: CheckDefinition) -> Kind | None:
    """The type of what is to be run; None for TTL and alias checks, and for those without an interval."""
    if definition.ttl_ns > 0 or definition.interval_ns <= 0:
        return None
    return next((kind for kind in KINDS if kind.asks(definition)), None)


def probe_of(kind: Kind, definition: CheckDefinition, means: Means) -> Probe:
    """A probe for a definition of this type."""
    made: Probe = getattr(import_module(f"registry.checks.{kind.module}"), kind.probe)(definition, means)
    return made
