"""`consul lock` and `consul watch` of keys, the real command line (1.8.7), against a running server.

`consul lock` and our own `Lock` keep each other out: both are tried as the holder and as the one that waits.
"""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from registry.client import Held, Lock, LockLost, NotLocked, SyncLock

pytestmark = pytest.mark.timeout(120)  # the first one may fetch the package
COMMAND_SECONDS = 20
SOON_SECONDS = 10
CONTENDERS = 6

Request = Callable[..., bytes]


class Running:
    """A command that runs on, and the lines it prints."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert process.stdout is not None
        self._output: IO[str] = process.stdout

    def line(self) -> str:
        """Its next line that is not empty; "" at its end."""
        for line in self._output:
            if line.strip():
                return line.strip()
        return ""


@pytest.fixture
def environment(registry_server: str) -> dict[str, str]:
    return {**os.environ, "CONSUL_HTTP_ADDR": registry_server}


@pytest.fixture
def start(consul_program: str, environment: dict[str, str]) -> Iterator[Callable[..., Running]]:
    """Starts the command line; it is ended with the test."""

    def start(*arguments: str) -> Running:
        process = subprocess.Popen(
            [consul_program, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return Running(process)

    started: list[subprocess.Popen[str]] = []
    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()  # it ends its child and gives the lock back
            try:
                process.wait(SOON_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def request_of(registry_server: str) -> Request:
    def send(method: str, path: str, body: bytes | None = None) -> bytes:
        asked = urllib.request.Request(registry_server + path, body, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=5) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            error.close()
            return b""

    return send


@contextmanager
def holding(lock: SyncLock, timeout: float | None = None) -> Iterator[Held]:
    """Hold it; one that is lost meanwhile is no error here."""
    held = lock.acquire(timeout)
    try:
        yield held
    finally:
        lock.release()


def soon(reached: Callable[[], bool]) -> None:
    give_up = time.monotonic() + SOON_SECONDS
    while not reached():
        assert time.monotonic() < give_up, "it never came to that"
        time.sleep(0.05)


def test_the_child_runs_while_the_lock_is_held(start: Callable[..., Running], request_of: Request, name: str) -> None:
    running = start("lock", name, "echo $CONSUL_LOCK_HELD; sleep 0.2")
    assert running.line() == "true"
    assert b'"Session"' in request_of("GET", f"/v1/kv/{name}/.lock")
    assert running.process.wait(COMMAND_SECONDS) == 0
    assert request_of("GET", f"/v1/kv/{name}/.lock") == b""  # it takes its key away


def test_the_exit_code_of_the_child_is_told(start: Callable[..., Running], name: str) -> None:
    running = start("lock", "-child-exit-code", name, "exit 3")
    assert running.process.wait(COMMAND_SECONDS) == 2


def test_contenders_are_there_one_at_a_time(start: Callable[..., Running], name: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = f"echo in >> {log}; sleep 0.05; echo out >> {log}"
    contenders = [start("lock", name, child) for _ in range(CONTENDERS)]
    assert [one.process.wait(60) for one in contenders] == [0] * CONTENDERS
    assert log.read_text().split() == ["in", "out"] * CONTENDERS


def test_so_many_at_once_as_the_semaphore_has_places(start: Callable[..., Running], name: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = f"echo 1 >> {log}; sleep 0.3; echo -1 >> {log}"
    contenders = [start("lock", "-n=2", name, child) for _ in range(CONTENDERS)]
    assert [one.process.wait(60) for one in contenders] == [0] * CONTENDERS
    inside = most = 0
    for step in map(int, log.read_text().split()):
        inside += step
        most = max(most, inside)
    assert (inside, most) == (0, 2)


def test_who_has_no_more_time_goes(start: Callable[..., Running], name: str) -> None:
    holder = start("lock", name, "echo here; sleep 30")
    assert holder.line() == "here"
    late = start("lock", "-timeout=1s", name, "echo never")
    assert "never" not in late.line()
    assert late.process.wait(COMMAND_SECONDS) == 1
    assert holder.process.poll() is None


@pytest.mark.parametrize("loss", ["deleted", "session"])
def test_a_lock_that_is_lost_ends_the_child(
    start: Callable[..., Running], request_of: Request, name: str, loss: str, tmp_path: Path
) -> None:
    running = start("lock", name, f"trap 'touch {tmp_path}/told; exit' TERM; echo here; while :; do sleep 0.1; done")
    assert running.line() == "here"
    if loss == "deleted":
        request_of("DELETE", f"/v1/kv/{name}/.lock")
    else:
        session = request_of("GET", f"/v1/kv/{name}/.lock").split(b'"Session":')[1].split(b'"')[1].decode()
        request_of("PUT", f"/v1/session/destroy/{session}")
    running.process.wait(COMMAND_SECONDS)
    assert (tmp_path / "told").exists()


# With ours


def test_ours_waits_for_consul_lock(start: Callable[..., Running], registry_server: str, name: str) -> None:
    running = start("lock", name, "echo here; read wait < /dev/null; sleep 1.5")
    assert running.line() == "here"
    ours = SyncLock(Lock(registry_server, f"{name}/.lock"))
    with pytest.raises(NotLocked):
        ours.acquire(timeout=0.5)
    assert running.process.poll() is None
    with holding(ours, 20) as held:
        assert held.alive
        running.process.wait(COMMAND_SECONDS)


def test_consul_lock_waits_for_ours(start: Callable[..., Running], registry_server: str, name: str) -> None:
    with holding(SyncLock(Lock(registry_server, f"{name}/.lock"))):
        late = start("lock", "-timeout=1s", name, "echo never")
        assert "never" not in late.line()
        assert late.process.wait(COMMAND_SECONDS) == 1
        waiting = start("lock", name, "echo here")
        time.sleep(0.5)  # for it to have come and to wait
        released = time.monotonic()
    assert waiting.line() == "here"
    assert time.monotonic() - released < 5
    assert waiting.process.wait(COMMAND_SECONDS) == 0


def test_both_kinds_contend_and_there_is_one_at_a_time(
    start: Callable[..., Running], registry_server: str, name: str, tmp_path: Path
) -> None:
    log, visits = tmp_path / "log", 0
    child = f"echo in >> {log}; sleep 0.05; echo out >> {log}"
    contenders = [start("lock", name, child) for _ in range(CONTENDERS)]
    give_up = time.monotonic() + 60
    while visits < CONTENDERS or any(one.process.poll() is None for one in contenders):
        assert time.monotonic() < give_up
        with holding(SyncLock(Lock(registry_server, f"{name}/.lock", lock_delay_seconds=0)), 30) as held:
            with log.open("a") as file:
                file.write("in\n")
            time.sleep(0.02)
            if held.alive:
                with log.open("a") as file:
                    file.write("out\n")
                visits += 1
        time.sleep(0.02)
    said = log.read_text().split()
    assert said == ["in", "out"] * (len(said) // 2)
    assert len(said) // 2 == visits + CONTENDERS


def test_a_consul_that_is_killed_gives_way_after_its_time(
    start: Callable[..., Running], registry_server: str, request_of: Request, name: str
) -> None:
    """kill -9 of the holder; its session is ended by hand, as its TTL would do half a minute later."""
    running = start("lock", name, "echo here; sleep 3")
    assert running.line() == "here"
    os.kill(running.process.pid, signal.SIGKILL)
    session = request_of("GET", f"/v1/kv/{name}/.lock").split(b'"Session":')[1].split(b'"')[1].decode()
    with pytest.raises(NotLocked):
        SyncLock(Lock(registry_server, f"{name}/.lock")).acquire(timeout=0.5)
    request_of("PUT", f"/v1/session/destroy/{session}")
    ended = time.monotonic()
    with holding(SyncLock(Lock(registry_server, f"{name}/.lock")), 40):
        assert 14 < time.monotonic() - ended < 21  # the lock-delay of 15 s that it had asked for


def test_ours_is_told_when_somebody_deletes_its_key(registry_server: str, request_of: Request, name: str) -> None:
    def lose_it() -> None:
        with SyncLock(Lock(registry_server, f"{name}/.lock")) as held:
            request_of("DELETE", f"/v1/kv/{name}/.lock")
            soon(lambda: not held.alive)

    with pytest.raises(LockLost):
        lose_it()


# Watches


def test_watch_of_a_key_prints_it(start: Callable[..., Running], request_of: Request, name: str) -> None:
    request_of("PUT", f"/v1/kv/{name}/a?flags=7", b"one")
    done = start("watch", "-type=key", f"-key={name}/a").process.communicate(timeout=COMMAND_SECONDS)[0]
    assert f'"Key": "{name}/a"' in done
    assert '"Value": "b25l"' in done
    assert '"Flags": 7' in done


def test_watch_of_a_prefix_prints_what_is_below(start: Callable[..., Running], request_of: Request, name: str) -> None:
    for key in ("b", "a"):
        request_of("PUT", f"/v1/kv/{name}/{key}", key.encode())
    request_of("PUT", f"/v1/kv/{name}x", b"elsewhere")
    done = start("watch", "-type=keyprefix", f"-prefix={name}/").process.communicate(timeout=COMMAND_SECONDS)[0]
    assert [line.split('"')[3] for line in done.splitlines() if '"Key"' in line] == [f"{name}/a", f"{name}/b"]


def test_watch_of_a_key_calls_its_handler_for_each_change_of_it(
    start: Callable[..., Running], request_of: Request, name: str
) -> None:
    request_of("PUT", f"/v1/kv/{name}/a", b"one")
    running = start("watch", "-type=key", f"-key={name}/a", "cat; echo")
    assert '"Value":"b25l"' in running.line()
    request_of("PUT", f"/v1/kv/{name}/b", b"another")
    request_of("PUT", f"/v1/kv/{name}/a", b"two")
    assert '"Value":"dHdv"' in running.line()
    request_of("DELETE", f"/v1/kv/{name}/a")
    assert running.line() == "null"
    request_of("PUT", f"/v1/kv/{name}/a", b"one")
    assert '"Value":"b25l"' in running.line()


def test_watch_of_a_prefix_calls_its_handler_for_each_change_below(
    start: Callable[..., Running], request_of: Request, name: str
) -> None:
    request_of("PUT", f"/v1/kv/{name}/a", b"one")
    running = start("watch", "-type=keyprefix", f"-prefix={name}/", "cat; echo")
    assert running.line().count('"Key"') == 1
    request_of("PUT", f"/v1/kv/{name}x", b"elsewhere")
    request_of("PUT", f"/v1/kv/{name}/b", b"two")
    assert running.line().count('"Key"') == 2
    request_of("DELETE", f"/v1/kv/{name}/a")
    said = running.line()
    assert said.count('"Key"') == 1
    assert f'"Key":"{name}/b"' in said
