"""The checker itself: it takes what is right, and finds each kind of fault that a store of keys could have."""

import random

import pytest

from tests.linear.checker import NEVER, Event, Undecided, order_of
from tests.linear.model import GONE, Held, Op, step


def event(client: str, begun: float, ended: float, verb: str, answer: object = True, **op: str) -> Event:
    return Event(client, begun, ended, Op(verb, **op), answer)  # type: ignore[arg-type]


def test_what_happens_at_the_same_time_may_be_in_any_order() -> None:
    history = [
        event("a", 0, 10, "put", value="1"),
        event("b", 1, 9, "put", value="2"),
        event("c", 2, 3, "get", ("2", "")),
        event("c", 4, 5, "get", ("1", "")),
        event("c", 11, 12, "get", ("1", "")),
    ]
    assert order_of(history) is not None


def test_a_stale_read_is_found() -> None:
    history = [
        event("a", 0, 1, "put", value="1"),
        event("a", 2, 3, "put", value="2"),
        event("b", 4, 5, "get", ("1", "")),
    ]
    assert order_of(history) is None


def test_values_that_go_back_are_found() -> None:
    """Both reads are of writes under way, but in an order that no two clients may see."""
    history = [
        event("a", 0, 1, "put", value="1"),
        event("a", 2, 9, "put", value="2"),
        event("b", 3, 4, "get", ("2", "")),
        event("c", 5, 6, "get", ("1", "")),
    ]
    assert order_of(history) is None


def test_a_lost_write_is_found() -> None:
    assert order_of([event("a", 0, 1, "put", value="1"), event("b", 2, 3, "get", None)]) is None


def test_a_lost_update_is_found() -> None:
    """Two check-and-sets over the same value both said that they took place."""
    history = [
        event("a", 0, 1, "put", value="1"),
        event("a", 2, 5, "cas", value="2", expected="1"),
        event("b", 3, 6, "cas", value="3", expected="1"),
    ]
    assert order_of(history) is None
    assert order_of([*history[:2], history[2]._replace(answer=False)]) is not None


def test_two_holders_of_a_lock_are_found() -> None:
    history = [event("a", 0, 4, "lock", value="1", session="A"), event("b", 1, 5, "lock", value="2", session="B")]
    assert order_of(history) is None
    assert order_of([*history, event("a", 1, 5, "unlock", value="3", session="A")]) is not None


def test_a_lost_lock_is_found() -> None:
    history = [event("a", 0, 1, "lock", value="1", session="A"), event("b", 2, 3, "get", ("1", ""))]
    assert order_of(history) is None
    history = [event("a", 0, 1, "lock", value="1", session="A"), event("a", 2, 3, "unlock", False, session="A")]
    assert order_of(history) is None


def test_a_write_that_nobody_answered_took_place_or_did_not_but_not_both() -> None:
    unknown = event("a", 0, NEVER, "put", None, value="1")
    assert order_of([unknown, event("b", 5, 6, "get", None)]) is not None
    assert order_of([unknown, event("b", 5, 6, "get", ("1", ""))]) is not None
    assert order_of([unknown, event("b", 5, 6, "get", None), event("b", 7, 8, "get", ("1", ""))]) is not None
    assert order_of([unknown, event("b", 5, 6, "get", ("1", "")), event("b", 7, 8, "get", None)]) is None


def test_a_write_that_nobody_answered_took_place_only_after_it_was_sent() -> None:
    assert order_of([event("b", 0, 1, "get", ("1", "")), event("a", 2, NEVER, "put", None, value="1")]) is None


def test_a_lock_may_be_refused_for_its_delay() -> None:
    refused = event("b", 0, 1, "lock", False, value="1", session="B")
    assert order_of([refused]) is None
    assert order_of([refused._replace(maybe=True)]) is not None


def overlapping(chance: random.Random, count: int) -> list[Event]:
    """What clients of a right store would see: each operation takes place at some moment between its ends."""
    state, found, value = GONE, [], ""
    for number in range(count):
        verb = chance.choice(["get", "get", "put", "cas", "lock", "unlock", "delete"])
        session = chance.choice("AB") if "lock" in verb else ""
        op = Op(verb, "" if verb in ("get", "delete") else str(number), session, value if verb == "cas" else "")
        state, answer = step(state, op)
        value = state.value if chance.random() < 0.7 else "old"
        begun, ended = number - chance.random() * 3, number + chance.random() * 3
        found.append(Event(str(number), begun, ended if chance.random() < 0.95 else NEVER, op, answer))
    return found


def test_right_histories_are_right_and_a_changed_answer_mostly_is_not() -> None:
    chance = random.Random(1)
    caught = 0
    for _ in range(40):
        history = overlapping(chance, 60)
        assert order_of(history) is not None
        reads = [place for place, one in enumerate(history) if one.op.verb == "get" and one.ended != NEVER]
        place = chance.choice(reads)
        history[place] = history[place]._replace(answer=("never written", ""))
        caught += order_of(history) is None
    assert caught == 40


def test_a_state_to_begin_with() -> None:
    assert order_of([event("a", 0, 1, "get", ("1", "A"))], Held(1, "1", "A")) is not None


def test_a_search_that_takes_too_long_is_given_up_and_says_so() -> None:
    """Many open writes, and a read that none of them explains: every set of them would have to be tried."""
    history = [event(f"w{number}", 0, NEVER, "put", None, value=f"{number}") for number in range(16)]
    history.append(event("r", 1, 2, "get", ("never written", "")))
    with pytest.raises(Undecided, match="undecided after 1,000 tries: 17 operations, 16 of them never answered"):
        order_of(history, most_tries=1000)
