"""Random histories of a log against a model of it, on every backend of one process."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.log.base import Entry, Reset, Stored
from tests.backends.stores import LOCAL, Backend, Clock, each, records

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 6)),
        st.tuples(st.just("jump"), st.integers(1, 1000)),
        st.tuples(st.just("clock"), st.integers(-10_000, 10_000)),
        st.tuples(st.just("snapshot"), st.integers(0, 12)),
        st.tuples(st.just("reopen"), st.just(0)),
        st.tuples(st.just("read"), st.integers(-1, 40)),
    ),
    max_size=30,
)


class Model:
    """What the log should hold: plain lists."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, bytes]] = []
        self.newest, self.time, self.next = 0, 0.0, 1
        self.snapshot, self.trimmed = 0, 0
        self.chunks: tuple[bytes, ...] = ()

    def publish(self, index: int, chunks: tuple[bytes, ...]) -> None:
        if index >= self.snapshot:
            self.trimmed, self.snapshot, self.chunks = self.snapshot, index, chunks

    def expected(self, after: int) -> tuple[Reset | None, list[tuple[int, bytes]]]:
        held = [entry for entry in self.entries if entry[0] > self.trimmed]
        gone = [entry for entry in self.entries if after < entry[0] <= self.trimmed]
        if gone or after > self.newest or after <= 0 < self.snapshot:
            return Reset(self.snapshot, 5.0 if self.snapshot else 0.0, 0, self.chunks), [
                entry for entry in held if entry[0] > self.snapshot
            ]
        return None, [entry for entry in held if entry[0] > after]


async def run(backend: Backend, clock: Clock, steps: list[tuple[str, int]]) -> None:
    model, log = Model(), backend.log("w0")
    await log.open()
    for number, (step, value) in enumerate(steps, start=1):
        match step:
            case "append":
                payloads = [b"%d.%d" % (number, n) for n in range(value)]
                outcome = await log.append(number, records(*payloads))
                assert isinstance(outcome, Stored)
                assert outcome.first == model.next
                assert outcome.time == max(model.time, clock.unix)
                model.entries += [(model.next + n, payload) for n, payload in enumerate(payloads)]
                model.newest, model.time, model.next = model.next + value - 1, outcome.time, model.next + value
            case "jump":
                log._sequencer.jump(value)
                model.next += value
            case "clock":
                clock.advance(value)
            case "snapshot" if model.newest:
                index = max(1, model.newest - value)
                chunks = (b"%d" % number, b"") * (value % 3)
                await log.publish_snapshot(index, 5.0, each(*chunks))
                model.publish(index, chunks)
            case "reopen":
                await log.close()
                log = backend.log(f"w{number}")
                await log.open()
                model.next = model.newest + 1
            case "read":
                await compare(log.follow, model, max(0, model.newest - value))
        assert tuple(await log.newest()) == (model.newest, model.time)
    await compare(log.follow, model, 0)
    await log.close()


async def compare(follow: Callable[..., object], model: Model, after: int) -> None:
    reset, expected = model.expected(after)
    found: list[Entry] = []
    items = aiter(follow(after))  # type: ignore[call-overload]
    if reset is not None:
        assert await anext(items) == reset
    while len(found) < len(expected):
        found += await anext(items)
    assert [(entry.index, entry.payload) for entry in found] == expected


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(LOCAL))
@settings(max_examples=60, deadline=None, derandomize=True)
@given(steps=STEPS)
def test_a_log_does_what_its_model_does(kind: str, steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        clock = Clock()
        # a hang must be a failure of its own: the time limit of the test rings only once
        asyncio.run(asyncio.wait_for(run(LOCAL[kind](clock, Path(directory)), clock, steps), 2))
