"""The process around a server: its event loop, its signals, its limits, and one or several of it.

Owns what belongs to a process and not to a registry. The server itself is `app.py`, several processes as one are
`supervisor/`.
"""

import asyncio
import gc
import resource
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from registry import notify
from registry.app import App
from registry.errors import LogError, SettingsError
from registry.settings import Settings

if TYPE_CHECKING:
    from registry.supervisor.link import Link
    from registry.supervisor.place import Place

_SWITCH_SECONDS = 0.0005  # how long the log's thread may wait for the loop's to let go of the interpreter
# Rows live long and hold no cycles, so the collector need not look at them every 700 allocations.
_GC_THRESHOLDS = (50_000, 20, 100)


def run(settings: Settings) -> int:
    """Run one server until it is told to stop; returns the exit code.

    SIGTERM and SIGINT stop it, SIGHUP reloads. Raises what `App.start` raises.
    """
    _raise_file_limit()
    if settings.workers > 1:
        from registry.supervisor.parent import supervise  # a process that is alone needs nothing of it

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


def _loop_factory() -> Any:
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
    loop = asyncio.get_running_loop()
    try:
        _listen_to_signals(app, alone=link is None)
        if not await app.start_unless_stopped():
            return 0
        gc.freeze()
        if link is None:
            notify.ready()  # of several workers the supervisor says it
        return await app.until_stopped()
    finally:
        if link is None:
            notify.stopping()
        await app.close()
        await loop.run_in_executor(None, app.events.close)


def _listen_to_signals(app: App, *, alone: bool) -> None:
    """SIGTERM stops this process; of a terminal's signals the supervisor tells workers what to do."""
    loop, reloads = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def reload() -> None:
        task = loop.create_task(_reload(app))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGTERM, app.stop)
    if alone:
        loop.add_signal_handler(signal.SIGINT, app.stop)
        loop.add_signal_handler(signal.SIGHUP, reload)


async def _reload(app: App) -> None:
    notify.reloading()
    try:
        await app.reload()
    except (SettingsError, LogError) as error:
        app.events.agent.error("Reload failed; nothing changed", error=str(error))
    finally:
        notify.ready()


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
