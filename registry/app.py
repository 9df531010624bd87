"""One server, put together: the only module that knows all the parts.

Owns the order of starting and stopping, and reloading. Who the server is: `identity.py`; the process: `process.py`.
"""

import asyncio
import importlib.util
import os
import random
import secrets
import socket
import sys
import traceback
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from registry import __version__
from registry.agent_duties import AgentDuties
from registry.api.access_log import AccessLog
from registry.api.dialect import Dialect
from registry.api.dialects.codevald import codevald
from registry.api.dialects.consul.dialect import ConsulDialect
from registry.api.dialects.consul.registration.files import file_rows, refused_rows
from registry.api.dialects.fr0g import Fr0gDialect
from registry.api.dialects.hive.figures import HiveFigures
from registry.api.dialects.optiinfra import optiinfra
from registry.api.dialects.own import OwnDialect
from registry.api.edge import Edge
from registry.api.metrics import Metrics
from registry.api.ports import Port
from registry.api.processes import OneProcess
from registry.api.server import Listener
from registry.api.standing import Standing
from registry.api.transitions import Transitions
from registry.api.witness import Witness
from registry.checks.means import Means
from registry.checks.runner import CheckRunner, Parts
from registry.clock import Clock, SystemClock
from registry.commands import ReplaceFileRows
from registry.commands.codec import LEVEL
from registry.core.engine import Engine, Options
from registry.duties import Duties
from registry.errors import Conflict, LogUnavailable, RequestError, SettingsError
from registry.events import Events
from registry.identity import identity, says
from registry.log.base import Log
from registry.log.open import open_log
from registry.model.agent import FR0G
from registry.model.member import Member
from registry.model.server import Server
from registry.settings import Settings
from registry.settings.addresses import advertised_address
from registry.settings.sources import reread

if TYPE_CHECKING:
    from registry.api.dialects.hive.server import HiveServer
    from registry.supervisor.link import Link

_FLAGS = {"http": "--bind, --http-port", "grpc": "--grpc-bind, --grpc-port"}
_RETRY_SECONDS = 0.5  # between two looks at a store that the start waits for


class App:
    """A registry with its listeners, on the running event loop."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None, log: Log | None = None,
                 events: Events | None = None, chance: Any = random.random,
                 link: "Link | None" = None) -> None:  # fmt: skip
        """Args:
        log: a log to use instead of the settings' store. chance: numbers in [0, 1) for spread waits.
        link: the line to the supervisor, where this process is one of several workers.

        Raises:
            SettingsError: the store's URL cannot be used, or not by several workers.
        """
        self.settings = settings
        self.clock = clock or SystemClock()
        self.events = events or Events(level=settings.log_level, log_format=settings.log_format, stream=sys.stderr)
        self._stopped: asyncio.Event = asyncio.Event()
        self._listeners: list[Listener] = []
        self._listening: list[Port] = []
        self.addresses: list[tuple[str, int]] = []
        self._link = link
        self._access_log: AccessLog | None = None
        self._chance = chance
        self.metrics = Metrics()
        self.metrics.arrivals.limit = settings.metrics_max_labels
        self._own = OneProcess(self.metrics)
        self._hive_figures = HiveFigures(lambda: self.settings.hive_code_metrics, self.metrics.arrivals)
        self.metrics.families, self.metrics.gauges = self._hive_figures.families, self._hive_figures.gauges
        self._hive: HiveServer | None = None
        self.grpc_address: tuple[str, int] | None = None
        self._put_together(log or self._new_log())

    def _new_log(self) -> Log:
        """The log of the settings' store, not opened."""
        log = open_log(
            self.settings.store_url, now=self.clock.now, elapsed=self.clock.elapsed, writer=secrets.token_hex(4)
        )
        if self._link is not None and not log.shared:
            workers = self._link.place.workers
            raise SettingsError("workers", f"{workers} need a store that processes can share (redis)")
        return log

    def _put_together(self, log: Log) -> None:
        """The parts that hang on one log, which is opened at most once."""
        settings, link = self.settings, self._link
        self._log = log
        self.engine = Engine(
            log, self.clock, options=_options(settings, link.place.workers if link is not None else 1),
            random=self._chance, observer=Witness(self.metrics, self.events),
        )  # fmt: skip
        self._standing = Standing(self.engine, self.metrics, self.events, self.clock)
        self._duties = Duties(self.engine, self.clock, Transitions(self.engine, self.events))
        self._agent_duties = AgentDuties(self.engine, self.clock, settings, self.events)
        shapes = (settings.shape,) if settings.fr0g_port is None else (settings.shape, FR0G)
        self.edges = tuple(self._edge(shape) for shape in shapes)
        self.edge = self.edges[0]

    def _edge(self, shape: str) -> Edge:
        """What a listener of this shape speaks: a shape goes before Consul's dialect, whose paths it shares."""
        settings, link = self.settings, self._link
        writers = settings.allow_write_http_from
        spoken: tuple[Dialect, ...] = (OwnDialect(), optiinfra(writers), codevald(writers), _consul(settings))
        if shape == FR0G:
            spoken = (Fr0gDialect(writers), *spoken)
        return Edge(
            self.engine,
            spoken,
            settings=settings,
            metrics=self.metrics,
            events=self.events,
            stop=link.stop if link is not None else self.stop,
            reload=link.reload if link is not None else self.reload,
            processes=link or self._own,
            shape=shape,
        )

    # Life

    async def start(self) -> None:
        """Recover the store, take up the identity it holds, and listen.

        A wrong definition and a port that is taken are found before the store is touched.

        Raises:
            LogError: the store cannot be opened. SettingsError: it belongs to another node, or a definition
            in a file is wrong. OSError: a port is taken.
        """
        rows = file_rows(self.settings)
        _refuse_unusable_grpc(self.settings)
        ports, fr0g_port = self._ports(), None
        if self.settings.fr0g_port is not None:
            *ports, fr0g_port = ports
        await self._open_access_log()
        if self._link is not None:
            await self._link.open(self, self._own)
        if self._link is None or self._link.place.number == 1:
            self._say_notices(self.settings)
        await self._open_store()
        for edge in self.edges:
            edge.exchanges.log_to(self._access_log)
        self.metrics.start(self.clock, self.engine)
        self._standing.start()
        await self._identify()
        await self._write_file_rows(self.settings, rows)
        self._make_listeners()
        for port in ports:
            self._listen(self._listeners[0], port)
        if fr0g_port is not None:
            self._listen(self._listeners[1], fr0g_port)
        self._announce()
        self._duties.start(self._runner())
        self.metrics.checks = self._duties.figures
        self._agent_duties.start()
        await self._listen_grpc()
        if self._link is not None:
            self._link.ready()

    async def _open_access_log(self) -> None:
        if self.settings.access_log:
            loop = asyncio.get_running_loop()
            self._access_log = await loop.run_in_executor(None, AccessLog, self.settings.access_log, self.events)

    def _runner(self) -> CheckRunner:
        """Who runs the checks that are this process's."""
        means = Means(output_max_bytes=self.settings.check_output_max_bytes)
        report, failed = self._duties.report, self._check_failed
        return CheckRunner(Parts(report=report, clock=self.clock, chance=self._chance, failed=failed, means=means))

    def _check_failed(self, key: Hashable, error: Exception) -> None:
        """A fault of ours in a probe: told with its trace, and the check is critical until it is mended."""
        self.events.agent.error(
            "A check could not be run", check=str(key),
            exception="".join(traceback.format_exception(error)).rstrip(),
        )  # fmt: skip

    def _ports(self) -> Sequence[int]:
        """The ports to listen on, that of the fr0g shape last.

        The supervisor has them reserved, a process that is alone sees for itself.
        """
        if self._link is not None:
            return self._link.place.ports
        ports = self.settings.http_ports
        for port in ports:
            _refuse_taken(self.settings.bind, port)
        if self.settings.grpc_port is not None:
            _refuse_taken(self.settings.grpc_bind or self.settings.bind, self.settings.grpc_port, "grpc")
        return ports

    async def _open_store(self) -> None:
        """Start the engine; wait for a store that does not answer as long as the settings say."""
        until = self.clock.elapsed() + self.settings.store_wait_seconds
        while True:
            try:
                return await self.engine.start()
            except LogUnavailable as error:
                if self.clock.elapsed() >= until:
                    raise
                self.events.server.warning("Waiting for the store", error=str(error))
            await self.engine.stop()
            await asyncio.sleep(_RETRY_SECONDS)
            self._put_together(self._new_log())

    def _announce(self) -> None:
        """Tell the other replicas on the log who this one is."""
        if self._log.shared:
            address, port = advertised_address(self.settings), self.addresses[0][1]
            member = Member(
                self._log.writer, address=address, port=port, level=LEVEL, version=__version__,
                since=self.edge.started_at,
            )  # fmt: skip
            self.engine.announce(member.encoded())

    def _say_notices(self, settings: Settings) -> None:
        for notice in settings.notices:
            say = self.events.agent.warning if notice.level == "warning" else self.events.agent.info
            say(notice.event, **notice.values)

    def _make_listeners(self) -> None:
        """One for each shape; connections are counted and limited for all together."""
        for edge in self.edges:
            first = self._listeners[0].clients if self._listeners else None
            self._listeners.append(Listener(
                edge, max_header_bytes=self.settings.max_header_bytes,
                keepalive_seconds=self.settings.keepalive_seconds, clients=first,
            ))  # fmt: skip
        self.metrics.connections = self._connections

    def _connections(self) -> tuple[int, int]:
        """Connections that are open, and how many were refused so far."""
        return sum(len(one.connections) for one in self._listeners), self._listeners[0].clients.refused

    def _listen(self, listener: Listener, port: int) -> None:
        opened = Port(listener, self.settings.bind, port, shared=self._link is not None, clients=listener.clients)
        self._listening.append(opened)
        self.addresses.append(opened.address)
        for edge in self.edges:
            edge.addresses = tuple(self.addresses)
        self.events.agent.info("Listening", address=opened.address[0], port=opened.address[1])

    async def _listen_grpc(self) -> None:
        """Speak the Hive's dialect, where a port is given."""
        settings = self.settings
        if settings.grpc_port is None:
            return
        from registry.api.dialects.hive.server import HiveServer  # with grpcio, which only this needs

        self._hive = HiveServer(
            self.engine, lambda: self.settings, metrics=self.metrics, events=self.events, figures=self._hive_figures,
            neighbours=self._agent_duties.neighbours,
        )  # fmt: skip
        await self._hive.start(settings.grpc_bind or settings.bind, settings.grpc_port, shared=self._link is not None)
        self.grpc_address = self._hive.address
        self.events.agent.info("Listening", protocol="grpc", address=self.grpc_address[0], port=self.grpc_address[1])

    async def close(self) -> None:
        """Stop accepting, let waiting readers go, finish what is in flight, store it, let go of the store."""
        for port in self._listening:
            await port.close()
        if self._hive is not None:
            await self._hive.stop(self.settings.shutdown_grace_seconds)
        self.engine.topics.release()
        self.events.end_streams()
        self._standing.stop()
        self.metrics.stop()
        for listener in self._listeners:
            listener.pre_shutdown()
        await asyncio.gather(*(one.shutdown(self.settings.shutdown_grace_seconds) for one in self._listeners))
        await self._duties.stop()
        await self._agent_duties.stop()
        await self.engine.stop()
        if self._access_log is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._access_log.close)
        if self._link is not None:
            self._link.close()

    def stop(self) -> None:
        """Begin to shut down; returns at once."""
        self._stopped.set()

    async def start_unless_stopped(self) -> bool:
        """Start; False when told to stop before the end of it, as while it waits for the store.

        Raises:
            LogError, SettingsError, OSError: as `start`.
        """
        loop = asyncio.get_running_loop()
        start, stopped = loop.create_task(self.start()), loop.create_task(self._stopped.wait())
        await asyncio.wait((start, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not start.done():
            start.cancel()
            await asyncio.wait({start})
            return False
        await start
        return True

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
        """Be the node that the log knows, or at the first start become one.

        Of replicas that start on an empty log at the same moment one writes who they all are; the others' word is
        refused by then, and they take up its.
        """
        try:
            await self._take_up(self.engine.state.server)
        except Conflict as refused:
            if refused.reason != "server-identity" or not self._log.shared:
                raise
            await self._take_up(self.engine.state.server)

    async def _take_up(self, stored: Server) -> None:
        command = identity(self.settings, stored, shared=self._log.shared)
        if not says(stored, command):
            await self.engine.propose(command)

    # Files

    async def reload(self) -> None:
        """Read the configuration files again: rows from files, log level and limits follow them.

        The access log goes on in the file that has its path now, whatever the files say.

        Raises:
            SettingsError: a file is wrong; nothing changed.
        """
        if self._access_log is not None:
            self._access_log.reopen()
        loop = asyncio.get_running_loop()
        again = await loop.run_in_executor(None, reread, self.settings)
        await self._write_file_rows(again.settings, file_rows(again.settings))
        self.settings = again.settings
        for edge in self.edges:
            edge.settings = again.settings
        self.events.set_level(again.settings.log_level)
        self._say_notices(again.settings)
        for name in again.not_reloadable:
            self.events.agent.warning("Changed, but read at the next start only", setting=name)
        self.events.agent.info("Configuration reloaded")

    async def _write_file_rows(self, settings: Settings, rows: ReplaceFileRows) -> None:
        """Make the rows of files those of our files; a replica without files leaves those of the others alone."""
        if self._log.shared and not (settings.config_file or settings.config_dir):
            return
        try:
            await self.engine.propose(rows)
        except RequestError as error:
            raise refused_rows(settings, error) from None


def _refuse_taken(host: str, port: int, kind: str = "http") -> None:
    """Bind and let go: whether the address can be had.

    Raises:
        OSError: it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise OSError(f"cannot listen on {where} ({_FLAGS[kind]}): {os.strerror(error.errno or 0)}") from None


def _refuse_unusable_grpc(settings: Settings) -> None:
    """Raises:
    SettingsError: a port for gRPC is given that workers cannot share, or what it needs is not installed.
    """
    if settings.grpc_port is None:
        return
    if settings.grpc_port == 0 and settings.workers > 1:
        raise SettingsError("grpc_port", "0 would be another port for each worker; name one")
    missing = [name for name in ("grpc", "grpc_health", "grpc_reflection", "google.protobuf") if not _is_there(name)]
    if missing:
        raise SettingsError("grpc_port", f"{', '.join(missing)} is not installed; pip install 'registry[grpc]'")


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of its parent
        return False


def _options(settings: Settings, workers: int) -> Options:
    """The engine's limits; those of a whole server are divided among its workers."""
    return Options(
        max_pending_writes=max(settings.max_pending_writes // workers, 1),
        check_update_interval_seconds=settings.check_update_interval_seconds,
        deregister_critical_minimum_seconds=settings.deregister_critical_minimum_seconds,
        snapshot_min_bytes=settings.snapshot_min_bytes,
        answers_per_topic=settings.answers_per_topic,
        answers_bytes=max(settings.answers_bytes // workers, 1),
        max_parked_readers=max(settings.max_parked_readers // workers, 1),
        max_name_characters=settings.max_name_characters,
        session_expiry_factor=settings.session_expiry_factor,
    )


def _consul(settings: Settings) -> ConsulDialect:
    return ConsulDialect(
        block_endpoints=settings.block_endpoints,
        allow_write_from=settings.allow_write_http_from,
        translate_addresses=settings.translate_wan_addrs,
    )
