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

pytest.importorskip("grpc_reflection", reason="needs the extra grpc")

import grpc.aio

from tests.contract.fr0g.conftest import on
from tests.contract.hive.hive import SERVICE, Hive, pb
from tests.contract.rest import RestClient
from tests.property.model import MOVES, PERIODS, One, Records
from tests.property.views import HIVE_WORDS, VIEWS, Clients

grpc.aio.init_grpc_aio()  # else the last channel of an example to go would wait for grpcio's thread

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "25"))
STEPS = 25
# No sum of these is a limit of the model's or a second more, so that nothing happens at the very moment of a deadline:
# all are multiples of 13.
SECONDS = (13, 39, 52, 117)

TYPES = st.sampled_from(["cost", "worker", "Web"])
NAMES = st.sampled_from(["one", "two", "ü"])
KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.one_of(st.none(), st.booleans(), st.integers(0, 9), st.sampled_from(["", "x"]))
METADATA = st.dictionaries(KEYS, VALUES, max_size=3)
TEXTS = st.dictionaries(KEYS, st.sampled_from(["", "x"]), max_size=3)
TAGS = st.lists(st.sampled_from(["p", "q"]), max_size=3)
OWN_IDS = st.sampled_from(["own-1", "own-2"])
CONSUL_IDS = st.sampled_from(["c-1", "c-2", "f-1"])
FR0G_IDS = st.sampled_from(["f-1", "f-2", "c-1"])
HIVE_TYPES = st.sampled_from([pb.WORKER, pb.SCOUT])
RATES = st.sampled_from([None, 0.1, 0.4, 0.9])
HOST = "10.0.0.8"
REGISTER = "/v1/agent/service/register"
DEREGISTER = "/v1/agent/service/deregister"
WORDS = st.sampled_from(["", "healthy", "degraded", "unhealthy"])


class Dialects(RuleBasedStateMachine):
    """One registry, its clients, and what it ought to hold."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.records = Records()
        self.clients: Clients
        self.node = ""
        self.watch: Any = None  # a stream of WatchAgents
        self.watched: dict[str, Any] = {}  # what it has told so far amounts to

    @initialize()
    def start(self) -> None:
        self.runner.run(self._start())

    async def _start(self) -> None:
        server = await self.stack.enter_async_context(
            testing.server(grpc_port=0, fr0g_port=0, shutdown_grace_seconds=0.1)
        )
        hive = Hive(server)
        self.clients = Clients(hive.rest, on(server, server.app.addresses[-1][1]), hive)
        self.stack.push_async_callback(hive.close)
        self.stack.push_async_callback(self.clients.fr0g.close)
        await hive.know_agents()
        self.node = (await hive.rest.get("/v1/catalog/nodes")).value[0]["Address"]
        stream = hive.channel.unary_stream(
            f"/{SERVICE}/WatchAgents", request_serializer=pb.WatchAgentsRequest.SerializeToString,
            response_deserializer=pb.AgentChangeEvent.FromString,
        )  # fmt: skip
        self.watch = stream(pb.WatchAgentsRequest())
        await self.watch.initial_metadata()

    def teardown(self) -> None:
        try:
            self.runner.run(self.stack.aclose())
        finally:
            self.runner.close()

    @property
    def now(self) -> float:
        return self.clients.rest.server.clock.elapsed()

    @property
    def applied(self) -> int:
        return int(self.clients.rest.server.engine.state.applied)

    def told(self, method: str, path: str, body: Any = None, client: RestClient | None = None) -> tuple[int, Any]:
        """One request; its status and JSON, where it has one."""
        answer = self.runner.run((client or self.clients.rest).ask(method, path, body))
        assert answer.status < 500 or answer.text.startswith("service not found"), answer
        return answer.status, answer.value if answer.text[:1] in ("{", "[") else answer.text

    # Births

    @rule(target=ids, name=NAMES, kind=TYPES, port=st.integers(1, 3), tags=TAGS, metadata=METADATA)
    def optiinfra(self, name: str, kind: str, port: int, tags: list[str], metadata: dict[str, Any]) -> Any:
        dead = [
            one.id for one in self.records.all.values()
            if (one.type, one.name, one.host, one.port) == (kind, name, HOST, port) and one.silent(self.now)
        ]  # fmt: skip
        status, answer = self.told(
            "POST", "/agents/register",
            {"name": name, "type": kind, "host": HOST, "port": port, "capabilities": tags, "metadata": metadata},
        )  # fmt: skip
        assert status == 201
        for one in dead:
            del self.records.all[one]
        return self.born(One(answer["agent_id"], "optiinfra", kind, name, HOST, port, tags, "", metadata))

    @rule(target=ids, kind=TYPES, name=NAMES)
    def codevald(self, kind: str, name: str) -> Any:
        status, answer = self.told("POST", "/api/v1/agents", {"name": name, "type": kind})
        assert status == 201
        return self.born(One(answer["id"], "codevald", kind, name, state="created"))

    @rule(target=ids, own=OWN_IDS, kind=TYPES, name=NAMES, port=st.integers(1, 3), tags=TAGS, metadata=METADATA)
    def variant(self, own: str, kind: str, name: str, port: int, tags: list[str], metadata: dict[str, Any]) -> Any:
        status, _ = self.told(
            "POST", "/api/v1/agents/register",
            {"agent_id": own, "agent_type": kind, "agent_name": name, "host": HOST, "port": port, "capabilities": tags,
             "metadata": metadata},
        )  # fmt: skip
        assert status == 200
        new = One(own, "optiinfra", kind, name, HOST, port, tags, "", metadata)
        known = self.records.all.get(own)
        if known is None:
            return self.born(new)
        new.level, new.state, new.heard, new.rate = known.level, known.state, known.heard, known.rate
        self.records.all[own] = new
        new.speak(self.now, "")
        return multiple()

    @rule(
        target=ids, kind=HIVE_TYPES, tag=st.sampled_from(["p", "q"]), tags=TAGS, texts=TEXTS,
        version=st.sampled_from(["", "2"]), namespace=st.sampled_from(["", "prod"]), rate=RATES,
    )  # fmt: skip
    def hive(
        self, kind: int, tag: str, tags: list[str], texts: dict[str, str], version: str, namespace: str,
        rate: float | None,
    ) -> Any:  # fmt: skip
        metadata = {**texts, "address": "h", "http_port": "1"}
        request = pb.RegisterRequest(
            agent_type=kind, capabilities=[tag, *tags], metadata=metadata, version=version, namespace=namespace,
            telemetry=telemetry(rate),
        )  # fmt: skip
        reply = self.runner.run(self.clients.hive.call("Register", request))
        return self.born(
            One(reply.agent_id, "hive", pb.AgentType.Name(kind).lower(), reply.agent_id, "h", 1, [tag, *tags],
                version, dict(metadata), namespace=namespace or "default", rate=rate)
        )  # fmt: skip

    @rule(target=ids, own=FR0G_IDS, kind=TYPES, port=st.integers(0, 2), tags=TAGS, meta=TEXTS)
    def fr0g(self, own: str, kind: str, port: int, tags: list[str], meta: dict[str, str]) -> Any:
        body = {"id": own, "name": kind, "address": HOST, "port": port, "tags": tags, "meta": meta}
        assert self.told("POST", REGISTER, body, self.clients.fr0g)[0] == 200
        known = self.records.all.get(own)
        if known is None:
            return self.born(One(own, "fr0g", kind, own, HOST, port, tags, "", dict(meta)))
        known.type, known.host, known.port, known.capabilities, known.metadata = kind, HOST, port, tags, dict(meta)
        known.speak(self.now, "healthy")
        return multiple()

    @rule(target=ids, own=CONSUL_IDS, kind=TYPES, tags=TAGS, meta=TEXTS)
    def consul(self, own: str, kind: str, tags: list[str], meta: dict[str, str]) -> Any:
        status, _ = self.told("PUT", REGISTER, {"ID": own, "Name": kind, "Port": 80, "Tags": tags, "Meta": meta})
        assert status == 200
        known = self.records.all.get(own)
        if known is not None:
            known.type, known.host, known.port, known.capabilities, known.metadata = kind, "", 80, tags, dict(meta)
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

    @rule(one_id=ids, rate=RATES)
    def hive_beat(self, one_id: str, rate: float | None) -> None:
        request = pb.HeartbeatRequest(agent_id=one_id, telemetry=telemetry(rate))
        one = self.records.revived(one_id, self.now)
        if one is None:
            refusal = self.runner.run(self.clients.hive.refused("Heartbeat", request))
            assert refusal.code is grpc.StatusCode.NOT_FOUND
            return
        reply = self.runner.run(self.clients.hive.call("Heartbeat", request))
        one.tell(self.now, rate)
        assert HIVE_WORDS[reply.status] == one.status(self.now)

    @rule(one_id=ids)
    def fr0g_again(self, one_id: str) -> None:
        """Whose agent it may be: registering again what the catalog shows is a sign of life and nothing else."""
        one = self.records.all.get(one_id)
        if one is None:
            return
        _, found = self.told("GET", "/v1/catalog/services", client=self.clients.fr0g)
        info, before = found[one_id], self.applied
        body = {**info, "address": one.host}
        assert self.told("PUT", REGISTER, body, self.clients.fr0g)[0] == 200
        assert self.applied == before or (one.silent(self.now) or one.level != "passing" or one.failed is not None)
        one.speak(self.now, "healthy")

    @rule(one_id=ids, verb=st.sampled_from(["pass", "warn", "fail"]))
    def check(self, one_id: str, verb: str) -> None:
        one = self.records.all.get(one_id)
        if one is None or one.source == "consul":
            return
        was_failed = one.failed if one.level == "critical" or one.silent(self.now) else None
        since = one.heard + PERIODS[one.source] if one.silent(self.now) and was_failed is None else was_failed
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
        before = self.applied
        status, found = self.told("GET", f"/v1/agent/service/{one_id}")
        if one_id not in self.records.all:
            assert status == 404
            return
        body = {"ID": one_id, "Name": found["Service"]}
        body.update((key, found[key]) for key in ("Tags", "Meta", "Address", "Port", "Weights") if key in found)
        assert self.told("PUT", REGISTER, body)[0] == 200
        assert self.applied == before

    # Ends, and time

    @rule(one_id=consumes(ids), dialect=st.sampled_from(["consul", "optiinfra", "codevald", "hive", "fr0g"]))
    def remove(self, one_id: str, dialect: str) -> None:
        there = self.records.all.pop(one_id, None) is not None
        buried = dialect != "consul" and self.records.buried.pop(one_id, None) is not None
        if dialect == "consul":
            status, _ = self.told("PUT", f"{DEREGISTER}/{one_id}")
            assert status == (200 if there else 404)
        elif dialect == "optiinfra":
            assert self.told("POST", f"/agents/{one_id}/unregister")[0] == 200
        elif dialect == "hive":
            reply = self.runner.run(self.clients.hive.call("Deregister", pb.DeregisterRequest(agent_id=one_id)))
            assert reply.success is there, buried
        elif dialect == "fr0g":
            assert self.told("PUT", f"{DEREGISTER}/{one_id}", None, self.clients.fr0g)[0] == (200 if there else 500)
        else:
            assert self.told("DELETE", f"/api/v1/agents/{one_id}")[0] == (200 if there else 404), buried

    @rule(seconds=st.sampled_from(SECONDS))
    def pass_time(self, seconds: int) -> None:
        self.runner.run(self.clients.rest.server.advance(seconds))
        self.records.pass_time(self.now)

    # What the Hive finds, and is told

    @rule(tags=TAGS, most=st.integers(0, 9))
    def discover(self, tags: list[str], most: int) -> None:
        found = self.runner.run(self.clients.hive.discovered(*tags, most=most))
        able = {
            one.id: one.score(self.now) for one in self.records.all.values()
            if one.status(self.now) in ("healthy", "degraded") and set(tags) <= set(one.capabilities)
        }  # fmt: skip
        best = sorted(able.values(), reverse=True)[: most or 5]
        assert [able[one] for one in found] == pytest.approx(best)

    @rule()
    def what_was_told_amounts_to_what_is(self) -> None:
        self.told("PUT", REGISTER, {"ID": "last", "Name": "last"})
        self.told("PUT", f"{DEREGISTER}/last")
        self.runner.run(self._read_until_gone("last"))
        listed = self.runner.run(self.clients.hive.call("ListAgents", pb.ListAgentsRequest())).agents
        assert self.watched == {agent.agent_id: unseen(agent) for agent in listed}

    async def _read_until_gone(self, last: str) -> None:
        kinds = pb.AgentChangeEvent
        while True:
            event = await self.watch.read()
            assert event is not grpc.aio.EOF
            one_id, known = event.agent.agent_id, event.agent.agent_id in self.watched
            assert known == (event.event_type != kinds.REGISTERED)
            self.watched[one_id] = unseen(event.agent)
            if event.event_type == kinds.DEREGISTERED:
                del self.watched[one_id]
                if one_id == last:
                    return

    # What must hold after each

    @invariant()
    def every_view_shows_the_model(self) -> None:
        if not hasattr(self, "clients"):
            return
        for name, (read, shown) in VIEWS.items():
            found = self.runner.run(read(self.clients))
            wanted = {one.id: shown(one, self.now, self.node) for one in self.records.all.values()}
            assert found == wanted, name


def telemetry(rate: float | None) -> Any:
    return None if rate is None else pb.AgentTelemetry(success_rate=rate, total_executions=10)


def unseen(agent: Any) -> Any:
    """An agent without the time of its last sign of life."""
    shown = pb.AgentInfo()
    shown.CopyFrom(agent)
    shown.ClearField("last_seen")
    return shown


Dialects.TestCase.settings = settings(
    settings.get_profile("here"), max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(max(60, EXAMPLES * 4))
class TestDialects(Dialects.TestCase):
    """All views of all dialects agree."""
