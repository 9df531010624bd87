"""Who this server is: its node's name, id, address and metadata.

Owns what follows from the settings and from what the store knows already. Writing it down, and what happens when
two processes do so at once, is `app.py`'s. Source: `DESIGN.md` §3, One agent.
"""

import socket
import uuid

from registry.commands import StartServer
from registry.errors import SettingsError
from registry.model.server import Server
from registry.settings import Settings
from registry.settings.addresses import advertised_address

CONSUL_VERSION = "1.21.4"  # the version we answer as
_OWN_META = {"consul-network-segment": "", "consul-version": CONSUL_VERSION}
_SERVICE_META = {
    "non_voter": "false",
    "raft_version": "3",
    "read_replica": "false",
    "serf_protocol_current": "2",
    "serf_protocol_max": "5",
    "serf_protocol_min": "1",
    "version": CONSUL_VERSION,
}


def identity(settings: Settings, stored: Server, *, shared: bool) -> StartServer:
    """Who this server is, from what the log says and what the settings ask for.

    All replicas on a shared log are one server, so there a setting that was not given changes nothing.

    Raises:
        SettingsError: `node`, the store belongs to another node.
    """
    if stored.node and settings.node and settings.node != stored.node:
        raise SettingsError("node", f"the store belongs to node {stored.node!r}, not to {settings.node!r}")
    keeps = shared and bool(stored.node)
    stays = keeps and not settings.advertise
    address = stored.address if stays else advertised_address(settings)
    given_meta = {**stored.meta} if keeps and not settings.node_meta else settings.node_meta
    same_datacenter = keeps and settings.datacenter == Settings().datacenter
    return StartServer(
        node=stored.node or settings.node or socket.gethostname(),
        id=stored.id or str(uuid.uuid4()),
        datacenter=stored.datacenter if same_datacenter else settings.datacenter,
        address=address,
        meta={**given_meta, **_OWN_META},
        tagged_addresses=stored.tagged_addresses if stays else _tagged(address),
        service_meta=_SERVICE_META,
    )


def says(stored: Server, command: StartServer) -> bool:
    """Whether the log already says exactly this."""
    return all(
        getattr(stored, name) == getattr(command, name)
        for name in ("node", "id", "datacenter", "address", "meta", "tagged_addresses", "service_meta")
    )


def _tagged(address: str) -> dict[str, str]:
    family = "ipv6" if ":" in address else "ipv4"
    return {"lan": address, f"lan_{family}": address, "wan": address, f"wan_{family}": address}
