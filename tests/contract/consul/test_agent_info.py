"""What the agent tells of itself and its pool, and what it can be told to do. Source: agent.md §3."""

import asyncio
import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest

from registry import testing
from registry.testing import TestServer
from tests.contract.consul.agent import register, told
from tests.contract.consul.exchange import Client, request

MEMBER_TAGS = {
    "acls", "bootstrap", "build", "dc", "ft_fs", "ft_si", "id", "port", "raft_vsn", "role", "segment", "vsn",
    "vsn_max", "vsn_min",
}  # fmt: skip
PROMETHEUS_OFF = "Prometheus is not enabled since its retention time is not positive"


async def test_self_is_made_of_objects_as_clients_decode_it(consul: Client) -> None:
    found = (await consul.send("GET /v1/agent/self")).json
    assert list(found) == ["Config", "DebugConfig", "Coord", "Member", "Stats", "Meta"]
    assert all(isinstance(part, dict) for part in found.values())
    assert list(found["Config"]) == [
        "Datacenter", "PrimaryDatacenter", "NodeName", "NodeID", "Revision", "Server", "Version", "BuildDate",
    ]  # fmt: skip
    assert (found["Config"]["NodeName"], found["Config"]["Version"]) == ("test-node", "1.21.4")
    assert all(isinstance(text, str) for part in found["Stats"].values() for text in part.values())
    assert found["Stats"]["raft"]["state"] == "Leader"
    assert found["Meta"] == {"consul-network-segment": "", "consul-version": "1.21.4"}


async def test_the_address_that_self_names_can_be_joined(consul: Client) -> None:
    """Consul's own client test does this."""
    found = (await consul.send("GET /v1/agent/self")).json["DebugConfig"]
    address = found["SerfAdvertiseAddrLAN"].removeprefix("tcp://")
    assert await told(consul, f"/v1/agent/join/{address}") == (200, "")
    assert list(found) == sorted(found)


async def test_the_number_of_services_and_checks_is_in_the_statistics(consul: Client) -> None:
    await register(consul, Name="w", Checks=[{"TTL": "1m"}, {"HTTP": "http://x", "Interval": "1m"}])
    found = (await consul.send("GET /v1/agent/self")).json["Stats"]["agent"]
    assert found == {"check_monitors": "1", "check_ttls": "1", "checks": "2", "services": "1"}


async def test_version_and_host(consul: Client) -> None:
    version = (await consul.get("/v1/agent/version")).json
    assert list(version) == ["SHA", "BuildDate", "HumanVersion", "FIPS"]
    assert (version["HumanVersion"], version["FIPS"]) == ("1.21.4", "")
    host = (await consul.send("GET /v1/agent/host")).json
    assert list(host) == ["Memory", "CPU", "Host", "Disk", "CollectionTime", "Errors"]
    assert (host["CollectionTime"], host["Errors"]) == (int(testing.EPOCH_SECONDS * 1e9), None)


async def test_the_only_member(consul: Client) -> None:
    [member] = (await consul.get("/v1/agent/members")).json
    assert list(member) == [
        "Name", "Addr", "Port", "Tags", "Status", "ProtocolMin", "ProtocolMax", "ProtocolCur", "DelegateMin",
        "DelegateMax", "DelegateCur",
    ]  # fmt: skip
    assert (member["Name"], member["Addr"], member["Port"], member["Status"]) == ("test-node", "127.0.0.1", 8301, 1)
    assert set(member["Tags"]) == MEMBER_TAGS
    assert member["Tags"]["id"] == (await consul.get("/v1/catalog/nodes")).json[0]["ID"]


MEMBERS: list[tuple[str, int, Any]] = [
    ("?wan=1", 200, None),
    ("?wan=0", 200, None),
    ("?wan=", 200, 1),
    ("?segment=_all", 200, 1),
    ("?segment=", 200, 1),
    ("?ns=ignored", 200, 1),
    ("?segment=x", 500, "Network segments are not supported in this version of Consul"),
    ("?segment=x&wan=true", 400, "Cannot provide a segment with wan=true"),
    ("?partition=x", 400, 'Invalid query parameter: "partition" - Partitions are a Consul Enterprise feature'),
    ("?filter=" + quote('Tags["dc"] == dc1'), 200, 1),
    ("?filter=" + quote('Tags["dc"] == dc2'), 200, 0),
    ("?filter=" + quote("Status == 1 and Port == 8301"), 200, 1),
    ("?filter=" + quote("Addr == x"), 500,
     'Failed to create boolean expression evaluator: Selector "Addr" is not valid'),
]  # fmt: skip


@pytest.mark.parametrize(("query", "status", "found"), MEMBERS)
async def test_members_by_pool_segment_and_filter(consul: Client, query: str, status: int, found: Any) -> None:
    answer = await consul.get(f"/v1/agent/members{query}")
    assert answer.status == status
    if status == 200:
        assert (None if answer.json is None else len(answer.json)) == found
    else:
        assert answer.text == found


async def test_a_filter_with_a_dash_in_a_bare_word_is_refused(consul: Client) -> None:
    """Consul's client test looks for the beginning of the text."""
    answer = await consul.get("/v1/agent/members?filter=" + quote('Tags["dc"] == invalid-bexpr-value'))
    assert answer.status == 500
    assert answer.text.startswith("Failed to create boolean expression evaluator: 1:22 (21): no match found")


ORDERS: list[tuple[str, int, str]] = [
    ("force-leave/test-node", 200, ""),
    ("force-leave/test-node?prune", 200, ""),
    ("force-leave/zzz", 500, "agent: No node found with name 'zzz'"),
    ("force-leave/", 500, "agent: No node found with name ''"),
    ("force-leave/test-node?wan", 500, "agent: No node found with name ''"),
    ("join/127.0.0.1", 200, ""),
    ("join/127.0.0.1?wan=", 200, ""),
    ("join/127.0.0.1?wan=0", 500, "WAN Federation is disabled"),
    ("join/", 500, "1 error occurred:\n\t* Failed to resolve : lookup : no such host\n\n"),
    ("token/default", 401, "ACL support disabled"),
    ("token/nonsense", 401, "ACL support disabled"),
    ("reload", 200, ""),
]


@pytest.mark.parametrize(("path", "status", "text"), ORDERS)
async def test_orders(consul: Client, path: str, status: int, text: str) -> None:
    assert await told(consul, f"/v1/agent/{path}", b"{") == (status, text)


async def test_joining_where_nobody_listens(consul: Client) -> None:
    """A port that was just given back is one that nobody listens on."""
    nobody = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = nobody.sockets[0].getsockname()[1]
    nobody.close()
    await nobody.wait_closed()
    text = f"Failed to join 127.0.0.1:{port}: dial tcp 127.0.0.1:{port}: connect: connection refused"
    answer = await told(consul, f"/v1/agent/join/127.0.0.1:{port}")
    assert answer == (500, f"1 error occurred:\n\t* {text}\n\n")


async def test_leaving_is_answered_before_the_server_goes(consul: Client) -> None:
    assert await told(consul, "/v1/agent/leave") == (200, "")
    assert await consul.server.app.until_stopped() == 0


# Figures


async def test_the_figures_of_an_interval_have_consuls_form(consul: Client) -> None:
    await consul.get("/v1/catalog/nodes")
    await consul.server.advance(10)
    found = (await consul.send("GET /v1/agent/metrics")).json
    assert list(found) == ["Timestamp", "Gauges", "Points", "Counters", "Samples"]
    assert (found["Timestamp"], found["Points"]) == ("2023-11-14 22:13:20 +0000 UTC", [])
    names = [one["Name"] for one in found["Gauges"]]
    assert names == sorted(names)
    assert any(name.startswith("consul.") and name.endswith(".runtime.alloc_bytes") for name in names)
    for part in ("Counters", "Samples"):
        for one in found[part]:
            assert list(one) == ["Name", "Count", "Rate", "Sum", "Min", "Max", "Mean", "Stddev", "Labels"]
    assert any(one["Name"] == "consul.api.http" for one in found["Samples"])


async def test_the_host_can_be_left_out_of_the_names() -> None:
    async with testing.server(telemetry_disable_hostname=True) as server:
        consul = Client(server)
        found = (await consul.send("GET /v1/agent/metrics")).json
        assert "consul.runtime.alloc_bytes" in [one["Name"] for one in found["Gauges"]]
        await consul.close()


@pytest.mark.parametrize(
    ("query", "accept"),
    [("?format=prometheus", "*/*"), ("", "text/html, application/openmetrics-text"), ("", "text/plain;version=0.4.0")],
)
async def test_prometheus_text_has_to_be_turned_on(consul: Client, query: str, accept: str) -> None:
    answer = await consul.send(f"GET /v1/agent/metrics{query}", f"Accept: {accept}")
    assert (answer.status, answer.body, answer.headers["x-consul-reason"]) == (200, b"", PROMETHEUS_OFF)
    async with testing.server(prometheus_retention_seconds=60.0) as server:
        consul = Client(server)
        answer = await consul.send(f"GET /v1/agent/metrics{query}", f"Accept: {accept}")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert b"_runtime_alloc_bytes " in answer.body
        await consul.close()


# The log as it is written


class Monitor:
    """A client of the monitor."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def of(cls, server: TestServer, query: str = "", *headers: str) -> tuple["Monitor", str]:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(request(f"GET /v1/agent/monitor{query}", *headers))
        head = await reader.readuntil(b"\r\n\r\n")
        return cls(reader, writer), head.decode()

    async def chunk(self) -> bytes:
        size = int(await self.reader.readline(), 16)
        return (await self.reader.readexactly(size + 2))[:-2]


@pytest.mark.parametrize("level", ["", "?loglevel=INFO", "?loglevel=trace", "?loglevel=Debug"])
async def test_a_registration_is_a_line_of_the_monitor(consul: Client, level: str) -> None:
    monitor, head = await Monitor.of(consul.server, level)
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert "content-type" not in head.lower()
    await register(consul, Name="w", ID="a b")
    line = (await monitor.chunk()).decode()
    assert line[10:11] + line[23:].partition(" request_id=")[0] == 'TZ [INFO]  agent: Synced service: service="a b"'
    monitor.writer.close()


async def test_the_monitor_in_json_and_packed(consul: Client) -> None:
    monitor, head = await Monitor.of(consul.server, "?logjson", "Accept-Encoding: gzip")
    assert "Content-Encoding: gzip" in head
    await register(consul, Name="w")
    line = json.loads(gzip.GzipFile(fileobj=_Endless(await monitor.chunk())).readline())
    assert list(line) == ["@level", "@message", "@module", "@timestamp", "request_id", "service"]
    assert (line["@level"], line["@message"], line["service"]) == ("info", "Synced service", "w")
    monitor.writer.close()


async def test_the_monitor_shows_what_is_as_bad_as_asked_for(consul: Client) -> None:
    monitor, _ = await Monitor.of(consul.server, "?loglevel=warn")
    await register(consul, Name="w", Check={"TTL": "10s", "Status": "passing"})
    await consul.server.advance(11)
    assert b"[WARN]  agent: Check missed TTL, is now critical: check=service:w service=w " in await monitor.chunk()
    monitor.writer.close()


@pytest.mark.parametrize("word", ["x", "warning", "fatal"])
async def test_a_level_that_is_none(consul: Client, word: str) -> None:
    answer = await consul.get(f"/v1/agent/monitor?loglevel={word}")
    assert (answer.status, answer.text) == (400, f"Unknown log level: {word}")


async def test_monitors_end_with_the_server() -> None:
    async with testing.server() as server:
        monitor, _ = await Monitor.of(server)
    assert (await monitor.reader.read()).endswith(b"0\r\n\r\n")
    monitor.writer.close()


class _Endless:
    """A packed stream of which only the beginning has arrived."""

    def __init__(self, arrived: bytes) -> None:
        self._left = arrived

    def read(self, size: int = -1) -> bytes:
        piece, self._left = self._left[:size], self._left[size:]
        return piece
