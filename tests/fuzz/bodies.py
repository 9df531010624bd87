"""Bodies of right requests: services, checks and proxies with some of all that they may have.

Owns their names and values, which are few, so that requests meet each other's rows.
Source: agent.md §6, §8; catalog.md §1.1; common.md §13.
"""

import random
from collections.abc import Callable
from typing import Any

from tests.fuzz import words

NAMES = ("web", "Web", "db", "api", "consul")
IDS = ("web-1", "web-2", "db-1", "api", "web-1-sidecar-proxy")
CHECKS = ("service:web-1", "service:web-1:2", "mem", "Mem", "disk", "_node_maintenance")
NODES = ("n1", "N1", "n2", "test-node")
NODE_IDS = ("", "8f246b77-f3e1-ff88-5b48-8ec93abf3e05", "11111111-2222-3333-4444-555555555555")
STATUSES = ("passing", "warning", "critical", "", "passing", "critical", "none")
PRESENT = 0.3  # how often an optional part of a body is there


def service_body(chance: random.Random) -> dict[str, Any]:
    """A service with some of all that it may have."""
    parts: dict[str, Callable[[], Any]] = {
        "ID": lambda: chance.choice(IDS),
        "Tags": lambda: ["a", "B", "v1"],
        "Address": lambda: mostly("10.0.0.1", chance, "host.local", "2001:db8::1", "::"),
        "TaggedAddresses": lambda: {
            chance.choice(("lan", "lan_ipv4", "lan_ipv6")): {"Address": "10.0.0.2", "Port": 80}
        },
        "Meta": lambda: {"v": "1", mostly("a-b", chance, "a b", "consul-x", ""): "2"},
        "Port": lambda: chance.randrange(1, 65536),
        "SocketPath": lambda: "/run/web.sock",
        "EnableTagOverride": lambda: True,
        "Weights": lambda: {"Passing": mostly(5, chance, 0), "Warning": 1},
        "Locality": lambda: {"Region": "r", "Zone": "z"},
        "Check": lambda: check_body(chance),
        "Checks": lambda: [{**check_body(chance), "CheckID": name} for name in ("service:web-1:2", "mem")],
        "Connect": lambda: chance.choice(
            ({"Native": True}, {"SidecarService": {}}, {"SidecarService": _sidecar_body(chance)})
        ),
        "Proxy": lambda: _proxy_body(chance),
        "Token": lambda: "t",
    }
    body = {"Name": chance.choice(NAMES), **some(parts, chance)}
    if "Proxy" in body:
        body |= {"Kind": chance.choice(("connect-proxy", "mesh-gateway", "ingress-gateway")), "Port": 20000}
    return body


def _sidecar_body(chance: random.Random) -> dict[str, Any]:
    return {"Port": 21005, "Proxy": _proxy_body(chance), "Checks": [check_body(chance)], "Tags": ["s"]}


def _proxy_body(chance: random.Random) -> dict[str, Any]:
    upstream = {"DestinationType": "service", "DestinationName": "db", "LocalBindPort": 9191}
    upstream |= {"Config": {"a": [1, None, 2.5]}, "MeshGateway": {"Mode": "local"}}
    parts: dict[str, Callable[[], Any]] = {
        "DestinationServiceID": lambda: "web-1",
        "LocalServiceAddress": lambda: "127.0.0.1",
        "LocalServicePort": lambda: 80,
        "Mode": lambda: "transparent",
        "TransparentProxy": lambda: {"OutboundListenerPort": 15001, "DialedDirectly": True},
        "Config": lambda: {"x": {"y": [1, "2", None]}, "n": 1e10},
        "Upstreams": lambda: [upstream],
        "MeshGateway": lambda: {"Mode": "remote"},
        "Expose": lambda: {
            "Checks": True,
            "Paths": [{"ListenerPort": 21500, "Path": "/h", "LocalPathPort": 80, "Protocol": "http"}],
        },
        "EnvoyExtensions": lambda: [{"Name": "x", "Required": False, "Arguments": {"a": 1}}],
        "AccessLogs": lambda: {"Enabled": True, "Type": "file", "Path": "/x"},
    }
    return {"DestinationServiceName": "web", **some(parts, chance)}


def check_body(chance: random.Random) -> dict[str, Any]:
    """What a check does, and some of what it may say besides."""
    kinds: tuple[dict[str, Any], ...] = (
        {"TTL": chance.choice(("10s", "1h", 5_000_000_000))},
        {"HTTP": "http://127.0.0.1:1/x", "Interval": "10s", "Method": "POST", "Header": {"X": ["1", "2"]}, "Body": "b"},
        {"TCP": "127.0.0.1:1", "Interval": "10s", "Timeout": "1s"},
        {"UDP": "127.0.0.1:1", "Interval": "10s"},
        {"GRPC": "127.0.0.1:1/x", "Interval": "10s", "GRPCUseTLS": True},
        {"H2PING": "127.0.0.1:1", "Interval": "10s", "H2PingUseTLS": False},
        {"Args": ["/bin/true"], "Interval": "10s"},
        {"DockerContainerID": "x", "Args": ["/bin/true"], "Interval": "10s"},
        {"OSService": "x", "Interval": "10s"},
        {"AliasService": "web-1"},
        {"AliasNode": "n1", "AliasService": "db"},
    )
    parts: dict[str, Callable[[], Any]] = {
        "Name": lambda: "a check",
        "Notes": lambda: "notes",
        "Status": lambda: chance.choice(STATUSES),
        "DeregisterCriticalServiceAfter": lambda: chance.choice(("1m", "90m")),
        "SuccessBeforePassing": lambda: 2,
        "FailuresBeforeCritical": lambda: 3,
        "OutputMaxSize": lambda: 10,
        "TLSSkipVerify": lambda: True,
    }
    return {**chance.choices(kinds, weights=[12] + [1] * (len(kinds) - 1))[0], **some(parts, chance)}


def catalog_service(chance: random.Random) -> dict[str, Any]:
    body = service_body(chance)
    body["Service"] = body.pop("Name")
    return {key: value for key, value in body.items() if key not in ("Check", "Checks", "Token")}


def catalog_check(chance: random.Random) -> dict[str, Any]:
    parts: dict[str, Callable[[], Any]] = {
        "CheckID": lambda: chance.choice(CHECKS),
        "Notes": lambda: "n",
        "Output": lambda: words.text(chance),
        "ServiceID": lambda: chance.choice(IDS),
        "ServiceTags": lambda: ["x"],
        "Type": lambda: "http",
        "Interval": lambda: "10s",
        "ExposedPort": lambda: 1,
        "Definition": lambda: {"HTTP": "http://x", "Interval": "10s", "TTL": 5, "Header": {"a": ["b"]}, "Unknown": 1},
    }
    return {"Name": chance.choice(CHECKS), "Status": chance.choice(STATUSES), **some(parts, chance)}


def mostly(usual: Any, chance: random.Random, *others: Any) -> Any:
    """The usual value, or now and then another one, which may not be right."""
    return usual if chance.random() < 0.8 else chance.choice(others)


def some(parts: dict[str, Callable[[], Any]], chance: random.Random, often: float = PRESENT) -> dict[str, Any]:
    return {name: make() for name, make in parts.items() if chance.random() < often}
