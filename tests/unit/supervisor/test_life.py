"""Workers as processes: they share a port, come back when they die, and end together."""

import asyncio
import os
import signal
import socket
import time
from collections import Counter

import pytest

from tests.unit.supervisor.conftest import SECONDS, Start


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def gone(*pids: int) -> None:
    """Wait until none of these processes is there; who has lost its parent is buried by the system."""
    async with asyncio.timeout(SECONDS):
        while any(map(alive, pids)):  # noqa: ASYNC110 - other processes say nothing when they end
            await asyncio.sleep(0.01)


async def test_all_workers_serve_on_one_port(start: Start) -> None:
    workers = await start(3)
    assert {one["port"] for one in workers.said("Listening")} == {workers.port}
    served = Counter([(await (await workers.talk(number)).ask("who"))["pid"] for number in (1, 2, 3)])
    assert len(served) == 3
    assert workers.process.pid not in served


@pytest.mark.parametrize("number", [1, 2])
async def test_a_worker_that_is_killed_comes_back(start: Start, number: int) -> None:
    workers = await start(2)
    before = workers.pid(number)
    os.kill(before, signal.SIGKILL)
    await workers.serving(3)
    assert workers.pid(number) != before
    assert (await (await workers.talk(number)).ask("who"))["pid"] == workers.pid(number)
    (said,) = workers.said("Worker ended")
    assert (said["worker"], said["pid"], said["signal"]) == (number, before, "SIGKILL")


async def test_while_one_is_away_the_other_serves(start: Start) -> None:
    """New connections never go to a process that is no more."""
    workers = await start(2)
    os.kill(workers.pid(1), signal.SIGKILL)
    await workers.until(lambda: bool(workers.said("Worker ended")))
    for _ in range(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", workers.port)
        writer.write(b"who\n")
        assert await asyncio.wait_for(reader.readline(), SECONDS)
        writer.close()


async def test_one_that_dies_again_and_again_waits_longer_each_time(start: Start) -> None:
    workers = await start(2)
    for births in (3, 4, 5):
        os.kill(workers.pid(2), signal.SIGKILL)
        await workers.serving(births)
    assert [one["again_in_seconds"] for one in workers.said("Worker ended")] == [0.1, 0.2, 0.4]


async def test_a_worker_that_is_told_to_end_drains_and_comes_back(start: Start) -> None:
    """So that workers can be renewed one after another (kill -TERM)."""
    workers = await start(2)
    talk = await workers.talk(1)
    os.kill(workers.pid(1), signal.SIGTERM)
    await workers.serving(3)
    (said,) = workers.said("Worker ended")
    assert (said["level"], said["exit_code"]) == ("info", 0)
    assert await talk.reader.read() == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_all_in_order(start: Start, number: signal.Signals) -> None:
    workers = await start(3)
    pids = [workers.pid(each) for each in (1, 2, 3)]
    begun = time.perf_counter()
    workers.process.send_signal(number)
    assert await workers.end() == 0
    assert time.perf_counter() - begun < 3
    assert not any(map(alive, pids))
    assert workers.said("Worker ended") == []


async def test_a_terminals_interrupt_for_the_whole_group_ends_all_in_order(start: Start) -> None:
    workers = await start(2)
    for pid in (workers.pid(1), workers.pid(2), workers.process.pid):
        os.kill(pid, signal.SIGINT)
    assert await workers.end() == 0
    assert workers.said("Worker ended") == []


async def test_a_second_signal_ends_at_once_who_does_not_end(start: Start) -> None:
    workers = await start(2)
    talk = await workers.talk(1)
    pids = workers.pid(1), workers.pid(2)
    talk.writer.write(b"hang\n")
    await workers.until(lambda: bool(workers.said("Hanging")))
    workers.process.send_signal(signal.SIGTERM)
    await gone(pids[1])
    assert alive(pids[0])
    workers.process.send_signal(signal.SIGTERM)
    assert await workers.end() == 1
    await gone(*pids)


async def test_workers_end_when_their_parent_is_killed(start: Start) -> None:
    workers = await start(3)
    workers.process.kill()
    await gone(*(workers.pid(each) for each in (1, 2, 3)))
    await workers.end()
    assert len(workers.said("The supervisor is gone")) == 3


async def test_a_worker_can_end_the_whole_server(start: Start) -> None:
    workers = await start(2)
    assert await (await workers.talk(2)).ask("leave") == "ok"
    assert await workers.end() == 0


# What goes wrong at the start


@pytest.mark.parametrize(
    ("wrong", "code", "line"),
    [
        ("settings", 2, "failed: store: is no URL\n"),
        ("store", 1, "failed: nobody answers at 127.0.0.1:1\n"),
        ("crash", 1, "failed: a worker ended with exit code 7 before it served anybody\n"),
    ],
)
async def test_a_start_that_fails_is_one_line_and_an_exit_code(start: Start, wrong: str, code: int, line: str) -> None:
    workers = await start(3, wrong)
    assert await workers.end() == code
    assert workers.lines == [line]


async def test_a_fault_in_one_of_them_at_the_start_ends_all_and_shows_its_trace(start: Start) -> None:
    workers = await start(2, "second-crash")
    assert await workers.end() == 1
    text = "".join(workers.lines)
    assert "RuntimeError: a fault of ours" in text
    assert text.endswith("failed: a worker ended with exit code 1 before it served anybody\n")


async def test_a_port_that_is_taken_is_refused(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        workers = await start(2, "taken", port=port)
        assert await workers.end() == 1
    (line,) = workers.lines
    assert line == f"failed: cannot listen on 127.0.0.1:{port} (--bind, --http-port): Address already in use\n"


async def test_two_servers_of_one_user_do_not_share_a_port_by_accident(start: Start) -> None:
    first = await start(2)
    second = await start(2, "taken", port=first.port)
    assert await second.end() == 1
    assert "Address already in use" in second.lines[0]


async def test_the_port_stays_reserved_while_no_worker_listens(start: Start) -> None:
    workers = await start(1)
    os.kill(workers.pid(1), signal.SIGKILL)
    await workers.until(lambda: bool(workers.said("Worker ended")))
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", workers.port))


async def test_the_port_of_a_run_before_can_be_had_at_once(start: Start) -> None:
    """Connections that linger in TIME_WAIT are in nobody's way."""
    first = await start(2)
    for number in (1, 2):
        await first.talk(number)
    first.process.send_signal(signal.SIGTERM)
    await first.end()
    second = await start(2, port=first.port)
    assert second.port == first.port
