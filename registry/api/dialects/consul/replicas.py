"""The replicas on the log as Consul's servers: their names, ids and addresses.

Owns how a client of Consul sees them, and nothing of who is alive. A replica that is alone is the node itself.
Source: `DESIGN.md` §3, One agent; status_operator_snapshot_ui.md parts A and B.1.
"""

import uuid
from collections import Counter
from typing import NamedTuple

from registry.core.reading import State
from registry.model.member import Member

TERM = 2  # of the one election that was ever held: the store decides who keeps house


class Replica(NamedTuple):
    """One server: its id and name are no other's, and stay the same for as long as its process lives.

    `since` is when that process began (Unix seconds), 0 where it did not say so.
    """

    id: str
    name: str
    address: str
    port: int
    leads: bool
    since: float = 0.0


def replicas(state: State) -> list[Replica]:
    """All live replicas; at least one."""
    server, members = state.server, state.members
    if len(members) < 2:
        return [Replica(server.id, server.node, server.address, server.service_port, True)]
    names = Counter(member.name for member in members)
    return [
        Replica(
            str(uuid.uuid5(uuid.NAMESPACE_OID, f"{server.id}/{member.id}")),
            f"{server.node}-{_label(member, names)}",
            member.address or server.address,
            member.port or server.service_port,
            member.id == state.holder,
            member.since,
        )
        for member in members
    ]


def _label(member: Member, names: Counter[str]) -> str:
    """What tells the replica apart; a name that several go by (workers of two machines) does not do it alone."""
    if not member.name:
        return member.id
    return member.name if names[member.name] == 1 else f"{member.name}-{member.id}"


def leader(state: State) -> str:
    """Where the leader would be reached by other servers, as `ip:port`; empty when nobody keeps house."""
    return next((host_port(one.address, one.port) for one in replicas(state) if one.leads), "")


def host_port(host: str, port: int) -> str:
    """An address with its port; an IPv6 one stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
