"""Sidecars that come with a service: what they take over, their ports, their end. Source: agent.md §6.1."""

from typing import Any

import pytest

from registry import testing
from tests.contract.consul.agent import REGISTER, register, service, services, told
from tests.contract.consul.exchange import Client

NONE_LEFT = "no port provided for sidecar_service and none left in the configured range [{}, {}]"
NO_RANGE = "no port provided for sidecar_service and auto-assignment disabled in config"


def with_sidecar(name: str = "web", **sidecar: Any) -> dict[str, Any]:
    return {"Name": name, "Port": 80, "Connect": {"SidecarService": sidecar}}


async def port_of(consul: Client, name: str = "web") -> int:
    port: int = (await service(consul, f"{name}-sidecar-proxy"))["Port"]
    return port


async def test_an_empty_sidecar_takes_everything_from_its_service(consul: Client) -> None:
    await register(consul, **with_sidecar(), Tags=["a"], Meta={"k": "v"}, Address="10.0.0.1", Locality={"Region": "r"})
    assert (await consul.get("/v1/agent/services")).json["web-sidecar-proxy"] == {
        "Kind": "connect-proxy", "ID": "web-sidecar-proxy", "Service": "web-sidecar-proxy", "Tags": ["a"],
        "Meta": {"k": "v"}, "Port": 21000, "Address": "10.0.0.1",
        "TaggedAddresses": {
            "lan_ipv4": {"Address": "10.0.0.1", "Port": 21000}, "wan_ipv4": {"Address": "10.0.0.1", "Port": 21000},
        },
        "Weights": {"Passing": 1, "Warning": 1}, "EnableTagOverride": False,
        "Proxy": {
            "DestinationServiceName": "web", "DestinationServiceID": "web", "LocalServiceAddress": "127.0.0.1",
            "LocalServicePort": 80, "MeshGateway": {}, "Expose": {},
        },
        "Datacenter": "dc1", "Locality": {"Region": "r", "Zone": ""},
    }  # fmt: skip
    assert "Connect" not in await service(consul, "web")


async def test_the_documented_hash_of_a_sidecar(consul: Client) -> None:
    await register(consul, **with_sidecar())
    assert (await service(consul, "web-sidecar-proxy"))["ContentHash"] == "f122faf586227454"


async def test_a_sidecar_without_checks_gets_two(consul: Client) -> None:
    await register(consul, **with_sidecar())
    rows = (await consul.get("/v1/agent/checks")).json
    assert {key: (row["Name"], row["Type"], row["Interval"], row["Status"]) for key, row in rows.items()} == {
        "service:web-sidecar-proxy:1": ("Connect Sidecar Listening", "tcp", "10s", "critical"),
        "service:web-sidecar-proxy:2": ("Connect Sidecar Aliasing web", "alias", "", "passing"),
    }
    await register(consul, "?replace-existing-checks", **with_sidecar(Check={"TTL": "1m"}))
    assert list((await consul.get("/v1/agent/checks")).json) == ["service:web-sidecar-proxy"]


async def test_a_sidecar_keeps_what_it_says(consul: Client) -> None:
    sidecar = with_sidecar(
        "api", Name="edge", Port=9000, Tags=["own"], Meta={"own": "1"}, Address="10.0.0.2",
        Proxy={"LocalServicePort": 81, "LocalServiceAddress": "10.0.0.3", "destination_service_name": "other"},
    )  # fmt: skip
    await register(consul, **sidecar)
    row = await service(consul, "api-sidecar-proxy")
    assert (row["Service"], row["Port"], row["Tags"], row["Meta"]) == ("edge", 9000, ["own"], {"own": "1"})
    proxy = row["Proxy"]
    assert (proxy["DestinationServiceName"], proxy["DestinationServiceID"]) == ("other", "api")
    assert (proxy["LocalServiceAddress"], proxy["LocalServicePort"]) == ("10.0.0.3", 81)


async def test_a_sidecar_reaches_a_service_on_a_socket(consul: Client) -> None:
    await register(consul, Name="web", SocketPath="/run/web", Connect={"sidecar_service": {}})
    proxy = (await service(consul, "web-sidecar-proxy"))["Proxy"]
    assert proxy["LocalServiceSocketPath"] == "/run/web"
    assert "LocalServicePort" not in proxy


async def test_automatic_ports_are_the_lowest_that_no_service_has(consul: Client) -> None:
    await register(consul, Name="other", Port=21001)
    for name in ("one", "two"):
        await register(consul, **with_sidecar(name))
    assert [await port_of(consul, name) for name in ("one", "two")] == [21000, 21002]
    await consul.put("/v1/agent/service/deregister/one")
    await register(consul, **with_sidecar("three", Port=-1))
    assert await port_of(consul, "three") == 21000


async def test_an_automatic_port_is_kept(consul: Client) -> None:
    for name in ("one", "two"):
        await register(consul, **with_sidecar(name))
    await consul.put("/v1/agent/service/deregister/one")
    await register(consul, **with_sidecar("two"), Tags=["new"])
    assert await port_of(consul, "two") == 21001


async def test_a_port_that_was_chosen_is_forgotten_with_the_choice(consul: Client) -> None:
    """Only ports of the automatic range are kept, as Consul does it."""
    await register(consul, **with_sidecar(Port=9999))
    assert await port_of(consul) == 9999
    await register(consul, **with_sidecar())
    assert await port_of(consul) == 21000


async def test_the_last_automatic_port_can_be_used_again_by_its_sidecar_only() -> None:
    async with testing.server(sidecar_min_port=30000, sidecar_max_port=30000) as server:
        consul = Client(server)
        await register(consul, **with_sidecar("one"))
        await register(consul, **with_sidecar("one"), Tags=["again"])
        assert await told(consul, REGISTER, with_sidecar("two")) == (500, NONE_LEFT.format(30000, 30000))
        assert await services(consul) == ["one", "one-sidecar-proxy"]
        await consul.close()


async def test_without_a_range_a_sidecar_has_to_name_its_port() -> None:
    async with testing.server(sidecar_min_port=0, sidecar_max_port=0) as server:
        consul = Client(server)
        await register(consul, **with_sidecar(Port=9000))
        assert await told(consul, REGISTER, with_sidecar()) == (500, NO_RANGE)
        await consul.close()


async def test_a_sidecar_goes_with_the_service_that_brought_it(consul: Client) -> None:
    await register(consul, **with_sidecar())
    await register(consul, Name="web", Port=80)
    assert await services(consul) == ["web", "web-sidecar-proxy"]
    await consul.put("/v1/agent/service/deregister/web")
    assert await services(consul) == []
    assert (await consul.get("/v1/agent/checks")).text == "{}"


async def test_a_proxy_that_was_registered_by_itself_stays(consul: Client) -> None:
    await register(consul, Name="web", Port=80)
    await register(
        consul, Name="web-sidecar-proxy", Kind="connect-proxy", Port=5, Proxy={"DestinationServiceName": "web"}
    )
    await consul.put("/v1/agent/service/deregister/web")
    assert await services(consul) == ["web-sidecar-proxy"]


@pytest.mark.parametrize(
    ("sidecar", "text"),
    [
        ({"ID": "x"}, "Validation failed: 1 error occurred:\n\t* A SidecarService cannot specify an ID as this is "
         "managed by the agent\n\n"),
        ({"Connect": {"SidecarService": {}}},
         "Validation failed: 1 error occurred:\n\t* A SidecarService cannot have a nested SidecarService\n\n"),
        ({"Check": {"Notes": "n"}}, "Invalid check in sidecar_service: TTL must be > 0 for TTL checks"),
        ({"Checks": [{"TTL": "1s", "Status": "x"}]}, "Status for checks must 'passing', 'warning', 'critical'"),
        ({"Meta": {"consul-x": ""}}, "Invalid SidecarService: Couldn't load metadata pair ('consul-x', ''): "
         "Key prefix 'consul-' is reserved for internal use"),
        ({"Proxy": {"Upstreams": [{}]}},
         "Failed Validation: 1 error occurred:\n\t* upstream destination name cannot be empty\n\n"),
    ],
)  # fmt: skip
async def test_a_wrong_sidecar_refuses_its_service_too(consul: Client, sidecar: dict[str, Any], text: str) -> None:
    assert await told(consul, REGISTER, with_sidecar(**sidecar)) == (400, text)
    assert await services(consul) == []
