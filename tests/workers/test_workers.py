"""Several workers are one server: whichever takes a request, the answer is the same."""

import asyncio
import os
import signal
import time
from pathlib import Path

import aiohttp
import pytest

from tests.workers.conftest import SECONDS, Serve


async def test_what_is_registered_at_one_is_found_at_all(serve: Serve, store: str) -> None:
    server = await serve("--store", store, "--workers", "3", listening=3)
    workers = await server.one_each(3)
    for number, worker in workers.items():
        assert await worker.put("/v1/agent/service/register", {"Name": f"web-{number}"}) == 200
    for worker in workers.values():
        found = await worker.get("/v1/agent/services?consistent")
        assert sorted(found) == ["web-1", "web-2", "web-3"]


async def test_further_ports_are_shared_too(serve: Serve, store: str) -> None:
    server = await serve("--store", store, "--workers", "2", "--extra-http-ports", "0", listening=4)
    ports = {(one["worker"], one["port"]) for one in server.said("Listening")}
    assert len(ports) == 4
    assert len({port for _, port in ports}) == 2


async def test_a_killed_worker_is_started_again_and_serves(serve: Serve, store: str) -> None:
    server = await serve("--store", store, "--workers", "2", listening=2)
    await server.connected().put("/v1/agent/service/register", {"Name": "web"})
    for pid in await server.pids():
        births = len(server.said("Listening"))
        os.kill(pid, signal.SIGKILL)
        await server.listening(births + 1)
    for worker in (await server.one_each(2)).values():
        assert "web" in await worker.get("/v1/agent/services")
    assert {one["signal"] for one in server.said("Worker ended")} == {"SIGKILL"}


async def test_renewing_all_workers_one_by_one_refuses_nobody(serve: Serve, store: str) -> None:
    """Each drains: what a client has sent is answered."""
    server = await serve("--store", store, "--workers", "2", listening=2)
    failed, answered, over = [], 0, False

    async def ask() -> None:
        nonlocal answered
        while not over:
            worker = server.connected()
            try:
                await worker.get("/v1/agent/services")
                answered += 1
            except (OSError, aiohttp.ClientConnectionError) as error:  # one retry, as every client has it
                failed.append(error)
                await worker.get("/v1/agent/services")
            await worker.session.close()

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    for pid in await server.pids():
        births = len(server.said("Listening"))
        os.kill(pid, signal.SIGTERM)
        await server.listening(births + 1)
    over = True
    await asyncio.gather(*asking)
    assert answered + len(failed) > 20
    print(f"{answered} answered, {len(failed)} of them at the second try")


async def test_metrics_scraped_anywhere_are_those_of_all(serve: Serve, store: str) -> None:
    flags = ("--prometheus-retention-seconds", "60")
    server = await serve("--store", store, "--workers", "3", *flags, listening=3)
    workers = await server.one_each(3)
    for number, worker in workers.items():
        for _ in range(number):
            await worker.get("/v1/catalog/datacenters")
    await workers[1].put("/v1/agent/service/register", {"Name": "web"})
    name = 'registry_http_requests_total{endpoint="/v1/catalog/datacenters",method="GET",status="200"}'
    for worker in workers.values():
        page = await worker.metrics()
        assert page[name] == 6
        assert page["registry_instances"] == 2, "every worker has the whole state: it is counted once"
        assert (page["registry_workers"], page["registry_workers_silent"]) == (3, 0)
        assert page["registry_process_resident_memory_bytes"] > 3 * 10_000_000
        consul = await worker.metrics("/v1/agent/metrics?format=prometheus")
        assert consul['consul_api_http_count{method="GET",path="v1_catalog_datacenters"}'] <= 6


async def test_the_monitor_at_one_shows_what_happens_at_another(serve: Serve, store: str) -> None:
    server = await serve("--store", store, "--workers", "2", listening=2)
    workers = await server.one_each(2)
    async with workers[1].session.get("/v1/agent/monitor?loglevel=info") as monitor:
        await workers[2].metrics()  # by now the other has heard that somebody listens
        await workers[2].put("/v1/agent/service/register", {"Name": "web"})
        async with asyncio.timeout(SECONDS):
            line = (await monitor.content.readline()).decode()
    assert "[INFO]  agent: Synced service: service=web worker=2 request_id=" in line


async def test_a_reload_asked_of_one_reloads_all(serve: Serve, store: str, tmp_path: Path) -> None:
    file = tmp_path / "level.toml"
    await asyncio.to_thread(file.write_text, 'log_level = "info"\n[[services]]\nname = "one"\n')
    server = await serve("--store", store, "--workers", "2", "--config-file", str(file), listening=2)
    workers = await server.one_each(2)
    await asyncio.to_thread(file.write_text, 'log_level = "debug"\n[[services]]\nname = "two"\n')
    assert await workers[2].put("/v1/agent/reload") == 200
    for number, worker in workers.items():
        await server.until(lambda number=number: server.said("Configuration reloaded", worker=number))  # type: ignore[misc]
        assert list(await worker.get("/v1/agent/services?consistent")) == ["two"]

    await asyncio.to_thread(file.write_text, "no_such_setting = 1\n")
    assert await workers[1].put("/v1/agent/reload") == 500
    server.process.send_signal(signal.SIGHUP)
    await server.until(lambda: server.said("Reload failed"))


async def test_leaving_asked_of_one_ends_all(serve: Serve, store: str) -> None:
    server = await serve("--store", store, "--workers", "2", listening=2)
    assert await server.connected().put("/v1/agent/leave") == 200
    assert await server.end() == 0


async def test_a_signal_drains_all_in_time(serve: Serve, store: str) -> None:
    """A blocking read is answered and what was acknowledged is kept."""
    server = await serve("--store", store, "--workers", "3", listening=3)
    workers = await server.one_each(3)
    assert await workers[1].put("/v1/agent/service/register", {"Name": "web"}) == 200
    waiting = [
        asyncio.create_task(worker.get("/v1/health/service/web?index=1000000000000&wait=5m"))
        for worker in workers.values()
    ]
    await asyncio.sleep(0)
    page = await server.connected().metrics()
    assert page["registry_http_requests_in_flight"] >= 1
    begun = time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    assert await server.end() == 0
    assert time.perf_counter() - begun < 9
    for task in waiting:
        assert await task
    again = await serve("--store", store, listening=1)
    assert "web" in await again.connected().get("/v1/agent/services")


async def test_workers_end_when_the_supervisor_is_killed(serve: Serve, store: str) -> None:
    server = await serve("--store", store, "--workers", "2", listening=2)
    server.process.kill()
    assert await server.end() == -signal.SIGKILL  # the log ends with the last worker
    assert len(server.said("The supervisor is gone")) == 2


async def test_workers_are_one_agent_and_many_replicas(serve: Serve, store: str) -> None:
    server = await serve("--store", store, "--workers", "2", "--node", "here", listening=2)
    workers = await server.one_each(2)
    selves = [await worker.get("/v1/agent/self") for worker in workers.values()]
    assert {one["Config"]["NodeName"] for one in selves} == {"here"}
    assert len({one["Config"]["NodeID"] for one in selves}) == 1
    assert list(await workers[1].get("/v1/catalog/services")) == ["consul"]


# What cannot be


@pytest.mark.parametrize("url", ["memory:", "sqlite:///{folder}/r.db"])
async def test_a_store_of_one_process_takes_no_workers(serve: Serve, tmp_path: Path, url: str) -> None:
    server = await serve("--store", url.format(folder=tmp_path), "--workers", "2")
    assert await server.end() == 2
    assert server.lines == ["registry: workers: 2 need a store that processes can share (redis)\n"]
    assert not await asyncio.to_thread((tmp_path / "r.db").exists)


@pytest.mark.parametrize("workers", ["1", "3"])
async def test_another_node_name_is_refused_naming_both(serve: Serve, store: str, workers: str) -> None:
    first = await serve("--store", store, "--node", "mine", listening=1)
    second = await serve("--store", store, "--node", "other", "--workers", workers)
    assert await second.end() == 2
    assert [line for line in second.lines if not line.startswith("{")] == [
        "registry: node: the store belongs to node 'mine', not to 'other'\n"
    ]
    assert first.process.returncode is None


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_store_that_does_not_answer_is_one_line_without_its_password(serve: Serve, workers: str) -> None:
    server = await serve("--store", "redis://user:s3cret@127.0.0.1:1/0", "--workers", workers)
    assert await server.end() == 1
    (line,) = [line for line in server.lines if not line.startswith("{")]
    assert line.startswith("registry: ")
    assert "s3cret" not in "".join(server.lines)


@pytest.mark.parametrize(
    "url", ["redis://", "redis://u:s3cret@h:x/0", "redis://u:s3cret@h/0?nonsense=1", "gopher://u:s3cret@h"]
)
async def test_a_wrong_url_names_the_setting_and_shows_no_password(serve: Serve, url: str) -> None:
    server = await serve("--store", url, "--workers", "2")
    assert await server.end() == 2
    (line,) = server.lines
    assert line.startswith("registry: store: ")
    assert "s3cret" not in line
