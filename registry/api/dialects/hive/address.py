"""Where an agent of the Hive can be reached, which its interface has no field for (dialects.md M-10)."""

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

_LARGEST_PORT = 65_535
_SCHEME_PORTS = {"http": 80, "https": 443}


def address_of(metadata: Mapping[str, str], peer: str) -> tuple[str, int]:
    """Host and port: what the metadata says, else the address that the call came from, with port 0.

    Args:
        peer: as grpcio names it, `ipv4:192.0.2.1:50000`.
    """
    found = _endpoint(metadata.get("endpoint", ""))
    if found is None and metadata.get("host"):
        found = metadata["host"], _port(metadata.get("port", ""))
    if found is None and metadata.get("address"):
        found = metadata["address"], _port(metadata.get("http_port", "")) or _port(metadata.get("grpc_port", ""))
    return found if found is not None else (peer_address(peer), 0)


def peer_address(peer: str) -> str:
    """The IP address of a caller; "" when it has none."""
    kind, _, rest = peer.partition(":")
    return unquote(rest).rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else ""


def _endpoint(text: str) -> tuple[str, int] | None:
    """Host and port of a URL or of `host:port`; None for what is neither."""
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (host, port or _SCHEME_PORTS.get(parts.scheme, 0)) if host else None


def _port(text: str) -> int:
    """A port, 0 for what is none."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else 0
    return number if number <= _LARGEST_PORT else 0
