"""What a server shows, as rows: the same shape as what its clients were told.

Owns the reads after a crash. It also holds the agent's view against the catalog's: they are one table.
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.crash.ledger import Key, Row
from tests.crash.operations import SHARED_NODE
from tests.fuzz.wire import Connection

TORN = -1  # the number of a row that is half of one write and half of another
OWN_ROWS = frozenset({"consul", "serfHealth"})  # the server's, which nobody registered


class Observation(NamedTuple):
    """All rows of a server, its identity, and where its views differ."""

    rows: dict[Key, Row]
    shared: set[int]  # the numbers in all fields of the contested node
    identity: tuple[str, str]  # node name and id
    problems: list[str]

    def of(self, owner: str) -> dict[Key, Row]:
        """The rows of one client."""
        return {key: row for key, row in self.rows.items() if owner_of(key) == owner}


def owner_of(key: Key) -> str:
    """Whose row it is: names begin with their owner's; the node itself is the first client's."""
    if key[1] == "_node_maintenance":
        return "c0"
    return key[1].removeprefix("_service_maintenance:").partition("-")[0]


async def observed(connection: Connection) -> Observation:
    """Everything that clients have written, as the server shows it now."""

    async def read(path: str) -> Any:
        answer = await connection.ask("GET", path)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    config = (await read("/v1/agent/self"))["Config"]
    services, checks = await read("/v1/agent/services"), await read("/v1/agent/checks")
    rows: dict[Key, Row] = {("service", id): Row(_number(one, one["Tags"])) for id, one in services.items()}
    rows |= {("check", id): _check(one) for id, one in checks.items()}
    shared: set[int] = set()
    for node in await read("/v1/catalog/nodes"):
        name = node["Node"]
        on_it = (await read(f"/v1/catalog/node/{name}"))["Services"]
        its_checks = {one["CheckID"]: one for one in await read(f"/v1/health/node/{name}")}
        if name == config["NodeName"]:
            problems = _two_views(services, on_it, "service") + _two_views(checks, its_checks, "check")
        elif name == SHARED_NODE:
            shared = _numbers_of_shared(node, on_it, its_checks)
        elif name != "newest":
            rows["node", name] = Row(int(node["Meta"]["n"]))
            rows |= {("instance", name, id): Row(_number(one, one["Tags"])) for id, one in on_it.items()}
            rows |= {("node-check", name, id): _check(one) for id, one in its_checks.items()}
    return Observation(rows, shared, (config["NodeName"], config["NodeID"]), problems)


def _number(service: dict[str, Any], tags: list[str]) -> int:
    """The number that stands in port, tags and metadata alike."""
    number = int(service["Meta"]["n"])
    return number if tags == [str(number)] and service.get("Port", 0) == number % 65536 else TORN


def _check(check: dict[str, Any]) -> Row:
    return Row(int(check["Notes"]), check["Status"], frozenset({check["Output"]}), check["ServiceID"])


def _numbers_of_shared(node: dict[str, Any], services: dict[str, Any], checks: dict[str, Any]) -> set[int]:
    """The numbers in its fields; one instance and two checks belong to it."""
    whole = len(services) == 1 and len(checks) == 2
    in_checks = {int(one[field]) for one in checks.values() for field in ("Notes", "Output")}
    in_services = {_number(one, one["Tags"]) for one in services.values()}
    return {int(node["Meta"]["n"])} | in_checks | in_services | (set() if whole else {TORN})


def _two_views(agent: dict[str, Any], catalog: Iterable[str], what: str) -> list[str]:
    """Where the catalog's rows of our own node are not those of the agent."""
    mine, theirs = set(agent), set(catalog) - OWN_ROWS
    return [f"{what} {id} is in one view only" for id in sorted(mine ^ theirs)]
