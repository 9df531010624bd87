"""Checks of paths that a proxy exposes: the same check, sent to the proxy.

Owns the new url or address. Which port a check is exposed on is decided where services are registered.
Source: agent.md §8.3; Consul's documentation of Expose.Checks.
"""

import re

from msgspec.structs import replace

from registry.checks.dial import Address
from registry.model.check import CheckDefinition

_HTTP = re.compile(r"(https?://)(\[.*?\]|[\w.-]+)(:\d+)?([^?]*)(\?.*)?")
_GRPC = re.compile(r"(.*)((?::)(?:\d+))(.*)")


def exposed(definition: CheckDefinition, proxy_address: str, exposed_port: int) -> CheckDefinition:
    """The definition as it is run when the proxy answers for its target; unchanged without a port."""
    if not exposed_port:
        return definition
    where = str(Address(proxy_address, exposed_port))
    if found := _HTTP.fullmatch(definition.http):
        return replace(definition, http=f"{found[1]}{where}{found[4]}{found[5] or ''}")
    if found := _GRPC.fullmatch(definition.grpc):
        return replace(definition, grpc=f"{where}{found[3]}")
    return definition
