"""The example that copies a catalog, between two registries and, where one is here, with a real Consul."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, ServerProcess
from tests.replicas.redis_server import free_port

PROGRAM = ROOT / "docs" / "examples" / "copy_catalog.py"
CONSUL = os.environ.get("CONSUL_BIN") or shutil.which(ROOT / ".cache" / "consul" / "usr" / "bin" / "consul")
WEB = {
    "Name": "web", "Port": 80, "Tags": ["blue"], "Meta": {"v": "1"}, "Connect": {"SidecarService": {}},
    "Checks": [{"TTL": "10m", "Status": "passing", "Notes": "beats"}],
}  # fmt: skip
DB = {
    "Node": "outside", "Address": "10.0.0.9", "NodeMeta": {"external-node": "true"},
    "Service": {"Service": "db", "Port": 5432},
    "Checks": [{"CheckID": "ping", "Name": "ping", "Status": "warning", "Output": "slow"}],
}  # fmt: skip


async def run(*command: str | Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


class Side:
    """One of the two servers, as people see it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    async def put(self, path: str, body: object) -> None:
        code, said = await run("curl", "-sf", "-X", "PUT", self.url + path, "-d", json.dumps(body))
        assert code == 0, said

    async def get(self, path: str) -> Any:
        _, said = await run("curl", "-s", self.url + path)
        return json.loads(said)

    async def services(self) -> set[str]:
        return set(await self.get("/v1/catalog/services")) - {"consul"}


async def copied(source: Side, target: Side, *flags: str) -> tuple[int, str]:
    return await run(sys.executable, "-W", "error", PROGRAM, source.url, target.url, *flags)


@pytest.fixture
async def old(tmp_path: Path) -> AsyncIterator[Side]:
    server = ServerProcess("--dev", "--node", "old")
    await server.start()
    yield Side(server.port)
    await server.kill()


@pytest.fixture
async def new(tmp_path: Path) -> AsyncIterator[Side]:
    server = ServerProcess("--dev", "--node", "new")
    await server.start()
    yield Side(server.port)
    await server.kill()


@pytest.fixture
async def real() -> AsyncIterator[Side]:
    """A Consul that leads itself."""
    if CONSUL is None:
        pytest.skip("there is no Consul here: scripts/get-consul")
    port, others = free_port(), [f"-{name}-port={free_port()}" for name in ("server", "serf-lan", "serf-wan")]
    consul = await asyncio.create_subprocess_exec(
        CONSUL, "agent", "-dev", "-node=old", "-bind=127.0.0.1", f"-http-port={port}", "-dns-port=-1", "-grpc-port=-1",
        *others, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    side = Side(port)
    ask = ("curl", "-sf", "--retry-connrefused", "--retry", "9", f"{side.url}/v1/catalog/node/old")
    while (await run(*ask))[1] in ("", "null"):  # nobody has been elected
        pass
    yield side
    consul.kill()
    await consul.wait()


async def filled(side: Side) -> None:
    await side.put("/v1/agent/service/register", WEB)
    await side.put("/v1/catalog/register", DB)


async def states(side: Side) -> dict[str, tuple[str, str]]:
    checks = await side.get("/v1/health/state/any")
    return {
        check["CheckID"]: (check["Status"], check["Output"]) for check in checks if check["CheckID"] != "serfHealth"
    }


async def looked(side: Side) -> None:
    """Wait until the check of the sidecar's port has been run."""
    while not (await states(side))["service:web-sidecar-proxy:1"][1]:  # noqa: ASYNC110 - its first run is soon
        await asyncio.sleep(0.02)


async def test_a_copy_shows_what_the_source_does(old: Side, new: Side) -> None:
    await filled(old)
    await looked(old)
    assert await copied(old, new) == (0, "2 nodes, 3 services, 4 checks copied; 0 removals\n")
    for path in ("/v1/catalog/service/web", "/v1/catalog/service/db", "/v1/catalog/connect/web"):
        (there,), (here,) = await old.get(path), await new.get(path)
        differing = {key for key in there if there[key] != here[key]}
        assert differing <= {"ID", "NodeMeta", "CreateIndex", "ModifyIndex"}, path
    assert await states(new) == await states(old)
    before = await new.get("/v1/agent/self")
    assert before["Config"]["NodeName"] == "new"


async def test_a_copy_repeated_takes_away_what_is_gone(old: Side, new: Side) -> None:
    await filled(old)
    await new.put("/v1/agent/service/register", {"Name": "mine"})
    await copied(old, new)
    await old.put("/v1/agent/service/deregister/web", None)
    await old.put("/v1/catalog/deregister", {"Node": "outside", "CheckID": "ping"})
    await copied(old, new)
    assert await new.services() == {"mine", "db"}
    assert await states(new) == {}
    assert await copied(old, new, "--remove") == (0, "0 nodes, 0 services, 0 checks copied; 1 removals\n")
    assert await new.services() == {"mine"}
    assert [node["Node"] for node in await new.get("/v1/catalog/nodes")] == ["new"]


async def test_a_node_that_is_no_copy_is_left_alone(old: Side, new: Side) -> None:
    await filled(old)
    await new.put("/v1/catalog/register", {**DB, "Service": {"Service": "mine"}})
    code, said = await copied(old, new)
    assert code == 1
    assert said == f"{new.url} has nodes of its own with these names: outside\n"
    assert await new.services() == {"mine"}


async def test_a_source_that_does_not_answer_takes_nothing_away(old: Side, new: Side) -> None:
    await filled(old)
    await copied(old, new)
    code, said = await copied(Side(free_port()), new)
    assert (code, "Connection refused" in said) == (1, True)
    assert await new.services() == await old.services()


@pytest.mark.slow
@pytest.mark.timeout(30)
async def test_a_real_consul_can_be_copied_from_and_to(real: Side, new: Side) -> None:
    await filled(real)
    assert (await copied(real, new))[1] == "2 nodes, 3 services, 4 checks copied; 0 removals\n"
    assert await new.services() == await real.services() == {"web", "db", "web-sidecar-proxy"}
    await new.put("/v1/agent/service/register", {**WEB, "ID": "later", "Name": "later"})
    assert (await copied(new, real))[1] == "1 nodes, 2 services, 3 checks copied; 0 removals\n"
    assert await real.services() == await new.services()
    assert (await copied(new, real, "--remove"))[0] == 0
    assert await real.services() == {"web", "db", "web-sidecar-proxy"}
