"""What is measured: the rows of the table and the records both servers are loaded with.

Only data. In a path, body or header `<n>` is a number that no other request of the run has, and `<k>` is
that number modulo the row's `pool`; without them each request of the row is the same to the byte.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

LOCAL_SERVICES = 200
CATALOG_SERVICES = 1_100
CATALOG_NODES = 50  # they host the 1,100; service app-k is on host-(k mod 50)
LARGE_FLEET = 8_741
WATCHERS = 5_000
PASSING_100 = "/v1/health/service/web-100?passing"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-<n>-01"
HEALTH = "/v1/health/service"
FILTER = quote('Service.Meta.version == "2" and "blue" in Service.Tags')


class Request(NamedTuple):
    """One request of a load."""

    method: str
    path: str
    body: str = ""
    trace: str = ""  # the value of a `traceparent` header, where the client sends one

    def numbered(self, n: int, pool: int = 1_000_000_000) -> "Request":
        """The request with n for `<n>` and n modulo `pool` for `<k>`, as `wrk.lua` fills them in."""
        return Request(*(text.replace("<n>", str(n)).replace("<k>", str(n % pool)) for text in self))


class Row(NamedTuple):
    """One kind of request, driven at both servers.

    Attributes:
        key: what `--rows` takes.
        target: rate of ours as a multiple of Consul's that DESIGN.md §8 asks for; None: only shown.
        pool: how many values `<k>` takes.
        before: sent once to each server before the first round.
    """

    key: str
    title: str
    request: Request
    target: float | None = None
    pool: int = 1
    before: Request | None = None


def _local(k: int | str, revision: str, **more: object) -> str:
    """A registration of local service k; another revision makes it a changed one."""
    service = {"ID": f"local-{k}", "Name": "local", "Address": "10.1.0.1", "Port": 8080}
    meta = {"version": "1", "revision": revision}
    check = {"TTL": "1h", "Status": "passing"}
    return json.dumps({**service, "Tags": ["blue", "canary"], "Meta": meta, "Check": check, **more})


def _instance(service: str, node: str, revision: str = "0", version: int = 1) -> str:
    """A catalog registration as a client agent makes it: a node and its check, a service and its check.

    The node's check is not called `serfHealth`: a Consul removes such nodes when no gossip knows them.
    """
    identity = f"{service}-{node}"
    alive = {"CheckID": "alive", "Name": "Node Health Status", "Status": "passing"}
    own = {"CheckID": f"service:{identity}", "Name": f"{service} check", "Status": "passing", "ServiceID": identity}
    record = {"ID": identity, "Service": service, "Tags": ["blue", "canary"], "Address": "10.1.0.1", "Port": 8080}
    meta = {"version": str(version), "revision": revision}
    checks = [alive | {"Output": "Agent alive and reachable"}, own | {"Output": "HTTP GET /health: 200 OK"}]
    place = {"Node": node, "Address": "10.0.0.1", "NodeMeta": {"zone": "a"}}
    return json.dumps({**place, "Service": record | {"Meta": meta}, "Checks": checks})


def standard_fleet() -> Iterator[Request]:
    """1,411 instances: 200 local, 1,100 services of one, and services of 1, 10 and 100 instances."""
    for k in range(LOCAL_SERVICES):
        yield Request("PUT", "/v1/agent/service/register", _local(k, "0"))
    for k in range(CATALOG_SERVICES):
        yield Request("PUT", "/v1/catalog/register", _instance(f"app-{k}", f"host-{k % CATALOG_NODES}"))
    for size in (1, 10, 100):
        for k in range(size):
            yield Request("PUT", "/v1/catalog/register", _instance(f"web-{size}", f"node-{k}", version=k % 2 + 1))


def large_fleet() -> Iterator[Request]:
    """8,741 services of one instance each, on 300 nodes."""
    for k in range(LARGE_FLEET):
        yield Request("PUT", "/v1/catalog/register", _instance(f"app-{k}", f"host-{k % 300}"))


def watched(revision: int) -> Request:
    """The watched service; another revision is a change that wakes its watchers."""
    return Request("PUT", "/v1/catalog/register", _instance("watched", "node-0", str(revision)))


KEY = Request("PUT", "/v1/kv/bench/key", "x" * 100)

ROWS = [
    Row("health-1", "health/service ?passing, 1 instance", Request("GET", f"{HEALTH}/web-1?passing"), 1.5),
    Row("health-10", "health/service ?passing, 10 instances", Request("GET", f"{HEALTH}/web-10?passing"), 4),
    Row("health-100", "health/service ?passing, 100 instances", Request("GET", PASSING_100), 14),
    Row("traced-1", "1 instance, a header that differs", Request("GET", f"{HEALTH}/web-1?passing", trace=TRACE), 1.5),
    Row("traced-100", "100 instances, a header that differs", Request("GET", PASSING_100, trace=TRACE), 14),
    Row(
        "filter-100", "health/service ?passing&filter=, 100 inst.", Request("GET", f"{PASSING_100}&filter={FILTER}"), 10
    ),
    Row("catalog-services", "catalog/services, 1,100 services", Request("GET", "/v1/catalog/services"), 15),
    Row("agent-services", "agent/services, 200 services", Request("GET", "/v1/agent/services"), 8),
    Row("status-leader", "status/leader", Request("GET", "/v1/status/leader")),
    Row("kv-get", "kv/key", Request("GET", "/v1/kv/bench/key"), 1, before=KEY),
    Row("kv-put", "kv put", KEY._replace(path="/v1/kv/bench/put-<k>", body="<n>"), 1.4, 1000),
    Row("check-pass", "agent/check/pass", Request("PUT", "/v1/agent/check/pass/service:local-<k>"), 5, LOCAL_SERVICES),
    Row(
        "register",
        "agent/service/register, changed",
        Request("PUT", "/v1/agent/service/register", _local("<k>", "<n>")),
        20,
        LOCAL_SERVICES,
    ),
    Row(
        "register-same",
        "agent/service/register, unchanged",
        Request("PUT", "/v1/agent/service/register", _local("same", "0")),
    ),
    Row(
        "catalog-register",
        "catalog/register, changed",
        Request("PUT", "/v1/catalog/register", _instance("app-<k>", "host-<k>", "<n>")),
        2.5,
        CATALOG_NODES,
    ),
    Row(
        "register-new",
        "agent/service/register, new ids",
        Request("PUT", "/v1/agent/service/register", _local("new-<n>", "0")),
        20,
    ),
]
LARGE_ROW = Row("large-p99", "any of them", Request("GET", f"{HEALTH}/app-<k>?passing"), pool=LARGE_FLEET)
