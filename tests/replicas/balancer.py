"""A real HAProxy before the replicas, with the configuration that is shipped (`ops/haproxy.cfg`).

Owns the process, and what of the configuration is about Docker: addresses, which here are ports of this machine.
"""

import asyncio
import re
import shutil
from pathlib import Path

from tests.fuzz.wire import Connection
from tests.processes import ROOT
from tests.replicas.redis_server import free_port
from tests.replicas.replica import Replica

PROGRAM = shutil.which("haproxy") or shutil.which("/usr/sbin/haproxy")
MISSING = "there is no haproxy (Debian: apt-get install haproxy)"
START_SECONDS = 10.0


class Balancer:
    """HAProxy on a free port, before these replicas."""

    name = "balancer"

    def __init__(self, folder: Path, replicas: list[Replica]) -> None:
        self.port = free_port()
        self._file = folder / "haproxy.cfg"
        self._replicas = replicas
        self._process: asyncio.subprocess.Process | None = None

    def _configuration(self) -> str:
        text = (ROOT / "ops" / "haproxy.cfg").read_text()
        servers = "\n".join(f"    server {one.name} 127.0.0.1:{one.port}" for one in self._replicas)
        text, count = re.subn(r"(?m)^    server-template .*$", servers, text)
        assert count == 2, "the shipped configuration has changed"
        text = re.sub(r"(?m)^resolvers docker\n(    .*\n)*", "", text)
        text = text.replace("maxconn 20000", "maxconn 4000")  # it takes two files for each, if it may
        return text.replace("bind :8500", f"bind 127.0.0.1:{self.port}")

    async def start(self) -> None:
        """Start it and wait until it finds a replica ready."""
        assert PROGRAM is not None, MISSING
        self._file.write_text(self._configuration())
        self._process = await asyncio.create_subprocess_exec(PROGRAM, "-db", "-q", "-f", str(self._file))
        async with asyncio.timeout(START_SECONDS):
            while not await self.answers():
                assert self._process.returncode is None, "HAProxy does not take its configuration"
                await asyncio.sleep(0.05)

    async def connected(self) -> Connection:
        """A new connection to the balancer."""
        return await Connection.opened("127.0.0.1", self.port)

    async def answers(self) -> bool:
        """Whether it has somebody to send a request to."""
        try:
            connection = await self.connected()
            try:
                return (await connection.ask("GET", "/v1/status/leader")).status == 200
            finally:
                await connection.close()
        except (OSError, EOFError):
            return False

    async def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
