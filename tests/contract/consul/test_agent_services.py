"""Services registered through the agent: what is filled in and shown, and what registering again does.

Source: agent.md §4.1, §6 (defaults, effects), §8.1; common.md §4 (aliases).
"""

from typing import Any
from urllib.parse import quote

import pytest

from tests.contract.consul.agent import checks, register, service, services, told
from tests.contract.consul.exchange import Client


async def test_keys_in_any_case_and_in_snake_case(consul: Client) -> None:
    await register(
        consul, NAME="w", port=80, enable_tag_override=True, tagged_addresses={"lan": {"address": "a", "PORT": 1}},
        check={"script_args": ["x"], "interval": "1m", "deregister_critical_service_after": "90m"},
    )  # fmt: skip
    found = await service(consul, "w")
    assert (found["Port"], found["EnableTagOverride"]) == (80, True)
    assert found["TaggedAddresses"] == {"lan": {"Address": "a", "Port": 1}}
    [check] = (await consul.get("/v1/agent/checks")).json.values()
    assert (check["Type"], check["Interval"]) == ("script", "1m0s")


async def test_a_bare_service_to_the_byte(consul: Client) -> None:
    await register(consul, Name="w")
    row = '"ID":"w","Service":"w","Tags":[],"Meta":{},"Port":0,"Address":"","Weights":{"Passing":1,"Warning":1}'
    services = await consul.get("/v1/agent/services")
    assert services.text == f'{{"w":{{{row},"EnableTagOverride":false,"Datacenter":"dc1"}}}}'
    assert "x-consul-index" not in services.headers


async def test_a_proxy_with_everything_to_the_byte(consul: Client) -> None:
    await register(
        consul, Name="p", Kind="connect-proxy", Port=5, SocketPath="/s", Locality={"Region": "r"},
        Proxy={
            "destination_service_name": "web", "destination_service_id": "w", "local_service_address": "10.0.0.1",
            "local_service_port": 8, "mode": "transparent", "transparent_proxy": {"DialedDirectly": True},
            "Config": {"b": [None, 1.5, {"z": 10000000000000000000000}], "a": "<"}, "mesh_gateway": {"Mode": "local"},
            "access_logs": {"Enabled": True, "JSONFormat": "j"},
            "Upstreams": [{"destination_name": "b", "local_bind_port": 3, "Config": {"k": 1}, "Datacenter": "dc2"}],
            "Expose": {"Checks": True, "Paths": [{"Path": "/h", "listener_port": 4, "local_path_port": 5}]},
        },
    )  # fmt: skip
    assert (await consul.get("/v1/agent/services")).text == (
        '{"p":{"Kind":"connect-proxy","ID":"p","Service":"p","Tags":[],"Meta":{},"Port":5,"Address":"",'
        '"SocketPath":"/s","Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,'
        '"Proxy":{"DestinationServiceName":"web","DestinationServiceID":"w","LocalServiceAddress":"10.0.0.1",'
        '"LocalServicePort":8,"Mode":"transparent","TransparentProxy":{"DialedDirectly":true},'
        '"Config":{"a":"\\u003c","b":[null,1.5,{"z":1e+22}]},'
        '"Upstreams":[{"DestinationType":"service","DestinationName":"b","Datacenter":"dc2","LocalBindPort":3,'
        '"Config":{"k":1},"MeshGateway":{}}],"MeshGateway":{"Mode":"local"},"Expose":{"Checks":true,'
        '"Paths":[{"ListenerPort":4,"Path":"/h","LocalPathPort":5,"ParsedFromCheck":false}]},'
        '"AccessLogs":{"Enabled":true,"JSONFormat":"j"}},"Datacenter":"dc1","Locality":{"Region":"r","Zone":""}}}'
    )


@pytest.mark.parametrize(
    ("address", "given", "found"),
    [
        ("10.0.0.1", {}, ["lan_ipv4 10.0.0.1:80", "wan_ipv4 10.0.0.1:80"]),
        ("2001:db8::1", {}, ["lan_ipv6 2001:db8::1:80", "wan_ipv6 2001:db8::1:80"]),
        ("host.example", {}, []),
        ("", {}, []),
        ("10.0.0.1", {"wan_ipv4": {"Address": "198.18.0.1", "Port": 1}, "x": {}},
         ["lan_ipv4 10.0.0.1:80", "wan_ipv4 198.18.0.1:1", "x :0"]),
    ],
)  # fmt: skip
async def test_an_ip_address_becomes_tagged_addresses_too(
    consul: Client, address: str, given: dict[str, Any], found: list[str]
) -> None:
    await register(consul, Name="w", Port=80, Address=address, TaggedAddresses=given)
    tagged = (await service(consul, "w")).get("TaggedAddresses", {})
    assert [f"{tag} {row['Address']}:{row['Port']}" for tag, row in tagged.items()] == found


async def test_checks_of_a_service_are_named_by_their_place(consul: Client) -> None:
    await register(consul, Name="w", ID="w1", Check={"TTL": "1m"})
    assert list(await checks(consul)) == ["service:w1"]
    three = [{"CheckID": "own", "TTL": "1m"}, {"TTL": "1m", "Name": "n", "Status": "warning", "Notes": "o"}]
    await register(consul, "?replace-existing-checks", Name="w", ID="w1", Check={"TTL": "1m"}, Checks=three)
    rows = (await consul.get("/v1/agent/checks")).json
    assert {key: (row["Name"], row["Status"], row["Notes"], row["Interval"]) for key, row in rows.items()} == {
        "own": ("Service 'w' check", "critical", "", ""),
        "service:w1:1": ("Service 'w' check", "critical", "", ""),
        "service:w1:3": ("n", "warning", "o", ""),
    }


@pytest.mark.parametrize("service_id", ["a/b", "a b", "a%b", "ü", "a?b", "a//b"])
async def test_ids_of_any_characters_can_be_read_and_removed(consul: Client, service_id: str) -> None:
    await register(consul, Name=service_id, Check={"TTL": "1m"})
    assert (await service(consul, service_id))["ID"] == service_id
    assert await told(consul, f"/v1/agent/service/deregister/{quote(service_id, safe='')}") == (200, "")
    assert (await services(consul), await checks(consul)) == ([], {})


# Registering again


async def test_registering_again_keeps_what_the_checks_say(consul: Client) -> None:
    """A restarting program does not make its healthy instance flap, and other checks of it stay."""
    await register(consul, Name="w", Checks=[{"CheckID": "a", "TTL": "1m"}, {"CheckID": "b", "TTL": "1m"}])
    await consul.put("/v1/agent/check/pass/a?note=fine")
    await register(
        consul, Name="w", Port=81, Tags=["new"], Checks=[{"CheckID": "a", "TTL": "2m", "Status": "critical"}]
    )
    assert await checks(consul) == {"a": ("w", "passing", "fine"), "b": ("w", "critical", "")}
    assert (await service(consul, "w"))["Port"] == 81


async def test_checks_that_are_not_sent_go_only_when_that_is_asked_for(consul: Client) -> None:
    await register(consul, Name="w", Checks=[{"CheckID": "a", "TTL": "1m", "Status": "passing"}])
    await consul.put("/v1/agent/service/maintenance/w?enable=true")
    for kept in ("?replace-existing-checks=1", "?replace-existing-checks=false&replace-existing-checks=true"):
        await register(consul, kept, Name="w")
        assert len(await checks(consul)) == 2
    await register(consul, "?replace-existing-checks", Name="w", Check={"CheckID": "a", "TTL": "1m"})
    assert await checks(consul) == {"a": ("w", "passing", "")}
    await register(consul, "?replace-existing-checks=true", Name="w")
    assert await checks(consul) == {}


async def test_a_check_id_belongs_to_the_service_that_was_registered_last(consul: Client) -> None:
    await register(consul, Name="one", Check={"CheckID": "c", "TTL": "1m", "Status": "passing"})
    await register(consul, Name="two", Check={"CheckID": "c", "TTL": "1m"})
    assert await checks(consul) == {"c": ("two", "passing", "")}
    await consul.put("/v1/agent/service/deregister/one")
    assert await checks(consul) == {"c": ("two", "passing", "")}


async def test_the_same_registration_moves_no_index(consul: Client) -> None:
    body = {"Name": "w", "Port": 80, "Check": {"TTL": "1m"}, "Connect": {"SidecarService": {}}}
    await register(consul, **body)
    paths = ("/v1/catalog/service/w", "/v1/health/service/w", "/v1/catalog/nodes", "/v1/health/state/any")
    before = [await consul.index(path) for path in paths]
    await register(consul, **body)
    assert [await consul.index(path) for path in paths] == before


async def test_a_new_name_under_the_same_id_moves_the_instance(consul: Client) -> None:
    await register(consul, Name="old", ID="x", Check={"TTL": "1m"})
    created = (await consul.get("/v1/catalog/service/old")).json[0]["CreateIndex"]
    await register(consul, Name="new", ID="x", Kind="other", Check={"TTL": "1m"})
    assert (await consul.get("/v1/catalog/service/old")).json == []
    [row] = (await consul.get("/v1/catalog/service/new")).json
    assert (row["CreateIndex"], row["ServiceKind"]) == (created, "other")
    assert await checks(consul) == {"service:x": ("new", "critical", "")}


async def test_ids_are_exact(consul: Client) -> None:
    await register(consul, Name="Web")
    text = 'Unknown service ID "web". Ensure that the service ID is passed, not the service name.'
    assert await told(consul, "/v1/agent/service/deregister/web") == (404, text)
    assert (await consul.get("/v1/agent/service/web")).text == "unknown service ID: web"
    assert len((await consul.get("/v1/catalog/service/web")).json) == 1


async def test_the_servers_own_service_can_be_stood_in_for(consul: Client) -> None:
    own = (await consul.get("/v1/catalog/service/consul")).json[0]
    await register(consul, Name="consul", Port=7)
    assert (await consul.get("/v1/catalog/service/consul")).json[0]["ServicePort"] == 7
    await consul.put("/v1/agent/service/deregister/consul")
    again = (await consul.get("/v1/catalog/service/consul")).json[0]
    assert (again["ServicePort"], again["ServiceMeta"]) == (own["ServicePort"], own["ServiceMeta"])
    assert (await consul.get("/v1/agent/services")).text == "{}"
