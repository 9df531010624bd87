"""HTTP checks against a real server."""

import asyncio
import gzip
import re
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from registry.checks import connections
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
    assert result == ("critical", 'Get "/round": stopped after 10 redirects', False)
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


async def test_what_a_redirect_carries_along(means):
    """The name that the definition gives the target goes to the same target only; the url is said, its user not."""
    seen = []

    async def answer(request):
        seen.append((request.headers["Host"], request.headers.get("Referer"), request.headers.get("Authorization")))
        if request.path == "/from":
            raise web.HTTPFound("/again")
        if request.path == "/again":
            raise web.HTTPFound(f"http://localhost:{port}/to")
        return web.Response()

    async with serving(answer) as url:
        port = url.rpartition(":")[2]
        await run(means, f"http://me:secret@127.0.0.1:{port}/from", header={"Host": ("named.test",)})
    assert seen == [
        ("named.test", None, "Basic bWU6c2VjcmV0"),
        ("named.test", f"{url}/from", "Basic bWU6c2VjcmV0"),
        (f"localhost:{port}", f"{url}/again", None),
    ]


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
        assert await run(means, url, timeout_ns=SECOND) == (
            "passing", f"HTTP GET {url}: 200 OK Output: begun", False)  # fmt: skip


async def test_no_answer_in_time_is_critical(means):
    async with listening(silent) as where:
        began = time.monotonic()
        result = await run(means, f"http://{where}", timeout_ns=SECOND // 5)
        assert time.monotonic() - began < 3
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
        ("", 'Get "": unsupported protocol scheme ""'),
        ("//h/x", 'Get "//h/x": unsupported protocol scheme ""'),
        ("http://", 'Get "http:": http: no Host in request URL'),
        ("http:127.0.0.1", 'Get "http:127.0.0.1": http: no Host in request URL'),
        ("1http://x/", 'parse "1http://x/": first path segment in URL cannot contain colon'),
        (" http://x/", 'parse " http://x/": first path segment in URL cannot contain colon'),
        ("http://[::1/", "parse \"http://[::1/\": missing ']' in host"),
        ("http://h\\x/", 'parse "http://h\\\\x/": invalid character "\\\\" in host name'),
        ("http://a%41/", 'parse "http://a%41/": invalid URL escape "%41"'),
        ("http://x:-1/", 'parse "http://x:-1/": invalid port ":-1" after host'),
        ("http://h:99999/", 'Get "http://h:99999/": dial tcp: address 99999: invalid port'),
        ("http://127.1:1/", 'Get "http://127.1:1/": dial tcp: lookup 127.1: no such host'),
        ("http://0:1/", 'Get "http://0:1/": dial tcp: lookup 0: no such host'),
        ("HTTP://-x.invalid/a b", 'Get "http://-x.invalid/a%20b": dial tcp: lookup -x.invalid: no such host'),
        ("http://x..invalid/ü?ä", 'Get "http://x..invalid/%C3%BC?ä": dial tcp: lookup x..invalid: no such host'),
    ],
)  # fmt: skip
async def test_a_url_that_leads_nowhere_is_critical(means, url, output):
    assert await run(means, url) == ("critical", output, False)


async def test_a_password_is_not_shown(means, closed_port):
    result = await run(means, f"http://me:secret@127.0.0.1:{closed_port}/")
    assert result.output == (
        f'Get "http://me:***@127.0.0.1:{closed_port}/": dial tcp 127.0.0.1:{closed_port}: connect: connection refused'
    )


async def test_a_name_that_nobody_knows_is_critical(means):
    result = await run(means, "http://no-such-name.invalid/")
    assert result.status == "critical"
    said = r'Get "http://no-such-name.invalid/": dial tcp: lookup no-such-name.invalid( on [^ ]+)?: [a-z ]+'
    assert re.fullmatch(said, result.output)


async def test_a_url_without_a_host_is_this_machine(means, closed_port):
    seen = []

    async def answer(request):
        seen.append(request.headers["Host"])
        return web.Response()

    async with serving(answer) as url:
        port = url.rpartition(":")[2]
        assert (await run(means, f"http://:{port}/x")).status == "passing"
    assert seen == [f":{port}"]
    assert (await run(means, f"http://:{closed_port}/")).output == (
        f'Get "http://:{closed_port}/": dial tcp :{closed_port}: connect: connection refused'
    )


def answering(data: bytes):
    """A target that sends these bytes, whatever it is asked."""

    async def talk(reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            await writer.drain()

    return listening(talk)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"SSH-2.0-Server here\r\n\r\n", 'malformed HTTP status code "here"'),
        (b"SSH-2.0-Server\r\n\r\n", 'malformed HTTP response "SSH-2.0-Server"'),
        (b"HTTP/1.1 abc no\r\n\r\n", 'malformed HTTP status code "abc"'),
        (b"HTTP/9.1x 200 no\r\n\r\n", 'malformed HTTP version "HTTP/9.1x"'),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", 'malformed MIME header: missing colon: "no colon"'),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 'bad Content-Length "x"'),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 'bad Content-Length "-1"'),
        (b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "invalid empty Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
         'http: message cannot contain multiple Content-Length headers; got ["1" "2"]'),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 'unsupported transfer encoding: "gzip"'),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: a\r\nTransfer-Encoding: b\r\n\r\n",
         'too many transfer encodings: ["a" "b"]'),
        (b"HTTP/1.1 200 OK\r\n X: y\r\n\r\n", "malformed MIME header initial line:  X: y"),
        (b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", "malformed MIME header line: X: a\0b"),
        (b"HTTP/1.1 200 OK\r\n: y\r\n\r\n", "malformed MIME header line: : y"),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", 'malformed HTTP response ""'),
        (b"HTTP/1.1 200 OK\r\nX: " + b"v" * (1 << 20),
         "net/http: server response headers exceeded 1048576 bytes; aborted"),
    ],
)  # fmt: skip
async def test_an_answer_that_is_not_http_is_critical(means, sent, why):
    async with answering(sent) as where:
        result = await run(means, f"http://{where}/")
    broken = "net/http: HTTP/1.x transport connection broken"
    assert result == ("critical", f'Get "http://{where}/": {broken}: {why}', False)


@pytest.mark.parametrize(
    ("sent", "why"),
    [(b"HTTP/1.1 20", 'malformed HTTP status code "20"'), (b"HTTP/1.1 200 OK\r\nX: y", "unexpected EOF")],
)
async def test_an_answer_that_is_cut_off_in_its_head_is_critical(means, sent, why):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()

    async with listening(talk) as where:
        result = await run(means, f"http://{where}/")
    broken = "net/http: HTTP/1.x transport connection broken"
    assert result == ("critical", f'Get "http://{where}/": {broken}: {why}', False)


async def test_a_server_of_another_protocol_is_known_by_its_first_line(means):
    """It then waits for us, and so would we for the end of the head, until the timeout."""
    async with answering(b"220 mail.test ESMTP\r\n") as where:
        result = await run(means, f"http://{where}/", timeout_ns=60 * SECOND)
    assert result.output.endswith('transport connection broken: malformed HTTP status code "mail.test"')


@pytest.mark.parametrize(
    ("head", "body", "output"),
    [
        ("Content-Length: 1", b"and more", "a"),
        ("Content-Length: 2\r\nContent-Length: 2", b"hi", "hi"),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n", "abc"),
        ("Transfer-Encoding: chunked", b"3;x=1\r\nabc\r\nzz\r\n", "abc"),
        ("Transfer-Encoding: chunked", b"zz\r\n", ""),
        ("Bad Name: 1\r\nContent-Length: 2", b"hi", "hi"),
        ("Folded: a\r\n b\r\nContent-Length: 2", b"hi", "hi"),
        ("Content-Length: 2\r\n" + "\r\n".join(f"X-{n}: v" for n in range(3000)), b"hi", "hi"),
        ("Content-Length: 2\r\nX: " + "v" * 200_000, b"hi", "hi"),
        ("Content-Length: 5\r\nContent-Encoding: br", b"\x0b\x01\x80a\x03", "\x0b\x01\ufffda\x03"),
        ("Content-Length: 3\r\nContent-Encoding: gzip", b"raw", ""),
        ("Content-Length: 0\r\nContent-Encoding: gzip", b"", ""),
    ],
)  # fmt: skip
async def test_an_answer_is_read_as_leniently_as_by_consul(means, head, body, output):
    """A service that serves everybody else is not called dead for it."""
    async with answering(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body) as where:
        probe = HttpProbe(CheckDefinition(http=f"http://{where}/"), means)
        for _ in range(2):  # nothing that is left over is taken for the next answer
            assert await probe.run() == ("passing", f"HTTP GET http://{where}/: 200 OK Output: {output}", False)


async def test_what_announces_an_answer_is_not_the_answer(means):
    first = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    async with answering(first + b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n") as where:
        assert (await run(means, f"http://{where}/")).output == f"HTTP GET http://{where}/: 503 Later Output: "


async def test_a_body_with_the_answer_to_head_is_ignored(means):
    """As from handlers that treat HEAD as GET."""
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") as where:
        probe = HttpProbe(CheckDefinition(http=f"http://{where}/", method="HEAD"), means)
        for _ in range(3):
            assert await probe.run() == ("passing", f"HTTP HEAD http://{where}/: 200 OK Output: ", False)


async def test_gzip_is_undone_only_where_the_definition_has_not_asked_for_it(means):
    async def answer(request):
        zipped = "gzip" in request.headers.get("Accept-Encoding", "")
        body, headers = (gzip.compress(b"text", mtime=0), {"Content-Encoding": "gzip"}) if zipped else (b"text", {})
        return web.Response(body=body, headers=headers)

    async with serving(answer) as url:
        ours = await run(means, url)
        theirs = await run(means, url, header={"Accept-Encoding": ("gzip",)})
        none = await run(means, url, header={"Accept-Encoding": ("identity",)})
    assert ours.output == none.output == f"HTTP GET {url}: 200 OK Output: text"
    assert theirs.output.startswith(f"HTTP GET {url}: 200 OK Output: \x1f\ufffd\x08")


async def test_a_peer_that_resets_the_connection_is_critical(means):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        made = writer.get_extra_info("socket")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with listening(talk) as where:
        result = await run(means, f"http://{where}/")
    said = rf'Get "http://{where}/": read tcp 127\.0\.0\.1:\d+->{where}: read: connection reset by peer'
    assert re.fullmatch(said, result.output)


async def test_a_large_head_is_read(means):
    lines = "".join(f"X-{number}: {'v' * 60}\r\n" for number in range(300))
    head = f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: {'c' * 20000}\r\n{lines}\r\n"
    async with answering(head.encode()) as where:
        assert (await run(means, f"http://{where}/")).status == "passing"


async def test_a_reason_that_is_not_given_is_not_shown(means):
    async with answering(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi") as where:
        assert (await run(means, f"http://{where}/")).output == f"HTTP GET http://{where}/: 200 Output: hi"
    async with answering(b"HTTP/1.1 503 \r\nContent-Length: 2\r\n\r\nhi") as where:  # as many send it
        assert (await run(means, f"http://{where}/")).output == f"HTTP GET http://{where}/: 503  Output: hi"


@pytest.mark.parametrize(
    ("more", "output"),
    [
        ({"method": "BAD METHOD"}, 'net/http: invalid method "BAD METHOD"'),
        ({"header": {"bad name": ("v",)}}, 'Get "{url}": net/http: invalid header field name "bad name"'),
        ({"header": {"X-A": ("a\nb",)}}, 'Get "{url}": net/http: invalid header field value for "X-A"'),
    ],
)
async def test_what_cannot_be_sent_is_critical(means, more, output):
    async with listening(silent) as where:
        url = f"http://{where}/"
        assert await run(means, url, **more) == ("critical", output.format(url=url), False)


async def test_headers_that_would_break_the_request_are_left_out(means):
    """A length that is not that of the body would have the target wait for the rest."""
    seen = []

    async def answer(request):
        seen.append((request.headers.get("Content-Length", "0"), request.headers["User-Agent"], await request.text()))
        return web.Response()

    header = {"content-length": ("50",), "Transfer-Encoding": ("chunked",), "User-Agent": ("",)}
    async with serving(answer) as url:
        assert (await run(means, url, header=header)).status == "passing"
        assert (await run(means, url, header=header, method="POST", body="four")).status == "passing"
    assert seen == [("0", "Consul Health Check", ""), ("4", "Consul Health Check", "four")]


@pytest.mark.parametrize(
    ("where", "output"),
    [
        ("http://h:zz/", 'Post "{url}/": failed to parse Location header "http://h:zz/": '
         'parse "http://h:zz/": invalid port ":zz" after host'),
        ("ftp://h/", 'Post "ftp://h/": unsupported protocol scheme "ftp"'),
        ("http://:1/", 'Post "http://:1/": dial tcp :1: connect: connection refused'),
        ("//:1/x", 'Post "http://:1/x": dial tcp :1: connect: connection refused'),
        ("http://[no::where]:1/", 'Post "http://[no::where]:1/": dial tcp: lookup no::where: no such host'),
        ("//[no::where]:1/", 'Post "http://[no::where]:1/": dial tcp: lookup no::where: no such host'),
    ],
)  # fmt: skip
async def test_a_redirect_that_leads_nowhere_is_critical(means, where, output):
    async def answer(request):
        return web.Response(status=302, headers={"Location": where})

    async with serving(answer) as url:
        result = await run(means, f"{url}/", method="POST")
    assert result == ("critical", output.format(url=url), False)


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
    assert misnamed == ("critical", f"{failed}certificate is valid for localhost, known.test, not other.test", False)


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


@pytest.mark.parametrize("more", [{"header": {"Connection": ("close",)}}, {"interval_ns": 80 * SECOND}])
async def test_a_connection_is_not_kept_when_that_is_not_wanted_or_of_no_use(means, more):
    left = []

    async def talk(reader, writer):
        left.append((await reader.readuntil(b"\r\n\r\n")).count(b"Connection: close\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with listening(talk) as where:
        probe = HttpProbe(CheckDefinition(http=f"http://{where}/", **more), means)
        for _ in range(2):
            assert (await probe.run()).status == "passing"
    assert left == [1, 1]


async def test_a_name_is_looked_up_again_after_a_while(means, monkeypatch):
    """The host that it led to may serve on, while everybody else is sent to another."""
    peers = set()

    async def answer(request):
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response()

    monkeypatch.setattr(connections, "NAME_SECONDS", 0.0)
    async with serving(answer) as url:
        named = HttpProbe(CheckDefinition(http=url.replace("127.0.0.1", "localhost")), means)
        for _ in range(3):
            assert (await named.run()).status == "passing"
    assert len(peers) == 3


async def test_a_connection_that_the_target_dropped_is_made_anew(means):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")  # and hangs up without saying so

    async with listening(talk) as where:
        probe = HttpProbe(CheckDefinition(http=f"http://{where}/"), means)
        assert [(await probe.run()).status for _ in range(5)] == ["passing"] * 5


async def test_a_request_that_may_not_be_repeated_takes_no_connection_that_was_kept(means):
    """The target may close that one in the very moment, and nobody would know whether it has seen the request."""
    peers = []

    async def answer(request):
        peers.append((request.method, request.transport.get_extra_info("peername")))
        return web.Response()

    async with serving(answer) as url:
        for method in ("GET", "POST", "GET", "PATCH"):
            assert (await run(means, url, method=method)).status == "passing"
    ports = {method: {port for said, (_, port) in peers if said == method} for method in ("GET", "POST", "PATCH")}
    assert [len(each) for each in ports.values()] == [1, 1, 1]
    assert len(set.union(*ports.values())) == 3


async def test_a_connection_is_let_go_when_its_target_has_nothing_more_to_say(means):
    left = asyncio.Event()

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await asyncio.sleep(0.05)  # the answer has been read, and the connection is kept
        writer.write_eof()
        await reader.read()
        left.set()

    async with listening(talk) as where:
        assert (await run(means, f"http://{where}/")).status == "passing"
        await asyncio.wait_for(left.wait(), 5)


async def test_a_body_is_sent_without_waiting_for_leave(means):
    async def answer(request):
        return web.Response(text=await request.text())

    async with serving(answer) as url:
        result = await run(means, url, method="POST", body="ping", header={"Expect": ("100-continue",)})
    assert result.output == f"HTTP POST {url}: 200 OK Output: ping"


@asynccontextmanager
async def tunnelling(port, seen):
    """A proxy for CONNECT that leads to a port of this machine, whatever it is asked for."""

    async def pump(reader, writer):
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()

    async def talk(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        seen.append(head)
        if "refuse" in head[0]:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(pump(reader, back), pump(there, writer))
        finally:
            back.transport.abort()

    async with listening(talk) as where:
        yield where


async def test_tls_goes_through_a_proxy(means, trusting, certificate, monkeypatch, closed_port):
    seen = []

    async def answer(request):
        return web.Response(text=request.headers["Host"])

    async with serving(answer, certificate.context()) as url, tunnelling(int(url.rpartition(":")[2]), seen) as where:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:pass@{where}")
        known = await run(trusting, "https://known.test/x")
        other = await run(trusting, "https://other.test:99/x", tls_skip_verify=True)
        refused = await run(trusting, "https://refuse.test/x")
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{closed_port}")
        gone = await run(means, "https://known.test/x")
    assert known.output == "HTTP GET https://known.test/x: 200 OK Output: known.test"
    assert other.output == "HTTP GET https://other.test:99/x: 200 OK Output: other.test:99"
    assert refused.output == 'Get "https://refuse.test/x": Proxy Authentication Required'
    assert gone.output == (
        f'Get "https://known.test/x": proxyconnect tcp: dial tcp 127.0.0.1:{closed_port}: connect: connection refused'
    )
    assert seen[0][0] == "CONNECT known.test:443 HTTP/1.1"
    assert "Proxy-Authorization: Basic bWU6cGFzcw==" in seen[0]


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
