"""Random operations through random dialects: after each, every view agrees with every other and with a small model.

`PROPERTY_EXAMPLES=n` runs n histories instead of the usual few, and new ones each time.
"""

import asyncio
import os
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from registry import testing
from tests.contract.rest import RestClient
from tests.property.model import MOVES, One, Records
from tests.property.views import VIEWS

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "25"))
STEPS = 25
# No sum of these is a limit of the model's, so that nothing happens at the very moment of a deadline.
SECONDS = (11, 33, 48, 110)

TYPES = st.sampled_from(["cost", "worker", "Web"])
NAMES = st.sampled_from(["one", "two", "ü"])
KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.one_of(st.none(), st.booleans(), st.integers(0, 9), st.sampled_from(["", "x"]))
METADATA = st.dictionaries(KEYS, VALUES, max_size=3)
TEXTS = st.dictionaries(KEYS, st.sampled_from(["", "x"]), max_size=3)
TAGS = st.lists(st.sampled_from(["p", "q"]), max_size=3)
OWN_IDS = st.sampled_from(["own-1", "own-2"])
CONSUL_IDS = st.sampled_from(["c-1", "c-2"])
WORDS = st.sampled_from(["", "healthy", "degraded", "unhealthy"])


class Dialects(RuleBasedStateMachine):
    """One registry, its clients, and what it ought to hold."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.records = Records()
        self.rest: RestClient
        self.node = ""

    @initialize()
    def start(self) -> None:
        self.runner.run(self._start())

    async def _start(self) -> None:
        server = await self.stack.enter_async_context(testing.server())
        self.rest = RestClient(server)
        self.stack.push_async_callback(self.rest.close)
        await self.rest.know_agents()
        self.node = (await self.rest.get("/v1/catalog/nodes")).value[0]["Address"]

    def teardown(self) -> None:
        try:
            self.runner.run(self.stack.aclose())
        finally:
            self.runner.close()

    @property
    def now(self) -> float:
        return self.rest.server.clock.elapsed()

    def told(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request; its status and JSON, where it has one."""
        answer = self.runner.run(self.rest.ask(method, path, body))
        assert answer.status < 500, answer
        return answer.status, answer.value if answer.text[:1] in ("{", "[") else answer.text

    # Births

    @rule(target=ids, name=NAMES, kind=TYPES, port=st.integers(1, 3), tags=TAGS, metadata=METADATA)
    def optiinfra(self, name: str, kind: str, port: int, tags: list[str], metadata: dict[str, Any]) -> Any:
        dead = [
            one.id for one in self.records.all.values()
            if (one.type, one.name, one.host, one.port) == (kind, name, "h", port) and one.silent(self.now)
        ]  # fmt: skip
        status, answer = self.told(
            "POST", "/agents/register",
            {"name": name, "type": kind, "host": "h", "port": port, "capabilities": tags, "metadata": metadata},
        )  # fmt: skip
        assert status == 201
        for one in dead:
            del self.records.all[one]
        return self.born(One(answer["agent_id"], "optiinfra", kind, name, "h", port, tags, "", metadata))

    @rule(target=ids, kind=TYPES, name=NAMES)
    def codevald(self, kind: str, name: str) -> Any:
        status, answer = self.told("POST", "/api/v1/agents", {"name": name, "type": kind})
        assert status == 201
        return self.born(One(answer["id"], "codevald", kind, name, state="created"))

    @rule(target=ids, own=CONSUL_IDS, kind=TYPES, tags=TAGS, meta=TEXTS)
    def consul(self, own: str, kind: str, tags: list[str], meta: dict[str, str]) -> Any:
        status, _ = self.told(
            "PUT", "/v1/agent/service/register", {"ID": own, "Name": kind, "Port": 80, "Tags": tags, "Meta": meta}
        )
        assert status == 200
        known = self.records.all.get(own)
        if known is not None:
            known.type, known.capabilities, known.metadata = kind, tags, dict(meta)
            return multiple()
        return self.born(One(own, "consul", kind, own, "", 80, tags, "", dict(meta)))

    def born(self, one: One) -> str:
        one.heard = self.now
        self.records.buried.pop(one.id, None)
        self.records.all[one.id] = one
        return one.id

    # Life

    @rule(one_id=ids, word=WORDS, metadata=METADATA, by_variant=st.booleans())
    def beat(self, one_id: str, word: str, metadata: dict[str, Any], by_variant: bool) -> None:
        path = f"/api/v1/agents/{one_id}/heartbeat" if by_variant else f"/agents/{one_id}/heartbeat"
        status, _ = self.told("POST", path, {"status": word, "metadata": metadata})
        one = self.records.revived(one_id, self.now)
        assert status == (404 if one is None else 200)
        if one is not None:
            one.speak(self.now, word)
            one.metadata = {**one.metadata, **metadata}

    @rule(one_id=ids, verb=st.sampled_from(["pass", "warn", "fail"]))
    def check(self, one_id: str, verb: str) -> None:
        one = self.records.all.get(one_id)
        if one is None or one.source == "consul":
            return
        was_failed = one.failed if one.level == "critical" or one.silent(self.now) else None
        since = one.heard + 45 if one.silent(self.now) and was_failed is None else was_failed
        assert self.told("PUT", f"/v1/agent/check/{verb}/service:{one_id}")[0] == 200
        word = {"pass": "healthy", "warn": "degraded", "fail": "unhealthy"}[verb]
        one.speak(self.now, word)
        if verb == "fail":
            one.failed = since if since is not None else self.now

    @rule(one_id=ids, verb=st.sampled_from(sorted(MOVES)))
    def move(self, one_id: str, verb: str) -> None:
        status, _ = self.told("POST", f"/api/v1/agents/{one_id}/{verb}")
        one = self.records.all.get(one_id)
        if one is None:
            assert status == 404
            return
        allowed, state = MOVES[verb]
        assert status == (200 if one.state in allowed else 400 if verb in ("pause", "resume") else 409)
        if status == 200 and not one.state == state == "stopped":
            if one.source == "codevald":
                one.speak(self.now, "")
            one.state = state

    @rule(one_id=ids)
    def write_back(self, one_id: str) -> None:
        """A tool that reads and writes back changes nothing."""
        before = self.rest.server.engine.state.applied
        status, found = self.told("GET", f"/v1/agent/service/{one_id}")
        if one_id not in self.records.all:
            assert status == 404
            return
        body = {"ID": one_id, "Name": found["Service"]}
        body.update((key, found[key]) for key in ("Tags", "Meta", "Address", "Port", "Weights") if key in found)
        assert self.told("PUT", "/v1/agent/service/register", body)[0] == 200
        assert self.rest.server.engine.state.applied == before

    # Ends, and time

    @rule(one_id=consumes(ids), dialect=st.sampled_from(["consul", "optiinfra", "codevald"]))
    def remove(self, one_id: str, dialect: str) -> None:
        there = self.records.all.pop(one_id, None) is not None
        buried = dialect != "consul" and self.records.buried.pop(one_id, None) is not None
        if dialect == "consul":
            status, _ = self.told("PUT", f"/v1/agent/service/deregister/{one_id}")
            assert status == (200 if there else 404)
        elif dialect == "optiinfra":
            assert self.told("POST", f"/agents/{one_id}/unregister")[0] == 200
        else:
            assert self.told("DELETE", f"/api/v1/agents/{one_id}")[0] == (200 if there else 404), buried

    @rule(seconds=st.sampled_from(SECONDS))
    def pass_time(self, seconds: int) -> None:
        self.runner.run(self.rest.server.advance(seconds))
        self.records.pass_time(self.now)

    # What must hold after each

    @invariant()
    def every_view_shows_the_model(self) -> None:
        if not hasattr(self, "rest"):
            return
        for name, (read, shown) in VIEWS.items():
            found = self.runner.run(read(self.rest))
            wanted = {one.id: shown(one, self.now, self.node) for one in self.records.all.values()}
            assert found == wanted, name


Dialects.TestCase.settings = settings(
    settings.get_profile("here"), max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(max(60, EXAMPLES * 4))
class TestDialects(Dialects.TestCase):
    """All views of all dialects agree."""
