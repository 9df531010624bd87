"""Every route with its methods: 405, OPTIONS, HEAD, the slash at the end. Source: common.md §2, §17.

The table is the contract's, written out here once more, so that a change of ours shows.
"""

import pytest

from tests.contract.consul.exchange import Client

ALL = ("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "TRACE")
TEXT = "text/plain; charset=utf-8"

TABLE = {
    "GET": """
        acl/replication acl/policies acl/policy/name/ acl/roles acl/role/name/ acl/binding-rules acl/auth-methods
        acl/tokens acl/token/self acl/templated-policies acl/templated-policy/name/
        agent/self agent/host agent/version agent/monitor agent/metrics agent/metrics/stream agent/services
        agent/service/ agent/checks agent/members agent/health/service/id/ agent/health/service/name/
        agent/connect/ca/roots agent/connect/ca/leaf/
        catalog/connect/ catalog/datacenters catalog/nodes catalog/services catalog/service/ catalog/node/
        catalog/node-services/ catalog/gateway-services/
        connect/ca/roots connect/intentions/match connect/intentions/check
        coordinate/datacenters coordinate/nodes coordinate/node/ exported-services event/list
        health/node/ health/checks/ health/state/ health/service/ health/connect/ health/ingress/
        internal/federation-states internal/federation-states/mesh-gateways internal/federation-state/
        internal/ui/metrics-proxy/ internal/ui/nodes internal/ui/node/ internal/ui/services
        internal/ui/exported-services internal/ui/catalog-overview internal/ui/gateway-services-nodes/
        internal/ui/gateway-intentions/ internal/ui/service-topology/
        operator/raft/configuration operator/usage operator/autopilot/health operator/autopilot/state
        peerings session/info/ session/node/ session/list status/leader status/peers
    """,
    "PUT": """
        acl/bootstrap acl/policy acl/role acl/binding-rule acl/auth-method acl/token
        agent/token/ agent/maintenance agent/reload agent/join/ agent/leave agent/force-leave/
        agent/check/register agent/check/deregister/ agent/check/pass/ agent/check/warn/ agent/check/fail/
        agent/check/update/ agent/service/register agent/service/deregister/ agent/service/maintenance/
        catalog/register catalog/deregister config coordinate/update event/fire/ internal/service-virtual-ip
        session/create session/destroy/ session/renew/ txn
    """,
    "POST": """
        acl/login acl/logout acl/templated-policy/preview/ agent/connect/authorize internal/acl/authorize
        operator/raft/transfer-leader peering/token peering/establish
    """,
    "GET,PUT,DELETE": """
        acl/policy/ acl/role/ acl/binding-rule/ acl/auth-method/ acl/token/
        connect/intentions/exact connect/intentions/ kv/
    """,
    "GET,PUT": "connect/ca/configuration operator/autopilot/configuration snapshot",
    "GET,DELETE": "config/ peering/",
    "GET,POST": "connect/intentions discovery-chain/ query",
    "DELETE": "operator/raft/peer",
    "GET,POST,PUT,DELETE": "operator/keyring",
}
ROUTES = {f"/v1/{path}": methods for methods, paths in TABLE.items() for path in paths.split()}
PREFIXES = [path for path in ROUTES if path.endswith("/")] + ["/v1/query/"]


def by_area(routes: dict[str, str]) -> list[object]:
    areas: dict[str, dict[str, str]] = {}
    for path, methods in routes.items():
        areas.setdefault(path.split("/")[2], {})[path] = methods
    return [pytest.param(rows, id=area) for area, rows in areas.items()]


@pytest.mark.parametrize("routes", by_area(ROUTES))
async def test_options_names_the_methods_in_their_order(consul: Client, routes: dict[str, str]) -> None:
    for path, methods in routes.items():
        answer = await consul.send(f"OPTIONS {path}{'x/y' if path.endswith('/') else ''}?a=b")
        expected = (200, b"", f"OPTIONS,{methods}", "application/json")
        assert (answer.status, answer.body, answer.headers["allow"], answer.headers["content-type"]) == expected, path
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["x-consul-default-acl-policy"] == "allow"
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("routes", by_area(ROUTES))
async def test_another_method_is_refused_with_those_there_are(consul: Client, routes: dict[str, str]) -> None:
    for path, methods in routes.items():
        for method in ALL:
            if method in methods.split(","):
                continue
            answer = await consul.send(f"{method} {path}", body=b"{}")
            text = f"method {method} not allowed"
            assert (answer.status, answer.headers["allow"]) == (405, f"OPTIONS,{methods}"), (method, path)
            assert answer.headers["content-type"] == TEXT
            assert answer.headers["vary"] == "Accept-Encoding"
            assert answer.headers["x-consul-default-acl-policy"] == "allow"
            assert answer.headers["content-length"] == str(len(text))
            assert answer.text == ("" if method == "HEAD" else text)


@pytest.mark.parametrize("routes", by_area(dict.fromkeys(PREFIXES, "")))
async def test_a_prefix_without_its_slash_is_redirected_unless_it_is_a_route(
    consul: Client, routes: dict[str, str]
) -> None:
    for path in routes:
        bare = path.removesuffix("/")
        for method in ("GET", "PUT", "POST", "DELETE", "OPTIONS"):
            answer = await consul.send(f"{method} {bare}")
            if bare in ROUTES:
                assert answer.status != 301, bare
            else:
                assert (answer.status, answer.headers["location"]) == (301, path), bare


@pytest.mark.parametrize("routes", by_area({path: one for path, one in ROUTES.items() if not path.endswith("/")}))
async def test_an_exact_route_ends_where_it_ends(consul: Client, routes: dict[str, str]) -> None:
    """What comes after it belongs to the longest prefix that fits, if one does."""
    for path in routes:
        if any(f"{path}/".startswith(prefix) for prefix in PREFIXES):
            continue
        answer = await consul.send(f"GET {path}/")
        assert (answer.status, answer.headers.get("vary")) == (404, None), path


async def test_a_method_is_judged_before_body_and_datacenter_but_after_the_query(consul: Client) -> None:
    """common.md §3: a query that cannot be read is an error before anything else."""
    assert (await consul.send("PUT /v1/catalog/nodes?dc=mars", body=b"{")).status == 405
    for line in ("PUT /v1/catalog/nodes?a=%zz", "OPTIONS /v1/catalog/nodes?a;b", "HEAD /v1/kv/x?%"):
        answer = await consul.send(line)
        assert (answer.status, answer.body, answer.headers["content-type"]) == (500, b"", TEXT)
        assert "allow" not in answer.headers


async def test_the_body_of_a_get_is_not_looked_at(consul: Client) -> None:
    answer = await consul.send("GET /v1/agent/services", body=b'{"broken')
    assert (answer.status, answer.text) == (200, "{}")
    assert (await consul.send("GET /v1/agent/services")).text == "{}"
