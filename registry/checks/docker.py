"""Docker checks: the exit code of a program inside a container.

Owns the three requests to the Docker daemon, at its socket or at the address that $DOCKER_HOST names (without TLS).
The program is run by Docker; when a check is cancelled or its time is up, the daemon is left with it, since it has no
request that would end one.
Source: agent.md §8.3; the Docker Engine API, exec.
"""

import asyncio
import os
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

import msgspec

from registry.checks import dial, gotext
from registry.checks.base import Result, Tail, critical, output_limit, status_of_exit, timeout_seconds
from registry.checks.means import Means
from registry.checks.script import TIMEOUT_SECONDS
from registry.model.check import CheckDefinition

SOCKET = "/var/run/docker.sock"
_READ_BYTES = 65536
_HEAD_BYTES = 65536  # the limit of a stream reader for the head of an answer
_ANSWER_BYTES = 1 << 20  # of what the daemon itself says


class _Refused(Exception):
    """The daemon did not do what it was asked; the text is Consul's."""


class _Answer(NamedTuple):
    status: int
    body: str


class DockerProbe:
    """Runs a program in a container and asks how it ended."""

    def __init__(self, definition: CheckDefinition, means: Means, socket_path: str | None = None) -> None:
        """`socket_path`: where the daemon listens; $DOCKER_HOST, or where it always does, when not given."""
        kind, _, place = os.environ.get("DOCKER_HOST", "").partition("://")
        self._address = place if kind == "tcp" and socket_path is None else ""
        self._socket = socket_path or (place if kind == "unix" else SOCKET)
        self._resolver = means.resolver
        self._container = definition.docker_container_id
        self._command = list(definition.script_args or ())
        self._limit = output_limit(definition, means.output_max_bytes)
        self._seconds = timeout_seconds(definition, TIMEOUT_SECONDS)

    async def run(self) -> Result:
        """Run it once."""
        output = Tail(self._limit)
        try:
            async with asyncio.timeout(self._seconds):
                number = await self._create()
                await self._start(number, output)
                code = await self._exit_code(number)
        except _Refused as error:
            return critical(str(error))
        except TimeoutError:
            return critical(gotext.DEADLINE)
        return Result(status_of_exit(code), output.captured())

    async def _create(self) -> str:
        what = {"AttachStdin": False, "AttachStdout": True, "AttachStderr": True, "Tty": True, "Cmd": self._command}
        path = f"/containers/{quote_plus(self._container)}/exec"
        answer = await self._ask("create exec", "POST", path, what)
        if answer.status == 404:
            raise _Refused(f"create exec failed for unknown container {self._container}")
        self._expect("create exec", answer, 201)
        return str(self._field("create exec", answer, "Id"))

    async def _start(self, number: str, output: Tail) -> None:
        path = f"/exec/{quote(number, safe='')}/start"
        answer = await self._ask("start exec", "POST", path, {"Detach": False, "Tty": True}, output)
        if answer.status == 404:
            raise _Refused(f"start exec failed for container {self._container}: invalid exec id {number}")
        self._expect("start exec", answer, 200)

    async def _exit_code(self, number: str) -> int:
        answer = await self._ask("inspect exec", "GET", f"/exec/{quote(number, safe='')}/json", None)
        if answer.status == 404:
            raise _Refused(f"inspect exec failed for container {self._container}: invalid exec id {number}")
        self._expect("inspect exec", answer, 200)
        code = self._field("inspect exec", answer, "ExitCode")
        return code if isinstance(code, int) else 2

    def _expect(self, doing: str, answer: _Answer, status: int) -> None:
        if answer.status == 409:
            raise _Refused(f"{doing} failed since container {self._container} is paused or stopped")
        if answer.status != status:
            said = f"with status {answer.status}: {answer.body}"
            raise _Refused(f"{doing} failed for container {self._container} {said}")

    def _field(self, doing: str, answer: _Answer, name: str) -> Any:
        try:
            return msgspec.json.decode(answer.body, type=dict[str, Any])[name]
        except (msgspec.DecodeError, KeyError) as error:
            said = f"{doing} response for container {self._container} cannot be parsed: {error}"
            raise _Refused(said) from None

    async def _ask(
        self, doing: str, method: str, path: str, body: dict[str, Any] | None, output: Tail | None = None
    ) -> _Answer:
        try:
            return await self._exchange(method, path, body, output)
        except (OSError, EOFError, asyncio.LimitOverrunError, ValueError, dial.DialError) as error:
            why = "EOF"
            if isinstance(error, FileNotFoundError | ConnectionRefusedError | PermissionError):
                why = f"dial unix {self._socket}: connect: {gotext.errno_text(error)}"
            elif isinstance(error, dial.DialError):
                why = str(error)
            url = f"http://{self._address or quote(self._socket, safe='')}{path}"
            said = f"{method.capitalize()} {gotext.quoted(url)}: {why}"
            raise _Refused(f"{doing} failed for container {self._container}: {said}") from None

    async def _exchange(self, method: str, path: str, body: dict[str, Any] | None, output: Tail | None) -> _Answer:
        """One request in HTTP/1.0, so that the answer ends with the connection and comes in one piece."""
        reader, writer = await self._connected()
        try:
            sent = msgspec.json.encode(body) if body is not None else b""
            head = f"{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent)
            status = int((await reader.readuntil(b"\r\n\r\n")).split(None, 2)[1])
            kept = output if output is not None and status == 200 else Tail(_ANSWER_BYTES)
            while data := await reader.read(_READ_BYTES):
                kept.write(data)
            return _Answer(status, kept.text())
        finally:
            writer.transport.abort()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not self._address:
            return await asyncio.open_unix_connection(self._socket, limit=_HEAD_BYTES)
        made = await dial.connect(dial.split(self._address), self._resolver)
        try:
            return await asyncio.open_connection(sock=made, limit=_HEAD_BYTES)
        except BaseException:
            made.close()
            raise
