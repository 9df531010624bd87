"""Who the server is: one row, since all replicas on one log are one agent."""

from msgspec import Struct

CONSUL_SERVICE = "consul"


class Server(Struct, frozen=True, gc=False, kw_only=True):
    """The identity that the log holds; `node` is empty before the first start.

    `service_meta` is that of the server's own row in the catalog, the service `consul`.
    """

    node: str = ""
    id: str = ""
    datacenter: str = "dc1"
    address: str = ""
    meta: dict[str, str] = {}
    tagged_addresses: dict[str, str] = {}
    service_port: int = 8300
    service_meta: dict[str, str] = {}
