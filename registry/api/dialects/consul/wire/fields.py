"""What all shapes on the wire have in common: how their fields are named and left out.

The order of the fields of a `Shape` is the order on the wire. It knows no particular shape.
"""

from msgspec import Struct

# Parts of names that Consul writes in capitals, or in its own way.
_PARTS = {
    "acls": "ACLs", "dns": "DNS", "fips": "FIPS", "grpc": "GRPC", "h2": "H2", "http": "HTTP", "id": "ID", "ip": "IP",
    "json": "JSON", "lan": "LAN", "os": "OS", "sha": "SHA", "tcp": "TCP", "tls": "TLS", "ttl": "TTL", "udp": "UDP",
}  # fmt: skip
_WHOLE = {"h2ping": "H2PING", "h2ping_use_tls": "H2PingUseTLS"}


def wire_name(name: str) -> str:
    """Consul's spelling of a field: `check_id` is `CheckID`."""
    return _WHOLE.get(name) or "".join(_PARTS.get(part) or part.capitalize() for part in name.split("_"))


class Shape(Struct, rename=wire_name, gc=False):
    """One JSON object of an answer; a field that holds UNSET is left out."""
