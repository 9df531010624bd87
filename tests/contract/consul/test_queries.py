"""How query parameters are read, on every endpoint alike. Source: common.md §3, §8.1, §9, §10."""

import pytest

from tests.contract.consul.exchange import Client

READS = (
    "/v1/catalog/nodes",
    "/v1/catalog/services",
    "/v1/catalog/service/web",
    "/v1/catalog/connect/web",
    "/v1/catalog/node/n1",
    "/v1/catalog/node-services/n1",
    "/v1/catalog/gateway-services/gate",
    "/v1/health/node/n1",
    "/v1/health/checks/web",
    "/v1/health/state/any",
    "/v1/health/service/web",
    "/v1/health/connect/web",
    "/v1/health/ingress/web",
)
TEXT = "text/plain; charset=utf-8"
NAMESPACES, PARTITIONS = (f"{what} are a Consul Enterprise feature" for what in ("Namespaces", "Partitions"))


async def mode(consul: Client, query: str) -> str:
    answer = await consul.get(f"/v1/health/service/web?{query}")
    assert answer.status == 200, answer.text
    return answer.headers["x-consul-effective-consistency"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "leader"),
        ("leader", "leader"),
        ("stale", "stale"),
        ("stale=", "stale"),
        ("stale=false", "stale"),
        ("stale=0", "stale"),
        ("stale&leader", "stale"),
        ("consistent", "consistent"),
        ("consistent=false", "consistent"),
        ("max_stale=10s", "stale"),
        ("max_stale=0s", "leader"),
        ("max_stale=-5s", "leader"),
        ("max_stale=", "leader"),
        ("Stale", "leader"),
        ("st%61le", "stale"),
        ("x=stale", "leader"),
        ("nonsense=1&nonsense=2", "leader"),
        ("&&&", "leader"),
        ("=x", "leader"),
    ],
)
async def test_a_flag_is_on_when_it_is_there_whatever_its_value(consul: Client, query: str, expected: str) -> None:
    assert await mode(consul, query) == expected


@pytest.mark.parametrize("target", READS)
@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("stale&consistent", 400, "Cannot specify ?stale with ?consistent, conflicting semantics."),
        ("max_stale=1s&consistent", 400, "Cannot specify ?stale with ?consistent, conflicting semantics."),
        ("cached&consistent", 400, "Cannot specify ?cached with ?consistent, conflicting semantics."),
        ("cached&stale&consistent", 400, "Cannot specify ?stale with ?consistent, conflicting semantics."),
        ("max_stale=zz", 400, 'Invalid max_stale value "zz"'),
        ("max_stale=5", 400, 'Invalid max_stale value "5"'),
        ("wait=zz", 400, "Invalid wait time"),
        ("wait=10", 400, "Invalid wait time"),
        ("wait=1.5.5s", 400, "Invalid wait time"),
        ("wait=+1s", 400, "Invalid wait time"),  # the plus is a space
        ("wait=9999999999999h", 400, "Invalid wait time"),
        ("index=-1", 400, "Invalid index"),
        ("index=%2B1", 400, "Invalid index"),
        ("index=+1", 400, "Invalid index"),
        ("index=0x1", 400, "Invalid index"),
        ("index=1e3", 400, "Invalid index"),
        ("index=1_0", 400, "Invalid index"),
        ("index=%D9%A1", 400, "Invalid index"),
        ("index=18446744073709551616", 400, "Invalid index"),
        ("index=1&index=x&wait=1", 400, "Invalid wait time"),
        ("index=x&wait=y", 400, "Invalid wait time"),
        ("index=x&wait=y&stale&consistent", 400, "Cannot specify ?stale with ?consistent, conflicting semantics."),
        ("a=%zz", 500, ""),
        ("%", 500, ""),
        ("a=%2", 500, ""),
        ("a;b", 500, ""),
        ("stale&consistent&a=%zz", 500, ""),
    ],
)
async def test_a_parameter_that_cannot_be_read_is_refused_everywhere(
    consul: Client, target: str, query: str, status: int, text: str
) -> None:
    answer = await consul.get(f"{target}?{query}")
    assert (answer.status, answer.text, answer.headers["content-type"]) == (status, text, TEXT)
    assert "x-consul-index" not in answer.headers
    assert "x-consul-effective-consistency" not in answer.headers


@pytest.mark.parametrize(
    "query",
    [
        "index=",
        "index=0",
        "index=000",
        "index=0&index=x",
        "wait=",
        "wait=0",
        "wait=-5s",
        "wait=1.5h",
        "wait=%2B1m30s",
        "wait=100%C2%B5s",
        "wait=.5s",
        "wait=1h",
        "wait=5s&wait=zz",
        "a=%3B",
        "a=b=c",
    ],
)
async def test_what_may_look_odd_is_taken(consul: Client, query: str) -> None:
    for target in READS:
        assert (await consul.get(f"{target}?{query}")).status == 200


@pytest.mark.parametrize(
    ("header", "refused"),
    [
        ("max-age=5", False),
        ("MAX-AGE=5, must-revalidate", False),
        ("max-age=-1", False),
        ("max-age", False),
        ("no-cache, private", False),
        ("max-age=x", True),
        ("max-age=", True),
        ("max-age=1.5", True),
        ("max-age=10s", True),
        ('max-age="5"', True),
        ("max-age=99999999999999999999", True),
        ("stale-if-error=x", True),
        ("private,  Stale-If-Error=zz", True),
        ("max-age=5, max-age=x", True),
    ],
)
async def test_directives_of_cache_control_need_their_seconds(consul: Client, header: str, refused: bool) -> None:
    """Also on a read that is not cached."""
    for target in ("/v1/catalog/nodes", "/v1/health/service/web?cached"):
        answer = await consul.get(target, f"Cache-Control: {header}")
        expected = (400, "Invalid Cache-Control header.") if refused else (200, answer.text)
        assert (answer.status, answer.text) == expected


async def test_cache_control_is_judged_after_the_mode_and_before_the_wait(consul: Client) -> None:
    bad = "Cache-Control: max-age=x"
    assert (await consul.get("/v1/catalog/nodes?stale&consistent", bad)).text.startswith("Cannot specify")
    assert (await consul.get("/v1/catalog/nodes?wait=x&index=x", bad)).text == "Invalid Cache-Control header."


@pytest.mark.parametrize(
    ("query", "ours"),
    [
        ("dc=dc1", True),
        ("dc=", True),
        ("datacenter=dc1&dc=mars", True),
        ("datacenter=&dc=dc1", True),
        ("dc=dc1&dc=mars", True),
        ("dc=mars", False),
        ("dc=DC1", False),
        ("datacenter=mars", False),
        ("datacenter=mars&dc=dc1", False),
        ("datacenter=&dc=mars", False),
        ("dc=mars&dc=dc1", False),
    ],
)
async def test_the_datacenter_is_ours_or_an_error(consul: Client, query: str, ours: bool) -> None:
    for target in READS:
        answer = await consul.get(f"{target}?{query}")
        assert (answer.status, answer.text) == ((200, answer.text) if ours else (500, "No path to datacenter"))


@pytest.mark.parametrize(
    ("query", "header", "text"),
    [
        ("ns=default", "", f'query parameter: "ns" - {NAMESPACES}'),
        ("partition=default", "", f'query parameter: "partition" - {PARTITIONS}'),
        ("", "X-Consul-Namespace: a", f'header: "X-Consul-Namespace" - {NAMESPACES}'),
        ("", "x-consul-partition: a", f'header: "X-Consul-Partition" - {PARTITIONS}'),
        ("ns=a&partition=b&stale&consistent", "", f'query parameter: "ns" - {NAMESPACES}'),
    ],
)
async def test_namespaces_and_partitions_are_refused(consul: Client, query: str, header: str, text: str) -> None:
    for target in READS:
        if target == "/v1/catalog/nodes":
            continue  # looks at the partition only
        answer = await consul.get(f"{target}?{query}", *([header] if header else []))
        assert (answer.status, answer.text) == (400, f"Invalid {text}"), target


async def test_the_list_of_nodes_refuses_a_partition_but_no_namespace(consul: Client) -> None:
    assert (await consul.get("/v1/catalog/nodes?ns=a", "X-Consul-Namespace: a")).status == 200
    assert (await consul.get("/v1/catalog/nodes?partition=a")).status == 400


async def test_empty_and_foreign_spellings_of_enterprise_parameters_are_ignored(consul: Client) -> None:
    for target in READS:
        answer = await consul.get(f"{target}?ns=&partition=&namespace=a&ap=b", "X-Consul-Namespace: ")
        assert answer.status == 200


async def test_a_plus_is_a_space_and_the_first_value_wins(consul: Client) -> None:
    await consul.register("n1", NodeMeta={"a b": "c d"})
    await consul.register("n2", NodeMeta={"a b": "x"})
    for query in ("node-meta=a+b:c+d", "node-meta=a%20b%3Ac%20d"):
        assert [node["Node"] for node in (await consul.get(f"/v1/catalog/nodes?{query}")).json] == ["n1"]
    both = await consul.get("/v1/catalog/nodes?filter=Node+==+n2&filter=Node+==+n1")
    assert [node["Node"] for node in both.json] == ["n2"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("node-meta=rack:r1", ["n1", "n2"]),
        ("node-meta=rack:r1&node-meta=zone:a", ["n1"]),
        ("node-meta=rack:r1&node-meta=rack:r2", []),
        ("node-meta=rack:R1", []),
        ("node-meta=rack", []),
        ("node-meta=empty:", ["n2"]),
        ("node-meta=empty", ["n2"]),
        ("node-meta=url:http://x:80", ["n1"]),
        ("node-meta=", []),
        ("node-meta=:", []),
    ],
)
async def test_node_meta_selects_nodes_that_have_all_of_it(consul: Client, query: str, found: list[str]) -> None:
    service = {"Service": "web"}
    await consul.register("n1", NodeMeta={"rack": "r1", "zone": "a", "url": "http://x:80"}, Service=service)
    await consul.register("n2", NodeMeta={"rack": "r1", "empty": ""}, Service=service, Check={"Name": "c"})
    assert [row["Node"] for row in (await consul.get(f"/v1/catalog/nodes?{query}")).json] == found
    assert [row["Node"] for row in (await consul.get(f"/v1/catalog/service/web?{query}")).json] == found
    assert [row["Node"]["Node"] for row in (await consul.get(f"/v1/health/service/web?{query}")).json] == found
    checks = [row["Node"] for row in (await consul.get(f"/v1/health/state/any?{query}")).json]
    assert checks == [name for name in found if name == "n2"]
    assert list((await consul.get(f"/v1/catalog/services?{query}")).json) == (["web"] if found else [])


async def test_tokens_are_accepted_and_ignored(consul: Client) -> None:
    plain = await consul.get("/v1/catalog/nodes")
    for query, header in (("?token=x", ""), ("", "X-Consul-Token: x"), ("", "Authorization: Bearer x")):
        answer = await consul.get(f"/v1/catalog/nodes{query}", *([header] if header else []))
        assert answer.lasting() == plain.lasting()
