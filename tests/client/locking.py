"""What locks are tested with: a clock that is moved, a resource that checks fences, a way on which answers get lost.

Owns none of what is tested. The way is a proxy in this process that carries single requests.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp import web
from yarl import URL

from registry.client.timing import Timing
from registry.testing import FakeClock


async def sleep(clock: FakeClock, seconds: float) -> None:
    """Until the clock has been moved by so much."""
    over = asyncio.Event()
    timer = clock.call_later(seconds, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()


def in_time_of(clock: FakeClock) -> Timing:
    """Time that passes when the test says so, and chance that is none."""
    return Timing(lambda seconds: sleep(clock, seconds), clock.elapsed, lambda: 0.0)


async def passing(clock: FakeClock, reached: Callable[[], object], *, at_most: float, step: float = 0.25) -> float:
    """Let time pass until it is so; the seconds it took."""
    begun = clock.elapsed()
    while True:
        for _ in range(20):  # what is on its way arrives, in real time
            if reached():
                return clock.elapsed() - begun
            await asyncio.sleep(0.001)
        assert clock.elapsed() - begun < at_most, f"not within {at_most} s"
        await clock.advance(step)


async def live(clock: FakeClock, seconds: float, step: float = 0.25) -> None:
    """Let time pass in small steps, so that what is asked in between is answered in time."""
    until = clock.elapsed() + seconds
    await passing(clock, lambda: clock.elapsed() >= until, at_most=seconds + step, step=step)


class Resource:
    """What a lock guards: takes no write with a lower fence than it has seen, and counts who is there at once."""

    def __init__(self) -> None:
        self.fences: list[int] = []  # of the writes it took
        self.refused = 0
        self.inside = 0
        self.most = 0

    def write(self, fence: int) -> bool:
        """Whether it was taken."""
        if self.fences and fence < self.fences[-1]:
            self.refused += 1
            return False
        self.fences.append(fence)
        return True

    async def visit(self, fence: int, turns: int = 3) -> None:
        """Stay for some turns of the loop; nobody else may."""
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
            assert self.write(fence)
        finally:
            self.inside -= 1


class Way:
    """The way to the registry, as a proxy. It knows no waiting queries' ends: they end with their answers."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []  # method and target of what came
        self.open = True  # else nothing gets through, and connections break
        self.loses: Callable[[str], bool] = lambda line: False  # whether this one's answer gets lost
        self.keeps: Callable[[str], bool] = lambda line: False  # whether this one is never answered nor passed on

    def returns(self, line: str) -> bool:
        """Whether the answer gets back."""
        return self.open and not self.loses(line)


@asynccontextmanager
async def way_to(url: str) -> AsyncIterator[Way]:
    """A way on which requests and answers can get lost."""
    way = Way()
    async with aiohttp.ClientSession() as onward:

        async def carry(request: web.BaseRequest) -> web.StreamResponse:
            line = f"{request.method} {request.raw_path}"
            way.asked.append(line)
            body = await request.read()
            if way.keeps(line):
                await asyncio.Event().wait()
            if way.open:
                target = URL(url + request.raw_path, encoded=True)
                async with onward.request(request.method, target, data=body) as answer:
                    said = await answer.read()
                index = {name: text for name, text in answer.headers.items() if name == "X-Consul-Index"}
                if way.returns(line):
                    return web.Response(status=answer.status, body=said, headers=index)
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)

        server = web.Server(carry, handler_cancellation=True)
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        way.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        try:
            yield way
        finally:
            listener.close()
            with suppress(asyncio.CancelledError):
                await server.shutdown(0.1)
