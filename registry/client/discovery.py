"""`Discovery`: picks a healthy instance of a service from a local copy that one blocking query keeps fresh.

Owns the query. The copy is `local_copy.py`, the choice `picking.py`.

What Consul asks of whoever blocks, and what else is done here:
- The index of an answer goes into the next query; one that goes back begins again with 0.
- After a failure the next query begins with 0 too: a server that lost its index would keep a higher one waiting.
- Failures are repeated after a back-off, answers that come too fast are slowed down.

Source: Consul's API pages, "Blocking Queries"; consul/common.md §8 and consul/health.md §2.3.
"""

import asyncio
import json
import logging
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from registry.client.access import Access
from registry.client.backoff import Backoff, Chance, Pace
from registry.client.errors import ClientError, NoInstances, NotReady, Refused, ServerAway
from registry.client.http import Answer, Target, away, tls_of
from registry.client.instance import CRITICAL, Change, Instance, instances_of
from registry.client.local_copy import LocalCopy
from registry.client.picking import Picker, StrategyName

WAIT_SECONDS = 50.0  # below the 60 s after which many balancers end a silent connection
READY_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
_MARGIN_SECONDS = 10.0  # for an answer beyond its wait and what the server adds to it
_BURST, _PER_SECOND = 10, 5.0  # answers at once, and for long
_OK = 200

log = logging.getLogger("registry.client")


class _Found(NamedTuple):
    at: int  # the index
    instances: tuple[Instance, ...]


class Discovery:
    """The healthy instances of one service, always at hand.

        async with Discovery("http://localhost:8500", "web", strategy="weighted", zone="eu-1a") as web:
            await web.wait_ready()
            instance = web.pick()

    While the server is away, the last known answer stays. `pick`, `instances` and the other properties may be read from
    any thread; the rest belongs to the event loop it was started on. `SyncDiscovery` is for programs without one.

    Args:
        url: of the registry, or of a Consul agent.
        strategy: `round_robin`, `weighted` by Consul's weights, or `least_recently_used`.
        tags: an instance has to have all of them.
        filter: an expression of Consul's filter language.
        datacenter: another than the server's own.
        allow_warning: instances in the state warning are good enough.
        zone, region: where we are; the nearest are picked while there are any.
        wait_seconds: how long one query waits for a change.
        access: the token and the TLS.
        sleep, elapsed, chance: time and chance; for tests.

    Raises:
        ValueError: the url, or a strategy that does not exist.
    """

    def __init__(
        self,
        url: str,
        service: str,
        *,
        strategy: StrategyName = "round_robin",
        tags: Sequence[str] = (),
        filter: str = "",
        datacenter: str = "",
        allow_warning: bool = False,
        zone: str = "",
        region: str = "",
        wait_seconds: float = WAIT_SECONDS,
        access: Access | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        elapsed: Callable[[], float] = time.monotonic,
        chance: Chance = random.random,
    ) -> None:
        self.service = service
        self._target = Target.of(url)
        self._question = [("tag", tag) for tag in tags]
        self._question += [(key, value) for key, value in (("filter", filter), ("dc", datacenter)) if value]
        self._question += [] if allow_warning else [("passing", "1")]
        self._wait_seconds = wait_seconds
        self._access = access or Access()
        self._sleep, self._elapsed = sleep, elapsed
        self._backoff = Backoff(chance=chance)
        self._picker = Picker(strategy, zone=zone, region=region, chance=chance)
        self._copy = LocalCopy(lambda error: log.error("a callback of %s failed", service, exc_info=error))
        self._task: asyncio.Task[None] | None = None

    # What is known

    @property
    def instances(self) -> tuple[Instance, ...]:
        """The healthy instances of the last answer, by node and id."""
        return self._copy.instances

    @property
    def fresh(self) -> bool:
        """Whether the last query was answered: what is known is what the server says."""
        return self._copy.known and self._copy.error is None

    @property
    def last_error(self) -> ClientError | None:
        """What is wrong with the server now."""
        return self._copy.error

    def pick(self, exclude: Iterable[Instance] = ()) -> Instance:
        """The instance whose turn it is.

        Args:
            exclude: those that have just failed; another is picked.

        Raises:
            NoInstances: there is none left, or nothing is known yet.
        """
        picked = self._picker.pick(self._copy.instances, exclude)
        if picked is None:
            raise NoInstances(self.service, self._why_none())
        return picked

    # Its life

    async def start(self) -> None:
        """Begin to ask; returns at once."""
        if self._task is None:
            self._copy.closed = False
            self._task = asyncio.create_task(self._keep_fresh(), name=f"discovery of {self.service}")

    async def close(self) -> None:
        """Ask no more; `watch` comes to its end, what is known stays."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        self._copy.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def wait_ready(self, timeout: float | None = READY_SECONDS, *, least: int = 1) -> None:
        """Return once this many healthy instances are known; with 0, once the server has answered.

        Args:
            timeout: seconds; None waits for as long as it takes.

        Raises:
            NotReady: the time is over, or this was closed. Refused: the server will not answer this question.
        """
        try:
            async with asyncio.timeout(timeout):
                while not (self._copy.known and len(self._copy.instances) >= least):
                    moved = self._copy.moved
                    if isinstance(self._copy.error, Refused):
                        raise self._copy.error
                    if self._copy.closed:
                        raise NotReady("closed")
                    await moved.wait()
        except TimeoutError:
            raise NotReady(f"{self._why_none()} after {timeout} s", self._copy.error) from None

    def watch(self) -> AsyncIterator[Change]:
        """Each change of the healthy instances, what is known being the first; ends with `close`.

        Who takes long over a change gets the next ones as one.
        """
        return self._copy.changes()

    def on_change(self, told: Callable[[Change], object]) -> Callable[[], None]:
        """Call `told` on the loop at each change, what is known being the first; returns what ends that."""
        return self._copy.tell(told)

    def _why_none(self) -> str:
        if not self._copy.known:
            return f"nothing is known of {self.service} yet"
        if not self._copy.instances:
            return f"no instance of {self.service} is healthy"
        return f"{len(self._copy.instances)} instances of {self.service} are not enough"

    # The query

    async def _keep_fresh(self) -> None:
        pace = Pace(_BURST, _PER_SECOND, self._elapsed)
        timeout = aiohttp.ClientTimeout(
            total=self._wait_seconds * 17 / 16 + _MARGIN_SECONDS,  # servers add up to a sixteenth
            sock_connect=_CONNECT_SECONDS,
        )
        async with aiohttp.ClientSession(timeout=timeout, headers=self._access.headers) as session:
            tls: ssl.SSLContext | bool | None = None
            index = 0
            while True:
                try:
                    if tls is None:
                        tls = await tls_of(self._target, self._access)
                    found = await self._ask(session, index, tls)
                except Exception as error:  # whatever it is, what is known stays
                    index, tls = 0, None  # the files of its certificates may be others by now
                    self._failed(error if isinstance(error, ClientError) else away(error))
                    await self._sleep(self._backoff.next())
                else:
                    index = found.at if found.at >= index else 0
                    self._answered(found.instances)
                    if seconds := pace.next():
                        await self._sleep(seconds)

    async def _ask(self, session: aiohttp.ClientSession, index: int, tls: ssl.SSLContext | bool) -> _Found:
        """One blocking query.

        Raises:
            ClientError: it was answered with an error, or with what is no answer. Others: it was not.
        """
        question = list(self._question)
        if index:
            question += [("index", str(index)), ("wait", f"{round(self._wait_seconds * 1000)}ms")]
        path = f"{self._target.url}/v1/health/service/{quote(self.service, safe='')}?{urlencode(question)}"
        async with session.get(URL(path, encoded=True), ssl=tls, allow_redirects=False) as answer:
            body = await answer.read()
            if answer.status != _OK:
                raise Answer(answer.status, body).problem()
            index_said = answer.headers.get("X-Consul-Index", "")
        if not index_said.isdecimal() or int(index_said) < 1:
            raise ServerAway(f"an answer without an index ({index_said!r}): this is no registry")
        found = instances_of(json.loads(body))
        return _Found(int(index_said), tuple(one for one in found if one.status != CRITICAL))

    def _answered(self, instances: tuple[Instance, ...]) -> None:
        if self._copy.error is not None:
            log.info("%s is known from the server again", self.service)
        self._backoff.reset()
        self._copy.take(instances)

    def _failed(self, error: ClientError) -> None:
        if self._copy.error is None:
            log.warning("%s: the last known answer stays: %s", self.service, error)
        self._copy.fail(error)
