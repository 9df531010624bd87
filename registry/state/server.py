"""The server's own rows: its node, the service `consul` and the check `serfHealth`.

They are written when the server states its identity, and restored within any command that removes them.
Source: common.md §16; `DESIGN.md` §3, one agent and one table.
"""

from msgspec.structs import replace

from registry.commands import StartServer
from registry.errors import Conflict
from registry.model import topic as topics
from registry.model.check import PASSING, SERF_HEALTH, Check
from registry.model.names import fold
from registry.model.node import Node
from registry.model.server import CONSUL_SERVICE, Server
from registry.model.service import Instance
from registry.state.rows import Rows

ALIVE = "Agent alive and reachable"


def start_server(rows: Rows, index: int, time: float, command: StartServer) -> None:
    """Record who the server is; its rows are created, or updated after a change of address.

    Raises:
        Conflict: `server-identity`, the log belongs to a server of another name or id.
    """
    server = rows.server
    if server.node and (server.node, server.id) != (command.node, command.id):
        raise Conflict("server-identity", stored=server.node, given=command.node)
    found = Server(
        node=command.node,
        id=command.id,
        datacenter=command.datacenter,
        address=command.address,
        meta=command.meta,
        tagged_addresses=command.tagged_addresses,
        service_port=command.service_port,
        service_meta=command.service_meta or {},
    )
    if found != server:
        rows.server = found
        rows.touched[topics.MEMBERS] = None
    own = rows.node_rows.get(fold(command.node))
    if own is None or own.address != command.address or own.meta != command.meta or own.id != command.id:
        _write_own_node(rows, index)
    consul = rows.instances.get(fold(command.node), {}).get(CONSUL_SERVICE)
    shown = (rows.server.service_port, rows.server.service_meta)
    if consul is not None and consul.local is None and (consul.port, consul.meta) != shown:
        rows.write_instance(index, _consul(rows.server))
    restore_own_rows(rows, index)


def restore_own_rows(rows: Rows, index: int) -> None:
    """Put back whichever of the server's own rows are missing."""
    server = rows.server
    if not server.node:
        return
    key = fold(server.node)
    if key not in rows.node_rows:
        _write_own_node(rows, index)
    if CONSUL_SERVICE not in rows.instances.get(key, {}):
        rows.write_instance(index, _consul(server))
    if fold(SERF_HEALTH) not in rows.checks.get(key, {}):
        health = Check(node=server.node, id=SERF_HEALTH, name="Serf Health Status", status=PASSING, output=ALIVE)
        rows.write_check(index, health)


def _write_own_node(rows: Rows, index: int) -> None:
    """Write our node's row. A node that has taken our id while the row was without it loses that id."""
    server = rows.server
    holder = rows.node_of_id.get(fold(server.id), fold(server.node))
    if holder != fold(server.node):
        rows.write_node(index, replace(rows.node_rows[holder], id=""))
    own = Node(
        name=server.node,
        id=server.id,
        address=server.address,
        datacenter=server.datacenter,
        tagged_addresses=server.tagged_addresses,
        meta=server.meta,
    )
    rows.write_node(index, own)


def _consul(server: Server) -> Instance:
    return Instance(
        node=server.node,
        id=CONSUL_SERVICE,
        name=CONSUL_SERVICE,
        tags=(),
        port=server.service_port,
        meta=server.service_meta,
    )
