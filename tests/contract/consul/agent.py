"""What the tests of the agent's endpoints ask for again and again."""

from typing import Any
from urllib.parse import quote

from tests.contract.consul.exchange import Client

REGISTER = "/v1/agent/service/register"
CHECK = "/v1/agent/check/register"


async def told(consul: Client, path: str, body: Any = None) -> tuple[int, str]:
    """Status and text of a write."""
    answer = await consul.put(path, body)
    return answer.status, answer.text


async def register(consul: Client, query: str = "", **body: Any) -> None:
    """A registration of a service that has to succeed."""
    assert await told(consul, REGISTER + query, body) == (200, "")


async def register_check(consul: Client, **body: Any) -> None:
    """A registration of a check that has to succeed."""
    assert await told(consul, CHECK, body) == (200, "")


async def say(consul: Client, word: str, check_id: str, note: str = "") -> None:
    """A sign of life that has to be taken: `pass`, `warn` or `fail`."""
    assert await told(consul, f"/v1/agent/check/{word}/{quote(check_id, safe='')}?note={quote(note)}") == (200, "")


async def service(consul: Client, service_id: str) -> Any:
    """One service as the agent shows it."""
    return (await consul.get(f"/v1/agent/service/{quote(service_id, safe='')}")).json


async def services(consul: Client) -> list[str]:
    """The ids of the agent's services."""
    return sorted((await consul.get("/v1/agent/services")).json)


async def checks(consul: Client) -> dict[str, tuple[str, str, str]]:
    """Service, status and output of each check of the agent by its id."""
    rows = (await consul.get("/v1/agent/checks")).json
    return {key: (row["ServiceName"], row["Status"], row["Output"]) for key, row in rows.items()}


async def in_catalog(consul: Client, check_id: str, node: str = "test-node") -> tuple[str, str]:
    """Status and output of a check as the catalog shows it."""
    rows = (await consul.get(f"/v1/health/node/{node}")).json
    [found] = [(row["Status"], row["Output"]) for row in rows if row["CheckID"] == check_id]
    return found
