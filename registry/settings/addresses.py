"""The address this server gives as its own, when nobody chose one.

Owns the choice: advertised, else bound to, else the first private address of the machine. It looks at the
machine's interfaces only; it resolves no names and sends nothing.
"""

import fcntl
import ipaddress
import socket
import struct

from registry.settings.table import Settings

SIOCGIFADDR = 0x8915  # Linux: the IPv4 address of an interface
SHARED = ipaddress.ip_network("100.64.0.0/10")  # carrier-grade NAT; Consul counts it as private


def advertised_address(settings: Settings) -> str:
    """The IP address that clients are shown; 127.0.0.1 where the machine has no private one."""
    if settings.advertise:
        return settings.advertise
    if not ipaddress.ip_address(settings.bind).is_unspecified:
        return settings.bind
    return next((address for address in interface_addresses() if _is_private(address)), "127.0.0.1")


def _is_private(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return (ip.is_private and not ip.is_loopback and not ip.is_link_local) or ip in SHARED


def interface_addresses() -> list[str]:
    """The IPv4 address of each interface that has one, in the order of the machine."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue  # an interface without an IPv4 address
            found.append(socket.inet_ntoa(answer[20:24]))
    return found
