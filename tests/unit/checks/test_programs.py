"""Script, Docker and OS service checks: real programs, and a daemon that speaks Docker's protocol."""

import asyncio
import contextlib
import socket
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from registry.checks.base import Result
from registry.checks.docker import DockerProbe
from registry.checks.os_service import OsServiceProbe
from registry.checks.script import ScriptProbe
from registry.model.check import CheckDefinition


async def script(means, *arguments, **more) -> Result:
    return await ScriptProbe(CheckDefinition(script_args=arguments, **more), means).run()


async def shell(means, text, **more) -> Result:
    return await script(means, "/bin/sh", "-c", text, **more)


@pytest.mark.parametrize(
    ("text", "status", "output"),
    [
        ("echo out; echo err >&2", "passing", "out\nerr\n"),
        ("echo w; exit 1", "warning", "w\n"),
        ("exit 2", "critical", ""),
        ("kill -9 $$", "critical", ""),
    ],
)
async def test_the_exit_code_decides(means, text, status, output):
    assert await shell(means, text) == (status, output, False)


async def test_only_the_end_of_a_long_output_is_kept(means):
    assert (await shell(means, "printf 1234567890", output_max_size=4)).output == "Captured 4 of 10 bytes\n...\n7890"
    long = await shell(means, "yes | head -c 13893")
    assert long.output.startswith("Captured 4096 of 13893 bytes\n...\n")
    assert len(long.output) == 4096 + len("Captured 4096 of 13893 bytes\n...\n")


async def test_a_program_that_is_not_there_is_critical_at_once(means, tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("no program")
    assert await script(means, "no-such-program") == (
        "critical", 'exec: "no-such-program": executable file not found in $PATH', True)  # fmt: skip
    assert (await script(means, "/bin/no-such")).output == "fork/exec /bin/no-such: no such file or directory"
    assert (await script(means, str(plain))).output == f"fork/exec {plain}: permission denied"


async def test_what_takes_too_long_is_killed_with_all_it_started(means, tmp_path):
    pid = tmp_path / "pid"
    began = time.monotonic()
    result = await shell(means, f"sleep 60 & echo $! > {pid}; echo part; wait", timeout_ns=500_000_000)
    assert result == ("critical", "Timed out (500ms) running check\n\npart\n", True)
    assert time.monotonic() - began < 3
    await gone(int(pid.read_text()))
    assert (await shell(means, "sleep 60", timeout_ns=100_000_000)).output == "Timed out (100ms) running check"


async def test_a_check_that_is_cancelled_kills_its_program(means, tmp_path):
    pid = tmp_path / "pid"
    running = asyncio.create_task(shell(means, f"echo $$ > {pid}; exec sleep 60"))
    while not (pid.exists() and pid.read_text()):  # noqa: ASYNC110 - the real time of a real program
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await gone(int(pid.read_text()))


async def gone(pid: int) -> None:
    """Wait until the process has ended, though perhaps nobody has asked how yet."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        while " Z " not in Path(f"/proc/{pid}/stat").read_text():  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.01)


async def test_a_unit_that_is_active_is_healthy(means, tmp_path):
    async def ask(text: str) -> Result:
        program = tmp_path / "systemctl"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        return await OsServiceProbe(CheckDefinition(os_service="ssh.service"), means, str(program)).run()

    assert await ask('[ "$*" = "is-active -- ssh.service" ]') == (
        "passing", 'Service "ssh.service" is healthy', False)  # fmt: skip
    assert (await ask("echo inactive; exit 3")).output == 'Service "ssh.service" is unhealthy: inactive'
    refusal = "System has not been booted with systemd as init system (PID 1). Can't operate."
    assert (await ask(f'echo "{refusal}" >&2; exit 1')).output == "not implemented"
    missing = OsServiceProbe(CheckDefinition(os_service="x"), means, "no-such-systemctl")
    assert await missing.run() == ("critical", "not implemented", False)


@asynccontextmanager
async def daemon(where: Path | socket.socket, code: int, output: bytes = b"said\r\n"):
    """What of Docker's interface an exec needs; the containers are `up`, `paused` and `broken`."""
    asked = []

    async def create(request):
        asked.append(await request.json())
        status = {"up": 201, "paused": 409, "broken": 500}.get(request.match_info["id"], 404)
        return web.json_response({"Id": "e1", "message": "no"}, status=status)

    async def start(request):
        return web.Response(body=output, content_type="application/vnd.docker.raw-stream")

    async def inspect(request):
        return web.json_response({"Running": False, "ExitCode": code})

    app = web.Application()
    app.add_routes([
        web.post("/containers/{id}/exec", create), web.post("/exec/e1/start", start), web.get("/exec/e1/json", inspect)
    ])  # fmt: skip
    runner = web.AppRunner(app)
    await runner.setup()
    site: web.BaseSite = web.UnixSite(runner, str(where)) if isinstance(where, Path) else web.SockSite(runner, where)
    await site.start()
    try:
        yield asked
    finally:
        await runner.cleanup()


async def docker(means, path, container="up", **more) -> Result:
    definition = CheckDefinition(docker_container_id=container, script_args=("/bin/probe", "-q"), **more)
    return await DockerProbe(definition, means, str(path)).run()


@pytest.mark.parametrize(("code", "status"), [(0, "passing"), (1, "warning"), (2, "critical"), (137, "critical")])
async def test_the_exit_code_inside_the_container_decides(means, tmp_path, code, status):
    path = tmp_path / "docker.sock"
    async with daemon(path, code) as asked:
        assert await docker(means, path) == (status, "said\r\n", False)
    assert asked[0]["Cmd"] == ["/bin/probe", "-q"]


async def test_what_docker_refuses_is_critical(means, tmp_path):
    path = tmp_path / "docker.sock"
    async with daemon(path, 0, b"0123456789"):
        assert (await docker(means, path, output_max_size=4)).output == "Captured 4 of 10 bytes\n...\n6789"
        assert await docker(means, path, "none") == (
            "critical", "create exec failed for unknown container none", False)  # fmt: skip
        assert (await docker(means, path, "paused")).output == (
            "create exec failed since container paused is paused or stopped"
        )
        assert (await docker(means, path, "broken")).output.startswith(
            "create exec failed for container broken with status 500: "
        )


async def test_the_environment_names_a_daemon_at_an_address(means, monkeypatch, closed_port):
    definition = CheckDefinition(docker_container_id="up", script_args=("x",))
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        monkeypatch.setenv("DOCKER_HOST", "tcp://{}:{}".format(*held.getsockname()))
        async with daemon(held, 1):
            assert await DockerProbe(definition, means).run() == ("warning", "said\r\n", False)
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{closed_port}")
    assert (await DockerProbe(definition, means).run()).output == (
        f'create exec failed for container up: Post "http://127.0.0.1:{closed_port}/containers/up/exec": '
        f"dial tcp 127.0.0.1:{closed_port}: connect: connection refused"
    )


async def test_without_a_docker_daemon_the_check_is_critical(means):
    definition = CheckDefinition(docker_container_id="c1", script_args=("x",))
    result = await DockerProbe(definition, means, "/nowhere/docker.sock").run()
    assert result == (
        "critical",
        'create exec failed for container c1: Post "http://%2Fnowhere%2Fdocker.sock/containers/c1/exec": '
        "dial unix /nowhere/docker.sock: connect: no such file or directory",
        False,
    )


@pytest.mark.parametrize(
    ("sent", "output"),
    [
        (b"", 'Post "http://{socket}/containers/c/exec": EOF'),
        (b"HTTP/1.1 201 Created\r\n\r\nnonsense", "create exec response for container c cannot be parsed: "),
        (b"HTTP/1.1 201 Created\r\n\r\n{}", "create exec response for container c cannot be parsed: "),
        (b'HTTP/1.1 201 Created\r\n\r\n{"Id":"e"}', "start exec failed for container c with status 201: "),
    ],
)
async def test_a_daemon_that_makes_no_sense_is_critical(means, tmp_path, sent, output):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()
        writer.close()

    path = tmp_path / "odd.sock"
    server = await asyncio.start_unix_server(talk, path)
    try:
        result = await docker(means, path, "c")
    finally:
        server.close()
        await server.wait_closed()
    assert result.status == "critical"
    assert output.format(socket=str(path).replace("/", "%2F")) in result.output
