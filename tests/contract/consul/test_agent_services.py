"""Services registered through the agent: what is refused in which words, what is filled in, what registering again does.

Source: agent.md §4.1, §4.2, §6, §8.1, §8.2; common.md §4.
"""

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.contract.consul.exchange import Answer, Client

REGISTER = "/v1/agent/service/register"
SCRIPTS = {"Args": ["/bin/true"], "Interval": "10s"}
PROXY = {"Name": "p", "Kind": "connect-proxy", "Port": 5}
INTERVAL = "Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks"
TTL = "Invalid check: TTL must be > 0 for TTL checks"
PAIR = "Invalid Service Meta: Couldn't load metadata pair ('{}', '{}'): {}"


def one(problem: str) -> str:
    return f"Validation failed: 1 error occurred:\n\t* {problem}\n\n"


def upstream(**fields: Any) -> dict[str, Any]:
    return {**PROXY, "Proxy": {"DestinationServiceName": "web", "Upstreams": [fields]}}


def exposing(**path: Any) -> dict[str, Any]:
    return {**PROXY, "Proxy": {"DestinationServiceName": "web", "Expose": {"Paths": [path]}}}


async def told(consul: Client, body: Any) -> tuple[int, str]:
    answer = await consul.put(REGISTER, body)
    return answer.status, answer.text


async def register(consul: Client, query: str = "", **body: Any) -> None:
    answer = await consul.put(REGISTER + query, body)
    assert (answer.status, answer.text) == (200, "")


async def shown(consul: Client, service_id: str) -> Any:
    return (await consul.get(f"/v1/agent/service/{quote(service_id, safe='')}")).json


async def checks(consul: Client) -> dict[str, tuple[str, str, str]]:
    """Service, status and output of each check by its id."""
    rows = (await consul.get("/v1/agent/checks")).json
    return {key: (row["ServiceName"], row["Status"], row["Output"]) for key, row in rows.items()}


# What is refused

REFUSED: list[tuple[Any, int, str]] = [
    (b"", 400, "Request decode failed: EOF"),
    (b'{"Name":"w"', 400, "Request decode failed: unexpected EOF"),
    ({"Name": "w", "Service": "x"}, 400, 'Request decode failed: json: unknown field "Service"'),
    ({"Name": "w", "Partition": "default"}, 400, 'Request decode failed: json: unknown field "Partition"'),
    ({"Name": "w", "Check": {"TTL": "nope"}}, 400, 'Request decode failed: time: invalid duration "nope"'),
    ({"Name": "w", "Connect": {"SidecarService": {"Foo": 1}}}, 400, 'Request decode failed: json: unknown field "Foo"'),
    ({}, 400, "Missing service name"),
    (b"null", 400, "Missing service name"),
    ({"ID": "w"}, 400, "Missing service name"),
    ({"Name": "w", "Address": "0.0.0.0"}, 400, "Invalid service address"),
    ({"Name": "w", "Address": "::"}, 400, "Invalid service address"),
    ({"Name": "w", "Address": "[::]"}, 400, "Invalid service address"),
    ({"Name": "w", "Weights": {}}, 400, "Invalid Weights: Passing must be greater than 0"),
    ({"Name": "w", "Weights": {"Passing": 1, "Warning": -1}}, 400,
     "Invalid Weights: Warning must be greater or equal than 0"),
    ({"Name": "w", "Weights": {"Passing": 65536}}, 400, "Invalid Weights: DNS Weight must be between 0 and 65535"),
    ({"Name": "w", "Meta": {f"k{n}": "" for n in range(65)}}, 400,
     "Invalid Service Meta: Node metadata cannot contain more than 64 key/value pairs"),
    ({"Name": "w", "Meta": {"": "v"}}, 400, PAIR.format("", "v", "Key cannot be blank")),
    ({"Name": "w", "Meta": {"a.b": "v"}}, 400, PAIR.format("a.b", "v", "Key contains invalid characters")),
    ({"Name": "w", "Meta": {"k" * 129: "v"}}, 400,
     PAIR.format("k" * 129, "v", "Key is too long (limit: 128 characters)")),
    ({"Name": "w", "Meta": {"consul-a": "v"}}, 400,
     PAIR.format("consul-a", "v", "Key prefix 'consul-' is reserved for internal use")),
    ({"Name": "w", "Meta": {"k": "é" * 257}}, 400,
     PAIR.format("k", "é" * 257, "Value is too long (limit: 512 characters)")),
    ({"Name": "w", "Locality": {"Zone": "z"}}, 400, one("zone cannot be set without region")),
    ({"Name": "w", "Connect": {"Native": True}}, 400, one("Port or SocketPath must be set for a Connect native service.")),
    ({"Name": "w", "Kind": "mesh-gateway"}, 400, one("Port must be non-zero for a mesh-gateway")),
    ({"Name": "p", "Kind": "connect-proxy"}, 400,
     "Validation failed: 2 errors occurred:\n\t* Port or SocketPath must be set for a connect-proxy\n"
     "\t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n\n"),
    (upstream(DestinationName="b"), 400,
     one("upstream local bind port or local socket path must be defined and nonzero")),
    (upstream(DestinationName="b", LocalBindPort=1, LocalBindSocketPath="/s"), 400,
     one("only one of upstream local bind port or local socket path can be defined and nonzero")),
    (upstream(DestinationName="b", DestinationPeer="p", Datacenter="d"), 400,
     one("upstream cannot specify both destination peer and datacenter")),
    (upstream(DestinationName="*", LocalBindPort=1), 400, one("upstream destination name cannot be a wildcard")),
    (exposing(Path="/", ListenerPort=70000), 400, one("expose.paths: invalid listener port: 70000")),
    (exposing(ListenerPort=1), 400, one("expose.paths: empty path exposed")),
    ({"Name": "w", "Check": {"HTTP": "http://x", "TTL": "1s"}}, 400, INTERVAL),
    ({"Name": "w", "Check": {"Interval": "1s", "TTL": "1s"}}, 400,
     "Invalid check: Interval and TTL cannot both be specified"),
    ({"Name": "w", "Check": {"Notes": "only"}}, 400, TTL),
    ({"Name": "w", "Check": {"TTL": "0s", "Status": "fluffy"}}, 400, TTL),
    ({"Name": "w", "Check": {"Header": {}}}, 400, TTL),
    ({"Name": "w", "Checks": [{"TTL": "1s"}, {}]}, 400, TTL),
    ({"Name": "w", "Checks": [{"ServiceID": "w"}]}, 400, TTL),
    ({"Name": "w", "Check": {"TTL": "1s", "Status": "fluffy"}}, 400,
     "Status for checks must 'passing', 'warning', 'critical'"),
    ({"Name": "w", "TaggedAddresses": {"lan_ipv4": {"Address": "::1"}}}, 500,
     'Service tagged address "lan_ipv4" must be a valid ipv4 address'),
    ({"Name": "w", "TaggedAddresses": {"lan_ipv6": {"Address": "10.0.0.1"}}}, 500,
     'Service tagged address "lan_ipv6" must be a valid ipv6 address'),
    ({"Name": "w", "Check": {"OSService": "x", "Interval": "1s"}}, 500, "not implemented"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "text"), REFUSED)
async def test_a_registration_is_refused_and_leaves_nothing(consul: Client, body: Any, status: int, text: str) -> None:
    assert await told(consul, body) == (status, text)
    assert (await consul.get("/v1/agent/services")).text == "{}"
    assert (await consul.get("/v1/agent/checks")).text == "{}"


async def test_a_protocol_that_is_none_is_named_in_lower_case(consul: Client) -> None:
    """Both orders of the known protocols are Consul's."""
    status, text = await told(consul, exposing(Path="/a", ListenerPort=1, Protocol="SMTP"))
    assert status == 400
    assert "protocol 'smtp' not supported for path: /a, must be in: [" in text


async def test_the_first_rule_that_is_broken_is_told(consul: Client) -> None:
    """Each step is broken together with all that come after it."""
    body: dict[str, Any] = {
        "Address": "0.0.0.0", "Weights": {}, "Meta": {"": ""}, "Locality": {"Zone": "z"},
        "Check": {"TTL": "1s", "OutputMaxSize": -1, "Status": "x"}, "TaggedAddresses": {"lan_ipv4": {}},
    }  # fmt: skip
    steps: list[tuple[dict[str, Any], str]] = [
        ({}, "Missing service name"),
        ({"Name": "w"}, "Invalid service address"),
        ({"Address": ""}, "Invalid Weights"),
        ({"Weights": None}, "Invalid Service Meta"),
        ({"Meta": None}, "Validation failed"),
        ({"Locality": None}, "Invalid check: MaxOutputMaxSize must be positive"),
        ({"Check": {"TTL": "1s", "Status": "x"}}, "Status for checks"),
        ({"Check": None}, "Service tagged address"),
    ]
    for repaired, text in steps:
        body |= repaired
        assert (await told(consul, body))[1].startswith(text)
    answer = await consul.send(f"PUT {REGISTER}?ns=x", body=b"{")
    assert answer.text == 'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature'


# What is taken

TAKEN: list[dict[str, Any]] = [
    {"Port": -1},
    {"Port": 99999999},
    {"Kind": "anything"},
    {"Address": "not an address"},
    {"Tags": [None, "a", "a"]},
    {"Token": "t", "Check": None, "Checks": None, "Weights": None, "Connect": None, "Proxy": None, "Meta": None},
    {"Meta": {"k": "é" * 256}},
    {"TaggedAddresses": {"wan_ipv6": {"Address": "zz"}}},
    {"Connect": {"Unknown": 1}},
    {"Check": {"ServiceID": "x", "TTL": 0, "Args": [], "TLSSkipVerify": False}},
    {"Check": {"AliasService": "x", "Interval": "1s"}},
    {"Kind": "mesh-gateway", "Port": 1, "Meta": {"consul-wan-federation": "1"}},
    {"Kind": "ingress-gateway"},
    {"Port": 1, "Connect": {"Native": True, "SidecarService": {}}},
    exposing(Path="/", ListenerPort=1, Protocol="HTTP2"),
    upstream(DestinationName="*", CentrallyConfigured=True),
]


@pytest.mark.parametrize("body", TAKEN)
async def test_what_may_look_odd_is_taken(consul: Client, body: dict[str, Any]) -> None:
    assert await told(consul, {"Name": "w", **body}) == (200, "")
    assert len((await consul.get("/v1/agent/services")).json) == (2 if "SidecarService" in json.dumps(body) else 1)


async def test_keys_in_any_case_and_in_snake_case(consul: Client) -> None:
    await register(
        consul, NAME="w", port=80, enable_tag_override=True, tagged_addresses={"lan": {"address": "a", "PORT": 1}},
        check={"script_args": ["x"], "interval": "1m", "deregister_critical_service_after": "90m"},
    )  # fmt: skip
    found = await shown(consul, "w")
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
    tagged = (await shown(consul, "w")).get("TaggedAddresses", {})
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
    assert (await shown(consul, service_id))["ID"] == service_id
    answer = await consul.put(f"/v1/agent/service/deregister/{quote(service_id, safe='')}")
    assert (answer.status, answer.text) == (200, "")
    assert (await consul.get("/v1/agent/services")).text == (await consul.get("/v1/agent/checks")).text == "{}"


# Registering again


async def test_registering_again_keeps_what_the_checks_say(consul: Client) -> None:
    """A restarting program does not make its healthy instance flap, and other checks of it stay."""
    await register(consul, Name="w", Checks=[{"CheckID": "a", "TTL": "1m"}, {"CheckID": "b", "TTL": "1m"}])
    await consul.put("/v1/agent/check/pass/a?note=fine")
    await register(consul, Name="w", Port=81, Tags=["new"], Checks=[{"CheckID": "a", "TTL": "2m", "Status": "critical"}])
    assert await checks(consul) == {"a": ("w", "passing", "fine"), "b": ("w", "critical", "")}
    assert (await shown(consul, "w"))["Port"] == 81


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
    answer = await consul.put("/v1/agent/service/deregister/web")
    text = 'Unknown service ID "web". Ensure that the service ID is passed, not the service name.'
    assert (answer.status, answer.text) == (404, text)
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


# Hashes

HASHES: list[tuple[dict[str, Any], str]] = [
    ({"ID": "foo", "Name": "foo", "Tags": ["bar", "baz"], "Port": 8000}, "3e352f348d44f7eb"),
    ({"Name": "redis"}, "187c36c3787e9644"),
    ({"ID": "web1", "Name": "web", "Tags": ["a", "b"], "Meta": {"v": "1"}, "Port": 80, "Address": "10.0.0.1"},
     "f75300ccca4574bf"),
    ({"Name": "n", "Port": 1, "Connect": {"Native": True}}, "f76ee53c563f438c"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "known"), HASHES)
async def test_known_hashes(consul: Client, body: dict[str, Any], known: str) -> None:
    await register(consul, **body)
    answer = await consul.get(f"/v1/agent/service/{body.get('ID', body['Name'])}")
    assert (answer.json["ContentHash"], answer.headers["x-consul-contenthash"]) == (known, known)


async def waiting(consul: Client, query: str = "") -> "tuple[Any, str]":
    """A reader parked on the hash of service `w`, and that hash."""
    known = (await consul.get("/v1/agent/service/w")).headers["x-consul-contenthash"]
    return await consul.watch(f"/v1/agent/service/w?hash={known}{query}"), known


async def test_only_another_definition_ends_a_wait_for_a_hash(consul: Client) -> None:
    body = {"Name": "w", "Port": 80, "Check": {"TTL": "1m"}}
    await register(consul, **body)
    reader, known = await waiting(consul)
    await register(consul, **body)
    await consul.put("/v1/agent/check/pass/service:w?note=new")
    await register(consul, Name="other")
    await consul.put("/v1/agent/service/maintenance/w?enable=true")
    assert consul.parked == 1
    await register(consul, **body | {"Port": 81})
    answer: Answer = await reader
    assert answer.json["Port"] == 81
    assert answer.headers["x-consul-contenthash"] == answer.json["ContentHash"] != known


async def test_a_wait_for_a_hash_ends_with_404_when_the_service_goes(consul: Client) -> None:
    await register(consul, Name="w")
    reader, _ = await waiting(consul)
    await consul.put("/v1/agent/service/deregister/w")
    answer = await reader
    assert (answer.status, answer.text) == (404, "unknown service ID: w")


@pytest.mark.parametrize(
    ("query", "seconds"),
    [("&wait=10s", 10), ("", 300), ("&wait=0s", 300), ("&wait=-1s", 300), ("&wait=1h", 600), ("&index=99&wait=5s", 5)],
)
async def test_a_wait_for_a_hash_ends_with_its_time(consul: Client, query: str, seconds: int) -> None:
    await register(consul, Name="w")
    reader, known = await waiting(consul, query)
    await consul.server.advance(seconds - 1)
    assert not reader.done()
    await consul.server.advance(1)
    answer = await reader
    assert (answer.status, answer.json["ContentHash"]) == (200, known)


@pytest.mark.parametrize("query", ["", "?hash=", "?hash=0", "?index=99", "?wait=10s"])
async def test_without_the_hash_that_is_there_nobody_waits(consul: Client, query: str) -> None:
    await register(consul, Name="w")
    assert (await consul.get(f"/v1/agent/service/w{query}")).status == 200


# Filters

FILTERED = {
    '"a" in Tags': "web",
    "Service == web": "web",
    "Meta.v == `1`": "web",
    '"k-1" in Meta': "web",
    'Port == "0x50"': "web",
    "Proxy.DestinationServiceName == web": "proxy",
    "Kind == `connect-proxy` and not Port == 80": "proxy",
    "TaggedAddresses.lan_ipv4.Port == 80": "web",
    "Connect.Native == true": "native",
    "Tags is empty and Meta is empty and Kind == ``": "native",
    "Weights.Warning == 3": "native",
}


@pytest.mark.parametrize(("text", "found"), FILTERED.items())
async def test_services_are_filtered_by_their_fields(consul: Client, text: str, found: str) -> None:
    meta = {"v": "1", "k-1": "x"}
    await register(consul, Name="web", Port=80, Tags=["a"], Meta=meta, Address="10.0.0.1")
    await register(consul, Name="proxy", Kind="connect-proxy", Port=5, Proxy={"DestinationServiceName": "web"})
    await register(consul, Name="native", Port=1, Connect={"Native": True}, Weights={"Passing": 2, "Warning": 3})
    assert list((await consul.get(f"/v1/agent/services?filter={quote(text)}")).json) == [found]


async def test_a_filter_that_cannot_be_used_is_refused_before_there_is_a_service(consul: Client) -> None:
    answer = await consul.get("/v1/agent/services?filter=Name%20%3D%3D%20x")
    text = 'Failed to create boolean expression evaluator: Selector "Name" is not valid'
    assert (answer.status, answer.text) == (500, text)
