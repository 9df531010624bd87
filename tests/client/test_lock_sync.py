"""`SyncLock` and `SyncElection`: the same from threads."""

import asyncio
import json
import threading
import urllib.request
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Future
from typing import Any

import pytest

from registry.client import Election, Held, Lock, LockLost, NotLocked, NotReady, Refused, SyncElection, SyncLock
from registry.client.loop_thread import LoopThread
from tests.client.locking import Resource
from tests.contract.rest import RestClient

KEY = "jobs/nightly"


@pytest.fixture
async def url(rest: RestClient) -> AsyncIterator[str]:
    """Of the server; no thread and no session is left in the end."""
    before = set(threading.enumerate())
    yield rest.server.url
    assert (await rest.get("/v1/session/list")).value == []
    assert not [one for one in set(threading.enumerate()) - before if not one.name.startswith("asyncio_")]


def lock(url: str, **more: Any) -> SyncLock:
    return SyncLock(Lock(url, KEY, **more))


def lose(url: str, held: Held) -> None:
    request = urllib.request.Request(f"{url}/v1/session/destroy/{held.session}", method="PUT")
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert json.load(answer) is True


async def test_threads_hold_it_one_at_a_time(url: str) -> None:
    resource, barrier = Resource(), threading.Barrier(4)

    def contend() -> None:
        barrier.wait()
        for _ in range(3):
            with lock(url) as held:
                resource.inside += 1
                resource.most = max(resource.most, resource.inside)
                assert held.alive
                assert resource.write(held.fence)
                resource.inside -= 1

    await asyncio.gather(*(asyncio.to_thread(contend) for _ in range(4)))
    assert resource.most == 1
    assert len(set(resource.fences)) == 12


async def test_a_block_that_outlives_its_lock_is_told_at_its_end(url: str) -> None:
    def work() -> None:
        with lock(url) as held:
            lose(url, held)
            while held.alive:
                threading.Event().wait(0.001)
            with pytest.raises(LockLost):
                held.check()

    with pytest.raises(LockLost):
        await asyncio.to_thread(work)


async def test_it_is_released_by_whatever_thread(url: str) -> None:
    first, second = lock(url), lock(url)
    await asyncio.to_thread(first.acquire)
    with pytest.raises(RuntimeError):
        await asyncio.to_thread(first.acquire)
    with pytest.raises(NotLocked):
        await asyncio.to_thread(second.acquire, 0.2)
    await asyncio.gather(asyncio.to_thread(first.release), asyncio.to_thread(first.release))
    assert (await asyncio.to_thread(second.acquire, 5)).alive
    await asyncio.to_thread(second.release)
    assert second.held is None
    assert (await asyncio.to_thread(second.acquire, 5)).alive
    await asyncio.to_thread(second.release)


async def test_what_is_refused_is_raised_where_it_was_asked(url: str) -> None:
    with pytest.raises(Refused, match="TTL"):
        await asyncio.to_thread(lock(url, ttl_seconds=1).acquire)


async def test_an_election_from_threads(url: str) -> None:
    election = SyncElection(Election(url, KEY, "worker", lock_delay_seconds=0))
    terms = list[int]()

    def lead(held: Held) -> str:
        terms.append(held.fence)
        assert election.leader() == "worker"
        if len(terms) == 1:
            lose(url, held)
            while True:
                held.check()
        return "done"

    def look_on() -> list[str | None]:
        leaders = election.leaders()
        seen = [next(leaders)]
        leaders.close()
        return seen

    assert await asyncio.to_thread(election.campaign, lead) == "done"
    assert len(set(terms)) == 2
    assert await asyncio.to_thread(look_on) == [None]


async def test_who_waits_is_told_when_the_thread_is_closed() -> None:
    thread, begun = LoopThread("lock of nobody"), threading.Event()

    async def never() -> None:
        begun.set()
        await asyncio.sleep(3600)

    with pytest.raises(NotReady, match="not running"):
        thread.call(asyncio.sleep(0))
    await asyncio.to_thread(thread.start)
    waiting = asyncio.create_task(asyncio.to_thread(thread.call, never()))
    await asyncio.to_thread(begun.wait)
    await asyncio.to_thread(thread.close)
    with pytest.raises(NotReady, match="closed"):
        await waiting


def test_who_is_interrupted_while_waiting_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by Ctrl-C: what was asked for is given back before the thread can be ended."""
    ended, begun, sent = list[str](), threading.Event(), asyncio.run_coroutine_threadsafe

    async def work() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.02)
            ended.append("given back")

    def interrupted() -> None:
        begun.wait()
        raise KeyboardInterrupt

    def send(work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> "Future[None]":
        future = sent(work, loop)
        future.result = interrupted  # type: ignore[method-assign, assignment]
        return future

    thread = LoopThread("lock of nobody")
    thread.start()
    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", send)
    with pytest.raises(KeyboardInterrupt):
        thread.call(work())
    assert ended == ["given back"]
    thread.close()
