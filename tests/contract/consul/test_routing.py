"""Which path means which endpoint, and what a path that means none is answered. Source: common.md §1."""

import pytest

from tests.contract.consul.exchange import Answer, Client

NO_V1 = "Invalid URL path: if attempting to use the HTTP API, ensure the path starts with '/v1/'\n"
NO_ROUTE = "Invalid URL path: not a recognized HTTP API endpoint\n"
TEXT = "text/plain; charset=utf-8"


def headers_of_consul(answer: Answer) -> set[str]:
    return {name for name in answer.headers if name == "vary" or name.startswith("x-consul-")}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/nothing", NO_V1),
        ("/v1", NO_V1),
        ("/ui", NO_V1),
        ("/V1/agent/services", NO_V1),
        ("/v1/", NO_ROUTE),
        ("/v1/nothing", NO_ROUTE),
        ("/elsewhere/v1/agent/services", NO_ROUTE),
        ("/v1/agent", NO_ROUTE),
        ("/v1/agent/", NO_ROUTE),
        ("/v1/agent/services/", NO_ROUTE),
        ("/v1/agent/Services", NO_ROUTE),
        ("/v1/catalog/nodes/n1", NO_ROUTE),
        ("/v1/agent/services#part", NO_ROUTE),
        ("/v1/agent/services%3Fpretty", NO_ROUTE),
        ("/v1/health/", NO_ROUTE),
        ("/v1/internal/ui/", NO_ROUTE),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
async def test_a_path_of_no_endpoint_is_a_404_that_says_which_kind(
    consul: Client, method: str, path: str, text: str
) -> None:
    answer = await consul.send(f"{method} {path}")
    assert (answer.status, answer.text, answer.headers["content-type"]) == (404, text, TEXT)
    assert not headers_of_consul(answer)


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/v1/kv", "/v1/kv/"),
        ("/v1/kv?keys&separator=/", "/v1/kv/?keys&separator=/"),
        ("/v1/catalog/service", "/v1/catalog/service/"),
        ("/v1/health/state?dc=dc1", "/v1/health/state/?dc=dc1"),
        ("/v1/session/destroy", "/v1/session/destroy/"),
        ("//", "/"),
        ("/v1//agent/services", "/v1/agent/services"),
        ("/v1/agent//services?a=b", "/v1/agent/services?a=b"),
        ("/v1/./agent/services", "/v1/agent/services"),
        ("/v1/agent/../agent/services", "/v1/agent/services"),
        ("/v1/agent/services/.", "/v1/agent/services"),
        ("/v1/catalog/service/..", "/v1/catalog"),
        ("/../../v1/status/leader", "/v1/status/leader"),
        ("/v1/kv/a//b/", "/v1/kv/a/b/"),
        ("/v1/kv/a//b%20c?x=%zz", "/v1/kv/a/b%2520c?x=%zz"),
        ("/v1/kv//a'b(c)*!$&+,:;=@~", "/v1/kv/a%27b%28c%29%2A%21$&+,:;=@~"),
        ('/v1/kv//é"', "/v1/kv/%25C3%25A9%2522"),
        ("/nothing//here", "/nothing/here"),
        ("/v1//kv?a=b&c=d", "/v1/kv?a=b&c=d"),
    ],
)
async def test_a_path_that_can_be_mended_is_redirected_with_its_query(
    consul: Client, target: str, location: str
) -> None:
    body = f'<a href="{location.replace("&", "&amp;")}">Moved Permanently</a>.\n\n'
    answer = await consul.send(f"GET {target}")
    assert (answer.status, answer.headers["location"], answer.text) == (301, location, body)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert not headers_of_consul(answer)

    head = await consul.send(f"HEAD {target}")
    assert (head.status, head.headers["location"], head.headers["content-type"]) == (
        301,
        location,
        "text/html; charset=utf-8",
    )
    write = await consul.send(f"PUT {target}", body=b"x")
    assert (write.status, write.headers["location"], write.body) == (301, location, b"")


async def test_characters_of_html_are_escaped_in_the_text_of_a_redirect(consul: Client) -> None:
    answer = await consul.send("GET /v1//x?'\"<&>")
    assert answer.headers["location"] == "/v1/x?'\"<&>"
    assert answer.text == '<a href="/v1/x?&#39;&#34;&lt;&amp;&gt;">Moved Permanently</a>.\n\n'


@pytest.mark.parametrize("path", ["/v1/config", "/v1/acl/token", "/v1/acl/policy"])
async def test_a_route_of_its_own_is_not_redirected_to_the_one_with_a_slash(consul: Client, path: str) -> None:
    answer = await consul.send(f"GET {path}")
    assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS,PUT")


async def test_the_longest_route_wins(consul: Client) -> None:
    assert (await consul.send("GET /v1/agent/service/register")).status == 405
    assert (await consul.send("GET /v1/agent/service/registered")).text == "unknown service ID: registered"


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("web", "web"),
        ("w%65b", "web"),
        ("a%2Fb", "a/b"),
        ("a/b", "a/b"),
        ("a/b/", "a/b/"),
        ("web/", "web/"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("a%20b", "a b"),
        ("a%252Fb", "a%2Fb"),
        ("a%2F%2Fb", "a//b"),
        ("a%2F%2E%2E%2Fb", "a/../b"),
        ("a%3Fb", "a?b"),
        ("%C3%BCber", "über"),
        ("über", "über"),
        ("x%F0%9F%98%80", "x\N{GRINNING FACE}"),
        ("100%25", "100%"),
    ],
)
async def test_what_follows_a_prefix_is_the_argument_decoded_once(consul: Client, path: str, service: str) -> None:
    await consul.register("n", Service={"Service": service})
    await consul.register("n", Service={"Service": "other"})
    found = (await consul.get(f"/v1/catalog/service/{path}")).json
    assert [row["ServiceName"] for row in found] == [service]


async def test_a_trailing_slash_is_part_of_the_argument(consul: Client) -> None:
    await consul.register("n", Service={"Service": "web"})
    assert (await consul.get("/v1/catalog/service/web/")).text == "[]"


async def test_an_escaped_route_is_that_route(consul: Client) -> None:
    assert (await consul.get("/v1/%61gent/services")).text == "{}"
    assert (await consul.get("/v1/agent%2Fservices")).text == "{}"


@pytest.mark.parametrize("path", ["a%00b", "a%0Ab", "%7F", "a%C2%A0b", "%E2%80%A8", "%E2%80%8B", "%C2%AD", "%EE%80%80"])
async def test_a_path_with_what_cannot_be_printed_is_refused_before_routing(consul: Client, path: str) -> None:
    for target in (f"/v1/kv/{path}", f"/{path}", f"/v1//{path}"):
        answer = await consul.send(f"GET {target}")
        assert (answer.status, answer.body, answer.headers["content-length"]) == (400, b"", "0")
        assert "content-type" not in answer.headers
        assert not headers_of_consul(answer)


@pytest.mark.parametrize("path", ["%zz", "%", "a%2", "%C3%"])
async def test_a_path_that_cannot_be_decoded_is_a_bad_request(consul: Client, path: str) -> None:
    answer = await consul.send(f"GET /v1/catalog/service/{path}")
    assert (answer.status, answer.text) == (400, "400 Bad Request")


async def test_bytes_that_are_no_text_are_looked_up_all_the_same(consul: Client) -> None:
    assert (await consul.get("/v1/catalog/service/%ff")).text == "[]"


async def test_the_front_page_says_that_there_is_no_interface(consul: Client) -> None:
    how = "To enable, set ui_config.enabled=true in the agent configuration and restart."
    expected = f"Consul Agent: UI disabled. {how}"
    for line in ("GET /", "POST /", "GET /?x=1"):
        answer = await consul.send(line)
        assert (answer.status, answer.text, answer.headers["content-type"]) == (200, expected, TEXT)


async def test_a_client_that_takes_us_for_a_proxy_is_answered(consul: Client) -> None:
    """RFC 9112 §3.2.2: a server must accept the absolute form."""
    await consul.register("n", Service={"Service": "web"})
    plain = await consul.get("/v1/catalog/service/web?pretty")
    assert (await consul.get("http://127.0.0.1:8500/v1/catalog/service/web?pretty")).body == plain.body
    assert (await consul.send("GET http://127.0.0.1:8500")).status == 200


async def test_options_of_the_whole_server(consul: Client) -> None:
    answer = await consul.send("OPTIONS *")
    assert (answer.status, answer.body) == (200, b"")
