"""What each dialect shows of every record, brought to one form: so that they can be compared with each other."""

from typing import Any, NamedTuple

from tests.contract.hive.hive import Hive, pb
from tests.contract.rest import RestClient
from tests.property.model import LEVELS, One

ALIVE = {"healthy": True, "degraded": True, "unhealthy": False, "unreachable": False}
META_ONLY = ("consul", "fr0g")  # their Meta is all their metadata, so that no view adds to it
DIALECT_KEYS = ("host", "port", "capabilities", "version")  # what CodeValdCortex shows among the metadata
HIVE_WORDS = {pb.HEALTHY: "healthy", pb.DEGRADED: "degraded", pb.UNHEALTHY: "unhealthy"}


class Clients(NamedTuple):
    """One server, asked in every dialect."""

    rest: RestClient
    fr0g: RestClient
    hive: Hive


class Seen(NamedTuple):
    """A record as far as this dialect tells it; None where it does not."""

    type: str
    name: str
    address: tuple[str, int] | None
    capabilities: list[str]
    version: str
    status: str | None
    alive: bool
    state: str | None
    texts: dict[str, str]  # the metadata as strings
    namespace: str | None
    rate: float | None = None


def text(value: Any) -> str:
    """A value of the metadata as Consul's clients read it; the machine uses only these kinds."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def texts(metadata: dict[str, Any]) -> dict[str, str]:
    return {key: text(value) for key, value in metadata.items()}


async def optiinfra(clients: Clients) -> dict[str, Seen]:
    """GET /agents, and each agent by its id."""
    rest = clients.rest
    listed = (await rest.get("/agents")).value
    assert listed["count"] == len(listed["agents"])
    found = {}
    for agent in listed["agents"]:
        alone = (await rest.get(f"/agents/{agent['id']}")).value
        assert alone == agent
        metadata = dict(agent.get("metadata", {}))
        state, namespace = metadata.pop("state", ""), metadata.pop("namespace", "default")
        rate = metadata.pop("telemetry", {}).get("success_rate")
        found[agent["id"]] = Seen(
            agent["type"], agent["name"], (agent["host"], agent["port"]), agent["capabilities"], agent["version"],
            agent["status"], ALIVE[agent["status"]], state, texts(metadata), namespace, rate,
        )  # fmt: skip
    return found


async def codevald(clients: Clients) -> dict[str, Seen]:
    """GET /api/v1/agents."""
    found = {}
    for agent in (await clients.rest.get("/api/v1/agents")).value:
        metadata = dict(agent["metadata"])
        host, port, capabilities, version = (metadata.pop(key, "") for key in DIALECT_KEYS)
        namespace = metadata.pop("namespace", "default")
        found[agent["id"]] = Seen(
            agent["type"], agent["name"], (host, int(port or 0)), capabilities.split(",") if capabilities else [],
            version, None, agent["is_healthy"], agent["state"], metadata, namespace,
        )  # fmt: skip
    return found


async def consul(clients: Clients) -> dict[str, Seen]:
    """health/service of every service of the catalog, and the agent's own lists, which must say the same."""
    rest, found = clients.rest, {}
    own = (await rest.get("/v1/agent/services")).value
    for name in (await rest.get("/v1/catalog/services")).value:
        if name == "consul":
            continue
        for row in (await rest.get(f"/v1/health/service/{name}")).value:
            service, statuses = row["Service"], {check["Status"] for check in row["Checks"]}
            assert own[service["ID"]]["Meta"] == (service["Meta"] or {})
            said, meta = said_in_meta(service["Meta"] or {})
            worst = next((one for one in ("critical", "warning") if one in statuses), "passing")
            found[service["ID"]] = Seen(
                name, said["name"] or service["ID"],
                (service["Address"] or row["Node"]["Address"], service.get("Port", 0)), service["Tags"] or [],
                said["version"], worst, worst != "critical", said["state"], meta, said["namespace"],
            )  # fmt: skip
    assert own.keys() == found.keys()
    return found


def said_in_meta(meta: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What Meta says of a record that has fields for it, and the rest."""
    rest = dict(meta)
    rest.pop("agent_source", "")
    said = {key: rest.pop(key, "") for key in ("name", "version", "state")}
    return {**said, "namespace": rest.pop("namespace", "default")}, rest


async def hive(clients: Clients) -> dict[str, Seen]:
    """ListAgents, and each agent by its id."""
    client = clients.hive
    found = {}
    for agent in (await client.call("ListAgents", pb.ListAgentsRequest())).agents:
        assert await client.get(agent.agent_id) == agent
        metadata = dict(agent.metadata)
        kind = pb.AgentType.Name(agent.agent_type).lower() if agent.agent_type else metadata.pop("agent_type")
        metadata.pop("agent_source", "")
        host, _, port = metadata.pop("endpoint", "").rpartition(":")
        word = HIVE_WORDS[agent.status]
        found[agent.agent_id] = Seen(
            kind, metadata.pop("name", agent.agent_id), (host, int(port)) if port else None, list(agent.capabilities),
            agent.version, word, ALIVE[word], metadata.pop("state", ""), metadata, agent.namespace,
            agent.telemetry.success_rate,
        )  # fmt: skip
    return found


async def fr0g(clients: Clients) -> dict[str, Seen]:
    """The catalog by ids, and each service by its name and by its id, which must say the same."""
    client, found = clients.fr0g, {}
    catalog = untimed((await client.get("/v1/catalog/services")).value)
    for key, info in catalog.items():
        status = info.pop("Status")
        assert (info["id"], info["health"]) == (key, status)
        assert untimed((await client.get(f"/v1/health/service/{key}")).value)["service"] == info
        said, meta = said_in_meta(info.get("meta", {}))
        found[key] = Seen(
            info["name"], said["name"] or key, (info["address"], info["port"]), info.get("tags", []), said["version"],
            status, status != "critical", said["state"], meta, said["namespace"],
        )  # fmt: skip
    for name in {info["name"] for info in catalog.values()}:
        named = [info for info in catalog.values() if info["name"] == name]
        listed = untimed((await client.get(f"/v1/catalog/service/{name}")).value)
        assert sorted(listed, key=by_id) == sorted(named, key=by_id)
        passing = (await client.get(f"/v1/health/service/{name}?passing")).value
        assert {one["Service"]["id"] for one in passing} == {one["id"] for one in named if one["health"] == "passing"}
    return found


def by_id(info: dict[str, Any]) -> str:
    return str(info["id"])


def untimed(value: Any) -> Any:
    """The value without times, which a look-up of everything may show a second late."""
    if isinstance(value, dict):
        return {key: untimed(one) for key, one in value.items() if key != "last_seen"}
    return [untimed(one) for one in value] if isinstance(value, list) else value


def of_optiinfra(one: One, now: float, node: str) -> Seen:
    status = one.status(now)
    return Seen(
        one.type, one.name, (one.host or node, one.port), one.capabilities, one.version, status, ALIVE[status],
        one.state, texts(one.metadata), one.namespace, one.rate,
    )  # fmt: skip


def of_codevald(one: One, now: float, node: str) -> Seen:
    own = one.source == "codevald"
    alive = not one.silent(now) if own else ALIVE[one.status(now)]
    return Seen(
        one.type, one.name, (one.host if own else one.host or node, one.port), one.capabilities, one.version, None,
        alive, one.state or "running", texts(one.metadata), one.namespace,
    )  # fmt: skip


def of_consul(one: One, now: float, node: str) -> Seen:
    status = one.status(now)
    word = LEVELS.get(status, "critical")
    return Seen(
        one.type, one.name, (one.host or node, one.port), one.capabilities, one.version, word, word != "critical",
        "" if one.source in META_ONLY else one.state, texts(one.metadata), one.namespace,
    )  # fmt: skip


def of_hive(one: One, now: float, node: str) -> Seen:
    status = one.status(now)
    word = "unhealthy" if status == "unreachable" else status
    address = (one.host or node, one.port) if one.source != "hive" and one.port else None
    return Seen(
        one.type, one.name, address, one.capabilities, one.version or "1.0.0", word, ALIVE[word], one.state,
        texts(one.metadata), one.namespace, one.rate or 0.0,
    )  # fmt: skip


VIEWS = {
    "optiinfra": (optiinfra, of_optiinfra), "codevald": (codevald, of_codevald), "consul": (consul, of_consul),
    "hive": (hive, of_hive), "fr0g": (fr0g, of_consul),
}  # fmt: skip
