"""The writes of one client: requests, and what each of them does to the rows it is about.

Owns the choice of the next write. Each carries a new number, which stands in every field it sets; so a row
that shows two numbers is half of one write and half of another. Source: agent.md §3.8, §6, §7; catalog.md §1, §2.
"""

import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.crash.ledger import Key, Row, World

SERVICES, CHECKS, NODES = 3, 3, 2  # of each client
STATUSES = ("passing", "warning", "critical")
BEATS = {"passing": "pass", "warning": "warn", "critical": "fail"}
SHARED_NODE = "shared"


class Operation(NamedTuple):
    """One write: its request, the status it must be answered with, and the rows after it."""

    method: str
    target: str
    body: bytes
    status: int
    after: World


def operation(owner: str, number: int, world: World, chance: random.Random) -> Operation:
    """The next write of a client whose rows are `world`."""
    [make] = chance.choices(list(_WEIGHTS), weights=list(_WEIGHTS.values()))
    return make(owner, number, world, chance)


def contested(number: int) -> bytes:
    """The body of a registration that puts a number into every row of the node that all clients write."""
    text = str(number)
    service = {"ID": "s", "Service": "shared", "Port": number % 65536, "Tags": [text], "Meta": {"n": text}}
    checks = [{"CheckID": one, "Name": one, "Status": "passing", "Notes": text, "Output": text} for one in "ab"]
    return _json(Node=SHARED_NODE, Address="10.0.0.9", NodeMeta={"n": text}, Service=service, Checks=checks)


# Services and checks of the agent


def _register_service(owner: str, number: int, world: World, chance: random.Random) -> Operation:
    """With up to three checks at once; those that are there keep their status."""
    service = _service(owner, chance)
    replace = chance.random() < 0.2
    status = chance.choice(STATUSES)
    names = [f"{service}:{place}" for place in range(chance.randrange(4))]
    after = dict(world)
    after["service", service] = Row(number)
    if replace:
        kept = {("check", name) for name in names}
        after = {key: row for key, row in after.items() if key in kept or row.service != service}
    for name in names:
        _put_check(after, name, Row(number, status, service=service))
    body = _json(
        ID=service, Name=f"web-{service[-1]}", Port=number % 65536, Tags=[str(number)], Meta={"n": str(number)},
        Checks=[{"CheckID": name, "TTL": "1h", "Notes": str(number), "Status": status} for name in names],
    )  # fmt: skip
    query = "?replace-existing-checks" if replace else ""
    return Operation("PUT", f"/v1/agent/service/register{query}", body, 200, after)


def _deregister_service(owner: str, number: int, world: World, chance: random.Random) -> Operation:
    service = _service(owner, chance)
    target = f"/v1/agent/service/deregister/{service}"
    if ("service", service) not in world:
        return Operation("PUT", target, b"", 404, world)
    gone = ("service", service)
    after = {key: row for key, row in world.items() if key != gone and (key[0] != "check" or row.service != service)}
    return Operation("PUT", target, b"", 200, after)


def _register_check(owner: str, number: int, world: World, chance: random.Random) -> Operation:
    """Of the node, or of a service, which need not be there."""
    name = _check(owner, chance)
    service = _service(owner, chance) if name.endswith("0") else ""
    status = chance.choice(STATUSES)
    body = _json(ID=name, Name=name, TTL="1h", Notes=str(number), ServiceID=service, Status=status)
    target = "/v1/agent/check/register"
    if service and ("service", service) not in world:
        return Operation("PUT", target, body, 404, world)
    after = dict(world)
    _put_check(after, name, Row(number, status, service=service))
    return Operation("PUT", target, body, 200, after)


def _deregister_check(owner: str, number: int, world: World, chance: random.Random) -> Operation:
    name = _check(owner, chance)
    target = f"/v1/agent/check/deregister/{name}"
    if ("check", name) not in world:
        return Operation("PUT", target, b"", 404, world)
    return Operation("PUT", target, b"", 200, {key: row for key, row in world.items() if key != ("check", name)})


def _beat(owner: str, number: int, world: World, chance: random.Random) -> Operation:
    """A sign of life: most of the time with the status that the check has already."""
    living = [key for key in world if key[0] == "check" and not key[1].startswith("_")]
    if not living:
        return _register_service(owner, number, world, chance)
    key = chance.choice(living)
    row = world[key]
    status = row.status if chance.random() < 0.4 else chance.choice(STATUSES)
    text = str(number)
    outputs = row.outputs | {text} if status == row.status else frozenset({text})
    after = {**world, key: row._replace(status=status, outputs=outputs)}
    if chance.random() < 0.3:
        body = _json(Status=status, Output=text)
        return Operation("PUT", f"/v1/agent/check/update/{key[1]}", body, 200, after)
    return Operation("PUT", f"/v1/agent/check/{BEATS[status]}/{key[1]}?note={text}", b"", 200, after)


def _maintain_service(owner: str, number: int, world: World, chance: random.Random) -> Operation:
    service = _service(owner, chance)
    enable = chance.random() < 0.6
    target = f"/v1/agent/service/maintenance/{service}?enable={str(enable).lower()}&reason={number}"
    if ("service", service) not in world:
        return Operation("PUT", target, b"", 404, world)
    row = Row(number, "critical", service=service)
    return Operation("PUT", target, b"", 200, _maintained(world, f"_service_maintenance:{service}", row, enable))


def _maintain_node(owner: str, number: int, world: World, chance: random.Random) -> Operation:
    """There is one node: only one client may say how it is."""
    if owner != "c0":
        return _maintain_service(owner, number, world, chance)
    enable = chance.random() < 0.5
    target = f"/v1/agent/maintenance?enable={str(enable).lower()}&reason={number}"
    return Operation("PUT", target, b"", 200, _maintained(world, "_node_maintenance", Row(number, "critical"), enable))


def _maintained(world: World, name: str, row: Row, enable: bool) -> World:
    """Already so: nothing changes, the first reason stays."""
    if enable:
        return {("check", name): row, **world}
    return {key: one for key, one in world.items() if key != ("check", name)}


# The catalog


def _register_node(owner: str, number: int, world: World, chance: random.Random) -> Operation:
    """A node, an instance and several checks in one request; all or nothing."""
    node, instance, text = _node(owner, chance), chance.choice("xy"), str(number)
    after = dict(world)
    after["node", node] = Row(number)
    after["instance", node, instance] = Row(number)
    checks = []
    for place in range(chance.randrange(4)):
        name, status = f"{instance}{place}", chance.choice(STATUSES)
        service = instance if place else ""
        checks.append({"CheckID": name, "Name": name, "Status": status, "Notes": text, "Output": text,
                       "ServiceID": service})  # fmt: skip
        after["node-check", node, name] = Row(number, status, frozenset({text}), service)
    service_body = {"ID": instance, "Service": f"web-{instance}", "Port": number % 65536, "Tags": [text],
                    "Meta": {"n": text}}  # fmt: skip
    body = _json(Node=node, Address="10.0.0.1", NodeMeta={"n": text}, Service=service_body, Checks=checks)
    return Operation("PUT", "/v1/catalog/register", body, 200, after)


def _deregister_node(owner: str, number: int, world: World, chance: random.Random) -> Operation:
    """A node with all that is on it, an instance with its checks, or one check; perhaps nothing is there."""
    node, instance = _node(owner, chance), chance.choice("xy")
    what = chance.randrange(3)
    if what == 0:
        body = _json(Node=node)
        after = {key: row for key, row in world.items() if key[0] in ("service", "check") or key[1] != node}
    elif what == 1:
        body = _json(Node=node, ServiceID=instance)
        after = {key: row for key, row in world.items() if not _belongs(key, row, node, instance)}
    else:
        body = _json(Node=node, CheckID=f"{instance}1")
        after = {key: row for key, row in world.items() if key != ("node-check", node, f"{instance}1")}
    return Operation("PUT", "/v1/catalog/deregister", body, 200, after)


def _belongs(key: Key, row: Row, node: str, instance: str) -> bool:
    return key == ("instance", node, instance) or (key[:2] == ("node-check", node) and row.service == instance)


# Parts


def _put_check(world: dict[Key, Row], name: str, new: Row) -> None:
    """Registering a check again keeps its status and its output."""
    old = world.get(("check", name))
    world["check", name] = new if old is None else new._replace(status=old.status, outputs=old.outputs)


def _service(owner: str, chance: random.Random) -> str:
    return f"{owner}-s{chance.randrange(SERVICES)}"


def _check(owner: str, chance: random.Random) -> str:
    return f"{owner}-k{chance.randrange(CHECKS)}"


def _node(owner: str, chance: random.Random) -> str:
    return f"{owner}-n{chance.randrange(NODES)}"


def _json(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


_WEIGHTS: dict[Callable[[str, int, World, random.Random], Operation], int] = {
    _register_service: 24,
    _deregister_service: 6,
    _register_check: 8,
    _deregister_check: 4,
    _beat: 30,
    _maintain_service: 6,
    _maintain_node: 2,
    _register_node: 16,
    _deregister_node: 6,
}
