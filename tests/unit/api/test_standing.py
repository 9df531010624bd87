"""What is said of the other replicas, and when."""

from types import SimpleNamespace
from typing import Any

import pytest

from registry.api.metrics import Metrics
from registry.api.standing import Standing
from registry.events import Events
from registry.log.base import Contact
from registry.model.member import Member
from registry.testing import FakeClock

FIRST, SECOND = Member("aaaaaaaa", "", "10.0.0.1", 8500), Member("bbbbbbbb", "w2", "10.0.0.2", 9500)


class Watched:
    """A replica that the test moves about, and the lines that this makes."""

    def __init__(self, *, shared: bool = True) -> None:
        self.clock, self.events = FakeClock(), Events(level="error")
        contact = Contact(False, 0.0, "")
        self.engine: Any = SimpleNamespace(
            shared=shared, state=SimpleNamespace(members=()), keeps_house=False, contact=lambda: contact
        )
        self.standing = Standing(self.engine, Metrics(), self.events, self.clock)
        self.listener = self.events.listen("info")
        self.standing.start()

    async def lines(self) -> list[str]:
        """What was said after another half a second."""
        await self.clock.advance(0.5)
        self.standing.stop()
        self.listener.close()
        return [
            line for chunk in [each async for each in self.listener.chunks()] for line in chunk.decode().split("\n")
        ]


async def test_a_replica_that_joins_is_named_once() -> None:
    watched = Watched()
    watched.engine.state.members = (FIRST, SECOND)
    await watched.clock.advance(5)
    said = [line for line in await watched.lines() if "Replica joined" in line]
    assert ["10.0.0.1:8500" in said[0], "10.0.0.2:9500" in said[1], len(said)] == [True, True, 2]


async def test_a_replica_that_leaves_is_named() -> None:
    watched = Watched()
    watched.engine.state.members = (FIRST, SECOND)
    await watched.clock.advance(1)
    watched.engine.state.members = (SECOND,)
    [said] = [line for line in await watched.lines() if "Replica left" in line]
    assert FIRST.id in said


@pytest.mark.parametrize(("keeps", "words"), [([True], ["Became"]), ([True, False], ["Became", "No longer"])])
async def test_keeping_house_is_told_when_it_changes(keeps: list[bool], words: list[str]) -> None:
    watched = Watched()
    for one in keeps:
        watched.engine.keeps_house = one
        await watched.clock.advance(3)
    said = [line for line in await watched.lines() if "housekeeper" in line]
    assert [word in line for word, line in zip(words, said, strict=True)] == [True] * len(words)


async def test_a_log_of_one_process_has_nothing_to_tell() -> None:
    watched = Watched(shared=False)
    watched.engine.keeps_house = True
    assert not [line for line in await watched.lines() if line]
