"""The process around a server: its event loop, signals and limits, and whether there is one or several.

Owns what belongs to a process and not to a registry. The server itself is `app.py`; several processes that act as
one are `supervisor/`.
"""

import asyncio
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog

from registry import notify
from registry.app import App
from registry.errors import LogError, SettingsError
from registry.settings import Settings

if TYPE_CHECKING:
    from registry.supervisor.link import Link
    from registry.supervisor.place import Place

_SWITCH_SECONDS = 0.0005  # how long the log's thread may wait for the event loop's to release the interpreter
# Rows live long and hold no cycles, so the collector need not look at them every 700 allocations.
_GC_THRESHOLDS = (50_000, 20, 100)
_CONNECTIONS = 10_000  # that a server should be able to have open as it comes
_OTHER_FILES = 256  # the store, the log, what checks connect to


def run(settings: Settings) -> int:
    """Run one server until it is told to stop; returns the exit code.

    SIGTERM and SIGINT stop it, SIGHUP reloads. Raises what `App.start` raises.
    """
    _raise_file_limit()
    if settings.workers > 1:
        from registry.supervisor.parent import supervise  # a single process needs nothing of it

        return supervise(settings, partial(_work, settings))
    return _in_loop(settings, None)


def _work(settings: Settings, place: "Place") -> int:
    """The life of one worker of several; raises what `App.start` raises."""
    from registry.supervisor.link import Link

    return _in_loop(settings, Link(place))


def _in_loop(settings: Settings, link: "Link | None") -> int:
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(*_GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_run(settings, link))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed; None for the standard one."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run(settings: Settings, link: "Link | None") -> int:
    if link is not None:
        structlog.contextvars.bind_contextvars(worker=link.place.number)
    app = App(settings, link=link)
    app.events.capture_logging()
    if link is None or link.place.number == 1:
        _warn_of_few_files(app)
    loop, turn = asyncio.get_running_loop(), asyncio.Lock()
    try:
        async with turn:  # a reload waits for the end of the start, or it would say that the server is ready
            _listen_to_signals(app, turn, alone=link is None)
            if not await app.start_unless_stopped():
                return 0
            gc.freeze()
            if link is None:
                notify.ready()  # for several workers the supervisor does this
        return await app.until_stopped()
    finally:
        if link is None:
            notify.stopping()
        await app.close()
        await loop.run_in_executor(None, app.events.close)


def _listen_to_signals(app: App, turn: asyncio.Lock, *, alone: bool) -> None:
    """Stop on SIGTERM. A process that is alone also stops on SIGINT and reloads on SIGHUP; workers are told to."""
    loop, reloads = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    ends = False

    def reload() -> None:
        if ends:
            return  # a signal that came with the one to stop
        task = loop.create_task(_reload(app, turn))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    ending = (signal.SIGTERM, signal.SIGINT) if alone else (signal.SIGTERM,)

    def stop() -> None:
        nonlocal ends
        ends = True
        for number in ending:
            loop.remove_signal_handler(number)
            signal.signal(number, _end_at_once)
        for task in reloads:
            task.cancel()
        app.stop()

    for number in ending:
        loop.add_signal_handler(number, stop)
    if alone:
        loop.add_signal_handler(signal.SIGHUP, reload)


def _end_at_once(number: int, _: object) -> None:
    """End on a second signal without waiting; everything acknowledged is in the store by then.

    The process dies of the signal, so that its parent sees why. As process 1 of a container it cannot, and exits.
    """
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


async def _reload(app: App, turn: asyncio.Lock) -> None:
    """One reload after the other, so that what the last of them has read is in force; cancelled when the end begins."""
    async with turn:
        notify.reloading()
        try:
            await app.reload()
        except (SettingsError, LogError) as error:
            app.events.agent.error("Reload failed; nothing changed", error=str(error))
        notify.ready()


def _warn_of_few_files(app: App) -> None:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < _CONNECTIONS + _OTHER_FILES:
        app.events.agent.warning(
            "The limit of open files is low: further connections will have to wait for a place",
            limit=limit, connections=max(limit - _OTHER_FILES, 0), needed=_CONNECTIONS + _OTHER_FILES,
            raise_with="ulimit -Hn, or LimitNOFILE= of the unit",
        )  # fmt: skip


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
