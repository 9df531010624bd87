"""One server, put together: the only module that knows all the parts.

Owns the order of starting and stopping, and reloading. What a start refuses first: `preflight.py`; its sockets:
`listening.py`; who the server is: `identity.py`; the process around it: `process.py`.
"""

import asyncio
import random
import secrets
import sys
from collections.abc import Callable, Hashable, Sequence
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
from registry.api.processes import OneProcess
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
from registry.listening import Address, Listening
from registry.log.base import Log
from registry.log.open import open_log
from registry.model.agent import FR0G
from registry.model.member import Member
from registry.model.server import Server
from registry.preflight import refuse_taken_ports, refuse_unusable_grpc
from registry.settings import Settings
from registry.settings.addresses import advertised_address
from registry.settings.sources import reread

if TYPE_CHECKING:
    from registry.supervisor.link import Link

_RETRY_SECONDS = 0.5  # between two looks at a store that the start waits for


class App:
    """A registry with its sockets, on the running event loop."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None, log: Log | None = None,
                 events: Events | None = None, chance: Callable[[], float] = random.random,
                 link: "Link | None" = None) -> None:  # fmt: skip
        """Args:
        log: a log to use instead of the settings' store.
        chance: numbers in [0, 1) that spread waits.
        link: the connection to the supervisor, where this process is one of several workers.

        Raises:
            SettingsError: the store's URL cannot be used, or not by several workers.
        """
        self.settings = settings
        self.clock = clock or SystemClock()
        self.events = events or Events(level=settings.log_level, log_format=settings.log_format, stream=sys.stderr)
        self._stopped: asyncio.Event = asyncio.Event()
        self._link = link
        self.listening = Listening(settings, self.events, shared=link is not None)
        self._access_log: AccessLog | None = None
        self._chance = chance
        self.metrics = Metrics()
        self.metrics.arrivals.limit = settings.metrics_max_labels
        self._own = OneProcess(self.metrics)
        self._hive_figures = HiveFigures(lambda: self.settings.hive_code_metrics, self.metrics.arrivals)
        self.metrics.families, self.metrics.gauges = self._hive_figures.families, self._hive_figures.gauges
        self._put_together(log or self._new_log())

    @property
    def addresses(self) -> list[Address]:
        """Host and port of each HTTP socket, the main one first."""
        return self.listening.addresses

    @property
    def grpc_address(self) -> Address | None:
        """Host and port of the gRPC server, while there is one."""
        return self.listening.grpc_address

    def _new_log(self) -> Log:
        """A log on the settings' store, not opened yet."""
        log = open_log(
            self.settings.store_url, now=self.clock.now, elapsed=self.clock.elapsed, writer=secrets.token_hex(4)
        )
        if self._link is not None and not log.shared:
            workers = self._link.place.workers
            raise SettingsError("workers", f"{workers} need a store that processes can share (redis)")
        return log

    def _put_together(self, log: Log) -> None:
        """Make the parts that use the log. A log can be opened only once, so another attempt needs new ones."""
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
        """What is spoken on ports of this shape. A shape comes before Consul's dialect, whose paths it shares."""
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
            LogError: the store cannot be opened.
            SettingsError: the store belongs to another node, or a definition in a file is wrong.
            OSError: a port is taken.
        """
        rows = file_rows(self.settings)
        refuse_unusable_grpc(self.settings)
        ports = self._ports()
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
        self.listening.open_http(self.edges, ports)
        self.metrics.connections = self.listening.connections
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
        """What runs the checks that are this process's."""
        means = Means(output_max_bytes=self.settings.check_output_max_bytes)
        report, failed = self._duties.report, self._check_failed
        return CheckRunner(Parts(report=report, clock=self.clock, chance=self._chance, failed=failed, means=means))

    def _check_failed(self, key: Hashable, error: Exception) -> None:
        """Log a fault in one of our probes with its traceback; the check is critical until a run succeeds."""
        self.events.agent.failure("A check could not be run", error, check=str(key))

    def _ports(self) -> Sequence[int]:
        """The HTTP ports, that of the fr0g shape last; for workers the supervisor has reserved them.

        Raises:
            OSError: a port is taken.
        """
        if self._link is not None:
            return self._link.place.ports
        refuse_taken_ports(self.settings)
        return self.settings.http_ports

    async def _open_store(self) -> None:
        """Start the engine; a store that does not answer is tried for `store_wait_seconds`."""
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
        """Tell the other replicas on the log about this one."""
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

    async def _listen_grpc(self) -> None:
        """Speak the Hive's dialect over gRPC, if the settings name a port for it."""
        port = self.settings.grpc_port
        if port is None:
            return
        from registry.api.dialects.hive.server import HiveServer  # needs grpcio, which is an extra

        hive = HiveServer(
            self.engine, lambda: self.settings, metrics=self.metrics, events=self.events, figures=self._hive_figures,
            neighbours=self._agent_duties.neighbours,
        )  # fmt: skip
        await self.listening.open_grpc(hive, port)

    async def close(self) -> None:
        """Accept no more, answer blocked readers, finish and store what is under way, release the store."""
        grace_seconds = self.settings.shutdown_grace_seconds
        await self.listening.refuse_more(grace_seconds)
        self.engine.topics.release()
        self.events.end_streams()
        self._standing.stop()
        self.metrics.stop()
        await self.listening.close(grace_seconds)
        await self._duties.stop()
        await self._agent_duties.stop()
        await self.engine.stop()
        if self._access_log is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._access_log.close)
        if self._link is not None:
            self._link.close()

    def stop(self) -> None:
        """Ask for a shutdown; returns at once."""
        self._stopped.set()

    async def start_unless_stopped(self) -> bool:
        """Start; False if told to stop before that was done, as while waiting for the store.

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
        """Wait for the end and return the exit code: 0 after `stop`, 1 when the engine gave up."""
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

        When several replicas start on an empty log at the same moment, one of them writes who they all are. The
        identities of the others are refused, and they take up the one that was written.
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
        """Read the configuration files again; rows from files, log level and limits follow them.

        The access log is reopened under its path first, so that it can be rotated even while a file is wrong.

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
        """Write the rows that our files define; a replica without files leaves those of the others alone."""
        if self._log.shared and not (settings.config_file or settings.config_dir):
            return
        try:
            await self.engine.propose(rows)
        except RequestError as error:
            raise refused_rows(settings, error) from None


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
