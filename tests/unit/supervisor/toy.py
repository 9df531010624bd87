"""A server of several workers without a registry in it: what the supervisor does, seen from outside.

Each worker answers lines on the shared port: what it is told, one line for each. Arguments: the number of
workers, the address, the port, and what goes wrong (`settings`, `store`, `crash`, `second-crash`).
"""

import asyncio
import json
import os
import signal
import sys
from typing import Any

from registry.api.metrics import Metrics
from registry.api.ports import Port
from registry.api.processes import OneProcess
from registry.errors import LogError, LogUnavailable, SettingsError
from registry.events import Events
from registry.settings import Settings
from registry.supervisor.link import Link
from registry.supervisor.parent import supervise
from registry.supervisor.place import Place


class Toy:
    """One worker."""

    def __init__(self, place: Place) -> None:
        self.events = Events(level="info", log_format="json", stream=sys.stderr)
        self.link = Link(place)
        self.metrics = Metrics()
        self.stopped = asyncio.Event()
        self.place = place
        self.reloads = 0
        self.reload_fails = False
        self.silent = asyncio.Event()
        self.silent.set()

    def stop(self) -> None:
        self.stopped.set()

    async def reload(self) -> None:
        if self.reload_fails:
            raise SettingsError("a.json", "is broken")
        self.reloads += 1

    async def report(self) -> Any:
        await self.silent.wait()
        return await OneProcess(self.metrics).report()

    async def answer(self, line: str) -> object:
        """What is told, and what it answers."""
        word, _, rest = line.partition(" ")
        match word:
            case "who":
                return {"worker": self.place.number, "reloads": self.reloads, "pid": os.getpid()}
            case "count":
                self.metrics.endpoint("/toy", "GET").count(200, float(rest or 0))
            case "sums":
                report = await self.link.report()
                counts = {one.route: sum(one.statuses.values()) for one in report.figures.endpoints}
                return {"counts": counts, "workers": len(report.pids), "silent": report.silent,
                        "restarts": report.restarts}  # fmt: skip
            case "reload":
                try:
                    await self.link.reload()
                except (SettingsError, LogError) as error:
                    return str(error)
            case "fail-reload":
                self.reload_fails = True
            case "be-silent":
                self.silent.clear()
            case "say":
                self.events.agent.info(rest)
            case "debug":
                self.events.agent.debug(rest)
            case "threshold":
                return self.events.threshold
            case "leave":
                self.link.stop()
            case "hang":
                os.write(2, b'{"event":"Hanging"}\n')
                signal.sigwait({signal.SIGUSR1})
        return "ok"

    async def run(self) -> int:
        await self.link.open(self, self)
        port = Port(lambda _: Talk(self), "127.0.0.1", self.place.ports[0], shared=True)
        self.link.ready()
        self.events.agent.info("Listening", port=port.address[1], worker=self.place.number, pid=os.getpid())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stop)
        await self.stopped.wait()
        await port.close()
        self.link.close()
        self.events.end_streams()
        await asyncio.sleep(0.01)
        self.events.close()
        return 0


class Talk(asyncio.Protocol):
    """One client."""

    def __init__(self, toy: Toy) -> None:
        self.toy = toy
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for line in data.decode().splitlines():
            self.tasks.add(asyncio.get_running_loop().create_task(self.reply(line)))

    async def reply(self, line: str) -> None:
        if line == "monitor":
            listener = self.toy.events.listen("debug")
            self.transport.write(b'"ok"\n')
            async for chunk in listener.chunks():
                self.transport.write(chunk)
        self.transport.write(json.dumps(await self.toy.answer(line)).encode() + b"\n")


async def life(place: Place) -> int:
    return await Toy(place).run()


def work(place: Place) -> int:
    match WRONG:
        case "settings":
            raise SettingsError("store", "is no URL")
        case "store":
            raise LogUnavailable("nobody answers at 127.0.0.1:1")
        case "crash":
            return 7
        case "second-crash" if place.number == 2:
            raise RuntimeError("a fault of ours")
    return asyncio.run(life(place))


WORKERS, ADDRESS, PORT, *rest = sys.argv[1:]
WRONG = rest[0] if rest else ""

if __name__ == "__main__":
    chosen = Settings(workers=int(WORKERS), bind=ADDRESS, http_port=int(PORT), log_format="json")
    try:
        code = supervise(chosen, work)
    except (SettingsError, LogError, OSError) as error:
        print(f"failed: {error}", file=sys.stderr)
        code = 2 if isinstance(error, SettingsError) else 1
    sys.exit(code)
