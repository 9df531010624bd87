"""Which proxy the environment names for a url, and for which it names none.

Owns the reading of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. How a proxy is spoken to is in connections.py.
Source: Go's golang.org/x/net/http/httpproxy.
"""

import ipaddress
import os

from registry.checks import urls
from registry.checks.dial import DialError, is_ip, split


def proxy_for(url: urls.Url) -> urls.Url | None:
    """The proxy for the url; never one for this machine itself.

    Raises:
        UrlError: what the environment names is none.
    """
    host = url.host.lower()
    if host in ("", "localhost") or (is_ip(host) and _ip(host).is_loopback):
        return None
    name = f"{url.scheme}_proxy"
    proxy = os.environ.get(name.upper()) or os.environ.get(name)
    if not proxy:
        return None
    exceptions = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    if any(_excepts(each.strip().lower(), host, url.port) for each in exceptions.split(",")):
        return None
    return urls.read(proxy if "://" in proxy else f"http://{proxy}", "proxyconnect")


def _excepts(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY means the host: *, a network, an address or a name, each perhaps with a port."""
    if entry == "*":
        return True
    if "/" in entry:
        return is_ip(host) and _in_network(host, entry)
    wanted_port = port
    try:
        entry, wanted_port = split(entry)
    except DialError:
        entry = entry.strip("[]")
    if not entry or wanted_port != port:
        return False
    if is_ip(host) or is_ip(entry):
        return is_ip(host) and is_ip(entry) and _ip(host) == _ip(entry)
    entry = entry.removeprefix("*")
    return host.endswith(entry) if entry.startswith(".") else host == entry or host.endswith(f".{entry}")


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(host.partition("%")[0])


def _in_network(host: str, network: str) -> bool:
    try:
        return _ip(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
