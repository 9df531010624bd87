"""Consul's HTTP API as a dialect of the edge: all areas together.

The areas are named here, so that their endpoints are in the table when it is read.
"""

from registry.api.dialect import Match
from registry.api.dialects.consul import errors, events, status
from registry.api.dialects.consul.agent import checks as agent_checks
from registry.api.dialects.consul.agent import info as agent_info
from registry.api.dialects.consul.agent import reads as agent_reads
from registry.api.dialects.consul.agent import services as agent_services
from registry.api.dialects.consul.catalog import coordinates, health
from registry.api.dialects.consul.catalog import reads as catalog
from registry.api.dialects.consul.catalog import writes as catalog_writes
from registry.api.dialects.consul.go.encode import pretty
from registry.api.dialects.consul.kv import reads as kv
from registry.api.dialects.consul.kv import writes as kv_writes
from registry.api.dialects.consul.operator import autopilot, keyring, snapshot, usage
from registry.api.dialects.consul.operator import raft as operator
from registry.api.dialects.consul.prepared import endpoints as prepared
from registry.api.dialects.consul.routes import endpoint
from registry.api.dialects.consul.routing import Routing
from registry.api.dialects.consul.session import endpoints as sessions
from registry.api.dialects.consul.txn import endpoint as txn
from registry.api.dialects.consul.ui import lists as ui
from registry.api.dialects.consul.ui import mesh as ui_mesh
from registry.api.dialects.consul.ui import topology as ui_topology
from registry.api.reply import Reply, text_reply
from registry.errors import LogError, RequestError

AREAS = (
    agent_checks, agent_info, agent_reads, agent_services, autopilot, catalog, catalog_writes, coordinates,
    events, health, keyring, kv, kv_writes, operator, prepared, sessions, snapshot, status, txn, ui, ui_mesh,
    ui_topology, usage,
)  # fmt: skip


class ConsulDialect:
    """The dialect of the main listener; it answers whatever no other dialect recognises."""

    name = "consul"
    telling_headers: tuple[str, ...] = ("X-Consul-Namespace", "X-Consul-Partition", "Cache-Control")
    always = b"Vary: Accept-Encoding\r\nX-Consul-Default-Acl-Policy: allow\r\n"

    def __init__(
        self,
        *,
        block_endpoints: tuple[str, ...] = (),
        allow_write_from: tuple[str, ...] = (),
        translate_addresses: bool = False,
    ) -> None:
        """Args:
        block_endpoints, allow_write_from: those of Consul's `http_config`.
        translate_addresses: whether answers say that WAN addresses were put in.
        """
        self._routing = Routing(endpoint, block_endpoints=block_endpoints, allow_write_from=allow_write_from)
        if translate_addresses:
            self.always = self.always + b"X-Consul-Translate-Addresses: true\r\n"

    def match(self, method: str, raw_path: str, raw_query: str, remote: str) -> Match:
        """The endpoint of a request, or the answer that routing itself gives."""
        return self._routing.match(method, raw_path, raw_query, remote)

    def error_reply(self, error: RequestError | LogError) -> Reply:
        """Consul's status and text for an error."""
        return errors.reply_for(error)

    def crash_reply(self) -> Reply:
        """What a fault of ours looks like from outside."""
        return text_reply(500, "Internal error; the server's log has the details under this request's id")

    def indented(self, body: bytes, *, newline: bool) -> bytes:
        """JSON laid out by `?pretty`, or by the mode that always does it."""
        return pretty(body, newline)
