"""Figures that an operator is woken by: failures and how soon they show, what is in which state, what is limited."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from registry import testing
from registry.api.metrics import Metrics
from registry.checks.base import critical, passing
from registry.checks.means import Means
from registry.checks.runner import CheckRunner, Parts
from registry.log.sqlite import SqliteLog
from registry.model.check import CheckDefinition
from registry.testing import FakeClock
from tests.contract.consul.agent import register, say, told
from tests.contract.consul.exchange import Client
from tests.ops.scraped import figures

TTL = {"TTL": "10s", "Status": "passing"}
DETECTED = 'registry_failure_detection_seconds_count{{kind="{}"}}'
SECONDS = 'registry_failure_detection_seconds_sum{{kind="{}"}}'


async def of(consul: Client, name: str) -> float:
    return (await figures(consul))[f"registry_{name}"]


async def by_status(consul: Client, what: str) -> dict[str, float]:
    """Those in a state that is not empty."""
    begin = f'registry_{what}{{status="'
    found = {name.removeprefix(begin)[:-2]: value for name, value in (await figures(consul)).items() if begin in name}
    return {status: value for status, value in found.items() if value}


# Failures


async def test_a_ttl_that_runs_out_is_counted_with_the_time_from_its_deadline(consul: Client) -> None:
    await register(consul, Name="web", Check={"TTL": "10.1s", "Status": "passing"})
    await consul.server.advance(10)
    assert await of(consul, "ttl_expirations_total") == 0
    await consul.server.advance(0.5)
    found = await figures(consul)
    assert found["registry_ttl_expirations_total"] == 1
    assert found[DETECTED.format("ttl")] == 1
    assert found[SECONDS.format("ttl")] == pytest.approx(0.15)  # the housekeeper looks four times a second
    assert found[DETECTED.format("check")] == 0


async def test_only_silence_counts_as_an_expiry(consul: Client) -> None:
    await register(consul, Name="beats", Check=TTL)
    await register(consul, Name="fails", Check=TTL)
    await consul.server.advance(9)
    await say(consul, "pass", "service:beats")
    await say(consul, "fail", "service:fails")
    await consul.server.advance(9)
    found = await figures(consul)
    assert (found["registry_ttl_expirations_total"], found[DETECTED.format("ttl")]) == (0, 0)


async def test_a_check_that_was_critical_already_does_not_fail_again(consul: Client) -> None:
    """A check begins critical; that its first sign of life never comes is not news."""
    await register(consul, Name="web", Check={"TTL": "10s"})
    await consul.server.advance(30)
    assert await of(consul, "ttl_expirations_total") == 0


class Target:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.status = 200
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.set()
        await self.go_on.wait()
        return web.Response(status=self.status)


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    made = Target()
    app = web.Application()
    app.router.add_get("/", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/"
    yield made
    made.go_on.set()
    await runner.cleanup()


async def until_results(consul: Client, **results: int) -> dict[str, float]:
    """The figures once so many runs have ended so; in real time, as the target answers in it."""
    while True:
        found = await figures(consul)
        named = {status: found.get(f'registry_check_results_total{{status="{status}",type="http"}}', 0)
                 for status in results}  # fmt: skip
        if named == results:
            await consul.server.clock.settle()
            return await figures(consul)
        await asyncio.sleep(0)


async def test_a_failure_is_timed_from_the_run_that_found_it(consul: Client, target: Target) -> None:
    await register(consul, Name="web", Check={"HTTP": target.url, "Interval": "10s", "Status": "passing"})
    await consul.server.advance(0.3)
    found = await until_results(consul, passing=1)
    assert found[DETECTED.format("check")] == 0

    target.status = 500
    target.go_on.clear()
    target.asked.clear()
    await consul.server.advance(10)
    await target.asked.wait()
    await consul.server.advance(4)  # the target takes its time
    target.go_on.set()
    found = await until_results(consul, critical=1)
    assert found[DETECTED.format("check")] == 1
    assert found[SECONDS.format("check")] == pytest.approx(4.0)
    assert found[DETECTED.format("ttl")] == found["registry_ttl_expirations_total"] == 0

    await consul.server.advance(10)
    found = await until_results(consul, critical=2)
    assert found[DETECTED.format("check")] == 1  # it was known


async def test_the_first_failure_of_a_check_that_never_passed_is_not_timed(consul: Client, target: Target) -> None:
    target.status = 500
    await register(consul, Name="web", Check={"HTTP": target.url, "Interval": "10s"})
    await consul.server.advance(0.3)
    found = await until_results(consul, critical=1)
    assert found[DETECTED.format("check")] == 0


async def test_a_failure_is_timed_from_when_its_run_was_due_though_it_began_late() -> None:
    """The wait for other runs to end is part of what a user waits for."""
    clock, found, gates = FakeClock(), [], [asyncio.Event(), asyncio.Event()]

    class Slow:
        def __init__(self, number: int) -> None:
            self.number = number

        async def run(self):
            await gates[self.number].wait()
            return critical("") if self.number else passing("")

    made = iter(range(2))
    runner = CheckRunner(
        Parts(
            report=lambda key, _: found.append((key, runner.due_at(key), clock.elapsed())), clock=clock,
            chance=lambda: 0.0, failed=lambda *_: None, means=Means(), probe=lambda *_: Slow(next(made)),
        ),
        most_at_once=1,
    )  # fmt: skip
    try:
        for key in ("one", "two"):
            runner.run(key, CheckDefinition(tcp="x:1", interval_ns=60 * 10**9))
        assert runner.due_at("two") is None
        await clock.advance(5)
        gates[0].set()
        await clock.advance(2)
        gates[1].set()
        await clock.advance(0)
    finally:
        await runner.close()
    assert [key for key, _, _ in found] == ["one", "two"]
    assert found[1][1] < 1.5
    assert found[1][2] == 7


async def test_instances_that_are_removed_for_being_critical_are_counted(consul: Client) -> None:
    await register(consul, Name="web", Check={**TTL, "DeregisterCriticalServiceAfter": "1m"})
    await register(consul, Name="other", Check={**TTL, "DeregisterCriticalServiceAfter": "1m"})
    await consul.server.advance(69)
    assert await of(consul, "reaps_total") == 0
    await say(consul, "pass", "service:other")
    await consul.server.advance(5)
    assert await of(consul, "reaps_total") == 1
    assert await of(consul, "ttl_expirations_total") == 2


# States


async def test_instances_are_as_their_worst_check_and_services_as_their_best_instance(consul: Client) -> None:
    async def row(node: str, service: str, **checks: str) -> None:
        rows = [{"CheckID": f"{service}-{name}", "Name": "c", "Status": status, "ServiceID": service}
                for name, status in checks.items()]  # fmt: skip
        await consul.add(node, Service={"Service": service}, Checks=rows)

    for node in ("n1", "n2"):
        await consul.register(node)
    await row("n1", "half", a="passing", b="critical")
    await row("n2", "half", a="passing")
    await row("n1", "dead", a="critical", b="warning")
    await row("n2", "warns", a="warning")
    assert await by_status(consul, "instances_by_status") == {"passing": 2, "warning": 1, "critical": 2}
    assert await by_status(consul, "services_by_status") == {"passing": 2, "warning": 1, "critical": 1}

    await consul.add("n2", Check={"Node": "n2", "CheckID": "disk", "Name": "d", "Status": "critical"})
    assert await by_status(consul, "instances_by_status") == {"passing": 1, "critical": 4}
    assert await by_status(consul, "services_by_status") == {"passing": 1, "critical": 3}

    await consul.deregister("n2", CheckID="disk")
    await row("n1", "dead", a="passing", b="passing")
    assert await by_status(consul, "services_by_status") == {"passing": 3, "warning": 1}


async def test_maintenance_is_a_state_of_its_own(consul: Client) -> None:
    await register(consul, Name="web", Check=TTL)
    assert await told(consul, "/v1/agent/service/maintenance/web?enable=true") == (200, "")
    assert await by_status(consul, "services_by_status") == {"passing": 1, "maintenance": 1}  # and our own, `consul`
    assert await told(consul, "/v1/agent/maintenance?enable=true") == (200, "")
    assert await by_status(consul, "instances_by_status") == {"maintenance": 2}
    assert await told(consul, "/v1/agent/maintenance?enable=false") == (200, "")
    assert await told(consul, "/v1/agent/service/maintenance/web?enable=false") == (200, "")
    assert await by_status(consul, "instances_by_status") == {"passing": 2}


# Requests


async def test_a_request_that_works_for_long_is_slow_and_one_that_waits_is_not() -> None:
    async with testing.server() as server:
        consul = Client(server)
        waits = await consul.watch("/v1/health/service/none?index=1&wait=10s")
        await server.advance(20)
        await waits
        assert await of(consul, "http_requests_slow_total") == 0

        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"PUT /v1/agent/service/register HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n")
        while await of(consul, "http_requests_in_flight") < 2:  # that of the figures is one
            continue
        await server.advance(0.6)
        writer.write(b'{"Name":"w"}')
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()
        assert await of(consul, "http_requests_slow_total") == 1
        await consul.close()


# What is limited


async def test_connections_that_are_open_and_those_that_were_refused() -> None:
    async with testing.server(max_connections_per_client=3) as server:
        consul = Client(server)
        await consul.send("GET /v1/status/leader")
        more = [socket.create_connection((server.host, server.port)) for _ in range(2)]
        for _ in range(50):
            await asyncio.sleep(0)
        assert await of(consul, "http_connections") == 3
        _, writer = await asyncio.open_connection(server.host, server.port)
        while not await of(consul, "http_connections_refused_total"):
            continue  # the server has not yet taken the connection
        writer.close()
        for one in more:
            one.close()
        while await of(consul, "http_connections") != 1:
            continue
        await consul.close()


async def test_limits_stand_beside_what_they_limit() -> None:
    async with testing.server(max_parked_readers=7, max_pending_writes=9) as server:
        consul = Client(server)
        found = await figures(consul)
        await consul.close()
    assert (found["registry_parked_readers"], found["registry_parked_readers_limit"]) == (0, 7)
    assert (found["registry_writes_pending"], found["registry_writes_pending_limit"]) == (0, 9)


async def test_the_log_shrinks_with_a_snapshot(tmp_path: Path) -> None:
    clock = FakeClock()
    log = SqliteLog(tmp_path / "r.db", now=clock.now, elapsed=clock.elapsed, writer="w")
    async with testing.server(log=log, clock=clock, snapshot_min_bytes=10_000) as server:
        consul = Client(server)
        sizes = []
        for number in range(12):
            await consul.register("n", "a" * 900 + str(number))
            sizes.append(await of(consul, "log_backlog_bytes"))
        assert sizes[:5] == sorted(sizes[:5])
        assert sizes[4] > sizes[0] + 3600
        assert await of(consul, "log_backlog_due_bytes") >= 10_000
        while not await of(consul, "log_snapshots_total"):
            await consul.register("n", "b" * 900)
            await asyncio.sleep(0.001)
        assert await of(consul, "log_backlog_bytes") < 5000
        await consul.close()


async def test_trouble_that_is_told_in_the_log_is_counted(tmp_path: Path) -> None:
    clock = FakeClock()
    log = SqliteLog(tmp_path / "r.db", now=clock.now, elapsed=clock.elapsed, writer="w", max_pages=40)
    async with testing.server(log=log, clock=clock) as server:
        consul = Client(server)
        assert await of(consul, "store_troubles_total") == 0
        for number in range(20):
            await consul.put("/v1/catalog/register", {"Node": f"n{number}", "Address": "a" * 20_000})
        assert await of(consul, "store_troubles_total") > 0
        await consul.close()


async def test_the_disk_of_a_store_that_is_a_file(tmp_path: Path) -> None:
    clock = FakeClock()
    url = f"sqlite:///{tmp_path}/r.db"
    async with testing.server(clock=clock, store=url) as server:
        consul = Client(server)
        found = await figures(consul)
        await consul.close()
    assert 0 < found["registry_store_disk_free_bytes"] < found["registry_store_disk_bytes"]


async def test_a_store_without_a_file_has_no_disk(consul: Client) -> None:
    assert not [name for name in await figures(consul) if "store_disk" in name]


def test_a_server_that_has_not_begun_has_figures() -> None:
    assert Metrics().figures().load.connections == 0
