"""Somebody who follows a page: a folder, a shell and servers of their own, and free ports for those on the page.

Owns the processes. Port 8500 of the page, and every other `localhost:PORT` or `127.0.0.1:PORT`, becomes a free one;
outputs are turned back before they are compared. A `registry serve` is what stands in another terminal: it goes on
while the page does. Where a section starts none on port 8500, there is one with a new store already.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.docs.page import Section, Step
from tests.replicas.redis_server import free_port

ROOT = Path(__file__).parents[2]
OURS = ("REGISTRY_", "CVXC_", "CONSUL_", "PORT")  # what a page says must not depend on who runs it
STOP_SECONDS = 5.0
FETCHED_CONSUL = ROOT / ".cache" / "consul" / "usr" / "bin"  # by scripts/get-consul
SHELL = r"""
set -o pipefail
curl() { command curl -s --fail-with-body "$@"; }
while IFS= read -r -u 9 -d '' typed; do eval "$typed" </dev/null; printf '\0%d\0' $?; done
"""


class House:
    """Where one section is followed, from its beginning to its end."""

    def __init__(self, folder: Path, section: Section) -> None:
        named = set(re.findall(r"(?:localhost|127\.0\.0\.1):(\d+)", section.text)) | {"8500"}
        self._ports = {port: str(free_port()) for port in sorted(named)}
        self.folder = folder
        (folder / "docs").symlink_to(ROOT / "docs")
        self._servers: list[subprocess.Popen[bytes]] = []
        own = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self._environment: Mapping[str, str] = {
            **own,
            "PATH": f"{Path(sys.executable).parent}:{own['PATH']}:{FETCHED_CONSUL}",
            "PYTHONPATH": str(ROOT),
            "REGISTRY_HTTP_PORT": self._ports["8500"],
            "CONSUL_HTTP_ADDR": f"127.0.0.1:{self._ports['8500']}",
        }
        typed, self._typing = os.pipe()
        self._shell = subprocess.Popen(
            ["bash", "--norc", "-c", f"exec 9<&{typed}; {SHELL}"], cwd=folder, env=self._environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            pass_fds=[typed], start_new_session=True,
        )  # fmt: skip
        os.close(typed)

    def here(self, text: str) -> str:
        """What the page says with the ports there are here."""
        for shown, real in self._ports.items():
            text = re.sub(rf"(?<![\d.]){shown}(?!\d)", real, text)
        return text

    def there(self, text: str) -> str:
        """An output as the page shows it."""
        for shown, real in self._ports.items():
            text = re.sub(rf"(?<!\d){real}(?!\d)", shown, text)
        return text

    def follow(self, section: Section) -> None:
        """Do all that the section says.

        Raises:
            AssertionError: something fails, or says something else than the page does.
        """
        served = [step.text for step in section.steps if step.serves]
        if all("--http-port" in command for command in served):
            self.serve("registry serve")
        for step in section.steps:
            self.do(step)

    def do(self, step: Step) -> None:
        """Do one step, and look at what comes of it."""
        if step.kind == "file":
            (self.folder / step.name).write_text(self.here(step.text))
            return
        if step.serves:
            self.serve(step.text)
            return
        code, output = self._run(step)
        said = f"$ {step.text}\n{output}"
        if step.shown:
            assert step.printed(self.there(output)), f"{said}\n--- exit code {code}; the page shows\n{step.expected}"
        if not step.expected.strip("…"):  # an error that is meant is one whose text is shown
            assert code == 0, f"{said}\n--- exit code {code}"

    def _run(self, step: Step) -> tuple[int, str]:
        """Type it and wait for its end: the exit code, and what it said."""
        text = self.here(step.text)
        if step.kind == "python":
            (self.folder / "example.py").write_text(text)
            text = "python -W error example.py"
        os.write(self._typing, text.encode() + b"\0")
        output, code = self._until_nul(), self._until_nul()
        return int(code), output.replace("\r", "")

    def _until_nul(self) -> str:
        assert self._shell.stdout is not None
        part = bytearray()
        while (byte := os.read(self._shell.stdout.fileno(), 1)) != b"\0":
            assert byte, f"the shell has ended: {bytes(part)!r}"
            part += byte
        return part.decode(errors="replace")

    def serve(self, command: str) -> None:
        """Start a server and wait until it says that it is ready."""
        number = len(self._servers)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, (self.folder / "serve.log").open("ab") as log:
            told.bind(address := str(self.folder / f"ready{number}"))
            told.settimeout(0.1)
            server = subprocess.Popen(
                ["bash", "-c", "exec " + self.here(command)], cwd=self.folder, stdout=log, stderr=log,
                env={**self._environment, "NOTIFY_SOCKET": address},
            )  # fmt: skip
            self._servers.append(server)
            ready = b""
            while b"READY=1" not in ready:
                assert server.poll() is None, f"$ {command}\n{(self.folder / 'serve.log').read_text()}"
                with suppress(TimeoutError):
                    ready = told.recv(4096)

    def lacks(self, section: Section) -> list[str]:
        """The programs the section uses that are not on this machine."""
        return [name for name in section.programs if shutil.which(name, path=self._environment["PATH"]) is None]

    def close(self) -> None:
        """End everything that was started here."""
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        os.close(self._typing)
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()
        assert self._shell.stdout is not None
        self._shell.stdout.close()
