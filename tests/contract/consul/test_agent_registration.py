"""What a registration of a service through the agent is refused for, in which words and order, and what is taken.

Source: agent.md §6 (order of validation), §8.2; common.md §4.
"""

import json
from typing import Any

import pytest

from tests.contract.consul.agent import REGISTER, checks, services, told
from tests.contract.consul.exchange import Client

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
    ({"Name": "w", "Connect": {"Native": True}}, 400,
     one("Port or SocketPath must be set for a Connect native service.")),
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
    assert await told(consul, REGISTER, body) == (status, text)
    assert (await services(consul), await checks(consul)) == ([], {})


async def test_a_protocol_that_is_none_is_named_in_lower_case(consul: Client) -> None:
    """Both orders of the known protocols are Consul's."""
    status, text = await told(consul, REGISTER, exposing(Path="/a", ListenerPort=1, Protocol="SMTP"))
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
        assert (await told(consul, REGISTER, body))[1].startswith(text)
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
    assert await told(consul, REGISTER, {"Name": "w", **body}) == (200, "")
    assert len(await services(consul)) == (2 if "SidecarService" in json.dumps(body) else 1)


async def test_of_checks_with_one_id_the_last_one_counts(consul: Client) -> None:
    twice = [{"CheckID": "c", "TTL": "1h", "Status": "passing"}, {"CheckID": "c", "TTL": "2h", "Status": "warning"}]
    assert await told(consul, REGISTER, {"Name": "w", "Checks": twice}) == (200, "")
    assert await checks(consul) == {"c": ("w", "warning", "")}
    index = (await consul.get("/v1/health/service/w")).headers["x-consul-index"]
    assert await told(consul, REGISTER + "?replace-existing-checks", {"Name": "w", "Checks": twice}) == (200, "")
    assert (await consul.get("/v1/health/service/w")).headers["x-consul-index"] == index
