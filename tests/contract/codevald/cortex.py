"""A client of CodeValdCortex's interface, which its requests are sent through as its own clients send them."""

import re
from datetime import datetime
from typing import Any

from tests.contract.rest import Answer, RestClient

AGENTS = "/api/v1/agents"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}  # what `curl -d` sends with JSON
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def after_birth(agent: dict[str, Any], field: str) -> float:
    """How many seconds after its creation something was; times are the store's, which may have a clock of its own."""
    at, born = (datetime.fromisoformat(agent[key]) for key in (field, "created_at"))
    return (at - born).total_seconds()


class Cortex(RestClient):
    """The dialect's requests; what a test does not look at has to succeed."""

    async def call(self, line: str, body: Any = None) -> Answer:
        """One request, `METHOD target`; `body` is JSON, or bytes as they are."""
        method, _, target = line.partition(" ")
        return await self.ask(method, target, body, **FORM)

    async def told(self, line: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of the answer."""
        answer = await self.call(line, body)
        return answer.status, answer.value

    async def created(self, name: str = "w1", kind: str = "worker", **more: Any) -> str:
        """The id of a new agent."""
        status, agent = await self.told(f"POST {AGENTS}", {"name": name, "type": kind, **more})
        assert status == 201, agent
        found: str = agent["id"]
        return found

    async def started(self, name: str = "w1", kind: str = "worker", **more: Any) -> str:
        """The id of a new agent that runs."""
        agent_id = await self.created(name, kind, **more)
        await self.moved(agent_id, "start")
        return agent_id

    async def moved(self, agent_id: str, verb: str) -> dict[str, Any]:
        """The agent after a verb of its lifecycle that is allowed."""
        status, agent = await self.told(f"POST {AGENTS}/{agent_id}/{verb}")
        assert status == 200, agent
        return dict(agent)

    async def agent(self, agent_id: str) -> dict[str, Any]:
        """One agent that is there."""
        status, agent = await self.told(f"GET {AGENTS}/{agent_id}")
        assert status == 200, agent
        return dict(agent)

    async def listed(self, query: str = "") -> list[dict[str, Any]]:
        """The agents of a list."""
        status, agents = await self.told(f"GET {AGENTS}{query}")
        assert status == 200, agents
        return list(agents)

    async def submitted(self, agent_id: str, **task: Any) -> str:
        """The id of a task that was taken."""
        status, answer = await self.told(f"POST {AGENTS}/{agent_id}/tasks", {"type": "work", **task})
        assert status == 202, answer
        found: str = answer["task_id"]
        return found

    async def metrics(self) -> dict[str, int]:
        """The six figures."""
        status, figures = await self.told("GET /api/v1/metrics")
        assert status == 200
        return dict(figures)

    async def consul(self, path: str) -> Any:
        """What Consul's clients read."""
        answer = await self.get(path)
        assert answer.status == 200, answer.text
        return answer.value

    async def checks(self, service_id: str) -> dict[str, tuple[str, str]]:
        """Status and output of an instance's checks by their ids, as Consul's clients see them."""
        checks = await self.consul("/v1/agent/checks")
        return {
            one["CheckID"]: (one["Status"], one["Output"]) for one in checks.values() if one["ServiceID"] == service_id
        }
