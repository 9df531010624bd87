"""The headers of answers: indexes, modes, types, caching, packing. Source: common.md §5, §6, §11."""

import gzip

import pytest

from registry import testing
from tests.contract.consul.exchange import Answer, Client

INDEXED = {
    "x-consul-knownleader": "true",
    "x-consul-lastcontact": "0",
    "x-consul-query-backend": "blocking-query",
    "x-consul-effective-consistency": "leader",
}
CACHED = (
    "/v1/catalog/services",
    "/v1/catalog/service/web",
    "/v1/catalog/connect/web",
    "/v1/health/service/web",
    "/v1/health/connect/web",
    "/v1/health/ingress/web",
)
NOT_CACHED = (
    "/v1/catalog/nodes",
    "/v1/catalog/node/n1",
    "/v1/catalog/node-services/n1",
    "/v1/catalog/gateway-services/g",
    "/v1/health/node/n1",
    "/v1/health/checks/web",
    "/v1/health/state/any",
)
TEXT = "text/plain; charset=utf-8"


def consul_headers(answer: Answer) -> dict[str, str]:
    return {name: one for name, one in answer.headers.items() if name.startswith("x-consul-")}


@pytest.mark.parametrize("target", CACHED + NOT_CACHED)
async def test_a_read_of_an_empty_catalog_has_all_index_headers(consul: Client, target: str) -> None:
    """Clients take a missing one for an error. The index is never 0, even where nothing has happened."""
    answer = await consul.get(target)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert not answer.body.endswith(b"\n")
    assert consul_headers(answer) == INDEXED | {"x-consul-index": "1", "x-consul-default-acl-policy": "allow"}


@pytest.mark.parametrize("target", ["/v1/catalog/datacenters", "/v1/agent/services", "/v1/status/leader"])
async def test_reads_without_an_index_have_no_header_of_one(consul: Client, target: str) -> None:
    answer = await consul.get(f"{target}?stale&index=5&wait=1s")
    assert answer.status == 200
    assert consul_headers(answer) == {"x-consul-default-acl-policy": "allow"}


@pytest.mark.parametrize("query", ["dc=mars", "filter=Foo+==+1", "filter=((", "filter=Foo+==+1&dc=mars"])
async def test_an_error_after_the_parameters_has_index_headers_in_the_catalog(consul: Client, query: str) -> None:
    """And on lists of checks; health/service, connect and ingress have none."""
    filtered = "filter" in query
    failed = {
        "x-consul-index": "1",
        "x-consul-knownleader": "false",
        "x-consul-lastcontact": "0",
        "x-consul-query-backend": "blocking-query",
        "x-consul-default-acl-policy": "allow",
    }
    bare = {"x-consul-default-acl-policy": "allow"}
    for target in CACHED + NOT_CACHED:
        if "gateway" in target and filtered and "dc" not in query:
            continue  # knows no filter
        answer = await consul.get(f"{target}?{query}")
        assert (answer.status, answer.headers["content-type"]) == (500, TEXT), target
        plain = target.startswith(("/v1/health/service", "/v1/health/connect", "/v1/health/ingress"))
        assert consul_headers(answer) == (bare if plain else failed), target


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("/v1/catalog/service/", "Missing service name"),
        ("/v1/catalog/connect/", "Missing service name"),
        ("/v1/catalog/node/", "Missing node name"),
        ("/v1/catalog/node-services/", "Missing node name"),
        ("/v1/catalog/gateway-services/", "Missing gateway name"),
        ("/v1/health/node/", "Missing node name"),
        ("/v1/health/checks/", "Missing service name"),
        ("/v1/health/state/", "Missing check state"),
        ("/v1/health/service/", "Missing service name"),
        ("/v1/health/connect/", "Missing service name"),
        ("/v1/health/ingress/", "Missing service name"),
    ],
)
async def test_a_name_that_is_missing_is_a_400_without_index_headers(consul: Client, target: str, text: str) -> None:
    for query in ("", "?dc=mars", "?filter=Foo+==+1"):
        answer = await consul.get(target + query)
        assert (answer.status, answer.text, answer.headers["content-type"]) == (400, text, TEXT)
        assert consul_headers(answer) == {"x-consul-default-acl-policy": "allow"}
    assert (await consul.get(f"{target}?wait=x")).text == "Invalid wait time"
    assert (await consul.get(f"{target}?ns=x&wait=x")).text.startswith("Invalid query parameter")


async def test_writes_answer_json_and_no_index(consul: Client) -> None:
    answer = await consul.put("/v1/catalog/register", {"Node": "n", "Address": "1"})
    assert (answer.text, answer.headers["content-type"]) == ("true", "application/json")
    assert consul_headers(answer) == {"x-consul-default-acl-policy": "allow"}
    assert (await consul.put("/v1/catalog/deregister?pretty", {"Node": "n"})).text == "true\n"


async def test_no_body_is_said_so(consul: Client) -> None:
    await consul.put("/v1/agent/service/register", {"Name": "web"})
    answer = await consul.put("/v1/agent/service/deregister/web")
    assert (answer.status, answer.headers["content-length"], answer.headers["content-type"]) == (
        200,
        "0",
        "application/json",
    )


async def test_configured_headers_are_on_every_answer_unless_it_has_them_itself() -> None:
    configured = {"X-Foo": "bar", "vary": "Origin", "Content-Type": "x/y", "Location": "z", "X-Consul-Index": "77"}
    async with testing.server(response_headers=configured) as server:
        client = Client(server)
        for line, has_vary, has_index, has_location in (
            ("GET /v1/catalog/nodes", True, True, False),
            ("PUT /v1/catalog/nodes", True, False, False),
            ("GET /v1/catalog/service/", True, False, False),
            ("GET /nothing", False, False, False),
            ("GET /v1/kv", False, False, True),
        ):
            answer = await client.send(line)
            assert answer.headers["x-foo"] == "bar"
            assert answer.headers["content-type"] != "x/y"
            assert answer.headers["vary"] == ("Accept-Encoding" if has_vary else "Origin")
            assert answer.headers["x-consul-index"] == ("1" if has_index else "77")
            assert answer.headers["location"] == ("/v1/kv/" if has_location else "z")
            assert len(answer.lines) == len(answer.headers)
        await client.close()


# Layout


async def test_pretty_indents_by_four_and_ends_the_line(consul: Client) -> None:
    await consul.register("n", Service={"Service": "web", "Tags": ["a"]})
    for query in ("pretty", "pretty=false", "pretty=0"):
        answer = await consul.get(f"/v1/catalog/node-services/n?{query}")
        assert answer.text.startswith('{\n    "Node": {\n        "ID": "",\n        "Node": "n",\n')
        assert '            "Tags": [\n                "a"\n            ],\n' in answer.text
        assert '            "Connect": {},\n' in answer.text
        assert answer.text.endswith("        }\n    ]\n}\n")
    assert (await consul.get("/v1/catalog/service/none?pretty")).text == "[]\n"
    assert (await consul.get("/v1/catalog/node/none?pretty")).text == "null\n"


async def test_errors_are_not_laid_out(consul: Client) -> None:
    assert (await consul.get("/v1/catalog/service/?pretty")).text == "Missing service name"


# Packing


async def large(consul: Client) -> None:
    await consul.register("n", Service={"Service": "web", "Meta": {"pad": "x" * 500}}, NodeMeta={"pad": "y" * 500})
    await consul.register("m", Service={"Service": "web", "Meta": {"pad": "x" * 500}}, NodeMeta={"pad": "y" * 500})


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip", True),
        ("GZip", True),
        ("deflate, gzip", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("gzip;q=0.001", True),
        ("gzip ; q=1", True),
        ("gzip;q=0.5;level=9", True),
        ("gzip;q=0,gzip", True),
        ("gzip, *;q=0", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0", False),
        ("gzip;q=x", False),
        ("gzip;q=", False),
        ("*", False),
        ("*;q=1", False),
        ("identity", False),
        ("x-gzip", False),
        ("deflate", False),
        ("", False),
    ],
)
async def test_a_large_answer_is_packed_for_those_who_name_gzip(consul: Client, accepted: str, is_packed: bool) -> None:
    await large(consul)
    plain = await consul.get("/v1/catalog/service/web")
    answer = await consul.get("/v1/catalog/service/web", f"Accept-Encoding: {accepted}")
    assert ("content-encoding" in answer.headers) == is_packed
    assert answer.unpacked() == plain.body
    assert answer.headers["content-length"] == str(len(answer.body))
    assert (answer.headers["vary"], answer.index) == ("Accept-Encoding", plain.index)


async def test_packing_begins_at_1400_bytes(consul: Client) -> None:
    body = {"Node": "n", "Address": "1", "NodeMeta": {"pad": ""}}
    await consul.put("/v1/catalog/register", body)
    missing = 1399 - len((await consul.get("/v1/catalog/node/n")).body)
    for more, is_packed in ((0, False), (1, True)):
        body["NodeMeta"] = {"pad": "x" * (missing + more)}
        await consul.put("/v1/catalog/register", body)
        answer = await consul.get("/v1/catalog/node/n", "Accept-Encoding: gzip")
        assert len(answer.unpacked()) == 1399 + more
        assert ("content-encoding" in answer.headers) == is_packed


async def test_packed_and_plain_readers_see_every_change(consul: Client) -> None:
    await large(consul)
    for address in ("10.0.0.2", "10.0.0.3"):
        await consul.register("n", address)
        plain = await consul.get("/v1/health/service/web?pretty")
        packed = await consul.get("/v1/health/service/web?pretty", "Accept-Encoding: gzip")
        assert gzip.decompress(packed.body) == plain.body
        assert plain.json[1]["Node"]["Address"] == address


async def test_the_answer_to_a_blocking_query_is_laid_out_and_packed_as_well(consul: Client) -> None:
    await large(consul)
    index = await consul.index("/v1/health/service/web")
    watcher = await consul.watch(f"/v1/health/service/web?pretty&index={index}", "Accept-Encoding: gzip")
    await consul.register("n", "10.0.0.9")
    answer = await watcher
    assert answer.index == index + 1
    assert answer.unpacked() == (await consul.get("/v1/health/service/web?pretty")).body


async def test_a_long_error_is_not_packed_for_those_who_do_not_ask(consul: Client) -> None:
    target = f"/v1/catalog/nodes?filter={'x' * 2000}+==+1"
    plain = await consul.get(target)
    packed = await consul.get(target, "Accept-Encoding: gzip")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.unpacked() == plain.body
    assert packed.headers["content-type"] == TEXT


# The agent's cache


def cache(answer: Answer) -> tuple[str | None, str | None]:
    return answer.headers.get("x-cache"), answer.headers.get("age")


@pytest.mark.parametrize("target", CACHED)
async def test_the_second_cached_read_is_a_hit(consul: Client, target: str) -> None:
    await consul.register("n", Service={"Service": "web"})
    assert cache(await consul.send(f"GET {target}?cached")) == ("MISS", None)
    for query in ("cached", "cached=false", "cached&stale", "cached&pretty", "cached&dc=dc1", "stale&cached&token=t"):
        assert cache(await consul.send(f"GET {target}?{query}")) == ("HIT", "0")
    assert cache(await consul.send(f"GET {target}")) == (None, None)


@pytest.mark.parametrize("target", NOT_CACHED)
async def test_other_reads_know_no_cache(consul: Client, target: str) -> None:
    for _ in range(2):
        assert cache(await consul.send(f"GET {target}?cached")) == (None, None)


@pytest.mark.parametrize("other", ["tag=a", "filter=ServicePort+==+1", "node-meta=a:b", "merge-central-config"])
async def test_another_selection_is_another_entry_of_the_cache(consul: Client, other: str) -> None:
    await consul.send("GET /v1/catalog/service/web?cached")
    assert cache(await consul.send(f"GET /v1/catalog/service/web?cached&{other}")) == ("MISS", None)
    assert cache(await consul.send(f"GET /v1/catalog/service/web?{other}&cached")) == ("HIT", "0")
    assert cache(await consul.send("GET /v1/catalog/service/db?cached")) == ("MISS", None)


async def test_what_is_sorted_out_behind_the_cache_shares_an_entry(consul: Client) -> None:
    await consul.send("GET /v1/health/service/web?cached")
    for query in ("cached&passing", "cached&near=_agent", "cached&filter="):
        assert cache(await consul.send(f"GET /v1/health/service/web?{query}")) == ("HIT", "0")


async def test_a_cached_answer_is_never_old(consul: Client) -> None:
    target = "/v1/health/service/web?cached"
    for port in (1, 2, 3):
        await consul.register("n", Service={"Service": "web", "Port": port})
        answer = await consul.send(f"GET {target}")
        assert answer.json[0]["Service"]["Port"] == port
        assert answer.index == (await consul.get("/v1/health/service/web")).index


async def test_a_cached_query_that_had_to_wait_is_a_miss(consul: Client) -> None:
    await consul.register("n", Service={"Service": "web"})
    index = (await consul.send("GET /v1/health/service/web?cached")).index
    assert cache(await consul.send(f"GET /v1/health/service/web?cached&index={index - 1}")) == ("HIT", "0")
    watcher = await consul.watch(f"/v1/health/service/web?cached&index={index}")
    await consul.register("n", Service={"Service": "web", "Port": 1})
    assert cache(await watcher) == ("MISS", None)
    assert cache(await consul.send("GET /v1/health/service/web?cached")) == ("HIT", "0")


async def test_the_list_of_datacenters_is_fetched_again_when_asked_to(consul: Client) -> None:
    target = "GET /v1/catalog/datacenters?cached"
    assert cache(await consul.send(target)) == ("MISS", None)
    assert (await consul.send(target)).headers["x-cache"] == "HIT"
    for directive in ("must-revalidate", "max-age=0"):
        assert cache(await consul.send(target, f"Cache-Control: {directive}")) == ("MISS", None)
    assert (await consul.send(target, "Cache-Control: max-age=60")).headers["x-cache"] == "HIT"
