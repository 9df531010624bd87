"""A TCP connection's way between a replica and Redis, which a test can cut, silence, slow down and lose bytes on.

Owns the bytes in between. Each connection has two ways, and each way can be stopped for itself.
"""

import asyncio
from collections.abc import Callable

PIECE_BYTES = 1 << 16


class Way:
    """One direction of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: Callable[[], float]) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self._reader, self._writer, self._delay = reader, writer, delay

    async def run(self, look: Callable[[bytes], None]) -> None:
        """Carry bytes to the end of the stream; `look` sees each piece before it goes on, and may close the way."""
        try:
            while data := await self._reader.read(PIECE_BYTES):
                look(data)
                if delay := self._delay():
                    await asyncio.sleep(delay)
                await self.open.wait()
                self._writer.write(data)
                await self._writer.drain()
        except OSError:
            pass  # the other side has ended it, or we have
        await self.open.wait()
        self._writer.close()


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy: "Proxy", client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
                 server: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:  # fmt: skip
        self._proxy, self._ends = proxy, (client[1], server[1])
        self.requests = Way(client[0], server[1], lambda: proxy.delay_seconds)
        self.answers = Way(server[0], client[1], lambda: proxy.delay_seconds)

    async def run(self) -> None:
        """Carry both ways until both have ended."""
        await asyncio.gather(self.requests.run(self._look), self.answers.run(lambda data: None))

    def _look(self, request: bytes) -> None:
        for marker, reaction in list(self._proxy.reactions):
            if marker in request:
                self._proxy.reactions.remove((marker, reaction))
                reaction(self)

    def end(self) -> None:
        """End both sides at once; what has not been passed on is lost."""
        for writer in self._ends:
            writer.transport.abort()
        self.requests.open.set()
        self.answers.open.set()

    def leave_client(self) -> None:
        """End the client's side only: what it sent goes on to the server."""
        self._ends[0].transport.abort()


class Proxy:
    """Listens on a port of its own and carries every connection to `port` of this machine."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.delay_seconds = 0.0  # of each piece in each direction
        self.reactions: list[tuple[bytes, Callable[[Link], None]]] = []
        self.links: set[Link] = set()
        self._server: asyncio.Server | None = None
        self._silent = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End everything."""
        await self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            server = await asyncio.open_connection("127.0.0.1", self.target)
            link = Link(self, (reader, writer), server)
            if self._silent:
                self._close_ways(link)
            self.links.add(link)
            try:
                await link.run()
            finally:
                self.links.discard(link)
                link.end()
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    # Faults

    async def cut(self) -> None:
        """All connections end, new ones are refused, until `start`."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for link in list(self.links):
            link.end()
        await asyncio.sleep(0)

    def silence(self) -> None:
        """Nothing passes any more, though connections stay and are taken."""
        self._silent = True
        for link in self.links:
            self._close_ways(link)

    def release(self) -> None:
        """Let everything go on, held bytes first."""
        self._silent = False
        for link in self.links:
            link.requests.open.set()
            link.answers.open.set()

    @staticmethod
    def _close_ways(link: Link) -> None:
        link.requests.open.clear()
        link.answers.open.clear()

    def lose_answer(self, marker: bytes) -> None:
        """The next request with these bytes in it arrives, and its connection ends without an answer."""

        def react(link: Link) -> None:
            link.answers.open.clear()
            asyncio.get_running_loop().call_later(0.1, link.end)  # the request has long arrived

        self.reactions.append((marker, react))

    def lose_request(self, marker: bytes) -> None:
        """The next request with these bytes in it does not arrive; its connection ends."""

        def react(link: Link) -> None:
            link.requests.open.clear()
            link.end()

        self.reactions.append((marker, react))

    def hold_request(self, marker: bytes) -> "asyncio.Future[Link]":
        """The next request with these bytes in it is held back until `release`, even if its sender is gone by then.

        Returns:
            Resolved when it is held.
        """
        held: asyncio.Future[Link] = asyncio.get_running_loop().create_future()

        def react(link: Link) -> None:
            link.requests.open.clear()
            held.set_result(link)

        self.reactions.append((marker, react))
        return held
