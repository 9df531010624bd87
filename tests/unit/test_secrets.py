"""Secrets never: a server at debug level is given every kind of secret there is, and none is in what it says.

It is a real process on a real store. Read is every byte of its log, its access log, its pages and streams, its
answers to wrong requests, and what the commands on its store print. What a client asks for is another matter: the
definition of its check is what it registered.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.replicas.redis_server import MISSING, PROGRAM, RedisServer

ROOT = Path(__file__).parents[2]
PASSWORD = "hush/redis@0 1"  # of the store; it has to be escaped to stand in a URL
HUSH = "hush"  # every secret of these tests begins so, in a URL too
SAID_SECONDS = 5.0
HEADERS = {
    "X-Consul-Token": "hush-header-token",
    "Authorization": "Bearer hush-bearer",
    "Cookie": "session=hush-cookie",
    "Referer": "http://ui:hush-referer@x/?token=hush-referer-token",
    "User-Agent": "a",
}
CHECK = {
    "Name": "c", "CheckID": "c", "HTTP": "http://me:hush-user@127.0.0.1:1/?token=hush-url&password=hush-pw",
    "Timeout": "1s", "Interval": "1s", "Header": {"Authorization": ["Bearer hush-check"], "X-Api-Key": ["hush-key"]},
    "Method": "POST", "Body": "hush-body", "Status": "passing",
}  # fmt: skip
SCRIPT = {
    "Name": "s",
    "CheckID": "s",
    "Args": ["false", "--password", "hush-args"],
    "Interval": "1s",
    "Status": "passing",
}
GOOD: list[tuple[str, str, Any]] = [
    ("PUT", "/v1/agent/service/register?token=hush-write",
     {"Name": "web", "Checks": [CHECK, SCRIPT], "Token": "hush-body-token"}),
    ("PUT", "/v1/agent/check/register", {"Name": "up", "TTL": "1s", "Status": "passing", "Token": "hush-body-token"}),
    ("GET", "/v1/health/service/web?token=hush-query", None),
    ("GET", "/v1/health/service/web?token=hush-query", None),
    ("GET", "/v1/health/service/web?token=hush-query", None),
    ("GET", "/v1/health/service/web?%74oken=hush-escaped", None),
    ("GET", "http://me:hush-proxy@x/v1/status/leader", None),
    ("GET", "/v1/agent/self?token=hush", None),
    ("GET", "/v1/agent/metrics?token=hush", None),
    ("GET", "/v1/agent/host?token=hush", None),
    ("GET", "/metrics?token=hush", None),
    ("GET", "/health?digest&token=hush", None),
]  # fmt: skip
WRONG: list[tuple[str, str, Any]] = [
    ("PUT", "/v1/agent/token/default", {"Token": "hush-agent-token"}),
    ("PUT", "/v1/acl/bootstrap", {"BootstrapSecret": "hush-bootstrap"}),
    ("PUT", "/v1/acl/token", {"SecretID": "hush-secret-id"}),
    ("POST", "/v1/acl/login", {"BearerToken": "hush-login"}),
    ("GET", "/v1/nothing?token=hush", None),
    ("POST", "/v1/agent/self?token=hush", None),
    ("GET", "/v1/health/service/web?token=hush&index=x", None),
    ("GET", "/v1/health/service/web?token=hush;x", None),
    ("GET", "/v1/health/service/web?x=%zz&token=hush", None),
    ("PUT", "/v1/agent/check/register", {"Name": "x", "Header": {"Authorization": "hush-type"}, "Body": 1}),
    ("PUT", "/v1/agent/check/register", {"Name": "x", "TTL": "1s", "ID": {"Token": "hush-nested"}}),
    ("PUT", "/v1/agent/check/register", '{"Name":"x","Header":{"Authorization":["hush-syntax"]},}'),
    ("PUT", "/v1/agent/check/register", {**CHECK, "Interval": "", "Timeout": ""}),
    ("PUT", "/v1/agent/check/pass/none?token=hush", None),
]
QUOTED: list[
    tuple[str, str, Any]
] = [  # the caller is told what was wrong in Consul's words, which quote it; the log is not
    ("PUT", "/v1/agent/check/register", {"Name": "x", "TTL": "hush-duration"}),
    ("PUT", "/v1/catalog/register", {"Node": "n", "Address": "1.2.3.4", "ID": "hush-node-id"}),
]


class Server:
    """`registry serve` at debug level, and everything it says."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.log, self.access_log = folder / "server.log", folder / "access.log"
        self.heard: list[bytes] = []  # answers and streams
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "registry", "serve", "--http-port", "0", "--log-level", "debug",
                 "--data-dir", str(folder / "data"), "--access-log", str(self.access_log), "--enable-script-checks",
                 "--prometheus-retention-seconds", "60", *flags],
                cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "PYTHONASYNCIODEBUG": ""},
            )  # fmt: skip
        self.wait_for(b"Listening: address=127.0.0.1 port=")
        self.port = int(re.findall(rb"Listening: address=\S+ port=(\d+)", self.log.read_bytes())[0])

    def wait_for(self, text: bytes) -> None:
        """Wait until the log says it."""
        until = time.monotonic() + SAID_SECONDS
        while text not in self.log.read_bytes():
            assert time.monotonic() < until, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)

    def ask(self, method: str, target: str, body: Any = None) -> tuple[int, bytes]:
        """Send a request with all its secrets; the answer is not taken for something that was heard."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        sent = body if body is None or isinstance(body, str) else json.dumps(body)
        connection.request(method, target, sent, HEADERS)
        answer = connection.getresponse()
        found = str(answer.headers).encode() + answer.read()
        connection.close()
        return answer.status, found

    def raw(self, data: bytes) -> None:
        """Send bytes and hear what comes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(data)
            while piece := connection.recv(65536):
                self.heard.append(piece)

    def stop(self) -> None:
        """End it, so that its logs are whole."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)

    def said(self) -> bytes:
        """All of it."""
        return b"\n".join((self.log.read_bytes(), self.access_log.read_bytes(), *self.heard))


@pytest.fixture
def redis_with_password(tmp_path: Path) -> Iterator[RedisServer]:
    if PROGRAM is None:
        pytest.skip(MISSING)
    server = RedisServer(tmp_path / "redis", password=PASSWORD)
    server.start()
    yield server
    server.stop()


def assert_no_secret(said: bytes | str) -> None:
    """Names the lines where one is."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    assert [line for line in text.splitlines() if HUSH in line] == []


@contextlib.contextmanager
def monitors(server: Server) -> Iterator[None]:
    """Both forms of the monitor, heard until the end of the block."""
    lines = []
    for form in ("", "&logjson"):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        connection.sendall(
            f"GET /v1/agent/monitor?loglevel=trace&token=hush{form} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        server.heard.append(connection.recv(65536))
        lines.append(connection)
    yield
    for connection in lines:
        connection.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            while piece := connection.recv(65536):
                server.heard.append(piece)
        connection.close()


def exercise(server: Server) -> None:
    """Every secret in every place where a client can put one."""
    with monitors(server):
        for method, target, body in GOOD:
            status, found = server.ask(method, target, body)
            assert status == 200, (target, found)
            if "/v1/health/" not in target:
                server.heard.append(found)
        for method, target, body in WRONG:
            status, found = server.ask(method, target, body)
            assert status >= 400, (target, found)
            server.heard.append(found)
        for method, target, body in QUOTED:
            assert server.ask(method, target, body)[0] >= 400
        server.raw(b"GET /?token=hush HTTP/9\r\nAuthorization: hush\r\n\r\n")
        server.raw(b"GET /v1/kv/a?token=hush\r\nX-Consul-Token: hush\r\n\r\n")
        server.raw(b"PUT /v1/kv/a?token=hush HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nhush\r\n\r\n")
        for told in (b"now critical: check=c ", b"now warning: check=s ", b"now critical: check=up "):
            server.wait_for(told)


def test_on_a_file(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        exercise(server)
    finally:
        server.stop()

    said = server.said()
    assert_no_secret(said)
    for expected in (
        b"Request finished",
        b"Request refused",
        b"Synced service",
        b"token=<hidden>",
        b'"@level":"debug"',
    ):
        assert expected in said  # else nothing was read
    assert b"GET /v1/health/service/web?token=<hidden> HTTP/1.1" in server.access_log.read_bytes()


def test_on_a_redis_with_a_password(tmp_path: Path, redis_with_password: RedisServer) -> None:
    redis = redis_with_password
    url = f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{redis.port}/0?window=0.01"
    server = Server(tmp_path, "--store", url)
    try:
        exercise(server)
        redis.kill()
        server.wait_for(b"The store is away")
        for target in ("/health", "/metrics", "/v1/agent/self", "/v1/agent/metrics?format=prometheus"):
            server.heard.append(server.ask("GET", target)[1])
        status, found = server.ask("PUT", "/v1/agent/service/register", {"Name": "later", "Token": "hush"})
        assert status == 503
        server.heard.append(found)
    finally:
        server.stop()

    assert b"redis://:***@127.0.0.1" in server.said()  # the store is shown, its password is not
    assert_no_secret(server.said())


def command(*words: str) -> str:
    """What a command prints."""
    ended = subprocess.run([sys.executable, "-m", "registry", *words], cwd=ROOT, capture_output=True, timeout=30)
    return (ended.stdout + ended.stderr).decode()


def test_in_what_commands_print_and_in_the_description_of_a_backup(
    tmp_path: Path, redis_with_password: RedisServer
) -> None:
    password, backup, port = tmp_path / "password", tmp_path / "a.backup", redis_with_password.port
    password.write_text(PASSWORD + "\n")
    store = ("--store", f"redis://127.0.0.1:{port}/0?window=0.01", "--store-password-file", str(password))
    server = Server(tmp_path, *store)
    try:
        server.heard.append(server.ask("GET", "/v1/agent/self")[1])
        assert server.ask(*GOOD[0])[0] == 200
        printed = command("backup", *store, str(backup))
    finally:
        server.stop()
    with tarfile.open(backup) as opened:
        for name in ("meta.json", "SHA256SUMS"):
            member = opened.extractfile(name)
            assert member is not None
            printed += member.read().decode()
    printed += command("verify", *store)
    for wrong in ("hush-wrong", "hush-wrong/@x"):
        url = f"redis://:{quote(wrong, safe='')}@127.0.0.1:{port}/0"
        refused = command("serve", "--http-port", "0", "--data-dir", str(tmp_path), "--store", url)
        assert "WRONGPASS" in refused or "password" in refused
        printed += refused
    printed += command("serve", "--store", "redis://:hush@nowhere.invalid:1/0", "--http-port", "0")
    printed += command("serve", "--store", "redis://:hush@/x?sentinel_password=hush", "--http-port", "0")

    assert '"Index"' in printed
    assert_no_secret(printed)
    assert_no_secret(server.said())
