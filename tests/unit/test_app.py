"""The server as a whole: who it is, what a restart keeps, what a full disk does, what a reload changes."""

import asyncio
import json
import secrets
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from registry import testing
from registry.errors import SettingsError
from registry.log.sqlite import SqliteLog
from registry.settings.sources import settings_from
from registry.testing import FakeClock, TestServer

TTL = {"Name": "web", "Check": {"TTL": "30s", "Status": "passing"}}


def stored(folder: Path, clock: FakeClock | None = None, **given: Any) -> AbstractAsyncContextManager[TestServer]:
    """A server over a SQLite store in `folder`; opened again, it is the same store."""
    clock = clock or FakeClock(time.time())
    pages = given.pop("max_pages", None)
    log = SqliteLog(
        folder / "registry.db", now=clock.now, elapsed=clock.elapsed, writer=secrets.token_hex(4), max_pages=pages
    )
    return testing.server(log=log, clock=clock, **given)


async def put(server: TestServer, path: str, body: object = None) -> tuple[int, str]:
    async with aiohttp.ClientSession(server.url) as client, client.put(path, json=body) as answer:
        return answer.status, await answer.text()


async def get(server: TestServer, path: str) -> tuple[int, Any, str]:
    async with aiohttp.ClientSession(server.url) as client, client.get(path) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers.get("X-Consul-Index", "")


async def from_file(file: Path) -> dict[str, Any]:
    """The settings that a file makes, which a reload reads again."""
    flags = {"config_file": [str(file)], "store": ["memory:"], "node": ["n"]}
    settings = await asyncio.to_thread(settings_from, flags, {})
    return {name: getattr(settings, name) for name in ("definitions", "sources", "config_file", "store", "node")}


async def test_after_a_restart_everything_is_there_under_the_same_indexes(tmp_path: Path) -> None:
    async with stored(tmp_path) as server:
        await put(server, "/v1/agent/service/register", TTL)
        await put(server, "/v1/agent/check/warn/service:web?note=slow")
        before = [await get(server, path) for path in ("/v1/health/service/web", "/v1/catalog/nodes")]
    async with stored(tmp_path) as server:
        assert [await get(server, path) for path in ("/v1/health/service/web", "/v1/catalog/nodes")] == before


async def test_a_restart_gives_each_ttl_a_full_period(tmp_path: Path) -> None:
    async with stored(tmp_path) as server:
        await put(server, "/v1/agent/service/register", TTL)
        await server.advance(29)
    async with stored(tmp_path) as server:
        await server.advance(29)
        assert (await get(server, "/v1/health/service/web?passing"))[1] != []
        await server.advance(2)
        assert (await get(server, "/v1/health/service/web?passing"))[1] == []


async def test_the_newest_text_of_a_check_survives_a_clean_stop(tmp_path: Path) -> None:
    async with stored(tmp_path) as server:
        await put(server, "/v1/agent/service/register", TTL)
        await put(server, "/v1/agent/check/pass/service:web?note=fine")
    async with stored(tmp_path) as server:
        assert (await get(server, "/v1/health/checks/web"))[1][0]["Output"] == "fine"


async def test_a_container_with_a_new_host_name_is_still_the_same_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "first")
    async with stored(tmp_path, node="") as server:
        first = (await get(server, "/v1/agent/self"))[1]["Config"]
    monkeypatch.setattr("socket.gethostname", lambda: "second")
    async with stored(tmp_path, node="") as server:
        again = (await get(server, "/v1/agent/self"))[1]["Config"]
    assert first["NodeName"] == "first"
    assert (again["NodeName"], again["NodeID"]) == (first["NodeName"], first["NodeID"])


async def test_a_node_name_that_is_not_the_stores_is_refused(tmp_path: Path) -> None:
    async with stored(tmp_path, node="mine"):
        pass
    with pytest.raises(SettingsError, match=r"node: the store belongs to node 'mine', not to 'other'"):
        async with stored(tmp_path, node="other"):
            pass


async def test_a_changed_address_moves_the_node(tmp_path: Path) -> None:
    async with stored(tmp_path):
        pass
    async with stored(tmp_path, advertise="10.1.2.3") as server:
        (node,) = (await get(server, "/v1/catalog/nodes"))[1]
        assert node["Address"] == "10.1.2.3"
        assert set(node["TaggedAddresses"].values()) == {"10.1.2.3"}


async def test_a_start_that_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    async with stored(tmp_path) as server:
        applied = server.engine.state.applied
    async with stored(tmp_path) as server:
        assert server.engine.state.applied == applied


async def test_on_a_full_disk_reads_and_beats_go_on_and_writes_change_nothing(tmp_path: Path) -> None:
    async with stored(tmp_path, max_pages=40) as server:
        await put(server, "/v1/agent/service/register", TTL)
        number = 0
        for size in (500, 50, 1, 1):  # until not even a small write fits
            status = 200
            while status == 200:
                number += 1
                meta = {f"k{n}": "v" * size for n in range(20)}
                status, text = await put(server, "/v1/agent/service/register", {"Name": f"big-{number}", "Meta": meta})
            assert status == 503
            assert "full" in text
        services = (await get(server, "/v1/agent/services"))[1]
        assert f"big-{number}" not in services
        assert "web" in services
        assert await put(server, "/v1/agent/check/pass/service:web") == (200, "")
        assert (await put(server, "/v1/agent/check/fail/service:web"))[0] == 503
        assert (await get(server, "/v1/health/service/web?passing"))[1] != []


async def test_a_reload_changes_the_rows_of_files_and_no_others(tmp_path: Path) -> None:
    file = tmp_path / "services.json"
    file.write_text(json.dumps({"services": [{"name": "one", "check": {"ttl": "1h"}}, {"name": "two"}]}))
    async with testing.server(**await from_file(file)) as server:
        await put(server, "/v1/agent/service/register", {"Name": "by-hand"})
        await put(server, "/v1/agent/check/pass/service:one")
        file.write_text(json.dumps({"services": [{"name": "one", "port": 81, "check": {"ttl": "1h"}}]}))
        assert (await put(server, "/v1/agent/reload"))[0] == 200
        services = (await get(server, "/v1/agent/services"))[1]
        assert {name: one["Port"] for name, one in services.items()} == {"by-hand": 0, "one": 81}
        assert (await get(server, "/v1/agent/checks"))[1]["service:one"]["Status"] == "passing"


async def test_a_reload_of_a_broken_file_changes_nothing_and_names_no_path(tmp_path: Path) -> None:
    file = tmp_path / "services.json"
    file.write_text(json.dumps({"service": {"name": "one"}}))
    async with testing.server(**await from_file(file)) as server:
        file.write_text('{"service": {"name": ""}}')
        status, text = await put(server, "/v1/agent/reload")
        assert status == 500
        assert str(tmp_path) not in text
        assert "one" in (await get(server, "/v1/agent/services"))[1]


async def test_the_double_is_ready_at_once() -> None:
    begun = time.perf_counter()
    async with testing.server():
        took = time.perf_counter() - begun
    print(f"ready in {took * 1000:.0f} ms")


async def test_two_servers_cannot_take_one_port() -> None:
    async with testing.server() as server:
        with pytest.raises(OSError, match="(?i)address already in use"):
            async with testing.server(http_port=server.port):
                pass


async def test_a_ttl_that_ran_out_on_a_parked_reader_wakes_it() -> None:
    async with testing.server() as server:
        await put(server, "/v1/agent/service/register", TTL)
        _, _, index = await get(server, "/v1/health/service/web")
        reader = asyncio.ensure_future(get(server, f"/v1/health/service/web?passing&index={index}&wait=5m"))
        await server.parked(1)
        await server.advance(31)
        assert (await reader)[1] == []
