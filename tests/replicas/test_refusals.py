"""A store that cannot be used: one line that names the setting and the way on, and an exit code that says which it is.

Real processes against real servers; 2 is a setting, 1 a store that is not there.
"""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from tests.processes import ROOT
from tests.replicas import certificates as openssl
from tests.replicas.certificates import certificates
from tests.replicas.redis_server import RedisServer, free_port
from tests.replicas.replica import Replica

pytestmark = [pytest.mark.slow, pytest.mark.timeout(30)]
REFUSED_SECONDS = 8.0  # most of it is the start of the interpreter


async def refused(url: str, *flags: str) -> tuple[int, str]:
    """Exit code and words of a server that has to refuse this store."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", "serve", "--http-port", "0", "--store", url, *flags,
        cwd=ROOT, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(REFUSED_SECONDS):
            _, words = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    lines = [line for line in words.decode().splitlines() if line.startswith("registry: ")]
    assert len(lines) == 1, words.decode()
    assert "Traceback" not in words.decode()
    return process.returncode, lines[0]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis:", "//"),
        ("redis://", "host"),
        ("redis://127.0.0.1:x/0", "port"),
        ("redis://127.0.0.1/zero", "database"),
        ("redis://127.0.0.1/0?colour=red", "colour"),
        ("redis://127.0.0.1/0?namespace=a%20b", "namespace"),
        ("redis://:secret@127.0.0.1/0?check_hostname=true", "TLS"),
        ("redis+sentinel://127.0.0.1", "master"),
        ("rediss://127.0.0.1/0?ca_certs=/nowhere", "/nowhere"),
    ],
)
async def test_a_url_that_is_wrong(url: str, says: str) -> None:
    code, line = await refused(url)
    assert code == 2
    assert line.startswith("registry: store: ")
    assert says in line
    assert "secret" not in line


@pytest.mark.parametrize("given", ["", "wrong"])
async def test_a_password_that_is_wrong(tmp_path: Path, given: str) -> None:
    server = RedisServer(tmp_path / "redis", password="right")
    await asyncio.to_thread(server.start)
    try:
        user = f":{given}@" if given else ""
        code, line = await refused(f"redis://{user}127.0.0.1:{server.port}/0")
    finally:
        server.stop()
    assert code == 2
    assert line.startswith("registry: store: ")
    assert not given or given not in line


async def test_users_with_rights_of_their_own(tmp_path: Path) -> None:
    """What `docs/redis.md` grants a user is enough; a user who may not run scripts is told so."""
    server = RedisServer(tmp_path / "redis", password="right")
    await asyncio.to_thread(server.start)
    server.ask("ACL", "SETUSER", "ours", "on", ">word", "~{n}:*", "+@all", "-@dangerous", "+info", "+config|get")
    server.ask("ACL", "SETUSER", "reader", "on", ">word", "~*", "+@read", "+@connection")
    replica = Replica("r", f"redis://ours:word@127.0.0.1:{server.port}/0?namespace=n&window=0.1")
    try:
        await replica.start()
        code, line = await refused(f"redis://reader:word@127.0.0.1:{server.port}/0?namespace=n")
        assert code == 2
        assert line.startswith("registry: store: ")
    finally:
        await replica.kill()
        server.stop()


@pytest.mark.skipif(openssl.PROGRAM is None, reason=openssl.MISSING)
async def test_tls(tmp_path: Path) -> None:
    """With the authority that signed the server's certificate it works, with another one or without TLS it does not."""
    good, bad = certificates(tmp_path / "good"), certificates(tmp_path / "bad")
    server = RedisServer(tmp_path / "redis", tls=good)
    await asyncio.to_thread(server.start)
    url = f"rediss://127.0.0.1:{server.port}/0?namespace=n&window=0.1&ca_certs="
    replica = Replica("r", url + str(good.authority))
    try:
        await replica.start()
        code, line = await refused(url + str(bad.authority))
        assert code == 2
        assert line.startswith("registry: store: ")
        code, line = await refused(f"redis://127.0.0.1:{server.port}/0")
        assert code in (1, 2)
    finally:
        await replica.kill()
        server.stop()


async def test_a_store_that_does_not_answer() -> None:
    code, line = await refused(f"redis://127.0.0.1:{free_port()}/0")
    assert code == 1
    assert "does not answer" in line


async def test_a_store_that_is_silent(redis: RedisServer) -> None:
    redis.pause()
    try:
        code, _ = await refused(redis.url("n"))
    finally:
        redis.resume()
    assert code == 1


async def test_a_store_that_comes_later(tmp_path: Path) -> None:
    """With `--store-wait-seconds` the server waits for it, and can be told to end meanwhile."""
    server = RedisServer(tmp_path / "redis")
    replica = Replica("r", server.url("n", window=0.1), "--store-wait-seconds", "20")
    try:
        await replica.spawn()
        assert not await replica.listens_within(1.5)
        begun = time.monotonic()
        await replica.stop()
        assert time.monotonic() - begun < 3
        await replica.spawn()
        await asyncio.to_thread(server.start)
        assert await replica.listens_within(5)
    finally:
        await replica.kill()
        server.stop()


@pytest.mark.parametrize(
    "command",
    [
        ("SET", "{n}:meta", "text"),
        ("HSET", "{n}:meta", "theirs", "1"),
        ("SET", "{n}:log", "text"),
        ("XADD", "{n}:log", "1-0", "theirs", "1"),
    ],
    ids=["another-type", "another-hash", "another-type-of-log", "another-stream"],
)
async def test_foreign_data_under_our_keys_is_left_alone(redis: RedisServer, command: tuple[str, ...]) -> None:
    redis.ask(*command)
    before = redis.ask("DUMP", command[1])
    code, line = await refused(redis.url("n", window=0.1))
    assert code == 2
    assert line.startswith("registry: store: ")
    assert redis.ask("DUMP", command[1]) == before
    assert redis.ask("DBSIZE") == 1


async def test_a_redis_that_evicts_keys_is_refused(redis: RedisServer) -> None:
    redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    code, line = await refused(redis.url("n", window=0.1))
    assert code == 2
    assert "maxmemory-policy" in line
