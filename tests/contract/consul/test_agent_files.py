"""Services and checks that Consul's configuration files define, and reading them again.

Source: agent.md §3.7, §8.4; Consul's docs/services/configuration; common.md §4 (spellings).
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from registry import testing
from registry.errors import SettingsError
from registry.settings.sources import settings_from
from tests.contract.consul.agent import checks, register, register_check, say, service, services, told
from tests.contract.consul.exchange import Client


class Files:
    """A registry that was started with one configuration file, and that file."""

    def __init__(self, consul: Client, path: Path) -> None:
        self.consul, self.path = consul, path

    async def reload(self, document: Any) -> tuple[int, str]:
        await asyncio.to_thread(write, self.path, document)
        return await told(self.consul, "/v1/agent/reload")


def write(path: Path, document: Any) -> None:
    path.write_text(document if isinstance(document, str) else json.dumps(document))


@asynccontextmanager
async def started(folder: Path, document: Any, **flags: str) -> AsyncIterator[Files]:
    path = folder / "consul.json"
    await asyncio.to_thread(write, path, document)
    given = {"config_file": [str(path)], **{name: [text] for name, text in flags.items()}}
    read = await asyncio.to_thread(settings_from, given, {})
    taken = ("definitions", "sources", "config_file", *flags)
    async with testing.server(**{name: getattr(read, name) for name in taken}) as server:
        consul = Client(server)
        yield Files(consul, path)
        await consul.close()


FORMS: list[dict[str, Any]] = [
    {"service": {"name": "web", "id": "w", "port": 80}},
    {"Service": {"Name": "web", "ID": "w", "Port": 80}},
    {"service": [{"name": "web", "id": "w", "port": 80}]},
    {"services": [{"name": "web", "id": "w", "port": 80}]},
    {"services": {"name": "web", "id": "w", "port": 80, "tags": None}},
]


@pytest.mark.parametrize("document", FORMS)
async def test_a_service_in_every_form(tmp_path: Path, document: dict[str, Any]) -> None:
    async with started(tmp_path, document) as files:
        row = await service(files.consul, "w")
        assert (row["Service"], row["Port"], row["Tags"]) == ("web", 80, [])
        assert len((await files.consul.get("/v1/catalog/service/web")).json) == 1


async def test_a_service_with_all_its_fields(tmp_path: Path) -> None:
    definition = {
        "name": "web", "tags": ["a"], "address": "10.0.0.1", "port": 80, "meta": {"A_b": "c"}, "token": "t",
        "enable_tag_override": True, "weights": {"passing": 5, "warning": 2}, "socket_path": "/s",
        "tagged_addresses": {"lan_x": {"address": "10.0.0.2", "port": 1}},
        "check": {"id": "one", "name": "n", "notes": "o", "ttl": "30s", "status": "passing"},
        "checks": [
            {"http": "https://x", "interval": "10s", "tls_skip_verify": True, "header": {"X_y": ["1"]}},
            {"args": ["/bin/true"], "interval": "1m", "timeout": "2s", "deregister_critical_service_after": "90m"},
        ],
        "connect": {"sidecar_service": {"proxy": {"upstreams": [{"destination_name": "db", "local_bind_port": 1}]}}},
    }  # fmt: skip
    async with started(tmp_path, {"service": definition}, enable_local_script_checks="true") as files:
        row = await service(files.consul, "web")
        assert (row["Meta"], row["Weights"], row["SocketPath"]) == ({"A_b": "c"}, {"Passing": 5, "Warning": 2}, "/s")
        assert sorted(row["TaggedAddresses"]) == ["lan_ipv4", "lan_x", "wan_ipv4"]
        rows = (await files.consul.get("/v1/agent/checks")).json
        assert {key: (one["Type"], one["Interval"], one["Status"]) for key, one in rows.items()} == {
            "one": ("ttl", "", "passing"),
            "service:web:2": ("http", "10s", "critical"),
            "service:web:3": ("script", "1m0s", "critical"),
            "service:web-sidecar-proxy:1": ("tcp", "10s", "critical"),
            "service:web-sidecar-proxy:2": ("alias", "", "critical"),
        }
        proxy = (await service(files.consul, "web-sidecar-proxy"))["Proxy"]
        assert proxy["Upstreams"][0]["DestinationName"] == "db"


async def test_checks_of_the_node_and_of_services(tmp_path: Path) -> None:
    document = {
        "services": [{"name": "web"}],
        "check": {"name": "disk", "ttl": "1m"},
        "checks": [{"id": "c", "name": "n", "tcp": "x:1", "interval": "5s", "service_id": "web"}],
    }
    async with started(tmp_path, document) as files:
        assert await checks(files.consul) == {"disk": ("", "critical", ""), "c": ("web", "critical", "")}


async def test_a_check_may_belong_to_a_service_of_the_api_after_a_reload(tmp_path: Path) -> None:
    async with started(tmp_path, {}) as files:
        await register(files.consul, Name="api")
        assert await files.reload({"check": {"name": "c", "ttl": "1m", "service_id": "api"}}) == (200, "")
        assert await checks(files.consul) == {"c": ("api", "critical", "")}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"service": {"port": 1}}, "consul.json: service: Missing service name"),
    ({"service": {"id": "x"}}, "consul.json: service x: Missing service name"),
    ({"service": {"name": "w", "foo": 1}}, "consul.json: service w: foo: is not a field that can be defined here"),
    ({"service": {"name": "w", "check": {"script": "x"}}},
     "consul.json: service w: check: script: is not a field that can be defined here"),
    ({"service": {"name": "w", "check": {"tcp": "x:1", "interval": 5}}},
     'consul.json: service w: check: interval: is not a duration such as "10s"'),
    ({"service": {"name": "w", "check": {"tcp": "x:1", "interval": "5"}}},
     'consul.json: service w: time: missing unit in duration "5"'),
    ({"service": {"name": "w", "check": {"interval": "5s"}}},
     "consul.json: service w: Invalid check: TTL must be > 0 for TTL checks"),
    ({"service": {"name": "w", "check": {"args": ["x"], "interval": "5s"}}},
     "consul.json: service w: Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or "
     "'enable_local_script_checks' to true"),
    ({"check": {"id": "c", "ttl": "5s"}}, "consul.json: check c: Missing check name"),
    ({"service": {"name": "w"}, "checks": [{"name": "a", "ttl": "1s", "service_id": "w"},
                                          {"name": "b", "ttl": "1s", "service_id": "nobody"}]},
     'consul.json: check b: ServiceID "nobody" does not exist'),
]  # fmt: skip


@pytest.mark.parametrize(("document", "text"), WRONG)
async def test_a_wrong_definition_ends_the_start_and_names_its_place(
    tmp_path: Path, document: dict[str, Any], text: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        async with started(tmp_path, document):
            pass
    assert str(refused.value).endswith(text)


@pytest.mark.parametrize(("document", "text"), [*WRONG, ("{", "cannot be decoded")])
async def test_a_reload_of_a_wrong_file_changes_nothing(tmp_path: Path, document: Any, text: str) -> None:
    """The answer names no file; the log does."""
    async with started(tmp_path, {"service": {"name": "old", "check": {"ttl": "1m"}}}) as files:
        status, answer = await files.reload(document)
        assert status == 500
        assert str(tmp_path) not in answer
        assert text not in answer
        assert await services(files.consul) == ["old"]


async def test_a_reload_adds_changes_and_removes_what_files_define(tmp_path: Path) -> None:
    web = {"name": "web", "port": 1, "check": {"ttl": "1h"}}
    async with started(tmp_path, {"services": [web, {"name": "old"}], "check": {"name": "disk", "ttl": "1h"}}) as files:
        consul = files.consul
        await register(consul, Name="api", Check={"TTL": "1h"})
        await register_check(consul, Name="mine", TTL="1h")
        for check_id in ("service:web", "service:api"):
            await say(consul, "pass", check_id, "fine")
        assert await files.reload({"services": [web | {"port": 2}, {"name": "new"}]}) == (200, "")
        assert await services(consul) == ["api", "new", "web"]
        assert (await service(consul, "web"))["Port"] == 2
        assert await checks(consul) == {
            "mine": ("", "critical", ""), "service:api": ("api", "passing", "fine"),
            "service:web": ("web", "passing", "fine"),
        }  # fmt: skip
        assert await files.reload("") == (200, "")
        assert await services(consul) == ["api"]


async def test_a_reload_of_the_same_file_moves_no_index(tmp_path: Path) -> None:
    document = {"service": {"name": "web", "check": {"ttl": "1h"}, "port": 1, "connect": {"sidecar_service": {}}}}
    async with started(tmp_path, document) as files:
        paths = ("/v1/catalog/services", "/v1/health/state/any", "/v1/catalog/nodes")
        before = [await files.consul.index(path) for path in paths]
        assert await files.reload(document) == (200, "")
        assert [await files.consul.index(path) for path in paths] == before


async def test_the_last_writer_of_a_service_counts(tmp_path: Path) -> None:
    """A registration takes a service of a file over until the file is read again; so does a removal."""
    document = {"service": {"name": "web", "port": 1}}
    async with started(tmp_path, document) as files:
        await register(files.consul, Name="web", Port=7)
        assert (await service(files.consul, "web"))["Port"] == 7
        await files.reload(document)
        assert (await service(files.consul, "web"))["Port"] == 1
        await files.consul.put("/v1/agent/service/deregister/web")
        await files.reload(document)
        assert await services(files.consul) == ["web"]


async def test_maintenance_and_checks_of_the_api_stay_on_a_service_of_a_file(tmp_path: Path) -> None:
    document = {"service": {"name": "web"}}
    async with started(tmp_path, document) as files:
        await files.consul.put("/v1/agent/service/maintenance/web?enable=true")
        await register_check(files.consul, Name="c", TTL="1h", ServiceID="web")
        await files.reload(document)
        assert sorted(await checks(files.consul)) == ["_service_maintenance:web", "c"]
        await files.reload({})
        assert await checks(files.consul) == {}
