"""What spans the workers: figures, reloads, events."""

import os
import signal

from tests.unit.supervisor.conftest import Start


async def test_figures_asked_of_any_worker_are_the_sums_of_all(start: Start) -> None:
    workers = await start(3)
    talks = [await workers.talk(number) for number in (1, 2, 3)]
    for talk, times in zip(talks, (1, 2, 3), strict=True):
        for _ in range(times):
            await talk.ask("count 0.1")
    for talk in talks:
        assert await talk.ask("sums") == {"counts": {"/toy": 6}, "workers": 3, "silent": 0, "restarts": 0}


async def test_no_counter_falls_when_a_worker_dies(start: Start) -> None:
    """A scraper would take that for a new beginning and count everything twice."""
    workers = await start(2)
    first, second = await workers.talk(1), await workers.talk(2)
    await first.ask("count")
    for _ in range(4):
        await second.ask("count")
    assert (await first.ask("sums"))["counts"] == {"/toy": 5}
    for births in (3, 4):
        os.kill(workers.pid(2), signal.SIGKILL)
        await workers.serving(births)
        assert (await first.ask("sums")) == {
            "counts": {"/toy": 5}, "workers": 2, "silent": 0, "restarts": births - 2,
        }  # fmt: skip
    await (await workers.talk(2)).ask("count")
    assert (await first.ask("sums"))["counts"] == {"/toy": 6}


async def test_a_worker_that_does_not_answer_is_left_out_and_counted(start: Start) -> None:
    workers = await start(3)
    first, second = await workers.talk(1), await workers.talk(2)
    await second.ask("count")
    assert (await first.ask("sums"))["counts"] == {"/toy": 1}
    await second.ask("be-silent")
    await second.ask("count")
    assert await first.ask("sums") == {"counts": {"/toy": 1}, "workers": 2, "silent": 1, "restarts": 0}


async def test_a_stopped_worker_holds_nobody_up(start: Start) -> None:
    """SIGSTOP: it neither answers nor reads."""
    workers = await start(2)
    first = await workers.talk(1)
    os.kill(workers.pid(2), signal.SIGSTOP)
    try:
        assert (await first.ask("sums"))["silent"] == 1
    finally:
        os.kill(workers.pid(2), signal.SIGCONT)
    assert (await first.ask("sums"))["silent"] == 0


async def test_a_reload_asked_of_one_reloads_all(start: Start) -> None:
    workers = await start(3)
    talks = [await workers.talk(number) for number in (1, 2, 3)]
    assert await talks[1].ask("reload") == "ok"
    assert [(await talk.ask("who"))["reloads"] for talk in talks] == [1, 1, 1]


async def test_a_reload_fails_when_it_fails_at_one(start: Start) -> None:
    workers = await start(3)
    await (await workers.talk(3)).ask("fail-reload")
    assert await (await workers.talk(1)).ask("reload") == "a.json: is broken"


async def test_a_hangup_reloads_all_and_a_failure_is_logged(start: Start) -> None:
    workers = await start(2)
    second = await workers.talk(2)
    await second.ask("fail-reload")
    workers.process.send_signal(signal.SIGHUP)
    await workers.until(lambda: bool(workers.said("Reload failed")))
    assert workers.said("Reload failed")[0]["error"] == "a.json: is broken"
    assert (await (await workers.talk(1)).ask("who"))["reloads"] == 1
    assert workers.process.returncode is None


async def test_a_monitor_shows_the_events_of_all_workers(start: Start) -> None:
    workers = await start(3)
    monitor, second, third = await workers.talk(1), await workers.talk(2), await workers.talk(3)
    assert await monitor.ask("monitor") == "ok"
    await third.ask("sums")  # by now everybody has heard that somebody listens
    await second.ask("say from two")
    assert (await monitor.line()).endswith("[INFO]  agent: from two\n")
    await third.ask("debug from three")
    assert (await monitor.line()).endswith("[DEBUG] agent: from three\n")
    await workers.until(lambda: bool(workers.said("from two")))  # the log comes by another way than the monitor
    assert [one["event"] for one in workers.events if one["event"].startswith("from")] == ["from two"]


async def test_a_monitor_shows_what_the_supervisor_says(start: Start) -> None:
    workers = await start(2)
    monitor = await workers.talk(1)
    await monitor.ask("monitor")
    await (await workers.talk(2)).ask("sums")
    os.kill(workers.pid(2), signal.SIGKILL)
    assert "agent.supervisor: Worker ended: worker=2" in await monitor.line()


async def test_events_that_nobody_listens_to_cost_nothing(start: Start) -> None:
    workers = await start(2)
    monitor, other = await workers.talk(1), await workers.talk(2)
    assert await other.ask("threshold") == 20
    await monitor.ask("monitor")
    await other.ask("sums")
    assert await other.ask("threshold") == 10
    monitor.writer.close()
    os.kill(workers.pid(1), signal.SIGKILL)
    await workers.serving(3)
    await other.ask("sums")
    assert await other.ask("threshold") == 20
