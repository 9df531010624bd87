"""HTTP checks against a real server."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from registry.checks.base import Result
from registry.checks.http import HttpProbe
from registry.model.check import CheckDefinition
from tests.unit.checks.conftest import listening, old_http, silent

SECOND = 10**9


@asynccontextmanager
async def serving(answer, tls=None) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    server = TestServer(app, skip_url_asserts=True)
    await server.start_server(ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.port}"
    finally:
        await server.close()


async def run(means, url, **more) -> Result:
    return await HttpProbe(CheckDefinition(http=url, interval_ns=SECOND, **more), means).run()


@pytest.mark.parametrize(
    ("status", "reason", "found"),
    [(200, "OK", "passing"), (204, "No Content", "passing"), (299, "Fine", "passing"),
     (429, "Too Many Requests", "warning"), (404, "Not Found", "critical"), (503, "Odd Words", "critical")],
)  # fmt: skip
async def test_the_status_of_the_answer_is_that_of_the_check(means, status, reason, found):
    async def answer(request):
        return web.Response(status=status, reason=reason, text="" if status == 204 else "hello")

    async with serving(answer) as url:
        body = "" if status == 204 else "hello"
        assert await run(means, f"{url}/x?y=1") == (
            found, f"HTTP GET {url}/x?y=1: {status} {reason} Output: {body}", False)  # fmt: skip


async def test_a_target_that_recovers_is_seen_to(means):
    statuses = iter([500, 200])

    async def answer(request):
        return web.Response(status=next(statuses))

    async with serving(answer) as url:
        probe = HttpProbe(CheckDefinition(http=url), means)
        assert [(await probe.run()).status for _ in range(2)] == ["critical", "passing"]


async def test_what_is_sent_is_what_the_definition_says(means):
    seen = []

    async def answer(request):
        seen.append((request.method, request.path_qs, request.raw_headers, await request.text()))
        return web.Response()

    header = {"X-Two": ("a", "b"), "Host": ("named.test",), "accept": ("text/html",)}
    async with serving(answer) as url:
        result = await run(means, f"{url}/a/./b%2Fc", method="POST", body="ping", header=header)
        await run(means, url)
        assert result.output == f"HTTP POST {url}/a/./b%2Fc: 200 OK Output: "
    method, path, raw, body = seen[0]
    headers = [(name.decode().lower(), value.decode()) for name, value in raw]
    assert (method, path, body) == ("POST", "/a/./b%2Fc", "ping")
    assert [value for name, value in headers if name == "x-two"] == ["a", "b"]
    assert dict(headers)["host"] == "named.test"
    assert dict(headers)["accept"] == "text/html"
    assert dict(headers)["user-agent"] == "Consul Health Check"
    assert (b"Accept", b"text/plain, text/*, */*") in seen[1][2]


async def test_a_method_is_sent_and_shown_as_it_is_spelt(means):
    first = []

    async def talk(reader, writer):
        first.append(await reader.readline())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()

    async with listening(talk) as where:
        result = await run(means, f"http://{where}/", method="pInG")
    assert first == [b"pInG / HTTP/1.1\r\n"]
    assert result.output.startswith("HTTP pInG ")
    refused = await run(means, f"http://{where}/", method="pInG")
    assert refused.output == f'ping "http://{where}/": dial tcp {where}: connect: connection refused'


async def test_redirects_are_followed_unless_told_not_to(means):
    async def answer(request):
        if request.path == "/from":
            raise web.HTTPFound("/to", text="elsewhere")
        return web.Response(text=request.method)

    async with serving(answer) as url:
        followed = await run(means, f"{url}/from", method="POST", body="x")
        stayed = await run(means, f"{url}/from", disable_redirects=True)
    assert followed == ("passing", f"HTTP POST {url}/from: 200 OK Output: GET", False)
    assert stayed == ("critical", f"HTTP GET {url}/from: 302 Found Output: elsewhere", False)


async def test_redirects_come_to_an_end(means):
    seen = []

    async def answer(request):
        seen.append(request.path)
        raise web.HTTPFound("/round")

    async with serving(answer) as url:
        result = await run(means, url)
    assert result == ("critical", f'Get "{url}/round": stopped after 10 redirects', False)
    assert len(seen) == 11


async def test_secrets_are_not_carried_to_another_host(means):
    seen = []

    async def answer(request):
        seen.append(request.headers.get("Authorization"))
        if request.path == "/from":
            raise web.HTTPFound(str(request.url.with_host("localhost").with_path("/to")))
        return web.Response()

    async with serving(answer) as url:
        await run(means, f"{url}/from", header={"Authorization": ("Bearer x",)})
    assert seen == ["Bearer x", None]


async def test_only_the_end_of_a_long_body_is_kept(means):
    async def answer(request):
        return web.Response(text="a" * 300_000 + "end")

    async with serving(answer) as url:
        own = await run(means, url, output_max_size=5)
        common = await run(means, url, output_max_size=1_000_000)
    assert own.output == f"HTTP GET {url}: 200 OK Output: aaend"
    assert len(common.output) - len(f"HTTP GET {url}: 200 OK Output: ") == 4096


async def test_a_body_that_never_ends_leaves_the_status_as_it_was(means):
    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        await asyncio.sleep(5)

    async with serving(answer) as url:
        assert await run(means, url, timeout_ns=SECOND // 5) == (
            "passing", f"HTTP GET {url}: 200 OK Output: begun", False)  # fmt: skip


async def test_no_answer_in_time_is_critical(means):
    async with listening(silent) as where:
        began = time.monotonic()
        result = await run(means, f"http://{where}", timeout_ns=SECOND // 5)
        assert time.monotonic() - began < 1
    said = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert result == ("critical", f'Get "http://{where}": {said}', False)


async def test_a_peer_that_hangs_up_is_critical(means):
    async def talk(reader, writer):
        await reader.readline()

    async with listening(talk) as where:
        result = await run(means, f"http://{where}/")
    assert result.status == "critical"
    assert result.output in (f'Get "http://{where}/": EOF', f'Get "http://{where}/": read: connection reset by peer')


@pytest.mark.parametrize(
    ("url", "output"),
    [
        ("nonsense", 'Get "nonsense": unsupported protocol scheme ""'),
        ("ftp://h/", 'Get "ftp://h/": unsupported protocol scheme "ftp"'),
        ("http://h:zz/", 'parse "http://h:zz/": invalid port ":zz" after host'),
        ("http:///x", 'Get "http:///x": http: no Host in request URL'),
        ("http://h/%zz", 'parse "http://h/%zz": invalid URL escape "%zz"'),
        ("http://a b/", 'parse "http://a b/": invalid character " " in host name'),
        ("http://h/\n", 'parse "http://h/\\n": net/url: invalid control character in URL'),
        (":x", 'parse ":x": missing protocol scheme'),
        ("http://no-such-name.invalid/", 'Get "http://no-such-name.invalid/": '
         "dial tcp: lookup no-such-name.invalid: no such host"),
    ],
)  # fmt: skip
async def test_a_url_that_leads_nowhere_is_critical(means, url, output):
    assert await run(means, url) == ("critical", output, False)


async def test_a_password_is_not_shown(means, closed_port):
    result = await run(means, f"http://me:secret@127.0.0.1:{closed_port}/")
    assert result.output == (
        f'Get "http://me:***@127.0.0.1:{closed_port}/": dial tcp 127.0.0.1:{closed_port}: connect: connection refused'
    )


async def test_tls_is_verified(means, trusting, certificate):
    async def answer(request):
        return web.Response(text="safe")

    async with serving(answer, certificate.context()) as url:
        trusted = await run(trusting, url)
        stranger = await run(means, url)
        skipped = await run(means, url, tls_skip_verify=True)
        named = await run(trusting, url, tls_server_name="known.test")
        misnamed = await run(trusting, url, tls_server_name="other.test")
    failed = f'Get "{url}": tls: failed to verify certificate: x509: '
    assert [each.status for each in (trusted, skipped, named)] == ["passing"] * 3
    assert stranger == ("critical", f"{failed}certificate signed by unknown authority", False)
    assert misnamed == ("critical", f"{failed}certificate is valid for other names, not other.test", False)


async def test_a_server_without_tls_is_critical(means):
    async with listening(old_http) as where:
        result = await run(means, f"https://{where}")
    assert result == (
        "critical", f'Get "https://{where}": tls: first record does not look like a TLS handshake', False)  # fmt: skip


async def test_a_connection_is_kept_where_the_target_keeps_it(means):
    peers = set()

    async def answer(request):
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response()

    async with serving(answer) as url:
        probe = HttpProbe(CheckDefinition(http=url), means)
        for _ in range(3):
            assert (await probe.run()).status == "passing"
    assert len(peers) == 1


async def test_a_connection_that_the_target_dropped_is_made_anew(means):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")  # and hangs up without saying so

    async with listening(talk) as where:
        probe = HttpProbe(CheckDefinition(http=f"http://{where}/"), means)
        assert [(await probe.run()).status for _ in range(5)] == ["passing"] * 5


async def test_the_environment_names_a_proxy(means, monkeypatch):
    lines = []

    async def talk(reader, writer):
        lines.append(await reader.readline())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()

    async with listening(talk) as where:
        monkeypatch.setenv("HTTP_PROXY", f"http://{where}")
        assert (await run(means, "http://far.test/x")).status == "passing"
        monkeypatch.setenv("NO_PROXY", ".test")
        assert (await run(means, "http://far.invalid.test/x")).status == "critical"
    assert lines == [b"GET http://far.test/x HTTP/1.1\r\n"]
