"""The waits between tries."""

import random

import pytest

from registry.client.backoff import Backoff, Pace


def test_waits_double_up_to_the_longest_and_begin_again() -> None:
    backoff = Backoff(first=1.0, longest=30.0, chance=lambda: 1.0)
    assert [backoff.next() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.next() == 1
    for _ in range(2000):  # a server that is away for days
        backoff.next()
    assert backoff.next() == 30


def test_a_crowd_does_not_come_back_at_once() -> None:
    chance = random.Random(1).random
    waits = sorted(Backoff(first=8.0, chance=chance).next() for _ in range(1000))
    assert 4.0 <= waits[0] < 4.1
    assert 7.9 < waits[-1] < 8.0
    assert waits[500] == pytest.approx(6.0, abs=0.2)


def test_answers_that_come_too_fast_are_slowed_down() -> None:
    now = 0.0
    pace = Pace(burst=3, per_second=2.0, elapsed=lambda: now)
    assert [pace.next() for _ in range(5)] == [0, 0, 0, 0.5, 1.0]
    now = 1.0
    assert pace.next() == 0.5  # the wait of those that did not wait
    now = 100.0
    assert [pace.next() for _ in range(4)] == [0, 0, 0, 0.5]
