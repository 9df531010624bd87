"""Who leads and who the peers are. Source: status_operator_snapshot_ui.md part A."""

import pytest

from registry import testing
from tests.contract.consul.exchange import Client


async def test_the_server_leads_itself(consul: Client) -> None:
    leader, peers = await consul.get("/v1/status/leader"), await consul.get("/v1/status/peers")
    assert (leader.text, peers.text) == ('"127.0.0.1:8300"', '["127.0.0.1:8300"]')
    assert not [name for name in leader.headers if name.startswith("x-consul-") and "policy" not in name]


@pytest.mark.parametrize(
    "query", ["?dc=dc1", "?datacenter=dc1&dc=x", "?index=99&wait=1s", "?ns=x", "?stale&consistent"]
)
async def test_what_changes_nothing(consul: Client, query: str) -> None:
    assert (await consul.get(f"/v1/status/leader{query}")).text == '"127.0.0.1:8300"'


@pytest.mark.parametrize("path", ["leader?dc=dc2", "peers?dc=DC1", "leader?datacenter=dc2&dc=dc1"])
async def test_other_datacenters_are_out_of_reach(consul: Client, path: str) -> None:
    answer = await consul.get(f"/v1/status/{path}")
    assert (answer.status, answer.text) == (500, "No path to datacenter")


async def test_an_ipv6_address_stands_in_brackets() -> None:
    async with testing.server(advertise="2001:db8::1") as server:
        consul = Client(server)
        assert (await consul.get("/v1/status/leader")).text == '"[2001:db8::1]:8300"'
        await consul.close()
