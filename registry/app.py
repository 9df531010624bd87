"""One server, put together: the only module that knows all the parts.

Owns the order of starting and stopping, the server's identity, reloading, and the process around it.
"""

import asyncio
import gc
import os
import random
import resource
import secrets
import signal
import socket
import sys
import uuid
from typing import Any

from registry.api.dialects.consul.dialect import ConsulDialect
from registry.api.dialects.consul.file_definitions import file_rows, refused_rows
from registry.api.dialects.own import OwnDialect
from registry.api.edge import Edge
from registry.api.metrics import Metrics
from registry.api.ports import Port
from registry.api.server import Listener
from registry.api.witness import Witness
from registry.clock import Clock, SystemClock
from registry.commands import ReplaceFileRows, StartServer
from registry.core.engine import Engine, Options
from registry.errors import LogError, RequestError, SettingsError
from registry.events import Events
from registry.log.base import Log
from registry.log.open import open_log
from registry.settings import Settings
from registry.settings.addresses import advertised_address
from registry.settings.sources import reread

CONSUL_VERSION = "1.21.4"  # the version we answer as
_SWITCH_SECONDS = 0.0005  # how long the log's thread may wait for the loop's to let go of the interpreter
# Rows live long and hold no cycles, so the collector need not look at them every 700 allocations.
_GC_THRESHOLDS = (50_000, 20, 100)
_KEEPALIVE_SECONDS = 3630.0  # longer than the idle time of usual proxies


class App:
    """A registry with its listeners, on the running event loop."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None, log: Log | None = None,
                 events: Events | None = None, chance: Any = random.random) -> None:  # fmt: skip
        """Args:
        log: a log to use instead of the settings' store. chance: numbers in [0, 1) for spread waits.
        """
        self.settings = settings
        self.clock = clock or SystemClock()
        self.events = events or Events(level=settings.log_level, log_format=settings.log_format, stream=sys.stderr)
        self._stopped: asyncio.Event = asyncio.Event()
        self._listener: Listener | None = None
        self._ports: list[Port] = []
        self.addresses: list[tuple[str, int]] = []
        log = log or open_log(
            settings.store_url, now=self.clock.now, elapsed=self.clock.elapsed, writer=secrets.token_hex(4)
        )
        self.metrics = Metrics()
        self.engine = Engine(
            log, self.clock, options=_options(settings), random=chance, observer=Witness(self.metrics, self.events)
        )
        self.edge = Edge(
            self.engine,
            (OwnDialect(), _consul(settings)),
            settings=settings,
            metrics=self.metrics,
            events=self.events,
            stop=self.stop,
            reload=self.reload,
        )

    # Life

    async def start(self) -> None:
        """Recover the store, take up the identity it holds, and listen.

        A wrong definition and a port that is taken are found before the store is touched.

        Raises:
            LogError: the store cannot be opened. SettingsError: it belongs to another node, or a definition
            in a file is wrong. OSError: a port is taken.
        """
        ports = (self.settings.http_port, *self.settings.extra_http_ports)
        rows = file_rows(self.settings)
        for port in ports:
            _refuse_taken(self.settings.bind, port)
        self._say_notices(self.settings)
        await self.engine.start()
        self.metrics.start(self.clock, self.engine)
        await self._identify()
        await self._write_file_rows(self.settings, rows)
        self._listener = Listener(
            self.edge, max_header_bytes=self.settings.max_header_bytes, keepalive_seconds=_KEEPALIVE_SECONDS
        )
        for port in ports:
            self._listen(port)

    def _say_notices(self, settings: Settings) -> None:
        for notice in settings.notices:
            say = self.events.agent.warning if notice.level == "warning" else self.events.agent.info
            say(notice.event, **notice.values)

    def _listen(self, port: int) -> None:
        assert self._listener is not None
        opened = Port(self._listener, self.settings.bind, port)
        self._ports.append(opened)
        self.addresses.append(opened.address)
        self.edge.addresses = tuple(self.addresses)
        self.events.agent.info("Listening", address=opened.address[0], port=opened.address[1])

    async def close(self) -> None:
        """Stop accepting, let waiting readers go, finish what is in flight, store it, let go of the store."""
        for port in self._ports:
            port.close()
        self.engine.topics.release()
        self.events.end_streams()
        self.metrics.stop()
        if self._listener is not None:
            self._listener.pre_shutdown()
            await self._listener.shutdown(self.settings.shutdown_grace_seconds)
        await self.engine.stop()

    def stop(self) -> None:
        """Begin to shut down; returns at once."""
        self._stopped.set()

    async def until_stopped(self) -> int:
        """Wait for the end and return the exit code: 0 when asked to stop, 1 when the engine gave up."""
        assert self.engine.failed is not None
        stopped = asyncio.get_running_loop().create_task(self._stopped.wait())
        either: list[asyncio.Future[Any]] = [stopped, self.engine.failed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if self.engine.failed.done():
            error = self.engine.failed.result()
            self.events.agent.error("The registry cannot go on", error=str(error), cause=repr(error.__cause__))
            return 1
        return 0

    # Identity

    async def _identify(self) -> None:
        """Be the node that the log knows, or at the first start become one."""
        stored, settings = self.engine.state.server, self.settings
        if stored.node and settings.node and settings.node != stored.node:
            raise SettingsError("node", f"the store belongs to node {stored.node!r}, not to {settings.node!r}")
        address = advertised_address(settings)
        command = StartServer(
            node=stored.node or settings.node or socket.gethostname(),
            id=stored.id or str(uuid.uuid4()),
            datacenter=settings.datacenter,
            address=address,
            meta={"consul-network-segment": "", "consul-version": CONSUL_VERSION, **settings.node_meta},
            tagged_addresses=_tagged(address),
            service_meta=_SERVICE_META,
        )
        if not _is(stored, command):
            await self.engine.propose(command)

    # Files

    async def reload(self) -> None:
        """Read the configuration files again: rows from files, log level and limits follow them.

        Raises:
            SettingsError: a file is wrong; nothing changed.
        """
        loop = asyncio.get_running_loop()
        again = await loop.run_in_executor(None, reread, self.settings)
        await self._write_file_rows(again.settings, file_rows(again.settings))
        self.settings = self.edge.settings = again.settings
        self.events.set_level(again.settings.log_level)
        self._say_notices(again.settings)
        for name in again.not_reloadable:
            self.events.agent.warning("Changed, but read at the next start only", setting=name)
        self.events.agent.info("Configuration reloaded")

    async def _write_file_rows(self, settings: Settings, rows: ReplaceFileRows) -> None:
        try:
            await self.engine.propose(rows)
        except RequestError as error:
            raise refused_rows(settings, error) from None


_SERVICE_META = {
    "non_voter": "false",
    "raft_version": "3",
    "read_replica": "false",
    "serf_protocol_current": "2",
    "serf_protocol_max": "5",
    "serf_protocol_min": "1",
    "version": CONSUL_VERSION,
}


def _is(stored: Any, command: StartServer) -> bool:
    return all(
        getattr(stored, name) == getattr(command, name)
        for name in ("node", "id", "datacenter", "address", "meta", "tagged_addresses", "service_meta")
    )


def _refuse_taken(host: str, port: int) -> None:
    """Bind and let go: whether the address can be had.

    Raises:
        OSError: it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise OSError(f"cannot listen on {where} (--bind, --http-port): {os.strerror(error.errno or 0)}") from None


def _tagged(address: str) -> dict[str, str]:
    family = "ipv6" if ":" in address else "ipv4"
    return {"lan": address, f"lan_{family}": address, "wan": address, f"wan_{family}": address}


def _options(settings: Settings) -> Options:
    return Options(
        max_pending_writes=settings.max_pending_writes,
        check_update_interval_seconds=settings.check_update_interval_seconds,
        deregister_critical_minimum_seconds=settings.deregister_critical_minimum_seconds,
        snapshot_min_bytes=settings.snapshot_min_bytes,
        answers_per_topic=settings.answers_per_topic,
        answers_bytes=settings.answers_bytes,
    )


def _consul(settings: Settings) -> ConsulDialect:
    return ConsulDialect(
        block_endpoints=settings.block_endpoints,
        allow_write_from=settings.allow_write_http_from,
        translate_addresses=settings.translate_wan_addrs,
    )


def run(settings: Settings) -> int:
    """Run one server until it is told to stop; returns the exit code.

    SIGTERM and SIGINT stop it, SIGHUP reloads. Raises what `App.start` raises.
    """
    _raise_file_limit()
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(*_GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_run(settings))


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run(settings: Settings) -> int:
    app = App(settings)
    app.events.capture_logging()
    loop = asyncio.get_running_loop()
    try:
        await app.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, app.stop)
        reloads: set[asyncio.Task[None]] = set()

        def reload() -> None:
            task = loop.create_task(_reload(app))
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)
        gc.freeze()
        return await app.until_stopped()
    finally:
        await app.close()
        await loop.run_in_executor(None, app.events.close)


async def _reload(app: App) -> None:
    try:
        await app.reload()
    except (SettingsError, LogError) as error:
        app.events.agent.error("Reload failed; nothing changed", error=str(error))


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
