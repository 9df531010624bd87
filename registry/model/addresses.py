"""The addresses of an instance: what kind of address a text is, and the tagged ones that follow from it.

Owns the defaults that depend on nothing but the instance. Which addresses are refused is the dialects'.
Source: agent.md §6 (defaults); Go's documentation of `net.ParseIP`.
"""

import socket
from collections.abc import Mapping

from msgspec.structs import replace

from registry.model.service import Instance, ServiceAddress

_IPV4_IN_IPV6 = bytes(10) + b"\xff\xff"
_DEFAULT_TAGS = {4: ("lan_ipv4", "wan_ipv4"), 6: ("lan_ipv6", "wan_ipv6")}


def ip_version(address: str) -> int:
    """4 or 6 for a literal address, 0 for anything else. `::ffff:1.2.3.4` counts as version 4, as in Go."""
    try:
        if ":" not in address:
            socket.inet_pton(socket.AF_INET, address)
            return 4
        packed = socket.inet_pton(socket.AF_INET6, address)
    except (OSError, ValueError):  # ValueError: a NUL or a lone surrogate in the text
        return 0
    return 4 if packed.startswith(_IPV4_IN_IPV6) else 6


def default_addresses(
    address: str, port: int, given: Mapping[str, ServiceAddress] | None
) -> dict[str, ServiceAddress] | None:
    """The tagged addresses of an instance at this address: what was given, and the LAN and WAN ones.

    A host name or an empty address adds nothing. None when there are none at all.
    """
    tags = _DEFAULT_TAGS.get(ip_version(address)) if address else None
    if tags is None:
        return dict(given) if given else None
    own = ServiceAddress(address, port)
    addresses = dict(given) if given else {}
    for tag in tags:
        addresses.setdefault(tag, own)
    return addresses


def with_default_addresses(instance: Instance) -> Instance:
    """The instance with the tagged addresses that follow from its address and port."""
    addresses = default_addresses(instance.address, instance.port, instance.tagged_addresses)
    return replace(instance, tagged_addresses=addresses)
