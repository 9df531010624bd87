"""Whether there is an order in which what clients saw could have happened one after the other.

After Wing and Gong: an operation can be the next only if no other one that is left ended before it began; what was
tried once from a state is not tried again. Each key by itself, since a store is right when each of its keys is
(Herlihy and Wing, "Linearizability", 1990). What became of a request that nobody answered is open: it took place at
some time after it was sent, or never did.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tests.linear.model import GONE, Answer, Held, Op, step

NEVER = math.inf
MOST_TRIES = 500_000  # for one key, which takes seconds; 500 operations of right histories took 600


class Undecided(Exception):
    """The search was given up: nothing is known of the history."""

    def __init__(self, tries: int, events: int, open_ones: int) -> None:
        super().__init__(f"undecided after {tries:,} tries: {events} operations, {open_ones} of them never answered")


class Event(NamedTuple):
    """One operation as its client saw it: when it was sent, when the answer came (`NEVER`: none did), and what it was.

    `maybe` marks a `False` that may also mean what the model does not know: a lock that is refused for its delay.
    """

    client: str
    begun: float
    ended: float
    op: Op
    answer: Answer = None
    maybe: bool = False


def order_of(history: Sequence[Event], first: Held = GONE, *, most_tries: int = MOST_TRIES) -> list[Event] | None:
    """An order that explains everything, or None where there is none.

    Requests without an answer that need not have taken place may be missing in it.

    Raises:
        Undecided: neither was found within so many tries.
    """
    events = sorted(history, key=lambda event: (event.begun, event.ended))
    everything = (1 << len(events)) - 1
    must = sum(1 << place for place, event in enumerate(events) if event.ended != NEVER)
    needs = _needs(events, first)
    seen: set[tuple[int, Held]] = set()
    path: list[tuple[int, int, Held]] = []  # left before, place taken, state before
    left, state = everything, first
    choices = [_possible(events, left, state)]
    while True:
        if not left & must:
            return [events[place] for _, place, _ in path]
        while choices[-1]:
            place = choices[-1].pop()
            after = _taken(events[place], state)
            if after is None or (left & ~(1 << place), after) in seen:
                continue
            if after.value != state.value and left & ~(1 << place) & needs.get(state.value, 0):
                continue  # somebody saw this value later, and it never comes back
            if len(seen) >= most_tries:
                raise Undecided(len(seen), len(events), len(events) - must.bit_count())
            seen.add((left & ~(1 << place), after))
            path.append((left, place, state))
            left, state = left & ~(1 << place), after
            choices.append(_possible(events, left, state))
            break
        else:
            choices.pop()
            if not path:
                return None
            left, _, state = path.pop()


def _needs(events: Sequence[Event], first: Held) -> dict[str, int]:
    """Which answered operations found a value there, as a mask for each value that comes once only.

    Without it one wrong turn is searched to its end with every set of the requests that nobody answered.
    """
    written = Counter(event.op.value for event in events if event.op.verb not in ("get", "delete"))
    written[first.value] += 1
    found: dict[str, int] = {}
    for place, event in enumerate(events):
        seen = ""
        if event.op.verb == "get" and isinstance(event.answer, tuple):
            seen = event.answer[0]
        elif event.op.verb == "cas" and event.answer is True:
            seen = event.op.expected
        if seen and written[seen] == 1:
            found[seen] = found.get(seen, 0) | 1 << place
    return found


def _possible(events: Sequence[Event], left: int, state: Held) -> list[int]:
    """The places of those that can be next, what is to be tried first at the end.

    One that says the truth and never changes anything can be taken at once; what nobody answered is tried last.
    """
    answered, open_ones, horizon = [], [], NEVER
    for place, event in enumerate(events):
        if event.begun > horizon:
            break
        if left >> place & 1:
            if event.ended == NEVER:
                open_ones.append(place)
                continue
            if _only_looked(event) and _taken(event, state) == state:
                return [place]
            answered.append(place)
            horizon = min(horizon, event.ended)
    return [*open_ones[::-1], *answered[::-1]]


def _only_looked(event: Event) -> bool:
    return event.op.verb == "get" or event.answer is False


def _taken(event: Event, state: Held) -> Held | None:
    """The state after it, or None where it cannot be that it was answered so."""
    after, answer = step(state, event.op)
    if event.ended == NEVER or answer == event.answer:
        return after
    return state if event.maybe and event.answer is False else None


def told(history: Sequence[Event]) -> str:
    """A history in words, in the order of sending."""
    lines = []
    for event in sorted(history, key=lambda event: event.begun):
        ended = "?" if event.ended == NEVER else f"{event.ended:.4f}"
        lines.append(f"{event.client} {event.begun:.4f}–{ended} {' '.join(filter(None, event.op))} → {event.answer}")
    return "\n".join(lines)
