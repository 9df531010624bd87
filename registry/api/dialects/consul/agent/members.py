"""The gossip pool as clients see it: the replicas, which are its members; and joining or leaving it.

Source: agent.md §3.4 and §3.7; api-docs/agent#list-members, #join-agent, #force-leave-and-shutdown.
"""

import asyncio
import re
import socket

from registry import __version__
from registry.api.call import Call
from registry.api.dialects.consul.go.encode import encoded
from registry.api.dialects.consul.params import refuse_partition
from registry.api.dialects.consul.reads import predicate
from registry.api.dialects.consul.replicas import Replica, host_port, replicas
from registry.api.dialects.consul.routes import endpoint
from registry.api.dialects.consul.selectors import MEMBER
from registry.api.dialects.consul.wire.agent import MemberShape
from registry.api.reply import Reply
from registry.core.reading import State
from registry.errors import InvalidRequest, NotFound
from registry.model.server import Server

SERF_PORT = 8301  # where Consul's gossip is; nothing listens there, but clients join their agent's own address
ALIVE = 1
_ANY_SEGMENT = ("", "_all")
_DIAL_SECONDS = 10.0  # Consul's gossip waits this long for a connection
_LOOK_UP_SECONDS = 10.0
_PORT = re.compile(r"[0-9]{1,5}")


def own_member(server: Server) -> MemberShape:
    """The one agent that all replicas are, as a member of the pool."""
    return MemberShape(server.node, server.address, SERF_PORT, _tags(server, server.id, server.service_port), ALIVE)


def _member(server: Server, one: Replica, count: int) -> MemberShape:
    """A replica as a member of the pool, which speaks on no other port than that of its HTTP interface."""
    return MemberShape(one.name, one.address, one.port, _tags(server, one.id, one.port, count), ALIVE)


def _tags(server: Server, server_id: str, port: int, count: int = 1) -> dict[str, str]:
    together = {"bootstrap": "1"} if count == 1 else {"expect": str(count)}
    return {
        "acls": "0",
        **together,
        "build": f"{server.service_meta.get('version', '')}:{__version__}",
        "dc": server.datacenter,
        "ft_fs": "1",
        "ft_si": "1",
        "id": server_id,
        "port": str(port),
        "raft_vsn": "3",
        "role": "consul",
        "segment": "",
        "vsn": "2",
        "vsn_max": "3",
        "vsn_min": "2",
    }


def _members(state: State) -> list[MemberShape]:
    found = replicas(state)
    if len(found) == 1:
        return [own_member(state.server)]
    return [_member(state.server, one, len(found)) for one in found]


@endpoint("GET", "/v1/agent/members", source="api-docs/agent#list-members")
async def list_members(call: Call) -> Reply:
    """The members of the pool; 200 and a JSON array, `null` for the WAN pool, which there is not.

    Query: wan, segment, filter. Errors: InvalidRequest for a segment, or a filter that cannot be used.
    """
    refuse_partition(call)
    wan, segment = bool(call.query.value("wan")), call.query.value("segment")
    if segment not in _ANY_SEGMENT:
        raise InvalidRequest("segment-wan" if wan else "segment")
    if wan:
        return Reply(body=b"null")
    matching = predicate(call, MEMBER)
    members = _members(call.engine.state)
    return Reply(body=encoded([one for one in members if matching is None or matching(one)]))


@endpoint("PUT", "/v1/agent/force-leave/{node}", source="api-docs/agent#force-leave-and-shutdown")
async def force_leave(call: Call) -> Reply:
    """Take a failed member out of the pool: nothing to do for one that is there; those that are gone are unknown.

    Query: prune (no difference here), wan. Errors: NotFound.
    """
    refuse_partition(call)
    if "wan" in call.query:
        raise NotFound("member", name="")
    if not _is_member(call):
        if call.engine.shared:
            await call.engine.confirm()  # one that has just come may not have reached us
        if not _is_member(call):
            raise NotFound("member", name=call.argument)
    return Reply()


def _is_member(call: Call) -> bool:
    state = call.engine.state
    return call.argument == state.server.node or any(one.name == call.argument for one in replicas(state))


@endpoint("PUT", "/v1/agent/join/{address}", source="api-docs/agent#join-agent")
async def join(call: Call) -> Reply:
    """Join the pool of another agent: succeeds for the address of one of ours, nothing else speaks with us.

    Query: wan. Errors: InvalidRequest with what went wrong when the address was tried.
    """
    refuse_partition(call)
    if call.query.value("wan"):
        raise InvalidRequest("wan-off")
    problems = await _join_problems(call.argument, call.engine.state)
    if problems:
        errors = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
        lines = "".join(f"\t* {problem}\n" for problem in problems)
        raise InvalidRequest("join", problem=f"{errors} occurred:\n{lines}\n")
    return Reply()


async def _join_problems(address: str, state: State) -> list[str]:
    """What went wrong with each IP address of `host[:port]`; nothing when one of them is ours."""
    host, port = _split(address)
    addresses = await _resolved(host, port)
    if not addresses:
        return [f"Failed to resolve {address}: lookup {host}: no such host"]
    ours = {(state.server.address, SERF_PORT), *((one.addr, one.port) for one in _members(state))}
    if not ours.isdisjoint(addresses):
        return []
    return [f"Failed to join {host_port(*one)}: {await _dial_problem(*one)}" for one in addresses]


def _split(address: str) -> tuple[str, int]:
    """Host and port; the port of gossip when there is none that can be one."""
    host, colon, port = address.rpartition(":")
    if colon and _PORT.fullmatch(port) and int(port) <= 65535 and (":" not in host or host.endswith("]")):
        return host.strip("[]"), int(port)
    return address.strip("[]"), SERF_PORT


async def _resolved(host: str, port: int) -> list[tuple[str, int]]:
    if not host:
        return []
    try:
        async with asyncio.timeout(_LOOK_UP_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        return []
    return list(dict.fromkeys((str(sockaddr[0]), port) for *_, sockaddr in found))


async def _dial_problem(host: str, port: int) -> str:
    """Why nobody could be joined there, in the words of Go's network errors."""
    prefix = f"dial tcp {host_port(host, port)}:"
    try:
        async with asyncio.timeout(_DIAL_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"{prefix} i/o timeout"
    except ConnectionRefusedError:
        return f"{prefix} connect: connection refused"
    except OSError as error:
        return f"{prefix} connect: {(error.strerror or str(error)).lower()}"
    writer.close()
    return "this server has no gossip pool that another agent could be in"
