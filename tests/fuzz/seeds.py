"""Right requests for every route that is built, as a table: route → a maker of such requests.

Owns their names and values, which are few, so that requests meet each other's rows. What becomes of them is
`drafts.py`. Source: agent.md, catalog.md, health.md, common.md §12, status_operator_snapshot_ui.md.
"""

import random
from collections.abc import Callable
from typing import Any

from tests.fuzz import words
from tests.fuzz.drafts import Draft
from tests.fuzz.trees import tree_of

NAMES = ("web", "Web", "db", "api", "consul")
IDS = ("web-1", "web-2", "db-1", "api", "web-1-sidecar-proxy")
CHECKS = ("service:web-1", "service:web-1:2", "mem", "Mem", "disk", "_node_maintenance")
NODES = ("n1", "N1", "n2", "test-node")
NODE_IDS = ("", "8f246b77-f3e1-ff88-5b48-8ec93abf3e05", "11111111-2222-3333-4444-555555555555")
STATUSES = ("passing", "warning", "critical", "", "passing", "critical", "none")
HIDDEN = 0.3  # how often an optional part of a body is there

Maker = Callable[[random.Random, str, str], Draft]  # chance, method, path of the route


def requests_for(method: str, path: str, chance: random.Random) -> Draft:
    """A right request for a route; `path` ends in a slash where an argument follows."""
    return MAKERS[path](chance, method, path)


# Reads


def _read(*arguments: str, selects: bool = True) -> Maker:
    """A read of one of these arguments, or of none where the route takes none."""

    def make(chance: random.Random, method: str, path: str) -> Draft:
        draft = Draft(method, path, argument=chance.choice(arguments) if arguments else "")
        while selects and chance.random() < 0.4:
            draft.query.append(chance.choice(_SELECTIONS)(chance))
        return draft

    return make


_SELECTIONS: tuple[Callable[[random.Random], tuple[str, str]], ...] = (
    *[lambda chance: ("filter", words.filter_text(chance))] * 5,
    lambda chance: ("index", chance.choice(("0", "1", "5", "99999999"))),
    lambda chance: ("wait", chance.choice(("10s", "1ms", "10m"))),
    lambda chance: ("near", chance.choice(("_agent", "n1"))),
    lambda chance: ("node-meta", "v:1"),
    lambda chance: ("tag", chance.choice(("a", "A", ""))),
    lambda chance: ("passing", chance.choice(("", "1", "false"))),
    lambda chance: (chance.choice(("stale", "consistent", "cached", "pretty", "merge-central-config")), ""),
    lambda chance: ("dc", chance.choice(("dc1", "dc2"))),
    lambda chance: (chance.choice(("peer", "sg", "sameness-group", "wan", "segment", "loglevel")), "x"),
    lambda chance: ("hash", chance.choice(("", "3e352f348d44f7eb"))),
    lambda chance: ("format", "text"),
)


# Writes through the agent


def _service(chance: random.Random, method: str, path: str) -> Draft:
    draft = Draft(method, path, body=tree_of(_service_body(chance)))
    if chance.random() < 0.2:
        draft.query.append(("replace-existing-checks", chance.choice(("", "true"))))
    return draft


def _service_body(chance: random.Random) -> dict[str, Any]:
    """A service with some of all that it may have."""
    parts: dict[str, Callable[[], Any]] = {
        "ID": lambda: chance.choice(IDS),
        "Tags": lambda: ["a", "B", "v1"],
        "Address": lambda: _mostly("10.0.0.1", chance, "host.local", "2001:db8::1", "::"),
        "TaggedAddresses": lambda: {
            chance.choice(("lan", "lan_ipv4", "lan_ipv6")): {"Address": "10.0.0.2", "Port": 80}
        },
        "Meta": lambda: {"v": "1", _mostly("a-b", chance, "a b", "consul-x", ""): "2"},
        "Port": lambda: chance.randrange(1, 65536),
        "SocketPath": lambda: "/run/web.sock",
        "EnableTagOverride": lambda: True,
        "Weights": lambda: {"Passing": _mostly(5, chance, 0), "Warning": 1},
        "Locality": lambda: {"Region": "r", "Zone": "z"},
        "Check": lambda: _check_body(chance),
        "Checks": lambda: [{**_check_body(chance), "CheckID": name} for name in ("service:web-1:2", "mem")],
        "Connect": lambda: chance.choice(
            ({"Native": True}, {"SidecarService": {}}, {"SidecarService": _sidecar_body(chance)})
        ),
        "Proxy": lambda: _proxy_body(chance),
        "Token": lambda: "t",
    }
    body = {"Name": chance.choice(NAMES), **_some(parts, chance)}
    if "Proxy" in body:
        body |= {"Kind": chance.choice(("connect-proxy", "mesh-gateway", "ingress-gateway")), "Port": 20000}
    return body


def _sidecar_body(chance: random.Random) -> dict[str, Any]:
    return {"Port": 21005, "Proxy": _proxy_body(chance), "Checks": [_check_body(chance)], "Tags": ["s"]}


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
    return {"DestinationServiceName": "web", **_some(parts, chance)}


def _check_body(chance: random.Random) -> dict[str, Any]:
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
    return {**chance.choices(kinds, weights=[12] + [1] * (len(kinds) - 1))[0], **_some(parts, chance)}


def _check(chance: random.Random, method: str, path: str) -> Draft:
    body = {"Name": chance.choice(CHECKS), **_check_body(chance)}
    if chance.random() < 0.4:
        body["ServiceID"] = chance.choice(IDS)
    if chance.random() < 0.4:
        body["ID"] = chance.choice(CHECKS)
    return Draft(method, path, body=tree_of(body))


def _beat(chance: random.Random, method: str, path: str) -> Draft:
    draft = Draft(method, path, argument=chance.choice(CHECKS))
    if chance.random() < 0.7:
        draft.query.append(("note", words.text(chance)))
    return draft


def _update(chance: random.Random, method: str, path: str) -> Draft:
    return Draft(method, path, argument=chance.choice(CHECKS),
                 body=tree_of({"Status": chance.choice(STATUSES), "Output": words.text(chance)}))  # fmt: skip


def _maintenance(chance: random.Random, method: str, path: str) -> Draft:
    argument = chance.choice(IDS) if path.endswith("/") else ""
    return Draft(method, path, argument=argument, enable=chance.choice(("true", "false")), reason="r")


def _token(chance: random.Random, method: str, path: str) -> Draft:
    return Draft(method, path, argument=chance.choice(("default", "agent")), body=tree_of({"Token": "t"}))


def _join(chance: random.Random, method: str, path: str) -> Draft:
    """Addresses of this machine only: the server tries them."""
    draft = Draft(
        method, path, argument=chance.choice(("127.0.0.1:8301", "127.0.0.1:1", "", "[::1]:1", "127.0.0.1:99999"))
    )
    draft.fixed_path = True
    return draft


def _empty_write(*arguments: str) -> Maker:
    return lambda chance, method, path: Draft(method, path, argument=chance.choice(arguments) if arguments else "")


# Writes of the catalog


def _register(chance: random.Random, method: str, path: str) -> Draft:
    node = chance.choice(NODES)
    parts: dict[str, Callable[[], Any]] = {
        "ID": lambda: chance.choice(NODE_IDS),
        "Datacenter": lambda: "dc1",
        "TaggedAddresses": lambda: {"lan": "10.0.0.1"},
        "NodeMeta": lambda: {"v": "1"},
        "SkipNodeUpdate": lambda: True,
        "Service": lambda: _catalog_service(chance),
        "Check": lambda: _catalog_check(chance),
        "Checks": lambda: [_catalog_check(chance), {**_catalog_check(chance), "Node": node}],
        "Locality": lambda: {"Region": "r"},
        "PeerName": lambda: _mostly("", chance, "p"),
        "CreateIndex": lambda: 7,
    }
    return Draft(method, path, body=tree_of({"Node": node, "Address": "10.0.0.1", **_some(parts, chance, often=0.45)}))


def _catalog_service(chance: random.Random) -> dict[str, Any]:
    body = _service_body(chance)
    body["Service"] = body.pop("Name")
    return {key: value for key, value in body.items() if key not in ("Check", "Checks", "Token")}


def _catalog_check(chance: random.Random) -> dict[str, Any]:
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
    return {"Name": chance.choice(CHECKS), "Status": chance.choice(STATUSES), **_some(parts, chance)}


def _deregister(chance: random.Random, method: str, path: str) -> Draft:
    parts: dict[str, Callable[[], Any]] = {
        "ServiceID": lambda: chance.choice(IDS),
        "CheckID": lambda: chance.choice(CHECKS),
    }
    return Draft(method, path, body=tree_of({"Node": chance.choice(NODES), **_some(parts, chance, often=0.5)}))


def _mostly(usual: Any, chance: random.Random, *others: Any) -> Any:
    """The usual value, or now and then another one, which may not be right."""
    return usual if chance.random() < 0.8 else chance.choice(others)


def _some(parts: dict[str, Callable[[], Any]], chance: random.Random, often: float = HIDDEN) -> dict[str, Any]:
    return {name: make() for name, make in parts.items() if chance.random() < often}


MAKERS: dict[str, Maker] = {
    "/health": _read(),
    "/health/ready": _read(),
    "/metrics": _read(selects=False),
    "/v1/agent/check/deregister/": _empty_write(*CHECKS),
    "/v1/agent/check/fail/": _beat,
    "/v1/agent/check/pass/": _beat,
    "/v1/agent/check/register": _check,
    "/v1/agent/check/update/": _update,
    "/v1/agent/check/warn/": _beat,
    "/v1/agent/checks": _read(),
    "/v1/agent/force-leave/": _empty_write("test-node", "n1"),
    "/v1/agent/health/service/id/": _read(*IDS),
    "/v1/agent/health/service/name/": _read(*NAMES),
    "/v1/agent/host": _read(),
    "/v1/agent/join/": _join,
    "/v1/agent/leave": _empty_write(),
    "/v1/agent/maintenance": _maintenance,
    "/v1/agent/members": _read(),
    "/v1/agent/metrics": _read(),
    "/v1/agent/metrics/stream": _read(),
    "/v1/agent/monitor": _read(),
    "/v1/agent/reload": _empty_write(),
    "/v1/agent/self": _read(),
    "/v1/agent/service/": _read(*IDS),
    "/v1/agent/service/deregister/": _empty_write(*IDS),
    "/v1/agent/service/maintenance/": _maintenance,
    "/v1/agent/service/register": _service,
    "/v1/agent/services": _read(),
    "/v1/agent/token/": _token,
    "/v1/agent/version": _read(),
    "/v1/catalog/connect/": _read(*NAMES),
    "/v1/catalog/datacenters": _read(),
    "/v1/catalog/deregister": _deregister,
    "/v1/catalog/gateway-services/": _read(*NAMES),
    "/v1/catalog/node-services/": _read(*NODES, *NODE_IDS, "8f"),
    "/v1/catalog/node/": _read(*NODES, *NODE_IDS, "8"),
    "/v1/catalog/nodes": _read(),
    "/v1/catalog/register": _register,
    "/v1/catalog/service/": _read(*NAMES),
    "/v1/catalog/services": _read(),
    "/v1/coordinate/datacenters": _read(),
    "/v1/health/checks/": _read(*NAMES),
    "/v1/health/connect/": _read(*NAMES),
    "/v1/health/ingress/": _read(*NAMES),
    "/v1/health/node/": _read(*NODES),
    "/v1/health/service/": _read(*NAMES),
    "/v1/health/state/": _read("any", *STATUSES[:4]),
    "/v1/internal/ui/catalog-overview": _read(),
    "/v1/internal/ui/node/": _read(*NODES),
    "/v1/internal/ui/nodes": _read(),
    "/v1/internal/ui/services": _read(),
    "/v1/status/leader": _read(),
    "/v1/status/peers": _read(),
}

OFTEN = {
    "/v1/agent/service/register": 30,
    "/v1/catalog/register": 30,
    "/v1/agent/check/register": 20,
    "/v1/agent/check/update/": 6,
    "/v1/agent/check/pass/": 6,
    "/v1/catalog/deregister": 6,
    "/v1/health/service/": 8,
    "/v1/health/state/": 3,
    "/v1/catalog/service/": 4,
    "/v1/catalog/nodes": 3,
    "/v1/agent/services": 3,
    "/v1/agent/checks": 3,
    "/v1/agent/host": 0.3,  # these look at the machine, on a thread
    "/v1/agent/self": 0.5,
    "/metrics": 0.3,
    "/v1/agent/monitor": 0.5,  # these cost a connection each
    "/v1/agent/metrics/stream": 0.5,
}
