"""An agent of OptiInfra that listens for tasks: a real server, of which the test decides every answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

PATIENCE_SECONDS = 5.0  # with what takes milliseconds


class TaskListener:
    """Takes tasks one after the other into `asked`; each is answered with what `answer` gives."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.answer: Any = lambda order: {"task_id": order["task_id"], "status": "completed", "result": {}}
        self.hold = asyncio.Event()  # no answer before it is set
        self.hold.set()
        self.port = 0
        self._arrived = asyncio.Event()

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        order = json.loads(await request.read() or b"{}")
        self.asked.append(order)
        self.paths.append(f"{request.method} {request.path}")
        self._arrived.set()
        await self.hold.wait()
        answer = self.answer(order)
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)

    async def tasks(self, count: int) -> list[dict[str, Any]]:
        """What was asked once that are so many."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.asked) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.asked

    @property
    def registration(self) -> dict[str, Any]:
        """What this agent registers with."""
        return {"name": "c1", "type": "cost", "host": "127.0.0.1", "port": self.port}


@asynccontextmanager
async def task_listener() -> AsyncIterator[TaskListener]:
    """One that listens on a free port."""
    listener = TaskListener()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", listener.take)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    listener.port = runner.addresses[0][1]
    try:
        yield listener
    finally:
        listener.hold.set()
        await runner.cleanup()
