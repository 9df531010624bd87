"""What each dialect shows of every record, brought to one form: so that they can be compared with each other."""

from typing import Any, NamedTuple

from tests.contract.rest import RestClient
from tests.property.model import LEVELS, One, Records

ALIVE = {"healthy": True, "degraded": True, "unhealthy": False, "unreachable": False}
DIALECT_KEYS = ("host", "port", "capabilities", "version")  # what CodeValdCortex shows among the metadata


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


def text(value: Any) -> str:
    """A value of the metadata as Consul's clients read it; the machine uses only these kinds."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def texts(metadata: dict[str, Any]) -> dict[str, str]:
    return {key: text(value) for key, value in metadata.items()}


async def optiinfra(rest: RestClient) -> dict[str, Seen]:
    """GET /agents, and each agent by its id."""
    listed = (await rest.get("/agents")).value
    assert listed["count"] == len(listed["agents"])
    found = {}
    for agent in listed["agents"]:
        alone = (await rest.get(f"/agents/{agent['id']}")).value
        assert alone == agent
        metadata = dict(agent.get("metadata", {}))
        state = metadata.pop("state", "")
        found[agent["id"]] = Seen(
            agent["type"], agent["name"], (agent["host"], agent["port"]), agent["capabilities"], agent["version"],
            agent["status"], ALIVE[agent["status"]], state, texts(metadata),
        )  # fmt: skip
    return found


async def codevald(rest: RestClient) -> dict[str, Seen]:
    """GET /api/v1/agents."""
    found = {}
    for agent in (await rest.get("/api/v1/agents")).value:
        metadata = dict(agent["metadata"])
        host, port, capabilities, version = (metadata.pop(key, "") for key in DIALECT_KEYS)
        found[agent["id"]] = Seen(
            agent["type"], agent["name"], (host, int(port or 0)), capabilities.split(",") if capabilities else [],
            version, None, agent["is_healthy"], agent["state"], metadata,
        )  # fmt: skip
    return found


async def consul(rest: RestClient) -> dict[str, Seen]:
    """health/service of every service of the catalog, and the agent's own lists, which must say the same."""
    found = {}
    own = (await rest.get("/v1/agent/services")).value
    for name in (await rest.get("/v1/catalog/services")).value:
        if name == "consul":
            continue
        for row in (await rest.get(f"/v1/health/service/{name}")).value:
            service, statuses = row["Service"], {check["Status"] for check in row["Checks"]}
            assert own[service["ID"]]["Meta"] == (service["Meta"] or {})
            meta = dict(service["Meta"] or {})
            source = meta.pop("agent_source", "consul")
            own_keys = {} if source == "consul" else {key: meta.pop(key, "") for key in ("name", "version", "state")}
            worst = next((one for one in ("critical", "warning") if one in statuses), "passing")
            found[service["ID"]] = Seen(
                name, own_keys.get("name", meta.get("name", "")) or service["ID"],
                (service["Address"] or row["Node"]["Address"], service.get("Port", 0)), service["Tags"] or [],
                own_keys.get("version", meta.get("version", "")), worst, worst != "critical",
                own_keys.get("state"), meta,
            )  # fmt: skip
    assert own.keys() == found.keys()
    return found


def expected(records: Records, now: float, node: str) -> dict[str, One]:
    """The model's records, with nothing in them that time has undone."""
    records.pass_time(now)
    return records.all


def of_optiinfra(one: One, now: float, node: str) -> Seen:
    status = one.status(now)
    return Seen(
        one.type, one.name, (one.host or node, one.port), one.capabilities, one.version, status, ALIVE[status],
        one.state, texts(one.metadata),
    )  # fmt: skip


def of_codevald(one: One, now: float, node: str) -> Seen:
    own = one.source == "codevald"
    alive = not one.silent(now) if own else ALIVE[one.status(now)]
    return Seen(
        one.type, one.name, (one.host if own else one.host or node, one.port), one.capabilities, one.version, None,
        alive, one.state or "running", texts(one.metadata),
    )  # fmt: skip


def of_consul(one: One, now: float, node: str) -> Seen:
    status = one.status(now)
    word = LEVELS.get(status, "critical")
    return Seen(
        one.type, one.name, (one.host or node, one.port), one.capabilities, one.version, word, word != "critical",
        None if one.source == "consul" else one.state, texts(one.metadata),
    )  # fmt: skip


VIEWS = {"optiinfra": (optiinfra, of_optiinfra), "codevald": (codevald, of_codevald), "consul": (consul, of_consul)}
