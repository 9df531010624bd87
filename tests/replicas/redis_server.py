"""A real Redis that tests start, kill, pause, empty and put back to an earlier day.

Owns the process, its port and its files. Sentinels and clusters of them are in `redis_sets.py`.
"""

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.replicas.certificates import Certificates

PROGRAM = shutil.which("redis-server")
MISSING = "there is no redis-server on the PATH (Debian: apt-get install redis-server)"
START_SECONDS = 20.0
STORED_AT_ONCE = ("--appendonly", "yes", "--appendfsync", "always")


class NotStarted(AssertionError):
    """Redis did not start; the end of its log."""


class RedisServer:
    """One redis-server with its files in `folder`; `start` and everything after it block the caller."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        durable: tuple[str, ...] = STORED_AT_ONCE,
        password: str = "",
        tls: Certificates | None = None,
    ) -> None:
        """Args:
        options: more words of the command line, e.g. `--replicaof`. durable: how it stores what it has.
        password: of the user `default`. tls: then it listens for nothing else.
        """
        self.folder = folder
        self.port = free_port()
        self.password = password
        self.tls = tls
        self.config: Path | None = None  # a file that it reads, and may write
        self._options = [*durable, *options]
        self._process: subprocess.Popen[bytes] | None = None

    # Life

    def start(self, *more: str) -> float:
        """Start on the files that are there and wait until it answers; the seconds that took.

        Raises:
            NotStarted: it does not, whichever port it gets.
        """
        begun, first = time.perf_counter(), not self.folder.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._spawn(more)
        while not self.answers():
            assert self._process is not None
            if self._process.poll() is not None and first and b"Address already in use" in self._log():
                self.port = free_port()  # somebody was faster
                self._spawn(more)
            elif self._process.poll() is not None or time.perf_counter() - begun > START_SECONDS:
                raise NotStarted(self._log()[-2000:].decode(errors="replace"))
            time.sleep(0.01)
        return time.perf_counter() - begun

    def _spawn(self, more: tuple[str, ...]) -> None:
        assert PROGRAM is not None, MISSING
        ports = ["--port", str(self.port)] if self.tls is None else ["--port", "0", "--tls-port", str(self.port)]
        secrets = ["--requirepass", self.password] if self.password else []
        files = [] if self.tls is None else self.tls.options
        program = [PROGRAM] if self.config is None else [PROGRAM, str(self.config)]
        with open(self._log_file, "wb") as log:
            self._process = subprocess.Popen(
                [*program, "--bind", "127.0.0.1", *ports, "--dir", str(self.folder), "--save", "", *secrets, *files,
                 *self._options, *more],
                stdout=log, stderr=log,
            )  # fmt: skip

    def answers(self) -> bool:
        """Whether it takes commands: it is there and has read its files."""
        try:
            return bool(self.ask("PING"))
        except redis.RedisError:
            return False

    def kill(self) -> None:
        """kill -9."""
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """End it if it runs, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def pause(self) -> None:
        """Let it stand still (SIGSTOP): connections stay and new ones are taken, but nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait()

    # What is in it

    def client(self, **more: Any) -> "redis.Redis":
        """A client that tries everything once and waits for at most ten seconds."""
        tls = {} if self.tls is None else {"ssl": True, "ssl_ca_certs": str(self.tls.authority)}
        return redis.Redis(
            port=self.port,
            password=self.password or None,
            socket_timeout=10,
            retry=Retry(NoBackoff(), 0),
            **tls,
            **more,
        )

    def ask(self, *words: Any) -> Any:
        """The answer to one command, on a connection of its own."""
        with self.client() as client:
            return client.execute_command(*words)

    def url(self, namespace: str = "", *, port: int = 0, **more: Any) -> str:
        """The url of a store in it; `port`: that of a proxy in between."""
        scheme, user = ("redis" if self.tls is None else "rediss"), f":{self.password}@" if self.password else ""
        query = "&".join(f"{key}={value}" for key, value in {"namespace": namespace, **more}.items() if value != "")
        return f"{scheme}://{user}127.0.0.1:{port or self.port}/0" + (f"?{query}" if query else "")

    def snapshot(self) -> bytes:
        """All that is in it now, as the bytes of a dump."""
        self.ask("SAVE")
        return (self.folder / "dump.rdb").read_bytes()

    def put_back(self, dump: bytes) -> None:
        """kill -9, then start on an older dump, as somebody does who restores a backup."""
        self.kill()
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)
        (self.folder / "dump.rdb").write_bytes(dump)
        self.start("--appendonly", "no")
        self.ask("CONFIG", "SET", "appendonly", "yes")
        while self.ask("INFO", "persistence")["aof_rewrite_in_progress"]:
            time.sleep(0.01)

    # What it says

    @property
    def _log_file(self) -> Path:
        return self.folder / "redis.log"

    def _log(self) -> bytes:
        return self._log_file.read_bytes()


def free_port() -> int:
    """A port nobody listens on now."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
