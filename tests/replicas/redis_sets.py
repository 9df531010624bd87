"""Redis servers that belong together: a master with copies that sentinels watch, and a cluster.

Owns how they are put together. One server is `redis_server.py`.
"""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from shutil import which

import redis

from tests.replicas.redis_server import RedisServer

MASTER = "truth"  # what the sentinels call the set
DOWN_MS = 1000  # silence after which a sentinel takes a master for dead
PATIENCE_SECONDS = 30.0


class Sentinels:
    """A master, its copies, and three sentinels that make a copy the master when it dies."""

    def __init__(self, folder: Path, *, copies: int = 1) -> None:
        self.servers = [RedisServer(folder / f"redis-{number}", "--repl-diskless-sync-delay", "0")
                        for number in range(1 + copies)]  # fmt: skip
        self.sentinels = [RedisServer(folder / f"sentinel-{number}", durable=()) for number in range(3)]

    @property
    def first(self) -> RedisServer:
        """The master of the beginning."""
        return self.servers[0]

    def start(self, copied_from_port: int = 0) -> None:
        """Start all and wait until each sentinel knows them.

        Args:
            copied_from_port: where copies reach the master, if a proxy is in between.
        """
        for server in self.servers:
            server.start()
        for copy in self.servers[1:]:
            copy.ask("REPLICAOF", "127.0.0.1", str(copied_from_port or self.first.port))
        _until(lambda: all(_copies(copy) for copy in self.servers[1:]))
        for sentinel in self.sentinels:
            sentinel.folder.mkdir(parents=True)
            config = sentinel.folder / "sentinel.conf"
            config.write_text(
                f"sentinel monitor {MASTER} 127.0.0.1 {self.first.port} 2\n"
                f"sentinel down-after-milliseconds {MASTER} {DOWN_MS}\n"
                f"sentinel failover-timeout {MASTER} 6000\n"
            )
            sentinel.config = config
            sentinel.start("--sentinel")
        _until(self._complete)

    def _complete(self) -> bool:
        for sentinel in self.sentinels:
            with sentinel.client() as client:
                seen = client.sentinel_master(MASTER)
            if seen["num-slaves"] != len(self.servers) - 1 or seen["num-other-sentinels"] != 2:
                return False
        return True

    def url(self, namespace: str, **more: object) -> str:
        """The url of a store in it."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        query = "&".join(f"{key}={value}" for key, value in {"namespace": namespace, **more}.items())
        return f"redis+sentinel://{hosts}/{MASTER}/0?{query}"

    def master(self) -> RedisServer:
        """The server that the first sentinel takes for the master now."""
        with self.sentinels[0].client() as client:
            port = client.sentinel_master(MASTER)["port"]
        return next(server for server in self.servers if server.port == port)

    def until_master_is_not(self, old: RedisServer) -> RedisServer:
        """Wait for a failover; the new master."""
        _until(lambda: self.master() is not old and self.master().ask("ROLE")[0] == b"master")
        return self.master()

    def stop(self) -> None:
        """End them all."""
        for server in (*self.sentinels, *self.servers):
            server.stop()


class Cluster:
    """Three masters with a copy each, which share the slots among them."""

    def __init__(self, folder: Path) -> None:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")
        self.servers = [RedisServer(folder / f"redis-{number}", *options) for number in range(6)]

    def start(self) -> None:
        """Start all, make them one cluster, and wait until each node serves."""
        for server in self.servers:
            while server.port > 55_000:  # the nodes talk to each other on this port + 10,000
                server.port = RedisServer(server.folder).port
            server.start()
        program = which("redis-cli")
        assert program is not None, "there is no redis-cli on the PATH"
        hosts = [f"127.0.0.1:{server.port}" for server in self.servers]
        subprocess.run(
            [program, "--cluster", "create", *hosts, "--cluster-replicas", "1", "--cluster-yes"],
            check=True, capture_output=True, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        _until(lambda: all(_serves(server) for server in self.servers))
        _until(lambda: sum(_copies(server) for server in self.servers) == 3)

    def url(self, namespace: str, **more: object) -> str:
        """The url of a store in it."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers[:2])
        query = "&".join(f"{key}={value}" for key, value in {"namespace": namespace, **more}.items())
        return f"redis+cluster://{hosts}?{query}"

    def owner_of(self, key: str) -> RedisServer:
        """The master that serves this key."""
        for server in self.servers:
            if server.answers() and server.ask("ROLE")[0] == b"master":
                try:
                    server.ask("EXISTS", key)
                except redis.ResponseError:
                    continue  # MOVED
                return server
        raise AssertionError(f"nobody serves {key}")

    def stop(self) -> None:
        """End them all."""
        for server in self.servers:
            server.stop()


def _serves(server: RedisServer) -> bool:
    return bool(server.ask("CLUSTER INFO")["cluster_state"] == "ok")


def _copies(server: RedisServer) -> bool:
    return bool(server.ask("INFO", "replication").get("master_link_status") == "up")


def _until(holds: Callable[[], bool]) -> None:
    """Wait for what other processes settle among themselves.

    Raises:
        AssertionError: it took too long.
    """
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if holds():
                return
        except redis.RedisError:
            pass
        if time.monotonic() > give_up:
            raise AssertionError("Redis servers did not come together")
        time.sleep(0.02)
